"""Plain data: all that an answer may take or return, whatever its class pretends.

Arrays, numbers, truth values, texts, None, and lists, tuples and dicts of these. An
object that calls itself equal to everything is none of them.
"""

import sys

import numpy as np

SCALARS = (bool, int, float, str, type(None))


class Unusable(Exception):
    """The answer gave nothing that can be judged; the text says why, to its owner."""


def plain(x):
    """Copy x, with tensors as NumPy arrays and NumPy scalars as Python's.

    Raise Unusable, with a sentence for the student, where x is anything else.
    """
    kind = type(x)  # not isinstance: an object may lie about its __class__
    if kind in SCALARS:
        return x
    if issubclass(kind, np.generic):
        return plain_scalar(x)
    if issubclass(kind, np.ndarray):
        return plain_array(x)
    if is_tensor(kind):
        return plain_array(from_tensor(x))
    if issubclass(kind, tuple):
        return tuple(plain(item) for item in tuple.__iter__(x))
    if kind is list:
        return [plain(item) for item in x]
    if kind is dict:
        return {plain(key): plain(value) for key, value in x.items()}
    raise Unusable(
        f"It returned a thing of type {kind.__name__}. Return arrays, numbers, texts, "
        "or lists, tuples and dicts of these."
    )


def plain_scalar(x):
    """Turn a NumPy scalar into Python's; Unusable where it is no number or text."""
    array = np.array(x)
    if array.dtype.kind in "fU":  # of any precision
        return (float if array.dtype.kind == "f" else str)(array[()])
    return plain_array(array).item()


def plain_array(x):
    """Copy a NumPy array; Unusable where it holds anything but numbers."""
    array = np.array(x, subok=False)
    if array.dtype.kind not in "biufc":
        raise Unusable(
            f"It returned an array of dtype {array.dtype}. Return an array of numbers "
            "or truth values."
        )
    return array


def is_tensor(kind):
    """Whether a class is torch's tensor; imports nothing."""
    torch = sys.modules.get("torch")
    return torch is not None and issubclass(kind, torch.Tensor)


def from_tensor(x):
    """Copy a tensor to a NumPy array, without its gradient."""
    x = x.detach().cpu()
    return (x.float() if "bfloat16" in str(x.dtype) else x).numpy()


def to_tensors(x):
    """Replace each array by a tensor that shares its memory."""
    torch = sys.modules["torch"]
    return mapped(x, torch.from_numpy)


def copied(x):
    """Copy plain data, so that a change of the copy leaves x alone."""
    return mapped(x, np.copy)


def mapped(x, function):
    """Apply a function to every array within plain data."""
    if isinstance(x, np.ndarray):
        return function(x)
    if isinstance(x, list | tuple):
        return type(x)(mapped(item, function) for item in x)
    if isinstance(x, dict):
        return {key: mapped(value, function) for key, value in x.items()}
    return x


def identical(a, b):
    """Whether two pieces of plain data are the same to the last bit, NaN included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        same_kind = a.shape == b.shape and a.dtype == b.dtype
        return same_kind and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(identical(a[k], b[k]) for k in a)
    return a == b or (a != a and b != b)
