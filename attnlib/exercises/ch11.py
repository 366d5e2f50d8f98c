"""Exercises of chapter 11, why it matters."""

import math

import numpy as np

from attnlib.exercises._core import Case, Exercise, Mistake


def normal(rng, *shape):
    return rng.normal(size=shape)


# block_parameters


def block_parameters(D, hidden):
    attention = 4 * (D * D + D)
    mlp = D * hidden + hidden + hidden * D + D
    norms = 2 * 2 * D
    return attention + mlp + norms


BLOCK_PARAMETERS = Exercise(
    name="block_parameters",
    chapter=11,
    title="What a transformer block learns",
    objective="count the parameters of a transformer block",
    minutes=10,
    difficulty=2,
    points=3,
    reference=block_parameters,
    cases=lambda rng: [
        Case((1, 1), "width 1, one hidden unit"),
        Case((8, 20), "width 8, 20 hidden units"),
        Case((768, 3072), "width 768, 3072 hidden units"),
        Case((2049, 8191), "width 2049, 8191 hidden units"),  # too many for float32
        Case((int(rng.integers(30, 60)), 77), "a drawn width, 77 hidden units"),
    ],
    mistakes=(
        Mistake(
            lambda D, hidden: 4 * D * D + 2 * D * hidden + 4 * D,
            "You left out the biases of the linear layers: each of their output "
            "features has one.",
        ),
        Mistake(
            lambda D, hidden: block_parameters(D, hidden) - D * D - D,
            "You counted three projections: the joined heads go through a fourth one.",
        ),
        Mistake(
            lambda D, hidden: block_parameters(D, hidden) - 4 * D,
            "You are 4 D numbers short: the two normalisations have that many, and "
            "so do the biases of the four projections.",
        ),
        Mistake(
            lambda D, hidden: block_parameters(D, hidden) - 2 * D,
            "You are 2 D numbers short: one normalisation has that many (a gain "
            "and a bias per feature), and so have the biases of two projections.",
        ),
        Mistake(
            lambda D, hidden: 4 * (D * D + D) + D * hidden + hidden + 4 * D,
            "You counted half of the MLP: it leads to the hidden units and back.",
        ),
        Mistake(
            lambda D, hidden: 4 * (D * D + D) + 4 * D,
            "You left the MLP out: in most models it holds two thirds of a block.",
        ),
        Mistake(
            lambda D, hidden: block_parameters(D, 4 * D),
            "You took four times the width for the hidden units: your count does not "
            "depend on `hidden`.",
        ),
        Mistake(
            lambda D, hidden: block_parameters(D, hidden) - hidden - D,
            "You left out the biases of the MLP: each of its two layers has one for "
            "every feature that comes out.",
        ),
        Mistake(
            lambda D, hidden: 4 * D * D + 2 * D * hidden,
            "You counted the matrices only: the linear layers have biases, and the "
            "normalisations have gains and biases.",
        ),
        Mistake(
            lambda D, hidden: block_parameters(D, hidden) + hidden - D,
            "You gave both layers of the MLP a bias for each hidden unit: the second "
            "one leads to D features, and has D of them.",
        ),
        Mistake(
            lambda D, hidden: block_parameters(D, hidden) - hidden + D,
            "You gave both layers of the MLP a bias of D numbers: the first one "
            "leads to the hidden units, and has one for each of them.",
        ),
        Mistake(
            lambda *numbers: float(np.float32(block_parameters(*numbers))),
            "Your count is rounded, as float32 does above 2**24: count in whole "
            "numbers, as Python's int does by itself.",
        ),
    ),
)


# layer_norm


def layer_norm(x, gain, bias, eps):
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred**2, axis=-1, keepdims=True)
    return gain * centred / np.sqrt(variance + eps) + bias


def layer_norm_cases(rng):
    def case(shape, eps, what, scale=1.0, shift=0.0):
        D = shape[-1]
        return Case(
            (shift + scale * normal(rng, *shape), normal(rng, D), normal(rng, D), eps),
            what,
        )

    return [
        case((5,), 1e-5, "one token"),
        case((3, 4), 1e-5, "3 tokens of 4 features"),
        case((4, 4), 1e-5, "as many tokens as features, far from 0", shift=20),
        case((2, 3, 5), 0.5, "a batch of 2, a large eps"),
        case((3, 6), 1e-3, "tokens with very small features", scale=0.01),
    ]


def norm_but(*, axis=-1, ddof=0, centre=True, root=True, inside=True, gained=True):
    def wrong(x, gain, bias, eps):
        centred = x - x.mean(axis, keepdims=True) if centre else x
        variance = (centred**2).mean(axis, keepdims=True)
        if ddof:
            variance = variance * x.shape[-1] / (x.shape[-1] - 1)
        size = np.sqrt(variance + eps) if inside else np.sqrt(variance) + eps
        size = size if root else size**2
        return gain * centred / size + bias if gained else centred / size

    return wrong


def norm_with(x, gain, bias, eps, *, axis=-1):
    """Normalised over other axes, or with another gain and bias."""
    spread = np.sqrt(x.var(axis, keepdims=True) + eps)
    return gain * (x - x.mean(axis, keepdims=True)) / spread + bias


LAYER_NORM = Exercise(
    name="layer_norm",
    chapter=11,
    title="Layer normalisation",
    objective="build the normalisation that stands around attention",
    minutes=10,
    difficulty=2,
    points=3,
    reference=layer_norm,
    cases=layer_norm_cases,
    torch=True,
    mistakes=(
        Mistake(
            norm_but(axis=0),
            "You normalised along the first axis: each token is normalised by itself, "
            "over its features.",
        ),
        Mistake(
            norm_but(ddof=1),
            "You divided by one less than the features in the variance: layer "
            "normalisation divides by their number.",
        ),
        Mistake(
            norm_but(centre=False),
            "You did not subtract the mean: that is another normalisation, by the root "
            "of the mean square.",
        ),
        Mistake(
            norm_but(root=False),
            "You divided by the variance: its root has the unit of the features.",
        ),
        Mistake(
            norm_but(inside=False),
            "You added eps outside the root: it is added to the variance.",
        ),
        Mistake(
            norm_but(gained=False),
            "You left out gain and bias: with them each feature chooses a scale and a "
            "level of its own.",
        ),
        Mistake(
            lambda *given: norm_with(*given, axis=None),
            "You took one mean and one variance of everything: each token is "
            "normalised by itself, over its features.",
        ),
        Mistake(
            lambda x, gain, bias, eps: norm_with(x, gain, 0, eps),
            "You left the bias out: it gives each feature a level of its own.",
        ),
        Mistake(
            lambda x, gain, bias, eps: norm_with(x, 1 + gain, bias, eps),
            "You multiplied by 1 + gain: some libraries do, and here the gain is the "
            "factor itself.",
        ),
        Mistake(
            lambda x, gain, bias, eps: norm_with(x, bias, gain, eps),
            "You swapped gain and bias: the gain multiplies, the bias is added.",
        ),
        Mistake(
            lambda x, gain, bias, eps: norm_with(x, gain, bias, 0),
            "You left eps out: where the features hardly differ, it is what keeps your "
            "result from growing without bound.",
        ),
        Mistake(
            lambda x, gain, bias, eps: norm_with(x, gain, gain * bias, eps),
            "You multiplied the bias by the gain as well: it is added last.",
        ),
        Mistake(
            lambda x, gain, bias, eps: layer_norm(x, gain, bias, eps**2),
            "You squared eps: it stands beside the variance under the root as it "
            "is, and yours hardly counts.",
        ),
    ),
)


# mlp_as_lookup


def mlp_as_lookup(x, key, key_bias, value):
    weights = np.maximum(x @ key.T + key_bias, 0)
    return weights @ value


def lookup_cases(rng):
    def case(lead, D, M, what):
        given = normal(rng, *lead, D), normal(rng, M, D), normal(rng, M)
        return Case((*given, normal(rng, M, D)), what)

    return [
        case((1,), 2, 3, "one token, 3 learned keys"),
        case((4,), 3, 5, "4 tokens, 5 learned keys"),
        case((2, 5), 4, 4, "a batch of 2, 5 tokens, as many keys as features"),
    ]


def normalised(weights):
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total)


MLP_AS_LOOKUP = Exercise(
    name="mlp_as_lookup",
    chapter=11,
    title="An MLP as attention over learned keys",
    objective="say in what an MLP is like attention, and in what it is not",
    minutes=10,
    difficulty=2,
    points=3,
    reference=mlp_as_lookup,
    cases=lookup_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda x, key, key_bias, value: (
                np.exp(x @ key.T + key_bias)
                / np.exp(x @ key.T + key_bias).sum(-1, keepdims=True)
                @ value
            ),
            "You used softmax: in an MLP relu makes the weights, and the learned keys "
            "do not compete.",
        ),
        Mistake(
            lambda x, key, key_bias, value: (
                normalised(np.maximum(x @ key.T + key_bias, 0)) @ value
            ),
            "You divided the weights by their sum: those of an MLP need not sum to 1.",
        ),
        Mistake(
            lambda x, key, key_bias, value: np.maximum(x @ key.T, 0) @ value,
            "You left out the bias of the keys: it says how well a token must fit "
            "before a key answers at all.",
        ),
        Mistake(
            lambda x, key, key_bias, value: (x @ key.T + key_bias) @ value,
            "You left out relu: two matrix products in a row are only one.",
        ),
        Mistake(
            lambda x, key, key_bias, value: (
                np.maximum((x @ key.T + key_bias) / math.sqrt(x.shape[-1]), 0) @ value
            ),
            "You divided the scores by the root of the width, as attention does: an "
            "MLP has no scale.",
        ),
        Mistake(
            lambda x, key, key_bias, value: np.maximum(
                np.maximum(x @ key.T + key_bias, 0) @ value, 0
            ),
            "You applied relu to the output as well: the second layer is linear.",
        ),
        Mistake(
            lambda x, key, key_bias, value: (
                (np.maximum(x @ key.T, 0) + key_bias) @ value
            ),
            "You added the bias after relu: it belongs to the scores, where it decides "
            "whether a key answers.",
        ),
        Mistake(
            lambda x, key, key_bias, value: np.tanh(x @ key.T + key_bias) @ value,
            "You used tanh: here relu makes the weights, so none of them is negative.",
        ),
        Mistake(
            lambda x, key, key_bias, value: mlp_as_lookup(x, key, key_bias, value) + x,
            "You added the token itself: that residual path stands around an MLP, not "
            "in it.",
        ),
        Mistake(
            lambda x, key, key_bias, value: (
                1 / (1 + np.exp(-(x @ key.T + key_bias))) @ value
            ),
            "You used a sigmoid: here relu makes the weights, which are 0 for a key "
            "that does not fit.",
        ),
        Mistake(
            lambda x, key, key_bias, value: np.maximum(
                (x @ key.T + key_bias) @ value, 0
            ),
            "You applied relu after the values: it makes the weights, so it stands "
            "between the two layers.",
        ),
        Mistake(
            lambda x, key, key_bias, value: (
                np.maximum(x @ key.T / math.sqrt(x.shape[-1]) + key_bias, 0) @ value
            ),
            "You divided the products by the root of the width, as attention does, "
            "and then added the bias: an MLP has no scale.",
        ),
        Mistake(
            lambda x, key, key_bias, value: np.abs(x @ key.T + key_bias) @ value,
            "You took the absolute value: with relu, a key that fits badly has the "
            "weight 0 and does not answer.",
        ),
    ),
)


# carried_along


def carried_along(query, key, value):
    state, total = np.zeros((key.shape[-1], value.shape[-1])), np.zeros(key.shape[-1])
    outputs = []
    for q, k, v in zip(query, key, value, strict=True):
        state, total = state + k[:, None] * v, total + k
        outputs.append(q @ state / (q @ total))
    return np.stack(outputs)


def carried_cases(rng):
    def case(n, E, Ev, what):
        query, key = np.exp(normal(rng, 2, n, E))
        return Case((query, key, normal(rng, n, Ev)), what)

    return [
        case(1, 2, 3, "a single token"),
        case(5, 3, 2, "5 tokens, E=3, Ev=2"),
        case(9, 2, 4, "9 tokens, E=2, Ev=4"),
    ]


def linear(
    query,
    key,
    value,
    *,
    mask=True,
    divide=True,
    offset=0,
    soft=False,
    scaled=False,
):
    scores = query @ key.T
    scores = scores / math.sqrt(query.shape[-1]) if scaled else scores
    scores = np.exp(scores) if soft else scores
    if mask:
        scores = scores * np.tri(len(query), len(key), offset)
    total = scores.sum(-1, keepdims=True)
    return scores @ value / (np.where(total == 0, 1, total) if divide else 1)


CARRIED_ALONG = Exercise(
    name="carried_along",
    chapter=11,
    title="Attention that can be carried along",
    objective="show when attention is a recurrence with a fixed state",
    minutes=20,
    difficulty=4,
    points=5,
    reference=carried_along,
    cases=carried_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda *given: linear(*given, mask=False),
            "You let every token see all others: a state that is carried along knows "
            "only what came before.",
        ),
        Mistake(
            lambda *given: linear(*given, divide=False),
            "You did not divide by the sum of the weights: your outputs grow with the "
            "number of tokens.",
        ),
        Mistake(
            lambda *given: linear(*given, soft=True),
            "You took exp of the scores: these features are positive already, and with "
            "exp no state of fixed size would do.",
        ),
        Mistake(
            lambda *given: linear(*given, offset=-1),
            "You answered before you took the token in: each token sees itself, too.",
        ),
        Mistake(
            lambda query, key, value: (
                linear(query, key, value, divide=False)
                / np.arange(1, len(query) + 1)[:, None]
            ),
            "You divided by the number of tokens so far: the weights sum to something "
            "else, and that sum has to be carried along.",
        ),
        Mistake(
            lambda query, key, value: linear(
                query / np.linalg.norm(query, axis=-1, keepdims=True),
                key,
                value,
                divide=False,
            ),
            "You normalised the queries instead of the weights: your weights of one "
            "token do not sum to 1.",
        ),
        Mistake(
            lambda *given: linear(*given, soft=True, scaled=True),
            "You used the softmax with its scale: the weights are the plain products "
            "here, and with exp no state of fixed size would do.",
        ),
        Mistake(
            lambda query, key, value: (
                linear(query, key, value, divide=False)
                / np.sum(query * key, -1)[:, None]
            ),
            "You divided by the weight of the newest key alone: the sum of the "
            "weights of all keys so far has to be carried along.",
        ),
        Mistake(
            lambda query, key, value: (
                linear(query, key, value, divide=False) / (query @ key.sum(0))[:, None]
            ),
            "You divided by the weights of all keys, later ones as well: only those"
            " so far belong to the sum, which grows with the state.",
        ),
    ),
)


# ablation_effect

EITHER_SIGN = np.array([-16, -8, -4, 4, 8, 16, 16, 24]) / 64  # their mean is not 0


def ablation_effect(whole, without):
    difference = without - whole
    n = len(difference)
    mean = np.sum(difference) / n
    variance = np.sum((difference - mean) ** 2) / (n - 1)
    return {"mean": float(mean), "error": float(math.sqrt(variance / n))}


def effect_but(**change):
    def wrong(whole, without):
        replaced = {name: float(f(whole, without)) for name, f in change.items()}
        return ablation_effect(whole, without) | replaced

    return wrong


def unpaired(whole, without):
    both = np.var(whole, ddof=1) + np.var(without, ddof=1)
    return math.sqrt(both / len(whole))


ABLATION_EFFECT = Exercise(
    name="ablation_effect",
    chapter=11,
    title="What does the part do?",
    objective="report an ablation with the scatter of its effect",
    minutes=12,
    difficulty=3,
    points=4,
    rtol=1e-4,
    why_rtol="float32 with the variance of a difference from variances and covariance",
    reference=ablation_effect,
    cases=lambda rng: [
        Case((np.array([0.5, 0.7]), np.array([0.9, 1.0])), "2 seeds"),
        Case(
            (base := rng.uniform(0.5, 2, size=5), base + rng.uniform(0.1, 0.3, size=5)),
            "5 seeds that differ more from each other than the part does",
        ),
        Case(
            (base := rng.uniform(0.5, 1, size=8), base + rng.permutation(EITHER_SIGN)),
            "8 seeds, the effect may have either sign",
        ),
    ],
    mistakes=(
        Mistake(
            effect_but(error=unpaired),
            "You treated the two groups as unrelated: each seed was run with and "
            "without the part, so the differences of its pairs are what scatters.",
        ),
        Mistake(
            effect_but(mean=lambda a, b: np.mean(a) - np.mean(b)),
            "Your sign is turned round: the effect of removing a part is the loss "
            "without it minus the loss with it.",
        ),
        Mistake(
            effect_but(error=lambda a, b: np.std(b - a, ddof=1)),
            "You gave the scatter of single differences: the error of their mean is "
            "smaller, by the root of the number of seeds.",
        ),
        Mistake(
            effect_but(error=lambda a, b: np.std(b - a) / math.sqrt(len(a))),
            "You divided by the number of seeds in the variance: with few seeds that "
            "looks too sure. Divide by one less.",
        ),
        Mistake(
            effect_but(mean=lambda a, b: np.mean(b / a - 1)),
            "You returned a relative change: the difference itself is asked for.",
        ),
        Mistake(
            effect_but(mean=lambda a, b: np.max(b - a)),
            "You reported the seed with the largest effect: the maximum grows with the "
            "number of tries.",
        ),
        Mistake(
            effect_but(error=lambda a, b: np.var(b - a, ddof=1) / len(a)),
            "You gave the variance of the mean: its root has the unit of the loss.",
        ),
        Mistake(
            effect_but(error=lambda a, b: np.std(b - a, ddof=1) / len(a)),
            "You divided by the number of seeds itself: the error of a mean falls with "
            "the root of it.",
        ),
        Mistake(
            effect_but(mean=lambda a, b: np.mean(np.abs(b - a))),
            "You averaged the sizes of the effects: with their signs, a part that does "
            "nothing comes out near 0.",
        ),
    ),
)


# all_modern_systems: written

ALL_MODERN_SYSTEMS = Exercise(
    name="all_modern_systems",
    chapter=11,
    title="The foundation of everything?",
    objective="judge a claim about all modern systems",
    minutes=12,
    difficulty=3,
    points=6,
    kind="written",
    rubric=(
        (2, "names a widely used system or architecture without attention"),
        (2, "says what attention lacks alone: positions, MLP, residual path, data"),
        (1, "separates what is common from what is necessary"),
        (1, "rewrites the claim so that it can be tested or cited"),
    ),
)

EXERCISES = (
    BLOCK_PARAMETERS,
    LAYER_NORM,
    MLP_AS_LOOKUP,
    ABLATION_EFFECT,
    ALL_MODERN_SYSTEMS,
    CARRIED_ALONG,
)
