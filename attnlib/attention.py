"""The formula: attention(Q, K, V) = softmax(Q K^T / sqrt(E)) V.

Written once on the array-API standard: the same lines run on NumPy, on torch (CPU and
GPU, with autograd), and on any other library that follows it. Letters: L queries,
S keys, E features per query and key (d_k in the paper), Ev features per value.

Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762.
"""

import math

from attnlib._array import (
    Array,
    array_namespace,
    is_finite,
    is_traced,
    transpose,
    widen,
)
from attnlib._checks import as_integer, check_data, check_features, check_mask_kind
from attnlib.hidden import masked_products, mix
from attnlib.masks import resolve_causal


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x) / sum(exp(x)) along `axis`: positive shares that sum to 1.

    The maximum is subtracted first, which changes nothing but keeps exp finite. Where
    every entry is -inf there is nothing to share out, and the result is 0, not NaN.
    float16 and bfloat16 are computed and returned in float32.
    """
    check_data(x=x, min_ndim=1)
    axis = as_integer("axis", axis)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(
            f"axis must be from {-x.ndim} to {x.ndim - 1} for x {tuple(x.shape)}, got "
            f"axis={axis}"
        )
    x = widen(x)
    if x.shape[axis] == 0:
        return x
    xp = array_namespace(x)
    exps = xp.exp(x - finite_maximum(xp.max(x, axis=axis, keepdims=True)))
    total = xp.sum(exps, axis=axis, keepdims=True)
    return exps / nonzero(total)


def attention_scores(
    query: Array,
    key: Array,
    attn_mask: Array | None = None,
    *,
    scale: float | None = None,
    softcap: float | None = None,
) -> Array:
    """query @ key^T * scale, with -inf or a penalty where `attn_mask` says so.

    query (..., L, E), key (..., S, E) -> scores (..., L, S); leading axes broadcast.
    `attn_mask` broadcasts to (..., L, S): bool, True = may attend, or float, added.
    A key that it hides has the score -inf, also where the key is NaN.
    `scale` defaults to 1 / sqrt(E). `softcap` bounds the scores to (-softcap, softcap),
    before the mask: softcap * tanh(scores / softcap) (Gemma 2,
    https://arxiv.org/abs/2408.00118). float16 and bfloat16 give float32 scores.
    """
    check_features(query, key)
    scale = default_scale(query) if scale is None else scale
    wide_query, wide_key = widen(query), widen(key)
    if attn_mask is None:
        return cap(wide_query @ transpose(wide_key) * scale, softcap)  # (..., L, S)
    check_mask_kind(attn_mask, query)
    scores = masked_products(wide_query, wide_key, attn_mask) * scale
    return mask_scores(cap(scores, softcap), attn_mask)


def attention_weights(
    query: Array,
    key: Array,
    attn_mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float | None = None,
) -> Array:
    """softmax(attention_scores): how much each query takes from each key.

    query (..., L, E), key (..., S, E) -> weights (..., L, S), in query's dtype; each
    row is >= 0 and sums to 1, or is 0 where the mask forbids every key.
    `is_causal=True` lets query i attend to keys j <= i and needs L = S (ValueError).
    """
    check_features(query, key)
    attn_mask = resolve_causal(attn_mask, is_causal, query, key)
    weights = softmax(
        attention_scores(query, key, attn_mask, scale=scale, softcap=softcap)
    )
    return array_namespace(query).astype(weights, query.dtype, copy=False)


def reference_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float | None = None,
) -> Array:
    """attention_weights @ value, as the equation says; stores all L x S weights.

    query (..., L, E), key (..., S, E), value (..., S, Ev) -> (..., L, Ev), in query's
    dtype (computed in float32 for float16 and bfloat16).
    """
    attn_mask = resolve_causal(attn_mask, is_causal, query, key)
    scores = attention_scores(query, key, attn_mask, scale=scale, softcap=softcap)
    weights, value = softmax(scores), widen(value)
    output = weights @ value if attn_mask is None else mix(weights, value, scores)
    return array_namespace(query).astype(output, query.dtype, copy=False)


def default_scale(query):
    """Return 1 / sqrt(E)."""
    return 1 / math.sqrt(query.shape[-1])


def cap(scores, softcap):
    """Bound scores smoothly to (-softcap, softcap); None leaves them.

    So does a bound that no number of their dtype reaches.
    """
    if softcap is None:
        return scores
    xp = array_namespace(scores)
    if softcap > float(xp.finfo(scores.dtype).max):
        return scores
    return softcap * xp.tanh(scores / softcap)


def mask_scores(scores, attn_mask):
    """Put -inf where a boolean mask is False; add a float mask."""
    xp = array_namespace(scores)
    if xp.isdtype(attn_mask.dtype, "bool"):
        return xp.where(attn_mask, scores, -math.inf)
    if is_traced(scores) or not is_finite(scores):  # NaN - inf would be NaN
        scores = xp.where(attn_mask == -math.inf, 0.0, scores)
    return scores + xp.astype(attn_mask, scores.dtype, copy=False)


def finite_maximum(maximum):
    """Replace -inf, the maximum of a fully masked row, by 0: -inf - -inf is NaN."""
    xp = array_namespace(maximum)
    return xp.where(maximum == -math.inf, 0.0, maximum)


def nonzero(total):
    """Replace 0, the total of a fully masked row, by 1: 0 / 1 stays 0."""
    return array_namespace(total).where(total == 0, 1.0, total)
