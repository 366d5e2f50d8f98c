"""The process that runs a student's code: asked, timed, and ended for sure."""

import contextlib
import os
import select
import signal
import threading

from grading.sandbox import wire
from grading.sandbox.clock import Clock
from grading.sandbox.walls import SandboxError

START = 60  # seconds for a worker to start, on a busy machine


class Gone(Exception):
    """The worker is no more: the text says why, to the student."""


class TimeUp(Gone):
    """Nothing is left of the time that a submission has."""


class Worker:
    """One process in the sandbox. `ask` gives its answer, or raises Gone."""

    def __init__(self, sandbox):
        """Start it; SandboxError where that fails, which is no student's fault."""
        self.walls = sandbox.bwrap is not None
        self.process = sandbox.start()
        self.late, self.number, self.spent = False, 0, 0.0
        self.clock = Clock(self.process.pid)
        try:
            self.ask(None, START)
        except Gone as gone:
            said = self.process.stderr.read(2000).decode(errors="replace").strip()
            raise SandboxError(
                f"The sandbox does not start: {said or gone}. Try by hand: bwrap "
                "--unshare-all --ro-bind / / true. Ubuntu 24.04 forbids it to ordinary "
                "users: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
            ) from None
        finally:
            self.process.stderr.close()
        self.clock = Clock(self.process.pid)  # now it is inside its walls

    def ask(self, request, seconds):
        """Send a request (None: only listen) and return the answer.

        `spent` says how long that took.
        """
        self.clock.restart()
        answered = threading.Event()
        watch = threading.Thread(target=self.watch, args=(answered, seconds))
        watch.start()
        try:
            if request is None:
                return wire.receive(self.process.stdout)
            self.number += 1
            self.process.stdin.write(wire.encode(request | {"number": self.number}))
            self.process.stdin.flush()
            return checked(wire.receive(self.process.stdout), self.number)
        except wire.WireError as error:
            reason = f"gave back {error}"
        except (EOFError, OSError):
            reason = None
        finally:
            answered.set()
            watch.join()
            self.spent = self.clock.seconds()
        if reason is None and not self.late:
            with contextlib.suppress(Exception):
                self.process.wait(1)  # it ended by itself: with which status?
        status = self.process.poll()
        self.stop()
        late = f"took longer than {seconds:.3g} seconds"
        raise Gone(late if self.late else reason or how_it_ended(status))

    def watch(self, answered, seconds):
        """End the process where its time is up and no answer there, nor on its way."""
        left = seconds
        while left > 0:
            if answered.wait(max(left, 0.01)):
                return
            left = seconds - self.clock.seconds()
        if self.has_written() and answered.wait(seconds):
            return
        self.late = True
        self.end()

    def has_written(self):
        """Whether some of an answer waits to be read."""
        with contextlib.suppress(OSError, ValueError):  # closed, or on Windows
            return bool(select.select([self.process.stdout], [], [], 0)[0])
        return False

    def end(self):
        """End the process and, with it, all that lives in its sandbox."""
        if self.walls or not hasattr(os, "killpg"):
            self.process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self):
        """End the process and wait for it."""
        self.end()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # what was not sent any more
                pipe.close()


FIELDS = {  # of a reply, and the kind of each; the others are the student's data
    "raised": str,
    "text": str,
    "line": int | None,
    "torch": bool,
    "dropped": int,
    "large": str,
    "missing": bool,
    "function": bool,
}
DATA = ("number", "result", "changed")


def checked(reply, number):
    """Return a reply; WireError where it is none, or none to the last request."""
    if not isinstance(reply, dict):
        raise wire.WireError("something that is no answer")
    last = reply.get("number")
    kinds = all(
        key in DATA or (key in FIELDS and isinstance(value, FIELDS[key]))
        for key, value in reply.items()
    )
    if type(last) is not int or last != number or not kinds:
        raise wire.WireError("something that is no answer")
    return reply


def how_it_ended(status):
    """Say how a process ended, from its exit status."""
    if status is None:
        return "closed its connection to the grader"
    number = status - 128 if status > 128 else -status
    if number <= 0:
        return f"ended Python with exit status {status}, as os._exit does"
    name = signal.Signals(number).name if number in set(signal.Signals) else number
    return f"made Python crash or be killed (signal {name})"
