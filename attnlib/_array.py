"""Array libraries: the only room that knows which one an array came from."""

import math
import typing

import numpy as np
from array_api_compat import (
    array_namespace,
    device,
    is_array_api_obj,
    is_jax_array,
    is_lazy_array,
    is_numpy_array,
)
from array_api_compat import is_torch_array as is_torch

__all__ = [
    "Array",
    "array_namespace",
    "broadcast_shapes",
    "copy",
    "creation",
    "detach",
    "fine_dtype",
    "has_floats",
    "has_tangent",
    "is_array_api_obj",
    "is_differentiated",
    "is_finite",
    "is_numpy_array",
    "is_plain",
    "is_torch",
    "is_traced",
    "library",
    "nbytes",
    "place",
    "product",
    "to_numpy",
    "transpose",
    "widen",
]

Array = typing.Any  # NumPy's, torch's and JAX's arrays have no class in common


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


def copy(x):
    """Return x in memory of its own; torch's gradients flow through."""
    return x.clone() if is_torch(x) else array_namespace(x).asarray(x, copy=True)


def creation(like=None):
    """Return (xp, keywords) that create arrays beside `like`: NumPy where it is None.

    `xp.arange(3, **keywords)` lies in the library and on the device of `like`.
    """
    if like is None:
        like = np.empty(0)
    return array_namespace(like), {"device": device(like)}


def broadcast_shapes(*shapes):
    """Return the shape that all of them broadcast to; ValueError where there is none.

    NumPy's own would fix the lengths that torch.compile and torch.export leave open.
    """
    result = []
    for i in range(-max(len(shape) for shape in shapes), 0):
        size = 1
        for shape in shapes:
            n = shape[i] if len(shape) >= -i else 1
            if n != 1 and size != 1 and n != size:
                raise ValueError(f"these shapes do not broadcast: {shapes}")
            size = n if size == 1 else size
        result.append(size)
    return tuple(result)


def library(x):
    """Return the name of the library that x belongs to."""
    return array_namespace(x).__name__.removeprefix("array_api_compat.").split(".")[0]


def place(x):
    """Return where x lies: its device, in JAX its platform; None where that is open."""
    where = device(x)
    return getattr(where, "platform", None) if is_jax_array(x) else where


def is_plain(x):
    """Say whether x is NumPy's own array, in memory or in a file, and no subclass."""
    return type(x) is np.ndarray or type(x) is np.memmap


def is_traced(*arrays):
    """Say whether numbers of one of these are not known, or followed by a transform.

    So it is in torch.compile, torch.export and torch.func, in JAX's transforms, and in
    libraries that work out their numbers late.
    """
    return any(not is_numpy_array(x) and stands_for_numbers(x) for x in arrays)


def stands_for_numbers(x):
    """is_traced of one array that is not NumPy's."""
    if is_jax_array(x):
        import jax

        return isinstance(x, jax.core.Tracer)
    if not is_torch(x):
        return is_lazy_array(x)
    import torch

    if torch.compiler.is_compiling() or x.device.type == "meta":
        return True
    try:
        x.data_ptr()
    except RuntimeError:  # what torch.func hands to a function has no memory
        return True
    return False


def is_differentiated(*arrays):
    """Say whether torch records what is done to one of these, for its gradient."""
    return any(is_torch(x) and x.requires_grad for x in arrays)


def has_tangent(*tensors):
    """Say whether torch follows one of these by a forward-mode derivative."""
    import torch

    if torch.compiler.is_compiling():
        return False
    unpack = torch.autograd.forward_ad.unpack_dual
    return any(unpack(x).tangent is not None for x in tensors)


def is_finite(*arrays):
    """Say whether all numbers are finite; a few huge ones may count as not.

    On a GPU, this waits for the numbers.
    """
    return all(map(finite_sum, arrays))


def finite_sum(x):
    """Say whether a sum over x is finite: one fast pass, where its dtype is wide."""
    if is_torch(x):
        wide = None if x.dtype.itemsize >= 4 else array_namespace(x).float32
        return math.isfinite(x.detach().sum(dtype=wide).item())
    if is_numpy_array(x) and x.dtype.itemsize >= 4:
        return math.isfinite(np.vdot(x, x))
    xp = array_namespace(x)
    return bool(xp.all(xp.isfinite(x)))


def detach(x):
    """Return x without its gradient."""
    return x.detach() if is_torch(x) else x


def product(a, b):
    """a @ b, without NumPy's warning where 0 meets an infinity."""
    if is_torch(a):
        return a @ b  # torch.compile would stop at what follows
    with np.errstate(invalid="ignore"):
        return a @ b


def fine_dtype(like):
    """Return the finest float of a library and device: float64 where there is one."""
    if is_torch(like):
        xp = array_namespace(like)
        return xp.float32 if like.device.type == "mps" else xp.float64
    xp, where = creation(like)
    return xp.asarray(0.0, **where).dtype


def transpose(x):
    """Exchange the last two axes: (..., n, m) -> (..., m, n)."""
    return array_namespace(x).matrix_transpose(x)  # Dask's arrays have no .mT


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
