"""Make the students' notebooks from the sources.

    python -m grading.assignments [NAME ...]   make chapters/exercises/<NAME>.ipynb
    python -m grading.assignments --check      say which are not their source's; exit 1
    make assignments [SRC=folder] [OUT=folder]

The solutions are taken out and the given cells locked. Each notebook is then run and
stored with its outputs, as the chapters are: every check says that nothing is answered.
The same source gives the same bytes. SRC may be a private folder with sources of your
own, for the exercises that attnlib knows and those of a file checkers.py beside them.
"""

import argparse
import shutil
import sys
from pathlib import Path

import nbformat

from course import checkers, marks, notebooks
from course.execute import run
from course.notebooks import NotebookError
from course.paths import ASSIGNMENTS, CHAPTERS, SOURCES
from grading.solutions import without_solutions

LOCKS = ("deletable", "editable")


class AssignmentError(Exception):
    """No notebook can be made: the text says why, and what to do."""


# The steps


def generate(path, execute=True):
    """Return the text of a students' notebook; an error for a bad source."""
    source, own = notebooks.read(path), checkers.beside(path.parent)
    if found := list(marks.problems(source, own)):
        raise AssignmentError("\n".join(f"{path.name}: {said}" for said in found))
    nb = notebooks.normalise(source)
    for cell in nb.cells:
        cell.source = cell.source.replace("](../chapters/", "](../")
    nb = without_solutions(nb)  # last, for nbgrader's checksums are of the text
    for cell in nb.cells:
        if is_check(cell):
            tags = [*cell.metadata.get("tags", []), "raises-exception"]
            cell.metadata["tags"] = sorted(set(tags))
    nb = normalise(nb)
    if not execute:
        return notebooks.as_text(nb)
    return notebooks.as_text(executed(nb, path.name, path.parent if own else CHAPTERS))


def normalise(nb):
    """Return the normal form of the chapters, with the locks."""
    locks = [
        {k: cell.metadata[k] for k in LOCKS if k in cell.metadata} for cell in nb.cells
    ]
    for cell in nb.cells:
        cell.pop("id", None)  # not the source's: the text is another one
    nb = notebooks.normalise(nb)
    for cell, kept in zip(nb.cells, locks, strict=True):
        cell.metadata.update(kept)
    return nb


def executed(nb, name, folder=CHAPTERS):
    """Run a notebook: each check says that nothing is answered, nothing else fails."""
    nb = nbformat.from_dict(nb)
    run(nb, folder, allow_errors=True)
    for cell in nb.cells:
        failed = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        said = [f"{output.ename}: {output.evalue}" for output in failed]
        if is_check(cell):
            exercise = cell.metadata.nbgrader.grade_id.removesuffix("-check")
            if said != [f"NotYet: {exercise}: Not answered yet."]:
                raise AssignmentError(f"{name}: the empty {exercise} says {said}")
        elif said:
            raise AssignmentError(f"{name}: without solutions a cell fails: {said[0]}")
    return normalise(nb)


def is_check(cell):
    """Whether a cell holds a check."""
    found = cell.metadata.get("nbgrader", {})
    return bool(found.get("grade")) and not found.get("solution")


# The command line


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="without one: every source")
    parser.add_argument("--sources", type=Path, default=SOURCES, metavar="FOLDER")
    parser.add_argument("--output", type=Path, metavar="FOLDER")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument(
        "--no-outputs", action="store_true", help="compare all but these"
    )
    chosen = parser.parse_args(arguments)
    try:
        paths = find(chosen.sources, chosen.names)
        folder = chosen.output or place_for(chosen.sources)
        if chosen.check:
            return compare(paths, folder, not chosen.no_outputs)
        return write(paths, folder)
    except (AssignmentError, NotebookError) as error:
        print(f"assignments: {error}", file=sys.stderr)
        return 2


def place_for(sources):
    """Return the folder of the course's own notebooks, for its own sources alone."""
    if sources.resolve() != SOURCES:
        raise AssignmentError(
            f"say where to write what is made from {sources}: OUT=folder (--output)"
        )
    return ASSIGNMENTS


def find(folder, names):
    """Return the paths of the sources."""
    paths = [folder / f"{name.removesuffix('.ipynb')}.ipynb" for name in names]
    paths = paths or sorted(folder.glob("*.ipynb"))
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        raise AssignmentError(f"no source {', '.join(missing) or f'in {folder}'}")
    return paths


def write(paths, folder):
    """Write the notebooks; all of them, or none."""
    texts = {path.name: generate(path) for path in paths}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{folder / name}")
    own = checkers.beside(paths[0].parent)
    if own and own.parent.resolve() != folder.resolve():
        shutil.copy(own, folder)
        print(f"{folder / checkers.NAME}: hand it out with the notebooks")
    return 0


def compare(paths, folder, outputs):
    """Print which notebooks are not what their sources give; 1 if any."""
    wrong = differences(paths, folder, outputs)
    for sentence in wrong:
        print(sentence)
    if not wrong:
        print(f"{len(paths)} notebooks are what their sources give")
    return int(bool(wrong))


def differences(paths, folder, execute=True):
    """Return which notebooks differ, a sentence each; `execute=False`: but outputs."""
    wrong = []
    for path in paths:
        stored = folder / path.name
        if not stored.exists():
            wrong.append(f"{path.name} has no students' notebook: make assignments")
        elif text_of(stored, execute) != generate(path, execute):
            wrong.append(f"{path.name} is not what its source gives: make assignments")
    names = {path.name for path in paths}
    if folder.is_dir() and paths == sorted(paths[0].parent.glob("*.ipynb")):
        strange = {p.name for p in folder.glob("*.ipynb")} - names
        wrong += [f"{name} has no source" for name in sorted(strange)]
    return wrong


def text_of(path, outputs=True):
    """Return the text of a stored notebook, with or without its outputs."""
    if outputs:
        return path.read_text(encoding="utf-8")
    nb = notebooks.read(path)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    return notebooks.as_text(nb)


if __name__ == "__main__":
    sys.exit(main())
