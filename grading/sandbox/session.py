"""A student's notebook at work: cells run, functions called, in a worker of its own.

Cells run in order, up to where a question is judged. A worker that hangs or dies is
ended; the next question gets a new one, which runs the cells again without those that
ended the last.
"""

import re

import numpy as np

from attnlib.exercises import Raised, Stopped, Unusable
from grading.sandbox import wire
from grading.sandbox.process import Gone, TimeUp, Worker

NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=e))(?:e[-+]?\d+)?", re.I)
MOMENT = 1.0  # seconds that a cell has when the notebook's time is over


class Session:
    """The cells of one submission, run; its functions and values, ready to be judged.

    `cells` are (title, source); `troubles` says what went wrong in each that failed,
    by its place in the list.
    """

    def __init__(self, sandbox, cells):
        """Run nothing yet."""
        self.sandbox, self.cells = sandbox, cells
        self.left = dict.fromkeys(("run", "call"), sandbox.limits.submission)
        self.worker, self.fatal, self.troubles = None, set(), {}
        self.done = 0  # cells that the worker has run
        self.dropped = {}  # lines that only a notebook understands, by place

    def __enter__(self):
        """Run nothing yet."""
        return self

    def __exit__(self, *_):
        """Leave no process behind."""
        if self.worker:
            self.worker.stop()

    def ready(self, count=None):
        """Have a worker that has run so many cells, without the fatal ones."""
        count = len(self.cells) if count is None else count
        while self.worker is None or self.done < count:
            if self.worker is None:
                self.check_time("run")
                self.worker, self.done = Worker(self.sandbox), 0
            elif self.done in self.fatal:
                self.done += 1
            else:
                self.run_next()

    def run_next(self):
        """Run the next cell; where the worker dies of it, the cell is fatal."""
        place = self.done
        self.done += 1
        try:
            self.run(place, *self.cells[place])
        except TimeUp:
            raise
        except Gone as gone:
            self.fatal.add(place)
            self.troubles[place] = f"the cell {gone}"

    def run(self, place, title, source):
        """Run one cell and note what it raised."""
        request = {"do": "run", "source": source, "title": title}
        limit = self.sandbox.limits.cell
        if self.left["run"] < limit:  # slow cells cost themselves, and not the others
            limit = min(limit, max(self.left["run"], MOMENT))
        reply = self.ask(request, limit)
        if "raised" in reply:
            self.troubles[place] = f"the cell raised {error_text(reply)}"
        else:
            self.troubles.pop(place, None)
        if reply.get("dropped"):
            self.dropped[place] = True

    def ask(self, request, seconds):
        """Ask the worker within what is left of the submission's time."""
        kind = "run" if request["do"] == "run" else "call"
        self.check_time(kind)
        if self.worker is None:
            raise Gone("was not tried: the one before ended Python")
        worker = self.worker
        if kind == "call":
            seconds = min(seconds, self.left[kind])
        try:
            return worker.ask(request, seconds)
        except Gone:
            self.worker = None
            raise
        except wire.NotPlain as error:
            return {"thing": str(error)}
        finally:
            self.left[kind] -= worker.spent

    def check_time(self, kind):
        """Raise TimeUp, without a worker any more, where no time is left.

        Cells may take twice their time: see `run`.
        """
        total = self.sandbox.limits.submission
        if self.left[kind] <= (-total if kind == "run" else 0):
            if self.worker:
                self.worker.stop()
            self.worker = None
            raise TimeUp(f"was not tried: the notebook's {total:g} seconds were over")

    def get(self, name, count=None):
        """Return {"result": what a name stands for}, {"function": …} or {"missing": …}.

        That is after so many cells. Gone where the worker dies of it.
        """
        self.ready(count)
        return self.ask({"do": "get", "name": name}, self.sandbox.limits.call)


class Function:
    """Stands for a student's function: calls it in the worker."""

    remote = True

    def __init__(self, session, name, torch=False):
        """`torch`: where arrays are refused, tensors may do."""
        self.session, self.name = session, name
        self.torch, self.tensors = torch, False
        self.stopped = False  # a call ended the worker

    def __call__(self, *args, **kwargs):
        """Return the result; changed arguments are changed here, too."""
        reply = self.ask(args, kwargs, self.tensors)
        if self.torch and not self.tensors and "raised" in reply:
            again = self.ask(args, kwargs, tensors=True)
            if "result" in again:
                self.tensors, reply = True, again
        return self.result(reply, (args, kwargs))

    def ask(self, args, kwargs, tensors):
        """Call the function once; Stopped where the worker dies of it."""
        request = {"do": "call", "name": self.name, "tensors": tensors}
        request |= {"args": args, "kwargs": kwargs}
        try:
            return self.session.ask(request, self.session.sandbox.limits.call)
        except Gone as gone:
            self.stopped = True
            raise Stopped(f"A call {gone}.") from None

    def result(self, reply, arguments):
        """Return the result in a reply, or raise what it tells of."""
        if "raised" in reply:
            raise Raised(str(reply["raised"]), hidden(error_text(reply, kind=False)))
        if "large" in reply:
            raise Unusable(f"It returned {reply['large']}.")
        if "thing" in reply:
            raise Unusable(
                f"It returned a thing of type {reply['thing']}. Return arrays, "
                "numbers, texts, or lists, tuples and dicts of these."
            )
        if "result" not in reply:
            raise Unusable("It returned something that is no answer.")
        if reply.get("changed") is not None:
            write_back(arguments, reply["changed"])
        return reply["result"]


def write_back(old, new):
    """Copy what changed from the new arguments into the old ones."""
    if isinstance(old, np.ndarray):
        same = isinstance(new, np.ndarray) and new.shape == old.shape
        if same and new.dtype == old.dtype:
            np.copyto(old, new)
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        for left, right in zip(old, new, strict=False):
            write_back(left, right)
        if isinstance(old, list) and len(old) != len(new):
            old[:] = new
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() & new.keys():
            write_back(old[key], new[key])


def hidden(text):
    """Return an exception's text without what may be numbers of a hidden case."""
    return NUMBER.sub("…", re.sub(r"\S{41,}", "…", text))


def error_text(reply, kind=True):
    """Return an exception as a line: its class, its text, where it was raised."""
    text = " ".join(str(reply.get("text", "")).split())[:300]
    line = reply.get("line")
    where = f" (line {line})" if type(line) is int else ""
    if not kind:
        return f"{text}{where}".strip()
    name = str(reply["raised"])[:60]
    return f"{name}: {text}{where}" if text else f"{name}{where}"
