"""Print the built book as one PDF, with bookmarks and with links that lead inside it.

    python -m book.pdf [--output FILE] [--pages chapters/glossary ...]

The articles of all pages are joined into one document, in which every id carries the
number of its page, so that a link from chapter to chapter stays a link. Chromium
prints it, with the book's own style for paper. Build the book first.
"""

import argparse
import html
import posixpath
import re
import sys
import time
import urllib.parse
from pathlib import Path

from playwright.sync_api import Error, sync_playwright
from pypdf import PdfWriter
from pypdf.generic import NameObject, TextStringObject

from book.facts import build_line, facts
from book.said import plain
from course import toc
from course.paths import BUILT, ROOT, find_chromium

TAG = re.compile(r"<[A-Za-z][^>]*>")
ATTRIBUTE = re.compile(r'\b(id|href|src|for|headers|aria-labelledby)="([^"]*)"')
ARTICLE = re.compile(r'<article class="bd-article">(.*)</article>', re.S)
TITLE = re.compile(r'<meta property="og:title" content="([^"]*)">')
STYLE = re.compile(r'<link [^>]*rel="stylesheet"[^>]*>|<link [^>]*styles/[^>]*>')

DOCUMENT = """<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light" data-content_root="./">
<head><meta charset="utf-8"><title>{title}</title>
{styles}
</head>
<body class="whole-book">
<header class="title-page"><p class="book-title">{title}</p><p>{author}</p><p>{line}</p>
<p><a href="{home}">{home}</a></p>
<p>Text and figures: CC BY 4.0. Code: MIT.</p>
<nav aria-label="Contents"><ol>{contents}</ol></nav></header>
<main class="bd-main">{articles}</main>
</body></html>
"""

FOOT = """<div style="width: 100%; font: 8px sans-serif; text-align: center">
<span class="pageNumber"></span></div>"""

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


# Opens every box; returns the headings, whose formulas stay plain text in bookmarks.
PREPARE = r"""() => {
    document.querySelectorAll("details").forEach((box) => { box.open = true; });
    return [...document.querySelectorAll("article :is(h1, h2, h3, h4, h5, h6)")].map(
        (heading) => {
            const copy = heading.cloneNode(true);
            copy.querySelectorAll(".headerlink").forEach((sign) => sign.remove());
            return copy.textContent;
        });
}"""


class PdfError(Exception):
    """Says why there is no PDF."""


def chromium():
    """Return the path of a Chromium; raise PdfError where there is none."""
    path = find_chromium()
    if not path:
        raise PdfError(
            "the PDF is printed by Chromium, and there is none; install one "
            "(on Debian: apt-get install chromium), or set CHROMIUM to its path"
        )
    return path


# One document


def joined(built, pages, now, author):
    """Return one HTML document of the articles of these pages, to stand in `built`."""
    texts = [read(built, page) for page in pages]
    places = {f"{page}.html": f"p{k}" for k, page in enumerate(pages)}
    titles = [html.unescape(TITLE.search(text)[1]) for text in texts]
    articles = [
        article(text, page, places, now["home"])
        for text, page in zip(texts, pages, strict=True)
    ]
    contents = "".join(
        f'<li><a href="#p{k}">{html.escape(title)}</a></li>'
        for k, title in enumerate(titles)
    )
    up = "../" * pages[0].count("/")
    styles = "\n".join(dict.fromkeys(STYLE.findall(texts[0])))
    return DOCUMENT.format(
        title=html.escape(now["title"]),
        author=html.escape(author),
        line=build_line(now),
        home=now["home"],
        styles=styles.replace(f'href="{up}', 'href="'),
        contents=contents,
        articles="\n".join(articles),
    )


def read(built, page):
    """Return the text of a built page; raise PdfError where it is missing."""
    path = built / f"{page}.html"
    if not path.exists():
        raise PdfError(f"there is no page {path}; run `make book` first")
    return path.read_text(encoding="utf-8")


def article(text, page, places, home):
    """Return a page's article with ids and addresses that hold in the whole book."""
    own = places[f"{page}.html"]

    def attribute(match):
        name, value = match[1], html.unescape(match[2])
        if name in ("id", "for", "headers", "aria-labelledby"):
            value = " ".join(f"{own}-{part}" for part in value.split())
        else:
            value = address_in_book(name, value, page, places, home)
        return f'{name}="{html.escape(value)}"'

    inside = TAG.sub(
        lambda tag: ATTRIBUTE.sub(attribute, tag[0]), ARTICLE.search(text)[1]
    )
    return f'<article class="bd-article" id="{own}">{inside}</article>'


def address_in_book(name, value, page, places, home):
    """Return where a link of `page` leads in the whole book, or a picture lies."""
    parts = urllib.parse.urlsplit(value)
    if parts.scheme or parts.netloc:
        return value
    path = posixpath.join(posixpath.dirname(page), parts.path) if parts.path else ""
    path = posixpath.normpath(path) if path else f"{page}.html"
    if name == "src":
        return path
    if path in places:
        return f"#{places[path]}" + (f"-{parts.fragment}" if parts.fragment else "")
    return home + path + (f"#{parts.fragment}" if parts.fragment else "")


# Printing


def print_pdf(document, output, say):
    """Let Chromium print an HTML file; `say` is told how far it is."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(color_scheme="light", reduced_motion="reduce")
        page.set_default_timeout(0)
        page.route("http*://**", lambda route: route.abort())
        page.goto(document.as_uri(), wait_until="load")
        titles = page.evaluate(PREPARE)
        page.evaluate("document.fonts.ready.then(() => true)")
        say("printing")
        page.pdf(
            path=output,
            format="A4",
            print_background=True,
            margin={"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOT,
            outline=True,
            tagged=True,
        )
        browser.close()
    retitle(output, [plain(title) for title in titles])


def retitle(path, titles):
    """Give a PDF's bookmarks these titles; ValueError where their number differs.

    Chromium takes a title from the letters that it paints: it joins the words at the
    end of a line, and leaves formulas out.
    """
    pdf = PdfWriter(clone_from=path)
    items = list(outline_items(pdf.root_object.get("/Outlines", {})))
    if len(items) != len(titles):
        raise ValueError(f"{len(items)} bookmarks for {len(titles)} headings")
    for item, title in zip(items, titles, strict=True):
        item[NameObject("/Title")] = TextStringObject(title)
    pdf.write(path)


def outline_items(above):
    """Yield every bookmark below an item of the outline, in reading order."""
    item = above.get("/First")
    while item is not None:
        yield item.get_object()
        yield from outline_items(item.get_object())
        item = item.get_object().get("/Next")


def make(root, built, pages, output, say=print):
    """Print these pages of the built book into one PDF."""
    now = facts(root)
    author = toc.config(root)["author"]
    chromium()
    output.parent.mkdir(parents=True, exist_ok=True)
    document = built / "_whole_book.html"
    try:
        text = joined(built, pages, now, author)
        document.write_text(text, encoding="utf-8")
        print_pdf(document, output, say)
    except Error as error:
        raise PdfError(f"Chromium says: {error.message}") from error
    except ValueError as error:
        raise PdfError(str(error)) from error
    finally:
        document.unlink(missing_ok=True)


def main(arguments=None):
    """Run the command line; exit with the reason where there is no PDF."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "book.pdf")
    parser.add_argument("--pages", nargs="+", help="default: all of _toc.yml")
    parser.add_argument("--built", type=Path, default=BUILT)
    options = parser.parse_args(arguments)
    pages, started = options.pages or toc.pages(), time.monotonic()

    def say(what):
        print(f"{time.monotonic() - started:4.0f} s  {what}", flush=True)

    try:
        make(ROOT, options.built.resolve(), pages, options.output.resolve(), say)
    except PdfError as error:
        sys.exit(f"No PDF was made: {error}")
    size = options.output.stat().st_size / 2**20
    say(f"{options.output} ({size:.1f} MiB)")


if __name__ == "__main__":
    main()
