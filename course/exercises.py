"""Sources of the exercises: mark their cells, run them, store and check them.

    python -m course.exercises skeleton N      print a script to start chapter N from
    python -m course.exercises run [FILE ...]    mark, execute, store, check
    python -m course.exercises check [FILE ...]          say what is wrong; exit 1
    python -m course.exercises mistakes        write the list of known mistakes
    python -m course.exercises guide           write the table of the instructors' page

Without a FILE: every notebook of exercises/. Nobody writes nbgrader's metadata by hand:
`mark` derives them from what a cell holds and from the chapter's module of attnlib.
"""

import argparse
import inspect
import pathlib
import re
import sys

import nbclient

from attnlib.exercises import CHAPTERS, exercises
from course import notebooks

ROOT = notebooks.ROOT
MISTAKES = ROOT / "exercises" / "known_mistakes.md"
GUIDE = ROOT / "chapters" / "instructors.md"
TABLE = re.compile(r"(<!-- exercises: .*? -->\n)(.*?)(<!-- end of exercises -->)", re.S)
COMMANDS = ("skeleton", "run", "check", "mistakes", "guide")
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def sources():
    """Paths of the source notebooks, in the order of the book."""
    return sorted((ROOT / "exercises").glob("*.ipynb"))


def of_chapter(path):
    """Exercises of a source notebook, by the number that its name starts with."""
    return exercises(int(path.stem[:2]))


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
    if BEGIN in cell.source:
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
    text, nb = path.read_text(encoding="utf-8"), notebooks.read(path)
    checks = (
        notebooks.size,
        notebooks.execution,
        notebooks.links,
        notebooks.alt_texts,
        notebooks.portable,
        notebooks.sources,
        opening,
        tasks,
    )
    found = [problem for check in checks for problem in check(nb, path)]
    if text != notebooks.as_text(notebooks.normalise(mark(nb, path))):
        found.append("it is not in normal form: `python -m course.exercises run` it")
    return found


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
    titles = re.findall(r"(?m)^## (.+)$", notebooks.markdown(nb))
    wanted = [f"{i}. {exercise.title}" for i, exercise in enumerate(known, start=1)]
    if titles != wanted:
        yield f"its headings must be {wanted}, found {titles}"
    cells = {}
    for cell in mark(nb, path).cells:
        name = cell.metadata["nbgrader"]["grade_id"]
        if name in cells:
            yield f"it has two cells {name}"
        cells[name] = cell
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
    task, answer = cells[f"{name}-task"].source, cells[name].source
    if facts(exercise) not in task.split("\n"):
        yield f"the line below its heading must be {facts(exercise)}"
    hints = re.findall(r"<summary>Hint (\d+)</summary>", task)
    if hints != [str(i + 1) for i in range(len(hints))] or not hints:
        yield f"it needs hints, numbered from 1; found {hints}"
    if answer.count(BEGIN) != 1 or answer.count(END) != 1:
        yield "its solution needs one region from BEGIN SOLUTION to END SOLUTION"
    elif written(exercise):
        yield from of_rubric(exercise, answer)
    else:
        yield from of_code(exercise, answer, cells[f"{name}-check"].source)


def of_rubric(exercise, answer):
    """The rubric's lines stand below the model answer, inside the region."""
    region = answer[answer.index(BEGIN) : answer.index(END)]
    for points, line in exercise.rubric:
        if f"- {points} point{'s' * (points > 1)}: {line}" not in region.split("\n"):
            yield f"its solution lacks the rubric's line for {line!r}"


def of_code(exercise, answer, check):
    """A stub that stands without its solution, and a check that names it."""
    name, stub = exercise.name, answer[: answer.index(BEGIN)]
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


# The list of known mistakes


def list_of_mistakes():
    """Markdown: every exercise, every known mistake, and the sentence for it."""
    known = [exercise for number in CHAPTERS for exercise in exercises(number)]
    count = sum(len(exercise.mistakes) for exercise in known)
    lines = [
        "# Known mistakes",
        "",
        "Written by `python -m course.exercises mistakes` from the checkers; the tests",
        f"compare. {count} mistakes in {len(known)} exercises.",
    ]
    for exercise in known:
        if exercise.mistakes:
            lines += ["", f"## Chapter {exercise.chapter}: `{exercise.name}`", ""]
            lines += [
                f"{i}. {mistake.sentence}"
                for i, mistake in enumerate(exercise.mistakes, 1)
            ]
    return "\n".join(lines) + "\n"


# The table of the instructors' page


def table_of_exercises():
    """Markdown: for each chapter its exercises, with objective and minutes."""
    lines = []
    for path in sources():
        known, release = of_chapter(path), f"exercises/{path.name}"
        total = sum(exercise.minutes for exercise in known)
        points = sum(exercise.points for exercise in known)
        lines += [
            f"### Chapter {known[0].chapter}",
            "",
            f"[The notebook]({release}): {total} minutes, {points} points.",
            "",
            "| Exercise | Objective | Minutes | Difficulty | Points | Answer in |",
            "|---|---|---:|---:|---:|---|",
            *map(table_row, known),
            "",
        ]
    return "\n".join(lines)


def table_row(exercise):
    """One line of the table."""
    answer = "words" if written(exercise) else "NumPy"
    answer += " or torch" * exercise.torch
    return (
        f"| {exercise.title} (`{exercise.name}`) | {exercise.objective} "
        f"| {exercise.minutes} | {exercise.difficulty} | {exercise.points} | {answer} |"
    )


def guide():
    """The instructors' page with its table as the checkers have it now."""
    text = GUIDE.read_text(encoding="utf-8")
    return TABLE.sub(lambda match: match[1] + table_of_exercises() + match[3], text)


# A script to start from


def skeleton(chapter):
    """A script in jupytext's percent format, with every cell that a source needs."""
    known = exercises(chapter)
    (path,) = (ROOT / "chapters").glob(f"{chapter:02d}_*.ipynb")
    total = sum(exercise.minutes for exercise in known)
    parts = [
        "# %% [markdown]\n# # Exercises: TITLE\n#\n# They belong to the chapter "
        f"[TITLE](../chapters/{path.name}). WHAT THEY ARE ABOUT.\n#\n"
        f"# **Time**: about {total} minutes in all.",
        "# %%\nimport math\n\nimport numpy as np\n\n"
        "from attnlib.exercises import check",
    ]
    for number, exercise in enumerate(known, start=1):
        parts += task_script(number, exercise)
    return "\n\n".join(parts) + "\n"


def task_script(number, exercise):
    """The cells of one exercise."""
    yield (
        f"# %% [markdown]\n# ## {number}. {exercise.title}\n#\n# {facts(exercise)}\n#\n"
        "# TASK\n#\n# <details>\n# <summary>Hint 1</summary>\n#\n# HINT\n#\n"
        "# </details>"
    )
    if written(exercise):
        rubric = "\n".join(
            f"# - {points} point{'s' * (points > 1)}: {line}"
            for points, line in exercise.rubric
        )
        yield (
            f"# %% [markdown]\n# *Your answer:*\n#\n# {BEGIN}\n#\n# MODEL ANSWER\n#\n"
            f"# **Rubric**\n#\n{rubric}\n#\n# {END}"
        )
        return
    name = exercise.name
    if exercise.kind == "value":
        yield f"# %%\n{name} = ...  # WHAT\n{BEGIN}\n{name} = SOLUTION\n{END}"
    else:
        call = inspect.signature(exercise.reference)
        yield (
            f'# %%\ndef {name}{call}:\n    """SHAPES."""\n    {BEGIN}\n'
            f"    return SOLUTION\n    {END}"
        )
    yield f'# %%\ncheck("{name}", {name})'


# The command line


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("what", nargs="*")
    chosen = parser.parse_args(arguments)
    if chosen.command == "skeleton":
        print(skeleton(int(chosen.what[0])), end="")
        return 0
    if chosen.command == "mistakes":
        MISTAKES.write_text(list_of_mistakes(), encoding="utf-8", newline="\n")
        return 0
    if chosen.command == "guide":
        GUIDE.write_text(guide(), encoding="utf-8", newline="\n")
        return 0
    paths = [pathlib.Path(name).resolve() for name in chosen.what] or sources()
    return (run if chosen.command == "run" else check_all)(paths)


def run(paths):
    """Mark, execute and store each, then check them."""
    for path in paths:
        nb = mark(notebooks.read(path), path)
        path.write_text(
            notebooks.as_text(notebooks.normalise(nb)), encoding="utf-8", newline="\n"
        )
        try:
            print(f"{path.name}: {notebooks.execute(path):.0f} s")
        except nbclient.exceptions.CellExecutionError as error:
            print(f"{path.name} failed; it is stored without new outputs\n\n{error}")
            return 1
    return check_all(paths)


def check_all(paths):
    """Print what is wrong with each; 1 if anything is."""
    found = [(path, sentence) for path in paths for sentence in problems(path)]
    for path, sentence in found:
        print(f"{path.name}: {sentence}")
    if not found:
        print(f"{len(paths)} sources checked, nothing wrong")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
