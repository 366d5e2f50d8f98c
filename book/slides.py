"""Make slides of a chapter, for a teacher: python -m book.slides 01_intuition.

They open without a network: _build/slides/01_intuition.html. Headings, formulas,
tables, lists, questions and figures are shown; the other prose is in the speaker's
notes (key S). What a cell prints comes one key press after its code, so that the room
can predict it; a figure stands alone, with its code in the notes.
"""

import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter

from course.paths import ROOT

OUT = ROOT / "_build" / "slides"
LOADED = {
    "reveal": "book/templates/slides/vendor/reveal",
    "mathjax": "book/templates/slides/vendor/mathjax",
    "drawings": "chapters/drawings",
}
QUESTION = "**Before you run it"
LAST = re.compile(r"## (Exercises|Sources|What this chapter did not show)")
HEADING = re.compile(r"#{1,6} ")
SHOWN = re.compile(
    r"#{1,6} "  # a heading
    r"|\$\$"  # a formula
    r"|\|"  # a table
    r"|[-*] |\d+\. "  # a list
    r"|> "  # a rule
    r"|!\["  # a picture
    r"|</?details|<summary|<div|<img|<svg|```"
    r"|\*\*Step"
)
WHOLE = {"```": "```", "$$": "$$", "<details>": "</details>"}


def blocks(markdown):
    """Yield the paragraphs of a text; fences, formulas and answers stay whole."""
    held, ends = [], None
    for block in re.split(r"\n{2,}", markdown.strip()):
        held.append(block)
        if ends is None:
            ends = next((e for s, e in WHOLE.items() if block.startswith(s)), None)
        if ends is None or block.rstrip().endswith(ends):
            yield "\n\n".join(held)
            held, ends = [], None
    if held:
        yield "\n\n".join(held)


def cells_of(text):
    """Yield (kind of slide, text) for a cell of prose."""
    for block in blocks(text):
        if HEADING.match(block):
            heading, _, rest = block.partition("\n")
            yield "slide" if heading.startswith("## ") else "subslide", heading
            yield from cells_of(rest) if rest.strip() else ()
        else:
            shown = SHOWN.match(block) or QUESTION in block
            yield "-" if shown else "notes", block


def as_slides(notebook):
    """Return a chapter as a notebook whose cells say what they are in the slides."""
    made = nbformat.v4.new_notebook(metadata=notebook.metadata)
    made.metadata.pop("widgets", None)
    after = None  # what stands last on the slide: "question", "output" or other text
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if LAST.match(cell.source):
                break
            for kind, text in cells_of(cell.source):
                if kind == "-" and after == "output":
                    kind = "subslide"
                made.cells.append(marked(nbformat.v4.new_markdown_cell(text), kind))
                if kind != "notes":
                    after = "question" if QUESTION in text else "text"
        elif "remove-cell" not in cell.metadata.get("tags", []):
            kind = "-" if after == "question" else "subslide"
            made.cells += pictured(cell) if is_picture(cell) else printed(cell, kind)
            after = "output"
    return made


def is_picture(cell):
    """Say whether a cell gives a figure or a box, which wants a slide of its own."""
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    return any(kind.startswith("image/") or kind == "text/html" for kind in kinds)


def pictured(cell):
    """Return the slide of a figure; its code is in the notes."""
    code = nbformat.v4.new_markdown_cell(f"```python\n{cell.source}\n```")
    return [output_of(cell, "subslide"), marked(code, "notes")]


def printed(cell, kind):
    """Return a cell's code and, on the next key press, what it prints."""
    code = marked(nbformat.v4.new_code_cell(cell.source), kind)
    return [code, output_of(cell, "fragment")] if cell.outputs else [code]


def output_of(cell, kind):
    """Return what a cell gave, without its code."""
    alone = marked(nbformat.v4.new_code_cell("", outputs=cell.outputs), kind)
    alone.metadata["transient"] = {"remove_source": True}  # the name is nbconvert's
    return alone


def marked(cell, kind):
    """Return a cell marked as a slide, subslide, fragment, notes or none ("-")."""
    cell.metadata["slideshow"] = {"slide_type": kind}
    return cell


def write(chapter, out=OUT):
    """Write the slides of a chapter and what they load; return the file."""
    source = ROOT / "chapters" / f"{Path(chapter).stem}.ipynb"
    if not source.is_file():
        known = ", ".join(p.stem for p in sorted(source.parent.glob("[0-9]*.ipynb")))
        raise SystemExit(f"there is no chapter {chapter!r}; name one of {known}")
    exporter = SlidesExporter(
        template_name="slides",
        extra_template_basedirs=[str(ROOT / "book" / "templates")],
        reveal_url_prefix="reveal",
        reveal_theme="serif",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    page, _ = exporter.from_notebook_node(as_slides(nbformat.read(source, 4)))
    out.mkdir(parents=True, exist_ok=True)
    for name, folder in LOADED.items():
        shutil.copytree(ROOT / folder, out / name, dirs_exist_ok=True)
    (out / f"{source.stem}.html").write_text(page, encoding="utf-8")
    return out / f"{source.stem}.html"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("name a chapter: make slides CHAPTER=01_intuition")
    print(write(sys.argv[1]))
