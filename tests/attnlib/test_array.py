"""The room that knows array libraries: arrays to the host and beside each other."""

import numpy as np
import pytest

from attnlib import _array
from tests.attnlib.arrays import assert_close


def test_to_numpy(asarray, rng):
    """Arrays of each library and dtype become NumPy arrays of the same numbers."""
    x = rng.normal(size=(3, 4))
    for dtype in asarray.dtypes:
        host = _array.to_numpy(asarray(x, dtype))
        assert type(host) is np.ndarray
        # bfloat16, which NumPy lacks, becomes float32
        assert host.dtype == (np.float32 if dtype == "bfloat16" else np.dtype(dtype))
        assert_close(host, x, dtype=dtype)
    for kind in (bool, np.int64):
        host = _array.to_numpy(asarray(np.array([0, 1], dtype=kind)))
        assert host.dtype == kind
        assert host.tolist() == [0, 1]


def test_to_numpy_of_lists_and_numbers():
    """Lists are what np.asarray makes of them."""
    assert _array.to_numpy([[1.0, 2.0]]).tolist() == [[1.0, 2.0]]


def test_to_numpy_drops_the_gradient(astensor):
    """A tensor that asks for a gradient can be looked at."""
    x = astensor([1.0, 2.0]).requires_grad_()
    assert _array.to_numpy(2 * x).tolist() == [2.0, 4.0]
    assert x.requires_grad


def test_creation_lies_beside_like(asarray):
    """New arrays get the library and the device of `like`; NumPy without one."""
    xp, where = _array.creation(asarray([1.0]))
    new = xp.zeros(3, **where)
    assert asarray.owns(new)
    assert new.device == asarray([1.0]).device
    xp, where = _array.creation()
    assert isinstance(xp.zeros(3, **where), np.ndarray)


def test_widen(asarray):
    """Half precision becomes float32; the rest is the same array."""
    for dtype in asarray.dtypes:
        x = asarray([1.0, 2.5], dtype)
        wide = _array.widen(x)
        if dtype in ("float16", "bfloat16"):
            assert str(wide.dtype).endswith("float32")
        else:
            assert wide is x
        assert_close(wide, [1.0, 2.5])


def test_namespaces_do_not_mix(asarray):
    """Two libraries in one call are a TypeError."""
    other = __import__("array_api_strict").asarray([1.0])
    if asarray.library == "array_api_strict":
        other = np.array([1.0])
    with pytest.raises(TypeError):
        _array.array_namespace(asarray([1.0]), other)
