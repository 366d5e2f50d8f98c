"""Array libraries: the only room that knows which one an array came from."""

import math

import numpy as np
from array_api_compat import (
    array_namespace,
    device,
    is_array_api_obj,
    is_numpy_array,
)
from array_api_compat import is_torch_array as is_torch
from numpy import broadcast_shapes

__all__ = [
    "array_namespace",
    "broadcast_shapes",
    "creation",
    "device",
    "has_floats",
    "is_array_api_obj",
    "is_numpy_array",
    "is_torch",
    "nbytes",
    "to_numpy",
    "widen",
]


def to_numpy(x):
    """Copy x to host memory as a NumPy array, without its gradient.

    bfloat16, which NumPy lacks, becomes float32.
    """
    if is_torch(x):
        x = x.detach().cpu()
        return (x.float() if "bfloat16" in str(x.dtype) else x).numpy()
    if is_numpy_array(x) or not is_array_api_obj(x):
        return np.asarray(x)  # NumPy 2.0 exports no read-only array through DLPack
    return np.from_dlpack(x)


def creation(like=None):
    """Return (xp, keywords) that create arrays beside `like`: NumPy where it is None.

    `xp.arange(3, **keywords)` lies in the library and on the device of `like`.
    """
    if like is None:
        like = np.empty(0)
    return array_namespace(like), {"device": device(like)}


def widen(x):
    """Return x in float32 where it is float16 or bfloat16, else x itself.

    TypeError where x holds anything but real floating-point numbers.
    """
    xp = array_namespace(x)
    if not xp.isdtype(x.dtype, "real floating"):
        raise TypeError(f"real floating-point data is needed, got {x.dtype}")
    return xp.astype(x, xp.float32) if xp.finfo(x.dtype).bits < 32 else x


def has_floats(x):
    """Tell at once whether a NumPy or torch array holds real floating-point numbers."""
    if is_torch(x):
        return x.dtype.is_floating_point
    return x.dtype.kind == "f" and x.dtype.itemsize <= 8


def nbytes(x):
    """Bytes that the numbers of a floating-point array take."""
    return math.prod(x.shape) * array_namespace(x).finfo(x.dtype).bits // 8
