"""Releases, and the site that is put together from them."""

import shutil
import stat
import zipfile

import pytest

from book import crawl, publish
from course import address
from tests.fixtures import ROOT

NOW = address.setting(ROOT)
SITE = address.site(NOW["url"])
TOP = publish.TOP


@pytest.fixture
def small(tmp_path):
    """A book of two pages, as far as the site can tell."""
    folder = tmp_path / "html"
    (folder / "chapters").mkdir(parents=True)
    footer = f'<footer><a href="{SITE}versions.html">All versions</a></footer>'
    text = '<a href="chapters/one.html">one</a>' + footer
    (folder / "index.html").write_text(text, encoding="utf-8")
    text = '<a href="../index.html">first</a>' + footer
    (folder / "chapters" / "one.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def zips(tmp_path):
    """An empty folder for the releases' zips."""
    (tmp_path / "zips").mkdir()
    return tmp_path / "zips"


def test_a_site_holds_the_newest_book_and_every_version(small, zips, tmp_path, capsys):
    for tag in ("v0.1.0", "v0.10.0", "v0.9.0", "v0.10.0rc1", "v0.10.0rc2"):
        publish.pack(small, zips / f"book-{tag}.zip")
    (small / "chapters" / "one.html").write_text("newest")
    site = tmp_path / "site"
    assert publish.main(["assemble", *map(str, (small, zips, site))]) == 0
    order = "v0.10.0 v0.10.0rc2 v0.10.0rc1 v0.9.0 v0.1.0"
    assert capsys.readouterr().out.endswith(f"5 versions {order}\n")
    assert (site / "chapters" / "one.html").read_text() == "newest"
    assert "first" in (site / "v0.9.0" / "chapters" / "one.html").read_text()
    assert (site / ".nojekyll").exists()
    done = crawl.crawl_folder(site, repository=NOW)
    assert list(done.dead) == []
    reached = {address.removeprefix(done.home) for address in done.seen}
    names = {"versions.html", "v0.1.0/", "v0.10.0rc1/", "v0.1.0/chapters/one.html"}
    assert names <= reached


def test_the_same_book_gives_the_same_zip(small, tmp_path):
    publish.pack(small, tmp_path / "book.zip")
    first = (tmp_path / "book.zip").read_bytes()
    for path in small.rglob("*.html"):
        path.touch()
    publish.pack(small, tmp_path / "book.zip")
    assert (tmp_path / "book.zip").read_bytes() == first
    names = zipfile.ZipFile(tmp_path / "book.zip").namelist()
    assert names == [f"{TOP}/chapters/one.html", f"{TOP}/index.html"]


@pytest.mark.parametrize(
    "name",
    [
        "../outside.html",
        f"{TOP}/../../outside.html",
        "/outside.html",
        f"{TOP}/..\\..\\outside.html",
        "C:/outside.html",
        f"{TOP}/c:outside.html",
        "other/outside.html",
        TOP,
    ],
)
def test_a_zip_that_reaches_outside_is_refused(small, zips, tmp_path, name):
    publish.pack(small, zips / "book-v0.1.0.zip")
    with zipfile.ZipFile(zips / "book-v0.1.0.zip", "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), "caught")
    before = {path for path in tmp_path.rglob("*") if "site" not in path.parts}
    with pytest.raises(
        publish.PublishError, match=r"book-v0\.1\.0\.zip holds .*refused"
    ):
        publish.assemble(small, zips, tmp_path / "site")
    assert {path for path in tmp_path.rglob("*") if "site" not in path.parts} == before
    assert not any("outside" in path.name for path in tmp_path.rglob("*"))


def test_a_link_in_a_zip_is_refused(small, zips, tmp_path):
    publish.pack(small, zips / "book-v0.1.0.zip")
    link = zipfile.ZipInfo(f"{TOP}/link.html")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(zips / "book-v0.1.0.zip", "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(publish.PublishError, match=r"link\.html.*refused"):
        publish.assemble(small, zips, tmp_path / "site")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("book-v0.1.0.zip", b"no zip", "cannot be unpacked: File is not a zip"),
        ("notes.txt", b"", "notes.txt is not named as book-v0.1.0.zip is"),
        ("book-latest.zip", b"", "book-latest.zip is not named as"),
    ],
)
def test_what_is_no_release_s_zip_is_refused(
    small, zips, tmp_path, name, content, said
):
    (zips / name).write_bytes(content)
    with pytest.raises(SystemExit, match=said):
        publish.main(["assemble", *map(str, (small, zips, tmp_path / "site"))])


def test_a_zip_without_a_first_page_or_too_large_is_refused(
    small, zips, tmp_path, monkeypatch
):
    with zipfile.ZipFile(zips / "book-v0.1.0.zip", "w") as archive:
        archive.writestr(f"{TOP}/page.html", "x" * 99)
    with pytest.raises(publish.PublishError, match=r"holds no index\.html"):
        publish.assemble(small, zips, tmp_path / "one")
    monkeypatch.setattr(publish, "LIMIT", 98)
    with pytest.raises(publish.PublishError, match="unpacks to over 98 bytes"):
        publish.assemble(small, zips, tmp_path / "two")
    (zips / "book-v0.1.0.zip").unlink()
    monkeypatch.setattr(publish, "PAGES_LIMIT", 98)
    with pytest.raises(publish.PublishError, match="GitHub Pages shows at most 1 GB"):
        publish.assemble(small, zips, tmp_path / "three")


def test_nothing_is_written_over(small, zips):
    with pytest.raises(publish.PublishError, match="is there already"):
        publish.assemble(small, zips, small)


def test_there_is_no_zip_without_a_book(tmp_path):
    with pytest.raises(SystemExit, match="run `make book` first"):
        publish.main(["pack", str(tmp_path), str(tmp_path / "book.zip")])


# -------------------------------------------------------------------- a release


@pytest.fixture
def tree(tmp_path):
    """The files that a release is checked by, as they are when v1.2.0 is tagged."""
    for name in ("_config.yml", "pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    change(tmp_path, "_config.yml", f"branch: {NOW['branch']}", "branch: v1.2.0")
    change(tmp_path, "pyproject.toml", '\nversion = "0.1.0"', '\nversion = "1.2.0"')
    path = tmp_path / "CHANGELOG.md"
    first = "## [1.2.0] - 2031-02-03\n\nIt is *better*.\n\n### Fixed\n\n- All.\n\n"
    at = (text := path.read_text(encoding="utf-8")).index("## [")
    path.write_text(text[:at] + first + text[at:], encoding="utf-8")
    return tmp_path


def change(folder, name, old, new):
    """Replace a text in a file."""
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def test_a_release_that_is_ready(tree):
    assert publish.problems("v1.2.0", tree) == []
    assert publish.notes("v1.2.0", tree) == "It is *better*.\n\n### Fixed\n\n- All."


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("pyproject.toml", '"1.2.0"', '"1.3.0"', "pyproject.toml names version 1.3.0"),
        ("CHANGELOG.md", "[1.2.0]", "[1.1.0]", "CHANGELOG.md says nothing of 1.2.0"),
        (
            "_config.yml",
            "branch: v1.2.0",
            "branch: main",
            "the set-up cells install from main; in the commit that you tag, "
            f"run `make address REPO={NOW['url']} BRANCH=v1.2.0`",
        ),
    ],
)
def test_a_release_that_is_not_ready(tree, name, old, new, said):
    change(tree, name, old, new)
    assert publish.problems("v1.2.0", tree) == [said]


@pytest.mark.parametrize("tag", ["1.2.0", "v1.2", "v1.2.0-x", "v1.2.0\n", "../v1.2.0"])
def test_a_tag_of_another_form_is_refused(tree, tag):
    assert publish.problems(tag, tree) == [
        f"a tag looks like v0.1.0 or v0.2.0rc1, got {tag!r}"
    ]


def test_the_command_exits_with_what_it_says(capsys):
    assert publish.main(["check", "v99.0.0"]) == 1
    assert "pyproject.toml names version" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"CHANGELOG\.md says nothing of 99\.0\.0"):
        publish.main(["notes", "v99.0.0"])
