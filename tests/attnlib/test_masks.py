"""Masks against their definitions, cell by cell, and against tables typed by hand."""

import math
import tracemalloc

import numpy as np
import pytest

from attnlib import (
    alibi_bias,
    causal_mask,
    combine_masks,
    padding_mask,
    sliding_window_mask,
)
from tests.attnlib import oracles
from tests.attnlib.arrays import assert_close, to_numpy

SIZES = [(1, 1), (4, 4), (3, 5), (5, 3), (0, 4), (4, 0), (1, 6)]
OFFSETS = [0, 1, 3, -2, 100, -100]
ARRAY_OFFSETS = [
    np.array(2),
    np.array([[[0]], [[3]]]),
    np.array([[[[1]]], [[[4]]]]),
    np.array([[0], [2], [7]]),  # one for each of three queries
    np.arange(24).reshape(2, 3, 4)[:, :, :1],
]


def equal(mask, expected, asarray=None):
    """Check a boolean mask: its kind, its shape, every cell."""
    assert asarray is None or asarray.owns(mask)
    assert str(mask.dtype).rpartition(".")[2] == "bool"
    np.testing.assert_array_equal(to_numpy(mask), expected, strict=True)


# ---------------------------------------------------------------- by hand


def test_causal_by_hand():
    """Three queries, five keys, the first query at position 1."""
    equal(
        causal_mask(3, 5, offset=1),
        np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]], dtype=bool),
    )


def test_sliding_window_by_hand():
    """One key behind, two ahead."""
    equal(
        sliding_window_mask(3, 5, left=1, right=2),
        np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [0, 1, 1, 1, 1]], dtype=bool),
    )


def test_padding_by_hand():
    """Lengths 2 and 0 of 3 keys; a mask for keys, the same for every query."""
    equal(
        padding_mask(np.array([2, 0]), 3),
        np.array([[[1, 1, 0]], [[0, 0, 0]]], dtype=bool),
    )


@pytest.mark.parametrize(
    ("num_heads", "slopes"),
    [
        (1, [2**-8]),
        (2, [2**-4, 2**-8]),
        (4, [2**-2, 2**-4, 2**-6, 2**-8]),
        (8, [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]),
        (3, [2**-4, 2**-8, 2**-2]),
        (6, [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]),
        (
            12,
            [2.0**-n for n in range(1, 9)] + [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5],
        ),
    ],
)
def test_alibi_slopes_by_hand(num_heads, slopes):
    """The slope of a head is the penalty of the next key: numbers of the paper."""
    bias = alibi_bias(num_heads, 2)
    assert_close(-bias[:, 1, 0], slopes)
    assert_close(bias[:, 0, 0], np.zeros(num_heads))


# ---------------------------------------------------------------- by definition


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize(("L", "S"), SIZES)
def test_causal(asarray, L, S, offset):
    """j <= i + offset, beside an array of each library."""
    like = asarray([0.0])
    expected = oracles.causal_mask(L, S, offset)
    equal(causal_mask(L, S, offset=offset, like=like), expected, asarray)


@pytest.mark.parametrize("offset", [0, 2, -1])
@pytest.mark.parametrize(
    ("left", "right"), [(None, None), (2, None), (None, 1), (0, 0)]
)
@pytest.mark.parametrize(("L", "S"), SIZES)
def test_sliding_window(asarray, L, S, left, right, offset):
    """i + offset - left <= j <= i + offset + right, beside each library."""
    options = {"left": left, "right": right, "offset": offset}
    mask = sliding_window_mask(L, S, **options, like=asarray([0.0]))
    equal(mask, oracles.sliding_window_mask(L, S, **options), asarray)


@pytest.mark.parametrize("offset", ARRAY_OFFSETS, ids=lambda o: str(o.shape))
def test_offset_arrays(asarray, offset):
    """An offset for each batch entry (or query), as an array of each library."""
    for dtype in ["int64", "int32"]:
        theirs = asarray(offset, dtype)
        for like in [None, asarray([0.0])]:
            mask = causal_mask(3, 5, offset=theirs, like=like)
            equal(mask, oracles.causal_mask(3, 5, offset), asarray)
            mask = sliding_window_mask(3, 5, left=1, right=1, offset=theirs, like=like)
            expected = oracles.sliding_window_mask(3, 5, 1, 1, offset)
            equal(mask, expected, asarray)


def test_S_defaults_to_L():
    """One length means a square mask."""
    equal(causal_mask(4), np.tri(4, dtype=bool))
    assert sliding_window_mask(4, left=1).shape == (4, 4)
    assert alibi_bias(2, 4).shape == (2, 4, 4)


def test_like_defaults_to_numpy():
    """Without `like` and without arrays, a mask is a NumPy array."""
    masks = [
        causal_mask(2),
        sliding_window_mask(2),
        padding_mask([1, 2], 3),
        alibi_bias(2, 3),
    ]
    assert all(isinstance(mask, np.ndarray) for mask in masks)


def test_a_numpy_integer_is_an_offset():
    """np.int64(3), the length of something, works like 3."""
    equal(causal_mask(2, 6, offset=np.int64(3)), oracles.causal_mask(2, 6, 3))


@pytest.mark.parametrize(
    "lengths", [3, [3], [0, 5, 2], [[1], [4]]], ids=lambda n: str(np.shape(n))
)
def test_padding(asarray, lengths):
    """j < length: shape (..., 1, S) for lengths (...,), from arrays of each library."""
    expected = oracles.padding_mask(lengths, 5)
    for dtype in ["int64", "int32"]:
        equal(padding_mask(asarray(lengths, dtype), 5), expected, asarray)
    like = asarray([0.0])
    equal(padding_mask(asarray(lengths), 5, like=like), expected, asarray)
    equal(padding_mask(lengths, 5, like=like), expected, asarray)


@pytest.mark.parametrize("offset", [0, 3, -1])
@pytest.mark.parametrize("num_heads", [1, 2, 3, 5, 6, 7, 8, 12, 20])
def test_alibi(asarray, num_heads, offset):
    """-slope * distance for keys behind and ahead, in the dtype of `like`."""
    expected = oracles.alibi_bias(num_heads, 3, 5, offset)
    for dtype in ["float32", "float64"]:
        like = asarray([0.0], dtype)
        bias = alibi_bias(num_heads, 3, 5, offset=offset, like=like)
        assert asarray.owns(bias)
        assert bias.dtype == like.dtype
        assert_close(bias, expected)


def test_alibi_offsets_of_a_batch(asarray):
    """An offset array broadcasts against (..., H, L, S)."""
    bias = alibi_bias(3, 2, 5, offset=asarray(np.array([1, 3]).reshape(2, 1, 1, 1)))
    expected = [oracles.alibi_bias(3, 2, 5, 1), oracles.alibi_bias(3, 2, 5, 3)]
    assert_close(bias, np.array(expected), dtype="float32")


def test_combine(asarray):
    """And, of masks that broadcast; None stands for no mask."""
    rows, keys = np.array([[True], [True], [False]]), np.array([True, False])
    both = rows & keys
    equal(combine_masks(asarray(rows), None, asarray(keys)), both, asarray)
    equal(combine_masks(asarray(rows)), rows, asarray)
    three = combine_masks(asarray(rows), asarray(keys), asarray([False, True]))
    equal(three, both & [False, True], asarray)
    assert combine_masks(None, None) is None
    assert combine_masks() is None


def test_combine_leaves_its_arguments():
    """The first mask is not the result's memory."""
    first, second = np.array([True, True]), np.array([True, False])
    combine_masks(first, second)
    assert first.all()


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sliding_window_mask(3, left=-1), ValueError, ["left", "-1"]),
        (lambda: sliding_window_mask(3, right=-2), ValueError, ["right", "-2"]),
        (lambda: causal_mask(-3), ValueError, ["L", "-3"]),
        (lambda: causal_mask(3, -5), ValueError, ["S", "-5"]),
        (lambda: causal_mask(3.0), TypeError, ["L", "3.0"]),
        (lambda: causal_mask(3, offset=1.5), TypeError, ["offset", "1.5"]),
        (
            lambda: causal_mask(3, offset=np.array([1.0])),
            TypeError,
            ["offset", "float64"],
        ),
        (lambda: sliding_window_mask(3, left=1.5), TypeError, ["left", "1.5"]),
        (lambda: padding_mask([1, 9], 5), ValueError, ["lengths", "9", "5"]),
        (lambda: padding_mask([-1, 2], 5), ValueError, ["lengths", "-1"]),
        (lambda: padding_mask([1.5], 5), TypeError, ["lengths", "float64"]),
        (lambda: padding_mask([1], -5), ValueError, ["S", "-5"]),
        (lambda: alibi_bias(0, 3), ValueError, ["num_heads", "0"]),
        (lambda: alibi_bias(2.0, 3), TypeError, ["num_heads", "2.0"]),
        (
            lambda: combine_masks(causal_mask(3), np.zeros((3, 3))),
            TypeError,
            ["float64", "boolean"],
        ),
        (
            lambda: combine_masks(causal_mask(3), np.ones((3, 3), dtype=int)),
            TypeError,
            ["int64", "boolean"],
        ),
    ],
)
def test_bad_input(call, error, words):
    """The message names the argument and what came."""
    with pytest.raises(error) as raised:
        call()
    for word in words:
        assert word in str(raised.value)


def test_masks_of_two_libraries():
    """A NumPy mask and a torch mask are not combined silently, in neither order.

    torch makes uint8 of its own mask & NumPy's.
    """
    torch = pytest.importorskip("torch")
    masks = causal_mask(3), causal_mask(3, like=torch.zeros(1))
    for order in (masks, masks[::-1], (None, *masks)):
        with pytest.raises(TypeError, match="share one library"):
            combine_masks(*order)


def test_numbers_of_another_library_than_like():
    """NumPy offsets or lengths beside a torch `like` are refused, not converted."""
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="share one library"):
        causal_mask(3, offset=np.array([1]), like=torch.zeros(1))
    with pytest.raises(TypeError, match="share one library"):
        padding_mask(np.array([1]), 3, like=torch.zeros(1))


def test_alibi_is_the_same_as_the_papers_under_a_causal_mask():
    """The paper adds slope * j, our bias is slope * (j - i): the softmax cannot tell.

    Its published code counts from the first key, and masks the keys ahead.
    """
    rng = np.random.default_rng(0)
    H, L = 4, 5
    scores, hidden = rng.normal(size=(H, L, L)), ~np.tri(L, dtype=bool)
    slopes = np.array(oracles.alibi_slopes(H))[:, None, None]
    theirs = np.where(hidden, -math.inf, scores + slopes * np.arange(L))
    ours = np.where(hidden, -math.inf, scores + alibi_bias(H, L))
    assert_close(oracles.softmax(ours), oracles.softmax(theirs))


def test_alibi_far_away_in_half_precision():
    """Key 0 from position 70,000, by hand: -70,000 / 256 for the last head of 8."""
    bias = alibi_bias(8, 1, 70001, offset=70000, like=np.zeros(1, np.float16))
    assert bias.dtype == np.float16
    assert bias[7, 0, 0] == np.float16(-70000 / 256)  # -273.5
    assert np.isfinite(bias[3:]).all()  # slopes from 1/16 on: at most 4375
    torch = pytest.importorskip("torch")
    like = torch.zeros(1, dtype=torch.bfloat16)
    bias = alibi_bias(8, 1, 70001, offset=70000, like=like)
    assert_close(bias, oracles.alibi_bias(8, 1, 70001, 70000), dtype="bfloat16")


def test_alibi_slopes_are_not_rounded_before_the_product():
    """Half precision rounds the penalty once: 2**-0.5 is no float16."""
    bias = alibi_bias(12, 1, 1000, offset=999, like=np.zeros(1, np.float16))
    exact = oracles.alibi_bias(12, 1, 1000, 999)
    np.testing.assert_array_equal(bias, exact.astype(np.float16))


@pytest.mark.parametrize(
    "shape", [(3,), (2, 3), (3, 1, 5), (3, 2, 1)], ids=lambda s: str(s)
)
def test_offsets_that_fit_no_query(asarray, shape):
    """One per batch entry in a shape that would count as keys or queries: refused."""
    offset = asarray(np.zeros(shape, dtype=int))
    for call in [
        lambda: causal_mask(5, 3, offset=offset),
        lambda: sliding_window_mask(5, 3, left=1, offset=offset),
        lambda: alibi_bias(2, 5, 3, offset=offset),
    ]:
        with pytest.raises(ValueError, match="offset") as raised:
            call()
        words = [str(shape), f"({shape[0]}, 1, 1)", f"({shape[0]}, 1, 1, 1)"]
        assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.parametrize("side", [2**31, 2**63 - 1, 10**30])
def test_a_side_beyond_every_key_is_no_limit(asarray, side):
    """Numbers that no integer array holds, as sys.maxsize for "all": no overflow."""
    like = asarray([0.0])
    mask = sliding_window_mask(3, 5, left=side, right=side, offset=1, like=like)
    equal(mask, np.ones((3, 5), dtype=bool), asarray)
    causal = sliding_window_mask(3, 5, left=side, right=0, like=like)
    equal(causal, oracles.causal_mask(3, 5), asarray)


def test_unsigned_offsets(asarray):
    """uint64 beside int64 would become a float in NumPy."""
    offset = asarray(np.array([[[1]], [[2]]], dtype=np.uint8))
    equal(causal_mask(3, 5, offset=offset), oracles.causal_mask(3, 5, to_numpy(offset)))
    big = np.array(2, dtype=np.uint64)
    equal(causal_mask(3, 5, offset=big), oracles.causal_mask(3, 5, 2))


@pytest.mark.parametrize(
    "options", [{}, {"left": 5}, {"left": 5, "right": 5}], ids=lambda o: str(len(o))
)
def test_memory_of_a_mask(options):
    """Making a mask takes at most twice its own bytes."""
    options = options or {"right": 0}
    tracemalloc.start()
    mask = sliding_window_mask(2048, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mask.nbytes == 2048**2
    assert peak <= 2.05 * mask.nbytes  # and the positions of queries and keys


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: combine_masks(causal_mask(3), x > 0), "mask"),
        (lambda x: padding_mask(x.astype(int), 3), "lengths"),
        (lambda x: causal_mask(3, offset=x.astype(int)), "offset"),
    ],
)
def test_masked_arrays(call, name):
    """What they hide would be used: refused, by name."""
    with pytest.raises(TypeError, match=f"{name} must be.*got MaskedArray"):
        call(np.ma.masked_array(np.ones((3, 1)), mask=True))
