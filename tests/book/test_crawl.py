"""The crawl of the built book."""

import re
import shutil
import tomllib
import zlib

import pytest

from book import crawl
from course import address
from tests.fixtures import ROOT

SETTING = address.setting(ROOT)
SITE = address.site(SETTING["url"])


@pytest.fixture(scope="module")
def crawled(book):
    """The crawl of the whole book."""
    return crawl.crawl_folder(book, repository=SETTING)


def test_nothing_in_the_book_is_dead(crawled):
    """Every link, anchor, picture, style, script: from the first page to the last."""
    assert list(crawled.dead) == []


# No pages of a reader's: the theme's, and those that JupyterLite reads for itself.
OTHERS = ("_static", "lite/index.html", "lite/doc/")


def test_the_crawl_reaches_every_page(book, crawled):
    """Four links deep and further; each page that was built is led to."""
    reached = {address.removeprefix(crawled.home) for address in crawled.seen}
    built = {path.relative_to(book).as_posix() for path in book.rglob("*.html")}
    assert {name for name in built if not name.startswith(OTHERS)} <= reached
    assert crawled.count > 1000
    assert max(crawled.depths()) >= 3


def test_the_weekly_check_leaves_no_source_out(crawled):
    """What lychee is told to exclude is no link of a reader's."""
    text = (ROOT / ".github" / "lychee.toml").read_text(encoding="utf-8")
    left_out = [re.compile(pattern) for pattern in tomllib.loads(text)["exclude"]]
    binder = f"https://mybinder.org/v2/gh/{SETTING['url'][19:]}/main"
    assert any(pattern.search(binder) for pattern in left_out)
    assert len(crawled.external) > 50
    assert [a for a in crawled.external if any(p.search(a) for p in left_out)] == []


# ------------------------------------------------------------- the checks can fail

PAGE = '<html><body id="up"><a href="page.html">sound</a> FAULT</body></html>'
INVENTORY = b"# Sphinx inventory version 2\n# Project: x\n# Version: \n# zlib\n"


@pytest.fixture
def small(tmp_path):
    """A book of two pages, a style and a picture, all sound."""
    (tmp_path / "index.html").write_text(PAGE.replace("FAULT", ""))
    (tmp_path / "picture.svg").write_text("<svg></svg>")
    (tmp_path / "style.css").write_text("a { color: red } /* url(no.png) */")
    write(tmp_path, '<a href="index.html#up">up</a>')
    return tmp_path


def write(folder, fault):
    """Write the second page with something in it."""
    (folder / "page.html").write_text(PAGE.replace("FAULT", fault), encoding="utf-8")


def dead(folder):
    """What a crawl of the small book says."""
    return list(crawl.crawl_folder(folder, repository=SETTING, root=folder).dead)


@pytest.mark.parametrize(
    "sound",
    [
        '<a name="there" href="#there">x</a> <a href="#">x</a> <a href="?q=1#up">x</a>',
        '<link rel="stylesheet" href="style.css?digest=1">',
        '<img srcset="picture.svg 1x, picture.svg 2x">',
        '<a href="mailto:a@example.org">x</a> <img src="data:image/png;base64,AA">',
        f'<a href="{SITE}index.html#up">x</a> <a href="{SITE}">x</a>',
        f'<a href="{SETTING["url"]}/blob/main/page.html">x</a>',
        f'<a href="{SETTING["url"]}/issues/new?title=x">x</a>',
    ],
)
def test_sound_links_are_left_alone(small, sound):
    write(small, sound)
    assert dead(small) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ('<a href="nowhere.html">x</a>', "no file nowhere.html"),
        ('<a href="#nowhere">x</a>', "no place #nowhere"),
        ('<a href="index.html#nowhere">x</a>', "no place index.html#nowhere"),
        ('<meta name="viewport"><a href="#viewport">x</a>', "no place #viewport"),
        ('<img src="nowhere.png" alt="x">', "no file nowhere.png"),
        ('<img srcset="picture.svg 1x, no.png 2x">', "no file no.png"),
        ('<script src="nowhere.js"></script>', "no file nowhere.js"),
        ('<link rel="stylesheet" href="nowhere.css">', "no file nowhere.css"),
        ("<p style=\"background: url('no.png')\">x</p>", "no file no.png"),
        ("<style>p { background: url(no.png) }</style>", "no file no.png"),
        ('<form action="nowhere.html"></form>', "no file nowhere.html"),
        ('<meta http-equiv="refresh" content="0; url=no.html">', "no file no.html"),
        (f'<meta property="og:image" content="{SITE}no.png">', f"no file {SITE}no.png"),
        ('<a href="/page.html">x</a>', "/page.html leaves the book"),
        ('<a href="../page.html">x</a>', "../page.html leaves the book"),
        ('<a href=".">x</a><a href="folder/">x</a>', "no file folder/"),
        ('<a href="http://[x">x</a>', "http://[x is no address: Invalid IPv6 URL"),
        (
            f'<a href="{SETTING["url"]}/edit/main/no.md">x</a>',
            f"{SETTING['url']}/edit/main/no.md names no.md, "
            "which the repository has not",
        ),
        (
            f'<a href="https://mybinder.org/v2/gh/{SETTING["url"][19:]}/main'
            '?urlpath=lab/tree/no.ipynb">x</a>',
            f"https://mybinder.org/v2/gh/{SETTING['url'][19:]}/main"
            "?urlpath=lab/tree/no.ipynb names no.ipynb, which the repository has not",
        ),
    ],
)
def test_a_planted_fault_is_found(small, fault, said):
    (small / "folder").mkdir()
    write(small, fault)
    assert dead(small) == [f"page.html: {said}"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("style.css", "a { background: url(no.png) }", "no file no.png"),
        ("style.css", '@import "no.css";', "no file no.css"),
        ("searchindex.js", 'Search.setIndex({"docnames":["no"]})', "no file no.html"),
        ("sitemap.xml", f"<url><loc>{SITE}no</loc></url>", f"no file {SITE}no"),
        ("feed.xml", f'<link href="{SITE}no.html"/>', f"no file {SITE}no.html"),
        (
            "objects.inv",
            INVENTORY + zlib.compress(b"a std:label -1 page.html#$ -\n"),
            "no place page.html#a",
        ),
    ],
)
def test_a_fault_in_another_file_is_found(small, name, text, said):
    write(small, '<link rel="stylesheet" href="style.css">')
    assert dead(small) == []
    (small / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert dead(small) == [f"{name}: {said}"]


def test_a_page_that_is_deep_is_found_and_its_depth_is_told(small):
    for number in range(1, 7):
        (small / f"{number}.html").write_text(f'<a href="{number + 1}.html">x</a>')
    write(small, '<a href="1.html">deep</a>')
    assert dead(small) == ["6.html: no file 7.html"]


def test_the_command_says_what_it_found(small, capsys, monkeypatch):
    assert crawl.main([str(small)]) == 0
    write(small, '<a href="no.html">x</a><a href="https://example.org/">x</a>')
    assert crawl.main([str(small)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-3:] == [
        "page.html: no file no.html",
        "1 dead",
        "1 links to other places were not followed",
    ]
    shutil.rmtree(small)
    with pytest.raises(SystemExit, match="run `make book` first"):
        crawl.main([str(small)])
