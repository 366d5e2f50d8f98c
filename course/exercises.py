"""Sources of the exercises: what each cell is, and what a source must hold.

Nobody writes nbgrader's metadata by hand: `mark` derives them from what a cell holds
and from the chapter's module of attnlib.
"""

import inspect
import re

from attnlib.exercises import exercises
from course import checks, marks, notebooks
from course.notebooks import NotebookError
from course.paths import SOURCES


def sources():
    """Paths of the source notebooks, in the order of the book."""
    return sorted(SOURCES.glob("*.ipynb"))


def of_chapter(path):
    """Exercises of a source notebook, by the number that its name starts with."""
    known = exercises(int(path.stem[:2])) if path.stem[:2].isdigit() else []
    if not known:
        raise NotebookError(
            f"{path.name} must start with the number of a chapter that has exercises"
        )
    return known


def facts(exercise):
    """The line below the heading of a task."""
    library = " · NumPy or torch" if exercise.torch else ""
    return (
        f"*about {exercise.minutes} minutes · difficulty {exercise.difficulty} of 5"
        f"{library} · {exercise.objective}*"
    )


# Marking: what each cell is to nbgrader


def mark(nb, path):
    """Write nbgrader's metadata of every cell, in place; return the notebook."""
    notebooks.put_set_up_first(nb)
    known, current, given = of_chapter(path), None, 0
    for number, cell in enumerate(nb.cells):
        current = task_of(cell, known) or current
        role, name = role_of(cell, current)
        if role == "given":
            name, given = ("set-up" if number == 0 else f"given-{given}"), given + 1
        cell.metadata["nbgrader"] = {
            "grade": role in ("check", "written"),
            "grade_id": name,
            "locked": role not in ("solution", "written"),
            "schema_version": 3,
            "solution": role in ("solution", "written"),
            "task": False,
        }
        if role in ("check", "written"):
            cell.metadata["nbgrader"]["points"] = current.points
    return nb


def task_of(cell, known):
    """The exercise whose task a Markdown cell starts, by the title in its heading."""
    heading = re.match(r"## \d+\. (.+)", cell.source)
    if cell.cell_type != "markdown" or not heading:
        return None
    return next((e for e in known if e.title == heading[1].strip()), None)


def role_of(cell, current):
    """Return what a cell is (task, solution, check, written, given), and its id."""
    if current is None:
        return "given", None
    if marks.ends_of_regions(cell.source):
        written = cell.cell_type == "markdown"
        return ("written" if written else "solution"), current.name
    if cell.cell_type == "code" and cell.source.startswith("check("):
        return "check", f"{current.name}-check"
    if cell.cell_type == "markdown" and cell.source.startswith("## "):
        return "task", f"{current.name}-task"
    return "given", None


# What is checked


def problems(path):
    """Return what is wrong with a source notebook, one sentence each."""
    nb = mark(notebooks.read(path), path)
    return [*checks.common(path, nb, opening, tasks), *marks.problems(nb)]


def opening(nb, path):
    """The title, the time in all, the link to the chapter, the imports."""
    first, imports = nb.cells[1].source, nb.cells[2].source
    total = sum(exercise.minutes for exercise in of_chapter(path))
    if not first.startswith("# "):
        yield "its first visible cell must start with its title, '# ...'"
    if f"about {total} minutes in all" not in first:
        yield f"its first cell must say 'about {total} minutes in all'"
    if f"](../chapters/{path.name})" not in first:
        yield f"its first cell must link to ../chapters/{path.name}"
    for line in ("import numpy as np", "from attnlib.exercises import check"):
        if line not in imports.split("\n"):
            yield f"its second visible cell must have the line {line!r}"


def tasks(nb, path):
    """Each exercise in its order, with all its cells and what must stand in them."""
    known = of_chapter(path)
    titles = re.findall(r"(?m)^## (.+)$", checks.prose(nb))
    wanted = [f"{i}. {exercise.title}" for i, exercise in enumerate(known, start=1)]
    if titles != wanted:
        yield f"its headings must be {wanted}, found {titles}"
    cells = {cell.metadata.nbgrader.grade_id: cell.source for cell in nb.cells}
    for exercise in known:
        for sentence in of_task(exercise, cells):
            yield f"{exercise.name}: {sentence}"


def of_task(exercise, cells):
    """What is wrong with the cells of one exercise."""
    name = exercise.name
    needed = [f"{name}-task", name, *([] if written(exercise) else [f"{name}-check"])]
    if missing := [one for one in needed if one not in cells]:
        yield f"it has no cell {' and no cell '.join(missing)}"
        return
    task, answer = cells[f"{name}-task"], list(marks.parts(cells[name]))
    if facts(exercise) not in task.split("\n"):
        yield f"the line below its heading must be {facts(exercise)}"
    hints = re.findall(r"<summary>Hint (\d+)</summary>", task)
    if hints != [str(i + 1) for i in range(len(hints))] or not hints:
        yield f"it needs hints, numbered from 1; found {hints}"
    if written(exercise):
        yield from of_rubric(exercise, answer)
    else:
        yield from of_code(exercise, answer, cells[f"{name}-check"])


def of_rubric(exercise, answer):
    """The rubric's lines stand below the model answer, inside the region."""
    for points, line in exercise.rubric:
        if ("inside", rubric_line(points, line)) not in answer:
            yield f"its solution lacks the rubric's line for {line!r}"


def rubric_line(points, line):
    """One line of a rubric, as it is written."""
    return f"- {points} point{'s' * (points > 1)}: {line}"


def of_code(exercise, answer, check):
    """A stub that stands without its solution, and a check that names it."""
    name = exercise.name
    stub = "\n".join(line for part, line in answer if part == "outside")
    if check != f'check("{name}", {name})':
        yield f'its check must be check("{name}", {name})'
    if exercise.kind == "value" and not stub.startswith(f"{name} = ..."):
        yield f"its stub must start with {name} = ..."
    if exercise.kind == "function":
        call = str(inspect.signature(exercise.reference))
        if f"def {name}{call}:" not in stub or stub.count('"""') != 2:
            yield f"its stub must be def {name}{call}: with a docstring"


def written(exercise):
    """Whether a teacher reads the answer."""
    return exercise.kind == "written"
