"""Where there is no network: set-up from a wheelhouse, and the book from a zip.

The whole of it is too large for a test. By hand, as root on Linux, in a fresh clone
with a wheelhouse: `unshare -n sh -c "ip link set lo up; make book && make test"`.
"""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from book import publish
from course.paths import ROOT
from replay import wheelhouse
from tests.browser import look

NOWHERE = "http://127.0.0.1:9/simple"  # the port that discards: nobody answers
posix = pytest.mark.skipif(os.name == "nt", reason="make and a shell are needed")


# ------------------------------------------------------------------ the wheelhouse


@pytest.fixture
def small(tmp_path):
    """A checkout in a folder with a space in its name, which asks for small wheels."""
    root, shelf = tmp_path / "my course", tmp_path / "shelf"
    root.mkdir()
    shelf.mkdir()
    parts = {"": "one", "-model": "two", "-lite": "three"}
    for kind, name in parts.items():
        (root / f"requirements{kind}.txt").write_text(f"{name}==1.0\n")
    for name in [*parts.values(), "pip", "wheel"]:
        write_wheel(shelf, name, "1.0")
    write_wheel(shelf, "setuptools", "77.0")
    return root, shelf


def write_wheel(folder, name, version):
    """Write the smallest wheel that pip accepts."""
    info = f"{name}-{version}.dist-info"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", head)
        wheel.writestr(f"{info}/WHEEL", kind)
        wheel.writestr(f"{info}/RECORD", "")


def collect(root, **variables):
    """Run the tool in `root` with pip's settings; return what happened."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    places = ["--root", str(root), "--output", str(root / "wheelhouse")]
    return subprocess.run(
        [sys.executable, "-m", "replay.wheelhouse", *places],
        capture_output=True,
        text=True,
        env=clean | settings | variables,
    )


def from_shelf(shelf):
    """Return pip's settings that take the place of a registry."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": shelf.as_uri()}


def test_everything_that_set_up_needs_is_collected(small):
    """The wheels of two files and what builds; the size, and what comes next."""
    root, shelf = small
    done = collect(root, **from_shelf(shelf))
    assert done.returncode == 0, done.stderr
    found = {path.name for path in (root / "wheelhouse").glob("*.whl")}
    assert found == {path.name for path in shelf.iterdir()}
    assert "6 wheels" in done.stdout
    assert "no notebooks will run in the page" in done.stdout
    assert "make book" in done.stdout
    assert f"- {wheelhouse.target()}" in (root / "wheelhouse/README.txt").read_text()


def test_what_is_there_is_not_fetched_again(small):
    """A second run adds what is missing and leaves the rest as it is."""
    root, shelf = small
    collect(root, **from_shelf(shelf))
    wheels = sorted((root / "wheelhouse").glob("*.whl"))
    before = {path: path.stat().st_mtime_ns for path in wheels[1:]}
    wheels[0].unlink()
    assert collect(root, **from_shelf(shelf)).returncode == 0
    assert wheels[0].exists()
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_machines_of_other_runs_stay_named(tmp_path):
    (tmp_path / "README.txt").write_text(wheelhouse.NEXT + "- CPython 3.9 on Amiga\n")
    both = sorted(["- CPython 3.9 on Amiga", f"- {wheelhouse.target()}"])
    assert wheelhouse.note(tmp_path) == both
    assert wheelhouse.note(tmp_path) == both


def test_without_a_network_it_says_so(small):
    root, _ = small
    nowhere = {"PIP_INDEX_URL": NOWHERE, "PIP_RETRIES": "0", "PIP_TIMEOUT": "1"}
    done = collect(root, **nowhere)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_wheel_is_named(small):
    root, shelf = small
    (shelf / "two-1.0-py3-none-any.whl").unlink()
    write_wheel(shelf, "two", "2.0")
    done = collect(root, **from_shelf(shelf))
    assert done.returncode == 1
    assert "two==1.0" in done.stderr
    assert "cannot be reached" not in done.stderr


FAKE_PYTHON = """\
#!/bin/sh
# Notes how pip is called instead of calling it; "-m venv" makes the next one.
if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi
if [ "$2" = pip ]; then echo "$PIP_NO_INDEX|$PIP_FIND_LINKS|$*" >> calls; fi
"""


def calls_of_pip(root):
    """Run the set-up of the Makefile with a Python that only takes notes."""
    shutil.copy(ROOT / "Makefile", root)
    (root / "pyproject.toml").write_text("")
    fake = root.parent / "python"
    fake.write_text(FAKE_PYTHON)
    fake.chmod(0o755)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "MAKE"))}
    subprocess.run(
        ["make", ".venv/.ready", f"PYTHON={fake}"],
        check=True,
        cwd=root,
        env=clean,
        capture_output=True,
    )
    return [line.split("|") for line in (root / "calls").read_text().splitlines()]


@posix
def test_set_up_uses_the_wheelhouse_that_is_there(small):
    """Every call of pip looks there and nowhere else, the editable install too."""
    root, shelf = small
    shutil.copytree(shelf, root / "wheelhouse")
    calls = calls_of_pip(root)
    assert any("--editable" in what for _, _, what in calls)
    assert {(no, where) for no, where, _ in calls} == {
        ("1", (root / "wheelhouse").as_uri())
    }


@posix
def test_set_up_without_a_wheelhouse_asks_the_registry(small):
    root, _ = small
    (root / "wheelhouse").mkdir()  # empty: a download that never began
    calls = calls_of_pip(root)
    assert len(calls) == 3
    assert {(no, where) for no, where, _ in calls} == {("", "")}


# --------------------------------------------------------------------- the zip


@pytest.fixture(scope="module")
def unzipped(book, tmp_path_factory):
    """The book, packed and taken out elsewhere: its one top folder."""
    folder = tmp_path_factory.mktemp("zip")
    publish.pack(book, folder / "book.zip")
    place = folder / "a stick"
    with zipfile.ZipFile(folder / "book.zip") as packed:
        assert packed.testzip() is None
        packed.extractall(place)
    (top,) = place.iterdir()
    return top


def test_the_zip_holds_the_whole_book(book, unzipped):
    """Every file of the book with its bytes, below one folder."""
    assert unzipped.name == publish.TOP
    original = {p.relative_to(book): p for p in book.rglob("*") if p.is_file()}
    packed = {p.relative_to(unzipped): p for p in unzipped.rglob("*") if p.is_file()}
    assert len(packed) > 50
    assert {*packed} == {*original}
    assert all(packed[n].read_bytes() == original[n].read_bytes() for n in packed)


def test_the_same_pages_give_the_same_zip(tmp_path):
    """Whenever and in whatever order the files were written."""
    for place, names in {"a": "xyz", "b": "zyx"}.items():
        (tmp_path / place).mkdir()
        for age, name in enumerate([*names, "index.html"]):
            (tmp_path / place / name).write_text(name)
            os.utime(tmp_path / place / name, (age * 1e6, age * 1e6))
        publish.pack(tmp_path / place, tmp_path / f"{place}.zip")
    packed = [(tmp_path / f"{place}.zip").read_bytes() for place in "ab"]
    assert packed[0] == packed[1]


@pytest.mark.parametrize("page", ["01_intuition", "03_scaling", "09_practice"])
def test_a_page_from_the_zip(browser, unzipped, page):
    """Opened from its folder: formulas are set, and nothing is missing."""
    home = unzipped.as_uri() + "/"
    with look.visit(browser, home, f"chapters/{page}.html") as seen:
        assert seen.troubles + look.formula_problems(seen.page) == []
        assert seen.page.locator("article h1").count() == 1
