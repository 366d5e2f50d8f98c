"""The front door: checks what came, then lets an implementation answer."""

import math
import numbers
import typing

from attnlib._array import (
    Array,
    array_namespace,
    broadcast_shapes,
    is_numpy_array,
    is_torch,
)
from attnlib._checks import check_data, check_mask_kind, check_widths
from attnlib.attention import reference_attention
from attnlib.fused import fused_attention
from attnlib.masks import check_causal
from attnlib.tiled import tiled_attention

Implementation = typing.Literal["reference", "tiled", "fused"]
IMPLEMENTATIONS = {
    "reference": reference_attention,
    "tiled": tiled_attention,
    "fused": fused_attention,
}


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float | None = None,
    enable_gqa: bool = False,
    implementation: Implementation | None = None,
) -> Array:
    """softmax(query @ key^T * scale) @ value: each query's weighted mean of the values.

    query (..., L, E), key (..., S, E), value (..., S, Ev) -> (..., L, Ev), in the
    library, on the device and in the dtype of query. Leading axes (batch, heads)
    broadcast.

    attn_mask: broadcasts to (..., L, S). bool: True = may attend. float: added to the
        scores. A query that may attend to nothing gets 0.
    is_causal: query i sees keys j <= i. Needs L = S, and no attn_mask.
    scale: factor of the scores, 1 / sqrt(E) by default.
    softcap: bounds the scores to (-softcap, softcap), before the mask.
    enable_gqa: key and value have Hkv heads (axis -3), shared by query's H heads;
        H is a multiple of Hkv. A single head of one serves all heads of the other.
    implementation: "reference" (the equation), "tiled" (a block of keys at a time),
        "fused" (the library's fast kernel); None is the fastest for this library.

    Raises TypeError for data of the wrong kind (no array; mixed libraries, dtypes or
    devices; not real floating-point), ValueError for shapes or numbers that do not fit.
    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762.
    """
    check_data(query=query, key=key, value=value)
    check_shapes(query, key, value, enable_gqa)
    check_numbers(scale, softcap)
    check_causal(attn_mask, is_causal, query.shape[-2], key.shape[-2])
    attend = choose(implementation, query)
    how = {"is_causal": is_causal, "scale": scale, "softcap": softcap}
    if not enable_gqa:
        lead = broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
        check_mask(attn_mask, query, (*lead, query.shape[-2], key.shape[-2]))
        return attend(query, key, value, attn_mask, **how)
    kv_lead = broadcast_shapes(key.shape[:-2], value.shape[:-2])
    lead = (*broadcast_shapes(query.shape[:-3], kv_lead[:-1]), query.shape[-3])
    check_mask(attn_mask, query, (*lead, query.shape[-2], key.shape[-2]))
    xp = array_namespace(query)
    Hkv = kv_lead[-1]
    output = attend(
        split_groups(query, Hkv),  # (..., Hkv, G, L, E)
        xp.expand_dims(key, axis=-3),  # (..., Hkv, 1, S, E)
        xp.expand_dims(value, axis=-3),
        split_groups(attn_mask, Hkv),
        **how,
    )
    return xp.reshape(output, (*lead, *output.shape[-2:]))


def split_groups(x, Hkv):
    """(..., H, rows, columns) -> (..., Hkv, G, rows, columns); a 1 for H stays 1."""
    if x is None or x.ndim < 3:
        return x
    *lead, H, rows, columns = x.shape
    groups = (1, 1) if H == 1 else (Hkv, H // Hkv)
    return array_namespace(x).reshape(x, (*lead, *groups, rows, columns))


def choose(implementation, query):
    """Return the function that goes by this name; None: the fastest for the library."""
    if implementation is None:
        fast = is_torch(query) or is_numpy_array(query)
        return fused_attention if fast else reference_attention
    if implementation not in list(IMPLEMENTATIONS):  # may be unhashable
        known = ", ".join(repr(name) for name in IMPLEMENTATIONS)
        raise ValueError(
            f"implementation must be one of {known}, or None for the fastest, got "
            f"{implementation!r}"
        )
    return IMPLEMENTATIONS[implementation]


def check_shapes(query, key, value, enable_gqa):
    """Raise ValueError where the axes of query, key and value do not fit."""
    shapes = (
        f"query {tuple(query.shape)}, key {tuple(key.shape)}, "
        f"value {tuple(value.shape)}"
    )
    check_widths(query, key)
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            "key and value must have the same length S on axis -2, got "
            f"S={key.shape[-2]} and S={value.shape[-2]}: {shapes}"
        )
    heads = -3 if enable_gqa else -2
    if enable_gqa:
        check_groups(query, key, value, shapes)
    try:
        broadcast_shapes(*(x.shape[:heads] for x in (query, key, value)))
    except ValueError:
        raise ValueError(
            f"the leading axes of query, key and value must broadcast, got {shapes}"
            + ("" if enable_gqa else "; heads that are shared need enable_gqa=True")
        ) from None


def check_groups(query, key, value, shapes):
    """Raise ValueError where query's heads cannot share those of key and value."""
    if min(x.ndim for x in (query, key, value)) < 3:
        raise ValueError(
            f"enable_gqa=True needs a heads axis, (..., H, L, E), got {shapes}"
        )
    H, Hkv, Hv = (x.shape[-3] for x in (query, key, value))
    if (Hkv != Hv and 1 not in (Hkv, Hv)) or 0 in (Hkv, Hv) or H % max(Hkv, Hv):
        raise ValueError(
            "enable_gqa=True needs as many heads in key as in value (or one), and a "
            f"multiple of them in query, got H={H} in query, {Hkv} in key, {Hv} in "
            f"value: {shapes}"
        )


def check_mask(attn_mask, query, shape):
    """Raise where the mask is of the wrong kind or does not broadcast to `shape`."""
    if attn_mask is None:
        return
    check_mask_kind(attn_mask, query)
    try:
        fits = broadcast_shapes(attn_mask.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"attn_mask must broadcast to (..., L, S) = {tuple(shape)}, got "
            f"{tuple(attn_mask.shape)}"
        )


def check_numbers(scale, softcap):
    """Raise where scale or softcap is no number that makes sense."""
    for name, number in (("scale", scale), ("softcap", softcap)):
        if number is None:
            continue
        if not isinstance(number, numbers.Real):
            raise TypeError(f"{name} must be a real number or None, got {number!r}")
        if not abs(number) < math.inf:  # an int too large for a float is finite
            raise ValueError(f"{name} must be finite, got {name}={number}")
    if softcap is not None and softcap <= 0:
        raise ValueError(
            f"softcap must be > 0, or None for no cap, got softcap={softcap}"
        )
