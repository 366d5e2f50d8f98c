"""Answers to chapter 5's exercises that are right and look different."""

import itertools
import math

import numpy as np
import torch


def split_by_slices(x, num_heads):
    return np.stack(np.split(x, num_heads, axis=-1), axis=-3)


def split_by_loops(x, num_heads):
    E = x.shape[-1] // num_heads
    result = np.zeros((*x.shape[:-2], num_heads, x.shape[-2], E), dtype=np.float32)
    for h in range(num_heads):
        for e in range(E):
            result[..., h, :, e] = x[..., h * E + e]
    return result


def split_in_torch(x, num_heads):
    return x.unflatten(-1, (num_heads, -1)).transpose(-2, -3)


def join_by_concatenation(x):
    return np.concatenate([x[..., h, :, :] for h in range(x.shape[-3])], axis=-1)


def join_by_loops(x):
    E = x.shape[-1]
    result = np.empty((*x.shape[:-3], x.shape[-2], x.shape[-3] * E))
    for h in range(x.shape[-3]):
        result[..., h * E : (h + 1) * E] = x[..., h, :, :]
    return result


def one_head_after_the_other(x, W_Q, W_K, W_V, W_O, num_heads):
    E, output = W_Q.shape[-1] // num_heads, 0
    for h in range(num_heads):
        own = slice(h * E, (h + 1) * E)
        q, k, v = x @ W_Q[:, own], x @ W_K[:, own], x @ W_V[:, own]
        scores = q @ np.swapaxes(k, -1, -2) * E**-0.5
        exps = np.exp(scores - scores.max(-1, keepdims=True))
        output = output + exps / exps.sum(-1, keepdims=True) @ v @ W_O[own]
    return output


def by_einsum(x, W_Q, W_K, W_V, W_O, num_heads):
    D = x.shape[-1]
    q, k, v = (
        np.einsum("...ld,dhe->...hle", x, W.reshape(D, num_heads, -1))
        for W in (W_Q, W_K, W_V)
    )
    scores = np.einsum("...hle,...hse->...hls", q, k) / math.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum(
        "...hls,...hse,hed->...ld", weights, v, W_O.reshape(num_heads, -1, D)
    )


def in_torch(x, W_Q, W_K, W_V, W_O, num_heads):
    q, k, v = (
        (x @ W).unflatten(-1, (num_heads, -1)).transpose(-2, -3)
        for W in (W_Q, W_K, W_V)
    )
    heads = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return heads.transpose(-2, -3).flatten(-2) @ W_O


def groups_on_an_axis(query, key, value):
    *lead, H, L, E = query.shape
    Hkv = key.shape[-3]
    q = query.reshape(*lead, Hkv, H // Hkv, L, E)
    scores = np.einsum("...gle,...se->...gls", q, key) / math.sqrt(E)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("...gls,...sv->...glv", weights, value).reshape(*lead, H, L, -1)


def groups_by_loops(query, key, value):
    H, group = query.shape[-3], query.shape[-3] // key.shape[-3]
    outputs = []
    for h in range(H):
        k, v = key[..., h // group, :, :], value[..., h // group, :, :]
        scores = query[..., h, :, :] @ np.swapaxes(k, -1, -2) / query.shape[-1] ** 0.5
        exps = np.exp(scores - scores.max(-1, keepdims=True))
        outputs.append(exps @ v / exps.sum(-1)[..., None])
    return np.stack(outputs, axis=-3)


def groups_in_torch(query, key, value):
    attend = torch.nn.functional.scaled_dot_product_attention
    return attend(query, key, value, enable_gqa=True)


def terms_by_loops(heads, W_O):
    H, _, E = heads.shape[-3:]
    terms = [heads[..., h, :, :] @ W_O[h * E : (h + 1) * E] for h in range(H)]
    return np.stack(terms, axis=-3)


def terms_by_silence(heads, W_O):
    """The output with all other heads set to 0."""
    H = heads.shape[-3]
    alone = np.eye(H)[:, :, None, None] * heads[..., None, :, :, :]
    joined = np.swapaxes(alone, -2, -3)
    return joined.reshape(*joined.shape[:-2], -1) @ W_O


def head_by_loops(query, key, value, read):
    N, C, E = key.shape
    right = [[[[False] * C for _ in range(C)] for _ in range(N)] for _ in range(N)]
    for i in range(N):
        for j in range(N):
            for x in range(C):
                for y in range(C):
                    a, b = query[i, j] @ key[i, x], query[i, j] @ key[j, y]
                    top = max(a, b)
                    p, q = math.exp((a - top) / E**0.5), math.exp((b - top) / E**0.5)
                    mixed = (p * value[i, x] + q * value[j, y]) / (p + q)
                    best = (read[0] @ mixed).argmax(), (read[1] @ mixed).argmax()
                    right[i][j][x][y] = bool(i != j and best == (x, y))
    return right


def head_by_broadcasting(query, key, value, read):
    N, C, E = key.shape
    a = np.einsum("ije,ixe->ijx", query, key)[..., None] / math.sqrt(E)
    b = np.einsum("ije,jye->ijy", query, key)[..., None, :] / math.sqrt(E)
    p = 0.5 + 0.5 * np.tanh((a - b) / 2)  # (N, N, C, C), the weight of the first pair
    mixed = p[..., None] * value[:, None, :, None] + (1 - p[..., None]) * value[:, None]
    first, second = (mixed @ read.mT[:, None, None, None]).argmax(-1)
    x, y = np.indices((C, C))
    right = (first == x) & (second == y)
    right[np.arange(N), np.arange(N)] = False
    return right


def head_by_attention(query, key, value, read):
    N, C, _ = key.shape
    right = np.zeros((N, N, C, C), dtype=bool)
    attend = torch.nn.functional.scaled_dot_product_attention
    for i, j in itertools.permutations(range(N), 2):
        for x, y in itertools.product(range(C), repeat=2):
            tokens = [torch.tensor(np.stack([m[i, x], m[j, y]])) for m in (key, value)]
            out = attend(torch.tensor(query[i, j])[None], *tokens)[0].numpy()
            right[i, j, x, y] = ((read @ out).argmax(-1) == (x, y)).all()
    return right


ANSWERS = {
    "split_into_heads": (split_by_slices, split_by_loops, split_in_torch),
    "join_heads": (
        join_by_concatenation,
        join_by_loops,
        lambda x: x.transpose(-3, -2).flatten(-2),
    ),
    "multi_head": (one_head_after_the_other, by_einsum, in_torch),
    "grouped_attention": (groups_on_an_axis, groups_by_loops, groups_in_torch),
    "right_in_both_slots": (head_by_loops, head_by_broadcasting, head_by_attention),
    "head_terms": (
        terms_by_loops,
        terms_by_silence,
        lambda heads, W_O: torch.einsum(
            "...hle,hed->...hld",
            heads,
            W_O.reshape(heads.size(-3), heads.size(-1), -1),
        ),
    ),
}
SURVIVORS = {}
