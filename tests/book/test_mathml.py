"""Formulas as MathML: spaced as TeX spaces them, and nothing unknown let through."""

import re
from xml.etree import ElementTree

import pytest
from docutils import nodes

from book.mathml import closes, mathml, spoken

THIN = '<mspace width="0.167em" />'


def inner(tex):
    """Return the MathML of a formula without its root and its row."""
    return re.sub(r"^<math[^>]*><mrow>|</mrow></math>$", "", mathml(tex))


@pytest.mark.parametrize(
    ("tex", "wanted"),
    [
        (r"n\ln n", f"<mi>n</mi>{THIN}<mi>ln</mi>{THIN}<mi>n</mi>"),
        (r"\tanh(x)", '<mi>tanh</mi><mo stretchy="false">(</mo>'),
        (r"\max_j s", f"<msub><mi>max</mi><mi>j</mi></msub>{THIN}<mi>s</mi>"),
        (r"x = \ln n", f"<mi>x</mi><mo>=</mo><mi>ln</mi>{THIN}<mi>n</mi>"),
        ("x/T", '<mi>x</mi><mo lspace="0" rspace="0">/</mo><mi>T</mi>'),
        (r"\textcolor{#0072B2}{Q}", '<mstyle mathcolor="#0072B2">'),
        ("0, -2", '<mn>0</mn><mo>,</mo><mo form="prefix">−</mo>'),
        ("(a) - b", '<mo stretchy="false">(</mo><mi>a</mi>'),
        (r"\text{out}", "<mtext>out</mtext>"),
    ],
)
def test_a_formula_is_spaced_as_tex_spaces_it(tex, wanted):
    assert inner(tex).startswith(wanted)


def test_a_formula_of_its_own_line_says_so():
    assert 'display="block"' in mathml("x", "block")


@pytest.mark.parametrize("tex", [r"\frac{a}", r"\unknown x", r"\left( x", "x_", "{x"])
def test_what_is_not_known_is_refused_with_the_formula(tex):
    with pytest.raises(ValueError, match=re.escape(repr(tex))):
        mathml(tex)


def test_a_formula_in_a_head_has_a_name():
    tex = r"\textcolor{#0072B2}{Q} K^{\top} / \sqrt{d_k}"
    assert spoken(nodes.math("", tex)) == "Q K^ top / sqrt d_k"


@pytest.mark.parametrize(
    ("behind", "kept"), [(". And", True), (", so", True), (" is", False), (None, False)]
)
def test_a_sign_that_ends_something_stays_with_the_formula(behind, kept):
    formula = nodes.math("", "x")
    line = nodes.paragraph("", "", formula)
    if behind:
        line += nodes.Text(behind)
    assert closes(formula) is kept


CHILDREN = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2}
CHILDREN |= {"msubsup": 3, "munderover": 3}


def miscounted(page):
    """Return the formulas of a page in which a part has not the children it needs."""
    formulas = re.findall(r"<math[ >].*?</math>", page, re.DOTALL)
    trees = {formula: ElementTree.fromstring(formula) for formula in formulas}
    return [
        formula
        for formula, tree in trees.items()
        for part in tree.iter()
        if len(part) != CHILDREN.get(part.tag.partition("}")[2] or part.tag, len(part))
    ]


def test_every_part_has_the_children_that_it_needs(book):
    """Firefox says so on a page that is half read, too: this counts the whole page."""
    pages = [path.read_text(encoding="utf-8") for path in book.rglob("*.html")]
    assert sum(page.count("<mfrac") for page in pages) > 100
    assert [formula for page in pages for formula in miscounted(page)] == []


def test_a_missing_child_is_found():
    broken = "<math><mfrac><mi>a</mi></mfrac></math>"
    assert miscounted(f"<p>{mathml('x_1')}{broken}</p>") == [broken]
