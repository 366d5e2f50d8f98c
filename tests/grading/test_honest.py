"""Honest work that a real notebook takes: it must not cost a point."""

import os
import subprocess
import sys
import time

import pytest

from grading import scoring
from grading.notebook import read_assignment
from grading.sandbox.clock import Clock
from grading.sandbox.walls import Limits, Sandbox, find_bwrap, library
from grading.submission import read_submission
from tests.grading.hostile import books, run

RIGHT = books.SOLUTIONS["scaled_scores"]
VALUE = RIGHT.removeprefix("return ")


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "release.ipynb"
    path.write_bytes(books.text(books.release()))
    return read_assignment(path)


@pytest.fixture(scope="module")
def sandbox(assignment, tmp_path_factory):
    run.need_sandbox()
    folder = library(tmp_path_factory.mktemp("library"), assignment)
    return Sandbox(folder, find_bwrap())


def scored(assignment, sandbox, book):
    """Score a notebook; return {question: Row}."""
    rows = scoring.score(books.text(book), assignment, 3, sandbox).rows
    return {row.question: row for row in rows}


def edited(name, source, **parts):
    """A submission with another source in one cell."""
    book = books.submission(**parts)
    books.named(book, name)["source"] = source
    return book


def below(name, source, kind="code", **parts):
    """A submission with an own cell below a named one."""
    book = books.submission(**parts)
    place = book["cells"].index(books.named(book, name))
    book["cells"].insert(place + 1, books.cell(source, kind=kind))
    return book


USES = {"scaled_scores": "return scores_of(query, key)"}
HELPER = f"def scores_of(query, key):\n    return {VALUE}"
CHECK = 'check("scaled_scores", scaled_scores)'
WORK = {
    "an import in a locked cell": edited(
        "given-2",
        books.IMPORTS + "\nimport numpy as mine",
        scaled_scores=f"query = mine.asarray(query)\n{RIGHT}",
    ),
    "a helper in a locked cell": edited("given-2", HELPER, **USES),
    "a helper in the check of another question": edited(
        "score_variance-check", HELPER, **USES
    ),
    "an answer in a check": edited(
        "scaled_scores-check",
        f"{books.code('scaled_scores', RIGHT)}\n{CHECK}",
        scaled_scores=books.STUB,
    ),
    "an answer below its check": below(
        "scaled_scores-check",
        books.code("scaled_scores", RIGHT),
        scaled_scores=books.STUB,
    ),
    "a helper below the check": below("scaled_scores-check", HELPER, **USES),
    "a helper's name used again below": books.submission(
        before=HELPER, after="scores_of = 3", **USES
    ),
    "a global changed below": books.submission(
        before="power = 0.5",
        after="power = 1",
        scaled_scores="return query @ key.mT / query.shape[-1] ** power",
    ),
    "the answer's name used again below": books.submission(after="scaled_scores = 1"),
    "a shell's output": books.submission(before=f"files = !ls\n{HELPER}", **USES),
    "top-level await": books.submission(
        before=f"import asyncio\nawait asyncio.sleep(0)\n{HELPER}", **USES
    ),
    "display and get_ipython": books.submission(
        before="get_ipython().run_line_magic('matplotlib', 'inline')\n"
        f"display(get_ipython())\n{HELPER}",
        **USES,
    ),
    "a module by writefile": books.submission(
        before=f"%%writefile helper.py\nimport math\n{HELPER}",
        scaled_scores="from helper import scores_of\nreturn scores_of(query, key)",
    ),
    "a timed cell": books.submission(before=f"%%time\n{HELPER}", **USES),
    "warnings as errors": books.submission(
        before="import warnings\nwarnings.simplefilter('error')",
        scaled_scores=f"import warnings\nwarnings.warn('slow')\n{RIGHT}",
    ),
    "NumPy that raises": books.submission(
        before="np.seterr(all='raise')",
        scaled_scores=f"np.ones(1) / np.zeros(1)\n{RIGHT}",
    ),
}


@pytest.mark.parametrize("name", WORK)
def test_honest_work_gets_its_points(assignment, sandbox, name):
    rows = scored(assignment, sandbox, WORK[name])
    for question in books.POINTS:
        assert rows[question].status == "right", rows[question]


def without_metadata(book):
    """Lose all metadata, as some tools do."""
    for cell in book["cells"]:
        cell["metadata"] = {}
    return book


STUB = books.submission(essay="YOUR ANSWER HERE")
MARKDOWN = {"kind": "markdown", "essay": "YOUR ANSWER HERE"}


@pytest.mark.parametrize(
    "book",
    [
        books.submission(),
        below(books.WRITTEN, books.ESSAY, **MARKDOWN),
        below(books.WRITTEN, books.ESSAY, kind="raw", essay=""),
        without_metadata(books.submission()),
        without_metadata(below(books.WRITTEN, books.ESSAY, **MARKDOWN)),
    ],
    ids=["in its place", "below", "as raw text", "no metadata", "both"],
)
def test_an_essay_is_found_wherever_it_stands(tmp_path, book):
    release = books.release()
    task = books.cell("## Why?", f"{books.WRITTEN}-task", "markdown")
    release["cells"].insert(-1, task)
    checks = [n for n, c in enumerate(book["cells"]) if "check(" in c["source"]]
    place = checks[-1] + 1
    book = {**book, "cells": [*book["cells"][:place], task, *book["cells"][place:]]}
    if not book["cells"][0]["metadata"]:
        book["cells"][place] = {**task, "metadata": {}}
    path = tmp_path / "release.ipynb"
    path.write_bytes(books.text(release))
    assignment = read_assignment(path)
    found = read_submission(books.text(book), assignment)
    row = scoring.written_row(assignment.questions[-1], found, assignment)
    assert row.status == "to read"
    assert found.written[books.WRITTEN].endswith(books.ESSAY)


def test_a_note_elsewhere_is_no_essay(assignment):
    book = below("scaled_scores", "a note", "markdown", essay="YOUR ANSWER HERE")
    found = read_submission(books.text(book), assignment)
    row = scoring.written_row(assignment.questions[-1], found, assignment)
    assert row.status == "not answered"


SPIN = (
    "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass"
)


def test_slow_own_cells_cost_themselves_alone(assignment, sandbox):
    """Five of 0.8 s end the cells' 2.4 s; the answers have their own time."""
    book = books.submission()
    for _ in range(5):
        book["cells"].insert(2, books.cell(SPIN.format(0.8)))
    short = Sandbox(sandbox.library, sandbox.bwrap, limits=Limits(2, 5, 2.4))
    rows = scored(assignment, short, book)
    for name in books.POINTS:
        assert rows[name].status == "right", rows[name]


def child(code, processor=None):
    """Start a Python process that says when it is ready, on one processor if asked."""
    pin = f"os.sched_setaffinity(0, [{processor}])" if processor is not None else ""
    code = f"import os, time\n{pin}\nprint(flush=True)\n{code}"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux alone")
@pytest.mark.parametrize("others", [0, 3])
def test_a_busy_machine_does_not_count(others):
    """On a processor shared with three, a fourth of the time is one's own."""
    processor = min(os.sched_getaffinity(0))
    started = [child("while True: pass", processor) for _ in range(others + 1)]
    try:
        clock, start = Clock(started[-1].pid), time.monotonic()
        time.sleep(1)
        own, wall = clock.seconds(), time.monotonic() - start
        assert own <= wall + 0.05
        if others:
            assert own < 0.6 * wall
    finally:
        for process in started:
            process.kill()
            process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux alone")
def test_sleeping_counts():
    process = child("time.sleep(60)")
    try:
        clock = Clock(process.pid)
        time.sleep(0.5)
        assert clock.seconds() >= 0.4
    finally:
        process.kill()
        process.communicate()
