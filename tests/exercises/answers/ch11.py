"""Answers to chapter 11's exercises that are right and look different."""

import math
import statistics

import numpy as np
import torch


def parameters_by_modules(D, hidden):
    def linear(a, b):
        return sum(1 for _ in range(b)) * (a + 1)

    layers = [(D, D)] * 4 + [(D, hidden), (hidden, D)]
    return sum(linear(a, b) for a, b in layers) + 4 * D


def parameters_by_arrays(D, hidden):
    shapes = [(D, D), (D,)] * 4 + [(hidden, D), (hidden,), (D, hidden)] + [(D,)] * 5
    return sum(math.prod(shape) for shape in shapes)


def norm_by_loops(x, gain, bias, eps):
    result = np.empty(x.shape)
    for index in np.ndindex(x.shape[:-1]):
        token = x[index].tolist()
        mean, variance = statistics.fmean(token), statistics.pvariance(token)
        for d, feature in enumerate(token):
            result[(*index, d)] = gain[d] * (feature - mean) / math.sqrt(variance + eps)
            result[(*index, d)] += bias[d]
    return result


def norm_by_projection(x, gain, bias, eps):
    """Subtracting the mean is a matrix product."""
    D = x.shape[-1]
    centred = x @ (np.eye(D) - np.full((D, D), 1 / D))
    norm = np.einsum("...d,...d->...", centred, centred)
    return centred / np.sqrt(norm / D + eps)[..., None] * gain + bias


def mlp_key_by_key(x, key, key_bias, value):
    result = np.zeros_like(x)
    for k, b, v in zip(key, key_bias, value, strict=True):
        result += np.clip(x @ k + b, 0, None)[..., None] * v
    return result


def mlp_in_place(x, key, key_bias, value):
    weights = np.einsum("...d,md->...m", x, key)
    weights += key_bias
    weights[weights < 0] = 0
    return (weights.astype(np.float32) @ value.astype(np.float32)).astype(float)


def mlp_in_torch(x, key, key_bias, value):
    x, key, key_bias, value = map(torch.as_tensor, (x, key, key_bias, value))
    return torch.nn.functional.linear(x, key, key_bias).relu() @ value


def carried_at_once(query, key, value):
    """The same weights as a matrix under a causal mask."""
    weights = np.tril(query @ key.T)
    return weights @ value / weights.sum(axis=1, keepdims=True)


def carried_by_sums(query, key, value):
    states = np.cumsum(np.einsum("ne,nv->nev", key, value), axis=0)
    totals = np.cumsum(key, axis=0)
    top = np.einsum("ne,nev->nv", query, states)
    return top / np.einsum("ne,ne->n", query, totals)[:, None]


def carried_in_torch(query, key, value):
    query, key, value = map(torch.as_tensor, (query, key, value))
    ones = torch.ones(len(value), 1, dtype=value.dtype)
    state, outputs = 0, []
    for q, k, v in zip(query, key, torch.cat([value, ones], 1), strict=True):
        state = state + torch.outer(k, v)
        *top, total = q @ state
        outputs.append(torch.stack(top) / total)
    return torch.stack(outputs)


def effect_by_statistics(whole, without):
    pairs = [b - a for a, b in zip(whole.tolist(), without.tolist(), strict=True)]
    error = statistics.stdev(pairs) / math.sqrt(len(pairs))
    return {"error": error, "mean": statistics.fmean(pairs)}


def effect_by_covariance(whole, without):
    (a, c), (_, b) = np.cov(whole, without)
    return {
        "mean": without.mean() - whole.mean(),
        "error": math.sqrt((a + b - 2 * c) / len(whole)),
    }


def effect_in_torch(whole, without):
    difference = torch.as_tensor(without) - torch.as_tensor(whole)
    error = difference.std() / difference.numel() ** 0.5
    return {"mean": difference.mean(), "error": error}


ANSWERS = {
    "block_parameters": (
        parameters_by_modules,
        parameters_by_arrays,
        lambda D, hidden: 4 * D**2 + 2 * D * hidden + 9 * D + hidden,
    ),
    "layer_norm": (
        norm_by_loops,
        norm_by_projection,
        lambda x, gain, bias, eps: torch.nn.functional.layer_norm(
            x, gain.shape, gain, bias, eps
        ),
    ),
    "mlp_as_lookup": (mlp_key_by_key, mlp_in_place, mlp_in_torch),
    "ablation_effect": (effect_by_statistics, effect_by_covariance, effect_in_torch),
    "carried_along": (carried_at_once, carried_by_sums, carried_in_torch),
}
SURVIVORS = {}
