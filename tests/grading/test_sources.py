"""Every source, handed in as it is, gets all points; every assignment gets none."""

import pytest

from course.paths import ASSIGNMENTS, SOURCES
from grading import scoring
from grading.notebook import read_assignment
from grading.sandbox.walls import Limits, Sandbox, find_bwrap, library
from tests.grading.hostile import run

NAMES = sorted(path.name for path in SOURCES.glob("*.ipynb"))
PATIENT = Limits(cell=100, call=100, submission=500)  # times decide nothing here


def graded(name, handed_in, folder):
    """Grade one notebook against its assignment; return the assignment and the rows."""
    run.need_sandbox()
    assignment = read_assignment(ASSIGNMENTS / name)
    sandbox = Sandbox(library(folder, assignment), find_bwrap(), limits=PATIENT)
    result = scoring.score((handed_in / name).read_bytes(), assignment, 99, sandbox)
    return assignment, {row.question: row for row in result.rows}


@pytest.mark.parametrize("name", NAMES)
def test_a_source_gets_all_points(tmp_path, name):
    """With cases of another seed than the visible ones, and without the checkers."""
    assignment, rows = graded(name, SOURCES, tmp_path)
    for question in assignment.questions:
        row = rows[question.name]
        if question.written:
            assert (row.status, row.score) == ("to read", None)
        else:
            assert (row.status, row.score) == ("right", question.points), row.reason
            assert row.borrowed == ""  # it uses of attnlib what its task names


@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_gets_none(tmp_path, name):
    _, rows = graded(name, ASSIGNMENTS, tmp_path)
    assert {row.status for row in rows.values()} == {"not answered"}
    assert sum(row.score or 0 for row in rows.values()) == 0
