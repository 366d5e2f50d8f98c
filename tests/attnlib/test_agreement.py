"""Every implementation of attention against the slow loops of `oracles`.

One table of cases x implementations x array libraries. What is compared is always
attnlib against float64 loops that know nothing of it (and, in
`test_against_torch.py`, against torch's own functions).
"""

from functools import partial

import numpy as np
import pytest

import attnlib
from tests.attnlib import arrays, cases, oracles
from tests.attnlib.arrays import assert_close, assert_same_kind, to_numpy

pytestmark = pytest.mark.usefixtures("no_call_is_small")

IMPLEMENTATIONS = {
    "reference": attnlib.reference_attention,
    "tiled 1": partial(attnlib.tiled_attention, block_size=1),
    "tiled 2": partial(attnlib.tiled_attention, block_size=2),
    "tiled 3": partial(attnlib.tiled_attention, block_size=3),
    "tiled 128": attnlib.tiled_attention,
    "fused": attnlib.fused_attention,
    "front door": attnlib.scaled_dot_product_attention,
}
# fused exists for NumPy and torch only
PAIRS = [
    pytest.param(implementation, library, id=f"{name}-{library}")
    for name, implementation in IMPLEMENTATIONS.items()
    for library in arrays.LIBRARIES
    if (name, library) != ("fused", "array_api_strict")
]
SOME = cases.pick(
    "no mask",
    "is_causal",
    "causal, offset 3",
    "window, both",
    "padding",
    "boolean, hidden row",
    "float, hidden row",
    f"float {(cases.B, 1, 1, cases.S)}",
    "softcap, scale",
    "S = 0",
)
each_implementation = pytest.mark.parametrize(
    ("attention", "asarray"), PAIRS, indirect=["asarray"]
)


def convert(case, asarray, dtype="float64"):
    """Return query, key, value and mask of a case as arrays of a library."""
    q, k, v = (asarray(x, dtype) for x in cases.inputs(case))
    mask = case.mask
    if mask is not None:
        mask = asarray(mask) if mask.dtype == bool else asarray(mask, dtype)
    return q, k, v, mask


@pytest.mark.parametrize("case", **cases.by_name(cases.CASES))
@each_implementation
def test_equals_the_loops(attention, asarray, case):
    """Every case in float64, against the oracle."""
    q, k, v, mask = convert(case, asarray)
    output = attention(q, k, v, mask, **case.options)
    assert_close(output, cases.remembered(case))
    assert_same_kind(output, q, asarray)


@pytest.mark.parametrize("case", **cases.by_name(SOME))
@each_implementation
def test_other_dtypes(attention, asarray, case):
    """Each dtype below float64, against float64 loops on the same rounded inputs."""
    for dtype in set(asarray.dtypes) - {"float64"}:
        q, k, v, mask = convert(case, asarray, dtype)
        rounded = tuple(to_numpy(x) for x in (q, k, v))
        rounded_mask = None if mask is None else to_numpy(mask)
        output = attention(q, k, v, mask, **case.options)
        assert_close(output, cases.expected(case, rounded, rounded_mask))
        assert_same_kind(output, q, asarray)


@pytest.mark.parametrize("case", **cases.by_name(cases.GROUPED))
@arrays.each_implementation([None, "reference", "tiled", "fused"])
def test_grouped_heads(asarray, implementation, case):
    """enable_gqa against an oracle that computes one query head at a time."""
    q, k, v, mask = convert(case, asarray)
    output = attnlib.scaled_dot_product_attention(
        q, k, v, mask, enable_gqa=True, implementation=implementation, **case.options
    )
    assert_close(output, cases.remembered(case))
    assert_same_kind(output, q, asarray)


@pytest.mark.parametrize("case", **cases.by_name(SOME))
@arrays.each_implementation(["reference", "tiled", "fused"])
def test_front_door_by_name(asarray, implementation, case):
    """The front door with each implementation by name, against the oracle."""
    q, k, v, mask = convert(case, asarray)
    output = attnlib.scaled_dot_product_attention(
        q, k, v, mask, implementation=implementation, **case.options
    )
    assert_close(output, cases.remembered(case))


@each_implementation
def test_inputs_are_left_alone(attention, asarray):
    """No argument is changed in place: compare with copies taken before."""
    case = cases.pick("float, hidden row")[0]
    before = convert(case, asarray)
    after = convert(case, asarray)
    attention(*after, softcap=0.7, scale=1.2)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(to_numpy(old), to_numpy(new))


@pytest.mark.parametrize("size", [1e4, 1e30])
@each_implementation
def test_huge_scores_stay_finite(attention, asarray, size):
    """Scores of plus and minus `size`: exp of them overflows, the weights do not.

    By hand: the key with the largest score takes all; two equal ones share.
    """
    root = np.sqrt(size)
    q = asarray([[root, 0.0], [-root, 0.0], [0.0, root]], "float32")
    k = asarray([[root, 0.0], [-root, 0.0], [root, 0.0], [0, -root]], "float32")
    v = asarray([[1.0], [2.0], [4.0], [8.0]], "float32")
    # scores / size: [[1, -1, 1, 0], [-1, 1, -1, 0], [0, 0, 0, -1]]
    output = attention(q, k, v, scale=1.0)
    assert_close(output, [[2.5], [2.0], [7 / 3]])


@each_implementation
def test_one_huge_score_for_all_keys(attention, asarray):
    """When all scores are -1e4, the rows are uniform: low is not the same as hidden."""
    q, k = asarray([[100.0]]), asarray([[-100.0]] * 4)
    v = asarray([[1.0], [2.0], [3.0], [6.0]])
    assert_close(attention(q, k, v, scale=1.0), [[3.0]])


@each_implementation
def test_a_very_low_float_mask_is_not_hidden(attention, asarray):
    """-1e30 on every key swallows the scores and leaves a uniform row, as in torch."""
    q, k = asarray(np.ones((2, 3)), "float32"), asarray(np.ones((4, 3)), "float32")
    v = asarray([[1.0], [2.0], [3.0], [6.0]], "float32")
    mask = asarray(np.full((2, 4), -1e30), "float32")
    assert_close(attention(q, k, v, mask), [[3.0], [3.0]])


@each_implementation
def test_half_precision_scores_are_float32(attention, asarray):
    """Scores beyond 65504, the largest float16, still choose the right key."""
    for dtype in {"float16", "bfloat16"} & set(asarray.dtypes):
        q = asarray([[256.0, 256.0]], dtype)
        k = asarray([[256.0, 248.0], [256.0, 256.0], [-256.0, -256.0]], dtype)
        v = asarray([[1.0], [2.0], [3.0]], dtype)
        assert_close(attention(q, k, v, scale=1.0), [[2.0]])


@each_implementation
def test_half_precision_is_scaled_in_float32(attention, asarray):
    """The scaled query is not rounded to the dtype, and does not overflow in it."""
    for dtype in {"float16", "bfloat16"} & set(asarray.dtypes):
        q = asarray([[300.0, 304.0]], dtype)
        k, v = asarray([[1.0, -1.0], [0.0, 0.0]], dtype), asarray([[1.0], [0.0]], dtype)
        # scores -4/3 and 0
        share = np.exp(-4 / 3) / (np.exp(-4 / 3) + 1)
        assert_close(attention(q, k, v, scale=1 / 3), [[share]])
        assert_close(attention(q, k, v, scale=1e3), [[0.0]])
        assert_close(attention(q, k, v, scale=-1e3), [[1.0]])


@each_implementation
def test_half_precision_weights_are_summed_in_float32(attention, asarray):
    """The mean of 4096 ones is one: a float16 sum of them stops at 2048."""
    for dtype in {"float16", "bfloat16"} & set(asarray.dtypes):
        q, k = asarray(np.zeros((1, 2)), dtype), asarray(np.zeros((4096, 2)), dtype)
        v = asarray(np.ones((4096, 1)), dtype)
        assert_close(attention(q, k, v), [[1.0]])


@each_implementation
def test_lengths_beyond_one_block(attention, asarray):
    """L and S larger than the default block, and no multiple of it; with a mask."""
    rng = np.random.default_rng(3)
    q, k, v = rng.normal(size=(150, 4)), rng.normal(size=(301, 4)), None
    v = rng.normal(size=(301, 2))
    mask = oracles.causal_mask(150, 301, 140)
    scores = np.where(mask, q @ k.T / 2, -np.inf)  # loops would take too long
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    output = attention(asarray(q), asarray(k), asarray(v), asarray(mask))
    assert_close(output, weights @ v)


@each_implementation
def test_a_long_causal_call(attention, asarray):
    """is_causal over several blocks: query i is the attention of the first i keys."""
    rng = np.random.default_rng(4)
    n = 300
    q, k, v = rng.normal(size=(n, 4)), rng.normal(size=(n, 4)), rng.normal(size=(n, 2))
    output = to_numpy(attention(asarray(q), asarray(k), asarray(v), is_causal=True))
    for i in [0, 1, 127, 128, 129, 255, 256, 299]:
        alone = oracles.attention(q[i : i + 1], k[: i + 1], v[: i + 1])
        assert_close(output[i : i + 1], alone)
