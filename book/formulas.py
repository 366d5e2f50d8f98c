"""The page "Formulas by name", and the names that the book's search knows it by.

    python -m book.formulas            write chapters/formulas.md from formulas.yml
    python -m book.formulas --check    say whether the page is that of today; exit 1

What a function of attnlib does is said by its docstring. In the built book each name
leads a search to the formula's place on this page and to where it is taught.
"""

import argparse
import importlib
import inspect
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import yaml
from docutils.nodes import make_id

from course.paths import ROOT

DATA = Path("chapters", "formulas.yml")
PAGE = Path("chapters", "formulas.md")
DOCUMENT = "chapters/formulas"  # as Sphinx and _toc.yml call it
COLOURS = {"Q": "#0072B2", "K": "#B34700", "V": "#00775A"}
LETTER = re.compile(r"\\([QKVqkv])(?![A-Za-z])")

START = """# Formulas by name

<!-- Made by `python -m book.formulas` from chapters/formulas.yml and the docstrings of
attnlib; change those. -->

The formulas of the course, each under all the names that it goes by: where it is
derived, and which function of `attnlib` computes it. Type any of the names into the
search. Letters: `L` queries, `S` keys, `E` features per query and key (also $d_k$),
`Ev` features per value, `H` heads, `D` features of a token (also $d$), `N` features of
a recurrent network's state; $n = L = S$. Where a loss or an error is a mean, $N$ counts
what it is taken over.
"""


def groups(root):
    """Return the groups of formulas that the data file names."""
    return yaml.safe_load((root / DATA).read_text(encoding="utf-8"))


def formulas(root):
    """Return every formula of the data file."""
    return [formula for group in groups(root) for formula in group["formulas"]]


def names(formula):
    """Return all names of a formula, its first name first, those in attnlib last.

    A name in other capitals is no other name to a search.
    """
    all_names = [formula["name"], *formula.get("also", []), *formula.get("code", [])]
    return list({name.lower(): name for name in reversed(all_names)}.values())[::-1]


# The page


def page_text(root):
    """Return the Markdown of the page."""
    parts = [START]
    for group in groups(root):
        parts.append(f"## {group['group']}\n")
        parts += [formula_text(root, formula) for formula in group["formulas"]]
    return "\n".join(parts)


def formula_text(root, formula):
    """Return the Markdown of one formula."""
    lines = [f"### {formula['name']}", ""]
    if formula.get("also"):
        lines += [f"*Also:* {', '.join(map(escaped, formula['also']))}.", ""]
    lines += [f"$$\n{coloured(formula['tex'])}\n$$", ""]
    if "says" in formula:
        lines += [formula["says"], ""]
    lines += [f"- {function_text(name)}" for name in formula.get("code", [])]
    links = [link(root, *place) for place in formula["taught"].items()]
    lines += [f"- Taught in {' and '.join(links)}.", ""]
    return "\n".join(lines)


def coloured(tex):
    r"""Return TeX with \Q, \K, \V, \q, \k, \v as letters in the colours of the book."""

    def letter(match):
        return rf"\textcolor{{{COLOURS[match[1].upper()]}}}{{{match[1]}}}"

    return LETTER.sub(letter, tex)


def function_text(name):
    """Return what a name of attnlib does, in the first paragraph of its docstring."""
    member = getattr(importlib.import_module("attnlib"), name)
    said = inspect.getdoc(member).split("\n\n")[0].replace("\n", " ")
    room = member.__module__.replace(".", "/")
    return f"`attnlib.{name}`, in `{room}.py`: {escaped(said)}"


def escaped(text):
    """Return a text that Markdown shows as it is; code in backticks stays code."""
    code = re.split(r"(`[^`]*`)", text)
    code[::2] = [re.sub(r"([\\*_\[\]<>$^|~#])", r"\\\1", part) for part in code[::2]]
    return "".join(code)


def link(root, page, heading):
    """Return a link to a section of a chapter, or to a term of the glossary."""
    if page == "glossary":
        return f'the <a href="glossary.md#{anchor(page, heading)}">glossary</a>'
    title = first_heading(root / "chapters" / f"{page}.ipynb").split(":")[0]
    address = f"{page}.ipynb#{anchor(page, heading)}"
    return f'{title}: <a href="{address}">{heading}</a>'


def anchor(page, heading):
    """Return the id that Sphinx gives to a heading or to a term."""
    return f"term-{heading}" if page == "glossary" else make_id(heading)


def first_heading(path):
    """Return the title of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] != "code")
    return re.search(r"(?m)^# (.+)$", text)[1]


# The search


def names_by_place(root):
    """Return page → id → names of the places that names of formulas lead to.

    Terms of the glossary are found as they are.
    """
    found = defaultdict(lambda: defaultdict(list))
    for formula in formulas(root) if (root / DATA).exists() else []:
        found[DOCUMENT][make_id(formula["name"])] += names(formula)
        for page, heading in formula["taught"].items():
            if page != "glossary":
                found[f"chapters/{page}"][make_id(heading)] += names(formula)
    return found


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    new = page_text(ROOT)
    if not options.check:
        (ROOT / PAGE).write_text(new, encoding="utf-8", newline="\n")
    elif (ROOT / PAGE).read_text(encoding="utf-8") != new:
        print(f"{PAGE} is not that of today: run `python -m book.formulas`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
