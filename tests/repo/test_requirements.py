"""The requirements files, pyproject.toml and what is said about versions agree."""

import re
import tomllib

import pytest

from course.paths import ROOT
from replay import versions

KINDS = ("", "-lowest", "-model", "-bench")
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


def same(one, other):
    """Say whether two versions are the same one: 2.0 is 2.0.0."""
    parts = [[int(n) for n in version.split(".")] for version in (one, other)]
    longest = max(map(len, parts))
    return len({tuple(p + [0] * (longest - len(p))) for p in parts}) == 1


def test_the_lowest_are_the_declared_bounds():
    """Every bound of pyproject.toml is what `make test-lowest` installs."""
    lowest = pinned("-lowest")
    assert {"numpy", "array-api-compat", "torch"} <= {*bounds()}
    wrong = {
        name: (bound, lowest.get(name))
        for name, bound in bounds().items()
        if not same(bound, lowest.get(name, "0"))
    }
    assert wrong == {}


def test_the_lowest_are_at_most_the_pinned():
    pins = pinned("")
    for name in bounds():
        assert versions.ordered(pinned("-lowest")[name]) <= versions.ordered(pins[name])


def test_the_tools_of_the_lowest_are_the_pinned_ones():
    tools = {n: v for n, v in pinned("-lowest").items() if n not in bounds()}
    assert len(tools) > 5
    assert tools.items() <= pinned("").items()


@pytest.mark.parametrize("kind", ["-model", "-bench"])
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


# ------------------------------------------------------------ the tool for versions

BOTH = ["2.15.0", "2.13.0+cpu", "2.13.0", "2.9.1+cpu", "2.9.1", "2.5.0", "2.4.0+cpu"]
PLAIN = ["2.15.0", "2.13.0", "2.9.1", "2.5.0", "2.4.0"]


@pytest.mark.parametrize(
    ("kind", "served", "expected"),
    [
        ("lowest", BOTH, "2.9.1+cpu"),
        ("newest", BOTH, "2.13.0+cpu"),
        ("lowest", PLAIN, "2.5.0"),
        ("newest", PLAIN, "2.15.0"),
        ("lowest", ["2.9.1", "2.4.0+cpu"], "2.9.1"),
        ("newest", ["2.4.1"], None),
    ],
)
def test_torch_is_the_cpu_build_at_the_wanted_end(kind, served, expected):
    """Never below the bound; a build with CUDA only where there is no other."""
    assert versions.choose_torch(kind, served, "2.5.0") == expected


def test_what_is_left_out_exists():
    """A pattern that matches no test file says something about nothing."""
    for pattern in versions.LEFT_OUT:
        assert [*(ROOT / "tests").glob(pattern)], pattern


def test_every_room_s_tests_are_run_on_other_versions():
    """The test file of each room is there, and none of them is left out."""
    left = {p for name in versions.LEFT_OUT for p in (ROOT / "tests").glob(name)}
    rooms = ["attention", "masks", "tiled", "fused", "sdpa", "heads", "positions"]
    rooms += ["cache", "ring", "recurrent", "cost", "nn", "plotting", "pretrained"]
    files = {ROOT / "tests" / "attnlib" / f"test_{room}.py" for room in rooms}
    assert not left & files
    assert all(file.exists() for file in files)
