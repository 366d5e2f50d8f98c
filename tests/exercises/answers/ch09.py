"""Answers to chapter 9's exercises that are right and look different."""

import math

import numpy as np
import torch


def pooled_by_loops(x, real):
    result = np.zeros((*x.shape[:-2], x.shape[-1]))
    for index in np.ndindex(result.shape[:-1]):
        tokens = x[index][real[index]]
        if len(tokens):
            result[index] = tokens.mean(axis=0)
    return result


def pooled_by_attention(x, real):
    """Equal scores, and a mask: each real token gets the same weight."""
    weights = real / np.maximum(real.sum(-1, keepdims=True), 1)
    return np.einsum("...n,...nd->...d", weights, x)


def pooled_in_torch(x, real):
    x, real = torch.as_tensor(x), torch.as_tensor(real)
    total = x.masked_fill(~real[..., None], 0).sum(-2)
    return total / real.sum(-1, keepdim=True).clamp_min(1)


def patches_by_loops(image, size):
    height, width, _ = image.shape
    return np.stack(
        [
            image[row : row + size, column : column + size].ravel()
            for row in range(0, height, size)
            for column in range(0, width, size)
        ]
    )


def patches_by_windows(image, size):
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))
    chosen = windows[::size, ::size]  # (rows, columns, channels, size, size)
    return np.moveaxis(chosen, 2, -1).reshape(-1, size * size * image.shape[2])


def patches_in_torch(image, size):
    unfold = torch.nn.functional.unfold
    image = torch.as_tensor(image)
    columns = unfold(image.permute(2, 0, 1)[None], size, stride=size)[0].T
    by_channel = columns.unflatten(-1, (image.shape[2], -1))
    return by_channel.transpose(-1, -2).flatten(-2)


def matches_by_loops(predicted, target, real):
    right = 0
    for p, t, r in zip(predicted, target, real, strict=True):
        right += p[r].tolist() == t[r].tolist()
    return right / len(predicted)


def picked_by_loops(x, k):
    received = [0.0] * len(x)
    for sentence in x:
        scores = [float(sentence @ other) for other in x]
        grown = [math.exp(score - max(scores)) for score in scores]
        for j, part in enumerate(grown):
            received[j] += part / sum(grown)
    ranked = sorted(range(len(x)), key=received.__getitem__, reverse=True)
    return sorted(ranked[:k])


def picked_by_threshold(x, k):
    scores = np.einsum("id,jd->ij", x, x)
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    received = np.ones(len(x)) @ (grown / grown.sum(axis=1, keepdims=True))
    return np.flatnonzero(received >= np.sort(received)[-k])


def pointer_by_autograd(query, key, target):
    query = torch.tensor(query, requires_grad=True)
    key = torch.as_tensor(key)
    loss = torch.nn.functional.cross_entropy(key @ query, torch.tensor(target))
    return torch.autograd.grad(loss, query)[0]


def pointer_by_scores(query, key, target):
    grown = np.exp(key @ query - np.max(key @ query))
    by_score = grown / grown.sum()
    by_score[target] -= 1
    return key.T @ by_score


def pointer_by_loops(query, key, target):
    top = max(float(k @ query) for k in key)
    grown = [math.exp(k @ query - top) for k in key]
    gradient = np.zeros(len(query), dtype=np.float32)
    for part, k in zip(grown, key, strict=True):
        gradient += part / sum(grown) * (k - key[target])
    return gradient


ANSWERS = {
    "pooled": (pooled_by_loops, pooled_by_attention, pooled_in_torch),
    "patches": (patches_by_loops, patches_by_windows, patches_in_torch),
    "exact_matches": (
        matches_by_loops,
        lambda predicted, target, real: (
            1 - ((predicted != target) & real).any(axis=1).mean()
        ),
        lambda predicted, target, real: np.float32(
            np.average(np.where(real, predicted - target, 0).astype(bool).sum(1) == 0)
        ),
    ),
    "picked_sentences": (
        picked_by_loops,
        picked_by_threshold,
        lambda x, k: (
            torch.as_tensor(x @ x.T).softmax(-1).sum(0).topk(k).indices.sort()[0]
        ),
    ),
    "pointer_gradient": (pointer_by_autograd, pointer_by_scores, pointer_by_loops),
}
SURVIVORS = {}
