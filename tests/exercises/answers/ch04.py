"""Answers to chapter 4's exercises that are right and look different."""

import math

import numpy as np
import torch


def causal_by_loops(x, W_Q, W_K, W_V):
    result = np.zeros((*x.shape[:-1], W_V.shape[1]))
    for index in np.ndindex(x.shape[:-1]):
        *lead, i = index
        seen = x[tuple(lead)][: i + 1]
        scores = seen @ W_K @ (x[index] @ W_Q) / math.sqrt(W_Q.shape[1])
        exps = np.exp(scores - scores.max())
        result[index] = exps / exps.sum() @ (seen @ W_V)
    return result


def causal_by_einsum(x, W_Q, W_K, W_V):
    """Only the product W_Q W_K^T matters for the scores."""
    scores = np.einsum("...id,de,fe,...jf->...ij", x, W_Q, W_K, x)
    scores = np.where(np.tri(x.shape[-2]) > 0, scores * W_Q.shape[1] ** -0.5, -np.inf)
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("...ij,...jd,dv->...iv", exps, x, W_V) / exps.sum(-1)[..., None]


def causal_in_torch(x, W_Q, W_K, W_V):
    attend = torch.nn.functional.scaled_dot_product_attention
    x, W_Q, W_K, W_V = map(torch.as_tensor, (x, W_Q, W_K, W_V))
    return attend(x @ W_Q, x @ W_K, x @ W_V, is_causal=True)


def positions_by_loops(x):
    x = x.copy()
    n, D = x.shape[-2:]
    for p in range(n):
        for i in range(D // 2):
            angle = p / 10_000 ** (2 * i / D)
            x[..., p, 2 * i] += math.sin(angle)
            x[..., p, 2 * i + 1] += math.cos(angle)
    return x


def positions_by_phase(x):
    """A cosine is a sine that is a quarter of a turn ahead."""
    n, D = x.shape[-2:]
    feature = np.arange(D)
    angles = np.outer(np.arange(n), np.exp(-math.log(1e4) * (feature // 2 * 2) / D))
    return x + np.sin(angles + feature % 2 * math.pi / 2)


def positions_in_torch(x):
    x = torch.as_tensor(x)
    n, D = x.shape[-2:]
    angles = torch.arange(n)[:, None] * 1e4 ** (-torch.arange(0, D, 2).double() / D)
    return x + torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)


def decode_by_loops(x, past_key, past_value, W_Q, W_K, W_V):
    key, value = np.append(past_key, x @ W_K, -2), np.append(past_value, x @ W_V, -2)
    scores = (key * (x @ W_Q)).sum(-1) / math.sqrt(key.shape[-1])  # (..., S + 1)
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    output = sum(exps[..., j, None] * value[..., j, :] for j in range(key.shape[-2]))
    return (output / exps.sum(-1)[..., None])[..., None, :], key, value


def decode_as_text(x, past_key, past_value, W_Q, W_K, W_V):
    """The last row of causal attention over all stored tokens."""
    key = np.empty((*x.shape[:-2], past_key.shape[-2] + 1, W_K.shape[1]))
    value = np.empty((*key.shape[:-1], W_V.shape[1]))
    key[..., :-1, :], value[..., :-1, :] = past_key, past_value
    key[..., -1:, :], value[..., -1:, :] = x @ W_K, x @ W_V
    scores = np.einsum("...le,...se->...ls", x @ W_Q, key) * W_K.shape[1] ** -0.5
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights @ value / weights.sum(-1, keepdims=True), key, value


def decode_in_torch(x, past_key, past_value, W_Q, W_K, W_V):
    x, past_key, past_value, W_Q, W_K, W_V = map(
        torch.as_tensor, (x, past_key, past_value, W_Q, W_K, W_V)
    )
    key = torch.cat([past_key, x @ W_K], -2)
    value = torch.cat([past_value, x @ W_V], -2)
    attend = torch.nn.functional.scaled_dot_product_attention
    return attend(x @ W_Q, key, value), key, value


def rotated_by_numbers(x, offset):
    """A pair of features is a complex number; turning is a product."""
    n, E = x.shape[-2:]
    angles = np.outer(offset + np.arange(n), 1e4 ** (-np.arange(0, E, 2) / E))
    turned = (x[..., ::2] + 1j * x[..., 1::2]) * np.exp(1j * angles)
    return np.stack([turned.real, turned.imag], -1).reshape(x.shape)


def rotated_by_loops(x, offset):
    result = x.copy()
    n, E = x.shape[-2:]
    for p in range(n):
        for i in range(0, E, 2):
            angle = (offset + p) / 10_000 ** (i / E)
            turn = [
                [math.cos(angle), math.sin(angle)],
                [-math.sin(angle), math.cos(angle)],
            ]
            result[..., p, i : i + 2] = x[..., p, i : i + 2] @ np.array(turn)
    return result


def rotated_in_torch(x, offset):
    x = torch.as_tensor(x)
    n, E = x.shape[-2:]
    turns = 1e4 ** (-torch.arange(0, E, 2).double() / E)
    angles = (offset + torch.arange(n))[:, None] * turns
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(
        pairs * torch.polar(torch.ones(()).double(), angles)
    ).flatten(-2)


ANSWERS = {
    "causal_self_attention": (causal_by_loops, causal_by_einsum, causal_in_torch),
    "add_positions": (positions_by_loops, positions_by_phase, positions_in_torch),
    "decode_step": (decode_by_loops, decode_as_text, decode_in_torch),
    "rotated": (rotated_by_numbers, rotated_by_loops, rotated_in_torch),
}
SURVIVORS = {}
