"""Arrays inside a figure's state: 16-bit integers as text, a step for each matrix.

A page reads them without a library. Each matrix keeps its numbers to half a step,
1/65534 of its largest one.
"""

import base64
import binascii
import math

import numpy as np

TOP = 32767


def pack(array):
    """Return an array (..., m, n) as {"shape", "steps", "data"}, fit for JSON.

    An array with NaN or infinity is a ValueError.
    """
    array = np.asarray(array, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("the numbers must be finite, got NaN or infinity")
    steps = np.abs(array).max(axis=(-2, -1), keepdims=True, initial=0) / TOP
    whole = np.round(array / np.where(steps == 0, 1, steps)).astype("<i2")
    return {
        "shape": list(array.shape),
        "steps": steps.ravel().tolist(),
        "data": base64.b64encode(whole.tobytes()).decode("ascii"),
    }


def unpack(packed):
    """Return the float64 array that `pack` packed, to half a step; ValueError if none.

    The page computes the same products, so both sides start from equal numbers.
    """
    try:
        shape, steps, data = (packed[key] for key in ("shape", "steps", "data"))
        whole = np.frombuffer(base64.b64decode(data, validate=True), "<i2")
        lead = math.prod(shape[:-2])
        if len(shape) < 2 or len(steps) != lead or whole.size != math.prod(shape):
            raise ValueError("shape, steps and data do not fit")
        steps = np.asarray(steps, dtype=np.float64).reshape(*shape[:-2], 1, 1)
        if not np.isfinite(steps).all():
            raise ValueError("the steps must be finite")
        return whole.reshape(shape) * steps
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ValueError(
            f"this is no packed array, pack(array) makes one: {error}"
        ) from None
