"""Run every notebook in the page's Python, and compare its outputs with the stored.

    python -m tests.browser.sweep_lite [--browser firefox] [--only 04 exercises/03]

For a report, beside the few that the tests run: `make test-lite`. Each notebook has a
page of its own; the exercises are run as students get them and with their answers.
"""

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from book.lite.site import LITE
from course import notebooks, toc
from course.paths import ASSIGNMENTS, BUILT, ROOT, SOURCES, find_chromium
from tests.browser import firefox, lite, look


def chosen(only):
    """Return the notebooks to run, in reading order, then those with answers."""
    paths = toc.notebooks()
    paths += sorted(ASSIGNMENTS.glob("*.ipynb")) + sorted(SOURCES.glob("*.ipynb"))
    names = {path: path.relative_to(ROOT).as_posix() for path in paths}
    return [p for p in paths if not only or any(part in names[p] for part in only)]


@contextmanager
def chromium(home):
    """Yield what opens a fresh kernel in Chromium."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=look.FLAGS)
        yield lambda: lite.chromium_kernel(browser, home)
        browser.close()


@contextmanager
def stock_firefox(home):
    """Yield what opens a fresh kernel in Firefox."""
    with (
        tempfile.TemporaryDirectory() as profile,
        firefox.launch(firefox.find_firefox(), Path(profile)) as bidi,
    ):
        yield lambda: lite.firefox_kernel(bidi, home)


# Texts whose numbers, and nothing else, are others there: what stands in them → why.
OTHERS = {"peak extra memory": "NumPy's own arrays take other peaks in 32 bits"}
BROWSERS = {"chromium": chromium, "firefox": stock_firefox}


def main():
    """Run the command line; return 1 where an output is another, or a page at fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--browser", choices=BROWSERS, default="chromium")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--book", type=Path, default=BUILT)
    options = parser.parse_args()
    if not (options.book / LITE).is_dir():
        sys.exit(f"{options.book} holds no {LITE}/: see `make lite`")
    counts, faults = Counter(), []
    with tempfile.TemporaryDirectory() as text:
        lite.write_bench(Path(text), options.book.resolve())
        with look.serve(text) as home, BROWSERS[options.browser](home) as fresh:
            for path in chosen(options.only):
                found, more = run(path, fresh)
                counts += found
                faults += more
    print(f"{options.browser}:", ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    print(f"{len(faults)} faults")
    return int(bool(faults))


def words(shown):
    """Return what is shown, without its numbers."""
    return re.sub(r"[\d.]+", "", str(shown))


def run(path, fresh):
    """Run one notebook; return (how many of each verdict, the faults)."""
    name, start = path.relative_to(ROOT).as_posix(), time.perf_counter()
    counts, faults = Counter(), []
    with fresh() as (kernel, troubles):
        for number, verdict, stored, shown in lite.compare(
            kernel, notebooks.read(path)
        ):
            known = [why for text, why in OTHERS.items() if text in str(stored)]
            if verdict == "other" and known and words(stored) == words(shown):
                verdict = known[0]
            counts[verdict] += 1
            if verdict == "other":
                faults.append(f"{name} [{number}]\n  stored {stored}\n  shown  {shown}")
        faults += [f"{name}: {trouble}" for trouble in troubles()]
    seconds = time.perf_counter() - start
    print(f"{name}: {dict(counts)}, {seconds:.0f} s", *faults, sep="\n", flush=True)
    return counts, faults


if __name__ == "__main__":
    sys.exit(main())
