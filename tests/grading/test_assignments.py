"""Students' notebooks: what their sources give, without solutions; none in the book."""

import contextlib
import copy
import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from course import notebooks
from course.marks import BEGIN, END, problems
from course.paths import ASSIGNMENTS, ROOT, SOURCES
from grading import assignments, leaks
from grading.solutions import without_solutions

PATHS = sorted(SOURCES.glob("*.ipynb"))
MODEL = SOURCES / "03_scaling.ipynb"


def make(*arguments):
    """Run the command line here."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = assignments.main(list(map(str, arguments)))
    return SimpleNamespace(
        returncode=status, stdout=out.getvalue(), stderr=err.getvalue()
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with the assignment of the model."""
    folder = tmp_path_factory.mktemp("made")
    done = make("03_scaling", "--output", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def source():
    """The model, to be spoilt."""
    return notebooks.read(MODEL)


def cell(nb, name):
    """The cell of that name."""
    return next(c for c in nb.cells if c.metadata.nbgrader.grade_id == name)


# ------------------------------------------------------------- as stored in the book


def test_every_source_has_an_assignment():
    assert [p.name for p in PATHS] == sorted(
        path.name for path in ASSIGNMENTS.glob("*.ipynb")
    )


def test_assignments_are_what_their_sources_give(tmp_path):
    """But for the outputs: these are nbval's part, and `assignments.py --check`'s."""
    done = make("--check", "--no-outputs")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_nothing_is_wrong_with_a_source(path):
    assert list(problems(notebooks.read(path))) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_empty_assignment_gets_nothing(path):
    """Each check fails, for our reason; nothing else does; no output tells more."""
    nb = notebooks.read(ASSIGNMENTS / path.name)
    checks = [c for c in nb.cells if assignments.is_check(c)]
    assert checks
    for part in nb.cells:
        outputs = part.get("outputs", [])
        errors = [o for o in outputs if o.output_type == "error"]
        assert bool(errors) == (part in checks)
        if errors:
            assert len(outputs) == 1
            assert errors[0].ename == "NotYet"
            assert errors[0].evalue.endswith(": Not answered yet.")


def test_no_solution_is_shown(book):
    assert leaks.leaks(book=book) == []


# ------------------------------------------------------------------ how it is made


def test_the_same_source_gives_the_same_bytes(made):
    done = make("03_scaling", "--check", "--output", made)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("find", ["Not answered yet", "YOUR CODE HERE", "deletable"])
def test_a_changed_assignment_is_found(made, tmp_path, monkeypatch, find):
    text = (made / "03_scaling.ipynb").read_text("utf-8")
    monkeypatch.setattr(assignments, "generate", lambda *_: text)
    stored = tmp_path / "03_scaling.ipynb"
    stored.write_text(text, "utf-8")
    assert assignments.differences([MODEL], tmp_path) == []
    assert find in text
    stored.write_text(text.replace(find, "x", 1), "utf-8")
    assert assignments.differences([MODEL], tmp_path) == [
        "03_scaling.ipynb is not what its source gives: make assignments"
    ]


def test_a_missing_and_a_strange_assignment_are_found(tmp_path, monkeypatch):
    shutil.copy(MODEL, tmp_path / "99_strange.ipynb")
    monkeypatch.setattr(assignments, "generate", lambda *_: "")
    paths = sorted(SOURCES.glob("*.ipynb"))
    *missing, strange = assignments.differences(paths, tmp_path)
    assert len(missing) == len(paths)
    assert strange == "99_strange.ipynb has no source"


def test_what_an_assignment_holds(made):
    """nbgrader's marks stay, locks are set, checks may fail, links lead on."""
    nb, before = notebooks.read(made / "03_scaling.ipynb"), notebooks.read(MODEL)
    nbformat.validate(nb)
    kept = ("grade", "grade_id", "locked", "points", "schema_version", "solution")
    for new, old in zip(nb.cells, before.cells, strict=True):
        marks = new.metadata.nbgrader
        for key in kept:
            assert marks.get(key) == old.metadata.nbgrader.get(key)
        assert marks.checksum
        assert new.metadata.deletable is False
        assert new.metadata.get("editable", True) == bool(marks.solution)
        tags = new.metadata.get("tags", [])
        assert ("raises-exception" in tags) == assignments.is_check(new)
        if not marks.solution:
            assert new.source == old.source.replace("](../chapters/", "](../")
    assert "(../03_scaling.ipynb)" in nb.cells[1].source


def test_a_stub_keeps_the_signature_and_the_docstring(made):
    nb = notebooks.read(made / "03_scaling.ipynb")
    assert cell(nb, "stable_softmax").source == (
        "def stable_softmax(x, axis=-1):\n"
        '    """x of any shape -> weights of that shape; they sum to 1 along axis, '
        'or are 0."""\n'
        "    # YOUR CODE HERE\n"
        '    raise NotImplementedError("write your answer here")'
    )
    assert "YOUR ANSWER HERE" in cell(nb, "vanishing_gradients").source


def test_a_value_keeps_its_first_line(source):
    """A stub at top level must not raise: the rest of the notebook runs."""
    answer = cell(source, "score_variance")
    answer.source = f"x = ...  # a number\n{BEGIN}\nx = 5\n{END}"
    nb = without_solutions(source)
    assert cell(nb, "score_variance").source == "x = ...  # a number\n# YOUR CODE HERE"


def test_a_mark_counts_whatever_stands_around_it(source):
    """As with nbgrader: no line of a solution is handed out for a space too many."""
    answer = cell(source, "scaled_scores")
    answer.source = f"def f():\n    {BEGIN}  \n    secret\n    # END SOLUTION: f"
    assert cell(without_solutions(source), "scaled_scores").source == (
        "def f():\n    # YOUR CODE HERE\n"
        '    raise NotImplementedError("write your answer here")'
    )


def marked(kind, source, name, **marks):
    """A cell with marks."""
    marks = {"grade": False, "locked": False, "solution": False, **marks}
    marks = {"grade_id": name, "schema_version": 3, **marks}
    return nbformat.from_dict(
        {"cell_type": kind, "id": name, "metadata": {"nbgrader": marks}}
        | {"source": source}
        | ({"outputs": [], "execution_count": None} if kind == "code" else {})
    )


GIVEN = {"deletable": False, "editable": False}
ANSWER = {"deletable": False}


@pytest.mark.parametrize(
    ("part", "checksum", "locks"),
    [
        (
            marked("code", "import numpy as np", "given-1", locked=True),
            "4363f1bdda955c6f0cb0bb1db303024f",
            GIVEN,
        ),
        (
            marked("code", "def f(x):\n    ...", "f", solution=True),
            "cf69b61ae1e522e116ee63e96d92fd1a",
            ANSWER,
        ),
        (
            marked("code", 'check("f", f)', "f-check", grade=True, points=3),
            "b5e82319f8f610c368aa3e080242269c",
            GIVEN,
        ),
        (
            marked(
                *("markdown", "*√, your answer*", "why"),
                **{"grade": True, "solution": True, "points": 2.5},
            ),
            "3112292f195a015e09deaf9cd08b6106",
            ANSWER,
        ),
        (marked("markdown", "free", "free"), None, {}),
    ],
    ids=["given", "solution", "check", "written", "free"],
)
def test_checksums_and_locks_are_nbgrader_s(part, checksum, locks):
    """The checksums here are what nbgrader 0.9.6 wrote for these cells."""
    nb = nbformat.v4.new_notebook(cells=[part])
    (done,) = without_solutions(nb).cells
    marks = done.metadata.pop("nbgrader")
    assert marks.get("checksum") == checksum
    assert marks.get("cell_type") == (part.cell_type if checksum else None)
    assert done.metadata == locks


def test_a_private_folder(tmp_path):
    """A variant of one's own, of the same exercises, is made like the others."""
    nb = notebooks.read(MODEL)
    nb.cells[1].source = "# My own title"
    (tmp_path / "in").mkdir()
    notebook = tmp_path / "in" / "my_variant.ipynb"
    notebook.write_text(notebooks.as_text(nb), encoding="utf-8")
    done = make("--sources", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "My own title" in (tmp_path / "out" / "my_variant.ipynb").read_text("utf-8")


# ----------------------------------------------------------------- what is refused


def no_region(nb):
    answer = cell(nb, "scaled_scores")
    answer.source = answer.source.replace(BEGIN, "").replace(END, "")


def open_region(nb):
    answer = cell(nb, "scaled_scores")
    answer.source = answer.source.replace(END, "")


def no_points(nb):
    del cell(nb, "scaled_scores-check").metadata.nbgrader["points"]


def other_points(nb):
    cell(nb, "scaled_scores-check").metadata.nbgrader.points = 99


def same_name(nb):
    nb.cells.append(copy.deepcopy(cell(nb, "scaled_scores")))
    nb.cells[-1].id = "another"


def unknown(nb):
    for name in ("scaled_scores", "scaled_scores-check"):
        marks = cell(nb, name).metadata.nbgrader
        marks.grade_id = marks.grade_id.replace("scaled_scores", "scaled_skores")


def no_check(nb):
    nb.cells.remove(cell(nb, "scaled_scores-check"))


def no_answer(nb):
    nb.cells.remove(cell(nb, "scaled_scores"))


def unmarked(nb):
    del cell(nb, "scaled_scores").metadata["nbgrader"]


def solution_in_a_task(nb):
    cell(nb, "scaled_scores-task").source += f"\n\n{BEGIN}\nx\n{END}"


def written_without_grade(nb):
    cell(nb, "vanishing_gradients").metadata.nbgrader.grade = False


def second_region(nb):
    cell(nb, "scaled_scores").source += "\n# BEGIN SOLUTION\nx\n# END SOLUTION"


def hidden_tests(nb):
    cell(nb, "scaled_scores-check").source += "\n### BEGIN HIDDEN TESTS\nx"


def strange_name(nb):
    cell(nb, "given-2").metadata.nbgrader.grade_id = "given 2"


def no_lock(nb):
    del cell(nb, "given-2").metadata.nbgrader["locked"]


def old_schema(nb):
    cell(nb, "scaled_scores").metadata.nbgrader.schema_version = 2


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (no_region, "scaled_scores needs one region"),
        (open_region, "scaled_scores needs one region"),
        (no_points, "scaled_scores-check is graded and needs points"),
        (other_points, "scaled_scores-check has 99 points; its checker 3"),
        (same_name, "two cells have the grade_id scaled_scores"),
        (unknown, "no exercise is called 'scaled_skores'; did you mean scaled_scores"),
        (no_check, "scaled_scores has no check"),
        (no_answer, "scaled_scores-check has no solution"),
        (unmarked, "holds a solution and has no nbgrader metadata"),
        (solution_in_a_task, "scaled_scores-task holds a solution"),
        (written_without_grade, "vanishing_gradients is a written question"),
        (old_schema, "schema_version 3"),
        (second_region, "scaled_scores needs one region"),
        (hidden_tests, "scaled_scores-check has a region BEGIN HIDDEN TESTS"),
        (strange_name, "needs a grade_id of letters, digits, - and _"),
        (no_lock, "grade, locked and solution"),
    ],
)
def test_a_malformed_source_is_refused(source, tmp_path, spoil, reason):
    spoil(source)
    path = tmp_path / "03_scaling.ipynb"
    path.write_text(json.dumps(source), encoding="utf-8")
    with pytest.raises(assignments.AssignmentError) as caught:
        assignments.generate(path)
    assert reason in str(caught.value)
    assert "03_scaling.ipynb" in str(caught.value)


def test_a_file_that_is_no_notebook_is_refused(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text("no notebook")
    with pytest.raises(notebooks.NotebookError, match="cannot be read"):
        assignments.generate(path)


def test_a_source_whose_given_cells_need_a_solution_is_refused(source, tmp_path):
    given = copy.deepcopy(cell(source, "given-2"))
    given.id = "another"
    given.metadata.nbgrader.grade_id = "given-9"
    given.source = "print(score_variance(3, 1, 1))"
    source.cells.append(given)
    (tmp_path / "bad.ipynb").write_text(json.dumps(source), encoding="utf-8")
    done = make("--sources", tmp_path, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "without solutions a cell fails: NotImplementedError" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_private_folder_needs_another_place(tmp_path):
    """What a teacher makes does not take the place of the course's own notebooks."""
    shutil.copy(MODEL, tmp_path)
    done = make("--sources", tmp_path)
    assert done.returncode == 2
    assert "say where to write what is made from" in done.stderr
    assert "OUT=" in done.stderr


def test_an_unknown_name_is_told(tmp_path):
    with pytest.raises(assignments.AssignmentError, match="no source"):
        assignments.find(SOURCES, ["99_nothing"])
    with pytest.raises(assignments.AssignmentError, match="no source"):
        assignments.find(tmp_path, [])


# ---------------------------------------------------------- the leak check can fail

SECRET = "    exps = np.exp(x - np.where(largest == -math.inf, 0.0, largest))"
CASE = '        Case(qkv((), 3, 5, 4, 2), "L=3, S=5, E=4, Ev=2"),'


@pytest.fixture
def shown(tmp_path):
    """An assignment without solutions, and a built book with one page."""
    nb = notebooks.read(MODEL)
    for part in nb.cells:
        part.source = "\n".join(leaks.split(part.source)[1])
        if part.cell_type == "code":
            part.outputs = []
    assignments, book = tmp_path / "assignments", tmp_path / "html"
    (book / "_sources").mkdir(parents=True)
    assignments.mkdir()
    (assignments / "03_scaling.ipynb").write_text(json.dumps(nb), encoding="utf-8")
    (book / "page.html").write_text("<p>nothing</p>", encoding="utf-8")
    (book / "searchindex.js").write_text("Search.setIndex({})", encoding="utf-8")
    assert leaks.leaks(assignments=assignments, book=book) == []
    return assignments, book


def colour(text):
    """Write a line as Pygments does."""
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"<span>{c}</span>" if c.isalpha() else c for c in text)


@pytest.mark.parametrize("line", [SECRET, CASE], ids=["solution", "case"])
@pytest.mark.parametrize(
    ("where", "dress"),
    [
        ("html/page.html", colour),
        ("html/_sources/x.md", str),
        ("html/_sources/x.ipynb", lambda x: json.dumps({"cells": [source_cell(x)]})),
        ("assignments/x.ipynb", lambda x: json.dumps({"cells": [output_cell(x)]})),
        ("assignments/y.ipynb", lambda x: json.dumps({"cells": [source_cell(x)]})),
    ],
)
def test_a_planted_line_is_found(shown, tmp_path, where, dress, line):
    assignments, book = shown
    assert line.strip() in MODEL.read_text("utf-8") + (
        ROOT / "attnlib" / "exercises" / "ch03.py"
    ).read_text("utf-8")
    (tmp_path / where).write_text(dress(line), encoding="utf-8")
    found = leaks.leaks(assignments=assignments, book=book)
    assert len(found) == 1
    assert Path(where).name in found[0]


def source_cell(text):
    """A cell with a line in its source."""
    return {"cell_type": "code", "source": ["x\n", text], "metadata": {}, "outputs": []}


def output_cell(text):
    """A cell with a line in the trace of an error."""
    error = {"output_type": "error", "ename": "x", "evalue": "x", "traceback": [text]}
    return {"cell_type": "code", "source": "", "metadata": {}, "outputs": [error]}


def test_a_planted_mark_and_a_planted_word_are_found(shown, tmp_path):
    assignments, book = shown
    (book / "page.html").write_text(f"<p>{BEGIN}</p>", encoding="utf-8")
    assert len(leaks.leaks(assignments=assignments, book=book)) == 1
    (book / "page.html").write_text("<p>nothing</p>", encoding="utf-8")
    nb = notebooks.read(MODEL)
    answer = cell(nb, "scaled_scores")
    answer.source = answer.source.replace("return", "secretive_name = 1\n    return")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / MODEL.name).write_text(json.dumps(nb), encoding="utf-8")
    index = 'Search.setIndex({"terms":{"secretive_nam":3}})'
    (book / "searchindex.js").write_text(index, encoding="utf-8")
    assert leaks.leaks(assignments=assignments, book=book) == []
    found = leaks.leaks(sources=tmp_path / "in", assignments=assignments, book=book)
    assert found == ["html/searchindex.js shows 'secretive_name'"]
