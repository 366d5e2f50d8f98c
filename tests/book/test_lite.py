"""What runs notebooks in the page: fetched, checked, and put in the book."""

import json
import os
import subprocess
import sys
import zipfile

import pytest

from book.lite import app, fetch, site
from course import toc
from course.paths import ROOT
from tests.browser import look
from tests.fixtures import missing

NOTEBOOKS = site.notebooks(ROOT)


@pytest.fixture(scope="module")
def with_lite(book):
    """The built book, in which notebooks run."""
    if not app.is_ready():
        missing("no notebooks in the page: `make lite` says why")
    assert (book / site.PAGE).is_file()
    return book


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Where a small file could lie: the wheelhouse alone; no network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wanted = {"files": {"a.whl": {"sha256": fetch.sha256(b"right")}}}
    monkeypatch.setattr(fetch, "manifest", lambda: wanted)
    shelf = tmp_path / "wheelhouse" / fetch.SHELF
    shelf.mkdir(parents=True)
    return tmp_path / "cache", shelf


def test_a_file_comes_from_the_wheelhouse(places):
    cache, shelf = places
    (shelf / "a.whl").write_bytes(b"right")
    assert fetch.fetch(cache, shelf.parent) == ([], [])
    assert [path.name for path in cache.iterdir()] == ["a.whl"]
    assert (cache / "a.whl").read_bytes() == b"right"


def test_a_wrong_hash_is_refused_and_named(places):
    cache, shelf = places
    (shelf / "a.whl").write_bytes(b"wrong")
    lost, wrong = fetch.fetch(cache, shelf.parent)
    assert lost == ["a.whl"]
    assert wrong == ["a.whl from shelf has another hash"]
    assert not (cache / "a.whl").exists()


def test_half_a_file_does_not_stay(places):
    cache, shelf = places
    cache.mkdir()
    (cache / "a.whl").write_bytes(b"rig")
    assert fetch.fetch(cache, shelf.parent)[0] == ["a.whl"]
    assert not (cache / "a.whl").exists()
    (shelf / "a.whl").write_bytes(b"right")
    assert fetch.fetch(cache, shelf.parent) == ([], [])


def test_without_files_a_sentence_says_so_and_nothing_fails(tmp_path):
    variables = {"PIP_NO_INDEX": "1", "ATTENTION_LITE_CACHE": str(tmp_path)}
    variables |= {"PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        [sys.executable, "-m", "book.lite"],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Notebooks will not run in the page: ")
    assert done.stdout.count("\n") == 1


def test_attnlib_s_wheel_holds_what_pyproject_names(tmp_path):
    (tmp_path / "a.whl").write_bytes(site.wheel(ROOT))
    with zipfile.ZipFile(tmp_path / "a.whl") as packed:
        assert packed.testzip() is None
        names = {*packed.namelist()}
    assert {"in_the_page.py", "attnlib/sdpa.py", "attnlib/data/faq.json.gz"} <= names
    assert site.wheel(ROOT) == (tmp_path / "a.whl").read_bytes()


def test_every_notebook_is_there_with_its_button(with_lite):
    for name in NOTEBOOKS:
        page = (with_lite / name).with_suffix(".html").read_text(encoding="utf-8")
        assert f"lite/notebooks/index.html?path={name}" in page, name
        copy = with_lite / site.LITE / "files" / name
        assert copy.read_bytes() == (ROOT / name).read_bytes()
    assert len(NOTEBOOKS) > len(toc.notebooks())


def test_what_python_loads_is_what_is_named(with_lite):
    """Each package of the lock is there, with the hash by which browsers check it."""
    place = with_lite / site.LITE
    lock = json.loads((place / "pyodide" / "pyodide-lock.json").read_text())
    files = json.loads((place / "files.json").read_text())
    for name, entry in lock["packages"].items():
        data = (place / "pyodide" / entry["file_name"]).read_bytes()
        assert fetch.sha256(data) == entry["sha256"], name
        assert f"pyodide/{entry['file_name']}" in files
    known = {*lock["packages"]}
    needed = {need for e in lock["packages"].values() for need in e["depends"]}
    assert {need.replace("_", "-") for need in needed} | {*app.LOADED} <= known


@pytest.mark.parametrize(
    ("way", "script", "shown"),
    [("server", True, True), ("server", False, False), ("folder", True, False)],
)
def test_the_button_is_shown_where_it_works(browser, with_lite, way, script, shown):
    """And nothing of what it leads to is loaded with the page."""
    folder = with_lite.as_uri() + "/"
    with look.serve(with_lite) as served:
        home = served if way == "server" else folder
        options = {"java_script_enabled": script}
        with look.visit(browser, home, "chapters/01_intuition.html", **options) as seen:
            button = seen.page.locator(".btn-run-here")
            found = button.evaluate_all(
                "all => all.map(e => getComputedStyle(e).display !== 'none')"
            )
            assert found == [shown]
            assert not [r.url for r in seen.responses if "/lite/" in r.url]
