"""Tiled attention: the exact result from one block of keys at a time.

FlashAttention's recurrence in plain steps. Three running quantities per query are
enough: the largest score so far, the sum of exponentials, and the weighted sum of
values. The L x S weights are never stored.

Sources: Milakov and Gimelshein 2018, https://arxiv.org/abs/1805.02867;
Dao et al. 2022, https://arxiv.org/abs/2205.14135.
"""

import math
import typing

from attnlib._array import Array, array_namespace, transpose, widen
from attnlib._checks import check_count
from attnlib.attention import attention_scores, finite_maximum, nonzero
from attnlib.hidden import mix
from attnlib.masks import causal_mask, check_causal, key_block


class OnlineSoftmax(typing.NamedTuple):
    """What is known of a row of attention after some of its keys.

    maximum (..., L, 1): the largest score so far, -inf before the first.
    total (..., L, 1): sum of exp(score - maximum).
    output (..., L, Ev): sum of exp(score - maximum) * value, not yet divided by total.
    """

    maximum: Array
    total: Array
    output: Array

    @property
    def result(self) -> Array:
        """output / total: attention over the keys so far; 0 where there were none."""
        return self.output / nonzero(self.total)


def absorb(state: OnlineSoftmax, scores: Array, value: Array) -> OnlineSoftmax:
    """Return `state` after one more block of keys.

    scores (..., L, block), value (..., block, Ev). A masked score is -inf, and its
    value has no influence.
    """
    xp = array_namespace(scores)
    maximum = xp.max(scores, axis=-1, keepdims=True)
    exps = xp.exp(scores - finite_maximum(maximum))
    total = xp.sum(exps, axis=-1, keepdims=True)
    return merge(state, OnlineSoftmax(maximum, total, mix(exps, value, scores)))


def merge(left: OnlineSoftmax, right: OnlineSoftmax) -> OnlineSoftmax:
    """Return the state over the keys of both; associative, so any order will do."""
    xp = array_namespace(left.maximum)
    maximum = xp.maximum(left.maximum, right.maximum)
    keep_left = xp.exp(left.maximum - finite_maximum(maximum))
    keep_right = xp.exp(right.maximum - finite_maximum(maximum))
    return OnlineSoftmax(
        maximum,
        keep_left * left.total + keep_right * right.total,
        keep_left * left.output + keep_right * right.output,
    )


def tiled_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    softcap: float | None = None,
    block_size: int = 128,
) -> Array:
    """Attention over blocks of `block_size` keys; arguments of `reference_attention`.

    Extra memory is L x block_size instead of L x S. (With autograd recording, the
    blocks are kept for the backward pass.)
    """
    check_count("block_size", block_size, least=1)
    L, S = query.shape[-2], key.shape[-2]
    check_causal(attn_mask, is_causal, L, S)
    state = empty_state(query, key, value)
    for start in range(0, S, block_size):
        stop = min(start + block_size, S)
        if is_causal:
            block_mask = causal_mask(L, stop - start, offset=-start, like=query)
        else:
            block_mask = key_block(attn_mask, start, stop)
        key_tile, value_tile = key[..., start:stop, :], value[..., start:stop, :]
        scores = attention_scores(
            query, key_tile, block_mask, scale=scale, softcap=softcap
        )
        state = absorb(state, scores, widen(value_tile))
    return array_namespace(query).astype(state.result, query.dtype, copy=False)


def empty_state(query, key, value):
    """Return the state before the first key: attention to none of them."""
    scores = widen(query) @ transpose(widen(key[..., :0, :]))  # (..., L, 0)
    total = array_namespace(scores).sum(scores, axis=-1, keepdims=True)  # 0
    return OnlineSoftmax(total - math.inf, total, scores @ widen(value[..., :0, :]))
