"""A teacher's own exercise, made by the guide alone: handed out, checked, graded."""

import json
import re
import subprocess
import sys

import pytest

from course.checkers import find, load
from course.paths import ROOT
from grading import assignments
from grading.notebook import model_answers
from tests.grading.hostile import books, run

SOLUTION = "    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION"
HEAD = "def halved(x):\n"


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with checkers.py of the guide and a source, and what is made of it."""
    place = tmp_path_factory.mktemp("mine")
    guide = (ROOT / "chapters" / "instructors.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, re.S)
    (code,) = [block for block in blocks if "EXERCISES" in block]
    folder = place / "my-exercises"
    folder.mkdir()
    (folder / "checkers.py").write_text(code, encoding="utf-8")
    source = books.notebook(
        [
            books.cell("from checkers import check", "mine-set-up"),
            books.cell("## Half of it", "halved-task", "markdown"),
            books.cell(HEAD + SOLUTION, "halved", solution=True),
            books.cell('check("halved", halved)', "halved-check", grade=True, points=2),
        ]
    )
    for number, cell in enumerate(source["cells"]):
        cell["id"] = f"cell-{number}"
    (folder / "04_mine.ipynb").write_bytes(books.text(source))
    before = status()
    done = assignments.main(["--sources", str(folder), "--output", str(place / "ours")])
    assert done == 0
    assert status() == before
    return place


def status():
    """What git says of this checkout."""
    command = ["git", "status", "--porcelain"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout


def test_it_is_handed_out_without_its_solution(mine):
    text = (mine / "ours" / "04_mine.ipynb").read_text("utf-8")
    assert "return x / 2" not in text
    assert "halved: Not answered yet." in text
    assert sorted(p.name for p in (mine / "ours").iterdir()) == [
        "04_mine.ipynb",
        "checkers.py",
    ]


def test_students_check_it(mine):
    code = (
        "from checkers import check\n"
        "print(check('halved', lambda x: x / 2))\n"
        "check('halved', lambda x: x * 2)"
    )
    command = [sys.executable, "-c", code]
    path = {"PYTHONPATH": f"{mine / 'ours'}:{ROOT}", "PATH": "/usr/bin"}
    done = subprocess.run(command, capture_output=True, text=True, env=path)
    assert "halved is right. Tried 2 cases" in done.stdout
    assert "halved: You doubled it." in done.stderr


def test_it_is_graded(mine):
    run.need_sandbox()
    release = json.loads((mine / "ours" / "04_mine.ipynb").read_text("utf-8"))
    for name, body in (("ana", "return x / 2"), ("bo", "return x * 2")):
        books.named(release, "halved")["source"] = f"{HEAD}    {body}"
        path = mine / "in" / name / "04_mine.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(books.text(release))
    out = mine / "out"
    out.mkdir()
    (out / "settings.toml").write_text("sources = '../my-exercises'")
    done = run.grade([mine / "ours/04_mine.ipynb", mine / "in", "--out", out])
    assert done.returncode == 0, done.stderr
    rows = {row["student"]: row for row in run.table(out / "grades.csv")}
    assert (rows["ana"]["score"], rows["ana"]["status"]) == ("2", "right")
    assert (rows["bo"]["score"], rows["bo"]["reason"]) == ("0", "You doubled it.")
    assert "Half of it" in (out / "feedback" / "ana.html").read_text("utf-8")


@pytest.mark.parametrize("code", ["x = 1", "1 / 0", "EXERCISES = [1]"])
def test_checkers_that_are_none_are_named(tmp_path, code):
    path = tmp_path / "checkers.py"
    path.write_text(code)
    with pytest.raises(ValueError, match=r"checkers\.py gives no EXERCISES"):
        load(path)


def test_exercises_of_the_course_are_found_beside_them(mine):
    path = mine / "ours" / "checkers.py"
    assert find("halved", path).title == "Half of it"
    assert find("scaled_scores", path).chapter == 3
    with pytest.raises(ValueError, match="no exercise is called 'halved'"):
        find("halved")


def test_sources_have_model_answers(mine):
    assert model_answers(mine / "my-exercises" / "04_mine.ipynb") == {}
