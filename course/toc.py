"""What the book holds, in which order, and its settings: _toc.yml and _config.yml."""

import re

import yaml

from course.paths import CHAPTERS, ROOT


def config(root=ROOT):
    """Return the book's settings."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def pages(root=ROOT):
    """Return every page of _toc.yml, without its ending, in reading order."""
    return list(named(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))))


def named(node):
    """Yield the pages named in a part of _toc.yml, from the top down."""
    if name := node.get("root") or node.get("file"):
        yield name
    for branch in ("parts", "chapters", "sections"):
        for part in node.get(branch, []):
            yield from named(part)


def notebooks():
    """Return the paths of the notebooks that are written here, in reading order.

    The exercises' notebooks are left out: they are made from their sources.
    """
    paths = (ROOT / f"{page}.ipynb" for page in pages())
    return [path for path in paths if path.exists() and path.parent == CHAPTERS]


def chapters():
    """Return those of them that are chapters, with questions and exercises."""
    return [path for path in notebooks() if is_chapter(path)]


def is_chapter(path):
    """Whether a notebook is a chapter: its name begins with a number."""
    return re.match(r"\d\d_", path.name) is not None


def stands_alone(path):
    """Whether a notebook is a chapter, or an "In depth"."""
    return is_chapter(path) or goes_deeper(path) is not None


def goes_deeper(path):
    """Return the number of the chapter, two digits, that an "In depth" is part of."""
    found = re.match(r"in_depth_(\d\d)_", path.name)
    return found and found[1]
