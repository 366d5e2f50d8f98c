"""Masks: which query may attend to which key.

A boolean mask is True where a query may attend; a float mask is added to the scores.
Row i is a query, column j a key. `offset` says where query 0 stands among the keys:
with 7 keys already in a cache, the next query has offset 7.
"""

import math
from collections.abc import Sequence

from attnlib._array import (
    Array,
    array_namespace,
    broadcast_shapes,
    creation,
    is_array_api_obj,
    is_traced,
    library,
    widen,
)
from attnlib._checks import as_integer, check_array, check_count, check_same


def causal_mask(
    L: int, S: int | None = None, *, offset: int | Array = 0, like: Array | None = None
) -> Array:
    """Let query i attend to keys j <= i + offset: bool (..., L, S).

    S defaults to L. `offset` is an int, or an integer array that broadcasts against
    (..., L, 1): shape (B, 1, 1) gives each batch entry its own, (B, 1, 1, 1) where
    there is an axis of heads. The mask lies in the library and on the device of `like`
    (default: those of `offset`, else NumPy).
    """
    return sliding_window_mask(L, S, right=0, offset=offset, like=like)


def sliding_window_mask(
    L: int,
    S: int | None = None,
    *,
    left: int | None = None,
    right: int | None = None,
    offset: int | Array = 0,
    like: Array | None = None,
) -> Array:
    """Let query i attend to keys i + offset - left <= j <= i + offset + right.

    bool (..., L, S). None leaves that side open, so `left=None, right=0` is the causal
    mask and `left=2, right=0` a causal window of three keys, the query's own included.
    `S`, `offset`, `like` are those of `causal_mask`. A negative side is a ValueError.
    """
    for name, side in (("left", left), ("right", right)):
        if side is not None:
            check_count(name, side, hint="; None is no limit")
    queries, keys = _places(L, S, offset, like)
    xp, where = creation(queries)
    far = xp.iinfo(queries.dtype).max // 2  # beyond any key; a larger side overflows
    if right is not None:
        mask = keys <= queries + min(right, far)
    else:
        shape = broadcast_shapes(queries.shape, keys.shape)
        mask = xp.ones(shape, dtype=xp.bool, **where)
    if left is not None:
        mask &= keys >= queries - min(left, far)
    return mask


def padding_mask(
    lengths: Sequence[int] | Array, S: int, *, like: Array | None = None
) -> Array:
    """Let every query attend to the first `lengths` of S keys: bool (..., 1, S).

    `lengths` holds integers, shape (...,): a list, or an array. For scores with a heads
    axis, (B, H, L, S), pass `lengths[:, None]`, which gives (B, 1, 1, S).
    A length below 0 or above S is a ValueError, where the lengths are known: while
    torch.compile, torch.func or JAX trace the call, it counts as 0 or S.
    """
    S = check_count("S", S)
    if not is_array_api_obj(lengths):
        xp, where = creation(like)
        lengths = xp.asarray(lengths, **where)
    check_array("lengths", lengths)
    if like is not None:
        check_same("library", {"lengths": library(lengths), "like": library(like)})
    xp, where = creation(lengths)
    if not xp.isdtype(lengths.dtype, "integral"):
        raise TypeError(f"lengths must be integers, got {lengths.dtype}")
    if not is_traced(lengths) and xp.any((lengths < 0) | (lengths > S)):
        raise ValueError(f"each of lengths must be from 0 to S={S}, got {lengths}")
    return xp.arange(S, **where) < lengths[..., None, None]


def alibi_bias(
    num_heads: int,
    L: int,
    S: int | None = None,
    *,
    offset: int | Array = 0,
    like: Array | None = None,
) -> Array:
    """Penalise distance: float (H, L, S), -slope[h] * |i + offset - j|.

    The slopes are 2**(-8/H), 2**(-16/H), ... for H a power of two; for another H, those
    of the power of two below it, then every second one of the power above. The paper
    uses the bias under a causal mask; |.| extends it to keys ahead of the query.
    An `offset` array broadcasts against (..., H, L, 1). dtype: that of `like`.

    Source: Press et al. 2022, https://arxiv.org/abs/2108.12409.
    """
    num_heads = check_count("num_heads", num_heads, least=1)
    queries, keys = _places(L, S, offset, like)
    xp, where = creation(queries)
    floats = like is not None and xp.isdtype(like.dtype, "real floating")
    dtype = like.dtype if floats else xp.asarray(0.0, **where).dtype
    wide = widen(
        xp.empty(0, dtype=dtype, **where)
    ).dtype  # far distances are no float16
    slopes = xp.asarray(_alibi_slopes(num_heads), dtype=wide, **where)
    distance = xp.astype(xp.abs(keys - queries), wide)
    return xp.astype(-slopes[:, None, None] * distance, dtype, copy=False)


def combine_masks(*masks: Array | None) -> Array:  # or None, from nothing but None
    """Let a query attend where every one of the boolean masks lets it.

    None is ignored; with nothing but None the result is None. Masks broadcast.
    A float mask is a TypeError: `xp.where(mask, bias, -inf)` joins it to a boolean one.
    """
    combined = None
    for mask in masks:
        if mask is None:
            continue
        check_array("each mask", mask)
        if not array_namespace(mask).isdtype(mask.dtype, "bool"):
            raise TypeError(
                f"combine_masks joins boolean masks, got one of {mask.dtype}; join a "
                "float mask to a boolean one with xp.where(mask, bias, -inf)"
            )
        if combined is not None:
            kinds = {"the mask before": library(combined), "the next": library(mask)}
            check_same("library", kinds)
        combined = mask if combined is None else combined & mask
    return combined


def resolve_causal(attn_mask, is_causal, query, key):
    """Return the mask that `attn_mask` and `is_causal` ask for, or None."""
    check_causal(attn_mask, is_causal, query.shape[-2], key.shape[-2])
    if is_causal:
        return causal_mask(query.shape[-2], key.shape[-2], like=query)
    return attn_mask


def check_causal(attn_mask, is_causal, L, S):
    """Raise ValueError where `is_causal` is ambiguous."""
    if is_causal and attn_mask is not None:
        raise ValueError(
            "is_causal=True and attn_mask were both given; pass one mask: "
            "attn_mask=combine_masks(causal_mask(L, S), attn_mask)"
        )
    if is_causal and L != S:
        raise ValueError(
            f"is_causal=True needs as many queries as keys, got L={L} and S={S}; pass "
            f"attn_mask=causal_mask({L}, {S}, offset=...) to say where the queries "
            "stand"
        )


def key_block(attn_mask, start, stop):
    """Return the columns of a mask that belong to keys start:stop."""
    if attn_mask is None or attn_mask.ndim == 0 or attn_mask.shape[-1] == 1:
        return attn_mask
    return attn_mask[..., start:stop]


def token_positions(L, offset, like):
    """Return offset, offset + 1, ...: integer (..., L, 1)."""
    L = check_count("L", L)
    if not is_array_api_obj(offset):
        xp, where = creation(like)
        return xp.arange(L, **where)[:, None] + as_integer("offset", offset)
    check_array("offset", offset)
    if like is not None:
        check_same("library", {"offset": library(offset), "like": library(like)})
    xp, where = creation(offset)
    if not xp.isdtype(offset.dtype, "integral"):
        raise TypeError(f"offset must be integers, got {offset.dtype}")
    check_offset(offset, L)
    positions = xp.arange(L, **where)[:, None]
    return positions + xp.astype(offset, positions.dtype, copy=False)


def check_offset(offset, L):
    """Raise ValueError unless an offset array gives each query one number."""
    shape = tuple(offset.shape)
    if shape and (shape[-1] != 1 or (len(shape) > 1 and shape[-2] not in (1, L))):
        raise ValueError(
            f"offset must broadcast to (..., L, 1) with L={L}, got the shape {shape}; "
            f"one for each of {shape[0]} batch entries has the shape "
            f"({shape[0]}, 1, 1), or ({shape[0]}, 1, 1, 1) where there are heads"
        )


def _places(L, S, offset, like):
    """Return where queries and keys stand: integers (..., L, 1) and (S,)."""
    queries = token_positions(L, offset, like)
    xp, where = creation(queries)
    return queries, xp.arange(L if S is None else check_count("S", S), **where)


def _alibi_slopes(H):
    below = 2 ** math.floor(math.log2(H))
    slopes = [2.0 ** (-8 * (h + 1) / below) for h in range(below)]
    between = [2.0 ** (-4 * (h + 1) / below) for h in range(0, 2 * below, 2)]
    return slopes + between[: H - below]
