"""requirements.txt is whole: what is imported is declared, what is needed is pinned."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

from course.paths import ROOT
from replay import versions

# Not declared, and not missed where they are not there.
ELSEWHERE = {
    "in_the_page": "comes with attnlib where a notebook runs in the page",
    "magics": "a file beside the grader's worker, which runs as a script",
    "shell": "a file beside the grader's worker, which runs as a script",
    "triton": "experiments/kernel.py says that it is missing, and how to have it",
    "wire": "a file beside the grader's worker, which runs as a script",
}
RENEW = "`make lock` writes requirements.txt anew"


@functools.cache
def requirements(name):
    """The requirements of a file, in order; each with what stands in its comment."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "")
    found = []
    for line in text.splitlines():
        wanted, _, comment = line.partition("#")
        wanted = wanted.partition(" --hash=")[0]
        if wanted.strip() and not wanted.startswith("-c "):
            found.append((Requirement(wanted), comment.strip()))
    return found


def names(*files):
    """The names that stand in files of requirements."""
    return {canonical(r.name) for file in files for r, _ in requirements(file)}


def locked(name):
    """The version of a package that requirements.txt names for this Python, or None."""
    fit = [
        str(wanted.specifier).removeprefix("==")
        for wanted, _ in requirements("requirements.txt")
        if canonical(wanted.name) == name and applies(wanted)
    ]
    return fit[0] if fit else None


def applies(wanted, extra=""):
    """Whether a requirement holds for this Python and system."""
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})


@functools.cache
def excluded():
    """What stays out of requirements.txt on purpose: CUDA."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return set(project["tool"]["uv"]["pip"]["no-emit-package"])


# ------------------------------------------------------- imported, hence declared


def tracked(*patterns):
    """The project's files that fit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run([*command, *patterns], cwd=ROOT, capture_output=True)
    paths = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    return [path for path in paths if path.exists()]


def sources(path):
    """The texts of Python in a file: itself, or the cells of a notebook."""
    if path.suffix == ".py":
        return [path.read_text(encoding="utf-8")]
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def imported(source):
    """The top-level modules that a text of Python imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
        elif isinstance(node, ast.Call) and called(node) in IMPORTERS:
            found |= {a.value for a in node.args[:1] if isinstance(a, ast.Constant)}
    return {name.partition(".")[0] for name in found}


IMPORTERS = ("importorskip", "import_module", "__import__")


def called(node):
    """The name by which a call calls."""
    return getattr(node.func, "attr", getattr(node.func, "id", None))


def undeclared(modules, declared):
    """Those modules of others which no declared package brings by its own name."""
    own = {path.name.removesuffix(".py") for path in ROOT.iterdir()}
    brings = metadata.packages_distributions()
    return sorted(
        module
        for module in modules - sys.stdlib_module_names - own - {*ELSEWHERE}
        if not {canonical(n) for n in brings.get(module, [module])} & declared
    )


def test_what_is_imported_is_declared():
    """Every module of others, in code, tests and notebooks, has its line of its own."""
    declared = names("requirements.in", "requirements-bench.txt")
    texts = {path: sources(path) for path in tracked("*.py", "*.ipynb")}
    assert len(texts) > 100
    modules = {
        name for each in texts.values() for text in each for name in imported(text)
    }
    assert undeclared(modules, declared) == []


def test_what_attnlib_imports_is_declared_by_the_package():
    """Three are used where they are there, and not missed where they are not."""
    texts = [text for path in tracked("attnlib/*.py") for text in sources(path)]
    modules = {name for text in texts for name in imported(text)}
    declared = {canonical(name) for name in versions.declared()}
    assert undeclared(modules, declared) == ["IPython", "jax", "threadpoolctl"]


@pytest.mark.parametrize(
    "source",
    [
        "import attrs",
        "def late():\n    from attrs import field",
        'attrs = pytest.importorskip("attrs.validators")',
        "import unheard_of.part",
    ],
)
def test_an_undeclared_import_is_found(source):
    assert len(undeclared(imported(source), names("requirements.in"))) == 1


def test_what_is_own_or_built_in_needs_no_line():
    source = "import os.path, numpy as np, yaml\nfrom attnlib import nn\nimport wire"
    assert undeclared(imported(source), names("requirements.in")) == []


# ----------------------------------------------------------- needed, hence locked


def needed():
    """Name → version, of all that the declared packages need where this runs.

    A version is None where the package is not installed.
    """
    found, waiting = {}, [(name, "") for name in names("requirements.in")]
    seen = set()
    while waiting:
        name, extra = pair = waiting.pop()
        if pair in seen or name in excluded():
            continue
        seen.add(pair)
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            found[name] = None
            continue
        found[name] = package.version.partition("+")[0]
        for line in package.requires or []:
            wanted = Requirement(line)
            if applies(wanted, extra):
                extras = {"", *wanted.extras}
                waiting += [(canonical(wanted.name), each) for each in extras]
    return found


def test_what_is_needed_is_locked():
    """And installed at that version: an old environment is told, too."""
    here = needed()
    assert len(here) > 150
    other = {n: (v, locked(n)) for n, v in here.items() if v != locked(n)}
    assert other == {}, f"(installed, locked) differ; {RENEW}, `make book` installs it"


def test_nothing_brings_cuda():
    """The build of torch without CUDA must stay small; the other names its own."""
    assert not names("requirements.txt") & excluded()
    assert {
        n for n in names("requirements.txt") if re.match("nvidia|cuda|triton", n)
    } == set()


# ------------------------------------------------------- the two files agree


def test_every_chosen_name_is_locked_within_its_bounds():
    """Each name of requirements.in, and no other, is there for its own sake."""
    pins = {}
    for pin, comment in requirements("requirements.txt"):
        pins.setdefault(canonical(pin.name), []).append((pin, comment))
    chosen = [wanted for wanted, _ in requirements("requirements.in")]
    for wanted in chosen:
        for pin, _ in pins[canonical(wanted.name)]:
            version = str(pin.specifier).removeprefix("==")
            assert wanted.specifier.contains(version, prereleases=True), RENEW
    own = {n for n, all_ in pins.items() if "-r requirements.in" in all_[0][1]}
    assert own == names("requirements.in"), RENEW


def test_every_line_is_one_version_and_says_who_needs_it():
    """What nobody needs any more has gone; no line names where packages come from."""
    there = names("requirements.txt")
    for pin, comment in requirements("requirements.txt"):
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin
        asks = comment.removeprefix("via ").split(", ")
        asks = {canonical(name) for name in asks if name != "-r requirements.in"}
        assert asks <= there | excluded(), f"{pin}: {RENEW}"
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?:|index-url|find-links|file:", text)
    for line in text.splitlines():
        assert line.startswith("#") or not line or "  # via " in line, line


def test_the_lock_serves_every_python_and_system_that_is_promised():
    """No marker but the few that name a system, or a Python, that needs another set."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "uv pip compile --universal" in lock.splitlines()[1]
    lowest = project["tool"]["uv"]["pip"]["python-version"]
    assert project["project"]["requires-python"] == f">={lowest}"
    for wanted in names("requirements.in"):
        lines = [
            r
            for r, _ in requirements("requirements.txt")
            if canonical(r.name) == wanted
        ]
        assert len(lines) == 1, f"{wanted} has another version elsewhere"
        assert lines[0].marker is None, wanted


# ------------------------------------------------- the jobs that may write to GitHub

THIRD_PARTY = """\
import sys
from importlib import metadata
import book.publish
brings = metadata.packages_distributions()
tops = {name.partition(".")[0] for name in sys.modules}
print(*{name for top in tops & set(brings) for name in brings[top]})
"""


def test_what_publishes_imports_what_its_lock_holds():
    """What the interpreter loads by itself at its start does not count."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True
        )
        for text in (THIRD_PARTY, THIRD_PARTY.replace("import book.publish\n", ""))
    ]
    with_it, without = ({canonical(n) for n in r.stdout.split()} for r in runs)
    assert with_it - without == names(".github/requirements.txt")


def test_the_lock_with_hashes_is_that_of_the_others():
    text = (ROOT / ".github/requirements.txt").read_text(encoding="utf-8")
    pins = [wanted for wanted, _ in requirements(".github/requirements.txt")]
    assert names(".github/requirements.in") <= {canonical(pin.name) for pin in pins}
    for pin in pins:
        assert str(pin.specifier) == f"=={locked(canonical(pin.name))}", RENEW
        assert re.search(rf"(?m)^{pin.name}==\S+ \\\n    --hash=sha256:\w{{64}}", text)
    assert not re.search(r"https?:|index-url|find-links|file:", text)
