"""Move the figures of a page like a reader, and read what they state.

A `hand` moves things in a page, whatever the browser: browser.Hand in Chromium,
firefox.Tab in Firefox. Each has evaluate(function, argument), press(key),
stroke(kind, points) for "mouse" or "touch", and wait(milliseconds).
"""

import re

from tests.browser.figures import box_of, its_moves

KINDS = ["mouse", "keyboard", "touch"]

SPOT = """([box, selector]) => {
    const element = document.querySelector(box)?.querySelector(selector);
    if (!element) return null;
    element.scrollIntoView({ block: "center", behavior: "instant" });
    const { left, top, width, height } = element.getBoundingClientRect();
    const hit = document.elementFromPoint(left + width / 2, top + height / 2);
    const disabled = element.disabled === true;
    return { left, top, width, height, disabled, free: element.contains(hit) };
}"""

START = """(box) => {
    const start = document.createElement("span");
    start.tabIndex = -1;
    document.querySelector(box).before(start);
    start.focus();
}"""

FOCUSED = """([box, selector]) => {
    const place = document.querySelector(box);
    if (!place.contains(document.activeElement)) return "outside";
    const wanted = place.querySelector(selector);
    return document.activeElement === wanted ? "there" : "on the way";
}"""

NUMBERS = """(box) => Object.fromEntries(
    [...document.querySelector(box).querySelectorAll("[data-number]")]
        .map((element) => [element.dataset.number, element.textContent]))"""

SAID = """(box) => [...document.querySelector(box)
    .querySelectorAll("[aria-live]")].map((line) => line.textContent).join(" ")"""


def spot(hand, box, selector, fraction=0.5):
    """Return a point of an element, at this fraction of its width, once in view."""
    found = hand.evaluate(SPOT, [box, selector])
    assert found, f"there is no {selector} in {box}"
    assert found["width"] * found["height"] > 0, f"{selector} cannot be seen"
    assert found["free"], f"something covers {selector}"
    x = found["left"] + min(max(fraction, 0.01), 0.99) * found["width"]
    return x, found["top"] + found["height"] / 2


def walk_to(hand, box, selector):
    """Press Tab from in front of the figure until the element has the focus."""
    hand.evaluate(START, box)
    for _ in range(300):
        hand.press("Tab")
        where = hand.evaluate(FOCUSED, [box, selector])
        if where == "there":
            return
        assert where != "outside", f"Tab leaves {box} before it reaches {selector}"
    raise AssertionError(f"300 Tabs do not reach {selector}")


def move(hand, box, kind, selector, action):
    """Do one move: a key, "click", "tap", or "drag:<fraction of the width>"."""
    if kind == "keyboard":
        walk_to(hand, box, selector)
        hand.press(action)
    elif action.startswith("drag:"):
        ends = [0.5, float(action.removeprefix("drag:"))]
        hand.stroke(kind, [spot(hand, box, selector, end) for end in ends])
    else:
        assert action == {"mouse": "click", "touch": "tap"}[kind], action
        hand.stroke(kind, [spot(hand, box, selector)])


def move_problems(hand, figure, kind, steps, *, afresh=lambda: None):
    """Do each move, `afresh` before it; return those after which a number stayed."""
    box, problems = box_of(figure), []
    for selector, action, number in steps:
        afresh()
        before = hand.evaluate(NUMBERS, box)
        assert number in before, f"{number} is not among {sorted(before)}"
        move(hand, box, kind, selector, action)
        if not changes(hand, box, number, before[number]):
            problems.append(f"{number} stays after {kind} {action} on {selector}")
    return problems


def page_problems(hand, figures):
    """Do moves in a page as it stands; return the kinds by which a figure is deaf.

    A chapter shows some controls only, and a number may be there already: one of the
    figure's moves of each kind must answer.
    """
    problems = []
    for figure in figures:
        for kind in KINDS:
            answers = (
                is_there(hand, box_of(figure), step[0])
                and not move_problems(hand, figure, kind, [step])
                for step in its_moves(figure, kind)
            )
            if not any(answers):
                problems.append(f"{figure.__name__} answers to no move by {kind}")
    return problems


def is_there(hand, box, selector):
    """Say whether an element can be seen and used."""
    found = hand.evaluate(SPOT, [box, selector])
    return bool(found and found["width"] * found["height"] and not found["disabled"])


def changes(hand, box, number, old, patience=20):
    """Say whether a stated number differs from `old`, at once or within a second."""
    for _ in range(patience):
        if hand.evaluate(NUMBERS, box).get(number) != old:
            return True
        hand.wait(50)
    return False


SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
UNITS = {"": 1, "FLOP/B": 1, "B": 1} | {
    unit: 1024**power
    for power, unit in enumerate(["KiB", "MiB", "GiB", "TiB", "PiB"], start=1)
}
NUMBER = re.compile(r"([−-]?\d[\d,]*)(?:\.(\d+))?(?: × 10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+))? ?([\w/]*)")


def as_number(text):
    """Return (value, half a step of its last digit), or None where it is no number."""
    found = NUMBER.fullmatch(text.strip().removeprefix("at n = "))
    if not found or found[4] not in UNITS:
        return None
    whole = found[1].replace("−", "-").replace(",", "")
    factor = 10.0 ** int((found[3] or "0").translate(SUPERSCRIPTS)) * UNITS[found[4]]
    decimals = found[2] or ""
    half = 0.5 * 10 ** -len(decimals)
    return float(f"{whole}.{decimals or 0}") * factor, half * factor
