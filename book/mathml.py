"""Set formulas as MathML while the book is built: in the page they need no script.

latex2mathml writes a formula's structure; the space that TeX puts around the names of
functions is added here. What it does not know stops the build, with page and formula.
"""

import html
import itertools
import re
import xml.etree.ElementTree as ET

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError

SPACE = "http://www.w3.org/1998/Math/MathML"
FUNCTION = re.compile(r"[A-Za-z]{2,}")  # softmax, ln, max
OPENS = tuple("([{|‖⌊⌈")
CLOSES = tuple(")]}|‖⌋⌉!′")
WORD_JOINER = "\u2060"  # a full stop or a bracket stays on the formula's line
PUNCTUATION = tuple(".,;:!?)]’”")

ET.register_namespace("", SPACE)


def mathml(tex, display="inline"):
    """Return the MathML of a formula in TeX; raise ValueError where it is not known."""
    signs = re.sub(r"\\[{}]", "", tex)
    if signs.count("{") != signs.count("}"):
        raise ValueError(f"a brace has no partner in the formula {tex!r}")
    try:
        formula = ET.fromstring(convert(tex.strip(), display=display))
    except Exception as wrong:  # latex2mathml has a dozen kinds
        raise ValueError(f"{type(wrong).__name__} in the formula {tex!r}") from wrong
    for element in list(formula.iter()):
        if "\\" in (element.text or ""):
            raise ValueError(f"{element.text} is not known, in the formula {tex!r}")
        if len(element) != PARTS.get(element.tag, len(element)):
            raise ValueError(f"something is missing in the formula {tex!r}")
        if element.tag not in PARTS:
            space_functions(element)
            space_signs(element)
        if element.text == "/":  # close to both sides, as TeX has it
            element.attrib |= {"lspace": "0", "rspace": "0"}
    return ET.tostring(formula, encoding="unicode")


def space_functions(row):
    """Put TeX's thin space around the named functions of a row."""
    for place, part in reversed([*enumerate(row)]):
        name = next(iter(part), part)  # of max with j below it: max
        if (part is not name and part.tag not in PARTS) or not is_function(name):
            continue
        name.tag = tag("mi")
        behind = row[place + 1] if place + 1 < len(row) else None
        before = row[place - 1] if place else None
        if behind is not None and not first(behind).startswith(OPENS):
            row.insert(place + 1, ET.Element(tag("mspace"), width="0.167em"))
        if before is not None and before.tag != tag("mo"):
            row.insert(place, ET.Element(tag("mspace"), width="0.167em"))


def space_signs(row):
    """Put a sign of one number close to it, also behind a comma: 0, -2."""
    for before, part in itertools.pairwise(row):
        follows = before.tag == tag("mo") and not first(before).endswith(CLOSES)
        if follows and part.tag == tag("mo") and part.text in ("−", "+"):
            part.attrib["form"] = "prefix"


def tag(name):
    """Return the name of a MathML element as the parser writes it."""
    return f"{{{SPACE}}}{name}"


PARTS = {tag(name): 2 for name in ("mfrac", "msub", "msup", "munder", "mover", "mroot")}
PARTS |= {tag(name): 3 for name in ("msubsup", "munderover")}


def is_function(element):
    """Say whether an element is a function's name, as softmax is."""
    kinds = tag("mi"), tag("mo")
    return element.tag in kinds and FUNCTION.fullmatch(element.text or "") is not None


def first(element):
    """Return the text that an element begins with."""
    return "".join(element.itertext()).strip()


def visit(display):
    """Return what writes a formula's node into the page."""

    def write(translator, node):
        try:
            formula = mathml(node.astext(), display)
        except ValueError as wrong:
            page = translator.builder.current_docname
            raise ExtensionError(f"{page}: {wrong}") from wrong
        if any(isinstance(up, nodes.thead) for up in ancestors(node)):
            formula = formula.replace(
                "<math ", f'<math aria-label="{spoken(node)}" ', 1
            )
        kind = "span" if display == "inline" else "div"
        end = WORD_JOINER if display == "inline" and closes(node) else ""
        translator.body.append(
            f'<{kind} class="math notranslate nohighlight">{formula}{end}</{kind}>'
        )
        raise nodes.SkipNode

    return write, None


def ancestors(node):
    """Yield what a node stands in, from the inside out."""
    while node.parent is not None:
        node = node.parent
        yield node


def spoken(node):
    """Return a formula in words: alone in a column's head it is the column's name."""
    plain = re.sub(
        r"\\textcolor\{[^}]*\}|\\(text|mathrm|operatorname)\b", "", node.astext()
    )
    plain = re.sub(r"\\([A-Za-z]+)", r" \1 ", plain)
    return html.escape(" ".join(re.sub(r"[{}\\]", "", plain).split()))


def closes(node):
    """Say whether the text behind a formula begins with a sign that ends something."""
    behind = node.next_node(descend=False, siblings=True)
    return behind is not None and behind.astext().startswith(PUNCTUATION)
