"""OnlineSoftmaxStepper in Python: the row of chapter 6, and any order of the blocks."""

import itertools
import math

import ipywidgets
import numpy as np
import pytest
import traitlets

from attnlib.widgets import OnlineSoftmaxStepper
from tests.attnlib import oracles

# Steps and numbers that a reader must be able to move; the browser tests do.
MOVES = [
    ("mouse", "button.attn-next", "click", "total"),
    ("mouse", "tr:nth-child(5) button.attn-take", "click", "output"),
    ("keyboard", "button.attn-next", "ArrowRight", "absorbed_blocks"),
    ("keyboard", "button.attn-next", "End", "difference"),
    ("keyboard", "button.attn-take", "Enter", "maximum"),
    ("keyboard", 'input[aria-label="score of key 6"]', "ArrowUp", "full"),
    ("keyboard", "input[type=range]", "ArrowRight", "block_floats"),
    ("touch", "button.attn-next", "tap", "result"),
    ("touch", "tr:nth-child(3) button.attn-take", "tap", "total"),
    ("touch", "input[type=range]", "drag:0.9", "times_less"),
]

CHAPTER = [(0.0, 1.0), (math.log(2), 10.0), (math.log(4), 100.0)]


def random_state(rng):
    """Draw some keys, small or as large as allowed, and some blocks in some order."""
    count = int(rng.integers(1, 13))
    limit = rng.choice([3.0, 30.0, 1000.0])
    pairs = rng.uniform(-limit, limit, (count, 2))
    if rng.random() < 0.2:
        pairs[:, 0] = rng.choice([-1000.0, 1000.0], count)
    order = rng.permutation(12)[: rng.integers(13)]
    return {
        "pairs": pairs.tolist(),
        "block_size": int(rng.integers(1, 13)),
        "absorbed": [int(block) for block in order],
        "L": int(2 ** rng.integers(18)),
        "S": int(2 ** rng.integers(18)),
    }


def test_the_row_of_chapter_6():
    """By pencil: after the second key t = 1/2 + 1; the weights are 1, 2, 4 of 7."""
    figure = OnlineSoftmaxStepper(pairs=CHAPTER, block_size=1, absorbed=(0, 1, 2))
    found = figure.numbers()
    ln2 = math.log(2)
    expected = [
        [0, 0, 0, 1, 1, 1],
        [1, ln2, 1 / 2, 1.5, 10.5, 7],
        [2, 2 * ln2, 1 / 2, 1.75, 105.25, 421 / 7],
    ]
    np.testing.assert_allclose(found["history"], expected, rtol=1e-12)
    assert found["weights"] == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    assert found["exps"] == pytest.approx([1 / 4, 1 / 2, 1])
    assert found["full"] == pytest.approx(421 / 7)
    assert found["difference"] == pytest.approx(0, abs=1e-12)


def test_before_the_first_key():
    found = OnlineSoftmaxStepper().numbers()
    assert (found["absorbed_blocks"], found["absorbed_keys"]) == (0, 0)
    assert (found["maximum"], found["total"]) == (-math.inf, 0)
    assert (found["output"], found["result"], found["history"]) == (0, 0, [])
    assert found["exps"] == found["weights"] == [0] * 8
    assert found["difference"] == -found["full"]


def test_each_state_is_the_softmax_over_the_absorbed_keys():
    """Not the recurrence: maximum, sums and weights of those keys, all at once."""
    rng = np.random.default_rng(6)
    for _ in range(100):
        state = random_state(rng)
        found = OnlineSoftmaxStepper(**state).numbers()
        size, pairs = state["block_size"], state["pairs"]
        blocks = [b for b in state["absorbed"] if b * size < len(pairs)]
        known = [pairs[i] for i in range(len(pairs)) if i // size in blocks]
        assert found["absorbed_blocks"] == len(blocks) == len(found["history"])
        assert found["absorbed_keys"] == len(known)
        if not known:
            continue
        scores, values = zip(*known, strict=True)
        exps = [math.exp(s - max(scores)) for s in scores]
        assert found["maximum"] == max(scores)
        assert found["total"] == pytest.approx(math.fsum(exps))
        mixed = math.fsum(e * v for e, v in zip(exps, values, strict=True))
        assert found["output"] == pytest.approx(mixed, rel=1e-9, abs=1e-9)
        result = oracles.softmax(np.array([scores]))[0] @ np.array(values)
        assert found["result"] == pytest.approx(result, rel=1e-9, abs=1e-9)
        seen = [w for w in found["weights"] if w > 0]
        assert math.fsum(seen) == pytest.approx(1)


def test_all_blocks_in_any_order_give_the_full_softmax():
    figure = OnlineSoftmaxStepper()
    scores, values = np.array(figure.pairs).T
    full = float(oracles.softmax(scores[None])[0] @ values)
    for order in itertools.permutations(range(4)):
        figure.absorbed = order
        found = figure.numbers()
        assert [row[0] for row in found["history"]] == list(order)
        assert found["result"] == pytest.approx(full)
        assert abs(found["difference"]) < 1e-12


def test_the_shrink_factor_is_1_unless_the_maximum_rises():
    pairs = [(3, 1), (1, 1), (5, 1)]
    figure = OnlineSoftmaxStepper(pairs=pairs, block_size=1, absorbed=(0, 1, 2))
    shrink = [row[2] for row in figure.numbers()["history"]]
    assert shrink == pytest.approx([0, 1, math.exp(-2)])


def test_the_memory():
    """L x S scores; a maximum, a total and 64 features; L x 3 scores of a block."""
    found = OnlineSoftmaxStepper(L=8, S=1024, block_size=3).numbers()
    assert found["full_floats"] == 8192
    assert found["state_floats"] == 8 * 66
    assert found["block_floats"] == 24
    assert found["times_less"] == pytest.approx(8192 / 552)


def test_blocks_without_keys_are_passed_over_and_come_back():
    figure = OnlineSoftmaxStepper(absorbed=(3, 0), block_size=2)
    figure.block_size = 4
    assert [row[0] for row in figure.numbers()["history"]] == [0]
    figure.block_size = 2
    assert [row[0] for row in figure.numbers()["history"]] == [3, 0]


@pytest.mark.parametrize(
    ("trait", "value", "message"),
    [
        ("pairs", [], "pairs must hold 1 to 12 rows of 2 numbers"),
        ("pairs", [(0, 1)] * 13, "pairs must hold 1 to 12 rows"),
        ("pairs", [(0, 1, 2)], "pairs must hold"),
        ("pairs", [(1001, 0)], "from -1000 to 1000"),
        ("pairs", [(math.nan, 0)], "pairs must hold"),
        ("pairs", ["12"], "pairs must hold"),
        ("pairs", "<img src=x onerror=alert(1)>", "pairs must hold"),
        ("pairs", "x" * 10_000, r"got .{0,60}; pass"),
        ("block_size", 0, "block_size"),
        ("block_size", 13, "block_size"),
        ("absorbed", (0, 0), "none twice, got"),
        ("absorbed", (12,), "blocks from 0 to 11"),
        ("absorbed", (-1,), "blocks from 0 to 11"),
        ("absorbed", (True,), "absorbed must name"),
        ("absorbed", ("0",), "absorbed must name"),
        ("absorbed", (0.5,), "absorbed must name"),
        ("absorbed", ([0],), "absorbed must name"),
        ("absorbed", ("x" * 10_000,), r"got .{0,60}; pass"),
        ("absorbed", "01", "absorbed"),
        ("L", 3, "L"),
        ("S", 2**18, "S"),
    ],
)
def test_other_values_are_refused(trait, value, message):
    figure = OnlineSoftmaxStepper()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(figure, trait, value)
    assert figure.state() == OnlineSoftmaxStepper().state()


def test_the_table_tells_the_whole_story_from_any_state():
    figure = OnlineSoftmaxStepper(L=16, S=32, absorbed=(2,))
    caption, heads, rows = figure.table()
    figure.absorbed = (0, 1, 2, 3)
    found = figure.numbers()
    assert {len(row) for row in rows} == {len(heads)}
    assert rows[0][:2] == ("none", "−∞")
    for row, (block, *cells) in zip(rows[1:], found["history"], strict=True):
        assert row == (f"block {block + 1}", *(f"{x:.2f}" for x in cells))
    assert f"the last o / t, {found['full']:.2f}, is the full softmax" in caption
    assert "has 512 numbers" in caption
    assert "has 1,056 with Ev = 64, and one block of scores 32." in caption


def test_it_is_a_widget_that_can_be_observed_and_linked():
    figure, slider = OnlineSoftmaxStepper(), ipywidgets.IntSlider(min=1, max=12)
    seen = []
    figure.observe(lambda change: seen.append(change["new"]), "block_size")
    link = traitlets.link((figure, "block_size"), (slider, "value"))
    slider.value = 5
    assert (figure.block_size, seen) == (5, [5])
    link.unlink()


def test_its_repr_is_stable():
    figure = OnlineSoftmaxStepper(absorbed=[1, 0])
    assert repr(figure) == (
        "OnlineSoftmaxStepper(L=4096, S=4096, absorbed=(1, 0), block_size=2, "
        "pairs=((0.0, 4.0), (1.0, -2.0), (3.0, 1.0),...)"
    )
