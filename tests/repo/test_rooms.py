"""Which room may look into which: the tree's promises, read from the code."""

import ast
import subprocess

import pytest

from course.paths import ROOT

FILES = subprocess.run(
    ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()

# The tests of attnlib and of its checkers look at the parts that users do not see.
TESTED = {"tests/attnlib": "attnlib", "tests/exercises": "attnlib"}

# In the sandbox, attnlib's stand-in takes the place of the worker's own folder.
ALLOWED = {"path_changes": ["grading/sandbox/worker.py: sys.path[0]"]}


def private_imports(name, text):
    """Yield what a file imports that another package keeps to itself."""
    own = name.split("/")[0]
    tested = next((room for at, room in TESTED.items() if name.startswith(at)), None)
    for module, parts in imported(text):
        if module in (own, tested):
            continue
        if private := [p for p in parts if p.startswith("_") and p[:2] != "__"]:
            yield f"{name}: {'.'.join([module, *parts])} is private: {private[0]}"


def imported(text):
    """Yield (package, the names below it) for everything that a text imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *parts = name.split(".")
            yield package, parts


def path_changes(name, text):
    """Yield where a file changes sys.path: `python -m` makes that needless."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if ast.unparse(node.func.value) == "sys.path":
                yield f"{name}: {ast.unparse(node.func)}"
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if ast.unparse(target).startswith("sys.path"):
                    yield f"{name}: {ast.unparse(target)}"


@pytest.mark.parametrize("look", [private_imports, path_changes])
def test_no_room_breaks_in(look):
    assert len(FILES) > 150
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES}
    found = [said for name, text in texts.items() for said in look(name, text)]
    assert found == ALLOWED.get(look.__name__, [])


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("book/x.py", "from attnlib.widgets import _figure", 1),
        ("book/x.py", "from attnlib._array import floats", 1),
        ("book/x.py", "import attnlib._array", 1),
        ("book/x.py", "from attnlib import fused as _fused", 0),
        ("book/x.py", "from book._own import x", 0),
        ("attnlib/x.py", "from attnlib._array import floats", 0),
        ("tests/attnlib/x.py", "from attnlib._array import floats", 0),
        ("tests/book/x.py", "from attnlib._array import floats", 1),
        ("book/x.py", "from __future__ import annotations", 0),
    ],
)
def test_a_private_import_is_found(name, text, count):
    assert len([*private_imports(name, text)]) == count


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nsys.path.insert(0, 'x')",
        "import sys\nsys.path.append('x')",
        "import sys\nsys.path += ['x']",
        "import sys\nsys.path[:0] = ['x']",
        "import sys\nsys.path = []",
    ],
)
def test_a_changed_path_is_found(text):
    assert len([*path_changes("x.py", text)]) == 1
    assert [*path_changes("x.py", "import sys\nprint(sys.path)")] == []
