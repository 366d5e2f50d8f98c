"""A real JupyterLab on this machine only, with settings of its own."""

import contextlib
import json
import subprocess
import tempfile
import time
from pathlib import Path

from course.paths import ROOT

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
WHOLE = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
BINDER = ROOT / "binder" / "overrides.json"

# Whether the page shows a notebook whose kernel waits for something to do.
READY = """() => {
    const widget = window.jupyterapp?.shell.currentWidget;
    return widget?.sessionContext?.session?.kernel?.status === "idle"
        && widget.content?.widgets?.length > 0;
}"""


class LabError(Exception):
    """JupyterLab does not start; its log says why."""


@contextlib.contextmanager
def served(folder, python, environment):
    """Start a Python's JupyterLab in a folder; yield its address.

    Its folders for what a user sets are its own; in them, Binder's settings.
    """
    with tempfile.TemporaryDirectory() as text:
        own = Path(text)
        write_settings(own / "settings")
        names = ["CONFIG", "DATA", "RUNTIME"]
        apart = {f"JUPYTER_{name}_DIR": str(own / name.lower()) for name in names}
        apart |= {"JUPYTERLAB_SETTINGS_DIR": str(own / "settings")}
        apart |= {"JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces")}
        apart |= {"IPYTHONDIR": str(own / "ipython")}
        with (own / "log.txt").open("w") as log:
            process = subprocess.Popen(
                [str(python), "-m", "jupyterlab", *OPTIONS],
                cwd=folder,
                env={**environment, **apart},
                stdout=log,
                stderr=log,
            )
            try:
                yield address(process, own)
            finally:
                process.terminate()
                process.wait(timeout=30)


def write_settings(folder):
    """Write what the plugins are set to, as a user's settings."""
    for plugin, chosen in (WHOLE | json.loads(BINDER.read_text("utf-8"))).items():
        package, _, name = plugin.partition(":")
        path = folder / package / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(chosen))


def address(process, own, seconds=90):
    """Return the address that the server wrote down, once it has; or raise LabError."""
    for _ in range(10 * seconds):
        for note in (own / "runtime").glob("jpserver-*.json"):
            if text := note.read_text():
                return json.loads(text)["url"]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise LabError(f"JupyterLab does not start: {(own / 'log.txt').read_text()}")
