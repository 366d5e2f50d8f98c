"""The NumPy kernel: blocks of queries meet the keys tile by tile, on all threads.

A tile of scores stays in the cache of one core, so the L x S matrix never exists. Where
a bound tells that no score is large, two matrix products and one exp are all there is;
elsewhere a running maximum is kept, as in `attnlib.tiled`.
"""

import collections
import concurrent.futures
import contextlib
import functools
import itertools
import math
import os
import sys
import threading

import numpy as np

from attnlib._array import broadcast_shapes
from attnlib.attention import finite_maximum, nonzero

ROWS, KEYS = 512, 512  # a tile of scores: 1 MiB in float32, for the cache of one core
LIMIT = 40.0  # exp(-40) to exp(40) and their sums are far from under- and overflow


def numpy_attention(query, key, value, attn_mask, is_causal, scale, softcap):
    """Share the blocks of queries among threads; each writes its rows of the output."""
    lead = broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    L, S, Ev = query.shape[-2], key.shape[-2], value.shape[-1]
    output = np.zeros((*lead, L, Ev), query.dtype)
    if S == 0 or output.size == 0:
        return output
    query, key, value = (spread(x, lead, x.shape[-2:]) for x in (query, key, value))
    mask = None if attn_mask is None else spread(attn_mask, lead, (L, S))

    def attend(block, rooms):
        *heads, rows = block
        attend_block(
            rooms,
            output[block],
            query[block],
            key[*heads],
            value[*heads],
            None if mask is None else mask[block],
            rows.start if is_causal else None,
            scale,
            softcap,
        )

    threads = thread_count() if math.prod(lead) * L * S >= 4 * ROWS * KEYS else 1
    tasks = blocks((*lead, L), min(S, KEYS), key.shape[-1] + Ev, threads)
    run_all(attend, tasks, threads)
    return output


def spread(x, lead, shape):
    """Broadcast x to (*lead, *shape), where it is not that already."""
    return x if x.shape == (*lead, *shape) else np.broadcast_to(x, (*lead, *shape))


def blocks(shape, columns, width, threads):
    """Cut queries of the shape (..., L) into blocks of a few rows, or a few heads.

    A block's scores with `columns` keys fill a tile or less, as do its keys and values,
    `width` numbers a key. Each thread gets two blocks, if not below 256 rows. The last
    rows of a head, the longest of a causal call, come first.
    """
    share = max(256, math.prod(shape) // (2 * threads))
    most, ranges = min(ROWS * KEYS // columns, share), []
    for n in reversed(shape):
        step = math.ceil(n / math.ceil(n / most))  # blocks of about equal size
        ranges.insert(0, [slice(i, min(i + step, n)) for i in range(0, n, step)])
        most = max(1, min(most // step, ROWS * KEYS // (columns * width)))
    return list(itertools.product(*ranges))[::-1]


def room(rooms, name, shape, dtype):
    """Return an array that a thread uses again for its next block: it stays in cache.

    `rooms` holds what the thread has so far; the numbers in it are left over.
    """
    size = math.prod(shape)
    if name not in rooms or rooms[name].size < size:
        rooms[name] = np.empty(size, dtype)
    return rooms[name][:size].reshape(shape)


def attend_block(rooms, output, query, key, value, mask, diagonal, scale, softcap):
    """Write the attention of queries (..., rows, E) to all keys into `output`.

    Row 0 is query number `diagonal` of a causal call; None where it is not causal.
    """
    wide = np.promote_types(query.dtype, np.float32)
    query = query.astype(wide, copy=False)
    result = output if wide == output.dtype else np.empty(output.shape, wide)
    few = KEYS if wide != key.dtype else ROWS * KEYS // math.prod(query.shape[:-1])
    tiles = functools.partial(seen_tiles, rooms, mask, diagonal, max(KEYS, few))
    part = room(rooms, "part", output.shape, wide)
    safe = mask is None or mask.dtype == bool
    how = (key, value, tiles, scale, softcap)
    if not (safe and attend_bounded(result, part, query, *how)):
        attend_running(result, part, query, *how)
    if result is not output:
        output[...] = result


def seen_tiles(rooms, mask, diagonal, columns, query, key, value):
    """Yield key, value, mask and scores of each tile of keys that is not hidden whole.

    The mask is None where a tile is seen whole; the scores are room for query @ key^T.
    """
    rows, S = query.shape[-2], key.shape[-2]
    starts = [*range(0, S if diagonal is None else diagonal, columns)]
    if diagonal is not None:
        starts, S = [*starts, diagonal], diagonal + rows
    for start, stop in itertools.pairwise([*starts, S]):
        allowed = None if mask is None else mask[..., start:stop]
        if start == diagonal:
            allowed = np.tri(rows, dtype=bool)
        elif allowed is not None and allowed.dtype == bool:
            if not allowed.any():
                continue
            allowed = None if allowed.all() else allowed
        elif allowed is not None and allowed.max() == -math.inf:
            continue
        keys, values = (
            x[..., start:stop, :].astype(query.dtype, copy=False) for x in (key, value)
        )
        shape = (*query.shape[:-1], stop - start)
        yield keys, values, allowed, room(rooms, "scores", shape, query.dtype)


def attend_bounded(output, part, query, key, value, tiles, scale, softcap):
    """Attention without a maximum; False where a score might be beyond +-LIMIT.

    By Cauchy and Schwarz |q . k| <= |q| |k|, two norms that are cheap to know. What is
    left is two products and one exp, the least that attention can do. Values may still
    be too large for it, so the result is looked at.
    """
    exp, unit = (np.exp, 1.0) if softcap is not None else exponential()
    total = np.zeros(output.shape[:-1], output.dtype)
    output[...] = 0
    with np.errstate(over="ignore", invalid="ignore"):
        query = query * (scale * unit)
        longest = longest_row(query) / unit
        for keys, values, allowed, scores in tiles(query, key, value):
            bound = longest * longest_row(keys)
            if not min(bound, softcap or math.inf) <= LIMIT:  # a bound of NaN as well
                return False
            np.matmul(query, keys.mT, out=scores)
            if softcap is not None:
                scores = softcap * np.tanh(scores / softcap)
            exp(scores, out=scores)
            if allowed is not None:
                np.multiply(scores, allowed, out=scores)
            total += scores @ np.ones(scores.shape[-1], scores.dtype)
            output += np.matmul(scores, values, out=part)
        output /= np.where(total == 0, 1, total)[..., None]
    return bool(np.isfinite(output).all())


def attend_running(output, part, query, key, value, tiles, scale, softcap):
    """Attention with a running maximum: `absorb` of attnlib.tiled, written in place."""
    maximum = np.full((*output.shape[:-1], 1), -math.inf, output.dtype)
    total = np.zeros_like(maximum)
    output[...] = 0
    for keys, values, allowed, scores in tiles(query, key, value):
        np.multiply(np.matmul(query, keys.mT, out=scores), scale, out=scores)
        if softcap is not None:
            scores = softcap * np.tanh(scores / softcap)
        if allowed is not None and allowed.dtype == bool:
            scores = np.where(allowed, scores, -math.inf)
        elif allowed is not None:
            scores += allowed
        larger = np.maximum(maximum, scores.max(axis=-1, keepdims=True))
        finite = finite_maximum(larger)
        np.exp(np.subtract(scores, finite, out=scores), out=scores)
        shrink = np.exp(maximum - finite)
        total = shrink * total + scores.sum(axis=-1, keepdims=True)
        output *= shrink
        output += np.matmul(scores, values, out=part)
        maximum = larger
    output /= nonzero(total)


def longest_row(x):
    """Return the largest Euclidean norm of a row, NaN or inf where it is unknown."""
    return math.sqrt(np.vecdot(x, x).max())


def run_all(function, tasks, threads):
    """Call function(task, rooms) on every task, in threads that end with the call.

    `rooms` is a dict of the thread's own.
    """
    threads = min(threads, len(tasks))
    if threads == 1 or blas_controller() is None:
        rooms = {}
        for task in tasks:
            function(task, rooms)
        return
    waiting = collections.deque(tasks)

    def work():
        rooms = {}
        while True:
            try:
                task = waiting.popleft()  # one thread at a time gets each
            except IndexError:
                return
            function(task, rooms)

    with one_blas_thread, concurrent.futures.ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()  # raises what was raised there


def thread_count():
    """OMP_NUM_THREADS, or the cores that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdigit() and int(asked):
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@functools.cache
def exponential():
    """Return (exp2, log2(e)) where NumPy has a vector exp2, else (exp, 1).

    Intel's, on Linux with AVX-512, takes half the time of exp; elsewhere exp wins.
    """
    introspect = getattr(np.lib, "introspect", None)  # from NumPy 2.2 on
    if introspect is None or sys.platform != "linux":
        return np.exp, 1.0
    loops = introspect.opt_func_info(func_name="^exp2$", signature="float32")
    current = loops.get("exp2", {}).get("ff", {}).get("current", "baseline")
    return (np.exp, 1.0) if "baseline" in current else (np.exp2, math.log2(math.e))


class OneBlasThread:
    """Holds BLAS to one thread while any call is inside; the last one out lets go."""

    def __init__(self):
        self.lock, self.inside, self.limit = threading.Lock(), 0, None

    def __enter__(self):
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.limit = blas_controller().limit(limits=1)

    def __exit__(self, *exception):
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limit.restore_original_limits()

    def forget(self):
        """Start afresh in a forked child, where no other thread is inside."""
        if self.inside:
            self.limit.restore_original_limits()
        self.__init__()


one_blas_thread = OneBlasThread()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=one_blas_thread.forget)


@functools.cache
def blas_controller():
    """Return what can hold BLAS to one thread, or None without threadpoolctl."""
    with contextlib.suppress(ImportError):
        from threadpoolctl import ThreadpoolController

        return ThreadpoolController().select(user_api="blas")
