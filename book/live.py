"""The live figures of the built book: their boxes, and the scripts that draw them.

Modules do not load from a folder, so the figures' ES modules become a plain script that
leaves them in `window.attnFigures`.
"""

import re

from docutils import nodes

from course.paths import ROOT

BOX = re.compile(
    r'<div class="attn-live" data-figure="(\w+)" data-state="[^"]*">.*</table></div>',
    re.S,
)
COPY = re.compile(
    r'<div class="attn-copy" data-from="(\w+)" data-figure="(\w+)"></div>'
)
COMMENT = re.compile(r"^[ \t]*(?:/\*\*.*?\*/|//.*?)[ \t]*\n", re.S | re.M)
INDENT = re.compile(r"^[ \t]+", re.M)
WIDGETS = ROOT / "attnlib" / "widgets"
EXPORT = "export default { render, numbers };"


def source(name):
    """Return the text of a file of the figures."""
    return (WIDGETS / name).read_text(encoding="utf-8")


def plain_script(names):
    """Return the modules of these figures as one script, each in a block."""
    blocks = "".join(f"{{\n{figure_block(name)}}}\n" for name in names)
    text = f'(function () {{\n"use strict";\n{source("common.js")}{blocks}}})();\n'
    return slim(text)


def slim(text):
    """Leave out indentation and lines of comments: a page has no use for them."""
    return INDENT.sub("", COMMENT.sub("", text))


def figure_block(name):
    """Return a figure's own file, its export turned into an entry of attnFigures."""
    text = source(f"{name}.js")
    if text.count("export ") != 1 or not text.rstrip().endswith(EXPORT):
        raise ValueError(f"{name}.js must end with `{EXPORT}`, its only export")
    kept = f"(window.attnFigures ??= {{}}).{name} = {{ render, numbers }};"
    return text.replace(EXPORT, kept)


def boxes(doctree):
    """Yield (name, box) of each live figure, as the cells of the page wrote it."""
    for node in doctree.findall(nodes.raw):
        text = node.astext()
        if match := BOX.fullmatch(text.strip()):
            yield match[1], match[0]
        elif 'class="attn-live"' in text:
            raise ValueError(f"a live figure stands beside other HTML: {text[:80]}")


def box_of(doctree, chapter, figure):
    """Return a chapter's first box of a figure; ValueError where there is none."""
    for name, box in boxes(doctree):
        if name == figure:
            return box
    raise ValueError(f"{chapter} has no live figure {figure}")


def script_name(figures):
    """Return the file's name of the script that draws these figures."""
    return "-".join(sorted(figures)) + ".js"


def write(folder, sets):
    """Write the style of the figures, and a script for each set of figures."""
    folder.mkdir()
    (folder / "live.css").write_text(source("live.css"), encoding="utf-8")
    for figures in sets:
        text = plain_script(sorted(figures))
        (folder / script_name(figures)).write_text(text, encoding="utf-8")
