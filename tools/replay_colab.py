"""Each notebook alone in a folder, beside Colab's packages: see replay.py.

A notebook runs to its end if every cell ran and none raised, in an exercise that is not
answered save for the checks' one message; with the answers filled in, none at all.
"""

import os
import pathlib
import sys
import tempfile

from tools import notebooks, replay_env, replay_run

ROOT = notebooks.ROOT
PACKAGES = ROOT / "tools" / "colab.txt"
PIP = "pip==24.1.2"
MAY_BE_INSTALLED = {"attnlib", "array-api-compat", "anywidget", "psygnal"}
LONGEST = 20  # seconds that the set-up cell should take; told, never a fault
LEFT_OUT = "left out: needs the weights"  # chapter 4 says so where they are missing
NO_NETWORK = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_NO_CACHE_DIR": "1",
    "PIP_RETRIES": "0",
}


def replay(paths, options):
    """Run them all; print a table; return the faults."""
    repository = notebooks.config()["repository"]
    ref = repository.get("commit") or repository["branch"]
    python = environment(options)
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text).resolve()
        bare = None if options.github else replay_env.snapshot(folder, ref)
        own = replay_env.home(folder, repository["url"], bare)
        runs = [alone(*one, python, own) for path in paths for one in variants(path)]
        said, faults = without_network(paths[0], python, own)
    print(*table(runs), sep="\n")
    for run in runs:
        for cell, old, new in run.differing:
            print(f"{run.name}, cell [{cell}]\n  stored: {old}\n  now:    {new}")
    print(f"Without a network the set-up cell says: {said}")
    return [f"{run.name}: {fault}" for run in runs for fault in run.faults] + faults


def environment(options):
    """The Python that stands for Colab's; attnlib must not be there."""
    if options.here:
        python = pathlib.Path(sys.executable)
    else:
        python = replay_env.cached(options.cache / "colab", PACKAGES, PIP)
        # What a replay that was cut off has left behind.
        left = MAY_BE_INSTALLED & {*replay_env.packages(python)}
        replay_env.uninstall(python, sorted(left))
    there = replay_env.packages(python)
    if "attnlib" in there:
        raise replay_env.ReplayError(
            f"attnlib is installed for {python}, so the set-up cell would do nothing; "
            "`pip uninstall attnlib`, or leave --here out"
        )
    shown = ("ipykernel", "ipython", "ipywidgets", "matplotlib", "numpy", "torch")
    print("Beside", ", ".join(there[name] for name in shown if name in there))
    return python


def variants(path):
    """(name, notebook, what it showed when stored); an exercise also answered."""
    stored = replay_env.read(path)
    name = path.relative_to(ROOT / "chapters").as_posix()
    yield name, stored, stored
    if path.parent.name == "exercises":
        source = replay_env.read(ROOT / "exercises" / path.name)
        yield f"{name}, answered", replay_run.answered(stored, source), source


def alone(name, nb, stored, python, own):
    """Run a notebook in a folder of its own; take away again what it installed."""
    print(f"{name} ...", end=" ", flush=True)
    before = replay_env.packages(python)
    with tempfile.TemporaryDirectory() as folder:
        variables = replay_env.variables(python, own)
        done = replay_run.run(nb, name, python, folder, variables)
    done.installed, other = replay_env.changes(before, replay_env.packages(python))
    replay_env.uninstall(python, done.installed)
    done.faults += other + set_up_faults(done) + figure_faults(stored, done.nb)
    done.differing = replay_run.differences(stored, done.nb, ["text/plain"])
    seconds = f"{sum(done.seconds):.0f} s, set-up {done.set_up_seconds:.0f} s"
    print("; ".join([seconds, *done.faults]), flush=True)
    return done


def set_up_faults(done):
    """What the set-up cell must not do: say more than a line, install anything else."""
    found = []
    lines = [line for line in replay_run.texts(replay_run.code(done.nb)[0]) if line]
    if len(lines) != 1 or not lines[0].startswith("Installed attnlib"):
        found.append(f"the set-up cell must say one line, and said {lines}")
    if extra := sorted({*done.installed} - MAY_BE_INSTALLED):
        found.append(f"it installed {' '.join(extra)} as well")
    return found


def figure_faults(stored, nb):
    """Live figures that are missing, or that Colab would not show."""
    found = []
    pairs = zip(replay_run.code(stored), replay_run.code(nb), strict=True)
    for number, (old, new) in enumerate(pairs, start=1):
        now = replay_run.live_figures(new)
        if LEFT_OUT not in replay_run.texts(new)[0]:
            missing = len(replay_run.live_figures(old)) - len(now)
            found += [f"cell [{number}] shows no live figure"] * missing
        dead = sum(not replay_run.enabled_in_colab(figure) for figure in now)
        found += [f"the figure of cell [{number}] stays a table in Colab"] * dead
    return found


def without_network(path, python, own):
    """Run the set-up cell where pip reaches nothing; return (its words, faults)."""
    nb = replay_env.read(path)
    nb.cells = nb.cells[:1]
    variables = replay_env.variables(python, own) | NO_NETWORK
    with tempfile.TemporaryDirectory() as folder:
        done = replay_run.run(nb, "set-up", python, folder, variables)
    (cell,) = done.nb.cells
    errors = [o for o in cell.outputs if o.output_type == "error"]
    if not errors:
        return "nothing", ["without a network the set-up cell must fail"]
    said = f"{errors[0].ename}: {errors[0].evalue}"
    if "\n" in said or "not installed" not in said:
        return said, ["without a network the set-up cell must say why, in one line"]
    return said, []


def table(runs):
    """Lines of the table of what ran."""
    clocks = {"set-up": set_up_clock, "all": lambda run: f"{sum(run.seconds):.0f} s"}
    return replay_run.table(runs, **clocks)


def set_up_clock(run):
    """What a Run's set-up cell took, in words."""
    return f"{run.set_up_seconds:.1f} s" + " slow" * (run.set_up_seconds > LONGEST)
