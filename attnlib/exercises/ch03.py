"""Exercises of chapter 3, scaling."""

import math

import numpy as np

from attnlib import attention_scores, reference_attention, softmax
from attnlib.exercises._core import Case, Exercise, Mistake

# Helpers: softmax as a beginner writes it, so that mistakes differ in one thing only


def naive_softmax(x, axis=-1):
    exps = np.exp(x)
    return exps / exps.sum(axis, keepdims=True)


def scores(query, key):
    return query @ key.mT


def entropy(weights):
    return -np.sum(weights * np.log(np.where(weights > 0, weights, 1)), -1)


def rows(rng, *shape):
    """Rows of weights: each is positive and sums to 1."""
    return naive_softmax(rng.normal(size=shape))


def exact(rng, *shape):
    """Normal numbers, rounded so that float32 holds them exactly, near 1000 as well."""
    return np.round(64 * rng.normal(size=shape)) / 64


# score_variance


def score_variance(E, query_std, key_std):
    return E * query_std**2 * key_std**2


def score_variance_cases(rng):
    wide, narrow = (round(float(x), 2) for x in rng.uniform([1.5, 0.3], [3, 0.7]))
    return [
        Case((48, 1.0, 1.0), "48 features, standard deviations 1 and 1"),
        Case((7, wide, 1.0), "7 features, only the queries spread more widely"),
        Case((64, 1.0, narrow), "64 features, only the keys spread less widely"),
        Case((3, narrow, wide), "3 features, both standard deviations differ from 1"),
    ]


SCORE_VARIANCE = Exercise(
    name="score_variance",
    chapter=3,
    title="How far scores spread",
    objective="derive how the spread of a dot product grows with its features",
    minutes=5,
    difficulty=1,
    points=2,
    reference=score_variance,
    cases=score_variance_cases,
    mistakes=(
        Mistake(
            lambda E, query_std, key_std: E * query_std * key_std,
            "You multiplied the standard deviations themselves: a variance needs each "
            "of them squared, which shows wherever they are not 1.",
        ),
        Mistake(
            lambda E, query_std, key_std: math.sqrt(E) * query_std * key_std,
            "You returned the standard deviation of the score: the question asks for "
            "its variance, which is that number squared.",
        ),
        Mistake(
            lambda E, query_std, key_std: E * (query_std**2 + key_std**2),
            "You added the two variances: each term of the dot product is a product, "
            "and for independent numbers with mean 0 the variances multiply.",
        ),
        Mistake(
            lambda E, query_std, key_std: E**2 * query_std**2 * key_std**2,
            "You squared the number of features: that would hold if all features were "
            "the same number, but the variances of independent terms only add.",
        ),
        Mistake(
            lambda E, query_std, key_std: query_std**2 * key_std**2,
            "You gave the variance of one term of the sum: your result does not depend "
            "on the number of features.",
        ),
        Mistake(
            lambda E, query_std, key_std: E * query_std**2,
            "You left the keys out: your result does not change with how widely they "
            "spread.",
        ),
        Mistake(
            lambda E, query_std, key_std: query_std**2 * key_std**2 / E,
            "You divided by the number of features: a dot product adds one term for "
            "each, so its variance grows with them.",
        ),
    ),
)


# scaled_scores


def scaled_scores(query, key):
    return attention_scores(query, key)


def scaled_scores_cases(rng):
    def qk(lead, L, S, E):
        return rng.normal(size=(*lead, L, E)), rng.normal(size=(*lead, S, E))

    return [
        Case(qk((), 1, 2, 9), "one query, 2 keys, 9 features"),
        Case(qk((), 3, 5, 4), "L=3 queries, S=5 keys, E=4 features"),
        Case(qk((2,), 5, 3, 16), "a batch of 2, more queries than keys"),
        Case(qk((2, 3), 4, 6, 8), "a batch of 2 with 3 heads, 8 features per head"),
        Case(
            (qk((), 2, 5, 6)[0], qk((2,), 2, 5, 6)[1]),
            "one set of queries for a batch of 2 sets of keys",
        ),
        Case(qk((3,), 3, 3, 3), "3 of everything: texts, queries, keys, features"),
    ]


SCALED_SCORES = Exercise(
    name="scaled_scores",
    chapter=3,
    title="Scores with their scale",
    objective="compute scaled scores for any number of leading axes",
    minutes=8,
    difficulty=1,
    points=3,
    reference=scaled_scores,
    cases=scaled_scores_cases,
    torch=True,
    mistakes=(
        Mistake(
            scores,
            "You left the scale out: your scores spread more widely the more features "
            "there are.",
        ),
        Mistake(
            lambda query, key: scores(query, key) / query.shape[-1],
            "You divided by the number of features itself, not by its square root: "
            "your scores shrink towards 0 as the features grow.",
        ),
        Mistake(
            lambda query, key: scores(query, key) * math.sqrt(query.shape[-1]),
            "You multiplied by the square root where you should divide: your scores "
            "spread even more widely than the raw ones.",
        ),
        Mistake(
            lambda query, key: scores(query, key) / math.sqrt(key.shape[-2]),
            "You took the square root of the number of keys: the spread comes from the "
            "features that are summed over, and S does not change it.",
        ),
        Mistake(
            lambda query, key: scores(query, key) / math.sqrt(query.shape[-2]),
            "You took the square root of the number of queries: the spread comes from "
            "the features that are summed over, and L does not change it.",
        ),
        Mistake(
            lambda query, key: scores(key, query) / math.sqrt(query.shape[-1]),
            "You swapped the roles: your result has a row for each key, where it needs "
            "a row for each query.",
        ),
        Mistake(
            lambda query, key: scores(
                query / np.linalg.norm(query, axis=-1, keepdims=True),
                key / np.linalg.norm(key, axis=-1, keepdims=True),
            ),
            "You divided by the lengths of the vectors: that gives cosines, which lie "
            "between -1 and 1 and forget how long a query or key is.",
        ),
        Mistake(
            lambda query, key: softmax(attention_scores(query, key)),
            "You applied the softmax already: the task asks for the scores before it.",
        ),
        Mistake(
            lambda query, key: scores(query, key) / query.shape[-1] ** 0.25,
            "You took the fourth root of the number of features: that is right for "
            "queries and keys each, and their product needs the square root.",
        ),
        Mistake(
            lambda query, key: query @ key.T / math.sqrt(query.shape[-1]),
            "You wrote key.T, which reverses all axes: with a batch only the last "
            "two may be swapped, as key.mT does.",
        ),
        Mistake(
            lambda query, key: scores(query, key) / math.sqrt(query.shape[1]),
            "You counted the features along axis 1: with a batch they lie "
            "elsewhere, and always along the last axis, -1.",
        ),
    ),
)


# stable_softmax


def stable_softmax(x, axis=-1):
    return softmax(x, axis)


def stable_softmax_cases(rng):
    hidden = exact(rng, 3, 5)
    hidden[0, 2:] = hidden[2, :3] = -math.inf
    nothing = hidden.copy()
    nothing[1] = -math.inf
    far = exact(rng, 3, 4) + np.array([[0.0], [-2000.0], [1500.0]])
    spread = np.array([[0.0, 0, 3000], [0, 2999, 3000], [-3000, 0, 0.5]])
    below = exact(rng, 3, 4) - 1500
    below[:, 3] = -math.inf
    below[1] = [-math.inf, -(2.0**33), -math.inf, -(2.0**33) - 4096]  # below -1e9
    return [
        Case((rng.normal(size=5),), "one row of 5 scores"),
        Case((rng.normal(size=(3, 5)),), "3 rows of 5 scores"),
        Case((rng.normal(size=(2, 3, 4)), -2), "axis=-2 of shape (2, 3, 4)"),
        Case((exact(rng, 4, 3) + 1000,), "scores near 1000"),
        Case((far,), "one row near 0, one near -2000, one near 1500"),
        Case((spread,), "rows that are spread over 3000"),
        Case(
            (below,),
            "some scores are -inf, and all others far below 0, by billions in one row",
        ),
        Case((hidden,), "some scores are -inf, as a mask leaves them"),
        Case((nothing,), "a row in which every score is -inf: all weights are 0"),
    ]


def top(x, axis=-1):
    return x.max(axis, keepdims=True)


def guarded(x, axis=-1, shift=None):
    """The right softmax, but for the shift or the axis that a mistake gives it."""
    exps = np.exp(x - (np.maximum(top(x, axis), -1e300) if shift is None else shift))
    total = exps.sum(axis, keepdims=True)
    return exps / np.where(total == 0, 1, total)


def log_softmax(x, axis=-1):
    finite = np.where(np.isneginf(x), -1e300, x)
    shifted = finite - top(finite, axis)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def no_division(x, axis=-1):
    return np.exp(x - np.maximum(top(x, axis), -1e300))


def large_negative(x, axis=-1):
    x = np.maximum(x, -1e9)
    return naive_softmax(x - top(x, axis), axis)


def filled(x, axis=-1, fill=-1e9):
    x = np.where(np.isneginf(x), fill, x)
    return naive_softmax(x - top(x, axis), axis)


def filled_but_rows(x, axis=-1):
    """Hidden scores of -1e9; the weights 0 in a row that has nothing else."""
    return np.where(np.isneginf(top(x, axis)), 0, filled(x, axis))


STABLE_SOFTMAX = Exercise(
    name="stable_softmax",
    chapter=3,
    title="A softmax that survives large scores",
    objective="compute softmax without overflow, masked entries included",
    minutes=12,
    difficulty=2,
    points=4,
    rtol=2e-4,
    why_rtol="float32 with the logarithm of a sum near 1500: it holds 4 decimals there",
    reference=stable_softmax,
    cases=stable_softmax_cases,
    torch=True,
    mistakes=(
        Mistake(
            naive_softmax,
            "You took exp of the scores as they are: near 1000 it overflows to inf, "
            "and inf / inf is NaN.",
        ),
        Mistake(
            lambda x, axis=-1: guarded(x, axis, shift=0),
            "You guarded the sum against 0, but took exp of the scores as they are: "
            "near 1000 it overflows to inf, and far below 0 a whole row gets nothing.",
        ),
        Mistake(
            lambda x, axis=-1: naive_softmax(x - top(x, axis), axis),
            "You are right for ordinary rows, but a row in which every score is -inf "
            "becomes NaN: -inf minus its own maximum is -inf - -inf.",
        ),
        Mistake(
            lambda x, axis=-1: naive_softmax(x - x.max(), axis),
            "You subtracted one maximum of the whole array: a row that lies far below "
            "it underflows to 0 everywhere, and 0 / 0 is NaN.",
        ),
        Mistake(
            large_negative,
            "You gave every key the same weight in a row where all scores are -inf: "
            "that looks at keys which the mask forbids.",
        ),
        Mistake(
            lambda x, axis=-1: naive_softmax(x - x.mean(axis, keepdims=True), axis),
            "You subtracted something other than the largest score, the mean or the "
            "smallest: where one lies far above it, exp still overflows.",
        ),
        Mistake(
            lambda x, axis=-1: guarded(x),
            "You ignored `axis` and always normalised over the last one: with axis=-2 "
            "the sums over that axis are not 1.",
        ),
        Mistake(
            lambda x, axis=-1: guarded(x, 0),
            "You normalised over the first axis: your columns sum to 1, your rows do "
            "not.",
        ),
        Mistake(
            no_division,
            "You did not divide by the sum: your largest weight is 1, and the others "
            "come on top of it.",
        ),
        Mistake(
            log_softmax,
            "You returned logarithms of the weights: the weights themselves lie "
            "between 0 and 1.",
        ),
        Mistake(
            lambda x, axis=-1: np.nan_to_num(naive_softmax(x - x.max(), axis)),
            "You subtracted one maximum of the whole array and turned NaN into 0: a "
            "row that lies far below the largest score loses all its weights.",
        ),
        Mistake(
            lambda x, axis=-1: np.nan_to_num(naive_softmax(x, axis)),
            "You took exp of the scores as they are and turned NaN into 0 afterwards: "
            "near 1000 exp overflows, and your weights there are lost.",
        ),
        Mistake(
            lambda x, axis=-1: naive_softmax(np.clip(x, -700, 700), axis),
            "You cut the scores off so that exp does not overflow: two scores beyond "
            "the limit then look alike. Subtract the row's maximum, which changes no "
            "weight.",
        ),
        Mistake(
            filled,
            "You put a number such as -1e9 in the place of -inf: a row of nothing "
            "else gets equal weights, and where the visible scores are lower, the "
            "hidden ones win.",
        ),
        Mistake(
            filled_but_rows,
            "You put a number such as -1e9 in the place of -inf, which is low and "
            "not the lowest: where the visible scores are lower, the hidden ones "
            "win.",
        ),
        Mistake(
            lambda x, axis=-1: filled(x, axis, fill=np.finfo(float).min),
            "You put the lowest finite number in the place of -inf: a row of "
            "nothing else gets equal weights, where all of yours have to be 0.",
        ),
    ),
)


# softmax_at_temperature


def softmax_at_temperature(scores, temperature):
    return softmax(scores / temperature)


def softmax_at_temperature_cases(rng):
    near = exact(rng, 2, 6) + np.array([[400.0] * 6, [0, 0, 0, 0, 0, 3000]])
    large = np.array([[0.0, -1000, 500], [2000, 900, 1000]]) + exact(rng, 2, 3)
    return [
        Case((rng.normal(size=4), 1.0), "one row of 4 scores, temperature 1"),
        Case((rng.normal(size=(3, 5)), 0.4), "3 rows of 5 scores, a low temperature"),
        Case((rng.normal(size=(2, 3, 4)), 3.0), "a batch of 2, a high temperature"),
        Case(
            (near, 0.5),
            "scores near 400, one of 3000 among small ones, temperature 0.5",
        ),
        Case((large, 500.0), "scores spread over 1500, temperature 500"),
    ]


def by_power(scores, temperature):
    weights = softmax(scores) ** (1 / temperature)
    return weights / weights.sum(-1, keepdims=True)


SOFTMAX_AT_TEMPERATURE = Exercise(
    name="softmax_at_temperature",
    chapter=3,
    title="The scale is a temperature",
    objective="explain what a scale does as a temperature",
    minutes=8,
    difficulty=2,
    points=3,
    rtol=2e-4,
    why_rtol="float32 with the logarithm of a sum near 800: it holds 4 decimals there",
    reference=softmax_at_temperature,
    cases=softmax_at_temperature_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda scores, temperature: softmax(scores * temperature),
            "You multiplied by the temperature: your weights get sharper when it "
            "rises, where they should get flatter.",
        ),
        Mistake(
            lambda scores, temperature: softmax(scores) / temperature,
            "You divided the weights after the softmax: your rows do not sum to 1 any "
            "more, and their proportions never change.",
        ),
        Mistake(
            lambda scores, temperature: softmax(scores / math.sqrt(temperature)),
            "You took the root of the temperature: the root belongs to the number of "
            "features, the temperature itself is the divisor.",
        ),
        Mistake(
            by_power,
            "You tempered the finished weights: the formula is right, but a weight "
            "that has rounded to 0 stays 0, however high the temperature is.",
        ),
        Mistake(
            lambda scores, temperature: softmax(scores) ** (1 / temperature),
            "You raised the weights to a power, which has the right proportions, and "
            "did not normalise again: your rows do not sum to 1.",
        ),
        Mistake(
            lambda scores, temperature: naive_softmax(scores / temperature),
            "Your formula is right for small scores, but exp overflows on large ones, "
            "and inf / inf is NaN.",
        ),
        Mistake(
            lambda scores, temperature: softmax(scores),
            "Your result does not depend on the temperature: adding, or not using it, "
            "leaves the differences between the scores as they are.",
        ),
        Mistake(
            lambda scores, temperature: softmax(scores / temperature, axis=0),
            "You normalised over the first axis: each row needs weights that sum to 1.",
        ),
        Mistake(
            lambda scores, temperature: naive_softmax(
                scores / temperature - np.max(scores / temperature)
            ),
            "You subtracted one maximum of the whole array: a row far below it "
            "underflows, and 0 / 0 is NaN. Each row has its own.",
        ),
        Mistake(
            lambda scores, temperature: softmax(scores / temperature**2),
            "You squared the temperature: the scores are divided by the temperature "
            "itself.",
        ),
        Mistake(
            lambda scores, temperature: softmax(-scores / temperature),
            "You lost a sign: your largest weight belongs to the smallest score.",
        ),
    ),
)


# effective_keys


def effective_keys(weights):
    return np.exp(entropy(weights))


def effective_keys_cases(rng):
    hidden = rows(rng, 3, 6)
    hidden[1, 2:5] = 0
    one_key = np.zeros((2, 5))
    one_key[0, 3] = one_key[1, 0] = 1
    return [
        Case((np.full(4, 0.25),), "4 equal weights"),
        Case((rows(rng, 7),), "one row of 7 weights"),
        Case((rows(rng, 3, 5),), "3 rows of 5 weights"),
        Case((rows(rng, 2, 3, 4),), "a batch of 2 with 3 rows of 4 weights"),
        Case((hidden / hidden.sum(-1, keepdims=True),), "some weights are exactly 0"),
        Case((one_key,), "one key has all the weight"),
    ]


EFFECTIVE_KEYS = Exercise(
    name="effective_keys",
    chapter=3,
    title="How many keys a query really uses",
    objective="read a row of weights through its effective number of keys",
    minutes=10,
    difficulty=2,
    points=4,
    reference=effective_keys,
    cases=effective_keys_cases,
    torch=True,
    mistakes=(
        Mistake(
            entropy,
            "You returned the entropy: equal weights over 4 keys should give the "
            "number 4, and yours give its logarithm.",
        ),
        Mistake(
            lambda weights: np.exp(-np.sum(weights * np.log(weights), -1)),
            "A weight of exactly 0 makes your result NaN: 0 * log 0 counts as 0 here, "
            "and NumPy computes 0 * -inf.",
        ),
        Mistake(
            lambda weights: np.exp(-entropy(weights)),
            "You lost a sign: your numbers are at most 1, and equal weights give the "
            "smallest of them.",
        ),
        Mistake(
            lambda weights: np.exp(entropy(weights) / math.log(2)),
            "You mixed two bases: the entropy is in bits (log2), and exp undoes the "
            "natural logarithm.",
        ),
        Mistake(
            lambda weights: 1 / np.sum(weights**2, -1),
            "You took one over the sum of squared weights: that is another measure of "
            "concentration, equal to this one only where all used keys are equal.",
        ),
        Mistake(
            lambda weights: np.sum(weights > 0, -1),
            "You counted the weights above 0: a key with a tiny weight counts as much "
            "as the favourite.",
        ),
        Mistake(
            lambda weights: np.exp(np.sum(entropy(weights))),
            "You summed over all rows at once: each row needs a number of its own.",
        ),
        Mistake(
            lambda weights: np.exp(np.mean(entropy(weights))),
            "You averaged over all rows: each row needs a number of its own.",
        ),
        Mistake(
            lambda weights: 1 / weights.max(-1),
            "You took one over the largest weight: that forgets how the other weights "
            "are spread.",
        ),
        Mistake(
            lambda weights: np.exp(entropy(weights) / weights.shape[-1]),
            "You averaged over the keys in place of summing: the entropy of a row is a "
            "sum, weighted by the weights themselves.",
        ),
        Mistake(
            lambda weights: 2 ** entropy(weights),
            "You mixed two bases: your entropy is in nats (natural logarithm), and exp "
            "undoes it, not a power of 2.",
        ),
        Mistake(
            lambda weights: entropy(weights) / math.log(2),
            "You returned the entropy in bits: equal weights over 4 keys should give "
            "the number 4, and yours give 2.",
        ),
    ),
)


# softmax_jacobian


def softmax_jacobian(weights):
    diagonal = np.eye(weights.shape[-1]) * weights[..., None, :]
    return diagonal - weights[..., :, None] * weights[..., None, :]


def outer(weights):
    return weights[..., :, None] * weights[..., None, :]


def softmax_jacobian_cases(rng):
    return [
        Case((np.array([0.5, 0.5]),), "two equal weights"),
        Case((rows(rng, 5),), "one row of 5 weights"),
        Case((rows(rng, 3, 4),), "3 rows of 4 weights"),
        Case((rows(rng, 2, 3, 5),), "a batch of 2 with 3 rows of 5 weights"),
        Case((np.array([[0.0, 1.0, 0.0]]),), "one key has all the weight"),
    ]


SOFTMAX_JACOBIAN = Exercise(
    name="softmax_jacobian",
    chapter=3,
    title="The softmax Jacobian",
    objective="read a row of weights through its Jacobian",
    minutes=15,
    difficulty=3,
    points=5,
    reference=softmax_jacobian,
    cases=softmax_jacobian_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda weights: (
                np.eye(weights.shape[-1]) * (weights * (1 - weights))[..., None]
            ),
            "You kept the diagonal only: raising one score also takes weight from all "
            "other keys, so the entries beside the diagonal are not 0.",
        ),
        Mistake(
            lambda weights: weights * (1 - weights),
            "You returned a vector: each of the S weights depends on each of the S "
            "scores, so a row of weights has S x S derivatives.",
        ),
        Mistake(
            lambda weights: (
                outer(weights) - np.eye(weights.shape[-1]) * weights[..., None]
            ),
            "All your signs are reversed: raising a score must raise its own weight.",
        ),
        Mistake(
            lambda weights: (
                np.eye(weights.shape[-1]) * weights[..., None] + outer(weights)
            ),
            "You added the outer product: your rows do not sum to 0, although the "
            "weights always sum to 1.",
        ),
        Mistake(
            lambda weights: softmax_jacobian(softmax(weights)),
            "You applied softmax to what you were given: the argument is weights "
            "already, not scores.",
        ),
        Mistake(
            lambda weights: np.eye(weights.shape[-1]) - outer(weights),
            "Your diagonal starts from 1 in place of the weight itself.",
        ),
        Mistake(
            lambda weights: (
                np.eye(weights.shape[-1]) * weights[..., None] - (weights**2)[..., None]
            ),
            "You multiplied each weight by itself, not by the weight of the other key: "
            "your matrix is not symmetric.",
        ),
        Mistake(
            lambda weights: -outer(weights),
            "You left the diagonal part out: an own score raises its weight, so the "
            "entries there are positive.",
        ),
        Mistake(
            lambda weights: np.eye(weights.shape[-1]) * weights[..., None],
            "You kept the weights on the diagonal and subtracted nothing: the weights "
            "of a row compete, so an outer product comes off.",
        ),
        Mistake(
            lambda weights: weights[..., :, None] * (1 - weights[..., None, :]),
            "You used w (1 - w) beside the diagonal as well: there the derivative is "
            "minus the product of the two weights.",
        ),
        Mistake(
            lambda weights: (
                np.eye(weights.shape[-1])
                - weights[..., None, :]
                + 0 * weights[..., None]
            ),
            "You left out the factor in front: a weight near 0 hardly changes, "
            "whichever score moves, and your entries do not shrink with it.",
        ),
    ),
)


# scaled_attention


def scaled_attention(query, key, value):
    return reference_attention(query, key, value)


def scaled_attention_cases(rng):
    def qkv(lead, L, S, E, Ev):
        sizes = (L, E), (S, E), (S, Ev)
        return tuple(rng.normal(size=(*lead, *size)) for size in sizes)

    query, key, value = qkv((), 3, 4, 5, 2)
    query[1] = 20_000 * key[2] / np.sum(key[2] ** 2)
    return [
        Case(qkv((), 1, 2, 3, 1), "one query, 2 keys, values of one number"),
        Case(qkv((), 3, 5, 4, 2), "L=3, S=5, E=4, Ev=2"),
        Case(qkv((), 5, 4, 9, 7), "more queries than keys, values as wide as 7"),
        Case(qkv((2,), 4, 3, 8, 5), "a batch of 2"),
        Case(qkv((2, 3), 4, 5, 6, 2), "a batch of 2 with 3 heads of width 6"),
        Case(
            (query, key, value), "one query of large norm: its scores are in thousands"
        ),
    ]


def attend(query, key, value, divisor):
    return softmax(scores(query, key) / divisor) @ value


def whole_width(query):
    """The width of all heads together, where there is an axis of heads."""
    return query.shape[-1] * (query.shape[-3] if query.ndim > 3 else 1)


SCALED_ATTENTION = Exercise(
    name="scaled_attention",
    chapter=3,
    title="Attention with the right divisor",
    objective="recognise a wrong divisor of the scores",
    minutes=12,
    difficulty=3,
    points=5,
    reference=scaled_attention,
    cases=scaled_attention_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda query, key, value: attend(query, key, value, 1),
            "You left the scale out: your rows of weights are too sharp, and the more "
            "so the wider the keys.",
        ),
        Mistake(
            lambda query, key, value: attend(query, key, value, query.shape[-1]),
            "You divided by the width of the keys itself, not by its square root: your "
            "weights are too close to equal.",
        ),
        Mistake(
            lambda query, key, value: attend(
                query, key, value, math.sqrt(key.shape[-2])
            ),
            "You took the square root of the number of keys: the spread of the scores "
            "comes from the features that are summed over.",
        ),
        Mistake(
            lambda query, key, value: attend(
                query, key, value, math.sqrt(value.shape[-1])
            ),
            "You took the square root of the width of the values: they play no part in "
            "the scores.",
        ),
        Mistake(
            lambda query, key, value: attend(
                query, key, value, math.sqrt(whole_width(query))
            ),
            "You took the width of all heads together: a score sums over the features "
            "of one head only.",
        ),
        Mistake(
            lambda query, key, value: (
                naive_softmax(scores(query, key) / math.sqrt(query.shape[-1])) @ value
            ),
            "Your divisor is right, but exp overflows on a query of large norm, and "
            "your result is NaN there.",
        ),
        Mistake(
            lambda query, key, value: (
                softmax(scores(query, key) / math.sqrt(query.shape[-1]), axis=-2)
                @ value
            ),
            "You normalised over the queries: the columns of your weights sum to 1, "
            "the rows do not.",
        ),
        Mistake(
            lambda query, key, value: (
                attend(query, key, value, 1) / math.sqrt(query.shape[-1])
            ),
            "You scaled after the softmax: your rows of weights do not sum to 1 any "
            "more, and they are as sharp as without a scale.",
        ),
        Mistake(
            lambda query, key, value: (
                scores(query, key) / math.sqrt(query.shape[-1]) @ value
            ),
            "You left the softmax out: your output mixes the values with raw scores, "
            "which may be negative and do not sum to 1.",
        ),
        Mistake(
            lambda query, key, value: attend(
                query, key, value, math.sqrt(query.shape[-2])
            ),
            "You took the square root of the number of queries: the spread of the "
            "scores comes from the features that are summed over.",
        ),
        Mistake(
            lambda query, key, value: attend(
                query, key, value, query.shape[-1] ** -0.5
            ),
            "You multiplied by the square root where you should divide: your weights "
            "are far too sharp.",
        ),
        Mistake(
            lambda query, key, value: softmax(
                scores(query, key) / math.sqrt(query.shape[-1])
            ),
            "You stopped at the weights: the output mixes the values with them.",
        ),
    ),
)


# vanishing_gradients: written

VANISHING_GRADIENTS = Exercise(
    name="vanishing_gradients",
    chapter=3,
    title="Do the gradients vanish?",
    objective="say what fails without the scale, and what does not",
    minutes=12,
    difficulty=4,
    points=6,
    kind="written",
    rubric=(
        (1, "says that the scores spread more widely, and why"),
        (2, "says that weights collapse onto few keys, and names a way to measure it"),
        (2, "says that some queries get almost no gradient and others a large one"),
        (1, "names an assumption or a limit: initialisation, one layer, random data"),
    ),
)

EXERCISES = (
    SCORE_VARIANCE,
    SCALED_SCORES,
    STABLE_SOFTMAX,
    SOFTMAX_AT_TEMPERATURE,
    EFFECTIVE_KEYS,
    SOFTMAX_JACOBIAN,
    SCALED_ATTENTION,
    VANISHING_GRADIENTS,
)
