"""Checks of what a user passes, for the front doors of all rooms."""

import operator

import numpy as np

from attnlib._array import (
    array_namespace,
    has_floats,
    is_array_api_obj,
    is_numpy_array,
    is_plain,
    is_torch,
    library,
    place,
)


def as_integer(name, number):
    """Return `number` as an int; a TypeError that names it where it is none."""
    if type(number) is int or type(number).__name__ == "SymInt":
        return number  # torch.compile may leave it open; operator.index would fix it
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
    if are_alike(min_ndim, *arrays.values()):
        return  # nothing to find: the usual case, in a third of the time
    for name, x in arrays.items():
        check_array(name, x)
    check_same("library", {name: library(x) for name, x in arrays.items()})
    for name, x in arrays.items():
        if not array_namespace(x).isdtype(x.dtype, "real floating"):
            raise TypeError(
                f"{name} must hold real floating-point numbers, got {x.dtype}; convert "
                "it first"
            )
    check_same("dtype", {name: x.dtype for name, x in arrays.items()})
    check_same("device", {name: place(x) for name, x in arrays.items()})
    for name, x in arrays.items():
        if x.ndim < min_ndim:
            raise ValueError(
                f"{name} must have at least {min_ndim} axes, rows and features last, "
                f"got the shape {tuple(x.shape)}"
            )


def check_array(name, x):
    """Raise TypeError unless x is an array whose class adds no meaning of its own."""
    if not is_array_api_obj(x):
        raise TypeError(
            f"{name} must be an array (NumPy, torch or another array-API library), "
            f"got {type(x).__name__}; convert it first, as in np.asarray({name})"
        )
    if is_numpy_array(x) and not is_plain(x) and x.ndim:
        what_is_masked = isinstance(x, np.ma.MaskedArray)
        raise TypeError(
            f"{name} must be a plain array, got {type(x).__name__}, a subclass whose "
            f"meaning would be lost; pass np.asarray({name})"
            + ", and what is masked as attn_mask"
            * what_is_masked
        )


def are_alike(min_ndim, first, *others):
    """Say whether NumPy or torch arrays of floats share library, dtype and device."""
    is_like = is_torch if is_torch(first) else is_plain
    if not (is_like(first) and has_floats(first)):
        return False
    for x in others:
        if not is_like(x) or x.ndim < min_ndim:
            return False
        if x.dtype != first.dtype or x.device != first.device:
            return False
    return first.ndim >= min_ndim


def check_same(what, given):
    """Raise TypeError that lists who has which, where they differ; None is unknown."""
    if len(set(given.values()) - {None}) > 1:
        came = ", ".join(f"{name}: {thing}" for name, thing in given.items())
        raise TypeError(
            f"{' and '.join(given)} must share one {what}, got {came}; convert them "
            "to one"
        )


def check_features(query, key):
    """Raise unless query and key are arrays of one kind with the same E >= 1."""
    check_data(query=query, key=key)
    check_widths(query, key)


def check_widths(query, key):
    """Raise ValueError unless query and key have the same E >= 1."""
    E, key_E = query.shape[-1], key.shape[-1]
    if key_E != E or E == 0:
        raise ValueError(
            "query and key must have the same number of features E >= 1 on their last "
            f"axis, got E={E} and E={key_E}: query {tuple(query.shape)}, key "
            f"{tuple(key.shape)}"
        )


def check_mask_kind(attn_mask, query):
    """Raise TypeError unless the mask is bool or float and lies where query does.

    A float mask has query's dtype, or is float32 beside a narrower query, as in torch.
    """
    if not (is_torch(query) and is_torch(attn_mask)):
        check_array("attn_mask", attn_mask)
        check_same(
            "library", {"query": library(query), "attn_mask": library(attn_mask)}
        )
    xp = array_namespace(query)
    if not xp.isdtype(attn_mask.dtype, ("bool", "real floating")):
        raise TypeError(
            "attn_mask must be bool (True = may attend) or float (added to the "
            f"scores), got {attn_mask.dtype}; compare it, as in attn_mask != 0"
        )
    narrow = attn_mask.dtype == xp.float32 and xp.finfo(query.dtype).bits < 32
    if not narrow and not xp.isdtype(attn_mask.dtype, "bool"):
        check_same("dtype", {"query": query.dtype, "attn_mask": attn_mask.dtype})
    check_same("device", {"query": place(query), "attn_mask": place(attn_mask)})
