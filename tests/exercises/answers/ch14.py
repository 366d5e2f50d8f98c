"""Answers to chapter 14's exercises that are right and look different."""

import collections
import math

import numpy as np


def merge_by_loops(counts):
    pairs = {}
    for word in counts:
        for i in range(len(word) - 1):
            pair = word[i], word[i + 1]
            pairs[pair] = pairs.get(pair, 0) + counts[word]
    most = max(pairs.values())
    return sorted(pair for pair in pairs if pairs[pair] == most)[-1]


def merge_by_repeating(counts):
    words = [word for word, n in counts.items() for _ in range(n)]
    pairs = collections.Counter(
        word[i - 1 : i + 1] for word in words for i in range(1, len(word))
    )
    return sorted(pairs.items(), key=lambda item: (item[1], item[0]))[-1][0]


def merge_by_table(counts):
    tokens = sorted({token for word in counts for token in word})
    table = np.zeros((len(tokens), len(tokens)), int)
    for word, n in counts.items():
        places = [tokens.index(token) for token in word]
        np.add.at(table, (places[:-1], places[1:]), n)
    best = max(np.ndindex(table.shape), key=lambda place: (table[place], place))
    return tokens[best[0]], tokens[best[1]]


def rate_by_sine(step, steps, warm_up, highest, lowest):
    if step + 1 <= warm_up:
        return (step + 1) / warm_up * highest
    half = math.pi / 2 * (step - warm_up) / (steps - warm_up)
    return highest - (highest - lowest) * math.sin(half) ** 2


def rate_by_arrays(step, steps, warm_up, highest, lowest):
    rise = np.linspace(0, highest, warm_up + 1)[1:]
    turn = np.linspace(0, np.pi, steps - warm_up + 1)
    fall = (highest + lowest) / 2 + (highest - lowest) / 2 * np.cos(turn)
    return np.concatenate([rise, fall])[step]


def rate_by_weights(step, steps, warm_up, highest, lowest):
    if step < warm_up:
        return highest - highest * (warm_up - 1 - step) / warm_up
    share = 0.5 + 0.5 * math.cos(math.pi * (step - warm_up) / (steps - warm_up))
    return share * highest + (1 - share) * lowest


def swiglu_by_tanh(x, gate, up, down):
    gated = np.einsum("...d,hd->...h", x, gate)
    opened = gated * (1 + np.tanh(gated / 2)) / 2
    return np.einsum("...h,...h,dh->...d", opened, x @ up.T, down)


def swiglu_joined(x, gate, up, down):
    both = x @ np.concatenate([gate, up]).T
    gated, passed = np.split(both, 2, axis=-1)
    return (gated * passed / (1 + np.exp(-gated))) @ down.T


def swiglu_by_units(x, gate, up, down):
    result = np.zeros_like(x)
    for g, u, d in zip(gate, up, down.T, strict=True):
        z = x @ g
        result = result + (z / (1 + np.exp(-z)) * (x @ u))[..., None] * d
    return result


def bits_by_log2(losses, characters):
    return sum(-math.log2(math.exp(-loss)) for loss in losses) / characters


def bits_by_mean(losses, characters):
    return np.mean(losses) * len(losses) / (np.log(2) * characters)


def bits_by_product(losses, characters):
    chance = math.prod(math.exp(-loss) for loss in losses)
    return -math.log2(chance) / characters


def adapter_by_einsum(weight, narrow, wide):
    return weight + np.einsum("or,ri->oi", wide, narrow)


def adapter_by_outer_products(weight, narrow, wide):
    result = weight.copy()
    for row, column in zip(narrow, wide.T, strict=True):
        result += np.outer(column, row)
    return result


def adapter_by_asking(weight, narrow, wide):
    x = np.eye(weight.shape[1])
    return (x @ weight.T + x @ narrow.T @ wide.T).T


ANSWERS = {
    "next_merge": (merge_by_loops, merge_by_repeating, merge_by_table),
    "learning_rate": (rate_by_sine, rate_by_arrays, rate_by_weights),
    "swiglu": (swiglu_by_tanh, swiglu_joined, swiglu_by_units),
    "bits_per_character": (bits_by_log2, bits_by_mean, bits_by_product),
    "merge_low_rank": (
        adapter_by_einsum,
        adapter_by_outer_products,
        adapter_by_asking,
    ),
}
SURVIVORS = {}
