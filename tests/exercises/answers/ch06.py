"""Answers to chapter 6's exercises that are right and look different."""

import numpy as np
import torch


def flops_by_counting(L, S, E, Ev):
    multiply_adds = 0
    for _ in range(L):
        for _ in range(S):
            multiply_adds += E + Ev
    return 2 * multiply_adds


def pairs_by_mask(n, width):
    distance = np.arange(n)[:, None] - np.arange(n)
    return int(((distance >= 0) & (distance < width)).sum())


def pairs_by_formula(n, width):
    width = min(n, width)
    return n * width - width * (width - 1) // 2


def pairs_by_loops(n, width):
    return len([(i, j) for i in range(n) for j in range(n) if i - width < j <= i])


def cache_by_arrays(S, E, num_layers, num_heads, num_kv_heads, itemsize):
    kind = {2: np.float16, 4: np.float32}[itemsize]
    key, value = (np.empty((num_kv_heads, S, E), kind) for _ in range(2))
    return num_layers * (key.nbytes + value.nbytes)


def cache_per_token(S, E, num_layers, num_heads, num_kv_heads, itemsize):
    group = num_heads // num_kv_heads
    return S * (2 * num_heads * E * itemsize * num_layers // group)


def seconds_by_case(flops, nbytes, peak_flops, bandwidth):
    if flops * bandwidth > nbytes * peak_flops:
        return flops / peak_flops
    return nbytes / bandwidth


def absorb_key_by_key(maximum, total, output, scores, value):
    maximum, total, output = maximum.copy(), total.copy(), output.copy()
    for j in range(scores.shape[-1]):
        s = scores[..., j : j + 1]
        larger = np.maximum(maximum, s)
        seen = np.where(np.isneginf(larger), 0, larger)
        shrink, share = np.exp(maximum - seen), np.exp(s - seen)
        total = total * shrink + share
        output = output * shrink + share * value[..., j, None, :]
        maximum = larger
    return maximum, total, output


def absorb_in_place(maximum, total, output, scores, value):
    total, output, scores = total.copy(), output.copy(), scores.copy()
    larger = np.maximum(maximum, scores.max(-1, keepdims=True))
    seen = np.nan_to_num(larger, neginf=0.0)
    scores -= seen
    np.exp(scores, out=scores)
    total *= np.exp(maximum - seen)
    total += scores.sum(-1, keepdims=True)
    output *= np.exp(maximum - seen)
    output += np.einsum("...ls,...sv->...lv", scores, value)
    return [larger, total, output]


def absorb_in_torch(maximum, total, output, scores, value):
    maximum, total, output, scores, value = map(
        torch.as_tensor, (maximum, total, output, scores, value)
    )
    larger = torch.maximum(maximum, scores.amax(-1, keepdim=True))
    seen = larger.masked_fill(larger.isneginf(), 0.0)
    exps, shrink = (scores - seen).exp(), (maximum - seen).exp()
    return larger, total * shrink + exps.sum(-1, True), output * shrink + exps @ value


def logs(part):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(part[1] > 0, part[0] + np.log(part[1]), -np.inf)


def merge_by_logarithms(left, right):
    """Weight the divided results by exp of each part's log-sum-exp."""
    whole = np.logaddexp(logs(left), logs(right))
    base = np.where(np.isneginf(whole), 0, whole)
    return sum(
        np.exp(logs(part) - base) * part[2] / np.where(part[1] == 0, 1, part[1])
        for part in (left, right)
    )


def merge_by_stacking(left, right):
    maxima = np.stack([left[0], right[0]])
    top = maxima.max(0)
    factors = np.exp(maxima - np.where(np.isneginf(top), 0, top))
    total = (factors * np.stack([left[1], right[1]])).sum(0)
    output = (factors * np.stack([left[2], right[2]])).sum(0)
    return np.divide(output, total, out=np.zeros_like(output), where=total > 0)


def merge_into_the_larger(left, right):
    """Only the part with the lower maximum is put right."""
    low = np.where(left[0] >= right[0], right[0] - left[0], left[0] - right[0])
    low = np.exp(np.nan_to_num(low, nan=0.0, neginf=-np.inf))
    a = np.where(left[0] >= right[0], 1, low)
    b = np.where(left[0] >= right[0], low, 1)
    total = a * left[1] + b * right[1]
    return (a * left[2] + b * right[2]) / np.maximum(total, np.finfo(np.float32).tiny)


ANSWERS = {
    "attention_flops": (
        lambda L, S, E, Ev: 2 * L * S * E + 2 * L * S * Ev,
        flops_by_counting,
        lambda L, S, E, Ev: float(2 * L * S * (E + Ev)),
    ),
    "window_pairs": (pairs_by_mask, pairs_by_formula, pairs_by_loops),
    "kv_cache_size": (
        cache_by_arrays,
        cache_per_token,
        lambda S, E, num_layers, num_heads, num_kv_heads, itemsize: np.int64(
            S * (E + E) * num_layers * num_kv_heads * itemsize
        ),
    ),
    "least_seconds": (
        seconds_by_case,
        lambda *numbers: np.maximum(*np.divide(numbers[:2], numbers[2:])),
        lambda flops, nbytes, peak_flops, bandwidth: sorted(
            [flops / peak_flops, nbytes / bandwidth]
        )[1],
    ),
    "absorb_block": (absorb_key_by_key, absorb_in_place, absorb_in_torch),
    "merge_parts": (merge_by_logarithms, merge_by_stacking, merge_into_the_larger),
}
SURVIVORS = {}
