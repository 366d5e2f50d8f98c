"""Test attnlib and the notebooks on other versions than the pinned ones.

    python -m replay.versions lowest     the lower bounds that pyproject.toml declares
    python -m replay.versions newest     the newest of everything in requirements.in

Makes an environment of its own, .venv-lowest or .venv-newest, with the Python that runs
this; uv resolves what goes in. Then: attnlib's unit tests, and every notebook from its
first cell to its last; with --strict, its text outputs are compared with the stored
ones as well.

torch comes without CUDA, from pytorch.org. --torch names a version to take from where
everything else comes from: UV_FIND_LINKS or UV_EXTRA_INDEX_URL name more such places.
"""

import argparse
import re
import subprocess
import sys
import tomllib

from course.paths import ROOT, python_of

# What is tested with the pinned versions alone, and why.
LEFT_OUT = {
    "book/*": "the pages of the built book",
    "browser/*": "live figures in a browser and in JupyterLab",
    "grading/*": "the grader, which teachers run with the pinned versions",
    "repo/test_address.py": "what is published, and where",
    "repo/test_lock.py": "the pinned versions themselves",
    "repo/test_offline.py": "set-up without a network",
    "repo/test_replay.py": "what is published, and where",
    "repo/test_workflows.py": "what is published, and where",
}
# ipywidgets 8.1.0 calls what traitlets 5 has renamed; users do not see that warning.
OPTIONS = {"lowest": ["-W", "ignore:Deprecated in traitlets 4.1"], "newest": []}


def names(lines):
    """Name → line, of requirements; comments are left away."""
    lines = (re.split(r"\s+#", line)[0] for line in lines)
    return {re.match(r"[\w-]+", line)[0]: line for line in lines if line[:1].isalpha()}


def read(name):
    """The requirements of a file: name → line."""
    return names((ROOT / name).read_text(encoding="utf-8").splitlines())


def declared():
    """What attnlib itself asks for, with its extras: name → line."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"] | {"all": []}
    return names(sum(extras.values(), project["dependencies"]))


def wanted(kind):
    """What uv is to resolve: its options, then requirements.

    The lowest are those of attnlib alone; tools keep their pins.
    """
    chosen, pins = read("requirements.in"), read("requirements.txt")
    if kind == "newest":
        return ["--upgrade", *chosen.values()]
    tools = [pins[name] for name in chosen if name not in declared()]
    return ["--resolution=lowest-direct", *declared().values(), *tools]


def set_up(kind, torch):
    """Make or renew the environment; return its Python."""
    folder = ROOT / f".venv-{kind}"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(python_of(folder))
    uv = [python, "-m", "uv", "--quiet", "--no-config", "pip", "install"]
    uv += ["--python", python]
    build = ["--torch-backend=cpu"] if torch is None else [f"torch=={torch}"]
    print(f"Setting up {folder.name} with {build[0].lstrip('-')}", flush=True)
    pip = [python, "-m", "pip", "install", "--quiet", read("requirements.txt")["uv"]]
    for command in (
        pip,
        [*uv, *build, *wanted(kind)],
        [*uv, "--no-deps", "-r", "requirements-model.txt", "--editable", "."],
    ):
        subprocess.run(command, check=True, cwd=ROOT)
    return python


def commands(python, kind, jobs, strict):
    """Return what is run: the unit tests, then the notebooks."""
    pytest = [python, "-m", "pytest", "-n", str(jobs), "--dist", "loadscope"]
    pytest += ["-o", f"cache_dir=.pytest_cache/{kind}"]
    left_out = [f"--ignore-glob=tests/{name}" for name in LEFT_OUT]
    nbval = "--nbval" if strict else "--nbval-lax"
    return [
        [*pytest, *OPTIONS[kind], *left_out, "tests"],
        [*pytest, nbval, "chapters", "exercises"],
    ]


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("lowest", "newest"))
    parser.add_argument("--torch", help="the version to use, whatever it brings")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--strict", action="store_true", help="compare text outputs")
    chosen = parser.parse_args(arguments)
    python = set_up(chosen.kind, chosen.torch)
    for name, reason in LEFT_OUT.items():
        print(f"left out: {name}: {reason}")
    freeze = [python, "-m", "uv", "--no-config", "pip", "freeze", "--exclude-editable"]
    subprocess.run([*freeze, "--python", python], check=True)
    runs = commands(python, chosen.kind, chosen.jobs, chosen.strict)
    return max([subprocess.run(run, cwd=ROOT).returncode for run in runs])


if __name__ == "__main__":
    sys.exit(main())
