"""What a mask hides has no influence, NaN and infinities included.

A hidden key has the score -inf and the weight 0, but 0 * NaN is NaN: in the products of
the formula, and once more in their gradients. Plain products come first here; only
where numbers turn out not to be finite, hidden pairs are left out one by one.
"""

import math

from attnlib._array import (
    array_namespace,
    detach,
    is_differentiated,
    is_finite,
    is_traced,
    product,
    transpose,
)


def hidden_by(attn_mask):
    """Tell which pairs a mask hides: bool, where it is False or -inf."""
    xp = array_namespace(attn_mask)
    if xp.isdtype(attn_mask.dtype, "bool"):
        return ~attn_mask
    return attn_mask == -math.inf


def masked_products(query, key, attn_mask):
    """query @ key^T, with gradients of 0 for what the mask hides: (..., L, S)."""
    if is_traced(query, key):
        return query @ transpose(blank(key, ~hidden_by(attn_mask)))
    raw = product(query, transpose(key))
    if not is_differentiated(query, key) or is_finite(query, key):
        return raw
    xp = array_namespace(key)
    odd_query, odd_key = (
        xp.any(~xp.isfinite(x), axis=-1, keepdims=True) for x in (query, key)
    )
    odd = odd_query | transpose(odd_key)  # (..., L, S): pairs that have no gradient
    return xp.where(odd, detach(raw), finite(query) @ transpose(finite(key)))


def mix(weights, value, scores):
    """weights @ value, without the keys whose score is -inf: (..., L, Ev).

    weights and scores (..., L, S), value (..., S, Ev).
    """
    if is_traced(weights, value):
        return weights @ blank(value, scores != -math.inf)
    mixed = product(weights, value)
    if is_finite(mixed) and not is_differentiated(weights, value):
        return mixed
    if is_finite(mixed, value):
        return mixed
    return mix_pairwise(weights, value, scores == -math.inf)


def mix_pairwise(weights, value, hidden):
    """weights @ value over the pairs that are not hidden, whatever the others hold.

    What is not finite and seen is counted apart, as multiplication has it:
    0 * inf is NaN, and so is inf - inf.
    """
    xp = array_namespace(weights)
    weights = xp.where(hidden, 0.0, weights)

    def meets(pairs, numbers):
        pairs, numbers = (xp.astype(x, weights.dtype) for x in (pairs, numbers))
        return pairs @ numbers > 0

    above, below = (meets(weights > 0, value == x) for x in (math.inf, -math.inf))
    nan = meets(~hidden, xp.isnan(value)) | (above & below)
    nan = nan | meets(~hidden & (weights == 0), ~xp.isfinite(value))
    output = weights @ finite(value)
    for where, number in [(above, math.inf), (below, -math.inf), (nan, math.nan)]:
        output = xp.where(where, number, output)
    return output


def finite(x):
    """Return x with 0 for NaN and infinities."""
    xp = array_namespace(x)
    return xp.where(xp.isfinite(x), x, 0.0)


def blank(x, seen):
    """Return x (..., S, E) with 0 in the rows that no query sees; seen (..., L, S).

    For numbers that cannot be looked at: it costs no look, and leaves what only some
    of the queries may see.
    """
    xp = array_namespace(x)
    if seen.ndim >= 2:
        seen = xp.any(seen, axis=-2)  # (..., S)
    while seen.ndim >= x.ndim:  # batch entries that share x
        seen = xp.any(seen, axis=0)
    for axis in range(-seen.ndim, -1):
        if x.shape[axis - 1] == 1:
            seen = xp.any(seen, axis=axis, keepdims=True)
    return xp.where(seen[..., None], x, 0.0)
