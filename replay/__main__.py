"""Run the notebooks where readers run them, and say what is not as it should be.

    python -m replay colab      each notebook alone in a folder, beside Colab's
                                packages, its set-up cell run as it stands
    python -m replay lab        every notebook in JupyterLab, in a browser
    python -m replay repeats    five times each: threads, hash seeds, BLAS

    --only 04 exercises/03            notebooks whose path has one of these in it
    --runs 1 3                        repeats: these of the five runs
    --here                            colab: the running Python is Colab's own
    --github                          colab: git asks GitHub, not this checkout

Environments are made in a cache folder: --cache, or ~/.cache/attention-course.
"""

import argparse
import pathlib
import sys

from course import toc
from course.paths import ASSIGNMENTS, ROOT, SOURCES
from replay import colab, environments, lab, lab_server, repeats

FIVE = range(1, 6)


def published():
    """The notebooks that a reader opens: the book's, then the students'."""
    return toc.notebooks() + sorted(ASSIGNMENTS.glob("*.ipynb"))


def sources():
    """The exercises with their answers."""
    return sorted(SOURCES.glob("*.ipynb"))


def chosen(paths, only):
    """Those whose path has one of the texts in it; all without a text."""
    kept = [
        path
        for path in paths
        if not only or any(text in path.relative_to(ROOT).as_posix() for text in only)
    ]
    if not kept:
        sys.exit(f"no notebook's path has {' or '.join(only)} in it")
    return kept


COMMANDS = {"colab": colab.replay, "lab": lab.replay, "repeats": repeats.replay}


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--runs", nargs="+", type=int, choices=FIVE, default=FIVE)
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--github", action="store_true")
    cache = pathlib.Path.home() / ".cache" / "attention-course"
    parser.add_argument("--cache", type=pathlib.Path, default=cache)
    options = parser.parse_args(arguments)
    try:
        paths = published() + sources() * (options.command == "repeats")
        paths = chosen(paths, options.only)
        faults = COMMANDS[options.command](paths, options)
    except (environments.ReplayError, lab_server.LabError) as error:
        sys.exit(str(error))
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"{options.command}: {len(faults) or 'no'} fault{'s' * (len(faults) != 1)}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
