"""Multi-head attention against slow loops; torch is in test_against_torch.py."""

import numpy as np
import pytest

from attnlib import (
    MultiHeadParams,
    causal_mask,
    merge_heads,
    multi_head_attention,
    split_heads,
)
from tests.attnlib import oracles
from tests.attnlib.arrays import (
    assert_close,
    assert_same_kind,
    each_implementation,
    to_numpy,
)

B, L, S, D, DK, DV, H, E, EV, OUT = 2, 3, 5, 7, 6, 9, 4, 8, 10, 11


def make_params(rng, Hkv=H, biases="qkvo"):
    """Return four weights and four biases as NumPy arrays, all lengths different."""
    shapes = [(H * E, D), (Hkv * E, DK), (Hkv * EV, DV), (OUT, H * EV)]
    weights = [rng.normal(size=shape) / 3 for shape in shapes]
    vectors = [
        rng.normal(size=shape[0]) if letter in biases else None
        for letter, shape in zip("qkvo", shapes, strict=True)
    ]
    return weights, vectors


def make_data(rng, lead=(B,)):
    """Return query, key and value."""
    shapes = [(*lead, L, D), (*lead, S, DK), (*lead, S, DV)]
    return [rng.normal(size=shape) for shape in shapes]


def convert(asarray, arrays, dtype="float64"):
    """Convert a list in which None stays None."""
    return [None if x is None else asarray(x, dtype) for x in arrays]


# ---------------------------------------------------------------- split and merge


def test_split_by_hand(asarray):
    """Two tokens of six features: head 0 gets the first three."""
    x = asarray([[1, 2, 3, 10, 20, 30], [4, 5, 6, 40, 50, 60.0]])
    expected = [[[1, 2, 3], [4, 5, 6]], [[10, 20, 30], [40, 50, 60]]]
    assert_close(split_heads(x, 2), expected)
    assert_close(merge_heads(split_heads(x, 2)), to_numpy(x))


@pytest.mark.parametrize("num_heads", [1, 2, 3, 6])
@pytest.mark.parametrize("lead", [(), (2,), (2, 5)], ids=str)
def test_split_and_merge(asarray, lead, num_heads, rng):
    """Head h of token i holds features h*E to (h+1)*E; merge is the inverse."""
    x = rng.normal(size=(*lead, 4, 6))
    heads = split_heads(asarray(x), num_heads)
    E = 6 // num_heads
    expected = np.zeros((*lead, num_heads, 4, E))
    for h in range(num_heads):
        expected[..., h, :, :] = x[..., h * E : (h + 1) * E]
    assert_close(heads, expected)
    assert_close(merge_heads(heads), x)
    assert_same_kind(merge_heads(heads), asarray(x), asarray)


def test_split_and_merge_of_nothing(asarray):
    """No token, no trouble."""
    assert split_heads(asarray(np.zeros((2, 0, 6))), 3).shape == (2, 3, 0, 2)
    assert merge_heads(asarray(np.zeros((2, 3, 0, 2)))).shape == (2, 0, 6)


# ---------------------------------------------------------------- the whole


@each_implementation([None, "reference", "tiled", "fused"])
@pytest.mark.parametrize("num_kv_heads", [None, 4, 2, 1])
@pytest.mark.parametrize("biases", ["", "qkvo", "qo"])
def test_equals_the_loops(asarray, biases, num_kv_heads, implementation, rng):
    """Head by head, with shared key heads and with each of the biases left out."""
    weights, vectors = make_params(rng, num_kv_heads or H, biases)
    data = make_data(rng)
    params = MultiHeadParams(*convert(asarray, weights), *convert(asarray, vectors))
    output = multi_head_attention(
        *convert(asarray, data),
        params,
        num_heads=H,
        num_kv_heads=num_kv_heads,
        implementation=implementation,
    )
    expected = oracles.multi_head_attention(
        *data, weights, vectors, num_heads=H, num_kv_heads=num_kv_heads
    )
    assert output.shape == (B, L, OUT)
    assert_close(output, expected)
    assert asarray.owns(output)


MASKS = {
    "causal": oracles.causal_mask(L, S, 1),
    "padding": oracles.padding_mask([[2], [5]], S),
    "one per batch entry": np.random.default_rng(1).random((B, 1, L, S)) > 0.3,
    "one per head": np.random.default_rng(2).random((H, L, S)) > 0.3,
    "alibi": oracles.alibi_bias(H, L, S),
    "hidden row": oracles.causal_mask(L, S, -1),
}


@pytest.mark.parametrize("num_kv_heads", [H, 2])
@pytest.mark.parametrize("name", MASKS)
def test_masks(asarray, name, num_kv_heads, rng):
    """Masks broadcast to (..., H, L, S), against the loops."""
    weights, vectors = make_params(rng, num_kv_heads)
    data, mask = make_data(rng), MASKS[name]
    params = MultiHeadParams(*convert(asarray, weights), *convert(asarray, vectors))
    how = {"num_heads": H, "num_kv_heads": num_kv_heads}
    output = multi_head_attention(
        *convert(asarray, data), params, **how, attn_mask=asarray(mask)
    )
    expected = oracles.multi_head_attention(
        *data, weights, vectors, **how, attn_mask=mask
    )
    assert_close(output, expected)


def test_is_causal(asarray, rng):
    """The same as the mask j <= i, and as the loops."""
    weights = [rng.normal(size=(8, 6)) for _ in range(3)] + [rng.normal(size=(5, 8))]
    x = rng.normal(size=(4, 6))
    params = MultiHeadParams(*convert(asarray, weights))
    mine = asarray(x)
    output = multi_head_attention(mine, mine, mine, params, num_heads=2, is_causal=True)
    expected = oracles.multi_head_attention(
        x, x, x, weights, num_heads=2, is_causal=True
    )
    assert_close(output, expected)


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)], ids=str)
def test_leading_axes(asarray, lead, rng):
    """Without a batch, and with two axes of batches."""
    weights, vectors = make_params(rng)
    data = make_data(rng, lead)
    params = MultiHeadParams(*convert(asarray, weights), *convert(asarray, vectors))
    output = multi_head_attention(*convert(asarray, data), params, num_heads=H)
    expected = oracles.multi_head_attention(*data, weights, vectors, num_heads=H)
    assert_close(output, expected)


def test_dtypes(asarray, rng):
    """The result has the dtype of the data; three roundings more than one product."""
    weights, vectors = make_params(rng)
    data = make_data(rng)
    for dtype in asarray.dtypes:
        w, v, d = (convert(asarray, x, dtype) for x in (weights, vectors, data))
        output = multi_head_attention(*d, MultiHeadParams(*w, *v), num_heads=H)
        rounded = [[to_numpy(x) for x in xs] for xs in (d, w, v)]
        expected = oracles.multi_head_attention(*rounded[0], *rounded[1:], num_heads=H)
        assert_same_kind(output, d[0], asarray)
        # projections are rounded to the dtype too: some ten roundings of it
        eps = {"float64": 1e-15, "float32": 1e-7, "float16": 1e-3, "bfloat16": 8e-3}
        assert_close(output, expected, tolerance=20 * eps[dtype])


def test_every_head_reads_all_features(rng):
    """A head's rows of the projection see the whole embedding, not a slice of it."""
    weights, vectors = make_params(rng)
    data = make_data(rng)
    params = MultiHeadParams(*weights, *vectors)
    before = multi_head_attention(*data, params, num_heads=H)
    for feature in range(D):
        changed = data[0].copy()
        changed[..., feature] += 1
        after = multi_head_attention(changed, *data[1:], params, num_heads=H)
        assert np.abs(after - before).max() > 1e-3


def test_params_by_name():
    """Field names and their order; biases are left out unless given."""
    params = MultiHeadParams(1, 2, 3, 4)
    assert params.q_proj_weight == 1
    assert params.k_proj_weight == 2
    assert params.v_proj_weight == 3
    assert params.out_proj_weight == 4
    biases = [getattr(params, f"{x}_proj_bias") for x in ("q", "k", "v", "out")]
    assert biases == [None] * 4


# ---------------------------------------------------------------- bad input


BAD_SPLITS = [
    (lambda: split_heads(np.zeros((3, 7)), 2), ValueError, ["7", "num_heads=2"]),
    (lambda: split_heads(np.zeros((3, 8)), 0), ValueError, ["num_heads", "0"]),
    (lambda: split_heads(np.zeros((3, 8)), -2), ValueError, ["num_heads", "-2"]),
    (lambda: split_heads(np.zeros((3, 8)), 2.0), TypeError, ["num_heads", "2.0"]),
    (lambda: split_heads(np.zeros(8), 2), ValueError, ["(8,)"]),
    (lambda: split_heads([[1.0, 2.0]], 2), TypeError, ["list"]),
    (lambda: merge_heads(np.zeros((3, 8))), ValueError, ["(3, 8)"]),
    (lambda: merge_heads([[[1.0]]]), TypeError, ["list"]),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD_SPLITS)
def test_bad_splits(call, error, words):
    """The message names what came."""
    with pytest.raises(error) as raised:
        call()
    assert all(word in str(raised.value) for word in words), raised.value


def replaced(name, shape):
    """Return a change of the call: one parameter with another shape.

    With a weight goes its bias, which would not fit and be named first.
    """
    change = {name: np.zeros(shape)}
    if name.endswith("weight"):
        change[name.replace("weight", "bias")] = None
    return lambda call: call["params"].update(change)


def given(**options):
    """Return a change of the call: other options."""
    return lambda call: call["options"].update(options)


BAD_CALLS = {
    "heads": (given(num_heads=5), ValueError, ["q_proj_weight", "5", "32"]),
    "heads 0": (given(num_heads=0), ValueError, ["num_heads", "0"]),
    "heads 4.0": (given(num_heads=4.0), TypeError, ["num_heads", "4.0"]),
    "key heads": (
        given(num_kv_heads=3),
        ValueError,
        ["num_heads=4", "num_kv_heads=3", "multiple"],
    ),
    "key heads 0": (given(num_kv_heads=0), ValueError, ["num_kv_heads", "0"]),
    "key heads that do not fit": (
        given(num_kv_heads=2),
        ValueError,
        ["q_proj_weight", "k_proj_weight"],
    ),
    "columns of query": (
        replaced("q_proj_weight", (32, 6)),
        ValueError,
        ["q_proj_weight", "7", "(32, 6)"],
    ),
    "columns of key": (
        replaced("k_proj_weight", (32, 5)),
        ValueError,
        ["k_proj_weight", "6", "(32, 5)"],
    ),
    "columns of value": (
        replaced("v_proj_weight", (40, 5)),
        ValueError,
        ["v_proj_weight", "9", "(40, 5)"],
    ),
    "columns of output": (
        replaced("out_proj_weight", (11, 39)),
        ValueError,
        ["out_proj_weight", "40", "(11, 39)"],
    ),
    "rows of key": (
        replaced("k_proj_weight", (28, 6)),
        ValueError,
        ["k_proj_weight", "q_proj_weight", "28", "32"],
    ),
    "rows of value": (
        replaced("v_proj_weight", (39, 9)),
        ValueError,
        ["v_proj_weight", "39", "4"],
    ),
    "a weight of one axis": (
        replaced("q_proj_weight", (7,)),
        ValueError,
        ["q_proj_weight", "(7,)"],
    ),
    "bias of query": (
        replaced("q_proj_bias", (31,)),
        ValueError,
        ["q_proj_bias", "(32,)", "(31,)"],
    ),
    "bias of output": (
        replaced("out_proj_bias", (12,)),
        ValueError,
        ["out_proj_bias", "(11,)", "(12,)"],
    ),
    "mask": (
        given(attn_mask=np.ones((B, L, S), dtype=bool)),
        ValueError,
        ["attn_mask", "(2, 3, 5)"],
    ),
    "is_causal": (given(is_causal=True), ValueError, ["is_causal", "causal_mask"]),
    "implementation": (given(implementation="x"), ValueError, ["implementation"]),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls(name, rng):
    """Parameters that do not fit the data, or each other: which one, and how."""
    change, error, words = BAD_CALLS[name]
    weights, vectors = make_params(rng)
    params = MultiHeadParams(*weights, *vectors)._asdict()
    call = {"params": params, "options": {"num_heads": H}}
    change(call)
    with pytest.raises(error) as raised:
        multi_head_attention(
            *make_data(rng), MultiHeadParams(**call["params"]), **call["options"]
        )
    assert all(word in str(raised.value) for word in words), raised.value


def test_bad_kinds(rng):
    """Lists, other dtypes and other libraries, in data and in parameters."""
    torch = pytest.importorskip("torch")
    weights, vectors = make_params(rng)
    params, data = MultiHeadParams(*weights, *vectors), make_data(rng)
    narrow = params._replace(k_proj_weight=params.k_proj_weight.astype(np.float32))
    foreign = params._replace(v_proj_bias=torch.zeros(H * EV))
    listed = params._replace(q_proj_bias=[0.0] * (H * E))
    missing = params._replace(out_proj_weight=None)
    for bad_params, words in [
        (narrow, ["k_proj_weight", "float32", "float64"]),
        (foreign, ["v_proj_bias", "torch", "numpy"]),
        (listed, ["q_proj_bias", "list"]),
        (missing, ["out_proj_weight", "NoneType"]),
        (None, ["params", "NoneType"]),
    ]:
        with pytest.raises(TypeError) as raised:
            multi_head_attention(*data, bad_params, num_heads=H)
        assert all(word in str(raised.value) for word in words), raised.value
    for which, name in enumerate(["query", "key", "value"]):
        bad_data = list(data)
        bad_data[which] = data[which].tolist()
        with pytest.raises(TypeError, match=rf"{name}.*list"):
            multi_head_attention(*bad_data, params, num_heads=H)


def test_a_causal_mask_may_be_passed(rng):
    """is_causal=True is the mask j <= i."""
    weights = [rng.normal(size=(8, 8)) for _ in range(4)]
    x, params = rng.normal(size=(4, 8)), MultiHeadParams(*weights)
    one = multi_head_attention(x, x, x, params, num_heads=2, is_causal=True)
    other = multi_head_attention(x, x, x, params, num_heads=2, attn_mask=causal_mask(4))
    assert_close(one, other)
