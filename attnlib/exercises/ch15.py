"""Exercises of chapter 15, attention today."""

import math

import numpy as np

from attnlib.attention import softmax
from attnlib.exercises._core import Case, Exercise, Mistake

# shown_keys


def shown_keys(n, window, sinks):
    back = np.arange(n)[:, None] - np.arange(n)
    return (back >= 0) & ((back < window) | (np.arange(n) < sinks))


def shown_keys_cases(rng):
    n, window = int(rng.integers(9, 14)), int(rng.integers(2, 4))
    return [
        Case((6, 3, 1), "6 tokens, a window of 3, one sink"),
        Case((7, 2, 0), "no sink"),
        Case((5, 9, 2), "a window wider than the text"),
        Case((4, 1, 6), "more sinks than tokens"),
        Case((n, window, window + 2), "some ten tokens, more sinks than window"),
    ]


def shown(rule):
    """Return a mistake: a mask by another rule of query, key, window, sinks."""

    def wrong(n, window, sinks):
        i, j = np.indices((n, n))
        return rule(i, j, window, sinks)

    return wrong


SHOWN_KEYS = Exercise(
    name="shown_keys",
    chapter=15,
    title="A window with sinks",
    objective="say which keys a query sees through a window with sinks",
    minutes=8,
    difficulty=2,
    points=3,
    reference=shown_keys,
    cases=shown_keys_cases,
    mistakes=(
        Mistake(
            shown(lambda i, j, w, s: (i >= j) & (i - j < w)),
            "You left the sinks out: the first tokens stay visible, however far your "
            "window has moved on.",
        ),
        Mistake(
            shown(lambda i, j, w, s: ((i >= j) & (i - j < w)) | (j < s)),
            "You showed the sinks to tokens that stand before them: no token of yours "
            "may see what comes later, sinks included.",
        ),
        Mistake(
            shown(lambda i, j, w, s: (i >= j) & ((i - j <= w) | (j < s))),
            "Your window is one token too wide: `window` counts the token itself.",
        ),
        Mistake(
            shown(lambda i, j, w, s: (i >= j) & ((i - j < w) | (j <= s))),
            "You have one sink too many: tokens count from 0, so the first `sinks` "
            "tokens end before that number.",
        ),
        Mistake(
            shown(lambda i, j, w, s: (i >= j) & ((i - j < w) | (i < s))),
            "You gave the wide view to the first queries: a sink is a key, a column "
            "that all later rows of yours can see.",
        ),
        Mistake(
            shown(lambda i, j, w, s: (abs(i - j) < w) | (j < s)),
            "Your window looks both ways: a token sees itself and what came before it, "
            "nothing later.",
        ),
        Mistake(
            shown(lambda i, j, w, s: (j >= i) & ((j - i < w) | (i < s))),
            "You exchanged queries and keys: rows are queries, and your first row sees "
            "the future.",
        ),
        Mistake(
            lambda *given: ~shown_keys(*given),
            "You marked what is hidden: True means visible here, and your mask says "
            "the opposite.",
        ),
        Mistake(
            shown(lambda i, j, w, s: (i >= j) & ((i - j < w - s) | (j < s))),
            "You took the sinks out of the window: they come on top of it, so your "
            "cache should hold `sinks + window` keys.",
        ),
        Mistake(
            shown(lambda i, j, w, s: (i >= j) & ((i - j < w) & (j >= s))),
            "You hid the sinks: they are the tokens that yours should always see.",
        ),
        Mistake(
            shown(lambda i, j, w, s: (i >= j) & ((i - j < w - 1) | (j < s))),
            "Your window is one token too narrow: it holds the token itself and "
            "`window - 1` before it.",
        ),
    ),
)


# decode_intensity


def decode_intensity(batch, weights, cached, group, itemsize):
    flops = 2 * batch * (weights + group * cached)
    return flops / (itemsize * (weights + batch * cached))


def decode_intensity_cases(rng):
    batch, group = (int(n) for n in rng.integers(2, 9, size=2))
    weights, cached = (int(n) for n in rng.integers(1000, 9000, size=2))
    return [
        Case((1, 1000, 0, 1, 2), "one sequence without a past"),
        Case((32, 1000, 0, 4, 2), "32 sequences without a past"),
        Case((1, 100, 300, 1, 4), "a cache larger than the model, 4 bytes a number"),
        Case((batch, weights, cached, group, 2), "heads that share keys and values"),
        Case(
            (64, 8_000_000_000, 268_435_456, 4, 2),
            "an 8B model, 64 long texts, groups of 4",
        ),
    ]


def per_byte(flops, numbers):
    """Return a mistake: another count of FLOPs, or of the numbers that are read."""

    def wrong(batch, weights, cached, group, itemsize):
        given = batch, weights, cached, group
        return flops(*given) / (itemsize * numbers(*given))

    return wrong


def right_flops(b, w, c, g):
    return 2 * b * (w + g * c)


def right_numbers(b, w, c, g):
    return w + b * c


DECODE_INTENSITY = Exercise(
    name="decode_intensity",
    chapter=15,
    title="What a batch buys",
    objective="compute the FLOPs per byte of a decode step for a batch",
    minutes=10,
    difficulty=2,
    points=3,
    reference=decode_intensity,
    cases=decode_intensity_cases,
    mistakes=(
        Mistake(
            per_byte(right_flops, lambda b, w, c, g: b * (w + c)),
            "You read the weights once for each sequence: a batch reads them once, "
            "which is what it buys. Only your caches are read one by one.",
        ),
        Mistake(
            per_byte(right_flops, lambda b, w, c, g: w + c),
            "You read one cache for the whole batch: each sequence has a past of its "
            "own, so your bytes lack all the others.",
        ),
        Mistake(
            per_byte(lambda *given: right_flops(*given) / 2, right_numbers),
            "You counted a multiplication with its addition as one FLOP: they are two, "
            "so yours is half of what is asked.",
        ),
        Mistake(
            lambda b, w, c, g, size: decode_intensity(b, w, c, g, 1),
            "You divided by the numbers that are read: a number takes `itemsize` "
            "bytes, so your result is FLOPs per number.",
        ),
        Mistake(
            per_byte(lambda b, w, c, g: 2 * b * (w + c), right_numbers),
            "You let each stored number meet one query: `group` query heads share it, "
            "so your FLOPs over the cache are too few.",
        ),
        Mistake(
            per_byte(right_flops, lambda b, w, c, g: w + b * g * c),
            "You read the cache once for each query head: heads that share keys and "
            "values read them once, so your bytes are too many.",
        ),
        Mistake(
            lambda *given: 1 / decode_intensity(*given),
            "You turned the fraction round: yours is bytes per FLOP.",
        ),
        Mistake(
            lambda b, w, c, g, size: 2 * b / size,
            "You counted the weights alone: the cache is read as well, and with long "
            "texts it is most of your bytes.",
        ),
        Mistake(
            per_byte(lambda b, w, c, g: 2 * (w + b * g * c), right_numbers),
            "You multiplied the weights once: each sequence of your batch has a token "
            "of its own that meets all of them.",
        ),
        Mistake(
            per_byte(lambda b, w, c, g: 2 * b * w, right_numbers),
            "You left out attention's own FLOPs: every stored number is multiplied and "
            "added, so your count needs the cache too.",
        ),
        Mistake(
            per_byte(lambda b, w, c, g: 2 * (w + g * c), right_numbers),
            "Your FLOPs are those of one sequence: the step makes a token for each "
            "sequence of the batch.",
        ),
        Mistake(
            lambda b, w, c, g, size: decode_intensity(b, w, 2 * c, g, size),
            "You counted keys and values twice: `cached` is the number of both "
            "together, so yours needs no factor of 2 for them.",
        ),
        Mistake(
            per_byte(lambda b, w, c, g: 2 * b * (w + 2 * g * c), right_numbers),
            "You took 4 FLOPs for a stored number: keys and values are both in "
            "`cached`, and each number of yours meets one product and one sum a head.",
        ),
    ),
)


# sink_attention


def sink_attention(query, key, value, sink):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    beside = np.broadcast_to(sink[:, None, None], (*scores.shape[:-1], 1))
    return softmax(np.concatenate([scores, beside], -1))[..., :-1] @ value


def in_quarters(rng, *shape):
    """Numbers that are exact in float32, and so are their products."""
    return np.round(4 * rng.normal(size=shape)) / 4


def sink_attention_cases(rng):
    def drawn(*shape):
        return rng.normal(size=shape)

    def far(shift):  # E = 4: each score is moved by shift
        query, key = in_quarters(rng, 2, 3, 4), in_quarters(rng, 2, 5, 4)
        query[..., 0], key[..., 0] = 8, np.asarray(shift) / 4
        return query, key, drawn(2, 5, 3)

    return [
        Case(
            (np.zeros((1, 1, 2)), np.zeros((1, 3, 2)), drawn(1, 3, 2), np.zeros(1)),
            "one head, equal scores and a sink of 0",
        ),
        Case(
            (drawn(2, 3, 4), drawn(2, 5, 4), drawn(2, 5, 3), np.array([-1.5, 2.0])),
            "two heads with different sinks",
        ),
        Case(
            (drawn(3, 4, 5), drawn(3, 2, 5), drawn(3, 2, 6), drawn(3)),
            "three heads, E=5, Ev=6",
        ),
        Case(
            (*far(900), np.array([900.0, 898.5])), "very large scores, sinks near 900"
        ),
        Case((*far(0), np.array([1000.0, -1000.0])), "sinks far above and far below"),
        Case((*far(-900), np.array([-900.5, -899.0])), "scores far below 0"),
        Case((*far([0, 0, 1000, 0, 0]), np.array([0.0, 999.0])), "a key 1000 above"),
    ]


def with_sink(
    query,
    key,
    value,
    sink,
    *,
    scale=True,
    scale_sink=False,
    own=lambda scores, sink: np.maximum(scores.max(-1, keepdims=True), sink),
    sunk=np.exp,
    shift_sink=True,
):
    """The right attention, but for what a mistake changes in it."""
    root = math.sqrt(query.shape[-1])
    scores = query @ key.mT / (root if scale else 1)
    sink = sink[:, None, None] / (root if scale_sink else 1)
    base = own(scores, sink)
    exps = np.exp(scores - base)
    return exps @ value / (exps.sum(-1, keepdims=True) + sunk(sink - shift_sink * base))


def on_first_key(query, key, value, sink):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    scores[..., 0] += sink[:, None]
    return softmax(scores) @ value


def without_one(query, key, value, sink, *, again=True):
    """The sink's share taken out and made good, or a key left out in its place."""
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    beside = np.broadcast_to(sink[:, None, None], (*scores.shape[:-1], 1))
    if again:
        weights = softmax(np.concatenate([scores, beside], -1))[..., :-1]
        return weights / weights.sum(-1, keepdims=True) @ value
    return softmax(np.concatenate([beside, scores], -1))[..., :-1] @ value


def through_sigmoid(query, key, value, sink):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    gate = 1 / (1 + np.exp(-sink[:, None, None]))
    return softmax(scores) @ value * gate


SINK_ATTENTION = Exercise(
    name="sink_attention",
    chapter=15,
    title="A sink that is learned",
    objective="write a softmax that may give weight to nothing",
    minutes=10,
    difficulty=2,
    points=3,
    reference=sink_attention,
    cases=sink_attention_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda query, key, value, sink: (
                softmax(query @ key.mT / math.sqrt(query.shape[-1])) @ value
            ),
            "Your weights still sum to 1: the sink's exponential belongs in the "
            "total. Added to every score of a row, it cancels.",
        ),
        Mistake(
            lambda query, key, value, sink: with_sink(query, key, value, 0 * sink),
            "You added 1 to the total, a sink of 0: each head has a sink of its own, "
            "so yours adds its exponential.",
        ),
        Mistake(
            lambda *given: with_sink(*given, shift_sink=False),
            "You measured the sink against 0 and the scores against their maximum: "
            "your total needs both measured against the same number.",
        ),
        Mistake(
            lambda *given: with_sink(*given, own=lambda scores, sink: 0),
            "You took exp of scores and sink as they are: yours overflows for large "
            "ones, and is 0 / 0 far below 0.",
        ),
        Mistake(
            lambda *given: with_sink(*given, sunk=lambda x: x),
            "You added the sink itself to the total: it is a score, so your total "
            "takes its exponential.",
        ),
        Mistake(
            lambda *given: with_sink(*given, scale_sink=True),
            "You divided the sink by the root of E: only the products of your queries "
            "and keys are scaled, the sink is learned as it is.",
        ),
        Mistake(
            lambda *given: with_sink(*given, scale=False),
            "You left the scale out: your scores are products of E features and are "
            "divided by the root of E.",
        ),
        Mistake(
            lambda query, key, value, sink: with_sink(
                query, key, value, np.full_like(sink, sink[0])
            ),
            "You used the first head's sink for all heads: yours needs one for each.",
        ),
        Mistake(
            on_first_key,
            "You added the sink to the first key's score: it belongs to no key, and "
            "its weight brings no value into your output.",
        ),
        Mistake(
            through_sigmoid,
            "You multiplied the output by a gate: how much a sink takes depends on the "
            "scores it stands beside, and yours does not.",
        ),
        Mistake(
            without_one,
            "You made the weights of the keys sum to 1 again: that undoes the sink, "
            "and yours is 0 / 0 where it takes all.",
        ),
        Mistake(
            lambda *given: without_one(*given, again=False),
            "You put the sink first and cut off the last column: that drops your last "
            "key, and gives the sink's weight to the first value.",
        ),
    ),
)


# int8_per_channel


def int8_per_channel(x):
    largest = np.abs(x).max(-2, keepdims=True)
    scale = np.where(largest == 0, 1, largest) / 127
    codes = np.round(x / scale)
    return codes.astype(np.int8), codes * scale


def int8_per_channel_cases(rng):
    def stored(*shape, size=(0.5, 2)):
        """Numbers whose codes are not in doubt: none is half-way between two."""
        codes = rng.integers(-120, 121, size=shape) + rng.uniform(-0.4, 0.4, size=shape)
        codes[..., 1, :] = -127.0  # the largest of each channel is a negative number
        channels = rng.uniform(*size, size=(*shape[:-2], 1, shape[-1]))
        return codes * channels / 127

    empty = stored(5, 3)
    empty[:, 1] = 0
    uneven = stored(4, 3) * np.array([1.0, 100.0, 0.01])
    return [
        Case((np.array([[0.25, -127.0], [1.0, 40.3]]),), "two tokens, two channels"),
        Case((stored(6, 4),), "six tokens, four channels"),
        Case((uneven,), "channels of very different size"),
        Case((empty,), "a channel of zeros"),
        Case((stored(2, 5, 3),), "two heads"),
    ]


def coded(
    x,
    *,
    axis=-2,
    levels=127,
    size=np.abs,
    rounded=np.round,
    guard=True,
    back=lambda codes, scale: codes * scale,
):
    """The right codes, but for what a mistake changes."""
    largest = size(x).max(axis, keepdims=True)
    largest = np.where(largest == 0, 1, largest) if guard else largest
    codes = rounded(x / (largest / levels))
    return codes, back(codes, largest / levels)


def clipped(x):
    largest = np.abs(x).max(-2, keepdims=True)
    scale = np.where(largest == 0, 1, largest) / 128
    codes = np.clip(np.round(x / scale), -128, 127)
    return codes, codes * scale


def from_lowest_to_highest(x):
    low, high = x.min(-2, keepdims=True), x.max(-2, keepdims=True)
    scale = np.where(high == low, 1, high - low) / 255
    codes = np.round((x - low) / scale) - 128
    return codes, (codes + 128) * scale + low


INT8_PER_CHANNEL = Exercise(
    name="int8_per_channel",
    chapter=15,
    title="Keys in eight bits",
    objective="quantise keys to int8, one scale for each channel, and back",
    minutes=10,
    difficulty=2,
    points=3,
    reference=int8_per_channel,
    cases=int8_per_channel_cases,
    torch=True,
    parts=("codes", "restored"),
    mistakes=(
        Mistake(
            lambda x: coded(x, axis=-1),
            "You gave each token a scale: a channel is a column, and yours needs the "
            "largest number over all tokens.",
        ),
        Mistake(
            lambda x: coded(x, axis=None),
            "You gave all numbers one scale: one large channel takes nearly all codes, "
            "and your small ones become 0.",
        ),
        Mistake(
            lambda x: coded(x, rounded=np.trunc),
            "You cut the decimals off: round to the nearest code, or your error is "
            "twice as large as it must be.",
        ),
        Mistake(
            lambda x: coded(x, rounded=np.floor),
            "You rounded down: your numbers are all too small by half a code on "
            "average.",
        ),
        Mistake(
            lambda x: coded(x, size=lambda x: x),
            "You took the largest number without its absolute value: where a negative "
            "one is larger, your codes go below -127.",
        ),
        Mistake(
            lambda x: coded(x, levels=128),
            "You divided by 128: the largest of a channel gets your code 128, or -128, "
            "and int8 ends at 127.",
        ),
        Mistake(
            from_lowest_to_highest,
            "You spread the codes from the lowest to the highest number: here 0 has "
            "the code 0, and your scale comes from the largest absolute value.",
        ),
        Mistake(
            lambda x: coded(x, back=lambda codes, scale: codes),
            "You returned the codes in place of the restored numbers: yours have to be "
            "multiplied by their scale.",
        ),
        Mistake(
            lambda x: coded(x, back=lambda codes, scale: codes / scale),
            "You divided by the scale on the way back: the codes came from a division, "
            "so yours are multiplied.",
        ),
        Mistake(
            lambda x: coded(x, guard=False),
            "You are right but for a channel of zeros: its largest number is 0, and "
            "yours becomes 0 / 0. Give such a channel any other scale.",
        ),
        Mistake(
            lambda x: (coded(x)[0], x),
            "You returned the numbers that came as the restored ones: yours must be "
            "made from codes and scale, with the rounding in them.",
        ),
        Mistake(
            clipped,
            "You divided by 128 and cut off what int8 cannot hold: with 127 your "
            "largest number needs no cut.",
        ),
        Mistake(
            lambda x: coded(x, levels=255),
            "You divided by 255: the codes go from -127 to 127, and yours need nine "
            "bits.",
        ),
        Mistake(
            lambda x: coded(x, axis=0),
            "You took the largest along the first axis: tokens stand along the last "
            "axis but one, so two heads of yours share a scale.",
        ),
    ),
)


# gather_pages


def gather_pages(pages, table, length):
    return pages[table].reshape(-1, pages.shape[-1])[:length]


def gather_pages_cases(rng):
    pages = rng.normal(size=(5, 3, 2))
    many = rng.normal(size=(9, 4, 3))
    order = rng.permutation(9)
    return [
        Case((pages, np.array([3, 0]), 6), "two pages, both full"),
        Case((pages, np.array([4, 1, 2]), 7), "a last page that holds one token"),
        Case(
            (pages, np.array([2, 4, 0]), 4), "a page that is reserved and still empty"
        ),
        Case((pages, np.array([1]), 1), "one token"),
        Case((many, order[:6], 22), "six pages of nine, in any order"),
    ]


def in_turn(pages, table, length):
    return np.swapaxes(pages[table], 0, 1).reshape(-1, pages.shape[-1])[:length]


def read_on(pages, table, length):
    start = table[0] * pages.shape[1]
    rows = np.concatenate([pages, pages]).reshape(-1, pages.shape[-1])
    return rows[start : start + length]


def rows_of(chosen, cut=lambda rows, length: rows[:length]):
    """Return a mistake: other pages, or another part of their rows."""

    def wrong(pages, table, length):
        return cut(chosen(pages, table).reshape(-1, pages.shape[-1]), length)

    return wrong


GATHER_PAGES = Exercise(
    name="gather_pages",
    chapter=15,
    title="A cache in pages",
    objective="read a sequence from a paged cache by its block table",
    minutes=8,
    difficulty=2,
    points=3,
    reference=gather_pages,
    cases=gather_pages_cases,
    torch=True,
    mistakes=(
        Mistake(
            rows_of(lambda pages, table: pages[table], lambda rows, length: rows),
            "You kept the whole of every page: the last ones may hold rows that were "
            "never written, so cut yours to `length` tokens.",
        ),
        Mistake(
            rows_of(lambda pages, table: pages[: len(table)]),
            "You read the pages from the start of the memory: the table says where "
            "this sequence's pages lie, and yours are others.",
        ),
        Mistake(
            rows_of(lambda pages, table: pages[np.sort(table)]),
            "You read the right pages in the order of the memory: their order in the "
            "table is that of your text.",
        ),
        Mistake(
            rows_of(lambda pages, table: pages[table[::-1]]),
            "You read the table backwards: its first entry is the page with the first "
            "tokens of your text.",
        ),
        Mistake(
            rows_of(
                lambda pages, table: pages[table], lambda rows, length: rows[-length:]
            ),
            "You kept the last rows: a sequence fills its pages from the front, so "
            "what yours should leave out stands at the end.",
        ),
        Mistake(
            lambda pages, table, length: pages[table][:length],
            "You cut the list of pages: `length` counts tokens, so put your pages end "
            "to end first, one row for each token.",
        ),
        Mistake(
            in_turn,
            "You took one token from each page in turn: a page holds neighbours, so "
            "yours is read to its end before the next.",
        ),
        Mistake(
            rows_of(
                lambda pages, table: pages[table],
                lambda rows, length: np.concatenate(
                    [rows[:length], np.zeros_like(rows[length:])]
                ),
            ),
            "You filled what was never written with zeros: attention would give them "
            "weight, so your result ends after `length` rows.",
        ),
        Mistake(
            read_on,
            "You read on behind the first page: the next page of a text may lie "
            "anywhere, and your table says where.",
        ),
        Mistake(
            lambda pages, table, length: gather_pages(
                pages, table, length - length % pages.shape[1]
            ),
            "You rounded the number of pages down: the last page counts although it is "
            "not full, so your last tokens are missing.",
        ),
    ),
)


# absorbed_attention


def absorbed_attention(query, latent, up_key, up_value):
    key, value = latent @ up_key, latent @ up_value  # what absorbing does without
    scores = query[:, None] @ key.mT / math.sqrt(query.shape[-1])
    absorbed = np.einsum("he,hre->hr", query, up_key)
    return absorbed, (softmax(scores) @ value)[:, 0]


def absorbed_attention_cases(rng):
    def case(H, S, R, E, Ev, what):
        shapes = (H, E), (S, R), (H, R, E), (H, R, Ev)
        query, latent, up_key, up_value = (rng.normal(size=shape) for shape in shapes)
        return Case((query, latent, up_key / math.sqrt(R), up_value), what)

    def far():  # E = 4: the scores of one head are near 900, of the other near -900
        query, latent = in_quarters(rng, 2, 4), in_quarters(rng, 5, 3)
        up_key, up_value = in_quarters(rng, 2, 3, 4), rng.normal(size=(2, 3, 2))
        query[:, 0], latent[:, 0] = 8, 30
        up_key[:, 0] = 0
        up_key[:, 0, 0] = 7.5, -7.5
        return query, latent, up_key, up_value

    return [
        case(1, 2, 3, 2, 4, "one head, 2 tokens"),
        case(3, 5, 2, 6, 4, "3 heads, 5 tokens, a latent of 2 numbers"),
        case(2, 4, 5, 5, 3, "a latent as wide as a head"),
        case(4, 7, 6, 3, 6, "4 heads, 7 tokens, a latent of 6 numbers"),
        Case(far(), "very large scores in one head, far below 0 in another"),
    ]


def absorbing(
    query,
    latent,
    up_key,
    up_value,
    *,
    root=lambda E, R: math.sqrt(E),
    turn=False,
    early=False,
    axis=-1,
    up=True,
    one=False,
    divide=True,
    shift=True,
):
    """The right steps, but for what a mistake changes."""
    matrix = up_key.mT if turn else up_key
    absorbed = np.einsum("he,hre->hr", query, matrix)
    scale = root(query.shape[-1], latent.shape[-1])
    scores = absorbed @ latent.T / scale
    top = scores.max(axis, keepdims=True) if shift else 0
    weights = np.exp(scores - top)
    weights = weights / (weights.sum(axis, keepdims=True) if divide else 1)
    mixed = weights @ latent
    up_value = np.broadcast_to(up_value[:1], up_value.shape) if one else up_value
    output = np.einsum("hr,hrv->hv", mixed, up_value) if up else mixed
    return absorbed / (scale if early else 1), output


ABSORBED_ATTENTION = Exercise(
    name="absorbed_attention",
    chapter=15,
    title="Keys that are never made",
    objective="attend to stored latents without expanding keys or values",
    minutes=15,
    difficulty=3,
    points=5,
    reference=absorbed_attention,
    cases=absorbed_attention_cases,
    torch=True,
    parts=("absorbed", "output"),
    mistakes=(
        Mistake(
            lambda *given: absorbing(*given, root=lambda E, R: math.sqrt(R)),
            "You divided by the root of the latent's width: the scores are those of "
            "keys with E features, so your scale is still the root of E.",
        ),
        Mistake(
            lambda *given: absorbing(*given, root=lambda E, R: 1.0),
            "You left the scale out: your scores are still products of E features.",
        ),
        Mistake(
            lambda *given: absorbing(*given, early=True),
            "Your absorbed query is divided by the root of E already: its output is "
            "right, but the scale belongs to the scores.",
        ),
        Mistake(
            lambda *given: absorbing(*given, axis=0),
            "Your softmax runs over the heads: each head has weights of its own, which "
            "sum to 1 over the tokens.",
        ),
        Mistake(
            lambda *given: absorbing(*given, up=False),
            "Your output is a mean of latents: each head's `up_value` has to turn it "
            "into a mean of values.",
        ),
        Mistake(
            lambda *given: absorbing(*given, one=True),
            "You used the first head's `up_value` for all heads: each of yours makes "
            "values of its own from the shared latents.",
        ),
        Mistake(
            lambda *given: absorbing(*given, divide=False),
            "You did not divide by the sum of the exponentials: your weights do not "
            "sum to 1.",
        ),
        Mistake(
            lambda *given: absorbing(*given, shift=False),
            "You took exp of the scores as they are: yours overflows for large ones, "
            "and is 0 / 0 far below 0.",
        ),
        Mistake(
            lambda *given: absorbing(*given, turn=True),
            "You turned `up_key` round: a key is latent @ up_key, so your query goes "
            "through it backwards, from E features to R. In one case R is E, so you "
            "get numbers there.",
        ),
        Mistake(
            lambda query, latent, up_key, up_value: (
                query,
                absorbed_attention(query, latent, up_key, up_value)[1],
            ),
            "Your output is right, but you returned the query as it came: the absorbed "
            "one has R numbers for each head, and meets the latents directly.",
        ),
        Mistake(
            lambda query, latent, up_key, up_value: absorbing(
                query, latent, np.broadcast_to(up_key[:1], up_key.shape), up_value
            ),
            "You used the first head's `up_key` for all heads: each of yours has keys "
            "of its own, made from the shared latents.",
        ),
        Mistake(
            lambda *given: absorbing(*given, root=lambda E, R: E),
            "You scaled twice: your scores are divided once, by the root of E.",
        ),
    ),
)


# accept_or_redraw


def accept_or_redraw(target, draft):
    drawn = draft > 0
    accepted = np.where(drawn, np.minimum(1, target / np.where(drawn, draft, 1)), 1.0)
    left = np.maximum(target - draft, 0)
    rate = np.sum(accepted * draft, -1)
    return accepted, rate, left / np.sum(left, -1, keepdims=True)


def accept_or_redraw_cases(rng):
    def chances(*shape, spread=1.5):
        return softmax(spread * rng.normal(size=shape))

    sharp = np.array([0.0, 1.0, 0.0, 0.0])
    cut = chances(6)
    cut[[1, 4]] = 0
    both = chances(6)
    both[[2, 4]] = 0
    return [
        Case(
            (np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])),
            "three tokens, one drafted too often",
        ),
        Case((chances(7), chances(7)), "seven tokens"),
        Case((both / both.sum(), cut / cut.sum()), "chances of 0, in one and in both"),
        Case((chances(4, spread=0.5), sharp), "a draft that is sure"),
        Case((chances(2, 3, 5), chances(2, 3, 5)), "a batch of positions"),
    ]


def stepped(
    target,
    draft,
    *,
    ratio=lambda p, q: np.minimum(1, p / np.where(q > 0, q, 1)),
    left=lambda p, q: np.maximum(p - q, 0),
    rate=lambda p, q, accepted: np.sum(q * accepted, -1),
    divide=True,
):
    """The right step, but for what a mistake changes."""
    accepted = np.where(draft > 0, ratio(target, draft), 1)
    residual = left(target, draft)
    if divide:
        residual = residual / np.sum(residual, -1, keepdims=True)
    right = np.where(
        draft > 0, np.minimum(1, target / np.where(draft > 0, draft, 1)), 1
    )
    return accepted, rate(target, draft, right), residual


def unguarded_step(target, draft):
    _, rate, residual = accept_or_redraw(target, draft)
    return np.minimum(1, target / draft), rate, residual


def rejected_share(p, q):
    return p * (1 - np.minimum(1, p / np.where(q > 0, q, 1)))


ACCEPT_OR_REDRAW = Exercise(
    name="accept_or_redraw",
    chapter=15,
    title="Accept a draft, or draw again",
    objective="write the step that keeps the target's distribution exactly",
    minutes=12,
    difficulty=3,
    points=4,
    reference=accept_or_redraw,
    cases=accept_or_redraw_cases,
    torch=True,
    parts=("accepted", "rate", "residual"),
    mistakes=(
        Mistake(
            lambda p, q: stepped(
                p,
                q,
                ratio=lambda p, q: np.minimum(
                    1, q / np.where(p > 0, p, np.finfo(float).tiny)
                ),
            ),
            "You turned the ratio round: a token that the draft likes too much is "
            "accepted less often, and yours always.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, ratio=lambda p, q: p / np.where(q > 0, q, 1)),
            "Your chances exceed 1: where the target likes a token more than the "
            "draft, it is always accepted.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, left=lambda p, q: p),
            "You draw again from the target itself: what was accepted would count "
            "twice, so yours must give only what the target has and the draft lacks.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, divide=False),
            "Your residual sums to less than 1: divide it by what is left, so that a "
            "token can be drawn from it.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, left=lambda p, q: abs(p - q)),
            "You took the absolute difference: tokens that were drafted too often come "
            "again in yours, and they have had their share.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, left=lambda p, q: np.maximum(q - p, 0)),
            "You draw again what the draft has too much of: the target's surplus over "
            "the draft is wanted, yours has the sign reversed.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, rate=lambda p, q, a: a.mean(-1)),
            "Your rate is a plain mean over the tokens: how often one is tried is the "
            "draft's chance, so weight yours by it.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, rate=lambda p, q, a: np.sum(p * a, -1)),
            "You weighted the rate by the target: the draft proposes the tokens, so "
            "your weights are its chances.",
        ),
        Mistake(
            unguarded_step,
            "You divided 0 by 0 where neither gives a chance: a token that is never "
            "drafted gets 1 here.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, left=rejected_share),
            "You weighted the target by what is rejected: yours draws again the very "
            "tokens that the draft had too often.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, rate=lambda p, q, a: 1 - np.sum(q * a, -1)),
            "Your rate is that of rejections: the share of accepted tokens is asked "
            "for.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, ratio=lambda p, q: (p >= q) * 1.0),
            "You accept or reject for certain: a token that the draft likes too much "
            "is still accepted sometimes, so yours is a chance between 0 and 1.",
        ),
        Mistake(
            lambda p, q: (
                np.where(q > 0, accept_or_redraw(p, q)[0], 0),
                *accept_or_redraw(p, q)[1:],
            ),
            "You gave 0 to tokens that are never drafted: the task asks for 1 there, "
            "since no draft of them is ever refused.",
        ),
        Mistake(
            lambda p, q: stepped(p, q, left=lambda p, q: p - q, divide=False),
            "Your residual has negative chances: where the draft has more than the "
            "target, nothing is left to draw.",
        ),
        Mistake(
            lambda p, q: (
                *accept_or_redraw(p, q)[:2],
                np.maximum(p - q, 0) / accept_or_redraw(p, q)[1][..., None],
            ),
            "You divided the residual by the rate of acceptance: it is drawn from "
            "after a rejection, so yours is divided by what is left.",
        ),
    ),
)


# delta_rule


def delta_rule(query, key, value, beta):
    state = np.zeros((key.shape[-1], value.shape[-1]))
    outputs = []
    for q, k, v, b in zip(query, key, value, beta, strict=True):
        state = state + b * k[:, None] * (v - k @ state)
        outputs.append(q @ state)
    return np.stack(outputs)


def delta_rule_cases(rng):
    def case(n, E, Ev, what):
        query, key = rng.normal(size=(2, n, E))
        key = key / np.linalg.norm(key, axis=-1, keepdims=True)
        beta = rng.uniform(0.2, 0.9, size=n)
        return Case((query, key, rng.normal(size=(n, Ev)), beta), what)

    first = np.zeros((3, 2))
    first[:, 0] = 1
    values = np.array([[1.0, 2.0], [5.0, -3.0], [4.0, 4.0]])
    apart = np.eye(4)
    return [
        case(1, 2, 3, "a single token"),
        Case((first, first, values, np.ones(3)), "one key three times, beta = 1"),
        Case(
            (first, first, values, np.array([1.0, 0.5, 0.0])),
            "one key three times, beta falls to 0",
        ),
        Case(
            (apart, apart, rng.normal(size=(4, 3)), np.ones(4)), "keys at right angles"
        ),
        case(6, 3, 2, "6 tokens, E=3, Ev=2"),
        case(9, 4, 5, "9 tokens, E=4, Ev=5"),
    ]


def rewriting(write, read=lambda q, k, before, after: q @ after):
    """Return a mistake: another write, or another read. write(S, q, k, v, b)."""

    def wrong(query, key, value, beta):
        state = np.zeros((key.shape[-1], value.shape[-1]))
        outputs = []
        for q, k, v, b in zip(query, key, value, beta, strict=True):
            after = write(state, q, k, v, b)
            outputs.append(read(q, k, state, after))
            state = after
        return np.stack(outputs)

    return wrong


def right_write(S, q, k, v, b):
    return S + b * np.outer(k, v - k @ S)


DELTA_RULE = Exercise(
    name="delta_rule",
    chapter=15,
    title="A state that can be rewritten",
    objective="carry a state along and rewrite what stands under a key",
    minutes=15,
    difficulty=3,
    points=5,
    reference=delta_rule,
    cases=delta_rule_cases,
    torch=True,
    mistakes=(
        Mistake(
            rewriting(lambda S, q, k, v, b: S + b * np.outer(k, v)),
            "You only added: that is linear attention. The delta rule first reads what "
            "stands under the key, and yours keeps it.",
        ),
        Mistake(
            rewriting(right_write, lambda q, k, before, after: q @ before),
            "You read before you wrote: each output of yours should know its own "
            "token.",
        ),
        Mistake(
            rewriting(lambda S, q, k, v, b: S + np.outer(k, v - k @ S)),
            "You rewrote the whole value: beta says how far each of your writes goes, "
            "and at 0 it changes nothing.",
        ),
        Mistake(
            rewriting(lambda S, q, k, v, b: (1 - b) * S + b * np.outer(k, v)),
            "You let the whole state fade: the delta rule changes what stands under "
            "this key, and yours forgets keys at right angles to it.",
        ),
        Mistake(
            rewriting(lambda S, q, k, v, b: S + np.outer(k, b * v - k @ S)),
            "Your beta weakens the new value only: the old one is erased by the same "
            "share, beta times the difference of the two.",
        ),
        Mistake(
            rewriting(lambda S, q, k, v, b: S + np.outer(k, v - b * (k @ S))),
            "Your beta weakens the erasing only: the new value is written by the same "
            "share.",
        ),
        Mistake(
            rewriting(lambda S, q, k, v, b: S + b * np.outer(k, v - q @ S)),
            "You compared the value with what the query reads: the write happens under "
            "the key, so your difference is v minus what the key reads.",
        ),
        Mistake(
            rewriting(lambda S, q, k, v, b: S + b * np.outer(k, v + k @ S)),
            "You added what stood there once more: it is taken away, so your sign is "
            "wrong.",
        ),
        Mistake(
            rewriting(right_write, lambda q, k, before, after: k @ after),
            "You read with the key: the output is what your query finds in the state.",
        ),
        Mistake(
            rewriting(
                right_write, lambda q, k, before, after: q @ after / math.sqrt(len(q))
            ),
            "You divided by the root of E: this read-out has no softmax and no scale, "
            "so yours is too small.",
        ),
        Mistake(
            rewriting(lambda S, q, k, v, b: S + b * (np.outer(k, v) - k @ S)),
            "You took the old value away from every row: it stands under the key, so "
            "yours is multiplied by the key as the new one is.",
        ),
        Mistake(
            rewriting(lambda S, q, k, v, b: S + np.outer(k, v)),
            "You added each value whole: take away what your key reads from the state, "
            "and multiply the difference by beta.",
        ),
        Mistake(
            rewriting(lambda S, q, k, v, b: (1 - b) * S + b * np.outer(k, v - k @ S)),
            "You let the whole state fade besides the rewriting: the delta rule alone "
            "leaves in yours what stands under other keys.",
        ),
    ),
)


# flash_forward


def flash_forward(query, key, value, block):
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # whole: blocks change nothing
    top = scores.max(-1, keepdims=True)
    total = np.exp(scores - top).sum(-1, keepdims=True)
    weights = np.exp(scores - top) / total
    return weights @ value, (top + np.log(total))[..., 0]


def flash_forward_cases(rng):
    def drawn(L, S, E, Ev, *lead):
        shapes = (*lead, L, E), (*lead, S, E), (*lead, S, Ev)
        return tuple(rng.normal(size=shape) for shape in shapes)

    def moved(shift, S=8):
        """E = 4; the score of key j is moved by shift[j]."""
        query, key = in_quarters(rng, 3, 4), in_quarters(rng, S, 4)
        query[:, 0], key[:, 0] = 8, np.asarray(shift) / 4
        return query, key, rng.normal(size=(S, 2))

    def apart():
        query, key, value = moved(np.full(8, 900.0))
        query[1, 0] = -8
        return query, key, value

    return [
        Case((*drawn(2, 3, 4, 5), 3), "one block of 3 keys"),
        Case((*drawn(3, 6, 5, 2), 2), "three blocks of 2 keys"),
        Case((*drawn(3, 7, 3, 2), 4), "a last block with one key less"),
        Case((*drawn(2, 3, 2, 4), 8), "a block longer than the text"),
        Case((*drawn(1, 5, 2, 3), 1), "a key at a time"),
        Case((*moved(2.0 * np.arange(8)), 3), "scores that rise"),
        Case((*moved(-2.0 * np.arange(8)), 3), "scores that fall"),
        Case((*moved([0] * 4 + [1000] * 4), 3), "later keys 1000 higher"),
        Case((*moved([1000] * 4 + [0] * 4), 3), "later keys 1000 lower"),
        Case((*apart(), 3), "rows that are 1800 apart"),
        Case((*moved(np.full(8, 900.0)), 3), "scores near 900"),
        Case((*moved(np.full(8, -900.0)), 3), "scores near -900"),
        Case((*drawn(4, 5, 3, 2, 2), 2), "two heads"),
    ]


def blocks_of(
    query,
    key,
    value,
    block,
    *,
    scale=True,
    short=True,
    keep_total=True,
    keep_output=True,
    divide=True,
    shift=True,
    first=-np.inf,
    larger_of=np.maximum,
    back=False,
    each=False,
    lse=lambda top, total: top + np.log(total),
):
    """Block after block as it should be, but for what a mistake changes."""
    scores = query @ key.mT / (math.sqrt(query.shape[-1]) if scale else 1)
    S = key.shape[-2]
    top = np.full((*scores.shape[:-1], 1), first if shift else 0.0)
    total, output = 0 * np.abs(scores[..., :1]), 0.0
    for start in range(0, S if short else S - S % block, block):
        part = scores[..., start : start + block]
        larger = larger_of(top, part.max(-1, keepdims=True)) if shift else top
        exps, shrink = np.exp(part - larger), np.exp(top - larger)
        if back:
            shrink = np.where(np.isneginf(top), 0, np.exp(larger - top))
        total = total * (shrink if keep_total else 1) + exps.sum(-1, keepdims=True)
        mixed = exps @ value[..., start : start + block, :]
        output = output * (shrink if keep_output else 1) + mixed
        output = output / (total if each else 1)
        top = larger
    output = output + np.zeros_like(query[..., :1]) * value[..., :1, :]
    return output / (total if divide and not each else 1), lse(top, total)[..., 0]


def one_maximum(query, key, value, block):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    top = scores.max()
    exps = np.exp(scores - top)
    total = exps.sum(-1, keepdims=True)
    return exps @ value / total, (top + np.log(total))[..., 0]


def of_first_block(top, larger):
    return np.where(np.isneginf(top), larger, top)


def mean_of_blocks(query, key, value, block):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    starts = range(0, key.shape[-2], block)
    parts = [
        softmax(scores[..., i : i + block]) @ value[..., i : i + block, :]
        for i in starts
    ]
    return np.mean(parts, axis=0), flash_forward(query, key, value, block)[1]


FLASH_FORWARD = Exercise(
    name="flash_forward",
    chapter=15,
    title="FlashAttention-2, forward",
    objective="write attention block by block, with its log-sum-exp",
    minutes=18,
    difficulty=4,
    points=6,
    rtol=2e-4,
    why_rtol="float32 with log-sum-exps near 900: it holds 4 decimals there",
    reference=flash_forward,
    cases=flash_forward_cases,
    torch=True,
    parts=("output", "lse"),
    mistakes=(
        Mistake(
            lambda *given: blocks_of(*given, lse=lambda top, total: np.log(total)),
            "Your log-sum-exp lacks the maximum: the total was measured against it, so "
            "it has to be added back.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, lse=lambda top, total: top),
            "Your log-sum-exp is the maximum alone: add the logarithm of your total.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, lse=lambda top, total: top + total),
            "You added the total itself: its logarithm is measured in the unit of your "
            "scores.",
        ),
        Mistake(
            lambda *given: blocks_of(
                *given, lse=lambda top, total: top + np.log2(total)
            ),
            "You took the logarithm to base 2: your exponentials are those of e.",
        ),
        Mistake(
            lambda *given: blocks_of(
                *given, lse=lambda top, total: np.exp(top) * total
            ),
            "You returned the sum of the exponentials: its logarithm is asked for, "
            "which stays small where yours overflows.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, short=False),
            "You lost the keys of the last block where it is short: your blocks must "
            "cover all keys.",
        ),
        Mistake(
            mean_of_blocks,
            "You averaged the results of the blocks: a block with high scores must "
            "count more, so your sums stay undivided until the end.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, keep_total=False, keep_output=False),
            "You left the old sums as they were when the maximum rose: both need the "
            "factor exp(old - new), and yours has neither.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, keep_output=False),
            "You put the total right but not the output: your output was measured "
            "against the old maximum as well.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, keep_total=False),
            "You put the output right but not the total: your total was measured "
            "against the old maximum as well.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, divide=False),
            "You did not divide by the total: after your last block, the output is "
            "divided once.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, scale=False),
            "You left the scale out: your scores are divided by the root of E.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, shift=False),
            "You took exp of the scores as they are: near 900 yours overflows, and "
            "near -900 it is 0 / 0.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, first=0.0),
            "Your maximum starts at 0: where all scores are far below, every "
            "exponential is 0. It starts at -inf.",
        ),
        Mistake(
            one_maximum,
            "You took one maximum for all rows: rows far below it become 0 / 0. Each "
            "row of yours needs its own.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, larger_of=of_first_block),
            "You kept the first block's maximum: where later scores of yours are far "
            "higher, exp overflows.",
        ),
        Mistake(
            lambda *given: blocks_of(
                *given,
                larger_of=lambda top, larger: larger,
                keep_total=False,
                keep_output=False,
            ),
            "You measured each block against its own maximum and added your sums: they "
            "need the same one, the largest so far.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, back=True),
            "You turned the factor round: when the maximum rises, your old sums must "
            "shrink.",
        ),
        Mistake(
            lambda *given: blocks_of(*given, each=True),
            "You divided after each block: your next block needs the undivided sum, "
            "and the division comes once, at the end.",
        ),
        Mistake(
            lambda query, key, value, block: (
                flash_forward(query, key, value, block)[0],
                np.log(
                    np.exp(query @ key.mT / math.sqrt(query.shape[-1])).sum(-1),
                ),
            ),
            "Your output is right, but you took the log-sum-exp of the scores as they "
            "are: it overflows. Use the maximum and total that you have.",
        ),
    ),
)


# block_backward


def block_backward(query, key, value, output, lse, grad_output):
    scale = 1 / math.sqrt(query.shape[-1])
    weights = np.exp(query @ key.mT * scale - lse[..., None])
    by_weight = grad_output @ value.mT
    mean = np.sum(output * grad_output, -1, keepdims=True)
    by_score = weights * (by_weight - mean) * scale
    return by_score @ key, by_score.mT @ query, weights.mT @ grad_output


def block_backward_cases(rng):
    def block(L, S, E, Ev, keys, *lead, shift=None):
        """Keys from a to b of S, with the output and lse of all S."""
        exact = (*lead, L, E), (*lead, S, E)
        query, key = (in_quarters(rng, *shape) for shape in exact)
        if shift is not None:
            query[..., 0], key[..., 0] = 8, shift / 4
        value, gradient = (rng.normal(size=(*lead, n, Ev)) for n in (S, L))
        output, lse = flash_forward(query, key, value, S)
        a, b = keys
        part = key[..., a:b, :].copy(), value[..., a:b, :].copy()
        return query, *part, output, lse, gradient

    return [
        Case(block(3, 5, 4, 2, (0, 5)), "all keys in one block"),
        Case(block(3, 8, 4, 2, (0, 4)), "the first 4 of 8 keys"),
        Case(block(4, 7, 3, 5, (5, 7)), "the last 2 of 7 keys"),
        Case(block(3, 9, 4, 2, (3, 6)), "as many queries as keys in the block"),
        Case(block(3, 8, 4, 2, (2, 6), shift=900), "scores near 900"),
        Case(block(2, 6, 4, 3, (2, 4), 2), "two heads"),
    ]


def backward_but(
    query,
    key,
    value,
    output,
    lse,
    grad_output,
    *,
    weigh=lambda scores, lse: np.exp(scores - lse),
    mean=lambda P, dP, O, dO: np.sum(O * dO, -1, keepdims=True),
    scale_front=True,
    scale_back=True,
    front=True,
    sign=1,
):
    """The right gradients, but for what a mistake changes."""
    scale = 1 / math.sqrt(query.shape[-1])
    weights = weigh(query @ key.mT * (scale if scale_front else 1), lse[..., None])
    by_weight = grad_output @ value.mT
    by_score = sign * (by_weight - mean(weights, by_weight, output, grad_output))
    by_score = by_score * (weights if front else 1) * (scale if scale_back else 1)
    return by_score @ key, by_score.mT @ query, weights.mT @ grad_output


BLOCK_BACKWARD = Exercise(
    name="block_backward",
    chapter=15,
    title="FlashAttention-2, backward",
    objective="get the gradients of one block from the stored log-sum-exp",
    minutes=25,
    difficulty=5,
    points=7,
    rtol=1e-4,
    why_rtol="float32 holds a log-sum-exp near 900 to 4 decimals",
    reference=block_backward,
    cases=block_backward_cases,
    torch=True,
    parts=("grad_query", "grad_key", "grad_value"),
    mistakes=(
        Mistake(
            lambda *given: backward_but(
                *given,
                weigh=lambda scores, lse: softmax(scores),
                mean=lambda P, dP, O, dO: np.sum(P * dP, -1, keepdims=True),
            ),
            "You took a softmax over this block, and its own mean: other blocks have "
            "keys too. `lse` gives your weights among all, `output` the mean.",
        ),
        Mistake(
            lambda *given: backward_but(
                *given, weigh=lambda scores, lse: softmax(scores)
            ),
            "You took a softmax over this block's keys: other blocks have keys too, "
            "and your `lse` knows the total of them all.",
        ),
        Mistake(
            lambda *given: backward_but(
                *given, mean=lambda P, dP, O, dO: np.sum(P * dP, -1, keepdims=True)
            ),
            "Your mean runs over this block's keys alone: that of all keys is the sum "
            "of `output * grad_output` over the features.",
        ),
        Mistake(
            lambda *given: backward_but(*given, mean=lambda P, dP, O, dO: 0),
            "You subtracted no mean: raising one score lowers all other weights, those "
            "of your other blocks as well.",
        ),
        Mistake(
            lambda *given: backward_but(*given, scale_back=False),
            "You forgot the scale on the way back: your gradients with respect "
            "to query and key are too large, the one with respect to value is right.",
        ),
        Mistake(
            lambda *given: backward_but(*given, scale_front=False),
            "You left the scale out of the scores: `lse` was taken with it, so your "
            "weights are wrong.",
        ),
        Mistake(
            lambda *given: backward_but(*given, front=False),
            "You left out the weight in front of each score's gradient: a key without "
            "weight gets no gradient, and yours do.",
        ),
        Mistake(
            lambda *given: backward_but(*given, sign=-1),
            "You subtracted the wrong way round: your gradients by query and key have "
            "the sign reversed.",
        ),
        Mistake(
            lambda *given: backward_but(
                *given, weigh=lambda scores, lse: np.exp(scores) / np.exp(lse)
            ),
            "You divided two exponentials: near 900 both overflow. Subtract your `lse` "
            "before you take exp.",
        ),
        Mistake(
            lambda *given: backward_but(
                *given, mean=lambda P, dP, O, dO: np.sum(O * dO) / len(O)
            ),
            "You took one mean for all queries: each row of yours has its own, the sum "
            "of its `output * grad_output`.",
        ),
        Mistake(
            lambda *given: tuple(reversed(block_backward(*given))),
            "You returned the gradient with respect to the value first: the order is "
            "query, key, value.",
        ),
        Mistake(
            lambda *given: backward_but(*given, weigh=lambda scores, lse: scores - lse),
            "You stopped at the logarithm: score minus `lse` is that of a weight, so "
            "yours needs exp.",
        ),
        Mistake(
            lambda *given: backward_but(*given, scale_front=False, scale_back=False),
            "You left the scale out, on the way there and on the way back: your scores "
            "are divided by the root of E.",
        ),
        Mistake(
            lambda *given: backward_but(
                *given, weigh=lambda scores, lse: np.exp(scores)
            ),
            "Your weights are plain exponentials: subtract `lse` from the scores, "
            "which divides by the total of all keys.",
        ),
        Mistake(
            lambda *given: backward_but(
                *given, mean=lambda P, dP, O, dO: np.mean(O * dO, -1, keepdims=True)
            ),
            "You averaged `output * grad_output` over the features: yours should be "
            "their sum, a dot product.",
        ),
        Mistake(
            lambda *given: backward_but(*given, mean=lambda P, dP, O, dO: P * dP),
            "You took w (1 - w), the slope of each weight by its own score: a score "
            "changes the other weights of its row as well.",
        ),
        Mistake(
            lambda *given: backward_but(
                *given, mean=lambda P, dP, O, dO: np.sum(O, -1, keepdims=True)
            ),
            "You summed `output` alone: yours is multiplied by `grad_output` first, "
            "feature by feature.",
        ),
    ),
)


# constant_memory: written

CONSTANT_MEMORY = Exercise(
    name="constant_memory",
    chapter=15,
    title="Memory that does not grow",
    objective="judge a claim that a small state can replace a cache",
    minutes=12,
    difficulty=4,
    points=6,
    kind="written",
    rubric=(
        (1, "says what is stored, with a number for the state and one for the cache"),
        (2, "says why a mean loss can hide it: few tokens need a far look-up"),
        (2, "proposes a test of recall with a growing number of pairs, beside a cache"),
        (1, "names a fair rival of the same bytes, such as a window or fewer heads"),
    ),
)

EXERCISES = (
    SHOWN_KEYS,
    DECODE_INTENSITY,
    SINK_ATTENTION,
    INT8_PER_CHANNEL,
    GATHER_PAGES,
    ABSORBED_ATTENTION,
    ACCEPT_OR_REDRAW,
    DELTA_RULE,
    FLASH_FORWARD,
    CONSTANT_MEMORY,
    BLOCK_BACKWARD,
)
