"""Exercises of chapter 10, bias and variance."""

import math

import numpy as np

from attnlib.exercises._core import Case, Exercise, Mistake


def normal(rng, *shape):
    return rng.normal(size=shape)


def rows(rng, *shape):
    grown = np.exp(1.5 * rng.normal(size=shape))
    return grown / grown.sum(-1, keepdims=True)


# error_parts


def error_parts(fits, truth):
    bias = np.mean(fits, axis=0) - truth
    return {
        "bias2": float(np.mean(bias**2)),
        "variance": float(np.mean(np.var(fits, axis=0))),
    }


def error_parts_cases(rng):
    def case(R, L, shift, what):
        truth = np.sin(np.arange(L) + 1.0)
        offset = shift * np.cos(np.arange(L) * 2.0)
        return Case((truth + offset + 0.5 * normal(rng, R, L), truth), what)

    apart = rng.uniform(0.5, 1) * np.array([[1.0], [-1.0]])  # no two alike
    return [
        Case((apart + 1.5, np.array([0.75])), "2 repeats, one point"),
        case(5, 4, 0.7, "5 repeats, 4 points"),
        case(40, 7, 0.0, "40 repeats, 7 points, right on average"),
        case(3, 6, 3.0, "3 repeats that are all far off"),
    ]


def parts_but(bias2=None, variance=None):
    """A mistake: the right parts, one of them replaced."""

    def wrong(fits, truth):
        found = error_parts(fits, truth)
        if bias2:
            found["bias2"] = float(bias2(fits, truth))
        if variance:
            found["variance"] = float(variance(fits, truth))
        return found

    return wrong


ERROR_PARTS = Exercise(
    name="error_parts",
    chapter=10,
    title="Bias and variance from repeated fits",
    objective="compute bias and variance from repeated fits",
    minutes=12,
    difficulty=2,
    points=4,
    rtol=1e-4,
    why_rtol="float32 with the variance as a mean of squares minus a squared mean",
    reference=error_parts,
    cases=error_parts_cases,
    mistakes=(
        Mistake(
            parts_but(bias2=lambda fits, truth: np.mean((fits - truth) ** 2)),
            "Your bias² is the whole error of the single fits: average the fits over "
            "the repeats before you compare with the truth.",
        ),
        Mistake(
            parts_but(bias2=lambda fits, truth: np.mean(fits.mean(0) - truth) ** 2),
            "You averaged the bias over the points before you squared it: too high "
            "here and too low there would cancel.",
        ),
        Mistake(
            parts_but(bias2=lambda fits, truth: np.mean(np.abs(fits.mean(0) - truth))),
            "Your bias is not squared: the two parts would not add up to the error.",
        ),
        Mistake(
            parts_but(variance=lambda fits, truth: np.mean(np.var(fits, axis=1))),
            "You took the variance over the points: variance is the scatter over the "
            "repeats at one point.",
        ),
        Mistake(
            parts_but(variance=lambda fits, truth: np.var(fits)),
            "You took the variance of all numbers at once: the shape of the curve "
            "itself counts in yours.",
        ),
        Mistake(
            parts_but(variance=lambda fits, truth: np.mean(np.std(fits, axis=0))),
            "You returned a standard deviation: the parts of a squared error are "
            "variances.",
        ),
        Mistake(
            parts_but(variance=lambda fits, truth: np.mean(np.var(fits, 0, ddof=1))),
            "You divided by one less than the repeats: that estimates the variance of "
            "a larger population, and bias² + variance is then no longer the error.",
        ),
        Mistake(
            parts_but(variance=lambda fits, truth: np.mean((fits - truth) ** 2)),
            "Your variance is the whole error: measure the scatter around the average "
            "fit, not around the truth.",
        ),
        Mistake(
            parts_but(bias2=lambda fits, truth: np.mean(fits.mean(0) - truth)),
            "You averaged the bias without its square: too high here and too low there "
            "cancel, and your parts do not add up to the error.",
        ),
    ),
)


# parts_from_weights


def parts_from_weights(weights, at_places, at_points, noise_std):
    bias = weights @ at_places - at_points
    return bias, noise_std**2 * np.sum(weights**2, axis=-1)


def from_weights_cases(rng):
    def case(L, S, sd, what):
        return Case((rows(rng, L, S), normal(rng, S), normal(rng, L), sd), what)

    equal = np.full((2, 4), 0.25)
    return [
        Case((equal, normal(rng, 4), normal(rng, 2), 0.5), "equal weights over 4"),
        case(3, 5, 1.0, "3 points, 5 measurements, noise of 1"),
        case(6, 4, 0.3, "6 points, 4 measurements, noise of 0.3"),
        Case((np.eye(4)[[2, 0]], normal(rng, 4), normal(rng, 2), 2.0), "hard weights"),
    ]


def weights_but(bias=None, variance=None):
    def wrong(weights, at_places, at_points, noise_std):
        given = weights, at_places, at_points, noise_std
        right = parts_from_weights(*given)
        return (
            bias(*given) if bias else right[0],
            variance(*given) if variance else right[1],
        )

    return wrong


PARTS_FROM_WEIGHTS = Exercise(
    name="parts_from_weights",
    chapter=10,
    title="Both parts from the weights alone",
    objective="compute bias and variance of a smoother from its weights",
    minutes=12,
    difficulty=3,
    points=4,
    parts=("bias", "variance"),
    reference=parts_from_weights,
    cases=from_weights_cases,
    torch=True,
    mistakes=(
        Mistake(
            weights_but(variance=lambda w, a, b, s: s**2 * np.sum(w, axis=-1)),
            "You summed the weights themselves: they sum to 1, so averaging would "
            "gain nothing. Variances carry the square of each factor.",
        ),
        Mistake(
            weights_but(variance=lambda w, a, b, s: s * np.sum(w**2, axis=-1)),
            "You used the noise's standard deviation where its variance belongs.",
        ),
        Mistake(
            weights_but(variance=lambda w, a, b, s: s**2 * np.mean(w**2, axis=-1)),
            "You averaged the squared weights: they are summed, for the noises are "
            "independent and their variances add.",
        ),
        Mistake(
            weights_but(variance=lambda w, a, b, s: np.full(len(w), s**2 / w.shape[1])),
            "You divided the noise by the number of measurements: that holds for equal "
            "weights only.",
        ),
        Mistake(
            weights_but(bias=lambda w, a, b, s: b - w @ a),
            "Your bias has the wrong sign: it is the average prediction minus the "
            "truth.",
        ),
        Mistake(
            weights_but(bias=lambda w, a, b, s: (w @ a - b) ** 2),
            "You squared the bias already: the task asks for the bias itself.",
        ),
        Mistake(
            weights_but(variance=lambda w, a, b, s: s**2 * np.sum(w**2, -1) + s**2),
            "You added the noise of a fresh measurement: it is a third part of the "
            "error, and no property of the smoother.",
        ),
        Mistake(
            weights_but(variance=lambda w, a, b, s: s * np.sqrt(np.sum(w**2, axis=-1))),
            "You returned a standard deviation: the variance is its square.",
        ),
    ),
)


# leave_one_out


def leave_one_out(weights, measured):
    own = np.diagonal(weights)
    without = (weights @ measured - own * measured) / (1 - own)
    return float(np.mean((without - measured) ** 2))


def loo_cases(rng):
    return [
        Case((rows(rng, 3, 3), normal(rng, 3)), "3 measurements"),
        Case((rows(rng, 7, 7), normal(rng, 7)), "7 measurements"),
        Case((np.full((4, 4), 0.25), normal(rng, 4)), "4 measurements, equal weights"),
        Case((rows(rng, 12, 12), 5 + normal(rng, 12)), "12 measurements around 5"),
    ]


def hollow(weights):
    return weights * (1 - np.eye(len(weights)))


LEAVE_ONE_OUT = Exercise(
    name="leave_one_out",
    chapter=10,
    title="A test without a test set",
    objective="choose a temperature without looking at the truth",
    minutes=15,
    difficulty=4,
    points=4,
    reference=leave_one_out,
    cases=loo_cases,
    mistakes=(
        Mistake(
            lambda weights, measured: np.mean((weights @ measured - measured) ** 2),
            "You let each measurement help to predict itself: the sharpest weights "
            "would win, with an error of 0.",
        ),
        Mistake(
            lambda weights, measured: np.mean(
                (hollow(weights) @ measured - measured) ** 2
            ),
            "You removed the own weight and did not share it out: your rows do not "
            "sum to 1, which pulls predictions towards 0.",
        ),
        Mistake(
            lambda weights, measured: np.sum(
                (hollow(weights) @ measured / hollow(weights).sum(-1) - measured) ** 2
            ),
            "You summed the squared errors: their mean does not grow with the number "
            "of measurements.",
        ),
        Mistake(
            lambda weights, measured: np.mean(
                np.abs(hollow(weights) @ measured / hollow(weights).sum(-1) - measured)
            ),
            "You averaged absolute errors: the task asks for squared ones.",
        ),
        Mistake(
            lambda weights, measured: math.sqrt(
                np.mean(
                    (hollow(weights) @ measured / hollow(weights).sum(-1) - measured)
                    ** 2
                )
            ),
            "You took the root at the end: the mean squared error itself is asked for.",
        ),
        Mistake(
            lambda weights, measured: np.mean(
                (hollow(weights) @ measured / hollow(weights).sum(0) - measured) ** 2
            ),
            "You normalised over the columns: it is each row, one prediction's "
            "weights, that has to sum to 1 again.",
        ),
        Mistake(
            lambda weights, measured: np.mean(
                (hollow(weights) / hollow(weights).sum(-1) @ measured - measured) ** 2
            ),
            "You divided by the sums of the rows without keepdims=True: they then "
            "lie along the columns, and each column is divided by another row's "
            "sum.",
        ),
        Mistake(
            lambda weights, measured: np.mean(
                (
                    hollow(weights) / hollow(weights).sum() * len(weights) @ measured
                    - measured
                )
                ** 2
            ),
            "You divided by the sum of the whole matrix: each row, one prediction's"
            " weights, has to sum to 1 by itself.",
        ),
    ),
)


# spread_of_seeds


def spread_of_seeds(scores):
    n = len(scores)
    mean = np.sum(scores) / n
    std = math.sqrt(np.sum((scores - mean) ** 2) / (n - 1))
    return {"mean": float(mean), "std": std, "error_of_mean": std / math.sqrt(n)}


def spread_but(**change):
    def wrong(scores):
        replaced = {name: float(f(scores)) for name, f in change.items()}
        return spread_of_seeds(scores) | replaced

    return wrong


def sample_std(scores):
    return np.std(scores, ddof=1)


SPREAD_OF_SEEDS = Exercise(
    name="spread_of_seeds",
    chapter=10,
    title="Report several seeds",
    objective="report a result with its spread over seeds",
    minutes=8,
    difficulty=1,
    points=3,
    reference=spread_of_seeds,
    cases=lambda rng: [
        Case((np.array([0.5, 0.7]),), "2 seeds"),
        Case((rng.uniform(0.4, 0.9, size=5),), "5 seeds"),
        Case((rng.uniform(0.4, 0.9, size=11),), "11 seeds"),
    ],
    mistakes=(
        Mistake(
            spread_but(std=np.std, error_of_mean=lambda x: np.std(x) / len(x) ** 0.5),
            "You divided by the number of seeds: with few of them that makes the "
            "spread look too small. Divide by one less.",
        ),
        Mistake(
            spread_but(error_of_mean=lambda x: sample_std(x) / len(x)),
            "You divided the spread by the number of seeds: the error of a mean falls "
            "with the root of it.",
        ),
        Mistake(
            spread_but(error_of_mean=sample_std),
            "You gave the spread of single runs as the error of their mean: a mean of "
            "several runs scatters less.",
        ),
        Mistake(
            spread_but(std=np.ptp, error_of_mean=lambda x: np.ptp(x) / len(x) ** 0.5),
            "You took largest minus smallest: that grows with the number of seeds.",
        ),
        Mistake(
            spread_but(mean=np.median),
            "You took the median: it is a good number, and the task asks for the mean.",
        ),
        Mistake(
            spread_but(mean=np.max),
            "You reported the best seed: the maximum grows with the number of tries.",
        ),
        Mistake(
            spread_but(
                std=lambda x: np.var(x, ddof=1),
                error_of_mean=lambda x: np.var(x, ddof=1) / len(x) ** 0.5,
            ),
            "You returned a variance where a standard deviation is asked for: its unit "
            "would be that of the score, squared.",
        ),
        Mistake(
            spread_but(error_of_mean=lambda x: sample_std(x) / (len(x) - 1) ** 0.5),
            "You divided the spread by the root of n - 1: one less belongs inside the "
            "spread, and the root is that of n.",
        ),
        Mistake(
            spread_but(error_of_mean=lambda x: np.std(x) / len(x) ** 0.5),
            "You used another spread for the error: that of the sample, divided by one "
            "less than the seeds, belongs there, too; yours is too small.",
        ),
    ),
)


# more_freedom: written

MORE_FREEDOM = Exercise(
    name="more_freedom",
    chapter=10,
    title="Does more freedom help?",
    objective="say when more freedom helps and when it hurts",
    minutes=12,
    difficulty=3,
    points=6,
    kind="written",
    rubric=(
        (
            2,
            "says that freedom lowers bias and raises variance, and what data do to it",
        ),
        (2, "describes a comparison: sizes, seeds, held-out data, the spread"),
        (1, "says that noise is a floor that no model gets under"),
        (1, "names a way to have freedom and pay less: a regulariser, more data"),
    ),
)

EXERCISES = (
    SPREAD_OF_SEEDS,
    ERROR_PARTS,
    PARTS_FROM_WEIGHTS,
    MORE_FREEDOM,
    LEAVE_ONE_OUT,
)
