"""Exercises of chapter 8, losses."""

import math

import numpy as np

from attnlib import softmax
from attnlib.exercises._core import Case, Exercise, Mistake


def log_sum_exp(z):
    m = z.max(-1, keepdims=True)
    return (m + np.log(np.exp(z - m).sum(-1, keepdims=True)))[..., 0]


def true_logits(logits, targets):
    return np.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]


def one_hot(targets, V):
    return np.eye(V)[targets]


def some_logits(rng, N, V, scale=1.0):
    return scale * rng.normal(size=(N, V)), rng.integers(0, V, size=N)


# perplexity


def perplexity(nats, counted):
    return math.exp(np.sum(nats * counted) / np.sum(counted))


def perplexity_cases(rng):
    def case(*shape, what):
        counted = rng.random(shape) < 0.6
        counted.flat[:3] = True, False, True
        return Case((rng.uniform(0.1, 4, size=shape), counted), what)

    halves = np.concatenate([np.zeros(4), np.full(4, math.log(16))])
    return [
        Case(
            (halves, np.ones(8, dtype=bool)), "4 tokens are certain, 4 have 16 choices"
        ),
        case(7, what="one text of 7 tokens, some of them padding"),
        Case(
            (rng.uniform(0.1, 4, size=(3, 5)), np.tri(3, 5, 1, dtype=bool)),
            "3 texts of 2, 3 and 4 tokens, the rest is padding",
        ),
    ]


def of_texts(nats, counted):
    """The mean loss of each text that has a token."""
    numbers = np.sum(counted, axis=-1)
    return (np.sum(nats * counted, axis=-1) / np.maximum(numbers, 1))[numbers > 0]


PERPLEXITY = Exercise(
    name="perplexity",
    chapter=8,
    title="Perplexity of padded texts",
    objective="read a loss as nats, bits and perplexity",
    minutes=6,
    difficulty=1,
    points=2,
    reference=perplexity,
    cases=perplexity_cases,
    mistakes=(
        Mistake(
            lambda nats, counted: math.exp(nats.mean()),
            "You averaged over the padding as well: your result depends on how long "
            "the longest text is.",
        ),
        Mistake(
            lambda nats, counted: math.exp((nats * counted).mean()),
            "You set the padding to 0 nats and still divided by all positions: your "
            "perplexity is too low.",
        ),
        Mistake(
            lambda nats, counted: np.exp(nats[counted]).mean(),
            "You averaged perplexities: losses average, perplexities do not, and a few "
            "hard tokens dominate yours.",
        ),
        Mistake(
            lambda nats, counted: np.mean(np.exp(of_texts(nats, counted))),
            "You averaged the perplexities of the texts: a short text then counts as "
            "much as a long one. Average the losses of all tokens first.",
        ),
        Mistake(
            lambda nats, counted: np.exp(np.mean(of_texts(nats, counted))),
            "You averaged each text first, then the texts: a token of a short text "
            "counts for more. Average over all counted tokens at once.",
        ),
        Mistake(
            lambda nats, counted: 2 ** nats[counted].mean(),
            "You raised 2 to the loss: that undoes bits, and these losses are in nats.",
        ),
        Mistake(
            lambda nats, counted: nats[counted].mean(),
            "You returned the mean loss itself: the perplexity is the number of "
            "equally likely choices that would have this loss.",
        ),
        Mistake(
            lambda nats, counted: math.exp(-nats[counted].mean()),
            "You lost a sign: your result lies below 1, and a perplexity never does.",
        ),
        Mistake(
            lambda nats, counted: math.exp(nats[counted].sum()),
            "You summed the losses: that is the perplexity of a whole text, and it "
            "grows with its length. Yours needs their mean.",
        ),
        Mistake(
            lambda nats, counted: math.exp(
                np.sum(nats * ~counted) / max(1, np.sum(~counted))
            ),
            "You averaged the padding and left out the tokens: True means that a "
            "position counts.",
        ),
    ),
)


# stable_cross_entropy


def stable_cross_entropy(logits, targets):
    return np.mean(log_sum_exp(logits) - true_logits(logits, targets))


def cross_entropy_cases(rng):
    large, true = some_logits(rng, 4, 5)
    large[0] += 1000
    far, targets = some_logits(rng, 4, 5)
    far[2, (targets[2] + 1) % 5] += 900
    return [
        Case((np.log([[5.0, 2.0, 1.0]]), np.array([1])), "probabilities 5/8, 2/8, 1/8"),
        Case(some_logits(rng, 6, 4), "6 positions, 4 characters"),
        Case(some_logits(rng, 3, 7, 3.0), "3 positions, 7 characters"),
        Case((large, true), "logits near 1000"),
        Case((far, targets), "a logit 900 above that of the true character"),
    ]


def by_log_of_softmax(logits, targets, guard=0.0):
    with np.errstate(divide="ignore"):
        return -np.log(true_logits(softmax(logits), targets) + guard).mean()


def from_plain_exp(logits, targets):
    exps = np.exp(logits)
    return -np.log(true_logits(exps / exps.sum(-1, keepdims=True), targets)).mean()


STABLE_CROSS_ENTROPY = Exercise(
    name="stable_cross_entropy",
    chapter=8,
    title="Cross-entropy from logits",
    objective="compute cross-entropy without overflow",
    minutes=12,
    difficulty=2,
    points=4,
    rtol=2e-4,
    why_rtol="float32 with the logarithm of a sum near 1000: it holds 4 decimals there",
    reference=stable_cross_entropy,
    cases=cross_entropy_cases,
    torch=True,
    mistakes=(
        Mistake(
            from_plain_exp,
            "You took exp of the logits as they are: near 1000 it overflows, and your "
            "loss is NaN.",
        ),
        Mistake(
            by_log_of_softmax,
            "You took the logarithm after the softmax: a probability that has rounded "
            "to 0 gives an infinite loss. The two steps have to be done as one.",
        ),
        Mistake(
            lambda logits, targets: by_log_of_softmax(logits, targets, 1e-9),
            "You added a small number inside the logarithm: your loss can never exceed "
            "some twenty nats, however wrong the model is.",
        ),
        Mistake(
            lambda logits, targets: -stable_cross_entropy(logits, targets),
            "You lost a sign: your loss is negative, and it must fall when the true "
            "character becomes more likely.",
        ),
        Mistake(
            lambda logits, targets: np.mean(
                log_sum_exp(logits)[:, None] - logits[:, targets]
            ),
            "You took logits[:, targets]: that gives every position the true "
            "characters of all. Each row has one: logits[np.arange(N), targets].",
        ),
        Mistake(
            lambda logits, targets: np.sum(
                log_sum_exp(logits) - true_logits(logits, targets)
            ),
            "You summed over the positions: the loss of a text would grow with its "
            "length.",
        ),
        Mistake(
            lambda logits, targets: stable_cross_entropy(softmax(logits), targets),
            "You applied softmax twice: this loss takes logits, and yours stays near "
            "that of a model that guesses.",
        ),
        Mistake(
            lambda logits, targets: stable_cross_entropy(logits, targets) / math.log(2),
            "You measured in bits: the task asks for nats, the natural logarithm.",
        ),
        Mistake(
            lambda logits, targets: (
                stable_cross_entropy(logits, targets) / logits.shape[-1]
            ),
            "You averaged over positions and characters: only the true character of "
            "each position has a loss, so the mean is over the positions.",
        ),
        Mistake(
            lambda logits, targets: np.mean(
                np.log(np.exp(logits).sum(-1)) - true_logits(logits, targets)
            ),
            "You took exp of the logits as they are in the logarithm of the sum: near "
            "1000 it overflows, and your loss is infinite.",
        ),
        Mistake(
            lambda logits, targets: np.mean(
                log_sum_exp(logits) - logits.max(-1) - true_logits(logits, targets)
            ),
            "You subtracted the maximum inside the sum and did not add it back after "
            "the logarithm: your loss depends on a constant in the logits.",
        ),
        Mistake(
            lambda logits, targets: np.mean(log_sum_exp(logits) - logits.max(-1)),
            "You used the largest logit in place of the true one: your loss does not "
            "depend on the targets.",
        ),
        Mistake(
            lambda logits, targets: log_sum_exp(logits) - true_logits(logits, targets),
            "You returned a loss for each position: the task asks for their mean, one "
            "number.",
        ),
        Mistake(
            lambda logits, targets: np.mean(
                (softmax(logits) - one_hot(targets, logits.shape[-1])) ** 2
            ),
            "You computed the squared error of the probabilities: cross-entropy is "
            "minus the logarithm of the true one.",
        ),
        Mistake(
            lambda logits, targets: np.mean(
                np.log(np.exp(logits - logits.max()).sum(-1))
                + logits.max()
                - true_logits(logits, targets)
            ),
            "You subtracted one maximum of the whole array: a row that lies far below "
            "it underflows, and the logarithm of 0 is -inf.",
        ),
    ),
)


# cross_entropy_gradient


def cross_entropy_gradient(logits, targets):
    return (softmax(logits) - one_hot(targets, logits.shape[-1])) / len(logits)


CROSS_ENTROPY_GRADIENT = Exercise(
    name="cross_entropy_gradient",
    chapter=8,
    title="Softmax minus one-hot",
    objective="derive the gradient of cross-entropy with respect to the logits",
    minutes=12,
    difficulty=2,
    points=4,
    reference=cross_entropy_gradient,
    cases=lambda rng: [
        Case((np.log([[5.0, 2.0, 1.0]]), np.array([1])), "probabilities 5/8, 2/8, 1/8"),
        Case(some_logits(rng, 6, 4), "6 positions, 4 characters"),
        Case(some_logits(rng, 3, 7, 3.0), "3 positions, 7 characters"),
    ],
    torch=True,
    mistakes=(
        Mistake(
            lambda logits, targets: (
                softmax(logits) - one_hot(targets, logits.shape[-1])
            ),
            "You gave the gradient of the sum: the loss is a mean over the positions, "
            "so each of them counts less the more there are.",
        ),
        Mistake(
            lambda logits, targets: -cross_entropy_gradient(logits, targets),
            "Your sign is turned round: the entry of the true character must be "
            "negative, so that a step against the gradient raises its logit.",
        ),
        Mistake(
            lambda logits, targets: softmax(logits) / len(logits),
            "You left the one-hot vector out: your entries of one position sum to more "
            "than 0, and the true character is pushed down like the others.",
        ),
        Mistake(
            lambda logits, targets: (
                (softmax(logits) - one_hot(targets, logits.shape[-1])) / logits.size
            ),
            "You divided by the number of all logits: the mean is over the positions, "
            "not over the characters.",
        ),
        Mistake(
            lambda logits, targets: (
                (logits - one_hot(targets, logits.shape[-1])) / len(logits)
            ),
            "You subtracted the one-hot vector from the logits: what the model said is "
            "its probabilities, the softmax of the logits.",
        ),
        Mistake(
            lambda logits, targets: (
                2 * (softmax(logits) - one_hot(targets, logits.shape[-1])) / len(logits)
            ),
            "Your gradient is twice as large as it should be: that factor belongs to "
            "squared error, not to a logarithm.",
        ),
        Mistake(
            lambda logits, targets: (
                one_hot(targets, logits.shape[-1]) * (softmax(logits) - 1) / len(logits)
            ),
            "You moved the true character only: the logits of the others have a "
            "gradient as well, their probabilities.",
        ),
        Mistake(
            lambda logits, targets: (
                (softmax(logits, 0) - one_hot(targets, logits.shape[-1])) / len(logits)
            ),
            "You normalised over the positions: the probabilities of each position sum "
            "to 1, along the last axis.",
        ),
        Mistake(
            lambda logits, targets: (
                -one_hot(targets, logits.shape[-1]) / softmax(logits) / len(logits)
            ),
            "You stopped at the gradient with respect to the probabilities, -1/p: it "
            "still has to pass back through the softmax.",
        ),
        Mistake(
            lambda logits, targets: (
                softmax(logits) * (1 - softmax(logits)) / len(logits)
            ),
            "You used the slope of a sigmoid, p (1 - p): the targets do not enter your "
            "result at all.",
        ),
        Mistake(
            lambda logits, targets: (
                (softmax(logits) - np.isin(np.arange(logits.shape[-1]), targets))
                / len(logits)
            ),
            "You subtracted 1 at p[:, targets]: that takes it from every position for "
            "the true characters of all. Each row has one: p[np.arange(N), targets].",
        ),
        Mistake(
            lambda logits, targets: (
                cross_entropy_gradient(logits, targets) * len(logits) / logits.shape[-1]
            ),
            "You divided by the number of characters: the loss is the mean over the"
            " positions, so your gradient is divided by their number.",
        ),
    ),
)


# smoothed_cross_entropy


def smoothed_target(targets, V, epsilon):
    return (1 - epsilon) * one_hot(targets, V) + epsilon / V


def against(target, logits):
    """Cross-entropy against rows of target probabilities."""
    return np.mean(log_sum_exp(logits) * target.sum(-1) - (target * logits).sum(-1))


def smoothed_cross_entropy(logits, targets, epsilon):
    return against(smoothed_target(targets, logits.shape[-1], epsilon), logits)


def smoothed_probabilities(logits, targets, epsilon):
    V = logits.shape[-1]
    probabilities = true_logits(softmax(logits), targets)
    return -np.mean(np.log((1 - epsilon) * probabilities + epsilon / V))


def smoothed_numbers(logits, targets, epsilon):
    """The numbers of the characters are smoothed; NumPy takes no such index."""
    targets = (1 - epsilon) * targets + epsilon / logits.shape[-1]
    return np.mean(log_sum_exp(logits) - logits[np.arange(len(targets)), targets])


def from_parts(uniform):
    """A mistake: what stands for the uniform part of the loss is another number."""

    def wrong(logits, targets, epsilon):
        loss = against(one_hot(targets, logits.shape[-1]), logits)
        return (1 - epsilon) * loss + epsilon * uniform(logits)

    return wrong


def smoothed(change):
    """A mistake: `change` makes the target rows from (one_hot, V, epsilon)."""

    def wrong(logits, targets, epsilon):
        V = logits.shape[-1]
        return against(change(one_hot(targets, V), V, epsilon), logits)

    return wrong


SMOOTHED_CROSS_ENTROPY = Exercise(
    name="smoothed_cross_entropy",
    chapter=8,
    title="Label smoothing",
    objective="say what label smoothing changes in the loss",
    minutes=12,
    difficulty=3,
    points=4,
    reference=smoothed_cross_entropy,
    cases=lambda rng: [
        Case((*some_logits(rng, 5, 4), 0.0), "no smoothing: the plain cross-entropy"),
        Case((*some_logits(rng, 5, 4), 0.1), "5 positions, 4 characters, epsilon 0.1"),
        Case((*some_logits(rng, 3, 7, 2.0), 0.3), "7 characters, epsilon 0.3"),
        Case((*some_logits(rng, 4, 6), 1.0), "epsilon 1: the target is uniform"),
    ],
    torch=True,
    mistakes=(
        Mistake(
            smoothed(lambda hot, V, e: (1 - e) * hot + e / (V - 1) * (1 - hot)),
            "You shared epsilon among the other characters only: here the mixture is "
            "with the uniform distribution over all of them, the true one included.",
        ),
        Mistake(
            smoothed(lambda hot, V, e: (1 - e) * hot + e),
            "You gave every character the whole epsilon: your target sums to more than "
            "1, so divide epsilon by the number of characters.",
        ),
        Mistake(
            smoothed(lambda hot, V, e: hot + e / V),
            "You added the uniform part without taking it from the true character: "
            "your target sums to more than 1.",
        ),
        Mistake(
            smoothed(lambda hot, V, e: (1 - e) * hot),
            "You lowered the target of the true character and gave the rest to nobody: "
            "your target sums to less than 1.",
        ),
        Mistake(
            smoothed(lambda hot, V, e: e * hot + (1 - e) / V),
            "You swapped the two shares: without smoothing your target is uniform, "
            "where it should be one-hot.",
        ),
        Mistake(
            lambda logits, targets, epsilon: against(
                one_hot(targets, logits.shape[-1]), logits
            ),
            "Your loss does not depend on epsilon: it is the plain cross-entropy.",
        ),
        Mistake(
            smoothed_numbers,
            "You smoothed the numbers of the characters, and those are only indices: "
            "smooth their one-hot rows, of 0 and 1.",
        ),
        Mistake(
            smoothed_probabilities,
            "You smoothed what the model says: label smoothing changes the target, and "
            "the model's probabilities stay as they are.",
        ),
        Mistake(
            lambda logits, targets, epsilon: (
                smoothed_cross_entropy(logits, targets, epsilon) / logits.shape[-1]
            ),
            "You averaged over positions and characters: the losses of the characters "
            "are summed at each position, and the mean is over the positions.",
        ),
        Mistake(
            lambda logits, targets, epsilon: (
                smoothed_cross_entropy(logits, targets, epsilon) * len(logits)
            ),
            "You summed over the positions: the loss of a text would grow with its "
            "length.",
        ),
        Mistake(
            lambda logits, targets, epsilon: (
                -smoothed_cross_entropy(logits, targets, epsilon)
            ),
            "You lost a sign: your loss is negative, and it must fall when the likely "
            "characters are the wanted ones.",
        ),
        Mistake(
            from_parts(lambda logits: -np.mean(logits)),
            "You took the mean of the logits for the uniform part: it needs the "
            "logarithms of the probabilities, which are normalised.",
        ),
        Mistake(
            from_parts(lambda logits: math.log(logits.shape[-1])),
            "You took log V for the uniform part, its own entropy: what counts is the "
            "cross-entropy between it and what the model says.",
        ),
        Mistake(
            lambda logits, targets, epsilon: (
                against(one_hot(targets, logits.shape[-1]), logits) + epsilon
            ),
            "You added epsilon to the loss: it is a share, moved from the true "
            "character to all of them alike.",
        ),
        Mistake(
            smoothed(lambda hot, V, e: (1 - e) * hot + (1 - hot) * e / V),
            "You gave the true character no share of the uniform part, which is "
            "spread over all characters: your target sums to less than 1.",
        ),
    ),
)


# score_gradient


def score_gradient(weights, value, output_gradient):
    output = weights @ value
    pull = output_gradient @ value.mT - (output_gradient * output).sum(
        -1, keepdims=True
    )
    return weights * pull


def score_gradient_cases(rng):
    def case(lead, L, S, Ev, what):
        weights = softmax(rng.normal(size=(*lead, L, S)))
        value = rng.normal(size=(*lead, S, Ev))
        return Case((weights, value, rng.normal(size=(*lead, L, Ev))), what)

    sharp = case((), 3, 4, 2, "one row puts all its weight on one key")
    sharp.args[0][1] = np.eye(4)[2]
    return [
        case((), 1, 3, 2, "one query, 3 keys"),
        case((), 2, 5, 4, "L=2 queries, S=5 keys, Ev=4"),
        sharp,
        case((2,), 4, 3, 5, "a batch of 2"),
    ]


def centred(x, centre):
    return x - centre(x, axis=-1, keepdims=True)


SCORE_GRADIENT = Exercise(
    name="score_gradient",
    chapter=8,
    title="The gradient inside attention",
    objective="tell the two softmaxes of a transformer apart by their gradients",
    minutes=18,
    difficulty=4,
    points=5,
    reference=score_gradient,
    cases=score_gradient_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda weights, value, output_gradient: output_gradient @ value.mT,
            "You stopped at the gradient with respect to the weights: it still has to "
            "pass back through the softmax.",
        ),
        Mistake(
            lambda weights, value, output_gradient: (
                weights * (output_gradient @ value.mT)
            ),
            "You used the diagonal of the softmax's Jacobian only: raising one score "
            "lowers the other weights, so your rows do not sum to 0.",
        ),
        Mistake(
            lambda weights, value, output_gradient: (
                weights * (1 - weights) * (output_gradient @ value.mT)
            ),
            "You used the slope of a sigmoid, w (1 - w): raising one score also lowers "
            "the other weights, so your rows do not sum to 0.",
        ),
        Mistake(
            lambda weights, value, output_gradient: (
                weights - (output_gradient @ value.mT)
            ),
            "You subtracted as at the output, softmax minus target: inside attention "
            "there is no target and no logarithm.",
        ),
        Mistake(
            lambda weights, value, output_gradient: (
                -score_gradient(weights, value, output_gradient)
            ),
            "Your sign is turned round: a score whose value points along the gradient "
            "raises the loss, so its gradient is positive.",
        ),
        Mistake(
            lambda weights, value, output_gradient: (
                output_gradient @ value.mT
                - (output_gradient * (weights @ value)).sum(-1, keepdims=True)
            ),
            "You left the weight in front out: a key with a weight of 0 must get no "
            "gradient at all.",
        ),
        Mistake(
            lambda weights, value, output_gradient: (
                weights * centred(output_gradient @ value.mT, np.mean)
            ),
            "You subtracted the plain mean over the keys: it has to be weighted, each "
            "key by its weight.",
        ),
        Mistake(
            lambda weights, value, output_gradient: (
                weights * centred(output_gradient @ value.mT, np.sum)
            ),
            "You subtracted the plain sum over the keys: each key counts by its "
            "weight, so it is a weighted mean.",
        ),
        Mistake(
            lambda weights, value, output_gradient: (
                score_gradient(weights, value, output_gradient)
                / np.sqrt(value.shape[-1])
            ),
            "You divided by the root of a width: the scale belongs to the step from "
            "queries and keys to scores, which comes later.",
        ),
        Mistake(
            lambda weights, value, output_gradient: (
                weights
                * (
                    output_gradient @ value.mT
                    - (weights * (output_gradient @ value.mT)).sum(-2, keepdims=True)
                )
            ),
            "You summed over the queries: the mean that is subtracted is one "
            "query's own, over its keys, so that your rows sum to 0.",
        ),
    ),
)


# low_loss: written

LOW_LOSS = Exercise(
    name="low_loss",
    chapter=8,
    title="Is this model better?",
    objective="compare two language models fairly by their losses",
    minutes=12,
    difficulty=3,
    points=6,
    kind="written",
    rubric=(
        (2, "says that perplexities per token compare only for the same tokens"),
        (1, "turns both into bits per character, or another common unit"),
        (1, "asks for held-out text that neither model has seen"),
        (
            2,
            "separates loss, accuracy and calibration, and says what each tells",
        ),
    ),
)

EXERCISES = (
    PERPLEXITY,
    STABLE_CROSS_ENTROPY,
    CROSS_ENTROPY_GRADIENT,
    SMOOTHED_CROSS_ENTROPY,
    LOW_LOSS,
    SCORE_GRADIENT,
)
