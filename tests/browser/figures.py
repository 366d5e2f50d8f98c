"""Put live figures in a page as the book does, and plant faults in them."""

import importlib
import inspect
import re
import shutil
from pathlib import Path

import numpy as np

import attnlib.widgets
from book import live
from course import toc
from course.paths import ROOT, STATIC

FIGURES = [getattr(attnlib.widgets, name) for name in attnlib.widgets.__all__]
STATES = 200

# The theme's colours, as the built book has them (sphinx-book-theme 1.3).
COLOURS = {
    "light": "--pst-color-background: #fff; --pst-color-text-base: #323232;"
    "--pst-color-surface: #f5f5f5; --pst-color-border: #c9c9c9;"
    "--pst-color-text-muted: #646464",
    "dark": "--pst-color-background: #121212; --pst-color-text-base: #ced6dd;"
    "--pst-color-surface: #202020; --pst-color-border: #555;"
    "--pst-color-text-muted: #a0a0a0",
}

BENCH = """<!DOCTYPE html>
<html lang="en" data-theme="{theme}">
<head><meta charset="utf-8"><title>Bench</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
  html {{ {colours} }}
  body {{ font-family: sans-serif; background: var(--pst-color-background);
         color: var(--pst-color-text-base); max-width: 46rem; margin: 1rem auto;
         padding: 0 0.5rem }}
</style>
<link rel="stylesheet" href="live.css">
<script defer src="figures.js"></script>
<script defer src="live_host.js"></script>
</head>
<body><main><h1>Bench</h1>{boxes}</main></body></html>
"""


def write_bench(folder, shown, *, theme="light", change=lambda script: script):
    """Write bench.html with these figures, loaded as in the book, and its files.

    `change` rewrites the script: with it a test plants a fault.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = live.plain_script(sorted({figure.name for figure in shown}))
    (folder / "figures.js").write_text(change(script), encoding="utf-8")
    (folder / "live.css").write_text(live.source("live.css"), encoding="utf-8")
    shutil.copy(STATIC / "live_host.js", folder)
    boxes = "\n".join(figure.as_html() for figure in shown)
    text = BENCH.format(theme=theme, colours=COLOURS[theme], boxes=boxes)
    (folder / "bench.html").write_text(text, encoding="utf-8")
    return folder.resolve().as_uri() + "/"


def planted(fault, into="const update = () => {"):
    """Return what puts a fault into SoftmaxScale's script, to be seen by a test."""

    def change(script):
        assert script.count(into) == 1, f"{into} stands {script.count(into)} times"
        return script.replace(into, into + fault)

    return change


def its_tests(figure):
    """Return the module with a figure's own tests: it has random_state and MOVES."""
    stem = Path(inspect.getfile(figure)).stem
    return importlib.import_module(f"tests.attnlib.test_widget_{stem}")


def random_states(figure, count=STATES):
    """Return `count` figures in random states, the same ones every time."""
    draw, rng = its_tests(figure).random_state, np.random.default_rng(20170612)
    return [figure(**draw(rng)) for _ in range(count)]


def its_moves(figure, kind):
    """Return (selector, action, number) of the figure's moves of one kind."""
    moves = [move[1:] for move in its_tests(figure).MOVES if move[0] == kind]
    if len(moves) < 2:
        raise AssertionError(f"{figure.__name__} needs two moves by {kind} in MOVES")
    return moves


def box_of(figure):
    """Return the selector of a figure's first box in a page."""
    return f'.attn-mounted[data-figure="{figure.name}"]'


def pages_with_figures():
    """Return the book's pages whose source shows a live figure, in reading order."""
    found = []
    for page in toc.pages():
        sources = (ROOT / f"{page}{ending}" for ending in (".ipynb", ".md"))
        text = "".join(p.read_text("utf-8") for p in sources if p.exists())
        if 'data-figure=\\"' in text or 'class="attn-copy"' in text:
            found.append(f"{page}.html")
    return found


def figures_of(html):
    """Return the figures whose boxes stand in the text of a page, each once."""
    names = set(re.findall(r'data-figure="(\w+)"', html))
    return [figure for figure in FIGURES if figure.name in names]


def nth_box(i):
    """Return the selector of the i-th box on the bench, from 0."""
    return f"main > .attn-mounted:nth-of-type({i + 1})"
