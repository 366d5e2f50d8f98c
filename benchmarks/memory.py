"""Measure the peak extra memory of one candidate: python -m benchmarks.memory NAME n...

Runs in a fresh process. Linux counts the largest memory that a process ever held, and
lets the count be set back.
"""

import ctypes
import gc
import json
import sys

from benchmarks.candidates import CANDIDATES
from benchmarks.cases import prefill


def status(field):
    """Return a line of /proc/self/status in bytes."""
    with open("/proc/self/status", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"this system does not tell {field}")


def extra_bytes(call):
    """Return how much more memory the call held at its peak than there was before."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")  # the peak starts again at what is held now
    before = status("VmRSS")
    result = call()
    peak = status("VmHWM")
    del result
    return max(peak - before, 0)


def main(name, lengths):
    """Print {n: bytes} as JSON."""
    candidate = CANDIDATES[name]
    small = prefill(1, 256, 64)
    candidate(small, *small.data())()  # libraries load what they need
    found = {}
    for n in lengths:
        case = prefill(1, n, 64)
        call = candidate(case, *case.data())
        found[n] = extra_bytes(call)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], [int(n) for n in sys.argv[2:]])
