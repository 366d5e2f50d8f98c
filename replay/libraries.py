"""Try attnlib on other array libraries, and hold README.md's table against it.

    python -m replay.libraries

NumPy, torch and array-api-strict are those of the running environment; the others get
one of their own, in ~/.cache/attention-course/libraries.
"""

import json
import re
import sys
from pathlib import Path

from course.paths import ROOT
from replay.colab import PIP
from replay.environments import cached, call, without_own

HERE = ("numpy", "torch", "array_api_strict")
ELSEWHERE = ("jax", "dask", "ndonnx", "sparse")
CACHE = Path.home() / ".cache" / "attention-course" / "libraries"
ROW = re.compile(r"^\| ([\w-]+) \| ([\d.]+) \| (\d+) \|", re.M)


def told():
    """Return library → (version, how many calls are right), as README.md has it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = ROW.findall(text)
    return {
        name.lower().replace("-", "_"): (version, int(right))
        for name, version, right in rows
    }


def tried(library, python):
    """Return ((version, how many calls are right), call → its fault)."""
    variables = without_own(PYTHONPATH=str(ROOT))
    printed = call(python, "-m", "replay.calls", library, cwd=ROOT, env=variables)
    found = json.loads(printed.splitlines()[-1])
    faults = {name: what for name, what in found["faults"].items() if what}
    plain = {name for name in found["faults"] if not name.startswith("in ")}
    right = len(plain - {*faults})
    return (found["version"].partition("+")[0], right), faults


def main():
    """Try them all; return 1 where README.md tells otherwise."""
    requirements = ROOT / "replay" / "libraries.txt"
    there = dict.fromkeys(HERE, sys.executable)
    there |= dict.fromkeys(ELSEWHERE, cached(CACHE, requirements, PIP))
    table, other = told(), 0
    for library, python in there.items():
        found, faults = tried(library, python)
        print(f"{library} {found[0]}: {found[1]} calls right")
        for name, what in faults.items():
            print(f"    {name}: {what}")
        lost = [name for name in faults if name.startswith("in ")]
        if table.get(library) != found or lost:
            other += 1
            print(f"    FAULT: README.md says {table.get(library)}")
    return int(bool(other))


if __name__ == "__main__":
    sys.exit(main())
