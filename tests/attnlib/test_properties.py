"""What holds for any input, tried on inputs that hypothesis makes up.

The numbers come from a seed: hypothesis chooses sizes, masks, options and the seed.
"""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import attnlib
from attnlib import KVCache, causal_mask
from attnlib import scaled_dot_product_attention as sdpa
from tests.attnlib.arrays import assert_close, each_implementation, to_numpy

pytestmark = pytest.mark.usefixtures("no_call_is_small")

NAMES = ["reference", "tiled", "fused"]
seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(1, 9)
softcaps = st.one_of(st.none(), st.floats(0.1, 50.0))
scales = st.one_of(st.none(), st.floats(-20.0, 20.0))
hidden_shares = st.sampled_from([0.0, 0.3, 0.8, 1.0])


def normal(asarray, seed, *shapes):
    """Return arrays of normal numbers."""
    rng = np.random.default_rng(seed)
    return [asarray(rng.normal(size=shape)) for shape in shapes]


def implementations(asarray):
    """Return the implementations that a library has, with small tiles."""
    names = NAMES[:2] if asarray.library == "array_api_strict" else NAMES
    calls = [partial(sdpa, implementation=name) for name in names]
    return [*calls, partial(attnlib.tiled_attention, block_size=2)]


@given(
    seed=seeds,
    L=lengths,
    S=lengths,
    scale=scales,
    softcap=softcaps,
    share=hidden_shares,
)
def test_weights_are_shares(asarray, seed, L, S, scale, softcap, share):
    """Rows are >= 0 and sum to 1, or to 0 where the mask hides every key."""
    query, key = normal(asarray, seed, (2, L, 4), (2, S, 4))
    mask = np.random.default_rng(seed).random((L, S)) >= share
    weights = attnlib.attention_weights(
        query, key, asarray(mask), scale=scale, softcap=softcap
    )
    weights = to_numpy(weights)
    assert (weights >= 0).all()
    expected = np.broadcast_to(mask.any(axis=1), (2, L)).astype(float)
    np.testing.assert_allclose(weights.sum(axis=-1), expected, atol=1e-12)
    assert (weights[:, ~mask] == 0).all()


@given(seed=seeds, L=lengths, S=lengths, share=hidden_shares)
def test_outputs_lie_between_the_values(asarray, seed, L, S, share):
    """A weighted mean exceeds no value; ones come back as ones, or as zero."""
    query, key, value = normal(asarray, seed, (L, 4), (S, 4), (S, 3))
    mask = np.random.default_rng(seed).random((L, S)) >= share
    values = to_numpy(value)
    for attention in implementations(asarray):
        output = to_numpy(attention(query, key, value, asarray(mask)))
        seen = mask.any(axis=1)
        assert (output[seen] <= values.max(axis=0) + 1e-12).all()
        assert (output[seen] >= values.min(axis=0) - 1e-12).all()
        assert (output[~seen] == 0).all()


@given(seed=seeds, L=lengths, S=lengths, softcap=softcaps)
def test_permutations(asarray, seed, L, S, softcap):
    """Queries in another order: outputs in that order. Keys with values: no change."""
    rng = np.random.default_rng(seed)
    q, k, v = (rng.normal(size=shape) for shape in [(L, 4), (S, 4), (S, 3)])
    mask = rng.random((L, S)) > 0.3
    rows, columns = rng.permutation(L), rng.permutation(S)
    for attention in implementations(asarray):
        straight = to_numpy(attention(*map(asarray, (q, k, v, mask)), softcap=softcap))
        shuffled = attention(
            asarray(q[rows]),
            asarray(k[columns]),
            asarray(v[columns]),
            asarray(mask[rows][:, columns]),
            softcap=softcap,
        )
        assert_close(shuffled, straight[rows])


@given(seed=seeds, n=lengths, data=st.data())
def test_causal_prefix(asarray, seed, n, data):
    """The result for a prefix is the prefix of the result: no key ahead counts."""
    m = data.draw(st.integers(0, n))
    q, k, v = normal(asarray, seed, (2, n, 4), (2, n, 4), (2, n, 3))
    for attention in implementations(asarray):
        whole = attention(q, k, v, is_causal=True)
        prefix = attention(q[:, :m, :], k[:, :m, :], v[:, :m, :], is_causal=True)
        assert_close(prefix, whole[:, :m, :])


@given(seed=seeds, sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_decoding_in_any_chunks(asarray, seed, sizes):
    """Chunks of any size through a KVCache: the same as one causal call."""
    n = sum(sizes)
    q, k, v = normal(asarray, seed, (2, n, 4), (2, n, 4), (2, n, 3))
    whole = sdpa(q, k, v, is_causal=True)
    for attention in implementations(asarray):
        cache, parts = KVCache(k[:, :0, :], v[:, :0, :]), []
        for size in sizes:
            start = cache.length
            now = slice(start, start + size)
            cache = cache.append(k[:, now, :], v[:, now, :])
            mask = causal_mask(size, cache.length, offset=start, like=q)
            parts.append(attention(q[:, now, :], cache.key, cache.value, mask))
        assert_close(asarray.xp.concat(parts, axis=1), whole)


@given(seed=seeds, S=lengths, shift=st.floats(-1e3, 1e3))
def test_a_constant_added_to_a_row_of_scores(asarray, seed, S, shift):
    """The softmax sees differences only: a constant per query changes nothing."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(3, S))
    rows = shift * rng.normal(size=(3, 1))
    expected = to_numpy(attnlib.softmax(asarray(scores)))
    # the sum of a score and a number near 3000 is rounded to 5e-13
    shifted = attnlib.softmax(asarray(scores + rows))
    assert_close(shifted, expected, tolerance=1e-11)
    q, k, v = normal(asarray, seed, (3, 4), (S, 4), (S, 2))
    for attention in implementations(asarray):
        output = attention(q, k, v, asarray(rows))
        assert_close(output, attention(q, k, v), tolerance=1e-11)


@given(seed=seeds, L=lengths, S=lengths, pad=st.integers(1, 5))
def test_hidden_keys_do_not_count(asarray, seed, L, S, pad):
    """Hidden keys may hold anything finite: huge numbers change nothing."""
    rng = np.random.default_rng(seed)
    q, k, v = (rng.normal(size=shape) for shape in [(L, 4), (S, 4), (S, 3)])
    junk_k = np.concatenate([k, np.full((pad, 4), 1e6)])
    junk_v = np.concatenate([v, np.full((pad, 3), 1e6)])
    mask = np.arange(S + pad) < S
    for attention in implementations(asarray):
        short = attention(asarray(q), asarray(k), asarray(v))
        padded = attention(asarray(q), asarray(junk_k), asarray(junk_v), asarray(mask))
        assert_close(padded, short)


@given(
    seed=seeds, L=lengths, S=lengths, left=st.integers(0, 9), offset=st.integers(-3, 9)
)
def test_a_wide_window_is_causal(asarray, seed, L, S, left, offset):
    """A window with no right side counts left + 1 keys, or what there is of them."""
    like = normal(asarray, seed, (1,))[0]
    window = to_numpy(
        attnlib.sliding_window_mask(L, S, left=left, right=0, offset=offset, like=like)
    )
    causal = to_numpy(causal_mask(L, S, offset=offset, like=like))
    assert not (window & ~causal).any()
    for i in range(L):
        last = min(i + offset, S - 1)
        first = max(i + offset - left, 0)
        assert window[i].sum() == max(0, last - first + 1)


@each_implementation([None, *NAMES])
@given(
    seed=seeds, groups=st.integers(1, 4), Hkv=st.integers(1, 3), L=lengths, S=lengths
)
def test_grouped_is_repeated(asarray, implementation, seed, groups, Hkv, L, S):
    """Shared key heads are the same as key heads repeated for their query heads."""
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(2, Hkv * groups, L, 4))
    k, v = rng.normal(size=(2, Hkv, S, 4)), rng.normal(size=(2, Hkv, S, 3))
    shared = sdpa(
        asarray(q),
        asarray(k),
        asarray(v),
        enable_gqa=True,
        implementation=implementation,
    )
    k, v = np.repeat(k, groups, axis=1), np.repeat(v, groups, axis=1)
    assert_close(shared, sdpa(asarray(q), asarray(k), asarray(v)))
