"""The formula: numbers worked out by hand, and the weights against the oracles.

That `reference_attention` equals the loops is in test_agreement.py.
"""

import math

import numpy as np
import pytest

import attnlib
from attnlib import (
    attention_scores,
    attention_weights,
    causal_mask,
    reference_attention,
    softmax,
)
from tests.attnlib import cases, oracles
from tests.attnlib.arrays import assert_close, assert_same_kind, to_numpy

LOG3 = math.log(3)
# Weights have no value, so the axes in front of it say nothing about them
WEIGHT_CASES = [case for case in cases.CASES if "value" not in case.name]
# Scores have no is_causal
SCORE_CASES = [case for case in WEIGHT_CASES if "is_causal" not in case.options]


# ---------------------------------------------------------------- by hand


def test_softmax_by_hand(asarray):
    """exp(log 3) = 3 and exp(0) = 1: three parts of four."""
    assert_close(softmax(asarray([LOG3, 0.0])), [0.75, 0.25])
    assert_close(softmax(asarray([0.0, math.log(2), 0.0])), [0.25, 0.5, 0.25])


def test_attention_by_hand(asarray):
    """E = 4: 2 log 3 / sqrt(4) = log 3, so the weights are 3/4 and 1/4.

    Dividing by 4, or not at all, would give other weights.
    """
    query = asarray([[2.0, 0.0, 0.0, 0.0]])
    key = asarray([[LOG3, 5.0, 0.0, 0.0], [0.0, 0.0, 7.0, 1.0]])
    value = asarray([[4.0], [8.0]])
    assert_close(attention_scores(query, key), [[LOG3, 0.0]])
    assert_close(attention_weights(query, key), [[0.75, 0.25]])
    assert_close(reference_attention(query, key, value), [[5.0]])


def test_mask_polarity_by_hand(asarray):
    """True means: may attend. Only the second key is allowed."""
    query, key = asarray([[1.0, 0.0]]), asarray([[9.0, 0.0], [1.0, 0.0]])
    mask = asarray([[False, True]])
    assert_close(attention_weights(query, key, mask), [[0.0, 1.0]])
    scores = to_numpy(attention_scores(query, key, mask, scale=1.0))
    assert scores.tolist() == [[-math.inf, 1.0]]


def test_a_float_mask_is_added_after_the_scale(asarray):
    """Score 4 * 0.5 + 1 = 3."""
    query, key = asarray([[2.0]]), asarray([[2.0]])
    mask = asarray([[1.0]])
    assert_close(attention_scores(query, key, mask, scale=0.5), [[3.0]])


def test_softcap_by_hand(asarray):
    """softcap * tanh(score / softcap), then the mask: -inf stays -inf, 1 is added."""
    query, key = asarray([[1.0]]), asarray([[3.0], [3.0], [1e6]])
    mask = asarray([[0.0, -math.inf, 1.0]])
    scores = to_numpy(attention_scores(query, key, mask, scale=1.0, softcap=2.0))
    expected = [[2 * math.tanh(1.5), -math.inf, 3.0]]
    np.testing.assert_allclose(scores, expected, rtol=1e-14)


def test_causal_by_hand(asarray):
    """Equal scores: the first query sees one key, the second two, the third three."""
    x = asarray(np.zeros((3, 2)))
    value = asarray([[6.0], [0.0], [3.0]])
    weights = attention_weights(x, x, is_causal=True)
    assert_close(weights, [[1, 0, 0], [1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]])
    output = reference_attention(x, x, value, is_causal=True)
    assert_close(output, [[6.0], [3.0], [3.0]])


# ---------------------------------------------------------------- against the loops


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_softmax_along_each_axis(asarray, axis, rng):
    """Against the loop, along every axis."""
    x = rng.normal(size=(3, 4, 5))
    result = softmax(asarray(x), axis=axis)
    assert_close(result, oracles.softmax(x, axis))
    assert_close(softmax(asarray(x), axis), oracles.softmax(x, axis))  # by position


def test_softmax_of_huge_numbers(asarray):
    """exp(1e4) overflows; the softmax does not, and nothing warns."""
    assert_close(softmax(asarray([1e4, -1e4, 1e4])), [0.5, 0.0, 0.5])
    assert_close(softmax(asarray([-1e4, -1e4])), [0.5, 0.5])
    assert_close(softmax(asarray([-1e30, 1e30], "float32")), [0.0, 1.0])


def test_softmax_of_half_precision_is_float32(asarray, rng):
    """float16 and bfloat16 give float32 shares, not rounded to the input's dtype."""
    for dtype in {"float16", "bfloat16"} & set(asarray.dtypes):
        x = asarray(rng.normal(size=(3, 5)), dtype)
        shares = softmax(x)
        assert shares.dtype == asarray.xp.float32
        assert_close(shares, oracles.softmax(to_numpy(x)))


def test_softmax_of_hidden_and_of_no_entries(asarray):
    """-inf gets 0; a row of nothing but -inf is 0, not NaN; no entry, no share."""
    inf = math.inf
    assert_close(softmax(asarray([[-inf, 0.0], [-inf, -inf]])), [[0, 1], [0, 0]])
    assert softmax(asarray(np.zeros((2, 0)))).shape == (2, 0)
    assert softmax(asarray(np.zeros((0, 2)))).shape == (0, 2)


@pytest.mark.parametrize("case", **cases.by_name(WEIGHT_CASES))
def test_weights_equal_the_loops(asarray, case):
    """Weights of every case, their kind, and rows that sum to one or to zero."""
    query, key, _ = cases.inputs(case)
    mask = None if case.mask is None else asarray(case.mask)
    q, k = asarray(query), asarray(key)
    weights = attention_weights(q, k, mask, **case.options)
    expected = oracles.attention_weights(query, key, case.mask, **case.options)
    assert_close(weights, expected)
    assert_same_kind(weights, q, asarray)


@pytest.mark.parametrize("case", **cases.by_name(SCORE_CASES))
def test_scores_equal_the_loops(asarray, case):
    """Scores of every case: -inf exactly where the mask says no."""
    query, key, _ = cases.inputs(case)
    mask = None if case.mask is None else asarray(case.mask)
    scores = attention_scores(asarray(query), asarray(key), mask, **case.options)
    expected = oracles.attention_scores(query, key, case.mask, **case.options)
    np.testing.assert_array_equal(np.isinf(to_numpy(scores)), np.isinf(expected))
    assert_close(np.where(np.isinf(expected), 0, to_numpy(scores)), _finite(expected))


def _finite(x):
    return np.where(np.isinf(x), 0, x)


def test_dtypes(asarray, rng):
    """Scores and softmax of half precision are float32; weights have query's dtype."""
    query, key = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    for dtype in asarray.dtypes:
        q, k = asarray(query, dtype), asarray(key, dtype)
        weights = attention_weights(q, k)
        scores = attention_scores(q, k)
        wide = "float64" if dtype == "float64" else "float32"
        assert scores.dtype == getattr(asarray.xp, wide)
        assert_same_kind(weights, q, asarray)
        assert_close(weights, oracles.attention_weights(to_numpy(q), to_numpy(k)))


@pytest.mark.usefixtures("no_call_is_small")
@pytest.mark.parametrize("softcap", [None, np.float64(2.0)])
def test_a_numpy_scale_keeps_float32(softcap, rng):
    """np.float64 scales, as from 1 / np.sqrt(64), do not turn the result to float64."""
    q, k, v = (rng.normal(size=(3, 4)).astype(np.float32) for _ in range(3))
    scale = 1 / np.sqrt(64)
    for attention in [
        reference_attention,
        attnlib.tiled_attention,
        attnlib.fused_attention,
        attnlib.scaled_dot_product_attention,
    ]:
        output = attention(q, k, v, scale=scale, softcap=softcap)
        assert output.dtype == np.float32
        assert_close(output, oracles.attention(q, k, v, scale=scale, softcap=softcap))


@pytest.mark.parametrize(
    "attend", [attention_weights, lambda q, k, **o: reference_attention(q, k, k, **o)]
)
def test_what_is_ambiguous_is_refused(attend):
    """is_causal with another mask, or with L != S, names the function that helps."""
    q, k = np.zeros((3, 4)), np.zeros((5, 4))
    with pytest.raises(ValueError, match=r"causal_mask\(3, 5, offset"):
        attend(q, k, is_causal=True)
    with pytest.raises(ValueError, match="combine_masks"):
        attend(k, k, attn_mask=causal_mask(5), is_causal=True)


@pytest.mark.parametrize(
    ("axis", "error", "words"),
    [
        (None, TypeError, ["axis", "None"]),
        ((0, 1), TypeError, ["axis", "(0, 1)"]),
        (1.0, TypeError, ["axis", "1.0"]),
        (5, ValueError, ["axis=5", "-2", "1", "(3, 4)"]),
        (-3, ValueError, ["axis=-3", "-2", "1", "(3, 4)"]),
    ],
)
def test_softmax_along_no_axis(asarray, axis, error, words):
    """What is no axis of x is named, whatever the library would say."""
    with pytest.raises(error) as raised:
        attnlib.softmax(asarray(np.ones((3, 4))), axis)
    assert all(word in str(raised.value) for word in words), raised.value
