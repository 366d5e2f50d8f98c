"""The numbers of each live figure in the page are those of attnlib in Python.

200 random states per figure; 1e-6 is the promise of the book, and both sides compute
in float64, so honest differences are far smaller.
"""

import json
import math
import re

import pytest

from attnlib.widgets import SoftmaxScale
from tests.browser import look
from tests.browser.figures import FIGURES, box_of, nth_box, random_states, write_bench
from tests.browser.moves import NUMBERS, as_number

TOLERANCE = 1e-6

# NaN and infinities have no JSON: the page sends them by name.
IN_PAGE = """([name, states]) => states.map((state) => JSON.stringify(
    attnFigures[name].numbers(state),
    (_, x) => (typeof x === "number" && !Number.isFinite(x) ? String(x) : x)))"""

FROM_PAGE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def differences(python, page, where=""):
    """Return where two nested results differ by more than 1e-6, in sentences."""
    if isinstance(python, dict) and isinstance(page, dict):
        if python.keys() != page.keys():
            return [f"{where}: keys {sorted(python)} and {sorted(page)}"]
        pairs = [(key, python[key], page[key]) for key in python]
    elif isinstance(python, list | tuple) and isinstance(page, list):
        if len(python) != len(page):
            return [f"{where}: {len(python)} and {len(page)} entries"]
        pairs = [(i, *both) for i, both in enumerate(zip(python, page, strict=True))]
    else:
        same = is_same(python, page)
        return [] if same else [f"{where}: {python!r} in Python, {page!r} in the page"]
    return [d for key, *both in pairs for d in differences(*both, f"{where}.{key}")]


def is_same(python, page):
    """Say whether two numbers agree to 1e-6 (relative above 1), or both are NaN."""
    if isinstance(page, str):
        page = FROM_PAGE.get(page, page)
    if python == page or not all(isinstance(x, int | float) for x in (python, page)):
        return python == page
    if math.isnan(python) or math.isnan(page):
        return math.isnan(python) and math.isnan(page)
    return abs(python - page) <= TOLERANCE * max(1, abs(page)) < math.inf


def page_numbers(page, figure, states):
    """Return what the figure's JavaScript computes for each state."""
    found = page.evaluate(IN_PAGE, [figure.name, states])
    return [json.loads(text) for text in found]


@pytest.fixture(scope="module")
def bench(browser, tmp_path_factory):
    """A page that holds the script of every figure."""
    shown = [figure() for figure in FIGURES]
    home = write_bench(tmp_path_factory.mktemp("bench"), shown)
    with look.visit(browser, home, "bench.html") as seen:
        yield seen


@pytest.mark.parametrize("figure", FIGURES)
def test_the_page_computes_what_python_computes(bench, figure):
    shown = random_states(figure)
    states = [one.state() for one in shown]
    assert len({json.dumps(state) for state in states}) > len(states) / 2
    python = [one.numbers() for one in shown]
    page = page_numbers(bench.page, figure, states)
    problems = [
        f"{one!r}{difference}"
        for one, *both in zip(shown, python, page, strict=True)
        for difference in differences(*both)
    ]
    assert problems[:5] == []
    assert bench.troubles == []


@pytest.mark.parametrize("figure", FIGURES)
def test_what_stands_in_the_figure_is_what_python_computes(browser, tmp_path, figure):
    """Every stated number is, as it is rounded, the number of that name."""
    shown = random_states(figure, 6)
    with look.visit(browser, write_bench(tmp_path, shown), "bench.html") as seen:
        stated = [seen.page.evaluate(NUMBERS, nth_box(i)) for i in range(6)]
        assert seen.troubles == []
    for one, found in zip(shown, stated, strict=True):
        assert stated_problems(found, one.numbers()) == []


def stated_problems(stated, numbers):
    """Return stated numbers that are not those computed, rounded as they stand."""
    problems, read = [], 0
    for name, text in stated.items():
        found = as_number(text)
        if name not in numbers:
            problems.append(f"numbers() knows no {name}")
        elif found:
            value, half = found
            read += 1
            if abs(value - numbers[name]) > half + TOLERANCE * max(1, abs(value)):
                problems.append(f"{name} stands as {text}, and is {numbers[name]}")
        elif re.search(r"\d", text):
            problems.append(f"{name} stands as {text}, which is no number")
    return problems if read else [*problems, "no stated number can be read"]


# ------------------------------------------------------------- the checks can fail


def wrong(script):
    """Return a script whose largest weight is off by 1e-3."""
    right = "largest_weight: Math.max(...weights)"
    assert right in script
    return script.replace(right, f"{right} + 1e-3")


def test_a_number_that_is_off_by_a_thousandth_is_found(browser, tmp_path):
    shown = random_states(SoftmaxScale, 2)
    home = write_bench(tmp_path, shown[:1], change=wrong)
    with look.visit(browser, home, "bench.html") as seen:
        states = [one.state() for one in shown]
        found = page_numbers(seen.page, SoftmaxScale, states)
        stated = seen.page.evaluate(NUMBERS, box_of(SoftmaxScale))
    for one, page in zip(shown, found, strict=True):
        problems = differences(one.numbers(), page)
        assert [p.split(":")[0] for p in problems] == [".largest_weight"]
    assert len(stated_problems(stated, shown[0].numbers())) == 1


@pytest.mark.parametrize(
    ("python", "page"),
    [
        ({"a": 1.0}, {"a": 1.0, "b": 2.0}),
        ({"a": [1.0, 2.0]}, {"a": [1.0]}),
        ({"a": [[1.0], [2.0]]}, {"a": [[1.0], [2.00001]]}),
        ({"a": 1e9}, {"a": 1e9 + 1e4}),
        ({"a": 1.0}, {"a": "NaN"}),
        ({"a": float("inf")}, {"a": "-Infinity"}),
        ({"a": 1.0}, {"a": None}),
        ({"a": [1.0]}, {"a": 1.0}),
    ],
)
def test_a_difference_is_found(python, page):
    assert len(differences(python, page)) == 1


def test_equal_numbers_do_not_differ():
    python = {"a": [[1.0, 0.0]], "b": float("nan"), "c": float("inf"), "d": 3}
    page = {"a": [[1.0 + 1e-9, -1e-9]], "b": "NaN", "c": "Infinity", "d": 3}
    assert differences(python, page) == []
