"""What each page says of itself: head, footer, sitemap, feed; and `make serve`."""

import datetime
import filecmp
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET

import pytest
import yaml

from book import changelog, facts, feed
from book.said import LONGEST, PICTURE, plain, shortened
from book.sitemap import sitemap
from course import address, toc
from tests.browser import look
from tests.fixtures import ROOT, run_build

PAGES = toc.pages()
NOW = facts.facts(ROOT)
CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
SITE = address.site(NOW["url"])
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
ATOM = f"{{{feed.NAMESPACE}}}"


def read(book, page):
    return (book / f"{page}.html").read_text(encoding="utf-8")


def meta(text):
    """Return name or property → content of the page's <meta>."""
    found = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', text)
    return dict(found)


# ---------------------------------------------------------------------- the head


@pytest.mark.parametrize("page", PAGES)
def test_the_head_describes_the_page(book, page):
    text, home = read(book, page), f"{SITE}{page}.html"
    said = meta(text)
    assert text.count('rel="canonical"') == 1
    assert f'<link rel="canonical" href="{home}" />' in text
    assert said["og:url"] == home
    assert said["og:image"] == f"{SITE}_static/social.png"
    assert said["twitter:card"] == "summary_large_image"
    assert 50 < len(said["description"]) <= LONGEST
    assert said["og:description"] == said["description"]
    assert not re.search(r"\\|\$|\n|<", said["description"] + said["og:title"])


def test_descriptions_are_all_different(book):
    said = [meta(read(book, page))["description"] for page in PAGES]
    assert len(set(said)) == len(PAGES)


def test_the_first_page_shares_the_card_of_the_landing_page(book):
    said = meta(read(book, "index"))
    assert said["og:url"] == f"{SITE}{PAGES[0]}.html"
    assert said["og:image"].endswith("social.png")


def test_the_picture_of_a_shared_link(book):
    data = (book / "_static" / "social.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    size = (PICTURE["width"], PICTURE["height"])
    assert struct.unpack(">II", data[16:24]) == size == (1200, 630)
    assert len(data) < 100_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"by \(\sqrt{d_k}\) out", "by √d_k out"),
        (r"an \(n \times n\) matrix", "an n × n matrix"),
        ("two\n lines", "two lines"),
    ],
)
def test_formulas_become_plain_text(text, shown):
    assert plain(text) == shown


def test_a_long_description_ends_with_a_sentence_or_a_word():
    text = "One sentence here. " + "another word " * 20
    assert shortened(text, 45) == "One sentence here."
    assert shortened("many words, and more of them", 13) == "many words…"
    assert shortened("short", 13) == "short"


# ------------------------------------------------------------ the live figures


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_the_scripts_of_its_figures_alone(book, page):
    """Each figure's and the host's, all there; none on a page without a figure."""
    text = read(book, page)
    shown = sorted(set(re.findall(r'class="attn-live" data-figure="(\w+)"', text)))
    loaded = re.findall(r'(?:src|href)="([^"]+/(?:figures/[^"]+|live_host\.js))"', text)
    names = ["live.css", "-".join(shown) + ".js", "live_host.js"] if shown else []
    assert [path.rpartition("/")[2] for path in loaded] == names
    folder = (book / page).parent
    assert all((folder / path).is_file() for path in loaded)
    assert 'class="attn-copy"' not in text


def test_a_copy_is_the_very_same_box(book):
    """The landing page shows the explorer of the second chapter."""
    form = re.compile(
        r'<div class="attn-live" data-figure="attention_explorer".*?</table></div>',
        re.S,
    )
    (copy,) = form.findall(read(book, PAGES[0]))
    assert copy == form.findall(read(book, "chapters/02_query_key_value"))[0]


# -------------------------------------------------------------------- the footer


@pytest.mark.parametrize("page", [*PAGES, "search"])
def test_the_footer_names_the_build(book, page):
    text = read(book, page)
    assert text.count('<div class="page-parts">') == 1
    assert f"Version {NOW['version']}" in text
    assert re.search(r"built on <time datetime=\"\d{4}-\d\d-\d\d\">", text)
    if NOW["commit"]:
        assert f'{NOW["url"]}/commit/{NOW["commit"]}"><code>{NOW["commit"][:7]}' in text


def test_versions_are_named_where_a_workflow_publishes_them(book):
    """A book of this machine leads to none: see also the book of a fork."""
    assert not NOW["is_published"]
    assert not any("All versions" in read(book, page) for page in PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_edit_leads_to_a_file_that_is_there(book, page):
    start = f'<a href="{NOW["url"]}/edit/{NOW["branch"]}/'
    (path,) = re.findall(re.escape(start) + r'([^"]+)"', read(book, page))
    assert (ROOT / path).is_file()


def test_made_pages_lead_to_what_they_are_made_from():
    places = [facts.source(ROOT, page) for page in PAGES]
    assert "exercises/06_complexity.ipynb" in places
    assert "chapters/formulas.yml" in places
    assert not any(place.startswith("chapters/exercises/") for place in places)


def test_a_report_names_page_version_and_commit(book):
    text = read(book, "chapters/03_scaling")
    (address,) = re.findall(r'<a href="([^"]+/issues/new\?[^"]+)"', text)
    parts = urllib.parse.urlsplit(address.replace("&amp;", "&"))
    asked = urllib.parse.parse_qs(parts.query)
    assert asked["title"] == ["chapters/03_scaling: "]
    assert "Page: chapters/03_scaling\n" in asked["body"][0]
    assert f"Version: {NOW['version']}" in asked["body"][0]


def test_cite_opens_without_script_and_network(browser, on_disk):
    """By keyboard, in a page from a folder: the words, and the BibTeX entry."""
    with look.visit(
        browser, on_disk, "chapters/glossary.html", java_script_enabled=False
    ) as seen:
        entry = seen.page.locator(".page-parts pre")
        assert not entry.is_visible()
        seen.page.locator(".page-parts summary").press("Enter")
        assert entry.is_visible()
        text = entry.inner_text()
        assert not [line for line in seen.troubles if line.startswith("asks for")]
    assert text.startswith("@software{")
    assert text.count("{") == text.count("}")
    assert f"title = {{{{{CFF['title']}}}}}" in text
    assert f"version = {{{NOW['version']}}}" in text
    assert f"year = {{{str(CFF['date-released'])[:4]}}}" in text
    assert f"url = {{{SITE}chapters/glossary.html}}" in text


@pytest.mark.parametrize("width", [look.WIDE, look.NARROW])
@pytest.mark.parametrize("theme", look.THEMES)
def test_the_open_footer_is_readable_by_everybody(browser, on_disk, theme, width):
    page = "chapters/references.html"
    with look.visit(browser, on_disk, page, theme=theme, width=width) as seen:
        seen.page.locator(".page-parts summary").press("Enter")
        found = look.axe_problems(seen.page) + look.width_problems(seen.page)
        assert seen.troubles + found == []
        sizes = seen.page.locator(".page-parts :is(nav a, summary)").evaluate_all(
            "all => all.map((one) => one.getBoundingClientRect().height)"
        )
        assert len(sizes) == 3
        assert min(sizes) >= 24  # WCAG 2.5.8: what is tapped


# ------------------------------------------------------------ sitemap and changes


def test_the_sitemap_names_every_page(book):
    root = ET.parse(book / "sitemap.xml").getroot()
    places = [entry.findtext(f"{MAP}loc") for entry in root]
    assert places == [f"{SITE}{page}.html" for page in PAGES]
    days = [entry.findtext(f"{MAP}lastmod") for entry in root]
    assert all(day is None or re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in days)


def test_the_feed_is_the_changelog(book):
    """One entry a version, the newest first, each with id, title, day and text."""
    root = ET.parse(book / "feed.xml").getroot()
    assert root.tag == f"{ATOM}feed"
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^## \[([^\]]+)\] - (\S+)$", text)
    entries = root.findall(f"{ATOM}entry")
    assert [e.findtext(f"{ATOM}title") for e in entries] == [
        f"Version {version}" for version, _ in headings
    ]
    for entry, (_, day) in zip(entries, headings, strict=True):
        assert entry.findtext(f"{ATOM}updated") == f"{day}T00:00:00Z"
        assert entry.findtext(f"{ATOM}id").startswith(SITE)
        assert "<li>" in entry.findtext(f"{ATOM}content")


@pytest.mark.parametrize("page", ["index", "search", PAGES[0], PAGES[-1]])
def test_readers_of_feeds_find_it(book, page):
    (place,) = re.findall(
        r'<link rel="alternate" type="application/atom\+xml"[^>]* href="([^"]+)"',
        read(book, page),
    )
    assert (book / f"{page}.html").parent.joinpath(place).resolve() == (
        book.resolve() / "feed.xml"
    )


def test_versions_end_where_the_next_begins():
    text = (
        "# Changes\n\n## [Unreleased]\n\nx\n\n## [0.2.0] - 2031-02-03\n\n- b\n\n"
        "## [0.1.0] - 2030-01-02\n\n- a\n\n[0.1.0]: https://example.org\n"
    )
    assert list(changelog.versions(text)) == [
        ("0.2.0", "2031-02-03", "- b"),
        ("0.1.0", "2030-01-02", "- a"),
    ]


def test_a_changelog_without_a_version_is_refused():
    with pytest.raises(ValueError, match=r"begins `## \[0\.1\.0\] - 2026-01-31`"):
        feed.feed("# Changes\n", "x", "y", NOW["url"])


def test_the_newest_version_is_that_of_the_package():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, day, _ = next(changelog.versions(text))
    assert version == NOW["version"] == CFF["version"]
    assert day == str(CFF["date-released"])


# ---------------------------------------------------- what the build is made from


def test_the_day_is_that_of_source_date_epoch(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert facts.facts(ROOT)["day"] == "2001-09-09"


def copy_of_files(folder):
    """Put the files into a folder that the facts of the build are read from."""
    for name in ("_config.yml", "pyproject.toml", "CITATION.cff"):
        (folder / name).write_bytes((ROOT / name).read_bytes())


def test_a_folder_without_git_names_no_commit(tmp_path, monkeypatch):
    """A zip from GitHub, say: the version is known, the commit is not."""
    copy_of_files(tmp_path)
    monkeypatch.setenv("GITHUB_SHA", "a" * 40)  # of another repository, then
    now = facts.facts(tmp_path)
    assert not now["commit"]
    assert "commit" not in facts.build_line(now)
    assert f"Version {NOW['version']}" in facts.build_line(now)
    assert "<lastmod>" not in sitemap(tmp_path, ["chapters/x"], SITE)


def test_a_machine_without_git_is_no_fault(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert facts.git(ROOT, "rev-parse", "HEAD") is None


NOON = "2030-02-02T12:00:00+00:00"


def git(folder, *arguments):
    """Run git as somebody, without the settings of this machine."""
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
    who |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}
    who |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who |= {"GIT_AUTHOR_DATE": NOON, "GIT_COMMITTER_DATE": NOON}
    subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        env=os.environ | who,
        capture_output=True,
    )


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A small repository with one commit, of another day than today."""
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    folder = tmp_path / "work"
    folder.mkdir()
    copy_of_files(folder)
    (folder / "chapters").mkdir()
    (folder / "chapters" / "one.md").write_text("# One\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "one")
    return folder


def test_a_checkout_names_its_commit(checkout, monkeypatch):
    now = facts.facts(checkout)
    assert re.fullmatch("[0-9a-f]{40}", now["commit"])
    assert not now["changed"]
    assert "changes" not in facts.build_line(now)
    (checkout / "chapters" / "one.md").write_text("# Two\n")
    assert "with changes since" in facts.build_line(facts.facts(checkout))
    # A workflow writes addresses before it builds: these are no changes of the text.
    monkeypatch.setenv("GITHUB_SHA", "b" * 40)
    now = facts.facts(checkout)
    assert now["commit"] == "b" * 40
    assert "changes" not in facts.build_line(now)


def test_days_in_the_sitemap_are_those_of_the_commits(checkout, tmp_path):
    text = sitemap(checkout, ["chapters/one"], SITE)
    assert "<lastmod>2030-02-02</lastmod>" in text
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", checkout.as_uri(), str(shallow))
    assert "<lastmod>" not in sitemap(shallow, ["chapters/one"], SITE)


def test_a_folder_in_a_checkout_is_no_checkout(checkout):
    assert facts.is_checkout(checkout)
    assert not facts.is_checkout(checkout / "chapters")


def files(folder):
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())


def test_two_builds_of_the_same_sources_are_equal(book, tmp_path, monkeypatch):
    """Byte by byte, but for the day; a build says which it was made on."""
    day = re.search(r"built on <time datetime=\"([^\"]+)\"", read(book, PAGES[0]))[1]
    noon = datetime.datetime.fromisoformat(f"{day}T12:00:00+00:00")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(noon.timestamp())))
    again = tmp_path / "html"
    done = run_build(again)
    assert done.returncode == 0, done.stderr
    assert files(again) == files(book)
    _, different, errors = filecmp.cmpfiles(book, again, files(book), shallow=False)
    assert [str(path) for path in different + errors] == []


def test_the_build_says_that_the_address_is_the_place_holder(built):
    _, done = built
    lines = [line for line in done.stdout.splitlines() if "make address REPO=" in line]
    assert len(lines) == (NOW["url"] == address.PLACEHOLDER)


# ---------------------------------------------------------------------- make serve

BROWSER = """\
import sys
if sys.argv[1:3] == ["-m", "webbrowser"]:
    open("opened", "w").write(sys.argv[3])
else:
    import os
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.fixture
def course(book, tmp_path):
    """A folder with the Makefile and the book, whose Python notes what it opens."""
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / "html").symlink_to(book)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / "notes.py").write_text(BROWSER)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/notes.py "$@"\n')
    python.chmod(0o755)
    return tmp_path


def serve(course, port, **screen):
    """Start `make serve` with the book as it is; return the process."""
    hidden = {"DISPLAY", "WAYLAND_DISPLAY", "MAKEFLAGS", "MAKELEVEL"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | screen
    return subprocess.Popen(
        ["make", "--old-file=book", "serve", f"PORT={port}"],
        cwd=course,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a signal reaches all that make has started
    )


def wait_for(what, seconds=120):
    """Return what a function gives, once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.1)
    pytest.fail(f"nothing for {seconds} seconds")


def fetched(address):
    """Return what a server answers, or None where nobody listens."""
    try:
        with urllib.request.urlopen(address) as answer:
            return answer.read()
    except OSError:
        return None


def free_port():
    """Return a port that nobody used a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("screen", [{}, {"DISPLAY": ":0"}], ids=["none", "some"])
def test_serve_says_where_the_book_is_and_opens_it_on_a_screen(course, screen):
    port = free_port()
    home = f"http://127.0.0.1:{port}/"
    running = serve(course, port, **screen)
    try:
        assert home in running.stdout.readline()
        page = wait_for(lambda: fetched(f"{home}chapters/index.html"))
        assert b"Attention, tested" in page
        if screen:
            wait_for((course / "opened").exists)
            assert wait_for((course / "opened").read_text) == home
    finally:
        os.killpg(running.pid, signal.SIGTERM)  # SIGINT may be ignored, as in a script
        running.communicate(timeout=120)
    assert (course / "opened").exists() == bool(screen)


def test_serve_says_what_to_do_about_a_port_in_use(course):
    """And it opens no page: what answers there is not this book."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = serve(course, port, DISPLAY=":0")
        said, _ = running.communicate(timeout=120)
    assert running.returncode != 0
    assert "Traceback" not in said
    assert "Address already in use" in said
    assert f"choose another port: make serve PORT={port + 1}\n" in said
    time.sleep(1.5)
    assert not (course / "opened").exists()
