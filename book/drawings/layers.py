"""A block, a head, several heads, and heads that share keys and values."""

from book.drawings.pen import Drawing


def chain():
    """Return one layer of a chain, and one of attention."""
    d = Drawing(
        "chain",
        206,
        "One layer of a chain, and one of attention",
        """Five tokens go in at the bottom and five come out at the top. In a chain each
        reads itself and its left neighbour. In attention each reads all; the lines of
        the last one are drawn thick.""",
    )
    for left, name in ((10, "chain"), (194, "attention")):
        d.text(left + 78, 16, name, bold=True)
        places = [left + 14 + 32 * k for k in range(5)]
        for i, above in enumerate(places):
            for j, below in enumerate(places):
                if name == "attention" or 0 <= i - j <= 1:
                    strong = i == 4
                    width = 2.4 if strong else 0.8
                    d.line((below, 142), (above, 70), width=width, head=False)
        for k, x in enumerate(places, start=1):
            d.box(x - 12, 142, 24, 26, str(k))
            d.box(x - 12, 44, 24, 26, str(k), bold=k == 5)
    d.text(180, 188, "tokens below, outputs of one layer above", "quiet")
    return d


def block():
    """Return a transformer block in both orders of its normalisation."""
    d = Drawing(
        "block",
        448,
        "A transformer block, pre-norm and post-norm",
        """A block has two halves, attention and an MLP, and the input of each half is
        added to its output: the residual path. Pre-norm normalises before each half,
        so that the residual path runs through untouched; post-norm normalises after
        each sum.""",
    )
    orders = (
        (98, "pre-norm", ("norm", "attention", "+", "norm", "MLP", "+")),
        (274, "post-norm", ("attention", "+", "norm", "MLP", "+", "norm")),
    )
    for x, name, parts in orders:
        d.text(x, 16, name, bold=True)
        d.text(x, 38, "x (n, D)")
        y, starts = 48, []
        for k, part in enumerate(parts):
            if k % 3 == 0:
                starts.append(y + 8)
            d.line((x, y), (x, y + 24))
            if part == "+":
                d.circle(x, y + 35, 11, "+")
                turn = starts[-1]
                d.line((x, turn), (x - 72, turn), (x - 72, y + 35), (x - 11, y + 35))
                y += 46
            else:
                d.box(x - 54, y + 24, 108, 30, part, bold=part == "attention")
                y += 54
        d.line((x, y), (x, y + 22))
        d.text(x, y + 32, "x (n, D)")
    d.text(
        180,
        422,
        "Only in attention do tokens meet;\nnorm and MLP take each by itself.",
        "quiet",
    )
    return d


def head():
    """Return one head: its own columns of the three projections."""
    d = Drawing(
        "head",
        356,
        "One head of three",
        """Each of the three projections is a matrix with as many rows as a token has
        features, and a head owns some of its columns, drawn darker. So a head reads
        all D features of every token, and makes queries, keys and values with only E
        features each. Attention over these gives the head's output.""",
    )
    d.text(172, 14, "X (n, D): tokens")
    d.grid(136, 26, 3, 6, cell=12)
    roles = ((36, "query", "Q"), (136, "key", "K"), (236, "value", "V"))
    for x, role, letter in roles:
        d.line((172, 64), (x + 36, 100))
        last = letter == "V"
        at = "end" if last else "start"
        d.text(x + 72 * last, 92, f"W_{letter}", role, at=at)
        d.grid(
            x,
            102,
            6,
            6,
            role,
            cell=12,
            shade=lambda i, j: 0.65 if j in (2, 3) else 0.06,  # the columns of head 2
        )
        d.line((x + 36, 175), (x + 36, 194), role=role)
        d.grid(x + 24, 196, 3, 2, role, cell=12, shade=lambda i, j: 0.4)
        d.text(x + 54, 214, f"{letter} (n, E)", role, at="start")
        d.line((x + 36, 233), (x + 36, 254), role=role)
    d.box(56, 254, 236, 28, "softmax(Q Kᵀ ÷ √E) V")
    d.line((172, 282), (172, 300))
    d.grid(160, 302, 3, 2, "value", cell=12, shade=lambda i, j: 0.2)
    d.text(192, 320, "its output (n, E)", at="start")
    return d


def heads():
    """Return three heads side by side, joined and projected."""
    d = Drawing(
        "heads",
        356,
        "Heads side by side",
        """The same tokens go to three heads, each with projections of its own. The
        outputs, E features each, are put side by side, and the matrix W_O mixes them
        into D features. No head waits for another.""",
    )
    d.box(125, 8, 110, 30, "X (n, D)")
    for k, x in enumerate((70, 180, 290)):
        d.line((180, 38), (x, 66))
        d.box(x - 48, 66, 96, 32, f"head {k + 1}", bold=True)
        d.line((x, 98), (x, 118))
        d.grid(x - 14, 120, 3, 2, shade=lambda i, j, k=k: (0.08, 0.3, 0.55)[k])
        d.line((x, 162), (138 + 42 + 28 * (k - 1), 190))
    d.text(310, 140, "(n, E)", at="start")
    d.grid(138, 192, 3, 6, shade=lambda i, j: (0.08, 0.3, 0.55)[j // 2])
    d.text(230, 212, "joined\n(n, H · E)", at="start")
    d.line((180, 234), (180, 252))
    d.box(125, 252, 110, 30, "× W_O")
    d.line((180, 282), (180, 300))
    d.grid(138, 302, 3, 6)
    d.text(230, 322, "output\n(n, D)", at="start")
    return d


def groups():
    """Return six query heads with six, two and one key-value heads."""
    d = Drawing(
        "groups",
        222,
        "Query heads that share keys and values",
        """Six query heads, three times. In multi-head attention each has keys and
        values of its own; in grouped-query attention two groups of three share theirs;
        in multi-query attention all share one. Fewer keys and values have to be kept,
        and each query still has a row of weights of its own.""",
    )
    names = ("multi-head", "grouped-query", "multi-query")
    for column, (name, shared) in enumerate(zip(names, (6, 2, 1), strict=True)):
        left = 8 + 116 * column
        d.text(left + 56, 18, name, bold=True)
        for h in range(6):
            x = left + 10 + 18.4 * h
            group = 6 // shared
            middle = left + 10 + 18.4 * (h // group * group + (group - 1) / 2)
            d.line((x, 58), (middle, 104), head=False)
            d.circle(x, 50, 8.5, "Q", "query", bold=False)
            if h % group == 0:
                d.box(middle - 8.5, 104, 17, 24, "K", "key", round=1)
                d.box(middle - 8.5, 130, 17, 24, "V", "value", round=6)
        d.text(left + 56, 172, f"{shared} of K and V", "quiet")
    d.text(180, 202, "Less to keep, from left to right.", "quiet")
    return d


ALL = (chain, block, head, heads, groups)
