"""The slides of a chapter: what is shown, what is said, and nothing from elsewhere."""

import nbformat
import pytest

from book import slides
from course.paths import ROOT
from tests.browser import look

CHAPTERS = sorted(p.stem for p in (ROOT / "chapters").glob("[0-9]*.ipynb"))


def kinds(markdown):
    """Return (kind, first word) of every block of a text."""
    return [(kind, text.split()[0]) for kind, text in slides.cells_of(markdown)]


def test_what_is_shown_and_what_is_said():
    text = "## One\n\nProse.\n\n$$\na\n\nb\n$$\n\n- a list"
    text += "\n\n### Two\nmore prose\n\n> rule"
    assert kinds(text) == [
        ("slide", "##"),
        ("notes", "Prose."),
        ("-", "$$"),
        ("-", "-"),
        ("subslide", "###"),
        ("notes", "more"),
        ("-", ">"),
    ]


def test_an_answer_is_not_cut():
    text = "<details>\n<summary>A</summary>\n\n**Right.**\n\n</details>\n\nEnd."
    assert [kind for kind, _ in slides.cells_of(text)] == ["-", "notes"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_figure_and_question_of_a_chapter_is_shown(chapter):
    notebook = nbformat.read(ROOT / f"chapters/{chapter}.ipynb", 4)
    made = slides.as_slides(notebook)
    nbformat.validate(made)
    shown = [c for c in made.cells if c.metadata["slideshow"]["slide_type"] != "notes"]
    end = next(i for i, c in enumerate(notebook.cells) if slides.LAST.match(c.source))
    outputs = [o for c in shown for o in c.get("outputs", [])]
    assert outputs == [
        o
        for c in notebook.cells[:end]
        if "remove-cell" not in c.metadata.get("tags", [])
        for o in c.get("outputs", [])
    ]
    questions = sum(c.source.count("**Before you run it") for c in notebook.cells[:end])
    assert sum(c.source.count("**Before you run it") for c in shown) == questions


def test_an_output_comes_after_its_code():
    notebook = nbformat.v4.new_notebook()
    printed = nbformat.v4.new_output("stream", text="3")
    notebook.cells = [
        nbformat.v4.new_markdown_cell("**Before you run it:** how many?"),
        nbformat.v4.new_code_cell("print(3)", outputs=[printed]),
        nbformat.v4.new_markdown_cell("- three"),
    ]
    made = slides.as_slides(notebook)
    assert [c.metadata["slideshow"]["slide_type"] for c in made.cells] == [
        "-",
        "-",
        "fragment",
        "subslide",
    ]


def test_a_chapter_that_is_not_there_is_named():
    with pytest.raises(SystemExit, match=r"13_future.*01_intuition"):
        slides.write("13_future")


def test_the_slides_open_without_a_network(browser, tmp_path):
    """In a browser: formulas are set, keys turn the pages, nothing is missing."""
    page = slides.write("01_intuition", tmp_path / "my slides")
    with look.visit(browser, page.parent.as_uri() + "/", page.name) as seen:
        assert seen.troubles == []
        seen.page.wait_for_function("Reveal.isReady()")
        assert seen.page.locator("section.present h1").count() == 1
        assert seen.page.locator("mjx-container").count() > 10
        first = seen.page.evaluate("Reveal.getIndices()")
        seen.page.keyboard.press("Space")
        assert seen.page.evaluate("Reveal.getIndices()") != first
