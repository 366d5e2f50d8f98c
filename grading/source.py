"""What a source notebook must have, so that a release can be made of it."""

from attnlib.exercises import get

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def problems(nb):
    """Return what is wrong with a source, one sentence each."""
    cells = {}
    for number, cell in enumerate(nb.cells, start=1):
        marks = cell.metadata.get("nbgrader")
        if marks is None:
            if BEGIN in cell.source:
                yield f"cell {number} holds a solution and has no nbgrader metadata"
            continue
        name = marks.get("grade_id")
        if not name or marks.get("schema_version") != 3:
            yield f"cell {number} needs a grade_id, and schema_version 3"
        elif name in cells:
            yield f"two cells have the grade_id {name}"
        else:
            cells[name] = cell
            yield from problems_of_cell(name, cell, marks)
    yield from problems_of_pairs(cells)


def problems_of_cell(name, cell, marks):
    """What is wrong within one cell."""
    counts = cell.source.count(BEGIN), cell.source.count(END)
    if marks.get("solution"):
        if counts != (1, 1) or cell.source.index(BEGIN) > cell.source.index(END):
            yield f"{name} needs one region from {BEGIN} to {END}, found {counts}"
    elif counts != (0, 0):
        yield f"{name} holds a solution and is not marked as one"
    if marks.get("grade") and not is_number(marks.get("points")):
        yield f"{name} is graded and needs points, a number >= 0"


def problems_of_pairs(cells):
    """What is wrong between cells, and with the checkers they name."""
    for name, cell in cells.items():
        marks = cell.metadata.nbgrader
        if not (marks.get("solution") or marks.get("grade")):
            continue
        exercise, reason = known(name.removesuffix("-check"))
        if exercise is None:
            yield f"{name}: {reason}"
            continue
        if marks.get("grade") and marks.get("points") != exercise.points:
            points = marks.get("points")
            yield f"{name} has {points} points; its checker {exercise.points}"
        if exercise.kind == "written":
            if not (marks.get("grade") and marks.get("solution")):
                yield f"{name} is a written question: mark its cell grade and solution"
        elif marks.get("solution"):
            if f"{name}-check" not in cells:
                yield f"{name} has no check: a graded cell called {name}-check"
        elif name.removesuffix("-check") not in cells:
            yield f"{name} has no solution: a cell called {exercise.name}"


def known(name):
    """Return (the exercise of that name, None), or (None, why there is none)."""
    try:
        return get(name), None
    except ValueError as error:
        return None, error


def is_number(x):
    """Whether x is a number >= 0."""
    return isinstance(x, int | float) and not isinstance(x, bool) and x >= 0
