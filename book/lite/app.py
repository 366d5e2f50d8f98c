"""Make the application once, in the cache: JupyterLite, Pyodide and the packages.

What is the course's own (its notebooks and attnlib) comes to it with each built book.
The tools that make it have an environment of their own, since JupyterLite's files and
those of a JupyterLab that is installed beside them do not work together.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from pathlib import Path

from book.lite import fetch
from course.paths import ROOT, python_of

CACHE = Path.home() / ".cache" / "attention-course" / "lite"
REQUIREMENTS = ROOT / "requirements-lite.txt"
HERE = Path(__file__).parent
DAY = 24 * 3600  # seconds
PYODIDE = "pyodide"  # its folder in the application
EXTENSIONS = ("anywidget", "jupyterlab_widgets")  # live figures in the notebook
# What the kernel loads as it starts; what these need comes with them.
LOADED = [
    *("micropip", "piplite", "ssl", "sqlite3", "jedi", "ipython"),
    *("comm", "ipykernel", "pyodide-kernel"),
    *("numpy", "matplotlib", "ipywidgets", "anywidget", "attnlib"),
]
# Packages that Pyodide itself does not list: name → what each needs.
ADDED = {
    "anywidget": ["ipywidgets", "psygnal", "typing-extensions"],
    "array-api-compat": [],
    "comm": [],
    "ipykernel": [],
    "ipywidgets": ["comm", "ipython", "traitlets", "widgetsnbextension"],
    "piplite": ["micropip"],
    "psygnal": [],
    "pyodide-kernel": ["ipython", "ipykernel"],
    "typing-extensions": [],
    "widgetsnbextension": [],
}
HEAD = """<link rel="stylesheet" href="../start.css" />
    <link rel="icon" href="../../_static/logo.svg" />"""
# What is changed in the application's page. site.py fills in the addresses.
CHANGES = [
    ("<html>", '<html lang="en">'),
    ("<title>.*?</title>", "<title>Attention, tested</title>"),
    (r'<link rel="manifest"[^>]*>', HEAD),
    (
        r"await import\(\s*('\.\./config-utils\.js[^']*')\s*\);",
        r"await window.attnStart(() => import(\1));",
    ),
    (
        "(?=<script>)",
        '<script src="../start.js" data-binder="" data-colab=""></script>\n    ',
    ),
    (
        "JupyterLite requires JavaScript to be enabled in your browser.",
        "A notebook runs in the page by JavaScript, which is switched off here: "
        "go back, and open it in Binder or Colab.",
    ),
]


class LiteError(Exception):
    """Says in a sentence why the notebooks do not run in the page."""


def cache():
    """Return the folder in which everything is kept between builds."""
    return Path(os.environ.get("ATTENTION_LITE_CACHE") or CACHE)


def key():
    """Return what the application is made from, as a short text."""
    sources = [REQUIREMENTS, *(p for p in sorted(HERE.iterdir()) if p.is_file())]
    whole = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    return whole.hexdigest()[:12]


def folder():
    """Return where the application stands, or would stand."""
    return cache() / f"app-{key()}"


def is_ready():
    """Whether the application is there to be put beside pages."""
    return folder().is_dir()


def make():
    """Fetch what is missing and make the application; LiteError where that fails."""
    if is_ready():
        return
    cache().mkdir(parents=True, exist_ok=True)
    python = tools()
    files, wheelhouse = cache() / "files", ROOT / "wheelhouse"
    missing, wrong = fetch.fetch(files, wheelhouse, python)
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise LiteError("; ".join([f"{missing[0]}{more} cannot be had", *wrong]))
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        app = Path(scratch) / "app"
        build(python, files, app)
        add_pyodide(files, app)
        configure(app)
        open_with_ours(app)
        for old in cache().glob("app-*"):
            if time.time() - old.stat().st_mtime > DAY:  # a young one may be in use
                shutil.rmtree(old)
        if not is_ready():  # another build may have been faster
            app.rename(folder())


def tools():
    """Return the Python of the environment that JupyterLite's tools live in."""
    place = cache() / "tools"
    wanted = json.dumps([sys.version, REQUIREMENTS.read_text(encoding="utf-8")])
    note, python = place / "made-from.json", python_of(place)
    if not (note.exists() and note.read_text(encoding="utf-8") == wanted):
        venv.create(place, with_pip=True, clear=True, symlinks=os.name != "nt")
        limits = ["--retries", "1", "--require-hashes", "-r", REQUIREMENTS]
        command = [python, "-m", "pip", "install", "--quiet", *limits]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise LiteError("JupyterLite's tools cannot be had from pip")
        note.write_text(wanted, encoding="utf-8")
    return python


def build(python, files, app):
    """Let JupyterLite write the one application that shows a notebook."""
    wheels = [str(next(files.glob(f"{name}-*.whl"))) for name in EXTENSIONS]
    settings = {
        "apps": ["notebooks"],
        "federated_extensions": wheels,
        "no_sourcemaps": True,
        "no_unused_shared_packages": True,
        "output_dir": str(app),
    }
    with tempfile.TemporaryDirectory() as folder:
        whole = {"LiteBuildConfig": settings}
        write_json(Path(folder) / "jupyter_lite_config.json", whole)
        done = subprocess.run(
            [python, "-m", "jupyterlite_core", "build"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
        )
    if done.returncode:
        raise LiteError(f"JupyterLite's build says: {done.stdout[-500:]}")


def add_pyodide(files, app):
    """Put Pyodide and its packages beside the application, and what the lock names."""
    target = app / PYODIDE
    target.mkdir()
    kernel = next(app.glob("extensions/@jupyterlite/*/static/pypi"))
    for path in [*files.iterdir(), *kernel.glob("*.whl")]:
        if not path.name.startswith("jupyterlab_widgets-"):  # it is in extensions/
            shutil.copy(path, target)
    lock = json.loads((target / "pyodide-lock.json").read_text(encoding="utf-8"))
    there = {path.name for path in target.iterdir()}
    packages = lock["packages"]
    lock["packages"] = {
        name: entry for name, entry in packages.items() if entry["file_name"] in there
    }
    for name, needs in ADDED.items():
        lock["packages"][name] = entry_of(wheel_of(target, name), name, needs)
    write_json(target / "pyodide-lock.json", lock)


def wheel_of(target, name):
    """Return the newest wheel of a package in a folder."""
    return max(target.glob(f"{name.replace('-', '_')}-*.whl"))


def entry_of(wheel, name, needs):
    """Return what Pyodide's lock says of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {path.partition("/")[0] for path in archive.namelist()}
    return {
        "name": name,
        "version": wheel.name.split("-")[1],
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": fetch.sha256(wheel.read_bytes()),
        "package_type": "package",
        "imports": sorted(
            top.removesuffix(".py") for top in tops if ".dist-info" not in top
        ),
        "depends": needs,
        "unvendored_tests": False,
        "shared_library": False,
    }


def configure(app):
    """Tell the application where its kernel is, and that it is this book's."""
    path = app / "jupyter-lite.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    settings = json.loads((HERE / "settings.json").read_text(encoding="utf-8"))
    kernel = settings["litePluginSettings"][
        "@jupyterlite/pyodide-kernel-extension:kernel"
    ]
    kernel["loadPyodideOptions"] = {"packages": LOADED}
    data = whole["jupyter-config-data"]
    data["litePluginSettings"] = settings.pop("litePluginSettings")
    data |= settings
    write_json(path, whole)
    path = app / "notebooks" / "jupyter-lite.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["jupyter-config-data"]["faviconUrl"] = settings["faviconUrl"]
    write_json(path, whole)


def open_with_ours(app):
    """Let start.js of ours go first in the application's one page."""
    for name in ("start.js", "start.css"):
        shutil.copy(HERE / name, app)
    path = app / "notebooks" / "index.html"
    text = path.read_text(encoding="utf-8")
    for old, new in CHANGES:
        text, count = re.subn(old, new, text, flags=re.DOTALL)
        if count != 1:
            raise LiteError(f"JupyterLite's page has {count} places like {old}")
    path.write_text(text, encoding="utf-8")


def write_json(path, data):
    """Write JSON on one line: the reader waits for it."""
    path.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
