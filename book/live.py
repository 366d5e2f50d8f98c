"""Give the built book its live figures: script and style where a page has one.

Modules do not load from a folder, so the figures' ES modules become a plain script that
leaves them in `window.attnFigures`.
"""

import re

from course.paths import ROOT

BOX = re.compile(r'<div class="attn-live" data-figure="(\w+)" data-state="[^"]*">')
COPY = re.compile(
    r'<div class="attn-copy" data-from="(\w+)" data-figure="(\w+)"></div>'
)
WIDGETS = ROOT / "attnlib" / "widgets"
EXPORT = "export default { render, numbers };"


def source(name):
    """Return the text of a file of the figures."""
    return (WIDGETS / name).read_text(encoding="utf-8")


def plain_script(names):
    """Return the modules of these figures as one script, each in a block."""
    blocks = "".join(f"{{\n{figure_block(name)}}}\n" for name in names)
    return f'(function () {{\n"use strict";\n{source("common.js")}{blocks}}})();\n'


def figure_block(name):
    """Return a figure's own file, its export turned into an entry of attnFigures."""
    text = source(f"{name}.js")
    if text.count("export ") != 1 or not text.rstrip().endswith(EXPORT):
        raise ValueError(f"{name}.js must end with `{EXPORT}`, its only export")
    kept = f"(window.attnFigures ??= {{}}).{name} = {{ render, numbers }};"
    return text.replace(EXPORT, kept)


def whole_box(text, start):
    """Return the text of the box that starts at `start`, up to its own </div>."""
    depth = 0
    for tag in re.compile(r"<(/?)div\b").finditer(text, start):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return text[start : text.index(">", tag.end()) + 1]
    raise ValueError("a live figure's box is not closed")


def fill_copies(text, folder):
    """Put a chapter's figure where a page asks for it: the very same box."""

    def box(match):
        page = folder / f"{match[1]}.html"
        if not page.exists():
            raise ValueError(f"a live figure of {match[1]} is asked for: no such page")
        chapter = page.read_text(encoding="utf-8")
        for found in BOX.finditer(chapter):
            if found[1] == match[2]:  # the first one of that name
                return whole_box(chapter, found.start())
        raise ValueError(f"{match[1]} has no live figure {match[2]}")

    return COPY.sub(box, text)


def add_figures(built):
    """Write the figures' files below `built`; name them in the pages with figures."""
    folder = built / "_static" / "figures"
    folder.mkdir()
    (folder / "live.css").write_text(source("live.css"), encoding="utf-8")
    for page in sorted(built.glob("chapters/**/*.html")):
        old = page.read_text(encoding="utf-8")
        text = fill_copies(old, built / "chapters")
        names = sorted({match[1] for match in BOX.finditer(text)})
        if not names:
            continue
        script = "-".join(names) + ".js"
        (folder / script).write_text(plain_script(names), encoding="utf-8")
        up = "../" * len(page.relative_to(built).parents[:-1])
        page.write_text(text.replace("</head>", tags(script, up), 1), encoding="utf-8")


def tags(script, up):
    """Return the end of a page's head that loads its figures, and then the host."""
    return (
        f'<link rel="stylesheet" href="{up}_static/figures/live.css">\n'
        f'<script defer src="{up}_static/figures/{script}"></script>\n'
        f'<script defer src="{up}_static/live_host.js"></script>\n</head>'
    )
