"""Attention today: a latent cache, pages, a state, speculation, layers of two kinds."""

from book.drawings.pen import Drawing


def latent():
    """Return the two ways to read a latent cache, with their matrices."""
    d = Drawing(
        "latent",
        346,
        "A latent cache, read in two ways",
        """Only latents are kept, a short row for each token. Expanded: two matrices
        make long keys and long values of all of them, and the query meets the keys.
        Absorbed: the query goes through the key matrix, meets the latents themselves,
        and what it finds goes through the value matrix. All heads read the same
        latents.""",
    )
    d.text(8, 16, "expanded", at="start", bold=True)
    d.grid(12, 58, 5, 2)
    d.text(26, 42, "kept", "quiet")
    for y, matrix, role, name in (
        (68, "W_K", "key", "keys"),
        (128, "W_V", "value", "values"),
    ):
        d.line((42, 93), (56, 93), (56, y), (72, y))
        d.box(72, y - 15, 46, 30, matrix)
        d.line((118, y), (138, y))
        d.grid(140, y - 25, 5, 7, role, cell=10)
        d.text(218, y, name, role, at="start", bold=True)
    d.line((318, 68), (270, 68), role="query")
    d.text(338, 68, "q", "query", bold=True)
    d.line((276, 128), (302, 128))
    d.text(308, 128, "output", at="start")
    d.text(180, 172, "for every token, at every step", "quiet")
    d.text(8, 206, "absorbed", at="start", bold=True)
    d.text(19, 246, "q", "query", bold=True)
    d.line((30, 246), (50, 246), role="query")
    d.box(50, 231, 52, 30, "W_Kᵀ")
    d.line((102, 246), (124, 246), role="query")
    d.grid(126, 239, 1, 2, "query")
    d.line((156, 246), (184, 246), role="query")
    d.grid(186, 224, 5, 2)
    d.text(200, 208, "kept", "quiet")
    d.line((200, 296), (200, 318), (170, 318))
    d.grid(140, 311, 1, 2)
    d.line((138, 318), (112, 318))
    d.box(60, 303, 52, 30, "W_V")
    d.line((60, 318), (52, 318), head=False)
    d.text(48, 318, "output", at="end")
    d.text(
        222,
        260,
        "one short row\nfor each token,\nread by all heads",
        "quiet",
        at="start",
    )
    return d


def pages():
    """Return two texts, their block tables, and the pool of pages."""
    d = Drawing(
        "pages",
        262,
        "A paged cache",
        """Memory is cut into pages of equal size. The block table of a text names its
        pages in their order, wherever they lie. Two texts that begin alike name the
        same first page, so that it is kept once. A page is taken when the one before
        it is full.""",
    )
    d.text(66, 16, "block tables", bold=True)
    d.text(258, 16, "memory, in pages", bold=True)
    tables = (("text A", ("5", "0", "7")), ("text B", ("5", "2")))
    for k, (name, table) in enumerate(tables):
        y = 52 + 84 * k
        d.text(8, y, name, at="start")
        for j, page in enumerate(table):
            d.box(8 + 38 * j, y + 14, 34, 30, page)
    owner = {5: "A, B", 0: "A", 7: "A", 2: "B"}
    for page in range(9):
        x, y = 168 + 62 * (page % 3), 34 + 62 * (page // 3)
        d.box(x, y, 54, 52, owner.get(page, ""), bold=True, dashed=page not in owner)
        d.text(x + 5, y + 9, str(page), "quiet", at="start")
    d.text(180, 240, "A and B begin alike: page 5 is kept once", "quiet")
    return d


def programs():
    """Return programs, one for each block of queries, and the keys that they read."""
    d = Drawing(
        "programs",
        300,
        "Programs of one kernel",
        """Queries are cut into blocks, and each block has its program. All programs
        read the same keys and values from slow memory, one block after the other. A
        program keeps its queries, the highest score, the total and the mix in fast
        memory, and writes its outputs and log-sum-exps at the end.""",
    )
    d.text(180, 16, "slow memory: keys and values, in blocks", bold=True)
    for j in range(4):
        d.grid(52 + 70 * j, 32, 1, 2, "key")
        d.grid(82 + 70 * j, 32, 1, 2, "value")
    d.line((58, 66), (302, 66), head=False)
    for k, x in enumerate((8, 130, 252)):
        d.box(x, 96, 100, 118, "")
        d.text(x + 50, 112, f"program {k}", bold=True)
        d.text(x + 50, 134, "its queries", "query")
        d.text(x + 50, 154, "highest score")
        d.text(x + 50, 174, "total")
        d.text(x + 50, 194, "mix of values")
        d.line((x + 50, 66), (x + 50, 92))
        d.line((x + 50, 214), (x + 50, 240))
    d.text(180, 254, "slow memory: outputs, one log-sum-exp each", bold=True)
    d.text(180, 282, "each reads all keys; none waits for another", "quiet")
    return d


def state():
    """Return a cache that grows beside a state that does not."""
    d = Drawing(
        "state",
        284,
        "A cache and a state",
        """A cache keeps a key and a value for each token and grows with every one; the
        query is compared with each key. A state is one matrix of d times d numbers.
        Each key and value are added to all of it, each query is multiplied by it, and
        it keeps its size.""",
    )
    d.text(84, 16, "a cache", bold=True)
    d.text(268, 16, "a state", bold=True)
    d.grid(32, 36, 8, 3, "key", cell=13)
    d.grid(82, 36, 8, 3, "value", cell=13)
    for x in (32, 82):
        d.put(
            "rect",
            x=x,
            y=140,
            width=39,
            height=13,
            fill="none",
            stroke="#48566B",
            stroke_dasharray="3 3",
        )
    d.text(76, 176, "one row more\nfor each token", "quiet")
    d.line((76, 224), (76, 202), role="query")
    d.text(76, 236, "q", "query", bold=True)
    d.text(76, 262, "meets every row", "quiet")
    d.grid(216, 66, 6, 6, cell=14)
    d.text(258, 36, "each key and value")
    d.line((258, 46), (258, 64), role="value")
    d.text(258, 168, "d × d numbers", "quiet")
    d.line((196, 108), (214, 108), role="query")
    d.text(186, 108, "q", "query", bold=True)
    d.line((302, 108), (320, 108))
    d.text(324, 108, "read", at="start")
    d.text(258, 206, "every pair is spread\nover all of them", "quiet")
    return d


def speculation():
    """Return a draft, its reading in one pass, and what is kept of it."""
    d = Drawing(
        "speculation",
        292,
        "Speculative decoding",
        """A cheap model drafts four tokens, one after the other. The expensive model
        reads all four in one pass and has its own chances at each place. The first two
        are accepted; the third is not and is drawn anew; what was drafted behind it is
        thrown away.""",
    )
    x = [92, 158, 224, 290]
    d.text(8, 34, "draft", at="start", bold=True)
    drafted = ("the", "old", "ferry", "sank")
    for k, word in enumerate(drafted):
        d.box(x[k], 18, 56, 32, word)
        if k:
            d.line((x[k] - 10, 34), (x[k], 34), head=False)
        d.line((x[k] + 28, 50), (x[k] + 28, 84))
    d.text(8, 54, "one by one", "quiet", at="start")
    d.box(88, 84, 264, 34, "the target reads all at once", bold=True)
    d.text(8, 101, "in one pass", "quiet", at="start")
    signs = ("✓", "✓", "✗", "")
    for k, sign in enumerate(signs):
        if sign:
            d.line((x[k] + 28, 118), (x[k] + 28, 140))
            d.circle(x[k] + 28, 152, 12, sign)
            d.line((x[k] + 28, 164), (x[k] + 28, 196))
    d.text(8, 152, "coin", at="start", bold=True)
    d.text(x[3] + 28, 160, "thrown\naway", "quiet")
    d.text(8, 212, "kept", at="start", bold=True)
    for k, word in enumerate(("the", "old", "boat")):
        d.box(x[k], 196, 56, 32, word, bold=k == 2)
    d.text(x[2] + 28, 252, "drawn from what the\ndraft gave too little", "quiet")
    d.text(60, 252, "three tokens\nfor one pass", "quiet")
    return d


def hybrid():
    """Return a stack of layers of which one in three reads everything."""
    d = Drawing(
        "hybrid",
        286,
        "Layers of two kinds",
        """Six layers of a hybrid. Two of them keep every key and reach back to the
        first token. The other four keep a window of a fixed size, for which a state may
        stand as well. What a text costs grows with its length in two layers of six
        only.""",
    )
    for k in range(6):
        y = 222 - 38 * k
        whole = k % 3 == 2
        d.box(8, y, 118, 28, "all keys" if whole else "window", bold=whole)
        if k < 5:
            d.line((67, y), (67, y - 10), head=False)
        d.grid(
            150,
            y + 7,
            1,
            14,
            "key",
            shade=lambda i, j, whole=whole: 0.45 if whole or j > 10 else 0.03,
        )
    d.line((67, 264), (67, 250))
    d.text(67, 274, "tokens", "quiet")
    d.text(150, 262, "first token", "quiet", at="start")
    d.text(346, 262, "newest", "quiet", at="end")
    d.text(248, 14, "keys that a layer keeps", "quiet")
    return d


ALL = (latent, pages, programs, state, speculation, hybrid)
