"""Formulas by name: the page is that of today, it is whole, and the search finds it."""

import inspect
import json
import re
import shutil
import urllib.parse

import pytest
import yaml

import attnlib
from book import formulas
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


def small_index(folder, headings):
    """Write an index with the page of formulas and one chapter; return its folder."""
    titles = {heading: [[0, formulas.make_id(heading)]] for heading in headings}
    index = {"docnames": ["chapters/one", formulas.DOCUMENT], "alltitles": titles}
    text = f"Search.setIndex({json.dumps(index)})"
    (folder / "searchindex.js").write_text(text, encoding="utf-8")
    (folder / "chapters").mkdir()
    formula = {"name": "A rule", "also": ["AR"], "tex": "x", "taught": {"one": "Rules"}}
    (folder / formulas.DATA).write_text(
        yaml.safe_dump([{"group": "G", "formulas": [formula]}]), encoding="utf-8"
    )
    return folder


def test_each_name_leads_to_the_formula_and_to_its_chapter(tmp_path):
    formulas.add_names(tmp_path, small_index(tmp_path, ["Rules"]))
    text = (tmp_path / "searchindex.js").read_text(encoding="utf-8")
    titles = json.loads(formulas.INDEX.fullmatch(text)[1])["alltitles"]
    both = [[1, "a-rule"], [0, "rules"]]
    assert titles == {"A rule": both, "AR": both, "Rules": [[0, "rules"]]}


def test_a_heading_that_is_gone_is_found(tmp_path):
    small_index(tmp_path, ["Other rules"])
    with pytest.raises(ValueError, match="A rule is taught in one below 'Rules'"):
        formulas.add_names(tmp_path, tmp_path)


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
