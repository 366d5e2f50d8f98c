"""A pen: boxes, texts, arrows and grids, and the plain SVG that they make.

Colours are written plainly, so that the file can be seen anywhere; book.css exchanges
them for those of the page's theme. A drawing is 360 units wide, as a phone is: what
can be read there can be read everywhere.
"""

import html
import math

from attnlib.plotting import COLORS

WIDTH = 360
SIZE = 13  # of a text; at 360 pixels a page leaves 328 for the drawing
COLOURS = COLORS | {
    "ink": "#222832",
    "quiet": "#48566B",
    "line": "#7A8594",
    "panel": "#EEF1F4",
    "ground": "#FFFFFF",
}
HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" class="drawing" viewBox="0 0 {width} {height}" \
width="432" height="{shown:.0f}" role="img" \
aria-labelledby="drawing-{name}-title drawing-{name}-desc" \
font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" \
font-size="{size}" text-anchor="middle">
<title id="drawing-{name}-title">{title}</title>
<desc id="drawing-{name}-desc">{says}</desc>
<rect width="{width}" height="{height}" rx="8" fill="{ground}"/>
"""


class Drawing:
    """A drawing of one structure: its name, its title, and in `says` what it shows."""

    def __init__(self, name, height, title, says):
        self.name, self.height, self.title = name, height, title
        self.says = " ".join(says.split())
        self.parts, self.texts, self.boxes = [], [], []

    def svg(self):
        """Return the file's text."""
        head = HEAD.format(
            name=self.name,
            title=html.escape(self.title, quote=False),
            says=html.escape(self.says, quote=False),
            width=WIDTH,
            height=self.height,
            shown=1.2 * self.height,
            size=SIZE,
            ground=COLOURS["ground"],
        )
        return head + "\n".join(self.parts) + "\n</svg>\n"

    def put(self, tag, **attributes):
        """Add an element; `_` in a name stands for `-`, None leaves it out."""
        said = "".join(
            f' {name.replace("_", "-")}="{number(value)}"'
            for name, value in attributes.items()
            if value is not None
        )
        self.parts.append(f"<{tag}{said}/>")

    def text(self, x, y, text, role="ink", *, at="middle", bold=False):
        """Write lines of text, centred on the height y; `at` start, middle or end."""
        if not text:
            return
        lines = text.split("\n")
        step = 1.25 * SIZE
        top = y - step * (len(lines) - 1) / 2
        anchor = "" if at == "middle" else f' text-anchor="{at}"'
        weight = ' font-weight="700"' if bold else ""
        for k, line in enumerate(lines):
            place = top + k * step
            self.texts.append((x, place, line, at, bold))
            self.parts.append(
                f'<text x="{number(x)}" y="{number(place + 0.35 * SIZE)}" '
                f'fill="{COLOURS[role]}"{anchor}{weight}>'
                f"{html.escape(line, quote=False)}</text>"
            )

    def box(self, x, y, width, height, text="", role="line", **options):
        """Draw a box with a text in it, tinted in the colour of its role."""
        bold, dashed = options.get("bold", False), options.get("dashed", False)
        plain = role == "line"
        self.put(
            "rect",
            x=x,
            y=y,
            width=width,
            height=height,
            rx=options.get("round", 5),
            fill=COLOURS["panel" if plain else role],
            fill_opacity=None if plain else 0.1,
            stroke=COLOURS[role],
            stroke_width=1.5,
            stroke_dasharray="4 3" if dashed else None,
        )
        if text:
            self.boxes.append((width, height, text, bold))
            self.text(x + width / 2, y + height / 2, text, bold=bold)

    def frame(self, x, y, width, height):
        """Draw a dashed line round what belongs together."""
        self.put(
            "rect",
            x=x,
            y=y,
            width=width,
            height=height,
            rx=8,
            fill="none",
            stroke=COLOURS["line"],
            stroke_dasharray="5 4",
        )

    def line(self, *points, role="quiet", width=1.6, dashed=False, head=True):
        """Draw a line through points, with an arrow's head at its end."""
        points = [*points]
        if head:
            (x0, y0), (x1, y1) = points[-2:]
            length = math.hypot(x1 - x0, y1 - y0)
            dx, dy = (x1 - x0) / length, (y1 - y0) / length
            size = 6 + width
            back = x1 - size * dx, y1 - size * dy
            half = size / 2
            tip = [
                (x1, y1),
                (back[0] - half * dy, back[1] + half * dx),
                (back[0] + half * dy, back[1] - half * dx),
            ]
            points[-1] = back
        self.put(
            "path",
            d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in points),
            fill="none",
            stroke=COLOURS[role],
            stroke_width=width,
            stroke_dasharray="4 3" if dashed else None,
            stroke_linejoin="round",
        )
        if head:
            self.put(
                "path",
                d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in tip) + "Z",
                fill=COLOURS[role],
            )

    def circle(self, x, y, radius, text="", role="line", *, bold=True):
        """Draw a circle with a sign in it."""
        self.put(
            "circle",
            cx=x,
            cy=y,
            r=radius,
            fill=COLOURS["ground"],
            stroke=COLOURS["quiet" if role == "line" else role],
            stroke_width=1.5,
        )
        self.text(x, y, text, bold=bold)

    def grid(self, x, y, rows, columns, role="line", *, cell=14, shade=None):
        """Draw a matrix of cells; `shade(i, j)` says how dark each is, from 0 to 1."""
        for i in range(rows):
            for j in range(columns):
                dark = 0.14 if shade is None else shade(i, j)
                self.put(
                    "rect",
                    x=x + j * cell,
                    y=y + i * cell,
                    width=cell,
                    height=cell,
                    fill=COLOURS["quiet" if role == "line" else role],
                    fill_opacity=dark,
                    stroke=COLOURS[role],
                )


def number(value):
    """Return a number as short as it can be written; a text stays as it is."""
    return value if isinstance(value, str) else f"{round(value, 2):g}"
