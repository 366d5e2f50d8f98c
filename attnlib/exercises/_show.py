"""A case that an answer fails: as lines of text, and as HTML for a notebook."""

import html
import inspect
import sys
from dataclasses import dataclass

import numpy as np

from attnlib.exercises._compare import as_array, close

SIDE = 6  # rows and columns of a matrix that are shown
MARK = "*"


@dataclass(frozen=True)
class Row:
    """A value and its name; where it is wrong, and whether that is to be marked."""

    label: str
    value: object
    wrong: np.ndarray | None = None
    marked: bool = False


def rows_of(exercise, failure):
    """Return the rows of the inputs, and those of yours and right."""
    call = inspect.signature(exercise.reference)
    given = call.bind(*failure.case.args, **failure.case.kwargs).arguments
    inputs = [Row(name, value) for name, value in given.items()]
    results = pairs_of(exercise, failure.got, failure.want, failure.returned)
    yours = [
        Row(f"yours{name}", got, wrong, True) for name, got, _, wrong in results
    ] * failure.returned
    right = [Row(f"right{name}", want, wrong) for name, _, want, wrong in results]
    return inputs, [*yours, *right]


def pairs_of(exercise, got, want, returned):
    """Return (name, yours, right, where they differ) of each part of a result."""
    if not isinstance(want, tuple):
        return [("", got, want, wrong_in(got, want, exercise.rtol))]
    names = exercise.parts or [f"part {i}" for i in range(1, len(want) + 1)]
    fits = isinstance(got, list | tuple) and len(got) == len(want)
    parts = got if fits else [None] * len(want)
    found = [
        (f", {name}", mine, right, wrong_in(mine, right, exercise.rtol))
        for name, mine, right in zip(names, parts, want, strict=True)
    ]
    return found if fits or not returned else [("", got, want, None)]


def wrong_in(got, want, rtol):
    """Where an array is wrong, as truth values; None where shapes do not fit."""
    got, want = array_of(got), array_of(want)
    if got is None or want is None or got.shape != want.shape:
        return None
    return ~close(got, want, rtol)


def array_of(value):
    """Return a value as an array of numbers, or None where it is something else."""
    try:
        return as_array(value)
    except (ValueError, TypeError):
        return None


# What is shown of an array


def window(array, wrong):
    """Return the index of the matrix that is shown: what is wrong lies in it."""
    first = np.zeros(array.ndim, int)
    if wrong is not None and wrong.any():
        first = np.argwhere(wrong)[0]
    lead = tuple(map(int, first[:-2]))
    return lead + tuple(
        slice(max(0, min(int(i) - SIDE // 2, n - SIDE)) if n > SIDE else 0, None)
        for i, n in zip(first[-2:], array.shape[-2:], strict=True)
    )


def cells(row, array):
    """Return rows of (text, is marked)."""
    place = window(array, row.wrong)
    marks = row.wrong if row.marked and row.wrong is not None else np.zeros_like(array)
    shown, bad = (np.atleast_2d(x[place])[:SIDE, :SIDE] for x in (array, marks))
    return [
        [(number(x) + MARK * bool(b), bool(b)) for x, b in zip(*pair, strict=True)]
        for pair in zip(shown, bad, strict=True)
    ]


def note(row, array):
    """Say the shape of an array, and which part of it is shown."""
    if not array.ndim:
        return ""
    place = window(array, row.wrong)
    whole = array.ndim <= 2 and max(array.shape) <= SIDE
    if whole:
        return f"shape {array.shape}"
    index = ", ".join(
        str(i) if isinstance(i, int) else span(i.start, n)
        for i, n in zip(place, array.shape, strict=True)
    )
    return f"shape {array.shape}, here [{index}]"


def span(start, size):
    """Write what is shown along one axis as an index."""
    stop = start + SIDE
    return f"{start or ''}:{stop if stop < size else ''}"


def number(x):
    """Write a number with three digits, a count or a truth value as it is."""
    return f"{x:.3g}" if isinstance(x, float | np.floating) else str(x)


def brief(value):
    """Write plain data that is no array, on one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{key!r}: {brief(x)}" for key, x in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(brief, value))})"
    if isinstance(value, np.ndarray):
        return f"{'an' if value.size else 'an empty'} array of shape {value.shape}"
    text = number(value) if isinstance(value, int | float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# Text


def as_text(exercise, failure):
    """Return the lines that show a case: its inputs, yours, and what is right."""
    inputs, results = rows_of(exercise, failure)
    lines = [f"A case that fails: {failure.case.what}."]
    lines += [line for row in [*inputs, *results] for line in lines_of(row)]
    if any(row.marked and row.wrong is not None and row.wrong.any() for row in results):
        lines.append(f"  {MARK} marks what is wrong.")
    return lines


def lines_of(row):
    """Return one row: on its own line, or a matrix as lines below its name."""
    array = array_of(row.value)
    if array is None or not array.size:
        return [f"  {row.label} = {brief(row.value)}"]
    grid = [[text for text, _ in line] for line in cells(row, array)]
    if array.ndim < 2:
        line = f"  {row.label} = {' '.join(grid[0])}  {note(row, array)}"
        return [line.rstrip()]
    width = max(len(text) for line in grid for text in line)
    matrix = ["    " + " ".join(text.rjust(width) for text in line) for line in grid]
    return [f"  {row.label}  {note(row, array)}", *matrix]


# HTML, for notebooks


def as_html(exercise, failure):
    """Return a small table for each value; wrong entries have a thick edge, and *."""
    inputs, results = rows_of(exercise, failure)
    lines = "".join(
        '<div style="display:flex;flex-wrap:wrap;gap:0.5em 1.5em;margin:0.5em 0">'
        f"{''.join(map(html_of, rows))}</div>"
        for rows in (inputs, results)
    )
    return f"<p>A case that fails: {html.escape(failure.case.what)}.</p>{lines}"


def html_of(row):
    """Return a figure: the numbers, their name below, their gist as alt text."""
    array = array_of(row.value)
    name, about = html.escape(row.label), ""
    if array is None or not array.size:
        body = f"<code>{html.escape(brief(row.value))}</code>"
    else:
        body, about = html_table(cells(row, array)), note(row, array)
    return (
        f'<figure style="margin:0" role="img" aria-label="{html.escape(gist(row))}">'
        f"{body}<figcaption>{name} <small>{html.escape(about)}</small></figcaption>"
        "</figure>"
    )


def gist(row):
    """Say in words what the picture of a row shows."""
    array = array_of(row.value)
    if array is None or not array.ndim or not array.size:
        return f"{row.label} is {brief(row.value)}"
    text = f"{row.label}, an array of {note(row, array)}"
    if not row.marked or row.wrong is None or not row.wrong.any():
        return text
    places = [str(list(map(int, place))) for place in np.argwhere(row.wrong)[:3]]
    found = f"{row.wrong.sum()} of {array.size} entries are wrong"
    return f"{text}: {found}, first at {', '.join(places)}"


def html_table(grid):
    """Return rows of cells as a table."""
    plain = "padding:2px 6px;border:1px solid #888;text-align:right"
    wrong = f"{plain};outline:2px solid #c62828;outline-offset:-2px;font-weight:bold"
    rows = (
        "".join(f'<td style="{wrong if bad else plain}">{x}</td>' for x, bad in line)
        for line in grid
    )
    lines = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<table style="border-collapse:collapse;margin:0">{lines}</table>'


def in_notebook():
    """Whether what is displayed is seen as HTML: a kernel runs us, not a terminal."""
    ipython = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")


def display(exercise, failure):
    """Show a case below the cell that is running."""
    from IPython.display import display as show

    data = {
        "text/html": as_html(exercise, failure),
        "text/plain": "\n".join(as_text(exercise, failure)),
    }
    show(data, raw=True)
