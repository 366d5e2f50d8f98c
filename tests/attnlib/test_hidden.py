"""What a mask hides has no influence: NaN and infinities, values and gradients.

Right is what the loops say when the hidden numbers are replaced by ordinary ones.
"""

import math
from functools import partial

import numpy as np
import pytest

import attnlib
from attnlib import fused
from tests.attnlib import oracles
from tests.attnlib.arrays import LIBRARIES, assert_close, to_numpy

B, H, L, S, E, EV = 2, 3, 4, 7, 8, 5
NUMBERS = [math.nan, math.inf, -math.inf]


def fused_by(few):
    """Return fused_attention with NumPy's equation or kernel, whatever the size."""

    def attend(*args, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fused, "FEW", 2**60 if few else -1)
            patch.setattr(fused, "SINGLE", 0)
            return attnlib.fused_attention(*args, **options)

    return attend


IMPLEMENTATIONS = {
    "reference": attnlib.reference_attention,
    "tiled": partial(attnlib.tiled_attention, block_size=3),
    "tiled 128": attnlib.tiled_attention,
    "fused, equation": fused_by(few=True),
    "fused, kernel": fused_by(few=False),
    "front door": attnlib.scaled_dot_product_attention,
}
each_implementation = pytest.mark.parametrize(
    ("attend", "asarray"),
    [
        pytest.param(function, library, id=f"{name}-{library}")
        for name, function in IMPLEMENTATIONS.items()
        for library in LIBRARIES
        if not (name.startswith("fused") and library == "array_api_strict")
    ],
    indirect=["asarray"],
)
each_tensor = pytest.mark.parametrize(
    "attend", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS
)

PADDING = oracles.padding_mask([[3], [6]], S)  # (B, 1, 1, S)
CAUSAL = oracles.causal_mask(L, S, 1)  # the last two keys, and others
WINDOW = oracles.sliding_window_mask(L, S, left=1, right=1)
MASKS = {"padding": PADDING, "causal": CAUSAL, "window": WINDOW}


def data(rng, length=S):
    """Return query, key and value."""
    return [
        rng.normal(size=(B, H, n, e)) for n, e in [(L, E), (length, E), (length, EV)]
    ]


def spoil(x, seen, number):
    """Return x with `number` in one feature of each key that no query sees."""
    hidden = ~np.broadcast_to(seen, (B, H, L, S)).any(axis=-2)
    assert hidden.any()
    spoilt = x.copy()
    spoilt[hidden, 1] = number
    return spoilt


def as_float(seen):
    """Return the mask to be added: 0 or -inf."""
    return np.where(seen, 0.0, -math.inf)


@pytest.mark.parametrize("as_mask", [np.asarray, as_float], ids=["bool", "float"])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("number", NUMBERS)
@each_implementation
def test_hidden_keys_and_values(attend, asarray, number, name, as_mask, rng):
    """Keys that no query sees, as unused places of a cache, or values, or both."""
    query, key, value = data(rng)
    seen = MASKS[name]
    expected = oracles.attention(query, key, value, seen)
    mask = asarray(as_mask(seen))
    bad_key, bad_value = spoil(key, seen, number), spoil(value, seen, number)
    for k, v in [(bad_key, value), (key, bad_value), (bad_key, bad_value)]:
        output = attend(asarray(query), asarray(k), asarray(v), mask)
        assert_close(output, expected)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, in the last row
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("place", ["key", "value"])
@pytest.mark.parametrize("flag", [True, False])
@each_implementation
def test_only_who_sees_it(attend, asarray, flag, place, number, rng):
    """In the last of 140 tokens of a causal call: its own row, and no other one."""
    n = 140
    query, key, value = (rng.normal(size=(n, e)) for e in (E, E, EV))
    mask = np.tri(n, dtype=bool)
    weights = np.where(mask, np.exp(query @ key.T / math.sqrt(E)), 0)
    expected = weights / weights.sum(axis=1, keepdims=True) @ value
    spoilt = {"query": query, "key": key.copy(), "value": value.copy()}
    spoilt[place][-1, 0] = number
    how = {"is_causal": True} if flag else {"attn_mask": asarray(mask)}
    output = attend(*map(asarray, spoilt.values()), **how)
    assert_close(output[:-1, :], expected[:-1])
    last = to_numpy(output)[-1]
    if place == "value":  # one feature, and what it holds
        np.testing.assert_array_equal(last[0], number)
        assert_close(asarray(last[1:]), expected[-1, 1:])
    elif np.isnan(number):
        assert np.isnan(last).all()


@pytest.mark.parametrize("number", NUMBERS)
@each_implementation
def test_a_query_that_sees_nothing(attend, asarray, number, rng):
    """Its output is 0, whatever it holds itself."""
    query, key, value = data(rng)
    query[..., 1, 0] = number
    mask = np.ones((L, S), dtype=bool)
    mask[1] = False
    for as_mask in (np.asarray, as_float):
        output = attend(*map(asarray, (query, key, value)), asarray(as_mask(mask)))
        assert_close(output[..., 1, :], np.zeros((B, H, EV)))


@each_implementation
def test_numbers_are_counted_as_multiplication_has_it(attend, asarray):
    """Seen infinities of both signs are NaN; of one sign, that; hidden ones nothing."""
    query, key = np.zeros((4, 2)), np.zeros((4, 2))
    value = np.array([[math.inf], [-math.inf], [math.nan], [1.0]])
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 1]], bool)
    output = attend(*map(asarray, (query, key, value, mask)))
    expected = [[math.inf], [-math.inf], [math.nan], [math.nan]]
    np.testing.assert_array_equal(to_numpy(output), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@each_implementation
def test_other_dtypes(attend, asarray, dtype, rng):
    """Half precision too, whose sums may overflow where its numbers do not."""
    if dtype not in asarray.dtypes:
        pytest.skip(f"{asarray} has no {dtype}")
    query, key, value = data(rng)
    key, value = 50 * key, 1000 * value
    rounded = [to_numpy(asarray(x, dtype)) for x in (query, key, value)]
    expected = oracles.attention(*rounded, PADDING)
    bad = [spoil(x, PADDING, math.nan) for x in rounded[1:]]
    for k, v in [rounded[1:], bad]:
        args = (asarray(x, dtype) for x in (rounded[0], k, v))
        assert_close(attend(*args, asarray(PADDING)), expected)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("as_mask", [np.asarray, as_float], ids=["bool", "float"])
@each_tensor
def test_gradients(attend, astensor, as_mask, name, rng):
    """NaN that no query sees leaves every gradient as it is, and gets 0 itself."""
    query, key, value = data(rng)
    seen = MASKS[name]
    mask = astensor(as_mask(seen))
    grads = []
    for k, v in [
        (key, value),
        (spoil(key, seen, math.nan), spoil(value, seen, math.inf)),
    ]:
        tensors = [astensor(x).requires_grad_() for x in (query, k, v)]
        attend(*tensors, mask).square().sum().backward()
        grads.append([tensor.grad for tensor in tensors])
    for ours, expected in zip(*grads, strict=True):
        assert_close(ours, expected)


@pytest.mark.parametrize("which", ["query", "key", "value"])
@each_tensor
def test_gradients_of_a_causal_call(attend, astensor, which, rng):
    """NaN in the last token: the queries before it get the gradients of without."""
    n = 140
    clean = dict(
        zip(("query", "key", "value"), rng.normal(size=(3, n, 4)), strict=True)
    )
    spoilt = clean | {which: clean[which].copy()}
    spoilt[which][-1, 0] = math.nan
    grads = []
    for arrays in (clean, spoilt):
        query, key, value = (astensor(x).requires_grad_() for x in arrays.values())
        attend(query, key, value, is_causal=True)[:-1].square().sum().backward()
        grads.append(query.grad[:-1])
    assert_close(*grads)


@each_implementation
def test_a_cache_with_unused_places(attend, asarray, rng):
    """Decoding from a long buffer of which 5 places are filled, the rest NaN."""
    buffer_k, buffer_v = np.full((2, H, 16, E), math.nan)
    key, value = rng.normal(size=(2, H, 5, E))
    buffer_k[:, :5], buffer_v[:, :5] = key, value
    query = rng.normal(size=(H, 1, E))
    mask = oracles.padding_mask([5], 16)
    output = attend(*map(asarray, (query, buffer_k, buffer_v, mask)))
    assert_close(output, oracles.attention(query, key, value))


@pytest.mark.parametrize("number", NUMBERS)
def test_weights(asarray, number, rng):
    """attention_weights of hidden keys are 0, with both kinds of mask."""
    query, key, _ = data(rng)
    for seen in MASKS.values():
        expected = oracles.attention_weights(query, key, seen)
        bad = asarray(spoil(key, seen, number))
        for mask in (seen, as_float(seen)):
            ours = attnlib.attention_weights(asarray(query), bad, asarray(mask))
            assert_close(ours, expected)


@pytest.mark.parametrize("number", NUMBERS)
def test_absorb(asarray, number, rng):
    """A value whose score is -inf leaves the running sum alone."""
    scores, value = rng.normal(size=(L, S)), rng.normal(size=(S, EV))
    scores[:, 2] = -math.inf
    expected = oracles.softmax(scores) @ value
    value[2] = number
    none = asarray(np.full((L, 1), -math.inf))
    nothing = asarray(np.zeros((L, 1))), asarray(np.zeros((L, EV)))
    state = attnlib.OnlineSoftmax(none, *nothing)
    state = attnlib.absorb(state, asarray(scores), asarray(value))
    assert_close(state.result, expected)


def test_grouped_heads(asarray, rng):
    """The same with query heads that share key heads."""
    query = rng.normal(size=(B, 6, L, E))
    key, value = rng.normal(size=(B, 2, S, E)), rng.normal(size=(B, 2, S, EV))
    expected = oracles.grouped_attention(query, key, value, PADDING)
    hidden = np.broadcast_to(~PADDING[:, :, 0], (B, 2, S))
    key[hidden], value[hidden] = math.nan, math.inf
    ours = attnlib.scaled_dot_product_attention(
        *map(asarray, (query, key, value, PADDING)), enable_gqa=True
    )
    assert_close(ours, expected)
