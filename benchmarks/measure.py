"""Times in turns, and memory in a process of its own."""

import dataclasses
import json
import math
import platform
import statistics
import subprocess
import sys
import time

ROUNDS, MOST_ROUNDS = 7, 41
PAUSE = 0.02  # seconds; threads of the call before may still be spinning
ROW = 0.05  # seconds that a row of short calls takes


@dataclasses.dataclass(frozen=True)
class Times:
    """Seconds of one call: the median, the quartiles around it, and how many rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, seconds):
        """Sum up a list of seconds."""
        low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
        return cls(median, low, high, len(seconds))


def in_turns(calls, seconds=2.0):
    """Time each call in turns, so that a busy moment hits all alike: name → Times.

    `seconds` is what all rounds together should take; there are at least ROUNDS (three
    where one round takes longer than `seconds`). Short calls are timed by the row, as a
    loop makes them: else it would be the waking of threads that is measured.
    """
    for call in calls.values():
        call()  # warms up
    rows = {name: max(1, math.ceil(ROW / time_row(c, 1))) for name, c in calls.items()}
    first = sum(time_row(call, rows[name]) * rows[name] for name, call in calls.items())
    least = ROUNDS if first < seconds else 3
    rounds = max(least, min(MOST_ROUNDS, int(seconds / max(first, 1e-9))))
    found = {name: [] for name in calls}
    names = list(calls)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            time.sleep(PAUSE)
            found[name].append(time_row(calls[name], rows[name]))
    return {name: Times.of(seconds) for name, seconds in found.items()}


def time_row(call, count):
    """Return the seconds of one call, as the mean of `count` in a row.

    In a row of several the first is not counted: it wakes the threads.
    """
    if count > 1:
        call()
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def peak_bytes(candidate, lengths):
    """Return {n: peak extra bytes of a call} of a candidate, one head, d = 64.

    Counted by the operating system in a fresh process, so that every library's own
    memory counts; only Linux tells. Raises RuntimeError with what the process said.
    """
    command = [sys.executable, "-m", "benchmarks.memory", candidate, *map(str, lengths)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "failed").splitlines()[-1])
    return {int(n): found for n, found in json.loads(done.stdout).items()}


def hardware():
    """Return what this machine is: names and sizes, no address and no owner."""
    import psutil

    name = platform.processor() or platform.machine()
    if platform.system() == "Linux":
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            names = [line for line in info if line.startswith("model name")]
        name = names[0].partition(":")[2].strip() if names else name
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            flags = next((line for line in info if line.startswith("flags")), "")
        widest = [f for f in ("avx2", "avx512f", "amx_tile") if f" {f}" in flags]
        name += f" ({', '.join(widest)})" if widest else ""
    return {
        "processor": name,
        "cores": psutil.cpu_count(logical=False),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


PEERS = ("numpy", "torch", "jax", "onnxruntime", "x-transformers", "einops")


def versions(names=PEERS):
    """Return the versions of Python and of the libraries that are compared."""
    import importlib.metadata

    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found
