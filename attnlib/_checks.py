"""Checks of what a user passes, for the front doors of all rooms."""

import operator

from attnlib._array import array_namespace, device, is_array_api_obj


def as_integer(name, number):
    """Return `number` as an int; a TypeError that names it where it is none."""
    try:
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {number!r}") from None


def check_count(name, number, least=0, hint=""):
    """Return `number` as an int >= `least`; an error that names it where it is not."""
    number = as_integer(name, number)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {name}={number}{hint}")
    return number


def check_head_counts(num_heads, num_kv_heads):
    """Raise unless both are integers >= 1 and the first is a multiple of the second."""
    check_count("num_heads", num_heads, least=1)
    check_count("num_kv_heads", num_kv_heads, least=1)
    if num_heads % num_kv_heads:
        raise ValueError(
            "num_heads must be a multiple of num_kv_heads, got "
            f"num_heads={num_heads} and num_kv_heads={num_kv_heads}"
        )


def check_data(min_ndim=2, **arrays):
    """Raise TypeError unless all are floating arrays of one library, dtype, device."""
    for name, x in arrays.items():
        if not is_array_api_obj(x):
            raise TypeError(
                f"{name} must be an array (NumPy, torch or another array-API library), "
                f"got {type(x).__name__}; convert it first, as in np.asarray({name})"
            )
    check_same("library", {name: kind(x) for name, x in arrays.items()})
    for name, x in arrays.items():
        if not array_namespace(x).isdtype(x.dtype, "real floating"):
            raise TypeError(
                f"{name} must hold real floating-point numbers, got {x.dtype}; convert "
                "it first"
            )
    check_same("dtype", {name: x.dtype for name, x in arrays.items()})
    check_same("device", {name: device(x) for name, x in arrays.items()})
    for name, x in arrays.items():
        if x.ndim < min_ndim:
            raise ValueError(
                f"{name} must have at least {min_ndim} axes, rows and features last, "
                f"got the shape {tuple(x.shape)}"
            )


def kind(x):
    """Return the name of the library that x belongs to."""
    return type(x).__module__.partition(".")[0]


def check_same(what, given):
    """Raise TypeError that lists who has which, where they differ."""
    if len(set(given.values())) > 1:
        came = ", ".join(f"{name}: {thing}" for name, thing in given.items())
        raise TypeError(
            f"{' and '.join(given)} must share one {what}, got {came}; convert them "
            "to one"
        )
