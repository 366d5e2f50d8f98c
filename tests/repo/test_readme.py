"""What README.md and the docstrings show is what happens."""

import doctest
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import attnlib
from course.paths import ROOT
from replay import calls, libraries, versions
from tests.conftest import LONGEST

DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{p.name}" for p in DOCS.glob("*.md")),
]


def test_the_readme_s_example_runs():
    """Each line that ends in a shape gives it."""
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    names = {}
    shown = 0
    for line in example.split("\n"):
        exec(line, names)
        if shape := re.search(r"# (\(\d.*\))$", line):
            shown += 1
            assert str(eval(line, names).shape) == shape[1]
    assert shown


def test_the_package_s_example_is_true():
    result = doctest.testmod(attnlib)
    assert result.attempted
    assert result.failed == 0


@pytest.mark.parametrize("library", libraries.HERE)
def test_the_table_of_libraries_is_true(library):
    """Of those that are here; `make libraries` tries all."""
    found, faults = libraries.tried(library, sys.executable)
    assert faults == {}
    assert libraries.told()[library] == found


def test_the_table_names_what_is_tried():
    assert [*libraries.told()] == [*libraries.HERE, *libraries.ELSEWHERE]
    lines = (ROOT / "replay" / "libraries.txt").read_text("utf-8").splitlines()
    pins = versions.names(lines)
    for library in libraries.ELSEWHERE:
        assert pins[library] == f"{library}=={libraries.told()[library][0]}"


def test_a_wrong_number_among_thirty_is_found():
    assert calls.fault(lambda: np.ones(3), [np.ones(3)], np.asarray) is None
    off = calls.fault(lambda: np.full(3, 1.0001), [np.ones(3)], np.asarray)
    assert off.startswith("off by 1")
    assert "shapes" in calls.fault(lambda: np.ones(2), [np.ones(3)], np.asarray)
    assert "nan" in calls.fault(lambda: np.full(3, np.nan), [np.ones(3)], np.asarray)


def test_the_map_names_every_room():
    """It shows each module that a user may import, and each folder."""
    chart = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Map")[2]
    )
    rooms = {p.name for p in (ROOT / "attnlib").glob("[a-z]*.py")}
    rooms |= {f"{p.parent.name}/" for p in ROOT.glob("[a-z]*/__init__.py")}
    assert {room for room in rooms if room not in chart} == set()


def test_the_commands_of_the_guides_exist():
    """Each `make x` that a guide names is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z-]+):.*## ", makefile))
    named = {
        name: set(
            re.findall(r"(?m)(?:`|^)make ([a-z-]+)", (ROOT / name).read_text("utf-8"))
        )
        for name in GUIDES
    }
    assert {"book", "test"} <= named["README.md"]
    assert {
        name: found - targets for name, found in named.items() if found - targets
    } == {}


def test_the_guides_lead_to_files_that_exist():
    for name in GUIDES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / name).parent.joinpath(link).exists(), f"{name}: {link}"


@pytest.mark.skipif(not shutil.which("make"), reason="make is needed")
def test_help_shows_every_command_in_a_group():
    """Each documented target stands below one of four headings, and help prints it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    before, *groups = re.split(r"(?m)^##@ ", makefile)
    assert [group.partition("\n")[0] for group in groups] == [
        f"For {kind}" for kind in ("readers", "teachers", "authors", "maintainers")
    ]
    assert re.findall(r"(?m)^([a-z-]+):.*## ", before) == ["help"]
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for target in re.findall(r"(?m)^([a-z-]+):.*## ", makefile):
        assert f"  make {target} " in shown


def test_what_students_helpers_are_asked_not_to_open_is_there():
    """`chapters/exercises/AGENTS.md` names rooms by their present names."""
    text = (ROOT / "chapters/exercises/AGENTS.md").read_text(encoding="utf-8")
    rooms = re.findall(r"`([a-z/]+/)`", text)
    assert len(rooms) == 3
    assert [room for room in rooms if not (ROOT / room).is_dir()] == []


def test_quick_names_tests_that_are_there():
    """A folder that moved would be an error of `make quick` alone."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.search(r"(?m)^QUICK := (.*)$", makefile)[1].split()
    assert len(named) > 3
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_longest_files_are_there():
    """The order of tests/conftest.py speaks of files that exist."""
    assert [name for name in LONGEST if not (ROOT / name).exists()] == []
