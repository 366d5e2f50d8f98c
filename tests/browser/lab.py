"""Start a real JupyterLab on a notebook, on this machine only, and open it."""

import os
import sys
from contextlib import contextmanager

import nbformat

from replay import lab_server
from tests.browser.look import PATIENCE, Visit


def write_notebook(path, cells):
    """Write a notebook of (kind, text) cells that were never run."""
    make = {"code": nbformat.v4.new_code_cell, "text": nbformat.v4.new_markdown_cell}
    made = [make[kind](text) for kind, text in cells]
    notebook = nbformat.v4.new_notebook(cells=made)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


RUN = """async (index) => {
    const notebook = jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    await jupyterapp.commands.execute("notebook:run-cell");
    const output = notebook.widgets[index].model.outputs.toJSON();
    return output.map((one) => one.text ?? one.evalue ?? "").flat().join("");
}"""

# What the arrow keys must leave alone: the active cell, folded headings, the mode.
PLACE = """() => {
    const notebook = jupyterapp.shell.currentWidget.content;
    const folded = notebook.widgets.map((cell) => cell.headingCollapsed ?? false);
    return [notebook.activeCellIndex, folded, notebook.mode, notebook.widgets.length];
}"""


class Lab:
    """A notebook that is open in JupyterLab."""

    def __init__(self, page):
        self.page = page

    def run(self, index):
        """Run one cell; return the text that it printed, or its error."""
        return self.page.evaluate(RUN, index)

    def place(self):
        """Return the active cell, which headings are folded, the mode, the cells."""
        return self.page.evaluate(PLACE)


@contextmanager
def opened(browser, folder, name):
    """Open a notebook in a fresh profile, its kernel running; yield (Lab, Visit)."""
    with lab_server.served(folder, sys.executable, os.environ) as home:
        size = {"width": 1200, "height": 1000}
        context = browser.new_context(viewport=size, reduced_motion="reduce")
        try:
            context.set_default_timeout(PATIENCE)
            seen = Visit(context.new_page())
            seen.listen(home)
            seen.page.goto(f"{home}lab/tree/{name}?reset")
            seen.page.wait_for_function(lab_server.READY)
            yield Lab(seen.page), seen
        finally:
            context.close()
