"""A chapter runs once, in nbval: first where there is no torch, with its solutions.

Up to the cell that imports torch, there is none. In front of that cell the solutions
that need no torch run, each in a copy of the process, so that nothing of them stays;
those that need torch follow the last cell. conftest.py in the root brings this in.

What a box measured comes out a little different on another processor, and its bounds
are checked where the box is made. So a stored box and a new one may differ in what was
measured, by a third at most; bounds and words are the same. All else is compared to the
letter, as nbval does it.
"""

import re

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from course import notebooks, toc

CHAPTERS = toc.chapters()
PATIENCE = 300  # seconds for an output: a bound for hanging, not for speed

WITHOUT_TORCH = """\
import contextlib, io, os, sys, traceback


class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")


def in_a_copy(source):
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(source, globals())
            os.write(write, b"done")
        except BaseException:
            os.write(write, traceback.format_exc()[-4000:].encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert said == "done", said


no_torch = NoTorch()
sys.meta_path.insert(0, no_torch)
"""
WITH_TORCH = "assert 'torch' not in sys.modules\nsys.meta_path.remove(no_torch)"


def solutions(path, torch):
    """The Python of a notebook's solutions: of exercises that need torch, or not."""
    prose = notebooks.markdown(notebooks.read(path))
    exercises = prose[prose.index("\n## Exercises") : prose.index("\n## Remember")]
    return [
        "\n".join(re.findall(r"```python\n(.*?)```", solution, flags=re.S))
        for task in exercises.split("\n**Exercise ")[1:]
        if ("needs torch" in task) == torch
        for solution in re.findall(
            r"<summary>Solution</summary>(.*?)</details>", task, re.S
        )
    ]


def imports_torch(cell):
    """Whether a cell imports torch itself."""
    return cell.cell_type == "code" and re.search(
        r"(?m)^\s*(import|from) torch\b", cell.source
    )


MEASURED = re.compile(
    r"(?<=: )-?[\d.,]+(?:e-?\d+)?(?= (?:not )?(?:&lt;|&gt;|==)=? )"  # ... : 0.1 < 2
    r"|(?<=: )-?[\d.,]+(?:e-?\d+)?(?=, not (?:&lt;|&gt;|==)=? )"
)


def alike(stored, new):
    """Say whether two boxes are the same but for a third of what was measured."""
    if MEASURED.sub("", stored) != MEASURED.sub("", new):
        return False
    pairs = zip(MEASURED.findall(stored), MEASURED.findall(new), strict=True)
    return all(
        abs(a - b) <= max(0.02, max(abs(a), abs(b)) / 3)
        for a, b in ([float(x.replace(",", "")) for x in pair] for pair in pairs)
    )


class Cell(IPyNbCell):
    """A cell whose box may measure a little more or less."""

    def compare_outputs(self, test, ref, skip_compare=None):
        """Compare as nbval does, with boxes that are alike taken as equal."""
        for new, stored in zip(test, ref, strict=False):
            if alike(box(stored), box(new)):
                new["data"] = stored["data"]
        return super().compare_outputs(test, ref, skip_compare)


def box(output):
    """Return the HTML of an output that is a box, else what is like no other."""
    shown = output.get("data", {}).get("text/html", "")
    return shown if shown.startswith('<div class="claim"') else str(id(output))


def pytest_itemcollected(item):
    """Take a `Cell` in the place of what nbval makes of it."""
    if type(item) is IPyNbCell:
        item.__class__ = Cell


class Chapter(IPyNbFile):
    """The cells of a chapter, and between them what only a test runs."""

    def collect(self):
        """Yield the items of nbval, with ours where they belong."""
        yield self.ours("Without torch", WITHOUT_TORCH)
        waiting = [*self.without_torch()]
        for item in super().collect():
            item.output_timeout = PATIENCE
            if imports_torch(item.cell):
                yield from waiting
                waiting = []
            yield item
        yield from waiting
        for number, source in enumerate(solutions(self.path, torch=True), start=1):
            yield self.ours(f"Solution {number} that needs torch", source)

    def without_torch(self):
        """Yield the solutions that need no torch, and what lets torch in."""
        for number, source in enumerate(solutions(self.path, torch=False), start=1):
            yield self.ours(f"Solution {number}", f"in_a_copy({source!r})")
        yield self.ours("With torch", WITH_TORCH)

    def ours(self, name, source):
        """Return an item that runs a cell of ours in the chapter's kernel."""
        item = IPyNbCell.from_parent(
            self,
            name=name,
            cell_num=-1,
            cell=nbformat.v4.new_code_cell(source),
            options={"check": False, "check_exception": False, "skip": False},
        )
        item.output_timeout = PATIENCE
        return item


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Take a `Chapter` in the place of what nbval makes of it."""
    found = yield
    if file_path not in CHAPTERS:
        return found
    return [
        Chapter.from_parent(parent, path=file_path) if type(x) is IPyNbFile else x
        for x in found
    ]
