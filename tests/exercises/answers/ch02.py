"""Answers to chapter 2's exercises that are right and look different."""

import math

import numpy as np
import torch


def projections_by_einsum(x, W_Q, W_K, W_V):
    return [np.einsum("...nd,de->...ne", x, W) for W in (W_Q, W_K, W_V)]


def projections_at_once(x, W_Q, W_K, W_V):
    E = W_Q.shape[1]
    joined = x @ np.concatenate([W_Q, W_K, W_V], axis=1)
    return joined[..., :E], joined[..., E : 2 * E], joined[..., 2 * E :]


def projections_by_loops(x, W_Q, W_K, W_V):
    def project(W):
        out = np.zeros((*x.shape[:-1], W.shape[1]), dtype=np.float32)
        for d in range(W.shape[0]):
            out += x[..., d, None] * W[d]
        return out

    return project(W_Q), project(W_K), project(W_V)


def masked_by_loops(query, key, value, mask):
    out = np.zeros((*query.shape[:-1], value.shape[-1]))
    for index in np.ndindex(query.shape[:-1]):
        lead = index[:-1]
        seen = np.flatnonzero(mask[index])
        scores = [query[index] @ key[lead][j] / math.sqrt(key.shape[-1]) for j in seen]
        exps = np.exp(np.array(scores) - max(scores, default=0))
        for share, j in zip(exps, seen, strict=True):
            out[index] += share / exps.sum() * value[lead][j]
    return out


def masked_by_products(query, key, value, mask):
    """Hidden exponentials are multiplied by 0; the maximum is over the seen keys."""
    scores = np.einsum("...le,...se->...ls", query, key) * query.shape[-1] ** -0.5
    top = np.where(mask, scores, -1e30).max(-1, keepdims=True)
    exps = np.exp(np.minimum(scores - top, 0)) * mask
    return exps @ value / np.maximum(exps.sum(-1), 1e-30)[..., None]


def penalised_by_factors(query, key, penalty):
    scores = query @ np.swapaxes(key, -1, -2) / math.sqrt(key.shape[-1])
    seen = np.where(np.isneginf(penalty), -1e30, scores)
    exps = np.exp(np.minimum(scores - seen.max(-1, keepdims=True), 0)) * np.exp(penalty)
    return exps / exps.sum(-1, keepdims=True)


def penalised_in_place(query, key, penalty):
    scores = np.array(query @ np.swapaxes(key, -1, -2), dtype=np.float32)
    scores *= key.shape[-1] ** -0.5
    scores += penalty
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    return scores


def penalised_in_torch(query, key, penalty):
    S = key.size(-2)
    attend = torch.nn.functional.scaled_dot_product_attention
    value = torch.eye(S, dtype=key.dtype).expand(*key.shape[:-2], S, S)
    mask = penalty.expand(*query.shape[:-1], S)
    return attend(query, key, value, attn_mask=mask)


def keys_by_loops(lengths, S):
    mask = np.zeros((len(lengths), 1, S), dtype=bool)
    for text, length in enumerate(lengths):
        mask[text, 0, :length] = True
    return mask


def cache_by_loops(L, S):
    return np.array([[j <= i + (S - L) for j in range(S)] for i in range(L)])


def backward_by_autograd(query, key, value, output_gradient):
    given = [torch.tensor(x, requires_grad=True) for x in (query, key, value)]
    output = torch.nn.functional.scaled_dot_product_attention(*given)
    return torch.autograd.grad(output, given, torch.as_tensor(output_gradient))


def backward_by_jacobian(query, key, value, output_gradient):
    S, scale = key.shape[-2], key.shape[-1] ** -0.5
    scores = np.einsum("...le,...se->...ls", query, key) * scale
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    weights = exps / exps.sum(-1, keepdims=True)
    jacobian = np.eye(S) * weights[..., None] - np.einsum(
        "...ls,...lt->...lst", weights, weights
    )
    by_score = scale * np.einsum(
        "...lst,...tv,...lv->...ls", jacobian, value, output_gradient
    )
    return (
        np.einsum("...ls,...se->...le", by_score, key),
        np.einsum("...ls,...le->...se", by_score, query),
        np.einsum("...ls,...lv->...sv", weights, output_gradient),
    )


def backward_by_outputs(query, key, value, output_gradient):
    """FlashAttention's form: the mean is the product of output and its gradient."""
    scale = 1 / math.sqrt(key.shape[-1])
    scores = query @ np.swapaxes(key, -1, -2) * scale
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    weights = exps / exps.sum(-1, keepdims=True)
    delta = (weights @ value * output_gradient).sum(-1, keepdims=True)
    by_score = weights * (output_gradient @ np.swapaxes(value, -1, -2) - delta)
    transposed = np.swapaxes(by_score, -1, -2)
    return [
        by_score @ key * scale,
        transposed @ query * scale,
        np.swapaxes(weights, -1, -2) @ output_gradient,
    ]


ANSWERS = {
    "projections": (projections_by_einsum, projections_at_once, projections_by_loops),
    "masked_attention": (
        masked_by_loops,
        masked_by_products,
        lambda query, key, value, mask: (
            torch.softmax(
                (query @ key.mT / query.size(-1) ** 0.5).masked_fill(~mask, -math.inf),
                dim=-1,
            ).nan_to_num(0.0)
            @ value
        ),
    ),
    "penalised_weights": (
        penalised_by_factors,
        penalised_in_place,
        penalised_in_torch,
    ),
    "keys_of_texts": (
        keys_by_loops,
        lambda lengths, S: np.less.outer(np.arange(S), lengths).T[:, np.newaxis],
        lambda lengths, S: np.stack([[np.arange(S) < n] for n in lengths]),
    ),
    "causal_with_cache": (
        cache_by_loops,
        lambda L, S: np.tri(L, S, S - L, dtype=bool),
        lambda L, S: np.tril(np.ones((S, S), dtype=bool))[S - L :],
    ),
    "attention_backward": (
        backward_by_autograd,
        backward_by_jacobian,
        backward_by_outputs,
    ),
}
SURVIVORS = {}
