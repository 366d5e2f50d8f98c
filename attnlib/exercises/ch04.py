"""Exercises of chapter 4, self-attention."""

import math

import numpy as np

from attnlib import (
    KVCache,
    causal_mask,
    reference_attention,
    rotary_embedding,
    sinusoidal_encoding,
    softmax,
)
from attnlib.exercises._core import Case, Exercise, Mistake


def normal(rng, *shape):
    return rng.normal(size=shape)


def matrices(rng, D, E, Ev):
    shapes = ((D, E), (D, E), (D, Ev))
    return tuple(normal(rng, *shape) / math.sqrt(D) * 1.5 for shape in shapes)


def unshifted(scores, axis=-1):
    """Softmax as a beginner writes it."""
    exps = np.exp(scores)
    return exps / exps.sum(axis, keepdims=True)


# causal_self_attention


def causal_self_attention(x, W_Q, W_K, W_V):
    return reference_attention(x @ W_Q, x @ W_K, x @ W_V, is_causal=True)


def causal_cases(rng):
    def case(lead, n, D, E, Ev, what):
        return Case((normal(rng, *lead, n, D), *matrices(rng, D, E, Ev)), what)

    return [
        case((), 1, 3, 2, 2, "a single token"),
        case((), 4, 3, 5, 2, "4 tokens, D=3, E=5, Ev=2"),
        case((2,), 6, 4, 3, 5, "a batch of 2, 6 tokens, D=4, E=3, Ev=5"),
        Case((100 * normal(rng, 5, 3), *matrices(rng, 3, 2, 4)), "very large scores"),
        Case(
            opposed(rng, 5, 3, 2, 4),
            "very large scores, that of a token with itself far below 0",
        ),
        Case(
            opposed(rng, 5, 3, 2, 4, size=1e6),
            "very large scores, that of a token with itself below minus billions",
        ),
    ]


def opposed(rng, n, D, E, Ev, size=1e3):
    """Tokens and matrices: W_K is near -W_Q, so a token fits badly to itself.

    The second points away from the first, whose score with it is far higher.
    """
    W_Q, some, W_V = matrices(rng, D, E, Ev)
    x = normal(rng, n, D)
    x[1] *= -np.sign(x[0] @ W_Q @ W_Q.T @ x[1])
    x = size * x / np.linalg.norm(x @ W_Q, axis=-1, keepdims=True)
    return x, W_Q, 0.1 * some - W_Q, W_V


def causal_but(
    *,
    offset=0,
    width=lambda q: q.shape[-1],
    axis=-1,
    swap=False,
    flip=False,
    after=False,
    again=None,
    value=True,
    zeros=False,
    fill=-math.inf,
    soft=softmax,
):
    """A mistake: one thing about the right answer is different."""

    def wrong(x, W_Q, W_K, W_V):
        q, k = (x @ W_K, x @ W_Q) if swap else (x @ W_Q, x @ W_K)
        n = x.shape[-2]
        mask = causal_mask(n, n, offset=offset)
        mask = mask.T if flip else mask
        scores = q @ k.mT / math.sqrt(width(x) if width is whole else width(q))
        if after:
            weights = np.where(mask, softmax(scores), 0)
            weights = again(weights) if again else weights
        elif zeros:
            weights = softmax(np.tril(scores))
        else:
            weights = soft(np.where(mask, scores, fill), axis)
        return weights @ (x @ W_V if value else x)

    return wrong


def divided(weights):
    """Rows that sum to 1; NaN where nothing is left."""
    return weights / weights.sum(-1, keepdims=True)


def divided_or_0(weights):
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total)


def whole(x):
    return x.shape[-1]


CAUSAL_SELF_ATTENTION = Exercise(
    name="causal_self_attention",
    chapter=4,
    title="Causal self-attention from tokens",
    objective="build self-attention in which no token sees a later one",
    minutes=12,
    difficulty=2,
    points=4,
    reference=causal_self_attention,
    cases=causal_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda x, W_Q, W_K, W_V: reference_attention(x @ W_Q, x @ W_K, x @ W_V),
            "You left the mask out: your first token changes when a later one does.",
        ),
        Mistake(
            causal_but(offset=-1),
            "You hid each token from itself: a token sees itself and all before it, "
            "and your first one sees nothing.",
        ),
        Mistake(
            causal_but(offset=1),
            "Your diagonal is off by one: each token sees the next one as well.",
        ),
        Mistake(
            causal_but(flip=True),
            "You hid the past and kept the future: your last token sees only itself.",
        ),
        Mistake(
            causal_but(after=True),
            "You set weights to 0 after the softmax: the rows that are left do not sum "
            "to 1 any more.",
        ),
        Mistake(
            causal_but(swap=True),
            "You swapped queries and keys: a token is then found by what it looks for.",
        ),
        Mistake(
            causal_but(width=whole),
            "You divided by the root of the tokens' width D: the scores sum over the E "
            "features of queries and keys.",
        ),
        Mistake(
            causal_but(width=lambda q: q.shape[-1] ** 2),
            "You divided by the number of features itself, not by its square root: "
            "your weights are too close to equal.",
        ),
        Mistake(
            causal_but(zeros=True),
            "You set the scores of later tokens to 0, as np.tril does: exp(0) is 1, so "
            "they still get weight. Hidden scores are -inf.",
        ),
        Mistake(
            causal_but(width=lambda q: 1),
            "You left the scale out: your weights are too sharp.",
        ),
        Mistake(
            causal_but(axis=-2),
            "You normalised over the queries: the columns of your weights sum to 1, "
            "the rows do not.",
        ),
        Mistake(
            causal_but(soft=unshifted),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the largest score of each row first.",
        ),
        Mistake(
            causal_but(fill=-1000.0),
            "Your hidden tokens have a negative score that is not low enough, such as "
            "-1000: where all visible scores are lower, the future wins. Only -inf is "
            "always below.",
        ),
        Mistake(
            causal_but(fill=-1e9),
            "Your hidden tokens get a score such as -1e9, which is low and not the "
            "lowest: where all visible scores are lower, the future wins. Only -inf is "
            "always below.",
        ),
        Mistake(
            causal_but(width=lambda q: q.shape[-2]),
            "You took the root of the number of tokens: the spread of the scores comes "
            "from the E features that are summed over.",
        ),
        Mistake(
            causal_but(width=lambda q: 1 / q.shape[-1]),
            "You multiplied by the square root where you should divide: your weights "
            "are far too sharp.",
        ),
        Mistake(
            causal_but(value=False),
            "You mixed the tokens themselves: the values have a projection of their "
            "own, W_V.",
        ),
        Mistake(
            causal_but(after=True, again=divided_or_0),
            "You set weights to 0 after the softmax and divided again: below a "
            "later token's score that is far higher, the visible weights have "
            "rounded to 0 before. Hide the scores instead.",
        ),
        Mistake(
            causal_but(after=True, again=divided),
            "You set weights to 0 after the softmax and divided by what is left of "
            "the row: where that is 0, your output is NaN. Hide the scores, before "
            "the softmax.",
        ),
    ),
)


# add_positions


def add_positions(x):
    n, D = x.shape[-2:]
    return x + sinusoidal_encoding(n, D)


def encoded(x, positions, *, cosine_first=False, halves=False, base=10_000.0, shift=0):
    """x plus sines and cosines of `positions`, a float array that broadcasts."""
    D = x.shape[-1]
    angles = (positions + shift) * base ** (-2 * np.arange(D // 2) / D)
    first, second = np.sin(angles), np.cos(angles)
    if cosine_first:
        first, second = second, first
    if halves:
        return x + np.concatenate([first, second], axis=-1)
    return x + np.stack([first, second], axis=-1).reshape(*angles.shape[:-1], D)


def with_angles(x, angles):
    """x plus sines and cosines of angles (n, D/2), as neighbours."""
    both = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return x + both.reshape(*angles.shape[:-1], x.shape[-1])


def one_frequency_each(x):
    """The frequency falls from feature to feature, not from pair to pair."""
    n, D = x.shape[-2:]
    angles = np.arange(n)[:, None] * 10_000.0 ** (-np.arange(D) / D)
    return x + np.where(np.arange(D) % 2, np.cos(angles), np.sin(angles))


def tokens(x):
    return np.arange(x.shape[-2])[:, None]


def along_first_axis(x):
    places = np.arange(x.shape[0]).reshape(-1, *[1] * (x.ndim - 1))
    return encoded(x, places)


ADD_POSITIONS = Exercise(
    name="add_positions",
    chapter=4,
    title="Sinusoidal positions on the right axis",
    objective="add positions along the axis of the tokens",
    minutes=15,
    difficulty=3,
    points=4,
    reference=add_positions,
    cases=lambda rng: [
        Case((normal(rng, 5, 2),), "5 tokens of 2 features"),
        Case((normal(rng, 4, 6),), "4 tokens of 6 features"),
        Case((normal(rng, 3, 5, 8),), "a batch of 3, 5 tokens of 8 features"),
        Case((normal(rng, 2, 3, 7, 4),), "two leading axes, 7 tokens"),
        Case((normal(rng, 300, 4),), "a text of 300 tokens"),
    ],
    torch=True,
    mistakes=(
        Mistake(
            along_first_axis,
            "You counted along the first axis: in a batch all tokens of one text then "
            "get the same position.",
        ),
        Mistake(
            lambda x: encoded(x, np.arange(x.shape[-3])[:, None, None]),
            "You counted the texts of the batch: all tokens of one text get the same "
            "position, and without a batch your line fails.",
        ),
        Mistake(
            lambda x: encoded(x, tokens(x), halves=True),
            "You put all sines before all cosines: here sine and cosine of one angle "
            "are neighbours.",
        ),
        Mistake(
            lambda x: encoded(x, tokens(x), cosine_first=True),
            "You began with the cosine: feature 0 is a sine, feature 1 its cosine.",
        ),
        Mistake(
            lambda x: encoded(x, tokens(x), shift=1),
            "You counted positions from 1: the first token stands at position 0.",
        ),
        Mistake(
            lambda x: encoded(x, tokens(x)) - x,
            "You returned the encoding alone: it is added to the tokens.",
        ),
        Mistake(
            lambda x: encoded(x, tokens(x), base=1_000.0),
            "Your wavelengths grow too slowly: the base of the frequencies is 10000.",
        ),
        Mistake(
            lambda x: (
                x + sinusoidal_encoding(x.shape[-2], 2 * x.shape[-1])[:, : x.shape[-1]]
            ),
            "Your frequencies fall half as fast as they should: pair i turns by "
            "10000 ** (-2 i / D), with D all features of the token.",
        ),
        Mistake(
            lambda x: with_angles(x, angles_of(x, 0, power=1)),
            "You lost a sign in the exponent: your frequencies grow from pair to pair, "
            "where they should fall.",
        ),
        Mistake(
            lambda x: with_angles(x, angles_of(x, 0, power=-2)),
            "Your frequencies fall twice as fast as they should: the exponent is -2 i "
            "/ D with D all features, not half of them.",
        ),
        Mistake(
            one_frequency_each,
            "You gave each feature a frequency of its own: sine and cosine at 2 i and "
            "2 i + 1 share one, that of pair i.",
        ),
        Mistake(
            lambda x: x * (encoded(x, tokens(x)) - x),
            "You multiplied by the encoding: it is added to the tokens.",
        ),
        Mistake(
            lambda x: x + np.repeat(np.sin(angles_of(x, 0)), 2, axis=-1),
            "You took the sine for both features of a pair: the second one is the "
            "cosine.",
        ),
        Mistake(
            lambda x: np.concatenate([x, encoded(x, tokens(x)) - x], axis=-1),
            "You put the encoding beside the tokens: it is added to them, so your "
            "result has too many features.",
        ),
    ),
)


# rotated


def rotated(x, offset):
    return rotary_embedding(x, offset=offset)


def angles_of(x, offset, power=-1):
    n, E = x.shape[-2:]
    frequencies = 10_000.0 ** (power * 2 * np.arange(E // 2) / E)
    return (np.arange(n)[:, None] + offset) * frequencies


def turned(x, offset, *, sign=1, halves=False, power=-1, signs=(-1, 1)):
    E, angles = x.shape[-1], angles_of(x, offset, power)
    cos, sin = np.cos(angles), sign * np.sin(angles)
    a, b = (
        (x[..., : E // 2], x[..., E // 2 :]) if halves else (x[..., ::2], x[..., 1::2])
    )
    pair = a * cos + signs[0] * b * sin, a * sin + signs[1] * b * cos
    if halves:
        return np.concatenate(pair, axis=-1)
    return np.stack(pair, axis=-1).reshape(x.shape)


def overwritten(x, offset):
    """The second half of each pair is computed from the first one's new value."""
    cos, sin = np.cos(angles_of(x, offset)), np.sin(angles_of(x, offset))
    a, b = x[..., ::2], x[..., 1::2]
    a = a * cos - b * sin
    b = a * sin + b * cos
    return np.stack([a, b], axis=-1).reshape(x.shape)


def two_conventions(x, offset):
    """Angles for neighbours, partners from the other half."""
    angles = np.repeat(angles_of(x, offset), 2, axis=-1)
    half = x.shape[-1] // 2
    partner = np.concatenate([-x[..., half:], x[..., :half]], axis=-1)
    return x * np.cos(angles) + partner * np.sin(angles)


def in_halves(x):
    return np.concatenate([x[..., ::2], x[..., 1::2]], axis=-1)


def slow_angles(x, offset):
    """The exponent is i / E in place of 2 i / E."""
    wide = np.concatenate([x, np.zeros_like(x)], axis=-1)
    return turned(wide, offset)[..., : x.shape[-1]]


ROTATED = Exercise(
    name="rotated",
    chapter=4,
    title="Rotary positions",
    objective="turn queries and keys so that scores see distances only",
    minutes=18,
    difficulty=4,
    points=5,
    reference=rotated,
    cases=lambda rng: [
        Case((normal(rng, 3, 2), 0), "3 tokens, one pair of features"),
        Case((normal(rng, 5, 6), 0), "5 tokens, 3 pairs of features"),
        Case((normal(rng, 1, 4), 7), "one token, after 7 stored ones"),
        Case((normal(rng, 2, 3, 4, 8), 2), "a batch of 2 with 3 heads, after 2 tokens"),
        Case((normal(rng, 2, 4), 5000), "2 tokens, late in a long text"),
    ],
    torch=True,
    mistakes=(
        Mistake(
            lambda x, offset: turned(x, 0),
            "You ignored the offset: a token that comes after a cache would be turned "
            "as if it were the first one.",
        ),
        Mistake(
            lambda x, offset: turned(x, offset, halves=True),
            "You paired feature i with feature i + E/2: here neighbours are a pair, "
            "(0, 1), (2, 3) and so on.",
        ),
        Mistake(
            lambda x, offset: turned(x, offset, sign=-1),
            "You turned the other way round: distances would still be right, and the "
            "result does not fit to weights that were trained with this one.",
        ),
        Mistake(
            overwritten,
            "You overwrote the first feature of a pair before you computed the second "
            "one: both come from the old two.",
        ),
        Mistake(
            two_conventions,
            "You mixed two conventions: your angles fit to neighbours as pairs, and "
            "your partners come from the other half.",
        ),
        Mistake(
            slow_angles,
            "Your frequencies fall half as fast as they should: pair i turns by "
            "10000 ** (-2 i / E), with E all features.",
        ),
        Mistake(
            lambda x, offset: turned(x, offset + 1),
            "You counted positions from 1: the first token is not turned at all.",
        ),
        Mistake(
            lambda x, offset: (
                x + turned(np.zeros_like(x) + [1.0, 0.0] * (x.shape[-1] // 2), offset)
            ),
            "You added sines and cosines to x: rotary positions multiply, so lengths "
            "stay as they are.",
        ),
        Mistake(
            lambda x, offset: np.stack(
                [
                    x[..., ::2] * np.cos(angles_of(x, offset)),
                    x[..., 1::2] * np.sin(angles_of(x, offset)),
                ],
                axis=-1,
            ).reshape(x.shape),
            "You multiplied one feature by the cosine and the other by the sine: a "
            "rotation mixes the two features of a pair.",
        ),
        Mistake(
            lambda x, offset: turned(x, offset, power=1),
            "You lost a sign in the exponent: your angles grow from pair to pair, "
            "where they should get smaller.",
        ),
        Mistake(
            lambda x, offset: turned(x, offset, power=0),
            "You turned all pairs by the same angle: pair i turns by the position "
            "times 10000 ** (-2 i / E).",
        ),
        Mistake(
            lambda x, offset: turned(x, offset, power=-2),
            "Your frequencies fall twice as fast as they should: the exponent is -2 i "
            "/ E with E all features, not half of them.",
        ),
        Mistake(
            lambda x, offset: turned(x, offset, signs=(-1, -1)),
            "You have a minus in both lines: a rotation is a cos - b sin and a sin + b "
            "cos.",
        ),
        Mistake(
            lambda x, offset: turned(x, offset, signs=(1, 1)),
            "You have a plus in both lines: a rotation is a cos - b sin and a sin + b "
            "cos.",
        ),
        Mistake(
            lambda x, offset: in_halves(turned(x, offset)),
            "You turned the right pairs and put all first features before all second "
            "ones: here the two of a pair stay neighbours.",
        ),
    ),
)


# decode_step


def decode_step(x, past_key, past_value, W_Q, W_K, W_V):
    cache = KVCache(past_key, past_value).append(x @ W_K, x @ W_V)
    output = reference_attention(x @ W_Q, cache.key, cache.value)
    return output, cache.key, cache.value


def decode_cases(rng):
    def case(lead, stored, D, E, Ev, what):
        past = normal(rng, *lead, stored, E), normal(rng, *lead, stored, Ev)
        x = normal(rng, *lead, 1, D)
        return Case((x, *past, *matrices(rng, D, E, Ev)), what)

    x = normal(rng, 2, 1, 3)
    past_key, past_value = (normal(rng, 2, 4, n) for n in (2, 5))
    W_Q, W_K, W_V = matrices(rng, 3, 2, 5)
    query = x[0] @ W_Q
    past_key[0, 2] = 3000 * query / np.sum(query**2)
    return [
        case((), 0, 3, 2, 4, "the first token: nothing is stored"),
        case((), 4, 3, 5, 2, "4 stored tokens, D=3, E=5, Ev=2"),
        case((2,), 3, 4, 3, 5, "a batch of 2, 3 stored tokens"),
        case((1,), 1, 2, 3, 2, "a batch of one text, one stored token"),
        Case(
            (x, past_key, past_value, W_Q, W_K, W_V),
            "a very large score in one text of two",
        ),
    ]


def joined(old, new):
    return np.concatenate([old, new], axis=-2)


def decode_but(
    *,
    key=joined,
    value=joined,
    store_key=joined,
    store_value=joined,
    attend=reference_attention,
):
    def wrong(x, past_key, past_value, W_Q, W_K, W_V):
        k, v = x @ W_K, x @ W_V
        output = attend(x @ W_Q, key(past_key, k), value(past_value, v))
        return output, store_key(past_key, k), store_value(past_value, v)

    return wrong


def along_texts(old, new):
    return np.concatenate([old, new], axis=0)


def in_front(old, new):
    return np.concatenate([new, old], axis=-2)


def beside(old, new):
    return np.concatenate([old, new], axis=-1)


def by_first_key(query, key, value):
    """A causal mask of one row that starts at the first key."""
    return reference_attention(query, key, value, causal_mask(1, key.shape[-2]))


def divided_by_width(query, key, value):
    return reference_attention(query, key, value, scale=1 / query.shape[-1])


def overflowing(query, key, value):
    return unshifted(query @ key.mT / math.sqrt(query.shape[-1])) @ value


def new_only(old, new):
    return new


def old_only(old, new):
    return old


def old_if_any(old, new):
    return old if old.shape[-2] else new


DECODE_STEP = Exercise(
    name="decode_step",
    chapter=4,
    title="One step with a cache of keys and values",
    objective="continue a text without computing old tokens again",
    minutes=15,
    difficulty=3,
    points=5,
    parts=("output", "key", "value"),
    reference=decode_step,
    cases=decode_cases,
    torch=True,
    mistakes=(
        Mistake(
            decode_but(key=old_only, value=old_only),
            "You let the new token look at the stored ones only: it sees itself as "
            "well, and with nothing stored your output is 0.",
        ),
        Mistake(
            decode_but(store_key=old_only, store_value=old_only),
            "You did not store the new key and value: the next token would not see "
            "this one.",
        ),
        Mistake(
            decode_but(key=new_only, value=new_only),
            "Your new token sees only itself: its output is its own value, whatever is "
            "stored.",
        ),
        Mistake(
            lambda x, past_key, past_value, W_Q, W_K, W_V: (
                reference_attention(
                    x @ W_Q,
                    joined(past_key, x @ W_K),
                    joined(past_value, x @ W_V),
                    scale=1.0,
                ),
                joined(past_key, x @ W_K),
                joined(past_value, x @ W_V),
            ),
            "You left the scale out: your weights are too sharp.",
        ),
        Mistake(
            decode_but(store_key=in_front, store_value=in_front),
            "You stored the new token in front of the old ones: the order of the cache "
            "is that of the text.",
        ),
        Mistake(
            decode_but(
                key=along_texts,
                value=along_texts,
                store_key=along_texts,
                store_value=along_texts,
            ),
            "You joined along the first axis: with a batch that is the axis of the "
            "texts. Tokens lie along the last axis but one.",
        ),
        Mistake(
            decode_but(value=in_front),
            "You joined keys and values in different orders: weights then fall on the "
            "wrong values.",
        ),
        Mistake(
            lambda x, past_key, past_value, W_Q, W_K, W_V: (
                reference_attention(
                    joined(past_key, x @ W_Q)[..., -1:, :],
                    joined(past_key, x @ W_Q),
                    joined(past_value, x @ W_V),
                ),
                joined(past_key, x @ W_Q),
                joined(past_value, x @ W_V),
            ),
            "You stored the new query as its key: old queries are never needed again.",
        ),
        Mistake(
            decode_but(key=beside, value=beside, store_key=beside, store_value=beside),
            "You joined along the last axis: that is the axis of the features. Tokens "
            "lie along the last axis but one.",
        ),
        Mistake(
            decode_but(store_key=new_only, store_value=new_only),
            "You returned the new key and value alone: the cache is the old ones and "
            "the new one.",
        ),
        Mistake(
            decode_but(attend=by_first_key),
            "You put a causal mask on that starts at the first key: the new token "
            "comes last, and may look at all that is stored.",
        ),
        Mistake(
            decode_but(attend=divided_by_width),
            "You divided by the number of features itself, not by its square root: "
            "your weights are too close to equal.",
        ),
        Mistake(
            decode_but(attend=overflowing),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the largest score of each row first.",
        ),
        Mistake(
            decode_but(key=old_if_any, value=old_if_any),
            "Your new token sees the stored ones and not itself, unless nothing is "
            "stored: its own key and value belong to what it looks at.",
        ),
    ),
)


# heads_as_evidence: written

HEADS_AS_EVIDENCE = Exercise(
    name="heads_as_evidence",
    chapter=4,
    title="The best of many heads",
    objective="read the weights of a pre-trained model without fooling yourself",
    minutes=12,
    difficulty=3,
    points=6,
    kind="written",
    rubric=(
        (2, "says that the best of many heads looks good by chance alone"),
        (2, "separates the sentences used to choose from those used to test"),
        (1, "names a base rate or a simple rule to compare with"),
        (1, "says that a large weight is not a cause, and how to test for one"),
    ),
)

EXERCISES = (
    CAUSAL_SELF_ATTENTION,
    ADD_POSITIONS,
    DECODE_STEP,
    HEADS_AS_EVIDENCE,
    ROTATED,
)
