"""Random numbers that Python and JavaScript draw alike (mulberry32 and Box-Muller)."""

import numpy as np

STEP = np.uint64(0x6D2B79F5)
LOW = np.uint64(0xFFFFFFFF)


def uniforms(seed, count):
    """Return `count` numbers in [0, 1): `uniforms` of common.js, number for number."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + STEP * np.arange(1, count + 1, dtype=np.uint64) & LOW
        bits = _times(state ^ (state >> np.uint64(15)), state | np.uint64(1))
        bits ^= bits + _times(bits ^ (bits >> np.uint64(7)), bits | np.uint64(61)) & LOW
    return ((bits ^ (bits >> np.uint64(14))) & LOW) / 2**32


def _times(left, right):
    """Multiply modulo 2**32, as Math.imul does."""
    return left * right & LOW


def normals(seed, count):
    """Return `count` standard normal numbers: `normals` of common.js, to 1e-12."""
    first, second = uniforms(seed, 2 * count).reshape(count, 2).T
    return np.sqrt(-2 * np.log(1 - first)) * np.cos(2 * np.pi * second)
