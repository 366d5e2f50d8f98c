"""Attention as a Triton kernel, as the page *One kernel* shows it."""

import triton
import triton.language as tl


@triton.jit
def attend(
    Q, K, V, out, lse, L, S, scale,
    E: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """One program: a block of queries of one head, against all its keys."""
    block, head = tl.program_id(0), tl.program_id(1)
    i, e = block * ROWS + tl.arange(0, ROWS), tl.arange(0, E)
    own = (head * L + i[:, None]) * E + e[None, :]
    q = tl.load(Q + own, mask=i[:, None] < L, other=0.0)
    highest = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    mixed = tl.zeros((ROWS, E), tl.float32)
    end = tl.minimum((block + 1) * ROWS, S) if CAUSAL else S
    for start in range(0, end, COLS):
        j = start + tl.arange(0, COLS)
        at = (head * S + j[:, None]) * E + e[None, :]
        k = tl.load(K + at, mask=j[:, None] < S, other=0.0)
        v = tl.load(V + at, mask=j[:, None] < S, other=0.0)
        s = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
        seen = (j < S)[None, :]
        if CAUSAL:
            seen = seen & (j[None, :] <= i[:, None])
        s = tl.where(seen, s, float("-inf"))
        higher = tl.maximum(highest, tl.max(s, axis=1))
        shrink = tl.exp(highest - higher)
        p = tl.exp(s - higher[:, None])
        total = total * shrink + tl.sum(p, axis=1)
        mixed = mixed * shrink[:, None] + tl.dot(p, v, input_precision="ieee")
        highest = higher
    tl.store(out + own, mixed / total[:, None], mask=i[:, None] < L)
    tl.store(lse + head * L + i, highest + tl.log(total), mask=i < L)
