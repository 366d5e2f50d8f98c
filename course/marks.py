"""What marks a solution in a source, and what a source must have to be handed out.

A solution stands between two lines, BEGIN and END. What a cell is stands in its
metadata, in the format of nbgrader (schema 3), which schools' tools read.
"""

import re

from course.checkers import find

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
KEYS = {"grade", "grade_id", "locked", "schema_version", "solution"}
ELSEWHERE = ("BEGIN HIDDEN TESTS", "BEGIN MARK SCHEME")  # nbgrader's, not ours


def parts(source):
    """Yield (part, line) for each line: 'outside', 'begin', 'inside' or 'end'."""
    around = "outside"
    for line in source.split("\n"):
        if BEGIN.strip("# ") in line:  # nbgrader, too, takes the words alone
            around = "inside"
            yield "begin", line
        elif END.strip("# ") in line:
            around = "outside"
            yield "end", line
        else:
            yield around, line


def problems(nb, checkers=None):
    """Return what is wrong with a source, one sentence each.

    `checkers` is a file with exercises of a teacher's own.
    """
    cells = {}
    for number, cell in enumerate(nb.cells, start=1):
        marks = cell.metadata.get("nbgrader")
        if marks is None:
            if ends_of_regions(cell.source):
                yield f"cell {number} holds a solution and has no nbgrader metadata"
            continue
        name = marks.get("grade_id")
        if not is_name(name) or marks.get("schema_version") != 3 or KEYS - {*marks}:
            yield (
                f"cell {number} needs a grade_id of letters, digits, - and _, "
                "schema_version 3, grade, locked and solution"
            )
        elif name in cells:
            yield f"two cells have the grade_id {name}"
        else:
            cells[name] = cell
            yield from problems_of_cell(name, cell, marks)
    yield from problems_of_pairs(cells, checkers)


def problems_of_cell(name, cell, marks):
    """What is wrong within one cell."""
    found = ends_of_regions(cell.source)
    if marks.solution and found != ["begin", "end"]:
        yield f"{name} needs one region from {BEGIN} to {END}, found {found}"
    if found and not marks.solution:
        yield f"{name} holds a solution and is not marked as one"
    if marks.grade and not is_number(marks.get("points")):
        yield f"{name} is graded and needs points, a number >= 0"
    for mark in ELSEWHERE:
        if mark in cell.source:
            yield f"{name} has a region {mark}, which would be handed out"


def problems_of_pairs(cells, checkers):
    """What is wrong between cells, and with the checkers they name."""
    for name, cell in cells.items():
        marks = cell.metadata.nbgrader
        if not (marks.solution or marks.grade):
            continue
        exercise, reason = known(name.removesuffix("-check"), checkers)
        if exercise is None:
            yield f"{name}: {reason}"
            continue
        if marks.grade and marks.get("points") != exercise.points:
            points = marks.get("points")
            yield f"{name} has {points} points; its checker {exercise.points}"
        if exercise.kind == "written":
            if not (marks.grade and marks.solution):
                yield f"{name} is a written question: mark its cell grade and solution"
        elif marks.solution:
            if f"{name}-check" not in cells:
                yield f"{name} has no check: a graded cell called {name}-check"
        elif name.removesuffix("-check") not in cells:
            yield f"{name} has no solution: a cell called {exercise.name}"


def ends_of_regions(source):
    """Return 'begin' and 'end' in the order in which a cell has them."""
    return [part for part, _ in parts(source) if part in ("begin", "end")]


def known(name, checkers):
    """Return (the exercise of that name, None), or (None, why there is none)."""
    try:
        return find(name, checkers), None
    except ValueError as error:
        return None, error


def is_name(x):
    """Whether x can name a cell."""
    return isinstance(x, str) and re.fullmatch(r"[\w-]+", x, re.ASCII) is not None


def is_number(x):
    """Whether x is a number >= 0."""
    return isinstance(x, int | float) and not isinstance(x, bool) and x >= 0
