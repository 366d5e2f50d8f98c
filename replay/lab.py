"""Every notebook in a real JupyterLab, in a browser, with Binder's settings."""

import contextlib
import pathlib
import sys
import tempfile
import time

import nbformat
from playwright.sync_api import Error, sync_playwright

from course.paths import find_chromium
from replay import environments, lab_server, runner

LONGEST = 600_000  # milliseconds for a whole notebook


def replay(paths, options):
    """Run them all in a clone, which JupyterLab may write to; return the faults."""
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text).resolve()
        bare = environments.snapshot(folder, "replay")
        clone = folder / "attention-course"
        command = ("git", "clone", "--quiet", "--branch", "replay")
        environments.call(*command, bare.as_uri(), clone)
        env = environments.without_own()
        with lab_server.served(clone, sys.executable, env) as home:
            names = [path.relative_to(environments.ROOT) for path in paths]
            runs = [run(home, clone, name) for name in names]
            faults = markdown_faults(home)
    return faults + [f"{run.name}: {fault}" for run in runs for fault in run.faults]


@contextlib.contextmanager
def page_of(home, path):
    """Open a file of the server in a fresh profile; yield the page."""
    chromium = find_chromium()
    if chromium is None:
        raise environments.ReplayError(
            "JupyterLab is looked at in Chromium: none is on the PATH"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.goto(f"{home}lab/tree/{path}?reset")
        try:
            yield page
        finally:
            browser.close()


# The command ends at the first error, even where the cell's tag lets the others go on:
# so wait until every cell has run, or the kernel has had nothing to do for 3 seconds.
RUN = """async () => {
    const { content, sessionContext } = jupyterapp.shell.currentWidget;
    const waits = (cell) => cell.model.type === "code"
        && cell.model.sharedModel.source.trim() && cell.model.executionCount === null;
    await jupyterapp.commands.execute("notebook:clear-all-cell-outputs");
    await jupyterapp.commands.execute("notebook:run-all-cells");
    for (let idle = 0; content.widgets.some(waits) && idle < 30; ) {
        await new Promise((done) => setTimeout(done, 100));
        idle = sessionContext.session.kernel.status === "idle" ? idle + 1 : 0;
    }
    return JSON.stringify(content.model.toJSON());
}"""
STOP = "() => jupyterapp.shell.currentWidget.sessionContext.shutdown()"
LIVE = """() => jupyterapp.shell.currentWidget.content.widgets.filter((cell) =>
    cell.node.querySelector(".jp-OutputArea .attn-live:not([data-state])")).length"""
FIGURE = ".attn-live:not([data-state])"
PARTS = ["input[type=range]:not(:disabled)", "button:not(:disabled)"]
KEYS = ["ArrowRight", "ArrowLeft", "Enter"]


def run(home, folder, name):
    """Run a notebook, telling the seconds and the faults; return the Run."""
    print(f"{name} ...", end=" ", flush=True)
    start = time.perf_counter()
    stored = environments.read(folder / name)
    try:
        done = run_one(home, stored, name)
    except Error as error:  # the browser's
        done = runner.Run(str(name), stored, [f"JupyterLab: {error}"])
    print(f"{time.perf_counter() - start:.0f} s", *done.faults, sep="; ", flush=True)
    return done


def run_one(home, stored, name):
    """Open a notebook, run all its cells, look at its figures; return the Run."""
    with page_of(home, name.as_posix()) as page:
        page.set_default_timeout(LONGEST)
        page.wait_for_function(lab_server.READY)
        now = nbformat.reads(page.evaluate(RUN), as_version=4)
        done = runner.Run(str(name), now, runner.faults(now))
        live = sum(bool(runner.live_figures(c)) for c in runner.code(stored))
        with contextlib.suppress(Error):
            page.wait_for_function(f"({LIVE})() >= {live}", timeout=20_000)
        shown = page.evaluate(LIVE)
        if shown != live:
            done.faults.append(f"{shown} of {live} live figures appear")
        figures = page.locator(FIGURE).all()
        deaf = sum(not answers(page, figure) for figure in figures)
        done.faults += ["a live figure does not answer to keys"] * deaf
        page.evaluate(STOP)
    return done


def answers(page, figure):
    """Press keys on what a figure offers; whether it says something else then."""
    for part in PARTS:
        for place in figure.locator(part).all()[:3]:
            for key in KEYS:
                before = figure.inner_text()
                place.focus()
                page.keyboard.press(key)
                for _ in range(10):
                    if figure.inner_text() != before:
                        return True
                    page.wait_for_timeout(50)
    return False


def markdown_faults(home):
    """Say so where a Markdown file does not open as a page."""
    with page_of(home, "chapters/index.md") as page:
        try:
            page.locator(".jp-RenderedMarkdown h1").first.wait_for(timeout=30_000)
        except Error:
            return ["chapters/index.md does not open as a page in JupyterLab"]
    return []
