"""Every live figure in Chromium, moved by mouse, by keyboard alone, and by touch.

On a bench from a folder, and in the book's pages over http and from a folder, with
every other machine out of reach. The planted faults show that it can fail.
"""

import contextlib
import re

import pytest

from attnlib.widgets import SoftmaxScale
from tests.browser import look
from tests.browser.figures import (
    FIGURES,
    box_of,
    figures_of,
    its_moves,
    nth_box,
    pages_with_figures,
    planted,
    write_bench,
)
from tests.browser.moves import (
    KINDS,
    NUMBERS,
    SAID,
    as_number,
    changes,
    move,
    move_problems,
    page_problems,
)

WAYS = ["folder", "server"]


@contextlib.contextmanager
def address(folder, way):
    """Yield the address of a folder, on disk or on a server."""
    if way == "folder":
        yield folder.resolve().as_uri() + "/"
    else:
        with look.serve(folder) as home:
            yield home


@contextlib.contextmanager
def bench(browser, folder, *shown, **options):
    """Open a bench with these figures, ready for fingers too."""
    home = write_bench(folder, shown, **options)
    with look.visit(browser, home, "bench.html", width=1000, has_touch=True) as seen:
        yield seen, look.Hand(seen.page)


@pytest.mark.parametrize("figure", FIGURES)
def test_a_reader_moves_the_figure(browser, tmp_path, figure):
    with bench(browser, tmp_path, figure()) as (seen, hand):
        problems = []
        for kind in KINDS:
            steps, afresh = its_moves(figure, kind), seen.page.reload
            problems += move_problems(hand, figure, kind, steps, afresh=afresh)
        assert seen.troubles + problems == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("page", pages_with_figures())
def test_a_reader_moves_the_figures_of_a_page(browser, book, page, way):
    """In the book, by each kind of move; nothing is asked of another machine."""
    with (
        address(book, way) as home,
        look.visit(browser, home, page, width=1000, has_touch=True) as seen,
    ):
        shown = figures_of((book / page).read_text(encoding="utf-8"))
        problems = page_problems(look.Hand(seen.page), shown)
        assert seen.troubles + problems == []


def test_every_figure_stands_in_the_book(book):
    found = {
        figure
        for page in pages_with_figures()
        for figure in figures_of((book / page).read_text(encoding="utf-8"))
    }
    assert found == set(FIGURES)


def test_pages_with_figures_are_known(book):
    shown = [
        path.relative_to(book).as_posix()
        for path in book.glob("chapters/**/*.html")
        if 'data-figure="' in path.read_text(encoding="utf-8")
    ]
    assert sorted(shown) == sorted(pages_with_figures())


# ---------------------------------------------------------- what a screen reader says

TEXTS = """(box) => {
    const place = document.querySelector(box), found = [];
    const walk = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    while (walk.nextNode())
        if (!walk.currentNode.parentElement.closest("[aria-live], option"))
            found.push(walk.currentNode.textContent);
    for (const input of place.querySelectorAll("input, select"))
        found.push(input.selectedOptions?.[0].textContent ?? input.value);
    return found.map((text) => text.trim()).filter(Boolean);
}"""


def speech_problems(hand, box, steps, afresh):
    """Return moves after which the live line does not name what changed."""
    problems = []
    for kind, *step, _ in steps:
        afresh()
        before, old = hand.evaluate(TEXTS, box), hand.evaluate(SAID, box)
        move(hand, box, kind, *step)
        said = new_speech(hand, box, old)
        fresh = set(hand.evaluate(TEXTS, box)) - set(before)
        if said == old:
            problems.append(f"nothing is said after {kind} {step}")
        elif not any(names(said, text) for text in fresh):
            problems.append(f"{said!r} names nothing that {kind} {step} changed")
        elif len(said) > 300:
            problems.append(f"too long: {said}")
    return problems


def new_speech(hand, box, old):
    """Wait for other words in the live line, for a second and a half; return them."""
    for _ in range(15):
        hand.wait(100)
        said = hand.evaluate(SAID, box)
        if said != old:
            hand.wait(300)  # the last of several changes is what counts
            return hand.evaluate(SAID, box)
    return old


def names(said, text):
    """Say whether words or a number of a figure stand in what is said, or rounded."""
    if re.search(rf"(?<![\w.]){re.escape(text)}(?![\w])", said, re.IGNORECASE):
        return True
    number = as_number(text)
    heard = map(as_number, re.findall(r"−?\d[\d,]*(?:\.\d+)?", said))
    return bool(number) and any(
        abs(value - number[0]) <= half + number[1] for value, half in heard
    )


@pytest.mark.parametrize("figure", FIGURES)
def test_the_live_line_names_what_changed(browser, tmp_path, figure):
    steps = [(kind, *its_moves(figure, kind)[0]) for kind in KINDS]
    with bench(browser, tmp_path, figure()) as (seen, hand):
        problems = speech_problems(hand, box_of(figure), steps, seen.page.reload)
        assert seen.troubles + problems == []


# ------------------------------------------------------------------------------ motion

WATCH = """(box) => {
    window.changed = 0;
    const line = (node) => (node.nodeType === 1 ? node : node.parentElement)
        ?.closest("[aria-live]");
    new MutationObserver((all) => {
        window.changed += all.filter((one) => !line(one.target)).length;
    }).observe(document.querySelector(box),
        { subtree: true, childList: true, characterData: true, attributes: true });
}"""

MOVING = """(box) => [...document.querySelector(box).querySelectorAll("*")]
    .filter((e) => {
        const style = getComputedStyle(e);
        return e.getAnimations().length || style.animationName !== "none"
            || style.transitionDuration.split(", ").some((s) => parseFloat(s) > 0);
    }).map((e) => e.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("figure", FIGURES)
def test_nothing_goes_on_moving_where_motion_is_reduced(browser, tmp_path, figure):
    """One redraw for one change, without transitions, and then stillness."""
    box, (selector, action, _) = box_of(figure), its_moves(figure, "keyboard")[0]
    with bench(browser, tmp_path, figure()) as (_, hand):
        hand.evaluate(WATCH, box)
        move(hand, box, "keyboard", selector, action)
        hand.wait(100)
        assert hand.evaluate(MOVING, box) == []
        drawn = hand.evaluate("() => window.changed")
        hand.wait(500)
        assert hand.evaluate("() => window.changed") == drawn > 0


@pytest.mark.parametrize("figure", FIGURES)
def test_two_boxes_of_a_figure_do_not_share_their_state(browser, tmp_path, figure):
    selector, action, number = its_moves(figure, "keyboard")[0]
    with bench(browser, tmp_path, figure(), figure()) as (seen, hand):
        first, second = (hand.evaluate(NUMBERS, nth_box(i)) for i in range(2))
        assert first == second
        move(hand, nth_box(0), "keyboard", selector, action)
        assert changes(hand, nth_box(0), number, first[number])
        assert hand.evaluate(NUMBERS, nth_box(1)) == second
        assert seen.troubles == []


# ------------------------------------------------------------- the checks can fail


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ('fetch("https://example.org/x");', "asks for https://example.org/x"),
        ('new Image().src = "//example.org/x.png";', "example.org/x.png"),
        ('if (model.get("scaled")) nothing();', "throws"),
        ('console.error("oh");', "console: oh"),
    ],
)
def test_a_trouble_of_a_figure_is_found(browser, tmp_path, fault, word):
    with (
        look.serve(tmp_path) as home,
        bench(browser, tmp_path, SoftmaxScale(), change=planted(fault)) as (_, _),
        look.visit(browser, home, "bench.html") as seen,
    ):
        move(
            look.Hand(seen.page),
            box_of(SoftmaxScale),
            "mouse",
            "input[type=checkbox]",
            "click",
        )
        for _ in range(100):  # a message from the page takes its time
            if word in "\n".join(seen.troubles):
                break
            seen.page.wait_for_timeout(100)
        assert word in "\n".join(seen.troubles)


DEAF = "if (line.textContent) return;"


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_that_does_not_answer_is_found(browser, tmp_path, kind):
    change = planted(DEAF)
    with bench(browser, tmp_path, SoftmaxScale(), change=change) as (_, hand):
        steps = its_moves(SoftmaxScale, kind)[:1]
        problems = move_problems(hand, SoftmaxScale, kind, steps)
        assert len(problems) == 1


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("line.say = () => {};", "nothing is said"),
        ("setTimeout(() => { line.textContent = `${Math.random()}` }, 300);", "names"),
    ],
)
def test_a_line_that_says_nothing_is_found(browser, tmp_path, fault, word):
    box, steps = box_of(SoftmaxScale), its_moves(SoftmaxScale, "keyboard")[:1]
    change = planted(fault)
    with bench(browser, tmp_path, SoftmaxScale(), change=change) as (_, hand):
        whole = [("keyboard", *step) for step in steps]
        problems = speech_problems(hand, box, whole, lambda: None)
        assert len(problems) == 1
        assert word in problems[0]
