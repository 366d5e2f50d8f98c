"""Exercises of chapter 13, a language model."""

import numpy as np

from attnlib.attention import softmax
from attnlib.exercises._core import Case, Exercise, Mistake
from attnlib.pretrained.bpe import joined

# merge_pair


def merge_pair(tokens, pair):
    return joined(tokens, tuple(pair))


def merge_pair_cases(rng):
    letters = ["a", "b", "c"]
    some = [letters[n] for n in rng.integers(0, 3, size=12)]
    return [
        Case((["t", "h", "e", "t", "h"], ("t", "h")), "a pair that comes twice"),
        Case((["a", "a", "a", "a", "a"], ("a", "a")), "five equal tokens"),
        Case((["cab", "a", "b", "b"], ("a", "b")), "a token that holds the pair"),
        Case((["x"], ("a", "b")), "one token"),
        Case((["b", "a", *some, "a", "b"], ("a", "b")), "some letters"),
    ]


def everywhere(tokens, pair):
    """Merge at each place where the pair stands, also where places overlap."""
    found = []
    for left, right in zip(tokens, [*tokens[1:], None], strict=True):
        found.append(left + right if (left, right) == tuple(pair) else left)
    return found


def first_only(tokens, pair):
    for i in range(len(tokens) - 1):
        if (tokens[i], tokens[i + 1]) == tuple(pair):
            return [*tokens[:i], "".join(pair), *tokens[i + 2 :]]
    return list(tokens)


def from_the_right(tokens, pair):
    return [t[::-1] for t in joined([t[::-1] for t in tokens[::-1]], backwards(pair))][
        ::-1
    ]


def backwards(pair):
    return tuple(token[::-1] for token in pair[::-1])


def either_order(tokens, pair):
    found = []
    for token in tokens:
        if found and (found[-1], token) in (tuple(pair), tuple(pair)[::-1]):
            found[-1] += token
        else:
            found.append(token)
    return found


def again_and_again(tokens, pair):
    """Cut everything into letters first, so that older merges are lost."""
    return joined(list("".join(tokens)), tuple(pair))


MERGE_PAIR = Exercise(
    name="merge_pair",
    chapter=13,
    title="One merge of byte-pair encoding",
    objective="carry out one step of the tokenizer",
    minutes=10,
    difficulty=2,
    points=3,
    reference=merge_pair,
    cases=merge_pair_cases,
    mistakes=(
        Mistake(
            everywhere,
            "You put the joined token down and kept its right half too: the pair is "
            "replaced by one token, so the text does not grow.",
        ),
        Mistake(
            first_only,
            "You joined the first place only: a merge joins the pair wherever it "
            "stands in the text.",
        ),
        Mistake(
            from_the_right,
            "You went from right to left: of three equal tokens the first two are "
            "joined, and yours are the last two.",
        ),
        Mistake(
            either_order,
            "You joined the pair in either order: (a, b) does not mean (b, a), and "
            "your text reads the same but is cut differently.",
        ),
        Mistake(
            again_and_again,
            "You cut the tokens into letters before you joined: what earlier merges "
            "made stays whole, and your pairs are of tokens.",
        ),
        Mistake(
            lambda tokens, pair: list(tokens),
            "Your tokens are those that came: where the pair stands, one token that "
            "joins the two takes its place.",
        ),
    ),
)


# tempered_chances


def tempered_chances(logits, temperature):
    return softmax(logits / temperature)


def tempered_chances_cases(rng):
    return [
        Case((np.array([1.0, 2.0, 4.0]), 2.0), "three tokens, temperature 2"),
        Case((rng.normal(size=(3, 7)) * 3, 0.5), "three rows, temperature one half"),
        Case((rng.normal(size=(2, 5, 4)), 1.5), "a batch of texts"),
        Case((np.array([[900.0, 899.0, 0.0]]), 0.25), "very large logits"),
    ]


def unstable(logits, temperature):
    e = np.exp(logits / temperature)
    return e / e.sum(axis=-1, keepdims=True)


TEMPERED_CHANCES = Exercise(
    name="tempered_chances",
    chapter=13,
    title="From logits to chances",
    objective="turn logits into next-token probabilities at a temperature",
    minutes=6,
    difficulty=2,
    points=2,
    reference=tempered_chances,
    cases=tempered_chances_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda logits, temperature: softmax(logits * temperature),
            "You multiplied by the temperature: yours makes the likely tokens likelier "
            "when it rises, and it should make them less so.",
        ),
        Mistake(
            lambda logits, temperature: softmax(logits),
            "Your chances do not change with the temperature: divide the logits by it "
            "before the softmax.",
        ),
        Mistake(
            lambda logits, temperature: softmax(logits) / temperature,
            "You divided after the softmax: your rows no longer sum to 1. The "
            "temperature divides the logits.",
        ),
        Mistake(
            lambda logits, temperature: softmax(logits / temperature, axis=0),
            "Your softmax runs over the first axis: each text position has chances of "
            "its own, so it runs over the last one.",
        ),
        Mistake(
            unstable,
            "You are right for small logits, but exp overflows for large ones: take "
            "the largest logit of each row away first.",
        ),
        Mistake(
            lambda logits, temperature: softmax(logits / np.sqrt(temperature)),
            "You divided by the root of the temperature: the temperature itself "
            "divides the logits, no root as in attention's scale.",
        ),
    ),
)


# likeliest_half


def top_p(chances, p):
    order = np.argsort(-chances)
    before = np.cumsum(chances[order]) - chances[order]
    kept = np.zeros_like(chances)
    kept[order[before < p]] = chances[order[before < p]]
    return kept / kept.sum()


def top_p_cases(rng):
    drawn = rng.permutation([0.31, 0.23, 0.17, 0.13, 0.09, 0.07])
    return [
        Case((np.array([0.1, 0.5, 0.15, 0.25]), 0.7), "four tokens, p = 0.7"),
        Case((np.array([0.1, 0.6, 0.3]), 0.4), "the first token alone has more than p"),
        Case((drawn, 0.6), "six tokens in some order, p = 0.6"),
        Case((drawn[::-1].copy(), 1.0), "p = 1"),
    ]


def by_threshold(chances, p):
    kept = np.where(chances >= 1 - p, chances, 0)
    return kept / kept.sum() if kept.sum() else chances


def stops_before(chances, p):
    order = np.argsort(-chances)
    inside = order[np.cumsum(chances[order]) <= p + 1e-9]
    inside = inside if len(inside) else order[:1]
    kept = np.zeros_like(chances)
    kept[inside] = chances[inside]
    return kept / kept.sum()


def unsorted(chances, p):
    kept = np.where(np.cumsum(chances) - chances < p, chances, 0)
    return kept / kept.sum()


def not_renewed(chances, p):
    return np.where(top_p(chances, p) > 0, chances, 0)


def in_order(chances, p):
    return np.sort(top_p(chances, p))[::-1]


def least_likely(chances, p):
    order = np.argsort(chances)
    before = np.cumsum(chances[order]) - chances[order]
    kept = np.zeros_like(chances)
    kept[order[before < p]] = chances[order[before < p]]
    return kept / kept.sum()


def made_even(chances, p):
    kept = (top_p(chances, p) > 0).astype(float)
    return kept / kept.sum()


TOP_P = Exercise(
    name="top_p",
    chapter=13,
    title="Draw from the likely ones only",
    objective="cut the unlikely tail of a distribution by its mass",
    minutes=12,
    difficulty=3,
    points=4,
    reference=top_p,
    cases=top_p_cases,
    mistakes=(
        Mistake(
            stops_before,
            "You left out the token that reaches p: the ones that you keep have "
            "together at least p, so the one that crosses it stays.",
        ),
        Mistake(
            unsorted,
            "You added up in the order of the vocabulary: begin with the likeliest "
            "token. Your result changes when tokens change places.",
        ),
        Mistake(
            not_renewed,
            "You kept the right tokens, but your chances sum to less than 1: divide by "
            "what is left.",
        ),
        Mistake(
            in_order,
            "You returned the chances sorted: each must stand at the number of its own "
            "token, so put yours back in place.",
        ),
        Mistake(
            least_likely,
            "You began with the least likely tokens and kept those: p is the share of "
            "the likeliest ones.",
        ),
        Mistake(
            made_even,
            "You kept the right tokens and made them equally likely: among those that "
            "stay, yours should keep their ratios.",
        ),
        Mistake(
            lambda chances, p: chances,
            "Your chances are those that came: the unlikely tokens beyond p must get "
            "0.",
        ),
    ),
)


# model_size


def model_size(layers, features, heads, kv_heads, hidden, vocabulary):
    E = features // heads
    attention = features * E * (2 * heads + 2 * kv_heads)
    block = attention + 3 * features * hidden + 2 * features
    return vocabulary * features + layers * block + features


def model_size_cases(rng):
    layers, heads, E = (int(n) for n in rng.integers(2, 9, size=3))
    return [
        Case((1, 4, 2, 1, 6, 10), "one layer, 4 features, 2 heads that share 1"),
        Case((layers, 6 * heads * E, 6 * heads, 3, 50, 301), "several layers"),
        Case((30, 576, 9, 3, 1536, 49152), "the model of the chapter"),
    ]


def size_with(attention=None, mlps=3, norms=2, last=1, tables=1, every=True):
    """Return a mistake: a count with other parts."""

    def wrong(layers, features, heads, kv_heads, hidden, vocabulary):
        E = features // heads
        own = attention or (lambda h, k: 2 * h + 2 * k)
        block = features * E * own(heads, kv_heads) + mlps * features * hidden
        block += norms * features
        count = layers if every else 1
        return tables * vocabulary * features + count * block + last * features

    return wrong


MODEL_SIZE = Exercise(
    name="model_size",
    chapter=13,
    title="Count a model from its configuration",
    objective="compute the size of a language model from six numbers",
    minutes=12,
    difficulty=3,
    points=4,
    reference=model_size,
    cases=model_size_cases,
    mistakes=(
        Mistake(
            size_with(lambda h, k: 4 * h),
            "You gave keys and values as many heads as the queries: they have "
            "`kv_heads`, so your projections are too large.",
        ),
        Mistake(
            size_with(lambda h, k: h + 2 * k),
            "You left out the output projection: after the heads, your block needs a "
            "square matrix that mixes them.",
        ),
        Mistake(
            size_with(mlps=2),
            "Your MLP has two matrices: a gated one has three, gate and up and down.",
        ),
        Mistake(
            size_with(norms=0, last=0),
            "You left out the norms: your count lacks one number per feature for each "
            "of them, two in a block and one at the end.",
        ),
        Mistake(
            size_with(last=0),
            "You left out the last norm: your count is too small by one number for "
            "each feature.",
        ),
        Mistake(
            size_with(tables=2),
            "You counted the table of tokens twice: this model reads its output with "
            "the same table, so yours holds it once.",
        ),
        Mistake(
            size_with(every=False),
            "You counted one block: every layer has weights of its own, and your count "
            "hardly grows with `layers`.",
        ),
        Mistake(
            size_with(tables=0),
            "You left out the table of tokens: one vector of `features` numbers for "
            "each token of your vocabulary.",
        ),
    ),
)


# rms_norm


def rms_norm(x, weight, epsilon):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon) * weight


def rms_norm_cases(rng):
    weight = rng.uniform(0.5, 2, size=6)
    return [
        Case((np.array([[3.0, 4.0]]), np.ones(2), 0.0), "one token, 3 and 4"),
        Case((rng.normal(size=(4, 6)) + 2, weight, 1e-5), "four tokens with a mean"),
        Case((rng.normal(size=(2, 3, 6)) * 0.1, weight, 0.5), "a large epsilon"),
        Case((np.zeros((2, 6)), weight, 1e-5), "tokens of zeros"),
    ]


def normed(x, weight, epsilon, centre=False, mean=np.mean, axis=-1, root=np.sqrt):
    x = x - x.mean(axis=-1, keepdims=True) if centre else x
    return x / root(mean(x * x, axis=axis, keepdims=True) + epsilon) * weight


def outside(x, weight, epsilon):
    return x / (np.sqrt((x * x).mean(axis=-1, keepdims=True)) + epsilon) * weight


RMS_NORM = Exercise(
    name="rms_norm",
    chapter=13,
    title="The norm of modern blocks",
    objective="write the normalisation that today's models use",
    minutes=8,
    difficulty=3,
    points=3,
    reference=rms_norm,
    cases=rms_norm_cases,
    mistakes=(
        Mistake(
            lambda x, weight, epsilon: normed(x, weight, epsilon, centre=True),
            "You took the mean away first, as layer norm does: here your tokens keep "
            "their mean, and only their size is set.",
        ),
        Mistake(
            lambda x, weight, epsilon: normed(x, weight, epsilon, mean=np.sum),
            "You divided by the length of each token: divide by the root of the mean "
            "square, or yours shrink with the number of features.",
        ),
        Mistake(
            lambda x, weight, epsilon: normed(x, weight, epsilon, axis=-2),
            "You averaged over the tokens: every token is scaled by its own features, "
            "so your mean runs over the last axis.",
        ),
        Mistake(
            lambda x, weight, epsilon: normed(x, weight, epsilon, root=lambda y: y),
            "You divided by the mean square and forgot the root: doubled tokens should "
            "give the same result, and yours halve.",
        ),
        Mistake(
            lambda x, weight, epsilon: normed(x, 1.0, epsilon),
            "You left out the learned weight: after the division, each feature of "
            "yours is multiplied by its own number.",
        ),
        Mistake(
            outside,
            "You added epsilon to the root: it belongs under it, beside your mean "
            "square.",
        ),
        Mistake(
            lambda x, weight, epsilon: normed(x, 1 / weight, epsilon),
            "You divided by the learned weight: your features should be multiplied by "
            "it.",
        ),
    ),
)


# copying_score


def copying_score(weights):
    T = weights.shape[-1] // 2
    i = np.arange(T + 1, 2 * T)
    return weights[..., i, i - T + 1].mean(axis=-1)


def copying_score_cases(rng):
    def causal(*shape):
        scores = 2 * rng.normal(size=shape)
        n = shape[-1]
        return softmax(np.where(np.tri(n, dtype=bool), scores, -np.inf))

    perfect = np.eye(10)
    i = np.arange(6, 10)
    perfect[i] = 0
    perfect[i, i - 4] = 1
    return [
        Case((perfect,), "a head that copies without fail"),
        Case((causal(8, 8),), "a random head, 4 tokens twice"),
        Case((causal(3, 2, 14, 14),), "three layers of two heads, 7 tokens twice"),
    ]


def looks_at(back, start=1, add=np.mean):
    """Return a mistake: the weight on i - T + back, from the start of the second."""

    def wrong(weights):
        T = weights.shape[-1] // 2
        i = np.arange(T + start, 2 * T)
        return add(weights[..., i, i - T + back], axis=-1)

    return wrong


def one_back(weights):
    i = np.arange(weights.shape[-1] // 2 + 1, weights.shape[-1])
    return weights[..., i, i - 1].mean(axis=-1)


def everywhere_mean(weights):
    T = weights.shape[-1] // 2
    i = np.arange(T, 2 * T)
    return weights[..., i, i - T + 1].sum(axis=-1) / weights.shape[-1]


def turned(weights):
    T = weights.shape[-1] // 2
    i = np.arange(T + 1, 2 * T)
    return weights[..., i - T + 1, i].mean(axis=-1)


def all_heads(weights):
    return copying_score(weights).mean()


COPYING_SCORE = Exercise(
    name="copying_score",
    chapter=13,
    title="Find the heads that copy",
    objective="measure how much a head looks at what followed last time",
    minutes=15,
    difficulty=4,
    points=5,
    reference=copying_score,
    cases=copying_score_cases,
    mistakes=(
        Mistake(
            looks_at(0),
            "You measured the weight on the earlier copy itself: a head that copies "
            "looks at the token behind it, and yours would copy the present one.",
        ),
        Mistake(
            looks_at(2),
            "You looked one place too far: what followed last time stands one place "
            "behind the earlier copy, yours two.",
        ),
        Mistake(
            one_back,
            "You measured the weight on the token before: that finds heads that look "
            "back, and yours do not copy.",
        ),
        Mistake(
            looks_at(1, start=0),
            "You counted the first token of the second half as well: it has no earlier "
            "neighbour that could tell it what repeats, so your mean begins behind it.",
        ),
        Mistake(
            looks_at(1, add=np.sum),
            "You added the weights up: your score grows with the length of the text, "
            "and a mean does not.",
        ),
        Mistake(
            turned,
            "You exchanged queries and keys: rows are queries, so in a causal model "
            "yours is 0 for every head.",
        ),
        Mistake(
            everywhere_mean,
            "You divided by all tokens of the text: the mean runs over the queries of "
            "the second half, so yours is too small.",
        ),
        Mistake(
            all_heads,
            "You averaged over the heads, too: the question is which head copies, so "
            "your result keeps the leading axes.",
        ),
    ),
)


# sink_control: written

SINK_CONTROL = Exercise(
    name="sink_control",
    chapter=13,
    title="What would show that a head matters?",
    objective="plan a control for a claim about a head in a trained model",
    minutes=15,
    difficulty=4,
    points=6,
    kind="written",
    rubric=(
        (1, "says that where a head looks does not show what the model does with it"),
        (2, "switches it off, or swaps its output, and names what is measured then"),
        (2, "compares with other heads, drawn at random from the same layers"),
        (1, "uses other texts for the choice of the head than for the test"),
    ),
)

EXERCISES = (
    MERGE_PAIR,
    TEMPERED_CHANCES,
    TOP_P,
    MODEL_SIZE,
    RMS_NORM,
    COPYING_SCORE,
    SINK_CONTROL,
)
