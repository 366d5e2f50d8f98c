"""The NumPy kernel: blocks of queries meet the keys tile by tile, on all threads.

A tile of scores stays in the cache of one core, so the L x S matrix never exists. It
stands transposed, a row for each key: that is how BLAS multiplies it fastest. Where a
bound tells that no score is large, two matrix products and one exp are all there is;
elsewhere a running maximum is kept, as in `attnlib.tiled`.
"""

import functools
import itertools
import math
import sys
import typing

import numpy as np

from attnlib._array import broadcast_shapes
from attnlib._threads import run_all, thread_count
from attnlib.attention import finite_maximum, nonzero
from attnlib.masks import causal_mask
from attnlib.tiled import tiled_attention

ROWS, KEYS = 1024, 256  # a tile of scores: 1 MiB in float32, for the cache of one core
LINE = 64  # bytes of a line of the cache
LIMIT = 40.0  # exp(-40) to exp(40) and their sums are far from under- and overflow


class Block(typing.NamedTuple):
    """Queries (..., rows, E) of some heads, and all that they may attend to."""

    output: np.ndarray  # (..., rows, Ev), zeros at first
    query: np.ndarray
    key: np.ndarray  # (..., S, E)
    value: np.ndarray  # (..., S, Ev)
    mask: np.ndarray | None  # (..., rows, S)
    diagonal: int | None  # the number of row 0 in a causal call; None: not causal
    scale: float
    softcap: float | None


def numpy_attention(query, key, value, attn_mask, is_causal, scale, softcap):
    """Share the blocks of queries among threads; each writes its rows of the output."""
    lead = broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    L, S, Ev = query.shape[-2], key.shape[-2], value.shape[-1]
    output = np.zeros((*lead, L, Ev), query.dtype)
    if softcap is not None and softcap > float(np.finfo(query.dtype).max):
        softcap = None  # no score comes near it
    if S == 0 or output.size == 0:
        return output
    longest = spread(longest_row(key), lead, ())
    query, key, value = (spread(x, lead, x.shape[-2:]) for x in (query, key, value))
    mask = None if attn_mask is None else spread(attn_mask, lead, (L, S))

    def attend(place, rooms):
        *heads, rows = place
        block = Block(
            output[place],
            query[place],
            key[*heads],
            value[*heads],
            None if mask is None else mask[place],
            rows.start if is_causal else None,
            scale,
            softcap,
        )
        attend_block(block, rooms, longest[*heads].max())

    threads = thread_count() if math.prod(lead) * L * S >= 4 * ROWS * KEYS else 1
    places = cut((*lead, L), S, key.shape[-1] + Ev, threads)
    run_all(attend, places, threads)
    return output


def spread(x, lead, shape):
    """Broadcast x to (*lead, *shape), where it is not that already."""
    return x if x.shape == (*lead, *shape) else np.broadcast_to(x, (*lead, *shape))


def longest_row(x):
    """Bound the Euclidean norms of the rows (..., n, E), tightly, in float64."""
    wide = np.promote_types(x.dtype, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.vecdot(x, x, dtype=wide).max(axis=-1).astype(float)
    return np.sqrt(squares + x.shape[-1] * np.finfo(wide).tiny)  # some may underflow


def cut(shape, S, width, threads):
    """Cut queries of the shape (..., L) into blocks of a few rows, or of a few heads.

    A block's scores with KEYS keys fill a tile or less, as do its keys and values,
    `width` numbers a key. Each thread gets two blocks, if not below 256 rows. The last
    rows of a head, the longest of a causal call, come first.
    """
    columns = min(S, KEYS)
    share = max(256, math.prod(shape) // (2 * threads))
    most = min(ROWS * KEYS // columns, share)  # rows of a block, over all its heads
    most_heads = ROWS * KEYS // (columns * width)  # whose keys and values fill a tile
    slices = []  # of each axis
    for n in reversed(shape):  # L first: the fewer rows of a head, the more heads
        step = math.ceil(n / math.ceil(n / most))  # blocks of about equal size
        slices.insert(0, [slice(i, min(i + step, n)) for i in range(0, n, step)])
        most = max(1, min(most // step, most_heads))
    return list(itertools.product(*slices))[::-1]


def room(rooms, name, shape, dtype):
    """Return an array that a thread uses again for its next block: it stays in cache.

    `rooms` holds what the thread has so far; the numbers in it are left over. It starts
    where a line of the cache does, which vector instructions like best.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if name not in rooms or rooms[name].size < size:
        space = np.empty(size + LINE, np.uint8)
        to_next_line = -space.ctypes.data % LINE  # bytes from where the space starts
        rooms[name] = space[to_next_line:]
    return rooms[name][:size].view(dtype).reshape(shape)


def attend_block(block, rooms, longest):
    """Write the attention of a block; `longest` is the largest norm of a key.

    By Cauchy and Schwarz |q . k| <= |q| |k|, two norms that are cheap to know.
    """
    dtype = np.promote_types(block.query.dtype, np.float32)
    output = block.output if dtype == block.output.dtype else block.output.astype(dtype)
    bound = longest_row(block.query).max() * longest * abs(block.scale)
    small = min(bound, block.softcap or math.inf) <= LIMIT  # not where it is NaN
    added = block.mask is not None and block.mask.dtype != bool
    if added or not (small and attend_bounded(block, rooms, output)):
        with np.errstate(invalid="ignore" if masks(block) else None):
            attend_running(block, rooms, output)
        if masks(block) and not np.isfinite(output).all():
            attend_pairwise(block, output)
    if output is not block.output:
        block.output[...] = output


def masks(block):
    """Say whether the block hides any key from any query."""
    return block.mask is not None or block.diagonal is not None


def attend_pairwise(block, output):
    """Attention that leaves out what is hidden pair by pair, NaN or not."""
    rows, S = block.query.shape[-2], block.key.shape[-2]
    mask = block.mask
    if mask is None:
        S = min(S, block.diagonal + rows)
        mask = causal_mask(rows, S, offset=block.diagonal)
    key, value = block.key[..., :S, :], block.value[..., :S, :]
    how = {"scale": block.scale, "softcap": block.softcap, "block_size": KEYS}
    output[...] = tiled_attention(block.query, key, value, mask, **how)


def prepare(block, rooms, factor, dtype):
    """Return query^T * factor, and room for a tile of scores and for a part of output.

    The query is (..., E, rows), the scores (..., keys, rows), the part (..., rows, Ev).
    """
    *lead, rows, E = block.query.shape
    few = ROWS * KEYS // math.prod([*lead, rows]) if dtype == block.key.dtype else KEYS
    columns = min(max(KEYS, few), block.key.shape[-2])
    query = room(rooms, "query", (*lead, E, rows), dtype)
    np.multiply(block.query.mT, factor, out=query, dtype=dtype)
    scores = room(rooms, "scores", (*lead, columns, rows), dtype)
    return query, scores, room(rooms, "part", block.output.shape, dtype)


def seen_tiles(block, columns):
    """Yield the keys, the rows and the mask of each tile that is not hidden whole.

    Two slices: at most `columns` keys, and the rows from the first to the last that see
    one of them. The mask, (..., keys, rows), is None where all of these see all, or
    short: rows beyond its last see all.
    """
    count, S = block.query.shape[-2], block.key.shape[-2]
    above = S if block.diagonal is None else block.diagonal  # seen by every row
    for start in range(0, above, columns):
        keys = slice(start, min(start + columns, above))
        if block.mask is None:
            yield keys, slice(None), None
            continue
        allowed = block.mask[..., keys].mT
        seen = allowed if allowed.dtype == bool else allowed != -math.inf
        seeing = np.flatnonzero(seen.any(axis=tuple(range(seen.ndim - 1))))
        if seeing.size == 0:
            continue
        rows = slice(seeing[0], seeing[-1] + 1)
        allowed = allowed[..., rows]
        yield keys, rows, None if allowed.dtype == bool and allowed.all() else allowed
    for first in range(0, min(count, S - above), KEYS):
        last = min(first + KEYS, count)
        later = np.tri(last - first, dtype=bool, k=-1)
        yield slice(above + first, above + last), slice(first, None), ~later


def attend_bounded(block, rooms, output):
    """Attention without a maximum, where no score is beyond +-LIMIT.

    What is left is two products and one exp, the least that attention can do. Values
    may still be too large for it: False where the result is not finite.
    """
    key, value, softcap = block.key, block.value, block.softcap
    exp, unit = (np.exp, 1.0) if softcap is not None else exponential()
    total = np.zeros(output.shape[:-1], output.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        query, scores, part = prepare(block, rooms, block.scale * unit, output.dtype)
        ones = np.ones(scores.shape[-2], output.dtype)
        for keys, rows, allowed in seen_tiles(block, len(ones)):
            n = keys.stop - keys.start
            x = scores[..., :n, rows]
            np.matmul(key[..., keys, :], query[..., rows], out=x)
            if softcap is not None:
                x = softcap * np.tanh(x / softcap)
            exp(x, out=x)
            if allowed is not None:
                masked = x[..., : allowed.shape[-1]]
                np.multiply(masked, allowed, out=masked)
            total[..., rows] += ones[:n] @ x
            mixed = np.matmul(x.mT, value[..., keys, :], out=part[..., rows, :])
            output[..., rows, :] += mixed
        output /= np.where(total == 0, 1, total)[..., None]
    return bool(np.isfinite(output).all())


def attend_running(block, rooms, output):
    """Attention with a running maximum: `absorb` of attnlib.tiled, written in place."""
    key, value, softcap = block.key, block.value, block.softcap
    query, scores, part = prepare(block, rooms, 1, output.dtype)
    maximum = np.full(output.shape[:-1], -math.inf, output.dtype)
    total = np.zeros_like(maximum)
    output[...] = 0
    for keys, rows, allowed in seen_tiles(block, scores.shape[-2]):
        x = scores[..., : keys.stop - keys.start, rows]
        np.multiply(
            np.matmul(key[..., keys, :], query[..., rows], out=x), block.scale, out=x
        )
        if softcap is not None:
            x = softcap * np.tanh(x / softcap)
        if allowed is not None and allowed.dtype == bool:
            np.copyto(x[..., : allowed.shape[-1]], -math.inf, where=~allowed)
        elif allowed is not None:
            x += allowed
        larger = np.maximum(maximum[..., rows], x.max(axis=-2))
        finite = finite_maximum(larger)
        np.exp(np.subtract(x, finite[..., None, :], out=x), out=x)
        shrink = np.exp(maximum[..., rows] - finite)
        maximum[..., rows] = larger
        total[..., rows] = shrink * total[..., rows] + x.sum(axis=-2)
        output[..., rows, :] *= shrink[..., None]
        mixed = np.matmul(x.mT, value[..., keys, :], out=part[..., rows, :])
        output[..., rows, :] += mixed
    output /= nonzero(total)[..., None]


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
