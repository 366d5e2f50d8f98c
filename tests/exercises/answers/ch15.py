"""Answers to chapter 15's exercises that are right and look different."""

import math

import numpy as np
import torch


def keys_by_loops(n, window, sinks):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        for j in range(i + 1):
            mask[i, j] = j > i - window or j < sinks
    return mask


def keys_by_triangles(n, window, sinks):
    causal = np.tri(n, dtype=bool)
    mask = causal & ~np.tri(n, k=-window, dtype=bool)
    mask[:, :sinks] = causal[:, :sinks]
    return mask


def keys_by_lists(n, window, sinks):
    seen = [{*range(max(0, i + 1 - window), i + 1), *range(sinks)} for i in range(n)]
    return [[j in seen[i] and j <= i for j in range(n)] for i in range(n)]


def intensity_by_parts(batch, weights, cached, group, itemsize):
    linear, attention = 2 * weights * batch, 2 * cached * group * batch
    moved = weights * itemsize + cached * batch * itemsize
    return (linear + attention) / moved


def intensity_per_sequence(batch, weights, cached, group, itemsize):
    share = weights / batch + cached
    return 2 * (weights + cached * group) / (share * itemsize)


def intensity_by_loops(batch, weights, cached, group, itemsize):
    flops, nbytes = 0, itemsize * weights
    for _ in range(batch):
        flops += 2 * weights
        nbytes += itemsize * cached
        for _ in range(group):
            flops += 2 * cached
    return flops / nbytes


def sink_as_a_key(query, key, value, sink):
    """A key more, whose score is the sink, and whose value is 0."""
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    scores = np.concatenate([scores, 0 * scores[..., :1] + sink[:, None, None]], -1)
    value = np.concatenate([value, 0 * value[..., :1, :]], -2)
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    return exps / exps.sum(-1, keepdims=True) @ value


def sink_as_a_gate(query, key, value, sink):
    """The plain softmax, times the sigmoid of its log-sum-exp minus the sink."""
    scores = query @ key.mT / query.shape[-1] ** 0.5
    top = scores.max(-1, keepdims=True)
    exps = np.exp(scores - top)
    total = exps.sum(-1, keepdims=True)
    with np.errstate(over="ignore"):
        gate = 1 / (1 + np.exp(sink[:, None, None] - top) / total)
    return exps / total @ value * gate


def sink_in_torch(query, key, value, sink):
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    beside = sink[:, None, None].expand(*scores.shape[:2], 1)
    weights = torch.softmax(torch.cat([beside, scores], dim=-1), dim=-1)
    return weights[..., 1:] @ value


def int8_by_channels(x):
    codes, restored = np.zeros(x.shape, dtype=int), np.zeros_like(x)
    for *head, channel in np.ndindex(*x.shape[:-2], x.shape[-1]):
        place = (*head, slice(None), channel)
        step = float(np.abs(x[place]).max()) / 127
        if step:
            codes[place] = np.rint(x[place] / step)
            restored[place] = codes[place] * step
    return codes, restored


def int8_from_bounds(x):
    largest = np.maximum(x.max(-2, keepdims=True), -x.min(-2, keepdims=True))
    codes = np.floor(x * 127 / np.maximum(largest, 1e-20) + 0.5)
    return codes, codes * largest / 127


def int8_in_torch(x):
    step = torch.clamp(x.abs().amax(-2, keepdim=True) / 127, min=1e-12)
    codes = torch.round(x / step).to(torch.int8)
    return codes, codes * step


def gathered_by_loop(pages, table, length):
    size = pages.shape[1]
    return np.stack(
        [np.asarray(pages)[table[i // size], i % size] for i in range(length)]
    )


def gathered_by_index(pages, table, length):
    i = np.arange(length)
    size = pages.shape[1]
    return pages[table[i // size], i % size]


def gathered_page_by_page(pages, table, length):
    rows = []
    for number in table.tolist():
        rows += pages[number].tolist()
    return rows[:length]


def gathered_in_torch(pages, table, length):
    return torch.index_select(pages, 0, table).flatten(0, 1)[:length]


def absorbed_by_heads(query, latent, up_key, up_value):
    absorbed, output = [], []
    for q, to_key, to_value in zip(query, up_key, up_value, strict=True):
        a = to_key @ q
        scores = latent @ a / math.sqrt(len(q))
        exps = np.exp(scores - scores.max())
        absorbed.append(a)
        output.append(exps @ latent / exps.sum() @ to_value)
    return np.stack(absorbed), np.stack(output)


def absorbed_at_once(query, latent, up_key, up_value):
    absorbed = (up_key @ query[..., None])[..., 0]
    scores = absorbed @ latent.T / query.shape[-1] ** 0.5
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = exps @ latent / exps.sum(-1, keepdims=True)
    return absorbed, (mixed[:, None, :] @ up_value)[:, 0]


def absorbed_in_torch(query, latent, up_key, up_value):
    absorbed = torch.einsum("he,hre->hr", query, up_key)
    weights = torch.softmax(absorbed @ latent.T / math.sqrt(query.shape[-1]), dim=-1)
    return absorbed, torch.einsum("hs,sr,hrv->hv", weights, latent, up_value)


def redrawn_by_loops(target, draft):
    accepted, rate = np.ones_like(draft), np.zeros_like(draft[..., 0])
    residual = np.zeros_like(draft)
    for index in np.ndindex(draft.shape):
        p, q = target[index], draft[index]
        if q > p:
            accepted[index] = p / q
        else:
            residual[index] = p - q
        rate[index[:-1]] += min(p, q)
    for index in np.ndindex(draft.shape[:-1]):
        residual[index] = residual[index] / sum(residual[index].tolist())
    return accepted, rate, residual


def redrawn_by_overlap(target, draft):
    overlap = np.minimum(target, draft)
    rate = overlap.sum(-1)
    left = target - overlap
    ratio = overlap / np.where(draft == 0, 1, draft) + (draft == 0)
    return (
        ratio,
        1 - np.abs(target - draft).sum(-1) / 2,
        left / left.sum(-1)[..., None] + 0 * rate[..., None],
    )


def redrawn_in_torch(target, draft):
    ratio = torch.where(draft > 0, target / draft, torch.ones_like(draft))
    left = torch.relu(target - draft)
    rate = torch.minimum(target, draft).sum(-1)
    return ratio.clamp(max=1), rate, left / left.sum(-1, keepdim=True)


def delta_all_at_once(query, key, value, beta):
    """What each token writes solves a triangular system: no state is carried."""
    seen = np.tril(np.asarray(key @ key.mT), -1) * np.asarray(beta)[:, None]
    change = np.asarray(beta)[:, None] * np.asarray(value)
    written = np.linalg.solve(np.eye(len(key)) + seen, change)
    return np.tril(np.asarray(query @ key.mT)) @ written


def delta_by_erasing(query, key, value, beta):
    E = key.shape[-1]
    state, outputs = np.zeros((value.shape[-1], E)), []
    for t in range(len(query)):
        k = key[t]
        state = state @ (np.eye(E) - beta[t] * np.outer(k, k))
        state = state + beta[t] * np.outer(value[t], k)
        outputs.append(state @ query[t])
    return np.array(outputs)


def delta_by_lists(query, key, value, beta):
    """Remember what was written, under which key; read with the products."""
    writes, outputs = [], []
    for q, k, v, b in zip(query, key, value, beta, strict=True):
        there = sum((float(k @ old) * what for old, what in writes), 0 * v)
        writes.append((k, b * (v - there)))
        outputs.append(sum(float(q @ old) * what for old, what in writes))
    return np.stack([np.asarray(output) for output in outputs])


def delta_in_torch(query, key, value, beta):
    state = torch.zeros(key.shape[1], value.shape[1], dtype=key.dtype)
    outputs = []
    for q, k, v, b in zip(query, key, value, beta, strict=True):
        state = state + torch.outer(k, b * (v - state.T @ k))
        outputs.append(state.T @ q)
    return torch.stack(outputs)


def flash_by_blocks(query, key, value, block):
    scale = 1 / math.sqrt(query.shape[-1])
    top, total, output = -np.inf, 0.0, 0.0
    for start in range(0, key.shape[-2], block):
        part = query @ key[..., start : start + block, :].mT * scale
        larger = np.maximum(top, part.max(-1, keepdims=True))
        exps, shrink = np.exp(part - larger), np.exp(top - larger)
        total = total * shrink + exps.sum(-1, keepdims=True)
        output = output * shrink + exps @ value[..., start : start + block, :]
        top = larger
    return output / total, (top + np.log(total))[..., 0]


def flash_by_merging(query, key, value, block):
    """Results of blocks, weighted by what their log-sum-exps say."""
    output = lse = None
    for start in range(0, key.shape[-2], block):
        here = slice(start, start + block)
        part = query @ key[..., here, :].mT / query.shape[-1] ** 0.5
        own = np.logaddexp.reduce(part, -1, keepdims=True)
        result = np.exp(part - own) @ value[..., here, :]
        if lse is None:
            output, lse = result, own
        else:
            both = np.logaddexp(lse, own)
            output = np.exp(lse - both) * output + np.exp(own - both) * result
            lse = both
    return output, lse[..., 0]


def flash_in_torch(query, key, value, block):
    parts = key.split(block, dim=-2)
    scores = torch.cat([query @ part.mT for part in parts], -1)
    scores = scores / math.sqrt(query.shape[-1])
    lse = torch.logsumexp(scores, -1)
    return torch.exp(scores - lse[..., None]) @ value, lse


def backward_by_queries(query, key, value, output, lse, grad_output):
    by_query, by_key = np.zeros_like(query), np.zeros_like(key)
    by_value = np.zeros_like(value)
    root = math.sqrt(query.shape[-1])
    for *head, i in np.ndindex(query.shape[:-1]):
        h, row = tuple(head), (*head, i)
        weights = np.exp(key[h] @ query[row] / root - lse[row])
        change = (value[h] - output[row]) @ grad_output[row]
        slope = weights * change / root
        by_query[row] = slope @ key[h]
        by_key[h] += np.outer(slope, query[row])
        by_value[h] += np.outer(weights, grad_output[row])
    return by_query, by_key, by_value


def backward_by_einsum(query, key, value, output, lse, grad_output):
    root = query.shape[-1] ** 0.5
    scores = np.einsum("...le,...se->...ls", query, key) / root
    weights = np.exp(scores - lse[..., None])
    by_weight = np.einsum("...lv,...sv->...ls", grad_output, value)
    mean = np.einsum("...lv,...lv->...l", output, grad_output)[..., None]
    by_score = weights * (by_weight - mean) / root
    return (
        np.einsum("...ls,...se->...le", by_score, key),
        np.einsum("...ls,...le->...se", by_score, query),
        np.einsum("...ls,...lv->...sv", weights, grad_output),
    )


def backward_by_autograd(query, key, value, output, lse, grad_output):
    """The other blocks stay as they are; torch does the rest."""
    given = (torch.as_tensor(x) for x in (query, key, value))
    query, key, value = (x.detach().clone().requires_grad_() for x in given)
    output, lse = torch.as_tensor(output), torch.as_tensor(lse)[..., None]
    exps = torch.exp(query @ key.mT / math.sqrt(query.shape[-1]) - lse)
    total, mixed = exps.sum(-1, keepdim=True), exps @ value
    others = 1 - total.detach(), output - mixed.detach()
    result = (mixed + others[1]) / (total + others[0])
    return torch.autograd.grad(
        result, (query, key, value), torch.as_tensor(grad_output)
    )


ANSWERS = {
    "shown_keys": (keys_by_loops, keys_by_triangles, keys_by_lists),
    "decode_intensity": (
        intensity_by_parts,
        intensity_per_sequence,
        intensity_by_loops,
    ),
    "sink_attention": (sink_as_a_key, sink_as_a_gate, sink_in_torch),
    "int8_per_channel": (int8_by_channels, int8_from_bounds, int8_in_torch),
    "gather_pages": (
        gathered_by_loop,
        gathered_by_index,
        gathered_page_by_page,
        gathered_in_torch,
    ),
    "absorbed_attention": (absorbed_by_heads, absorbed_at_once, absorbed_in_torch),
    "accept_or_redraw": (redrawn_by_loops, redrawn_by_overlap, redrawn_in_torch),
    "delta_rule": (
        delta_all_at_once,
        delta_by_erasing,
        delta_by_lists,
        delta_in_torch,
    ),
    "flash_forward": (flash_by_blocks, flash_by_merging, flash_in_torch),
    "block_backward": (
        backward_by_queries,
        backward_by_einsum,
        backward_by_autograd,
    ),
}
SURVIVORS = {}
