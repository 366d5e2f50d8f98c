"""Exercises of chapter 6, complexity."""

import numpy as np

from attnlib import (
    Cost,
    Device,
    OnlineSoftmax,
    absorb,
    attainable_seconds,
    attention_cost,
    kv_cache_bytes,
    merge,
    sliding_window_mask,
)
from attnlib.exercises._core import Case, Exercise, Mistake

# attention_flops


def attention_flops(L, S, E, Ev):
    return attention_cost(L, S, E, Ev).flops


def attention_flops_cases(rng):
    L, S, E, Ev = (int(n) for n in rng.permutation([3, 5, 8, 11]))
    return [
        Case((1, 7, 4, 2), "one query, 7 keys, E=4, Ev=2"),
        Case((L, S, E, Ev), "four different numbers below 12"),
        Case((643, 257, 129, 64), "L=643, S=257, E=129, Ev=64"),  # no float32
    ]


ATTENTION_FLOPS = Exercise(
    name="attention_flops",
    chapter=6,
    title="Count the FLOPs of attention",
    objective="count what attention costs before measuring it",
    minutes=6,
    difficulty=1,
    points=2,
    reference=attention_flops,
    cases=attention_flops_cases,
    mistakes=(
        Mistake(
            lambda L, S, E, Ev: L * S * (E + Ev),
            "You counted multiply-adds: each is one multiplication and one addition, "
            "so two FLOPs, and your count is half of the right one.",
        ),
        Mistake(
            lambda L, S, E, Ev: 2 * L * S * E,
            "You counted the scores and stopped: mixing the values costs as well, and "
            "your count does not change with Ev.",
        ),
        Mistake(
            lambda L, S, E, Ev: 2 * L * S * Ev,
            "You counted the mixing of the values only: your count does not change "
            "with E, although each score sums E products.",
        ),
        Mistake(
            lambda L, S, E, Ev: 4 * L * S * E,
            "You took the values to be as wide as the keys: your count does not change "
            "with Ev.",
        ),
        Mistake(
            lambda L, S, E, Ev: 2 * S * S * (E + Ev),
            "You let the keys ask as well: pairs are L times S, and your count does "
            "not change with L.",
        ),
        Mistake(
            lambda L, S, E, Ev: 2 * L * L * (E + Ev),
            "You counted pairs of queries: pairs are L times S, and your count does "
            "not change with S.",
        ),
        Mistake(
            lambda L, S, E, Ev: 2 * L * S * E * Ev,
            "You multiplied the two widths: scores and mixing are two steps one after "
            "the other, so their costs add.",
        ),
        Mistake(
            lambda L, S, E, Ev: L * S * (2 * E - 1) + L * Ev * (2 * S - 1),
            "You left out the addition to 0 that starts each sum: here a sum of n "
            "products counts n multiplications and n additions, so 2 n FLOPs.",
        ),
        Mistake(
            lambda L, S, E, Ev: 2 * L * S * (E + Ev) + L * S,
            "You counted the scale as well: the task asks for the two matrix products "
            "only.",
        ),
        Mistake(
            lambda L, S, E, Ev: 2 * L * S * (E + Ev) + 3 * L * S,
            "You counted the softmax as well: the task asks for the two matrix "
            "products only.",
        ),
        Mistake(
            lambda *numbers: float(np.float32(attention_flops(*numbers))),
            "Your count is rounded, as float32 does above 2**24: count in whole "
            "numbers, as Python's int does by itself.",
        ),
    ),
)


# window_pairs


def window_pairs(n, width):
    return int(sliding_window_mask(n, left=width - 1, right=0).sum())


def window_pairs_cases(rng):
    n = int(rng.integers(20, 40))
    return [
        Case((6, 3), "6 tokens, a window of 3"),
        Case((9, 1), "9 tokens that see only themselves"),
        Case((5, 8), "a window wider than the text"),
        Case((n, 7), "some twenty or thirty tokens, a window of 7"),
        Case((1000, 128), "1000 tokens, a window of 128"),
    ]


WINDOW_PAIRS = Exercise(
    name="window_pairs",
    chapter=6,
    title="How many pairs a window leaves",
    objective="count the pairs that a causal window lets meet",
    minutes=8,
    difficulty=2,
    points=3,
    reference=window_pairs,
    cases=window_pairs_cases,
    mistakes=(
        Mistake(
            lambda n, width: n * width,
            "You gave every token a full window: the first tokens have fewer keys "
            "before them, so your count is too large.",
        ),
        Mistake(
            lambda n, width: n * min(n, width),
            "You cut the window to the length of the text, but still gave every token "
            "a full one: the first tokens have fewer keys before them.",
        ),
        Mistake(
            lambda n, width: n * (n + 1) // 2,
            "You counted all causal pairs: your count does not change with the width.",
        ),
        Mistake(
            lambda n, width: sum(min(i + 1, width + 1) for i in range(n)),
            "You gave each token `width` keys besides itself: the token is one of the "
            "`width`, so each full window of yours is one too large.",
        ),
        Mistake(
            lambda n, width: sum(min(i, width - 1) for i in range(n)),
            "You left the token itself out: it is a key of its own window, and your "
            "count is n too small.",
        ),
        Mistake(
            lambda n, width: int(
                sliding_window_mask(n, left=width - 1, right=width - 1).sum()
            ),
            "You looked ahead as well: your window reaches to both sides, and a causal "
            "one ends at the token itself.",
        ),
        Mistake(
            lambda n, width: sum(range(1, min(n, width) + 1)),
            "You counted the tokens at the start, whose window is still growing, and "
            "stopped: the later ones have a full window each.",
        ),
        Mistake(
            lambda n, width: max(n - width, 0) * width,
            "You counted full windows only, and not all of them: the first tokens see "
            "something, too, and the token itself is in its window.",
        ),
        Mistake(
            lambda n, width: width * (width + 1) // 2 + (n - width) * width,
            "You are right where the window fits into the text: in a wider one, no "
            "token has more keys than tokens before it, itself included.",
        ),
        Mistake(
            lambda n, width: max(n - width + 1, 0) * width,
            "You counted the full windows and left out the tokens at the start, whose "
            "window is still growing.",
        ),
        Mistake(
            lambda n, width: sum(min(i, width) for i in range(n)),
            "You gave token i, counted from 0, at most i keys: it sees itself as "
            "well, so i + 1 as far as the window allows.",
        ),
    ),
)


# kv_cache_size


def bytes_but(factor):
    """A mistake: the bytes for one head, times a factor of the numbers of heads."""

    def wrong(S, E, num_layers, num_heads, num_kv_heads, itemsize):
        return 2 * S * E * num_layers * itemsize * factor(num_heads, num_kv_heads)

    return wrong


def kv_cache_size(S, E, num_layers, num_heads, num_kv_heads, itemsize):
    return kv_cache_bytes(
        S, E, num_layers=num_layers, num_kv_heads=num_kv_heads, itemsize=itemsize
    )


def kv_cache_size_cases(rng):
    S = int(rng.integers(50, 99))
    return [
        Case((1, 64, 1, 1, 1, 2), "one token, one layer, one head, 2 bytes a number"),
        Case((S, 16, 3, 8, 2, 4), "some tokens, 3 layers, 8 heads that share 2"),
        Case((2048, 128, 32, 32, 8, 2), "a model of 32 layers, 32 heads that share 8"),
        Case((4097, 129, 33, 9, 3, 2), "4097 tokens, 33 layers, 9 heads that share 3"),
    ]


KV_CACHE_SIZE = Exercise(
    name="kv_cache_size",
    chapter=6,
    title="Bytes of a key-value cache",
    objective="say what a cache of keys and values weighs",
    minutes=8,
    difficulty=2,
    points=3,
    reference=kv_cache_size,
    cases=kv_cache_size_cases,
    mistakes=(
        Mistake(
            lambda S, E, num_layers, num_heads, num_kv_heads, itemsize: (
                S * E * num_layers * num_kv_heads * itemsize
            ),
            "You stored the keys and forgot the values: your cache is half of what it "
            "must be.",
        ),
        Mistake(
            lambda S, E, num_layers, num_heads, num_kv_heads, itemsize: (
                2 * S * E * num_layers * num_heads * itemsize
            ),
            "You gave every query head keys of its own: shared heads are stored once, "
            "and your cache is too large where heads share.",
        ),
        Mistake(
            lambda S, E, num_layers, num_heads, num_kv_heads, itemsize: (
                2 * S * E * num_kv_heads * itemsize
            ),
            "You counted one layer: every layer has keys and values of its own.",
        ),
        Mistake(
            lambda S, E, num_layers, num_heads, num_kv_heads, itemsize: (
                2 * S * E * num_layers * num_kv_heads
            ),
            "You counted numbers where the question asks for bytes: your result does "
            "not change with the itemsize.",
        ),
        Mistake(
            lambda S, E, num_layers, num_heads, num_kv_heads, itemsize: (
                2 * S * E * num_layers * num_kv_heads * itemsize * 8
            ),
            "You counted bits: the itemsize is in bytes already, and your result is 8 "
            "times too large.",
        ),
        Mistake(
            lambda S, E, num_layers, num_heads, num_kv_heads, itemsize: (
                2 * S * S * num_layers * num_kv_heads * itemsize
            ),
            "You stored a matrix of S by S: the cache holds one row of E numbers for "
            "each token, so it grows with S and not with its square.",
        ),
        Mistake(
            lambda S, E, num_layers, num_heads, num_kv_heads, itemsize: (
                3 * S * E * num_layers * num_kv_heads * itemsize
            ),
            "You stored the queries as well: an old query is never asked again, so "
            "only its key and value stay.",
        ),
        Mistake(
            bytes_but(lambda heads, kv_heads: 1),
            "You counted one head: every key-value head has keys and values of its "
            "own, E numbers wide.",
        ),
        Mistake(
            bytes_but(lambda heads, kv_heads: heads * kv_heads),
            "You multiplied both numbers of heads: only the key-value heads are "
            "stored.",
        ),
        Mistake(
            bytes_but(lambda heads, kv_heads: kv_heads / heads),
            "You divided by the number of heads: E is the width of one head already.",
        ),
        Mistake(
            bytes_but(lambda heads, kv_heads: kv_heads / 1024),
            "You counted kibibytes: the question asks for bytes, so your result is "
            "1024 times too small.",
        ),
        Mistake(
            bytes_but(lambda heads, kv_heads: heads / kv_heads),
            "You took the ratio of the two numbers of heads, which is how many queries "
            "share one: stored are the key-value heads themselves.",
        ),
        Mistake(
            bytes_but(lambda heads, kv_heads: kv_heads + heads / 2),
            "You stored the queries of all query heads as well: an old query is "
            "never asked again, so only keys and values stay.",
        ),
        Mistake(
            lambda *numbers: float(np.float32(kv_cache_size(*numbers))),
            "Your count is rounded, as float32 does above 2**24: count in whole "
            "numbers, as Python's int does by itself.",
        ),
    ),
)


# least_seconds


def least_seconds(flops, nbytes, peak_flops, bandwidth):
    device = Device("any", peak_flops, bandwidth)
    return attainable_seconds(Cost(flops, nbytes), device)


def least_seconds_cases(rng):
    some = float(rng.uniform(2, 4))
    return [
        Case((8e12, 1e9, 4e12, 1e11), "much arithmetic, few bytes"),
        Case((2e9, 3e9, 5e12, 1e11), "little arithmetic, many bytes"),
        Case((some * 1e12, 1e12, 2e13, 2e12), "bytes take somewhat longer"),
        Case((0.0, 5e9, 1e12, 1e11), "a copy: bytes and no arithmetic"),
    ]


LEAST_SECONDS = Exercise(
    name="least_seconds",
    chapter=6,
    title="The roofline",
    objective="tell whether arithmetic or memory decides the time",
    minutes=8,
    difficulty=2,
    points=3,
    reference=least_seconds,
    cases=least_seconds_cases,
    mistakes=(
        Mistake(
            lambda flops, nbytes, peak_flops, bandwidth: (
                flops / peak_flops + nbytes / bandwidth
            ),
            "You added the two times: at best arithmetic and memory work at the same "
            "time, and the slower one decides.",
        ),
        Mistake(
            lambda flops, nbytes, peak_flops, bandwidth: min(
                flops / peak_flops, nbytes / bandwidth
            ),
            "You let the faster of the two decide: both have to be finished, so your "
            "time cannot be reached.",
        ),
        Mistake(
            lambda flops, nbytes, peak_flops, bandwidth: flops / peak_flops,
            "You looked at the arithmetic only: a copy without arithmetic would take "
            "no time at all.",
        ),
        Mistake(
            lambda flops, nbytes, peak_flops, bandwidth: nbytes / bandwidth,
            "You looked at the bytes only: a call with much arithmetic takes longer "
            "than its bytes do.",
        ),
        Mistake(
            lambda flops, nbytes, peak_flops, bandwidth: max(
                flops / bandwidth, nbytes / peak_flops
            ),
            "You mixed the rates: FLOPs are done at peak_flops per second, and bytes "
            "move at the bandwidth.",
        ),
        Mistake(
            lambda flops, nbytes, peak_flops, bandwidth: (
                flops / min(peak_flops, bandwidth * flops / nbytes)
                if flops
                else flops / peak_flops
            ),
            "Your rate of attainable FLOPs is right, but you divide the FLOPs by it: "
            "a copy without arithmetic then takes no time at all.",
        ),
        Mistake(
            lambda flops, nbytes, peak_flops, bandwidth: max(
                flops / peak_flops, 8 * nbytes / bandwidth
            ),
            "You counted bits: the bandwidth is in bytes per second, as the traffic is "
            "in bytes.",
        ),
        Mistake(
            lambda flops, nbytes, peak_flops, bandwidth: min(
                peak_flops, bandwidth * flops / nbytes
            ),
            "You returned the attainable rate, in FLOPs per second: the question asks "
            "for the time.",
        ),
    ),
)


# absorb_block


def absorb_block(maximum, total, output, scores, value):
    return tuple(absorb(OnlineSoftmax(maximum, total, output), scores, value))


def state_of(scores, value):
    """The state after these keys; scores are finite somewhere in each row."""
    maximum = scores.max(-1, keepdims=True)
    exps = np.exp(scores - maximum)
    return maximum, exps.sum(-1, keepdims=True), exps @ value


def nothing_yet(L, Ev, lead=()):
    shape = (*lead, L, 1)
    return np.full(shape, -np.inf), np.zeros(shape), np.zeros((*lead, L, Ev))


def absorb_block_cases(rng):
    def block(L, S, Ev, lead=(), shift=0.0):
        scores = np.round(16 * rng.normal(size=(*lead, L, S))) / 16 + shift
        return scores, rng.normal(size=(*lead, S, Ev))  # scores exact in float32, too

    hidden, value = block(3, 4, 2)
    hidden[1] = hidden[0, :2] = -np.inf
    masked = hidden.copy()
    masked[:] = -np.inf
    return [
        Case((*nothing_yet(2, 4), *block(2, 3, 4)), "the first block: 3 keys"),
        Case((*state_of(*block(3, 5, 2)), *block(3, 4, 2)), "a second block of 4 keys"),
        Case(
            (*state_of(*block(3, 5, 2)), *block(3, 1, 2, shift=4)),
            "one key that beats all before it",
        ),
        Case(
            (*state_of(*block(3, 5, 2)), *block(3, 4, 2, shift=-3)),
            "a block that changes little",
        ),
        Case(
            (*state_of(*block(3, 5, 2, shift=900)), *block(3, 4, 2, shift=905)),
            "scores near 900",
        ),
        Case(
            (*state_of(*block(3, 5, 2, shift=APART)), *block(3, 4, 2, shift=APART)),
            "rows that are 1000 apart",
        ),
        Case(
            (*state_of(*block(3, 5, 2, shift=APART)), *block(3, 4, 2, shift=-APART)),
            "a block that is 2000 higher in one row, 2000 lower in another",
        ),
        Case(
            (*state_of(*block(3, 5, 2)), hidden, value),
            "a mask hides a whole row of the block",
        ),
        Case((*nothing_yet(3, 2), masked, value), "a first block that is all hidden"),
        Case(
            (*state_of(*block(2, 6, 3, (2,))), *block(2, 4, 3, (2,))),
            "a batch of 2, a second block of 4 keys",
        ),
    ]


def finite_or_0(maximum):
    return np.where(maximum == -np.inf, 0, maximum)


def step(
    maximum,
    total,
    output,
    scores,
    value,
    *,
    keep_total=True,
    keep_output=True,
    inverse=False,
    own=False,
    block_own=False,
    finite=True,
    whole=False,
    keep_maximum=False,
):
    """The right step, but for what a mistake changes in it."""
    top = scores.max(-1, keepdims=True)
    larger = top if own else np.maximum(maximum, top)
    larger = np.full_like(larger, larger.max()) if whole else larger
    base = finite_or_0(larger) if finite else larger
    exps = np.exp(scores - (finite_or_0(top) if block_own else base))
    shrink = np.exp(base - maximum) if inverse else np.exp(maximum - base)
    return (
        maximum if keep_maximum else larger,
        total * (shrink if keep_total else 1) + exps.sum(-1, keepdims=True),
        output * (shrink if keep_output else 1) + exps @ value,
    )


def turned_round(maximum, total, output, scores, value):
    """The factor's sign reversed; 1 where nothing has been absorbed yet."""
    larger = np.maximum(maximum, scores.max(-1, keepdims=True))
    base = finite_or_0(larger)
    exps = np.exp(scores - base)
    growth = np.exp(base - np.where(maximum == -np.inf, base, maximum))
    total = total * growth + exps.sum(-1, keepdims=True)
    return larger, total, output * growth + exps @ value


def divided(*args):
    maximum, total, output = step(*args)
    return maximum, total, output / np.where(total == 0, 1, total)


def first_exponential(maximum, total, output, scores, value):
    larger = np.maximum(maximum, scores.max(-1, keepdims=True))
    exps = np.exp(scores)
    return larger, total + exps.sum(-1, keepdims=True), output + exps @ value


ABSORB_BLOCK = Exercise(
    name="absorb_block",
    chapter=6,
    title="Online softmax, one block at a time",
    objective="absorb a block of keys without looking back",
    minutes=20,
    difficulty=3,
    points=6,
    parts=("maximum", "total", "output"),
    reference=absorb_block,
    cases=absorb_block_cases,
    mistakes=(
        Mistake(
            lambda *args: step(*args, keep_total=False, keep_output=False),
            "You added the new block to the old sums as they were: they were measured "
            "against the old maximum, and need one factor each time it rises.",
        ),
        Mistake(
            lambda *args: step(*args, keep_total=False),
            "You put the output right but not the total: the old total was measured "
            "against the old maximum as well.",
        ),
        Mistake(
            lambda *args: step(*args, keep_output=False),
            "You put the total right but not the output: the old output was measured "
            "against the old maximum as well.",
        ),
        Mistake(
            lambda *args: step(*args, inverse=True),
            "You turned the factor round: when the maximum rises, the old sums must "
            "shrink, and yours grow.",
        ),
        Mistake(
            lambda *args: step(*args, own=True),
            "You took the block's own maximum as the new one: when the block's scores "
            "are all lower than before, your maximum falls.",
        ),
        Mistake(
            divided,
            "You divided by the total already: the next block needs the undivided sum, "
            "and the division comes once, after the last block.",
        ),
        Mistake(
            lambda *args: step(*args, finite=False),
            "You are right for ordinary rows, but a row whose scores are all -inf so "
            "far becomes NaN: -inf minus -inf.",
        ),
        Mistake(
            first_exponential,
            "You took exp of the scores as they are: near 900 it overflows, and the "
            "total no longer fits to the maximum that you return.",
        ),
        Mistake(
            lambda *args: step(*args, keep_maximum=True),
            "You returned the old maximum: your sums are measured against the new one, "
            "and the next block has to know it.",
        ),
        Mistake(
            lambda *args: step(*args, whole=True),
            "You took one maximum for all rows: a row far below it underflows to 0. "
            "Each row has a maximum of its own.",
        ),
        Mistake(
            turned_round,
            "You turned the factor round, with a guard for the first block: it is "
            "at most 1, since a higher maximum makes the old sums smaller.",
        ),
        Mistake(
            lambda *args: step(*args, block_own=True),
            "You measured the block against its own maximum: old sums and new "
            "exponentials add up only when both are measured against the same one, "
            "the larger.",
        ),
    ),
)


# merge_parts

APART = np.array([[0.0], [1000.0], [-1000.0]])  # row by row


def merge_parts(left, right):
    return merge(OnlineSoftmax(*left), OnlineSoftmax(*right)).result


def merge_parts_cases(rng):
    def part(L, S, Ev, lead=(), shift=0.0):
        scores = np.round(16 * rng.normal(size=(*lead, L, S))) / 16 + shift
        return state_of(scores, rng.normal(size=(*lead, S, Ev)))

    return [
        Case((part(1, 2, 3), part(1, 4, 3)), "one query, parts of 2 and 4 keys"),
        Case((part(3, 5, 2), part(3, 4, 2, shift=2)), "higher scores on the right"),
        Case((part(3, 4, 2, shift=3), part(3, 4, 2)), "higher scores on the left"),
        Case((part(2, 3, 4), nothing_yet(2, 4)), "nothing on the right"),
        Case((nothing_yet(2, 4), nothing_yet(2, 4)), "no key at all: the result is 0"),
        Case((part(3, 4, 2, shift=800), part(3, 5, 2, shift=801)), "scores near 800"),
        Case((part(3, 4, 2), part(3, 5, 2, shift=1000)), "the right part 1000 higher"),
        Case((part(3, 4, 2, shift=1000), part(3, 5, 2)), "the left part 1000 higher"),
        Case(
            (part(3, 4, 2, shift=APART), part(3, 5, 2, shift=APART)),
            "rows that are 1000 apart",
        ),
        Case(
            (part(3, 4, 2, shift=APART), part(3, 5, 2, shift=-APART)),
            "parts that are 2000 apart, the left one higher in one row, not in another",
        ),
        Case((part(2, 5, 3, (2,)), part(2, 3, 3, (2,))), "a batch of 2"),
    ]


def result(part):
    return part[2] / np.where(part[1] == 0, 1, part[1])


def divided_by_plain_totals(left, right):
    m = finite_or_0(np.maximum(left[0], right[0]))
    total = left[1] + right[1]
    output = np.exp(left[0] - m) * left[2] + np.exp(right[0] - m) * right[2]
    return output / np.where(total == 0, 1, total)


def joined(left, right, *, to_left=True, to_right=True, finite=True, divide=True):
    """The right merge, but for what a mistake leaves out."""
    m = np.maximum(left[0], right[0])
    m = np.where(m == -np.inf, 0, m) if finite else m
    a = np.exp(left[0] - m) if to_left else 1
    b = np.exp(right[0] - m) if to_right else 1
    total = a * left[1] + b * right[1] if divide else 1
    return (a * left[2] + b * right[2]) / np.where(total == 0, 1, total)


def measured(left, right, base):
    """The merge, measured against another base than each row's larger maximum."""
    base = np.where(base == -np.inf, 0, base)
    a, b = np.exp(left[0] - base), np.exp(right[0] - base)
    total = a * left[1] + b * right[1]
    return (a * left[2] + b * right[2]) / np.where(total == 0, 1, total)


def unguarded(left, right, base):
    """The merge against some base, as it is: -inf gives NaN."""
    a, b = np.exp(left[0] - base), np.exp(right[0] - base)
    return (a * left[2] + b * right[2]) / (a * left[1] + b * right[1])


def by_shares(left, right, a, b):
    total = np.where(a + b == 0, 1, a + b)
    return (a * result(left) + b * result(right)) / total


MERGE_PARTS = Exercise(
    name="merge_parts",
    chapter=6,
    title="Merge two partial results",
    objective="join attention over two parts of the keys exactly",
    minutes=15,
    difficulty=3,
    points=5,
    rtol=2e-4,
    why_rtol="float32 with logarithms of sums near 1000: it holds 4 decimals there",
    reference=merge_parts,
    cases=merge_parts_cases,
    mistakes=(
        Mistake(
            lambda left, right: (result(left) + result(right)) / 2,
            "You took the mean of the two results: a part with high scores must count "
            "more, and a part without keys not at all.",
        ),
        Mistake(
            lambda left, right: by_shares(left, right, left[1], right[1]),
            "You weighted the two results by their totals: each total was measured "
            "against its own maximum, so they cannot be compared yet.",
        ),
        Mistake(
            lambda left, right: joined(left, right, to_right=False),
            "You put the left part right and left the right part as it was: either one "
            "may have the lower maximum.",
        ),
        Mistake(
            lambda left, right: joined(left, right, to_left=False),
            "You put the right part right and left the left part as it was: either one "
            "may have the lower maximum.",
        ),
        Mistake(
            lambda left, right: measured(left, right, left[0]),
            "You measured both parts against the left one's maximum: where the right "
            "one's is far higher, exp overflows.",
        ),
        Mistake(
            lambda left, right: measured(
                left, right, np.maximum(left[0], right[0]).max()
            ),
            "You took one maximum for all rows: a row far below it underflows to 0. "
            "Each row has a maximum of its own.",
        ),
        Mistake(
            lambda left, right: joined(left, right, finite=False),
            "You are right where there are keys, but with none in either part you get "
            "NaN, from a factor exp(-inf - -inf) or from a division 0 / 0.",
        ),
        Mistake(
            lambda left, right: np.where(
                left[0] >= right[0], result(left), result(right)
            ),
            "You kept the part with the higher maximum and dropped the other one: a "
            "lower score still has a share.",
        ),
        Mistake(
            lambda left, right: by_shares(
                left,
                right,
                np.exp(left[0] - np.maximum(np.maximum(left[0], right[0]), -1e300)),
                np.exp(right[0] - np.maximum(np.maximum(left[0], right[0]), -1e300)),
            ),
            "You weighted the two results by their maxima alone: how many keys a part "
            "has, and how high the others score, stands in its total.",
        ),
        Mistake(
            lambda left, right: result(left) + result(right),
            "You added two results that were divided already: their weights sum to 2 "
            "where both parts have keys.",
        ),
        Mistake(
            lambda left, right: joined(left, right, divide=False),
            "You joined the sums and did not divide by the joined total: your output "
            "is far larger than the values.",
        ),
        Mistake(
            lambda left, right: unguarded(
                left, right, np.maximum(left[0], right[0]).max()
            ),
            "You took one maximum for all rows, and rows far below it become NaN, 0 / "
            "0. Each row has a maximum of its own; with no key at all it is -inf, "
            "which needs care.",
        ),
        Mistake(
            lambda left, right: unguarded(left, right, left[0]),
            "You measured both parts against the left one's maximum: where the right "
            "one is far higher exp overflows, and where the left one has no key you "
            "subtract -inf.",
        ),
        Mistake(
            lambda left, right: unguarded(left, right, right[0]),
            "You measured both parts against the right one's maximum: where the left "
            "one is far higher exp overflows, and where the right one has no key you "
            "subtract -inf.",
        ),
        Mistake(
            lambda left, right: measured(left, right, 0.0),
            "You undid the maxima, exp(m) times each sum: near 800 that overflows. "
            "Measure both parts against the larger of the two.",
        ),
        Mistake(
            divided_by_plain_totals,
            "You put the outputs right and added the totals as they were: each "
            "total was measured against its own maximum as well.",
        ),
    ),
)


# quadratic: written

QUADRATIC = Exercise(
    name="quadratic",
    chapter=6,
    title="What is quadratic?",
    objective="say what the quadratic cost counts, and when it decides",
    minutes=12,
    difficulty=3,
    points=6,
    kind="written",
    rubric=(
        (
            2,
            "says that the scores and the mixing are quadratic, the projections linear",
        ),
        (1, "compares n with the width, and names the point where the parts are equal"),
        (2, "says that the weights need not be stored, so memory can stay linear"),
        (1, "names what was not counted: a machine, a cache, a backward pass"),
    ),
)

EXERCISES = (
    ATTENTION_FLOPS,
    WINDOW_PAIRS,
    KV_CACHE_SIZE,
    LEAST_SECONDS,
    ABSORB_BLOCK,
    MERGE_PARTS,
    QUADRATIC,
)
