"""Notebooks as they are stored: read, brought into one normal form, written.

The normal form makes a difference between two versions of a notebook a difference in
what it says: cells numbered 1..N, ids of code that follow from its source, no stderr,
one stdout per run of prints, minimal metadata, no view of a widget that lived in a
kernel.
"""

import hashlib

import nbformat

from course.paths import ROOT
from course.repository import setting

KEPT_METADATA = ("mystnb", "tags", "nbgrader")
FOLDED = {  # by tag: what each host but the book goes by to fold code, or outputs
    "hide-input": ({"source_hidden": True}, {"cellView": "form"}),
    "hide-output": ({"outputs_hidden": True}, {"collapsed": True}),
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
SET_UP = """\
# Set-up, the same in every chapter: one thread, so that results repeat on every
# machine, and attnlib where it is missing (in Colab, say). Nothing else is replaced.
import importlib.util
import os
import subprocess
import sys

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{{library}}_NUM_THREADS", "1")
if sys.platform == "emscripten":  # in the page: all is there, but for torch
    import in_the_page

    in_the_page.start()
elif importlib.util.find_spec("attnlib") is None:
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    needed = {{"array_api_compat": "array-api-compat", "anywidget": "anywidget"}}
    new = [needed[name] for name in needed if importlib.util.find_spec(name) is None]
    source = "git+{url}@{ref}"
    for what in filter(None, (["--no-deps", f"attnlib @ {{source}}"], new)):
        done = subprocess.run([*pip, *what], capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.splitlines()
            said = [line for line in lines if "ERROR: " in line or "fatal: " in line]
            why = said[0].strip() if said else done.stderr
            raise RuntimeError(f"{{what[-1]}} is not installed (no network?). {{why}}")
    importlib.invalidate_caches()
    print("Installed", ", ".join(["attnlib", *new]), "from", source)\
"""
SET_UP_STARTS = SET_UP.partition(":")[0]


class NotebookError(Exception):
    """A file that is no notebook, or not the right one: the text says why."""


def read(path):
    """Read a notebook, version 4; NotebookError where there is none."""
    if not path.is_file():
        raise NotebookError(f"no such notebook: {path}")
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise NotebookError(f"{path} cannot be read as a notebook: {error}") from None


def write(nb, path):
    """Write a notebook as it is stored."""
    path.write_text(as_text(nb), encoding="utf-8", newline="\n")


def as_text(nb):
    """The file's text: sorted keys, one space of indent, a newline at the end."""
    return nbformat.writes(nb, version=4).rstrip("\n") + "\n"


def code(nb):
    """The cells of code, in order."""
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def markdown(nb):
    """All prose of a notebook."""
    return "\n\n".join(c.source for c in nb.cells if c.cell_type == "markdown")


# The normal form


def normalise(nb):
    """Bring a notebook that was just run into the normal form, in place; return it."""
    for count, cell in enumerate(code(put_set_up_first(nb)), start=1):
        cell.execution_count = count
    tidy(nb)
    for cell, new in zip(code(nb), ids_of_code(nb), strict=True):
        cell.id = new
    return nb


def tidy(nb):
    """Bring all into the normal form but what says when code ran; return it."""
    nb.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        }
    )
    nb.nbformat, nb.nbformat_minor = 4, 5
    for cell in put_set_up_first(nb).cells:
        cell.source = "\n".join(line.rstrip() for line in cell.source.split("\n"))
        cell.source = cell.source.strip("\n")
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in KEPT_METADATA if key in cell.metadata}
            | folded(cell)
        )
        if cell.cell_type == "code":
            count = cell.execution_count
            cell.outputs = [normal_output(o, count) for o in joined(cell.outputs)]
    put_ids(nb)
    return nb


def folded(cell):
    """Return the metadata by which each host folds what the tags of a cell name.

    The book goes by the tags themselves, JupyterLab and Colab by what they are told.
    """
    found = {}
    for tag in FOLDED.keys() & set(cell.metadata.get("tags", [])):
        lab, colab = FOLDED[tag]
        found |= colab | {"jupyter": found.get("jupyter", {}) | lab}
    return found


def stale(nb):
    """Whether code was changed, added, moved or taken away since it ran."""
    cells, last = code(nb), len(code(nb))
    in_order = [cell.execution_count for cell in cells] == list(range(1, last + 1))
    return not in_order or [cell.id for cell in cells] != ids_of_code(nb)


def put_set_up_first(nb):
    """Make the set-up cell the first one, hidden in the book; return the notebook."""
    if nb.cells and nb.cells[0].source.startswith(SET_UP_STARTS):
        nb.cells[0].source = set_up_source()
    else:
        nb.cells.insert(0, nbformat.v4.new_code_cell(set_up_source()))
    nb.cells[0].metadata["tags"] = ["remove-cell"]
    return nb


def set_up_source(repository=None):
    """Source of the set-up cell, for the repository that _config.yml names.

    It installs from the commit where one is named, from the branch otherwise.
    """
    repository = repository or setting(ROOT)
    ref = repository.get("commit") or repository["branch"]
    return SET_UP.format(url=repository["url"], ref=ref)


def put_ids(nb):
    """Give a cell an id where it has none of its own.

    One that is there stays: of prose, so that a word changed is one changed line; of
    code, because it says which source was run.
    """
    seen, taken = {}, set()
    for cell in nb.cells:
        while cell.get("id", "") in {"", *taken}:
            cell.id = cell_id(cell.source, seen)
        taken.add(cell.id)


def ids_of_code(nb):
    """Return the id that each code cell has once it ran: it follows from the source."""
    seen = {}
    return [cell_id(cell.source, seen) for cell in code(nb)]


def cell_id(source, seen):
    """Return an id that follows from a source, and from how often it came before."""
    seen[source] = seen.get(source, 0) + 1
    return hashlib.sha256(f"{seen[source]}\n{source}".encode()).hexdigest()[:12]


def joined(outputs):
    """Join neighbouring pieces of the same stream."""
    whole = []
    for output in outputs:
        if (
            whole
            and output.output_type == "stream"
            and whole[-1].output_type == "stream"
            and output.name == whole[-1].name
        ):
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def normal_output(output, count):
    """Drop what differs from run to run without meaning anything."""
    if output.output_type == "execute_result":
        output.execution_count = count
    if "metadata" in output:
        output.metadata = nbformat.from_dict({})
    if "data" in output:
        # It names a widget of a kernel that is gone; the HTML beside it stays.
        output.data.pop(WIDGET_VIEW, None)
    return output
