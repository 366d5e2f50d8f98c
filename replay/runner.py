"""Run a notebook with any Python, and say what it showed: the core of replay.py."""

import contextlib
import copy
import difflib
import json
import pathlib
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import datetime

import nbclient
import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager

from course import notebooks
from course.notebooks import WIDGET_VIEW, code

LIVE = 'class="attn-live"'
UNANSWERED = "Not answered yet."
SHOWN = ("text/plain", "text/html")
SECONDS = 600


@dataclass
class Run:
    """A notebook that was run: its cells now, and what was wrong."""

    name: str
    nb: nbformat.NotebookNode
    faults: list[str] = field(default_factory=list)
    installed: list[str] = field(default_factory=list)
    differing: list[tuple] = field(default_factory=list)
    clock: float = 0.0

    @property
    def seconds(self):
        """Seconds of each code cell that ran, in order."""
        return [span for cell in code(self.nb) if (span := duration(cell)) is not None]

    @property
    def set_up_seconds(self):
        """Seconds of the first cell, the set-up cell."""
        return duration(code(self.nb)[0]) or 0.0


def duration(cell):
    """Seconds that a cell took, as the client noted them; None if it did not run."""
    noted = cell.metadata.get("execution", {})
    ends = [noted.get("iopub.status.busy"), noted.get("shell.execute_reply")]
    if not all(ends):
        return None
    begin, end = (datetime.fromisoformat(end.replace("Z", "+00:00")) for end in ends)
    return (end - begin).total_seconds()


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
        client = nbclient.NotebookClient(
            done.nb, km=manager, timeout=SECONDS, record_timing=True
        )
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


# What was shown


def texts(cell, kinds=SHOWN):
    """The text outputs of a cell, one line each."""
    parts = []
    for output in notebooks.joined(copy.deepcopy(cell.outputs)):
        if output.output_type == "stream":
            parts.append(output.text)
        elif output.output_type == "error":
            parts.append(said(output))
        else:
            parts += [output.data[kind] for kind in kinds if kind in output.data]
    return "\n".join(part.rstrip("\n") for part in parts).split("\n")


def ignored(cell):
    """Whether nbval is told not to compare a cell's outputs."""
    return "nbval-ignore-output" in cell.metadata.get("tags", [])


def differences(stored, now, kinds=SHOWN):
    """Return (cell's number, stored line, line now) for every text that differs.

    The set-up cell is left out: it speaks where attnlib is missing.
    """
    found = []
    pairs = list(zip(code(stored), code(now), strict=True))
    for number, (old, new) in enumerate(pairs[1:], start=2):
        if not ignored(old):
            lines = changed_lines(texts(old, kinds), texts(new, kinds))
            found += [(number, *pair) for pair in lines]
    return found


def changed_lines(old, new):
    """Pairs of lines that differ; an empty text where one has no partner."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    pairs = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            left, right = old[a:b], new[c:d]
            length = max(len(left), len(right))
            pad = [[*side, *[""] * (length - len(side))] for side in (left, right)]
            pairs += zip(*pad, strict=True)
    return pairs


def live_figures(cell):
    """Outputs of a cell that are live figures: views of widgets, or stored tables."""
    bundles = ((output, output.get("data", {})) for output in cell.outputs)
    return [o for o, d in bundles if WIDGET_VIEW in d or LIVE in d.get(SHOWN[1], "")]


def enabled_in_colab(output):
    """Whether a live figure tells Colab where its custom widget manager is."""
    colab = output.metadata.get(WIDGET_VIEW, {}).get("colab", {})
    return WIDGET_VIEW in output.data and "custom_widget_manager" in colab


def table(runs, **clocks):
    """Lines of the table of what ran; `clocks` tell of each Run what it took."""
    head = ("notebook", *clocks, "unanswered", "live", "other texts", "faults")
    rows = [
        (
            run.name,
            *(tell(run) for tell in clocks.values()),
            unanswered(run.nb),
            sum(len(live_figures(c)) for c in code(run.nb)),
            len(run.differing),
            len(run.faults),
        )
        for run in runs
    ]
    return columns([head, *rows])


def columns(rows):
    """Lines of a table: the first column to the left, the others to the right."""
    texts = [[str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [
        "  ".join(
            text.rjust(width) if i else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in texts
    ]
