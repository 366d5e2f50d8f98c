"""Run notebooks in the Python of the page, without the application around it.

A bench beside the book starts the kernel's own Python in a worker, as the application
does, and hands it one cell after the other: so all notebooks can be run in minutes. The
application itself is driven by test_lite.py, on a few.
"""

import itertools
import json
import re
from contextlib import contextmanager

import nbformat

from book.lite.app import LOADED
from tests.browser import firefox, look
from tests.notebooks.once import alike

BENCH = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Bench</title>
<link rel="icon" href="data:,"></head><body><script>
const worker = new Worker("worker.js");
const waiting = new Map();
worker.onmessage = ({ data: [number, text] }) => waiting.set(number, text);
worker.onerror = (event) => waiting.set("error", event.message);
window.ask = (number, source) => worker.postMessage([number, source]);
window.answer = (number) => waiting.get("error") ?? waiting.get(number) ?? null;
</script></body></html>
"""

WORKER = """
importScripts("lite/pyodide/pyodide.js");
const indexURL = new URL("lite/pyodide/", location.href).href;
const ready = loadPyodide({ indexURL, packages: PACKAGES }).then(async (python) => {
    await python.runPythonAsync(KERNEL);
    return python.globals.get("run");
});
onmessage = async ({ data: [number, source] }) => {
    try {
        postMessage([number, await (await ready)(source)]);
    } catch (error) {
        postMessage([number, `broken: ${error}`]);
    }
};
"""

# The kernel tells what a cell shows by calls that the application sets: here, to note.
KERNEL = """
import json
import pyodide_kernel

kernel, shown = pyodide_kernel.kernel_instance, []
shell = kernel.interpreter

def note(kind):
    def noted(data, *_):
        plain = {k: v for k, v in data.items() if k.startswith("text/")}
        shown.append({"output_type": kind, "data": plain | dict.fromkeys(data, "")
                      | plain})
    return noted

def said(name, text):
    shown.append({"output_type": "stream", "name": name, "text": text})

pyodide_kernel.stdout_stream.publish_stream_callback = said
pyodide_kernel.stderr_stream.publish_stream_callback = said
shell.display_pub.clear_output_callback = lambda *_: None
shell.display_pub.display_data_callback = note("display_data")
shell.display_pub.update_display_data_callback = lambda *_: None
shell.displayhook.publish_execution_result = lambda count, *rest: note(
    "execute_result")(*rest)
shell.send_comm = lambda *_: None
kernel._parent_header = {"header": {}}

async def run(source):
    shown.clear()
    done = await kernel.run(source)
    if done["status"] == "error":
        shown.append({"output_type": "error", "ename": done["ename"],
                      "evalue": done["evalue"]})
    return json.dumps(shown)
"""

# What in_the_page says in the place of a traceback.
HERE_NOT = re.compile("to run this cell|, from a cell that does not run in the browser")
# How a figure is told in text: its size in dots is another one on another screen.
FIGURE = re.compile(r"<Figure size \d+x\d+ with")
WEIGHTS = ("left out: needs the weights", "No weights: ")


def write_bench(folder, book):
    """Write the bench into an empty folder, beside a book's lite/."""
    (folder / "lite").symlink_to(book / "lite")
    (folder / "bench.html").write_text(BENCH, encoding="utf-8")
    worker = WORKER.replace("PACKAGES", json.dumps(LOADED))
    worker = worker.replace("KERNEL", json.dumps(KERNEL))
    (folder / "worker.js").write_text(worker, encoding="utf-8")


class Kernel:
    """Python in the page of a bench; `hand` is a page's, of any browser."""

    def __init__(self, hand):
        self.hand, self.numbers = hand, itertools.count()

    def run(self, source, seconds=600):
        """Run a cell; return its outputs."""
        number = next(self.numbers)
        self.hand.evaluate(
            "([number, source]) => ask(number, source)", [number, source]
        )
        for _ in range(10 * seconds):
            text = self.hand.evaluate("(number) => answer(number)", number)
            if text is not None:
                return outputs(text)
            self.hand.wait(100)
        raise AssertionError(f"no answer in {seconds} s: {source[:80]}")


def outputs(text):
    """Return the outputs that a kernel's answer tells of, in stored form."""
    assert text.startswith("["), text
    return [nbformat.from_dict(output) for output in json.loads(text)]


@contextmanager
def chromium_kernel(browser, home):
    """Yield (a fresh kernel in Chromium, what went wrong)."""
    with look.visit(browser, home, "bench.html") as seen:
        yield Kernel(look.Hand(seen.page)), lambda: seen.troubles


@contextmanager
def firefox_kernel(bidi, home):
    """Yield (a fresh kernel in Firefox, what went wrong)."""
    tab = firefox.Tab(bidi, home)
    try:
        tab.goto("bench.html")
        yield Kernel(tab), tab.troubles
    finally:
        tab.close()


# What is shown, as text


def texts(cell_outputs):
    """Return all text of a cell's outputs, as one piece for each kind."""
    found = {}
    for output in cell_outputs:
        if output.output_type == "stream":
            add(found, output.name, output.text)
        elif output.output_type == "error":
            name = output.ename.removeprefix("<class '").removesuffix("'>")
            add(found, "error", f"{name.rpartition('.')[2]}: {output.evalue}")
        else:
            for kind, text in output.data.items():
                if kind.startswith("text/"):
                    add(found, kind, FIGURE.sub("<Figure with", "".join(text)))
    return found


def add(found, kind, text):
    """Append a text to those of its kind."""
    found[kind] = found.get(kind, "") + "".join(text)


def compare(kernel, nb):
    """Run a notebook cell by cell; yield (number, verdict, stored, shown).

    The verdict is "equal", "other", "not here" or "weights"; cells that show no text
    and should show none are left out.
    """
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, start=1):
        shown, stored = texts(kernel.run(cell.source)), texts(cell.outputs)
        if HERE_NOT.search(shown.get("stdout", "")):
            yield number, "not here", stored, shown
        elif shown.get("stdout", "").startswith(WEIGHTS):
            yield number, "weights", stored, shown
        elif shown or stored:
            yield number, "equal" if same(stored, shown) else "other", stored, shown


def same(stored, shown):
    """Whether texts are the same; the boxes of claims as the other tests see them."""
    if alike(stored.get("text/html", ""), shown.get("text/html", "-")):
        stored, shown = without_data(stored), without_data(shown)
    return stored == shown


def without_data(found):
    """Leave out a box, and what says the same without HTML."""
    return {kind: text for kind, text in found.items() if "/" not in kind}
