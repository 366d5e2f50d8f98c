"""Look for solutions where students read: assignments and the built book.

    python -m grading.leaks [--book _build/html]

Secret are the lines of the solutions and the code of the checkers, with the cases that
they draw, but for trivial lines and for those that the chapters show anyway. They must
stand in no release, no page, no `_sources`; no rare name of theirs in the search index.
"""

import argparse
import html
import json
import re
import sys
from pathlib import Path

from course import notebooks
from course.marks import BEGIN, END, parts
from course.paths import ASSIGNMENTS, ROOT, SOURCES

LEAST = 16  # characters of a line that says something
NAME = re.compile(r"(?=\w{8})[A-Za-z]\w*_\w+")  # of a variable, and of no chapter
TEXTS = {".html", ".ipynb", ".js", ".json", ".md", ".py", ".rst", ".txt"}


def leaks(root=ROOT, sources=SOURCES, assignments=ASSIGNMENTS, book=None):
    """Return what is shown and must not be, one sentence each."""
    lines, words = secrets(root, sources, assignments)
    found = []
    for folder in [assignments, *([book] if book else [])]:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in TEXTS or "_static" in path.parts:
                continue
            text = readable(path)
            seen = lines & set(squeezed(text))
            if BEGIN in text or END in text:
                seen.add(BEGIN)
            if path.name == "searchindex.js":
                seen |= {word for word in words if stem(word) in text}
            place = path.relative_to(folder.parent)
            found += [f"{place} shows {line!r}" for line in sorted(seen)]
    return found


def secrets(root, sources, assignments):
    """Return the secret lines, and the rare words of the solutions."""
    hidden, shown = [], []
    for path in sorted(sources.glob("*.ipynb")):
        for cell in notebooks.read(path).cells:
            inside, outside = split(cell.source)
            hidden += inside
            shown += outside
    words = set(NAME.findall("\n".join(hidden)))
    for path in sorted((root / "attnlib" / "exercises").glob("ch*.py")):
        hidden += path.read_text(encoding="utf-8").split("\n")
    chapters = [p for s in ("*.ipynb", "*.md") for p in (root / "chapters").glob(s)]
    public = "\n".join([*shown, *map(readable, chapters)])
    lines = {line for line in squeezed("\n".join(hidden)) if len(line) >= LEAST}
    rare = {word for word in words if stem(word) not in public.lower()}
    return lines - set(squeezed(public)), rare


def split(source):
    """Return the lines of a cell within its solution, and those outside."""
    lines = list(parts(source))
    inside = [line for part, line in lines if part == "inside"]
    return inside, [line for part, line in lines if part == "outside"]


def squeezed(text):
    """Return the lines of a text, with single spaces."""
    return [" ".join(line.split()) for line in text.split("\n")]


def stem(word):
    """Return what the search index keeps of a word at least."""
    return word.lower()[: max(7, len(word) - 3)]


def readable(path):
    """Return what a reader of a file sees: cells and outputs, or text without tags."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".ipynb":
        return "\n".join(map(text_of_cell, json.loads(text)["cells"]))
    if path.suffix == ".html":
        return html.unescape(re.sub(r"<[^>]*>", "", text))
    return text


def text_of_cell(cell):
    """Return the source of a cell and all text of its outputs, metadata included."""
    parts = [joined(cell["source"]), json.dumps(cell["metadata"])]
    for output in cell.get("outputs", []):
        data = {**output, **output.get("data", {})}
        parts += [joined(data.get(key, "")) for key in ("text", "text/plain", "evalue")]
        parts += [
            joined(data.get("text/html", "")),
            "\n".join(data.get("traceback", [])),
        ]
    return "\n".join(parts)


def joined(text):
    """Return a text that may be stored as a list of lines."""
    return text if isinstance(text, str) else "".join(text)


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--book", type=Path, help="folder of the built pages")
    chosen = parser.parse_args(arguments)
    if chosen.book and not chosen.book.is_dir():
        parser.error(f"there is no folder {chosen.book}: make book")
    found = leaks(book=chosen.book)
    print("\n".join(found) or "no solution is shown")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
