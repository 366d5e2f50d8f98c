"""PathLength: walks counted one by one, gradients of torch, and what is refused."""

import itertools
import math
import re

import ipywidgets
import numpy as np
import pytest
import traitlets

from attnlib.widgets import PathLength
from attnlib.widgets.path_length import ARCHITECTURES

RNN, ATTENTION, WINDOWED = ARCHITECTURES

# One after the other, too: a page in the book is not loaded afresh for each.
MOVES = [
    ("mouse", ".attn-control:nth-child(3) input", "drag:0.05", "distance"),
    ("mouse", ".attn-control:nth-child(4) input", "drag:0.5", "steps"),
    ("keyboard", ".attn-control:nth-child(4) input", "ArrowLeft", "distance"),
    ("keyboard", ".attn-control:nth-child(1) select", "ArrowDown", "steps"),
    ("touch", ".attn-control:nth-child(4) input", "drag:0.6", "distance"),
    ("touch", ".attn-control:nth-child(3) input", "drag:0.4", "distance"),
]


def random_state(rng):
    """Traits of a figure, at random; ends of the ranges and {} come up often."""
    n = int(rng.choice([2, 3, 64, rng.integers(2, 65)]))
    state = {
        "architecture": str(rng.choice(ARCHITECTURES)),
        "n": n,
        "source": int(rng.choice([1, n, rng.integers(1, n + 1)])),
        "target": int(rng.choice([1, n, rng.integers(1, n + 1)])),
        "window": int(rng.choice([1, 63, rng.integers(1, 64), rng.integers(1, 9)])),
    }
    if rng.random() < 0.6:
        shape = int(rng.integers(1, 7)), int(rng.choice([1, 10, 63]))
        state["gradients"] = {
            name: (10.0 ** rng.uniform(-20, 3, shape)).tolist()
            for name in ("RNN", "LSTM", "attention")[: int(rng.integers(1, 4))]
        }
    return state


def first_steps(architecture, n, window, t):
    """Where a signal at token t can be one step or layer later."""
    if architecture == RNN:
        return [t + 1] if t < n else []
    reach = n if architecture == ATTENTION else window
    return [s for s in range(1, n + 1) if abs(s - t) <= reach]


def walked(architecture, n, window, source, target):
    """(steps, how many walks are that short) by listing all walks, step by step."""
    ends, steps = [source], 0
    while not (target in ends and (steps or architecture == RNN)):
        ends = [s for t in ends for s in first_steps(architecture, n, window, t)]
        steps += 1
        if not ends:
            return 0, 0
    return steps, ends.count(target)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_steps_and_paths_against_walking(architecture):
    n = 6
    for window, source, target in itertools.product(
        (1, 2, 4), range(1, 7), range(1, 7)
    ):
        figure = PathLength(
            architecture=architecture, n=n, source=source, target=target, window=window
        )
        found = figure.numbers()
        steps, paths = walked(architecture, n, window, source, target)
        row = found["compared"][ARCHITECTURES.index(architecture)]
        assert row[:2] == [steps, paths]
        assert (found["steps"], found["reached"]) == (steps, int(paths > 0))
        every = itertools.product(range(1, 7), repeat=2)
        assert row[2] == max(
            walked(architecture, n, window, *pair)[0] for pair in every
        )


def test_the_papers_table():
    """Longest path: O(n) recurrent, O(1) attention, O(n / window) in windows."""
    figure = PathLength(n=64, source=1, target=64, window=10)
    longest = [row[2] for row in figure.numbers()["compared"]]
    assert longest == [63, 1, math.ceil(63 / 10)]


def test_paths_by_hand():
    """Distance 4 with a window of 3: 1 + 3, 2 + 2, 3 + 1."""
    figure = PathLength(n=9, source=7, target=3, window=3)
    assert figure.numbers()["compared"] == [[0, 0, 8], [1, 1, 1], [2, 3, 3]]
    assert figure.numbers()["reached"] == 0  # an RNN reads in one direction


def test_a_walk_is_where_a_gradient_is():
    """torch: after m layers of a window, gradients are 0 unless a walk exists."""
    torch = pytest.importorskip("torch")
    from attnlib import reference_attention, sliding_window_mask

    n, source, w = 13, 2, 3
    x = torch.randn(n, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.as_tensor(sliding_window_mask(n, left=w, right=w))
    layer, arrived = x, {}
    for layers in range(1, 5):
        layer = reference_attention(layer, layer, layer, mask)
        for target in range(1, n + 1):
            (grad,) = torch.autograd.grad(layer[target - 1].sum(), x, retain_graph=True)
            if grad[source - 1].abs().sum() > 0:
                arrived.setdefault(target, layers)
    for target in range(1, n + 1):
        figure = PathLength(
            architecture=WINDOWED, n=n, source=source, target=target, window=w
        )
        assert figure.numbers()["steps"] == arrived[target]


# ---------------------------------------------------------------- measured gradients

MEASURED = {"RNN": [[1.0, 0.001], [1.0, 1.0], [1.0, 0.1]], "flat": np.ones((1, 2))}


def test_gradients_by_hand():
    """At distance 2 the sizes are 0.001, 1 and 0.1; the middle one lost an order."""
    figure = PathLength(n=9, source=4, target=6, gradients=MEASURED)
    assert figure.numbers()["left"] == [[-3, -1, 0, 1], [0, 0, 0, 0]]
    figure.target = 4
    assert figure.numbers()["left"] == []  # no distance
    figure.target = 7
    assert figure.numbers()["left"] == []  # farther than measured


def test_gradients_keep_three_digits():
    figure = PathLength(gradients={"RNN": np.array([[0.123456, 7.65432e-19]])})
    assert figure.gradients == {"RNN": [[0.123, 7.65e-19]]}


@pytest.mark.parametrize(
    ("gradients", "words"),
    [
        ({"RNN": [[1.0, -0.5]]}, ["RNN", "positive", "-0.5"]),
        ({"RNN": [[1.0, 0.0]]}, ["positive"]),
        ({"RNN": [[1.0, math.nan]]}, ["positive", "nan"]),
        ({"RNN": [1.0, 2.0]}, ["(seeds, distances)"]),
        ({"RNN": [[1.0], [1.0, 2.0]]}, ["(seeds, distances)"]),
        ({"RNN": []}, ["(seeds, distances)"]),
        ({"RNN": "<img onerror=alert(1)>"}, ["(seeds, distances)", "<img"]),
        ({"RNN": np.ones((1, 257))}, ["(20, 256)"]),
        ({"x" * 10_000: [[1.0]]}, ["1 to 30 characters"]),
        ({"": [[1.0]]}, ["1 to 30 characters"]),
        ({3: [[1.0]]}, ["1 to 30 characters", "3"]),
        ({str(k): [[1.0]] for k in range(7)}, ["at most 6", "7"]),
        ({"a": [[1.0]], "b": [[1.0, 2.0]]}, ["same distances", "'b': 2"]),
    ],
)
def test_gradients_refused(gradients, words):
    with pytest.raises(traitlets.TraitError) as raised:
        PathLength(gradients=gradients)
    assert all(word in str(raised.value) for word in words), raised.value
    assert len(str(raised.value)) < 300


def test_hostile_names_are_text():
    name = "<b>&\"'</b> \u202e שלום 🙂"
    page = PathLength(gradients={name: [[1.0, 0.5]]}, source=1, target=2).as_html()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "🙂" in page


# ---------------------------------------------------------------- the widget


@pytest.mark.parametrize(
    "traits",
    [
        {"architecture": "LSTM"},
        {"n": 1},
        {"n": 65},
        {"n": 2.5},
        {"source": 0},
        {"source": 17},
        {"target": 17},
        {"n": 5},  # source 3, target 14
        {"window": 0},
        {"window": 64},
        {"gradients": [[1.0]]},
    ],
)
def test_traits_refused(traits):
    with pytest.raises(traitlets.TraitError):
        PathLength(**traits)


def test_the_message_names_the_trait():
    figure = PathLength()
    with pytest.raises(traitlets.TraitError, match=r"target .* n=5, got 14"):
        figure.n = 5
    assert figure.n == 16


def test_a_page_may_change_both():
    """What a browser sends in one message is checked as a whole."""
    figure = PathLength()
    figure.set_state({"n": 5, "target": 5})
    assert (figure.n, figure.target) == (5, 5)


def test_observe_and_link():
    figure, slider = PathLength(), ipywidgets.IntSlider(14, min=1, max=16)
    seen = []
    figure.observe(lambda change: seen.append(change["new"]), "target")
    with_link = ipywidgets.link((slider, "value"), (figure, "target"))
    slider.value = 9
    assert (figure.target, figure.numbers()["steps"], seen) == (9, 6, [9])
    figure.target = 12
    assert slider.value == 12
    with_link.unlink()


def test_repr_is_stable():
    figure = PathLength(n=20, gradients=MEASURED)
    assert repr(figure) == repr(PathLength(n=20, gradients=MEASURED))
    assert repr(figure).startswith("PathLength(architecture='RNN', gradients={'RNN': ")
    assert not re.search(r"0x[0-9a-f]+", repr(figure))


def test_table_says_what_numbers_says():
    figure = PathLength(n=9, source=4, target=6, window=1, gradients=MEASURED)
    caption, heads, rows = figure.table()
    assert "token 4 to token 6 of 9" in caption
    assert len(heads) == 4
    assert rows[:3] == [
        ("RNN", 2, 1, 8),
        ("attention", 1, 1, 1),
        ("windowed layers", 2, 1, 8),
    ]
    assert rows[3] == (
        "gradient, RNN",
        "1.0e-01 (1.0e-03 to 1.0e+00)",
        "1.0 orders lost",
        "",
    )
    figure.target, figure.source = 4, 6
    assert figure.table()[2][0] == ("RNN", "no path", 0, 8)
