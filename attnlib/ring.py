"""Attention over several processes: blocks of keys and values go round a ring.

Each process holds a block of the queries, keys and values. In every step it absorbs
the keys and values that it has, while they travel on to the next process. After as many
steps as there are processes, every query has met every key, and besides its own block
no process has held more than two at a time. Needs torch; imported by name.

Source: Liu et al. 2023, https://arxiv.org/abs/2310.01889.
"""

import math
import typing

import torch
import torch.distributed as dist
from torch.autograd.function import once_differentiable

from attnlib._array import widen
from attnlib._checks import check_data, check_features
from attnlib.attention import attention_scores, default_scale
from attnlib.hidden import finite
from attnlib.masks import causal_mask
from attnlib.tiled import absorb, empty_state


def ring_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    group: "dist.ProcessGroup | None" = None,
) -> torch.Tensor:
    """Attention of this process's queries to the keys of all processes of `group`.

    query (..., L, E), key (..., S, E), value (..., S, Ev) -> (..., L, Ev): this
    process's block. The whole is the blocks in order of rank; L and S may differ from
    process to process, all else may not. `is_causal` and `scale` are those of
    `reference_attention`, with positions counted over the whole.

    Every process of the group must make the call, and the backward pass if one does.
    A process that fails leaves the others waiting for as long as the `timeout` that
    the group was made with. The backward pass computes the weights again, block by
    block, and the gradients of a block travel with it until it is home.
    """
    if not isinstance(query, torch.Tensor):
        raise TypeError(
            f"query must be a torch tensor, got {type(query).__name__}; processes of "
            "torch.distributed pass nothing else on"
        )
    check_data(query=query, key=key, value=value)
    check_features(query, key)
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            "key and value must have the same length S on axis -2, got "
            f"S={key.shape[-2]} and S={value.shape[-2]}"
        )
    scale = default_scale(query) if scale is None else scale
    ring = join(query, key, is_causal, scale, group or dist.group.WORLD)
    return RingAttention.apply(query, key, value, ring)


class Ring(typing.NamedTuple):
    """What a process knows of the others: lengths of all blocks, in order of rank."""

    L: list
    S: list
    rank: int
    is_causal: bool
    scale: float
    group: typing.Any

    def scores(self, query, key, owner):
        """Scores of this process's queries and the keys of `owner`; None: no pair."""
        ahead = sum(self.L[: self.rank]) - sum(self.S[:owner])  # query 0, from key 0
        L, S = self.L[self.rank], self.S[owner]
        if S == 0 or (self.is_causal and ahead + L <= 0):
            return None
        mask = causal_mask(L, S, offset=ahead, like=query) if self.is_causal else None
        return attention_scores(query, key, mask, scale=self.scale)

    def pass_on(self, owner, *blocks):
        """Start to send on `owner`'s blocks; return those arriving, and the wait."""
        ranks = dist.get_process_group_ranks(self.group)
        after, before = (ranks[(self.rank + step) % len(ranks)] for step in (1, -1))
        rows = self.S[owner - 1]
        arriving = [x.new_empty(*x.shape[:-2], rows, x.shape[-1]) for x in blocks]
        requests = dist.batch_isend_irecv(
            [dist.P2POp(dist.isend, x, after, self.group) for x in blocks]
            + [dist.P2POp(dist.irecv, x, before, self.group) for x in arriving]
        )
        return arriving, requests

    def visits(self, key, value):
        """Yield (owner, key, value) of every block; the next one travels meanwhile."""
        blocks = [key.contiguous(), value.contiguous()]
        for step in range(len(self.S)):
            owner = (self.rank - step) % len(self.S)
            arriving, requests = blocks, []
            if step + 1 < len(self.S):
                arriving, requests = self.pass_on(owner, *blocks)
            yield owner, *blocks
            wait(requests)
            blocks = arriving


class RingAttention(torch.autograd.Function):
    """FlashAttention's forward and backward pass, with other processes' blocks."""

    @staticmethod
    def forward(ctx, query, key, value, ring):
        """Absorb each block of keys."""
        state = empty_state(query, key, value)
        for owner, key_block, value_block in ring.visits(key, value):
            scores = ring.scores(query, key_block, owner)
            if scores is not None:
                state = absorb(state, scores, widen(value_block))
        log_total = state.maximum + torch.log(state.total)
        ctx.save_for_backward(query, key, value, state.result, log_total)
        ctx.ring = ring
        return state.result.to(query.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        """Weights again from log_total; d scores = weights * (d weights - inner)."""
        query, key, value, output, log_total = ctx.saved_tensors
        ring, grad, wide = ctx.ring, widen(grad), widen(query)
        inner = (grad * output).sum(-1, keepdim=True)  # (..., L, 1)
        for_query = torch.zeros_like(wide)
        for_block = [torch.zeros_like(widen(x)).contiguous() for x in (key, value)]
        for owner, key_block, value_block in ring.visits(key, value):
            scores = ring.scores(query, key_block, owner)
            if scores is not None:
                seen = scores != -math.inf  # what is hidden may be NaN
                weights = torch.where(seen, torch.exp(scores - log_total), 0)
                for_weights = grad @ widen(value_block).mT - inner
                for_scores = torch.where(seen, weights * for_weights * ring.scale, 0)
                for x, more in (
                    (for_query, for_scores @ finite(widen(key_block))),
                    (for_block[0], for_scores.mT @ finite(wide)),
                    (for_block[1], weights.mT @ grad),
                ):
                    x += more.sum_to_size(x.shape)  # over axes that were broadcast
            if len(ring.S) > 1:
                for_block, requests = ring.pass_on(owner, *for_block)
                wait(requests)
        grads = zip((query, key, value), (for_query, *for_block), strict=True)
        return *(g.to(x.dtype) for x, g in grads), None


def join(query, key, is_causal, scale, group):
    """Tell the lengths of one's blocks, and hear those of all others."""
    own = torch.tensor([query.shape[-2], key.shape[-2]], device=query.device)
    every = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
    dist.all_gather(every, own, group=group)
    L, S = (list(lengths) for lengths in zip(*(x.tolist() for x in every), strict=True))
    if is_causal and sum(L) != sum(S):
        raise ValueError(
            "is_causal=True needs as many queries as keys over all processes, got "
            f"L={'+'.join(map(str, L))} and S={'+'.join(map(str, S))}"
        )
    return Ring(L, S, dist.get_rank(group), is_causal, scale, group)


def wait(requests):
    """Wait until all of them are done."""
    for request in requests:
        request.wait()
