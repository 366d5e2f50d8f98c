"""Every live figure in a stock Firefox, moved by mouse, by keyboard alone, by touch.

On a bench from a folder, and in the book's pages over http and from a folder, with
every other machine out of reach. The planted faults show that it can fail.
"""

import contextlib

import pytest

from attnlib.widgets import SoftmaxScale
from tests.browser import firefox as fox
from tests.browser import look
from tests.browser.figures import (
    FIGURES,
    box_of,
    figures_of,
    its_moves,
    pages_with_figures,
    planted,
    write_bench,
)
from tests.browser.moves import KINDS, move, move_problems, page_problems

WAYS = ["folder", "server"]


@contextlib.contextmanager
def opened(bidi, folder, path, way="folder"):
    """Open a page of a folder in a tab of its own, on disk or on a server."""
    with contextlib.ExitStack() as stack:
        home = folder.resolve().as_uri() + "/"
        if way == "server":
            home = stack.enter_context(look.serve(folder))
        tab = fox.Tab(bidi, home)
        stack.callback(tab.close)
        tab.goto(path)
        yield tab


@pytest.mark.parametrize("figure", FIGURES)
def test_a_reader_moves_the_figure(firefox, tmp_path, figure):
    write_bench(tmp_path, [figure()])
    with opened(firefox, tmp_path, "bench.html") as tab:
        problems = []
        for kind in KINDS:
            steps, afresh = its_moves(figure, kind), lambda: tab.goto("bench.html")
            problems += move_problems(tab, figure, kind, steps, afresh=afresh)
        assert tab.troubles() + problems == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("page", pages_with_figures())
def test_a_reader_moves_the_figures_of_a_page(firefox, book, page, way):
    """In the book, by each kind of move; nothing is asked of another machine."""
    with opened(firefox, book, page, way) as tab:
        shown = figures_of((book / page).read_text(encoding="utf-8"))
        problems = page_problems(tab, shown)
        assert tab.troubles() + problems == []


def test_fingers_are_fingers_and_motion_is_reduced(firefox, tmp_path):
    """The touch that the tests use arrives in the page as touch."""
    write_bench(tmp_path, [SoftmaxScale()])
    with opened(firefox, tmp_path, "bench.html") as tab:
        tab.evaluate(
            """() => {
                window.met = [];
                const note = (event) => met.push(event.pointerType ?? event.type);
                addEventListener("touchstart", note, true);
                addEventListener("pointerdown", note, true);
            }"""
        )
        for kind, action in (("touch", "tap"), ("mouse", "click")):
            move(tab, box_of(SoftmaxScale), kind, "input[type=checkbox]", action)
        assert sorted(tab.evaluate("() => met")) == ["mouse", "touch", "touchstart"]
        assert tab.evaluate("() => matchMedia('(prefers-reduced-motion)').matches")


# ------------------------------------------------------------- the checks can fail


def unheard(tab, words):
    """Return the words that no trouble holds, once they have had their time."""
    for _ in range(100):
        found = "\n".join(tab.troubles())
        if all(word in found for word in words):
            return []
        tab.wait(100)
    return [word for word in words if word not in found]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ('fetch("https://example.org/x").catch(() => {});', ["asks for", "failed"]),
        ('fetch("http://127.0.0.1:64999/x").catch(() => {});', ["asks for", "failed"]),
        ("nothing();", ["javascript: ReferenceError"]),
        ('console.error("oh");', ["console: oh"]),
        ('document.head.append(h("script", { src: "lost.js" }));', ["lost.js"]),
    ],
)
def test_a_trouble_of_a_figure_is_found(firefox, tmp_path, fault, words, way):
    change = planted(f"if (window.go) {{ {fault} }}")
    write_bench(tmp_path, [SoftmaxScale()], change=change)
    with opened(firefox, tmp_path, "bench.html", way) as tab:
        assert tab.troubles() == []
        tab.evaluate("() => { window.go = true }")
        move(tab, box_of(SoftmaxScale), "mouse", "input[type=checkbox]", "click")
        assert unheard(tab, words) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_that_does_not_answer_is_found(firefox, tmp_path, kind):
    change = planted("if (line.textContent) return;")
    write_bench(tmp_path, [SoftmaxScale()], change=change)
    with opened(firefox, tmp_path, "bench.html") as tab:
        steps = its_moves(SoftmaxScale, kind)[:1]
        assert len(move_problems(tab, SoftmaxScale, kind, steps)) == 1
