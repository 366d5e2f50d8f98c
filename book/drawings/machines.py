"""Where the numbers are: tiles, a ring, a cache, and networks that carry a state."""

from book.drawings.pen import Drawing


def tiles():
    """Return attention that loads one block of keys at a time."""
    d = Drawing(
        "tiles",
        376,
        "Tiles between slow and fast memory",
        """Queries, keys and values lie in the large, slow memory. A tile of queries is
        held in the small, fast one; keys and values come block by block. From each
        block a small tile of scores updates the running state, m, t and o, and is
        thrown away. The output is written once, at the end: the whole matrix of scores
        never exists.""",
    )
    d.text(180, 14, "slow memory, large", bold=True)
    d.frame(8, 26, 344, 134)
    columns = (
        (54, "Q", "query"),
        (150, "K", "key"),
        (226, "V", "value"),
        (310, "output", "value"),
    )
    for x, name, role in columns:
        d.text(x, 42, name, role, bold=True)
        for k in range(4):
            now = k == 1 and name != "output"
            d.put(
                "rect",
                x=x - 24,
                y=54 + 24 * k,
                width=48,
                height=24,
                fill="#48566B",
                fill_opacity=0.35 if now else 0.04,
                stroke="#7A8594",
            )
    d.text(180, 362, "fast memory, small", bold=True)
    d.frame(8, 214, 344, 136)
    d.box(16, 228, 76, 28, "Q tile", "query")
    d.box(112, 228, 76, 28, "K block", "key")
    d.box(192, 228, 76, 28, "V block", "value")
    d.line((54, 152), (54, 228), role="query")
    d.line((150, 152), (150, 228), role="key")
    d.line((226, 152), (226, 228), role="value")
    d.text(102, 187, "block by\nblock", "quiet")
    d.line((54, 256), (54, 290), role="query")
    d.line((150, 256), (150, 290), role="key")
    d.line((250, 256), (250, 290), role="value")
    d.box(32, 290, 136, 46, "tile of scores,\nthen forgotten")
    d.line((168, 313), (208, 313))
    d.box(208, 290, 130, 46, "running state\nm, t, o", bold=True)
    d.line((318, 290), (318, 152))
    d.text(276, 187, "once, at\nthe end", "quiet")
    return d


def ring():
    """Return four processes that pass keys and values round."""
    d = Drawing(
        "ring",
        316,
        "Ring attention",
        """Four processes stand in a ring. Each keeps its own queries and their running
        state. In each round every process sends the keys and values that it holds to
        the next one. After four rounds every query has met every key.""",
    )
    places = ((180, 8), (302, 114), (180, 220), (58, 114))
    for k, (x, y) in enumerate(places, start=1):
        d.box(x - 51, y, 102, 88)
        d.text(x, y + 15, f"process {k}", bold=True)
        d.box(x - 45, y + 28, 90, 25, f"Q{sub(k)}, state", "query")
        d.box(x - 45, y + 57, 43, 25, f"K{sub(k)}", "key", dashed=True)
        d.box(x + 2, y + 57, 43, 25, f"V{sub(k)}", "value", dashed=True)
    d.line((231, 52), (302, 52), (302, 114), width=2.4)
    d.line((302, 202), (302, 264), (231, 264), width=2.4)
    d.line((129, 264), (58, 264), (58, 202), width=2.4)
    d.line((58, 114), (58, 52), (129, 52), width=2.4)
    for x, y, k in ((294, 36, 1), (294, 282, 2), (66, 282, 3), (66, 36, 4)):
        d.text(x, y, f"K{sub(k)}, V{sub(k)}", "quiet")
    d.text(180, 158, "Q and state stay,\nK and V move on\nin each round", "quiet")
    return d


def cache():
    """Return one step of writing with a key-value cache."""
    d = Drawing(
        "cache",
        300,
        "One step with a key-value cache",
        """The newest token makes one query, one key and one value. Key and value are
        put behind those of the tokens before it, which were kept. The query is
        compared with all keys, and the values are mixed into one output. Nothing is
        computed for earlier tokens again.""",
    )
    d.text(150, 16, "the cache: kept from earlier steps", "quiet")
    d.frame(66, 28, 208, 104)
    for y, name in ((56, "key"), (104, "value")):
        d.text(60, y, f"{name}s", name, at="end", bold=True)
        for k in range(6):
            new = k == 5
            x = 72 + 40 * k + 10 * new
            text = f"{name[0]}{sub(k + 1)}"
            d.box(x, y - 17, 36, 34, text, name, bold=new, dashed=new)
    d.text(334, 80, "new", "quiet")
    d.box(262, 176, 80, 40, "token 6", bold=True)
    d.line((300, 176), (300, 122))
    d.line((262, 196), (206, 196))
    d.box(136, 180, 70, 32, "q₆", "query", bold=True)
    d.line((171, 180), (171, 132), role="query")
    d.text(178, 154, "asks all keys", "query", at="start")
    d.line((90, 132), (90, 222), role="value")
    d.text(82, 164, "mixed", "value", at="end")
    d.box(31, 222, 118, 34, "output of 6", bold=True)
    d.text(180, 282, "Only token 6 is projected in this step.", "quiet")
    return d


def rnn():
    """Return a recurrent network, unrolled over four steps."""
    d = Drawing(
        "rnn",
        212,
        "A recurrent network, step after step",
        """Each state is made from one input and from the state before it, with the
        same parameters at every step. What the last state knows of the first input has
        come through all states between them.""",
    )
    d.text(180, 16, "the same parameters at every step", "quiet")
    d.text(12, 74, "h₀", bold=True)
    for k in range(4):
        x = 72 + 80 * k
        d.line((24 if k == 0 else x - 58, 74), (x - 22, 74))
        d.line((x, 132), (x, 96))
        d.box(x - 24, 132, 48, 30, f"x{sub(k + 1)}")
        d.circle(x, 74, 22, f"h{sub(k + 1)}")
    d.text(180, 188, "from x₁ to h₄: three states in between", "quiet")
    return d


def lstm():
    """Return one step of an LSTM: the cell, and three gates."""
    d = Drawing(
        "lstm",
        308,
        "One step of an LSTM",
        """The cell c runs along the top. The forget gate f multiplies it, and the input
        gate i times the new content g is added to it: no matrix stands in its way. The
        output gate o decides how much of the cell is shown as the new state h. All four
        are made from the old state and the input.""",
    )
    d.text(8, 34, "old c", at="start", bold=True)
    d.text(352, 34, "new c", at="end", bold=True)
    d.line((10, 52), (89, 52), width=3, head=False)
    d.line((111, 52), (189, 52), width=3, head=False)
    d.line((211, 52), (352, 52), width=3)
    gates = (
        (100, "f", "keep"),
        (166, "i", "write"),
        (234, "g", "new"),
        (300, "o", "show"),
    )
    d.line((90, 268), (300, 268), head=False)
    for x, letter, does in gates:
        d.line((x, 268), (x, 220))
        d.box(x - 29, 176, 58, 44, f"{letter}\n{does}")
    d.line((100, 176), (100, 63))
    d.line((166, 176), (166, 126), (189, 126))
    d.line((234, 176), (234, 126), (211, 126))
    d.line((200, 115), (200, 63))
    d.line((300, 52), (300, 80))
    d.box(271, 80, 58, 26, "tanh")
    d.line((300, 106), (300, 127))
    d.line((300, 176), (300, 149))
    d.line((311, 138), (352, 138))
    d.text(354, 118, "new h", at="end", bold=True)
    for x, y, sign in (
        (100, 52, "×"),
        (200, 52, "+"),
        (200, 126, "×"),
        (300, 138, "×"),
    ):
        d.circle(x, y, 11, sign)
    d.box(8, 246, 82, 44, "old h,\ninput x")
    return d


def sub(k):
    """Return a number as small figures below the line."""
    return "".join(chr(ord("₀") + int(figure)) for figure in str(k))


ALL = (tiles, ring, cache, rnn, lstm)
