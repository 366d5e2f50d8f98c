"""Answers to chapter 13's exercises that are right and look different."""

import math

import numpy as np
import torch


def merge_by_index(tokens, pair):
    found, i = [], 0
    while i < len(tokens):
        if i + 1 < len(tokens) and tokens[i] == pair[0] and tokens[i + 1] == pair[1]:
            found.append(pair[0] + pair[1])
            i += 2
        else:
            found.append(tokens[i])
            i += 1
    return found


def merge_by_recursion(tokens, pair):
    if len(tokens) < 2:
        return list(tokens)
    if tuple(tokens[:2]) == tuple(pair):
        return ["".join(pair), *merge_by_recursion(tokens[2:], pair)]
    return [tokens[0], *merge_by_recursion(tokens[1:], pair)]


def merge_by_marks(tokens, pair):
    text = "|" + "||".join(tokens) + "|"
    text = text.replace(f"|{pair[0]}||{pair[1]}|", f"|{pair[0]}{pair[1]}|")
    return text[1:-1].split("||")


def chances_by_loops(logits, temperature):
    result = np.empty_like(logits)
    for index in np.ndindex(logits.shape[:-1]):
        row = [x / temperature for x in logits[index].tolist()]
        top = max(row)
        e = [math.exp(x - top) for x in row]
        result[index] = [x / sum(e) for x in e]
    return result


def chances_by_log(logits, temperature):
    x = logits / temperature
    x = x - x.max(axis=-1, keepdims=True)
    return np.exp(x - np.log(np.exp(x).sum(axis=-1, keepdims=True)))


def top_p_by_loop(chances, p):
    left = {n: float(c) for n, c in enumerate(chances)}
    kept, total = {}, 0.0
    while left and total < p:
        best = max(left, key=left.get)
        kept[best] = left.pop(best)
        total += kept[best]
    result = [kept.get(n, 0.0) / total for n in range(len(chances))]
    return np.array(result)


def top_p_by_least(chances, p):
    ordered = np.sort(chances)[::-1]
    count = int(np.searchsorted(np.cumsum(ordered), p - 1e-12)) + 1
    least = ordered[min(count, len(ordered)) - 1]
    kept = chances * (chances >= least)
    return kept / kept.sum()


def top_p_in_torch(chances, p):
    chances = torch.as_tensor(chances)
    ordered, order = chances.sort(descending=True)
    ordered[ordered.cumsum(0) - ordered >= p] = 0
    kept = torch.zeros_like(chances).scatter(0, order, ordered)
    return kept / kept.sum()


def size_by_shapes(layers, features, heads, kv_heads, hidden, vocabulary):
    E = features // heads
    block = [(features,), (heads * E, features), (kv_heads * E, features)]
    block += [(kv_heads * E, features), (features, heads * E), (features,)]
    block += [(hidden, features), (hidden, features), (features, hidden)]
    shapes = [(vocabulary, features), *(layers * block), (features,)]
    return sum(math.prod(shape) for shape in shapes)


def size_by_shares(layers, features, heads, kv_heads, hidden, vocabulary):
    shared = 2 * features * features * kv_heads // heads
    block = 2 * features**2 + shared + features * (3 * hidden + 2)
    return features * (vocabulary + 1) + layers * block


def norm_by_loops(x, weight, epsilon):
    result = np.empty_like(x)
    for index in np.ndindex(x.shape[:-1]):
        row = x[index]
        size = math.sqrt(sum(float(v) ** 2 for v in row) / len(row) + epsilon)
        result[index] = [w * v / size for v, w in zip(row, weight, strict=True)]
    return result


def norm_by_length(x, weight, epsilon):
    n = x.shape[-1]
    square = np.linalg.norm(x, axis=-1, keepdims=True) ** 2
    return np.sqrt(n) * x * weight / np.sqrt(square + n * epsilon)


def norm_in_torch(x, weight, epsilon):
    x, weight = torch.as_tensor(x), torch.as_tensor(weight)
    return torch.nn.functional.rms_norm(x, x.shape[-1:], weight, epsilon)


def score_by_loops(weights):
    T = weights.shape[-1] // 2
    found = [weights[..., i, i - T + 1] for i in range(T + 1, 2 * T)]
    return sum(found) / (T - 1)


def score_by_diagonal(weights):
    T = weights.shape[-1] // 2
    line = np.diagonal(weights, offset=1 - T, axis1=-2, axis2=-1)  # (..., T + 1)
    return line[..., 2:].mean(axis=-1)


def score_by_mask(weights):
    T = weights.shape[-1] // 2
    i, j = np.indices((2 * T, 2 * T))
    chosen = (i > T) & (j == i - T + 1)
    return (weights * chosen).sum(axis=(-2, -1)) / chosen.sum()


ANSWERS = {
    "merge_pair": (merge_by_index, merge_by_recursion, merge_by_marks),
    "tempered_chances": (
        chances_by_loops,
        chances_by_log,
        lambda logits, temperature: torch.softmax(logits / temperature, dim=-1),
    ),
    "top_p": (top_p_by_loop, top_p_by_least, top_p_in_torch),
    "model_size": (
        size_by_shapes,
        size_by_shares,
        lambda layers, d, heads, kv, hidden, V: (
            d * (V + 1)
            + layers * (2 * d * d + 2 * d * kv * (d // heads) + d * (3 * hidden + 2))
        ),
    ),
    "rms_norm": (norm_by_loops, norm_by_length, norm_in_torch),
    "copying_score": (score_by_loops, score_by_diagonal, score_by_mask),
}
SURVIVORS = {}
