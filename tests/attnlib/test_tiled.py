"""The online softmax: its state by hand, its algebra, its memory.

That `tiled_attention` equals the loops is in test_agreement.py.
"""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnlib import OnlineSoftmax, absorb, merge, tiled_attention
from tests.attnlib import oracles
from tests.attnlib.arrays import assert_close, assert_same_kind

INF = math.inf


def state_of(asarray, scores, value):
    """Return the state after one block of keys, from an empty one."""
    L, Ev = scores.shape[-2], value.shape[-1]
    empty = OnlineSoftmax(
        asarray(np.full((*scores.shape[:-2], L, 1), -INF)),
        asarray(np.zeros((*scores.shape[:-2], L, 1))),
        asarray(np.zeros((*scores.shape[:-2], L, Ev))),
    )
    return absorb(empty, asarray(scores), asarray(value))


def parts(state):
    """Return the three numbers of a state."""
    return state.maximum, state.total, state.output


def weighted_sum(scores, value):
    """Return softmax(scores) @ value by the oracle."""
    return oracles.softmax(scores) @ value


def test_the_state_by_hand(asarray):
    """Scores 0 and log 2, then log 4: the total counts in units of the largest."""
    value = np.array([[1.0], [10.0]])
    state = state_of(asarray, np.array([[0.0, math.log(2)]]), value)
    # largest: log 2; exp(0 - log 2) = 1/2 and 1
    for part, expected in zip(parts(state), [math.log(2), 1.5, 10.5], strict=True):
        assert_close(part, [[expected]])
    state = absorb(state, asarray([[math.log(4)]]), asarray([[100.0]]))
    # largest: log 4; everything before halves; the new key adds 1 and 100
    expected = [math.log(4), 1.75, 105.25]
    for part, number in zip(parts(state), expected, strict=True):
        assert_close(part, [[number]])


def test_fields():
    """Three fields, in the order of the specification."""
    assert OnlineSoftmax(1, 2, 3) == OnlineSoftmax(maximum=1, total=2, output=3)


def test_nothing_seen_is_zero(asarray):
    """Blocks of hidden keys leave an empty state, without NaN and without a warning."""
    scores, value = np.full((2, 3), -INF), np.ones((3, 1))
    state = state_of(asarray, scores, value)
    assert_close(state.total, [[0.0], [0.0]])
    assert_close(state.output, [[0.0], [0.0]])
    again = absorb(state, asarray(scores), asarray(value))
    assert_close(again.total, [[0.0], [0.0]])
    both = merge(state, again)
    assert_close(both.output, [[0.0], [0.0]])


def test_arguments_are_left_alone(rng):
    """absorb and merge return new states."""
    scores, value = rng.normal(size=(2, 3)), rng.normal(size=(3, 1))
    first = state_of(np.asarray, scores, value)
    second = state_of(np.asarray, scores + 1, value)
    before = [part.copy() for part in (*parts(first), *parts(second))]
    absorb(first, scores, value)
    merge(first, second)
    for old, new in zip(before, (*parts(first), *parts(second)), strict=True):
        np.testing.assert_array_equal(old, new)


# Scores of any size, also hidden ones; whole rows of hidden ones come up too.
score = st.one_of(st.floats(-1e4, 1e4), st.just(-INF))
rows = st.integers(1, 6).flatmap(
    lambda S: st.lists(st.lists(score, min_size=S, max_size=S), min_size=2, max_size=2)
)


@given(scores=rows, seed=st.integers(0, 99), data=st.data())
def test_merge_of_splits_is_the_whole(asarray, scores, seed, data):
    """Split the keys in three anywhere, merge in both orders: the unsplit result."""
    scores = np.array(scores)
    S = scores.shape[1]
    value = np.random.default_rng(seed).normal(size=(S, 3))
    cut = sorted(data.draw(st.tuples(st.integers(1, S), st.integers(1, S))))
    blocks = [slice(0, cut[0]), slice(cut[0], cut[1]), slice(cut[1], S)]
    blocks = [b for b in blocks if b.start < b.stop]
    states = [state_of(asarray, scores[:, b], value[b]) for b in blocks]
    first, *rest = states
    left = first
    for state in rest:
        left = merge(left, state)  # ((a b) c)
    right = states[-1]
    for state in states[-2::-1]:
        right = merge(state, right)  # (a (b c))
    whole = state_of(asarray, scores, value)
    for one, other, unsplit in zip(*map(parts, (left, right, whole)), strict=True):
        assert_close(_finite(one, asarray), _finite(unsplit, asarray))
        assert_close(_finite(other, asarray), _finite(unsplit, asarray))
    total = asarray.xp.where(left.total == 0, 1.0, left.total)
    assert_close(left.output / total, weighted_sum(scores, value))


def _finite(x, asarray):
    """Replace -inf, the maximum of a hidden row, by a number to compare."""
    return asarray.xp.where(asarray.xp.isfinite(x), x, -12345.0)


@given(scores=rows, seed=st.integers(0, 99))
def test_merge_does_not_mind_the_order(asarray, scores, seed):
    """merge(a, b) equals merge(b, a)."""
    scores = np.array(scores)
    value = np.random.default_rng(seed).normal(size=(scores.shape[1], 3))
    a = state_of(asarray, scores, value)
    b = state_of(asarray, scores[:, ::-1] / 2, value)
    for one, other in zip(parts(merge(a, b)), parts(merge(b, a)), strict=True):
        assert_close(_finite(one, asarray), _finite(other, asarray))


def test_states_of_parallel_rows(asarray, rng):
    """Leading axes: (B, H, L, block) against a loop over the leading axes."""
    scores, value = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 5, 6))
    state = state_of(asarray, scores[..., :2], value[..., :2, :])
    state = absorb(state, asarray(scores[..., 2:]), asarray(value[..., 2:, :]))
    expected = np.zeros((2, 3, 4, 6))
    for index in np.ndindex(2, 3):
        expected[index] = weighted_sum(scores[index], value[index])
    assert_close(state.output / state.total, expected)
    assert_same_kind(state.output, asarray(value), asarray)


@pytest.mark.parametrize("block_size", [0, -1])
def test_block_size_below_one(block_size):
    """The message names the argument and what came."""
    x = np.zeros((3, 4))
    with pytest.raises(ValueError, match=f"block_size.*{block_size}"):
        tiled_attention(x, x, x, block_size=block_size)


def test_block_size_that_is_no_integer():
    """2.5 keys are no block."""
    x = np.zeros((3, 4))
    with pytest.raises(TypeError, match="block_size"):
        tiled_attention(x, x, x, block_size=2.5)


def test_the_score_matrix_is_never_stored(rng):
    """Peak memory at L = S = 2048 is far below that of the L x S matrix."""
    L, E = 2048, 16
    x = rng.normal(size=(L, E))
    tiled_attention(x[:64], x[:64], x[:64])  # first-call allocations are not counted
    for options in [{}, {"is_causal": True}, {"softcap": 2.0}]:
        tracemalloc.start()
        tiled_attention(x, x, x, block_size=64, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < L * L * x.itemsize / 4
