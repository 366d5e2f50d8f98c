"""Each notebook alone in a folder, beside Colab's packages.

A notebook runs to its end if every cell ran and none raised, in an exercise that is not
answered save for the checks' one message; with the answers filled in, none at all.
"""

import os
import pathlib
import sys
import tempfile
import time

from course.paths import ROOT
from course.repository import setting
from replay import environments, runner

PACKAGES = ROOT / "replay" / "colab.txt"
PIP = "pip==24.1.2"
MAY_BE_INSTALLED = {"attnlib", "array-api-compat", "anywidget", "psygnal"}
LEFT_OUT = "left out: needs the weights"  # so say chapters 4 and 9
NO_NETWORK = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_NO_CACHE_DIR": "1",
    "PIP_RETRIES": "0",
}


def replay(paths, options):
    """Run them all; return the faults."""
    repository = setting(ROOT)
    ref = repository.get("commit") or repository["branch"]
    python = environment(options)
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text).resolve()
        bare = None if options.github else environments.snapshot(folder, ref)
        own = environments.home(folder, repository["url"], bare)
        runs = [alone(*one, python, own) for path in paths for one in variants(path)]
        said, faults = without_network(paths[0], python, own)
    print(f"Without a network the set-up cell says: {said}")
    return [f"{run.name}: {fault}" for run in runs for fault in run.faults] + faults


def environment(options):
    """The Python that stands for Colab's; attnlib must not be there."""
    if options.here:
        python = pathlib.Path(sys.executable)
    else:
        python = environments.cached(options.cache / "colab", PACKAGES, PIP)
        # What a replay that was cut off has left behind.
        left = MAY_BE_INSTALLED & {*environments.packages(python)}
        environments.uninstall(python, sorted(left))
    there = environments.packages(python)
    if "attnlib" in there:
        raise environments.ReplayError(
            f"attnlib is installed for {python}, so the set-up cell would do nothing; "
            "`pip uninstall attnlib`, or leave --here out"
        )
    shown = ("ipykernel", "ipython", "ipywidgets", "matplotlib", "numpy", "torch")
    print("Beside", ", ".join(there[name] for name in shown if name in there))
    return python


def variants(path):
    """(name, notebook, the notebook with its outputs); an exercise also answered."""
    stored = environments.read(path)
    name = path.relative_to(ROOT / "chapters").as_posix()
    yield name, stored, stored
    if path.parent.name == "exercises":
        source = environments.read(ROOT / "exercises" / path.name)
        yield f"{name}, answered", runner.answered(stored, source), source


def alone(name, nb, stored, python, own):
    """Run a notebook in a folder of its own; take away again what it installed."""
    print(f"{name} ...", end=" ", flush=True)
    before, start = environments.packages(python), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        variables = environments.variables(python, own)
        done = runner.run(nb, name, python, folder, variables)
    done.installed, other = environments.changes(before, environments.packages(python))
    environments.uninstall(python, done.installed)
    done.faults += other + set_up_faults(done) + figure_faults(stored, done.nb)
    print(f"{time.perf_counter() - start:.0f} s", *done.faults, sep="; ", flush=True)
    return done


def set_up_faults(done):
    """What the set-up cell must not do: say more than a line, install anything else."""
    found = []
    lines = runner.lines(runner.code(done.nb)[0])
    if len(lines) != 1 or not lines[0].startswith("Installed attnlib"):
        found.append(f"the set-up cell must say one line, and said {lines}")
    if extra := sorted({*done.installed} - MAY_BE_INSTALLED):
        found.append(f"it installed {' '.join(extra)} as well")
    return found


def figure_faults(stored, nb):
    """Live figures that are missing, or that Colab would not show."""
    found = []
    pairs = zip(runner.code(stored), runner.code(nb), strict=True)
    for number, (old, new) in enumerate(pairs, start=1):
        now = runner.live_figures(new)
        if LEFT_OUT not in "".join(runner.lines(new)[:1]):
            missing = len(runner.live_figures(old)) - len(now)
            found += [f"cell [{number}] shows no live figure"] * missing
        dead = sum(not runner.enabled_in_colab(figure) for figure in now)
        found += [f"the figure of cell [{number}] stays a table in Colab"] * dead
    return found


def without_network(path, python, own):
    """Run the set-up cell where pip reaches nothing; return (its words, faults)."""
    nb = environments.read(path)
    nb.cells = nb.cells[:1]
    variables = environments.variables(python, own) | NO_NETWORK
    with tempfile.TemporaryDirectory() as folder:
        done = runner.run(nb, "set-up", python, folder, variables)
    (cell,) = done.nb.cells
    errors = [o for o in cell.outputs if o.output_type == "error"]
    if not errors:
        return "nothing", ["without a network the set-up cell must fail"]
    said = f"{errors[0].ename}: {errors[0].evalue}"
    if "\n" in said or "not installed" not in said:
        return said, ["without a network the set-up cell must say why, in one line"]
    return said, []
