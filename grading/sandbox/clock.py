"""How long a process has been at it, on a machine that others use, too.

What counts is the time that it computes, or waits for nothing but itself (a sleep): the
time that it was ready and the processor busy with others does not. So a verdict does
not depend on how busy the machine is. Linux tells this in /proc/PID/schedstat.
"""

import contextlib
import os
import threading
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PATIENCE = 20  # the clock on the wall may show so many times the limit


class Clock:
    """Measures the process that a student's code runs in, from now on."""

    def __init__(self, pid):
        """Find the innermost process below `pid`: the walls are around it."""
        self.pid = innermost(pid)
        self.restart()

    def restart(self):
        """Start at 0, in the thread that waits for the answer."""
        self.reader = f"/proc/{os.getpid()}/task/{threading.get_native_id()}"
        self.wall, self.before = time.monotonic(), self.usage()

    def usage(self):
        """Return seconds computed, and seconds ready but waiting; None if unknown.

        Where the reader of the answer had to wait, it is not the process that was slow.
        """
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2]
            computed = sum(map(int, fields.split()[11:13])) / TICK
            threads = [*Path(f"/proc/{self.pid}/task").iterdir(), Path(self.reader)]
            waited = [int((t / "schedstat").read_text().split()[1]) for t in threads]
            return computed, sum(waited) / 1e9
        return None

    def seconds(self):
        """Return how much time counts so far."""
        wall, now = time.monotonic() - self.wall, self.usage()
        if now is None or self.before is None:
            return wall
        computed, waited = (b - a for a, b in zip(self.before, now, strict=True))
        own = computed + max(0.0, wall - computed - max(0.0, waited))
        return max(own, wall / PATIENCE)


def innermost(pid):
    """Return the last of the processes that each have one child."""
    with contextlib.suppress(OSError, ValueError):
        while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            pid = int(children[-1])
    return pid
