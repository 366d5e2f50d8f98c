"""The crawl of the built book, and the list of its external links."""

import http.server
import shutil
import threading
import zlib

import pytest

from book import crawl, external
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


def test_the_crawl_reaches_every_page(book, crawled):
    """Four links deep and further; each page that was built is led to."""
    reached = {address.removeprefix(crawled.home) for address in crawled.seen}
    built = {path.relative_to(book).as_posix() for path in book.rglob("*.html")}
    assert {name for name in built if not name.startswith("_static")} <= reached
    assert crawled.count > 1000
    assert max(crawled.depths()) >= 3


def test_the_list_of_external_links_is_the_book_s(crawled):
    """Each stands there once, with its pages; the workflow writes the dates."""
    text = external.PATH.read_text(encoding="utf-8")
    listed = external.parse()
    assert text.count("\n| <") == len(listed) > 0
    assert external.merged(crawled.external, crawled.pages()) == listed, (
        "the book's external links changed: run `make crawl ARGS=--list`"
    )


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
        "1 external links, each listed in tests/book/external_links.md",
    ]
    shutil.rmtree(small)
    with pytest.raises(SystemExit, match="run `make book` first"):
        crawl.main([str(small)])


# ------------------------------------------------------------- the external links


class Moody(http.server.BaseHTTPRequestHandler):
    """A server with one habit for each path; it counts what it is asked."""

    asked = None

    def do_GET(self):
        self.asked.append(f"{self.command} {self.path}")
        times = self.asked.count(f"GET {self.path}")
        status = {
            "/gone": 404,
            "/robots": 403,
            "/busy": 429,
            "/no-head": 405 if self.command == "HEAD" else 200,
            "/wakes-up": 503 if times < 2 else 200,
            "/asleep": 503,
        }.get(self.path, 200)
        self.send_response(status)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def moody():
    """The address of a moody server, and what it was asked."""
    handler = type("Handler", (Moody,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler.asked
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "result", "asked"),
    [
        ("/sound", "fine (200)", ["HEAD"]),
        ("/no-head", "fine (200)", ["HEAD", "GET"]),
        ("/gone", "dead (404)", ["HEAD", "GET"]),
        ("/robots", "refuses robots (403)", ["HEAD", "GET"]),
        ("/busy", "refuses robots (429)", ["HEAD", "GET"]),
        ("/wakes-up", "fine (200)", ["HEAD", "GET"] * 2),
        ("/asleep", "no answer (503)", ["HEAD", "GET"] * 3),
    ],
)
def test_what_becomes_of_an_address(moody, path, result, asked):
    home, questions = moody
    assert external.result_of(home + path, pause=0) == result
    assert questions == [f"{method} {path}" for method in asked]


def listed(path, *addresses):
    """Write a list of these addresses; return its path."""
    found = {address: {"page.html"} for address in addresses}
    external.write(external.merged(found, 9, path), path)
    return path


def test_the_check_writes_the_date_of_each(moody, tmp_path, capsys):
    home, _ = moody
    path = listed(tmp_path / "list.md", f"{home}/sound", f"{home}/gone")
    assert {link.date for link in external.parse(path).values()} == {"never"}
    assert external.check_all(path, today="2031-02-03", pause=0) == 1
    assert external.parse(path) == {
        f"{home}/gone": external.Link(
            f"{home}/gone", "page", "2031-02-03", "dead (404)"
        ),
        f"{home}/sound": external.Link(
            f"{home}/sound", "page", "2031-02-03", "fine (200)"
        ),
    }
    assert f"{home}/gone: dead (404), in page" in capsys.readouterr().out
    listed(path, f"{home}/new", f"{home}/sound")
    dates = {link.address: link.date for link in external.parse(path).values()}
    assert dates == {f"{home}/new": "never", f"{home}/sound": "2031-02-03"}


def test_silence_is_bad_from_the_second_week(moody, tmp_path):
    home, _ = moody
    path = listed(tmp_path / "list.md", f"{home}/asleep")
    assert [external.check_all(path, pause=0) for _ in range(2)] == [0, 1]


def test_without_a_network_the_list_stays(tmp_path, capsys):
    path = listed(
        tmp_path / "list.md", "http://127.0.0.1:9/x", "http://nowhere.invalid"
    )
    before = path.read_bytes()
    assert external.check_all(path) == 2
    assert path.read_bytes() == before
    assert capsys.readouterr().out == (
        "no network: none of 2 hosts answers; the list is unchanged\n"
    )
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_of_every_page_says_so(tmp_path):
    pages = {f"{number}.html" for number in range(8)}
    found = external.merged({"https://example.org/a|b": pages}, 9, tmp_path / "list.md")
    assert found["https://example.org/a%7Cb"].pages == "every page"
