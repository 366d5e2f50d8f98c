"""Environments: pip, what it changed, and git told of a local address."""

import json
import os
import pathlib
import re
import subprocess
import sys
import venv

import nbformat

from course.paths import ROOT, python_of

# Variables that would let the running environment show through.
OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONHASHSEED")
OWN += ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# What Colab's kernel does for widgets of others: anywidget looks for this module and
# switches its widget manager on; from then on the views that are displayed name it.
# Source: https://github.com/googlecolab/colabtools, google/colab/output/_widgets.py
COLAB_OUTPUT = """\
def put_in_place(shell):
    import sys
    import types

    view = "application/vnd.jupyter.widget-view+json"

    def name_manager(message):
        content = message.get("content", {})
        if view in content.get("data", {}):
            manager = {"url": output._widgets._installed_url}
            metadata = content.setdefault("metadata", {}).setdefault(view, {})
            metadata["colab"] = {"custom_widget_manager": manager}
        return message

    def switch_on():
        if output._widgets._installed_url is None:
            shell.display_pub.register_hook(name_manager)
        output._widgets._installed_url = "https://example.org/manager.js"

    output = types.ModuleType("google.colab.output")
    output._widgets = types.SimpleNamespace(_installed_url=None)
    output.enable_custom_widget_manager = switch_on
    sys.modules["google.colab.output"] = output


put_in_place(get_ipython())
del put_in_place
"""


class ReplayError(Exception):
    """A replay that cannot go on; the text says why."""


def read(path):
    """Read a notebook, version 4."""
    return nbformat.read(path, as_version=4)


def call(*command, cwd=None, env=None):
    """Run a command; return what it printed, or raise ReplayError with that."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise ReplayError(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    return done.stdout


# Environments


def cached(folder, requirements, pip):
    """Make an environment once, with this pip, from a file; anew where that changed."""
    wanted = json.dumps([sys.version, pip, requirements.read_text(encoding="utf-8")])
    note, python = folder / "made-from.json", python_of(folder)
    if not (note.exists() and note.read_text(encoding="utf-8") == wanted):
        print(f"Making an environment in {folder} (once; about a minute)", flush=True)
        venv.create(folder, with_pip=True, clear=True, symlinks=os.name != "nt")
        call(python, "-m", "pip", "install", "--quiet", pip)
        call(python, "-m", "pip", "install", "--quiet", "-r", requirements)
        note.write_text(wanted, encoding="utf-8")
    return python


def packages(python):
    """Return name → line of `pip freeze` for all that is installed."""
    frozen = call(python, "-m", "pip", "freeze", "--all", env=without_own())
    lines = [line for line in frozen.splitlines() if "==" in line or " @ " in line]
    return {line.replace(" @ ", "==").partition("==")[0]: line for line in lines}


def changes(before, after):
    """Return (new names, lines for each package that is another one or gone)."""
    new = sorted(set(after) - set(before))
    other = [
        f"{line} became {after.get(name, 'nothing: it is gone')}"
        for name, line in sorted(before.items())
        if after.get(name) != line
    ]
    return new, other


def uninstall(python, names):
    """Take packages away again."""
    if names:
        call(python, "-m", "pip", "uninstall", "--quiet", "--yes", *names)


# Git and the home folder


def snapshot(folder, ref):
    """Write a bare repository whose branch `ref` is the tracked files as they are now.

    A `ref` that is a commit stays that commit: it must be in this repository.
    """
    bare = folder / "course.git"
    call("git", "clone", "--quiet", "--bare", "--no-hardlinks", ROOT, bare)
    call("git", "-C", bare, "config", "uploadpack.allowFilter", "true")
    call("git", "-C", bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    if not re.fullmatch("[0-9a-f]{7,40}", ref):
        who = ("-c", "user.name=replay", "-c", "user.email=replay@localhost")
        changed = call("git", *who, "stash", "create", cwd=ROOT).strip()
        branch = f"{changed or 'HEAD'}:refs/heads/{ref}"
        call("git", "push", "--quiet", "--force", bare, branch, cwd=ROOT)
    call("git", "-C", bare, "repack", "-adbq")
    return bare


def home(folder, url, bare):
    """Make a home folder whose git takes `url` from `bare`; None leaves git alone."""
    own = folder / "home"
    startup = own / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-colab.py").write_text(COLAB_OUTPUT, encoding="utf-8")
    if bare:
        key = f"url.{bare.as_uri()}.insteadOf"
        call("git", "config", "--file", own / ".gitconfig", key, url)
    return own


def without_own(**more):
    """The process's variables less those that would show through, with `more`."""
    return {k: v for k, v in os.environ.items() if k not in OWN} | more


def variables(python, own):
    """Variables of a kernel: a home and a Python of its own."""
    path = os.pathsep.join([str(pathlib.Path(python).parent), os.environ["PATH"]])
    return without_own(
        PATH=path,
        HOME=str(own),
        USERPROFILE=str(own),
        IPYTHONDIR=str(own / ".ipython"),
        PYDEVD_DISABLE_FILE_VALIDATION="1",
    )
