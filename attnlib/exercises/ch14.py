"""Exercises of chapter 14, a GPT from bytes to text."""

import collections
import itertools
import math

import numpy as np

from attnlib.exercises._core import Case, Exercise, Mistake

# next_merge


def next_merge(counts):
    pairs = collections.Counter()
    for word, n in counts.items():
        for pair in itertools.pairwise(word):
            pairs[pair] += n
    return max(pairs, key=lambda pair: (pairs[pair], pair))


def next_merge_cases(rng):
    words = [tuple("".join(rng.choice([*"abcd"], size=6))) for _ in range(8)]
    drawn = {
        word: int(n) for word, n in zip(words, rng.integers(1, 9, size=8), strict=True)
    }
    return [
        Case(({("t", "h", "e"): 5, ("h", "e", "n"): 2, ("t", "o"): 4},), "three words"),
        Case(
            ({("a", "b"): 1, ("b", "c"): 3, ("a", "b", "x"): 1},), "a rare pair twice"
        ),
        Case(({("a", "b"): 2, ("c", "d"): 2},), "two pairs equally often"),
        Case(({("a", "b", "a", "b"): 2, ("c", "d"): 3},), "a pair twice in a word"),
        Case(({("th", "e"): 4, ("t", "h"): 3},), "tokens of several letters"),
        Case(({("x", "y"): 4, ("y", "x"): 3},), "a word and its mirror image"),
        Case((drawn,), "eight words of four letters"),
    ]


def of_pairs(count, order=None):
    """Return a mistake: another count of the pairs, or another choice among them."""

    def wrong(counts):
        pairs = collections.Counter()
        for word, n in counts.items():
            for pair in count(word):
                pairs[pair] += n
        choose = order or (lambda pairs, pair: (pairs[pair], pair))
        return max(pairs, key=lambda pair: choose(pairs, pair))

    return wrong


def by_kinds(counts):
    pairs = collections.Counter(p for word in counts for p in itertools.pairwise(word))
    return max(pairs, key=lambda pair: (pairs[pair], pair))


def smallest_of_equals(counts):
    pairs = collections.Counter()
    for word, n in counts.items():
        for pair in itertools.pairwise(word):
            pairs[pair] += n
    most = max(pairs.values())
    return min(pair for pair, n in pairs.items() if n == most)


def across_words(counts):
    text = [token for word, n in counts.items() for _ in range(n) for token in word]
    pairs = collections.Counter(itertools.pairwise(text))
    return max(pairs, key=lambda pair: (pairs[pair], pair))


NEXT_MERGE = Exercise(
    name="next_merge",
    chapter=14,
    title="Which pair is joined next?",
    objective="choose the next merge of byte-pair encoding from the counts of words",
    minutes=12,
    difficulty=3,
    points=4,
    reference=next_merge,
    parts=("left", "right"),
    cases=next_merge_cases,
    mistakes=(
        Mistake(
            by_kinds,
            "You counted each word once: a pair in a word that comes five times comes "
            "five times, so your counts take the word's number.",
        ),
        Mistake(
            smallest_of_equals,
            "Your pair is as frequent as the right one, but of pairs equally often the "
            "largest is taken, as `max` compares tuples.",
        ),
        Mistake(
            across_words,
            "You joined across the border of two words: pairs are neighbours inside "
            "one word, and yours also stand at its edges.",
        ),
        Mistake(
            of_pairs(lambda word: {*itertools.pairwise(word)}),
            "You counted a pair once for each word: where it stands twice in a word, "
            "yours should count it twice.",
        ),
        Mistake(
            of_pairs(lambda word: itertools.pairwise("".join(word))),
            "You cut the tokens into letters: your pairs are of tokens, and a token "
            "of several letters stays whole.",
        ),
        Mistake(
            of_pairs(itertools.pairwise, lambda pairs, pair: (-pairs[pair], pair)),
            "You took the rarest pair: the commonest one is joined, or yours would "
            "never make a word.",
        ),
        Mistake(
            lambda counts: "".join(next_merge(counts)),
            "You returned the joined token: the pair itself is wanted, a tuple of two "
            "strings.",
        ),
    ),
)


# learning_rate


def learning_rate(step, steps, warm_up, highest, lowest):
    if step < warm_up:
        return highest * (step + 1) / warm_up
    done = (step - warm_up) / (steps - warm_up)
    return lowest + (highest - lowest) * (1 + math.cos(math.pi * done)) / 2


def learning_rate_cases(rng):
    steps, warm_up = int(rng.integers(200, 400)), int(rng.integers(20, 60))
    highest, lowest = 0.003, 0.0003
    return [
        Case((0, 100, 10, 1.0, 0.1), "the first step of 100, 10 of them warm-up"),
        Case((9, 100, 10, 1.0, 0.1), "the last step of the warm-up"),
        Case((10, 100, 10, 1.0, 0.1), "the step after it"),
        Case((55, 100, 10, 1.0, 0.1), "half-way down"),
        Case((100, 100, 10, 1.0, 0.1), "the end"),
        Case((warm_up // 2, steps, warm_up, highest, lowest), "in a longer warm-up"),
        Case(
            (warm_up + steps // 3, steps, warm_up, highest, lowest),
            "on the way down of a longer run",
        ),
    ]


def rate_with(first=1, start=None, half=True, floor=None, straight=False):
    """Return a mistake: a schedule with another rise or another fall."""

    def wrong(step, steps, warm_up, highest, lowest):
        if step < warm_up:
            return highest * (step + first) / warm_up
        begin = warm_up if start is None else start
        done = (step - begin) / (steps - begin)
        low = lowest if floor is None else floor
        if straight:
            return highest + (low - highest) * done
        turn = math.pi * done if half else 2 * math.pi * done
        return low + (highest - low) * (1 + math.cos(turn)) / 2

    return wrong


def never_warm(step, steps, warm_up, highest, lowest):
    return lowest + (highest - lowest) * (1 + math.cos(math.pi * step / steps)) / 2


def added(step, steps, warm_up, highest, lowest):
    rate = learning_rate(step, steps, warm_up, highest, 0)
    return rate if step < warm_up else lowest + rate


LEARNING_RATE = Exercise(
    name="learning_rate",
    chapter=14,
    title="Warm up, then fall along a cosine",
    objective="write the schedule with which language models are trained",
    minutes=12,
    difficulty=3,
    points=4,
    reference=learning_rate,
    cases=learning_rate_cases,
    mistakes=(
        Mistake(
            rate_with(first=0),
            "Your first step has the rate 0 and learns nothing: the rise reaches "
            "`highest` with the last step of the warm-up, so it begins with one part.",
        ),
        Mistake(
            rate_with(start=0),
            "Your cosine begins at step 0, so it is on its way down before the warm-up "
            "ends: count its steps from the end of the warm-up.",
        ),
        Mistake(
            never_warm,
            "You have no warm-up: the first steps of yours have nearly the highest "
            "rate.",
        ),
        Mistake(
            rate_with(half=False),
            "You went along a whole cosine: yours is back at the highest rate at the "
            "end. Half a turn, pi, goes down once.",
        ),
        Mistake(
            rate_with(floor=0.0),
            "Your rate falls to 0: it should end at `lowest`.",
        ),
        Mistake(
            added,
            "You added `lowest` to the whole cosine: yours is above `highest` after "
            "the warm-up. The cosine spans what lies between the two.",
        ),
        Mistake(
            rate_with(straight=True),
            "You fall along a straight line: the two agree at the start, in the "
            "middle and at the end, and yours is too low before the middle.",
        ),
    ),
)


# swiglu


def swiglu(x, gate, up, down):
    gated = x @ gate.T
    return (gated / (1 + np.exp(-gated)) * (x @ up.T)) @ down.T


def swiglu_cases(rng):
    def drawn(*shape):
        return rng.normal(size=shape)

    one = np.eye(2)
    return [
        Case((np.array([[0.0, 2.0]]), one, one, one), "matrices of ones, x = 0 and 2"),
        Case((drawn(3, 4), drawn(6, 4), drawn(6, 4), drawn(4, 6)), "three tokens"),
        Case(
            (drawn(2, 3, 4), drawn(5, 4), drawn(5, 4), drawn(4, 5)), "a batch of texts"
        ),
    ]


def gated_by(bend, swap=False):
    """Return a mistake: another bend, or the two first layers exchanged."""

    def wrong(x, gate, up, down):
        gate, up = (up, gate) if swap else (gate, up)
        return (bend(x @ gate.T) * (x @ up.T)) @ down.T

    return wrong


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


SWIGLU = Exercise(
    name="swiglu",
    chapter=14,
    title="The MLP of modern blocks",
    objective="write a gated MLP with its three matrices",
    minutes=8,
    difficulty=2,
    points=3,
    reference=swiglu,
    cases=swiglu_cases,
    mistakes=(
        Mistake(
            gated_by(silu, swap=True),
            "You bent the wrong half: `gate` goes through silu, and yours sends `up` "
            "through it.",
        ),
        Mistake(
            gated_by(sigmoid),
            "You gated with the sigmoid alone: silu is x times its sigmoid, so yours "
            "lacks a factor.",
        ),
        Mistake(
            gated_by(lambda x: np.maximum(x, 0)),
            "You bent with ReLU: yours is exactly 0 below 0, and silu is slightly "
            "negative there.",
        ),
        Mistake(
            gated_by(lambda x: x),
            "You left the bend out: your gate is linear, so doubled tokens give four "
            "times the result exactly.",
        ),
        Mistake(
            lambda x, gate, up, down: (silu(x @ gate.T) + x @ up.T) @ down.T,
            "You added the two halves: the gate multiplies what passes, so yours opens "
            "and closes nothing.",
        ),
        Mistake(
            lambda x, gate, up, down: silu((x @ gate.T) * (x @ up.T)) @ down.T,
            "You bent the product: silu belongs to the gate alone, before your two "
            "halves are multiplied.",
        ),
        Mistake(
            lambda x, gate, up, down: x + swiglu(x, gate, up, down),
            "You added x: the block does that outside, so your tokens are counted "
            "twice.",
        ),
    ),
)


# bits_per_character


def bits_per_character(losses, characters):
    return sum(losses) / math.log(2) / characters


def bits_per_character_cases(rng):
    return [
        Case(([math.log(2), math.log(2), math.log(4)], 8), "3 tokens for 8 characters"),
        Case(
            (rng.uniform(0.5, 6, size=20).tolist(), 57), "20 tokens for 57 characters"
        ),
        Case((rng.uniform(0.5, 6, size=9).tolist(), 9), "a token for each character"),
    ]


BITS_PER_CHARACTER = Exercise(
    name="bits_per_character",
    chapter=14,
    title="Compare models that cut differently",
    objective="turn the losses of tokens into bits for a character",
    minutes=6,
    difficulty=2,
    points=2,
    reference=bits_per_character,
    cases=bits_per_character_cases,
    mistakes=(
        Mistake(
            lambda losses, characters: sum(losses) / characters,
            "Your unit is nats: a bit is ln 2 nats, so divide by it.",
        ),
        Mistake(
            lambda losses, characters: sum(losses) * math.log(2) / characters,
            "You multiplied by ln 2: there are more bits than nats, and yours became "
            "fewer.",
        ),
        Mistake(
            lambda losses, characters: sum(losses) / math.log(2) / len(losses),
            "Yours are bits for a token: the whole loss is divided by the characters, "
            "however they were cut.",
        ),
        Mistake(
            lambda losses, characters: (
                sum(losses) / len(losses) / math.log(2) / characters
            ),
            "You divided by the tokens and by the characters: the sum of the losses is "
            "what the text costs, so your mean is too much.",
        ),
        Mistake(
            lambda losses, characters: 2 ** (sum(losses) / math.log(2) / characters),
            "Yours is a perplexity: leave the power out, the exponent itself is the "
            "answer.",
        ),
        Mistake(
            lambda losses, characters: sum(losses) / math.log(2),
            "Yours is what the whole text costs: divide by its characters.",
        ),
    ),
)


# merge_low_rank


def merge_low_rank(weight, narrow, wide):
    return weight + wide @ narrow


def merge_low_rank_cases(rng):
    def drawn(*shape):
        return rng.normal(size=shape)

    square = np.arange(9.0).reshape(3, 3)
    return [
        Case((square, np.array([[1.0, 0, 0]]), np.array([[0.0], [2], [0]])), "rank 1"),
        Case((drawn(5, 4), drawn(2, 4), drawn(5, 2)), "5 outputs, 4 inputs, rank 2"),
        Case((drawn(4, 4), drawn(4, 4), drawn(4, 4)), "rank 4 of 4"),
        Case((drawn(5, 4), drawn(2, 4), np.zeros((5, 2))), "before any training"),
    ]


MERGE_LOW_RANK = Exercise(
    name="merge_low_rank",
    chapter=14,
    title="Merge a low-rank adapter",
    objective="put two narrow layers back into the one that they stand beside",
    minutes=8,
    difficulty=3,
    points=3,
    reference=merge_low_rank,
    cases=merge_low_rank_cases,
    mistakes=(
        Mistake(
            lambda weight, narrow, wide: wide @ narrow,
            "You left the layer itself out: the narrow layers only add to it, so your "
            "result is 0 before any training.",
        ),
        Mistake(
            lambda weight, narrow, wide: weight - wide @ narrow,
            "You took the product away: the adapter adds its outputs, so yours goes "
            "the other way.",
        ),
        Mistake(
            lambda weight, narrow, wide: weight + wide @ narrow / narrow.shape[0],
            "You divided by the rank: this adapter has no such factor, so yours is too "
            "weak.",
        ),
        Mistake(
            lambda weight, narrow, wide: weight,
            "Your weight is the one that came: the product of the narrow layers is "
            "missing.",
        ),
        Mistake(
            lambda weight, narrow, wide: (weight + wide @ narrow).T,
            "Yours is transposed: a weight has a row for each output, so the result "
            "has the shape of `weight`.",
        ),
        Mistake(
            lambda weight, narrow, wide: weight * (1 + wide @ narrow),
            "You multiplied the weight by the product: the adapter's outputs are "
            "added, whatever the layer gives.",
        ),
    ),
)


# model_against_counts: written

MODEL_AGAINST_COUNTS = Exercise(
    name="model_against_counts",
    chapter=14,
    title="Is it better than counting?",
    objective="plan a fair comparison of a language model with an n-gram",
    minutes=15,
    difficulty=4,
    points=6,
    kind="written",
    rubric=(
        (1, "both learn from the same text, and are tested on one that neither saw"),
        (1, "uses a unit that does not depend on the tokens, such as bits a character"),
        (
            2,
            "tunes both: order and discounts here, rate and steps there, on other text",
        ),
        (1, "trains from several starts and reports the spread"),
        (1, "says for which amount of text or training the answer holds"),
    ),
)

EXERCISES = (
    BITS_PER_CHARACTER,
    SWIGLU,
    NEXT_MERGE,
    LEARNING_RATE,
    MERGE_LOW_RANK,
    MODEL_AGAINST_COUNTS,
)
