"""Texts that follow from the checkers of the exercises."""

import inspect
import re

from attnlib.exercises import CHAPTERS as WITH_EXERCISES
from attnlib.exercises import exercises
from course import notebooks, reading
from course.exercises import facts, of_chapter, rubric_line, sources, written
from course.marks import BEGIN, END
from course.paths import CHAPTERS, SOURCES

MISTAKES = SOURCES / "known_mistakes.md"
GUIDE = CHAPTERS / "instructors.md"
TABLE = re.compile(r"(<!-- exercises: .*? -->\n)(.*?)(<!-- end of exercises -->)", re.S)
TERM = re.compile(r"(<!-- term: .*? -->\n)(.*?)(<!-- end of term -->)", re.S)
SHORT = (12,)  # chapters that share a week with the one before

# The list of known mistakes


def list_of_mistakes():
    """Markdown: every exercise, every known mistake, and the sentence for it."""
    known = [exercise for number in WITH_EXERCISES for exercise in exercises(number)]
    count = sum(len(exercise.mistakes) for exercise in known)
    lines = [
        "# Known mistakes",
        "",
        "Written by `python -m course mistakes` from the checkers; the tests",
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


# The tables of the instructors' page


def plan_of_a_term():
    """Markdown: the weeks of a term, with the minutes of their notebooks."""
    weeks = []
    for path in sorted(CHAPTERS.glob("[0-9][0-9]_*.ipynb")):
        if int(path.name[:2]) in SHORT:
            weeks[-1].append(path)
        else:
            weeks.append([path])
    lines = [
        "",
        "| Week | Chapters | Reading | Exercises | Together |",
        "|---|---|---:|---:|---:|",
    ]
    total = [0, 0]
    for number, paths in enumerate(weeks, start=1):
        read = sum(reading.minutes(notebooks.read(path)) for path in paths)
        tried = sum(minutes_of_exercises(path) for path in paths)
        total = [total[0] + read, total[1] + tried]
        names = ", ".join(f"[{int(path.name[:2])}]({path.name})" for path in paths)
        lines.append(f"| {number} | {names} | {read} | {tried} | {read + tried} |")
    lines.append(f"| all | | {total[0]} | {total[1]} | {sum(total)} |")
    return "\n".join([*lines, "", ""])


def minutes_of_exercises(path):
    """How long the exercises of a chapter are estimated to take, 0 without any."""
    number = int(path.name[:2])
    known = exercises(number) if number in WITH_EXERCISES else ()
    return sum(exercise.minutes for exercise in known)


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
    """The instructors' page with its tables as notebooks and checkers are now."""
    text = GUIDE.read_text(encoding="utf-8")
    text = TERM.sub(lambda match: match[1] + plan_of_a_term() + match[3], text)
    return TABLE.sub(lambda match: match[1] + table_of_exercises() + match[3], text)


# A script to start from


def skeleton(chapter):
    """A script in jupytext's percent format, with every cell that a source needs."""
    known = exercises(chapter)
    (path,) = CHAPTERS.glob(f"{chapter:02d}_*.ipynb")
    total = sum(exercise.minutes for exercise in known)
    parts = [
        "# %% [markdown]\n# # Exercises: TITLE\n#\n# These exercises belong to the "
        f"chapter [TITLE](../chapters/{path.name}). WHAT THEY ARE ABOUT.\n#\n"
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
        rubric = "\n".join(f"# {rubric_line(*line)}" for line in exercise.rubric)
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
