"""The drawings: stored as drawn, shown once each, told in words, legible on a phone."""

import re
from itertools import combinations

import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from book.drawings import FOLDER, drawings
from book.drawings.pen import COLOURS, SIZE, WIDTH, Drawing
from course import notebooks, toc
from course.paths import STATIC

ALL = drawings()
PHONE = 328  # pixels that a page of 360 leaves for a drawing
IMAGE = re.compile(r"!\[([^\]]*)\]\(drawings/(\w+)\.svg\)")


def named(drawing):
    return drawing.name


# --------------------------------------------------------------- stored and shown


def test_they_are_stored_as_they_are_drawn():
    """If not: python -m book.drawings."""
    stored = {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}
    assert stored == {f"{drawing.name}.svg": drawing.svg() for drawing in ALL}


def shown():
    """Yield (chapter, alt text, name, code follows) for each drawing in a notebook."""
    for path in toc.notebooks():
        cells = notebooks.read(path).cells
        code = [k for k, cell in enumerate(cells) if cell.cell_type == "code"]
        for k, cell in enumerate(cells):
            if cell.cell_type == "markdown":
                for alt, name in IMAGE.findall(cell.source):
                    yield path.stem, alt, name, k < code[-1]


def test_each_stands_once_before_code_and_is_told_in_words():
    told = {name: alt for _, alt, name, _ in shown()}
    assert told == {drawing.name: drawing.says for drawing in ALL}
    assert len([*shown()]) == len(ALL) >= 14
    assert all(code_follows for *_, code_follows in shown())
    assert all(80 < len(drawing.says) < 450 for drawing in ALL)


def test_the_book_shows_them_in_its_pages(book):
    """As elements, which follow the page's theme; no file is loaded for them."""
    for chapter, _, name, _ in shown():
        page = (book / "chapters" / f"{chapter}.html").read_text(encoding="utf-8")
        start = f'aria-labelledby="drawing-{name}-title drawing-{name}-desc"'
        assert page.count(start) == 1
        assert page.count(f'<desc id="drawing-{name}-desc">') == 1
        assert not (book / "_images" / f"{name}.svg").exists()


# ------------------------------------------------------------------------- legible


def edges(text):
    """Return left, top, right and bottom of a text, in the wide DejaVu Sans."""
    x, y, words, at, bold = text
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    width = TextPath((0, 0), words, size=SIZE, prop=font).get_extents().width
    left = x - {"start": 0, "middle": width / 2, "end": width}[at]
    return left, y - 0.42 * SIZE, left + width, y + 0.42 * SIZE


def faults(drawing):
    """Yield what is cut off, too wide for its box, or written over another text."""
    placed = [(text[2], edges(text)) for text in drawing.texts]
    for words, (left, top, right, bottom) in placed:
        if min(left, top) < 2 or right > WIDTH - 2 or bottom > drawing.height - 2:
            yield f"{words} is cut off"
    for (words, a), (others, b) in combinations(placed, 2):
        if max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3]):
            yield f"{words} is written over {others}"
    for width, height, text, bold in drawing.boxes:
        for line in text.split("\n"):
            left, _, right, _ = edges((0, 0, line, "start", bold))
            if right - left > width - 4:
                yield f"{line} is too wide for its box"
        if 1.25 * SIZE * (text.count("\n") + 1) > height:
            yield f"{text} is too high for its box"


@pytest.mark.parametrize("drawing", ALL, ids=named)
def test_no_text_is_cut_off_or_written_over(drawing):
    assert [*faults(drawing)] == []


def test_the_smallest_text_can_be_read_on_a_phone():
    assert SIZE * PHONE / WIDTH >= 11
    sizes = {size for d in ALL for size in re.findall(r'font-size="(\d+)"', d.svg())}
    assert sizes == {str(SIZE)}


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda d: d.text(350, 50, "beyond"), "beyond is cut off"),
        (lambda d: d.text(180, 98, "below"), "below is cut off"),
        (lambda d: d.box(9, 9, 30, 30, "too wide"), "too wide is too wide for its box"),
        (lambda d: d.box(9, 9, 90, 20, "a\nb"), "a\nb is too high for its box"),
        (
            lambda d: (d.text(90, 50, "one"), d.text(99, 55, "two")),
            "one is written over",
        ),
    ],
)
def test_a_fault_is_found(draw, said):
    drawing = Drawing("x", 100, "x", "x")
    draw(drawing)
    assert any(found.startswith(said) for found in faults(drawing))


# ------------------------------------------------------------------------- colours


def test_the_style_of_the_book_knows_every_colour():
    """Each colour that is drawn is exchanged for one of the page's theme."""
    css = (STATIC / "book.css").read_text(encoding="utf-8")
    known = {*re.findall(r'svg\.drawing \[((?:fill|stroke)="#\w{6}")\]', css)}
    drawn = {
        use
        for drawing in ALL
        for use in re.findall(r'(?<![\w-])(?:fill|stroke)="#\w{6}"', drawing.svg())
    }
    assert drawn == known


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def over(colour, share, ground):
    """Return a colour laid thinly over another."""
    mixed = (
        round(
            share * int(colour[k : k + 2], 16)
            + (1 - share) * int(ground[k : k + 2], 16)
        )
        for k in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def test_texts_and_lines_stand_out_from_their_ground():
    """WCAG AA: 4.5 for texts, 3 for lines; a drawing elsewhere has a light ground."""
    grounds = [COLOURS["ground"], COLOURS["panel"]]
    tints = [over(COLOURS[r], 0.1, "#FFFFFF") for r in ("query", "key", "value")]
    for ground in grounds:
        for role in ("ink", "quiet", "query", "key", "value"):
            assert contrast(COLOURS[role], ground) >= 4.5
        assert contrast(COLOURS["line"], ground) >= 3
    assert all(contrast(COLOURS["ink"], tint) >= 4.5 for tint in tints)
    marked = over(COLOURS["quiet"], 0.3, COLOURS["ground"])  # a cell of the mask
    assert contrast(COLOURS["ink"], marked) >= 4.5
