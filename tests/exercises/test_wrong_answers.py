"""Wrong answers that look right: none is accepted, whatever the seed."""

import numpy as np
import pytest

from attnlib import softmax
from attnlib.exercises import get, judge

SEEDS = [
    pytest.param(range(1), id="check"),
    pytest.param(range(1, 60), id="grades", marks=pytest.mark.slow),
]


def shifted(by):
    """A softmax measured against something else than the largest score."""

    def wrong(x, axis=-1):
        with np.errstate(all="ignore"):
            shift = by(np.where(np.isneginf(x), np.nan, x), axis=axis, keepdims=True)
            exps = np.exp(x - np.nan_to_num(shift))
            total = exps.sum(axis, keepdims=True)
            return exps / np.where(total == 0, 1, total)

    return wrong


def filled(fill):
    """The softmax, -inf replaced, rows without a visible score set to 0."""

    def wrong(x, axis=-1):
        dead = np.isneginf(x).all(axis, keepdims=True)
        x = np.where(np.isneginf(x), fill, x)
        exps = np.exp(x - x.max(axis, keepdims=True))
        return np.where(dead, 0, exps / exps.sum(axis, keepdims=True))

    return wrong


SHIFTS = (np.nanmean, np.nanmin, np.nanmedian)
SHIFTED = [shifted(by) for by in SHIFTS]
FILLED = [filled(-100.0), filled(-1e4), filled(-1e9)]


def by_power(scores, temperature):
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights = (weights / weights.sum(-1, keepdims=True)) ** (1 / temperature)
    return weights / weights.sum(-1, keepdims=True)


def tempered(softmax):
    return lambda scores, temperature: softmax(scores / temperature)


def attending(softmax, scale=True):
    """Attention, with a mask or none, by a softmax of one's own."""

    def wrong(query, key, value, mask=True):
        scores = query @ key.mT / (query.shape[-1] ** 0.5 if scale else 1)
        return softmax(np.where(mask, scores, -np.inf)) @ value

    return wrong


def lowered(by):
    """A number is added to hidden scores; rows without a visible one are set to 0."""

    def wrong(query, key, value, mask):
        scores = query @ key.mT / query.shape[-1] ** 0.5 + np.where(mask, 0, by)
        exps = np.exp(scores - scores.max(-1, keepdims=True))
        output = exps / exps.sum(-1, keepdims=True) @ value
        return np.where(mask.any(-1)[..., None], output, 0)

    return wrong


def very_sharp(query, key, value):
    """A look-up by a softmax that is hard only where the scores lie apart."""
    scores = 1000 * (query @ key.T)
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    return exps / exps.sum(-1, keepdims=True) @ value


def floored(floor):
    def wrong(query, key, penalty):
        scores = query @ key.mT / query.shape[-1] ** 0.5
        scores = scores + np.maximum(penalty, floor)
        exps = np.exp(scores - scores.max(-1, keepdims=True))
        return exps / exps.sum(-1, keepdims=True)

    return wrong


def merged(maximum):
    """Two parts, measured against something else than each row's larger maximum."""

    def wrong(left, right):
        with np.errstate(all="ignore"):
            base = maximum(left[0], right[0])
            base = np.where(np.isneginf(base), 0, base)
            a, b = np.exp(left[0] - base), np.exp(right[0] - base)
            total = a * left[1] + b * right[1]
            output = a * left[2] + b * right[2]
            return output / np.where(total == 0, 1, total)

    return wrong


def absorbed(maximum):
    """A step whose sums are measured against one number for all rows."""

    def wrong(m, total, output, scores, value):
        new = np.maximum(m, scores.max(-1, keepdims=True))
        base = maximum(m, scores.max(-1, keepdims=True))
        base = np.where(np.isneginf(base), 0, base)
        exps, shrink = np.exp(scores - base), np.exp(m - base)
        back = np.exp(base - np.where(np.isneginf(new), 0, new))
        total = (total * shrink + exps.sum(-1, keepdims=True)) * back
        return new, total, (output * shrink + exps @ value) * back

    return wrong


def unshifted(x):
    with np.errstate(all="ignore"):
        exps = np.exp(x)
        return exps / exps.sum(-1, keepdims=True)


def future_filled(fill):
    def wrong(x, W_Q, W_K, W_V):
        scores = (x @ W_Q) @ (x @ W_K).mT / W_Q.shape[1] ** 0.5
        scores = np.where(np.tri(x.shape[-2], dtype=bool), scores, fill)
        exps = np.exp(scores - scores.max(-1, keepdims=True))
        return exps / exps.sum(-1, keepdims=True) @ (x @ W_V)

    return wrong


def future_lowered(by):
    def wrong(x, W_Q, W_K, W_V):
        mask = np.tri(x.shape[-2], dtype=bool)
        return lowered(by)(x @ W_Q, x @ W_K, x @ W_V, mask)

    return wrong


def decoded_unshifted(x, past_key, past_value, W_Q, W_K, W_V):
    key = np.concatenate([past_key, x @ W_K], axis=-2)
    value = np.concatenate([past_value, x @ W_V], axis=-2)
    scores = (x @ W_Q) @ key.mT / key.shape[-1] ** 0.5
    return unshifted(scores) @ value, key, value


def pointed_unshifted(query, key, target):
    return unshifted(key @ query) @ key - key[target]


def log_of_sum(logits, targets):
    true = logits[np.arange(len(targets)), targets]
    return np.mean(np.log(np.exp(logits).sum(-1)) - true)


def picked(softmax, scale=1.0):
    """The sentences that receive most, by a softmax or a scale of one's own."""

    def wrong(x, k):
        with np.errstate(all="ignore"):
            weights = softmax(x @ x.T * x.shape[-1] ** (scale - 1))
        return np.sort(np.argsort(weights.sum(0))[-k:])

    return wrong


def in_single(count):
    """A count that went through float32."""
    return lambda *numbers: float(np.float32(count(*numbers)))


def of_all(a, b):
    return np.full_like(a, np.maximum(a, b).max())


def beside_a_sink(softmax):
    """The sink as one more score, by a softmax of one's own."""

    def wrong(query, key, value, sink):
        scores = query @ key.mT / query.shape[-1] ** 0.5
        sink = np.broadcast_to(sink[:, None, None], (*scores.shape[:-1], 1))
        return softmax(np.concatenate([scores, sink], -1))[..., :-1] @ value

    return wrong


def summed_up(base):
    """Attention and its log-sum-exp, measured against a number of one's own."""

    def wrong(query, key, value, block):
        scores = query @ key.mT / query.shape[-1] ** 0.5
        with np.errstate(all="ignore"):
            shift = base(scores, block)
            exps = np.exp(scores - shift)
            total = exps.sum(-1, keepdims=True)
            return exps @ value / total, (shift + np.log(total))[..., 0]

    return wrong


COUNTS = ("attention_flops", "kv_cache_size", "block_parameters")
WRONG = {
    "stable_softmax": [*SHIFTED, *FILLED],
    "softmax_at_temperature": [by_power, *map(tempered, SHIFTED)],
    "lookup": [attending(softmax, scale=False) for softmax in SHIFTED],
    "scaled_attention": [*map(attending, SHIFTED)],
    "hard_lookup": [very_sharp],
    "masked_attention": [
        *map(attending, SHIFTED + FILLED),
        *map(lowered, (-1e4, -1e6, -1e9)),
    ],
    "penalised_weights": [*map(floored, (-100.0, -1e4, -1e9))],
    "merge_parts": [
        merged(lambda a, b: np.where(np.isneginf(a), b, a)),
        merged(lambda a, b: np.where(np.isneginf(b), a, b)),
        merged(of_all),
        merged(np.minimum),
        merged(lambda a, b: (a + b) / 2),
    ],
    "absorb_block": [absorbed(of_all)],
    "causal_self_attention": [
        *map(future_filled, (-100.0, -1e3, -1e4, -1e9)),
        *map(future_lowered, (-1e4, -1e6, -1e9)),
    ],
    "picked_sentences": [
        picked(unshifted),
        picked(softmax, scale=0.5),
        picked(softmax, scale=0.0),
    ],
    **{name: [in_single(get(name).reference)] for name in COUNTS},
    "decode_step": [decoded_unshifted],
    "pointer_gradient": [pointed_unshifted],
    "stable_cross_entropy": [log_of_sum],
    "sink_attention": [*map(beside_a_sink, [unshifted, *SHIFTED])],
    "flash_forward": [
        summed_up(lambda scores, block: 0.0),
        summed_up(lambda scores, block: scores.max()),
        summed_up(lambda scores, block: scores.min(-1, keepdims=True)),
        summed_up(lambda scores, block: scores[..., :block].max(-1, keepdims=True)),
    ],
}


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param(name, answer, id=f"{name}-{number}")
        for name, found in WRONG.items()
        for number, answer in enumerate(found, start=1)
    ],
)
def test_a_wrong_answer_is_rejected_by_every_seed(name, answer, seeds):
    accepted = [seed for seed in seeds if judge(get(name), answer, seed).passed]
    assert accepted == []
