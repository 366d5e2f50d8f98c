"""The requirements files, pyproject.toml and what is said about versions agree."""

import re
import tomllib

import pytest

from course.paths import ROOT
from replay import versions

KINDS = ("", "-model", "-bench", "-lite")
SUPPORTED = ["3.11", "3.12", "3.13", "3.14"]


def project():
    """The table [project] of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]


def requirements(kind):
    """Name → what follows it, '==1.2' or '' or '<2', for each line of a file."""
    text = (ROOT / f"requirements{kind}.txt").read_text(encoding="utf-8")
    text = re.sub(r"\\\n", " ", text)
    lines = (re.split("#|;|--hash", line)[0] for line in text.split("\n"))
    found = {}
    for line in filter(None, (line.strip() for line in lines)):
        if not line.startswith("-c "):
            name, rest = re.fullmatch(r"([\w.-]+)(.*?)\s*", line).groups()
            assert name not in found, f"{name} stands twice"
            found[name] = rest.strip()
    return found


def bounds():
    """Name → lower bound, for what attnlib needs, with and without its extras."""
    declared = [*project()["dependencies"]]
    for extra, needs in project()["optional-dependencies"].items():
        declared += needs if extra != "all" else []
    return dict(
        re.fullmatch(r"([a-z-]+)>=([\d.]+)", need).groups() for need in declared
    )


def pinned(kind):
    """Name → version, for the lines that pin one."""
    lines = requirements(kind).items()
    return {name: rest[2:] for name, rest in lines if rest.startswith("==")}


def ordered(version):
    """A version as numbers, which compare as versions do: 2.9.1 < 2.13."""
    return [int(number) for number in version.split(".")]


def test_the_lowest_are_the_declared_bounds():
    """uv is asked for the lowest of what pyproject.toml declares, extras included."""
    option, *wanted = versions.wanted("lowest")
    assert option == "--resolution=lowest-direct"
    assert {f"{name}>={bound}" for name, bound in bounds().items()} <= {*wanted}
    assert {"numpy", "array-api-compat", "torch"} <= {*bounds()}


def test_the_lowest_are_at_most_the_pinned():
    for name, bound in bounds().items():
        assert ordered(bound) <= ordered(pinned("")[name])


def test_the_tools_of_the_lowest_are_the_pinned_ones():
    _, *wanted = versions.wanted("lowest")
    tools = dict(line.split("==") for line in wanted if "==" in line)
    assert {"pytest", "hypothesis", "nbval", "uv"} <= {*tools}
    assert tools.items() <= pinned("").items()
    assert len(tools) + len(bounds()) == len(wanted)


def test_the_newest_have_no_bound_but_one():
    """The names of requirements.in as they stand; jupyter-book 2 is another program."""
    option, *wanted = versions.wanted("newest")
    assert option == "--upgrade"
    assert [w for w in wanted if not w.replace("-", "").isalnum()] == [
        "jupyter-book>=1,<2"
    ]
    assert {"numpy", "torch", "pytest"} <= {*wanted}


@pytest.mark.parametrize("kind", ["-model", "-bench", "-lite"])
def test_every_line_is_a_pin(kind):
    assert requirements(kind)
    assert all(rest.startswith("==") for rest in requirements(kind).values())


def test_additions_keep_the_pins():
    """They are resolved with requirements.txt, whose pins they do not repeat."""
    text = (ROOT / "requirements-bench.txt").read_text(encoding="utf-8")
    assert "-c requirements.txt\n" in text
    assert not {*requirements("-bench")} & {*requirements("")}


def test_what_is_declared_is_pinned():
    assert {*bounds()} <= {*pinned("")}


def test_every_requirements_file_is_known():
    found = {path.stem.removeprefix("requirements") for path in ROOT.glob("req*.txt")}
    assert found == {*KINDS}


def test_the_supported_pythons_are_the_same_everywhere():
    """pyproject.toml, Makefile, README.md and the head of requirements.in."""
    low, high = SUPPORTED[0], SUPPORTED[-1]
    assert project()["requires-python"] == f">={low}"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    limits = re.search(
        r"\((3, \d+)\) <= sys.version_info\[:2\] <= \((3, \d+)\)", makefile
    )
    assert limits.groups() == (low.replace(".", ", "), high.replace(".", ", "))
    named = f"{', '.join(SUPPORTED[:-1])} or {high}"
    assert f"Python {named} is needed" in makefile
    assert f"Python {named}" in (ROOT / "README.md").read_text(encoding="utf-8")
    head = (ROOT / "requirements.in").read_text(encoding="utf-8").partition("\n\n")[0]
    assert f"Python {low} to {high}" in head


def test_what_is_left_out_exists():
    """A pattern that matches no test file says something about nothing."""
    for pattern in versions.LEFT_OUT:
        assert [*(ROOT / "tests").glob(pattern)], pattern


def test_every_room_s_tests_are_run_on_other_versions():
    """The test file of each room is there, and none of them is left out."""
    left = {p for name in versions.LEFT_OUT for p in (ROOT / "tests").glob(name)}
    rooms = ["attention", "masks", "tiled", "fused", "sdpa", "heads", "positions"]
    rooms += ["cache", "ring", "recurrent", "cost", "nn", "plotting", "minilm"]
    rooms += ["smollm", "bpe", "gguf"]
    files = {ROOT / "tests" / "attnlib" / f"test_{room}.py" for room in rooms}
    assert not left & files
    assert all(file.exists() for file in files)
