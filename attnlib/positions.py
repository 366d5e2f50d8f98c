"""Positions: what tells a set of tokens from a sequence."""

from attnlib._array import (
    Array,
    array_namespace,
    broadcast_shapes,
    creation,
    fine_dtype,
    widen,
)
from attnlib._checks import check_count, check_data
from attnlib.masks import token_positions


def sinusoidal_encoding(
    L: int,
    E: int,
    *,
    offset: int | Array = 0,
    base: float = 10000.0,
    like: Array | None = None,
) -> Array:
    """Sines at the even features, cosines at the odd ones: float (L, E).

    Feature pair i turns by base**(-2 i / E) radians per position, the first position
    being `offset`. An `offset` array broadcasts against (..., L, 1). E is even
    (ValueError). Angles are worked out as in `rotary_embedding`. The result lies in the
    library and on the device of `like`, in its
    dtype where that is floating.

    Source: Vaswani et al. 2017, section 3.5, https://arxiv.org/abs/1706.03762.
    """
    check_pairs(E, base)
    xp, where = creation(like)
    floats = like is not None and xp.isdtype(like.dtype, "real floating")
    dtype = like.dtype if floats else xp.asarray(0.0, **where).dtype
    angles = position_angles(L, E, offset, base, like)  # (..., L, E / 2)
    return xp.astype(interleave(xp.sin(angles), xp.cos(angles)), dtype, copy=False)


def rotary_embedding(
    x: Array,
    *,
    offset: int | Array = 0,
    base: float = 10000.0,
    interleaved: bool = True,
) -> Array:
    """Turn each pair of features of x (..., L, E) by an angle that grows with position.

    After it, query @ key depends on positions only through their difference.
    `interleaved=True` pairs the features (2i, 2i + 1), as in RoFormer; False pairs
    (i, i + E / 2), as in GPT-NeoX and most Llama code. Weights trained with one fail
    silently with the other. `offset` is an int, or an integer array that broadcasts
    against (..., L, 1): shape (B, 1, 1, 1) for x (B, H, L, E). E is even (ValueError).

    Angles are worked out in float64, so that positions in the millions turn as exactly
    as the first; where there is no float64 (Apple's GPU, JAX unless told), an angle of
    n radians is wrong by n * 6e-8. The rest is computed in float32 at least.

    Source: Su et al. 2021, https://arxiv.org/abs/2104.09864.
    """
    check_data(x=x)
    L, E = x.shape[-2:]
    check_pairs(E, base)
    xp = array_namespace(x)
    wide = widen(x)
    angles = position_angles(L, E, offset, base, x)
    check_turns(x, angles)
    cos, sin = (xp.astype(f(angles), wide.dtype, copy=False) for f in (xp.cos, xp.sin))
    if interleaved:
        first, second = wide[..., 0::2], wide[..., 1::2]  # (..., L, E / 2)
    else:
        first, second = wide[..., : E // 2], wide[..., E // 2 :]
    turned = first * cos - second * sin, first * sin + second * cos
    joined = interleave(*turned) if interleaved else xp.concat(turned, axis=-1)
    return xp.astype(joined, x.dtype, copy=False)


def position_angles(L, E, offset, base, like):
    """Return position * base**(-2 i / E) in the finest floats: (..., L, E / 2)."""
    positions = token_positions(L, offset, like)  # (..., L, 1)
    xp, where = creation(positions)
    dtype = fine_dtype(positions)
    pairs = xp.astype(xp.arange(E // 2, **where), dtype)
    return xp.astype(positions, dtype) * base ** (-2 * pairs / E)


def check_turns(x, angles):
    """Raise ValueError where an offset array does not fit the axes of x."""
    try:
        broadcast_shapes(x.shape[:-1], angles.shape[:-1])
    except ValueError:
        raise ValueError(
            f"offset must broadcast against x (..., L, 1), got x {tuple(x.shape)} and "
            f"an offset for {tuple(angles.shape[:-2])} leading axes"
        ) from None


def interleave(first, second):
    """Join two (..., n) into (..., 2n): first[0], second[0], first[1], ..."""
    xp = array_namespace(first)
    pairs = xp.stack((first, second), axis=-1)
    return xp.reshape(pairs, (*first.shape[:-1], 2 * first.shape[-1]))


def check_pairs(E, base):
    """Raise where features do not come in pairs, or `base` gives no angles."""
    if check_count("E", E) % 2:
        raise ValueError(
            f"features come in pairs, so E must be even, got E={E}; pad it or choose "
            f"E={E + 1}"
        )
    if base <= 0:
        raise ValueError(f"base must be > 0, got base={base}")
