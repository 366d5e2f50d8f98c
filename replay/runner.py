"""Run a notebook with any Python, and say what went wrong."""

import contextlib
import copy
import json
import pathlib
import re
import subprocess
import tempfile
from dataclasses import dataclass, field

import nbclient
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager

from course.notebooks import WIDGET_VIEW, code

LIVE = 'class="attn-live"'
UNANSWERED = "Not answered yet."
SECONDS = 600


@dataclass
class Run:
    """A notebook that was run: its cells now, and what was wrong."""

    name: str
    nb: nbformat.NotebookNode
    faults: list[str] = field(default_factory=list)
    installed: list[str] = field(default_factory=list)


def unrun(nb):
    """A copy without outputs and counts, as a reader opens it to run it."""
    fresh = copy.deepcopy(nb)
    for cell in code(fresh):
        cell.outputs, cell.execution_count = [], None
    return fresh


@contextlib.contextmanager
def kernel_of(python):
    """Yield a manager of kernels that run this Python and nothing registered."""
    with tempfile.TemporaryDirectory() as folder:
        spec = pathlib.Path(folder) / "replay"
        spec.mkdir()
        argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        text = {"argv": argv, "display_name": "replay", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(text), encoding="utf-8")
        yield AsyncKernelManager(
            kernel_name="replay",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[folder]),
        )


def run(nb, name, python, folder, environment):
    """Run a notebook's cells with `python`, in `folder`; return the Run.

    A cell that raises ends it, unless it is tagged `raises-exception`; what such a cell
    may raise is the message for an exercise that is not answered, and nothing else.
    """
    done = Run(name, unrun(nb))
    with kernel_of(python) as manager:
        client = nbclient.NotebookClient(done.nb, km=manager, timeout=SECONDS)
        try:
            quiet = {"stderr": subprocess.DEVNULL, "cleanup_kc": True}
            client.execute(cwd=str(folder), env=environment, **quiet)
        except (nbclient.exceptions.CellExecutionError, RuntimeError) as error:
            done.faults.append(f"stopped: {last_line(str(error))}")
        except TimeoutError:
            done.faults.append(f"stopped: a cell took more than {SECONDS} s")
    done.faults += faults(done.nb)
    return done


def faults(nb):
    """What went wrong in the cells: not run, an error that was not to be, stderr."""
    found = []
    for number, cell in enumerate(code(nb), start=1):
        if cell.source.strip() and cell.execution_count is None:
            found.append(f"cell [{number}] was not run")
        for output in cell.outputs:
            if output.output_type == "error" and not expected(cell, output):
                found.append(f"cell [{number}] ended in {said(output)}")
            if output.get("name") == "stderr":
                found.append(f"cell [{number}] wrote to stderr: {output.text[:200]!r}")
    return found


def expected(cell, output):
    """Whether an error is the one message that a released exercise may end in."""
    tagged = "raises-exception" in cell.metadata.get("tags", [])
    return tagged and output.ename == "NotYet" and output.evalue.endswith(UNANSWERED)


def said(output):
    """One line for an error."""
    return last_line(f"{output.ename}: {output.evalue}")


def last_line(text):
    """Return the last line that says something, without colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).strip().split("\n")
    return lines[-1][:300]


def unanswered(nb):
    """Number of checks that said `Not answered yet.`"""
    errors = (o for c in code(nb) for o in c.outputs if o.output_type == "error")
    return sum(output.evalue.endswith(UNANSWERED) for output in errors)


def answered(release, source):
    """The release with its solutions filled in from the source; nothing may fail."""
    solutions = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in source.cells
        if cell.metadata.nbgrader.solution
    }
    whole = unrun(release)
    for cell in whole.cells:
        if cell.metadata.nbgrader.solution:
            cell.source = solutions[cell.metadata.nbgrader.grade_id]
        cell.metadata.pop("tags", None)
    return whole


def lines(cell):
    """The lines that a cell printed."""
    return "".join(output.get("text", "") for output in cell.outputs).splitlines()


def live_figures(cell):
    """Outputs of a cell that are live figures: views of widgets, or stored tables."""
    bundles = ((output, output.get("data", {})) for output in cell.outputs)
    return [o for o, d in bundles if WIDGET_VIEW in d or LIVE in d.get("text/html", "")]


def enabled_in_colab(output):
    """Whether a live figure tells Colab where its custom widget manager is."""
    colab = output.metadata.get(WIDGET_VIEW, {}).get("colab", {})
    return WIDGET_VIEW in output.data and "custom_widget_manager" in colab
