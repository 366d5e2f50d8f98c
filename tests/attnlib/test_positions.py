"""Positional encodings: numbers by hand, slow loops, and what they are good for."""

import math

import numpy as np
import pytest

from attnlib import rotary_embedding, sinusoidal_encoding
from tests.attnlib import oracles
from tests.attnlib.arrays import assert_close, assert_same_kind, to_numpy


def test_sinusoidal_by_hand():
    """Base 100 and E = 4: the second pair turns ten times slower."""
    expected = [
        [0, 1, 0, 1],
        [math.sin(1), math.cos(1), math.sin(0.1), math.cos(0.1)],
        [math.sin(2), math.cos(2), math.sin(0.2), math.cos(0.2)],
    ]
    assert_close(sinusoidal_encoding(3, 4, base=100.0), expected)


@pytest.mark.parametrize("interleaved", [True, False])
def test_rotary_by_hand(asarray, interleaved):
    """Position 1 turns the first pair by one radian; a huge base holds the second."""
    x = asarray([[1.0, 2.0, 3.0, 4.0]])
    turned = rotary_embedding(x, offset=1, base=1e30, interleaved=interleaved)
    cos, sin = math.cos(1), math.sin(1)
    if interleaved:
        expected = [cos - 2 * sin, sin + 2 * cos, 3.0, 4.0]
    else:
        expected = [cos - 3 * sin, 2.0, sin + 3 * cos, 4.0]
    assert_close(turned, [expected])


@pytest.mark.parametrize("offset", [0, 3, 1000, -2])
@pytest.mark.parametrize("base", [10000.0, 50.0])
@pytest.mark.parametrize(("L", "E"), [(5, 8), (1, 2), (0, 4), (3, 6)])
def test_sinusoidal(asarray, L, E, base, offset):
    """Against the loop, in the library and dtype of `like`."""
    like = asarray([0.0])
    ours = sinusoidal_encoding(L, E, offset=offset, base=base, like=like)
    # an angle of 1000 radians is rounded to 1e-13, and so is its sine
    assert_close(ours, oracles.sinusoidal_encoding(L, E, offset, base), tolerance=1e-12)
    assert_same_kind(ours, like, asarray)


def test_sinusoidal_dtypes(asarray):
    """Each dtype of `like`: one rounding of the exact numbers, at far positions too."""
    expected = oracles.sinusoidal_encoding(3, 8, 700)
    for dtype in asarray.dtypes:
        like = asarray([0.0], dtype)
        ours = sinusoidal_encoding(3, 8, offset=700, like=like)
        assert_same_kind(ours, like, asarray)
        # float32 holds an angle of 700 radians to 3e-5
        tolerance = {"float64": 1e-12, "float32": 1e-4}.get(dtype)
        assert_close(ours, expected, tolerance=tolerance)


def test_sinusoidal_defaults():
    """NumPy float64, offset 0 and base 10000."""
    ours = sinusoidal_encoding(4, 6)
    assert isinstance(ours, np.ndarray)
    assert ours.dtype == np.float64
    assert_close(ours, oracles.sinusoidal_encoding(4, 6, 0, 10000.0))


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("offset", [0, 3, 1000, -2])
@pytest.mark.parametrize("shape", [(5, 8), (2, 3, 4, 6), (1, 2), (3, 0, 4)], ids=str)
def test_rotary(asarray, shape, offset, interleaved, rng):
    """Against the loop: both layouts, any leading axes."""
    x = rng.normal(size=shape)
    ours = rotary_embedding(asarray(x), offset=offset, interleaved=interleaved)
    expected = oracles.rotary_embedding(x, offset, interleaved=interleaved)
    assert_close(ours, expected, tolerance=1e-12)
    assert_same_kind(ours, asarray(x), asarray)


def test_rotary_defaults_and_base(asarray, rng):
    """Adjacent pairs, offset 0, base 10000; and another base."""
    x = rng.normal(size=(4, 6))
    ours = rotary_embedding(asarray(x))
    assert_close(ours, oracles.rotary_embedding(x, 0, 10000.0, True))
    ours = rotary_embedding(asarray(x), base=500.0)
    assert_close(ours, oracles.rotary_embedding(x, 0, 500.0, True))


def test_rotary_dtypes(asarray, rng):
    """Half precision is computed in float32: positions beyond 256 stay exact."""
    for dtype in asarray.dtypes:
        x = asarray(rng.normal(size=(3, 8)), dtype)
        ours = rotary_embedding(x, offset=700)
        expected = oracles.rotary_embedding(to_numpy(x), 700)
        # float32 holds an angle of 700 radians to 3e-5
        tolerance = {"float64": 1e-12, "float32": 1e-4}.get(dtype)
        assert_close(ours, expected, tolerance=tolerance)
        assert_same_kind(ours, x, asarray)


def test_offsets_of_a_batch(asarray, rng):
    """An array of one offset per batch entry: each as if it were alone."""
    x = rng.normal(size=(2, 3, 4, 6))
    offset = asarray(np.array([1, 5]).reshape(2, 1, 1, 1))
    ours = rotary_embedding(asarray(x), offset=offset)
    expected = [oracles.rotary_embedding(x[b], n) for b, n in enumerate([1, 5])]
    assert_close(ours, np.array(expected))
    ours = sinusoidal_encoding(4, 6, offset=offset, like=asarray([0.0]))
    expected = [[oracles.sinusoidal_encoding(4, 6, n)] for n in [1, 5]]
    assert_close(ours, np.array(expected))


@pytest.mark.parametrize("interleaved", [True, False])
def test_rotary_scores_know_only_the_distance(asarray, interleaved, rng):
    """q.k after the rotation is the same wherever the pair stands."""
    q, k = asarray(rng.normal(size=(1, 8))), asarray(rng.normal(size=(1, 8)))

    def score(i, j):
        turned_q = rotary_embedding(q, offset=i, interleaved=interleaved)
        turned_k = rotary_embedding(k, offset=j, interleaved=interleaved)
        return asarray.xp.sum(turned_q * turned_k)

    assert_close(score(7, 3), to_numpy(score(4, 0)), tolerance=1e-12)
    assert abs(float(score(7, 3) - score(3, 7))) > 1e-3
    assert_close(score(5, 5), to_numpy(asarray.xp.sum(q * k)), tolerance=1e-12)


def test_the_layouts_differ_by_the_order_of_features(asarray, rng):
    """Halves of the features, put side by side in pairs, are the other layout."""
    x = rng.normal(size=(5, 8))
    paired = np.stack([x[:, :4], x[:, 4:]], axis=-1).reshape(5, 8)
    halves = to_numpy(rotary_embedding(asarray(x), interleaved=False))
    turned = rotary_embedding(asarray(paired), interleaved=True)
    together = np.stack([halves[:, :4], halves[:, 4:]], axis=-1).reshape(5, 8)
    assert_close(turned, together)


def test_the_input_is_left_alone(asarray, rng):
    """rotary_embedding returns a new array."""
    x = rng.normal(size=(5, 8))
    theirs = asarray(x.copy())
    rotary_embedding(theirs, offset=3)
    assert_close(theirs, x)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sinusoidal_encoding(3, 5), ValueError, ["E", "5", "even"]),
        (lambda: rotary_embedding(np.zeros((3, 5))), ValueError, ["E", "5", "even"]),
        (
            lambda: rotary_embedding(np.zeros((3, 5)), interleaved=False),
            ValueError,
            ["E", "5", "even"],
        ),
        (lambda: sinusoidal_encoding(-3, 4), ValueError, ["L", "-3"]),
        (lambda: sinusoidal_encoding(3, -4), ValueError, ["E", "-4"]),
        (lambda: sinusoidal_encoding(2.0, 4), TypeError, ["L", "2.0"]),
        (lambda: rotary_embedding(np.zeros(4)), ValueError, ["x", "(4,)"]),
        (lambda: rotary_embedding([[1.0, 2.0]]), TypeError, ["x", "list"]),
        (lambda: rotary_embedding(np.ones((2, 4), int)), TypeError, ["int64"]),
        (
            lambda: rotary_embedding(np.zeros((2, 4)), offset=0.5),
            TypeError,
            ["offset", "0.5"],
        ),
    ],
)
def test_bad_input(call, error, words):
    """The message names the argument and what came."""
    with pytest.raises(error) as raised:
        call()
    assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("offset", [1000, 32_768, 131_072, 10**6, 2**24 + 1, 10**9])
def test_far_positions_turn_exactly(asarray, offset, interleaved, rng):
    """Every dtype, to one rounding of the result: angles are not rounded to it."""
    for dtype in set(asarray.dtypes) - {"float64"}:
        x = asarray(rng.normal(size=(2, 3, 64)), dtype)
        ours = rotary_embedding(x, offset=offset, interleaved=interleaved)
        expected = oracles.rotary_embedding(
            to_numpy(x), offset, interleaved=interleaved
        )
        assert_close(ours, expected)
        assert_same_kind(ours, x, asarray)
        ours = sinusoidal_encoding(3, 64, offset=offset, like=x)
        assert_close(ours, oracles.sinusoidal_encoding(3, 64, offset))


@pytest.mark.parametrize("shape", [(2,), (4,), (2, 3), (3, 1, 1), (2, 1)], ids=str)
def test_offsets_that_do_not_fit(asarray, shape):
    """Shape (B,) is refused where B is E / 2, L or neither: nothing is guessed."""
    x = asarray(np.ones((2, 2, 4, 8)))
    offset = asarray(np.zeros(shape, dtype=int))
    with pytest.raises(ValueError, match="offset") as raised:
        rotary_embedding(x, offset=offset)
    fits_queries = shape == (3, 1, 1)  # but neither the heads nor the batch
    wanted = "(2, 2, 4, 8)" if fits_queries else f"({shape[0]}, 1, 1, 1)"
    assert wanted in str(raised.value)
    if not fits_queries:
        with pytest.raises(ValueError, match="offset"):
            sinusoidal_encoding(4, 8, offset=offset)
