"""Make the students' notebooks from the sources.

    python -m grading.release [NAME ...]   make chapters/exercises/<NAME>.ipynb
    python -m grading.release --check      say which differ from their source; exit 1
    make release [SRC=folder] [OUT=folder]

nbgrader's own steps take the solutions out and lock the given cells. Each release is
then run and stored with its outputs, as the chapters are: every check says that nothing
is answered. The same source gives the same bytes. SRC may be a private folder with
sources of your own, for the exercises that attnlib knows.
"""

import argparse
import copy
import re
import sys
from pathlib import Path

import nbclient
import nbformat

from course import notebooks
from grading.source import BEGIN, problems

ROOT = notebooks.ROOT
SOURCES, RELEASES = ROOT / "exercises", ROOT / "chapters" / "exercises"
STUB = 'raise NotImplementedError("write your answer here")'
LOCKS = ("deletable", "editable")


class ReleaseError(Exception):
    """There is no release: the text says why, and what to do."""


# The steps


def generate(path, execute=True):
    """Return the text of a release; ReleaseError where the source is malformed."""
    try:
        source = notebooks.read(path)
    except Exception as error:
        raise ReleaseError(f"{path} cannot be read as a notebook: {error}") from None
    if found := list(problems(source)):
        raise ReleaseError("\n".join(f"{path.name}: {sentence}" for sentence in found))
    nb = without_solutions(source)
    for cell in nb.cells:
        cell.source = cell.source.replace("](../chapters/", "](../")
        if is_check(cell):
            tags = [*cell.metadata.get("tags", []), "raises-exception"]
            cell.metadata["tags"] = sorted(set(tags))
    nb = normalise(nb)
    return notebooks.as_text(executed(nb, path.name) if execute else nb)


def without_solutions(nb):
    """Take nbgrader's steps, in the order of its command generate_assignment."""
    try:
        from nbgrader import preprocessors as steps
    except ImportError:
        raise ReleaseError(
            "nbgrader is missing: pip install -r requirements-grading.txt"
        ) from None

    class ClearSolutions(steps.ClearSolutions):
        """Leaves a stub that fails within a function, and nothing beside a value."""

        def preprocess_cell(self, cell, resources, index):
            inside = re.search(rf"(?m)^\s+{BEGIN}", cell.source)
            stub = f"# YOUR CODE HERE\n{STUB}" if inside else "# YOUR CODE HERE"
            self.code_stub = {"python": stub}
            return super().preprocess_cell(cell, resources, index)

    nb, resources = copy.deepcopy(nb), {}
    for step in (
        steps.LockCells,
        ClearSolutions,
        steps.ClearOutput,
        steps.CheckCellMetadata,
        steps.ComputeChecksums,
        steps.ClearHiddenTests,
        steps.ClearMarkScheme,
        steps.ComputeChecksums,
        steps.CheckCellMetadata,
    ):
        nb, resources = step().preprocess(nb, resources)
    return nb


def normalise(nb):
    """Return the normal form of the chapters, with nbgrader's locks."""
    locks = {
        cell.metadata.nbgrader.grade_id: {
            key: cell.metadata[key] for key in LOCKS if key in cell.metadata
        }
        for cell in nb.cells
        if "nbgrader" in cell.metadata
    }
    for cell in nb.cells:
        cell.pop("id", None)  # not the source's: the text is another one
    nb = notebooks.normalise(nb)
    for cell in nb.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.update(locks[cell.metadata.nbgrader.grade_id])
    return nb


def executed(nb, name):
    """Run a release: each check says that nothing is answered, nothing else fails."""
    nb = nbformat.from_dict(nb)
    nbclient.NotebookClient(
        nb,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(ROOT / "chapters")}},
        allow_errors=True,
    ).execute()
    for cell in nb.cells:
        failed = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        said = [f"{output.ename}: {output.evalue}" for output in failed]
        if is_check(cell):
            exercise = cell.metadata.nbgrader.grade_id.removesuffix("-check")
            if said != [f"NotYet: {exercise}: Not answered yet."]:
                raise ReleaseError(f"{name}: the empty {exercise} says {said}")
        elif said:
            raise ReleaseError(f"{name}: without solutions a cell fails: {said[0]}")
    return normalise(nb)


def is_check(cell):
    """Whether a cell holds a check."""
    marks = cell.metadata.get("nbgrader", {})
    return bool(marks.get("grade")) and not marks.get("solution")


# The command line


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="without one: every source")
    parser.add_argument("--sources", type=Path, default=SOURCES, metavar="FOLDER")
    parser.add_argument("--output", type=Path, default=RELEASES, metavar="FOLDER")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument(
        "--no-outputs", action="store_true", help="compare all but these"
    )
    chosen = parser.parse_args(arguments)
    try:
        paths = find(chosen.sources, chosen.names)
        if chosen.check:
            return compare(paths, chosen.output, not chosen.no_outputs)
        return write(paths, chosen.output)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2


def find(folder, names):
    """Return the paths of the sources."""
    paths = [folder / f"{name.removesuffix('.ipynb')}.ipynb" for name in names]
    paths = paths or sorted(folder.glob("*.ipynb"))
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        raise ReleaseError(f"no source {', '.join(missing) or f'in {folder}'}")
    return paths


def write(paths, folder):
    """Write the releases; all of them, or none."""
    texts = {path.name: generate(path) for path in paths}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{folder / name}")
    return 0


def compare(paths, folder, outputs):
    """Print which releases are not what their sources give; 1 if any."""
    wrong = differences(paths, folder, outputs)
    for sentence in wrong:
        print(sentence)
    if not wrong:
        print(f"{len(paths)} releases are what their sources give")
    return int(bool(wrong))


def differences(paths, folder, execute=True):
    """Return which releases differ, one sentence each; `execute=False`: but outputs."""
    wrong = []
    for path in paths:
        stored = folder / path.name
        if not stored.exists():
            wrong.append(f"{path.name} has no release: make release")
        elif text_of(stored, execute) != generate(path, execute):
            wrong.append(f"{path.name} is not what its source gives: make release")
    names = {path.name for path in paths}
    if folder.is_dir() and paths == sorted(paths[0].parent.glob("*.ipynb")):
        strange = [
            p.name for p in sorted(folder.glob("*.ipynb")) if p.name not in names
        ]
        wrong += [f"{name} is a release without a source" for name in strange]
    return wrong


def text_of(path, outputs=True):
    """Return the text of a stored release, with or without its outputs."""
    if outputs:
        return path.read_text(encoding="utf-8")
    nb = notebooks.read(path)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    return notebooks.as_text(nb)


if __name__ == "__main__":
    sys.exit(main())
