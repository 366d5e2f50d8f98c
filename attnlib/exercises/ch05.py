"""Exercises of chapter 5, multi-head attention."""

import math

import numpy as np

from attnlib import (
    MultiHeadParams,
    merge_heads,
    multi_head_attention,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from attnlib.exercises._core import Case, Exercise, Mistake


def normal(rng, *shape):
    return rng.normal(size=shape)


# split_into_heads


def split_into_heads(x, num_heads):
    return split_heads(x, num_heads)


def one_reshape(x, num_heads):
    *lead, L, features = x.shape
    return x.reshape(*lead, num_heads, L, features // num_heads)


def interleaved(x, num_heads):
    *lead, L, features = x.shape
    return np.moveaxis(x.reshape(*lead, L, features // num_heads, num_heads), -1, -3)


def features_first(x, num_heads):
    return split_heads(x, num_heads).swapaxes(-1, -2)


def kept_in_place(x, num_heads):
    *lead, L, features = x.shape
    return x.reshape(*lead, L, num_heads, features // num_heads)


def one_head_each(x, num_heads):
    return np.moveaxis(x.reshape(*x.shape[:-1], num_heads, -1), -2, 0)


SPLIT_INTO_HEADS = Exercise(
    name="split_into_heads",
    chapter=5,
    title="Cut projected features into heads",
    objective="split projections into heads for any leading axes",
    minutes=8,
    difficulty=1,
    points=3,
    reference=split_into_heads,
    cases=lambda rng: [
        Case((normal(rng, 5, 6), 2), "5 tokens, 6 features, 2 heads"),
        Case((normal(rng, 4, 12), 3), "4 tokens, 12 features, 3 heads"),
        Case((normal(rng, 2, 5, 8), 4), "a batch of 2, 5 tokens, 4 heads"),
        Case((normal(rng, 2, 3, 5, 6), 2), "two leading axes, 2 heads"),
    ],
    torch=True,
    mistakes=(
        Mistake(
            one_reshape,
            "You used one reshape: the shape is right, but your first head holds all "
            "features of the first tokens, not its own features of all tokens.",
        ),
        Mistake(
            interleaved,
            "You dealt the features out like cards: your head 0 has every H-th "
            "feature, where it should have a run of neighbours.",
        ),
        Mistake(
            features_first,
            "You put the features before the tokens: your last two axes are (E, L), "
            "and a score would sum over tokens.",
        ),
        Mistake(
            kept_in_place,
            "You cut the features and left the heads between tokens and features: the "
            "next matrix product would mix the heads of one token.",
        ),
        Mistake(
            one_head_each,
            "Your heads stand in front of every other axis, as in a list of heads: "
            "with a batch they belong right before the tokens, after the leading "
            "axes.",
        ),
        Mistake(
            lambda x, num_heads: kept_in_place(x, num_heads).swapaxes(0, 1),
            "You swapped axes 0 and 1, which is right without a batch only: count "
            "from the end, where heads and tokens are axes -2 and -3.",
        ),
        Mistake(
            lambda x, num_heads: kept_in_place(x, num_heads).swapaxes(1, 2),
            "You swapped axes 1 and 2, which is right for one leading axis only: "
            "count from the end, where heads and tokens are axes -2 and -3.",
        ),
    ),
)


# join_heads


def join_heads(x):
    return merge_heads(x)


JOIN_HEADS = Exercise(
    name="join_heads",
    chapter=5,
    title="Join the heads again",
    objective="join the outputs of all heads side by side",
    minutes=6,
    difficulty=1,
    points=2,
    reference=join_heads,
    cases=lambda rng: [
        Case((normal(rng, 2, 5, 3),), "2 heads, 5 tokens, 3 features each"),
        Case((normal(rng, 3, 4, 2),), "3 heads, 4 tokens, 2 features each"),
        Case((normal(rng, 2, 4, 5, 3),), "a batch of 2, 4 heads"),
        Case((normal(rng, 2, 3, 4, 5, 2),), "two leading axes, 4 heads"),
    ],
    torch=True,
    mistakes=(
        Mistake(
            lambda x: x.reshape(*x.shape[:-3], x.shape[-2], -1),
            "You used one reshape: a row of yours holds several tokens of one head, "
            "where it should hold all heads of one token.",
        ),
        Mistake(
            lambda x: np.moveaxis(x, -3, -1).reshape(*x.shape[:-3], x.shape[-2], -1),
            "You put the heads last and flattened: features of different heads "
            "alternate in your rows, where each head's should stand together.",
        ),
        Mistake(
            lambda x: x.sum(-3),
            "You added the heads up before the projection W_O could tell them apart: "
            "your result has E features, where it needs H times E.",
        ),
        Mistake(
            lambda x: x.mean(-3),
            "You averaged the heads: what each of them found is gone, and your result "
            "has E features, where it needs H times E.",
        ),
        Mistake(
            lambda x: x.reshape(*x.shape[:-3], -1, x.shape[-1]),
            "You put the heads below each other: your result has H times as many "
            "tokens, where it needs H times as many features.",
        ),
        Mistake(
            lambda x: x.swapaxes(0, 1).reshape(*x.shape[:-3], x.shape[-2], -1),
            "You swapped axes 0 and 1, which is right without a batch only: count "
            "from the end, where heads and tokens are axes -3 and -2.",
        ),
        Mistake(
            lambda x: x.swapaxes(1, 2).reshape(*x.shape[:-3], x.shape[-2], -1),
            "You swapped axes 1 and 2, which is right for one leading axis only: "
            "count from the end, where heads and tokens are axes -3 and -2.",
        ),
    ),
)


# multi_head


def multi_head(x, W_Q, W_K, W_V, W_O, num_heads):
    params = MultiHeadParams(W_Q.mT, W_K.mT, W_V.mT, W_O.mT)
    how = {"num_heads": num_heads, "implementation": "reference"}
    return multi_head_attention(x, x, x, params, **how)


def multi_head_cases(rng):
    def case(lead, n, D, H, E, what):
        projections = [normal(rng, D, H * E) / math.sqrt(D) * 1.5 for _ in range(3)]
        return Case(
            (normal(rng, *lead, n, D), *projections, normal(rng, H * E, D), H), what
        )

    return [
        case((), 4, 6, 1, 6, "one head, 4 tokens, 6 features"),
        case((), 5, 6, 2, 3, "2 heads, 5 tokens, 6 features"),
        case((2,), 7, 12, 3, 4, "a batch of 2, 3 heads, 7 tokens, 12 features"),
        case((), 6, 10, 2, 4, "2 heads of 4 features, tokens of 10 features"),
        Case(
            (
                normal(rng, 2, 4, 6) * np.array([[[100.0]], [[1.0]]]),
                *normal(rng, 4, 6, 6),
                2,
            ),
            "very large scores in one text of two",
        ),
    ]


def unshifted(scores, axis=-1):
    """Softmax as a beginner writes it."""
    exps = np.exp(scores)
    return exps / exps.sum(axis, keepdims=True)


def causal(scores, axis):
    return softmax(np.where(np.tri(scores.shape[-1], dtype=bool), scores, -math.inf))


def heads_by_hand(
    x,
    W_Q,
    W_K,
    W_V,
    W_O,
    num_heads,
    *,
    width=None,
    split=split_heads,
    join=merge_heads,
    axis=-1,
    project=True,
    keys=None,
    weigh=softmax,
):
    """The right answer, but for what a mistake changes in it."""
    q, k, v = (split(x @ W, num_heads) for W in (W_Q, W_K, W_V))
    k = q if keys == "query" else k
    scores = q @ k.mT / math.sqrt(width or q.shape[-1])
    joined = join(weigh(scores, axis) @ v)
    return joined @ W_O if project else joined


MULTI_HEAD = Exercise(
    name="multi_head",
    chapter=5,
    title="Multi-head attention from given weights",
    objective="build multi-head self-attention from its four matrices",
    minutes=20,
    difficulty=3,
    points=6,
    reference=multi_head,
    cases=multi_head_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, width=Ws[0].shape[-1]),
            "You divided by the root of all projected features: a score of one head "
            "sums over E of them, so your weights are too close to equal.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(
                x, *Ws, width=(Ws[0].shape[-1] // Ws[-1]) ** 2
            ),
            "You divided by the number of features of a head itself, not by its square "
            "root: your weights are too close to equal.",
        ),
        Mistake(
            lambda x, W_Q, W_K, W_V, W_O, num_heads: heads_by_hand(
                x, W_Q, W_K, W_V, W_O.T, num_heads
            ),
            "You transposed W_O: it is (joined features, features out) here, so the "
            "joined heads stand on its left as they are.",
        ),
        Mistake(
            lambda x, W_Q, W_K, W_V, W_O, num_heads: heads_by_hand(
                x, W_Q, W_V, W_K, W_O, num_heads
            ),
            "You exchanged keys and values: W_K makes what is compared, W_V what is "
            "mixed.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, width=1),
            "You left the scale out: the weights of your heads are too sharp.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, project=False),
            "You stopped at the joined heads: the last projection W_O mixes them, and "
            "your result does not depend on it.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, split=one_reshape),
            "You split by one reshape: the shape is right, but your heads hold "
            "different tokens, where they should hold different features.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(
                x,
                *Ws,
                join=lambda y: y.reshape(*y.shape[:-3], y.shape[-2], -1),
            ),
            "You joined by one reshape: each of your rows holds several tokens of one "
            "head, where it should hold all heads of one token.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws[:4], 1),
            "You used all features as one head: with one head your result is right, "
            "with more of them there is only one row of weights per token.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, axis=-2),
            "You normalised over the queries: the columns of your weights sum to 1, "
            "the rows do not.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, keys="query"),
            "You compared queries with queries: your result does not depend on W_K.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, weigh=lambda scores, axis: scores),
            "You left the softmax out: your heads mix the values with raw scores, "
            "which do not sum to 1.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, weigh=unshifted),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the largest score of each row first.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, weigh=causal),
            "You hid later tokens: this attention has no mask, and each token sees all "
            "others.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, split=interleaved),
            "You dealt the features out like cards: your head 0 has every H-th "
            "feature, where it should have a run of neighbours.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, width=Ws[-1]),
            "You divided by the root of the number of heads: a score sums over the E "
            "features of a head.",
        ),
        Mistake(
            lambda x, W_Q, W_K, W_V, W_O, num_heads: heads_by_hand(
                x, W_K, W_Q, W_V, W_O, num_heads
            ),
            "You swapped queries and keys: each token is then found by what it looks "
            "for, and your weights come from the transposed scores.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(x, *Ws, width=x.shape[-1]),
            "You divided by the root of the tokens' width D: a score of one head "
            "sums over the E features of that head.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(
                x, *Ws, split=kept_in_place, join=lambda y: y.reshape(*y.shape[:-2], -1)
            ),
            "You left the heads between tokens and features: your scores compare "
            "the heads of one token, where each head compares tokens. Exchange the "
            "two axes.",
        ),
        Mistake(
            lambda x, *Ws: heads_by_hand(
                x, *Ws[:4], 1, width=Ws[0].shape[-1] // Ws[-1]
            ),
            "You compared all features at once, with the scale of one head: each "
            "head needs scores and weights of its own.",
        ),
    ),
)


# grouped_attention


def grouped_attention(query, key, value):
    how = {"enable_gqa": True, "implementation": "reference"}
    return scaled_dot_product_attention(query, key, value, **how)


def grouped_attention_cases(rng):
    def case(lead, H, Hkv, what, L=3, S=5, E=4, Ev=2):
        return Case(
            (
                normal(rng, *lead, H, L, E),
                normal(rng, *lead, Hkv, S, E),
                normal(rng, *lead, Hkv, S, Ev),
            ),
            what,
        )

    large = normal(rng, 4, 3, 4) * np.array([1e4, 1, 1, 1]).reshape(4, 1, 1)
    return [
        case((), 2, 2, "2 query heads, 2 key-value heads: nothing is shared"),
        case((), 4, 1, "4 query heads share one key-value head"),
        case((), 6, 2, "6 query heads share 2 key-value heads"),
        case((2,), 6, 3, "a batch of 2, 6 query heads share 3 key-value heads"),
        Case(
            (large, normal(rng, 2, 5, 4), normal(rng, 2, 5, 2)),
            "very large scores in one head",
        ),
    ]


def with_repeated(query, key, value, repeat):
    group = query.shape[-3] // key.shape[-3]
    return scaled_dot_product_attention(query, repeat(key, group), repeat(value, group))


def weighed(query, key, value, weigh):
    """The right answer with other weights, from (scores)."""
    group = query.shape[-3] // key.shape[-3]
    key, value = (np.repeat(x, group, axis=-3) for x in (key, value))
    return weigh(query @ key.mT / math.sqrt(query.shape[-1])) @ value


def tiled_heads(x, group):
    return np.concatenate([x] * group, axis=-3)


GROUPED_ATTENTION = Exercise(
    name="grouped_attention",
    chapter=5,
    title="Heads that share keys and values",
    objective="let query heads share key-value heads in groups",
    minutes=12,
    difficulty=3,
    points=5,
    reference=grouped_attention,
    cases=grouped_attention_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda query, key, value: scaled_dot_product_attention(
                query, key, value, scale=1.0, enable_gqa=True
            ),
            "You left the scale out: your weights are too sharp.",
        ),
        Mistake(
            lambda query, key, value: scaled_dot_product_attention(
                query, key, value, scale=1 / query.shape[-1], enable_gqa=True
            ),
            "You divided by the number of features itself, not by its square root: "
            "your weights are too close to equal.",
        ),
        Mistake(
            lambda query, key, value: with_repeated(query, key, value, tiled_heads),
            "You repeated the key-value heads one after the other (0, 1, 0, 1): "
            "neighbouring query heads share one, so the order is 0, 0, 1, 1.",
        ),
        Mistake(
            lambda query, key, value: with_repeated(
                query, key, value, lambda x, g: np.repeat(x[..., ::-1, :, :], g, -3)
            ),
            "You gave the groups their key-value heads in reverse order: the first "
            "group belongs to the first one.",
        ),
        Mistake(
            lambda query, key, value: with_repeated(
                query,
                key,
                value,
                lambda x, g: np.repeat(x[..., :1, :, :], g * x.shape[-3], -3),
            ),
            "You used the first key-value head for all query heads: the other ones "
            "are never read.",
        ),
        Mistake(
            lambda query, key, value: with_repeated(
                query,
                key,
                value,
                lambda x, g: np.repeat(
                    x.mean(-3, keepdims=True), g * x.shape[-3], axis=-3
                ),
            ),
            "You averaged the key-value heads: each group of query heads has one of "
            "its own.",
        ),
        Mistake(
            lambda query, key, value: scaled_dot_product_attention(
                query,
                np.repeat(key, query.shape[-3] // key.shape[-3], -3),
                tiled_heads(value, query.shape[-3] // key.shape[-3]),
            ),
            "You repeated keys and values in different orders: a query head reads the "
            "keys of one group and the values of another.",
        ),
        Mistake(
            lambda query, key, value: weighed(query, key, value, unshifted),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the largest score of each row first.",
        ),
        Mistake(
            lambda query, key, value: weighed(
                query, key, value, lambda scores: softmax(scores, -2)
            ),
            "You normalised over the queries: the columns of your weights sum to 1, "
            "the rows do not.",
        ),
        Mistake(
            lambda query, key, value: with_repeated(
                query,
                key,
                value,
                lambda x, group: x[
                    ...,
                    np.minimum(
                        np.arange(x.shape[-3] * group) // x.shape[-3], x.shape[-3] - 1
                    ),
                    :,
                    :,
                ],
            ),
            "You divided the number of a query head by that of the key-value heads:"
            " neighbours share one, so you divide by the size of a group.",
        ),
    ),
)


# head_terms


def head_terms(heads, W_O):
    E = heads.shape[-1]
    return heads @ W_O.reshape(heads.shape[-3], E, -1)


def head_terms_cases(rng):
    return [
        Case((normal(rng, 2, 5, 3), normal(rng, 6, 4)), "2 heads, 5 tokens, D=4"),
        Case((normal(rng, 3, 4, 2), normal(rng, 6, 7)), "3 heads, 4 tokens, D=7"),
        Case((normal(rng, 2, 3, 4, 5), normal(rng, 15, 8)), "a batch of 2, 3 heads"),
    ]


HEAD_TERMS = Exercise(
    name="head_terms",
    chapter=5,
    title="The output as a sum of heads",
    objective="write the output of all heads as a sum with one term for each",
    minutes=12,
    difficulty=3,
    points=4,
    reference=head_terms,
    cases=head_terms_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda heads, W_O: merge_heads(heads) @ W_O,
            "You returned the whole output, which is the sum of the terms: the task "
            "asks for one term per head.",
        ),
        Mistake(
            lambda heads, W_O: (
                heads
                @ np.moveaxis(W_O.reshape(heads.shape[-1], heads.shape[-3], -1), 1, 0)
            ),
            "You gave each head every H-th row of W_O: the rows of a head stand "
            "together, as its features do in the joined output.",
        ),
        Mistake(
            lambda heads, W_O: heads @ W_O[: heads.shape[-1]],
            "You used the first E rows of W_O for every head: each head has rows of "
            "its own.",
        ),
        Mistake(
            lambda heads, W_O: (
                heads @ W_O.reshape(heads.shape[-3], heads.shape[-1], -1)[::-1]
            ),
            "You took the blocks of W_O from the end: the first head belongs to the "
            "first E rows.",
        ),
        Mistake(
            lambda heads, W_O: (
                heads
                @ W_O.reshape(heads.shape[-3], heads.shape[-1], -1)
                / heads.shape[-3]
            ),
            "You divided by the number of heads: the terms are added, not averaged, so "
            "yours do not sum to the layer's output.",
        ),
        Mistake(
            lambda heads, W_O: (
                heads @ W_O.reshape(heads.shape[-3], -1, heads.shape[-1]).mT
            ),
            "You cut W_O into blocks of D by E and swapped their axes, which tears "
            "its rows apart: its rows are the joined features, E whole ones for "
            "each head.",
        ),
    ),
)


# right_in_both_slots


def both_right(slots, x, y):
    return all(slots.argmax(-1) == (x, y))


def scaled_softmax(scores, E):
    return softmax(scores / math.sqrt(E))


def right_in_both_slots(query, key, value, read):
    return one_head(query, key, value, read)


def one_head(query, key, value, read, *, judge=both_right, weigh=scaled_softmax):
    """The right answer, but for what a mistake changes in it."""
    N, C, E = key.shape
    right = np.zeros((N, N, C, C), dtype=bool)
    for i, j, x, y in np.ndindex(right.shape):
        weights = weigh(np.stack([key[i, x], key[j, y]]) @ query[i, j], E)
        mixed = weights[0] * value[i, x] + weights[1] * value[j, y]
        right[i, j, x, y] = i != j and judge(read @ mixed, x, y)
    return right


def right_in_both_slots_cases(rng):
    turn = np.linalg.qr(normal(rng, 2, 2))[0]
    holds, names = np.eye(2), np.eye(2)
    by_value = np.stack([holds, holds]) @ turn  # (name, value, E): the value alone
    by_name = np.stack([names, names], axis=1) @ turn  # the name alone
    wanted = np.array([[0, 0], [1, 1]])  # asked for 0 and 1: look for a 0; else a 1
    query = 9 * holds[wanted] @ turn
    value = np.zeros((2, 2, 3))
    value[..., :2], value[..., 2] = names[:, None], (0, 1)
    read = np.zeros((2, 2, 3))
    read[:, 1] = (-3, 1, 2), (1, -3, 2)

    def case(N, C, E, what, size=2):
        values = normal(rng, N, C, 4) / 2
        values[..., :C] += 2 * np.eye(C)
        slots = normal(rng, 2, C, 4) / 2
        slots[..., :C] += np.eye(C)
        pairs = normal(rng, N, N, E) * size, normal(rng, N, C, E)
        return Case((*pairs, values, slots), what)

    return [
        Case((query, by_value, value, read), "2 names, 2 values, keys of values alone"),
        Case((query, by_name, value, read), "the same, keys of names alone"),
        case(3, 4, 3, "3 names, 4 values"),
        case(4, 3, 5, "4 names, 3 values"),
        case(3, 3, 4, "very large scores", size=1e4),
    ]


RIGHT_IN_BOTH_SLOTS = Exercise(
    name="right_in_both_slots",
    chapter=5,
    title="One head whose weights see the values",
    objective="test where a proof about one head stops",
    minutes=15,
    difficulty=4,
    points=5,
    reference=right_in_both_slots,
    cases=right_in_both_slots_cases,
    mistakes=(
        Mistake(
            lambda *given: one_head(*given, judge=lambda s, x, y: s[0].argmax() == x),
            "You looked at the first slot alone: both slots have to be right.",
        ),
        Mistake(
            lambda *given: one_head(*given, judge=lambda s, x, y: s[1].argmax() == y),
            "You looked at the second slot alone: both slots have to be right.",
        ),
        Mistake(
            lambda *given: one_head(
                *given, judge=lambda s, x, y: any(s.argmax(-1) == (x, y))
            ),
            "You accepted one right slot of two: both have to be right.",
        ),
        Mistake(
            lambda *given: one_head(*given, judge=lambda s, x, y: both_right(s, y, x)),
            "You exchanged the slots: the first answers with the value of the name "
            "that was asked for first.",
        ),
        Mistake(
            lambda query, *rest: right_in_both_slots(query.swapaxes(0, 1), *rest),
            "You exchanged the names in the query: query[i, j] asks for i first.",
        ),
        Mistake(
            lambda *given: one_head(*given, weigh=lambda s, E: softmax(s)),
            "You left the scale out: your weights are too sharp.",
        ),
        Mistake(
            lambda *given: one_head(*given, weigh=lambda s, E: softmax(s / E)),
            "You divided by the number of features itself, not by its square root: "
            "your weights are too close to equal.",
        ),
        Mistake(
            lambda *given: one_head(*given, weigh=lambda s, E: np.full(2, 0.5)),
            "You gave both pairs the same weight: your answer depends on neither "
            "queries nor keys.",
        ),
        Mistake(
            lambda *given: one_head(
                *given, weigh=lambda s, E: unshifted(s / math.sqrt(E))
            ),
            "Your formula is right for small scores, but exp overflows on very large "
            "ones, and inf / inf is NaN: subtract the larger score first.",
        ),
        Mistake(
            lambda *given: one_head(*given, weigh=lambda s, E: s / math.sqrt(E)),
            "You left the softmax out: your head mixes the values with raw scores, "
            "which do not sum to 1.",
        ),
        Mistake(
            lambda query, key, value, read: right_in_both_slots(
                query, key.mean(1, keepdims=True) + 0 * key, value, read
            ),
            "You used keys that do not depend on the value: key[i, x] is the key of "
            "name i when it holds x.",
        ),
    ),
)


# specialised_heads: written

SPECIALISED_HEADS = Exercise(
    name="specialised_heads",
    chapter=5,
    title="Does this head matter?",
    objective="test whether a head that looks important is important",
    minutes=12,
    difficulty=4,
    points=6,
    kind="written",
    rubric=(
        (2, "asks for a base rate: how many heads and sentences were looked at"),
        (2, "proposes to remove the head, or its term, and to measure the task"),
        (1, "says that weights are not yet an explanation: values, other paths"),
        (1, "names repetition: several seeds, several sentences, a spread"),
    ),
)

EXERCISES = (
    SPLIT_INTO_HEADS,
    JOIN_HEADS,
    MULTI_HEAD,
    GROUPED_ATTENTION,
    HEAD_TERMS,
    RIGHT_IN_BOTH_SLOTS,
    SPECIALISED_HEADS,
)
