"""How a result differs from the right one, in words that do not give it away."""

import itertools

import numpy as np

KINDS = {
    "b": "truth values",
    "i": "integers",
    "u": "integers",
    "f": "real numbers",
    "c": "complex numbers",
}


def difference(got, want, rtol, name="your result", amounts=True, parts=()):
    """Return a sentence on how `got` differs from `want`, or None where it does not.

    Both are plain data. A list of numbers counts as an array, a list as a tuple, an
    integer as a real number of the same value; NaN equals NaN. `amounts=False` leaves
    out by how much; `parts` are the names of a tuple's entries.
    """
    if isinstance(want, dict):
        return dict_difference(got, want, rtol, name, amounts)
    if isinstance(want, list | tuple):
        return sequence_difference(got, want, rtol, name, amounts, parts)
    if want is None or isinstance(want, str):
        if type(got) is not type(want):
            return f"{name} is {described(got)}; {described(want)} is expected"
        return None if got == want else f"{name} is not the right text"
    try:
        got, want = as_array(got), as_array(want)
    except ValueError:
        return f"{name} is {described(got)}; {described(want)} is expected"
    return array_difference(got, want, rtol, name, amounts)


def dict_difference(got, want, rtol, name, amounts):
    """Compare the keys, then what they hold."""
    if not isinstance(got, dict):
        return f"{name} is {described(got)}; {described(want)} is expected"
    if set(got) != set(want):
        keys = sorted(map(str, got))
        return f"{name} has the keys {keys}; {sorted(want)} are expected"
    for key in want:
        part = f"the entry {key!r} of {name}"
        if found := difference(got[key], want[key], rtol, part, amounts):
            return found
    return None


def sequence_difference(got, want, rtol, name, amounts, parts):
    """Compare the lengths, then part by part; say so where only the order is wrong."""
    if not isinstance(got, list | tuple) or len(got) != len(want):
        named = f" ({', '.join(parts)})" if parts else ""
        return f"{name} is {described(got)}; {described(want)}{named} is expected"
    for number, (left, right) in enumerate(zip(got, want, strict=True), start=1):
        part = f"your `{parts[number - 1]}`" if parts else f"part {number} of {name}"
        if found := difference(left, right, rtol, part, amounts):
            if parts and in_another_order(got, want, rtol):
                return f"your parts are right, in another order than {', '.join(parts)}"
            return found
    return None


def in_another_order(got, want, rtol):
    """Whether the parts are right after an exchange of places."""
    return any(
        not any(difference(x, y, rtol) for x, y in zip(order, want, strict=True))
        for order in itertools.permutations(got)
    )


def array_difference(got, want, rtol, name, amounts):
    """Compare what arrays hold, their shapes, then their entries."""
    if not same_kind(got, want):
        return (
            f"{name} holds {KINDS[got.dtype.kind]} ({got.dtype}); "
            f"{KINDS[want.dtype.kind]} are expected"
        )
    if got.shape != want.shape:
        return shape_difference(got, want, rtol, name)
    wrong = ~close(got, want, rtol)
    if not wrong.any():
        return None
    strange = wrong & np.isnan(got) if got.dtype.kind == "f" else np.zeros_like(wrong)
    if strange.any():
        return (
            f"{name} is NaN (not a number){share(strange)}. NaN comes from 0 / 0, "
            "inf - inf, 0 * inf, or the logarithm or root of a negative number"
        )
    return value_difference(got, want, wrong, rtol, name, amounts)


def same_kind(got, want):
    """Truth values only for truth values; integers and real numbers for each other."""
    kinds = {got.dtype.kind, want.dtype.kind}
    return kinds == {"b"} or kinds <= set("iuf")


def close(got, want, rtol):
    """Where entries agree: within rtol of the largest; integers as good as exactly.

    Infinities agree with themselves, NaN with NaN.
    """
    rtol = rtol if want.dtype.kind == "f" else 1e-12  # integers may come as floats
    got, want = got.astype(float), want.astype(float)
    finite = np.abs(want[np.isfinite(want)])
    limit = rtol * (finite.max(initial=0.0) or 1.0)
    with np.errstate(invalid="ignore"):  # inf - inf
        near = np.abs(got - want) <= limit
    return near | (got == want) | (np.isnan(got) & np.isnan(want))


def shape_difference(got, want, rtol, name):
    """Name both shapes, and say so where only the last two axes are swapped."""
    text = f"{name} has the shape {got.shape}; {want.shape} is expected"
    if got.ndim >= 2 and got.mT.shape == want.shape and close(got.mT, want, rtol).all():
        text += ". It is the right one with its last two axes swapped"
    return text


def value_difference(got, want, wrong, rtol, name, amounts):
    """Say how many entries differ, where most, by how much, and in which pattern."""
    if want.dtype.kind == "b":  # neither too large nor too small
        return f"{name} is wrong{share(wrong)}"
    got, want = got.astype(float), want.astype(float)
    with np.errstate(invalid="ignore"):
        error = np.where(wrong, np.abs(got - want), 0.0)
    worst = np.unravel_index(np.argmax(error), error.shape)
    off = how_far(got[worst], want[worst], amounts)
    if not got.ndim:
        return f"{name} is {off}"
    at = list(map(int, worst))
    found = f"{name} is wrong{share(wrong)}. The worst is {at}: {off}"
    return found + pattern(got, want, rtol)


def how_far(got, want, amounts):
    """Say in which direction a number is off, and by how much, if that is a number."""
    if np.isinf(got):
        finite = "a finite number" if np.isfinite(want) else f"{want}"
        return f"{got}, where {finite} is expected"
    if np.isinf(want):
        return "finite, where an infinite number is expected"
    side = "large" if got > want else "small"
    return f"too {side}" + f", by {abs(got - want):.1g}" * amounts


def pattern(got, want, rtol):
    """Say what all entries share, if anything."""
    if not (np.isfinite(got).all() and np.isfinite(want).all() and want.size > 1):
        return ""
    if close(-got, want, rtol).all():
        return ". Every sign is reversed"
    if np.ptp(got - want) <= rtol * np.abs(want).max():
        return ". All entries are off by the same amount"
    factor = np.vdot(want, got) / (np.vdot(want, want) or 1.0)
    if factor and close(got / factor, want, rtol).all():
        return ". All entries are off by the same factor"
    return ""


def share(wrong):
    """Say how many entries, and which is the first; nothing for a single number."""
    if not wrong.ndim:
        return ""
    first = list(map(int, np.argwhere(wrong)[0]))
    return f" in {wrong.sum()} of {wrong.size} entries, first at {first}"


def as_array(x):
    """Turn a number, a nested list of numbers or an array into an array."""
    if x is None or isinstance(x, dict | str):
        raise ValueError("no number")
    if isinstance(x, int) and abs(x) >= 2**63:
        x = float(x)  # NumPy would make it a Python object
    array = np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise ValueError("no numbers")
    return array


def described(x):
    """Say what a thing is, without what it holds."""
    if isinstance(x, np.ndarray):
        return f"an array of shape {x.shape}"
    if isinstance(x, list | tuple | dict):
        return f"a {type(x).__name__} of {len(x)}"
    if isinstance(x, bool):
        return "a truth value"
    if isinstance(x, int | float):
        return "a number"
    return "None" if x is None else "a text"
