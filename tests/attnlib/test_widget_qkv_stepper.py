"""QKVStepper in Python: the pencil example of chapter 2, slow loops, and torch."""

import math

import ipywidgets
import numpy as np
import pytest
import torch
import traitlets

from attnlib.widgets import QKVStepper
from tests.attnlib import oracles

# Steps and numbers that a reader must be able to move; the browser tests do.
MOVES = [
    ("mouse", "button.attn-next", "click", "step"),
    ("mouse", 'button[aria-pressed="false"]', "click", "output_1"),
    ("keyboard", "button.attn-next", "ArrowRight", "step"),
    ("keyboard", "button.attn-back", "End", "step"),
    ("keyboard", 'input[aria-label="value 1, feature 1"]', "ArrowUp", "output_1"),
    ("touch", "button.attn-next", "tap", "step"),
    ("touch", 'button[aria-pressed="false"]', "tap", "largest_weight"),
]


def random_state(rng):
    """Draw small whole numbers, any numbers, or the largest that are allowed."""
    draw = [
        lambda shape: rng.integers(-3, 4, shape).astype(float),
        lambda shape: rng.uniform(-5, 5, shape),
        lambda shape: rng.choice([-100.0, 0.0, 100.0], shape),
    ][rng.integers(3)]
    return {
        "query": draw((2, 4)).tolist(),
        "key": draw((3, 4)).tolist(),
        "value": draw((3, 2)).tolist(),
        "row": int(rng.integers(2)),
        "step": int(rng.integers(1, 11)),
    }


def test_the_pencil_numbers_of_chapter_2():
    """By pencil: e to 1, 0, 1 over 2e + 1, and e to 0, 2, 0 over e² + 2."""
    first, second = QKVStepper().numbers(), QKVStepper(row=1).numbers()
    e = math.e
    assert first["scores"] == [2, 0, 2]
    assert first["scaled"] == [1, 0, 1]
    assert first["shifted"] == [0, -1, 0]
    assert first["total"] == pytest.approx(2 + 1 / e)
    assert first["weights"] == pytest.approx(np.array([e, 1, e]) / (2 * e + 1))
    assert first["output_1"] == pytest.approx(14 * e / (2 * e + 1))
    assert first["output_2"] == pytest.approx((10 + 4 * e) / (2 * e + 1))
    assert second["scores"] == [0, 4, 0]
    assert second["largest_weight"] == pytest.approx(e**2 / (e**2 + 2))
    assert second["output_2"] == pytest.approx((10 * e**2 + 4) / (e**2 + 2))


def test_numbers_are_those_of_slow_loops_and_of_torch():
    rng = np.random.default_rng(2)
    for _ in range(50):
        state = random_state(rng)
        found = QKVStepper(**state).numbers()
        q, k, v = (np.array(state[name]) for name in ("query", "key", "value"))
        q = q[state["row"] :][:1]
        scores = oracles.attention_scores(q, k, scale=1.0)[0]
        np.testing.assert_allclose(found["scores"], scores, rtol=1e-12, atol=1e-12)
        weights = oracles.attention_weights(q, k)[0]
        np.testing.assert_allclose(found["weights"], weights, rtol=1e-9, atol=1e-12)
        tensors = (torch.tensor(m) for m in (q, k, v))
        output = torch.nn.functional.scaled_dot_product_attention(*tensors)[0]
        both = [found["output_1"], found["output_2"]]
        np.testing.assert_allclose(both, output, rtol=1e-9, atol=1e-9)


def test_the_numbers_between_fit_together():
    rng = np.random.default_rng(3)
    for _ in range(50):
        found = QKVStepper(**random_state(rng)).numbers()
        assert np.allclose(found["scaled"], np.array(found["scores"]) / 2)
        assert max(found["shifted"]) == 0
        assert found["total"] == pytest.approx(sum(found["exps"]))
        divided = np.array(found["exps"]) / found["total"]
        np.testing.assert_allclose(found["weights"], divided, rtol=1e-12)


def test_the_step_changes_no_other_number_and_stays_when_numbers_change():
    figure = QKVStepper(step=4)
    before = figure.numbers()
    figure.step = 9
    assert figure.numbers() == before | {"step": 9}
    figure.value = [[1, 2], [3, 4], [5, 6]]
    assert figure.step == 9
    assert figure.numbers()["output_1"] != before["output_1"]


def test_rows_are_kept_as_tuples_of_floats():
    figure = QKVStepper(query=np.arange(8).reshape(2, 4))
    assert figure.query == ((0.0, 1.0, 2.0, 3.0), (4.0, 5.0, 6.0, 7.0))


@pytest.mark.parametrize(
    "query",
    [
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4]] * 3,
        [[1, 2, 3], [4, 5, 6]],
        [[1, 2, 3, 4], [5, 6, 7, 100.5]],
        [[1, 2, 3, 4], [5, 6, 7, math.nan]],
        [[1, 2, 3, 4], [5, 6, 7, -math.inf]],
        [[1, 2, 3, 4], [5, 6, 7, True]],
        [[1, 2, 3, 4], [5, 6, 7, "8"]],
        ["1234", "5678"],
        "<img src=x onerror=alert(1)>",
        "x" * 10_000,
        "",
        [],
        None,
        7,
        [1, 2],
        np.ones((2, 4, 1)),
        {"a": 1, "b": 2},
    ],
)
def test_other_numbers_are_refused(query):
    figure = QKVStepper()
    message = r"query must hold 2 rows of 4 numbers from -100 to 100, got .{0,60}; pass"
    with pytest.raises(traitlets.TraitError, match=message):
        figure.query = query
    assert figure.numbers() == QKVStepper().numbers()


@pytest.mark.parametrize(
    ("trait", "value"),
    [("step", 0), ("step", 11), ("step", "2"), ("row", 2), ("row", -1), ("row", 0.5)],
)
def test_other_steps_and_rows_are_refused(trait, value):
    with pytest.raises(traitlets.TraitError, match=trait):
        QKVStepper(**{trait: value})


def test_the_table_says_what_the_numbers_say():
    value = [[1, 2], [3, 4], [5, -6]]
    caption, heads, rows = QKVStepper(value=value).table()
    assert len(rows) == 6
    assert {len(row) for row in rows} == {len(heads)}
    for i in (0, 1):
        found = QKVStepper(value=value, row=i).numbers()
        output = f"({found['output_1']:.2f}, {found['output_2']:.2f})"
        assert f"Output of query {i + 1}: {output}." in caption
        for j in (0, 1, 2):
            cells = [found[k][j] for k in ("scores", "scaled", "exps", "weights")]
            assert rows[3 * i + j] == (
                f"query {i + 1}, item {j + 1}",
                *(f"{x:.2f}" for x in cells),
            )
    assert "V = (1, 2), (3, 4), (5, -6)" in caption


def test_it_is_a_widget_that_can_be_observed_and_linked():
    figure, slider = QKVStepper(), ipywidgets.IntSlider(min=1, max=10)
    seen = []
    figure.observe(lambda change: seen.append(change["new"]), "step")
    link = traitlets.link((slider, "value"), (figure, "step"))
    slider.value = 7
    assert (figure.step, seen) == (7, [7])
    figure.step = 3
    assert slider.value == 3
    link.unlink()


def test_its_repr_is_stable():
    assert repr(QKVStepper()) == repr(QKVStepper())
    assert repr(QKVStepper(step=2)).startswith("QKVStepper(key=((1.0, 0.0, 1.0, 0.0)")
    assert "step=2" in repr(QKVStepper(step=2))
    assert "0x" not in repr(QKVStepper())
