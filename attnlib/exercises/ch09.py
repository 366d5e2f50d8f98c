"""Exercises of chapter 9, practice."""

import numpy as np

from attnlib import softmax
from attnlib.exercises._core import Case, Exercise, Mistake


def normal(rng, *shape):
    return rng.normal(size=shape)


# pooled


def pooled(x, real):
    share = real[..., None] / np.maximum(np.sum(real, axis=-1), 1)[..., None, None]
    return np.sum(x * share, axis=-2)


def pooled_cases(rng):
    some = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)
    empty = some.copy()
    empty[1] = False
    return [
        Case((normal(rng, 4, 3), np.ones(4, dtype=bool)), "one text without padding"),
        Case((normal(rng, 3, 5, 2), some), "3 texts, padded to 5 tokens"),
        Case((10 + normal(rng, 3, 5, 2), some), "features around 10"),
        Case(
            (normal(rng, 3, 5, 2), empty), "a text without any token: its vector is 0"
        ),
    ]


def with_nan(x, real):
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sum(x * real[..., None], -2) / real.sum(-1, keepdims=True)


POOLED = Exercise(
    name="pooled",
    chapter=9,
    title="One vector for a text",
    objective="average the tokens of padded texts",
    minutes=8,
    difficulty=1,
    points=3,
    reference=pooled,
    cases=pooled_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda x, real: np.mean(x, axis=-2),
            "You averaged the padding as well: the same text gets another vector when "
            "a longer one stands in its batch.",
        ),
        Mistake(
            lambda x, real: np.mean(x * real[..., None], axis=-2),
            "You set the padding to 0 and divided by all positions: short texts get "
            "short vectors.",
        ),
        Mistake(
            lambda x, real: np.sum(x * real[..., None], axis=-2),
            "You summed and did not divide: long texts get long vectors.",
        ),
        Mistake(
            with_nan,
            "You are right for ordinary texts, but one without tokens becomes NaN: "
            "0 / 0.",
        ),
        Mistake(
            lambda x, real: np.max(
                np.where(real[..., None], x, np.where(real.any(), -1e9, 0)), axis=-2
            ),
            "You took the largest of each feature: the task asks for the mean.",
        ),
        Mistake(
            lambda x, real: pooled(x, ~real),
            "You averaged the padding and left out the tokens: True means real.",
        ),
        Mistake(
            lambda x, real: x[..., 0, :],
            "You took the first token: the task asks for the mean of all real ones.",
        ),
        Mistake(
            lambda x, real: (
                np.sum(x * real[..., None], -2) / (real.sum(-1, keepdims=True) + 1)
            ),
            "You added 1 to every number of tokens: only an empty text needs another "
            "divisor than its own number.",
        ),
        Mistake(
            lambda x, real: np.sum(x * real[..., None], -2) / max(np.sum(real), 1),
            "You divided by the number of real tokens of all texts: each text has a"
            " number of its own, so your vectors shrink in a larger batch.",
        ),
    ),
)


# patches


def patches(image, size):
    height, width, channels = image.shape
    rows, columns = height // size, width // size
    grid = image.reshape(rows, size, columns, size, channels)
    return grid.swapaxes(1, 2).reshape(rows * columns, size * size * channels)


def patches_cases(rng):
    return [
        Case((normal(rng, 4, 4, 1), 2), "4 x 4 pixels, patches of 2 x 2, one channel"),
        Case((normal(rng, 2, 6, 1), 2), "an image that is wider than high"),
        Case((normal(rng, 6, 9, 3), 3), "6 x 9 pixels, patches of 3 x 3, 3 channels"),
        Case((normal(rng, 8, 4, 2), 4), "8 x 4 pixels, patches of 4 x 4, 2 channels"),
    ]


def grid_of(image, size):
    height, width, channels = image.shape
    return image.reshape(height // size, size, width // size, size, channels)


def flat(grid, size):
    return grid.reshape(-1, size * size * grid.shape[-1])


PATCHES = Exercise(
    name="patches",
    chapter=9,
    title="An image as a row of tokens",
    objective="cut an image into patches",
    minutes=12,
    difficulty=2,
    points=4,
    reference=patches,
    cases=patches_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda image, size: image.reshape(-1, size * size * image.shape[-1]),
            "You used one reshape: your tokens are runs along the rows of pixels, not "
            "squares.",
        ),
        Mistake(
            lambda image, size: flat(
                grid_of(image, size).transpose(2, 0, 1, 3, 4).copy(), size
            ),
            "You listed the patches column by column: they go along the rows, as you "
            "read.",
        ),
        Mistake(
            lambda image, size: flat(
                grid_of(image, size).transpose(0, 2, 3, 1, 4).copy(), size
            ),
            "You listed the pixels inside a patch column by column: they go along the "
            "rows.",
        ),
        Mistake(
            lambda image, size: (
                grid_of(image, size)
                .transpose(0, 2, 4, 1, 3)
                .reshape(-1, size * size * image.shape[-1])
            ),
            "You put all pixels of one channel first: here the channels of a pixel "
            "stay together. With one channel you see no difference.",
        ),
        Mistake(
            lambda image, size: (
                grid_of(image, size)
                .transpose(1, 3, 0, 2, 4)
                .reshape(size * size, -1, image.shape[-1])
                .swapaxes(0, 1)
                .mean(1)
            ),
            "You averaged each patch: its pixels are the features of its token.",
        ),
        Mistake(
            lambda image, size: (
                grid_of(image, size)
                .transpose(1, 3, 0, 2, 4)
                .reshape(-1, size * size * image.shape[-1])
            ),
            "You put the place inside the patch before the patch: your tokens gather "
            "pixels from all over the image.",
        ),
    ),
)


# exact_matches


def exact_matches(predicted, target, real):
    same = (predicted == target) | ~real
    return float(np.mean(np.all(same, axis=-1)))


def matches_cases(rng):
    def case(B, n, wrong, what):
        target = rng.integers(0, 9, size=(B, n))
        real = np.arange(n) < rng.integers(2, n, size=B)[:, None]
        agrees = real | (np.arange(B) % 2 == 0)[:, None]  # some do in the padding, too
        predicted = np.where(agrees, target, (target + 1) % 9)
        predicted[:wrong, 1] = (target[:wrong, 1] + 3) % 9
        return Case((predicted, target, real), what)

    whole = rng.integers(0, 9, size=(3, 4))
    return [
        Case((whole, whole.copy(), np.ones((3, 4), dtype=bool)), "all are right"),
        case(5, 6, 2, "5 texts, one wrong token in 2 of them"),
        case(4, 5, 0, "the predictions differ in the padding only"),
        case(7, 8, 7, "one wrong token in every text"),
    ]


EXACT_MATCHES = Exercise(
    name="exact_matches",
    chapter=9,
    title="How many answers are right?",
    objective="score whole answers, padding left out",
    minutes=8,
    difficulty=2,
    points=3,
    reference=exact_matches,
    cases=matches_cases,
    mistakes=(
        Mistake(
            lambda predicted, target, real: float(np.mean((predicted == target)[real])),
            "You counted tokens: a translation with one wrong token is wrong, and your "
            "score hardly notices.",
        ),
        Mistake(
            lambda predicted, target, real: float(
                np.mean(np.all(predicted == target, axis=-1))
            ),
            "You compared the padding as well: what a model says there does not count.",
        ),
        Mistake(
            lambda predicted, target, real: float(
                np.mean(np.all((predicted == target) & real, axis=-1))
            ),
            "You counted padding as wrong: only texts without padding can be right.",
        ),
        Mistake(
            lambda predicted, target, real: float(
                np.sum(np.all((predicted == target) | ~real, axis=-1))
            ),
            "You returned how many answers are right: the share of them is asked for.",
        ),
        Mistake(
            lambda predicted, target, real: float(
                np.mean(np.any((predicted == target) & real, axis=-1))
            ),
            "You asked for one right token: all real tokens of an answer must match.",
        ),
        Mistake(
            lambda predicted, target, real: float(
                np.mean((predicted == target) | ~real)
            ),
            "You counted positions, the padding among them as right: longer padding "
            "raises your score.",
        ),
        Mistake(
            lambda predicted, target, real: float(
                np.array_equal(predicted[real], target[real])
            ),
            "You asked whether all texts are right at once: the share of the right "
            "ones is asked for.",
        ),
        Mistake(
            lambda predicted, target, real: float(
                np.mean(np.any((predicted != target) & real, axis=-1))
            ),
            "You returned the share of wrong answers: your score falls when a model "
            "gets better.",
        ),
        Mistake(
            lambda predicted, target, real: float(
                np.mean(np.all((predicted == target) | real, axis=-1))
            ),
            "You left the real tokens out and compared the padding: True means real.",
        ),
    ),
)


# picked_sentences


def picked_sentences(x, k):
    scores = x @ x.mT
    received = np.sum(softmax(scores), axis=0)
    return np.sort(np.argsort(-received)[:k])


def picked_by(rank):
    return lambda x, k: np.sort(np.argsort(-rank(x))[:k])


def received(x, scale=1):
    return np.sum(softmax(x @ x.T * scale), axis=0)


def from_others(x):
    return np.sum(softmax(x @ x.T) * (1 - np.eye(len(x))), axis=0)


RANKS = (
    received,
    lambda x: received(x, x.shape[1] ** -0.5),
    lambda x: received(x, 1 / x.shape[1]),
    lambda x: np.sum(x @ x.T, axis=0),
    lambda x: np.diagonal(softmax(x @ x.T)),
    from_others,
)


def telling(rng, n, D, k):
    """Sentences (n, D) of which each of RANKS picks other k."""
    while True:
        x = 1.3 * normal(rng, n, D)
        if len({tuple(picked_by(rank)(x, k)) for rank in RANKS}) == len(RANKS):
            return x


def in_one_direction(rng):
    """Sentences (6, 3): the first and the fourth are long, the rest point away."""
    x = normal(rng, 6, 3)
    along = x[0] / np.linalg.norm(x[0])
    x -= 2 * np.maximum(x @ along, 0)[:, None] * along
    x[0], x[3] = 40 * along, 38 * along
    return x


def picked_cases(rng):
    def case(n, D, k, what):
        return Case((1.3 * normal(rng, n, D), k), what)

    return [
        case(4, 3, 1, "4 sentences, pick one"),
        case(7, 5, 3, "7 sentences, pick 3"),
        case(9, 2, 4, "9 sentences, pick 4"),
        case(3, 4, 3, "3 sentences, pick all"),
        Case((telling(rng, 12, 3, 5), 5), "12 sentences, pick 5"),
        Case(
            (normal(rng, 6, 3) * np.array([[60.0], [1], [1], [60], [1], [1]]), 2),
            "6 sentences, two of large norm, pick 2",
        ),
        Case(
            (in_one_direction(rng), 2),
            "6 sentences, two of large norm in one direction, pick 2",
        ),
    ]


def by_plain_exp(x):
    with np.errstate(over="ignore", invalid="ignore"):
        exps = np.exp(x @ x.T)
        return np.sum(exps / exps.sum(-1, keepdims=True), axis=0)


PICKED_SENTENCES = Exercise(
    name="picked_sentences",
    chapter=9,
    title="A summary without training",
    objective="pick sentences for a summary with untrained attention",
    minutes=12,
    difficulty=3,
    points=4,
    reference=picked_sentences,
    cases=picked_cases,
    mistakes=(
        Mistake(
            lambda x, k: np.argsort(-np.sum(softmax(x @ x.T), axis=0))[:k],
            "You picked the right sentences and listed them by rank: a summary keeps "
            "the order of the text.",
        ),
        Mistake(
            picked_by(lambda x: np.sum(softmax(x @ x.T), axis=1)),
            "You summed each row: that is what a sentence gives, always 1. What it "
            "receives stands in its column.",
        ),
        Mistake(
            picked_by(lambda x: -np.sum(softmax(x @ x.T), axis=0)),
            "You picked the sentences that receive the least.",
        ),
        Mistake(
            picked_by(lambda x: np.sum(x @ x.T, axis=0)),
            "You summed raw scores: without the softmax one long vector outvotes all "
            "other rows.",
        ),
        Mistake(
            lambda x, k: np.arange(k),
            "You took the first sentences: a strong baseline for news, and it does not "
            "look at the text.",
        ),
        Mistake(
            picked_by(lambda x: np.diagonal(softmax(x @ x.T))),
            "You ranked by one weight of each sentence, the one to itself or the "
            "largest: what it receives from all of them counts, the sum of its column.",
        ),
        Mistake(
            picked_by(from_others),
            "You left out what a sentence gives to itself: here all weights of its "
            "column count, its own among them.",
        ),
        Mistake(
            lambda x, k: x[picked_sentences(x, k)],
            "You returned the vectors of the sentences: the task asks for their places "
            "in the text.",
        ),
        Mistake(
            picked_by(lambda x: received(x, x.shape[1] ** -0.5)),
            "You divided the scores by the root of the number of features: here the "
            "scores are the dot products as they are, and your ranking is another.",
        ),
        Mistake(
            lambda x, k: np.sort(np.argsort(by_plain_exp(x))[-k:]),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the largest score of each row first.",
        ),
    ),
)


# pointer_gradient


def pointer_gradient(query, key, target):
    weights = softmax(key @ query)
    return key.mT @ weights - key[target]


def pointer_cases(rng):
    def case(S, E, what):
        return Case((normal(rng, E), normal(rng, S, E), int(rng.integers(S))), what)

    far, query = normal(rng, 4, 3), normal(rng, 3)
    query = query + 3000 * far[1] / np.sum(far[1] ** 2)
    return [
        case(2, 3, "2 facts, 3 features"),
        case(5, 4, "5 facts, 4 features"),
        case(6, 6, "6 facts, 6 features"),
        Case((query, far, 2), "scores in thousands"),
    ]


POINTER_GRADIENT = Exercise(
    name="pointer_gradient",
    chapter=9,
    title="Train a pointer",
    objective="write the gradient of a pointer on one line",
    minutes=15,
    difficulty=4,
    points=4,
    reference=pointer_gradient,
    cases=pointer_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda query, key, target: key[target] - softmax(key @ query) @ key,
            "Your sign is turned round: this is the step that lowers the loss, and the "
            "gradient points the other way.",
        ),
        Mistake(
            lambda query, key, target: softmax(key @ query) @ key,
            "You left out the true key: your gradient would only push the query away "
            "from all keys.",
        ),
        Mistake(
            lambda query, key, target: -key[target],
            "You left out the weighted mean of the keys: your gradient never ends, "
            "even when the pointer is right and sure.",
        ),
        Mistake(
            lambda query, key, target: key.mean(0) - key[target],
            "You weighted all keys equally: a key that the pointer does not look at "
            "must not push.",
        ),
        Mistake(
            lambda query, key, target: (
                softmax(key @ query)[target]
                * (softmax(key @ query) @ key - key[target])
            ),
            "You have the probability of the true key in front: that is the gradient "
            "of the probability, and the loss is its logarithm.",
        ),
        Mistake(
            lambda query, key, target: softmax(key @ query) - np.eye(len(key))[target],
            "You stopped at the gradient with respect to the scores: one more step, "
            "through the keys, leads to the query.",
        ),
        Mistake(
            lambda query, key, target: (
                np.exp(key @ query) / np.exp(key @ query).sum() @ key - key[target]
            ),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the largest score first.",
        ),
        Mistake(
            lambda query, key, target: (softmax(key @ query)[target] - 1) * key[target],
            "You used the true key alone: the scores of the other facts depend on the "
            "query, too.",
        ),
        Mistake(
            lambda query, key, target: pointer_gradient(query, key, target) / len(key),
            "You took a mean over the facts: their shares sum to 1 already, so what"
            " they pull is added, and yours is too small by their number.",
        ),
    ),
)


# alignment: written

ALIGNMENT = Exercise(
    name="alignment",
    chapter=9,
    title="Does the alignment show the reason?",
    objective="test whether an alignment shows where an answer came from",
    minutes=12,
    difficulty=3,
    points=6,
    kind="written",
    rubric=(
        (2, "says that weights show what was mixed, not what the answer depended on"),
        (
            2,
            "proposes an intervention: change or hide a source token, see what changes",
        ),
        (1, "asks for the converse, too: is the token alone enough?"),
        (
            1,
            "counts over many examples, beside a baseline: a rule, or the untrained "
            "model",
        ),
    ),
)

EXERCISES = (
    POOLED,
    PATCHES,
    EXACT_MATCHES,
    PICKED_SENTENCES,
    ALIGNMENT,
    POINTER_GRADIENT,
)
