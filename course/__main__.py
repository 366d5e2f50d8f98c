"""The author's commands: python -m course VERB.

    execute [FILE ...] [--all]   run notebooks whose code was changed, and store them
    check [FILE ...]             say what is wrong with notebooks as they are; exit 1
    tidy [FILE ...]              store notebooks in normal form, without running them
    skeleton N                   print a script to start the exercises of chapter N from
    mistakes                     write the list of known mistakes from the checkers
    guide                        write the table of the instructors' page from them
    bibliography                 write attnlib/sources.json from the bibliography
    address URL | --check        write the repository's address everywhere, or check it
    timings                      measure notebooks, build and pages

FILE is a chapter or a source of exercises; without one, every one of them is meant.
"""

import argparse
import importlib
import sys

from course.notebooks import NotebookError

# Where each verb is: loaded when it is asked for, so that `address` needs no NumPy.
VERBS = {
    "execute": "verbs.execute",
    "check": "verbs.check",
    "tidy": "verbs.tidy",
    "skeleton": "verbs.skeleton",
    "mistakes": "verbs.mistakes",
    "guide": "verbs.guide",
    "bibliography": "verbs.bibliography",
    "address": "address.main",
    "timings": "timings.main",
}


def main(arguments=None):
    """Run the command line; return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m course",
        usage="%(prog)s VERB ...",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=VERBS, metavar="VERB")
    verb = parser.parse_args(arguments[:1]).verb
    module, _, function = VERBS[verb].partition(".")
    command = getattr(importlib.import_module(f"course.{module}"), function)
    try:
        return command(arguments[1:])
    except NotebookError as error:
        print(f"{verb}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
