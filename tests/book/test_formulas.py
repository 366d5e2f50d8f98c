"""Formulas by name: the page is that of today, it is whole, and the search finds it."""

import html
import inspect
import re
import shutil
import urllib.parse

import pytest
import yaml
from docutils import nodes
from docutils.utils import new_document
from sphinx.errors import ExtensionError
from sphinx.search import WordCollector
from sphinx.search.en import SearchEnglish

import attnlib
from book import extension, formulas
from tests.browser import look
from tests.fixtures import ROOT

FORMULAS = formulas.formulas(ROOT)
NAMES = [(name, formula) for formula in FORMULAS for name in formulas.names(formula)]
RESULTS = "#search-results li a"

# What a reader was asked to look for, whatever the table says.
ASKED = [
    ("scaled dot-product", "scaled-dot-product-attention", "02_query_key_value"),
    ("online softmax", "online-softmax", "06_complexity"),
    ("Cauchy-Schwarz", "cauchy-schwarz-inequality", "02_query_key_value"),
    ("rotary", "rotary-embedding", "04_self_attention"),
    ("cross-entropy", "cross-entropy", "08_losses"),
    ("GQA", "grouped-query-attention", "05_multi_head"),
    ("perplexity", "perplexity", "08_losses"),
    ("ALiBi", "alibi", None),  # no chapter teaches it
]


# ---------------------------------------------------------------------- the page


def test_the_page_is_that_of_the_data_and_the_docstrings():
    assert formulas.main(["--check"]) == 0


def test_a_changed_page_is_found(tmp_path, monkeypatch, capsys):
    for folder in ("chapters", "attnlib"):
        (tmp_path / folder).mkdir()
    for path in [*(ROOT / "chapters").glob("*.ipynb"), ROOT / formulas.DATA]:
        shutil.copy(path, tmp_path / "chapters")
    text = (ROOT / formulas.PAGE).read_text(encoding="utf-8")
    changed = text.replace("each query's weighted mean", "each query's mean")
    assert changed != text
    (tmp_path / formulas.PAGE).write_text(changed, encoding="utf-8")
    monkeypatch.setattr(formulas, "ROOT", tmp_path)
    assert formulas.main(["--check"]) == 1
    assert "run `python -m book.formulas`" in capsys.readouterr().out
    assert formulas.main([]) == 0
    assert (tmp_path / formulas.PAGE).read_text(encoding="utf-8") == text


def test_every_function_of_attnlib_has_a_formula():
    public = {n for n in attnlib.__all__ if inspect.isfunction(getattr(attnlib, n))}
    named = {name for formula in FORMULAS for name in formula.get("code", [])}
    assert len(public) > 20
    assert public - named == set()
    assert named - set(attnlib.__all__) == set()


def test_every_formula_says_what_it_is():
    for formula in FORMULAS:
        assert formula.get("code") or formula.get("says"), formula["name"]
        assert set(formula) <= {"name", "also", "tex", "says", "code", "taught"}


def test_no_name_stands_for_two_formulas():
    """Capitals make no other name: the search does not tell them apart."""
    lower = [name.lower() for name, _ in NAMES]
    assert sorted({name for name in lower if lower.count(name) > 1}) == []


def test_the_letters_of_a_formula_have_their_colours():
    assert formulas.coloured(r"\Q\k^\top \V \kappa \Var") == (
        r"\textcolor{#0072B2}{Q}\textcolor{#B34700}{k}^\top "
        r"\textcolor{#00775A}{V} \kappa \Var"
    )


def test_a_docstring_stands_as_it_is():
    """Nothing in it turns into Markdown, but code stays code."""
    assert formulas.escaped("a*b*c_d_ [x](y) `e*f*` |i|") == (
        r"a\*b\*c\_d\_ \[x\](y) `e*f*` \|i\|"
    )


# -------------------------------------------------------------------- the search


def chapter(*headings):
    """A page's tree with these headings."""
    tree = new_document("page")
    for heading in headings:
        section = nodes.section("", nodes.title("", heading))
        section["ids"] = [formulas.make_id(heading)]
        tree += section
    return tree


def test_names_belong_to_the_formula_and_to_its_chapter(tmp_path):
    """The glossary's terms are found as they are."""
    (tmp_path / "chapters").mkdir()
    taught = {"one": "Rules", "glossary": "rule"}
    formula = {"name": "A rule", "also": ["AR"], "tex": "x", "taught": taught}
    (tmp_path / formulas.DATA).write_text(
        yaml.safe_dump([{"group": "G", "formulas": [formula]}]), encoding="utf-8"
    )
    assert formulas.names_by_place(tmp_path) == {
        formulas.DOCUMENT: {"a-rule": ["A rule", "AR"]},
        "chapters/one": {"rules": ["A rule", "AR"]},
    }


def test_the_search_knows_a_section_by_all_its_names():
    """And by each once; the page shows none of them, as the next test says."""
    tree = chapter("A rule", "Rules")
    extension.add_names(tree, "page", {"a-rule": ["A rule", "AR"], "rules": ["AR"]})
    collector = WordCollector(tree, SearchEnglish({}))
    tree.walk(collector)
    assert collector.found_titles == [
        ("A rule", "a-rule"),
        ("AR", "a-rule"),
        ("Rules", "rules"),
        ("AR", "rules"),
    ]


def test_names_for_the_search_are_not_shown(book):
    """The page of formulas has one heading for each."""
    text = (book / f"{formulas.DOCUMENT}.html").read_text(encoding="utf-8")
    headings = re.findall(r"<h3>(.*?)<a", text)
    assert [html.unescape(heading) for heading in headings] == [
        formula["name"] for formula in FORMULAS
    ]


def test_a_heading_that_is_gone_is_found():
    with pytest.raises(ExtensionError, match="AR is taught in page below #rules"):
        extension.add_names(chapter("Other rules"), "page", {"rules": ["AR"]})


def found(page, name):
    """Type a name into the field of the search; return where its results lead."""
    field = page.locator(".bd-search-container input[name=q], main input[name=q]").first
    field.fill(name)
    field.press("Enter")
    page.wait_for_url(lambda address: urllib.parse.quote_plus(name) in address)
    page.locator(RESULTS).first.wait_for()
    links = page.locator(RESULTS).evaluate_all(
        "links => links.map((link) => link.getAttribute('href'))"
    )
    return [re.sub(r"\?[^#]*", "", link) for link in links]


def missing(page, name, formula):
    """Return the places that a name should lead to, and that are not among the first.

    The search of the page is asked, not its field: that would take a second a name.
    """
    wanted = [f"{formulas.DOCUMENT}#{formulas.make_id(formula['name'])}"]
    wanted += [
        f"chapters/{place}#{formulas.anchor(place, heading)}"
        for place, heading in formula["taught"].items()
        if place != "glossary"
    ]
    links = page.evaluate(
        """(name) => Search._performSearch(...Search._parseQuery(name)).reverse()
            .slice(0, 10).map(([document, , anchor]) => document + anchor)""",
        name,
    )
    return [f"{name}: not {place}" for place in wanted if place not in links]


def test_every_name_leads_to_its_formula_and_to_its_chapter(browser, on_disk):
    """Among the first ten results, in a page that was opened from a folder."""
    with look.visit(browser, on_disk, "search.html?q=x") as seen:
        seen.page.wait_for_function("Search.hasIndex()")
        assert missing(seen.page, "zyzzyva", FORMULAS[0]) != []
        lost = [line for name, f in NAMES for line in missing(seen.page, name, f)]
        assert seen.troubles + lost == []


@pytest.mark.parametrize(("typed", "place", "chapter"), ASKED)
def test_what_readers_type_leads_to_the_formula(
    browser, on_disk, typed, place, chapter
):
    """Among the first three: the formula, and the chapter that derives it."""
    with look.visit(browser, on_disk, "search.html") as seen:
        links = found(seen.page, typed)[:3]
        assert f"chapters/formulas.html#{place}" in links
        if chapter:
            assert any(link.startswith(f"chapters/{chapter}.html#") for link in links)


def test_the_search_does_not_find_what_is_not_there(browser, on_disk):
    """A word of no page gives no result: the test of names can fail."""
    with look.visit(browser, on_disk, "search.html?q=zyzzyva") as seen:
        seen.page.get_by_text("did not match any documents").wait_for()
        assert seen.page.locator(RESULTS).count() == 0
