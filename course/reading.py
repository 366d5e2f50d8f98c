"""How long a notebook takes its reader, and what stands in the way.

Words are read at 200 a minute, lines of code at 12. What is folded does not count: the
code of cells tagged hide-input, and answers behind a <summary>.
"""

import math
import re

WORDS, LINES = 200, 12  # that are read in a minute
MINUTES, CODE, GUESSES = 45, 200, 8  # that a chapter has at most
STATED = re.compile(r"\*\*Time\*\*: about (\d+) minutes to read")
GUESS = re.compile(r"\*\*(?:Before you run it|Predict)\b")
HIDE_CODE, HIDE_OUTPUT = "hide-input", "hide-output"


def minutes(nb):
    """Minutes to read a notebook, rounded up to five."""
    return 5 * math.ceil((words(nb) / WORDS + lines(nb) / LINES) / 5)


def words(nb):
    """How many words of prose are in sight."""
    return sum(len(in_sight(c).split()) for c in nb.cells if c.cell_type == "markdown")


def in_sight(cell):
    """The prose of a cell but for what is folded, and without the targets of links."""
    folded = r"(?s)<details>.*?</details>|```.*?```|\]\([^)\s]*\)"
    return re.sub(folded, " ", cell.source)


def lines(nb):
    """How many lines of code are in sight, but for empty ones."""
    return sum(len(source_in_sight(cell)) for cell in nb.cells)


def source_in_sight(cell):
    """The lines of a code cell that a reader sees without a click."""
    tags = cell.metadata.get("tags", [])
    if cell.cell_type != "code" or HIDE_CODE in tags or "remove-cell" in tags:
        return []
    return [line for line in cell.source.split("\n") if line.strip()]


def guesses(nb):
    """Yield the cell of code whose output each prediction asks for, None for none."""
    for place, cell in enumerate(nb.cells):
        if cell.cell_type == "markdown":
            behind = (
                c for c in nb.cells[place:] if c.cell_type == "code" and c.outputs
            )
            asked = next(behind, None)
            yield from (asked for _ in GUESS.findall(cell.source))


def too_much(nb):
    """Yield what is more than a chapter may ask of its reader, a sentence each."""
    asked = list(guesses(nb))
    for found, most, what in (
        (minutes(nb), MINUTES, "minutes to read"),
        (lines(nb), CODE, "lines of code in sight"),
        (len(asked), GUESSES, "predictions"),
    ):
        if found > most:
            yield f"it has {found} {what}, at most {most} are right"
    for cell in asked:
        if cell is None or HIDE_OUTPUT not in cell.metadata.get("tags", []):
            name = "there is none" if cell is None else repr(cell.source[:40])
            yield f"a prediction's output is not folded, by the tag hide-output: {name}"
