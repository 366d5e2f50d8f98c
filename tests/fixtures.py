"""The built book and the browsers, once for the suite; conftest.py shares them."""

import json
import os
import subprocess
import sys

import filelock
import pytest
from playwright.sync_api import sync_playwright

from course.paths import ROOT, find_chromium
from tests.browser import firefox as fox
from tests.browser import look


def run_build(output, root=ROOT):
    """Run the build command of the book in `root`; return what happened."""
    command = [sys.executable, "-m", "book.build"]
    return subprocess.run(
        [*command, "--root", str(root), "--output", str(output)],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Build the book once for all workers; return (its folder, what happened)."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    output, note = folder / "book" / "html", folder / "book.json"
    with filelock.FileLock(folder / "book.lock"):
        if not note.exists():
            done = run_build(output)
            said = [done.args, done.returncode, done.stdout, done.stderr]
            note.write_text(json.dumps(said), encoding="utf-8")
    said = json.loads(note.read_text(encoding="utf-8"))
    return output, subprocess.CompletedProcess(*said)


@pytest.fixture(scope="session")
def book(built):
    """The folder of the built pages."""
    output, done = built
    if done.returncode:
        pytest.fail("there is no book: see test_the_book_is_built", pytrace=False)
    return output


@pytest.fixture(scope="session")
def on_disk(book):
    """The address of the book's folder, for file://."""
    return book.as_uri() + "/"


def missing(reason):
    """Skip where a tool is missing; in CI its absence is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests of a worker."""
    path = find_chromium()
    if path is None:
        missing("no Chromium: install one, or set CHROMIUM to its path")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=look.FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def firefox(tmp_path_factory):
    """One Firefox for all tests of a worker, spoken to over WebDriver BiDi."""
    path = fox.find_firefox()
    if path is None:
        missing("no Firefox: install firefox-esr, or set FIREFOX to its path")
    with fox.launch(path, tmp_path_factory.mktemp("firefox")) as bidi:
        yield bidi
