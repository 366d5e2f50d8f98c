"""One attention: looking up, the formula as a flow, its mask, a model of two layers."""

from book.drawings.pen import Drawing


def soft_look_up():
    """Return compare, score, weight, sum, for a query and four items."""
    d = Drawing(
        "soft_look_up",
        272,
        "A soft look-up",
        """One query is compared with the keys of four items. Each comparison gives a
        score, the scores become weights that share out one whole, drawn as lines of
        different width, and the answer is the sum of all values in these shares: a
        blend, mostly of the items that fit best.""",
    )
    for x, step in (
        (80, "1 compare"),
        (176, "2 score"),
        (248, "3 weight"),
        (322, "4 sum"),
    ):
        d.text(x, 16, step, "quiet")
    d.box(8, 96, 70, 44, "query", "query", bold=True)
    for k, width in enumerate((1, 4, 10, 1.6)):
        y = 52 + 44 * k
        d.line((78, 118), (98, y), role="query")
        d.box(98, y - 16, 68, 32, f"key {k + 1}", "key")
        d.line((166, y), (190, y), head=False)
        d.line((190, y), (278, y), width=width, head=False)
        d.circle(190, y, 11)
        d.box(278, y - 16, 68, 32, f"value {k + 1}", "value")
        d.line((346, y), (354, y), role="value", head=False)
    d.line((354, 52), (354, 238), (344, 238), role="value")
    d.text(190, 224, "softmax", "quiet")
    d.box(258, 220, 86, 36, "answer", bold=True)
    return d


def formula():
    """Return query, key and value, scores, weights and output, with their shapes."""
    d = Drawing(
        "formula",
        366,
        "Query, key and value as a flow",
        """Queries and keys are multiplied: the scores, one row for each query, one
        column for each key. Divided by the root of E, masked, and sent through the
        softmax, each row becomes weights that sum to 1. The values come in last: each
        row of the output is a mix of them in these weights.""",
    )
    for x, text, role in ((64, "Q (L, E)", "query"), (180, "K (S, E)", "key")):
        d.text(x, 18, text, role, bold=True)
    d.text(302, 18, "V (S, Ev)", "value", bold=True)
    d.grid(36, 34, 2, 4, "query")
    d.grid(152, 34, 3, 4, "key")
    d.grid(288, 34, 3, 2, "value")
    d.line((64, 62), (64, 94), role="query")
    d.line((180, 76), (180, 94), role="key")
    d.box(36, 94, 188, 28, "Q Kᵀ")
    d.line((130, 122), (130, 138))
    d.grid(109, 140, 2, 3, shade=lambda i, j: 0.05)
    d.text(162, 154, "scores (L, S)", at="start")
    d.line((130, 168), (130, 184))
    d.box(36, 184, 188, 28, "÷ √E, mask, softmax")
    d.line((130, 212), (130, 228))
    d.grid(109, 230, 2, 3, shade=lambda i, j: [[0.5, 0.1, 0.3], [0.1, 0.7, 0.1]][i][j])
    d.text(162, 244, "weights (L, S),\nrows sum to 1", at="start")
    d.line((130, 258), (130, 276))
    d.line((302, 76), (302, 276), role="value")
    d.box(36, 276, 288, 28, "weights × V")
    d.line((130, 304), (130, 320))
    d.grid(116, 322, 2, 2, "value")
    d.text(156, 336, "output (L, Ev)", at="start")
    return d


def projections():
    """Return the three learned matrices, and which sequence each reads."""
    d = Drawing(
        "projections",
        246,
        "Where query, key and value come from",
        """Three learned matrices read tokens. W_Q makes queries from the tokens that
        ask, W_K and W_V make keys and values from the tokens that are asked. If both
        are the same sequence, it is self-attention; if not, cross-attention.""",
    )
    d.box(8, 22, 108, 44, "tokens\nthat ask")
    d.box(8, 112, 108, 44, "tokens\nthat are asked")
    d.line((116, 44), (148, 44))
    d.line((116, 134), (132, 134), (132, 104), (148, 104))
    d.line((132, 134), (132, 164), (148, 164))
    rows = (
        ("query", "W_Q", "Q", "looks for"),
        ("key", "W_K", "K", "is found by"),
        ("value", "W_V", "V", "hands over"),
    )
    for y, (role, matrix, letter, does) in zip((44, 104, 164), rows, strict=True):
        d.box(148, y - 16, 50, 32, matrix)
        d.line((198, y), (224, y), role=role)
        d.box(224, y - 16, 40, 32, letter, role, bold=True)
        d.text(270, y, f"{role}:\n{does}", role, at="start")
    d.text(
        180,
        216,
        "the same tokens: self-attention\ntwo sequences: cross-attention",
        "quiet",
    )
    return d


def product():
    """Return the scores as one product with a narrow waist."""
    d = Drawing(
        "product",
        220,
        "Scores, as a product of tokens with tokens",
        """The scores are X times W_Q times W_K transposed times X transposed.
        The two matrices in the middle meet in only E features, and only their product
        counts: what stands at the waist can be exchanged for another basis, and no
        score changes.""",
    )
    y = 92
    d.grid(14, y - 30, 5, 6, cell=12)
    d.grid(100, y - 36, 6, 2, "query", cell=12)
    d.grid(138, y - 12, 2, 6, "key", cell=12)
    d.grid(224, y - 36, 6, 5, cell=12)
    d.text(293, y, "=", bold=True)
    d.grid(300, y - 27, 5, 5, cell=11)
    for x, name, shape, role in (
        (50, "X", "(n, D)", "ink"),
        (112, "W_Q", "(D, E)", "query"),
        (174, "W_Kᵀ", "(E, D)", "key"),
        (254, "Xᵀ", "(D, n)", "ink"),
        (328, "scores", "(n, n)", "ink"),
    ):
        d.text(x, 18, name, role, bold=True)
        d.text(x, 38, shape, "quiet")
    d.line((131, 176), (131, 132))
    d.text(160, 192, "the waist: E features", "quiet")
    return d


def mask():
    """Return a causal mask for the last queries of a longer sequence of keys."""
    d = Drawing(
        "mask",
        228,
        "A causal mask and its offset",
        """Six keys and three queries, which are the last three of the six tokens. The
        offset, 3, counts the keys that stand before the first query: query 1 stands at
        key 4 and may attend to keys 1 to 4, query 2 to one more, query 3 to all.""",
    )
    cell, left, top = 36, 126, 76
    d.line((left + 2, 38), (left + 3 * cell - 2, 38), head=False)
    d.line((left + 2, 33), (left + 2, 43), head=False)
    d.line((left + 3 * cell - 2, 33), (left + 3 * cell - 2, 43), head=False)
    d.text(left + 1.5 * cell, 18, "offset = 3 keys before query 1")
    d.text(left - 8, 60, "key", "key", at="end", bold=True)
    for j in range(6):
        d.text(left + (j + 0.5) * cell, 60, str(j + 1), "key", bold=True)
    d.grid(left, top, 3, 6, cell=cell, shade=lambda i, j: 0.3 * (j <= i + 3))
    for i in range(3):
        y = top + (i + 0.5) * cell
        d.text(left - 8, y, f"query {i + 1},\nat key {i + 4}", "query", at="end")
        for j in range(6):
            d.text(left + (j + 0.5) * cell, y, "✓" if j <= i + 3 else "–")
    d.text(left + 3 * cell, 206, "✓ may attend, – may not", "quiet")
    return d


def reader():
    """Return the model of two layers, with its two ways to give an answer."""
    d = Drawing(
        "reader",
        470,
        "The reader: two layers, two ways to answer",
        """The words of a sentence, each a learned vector plus one for its position, go
        through two layers. In each layer attention reads all words, and what it finds
        is added to them. The pointer takes the weights of layer 2, from “it” to each
        word, as its answer. The ordinary read-out is a classifier, which reads the
        vector that “it” has in the end.""",
    )
    d.box(45, 10, 160, 30, "words (B, S)")
    d.line((125, 40), (125, 58))
    d.box(45, 58, 160, 44, "word + position\nx (B, S, E)")
    for k, top in enumerate((124, 266)):
        d.frame(12, top, 206, 124)
        d.line((125, top - 22), (125, top + 34))
        d.line((125, top + 14), (30, top + 14), (30, top + 100), (114, top + 100))
        d.box(58, top + 34, 134, 40, "attention\nQ, K, V")
        d.line((125, top + 74), (125, top + 89))
        d.circle(125, top + 100, 11, "+")
        d.line((125, top + 111), (125, top + 142), head=False)
        d.text(228, top + 14, f"layer {k + 1}", at="start", bold=True)
    d.text(228, 172, "x + weights × V:\nwhat a word was\nis kept", "quiet", at="start")
    d.line((192, 320), (232, 320))
    d.box(232, 296, 120, 62, "its weights\nfrom “it”:\nthe pointer")
    d.line((125, 390), (125, 416))
    d.box(58, 416, 134, 40, "the vector\nof “it”")
    d.line((192, 436), (232, 436))
    d.box(232, 416, 120, 40, "classifier:\nordinary")
    return d


ALL = (soft_look_up, formula, projections, product, mask, reader)
