"""Answers to chapter 3's exercises that are right and look different."""

import math

import numpy as np
import torch

# Loops, float32, torch, in place on a copy, another formula


def variance_by_counting(E, query_std, key_std):
    """Each entry is plus or minus its standard deviation: count the outcomes of one."""
    products = [q * k for q in (query_std, -query_std) for k in (key_std, -key_std)]
    return sum(np.var(products) for _ in range(E))


def scores_by_loops(query, key):
    lead = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    query = np.broadcast_to(query, (*lead, *query.shape[-2:]))
    key = np.broadcast_to(key, (*lead, *key.shape[-2:]))
    result = np.zeros((*lead, query.shape[-2], key.shape[-2]))
    for index in np.ndindex(result.shape):
        *batch, i, j = index
        product = query[(*batch, i)] @ key[(*batch, j)]
        result[index] = product / query.shape[-1] ** 0.5
    return result


def scores_in_float32(query, key):
    query, key = query.astype(np.float32), key.astype(np.float32)
    return np.einsum("...le,...se->...ls", query / math.sqrt(query.shape[-1]), key)


def scores_scaled_in_place(query, key):
    query = query.copy()
    query /= query.shape[-1] ** 0.25
    return query @ np.swapaxes(key / key.shape[-1] ** 0.25, -1, -2)


def softmax_by_logarithm(x, axis=-1):
    top = x.max(axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_total = top + np.log(np.exp(x - top).sum(axis, keepdims=True))
        return np.where(np.isneginf(log_total), 0, np.exp(x - log_total))


def softmax_row_by_row(x, axis=-1):
    def row(scores):
        seen = scores[scores > -np.inf]
        exps = np.exp(scores - (seen.max() if seen.size else 0))
        return exps / max(exps.sum(), 1e-30)

    return np.apply_along_axis(row, axis, x)


def softmax_in_place(x, axis=-1):
    x = x.copy()
    x -= np.nan_to_num(x.max(axis, keepdims=True), neginf=0.0)
    np.exp(x, out=x)
    x /= np.maximum(x.sum(axis, keepdims=True), np.finfo(np.float32).tiny)
    return x


def softmax_in_torch(x, axis=-1):
    return torch.softmax(torch.as_tensor(x), axis).nan_to_num(0.0)


def temperature_by_logarithm(scores, temperature):
    scores = scores / temperature
    return np.exp(scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True))


def temperature_in_float32(scores, temperature):
    scores = (scores - scores.max(-1, keepdims=True)).astype(np.float32) / temperature
    return np.exp(scores) / np.exp(scores).sum(-1)[..., None]


def keys_as_product(weights):
    """exp of a sum is a product: w ** -w, and 0 ** 0 is 1."""
    return np.prod(np.where(weights > 0, weights, 1) ** -weights, axis=-1)


def keys_by_loops(weights):
    result = np.empty(weights.shape[:-1], dtype=np.float32)
    for index in np.ndindex(result.shape):
        result[index] = math.exp(-sum(w * math.log(w) for w in weights[index] if w))
    return result


def keys_in_bits(weights):
    bits = np.where(weights > 0, -weights * np.log2(np.maximum(weights, 1e-30)), 0)
    return 2 ** bits.sum(-1)


def jacobian_by_loops(weights):
    S = weights.shape[-1]
    result = np.zeros((*weights.shape, S))
    for index in np.ndindex(weights.shape[:-1]):
        w = weights[index]
        for i in range(S):
            for j in range(S):
                result[(*index, i, j)] = w[i] * ((i == j) - w[j])
    return result


def jacobian_in_place(weights):
    result = -np.einsum("...i,...j->...ij", weights, weights)
    steps = np.arange(weights.shape[-1])
    result[..., steps, steps] += weights
    return result


def jacobian_by_autograd(weights):
    """Softmax of the logarithms of weights gives the weights back."""

    def of_row(row):
        logs = torch.log(torch.as_tensor(row).clamp_min(1e-30))
        return torch.autograd.functional.jacobian(lambda s: s.softmax(-1), logs)

    rows = [of_row(row) for row in weights.reshape(-1, weights.shape[-1])]
    return torch.stack(rows).reshape(*weights.shape, weights.shape[-1])


def attention_by_loops(query, key, value):
    result = np.zeros((*query.shape[:-1], value.shape[-1]))
    for index in np.ndindex(query.shape[:-1]):
        batch = index[:-1]
        raw = [float(query[index] @ k) / math.sqrt(len(k)) for k in key[batch]]
        exps = [math.exp(score - max(raw)) for score in raw]
        for share, v in zip(exps, value[batch], strict=True):
            result[index] += share / sum(exps) * v
    return result


def attention_divided_last(query, key, value):
    scores = np.einsum("...le,...se->...ls", query, key) * query.shape[-1] ** -0.5
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    return exps @ value / exps.sum(-1)[..., None]


ANSWERS = {
    "score_variance": (
        lambda E, query_std, key_std: (math.sqrt(E) * query_std * key_std) ** 2,
        lambda E, query_std, key_std: np.float32(E * (query_std * key_std) ** 2),
        variance_by_counting,
    ),
    "scaled_scores": (
        scores_by_loops,
        scores_in_float32,
        scores_scaled_in_place,
        lambda query, key: (
            torch.einsum("...le,...se->...ls", query, key) / query.size(-1) ** 0.5
        ),
    ),
    "stable_softmax": (
        softmax_by_logarithm,
        softmax_row_by_row,
        softmax_in_place,
        softmax_in_torch,
    ),
    "softmax_at_temperature": (
        temperature_by_logarithm,
        temperature_in_float32,
        lambda scores, temperature: torch.softmax(scores / temperature, -1),
    ),
    "effective_keys": (
        keys_as_product,
        keys_by_loops,
        keys_in_bits,
        lambda weights: torch.special.entr(weights).sum(-1).exp(),
    ),
    "softmax_jacobian": (
        jacobian_by_loops,
        jacobian_in_place,
        jacobian_by_autograd,
        lambda weights: (
            torch.diag_embed(weights) - weights[..., :, None] @ weights[..., None, :]
        ),
    ),
    "scaled_attention": (
        attention_by_loops,
        attention_divided_last,
        torch.nn.functional.scaled_dot_product_attention,
    ),
}
SURVIVORS = {}
