"""The verbs that take notebooks, or write the texts that follow from the checkers."""

import argparse
from pathlib import Path

from course import bibliography as books
from course import checks, exercises, generated, notebooks, toc
from course.execute import CellError, store
from course.notebooks import NotebookError
from course.paths import ROOT

# The notebooks


def of_files(name, arguments, **options):
    """Return the parsed command line of a verb that takes notebooks."""
    parser = argparse.ArgumentParser(prog=f"python -m course {name}")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    for option, meaning in options.items():
        parser.add_argument(f"--{option}", action="store_true", help=meaning)
    chosen = parser.parse_args(arguments)
    paths = [path.resolve() for path in chosen.files]
    chosen.paths = paths or toc.notebooks() + exercises.sources()
    for path in paths:
        if path.parent.parts[-2:] == ("chapters", "exercises"):
            raise NotebookError(
                f"{path.name} is made from its source exercises/{path.name}: "
                "change that one, then `make assignments`"
            )
    return chosen


def is_source(path):
    """Whether a notebook is a source of exercises."""
    return path.parent.name == "exercises"


def opened(path):
    """Return a tidy notebook; the cells of a source are marked."""
    nb = notebooks.read(path)
    return notebooks.tidy(exercises.mark(nb, path) if is_source(path) else nb)


def shown(path):
    """Return a path as it is told."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def execute(arguments):
    """Run notebooks, telling the time each took, and stop at the first error."""
    chosen = of_files("execute", arguments, all="also where no code was changed")
    books = {path: opened(path) for path in chosen.paths}
    if not (chosen.files or chosen.all):
        books = {path: nb for path, nb in books.items() if notebooks.stale(nb)}
    for number, (path, nb) in enumerate(books.items(), start=1):
        print(f"[{number}/{len(books)}] {shown(path)} ...", end=" ", flush=True)
        try:
            print(f"{store(nb, path):.0f} s")
        except CellError as error:
            print(f"failed; the file is as it was\n\n{error}")
            return 1
    if not books:
        print("no code was changed since it ran; ALL=1 (--all) runs everything")
    return 0


def check(arguments):
    """Print what is wrong with each; 1 if anything is."""
    paths = of_files("check", arguments).paths
    found = {
        path: (exercises if is_source(path) else checks).problems(path)
        for path in paths
    }
    for path, sentences in found.items():
        for sentence in sentences:
            print(f"{shown(path)}: {sentence}")
    if not any(found.values()):
        print(f"{len(paths)} notebooks checked, nothing wrong")
    return int(any(found.values()))


def tidy(arguments):
    """Store notebooks in normal form; outputs stay, and what says when code ran."""
    for path in of_files("tidy", arguments).paths:
        nb = opened(path)
        if notebooks.as_text(nb) != path.read_text(encoding="utf-8"):
            notebooks.write(nb, path)
            print(f"{shown(path)} is tidy now")
    return 0


# The texts that follow from others


def skeleton(arguments):
    """Print a script to start a chapter's exercises from."""
    parser = argparse.ArgumentParser(prog="python -m course skeleton")
    parser.add_argument("chapter", type=int, choices=generated.WITH_EXERCISES)
    print(generated.skeleton(parser.parse_args(arguments).chapter), end="")
    return 0


def mistakes(arguments):
    """Write the list of known mistakes."""
    alone("mistakes", arguments)
    return written(generated.MISTAKES, generated.list_of_mistakes())


def guide(arguments):
    """Write the table of the instructors' page."""
    alone("guide", arguments)
    return written(generated.GUIDE, generated.guide())


def bibliography(arguments):
    """Write the bibliography for attnlib."""
    alone("bibliography", arguments)
    return written(books.STORED, books.text())


def alone(name, arguments):
    """Stop where a verb that takes nothing is given something."""
    argparse.ArgumentParser(prog=f"python -m course {name}").parse_args(arguments)


def written(path, text):
    """Write a text and say where."""
    path.write_text(text, encoding="utf-8", newline="\n")
    print(shown(path))
    return 0
