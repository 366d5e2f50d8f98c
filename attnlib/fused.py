"""Fast paths: torch's own fused kernels, and the NumPy kernel of attnlib.numpy_kernel.

Neither stores the L x S weights. The results are those of `reference_attention` up to
the rounding of another order of summation.
"""

import math

from attnlib._array import (
    Array,
    broadcast_shapes,
    has_tangent,
    is_differentiated,
    is_finite,
    is_numpy_array,
    is_torch,
    is_traced,
)
from attnlib._checks import check_features, check_mask_kind
from attnlib.attention import default_scale, reference_attention
from attnlib.hidden import blank, hidden_by
from attnlib.masks import check_causal
from attnlib.numpy_kernel import numpy_attention
from attnlib.tiled import empty_state, tiled_attention

# On NumPy the equation beats any tiles for so few scores, or queries of a head.
FEW, SINGLE = 2**14, 1


def fused_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float | None = None,
) -> Array:
    """Attention by the fastest kernel at hand; arguments of `reference_attention`.

    NumPy and torch only (TypeError). The NumPy kernel uses OMP_NUM_THREADS threads, or
    every core, where threadpoolctl is there to hold BLAS to one thread each; without
    it, one thread, and BLAS's own. torch's kernels know no `softcap` and no
    forward-mode derivative: torch arrays with one go through `tiled_attention`. They
    know no second derivative: call `reference_attention` for it, or pass
    implementation="reference" at the front door.

    What a mask hides has no influence, NaN included. On a GPU, and where torch.compile,
    torch.export or torch.func trace the call, the numbers cannot be looked at: there
    that holds for keys that no query sees, as unused places of a cache. Where only some
    queries see NaN, call `reference_attention`, which waits for a GPU.
    """
    on_torch, on_numpy = is_torch(query), is_numpy_array(query)
    if on_numpy and is_few(query, key):
        how = {"is_causal": is_causal, "scale": scale, "softcap": softcap}
        return reference_attention(query, key, value, attn_mask, **how)
    check_features(query, key)
    if is_causal:
        check_causal(attn_mask, is_causal, query.shape[-2], key.shape[-2])
    if attn_mask is not None:
        check_mask_kind(attn_mask, query)
    if on_torch:
        how = {"is_causal": is_causal, "scale": scale}
        if softcap is not None or has_tangent(query, key, value):
            return tiled_attention(query, key, value, attn_mask, softcap=softcap, **how)
        attend = torch_attention
        if attn_mask is not None or is_causal:
            attend = masked_torch_attention
        return attend(query, key, value, attn_mask, **how).to(query.dtype)
    if on_numpy:
        scale = default_scale(query) if scale is None else scale
        return numpy_attention(query, key, value, attn_mask, is_causal, scale, softcap)
    raise TypeError(
        "implementation 'fused' exists for NumPy and torch, got "
        f"{type(query).__module__}.{type(query).__name__}; choose 'reference' or "
        "'tiled'"
    )


def is_few(query, key):
    """Tell whether the equation may answer; what does not fit, it refuses as well."""
    if not is_numpy_array(key) or min(query.ndim, key.ndim) < 2:
        return True
    scores = math.prod(query.shape[:-1]) * key.shape[-2]
    return scores <= FEW or query.shape[-2] <= SINGLE


# torch: its kernels take (N, H, L, E) and key-value heads that query heads share.


def masked_torch_attention(query, key, value, attn_mask, is_causal, scale):
    """torch_attention, without influence of what is hidden.

    Numbers are looked at only where that takes no waiting, on the CPU and not in a
    graph; elsewhere, the rows that no query sees are taken out.
    """
    how = {"is_causal": is_causal, "scale": scale}
    if query.device.type != "cpu" or is_traced(query, key, value):
        if attn_mask is not None:
            seen = ~hidden_by(attn_mask)
            key, value = blank(key, seen), blank(value, seen)
        return torch_attention(query, key, value, attn_mask, **how)
    if not is_differentiated(query, key, value):
        output = torch_attention(query, key, value, attn_mask, **how)
        if is_finite(output):
            return output
    elif is_finite(query, key, value):
        return torch_attention(query, key, value, attn_mask, **how)
    return tiled_attention(query, key, value, attn_mask, **how)


def torch_attention(query, key, value, attn_mask, is_causal, scale):
    """Fold the leading axes into torch's (N, H), call its kernel, unfold them."""
    import torch

    kernel = torch.nn.functional.scaled_dot_product_attention
    shape, key_shape = query.shape, key.shape
    if (
        attn_mask is None
        and len(shape) == 4
        and key_shape == value.shape
        and (shape == key_shape or shape[:2] == key_shape[:2])
        and 0 not in shape
        and 0 not in key_shape
    ):
        return kernel(query, key, value, is_causal=is_causal, scale=scale)
    lead = broadcast_shapes(shape[:-2], key_shape[:-2], value.shape[:-2])
    L, S, Ev = shape[-2], key_shape[-2], value.shape[-1]
    scale = default_scale(query) if scale is None else scale  # before any padding
    if 0 in (*lead, L, S, Ev):
        return empty_state(query, key, value).output.to(query.dtype)
    shared = shared_axes(key, value, len(lead)) if kernel_shares_heads(query) else 0
    split = len(lead) - shared  # lead: the axes of N, one of key heads, those shared
    N = math.prod(lead[: max(split - 1, 0)])

    def fold(x, own):  # (..., rows, columns) -> (N, H, rows, columns)
        return x.expand(*own, *x.shape[-2:]).reshape(N, -1, *x.shape[-2:])

    key_lead = lead[:split] + (1,) * shared  # not copied for each query head
    if attn_mask is not None:
        attn_mask = fold(additive(attn_mask, query), lead).expand(-1, -1, L, S)
    width = max(query.shape[-1], Ev)  # the kernels want one width: E = Ev
    output = kernel(
        pad(fold(query, lead), width),
        pad(fold(key, key_lead), width),
        pad(fold(value, key_lead), width),
        attn_mask,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=shared > 0,
    )
    return output[..., :Ev].reshape(*lead, L, Ev)


def kernel_shares_heads(query):
    """Say whether torch's kernel lets query heads share key heads and stores no scores.

    On the CPU, torch 2.5 and 2.6 store them, and 2.8 does not: before it, the keys are
    repeated instead.
    """
    import torch

    return query.device.type != "cpu" or torch.__version__ >= (2, 8)


def shared_axes(key, value, axes):
    """Count the last leading axes along which key and value are the same for all."""
    for shared in range(axes):
        axis = -3 - shared
        if any(x.ndim >= -axis and x.shape[axis] != 1 for x in (key, value)):
            return shared
    return axes


def additive(attn_mask, query):
    """Return a float mask with two axes or more, 0 or -inf where it was boolean.

    Left boolean, a small mask that broadcasts would be made L x S inside torch.
    """
    axes = (1,) * (2 - attn_mask.ndim)
    attn_mask = attn_mask.reshape(*axes, *attn_mask.shape)
    if attn_mask.dtype.is_floating_point:
        return attn_mask if query.device.type == "cpu" else narrow(attn_mask, query)
    return query.new_zeros(attn_mask.shape).masked_fill(~attn_mask, -math.inf)


def narrow(attn_mask, query):
    """Return a float mask in query's dtype; what is finite stays so."""
    import torch

    least = torch.finfo(query.dtype).min
    narrowed = attn_mask.clamp(min=least).to(query.dtype)
    return narrowed.masked_fill(attn_mask == -math.inf, -math.inf)


def pad(x, width):
    """Append zeros to the last axis: they add nothing to a dot product."""
    import torch

    missing = width - x.shape[-1]
    return torch.nn.functional.pad(x, (0, missing)) if missing else x
