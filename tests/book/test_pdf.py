"""The book as a PDF: two pages of it are printed, and read again with other tools."""

import html
import re
import shutil
import subprocess
import sys

import pytest
from pypdf import PdfWriter

from book import pdf
from course.paths import find_chromium
from tests.fixtures import missing

PAGES = ["chapters/07_rnn_comparison", "chapters/glossary"]
HEADINGS = re.compile(r"<h[1-6]>(.*?)<a class=\"headerlink\"", re.S)


@pytest.fixture(scope="module")
def printed(book, tmp_path_factory):
    """Two pages of the book as a PDF, and what was said of the progress."""
    if find_chromium() is None:
        missing("no Chromium: install one, or set CHROMIUM to its path")
    if shutil.which("pdftotext") is None:
        missing("no pdftotext: install poppler-utils")
    folder = tmp_path_factory.mktemp("printed")
    shutil.copytree(book, folder / "html")
    command = [sys.executable, "-m", "book.pdf", "--pages", *PAGES]
    command += ["--built", str(folder / "html"), "--output", str(folder / "book.pdf")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [line.split(" s  ", 1)[1] for line in done.stdout.splitlines()]
    return folder / "book.pdf", said


def poppler(*command):
    """Return what a tool of poppler-utils prints."""
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=True
    )
    return done.stdout


def titles(path):
    """Return (page, title) of every bookmark."""
    xml = poppler("pdftohtml", "-xml", "-i", "-stdout", path)
    found = re.findall(r'<item page="(\d+)">(.*?)</item>', xml, re.S)
    return [(int(page), html.unescape(title)) for page, title in found]


def test_the_pages_are_printed(printed):
    """On A4, with all that is open on paper: answers, and live figures as tables."""
    path, _ = printed
    facts = poppler("pdfinfo", path)
    pages = int(re.search(r"Pages: +(\d+)", facts)[1])
    assert 20 < pages < 80
    assert "(A4)" in facts
    assert re.search(r"Title: +Attention, tested\n", facts)
    assert re.search(r"Tagged: +yes\n", facts)
    text = " ".join(poppler("pdftotext", path, "-").split())
    assert "Not quite. " in text  # inside a box that is closed on the screen
    assert "key-value cache" in text
    assert "Skip to main content" not in text
    assert "Edit this page" not in text


def test_progress_is_said(printed):
    _, said = printed
    assert said[:-1] == ["printing"]
    assert said[-1].startswith(str(printed[0]))


def test_every_heading_has_a_bookmark(book, printed):
    """In the order of the book, in whole words, on pages that do not go back."""
    path, _ = printed
    wanted = []
    for page in PAGES:
        text = pdf.ARTICLE.search(pdf.read(book, page))[1]
        plain = (re.sub("<[^>]+>", "", part) for part in HEADINGS.findall(text))
        wanted += [pdf.plain(html.unescape(part)) for part in plain]
    found = titles(path)
    assert [title for _, title in found] == wanted
    assert "RNN comparison: attention and recurrent networks" in wanted
    numbers = [page for page, _ in found]
    assert numbers == sorted(numbers)
    first = poppler("pdftotext", "-f", numbers[-1], "-l", numbers[-1], path, "-")
    assert found[-1][1] in first


def test_links_between_the_pages_stay_inside(printed):
    """From the glossary to the chapter; what was not printed is on the web."""
    path, _ = printed
    xml = poppler("pdftohtml", "-xml", "-i", "-stdout", path)
    inside = re.findall(r'<a href="book\.html#(\d+)">RNN comparison', xml)
    assert len(inside) > 1
    assert 'chapters/02_query_key_value.html">' in xml


def test_the_paper_is_white(printed, tmp_path):
    """The corners of each page, whatever the theme of the machine."""
    path, _ = printed
    subprocess.run(
        ["pdftoppm", "-r", "20", "-gray", str(path), str(tmp_path / "p")], check=True
    )
    pictures = sorted(tmp_path.glob("p-*.pgm"))
    assert pictures
    for picture in pictures:
        pixels = picture.read_bytes()
        assert pixels[-1] == 255
        assert sum(pixels) / len(pixels) > 200


def test_a_link_leads_to_the_page_in_the_book():
    places = {"chapters/a.html": "p0", "chapters/b.html": "p1"}

    def lead(value, name="href"):
        return pdf.address_in_book(name, value, "chapters/a", places, "https://x.org/")

    assert lead("#one") == "#p0-one"
    assert lead("b.html") == "#p1"
    assert lead("b.html#two") == "#p1-two"
    assert lead("c.html#two") == "https://x.org/chapters/c.html#two"
    assert lead("../search.html") == "https://x.org/search.html"
    assert lead("https://arxiv.org/abs/1") == "https://arxiv.org/abs/1"
    assert lead("../_images/x.png", "src") == "_images/x.png"


def test_ids_carry_the_number_of_their_page():
    text = (
        '<article class="bd-article"><h1 id="a">x</h1> id="a" <a href="#a"></article>'
    )
    places = {"p.html": "p7"}
    assert pdf.article(text, "p", places, "") == (
        '<article class="bd-article" id="p7"><h1 id="p7-a">x</h1> id="a" '
        '<a href="#p7-a"></article>'
    )


def test_bookmarks_that_lack_a_heading_are_refused(printed):
    path, _ = printed
    before = path.read_bytes()
    with pytest.raises(ValueError, match="bookmarks for 1 headings"):
        pdf.retitle(path, ["one"])
    assert path.read_bytes() == before


def test_a_pdf_without_bookmarks_is_refused(tmp_path):
    blank = PdfWriter()
    blank.add_blank_page(100, 100)
    blank.write(tmp_path / "blank.pdf")
    with pytest.raises(ValueError, match="0 bookmarks for 1 headings"):
        pdf.retitle(tmp_path / "blank.pdf", ["one"])


def test_no_chromium_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit, match=r"No PDF was made: .* set CHROMIUM to its"):
        pdf.main(["--built", str(tmp_path), "--output", str(tmp_path / "x.pdf")])


def test_no_book_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")  # is not asked yet
    with pytest.raises(SystemExit, match="run `make book` first"):
        pdf.main(["--built", str(tmp_path), "--output", str(tmp_path / "x.pdf")])
