"""Build the book from the stored outputs, strictly, into _build/html.

    python -m book.build [--output FOLDER]

Every build starts clean, in a folder of its own, and takes the old book's place only
when it is whole: a failed build leaves the old pages alone and exits with the reason.
Nothing is executed here; `make notebooks` does that.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from book.lite import site as lite
from course.paths import ROOT
from course.repository import PLACEHOLDER, setting
from course.toc import pages

ANSI = re.compile(r"\x1b\[[0-9;]*m")  # the colours of a terminal


class BookError(Exception):
    """Says why there is no book."""


def unexecuted_cells(path):
    """Return how many code cells of a notebook have source but were never run."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return sum(
        cell["cell_type"] == "code"
        and bool("".join(cell["source"]).strip())
        and cell["execution_count"] is None
        for cell in cells
    )


def check_sources(root):
    """Raise BookError unless every page exists and every notebook was executed."""
    for page in pages(root):
        notebook = root / f"{page}.ipynb"
        if notebook.exists():
            if count := unexecuted_cells(notebook):
                raise BookError(
                    f"{page}.ipynb has {count} code cell(s) without stored outputs; "
                    "run `make notebooks` first"
                )
        elif not (root / f"{page}.md").exists():
            raise BookError(f"_toc.yml names {page}, but there is no such file")


def run_jupyter_book(root, folder):
    """Run the strict build below `folder`; return the folder of the pages."""
    start = "from jupyter_book.cli.main import main; main()"
    options = ["-W", "-n", "--keep-going", "-q", "--path-output", str(folder)]
    done = subprocess.run(
        [sys.executable, "-c", start, "build", str(root), *options],
        cwd=ROOT,  # where book.extension is
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = ANSI.sub("", done.stderr.strip() or done.stdout.strip())
        raise BookError(f"jupyter-book says:\n{said}")
    return folder / "_build" / "html"


def check_pages(root, built):
    """Raise BookError where a page was not written."""
    for page in pages(root):
        if not (built / f"{page}.html").exists():
            raise BookError(
                f"the build wrote no {page}.html; is jupyter-book the version that "
                "requirements.txt names?"
            )


def build(root, output):
    """Build the book of `root` into `output`; raise BookError where that fails."""
    check_sources(root)
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=output.parent))
    try:
        built = run_jupyter_book(root, folder)
        check_pages(root, built)
        if lite.runs_here(root):
            lite.add(root, built)
        if output.exists():
            shutil.rmtree(output)
        built.rename(output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments=None):
    """Run the command line; exit with the reason where there is no book."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="default: _build/html")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    output = (options.output or root / "_build" / "html").resolve()
    started = time.monotonic()
    try:
        build(root, output)
    except BookError as error:
        sys.exit(f"No book was built: {error}")
    count, seconds = len(pages(root)), time.monotonic() - started
    print(f"{count} pages in {seconds:.0f} s, no warning: {output / 'index.html'}")
    print(f"Open {(output / 'index.html').as_uri()}")
    if not lite.runs_here(root):
        print(
            "Without notebooks that run in the page: `make lite` makes what they need"
        )
    if setting(root)["url"] == PLACEHOLDER:
        print(
            f"The pages still name the place-holder {PLACEHOLDER}; write your "
            "own address with `make address REPO=https://github.com/you/fork`"
        )


if __name__ == "__main__":
    main()
