"""The built book: whole, strict, readable by everybody, and with nothing from outside.

The planted faults at the end show that each check can fail.
"""

import base64
import collections
import html
import html.parser
import json
import random
import re
import shutil
import urllib.parse
from pathlib import Path

import pytest

from book import vendor
from course import toc
from tests.browser import look
from tests.fixtures import ROOT, run_build

PAGES = [f"{page}.html" for page in toc.pages()]
NOTEBOOKS = [page for page in PAGES if (ROOT / page).with_suffix(".ipynb").exists()]
SEARCH = "search.html?q=softmax"


# ---------------------------------------------------------------- without a browser


def is_nameless(image):
    """Say whether an image has no text, or only the address that Sphinx fills in."""
    alt = (image.get("alt") or "").strip()
    return not alt or alt == image.get("src")


class Links(html.parser.HTMLParser):
    """Collects what an HTML file points at, what can be pointed at, and its images."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.loaded, self.ids, self.nameless = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values.get("id"), values.get("name")}
        if tag == "a" and values.get("href"):
            self.targets.append(values["href"])
        if tag == "link" and values.get("href"):
            said = values.get("rel") in ("canonical", "alternate")
            (self.targets if said else self.loaded).append(values["href"])
        if tag in ("script", "img", "iframe", "source") and values.get("src"):
            self.loaded.append(values["src"])
        if tag == "img" and is_nameless(values):
            self.nameless.append(self.get_starttag_text())


def read_links(folder):
    """Return path of each page of the book → its Links."""
    files = [p for p in folder.rglob("*.html") if "_static" not in p.parts]
    return {path.resolve(): Links(path.read_text(encoding="utf-8")) for path in files}


def dead_links(folder):
    """Return links of the book's pages that lead to no file, or to no place in it."""
    pages = read_links(folder)
    dead = []
    for path, links in pages.items():
        for link in links.targets + links.loaded:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = (path.parent / urllib.parse.unquote(parts.path)).resolve()
            if not target.is_file():
                dead.append(f"{path.name}: no file {link}")
            elif parts.fragment and target in pages:
                place = urllib.parse.unquote(parts.fragment)
                if place not in pages[target].ids:
                    dead.append(f"{path.name}: no place {link}")
    return dead


def foreign_parts(folder):
    """Return scripts, styles and pictures that pages load from another machine."""
    return [
        f"{path.name}: {address}"
        for path, links in read_links(folder).items()
        for address in links.loaded
        if urllib.parse.urlsplit(address).netloc
    ]


def nameless_images(folder):
    """Return images without a text for those who do not see them, less the logo's.

    The logo stands beside the book's name, which says the same: its text is empty.
    """
    return [
        f"{path.name}: {image}"
        for path, links in read_links(folder).items()
        for image in links.nameless
        if "logo__image" not in image
    ]


def formulas_in_titles(folder):
    """Return titles of pages that hold a formula.

    A page's title is repeated where no formula is set: in the window's title, in the
    results of a search, and on pages that have no formula of their own.
    """
    return [
        f"{path.name}: {title}"
        for path in read_links(folder)
        for title in re.findall(r"<h1>.*?</h1>", path.read_text(encoding="utf-8"))
        if 'class="math' in title
    ]


def kept(package, font):
    """Return the numbers of the signs that a font of ours was cut down to."""
    return vendor.numbers(vendor.read_manifest(ROOT)[package]["files"][font]["signs"])


def test_the_font_has_every_sign_of_the_formulas(book):
    pages = "".join(path.read_text(encoding="utf-8") for path in read_links(book))
    formulas = "".join(re.findall(r"<math\b.*?</math>", pages, re.S))
    signs = set(map(ord, html.unescape(re.sub(r"<[^>]*>|\s", "", formulas))))
    assert len(signs) > 80
    assert signs - kept("@fontsource/stix-two-math", "stix-two-math.woff2") == set()


def test_the_font_has_every_icon_of_the_pages(book):
    """It replaces the theme's, which holds all icons, 150 kB of each first visit."""
    style = book / "_static" / "styles" / "pydata-sphinx-theme.css"
    icons = re.findall(
        r'([^{}]*)\{content:"\\(f[0-9a-f]+)"\}', style.read_text(encoding="utf-8")
    )
    numbers = {
        name: int(number, 16)
        for names, number in icons
        for name in re.findall(r"\.fa-([a-z0-9-]+):+before", names)
    }
    pages = "".join(path.read_text(encoding="utf-8") for path in read_links(book))
    used = numbers.keys() & set(re.findall(r"\bfa-([a-z0-9-]+)", pages))
    assert {"bars", "rocket"} < used
    font = "webfonts/fa-solid-900.woff2"
    assert {numbers[name] for name in used} <= kept(
        "@fortawesome/fontawesome-free", font
    )
    ours = (ROOT / "book" / "static" / "vendor" / "fontawesome" / font).read_bytes()
    assert (book / "_static" / "vendor" / "fontawesome" / font).read_bytes() == ours


def test_the_book_is_built(built):
    """Strictly: a warning is an error. The command says where to open the book."""
    output, done = built
    assert done.returncode == 0, done.stderr
    assert "no warning" in done.stdout
    assert (output / "index.html").as_uri() in done.stdout


@pytest.mark.parametrize("page", ["index.html", "search.html", *PAGES])
def test_every_page_is_built(book, page):
    text = (book / page).read_text(encoding="utf-8")
    assert '<html lang="en"' in text
    assert re.search(r"<title>[^<]*\w[^<]*</title>", text)


def test_the_first_page_leads_to_the_landing_page(book):
    text = (book / "index.html").read_text(encoding="utf-8")
    assert f'content="0; url={PAGES[0]}"' in text
    assert f'<a href="{PAGES[0]}">' in text


def test_pages_hosts_need_no_jekyll(book):
    assert (book / ".nojekyll").exists()


def test_no_link_is_dead(book):
    assert dead_links(book) == []


def test_nothing_is_loaded_from_another_machine(book):
    assert foreign_parts(book) == []


def test_every_image_has_a_text(book):
    assert nameless_images(book) == []


def test_no_title_holds_a_formula(book):
    assert formulas_in_titles(book) == []


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_launch_buttons_lead_to_the_repository(book, page):
    repository = toc.config()["repository"]
    owner_name = urllib.parse.urlsplit(repository["url"]).path.strip("/")
    branch, notebook = repository["branch"], Path(page).with_suffix(".ipynb").as_posix()
    targets = Links((book / page).read_text(encoding="utf-8")).targets
    assert (
        f"https://mybinder.org/v2/gh/{owner_name}/{branch}?urlpath=lab/tree/{notebook}"
        in targets
    )
    assert (
        f"https://colab.research.google.com/github/{owner_name}/blob/{branch}/{notebook}"
        in targets
    )


def test_vendored_files_are_those_of_their_packages():
    assert vendor.wrong_files(ROOT) == []


# -------------------------------------------------------------------- in a browser


def prose(page):
    """Return the prose of the notebook behind a page of the book."""
    notebook = json.loads((ROOT / page).with_suffix(".ipynb").read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    return "".join("".join(cell["source"]) for cell in cells)


def open_by_keyboard(seen, page):
    """Open the first box of each kind that a page has: ours, and the folded cells."""
    notebook = (ROOT / page).with_suffix(".ipynb").read_text("utf-8")
    for kind, sign in ((":not([class])", "<details"), (".hide", '"hide-')):
        if sign not in notebook:
            continue
        box = seen.locator(f"article details{kind}:not(.attn-live *)").first
        assert box.get_attribute("open") is None
        box.locator("summary").first.focus()
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert seen.evaluate(outline) in ("solid", "auto")
        seen.keyboard.press("Enter")
        assert box.get_attribute("open") is not None


@pytest.mark.parametrize("theme", look.THEMES)
@pytest.mark.parametrize("page", [*PAGES, SEARCH])
def test_page_from_a_folder(browser, on_disk, page, theme):
    """Wide, and then narrow with every box open: nothing is wrong with the page.

    axe looks once in each theme: wide in the light one, narrow in the dark one. The
    keyboard opens boxes in the light one.
    """
    with look.visit(browser, on_disk, page, theme=theme) as seen:
        problems = look.formula_problems(seen.page) + look.contrast_problems(seen.page)
        problems += look.width_problems(seen.page)
        if theme == "light" and page in NOTEBOOKS:
            open_by_keyboard(seen.page, page)
        seen.page.evaluate(
            "document.querySelectorAll('details').forEach((box) => { box.open = true })"
        )
        if theme == "light":
            problems += look.axe_problems(seen.page)
        look.resize(seen.page, look.NARROW)
        problems += look.width_problems(seen.page)
        if theme == "dark":
            problems += look.axe_problems(seen.page)
        assert seen.troubles + problems == []
        assert seen.page.evaluate("document.documentElement.dataset.theme") == theme
        if page in NOTEBOOKS and "$" in prose(page):
            assert seen.page.locator("math").count() > 0


@pytest.mark.parametrize("page", [*PAGES, SEARCH])
def test_page_from_a_server(browser, book, page):
    with (
        look.serve(book) as home,
        look.visit(browser, home, page, width=look.NARROW) as seen,
    ):
        problems = look.formula_problems(seen.page) + look.width_problems(seen.page)
        problems += look.weight_problems(seen)
        assert seen.troubles + problems == []


FIGURES = """() => [...document.querySelectorAll(".cell_output > img")].map((img) => ({
    shown: img.getBoundingClientRect().width / img.naturalWidth,
    hidden: img.parentElement.scrollWidth > img.parentElement.clientWidth,
    reached: img.parentElement.tabIndex === 0,
}))"""


def test_figures_can_be_read_on_a_phone(browser, on_disk):
    """At 0.6 of its size a figure's text has 8 px; what is cut off can be reached."""
    page = next(page for page in NOTEBOOKS if "scaling" in page)
    with look.visit(browser, on_disk, page, width=look.NARROW) as seen:
        figures = seen.page.evaluate(FIGURES)
    assert len(figures) > 5
    assert min(figure["shown"] for figure in figures) >= 0.6
    assert any(figure["hidden"] for figure in figures)
    assert all(figure["reached"] == figure["hidden"] for figure in figures)


def test_every_script_of_ours_is_weighed(book):
    """What stands in the book beside the vendored files and the theme's is ours."""
    own = [path.name for path in (ROOT / "book" / "static").glob("*.js")]
    own += [f"figures/{path.name}" for path in (book / "_static/figures").glob("*")]
    scripts = [name for name in own if name.endswith(".js")]
    assert len(scripts) > 3
    assert all(look.OWN_SCRIPT.search(f"/_static/{name}") for name in scripts)


def test_the_button_of_the_mode_has_no_hidden_text(browser, on_disk):
    """Whichever script comes first: here ours, which mends names, comes last."""
    with look.visit(browser, on_disk, PAGES[0], late="book.js") as seen:
        assert seen.page.locator("svg.theme-switch").count() > 0
        assert look.axe_problems(seen.page) == []


def test_the_first_page_opens_the_landing_page(browser, on_disk):
    with look.visit(browser, on_disk, "index.html", leads_to=PAGES[0]) as seen:
        assert seen.page.locator("article h1").count() == 1
        assert seen.troubles == []


def test_search_finds_softmax(browser, on_disk):
    with look.visit(browser, on_disk, SEARCH) as seen:
        seen.page.locator("#search-results li a").first.wait_for()
        assert seen.troubles == []


def test_the_keyboard_reaches_the_content(browser, on_disk):
    with look.visit(browser, on_disk, PAGES[0]) as seen:
        seen.page.keyboard.press("Tab")
        assert "Skip to main content" in focused(seen.page, "textContent")
        seen.page.keyboard.press("Enter")
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("!!document.activeElement.closest('main')")


@pytest.mark.parametrize("script", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize(
    ("tag", "side"), [("hide-input", "above-input"), ("hide-output", "below-input")]
)
def test_what_is_folded_is_one_click_away(browser, on_disk, script, tag, side):
    """Each cell with the tag, and no other, is a box that opens with what it hides."""
    nb = json.loads((ROOT / "chapters" / "01_intuition.ipynb").read_text("utf-8"))
    tagged = [cell for cell in nb["cells"] if tag in cell["metadata"].get("tags", [])]
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    page.goto(f"{on_disk}/chapters/01_intuition.html")
    boxes = page.locator(f"details.hide.{side}")
    assert boxes.count() == len(tagged) > 0
    box = boxes.first
    assert not box.locator("pre").is_visible()
    box.locator("summary").click()
    assert box.locator("pre").is_visible()
    hidden = tagged[0]["source" if tag == "hide-input" else "outputs"]
    text = hidden if tag == "hide-input" else hidden[0]["text"]
    assert box.locator("pre").inner_text().strip() == "".join(text).strip()
    context.close()


def test_every_box_is_open_on_paper_only(browser, on_disk):
    with look.visit(browser, on_disk, NOTEBOOKS[0]) as seen:
        closed = seen.page.locator("article details:not([open])")
        before = closed.count()
        assert before > 0
        seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert closed.count() == 0
        seen.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert closed.count() == before


UNSEEN = """() => [...document.querySelectorAll("article details :not(.copybtn)")]
    .filter((part) => getComputedStyle(part).opacity < 1
        || getComputedStyle(part).animationName !== "none")
    .map((part) => part.outerHTML.slice(0, 80))"""


def test_what_a_box_held_is_seen_on_paper(browser, on_disk):
    """Not on its way from transparent: a printer takes the first moment."""
    with look.visit(browser, on_disk, NOTEBOOKS[0]) as seen:
        seen.page.emulate_media(media="print", reduced_motion="no-preference")
        seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert seen.page.evaluate(UNSEEN) == []


def focused(page, what):
    """Return a property of the element that has the keyboard's focus."""
    return page.evaluate(f"document.activeElement.{what}")


# ------------------------------------------------------------- the checks can fail

PLANTED = """<!DOCTYPE html><html lang="en" data-theme="light"><head><title>x</title>
<style>html { --pst-color-background: #fff; --pst-color-surface: #eee }</style>
</head><body><main><h1>x</h1><article>FAULT</article></main></body></html>"""


def plant(folder, fault):
    """Write a page with one fault in it; return the address of its folder."""
    text = PLANTED.replace("FAULT", fault)
    (folder / "page.html").write_text(text, encoding="utf-8")
    return folder.as_uri() + "/"


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        (dead_links, '<a href="nowhere.html">x</a>'),
        (dead_links, '<a href="#nowhere">x</a>'),
        (dead_links, '<img src="nowhere.png" alt="x">'),
        (foreign_parts, '<script src="https://example.org/x.js"></script>'),
        (foreign_parts, '<img src="//example.org/x.png" alt="x">'),
        (nameless_images, '<img src="x.png">'),
        (nameless_images, '<img src="x.png" alt=" ">'),
        (nameless_images, '<img src="../x.png" alt="../x.png">'),
        (formulas_in_titles, r'<h1>Why <span class="math">\(d_k\)</span></h1>'),
    ],
)
def test_a_fault_in_the_html_is_found(tmp_path, check, fault):
    plant(tmp_path, '<a href="page.html">sound</a>')
    assert check(tmp_path) == []
    plant(tmp_path, fault)
    assert len(check(tmp_path)) == 1


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (
            '<script src="https://example.org/x.js"></script>',
            "asks for https://example",
        ),
        ('<img src="nowhere.png" alt="x">', "failed"),
        ("<script>nothing()</script>", "throws"),
        ("<script>console.error('oh')</script>", "console: oh"),
    ],
)
def test_a_trouble_of_a_page_is_found(browser, tmp_path, fault, word):
    home = plant(tmp_path, fault)
    with look.visit(browser, home, "page.html") as seen:
        assert word in "\n".join(seen.troubles)


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        (look.width_problems, '<div style="width: 2000px">x</div>'),
        (look.axe_problems, '<img src="data:," >'),
        (look.axe_problems, '<p style="color: #bbb">pale</p>'),
        (look.axe_problems, "<button></button>"),
        (look.formula_problems, r'<span class="math">\(x\)</span>'),
        (look.formula_problems, r"<summary>A. $\sqrt{d_k}$</summary>"),
        (
            look.contrast_problems,
            '<math><mi mathcolor="#999999">Q</mi></math>',
        ),
    ],
)
def test_a_fault_in_the_browser_is_found(browser, tmp_path, check, fault):
    home = plant(tmp_path, "<p>sound</p>")
    with look.visit(browser, home, "page.html") as seen:
        assert check(seen.page) == []
    plant(tmp_path, fault)
    with look.visit(browser, home, "page.html") as seen:
        assert check(seen.page) != []


@pytest.mark.parametrize(
    ("name", "count", "word"),
    [("theme.js", 1_400_000, "a first visit"), ("_static/book.js", 16_000, "own")],
)
def test_a_heavy_script_is_found(browser, tmp_path, name, count, word):
    noise = random.Random(7).randbytes(count)  # gzip makes it no smaller
    plant(tmp_path, f'<script src="{name}"></script>')
    (tmp_path / "_static").mkdir()
    (tmp_path / name).write_text(f"// {base64.b64encode(noise).decode()}")
    with (
        look.serve(tmp_path) as home,
        look.visit(browser, home, "page.html") as seen,
    ):
        problems = look.weight_problems(seen)
    (tmp_path / name).write_text("// light")
    with (
        look.serve(tmp_path) as home,
        look.visit(browser, home, "page.html") as seen,
    ):
        assert look.weight_problems(seen) == []
    assert [problem[: len(word)] for problem in problems] == [word]


def test_a_changed_vendored_byte_is_found(tmp_path):
    for package in vendor.read_manifest(ROOT).values():
        shutil.copytree(ROOT / package["target"], tmp_path / package["target"])
    (tmp_path / vendor.MANIFEST).parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / vendor.MANIFEST, tmp_path / vendor.MANIFEST)
    assert vendor.wrong_files(tmp_path) == []
    licence = tmp_path / "book/templates/slides/vendor/mathjax/LICENSE"
    licence.write_bytes(licence.read_bytes()[:-1] + b"!")
    (licence.parent / "unknown.js").touch()
    changed, unknown = vendor.wrong_files(tmp_path)
    assert "is not the file of mathjax" in changed
    assert "unknown.js" in unknown


@pytest.fixture
def small_book(tmp_path):
    """A copy of the book with the landing page and one small executed notebook."""
    root = tmp_path / "copy"
    shutil.copytree(ROOT / "book" / "static", root / "book" / "static")
    for name in ("_config.yml", "pyproject.toml", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(ROOT / name, root)
    (root / "chapters").mkdir()
    shutil.copy(ROOT / "chapters" / "references.bib", root / "chapters")
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: chapters/index\nchapters: [{file: chapters/one}]\n"
    )
    (root / "chapters" / "index.md").write_text("# Landing\n\n[one](one.ipynb)\n")
    write_notebook(root, executed=True)
    return root


def write_notebook(root, *, executed):
    """Write chapters/one.ipynb, whose one code cell was executed or not."""
    cell = {
        "cell_type": "code",
        "execution_count": 1 if executed else None,
        "id": "one",
        "metadata": {},
        "outputs": [],
        "source": "x = 1",
    }
    title = {"cell_type": "markdown", "id": "two", "metadata": {}, "source": "# One"}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": [title, cell],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (root / "chapters" / "one.ipynb").write_text(json.dumps(notebook))


def test_a_sound_small_book_is_built(small_book, tmp_path):
    done = run_build(tmp_path / "html", small_book)
    assert done.returncode == 0, done.stderr


WRITES = """
import os, sys

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path, mode, flags = arguments
        if set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR):
            os.write(log, f"{os.path.abspath(path)}\\n".encode())

log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
sys.addaudithook(note)
"""


def test_no_file_of_the_book_is_written_twice(small_book, tmp_path, monkeypatch):
    """From notebook to HTML each is opened once: but for the theme's colours of code,
    which it writes again itself, and for its icons.
    """
    log, hook = tmp_path / "log", tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WRITES.replace("LOG", repr(str(log))))
    monkeypatch.setenv("PYTHONPATH", str(hook))
    done = run_build(tmp_path / "html", small_book)
    assert done.returncode == 0, done.stderr
    opened = collections.Counter(
        path.partition("/_build/html/")[2] for path in log.read_text().splitlines()
    )
    written = {
        path.relative_to(tmp_path / "html").as_posix()
        for path in (tmp_path / "html").rglob("*")
        if path.is_file()
    }
    assert {path for path in written if not opened[path]} <= {"searchindex.js"}
    twice = {path for path in written if opened[path] > 1}
    icons = "_static/vendor/fontawesome/webfonts/fa-solid-900.woff2"  # ours, cut down
    script = "_static/scripts/fontawesome.js"
    assert twice == {"_static/pygments.css", script, icons}
    assert "chapters/one.html" in written


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("CHANGELOG.md", "## [", "## ", "CHANGELOG.md names no version"),
        (
            "chapters/index.md",
            "# Landing",
            '# It\n\n<div class="attn-copy" data-from="two" data-figure="x"></div>',
            "a live figure of two is asked for: no such page",
        ),
    ],
)
def test_a_fault_in_what_the_extension_reads_stops_the_build(
    small_book, tmp_path, name, old, new, said
):
    path = small_book / name
    path.write_text(path.read_text().replace(old, new))
    done = run_build(tmp_path / "html", small_book)
    assert done.returncode != 0
    assert "No book was built" in done.stderr
    assert said in done.stderr
    assert not (tmp_path / "html").exists()


def test_a_warning_stops_the_build_and_the_old_book_stays(small_book, tmp_path):
    output = tmp_path / "html"
    output.mkdir()
    (output / "old.html").touch()
    landing = "# Landing\n\n[lost](lost.md) ![lost](lost.png)\n"
    (small_book / "chapters" / "index.md").write_text(landing)
    done = run_build(output, small_book)
    assert done.returncode != 0
    assert "No book was built" in done.stderr
    assert "lost.md" in done.stderr
    assert "lost.png" in done.stderr
    assert (output / "old.html").exists()


def test_a_notebook_that_was_not_executed_stops_the_build(small_book, tmp_path):
    write_notebook(small_book, executed=False)
    done = run_build(tmp_path / "html", small_book)
    assert done.returncode != 0
    assert "chapters/one.ipynb has 1 code cell" in done.stderr
    assert "make notebooks" in done.stderr


def test_a_page_that_is_missing_stops_the_build(small_book, tmp_path):
    (small_book / "chapters" / "one.ipynb").unlink()
    done = run_build(tmp_path / "html", small_book)
    assert done.returncode != 0
    assert "_toc.yml names chapters/one" in done.stderr
