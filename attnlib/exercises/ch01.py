"""Exercises of chapter 1, intuition."""

import numpy as np

from attnlib import reference_attention, softmax
from attnlib.exercises._core import Case, Exercise, Mistake


def normal(rng, *shape):
    return rng.normal(size=shape)


# doubled_weights


def doubled_weights(scores):
    grown = 2.0**scores
    return grown / np.sum(grown, axis=-1, keepdims=True)


DOUBLED_WEIGHTS = Exercise(
    name="doubled_weights",
    chapter=1,
    title="Each point doubles it",
    objective="turn scores into weights by hand",
    minutes=5,
    difficulty=1,
    points=2,
    reference=doubled_weights,
    cases=lambda rng: [
        Case((np.array([0.0, 0.0, 2.0, 1.0]),), "the scores 0, 0, 2, 1"),
        Case((np.array([3.0, 3.0, 3.0]),), "three equal scores"),
        Case((np.array([-1.0, 0.0, 1.5]),), "a negative score, and one of 1.5"),
        Case((normal(rng, 2, 5),), "two questions at once, 5 tokens"),
    ],
    mistakes=(
        Mistake(
            lambda scores: 2.0**scores,
            "You doubled and did not divide by the total: your weights sum to more "
            "than 1.",
        ),
        Mistake(
            softmax,
            "You used e where each point is to double: your largest weight is larger "
            "than it should be.",
        ),
        Mistake(
            lambda scores: (
                scores
                / np.where(
                    scores.sum(-1, keepdims=True) == 0, 1, scores.sum(-1, keepdims=True)
                )
            ),
            "You divided the scores by their sum: a score of 0 gets the weight 0, and "
            "a negative one a negative weight.",
        ),
        Mistake(
            lambda scores: (2 * scores + 1) / np.sum(2 * scores + 1, -1, keepdims=True),
            "You added for each point of score: each point multiplies by 2.",
        ),
        Mistake(
            lambda scores: 2.0**scores / np.sum(2.0**scores),
            "You divided by the total of everything: each question needs weights that "
            "sum to 1.",
        ),
        Mistake(
            lambda scores: 2.0**scores / np.max(2.0**scores, axis=-1, keepdims=True),
            "You divided by the largest: your largest weight is 1, and the others come "
            "on top of it.",
        ),
        Mistake(
            lambda scores: scores**2 / np.sum(scores**2, axis=-1, keepdims=True),
            "You squared the scores: the score is the number of doublings, so it is "
            "the exponent, 2 ** score.",
        ),
        Mistake(
            lambda scores: 2.0**scores / np.sum(2.0**scores, axis=0),
            "You summed along the first axis: the questions stand in rows, and each "
            "row needs weights that sum to 1.",
        ),
    ),
)


# lookup


def lookup(query, key, value):
    return reference_attention(query, key, value, scale=1.0)


def lookup_cases(rng):
    key = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [1.0, 1.0]])
    price = np.array([[0.0], [4.0], [10.0], [6.0]])
    query, far = normal(rng, 3, 4), normal(rng, 5, 4)
    query[0] = 20_000 * far[2] / np.sum(far[2] ** 2)
    return [
        Case((np.array([[1.0, 0.0]]), key, price), "something sweet, from the kitchen"),
        Case((np.eye(2), key, price), "something sweet, and something sour"),
        Case(
            (normal(rng, 3, 4), normal(rng, 5, 4), normal(rng, 5, 2)),
            "3 questions with 4 features, 5 tokens, values of 2 numbers",
        ),
        Case(
            (query, far, normal(rng, 5, 2)),
            "one question of large norm: its scores are in thousands",
        ),
    ]


def whole_softmax(scores):
    """Weights that sum to 1 over everything."""
    exps = np.exp(scores - scores.max())
    return exps / exps.sum()


def distances(query, key):
    return np.sum((query[:, None] - key) ** 2, axis=-1)


def hard(query, key, value):
    return value[np.argmax(query @ key.T, axis=-1)]


LOOKUP = Exercise(
    name="lookup",
    chapter=1,
    title="A soft look-up in four steps",
    objective="carry out attention: compare, score, weight, sum",
    minutes=10,
    difficulty=1,
    points=4,
    reference=lookup,
    cases=lookup_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda query, key, value: np.broadcast_to(
                value.mean(0), (len(query), value.shape[1])
            ).copy(),
            "You treated all tokens equally: your answer does not depend on the "
            "question.",
        ),
        Mistake(
            hard,
            "You returned the value of the best key alone: a soft look-up blends all "
            "values.",
        ),
        Mistake(
            lambda query, key, value: query @ key.T @ value,
            "You used the scores as weights: they do not sum to 1, and some of them "
            "may be negative.",
        ),
        Mistake(
            lambda query, key, value: np.exp(query @ key.T) @ value,
            "You did not divide by the total: your answers are far larger than the "
            "values.",
        ),
        Mistake(
            lambda query, key, value: doubled_weights(query @ key.T) @ value,
            "You let each point of score double the weight: the usual choice is e in "
            "place of 2.",
        ),
        Mistake(
            lambda query, key, value: softmax(query @ key.T, axis=0) @ value,
            "You normalised over the questions: the weights of one question do not sum "
            "to 1.",
        ),
        Mistake(
            lambda query, key, value: reference_attention(query, key, value),
            "You divided the scores by the root of the number of features: that comes "
            "in a later chapter, here a score counts as it is.",
        ),
        Mistake(
            lambda query, key, value: reference_attention(
                -query, key, value, scale=1.0
            ),
            "You turned the scores round: the token that fits worst has the largest "
            "share.",
        ),
        Mistake(
            lambda query, key, value: whole_softmax(query @ key.T) @ value,
            "You divided by the total of all questions: the weights of each question "
            "sum to 1 by themselves.",
        ),
        Mistake(
            lambda query, key, value: softmax(-distances(query, key)) @ value,
            "You compared by distance: here the score is a dot product, so a long key "
            "counts for more.",
        ),
        Mistake(
            lambda query, key, value: softmax(query @ key.T),
            "You stopped at the weights: the fourth step sums the values with them.",
        ),
        Mistake(
            lambda query, key, value: (
                np.exp(query @ key.T)
                / np.exp(query @ key.T).sum(-1, keepdims=True)
                @ value
            ),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the largest score of each row first.",
        ),
    ),
)


# hard_lookup


def hard_lookup(query, key, value):
    best = np.argmax(query @ key.T, axis=-1)
    return value[best]


def hard_cases(rng):
    return [
        Case((normal(rng, 1, 3), normal(rng, 4, 3), normal(rng, 4, 2)), "one question"),
        Case(
            (normal(rng, 4, 3), normal(rng, 6, 3), normal(rng, 6, 2)),
            "4 questions, 6 tokens",
        ),
        Case(
            (np.eye(2), np.array([[3.0, 1.0], [2.0, 5.0]]), np.array([[7.0], [1.0]])),
            "two questions about two tokens",
        ),
        Case(
            (
                np.array([[1.0, 0.5]]),
                np.array([[4.0, 0.0], [1.0, 0.5]]),
                np.array([[7.0], [1.0]]),
            ),
            "a long key beside one in the direction of the question",
        ),
        Case(
            (
                np.array([[1.0, 0.0]]),
                np.array([[1.0, 0.0], [1 + 2.0**-20, 0.0], [0.0, 1.0]]),
                np.array([[1.0], [2.0], [3.0]]),
            ),
            "two scores that nearly tie",
        ),
    ]


def by_length(query, key, value):
    size = np.linalg.norm(key, axis=-1)
    return value[np.argmax(query @ key.T / size, axis=-1)]


HARD_LOOKUP = Exercise(
    name="hard_lookup",
    chapter=1,
    title="The hard look-up",
    objective="turn a soft look-up into a hard one",
    minutes=6,
    difficulty=2,
    points=2,
    reference=hard_lookup,
    cases=hard_cases,
    mistakes=(
        Mistake(
            lambda query, key, value: reference_attention(query, key, value, scale=1.0),
            "You blended all values: a hard look-up returns one of them as it is.",
        ),
        Mistake(
            lambda query, key, value: value[np.argmin(query @ key.T, axis=-1)],
            "You took the token that fits worst: the largest score wins.",
        ),
        Mistake(
            lambda query, key, value: np.broadcast_to(
                value.max(0), (len(query), value.shape[1])
            ).copy(),
            "You returned the largest value: the scores decide, and they come from the "
            "keys.",
        ),
        Mistake(
            lambda query, key, value: value[
                np.full(len(query), np.argmax((query @ key.T).max(0)))
            ],
            "You picked one token for all questions: each question has a best key of "
            "its own.",
        ),
        Mistake(
            lambda query, key, value: key[np.argmax(query @ key.T, axis=-1)],
            "You returned the key that was found: the answer is its value.",
        ),
        Mistake(
            lambda query, key, value: (
                np.max(query @ key.T, axis=-1, keepdims=True)
                * value[np.argmax(query @ key.T, axis=-1)]
            ),
            "You multiplied the value by its score: the best one counts with the "
            "weight 1.",
        ),
        Mistake(
            by_length,
            "You divided the scores by the lengths of the keys: here a long key counts "
            "for more than a short one in the same direction.",
        ),
        Mistake(
            lambda query, key, value: value[distances(query, key).argmin(-1)],
            "You took the nearest key: here the score is a dot product, so a long key "
            "counts for more.",
        ),
        Mistake(
            lambda query, key, value: np.argmax(query @ key.T, axis=-1),
            "You returned the places of the tokens that were found: the answer is the "
            "values that stand there.",
        ),
        Mistake(
            lambda query, key, value: value[np.argmax(query @ key.T, axis=0)],
            "You searched for the best question of each token, along the first "
            "axis: each question, a row of the scores, looks for its best token.",
        ),
        Mistake(
            lambda query, key, value: reference_attention(
                query, key, value, scale=1000.0
            ),
            "You made a softmax very sharp: two scores that lie close together "
            "still share the weight, where a hard look-up takes one value as it is.",
        ),
    ),
)


# smoothed


def smoothed(x, places, measured, bandwidth):
    scores = -((x[:, None] - places) ** 2) / (2 * bandwidth**2)
    return softmax(scores) @ measured


def smoothed_cases(rng):
    def case(L, S, bandwidth, what):
        places = np.sort(rng.uniform(0, 1, size=S))
        return Case(
            (rng.uniform(0, 1, size=L), places, rng.uniform(1, 3, S), bandwidth), what
        )

    between = np.array([0.1, 0.4, 0.65]) + rng.uniform(-0.02, 0.02, size=3)
    return [
        case(1, 4, 0.2, "one point, 4 measurements"),
        case(5, 7, 0.1, "5 points, 7 measurements, a bandwidth of 0.1"),
        case(4, 9, 0.5, "4 points, 9 measurements, a bandwidth of 0.5"),
        Case(
            (between, np.linspace(0, 1, 5), normal(rng, 5), 0.0005),
            "a bandwidth far smaller than the gaps",
        ),
    ]


def kernel(distance):
    """A mistake: weights that are exp of minus something else."""

    def wrong(x, places, measured, bandwidth):
        return softmax(-distance(x[:, None] - places, bandwidth)) @ measured

    return wrong


def gaps(x, places, bandwidth):
    return (x[:, None] - places) ** 2 / (2 * bandwidth**2)


def underflowing(x, places, measured, bandwidth):
    grown = np.exp(-((x[:, None] - places) ** 2) / (2 * bandwidth**2))
    with np.errstate(invalid="ignore"):
        return grown @ measured / grown.sum(-1)


SMOOTHED = Exercise(
    name="smoothed",
    chapter=1,
    title="Attention as a smoother",
    objective="read attention as a smoother of noisy data",
    minutes=15,
    difficulty=3,
    points=4,
    rtol=1e-4,
    why_rtol="float32 with gaps squared as x² - 2xp + p², over a bandwidth of 0.1",
    reference=smoothed,
    cases=smoothed_cases,
    torch=True,
    mistakes=(
        Mistake(
            kernel(lambda gap, h: gap**2 / h**2),
            "You left out the 2 below: your weights fall off faster than a normal "
            "curve of this bandwidth.",
        ),
        Mistake(
            kernel(lambda gap, h: gap**2 / (2 * h)),
            "You did not square the bandwidth: your weights change too little with it.",
        ),
        Mistake(
            kernel(lambda gap, h: np.abs(gap) / h),
            "You used the distance, not its square: your curve has a corner at every "
            "measurement.",
        ),
        Mistake(
            kernel(lambda gap, h: -(gap**2) / (2 * h**2)),
            "You lost a sign: far measurements get the large weights.",
        ),
        Mistake(
            underflowing,
            "You are right for ordinary bandwidths, but with a small one all "
            "exponentials round to 0, and 0 / 0 is NaN.",
        ),
        Mistake(
            lambda x, places, measured, bandwidth: measured[
                np.abs(x[:, None] - places).argmin(-1)
            ],
            "You took the nearest measurement: that is the limit of a very small "
            "bandwidth, and it does not average anything.",
        ),
        Mistake(
            kernel(lambda gap, h: gap**2 * h**2 / 2),
            "You multiplied by the bandwidth where you should divide: a larger one "
            "must smooth more.",
        ),
        Mistake(
            kernel(lambda gap, h: gap**2 / (2 * h) ** 2),
            "You squared the 2 as well: the divisor is 2 h², and yours is 4 h², so "
            "your curve is smoother than asked for.",
        ),
        Mistake(
            lambda x, places, measured, bandwidth: (
                softmax(-gaps(x, places, bandwidth), axis=0) @ measured
            ),
            "You normalised over the points of x: the weights of one prediction, over "
            "the measurements, do not sum to 1.",
        ),
        Mistake(
            lambda x, places, measured, bandwidth: (
                np.exp(-gaps(x, places, bandwidth)) @ measured
            ),
            "You did not divide by the total: your prediction grows with the number of "
            "measurements nearby.",
        ),
        Mistake(
            lambda x, places, measured, bandwidth: np.full(len(x), np.mean(measured)),
            "You averaged all measurements alike: your curve is flat, whatever the "
            "bandwidth is.",
        ),
    ),
)


# soft_or_equal: written

SOFT_OR_EQUAL = Exercise(
    name="soft_or_equal",
    chapter=1,
    title="When is the plain mean better?",
    objective="say what weighting gains and what it costs",
    minutes=10,
    difficulty=3,
    points=5,
    kind="written",
    rubric=(
        (2, "says that weights help where keys tell which values matter"),
        (2, "says that sharp weights average less, so noise passes through"),
        (1, "names a case in which equal weights are the better choice"),
    ),
)

EXERCISES = (DOUBLED_WEIGHTS, LOOKUP, HARD_LOOKUP, SMOOTHED, SOFT_OR_EQUAL)
