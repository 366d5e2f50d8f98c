"""What the tests know about array libraries. Nothing here comes from attnlib."""

import functools

import numpy as np
import pytest


def sees_cuda():
    """Say whether there is a torch that sees a CUDA device."""
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return torch.cuda.is_available()


TENSORS = ("torch", "torch:cuda") if sees_cuda() else ("torch",)
LIBRARIES = ("numpy", "array_api_strict", *TENSORS)

DTYPES = {
    "numpy": ("float16", "float32", "float64"),
    "array_api_strict": ("float32", "float64"),
    "torch": ("float16", "bfloat16", "float32", "float64"),
    "torch:cuda": ("float16", "bfloat16", "float32", "float64"),
}

# A few roundings of the dtype, for sums of about ten terms of size one. Half
# precision is computed in float32 and rounded at the end: one rounding of the result.
TOLERANCE = {"float64": 1e-13, "float32": 2e-6, "float16": 1e-3, "bfloat16": 8e-3}


class AsArray:
    """Make arrays of one library on one device.

    Called with lists or NumPy arrays and the name of a dtype. Without a dtype, floats
    become float64, and booleans and integers stay what they are. NumPy's memory is
    read-only: a function that writes into an argument fails.
    """

    def __init__(self, library, xp, device=None):
        self.library, self.xp, self.device = library, xp, device
        self.dtypes = DTYPES[library]

    def __repr__(self):
        return f"AsArray({self.library})"

    def __call__(self, data, dtype=None):
        data = np.asarray(data)
        name = dtype or data.dtype.name
        dtype = getattr(self.xp, name)
        if self.device is None:
            data = data.astype(name)  # a copy: the caller's array stays as it was
            data.flags.writeable = False
            return self.xp.asarray(data, dtype=dtype)
        # torch.tensor copies: no test can change another's NumPy data through it
        return self.xp.tensor(data, dtype=dtype, device=self.device)

    def owns(self, x):
        """Say whether x is an array of this library, on this device."""
        if self.device is None:
            kind = np.ndarray if self.xp is np else type(self.xp.asarray(0.0))
            return isinstance(x, kind)
        return isinstance(x, self.xp.Tensor) and x.device.type == self.device


@functools.cache
def maker(library):
    """Return the `AsArray` of a library, or skip the test and say why."""
    if library == "numpy":
        return AsArray(library, np)
    if library == "array_api_strict":
        return AsArray(library, pytest.importorskip("array_api_strict"))
    torch = pytest.importorskip("torch")
    return AsArray(library, torch, "cuda" if library == "torch:cuda" else "cpu")


def each_implementation(names):
    """Parametrize by implementation and `asarray`; fused is not for every library."""
    pairs = [
        pytest.param(name, library, id=f"{name}-{library}")
        for name in names
        for library in LIBRARIES
        if (name, library) != ("fused", "array_api_strict")
    ]
    names = ("implementation", "asarray")
    return pytest.mark.parametrize(names, pairs, indirect=["asarray"])


def dtype_name(x):
    """Return 'float32' for NumPy's, array_api_strict's and torch's float32 alike."""
    return str(x.dtype).rpartition(".")[2]


def to_numpy(x):
    """Return x as a NumPy array of its own: floats as float64, the rest unchanged."""
    if hasattr(x, "detach"):  # torch; bfloat16 has no NumPy dtype
        x = x.detach().cpu()
        x = (x.double() if x.is_floating_point() else x).numpy()
    x = np.array(x)
    return x.astype(np.float64) if np.issubdtype(x.dtype, np.floating) else x


def assert_close(actual, expected, *, tolerance=None, dtype=None):
    """Compare shape and values; the tolerance is that of the dtype (default: actual's).

    `tolerance` counts relative to the larger of one and the largest expected number.
    """
    tolerance = tolerance or TOLERANCE[dtype or dtype_name(actual)]
    actual, expected = to_numpy(actual), to_numpy(expected)
    assert actual.shape == expected.shape
    finite = np.abs(expected[np.isfinite(expected)])
    size = max(1.0, finite.max(initial=0.0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * size)


def assert_same_kind(actual, like, asarray):
    """Check that a result has the library, device and dtype of an input."""
    assert asarray.owns(actual)
    assert actual.dtype == like.dtype
    assert actual.device == like.device
