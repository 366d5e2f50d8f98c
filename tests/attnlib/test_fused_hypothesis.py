"""fused_attention on NumPy against float64 loops, on inputs that hypothesis makes up.

Queries and keys are -1, 0 or 1 times a power of two, and so is the scale: every score
is exact in every dtype, however large or small, and the tolerances of the core tests
hold at any magnitude. The tiles are tiny, so that small arrays have many of them.
"""

import math

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from attnlib import fused_attention, numpy_kernel
from tests.attnlib import oracles
from tests.attnlib.arrays import TOLERANCE

pytestmark = [pytest.mark.usefixtures("no_call_is_small"), pytest.mark.slow]

# The least exponents are those of subnormal numbers
EXPONENTS = {"float16": (-20, 12), "float32": (-140, 60), "float64": (-1060, 300)}
MASKS = ["none", "causal", "bool", "float", "window", "padding", "hidden row", "column"]


@st.composite
def calls(draw):
    """Return query, key, value, mask and options of one call."""
    dtype = draw(st.sampled_from(sorted(EXPONENTS)))
    kind = draw(st.sampled_from(MASKS))
    lead = draw(st.sampled_from([(), (3,), (2, 2)]))
    key_lead = draw(st.sampled_from([lead, tuple(1 for _ in lead), ()]))
    L = draw(st.integers(1, 14))
    S = L if kind == "causal" else draw(st.integers(1, 14))
    E, Ev = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def signs(*shape):
        return rng.integers(-1, 2, shape).astype(float)

    least, most = EXPONENTS[dtype]
    exponents = st.one_of(st.integers(-1, 2), st.integers(least, most))
    a, b, c = draw(exponents), draw(exponents), draw(exponents)
    # a scale that brings the scores near a chosen power of two; 1e4 is 2**13.3
    size = draw(st.one_of(st.integers(-3, 6), st.sampled_from([13, 14, 30, -30])))
    scale = 2.0 ** max(-120, min(120, size - a - b)) * draw(st.sampled_from([1, -1]))
    unit = 2.0 ** (a + b) * abs(scale)
    q = (signs(*lead, L, E) * 2.0**a).astype(dtype)
    k = (signs(*key_lead, S, E) * 2.0**b).astype(dtype)
    v = (rng.normal(size=(*key_lead, S, Ev)) * 2.0**c).astype(dtype)
    mask = draw_mask(kind, rng, L, S, min(unit, 2.0**13), dtype)
    options = {"is_causal": kind == "causal", "scale": scale}
    options["softcap"] = draw(st.sampled_from([None, None, 0.5, 30.0]))
    return q, k, v, mask, options


def draw_mask(kind, rng, L, S, unit, dtype):
    """Return a mask of the kind; a float one holds multiples of `unit`, and -inf."""
    if kind in ("none", "causal"):
        return None
    if kind == "float":
        steps = rng.integers(-3, 2, (L, S)) * unit
        return np.where(rng.random((L, S)) < 0.3, -np.inf, steps).astype(dtype)
    if kind == "window":
        left, right = rng.integers(0, 4, 2)
        return oracles.sliding_window_mask(L, S, left, right, rng.integers(-3, 4))
    if kind == "padding":
        return oracles.padding_mask(rng.integers(0, S + 1), S)
    if kind == "column":
        return rng.random((L, 1)) < 0.7
    mask = rng.random((L, S)) < 0.6
    if kind == "hidden row":
        mask[rng.integers(L)] = False
    return mask


def check(call, threads):
    """Compare one call with the loops, by the tolerance of its dtype."""
    q, k, v, mask, options = call
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numpy_kernel, "ROWS", 3)
        patch.setattr(numpy_kernel, "KEYS", 4)
        patch.setenv("OMP_NUM_THREADS", threads)
        output = fused_attention(q, k, v, mask, **options)
    assert output.dtype == q.dtype
    scores = oracles.attention_scores(q, k, mask, **options)
    expected = oracles.attention(q, k, v, mask, **options)
    finite = np.abs(scores[np.isfinite(scores)]).max(initial=0.0)
    event(
        f"{q.dtype}, largest score {'over' if finite > numpy_kernel.LIMIT else 'under'}"
    )
    # where no maximum is subtracted, exp sees a score times log2(e), rounded once, and
    # a capped score is rounded by tanh: a few roundings of a score of 40 or the cap
    wide = np.promote_types(q.dtype, np.float32)
    tolerance = TOLERANCE[q.dtype.name] + 4 * np.finfo(wide).eps * min(finite, 40)
    largest = np.abs(v.astype(float)).max()
    # and values below 1e-20 may lose bits at the lower end of float32
    least = 2 * np.finfo(q.dtype).smallest_subnormal + (
        len(v) * math.exp(2 * numpy_kernel.LIMIT) * np.finfo(wide).smallest_subnormal
    )
    np.testing.assert_allclose(output, expected, 0, tolerance * largest + least)


@settings(max_examples=300)
@given(call=calls(), threads=st.sampled_from(["1", "2"]))
def test_equals_the_loops_at_any_magnitude(call, threads):
    """All dtypes, all kinds of masks, scores from 2**-30 to 2**30 and beyond."""
    check(call, threads)
