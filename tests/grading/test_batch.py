"""The grader's parts, and its command: resumed, refused, written, readable."""

import os
import re
import signal
import stat
import subprocess
import sys
import zipfile

import pytest

from course.paths import ASSIGNMENTS, ROOT, SOURCES
from grading import batch, feedback, outputs
from grading.notebook import model_answers, read_assignment
from tests.browser import look
from tests.grading.hostile import books, run

BOOK = books.text(books.submission())


# ---------------------------------------------------------------------- the command


@pytest.fixture
def place(tmp_path):
    """A folder with a release."""
    (tmp_path / "release.ipynb").write_bytes(books.text(books.release()))
    return tmp_path


def hand_in(place, **students):
    """Write submissions, one for each student."""
    for name, book in students.items():
        path = place / "in" / name / "release.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(book if isinstance(book, bytes) else books.text(book))


def command(place, out="out", source="in", options=()):
    """Return the arguments of a run."""
    release = place / "release.ipynb"
    return [release, place / source, "--out", place / out, *options]


def test_without_bubblewrap_nothing_is_graded(place):
    hand_in(place, ana=BOOK)
    done = run.grade(command(place), env=os.environ | {"PATH": "/nowhere"})
    assert done.returncode == 2
    assert "There is no bubblewrap" in done.stderr
    assert "--no-sandbox" in done.stderr
    assert not (place / "out" / "grades.csv").exists()


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("0.6.1", "is bubblewrap 0.6.1"),
        ("0.9.0", "The sandbox does not start: no rights"),
    ],
)
def test_a_bubblewrap_that_does_not_do_is_told(place, version, reason):
    hand_in(place, ana=BOOK)
    script = place / "bin" / "bwrap"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap {version} && exit\n'
        "echo no rights >&2; exit 1\n"
    )
    script.chmod(0o755)
    done = run.grade(command(place), env=os.environ | {"PATH": str(script.parent)})
    assert done.returncode == 2
    assert reason in done.stderr


def test_without_a_sandbox_if_asked(place):
    hand_in(
        place, ana=BOOK, bo=books.submission(scaled_scores="import os\nos._exit(1)")
    )
    path = os.environ | {"PATH": "/nowhere"}
    done = run.grade(command(place, options=["--no-sandbox"]), env=path)
    assert done.returncode == 0, done.stderr
    assert "No sandbox" in done.stdout
    scores = [row["score"] for row in run.table(place / "out" / "grades.csv")]
    assert scores == ["2", "3", "4", "", "2", "0", "4", ""]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "nowhere"}, "does not exist"),
        ({"out": "in/out"}, "lies within"),
    ],
)
def test_a_wrong_argument_is_told(place, change, reason):
    hand_in(place, ana=BOOK)
    done = run.grade(command(place, **change))
    assert done.returncode == 2
    assert reason in done.stderr


def test_an_unknown_release_is_told(place):
    done = run.grade(["nothing", place])
    assert done.returncode == 2
    assert "there is no release" in done.stderr


def test_a_folder_of_another_assignment_is_told(place):
    run.need_sandbox()
    hand_in(place, ana=BOOK)
    (place / "other.ipynb").write_bytes(books.text(books.release()))
    assert run.grade(command(place)).returncode == 0
    done = run.grade([place / "other.ipynb", *command(place)[1:]])
    assert done.returncode == 2
    assert "holds grades of release" in done.stderr


def test_help_is_there():
    done = run.grade(["--help"])
    assert done.returncode == 0
    for word in ("Canvas", "Moodle", "--settings", "--no-sandbox", "grades.csv"):
        assert word in done.stdout


def test_killed_and_started_again(place):
    """The same table as in one go; nothing is graded twice."""
    run.need_sandbox()
    slow = {
        f"student {n}": books.submission(before="import time\ntime.sleep(0.4)")
        for n in range(6)
    }
    hand_in(place, **slow, zed=books.submission(stable_softmax="return x"))
    for out in ("whole", "out"):
        run.keep_secret(place / out, 3)
    whole = run.grade(command(place, out="whole"))
    assert whole.returncode == 0, whole.stderr
    script = [sys.executable, "-B", "-m", "grading.grade", *command(place)]
    (place / "tmp").mkdir()
    with subprocess.Popen(
        list(map(str, [*script, "--jobs", 2])),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(place / "tmp")},
    ) as first:
        for line in first.stdout:
            if line.startswith("[3/7]"):
                first.send_signal(signal.SIGKILL)
                break
        children, _ = first.communicate(timeout=60)  # until the last process ended
    assert children.count("\n") <= 2
    assert [*(place / "tmp").iterdir()] == []
    assert not (place / "out" / "grades.csv").exists()
    again = run.grade(command(place))
    assert again.returncode == 0, again.stderr
    assert re.search(r"^[345] were graded before$", again.stdout, re.M)
    assert not (place / "out" / "state" / "library").exists()
    for name in ("grades.csv", "written.html", "feedback/zed.html"):
        files = [place / folder / name for folder in ("whole", "out")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_what_changed_is_graded_again(place):
    run.need_sandbox()
    hand_in(place, ana=BOOK, bo=BOOK)
    run.grade(command(place))
    changed = place / "in" / "bo" / "release.ipynb"
    changed.write_bytes(books.text(books.submission(scaled_scores="return 1")))
    assert "1 were graded before" in run.grade(command(place)).stdout
    done = run.grade(command(place, options=["--new-cases"]))
    assert "graded before" not in done.stdout


def test_a_secret_is_drawn_kept_and_never_shown(place):
    run.need_sandbox()
    hand_in(place, ana=BOOK)
    first, again = (run.grade(command(place)).stdout for _ in range(2))
    path = place / "out" / "state" / "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch("[0-9a-f]{64}", path.read_text())
    assert "1 were graded before" in again
    files = [p for p in (place / "out").rglob("*") if p.is_file() and p != path]
    for text in (first, again, *(p.read_text("utf-8") for p in files)):
        assert path.read_text() not in text


def test_downloads_from_end_to_end(place):
    """One download with everything in it: sorted or refused, nothing lost."""
    run.need_sandbox()
    late = "noelzoé_LATE_2_22_release.ipynb"
    with zipfile.ZipFile(place / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lima ana_1_11_release.ipynb", BOOK)
        archive.writestr("noelzoé_2_21_release.ipynb", b"{}")
        archive.writestr(late, BOOK)
        archive.writestr("wubo_3_31_photo.ipynb", b"\x89PNG")
        archive.writestr("bigmax_4_41_release.ipynb", bytes(200 * 2**20))
        archive.writestr("../evil_5_51_release.ipynb", BOOK)
        archive.writestr("=cmd_6_61_release.ipynb", BOOK)
    done = run.grade(command(place, source="in.zip", options=["--jobs", 2]))
    assert done.returncode == 0, done.stderr
    rows = {}
    for row in run.table(place / "out" / "grades.csv"):
        rows.setdefault(row["student"], []).append(row)
    assert {s: [r["score"] for r in found] for s, found in rows.items()} == {
        "'=cmd_6": ["2", "3", "4", ""],
        "bigmax_4": ["", "", "", ""],
        "lima ana_1": ["2", "3", "4", ""],
        "noelzoé_2": ["2", "3", "4", ""],
        "wubo_3": ["", "", "", ""],
    }
    assert {s: found[0]["late"] for s, found in rows.items() if found[0]["late"]} == {
        "noelzoé_2": "late"
    }
    assert "more than 20 MB" in rows["bigmax_4"][0]["reason"]
    assert "it is a picture" in rows["wubo_3"][0]["reason"]
    refused = {r["file"]: r["reason"] for r in run.table(place / "out" / "refused.csv")}
    assert "leads out of the zip" in refused["../evil_5_51_release.ipynb"]
    assert late in refused["noelzoé_2_21_release.ipynb"]
    assert sorted(p.name for p in place.iterdir()) == ["in.zip", "out", "release.ipynb"]
    assert "handed in late" in (place / "out/feedback/noelzoé_2.html").read_text(
        "utf-8"
    )


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(_):
        raise OSError("no space left")

    outputs.write_atomically(tmp_path / "x.csv", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        outputs.write_atomically(tmp_path / "x.csv", "new")
    assert (tmp_path / "x.csv").read_text() == "old"


def test_a_process_of_the_grader_that_dies_stops_the_batch(monkeypatch):
    """It is no student's fault; the message says how to go on."""
    monkeypatch.setattr(batch, "grade_one", os._exit)  # with the task as its status
    with pytest.raises(batch.BatchError, match="start again, with fewer JOBS"):
        list(batch.graded([3, 4], 2))


# ---------------------------------------------------------------------- the pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The folder of a run with right, wrong, failed, empty and invalid answers."""
    run.need_sandbox()
    place = tmp_path_factory.mktemp("pages")
    (place / "release.ipynb").write_bytes(books.text(books.release()))
    mixed = books.submission(
        essay="<script>alert(1)</script> & so on",
        before="1 / 0",
        scaled_scores="return query @ key.mT",
        stable_softmax="import os\nos._exit(1)",
        score_variance="pass",
    )
    hand_in(place, mixed=mixed, bad=b"no notebook")
    done = run.grade(command(place))
    assert done.returncode == 0, done.stderr
    return place / "out"


def test_a_page_says_what_was_wrong(pages):
    text = (pages / "feedback" / "mixed.html").read_text("utf-8")
    for words in (
        "You left the scale out",
        "exit status 1",
        "Not answered",
        "Your teacher reads",
        "One of your cells failed: the cell raised ZeroDivisionError",
        "0 of 9",
    ):
        assert words in text


def test_a_page_shows_no_hidden_case(pages):
    """No number but points, exit status, line, and how many cases there are."""
    text = (pages / "feedback" / "mixed.html").read_text("utf-8").partition("<body>")[2]
    assert not re.search(r"\d\.\d|e[-+]\d|array\(|\[\[", text)


def test_written_answers_are_listed_with_question_and_model_answer():
    """Of a release of the course: its source holds the model answer."""
    ours = read_assignment(ASSIGNMENTS / "03_scaling.ipynb")
    models = model_answers(SOURCES / "03_scaling.ipynb")
    text = feedback.written(ours, {}, models)
    task = ours.cells["vanishing_gradients-task"].source
    assert feedback.shown(task) in text
    assert feedback.shown(models["vanishing_gradients"]) in text
    assert "the scores spread more widely" in models["vanishing_gradients"]
    assert "1 point" not in models["vanishing_gradients"]
    assert [*models] == [q.name for q in ours.questions if q.written]
    assert model_answers(SOURCES / "of_nobody.ipynb") == {}


def test_written_answers_are_listed_with_their_rubric(pages):
    text = (pages / "written.html").read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; so on" in text
    assert "says that the scores spread more widely, and why" in text
    assert "Nothing to read from: bad (invalid)" in text


@pytest.mark.parametrize("theme", look.THEMES)
@pytest.mark.parametrize(
    "name", ["feedback/mixed.html", "feedback/bad.html", "written.html"]
)
def test_pages_are_readable_by_everybody(browser, pages, name, theme):
    with look.visit(browser, pages.as_uri() + "/", name, theme=theme) as seen:
        assert look.axe_problems(seen.page) == []
        assert look.width_problems(seen.page) == []
        look.resize(seen.page, look.NARROW)
        assert look.width_problems(seen.page) == []
        assert seen.troubles == []
