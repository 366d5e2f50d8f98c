"""Notebooks that run in the page, in Chromium: what they show, and what they say.

The application is driven as a reader does it, on two notebooks; `make test-lite` runs
all of them in the same Python, without the application.
"""

import json

import nbformat
import pytest

from book.lite import app, site
from course import notebooks
from course.paths import ASSIGNMENTS, CHAPTERS, SOURCES
from tests.browser import lite, look
from tests.fixtures import missing

READY = """() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session
    ?.kernel?.status === "idle" """
RUN = """async (index) => {
    const notebook = jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    await jupyterapp.commands.execute("notebook:run-cell");
    return notebook.widgets[index].model.outputs.toJSON();
}"""
WAYS = ["Binder", "Colab", "download it", "back to the page"]


@pytest.fixture(scope="module")
def served(book):
    """The address of the built book, in which notebooks run."""
    if not app.is_ready():
        missing("no notebooks in the page: `make lite` says why")
    with look.serve(book) as home:
        yield home


@pytest.fixture
def page(browser, served):
    """A fresh profile; what leaves the book is stopped and noted."""
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(look.PATIENCE)
    seen = look.Visit(context.new_page())
    seen.listen(served)
    yield seen
    context.close()


def go(seen, served, name="chapters/exercises/03_scaling.ipynb"):
    seen.page.goto(f"{served}{site.PAGE}?path={name}", wait_until="commit")


def said(seen, *, problem=True):
    """Return what start.js says, once there is a problem."""
    selector = "#attn-start[data-problem]" if problem else "#attn-start"
    seen.page.wait_for_selector(selector)
    return seen.page.inner_text(selector)


def test_a_chapter_shows_what_is_stored(browser, book, served, tmp_path):
    """In the kernel's own Python: all of chapter 1; torch's cells say so in a line."""
    lite.write_bench(tmp_path, book)
    nb = notebooks.read(CHAPTERS / "01_intuition.ipynb")
    with (
        look.serve(tmp_path) as home,
        lite.chromium_kernel(browser, home) as (kernel, troubles),
    ):
        found = list(lite.compare(kernel, nb))
        assert troubles() == []
    assert [one for one in found if one[1] == "other"] == []
    verdicts = [verdict for _, verdict, *_ in found]
    assert verdicts.count("equal") > 30
    assert verdicts[-2:] == ["not here"] * 2


def test_an_exercise_from_start_to_end(page, served, tmp_path):
    """Opened, answered with the keyboard, checked, downloaded: the answer is in it."""
    stored = notebooks.read(ASSIGNMENTS / "01_intuition.ipynb")
    source = notebooks.read(SOURCES / "01_intuition.ipynb")
    go(page, served, "chapters/exercises/01_intuition.ipynb")
    page.page.wait_for_function(READY)
    cells = list(enumerate(zip(stored.cells, source.cells, strict=True)))
    runs = [(n, a, b) for n, (a, b) in cells if a.cell_type == "code"]
    for number, _, _ in runs[:2]:
        assert not [o for o in page.page.evaluate(RUN, number) if "ename" in o]
    answer = next(n for n, a, b in runs if a.source != b.source)
    asked = page.page.evaluate(RUN, answer)
    check = next(n for n, _, _ in runs if n > answer)
    told = [*asked, *page.page.evaluate(RUN, check)]
    assert "Not answered yet" in json.dumps(told)
    write(page.page, answer, source.cells[answer].source)
    page.page.evaluate(RUN, answer)
    shown = nbformat.from_dict(page.page.evaluate(RUN, check))
    assert lite.texts(shown) == lite.texts(source.cells[check].outputs)
    with page.page.expect_download() as download:
        page.page.evaluate("jupyterapp.commands.execute('docmanager:download')")
    download.value.save_as(tmp_path / "mine.ipynb")
    mine = notebooks.read(tmp_path / "mine.ipynb")
    assert mine.cells[answer].source == source.cells[answer].source
    kept = [cell.metadata.get("nbgrader") for cell in mine.cells]
    assert kept == [cell.metadata.get("nbgrader") for cell in stored.cells]
    assert page.troubles == []


def write(page, index, text):
    """Write a cell anew as one does: into it, all of it, by keyboard."""
    page.evaluate(
        """(index) => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = index;
            notebook.mode = "edit";
            return notebook.scrollToItem(index);
        }""",
        index,
    )
    page.locator(".jp-Notebook .jp-mod-active .cm-content").focus()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def test_no_webassembly(page, served):
    page.page.add_init_script("delete window.WebAssembly")
    go(page, served)
    text = said(page)
    assert "runs no WebAssembly" in text
    assert all(way in text for way in WAYS)
    assert look.axe_problems(page.page) == []
    assert not page.page.evaluate("'jupyterapp' in window")


def test_no_storage(page, served):
    """As in some private windows: it runs, and says what is not kept."""
    page.page.add_init_script("IDBFactory.prototype.open = () => { throw 1 }")
    go(page, served)
    assert "keeps nothing" in said(page)


def test_a_notebook_that_is_not_there(page, served):
    go(page, served, "chapters/none.ipynb")
    assert "There is no notebook chapters/none.ipynb" in said(page)


@pytest.mark.parametrize(
    ("name", "answer", "word"),
    [
        ("numpy-2*.whl", {"status": 404}, "is missing on this server"),
        ("numpy-2*.whl", {"body": "cut"}, "is not the one that belongs"),
        ("pyodide.asm.wasm", {"status": 404}, "is missing on this server"),
    ],
)
def test_a_file_that_is_missing_or_wrong(page, served, name, answer, word):
    page.page.route(f"**/pyodide/{name}", lambda route: route.fulfill(**answer))
    go(page, served)
    text = said(page)
    assert word in text
    assert name.partition("*")[0] in text
    assert all(way in text for way in WAYS)
