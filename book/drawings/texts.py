"""What a model of text reads and says: the shift, the loss, a translator, writing."""

from book.drawings.pen import Drawing


def shift():
    """Return what a language model reads and what it has to say."""
    d = Drawing(
        "shift",
        246,
        "The shift by one",
        """The model reads the letters of “the cat” but the last, and at each place has
        to say the next letter: the same text, one place later. The causal mask keeps
        each place from the letters after it, so one pass trains all six predictions.
        What stands before is always the true text, whatever the model would have
        said.""",
    )
    text = "the␣cat"
    d.text(8, 40, "reads", at="start", bold=True)
    d.text(8, 166, "says", at="start", bold=True)
    for k in range(6):
        x = 84 + 48 * k
        d.box(x - 20, 24, 40, 32, text[k])
        for earlier in range(k + 1):
            if k == 3 or earlier == k:
                strong = k == 3
                start = 84 + 48 * earlier
                d.line((start, 56), (x, 96), width=2.2 if strong else 1, head=False)
        d.line((x, 122), (x, 150), width=2.2 if k == 3 else 1.2)
        d.box(x - 20, 150, 40, 32, text[k + 1], bold=k == 3)
    d.box(60, 96, 288, 26, "model, with a causal mask")
    d.text(180, 216, "At place 4 it reads “the␣” and has to say “c”.", "quiet")
    return d


def cross_entropy():
    """Return the way from a vector to the loss."""
    d = Drawing(
        "cross_entropy",
        384,
        "From a vector to the loss",
        """A linear map makes one logit for each possible next character. Softmax turns
        the logits into probabilities. The loss looks at a single one of them, that of
        the character that really came, and is minus its logarithm.""",
    )
    d.box(30, 10, 160, 30, "vector of a token")
    d.line((110, 40), (110, 56))
    d.box(30, 56, 160, 30, "linear map")
    d.line((110, 86), (110, 100))
    bars((d, 152), (14, -12, 30, 8, -20))
    d.text(206, 140, "logits z, one for\neach character", at="start")
    d.line((110, 176), (110, 192))
    d.box(30, 192, 160, 30, "softmax")
    d.line((110, 222), (110, 236))
    bars((d, 290), (14, 4, 36, 10, 3))
    d.text(206, 258, "probabilities,\ntogether 1", at="start")
    d.text(206, 306, "what came: y", at="start", bold=True)
    d.line((202, 306), (128, 306), head=False, dashed=True)
    d.line((128, 292), (128, 330))
    d.box(30, 330, 160, 42, "loss: −ln of\nthis probability", bold=True)
    return d


def bars(place, heights):
    """Draw five bars that stand on a line."""
    d, base = place
    for k, height in enumerate(heights):
        d.put(
            "rect",
            x=50 + 26 * k - 10,
            y=base - max(height, 0),
            width=20,
            height=abs(height),
            fill="#48566B",
            fill_opacity=0.7 if k == 3 else 0.25,
            stroke="#48566B",
        )
    d.line((34, base), (174, base), head=False)


def translator():
    """Return an encoder and a decoder that asks it."""
    d = Drawing(
        "translator",
        360,
        "An encoder, and a decoder that asks it",
        """The encoder reads the whole date, without a mask. The decoder reads what it
        has written so far, under a causal mask, and asks the encoder by
        cross-attention: its queries come from the decoder, keys and values from the
        encoder. It says the next character, which is then put behind what it has
        written.""",
    )
    d.text(86, 16, "encoder", bold=True)
    d.text(266, 16, "decoder", bold=True)
    d.box(16, 30, 140, 32, "5 March 2024")
    d.line((86, 62), (86, 90))
    d.box(16, 90, 140, 46, "self-attention,\nno mask")
    d.line((86, 136), (86, 170))
    d.box(16, 170, 140, 32, "MLP")
    d.box(196, 30, 140, 32, "2024-0")
    d.line((266, 62), (266, 90))
    d.box(196, 90, 140, 46, "self-attention,\ncausal mask")
    d.line((266, 136), (266, 170), role="query")
    d.text(272, 154, "queries", "query", at="start")
    d.box(196, 170, 140, 32, "cross-attention", bold=True)
    d.line((266, 202), (266, 226))
    d.box(196, 226, 140, 32, "MLP")
    d.line((266, 258), (266, 290))
    d.box(216, 290, 100, 32, "next: 3", bold=True)
    d.line((156, 180), (196, 180), role="key")
    d.text(176, 162, "keys", "key")
    d.line((156, 192), (196, 192), role="value")
    d.text(176, 212, "values", "value")
    d.line((316, 306), (350, 306), (350, 46), (336, 46), dashed=True)
    d.text(180, 342, "Each step writes one character.", "quiet")
    return d


def patches():
    """Return an image that is cut into tokens."""
    d = Drawing(
        "patches",
        262,
        "Patches as tokens",
        """An image of 8 times 8 pixels is cut into 16 patches of 2 times 2 pixels. Each
        patch is a token: a vector, with one for its place added. They go through a
        block without a mask, and the mean of all tokens is read as one of ten
        digits.""",
    )
    d.text(74, 16, "8 × 8 pixels", "quiet")
    ink = ("..1111..", ".1....1.", "......1.", "....11..", "......1.", "......1.")
    dots = (*ink, ".1....1.", "..1111..")
    d.grid(18, 30, 8, 8, shade=lambda i, j: 0.6 * (dots[i][j] == "1"))
    for k in range(1, 4):
        for ends in (
            ((18, 30 + 28 * k), (130, 30 + 28 * k)),
            ((18 + 28 * k, 30), (18 + 28 * k, 142)),
        ):
            d.line(*ends, role="ink", width=2.4, head=False)
    d.line((132, 86), (160, 86))
    d.text(262, 16, "16 tokens", "quiet")
    for k in range(16):
        d.put(
            "rect",
            x=166 + 12 * k,
            y=68,
            width=9,
            height=36,
            fill="#EEF1F4",
            stroke="#48566B",
        )
    d.text(262, 48, "4 pixels each, + place", "quiet")
    d.line((262, 106), (262, 124))
    d.box(166, 124, 189, 32, "block, no mask", bold=True)
    d.line((262, 156), (262, 174))
    d.box(166, 174, 189, 32, "mean of the tokens")
    d.line((262, 206), (262, 224))
    d.text(262, 238, "one of ten digits", bold=True)
    return d


def writing():
    """Return the loop in which a language model writes."""
    d = Drawing(
        "writing",
        392,
        "How a language model writes",
        """The text is cut into tokens, each token becomes a vector, and 30 blocks turn
        these into other vectors. The last one is compared with the vectors of all
        tokens: logits, which softmax turns into chances. One token is chosen and put
        behind the text, and all begins again.""",
    )
    steps = (
        ("the text so far", True),
        ("tokens: numbers", False),
        ("vectors (L, 576)", False),
        ("30 blocks", True),
        ("logits (49,152)", False),
        ("softmax: chances", False),
        ("one token", True),
    )
    for k, (text, bold) in enumerate(steps):
        y = 10 + 54 * k
        d.box(20, y, 160, 32, text, bold=bold)
        if k < len(steps) - 1:
            d.line((100, y + 32), (100, y + 54))
    said = (
        "",
        "tokenizer",
        "table of tokens",
        "attention and MLP",
        "last vector, table",
        "temperature",
        "",
    )
    for k, text in enumerate(said):
        d.text(190, 26 + 54 * k, text, "quiet", at="start")
    d.line((180, 350), (334, 350), (334, 26), (180, 26), dashed=True)
    d.text(262, 372, "put behind the text", "quiet")
    return d


ALL = (shift, cross_entropy, translator, patches, writing)
