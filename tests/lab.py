"""Start a real JupyterLab on a notebook, on this machine only, and open it."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import nbformat
from browser import Visit

OPTIONS = [
    "--no-browser",
    "--allow-root",
    "--ServerApp.port=0",
    "--IdentityProvider.token=",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.news_url=None",
    "--LabApp.expose_app_in_browser=True",
]
# Cells out of sight would be taken out of the page.
WHOLE = {"windowingMode": "none"}


def write_notebook(path, cells):
    """Write a notebook of (kind, text) cells that were never run."""
    make = {"code": nbformat.v4.new_code_cell, "text": nbformat.v4.new_markdown_cell}
    made = [make[kind](text) for kind, text in cells]
    notebook = nbformat.v4.new_notebook(cells=made)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


@contextmanager
def served(folder):
    """Start JupyterLab in a folder, with settings of its own; yield its address."""
    own = folder / ".jupyter"
    settings = own / "lab" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps(WHOLE))
    names = ["CONFIG", "DATA", "RUNTIME"]
    apart = {f"JUPYTER_{name}_DIR": str(own / name.lower()) for name in names}
    apart |= {"JUPYTERLAB_SETTINGS_DIR": str(own / "lab"), "IPYTHONDIR": str(own / "i")}
    apart |= {"JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces")}
    with (own / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *OPTIONS],
            cwd=folder,
            env=os.environ | apart,
            stdout=log,
            stderr=log,
        )
        try:
            yield wait_for_server(process, own)
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for_server(process, own, seconds=60):
    """Return the address that the server wrote down, once it has."""
    for _ in range(10 * seconds):
        for note in (own / "runtime").glob("jpserver-*.json"):
            if text := note.read_text():
                return json.loads(text)["url"]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab does not start: {(own / 'log.txt').read_text()}")


READY = """() => {
    const widget = window.jupyterapp?.shell.currentWidget;
    return widget?.sessionContext?.session?.kernel?.status === "idle"
        && widget.content?.widgets?.length > 0;
}"""

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
    with served(folder) as home:
        size = {"width": 1200, "height": 1000}
        context = browser.new_context(viewport=size, reduced_motion="reduce")
        try:
            seen = Visit(context.new_page())
            seen.listen(home)
            seen.page.goto(f"{home}lab/tree/{name}?reset")
            seen.page.wait_for_function(READY, timeout=60_000)
            yield Lab(seen.page), seen
        finally:
            context.close()
