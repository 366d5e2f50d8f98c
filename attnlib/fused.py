"""Fast paths: torch's own fused kernels, and a blocked, multi-threaded NumPy kernel.

Neither stores the L x S weights. The results are those of `reference_attention` up to
the rounding of another order of summation.
"""

import concurrent.futures
import contextlib
import functools
import itertools
import math
import os

import numpy as np

from attnlib._array import broadcast_shapes, is_numpy_array, is_torch
from attnlib._checks import check_features, check_mask_kind
from attnlib.attention import default_scale
from attnlib.masks import check_causal, key_block
from attnlib.tiled import empty_state, tiled_attention

QUERY_BLOCK, KEY_BLOCK = 256, 512


def fused_attention(
    query, key, value, attn_mask=None, *, is_causal=False, scale=None, softcap=None
):
    """Attention by the fastest kernel at hand; arguments of `reference_attention`.

    NumPy and torch only (TypeError). torch's kernels know no `softcap`; with one,
    torch arrays go through `tiled_attention`. The NumPy kernel uses OMP_NUM_THREADS
    threads, or every core, where threadpoolctl is there to hold BLAS to one thread
    each; without it, one thread, and BLAS's own.
    """
    check_features(query, key)
    check_causal(attn_mask, is_causal, query.shape[-2], key.shape[-2])
    if attn_mask is not None:
        check_mask_kind(attn_mask, query)
    scale = default_scale(query) if scale is None else scale
    how = {"is_causal": is_causal, "scale": scale}
    if is_torch(query):
        if softcap is None:
            return torch_attention(query, key, value, attn_mask, **how)
        return tiled_attention(query, key, value, attn_mask, softcap=softcap, **how)
    if is_numpy_array(query):
        return numpy_attention(query, key, value, attn_mask, softcap=softcap, **how)
    raise TypeError(
        "implementation 'fused' exists for NumPy and torch, got "
        f"{type(query).__module__}.{type(query).__name__}; choose 'reference' or "
        "'tiled'"
    )


# torch: its kernels take (N, H, L, E) and key-value heads that query heads share.


def torch_attention(query, key, value, attn_mask, *, is_causal, scale):
    """Fold the leading axes into torch's (N, H), call its kernel, unfold them."""
    import torch

    lead = broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    L, S, Ev = query.shape[-2], key.shape[-2], value.shape[-1]
    if 0 in (*lead, L, S, Ev):
        return empty_state(query, key, value).output.to(query.dtype)
    split = len(lead) - shared_axes(key, value, len(lead))
    grouped = split < len(lead)
    N = math.prod(lead[: split - 1]) if split else 1

    def fold(x, own):  # (..., rows, columns) -> (N, H, rows, columns)
        return x.expand(*own, *x.shape[-2:]).reshape(N, -1, *x.shape[-2:])

    key_lead = lead[:split] + (1,) * (len(lead) - split)
    if attn_mask is not None:
        attn_mask = fold(additive(attn_mask, query), lead).expand(-1, -1, L, S)
    width = max(query.shape[-1], Ev)  # the kernels want one width: E = Ev
    output = torch.nn.functional.scaled_dot_product_attention(
        pad(fold(query, lead), width),
        pad(fold(key, key_lead), width),
        pad(fold(value, key_lead), width),
        attn_mask,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=grouped,
    )
    return output[..., :Ev].reshape(*lead, L, Ev)


def shared_axes(key, value, axes):
    """Count the last leading axes along which key and value are the same for all."""
    for shared in range(axes):
        axis = -3 - shared
        if any(x.ndim >= -axis and x.shape[axis] != 1 for x in (key, value)):
            return shared
    return axes


def additive(attn_mask, query):
    """Return a float mask with two axes or more, 0 or -inf where it was boolean.

    Left boolean, a small mask that broadcasts would be made L x S inside torch.
    """
    axes = (1,) * (2 - attn_mask.ndim)
    attn_mask = attn_mask.reshape(*axes, *attn_mask.shape)
    if attn_mask.dtype.is_floating_point:
        return attn_mask.to(query.dtype)
    return query.new_zeros(attn_mask.shape).masked_fill(~attn_mask, -math.inf)


def pad(x, width):
    """Append zeros to the last axis: they add nothing to a dot product."""
    import torch

    missing = width - x.shape[-1]
    return torch.nn.functional.pad(x, (0, missing)) if missing else x


# NumPy: one task is one block of queries of one head; it meets the keys tile by tile.


def numpy_attention(query, key, value, attn_mask, *, is_causal, scale, softcap):
    """Share the blocks of queries among threads; each writes its rows of the output."""
    lead = broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    L, S = query.shape[-2], key.shape[-2]
    output = np.empty((*lead, L, value.shape[-1]), dtype=query.dtype)
    query, key, value = (
        np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (query, key, value)
    )
    if attn_mask is not None:
        attn_mask = np.broadcast_to(attn_mask, (*lead, L, S))

    def attend(task):
        head, start = task
        rows = slice(start, min(start + QUERY_BLOCK, L))
        mask = None if attn_mask is None else attn_mask[head][rows]
        diagonal = start if is_causal else None
        output[head][rows] = attend_rows(
            query[head][rows], key[head], value[head], mask, diagonal, scale, softcap
        )

    tasks = list(itertools.product(np.ndindex(*lead), range(0, L, QUERY_BLOCK)))
    run_all(attend, tasks, threads=thread_count() if L * S >= QUERY_BLOCK**2 else 1)
    return output


def attend_rows(query, key, value, mask, diagonal, scale, softcap):
    """Attention of a few queries (rows, E) to all keys, one tile at a time.

    Row 0 is query number `diagonal` of a causal call; None where it is not causal.
    """
    wide = np.promote_types(query.dtype, np.float32)
    query = query.astype(wide, copy=False) * scale
    rows, S = len(query), len(key)
    maximum = np.full((rows, 1), -np.inf, dtype=wide)
    total = np.zeros((rows, 1), dtype=wide)
    output = np.zeros((rows, value.shape[-1]), dtype=wide)
    for start in range(0, S if diagonal is None else diagonal + rows, KEY_BLOCK):
        tile = slice(start, min(start + KEY_BLOCK, S))
        scores = query @ key[tile].astype(wide, copy=False).T  # (rows, tile)
        if softcap is not None:
            scores = softcap * np.tanh(scores / softcap)
        mask_tile(scores, key_block(mask, tile.start, tile.stop), diagonal, start)
        larger = np.maximum(maximum, scores.max(axis=-1, keepdims=True))
        finite = np.where(larger == -np.inf, 0, larger)
        np.exp(np.subtract(scores, finite, out=scores), out=scores)
        shrink = np.exp(maximum - finite)
        total = shrink * total + scores.sum(axis=-1, keepdims=True)
        output *= shrink
        output += scores @ value[tile].astype(wide, copy=False)
        maximum = larger
    return output / np.where(total == 0, 1, total)


def mask_tile(scores, mask, diagonal, start):
    """Apply the mask, and the causal diagonal, to a tile whose first key is `start`."""
    if mask is not None and mask.dtype == bool:
        scores[~mask] = -np.inf
    elif mask is not None:
        scores += mask
    rows, columns = scores.shape
    if diagonal is not None and start + columns - 1 > diagonal:
        ahead = start + np.arange(columns) > diagonal + np.arange(rows)[:, None]
        scores[ahead] = -np.inf


def run_all(function, tasks, threads):
    """Call the function on every task, on several threads where that can help."""
    controller = blas_controller()
    if threads == 1 or len(tasks) < 2 or controller is None:
        for task in tasks:
            function(task)
        return
    with (
        controller.limit(limits=1, user_api="blas"),
        concurrent.futures.ThreadPoolExecutor(min(threads, len(tasks))) as pool,
    ):
        for _ in pool.map(function, tasks):
            pass


def thread_count():
    """OMP_NUM_THREADS, or the cores that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdigit() and int(asked):
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@functools.cache
def blas_controller():
    """Return what can hold BLAS to one thread, or None without threadpoolctl."""
    with contextlib.suppress(ImportError):
        from threadpoolctl import ThreadpoolController

        return ThreadpoolController()
