"""The course itself: seconds of notebooks, build and tests; bytes of pages.

python -m course timings [--tests] [--output FILE]
"""

import argparse
import datetime
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from tqdm import tqdm

from benchmarks import measure
from benchmarks.attention import commit, rounded
from course import execute, notebooks, toc
from course.paths import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "course.json"
LOADED = re.compile(r'<(?:script|img|source)\b[^>]*\bsrc="([^"#?]+)')
STYLE = re.compile(r'rel="(?:stylesheet|preload|icon|shortcut icon)"')


def notebook_seconds(path):
    """Run a notebook in its own folder without storing it; return the seconds."""
    return execute.run(notebooks.read(path), path.parent)


def command_seconds(*command):
    """Run a command of the course; return the seconds. Raises where it fails."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    return time.perf_counter() - start


def loaded_files(page):
    """Return the page and the files that it names: scripts, styles, pictures."""
    text = page.read_text(encoding="utf-8")
    names = LOADED.findall(text)
    for link in re.findall(r"<link\b[^>]*>", text):
        if STYLE.search(link):
            names += re.findall(r'href="([^"#?]+)', link)
    found = {(page.parent / name).resolve() for name in names}
    return {page, *(path for path in found if path.is_file())}


def weight(page):
    """Return the bytes of a page and of all that its HTML names, each gzipped.

    Pictures and fonts that are compressed already count as they are. The fonts that
    styles ask for come on top; the browser tests count those.
    """
    return sum(sent_bytes(path) for path in loaded_files(page))


def sent_bytes(path):
    """Return what a server sends for a file: gzipped, where that makes it smaller."""
    data = path.read_bytes()
    return min(len(data), len(gzip.compress(data, 6)))


def main(arguments):
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m course timings")
    parser.add_argument("--tests", action="store_true", help="time the tests as well")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args(arguments)
    paths = tqdm(toc.notebooks(), desc="notebooks", unit="notebook")
    seconds = {path.stem: notebook_seconds(path) for path in paths}
    with tempfile.TemporaryDirectory() as folder:
        book = pathlib.Path(folder) / "html"
        build = command_seconds("-m", "book.build", "--output", str(book))
        pages = {
            page.relative_to(book).as_posix(): weight(page)
            for page in sorted(book.glob("chapters/*.html"))
        }
    found = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "hardware": measure.hardware()
        | {"threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())},
        "versions": measure.versions(),
        "notebook_seconds": seconds,
        "build_seconds": build,
        "page_bytes": pages,
    }
    if options.tests:
        suite = ("-m", "pytest", "-q", "--nbval", "-n", "2", "--dist", "loadscope")
        found["test_seconds"] = command_seconds(*suite)
    options.output.write_text(
        json.dumps(rounded(found), indent=1) + "\n", encoding="utf-8"
    )
    print(f"{sum(seconds.values()):.0f} s of notebooks, {build:.0f} s of build")
    print(f"heaviest page: {max(pages.values()):,} bytes; recorded in {options.output}")
    return 0
