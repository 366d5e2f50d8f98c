"""Exercises of chapter 2, query, key and value."""

import math

import numpy as np

from attnlib import (
    attention_weights,
    causal_mask,
    padding_mask,
    reference_attention,
    softmax,
)
from attnlib.exercises._core import Case, Exercise, Mistake


def normal(rng, *shape):
    return rng.normal(size=shape)


# projections


def projections(x, W_Q, W_K, W_V):
    return x @ W_Q, x @ W_K, x @ W_V


def projected(change):
    """A mistake: `change` gets x and the three matrices."""
    return lambda x, W_Q, W_K, W_V: change(x, W_Q, W_K, W_V)


def projections_cases(rng):
    def case(lead, n, D, E, Ev, what):
        matrices = normal(rng, D, E), normal(rng, D, E), normal(rng, D, Ev)
        return Case((normal(rng, *lead, n, D), *matrices), what)

    return [
        case((), 2, 3, 1, 1, "2 tokens of 3 features, E=1, Ev=1"),
        case((), 5, 4, 4, 4, "5 tokens, all widths are 4"),
        case((2,), 5, 4, 3, 2, "a batch of 2, 5 tokens, D=4, E=3, Ev=2"),
    ]


PROJECTIONS = Exercise(
    name="projections",
    chapter=2,
    title="From tokens to query, key and value",
    objective="say where queries, keys and values come from",
    minutes=6,
    difficulty=1,
    points=2,
    parts=("query", "key", "value"),
    reference=projections,
    cases=projections_cases,
    torch=True,
    mistakes=(
        Mistake(
            projected(lambda x, q, k, v: (x @ q, x @ k, x)),
            "You used the tokens themselves as values: the values have a projection of "
            "their own.",
        ),
        Mistake(
            projected(lambda x, q, k, v: (x, x @ k, x @ v)),
            "You used the tokens themselves as queries: the queries have a projection "
            "of their own.",
        ),
        Mistake(
            projected(lambda x, q, k, v: (x @ q, x @ q, x @ v)),
            "You projected the keys with W_Q: a token then finds itself, because its "
            "query and its key are the same vector.",
        ),
        Mistake(
            projected(lambda x, q, k, v: (x @ q, x @ v, x @ k)),
            "You returned the values before the keys: the order is query, key, value.",
        ),
        Mistake(
            projected(lambda x, q, k, v: (x @ q.T, x @ k.T, x @ v.T)),
            "You transposed the matrices: they are (features in, features out) here, "
            "so a token stands on their left as they are.",
        ),
        Mistake(
            projected(lambda x, q, k, v: (x @ k, x @ q, x @ v)),
            "You swapped queries and keys: the scores come out transposed.",
        ),
        Mistake(
            projected(lambda x, q, k, v: (x @ q, x @ k, x @ q @ k.T @ v)),
            "You chained the projections: each of the three starts from the token "
            "itself.",
        ),
        Mistake(
            projected(lambda x, q, k, v: (x @ q, x @ k, x @ k)),
            "You returned the keys as values, too: the values have a projection of "
            "their own, W_V.",
        ),
        Mistake(
            projected(lambda x, q, k, v: (x @ q / math.sqrt(q.shape[1]), x @ k, x @ v)),
            "You scaled the queries already: a projection is the plain product, and "
            "the scale comes with the scores.",
        ),
        Mistake(
            projected(lambda x, q, k, v: (x @ v, x @ k, x @ q)),
            "You swapped queries and values: the order is query, key, value, by W_Q, "
            "W_K and W_V.",
        ),
    ),
)


# masked_attention


def far_below(rng):
    """Query (3, 4) and key (5, 4): all scores near -32768, but 32768 at the last key.

    They are exact in float32, and those of a query so far apart that one key wins:
    near -32768 a logarithm in float32 is good for two decimals only.
    """
    query, key = (np.round(8 * normal(rng, n, 4)) / 8 for n in (3, 5))
    query[:, 0], key[:, 0] = 256, [-256, -256, -256, -256, 256]
    query[:, 1], key[:, 1] = [1, 2, -1], [0, 256, 512, 1024, 0]
    return query, key


def billions(rng):
    """Query and key as far below, their scores times 2**18: -1e9 is above them."""
    query, key = far_below(rng)
    return 2.0**18 * query, key


def masked_attention(query, key, value, mask):
    return reference_attention(query, key, value, mask)


def masked_attention_cases(rng):
    def qkv(lead=(), L=3, S=5, E=4, Ev=2):
        return tuple(normal(rng, *lead, *shape) for shape in ((L, E), (S, E), (S, Ev)))

    some = np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1], [1, 1, 0, 0, 0]], dtype=bool)
    hidden = some.copy()
    hidden[1] = False
    low = np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=bool)
    late = [np.round(8 * x) / 8 for x in qkv()]  # their scores are exact in float32
    for x in late[:2]:
        x *= 32
    return [
        Case((*qkv(), np.ones((3, 5), dtype=bool)), "a mask that hides nothing"),
        Case((*qkv(), some), "a mask that hides some keys of each query"),
        Case((*late, some), "large scores, and a mask"),
        Case((64 * late[0], late[1], late[2], some), "scores of many thousands"),
        Case(
            (*far_below(rng), normal(rng, 5, 2), low),
            "all visible scores far below 0, a hidden one far above, and a row of none",
        ),
        Case(
            (*billions(rng), normal(rng, 5, 2), low),
            "visible scores of minus billions, and a row of none",
        ),
        Case((*qkv((2,)), np.stack([some, ~some])), "a batch of 2, a mask for each"),
        Case((*qkv(), hidden), "one query may attend to nothing: its output is 0"),
    ]


def unshifted(scores):
    """Softmax as a beginner writes it; 0 where the sum is."""
    exps = np.exp(scores)
    total = exps.sum(-1, keepdims=True)
    return exps / np.where(total == 0, 1, total)


def weights_but(query, key, mask, *, fill=-math.inf, after=False, again=True, axis=-1):
    """The weights, but for what a mistake changes."""
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if not after:
        return softmax(np.where(mask, scores, fill), axis)
    weights = np.where(mask, softmax(scores), 0)
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) if again else weights


def scaled(query, key):
    return query @ key.mT / math.sqrt(query.shape[-1])


def masked_softmax(scores, mask):
    return softmax(np.where(mask, scores, -math.inf))


def divided_again(query, key, value, mask):
    """The mask after the softmax, then a division by what is left: 0 / 0 is NaN."""
    weights = np.where(mask, softmax(scaled(query, key)), 0)
    return weights / weights.sum(-1, keepdims=True) @ value


def with_nan(query, key, value, mask):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    scores = np.where(mask, scores, -math.inf)
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    return exps / exps.sum(-1, keepdims=True) @ value


MASKED_ATTENTION = Exercise(
    name="masked_attention",
    chapter=2,
    title="Attention under a mask",
    objective="mask without surprises, fully masked rows included",
    minutes=15,
    difficulty=2,
    points=5,
    reference=masked_attention,
    cases=masked_attention_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda query, key, value, mask: (
                weights_but(query, key, mask, after=True, again=False) @ value
            ),
            "You set weights to 0 after the softmax: the rows that are left do not sum "
            "to 1 any more.",
        ),
        Mistake(
            lambda query, key, value, mask: weights_but(query, key, ~mask) @ value,
            "You turned the mask round: True means that a query may attend to a key.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                weights_but(query, key, mask, fill=0.0) @ value
            ),
            "You set hidden scores to 0: exp(0) is 1, so a hidden key still gets "
            "weight.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                weights_but(query, key, mask, fill=-1e9) @ value
            ),
            "You set hidden scores to a number such as -1e9: a query that may attend "
            "to nothing then looks at all keys alike, and where all visible scores are "
            "lower, the hidden keys win.",
        ),
        Mistake(
            with_nan,
            "You are right for ordinary rows, but a query that may attend to nothing "
            "becomes NaN: -inf minus -inf.",
        ),
        Mistake(
            lambda query, key, value, mask: reference_attention(query, key, value),
            "Your result does not depend on the mask.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                softmax(np.where(mask, query @ key.mT, -math.inf)) @ value
            ),
            "You left the scale out: your weights are too sharp.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                masked_softmax(query @ key.mT / query.shape[-1], mask) @ value
            ),
            "You divided by the number of features itself, not by its square root: "
            "your weights are too close to equal.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                weights_but(query, key, mask, axis=-2) @ value
            ),
            "You normalised over the queries: the columns of your weights sum to 1, "
            "the rows do not.",
        ),
        Mistake(
            lambda query, key, value, mask: softmax(scaled(query, key) + mask) @ value,
            "You added the mask to the scores: True counts as 1 there, so hidden keys "
            "only lose a factor e. A hidden score has to be -inf.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                masked_softmax(query @ key.mT / math.sqrt(key.shape[-2]), mask) @ value
            ),
            "You took the square root of the number of keys: the spread of the scores "
            "comes from the E features that are summed over.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                weights_but(query, key, mask, fill=-100.0) @ value
            ),
            "Your hidden keys have a negative score that is not low enough, such as "
            "-100: where all visible scores are lower, the hidden keys win. Only -inf "
            "is always below.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                np.where(mask.any(-1)[..., None], 1, 0)
                * weights_but(query, key, mask, fill=-1e9)
                @ value
            ),
            "Your hidden keys get a score such as -1e9, which is low and not the "
            "lowest: where all visible scores are lower, the hidden keys win. Only "
            "-inf is always below.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                np.where(mask.any(-1)[..., None], 1, 0)
                * softmax(scaled(query, key) + np.where(mask, 0, -1e9))
                @ value
            ),
            "You added a large negative number, such as -1e9, to hidden scores: one "
            "that is far above the visible ones stays above them. Only -inf is always "
            "enough.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                softmax(scaled(query, key) + np.where(mask, 0, -1e9)) @ value
            ),
            "You added a number such as -1e9 to hidden scores: a query that may attend "
            "to nothing attends all the same, and a hidden key far above the visible "
            "ones wins. Add -inf.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                weights_but(query, key, mask, fill=np.finfo(float).min) @ value
            ),
            "Your query that may attend to nothing looks at all keys alike, as it does "
            "after the lowest finite number in place of -inf: its output is 0.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                unshifted(np.where(mask, scaled(query, key), -math.inf)) @ value
            ),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the largest score of each row first.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                np.where(mask, scaled(query, key), 0) @ value
            ),
            "You left the softmax out: your output mixes the values with raw scores, "
            "which do not sum to 1.",
        ),
        Mistake(
            lambda query, key, value, mask: (
                weights_but(query, key, mask, after=True) @ value
            ),
            "You set weights to 0 after the softmax and divided again: below a "
            "hidden score that is far higher, the visible weights have rounded to 0"
            " before. Hide the scores instead.",
        ),
        Mistake(
            divided_again,
            "You set weights to 0 after the softmax and divided by what is left of "
            "the row: where that is 0, your output is NaN. Hide the scores, before "
            "the softmax.",
        ),
    ),
)


# penalised_weights: an additive mask


def penalised_weights(query, key, penalty):
    return attention_weights(query, key, penalty)


def penalised_weights_cases(rng):
    distance = np.abs(np.arange(3)[:, None] - np.arange(5)) * 0.7
    some = np.where(rng.random((3, 5)) < 0.4, -math.inf, 0.0)
    some[:, 2] = 0
    last = np.array([0, 0, -0.75, -1.5, -math.inf])

    def qk(*lead):
        return normal(rng, *lead, 3, 4), normal(rng, *lead, 5, 4)

    return [
        Case((*qk(), np.zeros((3, 5))), "a mask of zeros changes nothing"),
        Case((*qk(), -distance), "a penalty that grows with the distance"),
        Case((*qk(), normal(rng, 5)), "one number per key, for all queries"),
        Case((*qk(2), some), "a batch of 2, 0 and -inf"),
        Case(
            (*(np.round(60 * x) for x in qk()), np.zeros((3, 5))), "scores in thousands"
        ),
        Case((*far_below(rng), last), "-inf at a key whose score is far above all"),
        Case((*billions(rng), last), "scores of minus billions, and -inf at a key"),
    ]


PENALISED_WEIGHTS = Exercise(
    name="penalised_weights",
    chapter=2,
    title="A mask that is added",
    objective="use an additive mask and say what its numbers do",
    minutes=10,
    difficulty=2,
    points=3,
    reference=penalised_weights,
    cases=penalised_weights_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda query, key, penalty: softmax(
                (query @ key.mT + penalty) / math.sqrt(query.shape[-1])
            ),
            "You added the penalty before the scale: it is divided as well, and acts "
            "more weakly the wider the keys are.",
        ),
        Mistake(
            lambda query, key, penalty: attention_weights(query, key) + penalty,
            "You added the penalty to the weights: they do not sum to 1 any more, and "
            "some are below 0.",
        ),
        Mistake(
            lambda query, key, penalty: softmax(
                query @ key.mT / math.sqrt(query.shape[-1]) * np.exp(penalty)
            ),
            "You multiplied the scores by exp(penalty): that factor belongs to the "
            "weights before they are normalised, and a score of 0 escapes yours.",
        ),
        Mistake(
            lambda query, key, penalty: attention_weights(query, key, -penalty),
            "You subtracted the mask: a key with a negative entry must lose weight, "
            "and yours gains.",
        ),
        Mistake(
            lambda query, key, penalty: attention_weights(
                query, key, np.broadcast_to(penalty, (3, 5)) >= 0
            ),
            "You read the numbers as allowed or forbidden: a small penalty lowers a "
            "weight and does not hide the key.",
        ),
        Mistake(
            lambda query, key, penalty: attention_weights(query, key),
            "Your weights do not depend on the penalty.",
        ),
        Mistake(
            lambda query, key, penalty: softmax(query @ key.mT + penalty),
            "You left the scale out: divide the product by the root of the number of "
            "features, then add the penalty.",
        ),
        Mistake(
            lambda query, key, penalty: softmax(
                query @ key.mT / query.shape[-1] + penalty
            ),
            "You divided by the number of features itself, not by its square root: "
            "your weights are too close to equal.",
        ),
        Mistake(
            lambda query, key, penalty: softmax(scaled(query, key) + penalty, axis=-2),
            "You normalised over the queries: the columns of your weights sum to 1, "
            "the rows do not.",
        ),
        Mistake(
            lambda query, key, penalty: attention_weights(query, key) * np.exp(penalty),
            "You lowered the finished weights: they do not sum to 1 any more. Add the "
            "penalty to the scores, before the softmax.",
        ),
        Mistake(
            lambda query, key, penalty: softmax(
                scaled(query, key) * np.where(penalty == -math.inf, -1e300, penalty)
            ),
            "You multiplied the scores by the penalty: it is added. A penalty of 0 "
            "would make all scores alike, where it should change nothing.",
        ),
        Mistake(
            lambda query, key, penalty: unshifted(scaled(query, key) + penalty),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the largest score of each row first.",
        ),
        Mistake(
            lambda query, key, penalty: softmax(
                scaled(query, key) * np.where(np.isinf(penalty), 1, penalty)
            ),
            "You multiplied the scores by the penalty, where it is finite: it is "
            "added, so that 0 changes nothing and -inf leaves nothing.",
        ),
    ),
)


# causal_with_cache


def causal_with_cache(L, S):
    return causal_mask(L, S, offset=S - L)


CAUSAL_WITH_CACHE = Exercise(
    name="causal_with_cache",
    chapter=2,
    title="A causal mask after a cache",
    objective="place a causal mask when there are more keys than queries",
    minutes=10,
    difficulty=3,
    points=4,
    reference=causal_with_cache,
    cases=lambda rng: [
        Case((4, 4), "no cache: 4 queries, 4 keys"),
        Case((1, 5), "the newest token asks, 4 older ones are stored"),
        Case((3, 5), "3 new tokens, 2 stored ones"),
        Case((2, int(rng.integers(6, 12))), "2 new tokens, several stored ones"),
    ],
    mistakes=(
        Mistake(
            lambda L, S: causal_mask(L, S),
            "You started at the first key: the queries are the last tokens, and yours "
            "see only the oldest keys.",
        ),
        Mistake(
            lambda L, S: ~causal_mask(L, S, offset=S - L),
            "You turned the mask round: True means that a query may attend to a key.",
        ),
        Mistake(
            lambda L, S: causal_mask(L, S, offset=S - L - 1),
            "You hid each token from itself: a causal mask lets a token see itself, "
            "and the first one would see nothing.",
        ),
        Mistake(
            lambda L, S: causal_mask(L, S, offset=S - L + 1),
            "You let each token see the next one: a model trained so reads the answer.",
        ),
        Mistake(
            lambda L, S: np.ones((L, S), dtype=bool),
            "You let every query see every key: with several new tokens the earlier "
            "ones must not see the later ones.",
        ),
        Mistake(
            lambda L, S: causal_mask(S, S, offset=0)[:L][:, ::-1],
            "You counted the keys from the end: your rows have the right number of "
            "keys somewhere, but they are the newest ones.",
        ),
        Mistake(
            lambda L, S: np.triu(np.ones((L, S), dtype=bool), S - L),
            "You kept the future and hid the past: your upper triangle should be a "
            "lower one.",
        ),
        Mistake(
            lambda L, S: causal_mask(S, S, offset=0),
            "You made a row for each key: only the L newest tokens ask, so your mask "
            "has too many rows.",
        ),
    ),
)


# keys_of_texts: padding


def keys_of_texts(lengths, S):
    return padding_mask(lengths, S)


KEYS_OF_TEXTS = Exercise(
    name="keys_of_texts",
    chapter=2,
    title="Hide the padding",
    objective="build a padding mask that broadcasts against the scores",
    minutes=8,
    difficulty=2,
    points=3,
    reference=keys_of_texts,
    cases=lambda rng: [
        Case((np.array([3]), 5), "one text of 3 tokens, padded to 5"),
        Case((np.array([4, 2, 5]), 6), "3 texts, padded to 6"),
        Case((np.array([0, 3]), 3), "an empty text, and one without padding"),
        Case((rng.integers(1, 8, size=4), 7), "4 texts, padded to 7"),
    ],
    mistakes=(
        Mistake(
            lambda lengths, S: ~padding_mask(lengths, S),
            "You marked the padding: True means that a query may attend to a key, so "
            "real tokens are True.",
        ),
        Mistake(
            lambda lengths, S: np.arange(S) <= lengths[:, None, None],
            "You kept one key too many: a text of 3 tokens has the keys 0, 1 and 2.",
        ),
        Mistake(
            lambda lengths, S: np.arange(S) < lengths[:, None],
            "You left out the axis of the queries: your (B, S) mask would be read as "
            "(L, S), so it hides keys of the wrong texts or raises an error.",
        ),
        Mistake(
            lambda lengths, S: (np.arange(S) < lengths[:, None])[:, :, None],
            "You masked the queries: your mask hides rows of the scores, and padding "
            "still gets weight as a key.",
        ),
        Mistake(
            lambda lengths, S: np.arange(S) >= S - lengths[:, None, None],
            "You put the padding first: these texts stand at the left, with padding "
            "behind them.",
        ),
        Mistake(
            lambda lengths, S: np.repeat(padding_mask(lengths, S), max(2, S), axis=-2),
            "You repeated the mask for every query: an axis of 1 is enough, because it "
            "broadcasts against the scores.",
        ),
    ),
)


# attention_backward


def attention_backward(query, key, value, output_gradient):
    scale = 1 / math.sqrt(query.shape[-1])
    weights = softmax(query @ key.mT * scale)
    by_weight = output_gradient @ value.mT
    mean = np.sum(weights * by_weight, -1, keepdims=True)
    by_score = weights * (by_weight - mean) * scale
    return by_score @ key, by_score.mT @ query, weights.mT @ output_gradient


def with_diagonal(query, key, value, gradient):
    """Each weight's slope by its own score only, w (1 - w)."""
    scale = 1 / math.sqrt(query.shape[-1])
    weights = softmax(query @ key.mT * scale)
    by_score = weights * (1 - weights) * (gradient @ value.mT) * scale
    return by_score @ key, by_score.mT @ query, weights.mT @ gradient


def backward_but(
    query,
    key,
    value,
    gradient,
    *,
    scale_back=True,
    mean=True,
    front=True,
    swap=False,
    plain_value=False,
    turn=True,
    scale_front=True,
    centre=None,
    axis=-1,
    turn_value=True,
):
    """The right gradients, but for what a mistake changes."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale_front else 1
    weights = softmax(query @ key.mT * scale)
    by_weight = gradient @ value.mT
    if centre:
        by_weight = by_weight - centre(by_weight, -1, keepdims=True)
    elif mean:
        by_weight = by_weight - np.sum(weights * by_weight, axis, keepdims=True)
    by_score = (weights if front else 1) * by_weight * (scale if scale_back else 1)
    by_value = (
        weights.swapaxes(-1, -2)
        if not plain_value
        else np.ones_like(weights).swapaxes(-1, -2)
    ) @ gradient
    by_query = by_score @ key
    by_key = (by_score.swapaxes(-1, -2) if turn else by_score) @ query
    by_value = by_value if turn or not turn_value else weights @ gradient
    return (by_key, by_query, by_value) if swap else (by_query, by_key, by_value)


ATTENTION_BACKWARD = Exercise(
    name="attention_backward",
    chapter=2,
    title="The backward pass by hand",
    objective="derive the gradients of attention with respect to query, key and value",
    minutes=30,
    difficulty=5,
    points=7,
    rtol=1e-3,
    why_rtol="float32 with keys around 512, whose differences count",
    parts=("gradient by query", "gradient by key", "gradient by value"),
    reference=attention_backward,
    cases=lambda rng: [
        Case(
            (
                np.round(8 * normal(rng, *lead, L, E)) / 8
                + 2 * (shift > 0) * np.arange(L)[:, None],  # rows thousands apart
                np.round(8 * normal(rng, *lead, S, E)) / 8 + shift,  # exact in float32
                *(normal(rng, *lead, n, Ev) for n in (S, L)),
            ),
            what,
        )
        for lead, L, S, E, Ev, shift, what in (
            ((), 1, 2, 1, 1, 0, "one query, 2 keys, one feature"),
            ((), 3, 5, 4, 2, 0, "L=3, S=5, E=4, Ev=2"),
            ((), 4, 4, 3, 2, 0, "as many queries as keys"),
            ((2,), 4, 3, 5, 6, 0, "a batch of 2, L=4, S=3, E=5, Ev=6"),
            ((), 3, 5, 4, 3, 512, "scores of some thousands"),
        )
    ],
    torch=True,
    mistakes=(
        Mistake(
            lambda *given: backward_but(*given, scale_back=False),
            "You forgot the scale on the way back: your gradients with respect "
            "to query and key are too large, the one with respect to value is right.",
        ),
        Mistake(
            lambda *given: backward_but(*given, mean=False),
            "You used the diagonal of the softmax's Jacobian only: raising one score "
            "lowers the other weights, so a mean has to be subtracted.",
        ),
        Mistake(
            lambda *given: backward_but(*given, front=False),
            "You left out the weight in front of each score's gradient: a key without "
            "weight must get no gradient.",
        ),
        Mistake(
            lambda *given: backward_but(*given, swap=True),
            "You returned the gradient with respect to the key first: the order is "
            "query, key, value.",
        ),
        Mistake(
            lambda *given: backward_but(*given, mean=False, front=False),
            "You left the softmax's Jacobian out: the gradient with respect to the "
            "weights has to pass back through the softmax to become the one with "
            "respect to the scores.",
        ),
        Mistake(
            lambda *given: backward_but(*given, turn=False),
            "You did not transpose on the way to keys and values: each of them gathers "
            "what comes back from all queries, down its column.",
        ),
        Mistake(
            lambda *given: backward_but(*given, plain_value=True),
            "You gave every value the whole gradient: it gets its weight's share from "
            "each query.",
        ),
        Mistake(
            lambda *given: tuple(-x for x in attention_backward(*given)),
            "Your signs are turned round: these are gradients, not the steps that "
            "lower the loss.",
        ),
        Mistake(
            lambda *given: backward_but(*given, scale_front=False),
            "You left the scale out, on the way there and on the way back: the scores "
            "are divided by the root of E.",
        ),
        Mistake(
            lambda *given: backward_but(*given, centre=np.mean),
            "You subtracted the plain mean over the keys: it has to be weighted, each "
            "key by its weight.",
        ),
        Mistake(
            lambda *given: backward_but(*given, centre=np.sum),
            "You subtracted the plain sum over the keys: each key counts by its "
            "weight, so it is a weighted mean.",
        ),
        Mistake(
            lambda *given: tuple(reversed(attention_backward(*given))),
            "You returned the gradient with respect to the value first: the order is "
            "query, key, value.",
        ),
        Mistake(
            with_diagonal,
            "You took w (1 - w), the slope of each weight by its own score: a score"
            " changes the other weights of its row as well, by -w_i w_j.",
        ),
        Mistake(
            lambda *given: backward_but(*given, axis=-2),
            "You summed over the queries: the mean that is subtracted is one "
            "query's own, over its keys.",
        ),
        Mistake(
            lambda *given: backward_but(*given, turn=False, turn_value=False),
            "You did not transpose on the way to the keys: each key gathers what "
            "comes back from all queries, down its column.",
        ),
    ),
)


# who_looks_at_whom: written

WHO_LOOKS_AT_WHOM = Exercise(
    name="who_looks_at_whom",
    chapter=2,
    title="Read a row of weights",
    objective="read a row of weights without claiming too much",
    minutes=10,
    difficulty=3,
    points=5,
    kind="written",
    rubric=(
        (1, "says that a row holds the shares of one query and sums to 1"),
        (1, "says that the row includes the token itself"),
        (2, "says what the weights do not show: the values, other layers, a cause"),
        (
            1,
            "proposes a change of the input or the weights that would test the reading",
        ),
    ),
)

EXERCISES = (
    PROJECTIONS,
    MASKED_ATTENTION,
    PENALISED_WEIGHTS,
    KEYS_OF_TEXTS,
    CAUSAL_WITH_CACHE,
    WHO_LOOKS_AT_WHOM,
    ATTENTION_BACKWARD,
)
