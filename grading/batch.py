"""A batch: many submissions, several at a time, each stored as soon as it is graded."""

import concurrent.futures
import dataclasses
import hashlib
import json
import multiprocessing
import secrets
import signal
import time

from course.paths import ROOT
from grading.notebook import Invalid
from grading.outputs import write_atomically
from grading.sandbox.walls import SandboxError
from grading.scoring import Result, Row, invalid, score


class BatchError(Exception):
    """The batch cannot go on: the text says why, and what to do."""


@dataclasses.dataclass
class Graded:
    """A student's result; `late` as the download tells it."""

    result: Result
    late: bool


def check_places(submissions, out):
    """Raise BatchError where grades would lie among the submissions."""
    if out.resolve().is_relative_to(submissions.resolve()):
        raise BatchError(
            f"OUT={out} lies within {submissions}, and would be taken for submissions; "
            "name another folder"
        )


class Store:
    """What is graded already: a file for each student in OUT/state."""

    def __init__(self, out, assignment, seed):
        """Take up the seed of an earlier run, unless one is given."""
        self.folder, run = out / "state", out / "state" / "run.json"
        before = json.loads(run.read_text("utf-8")) if run.exists() else {}
        if before.get("assignment", assignment) != assignment:
            raise BatchError(
                f"{out} holds grades of {before['assignment']}; name another folder "
                f"for {assignment} (OUT=...)"
            )
        if seed is None:
            seed = before.get("seed", secrets.randbelow(10**9))
        if seed < 0:
            raise BatchError(f"SEED={seed} must be a whole number >= 0")
        self.seed = seed
        write_atomically(run, json.dumps({"assignment": assignment, "seed": seed}))

    def path(self, student):
        """Return where a student's result lies."""
        name = hashlib.sha256(student.encode("utf-8", "replace")).hexdigest()[:24]
        return self.folder / f"{name}.json"

    def load(self, student, key):
        """Return the Result that is stored under that key, or None."""
        try:
            found = json.loads(self.path(student).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict) or found.get("key") != key:
            return None
        rows = [Row(**row) for row in found["rows"]]
        return Result(rows, found["notes"], found["written"])

    def save(self, student, key, result):
        """Store a Result that lasts."""
        if not result.lasting:
            return
        found = {"student": student, "key": key, **dataclasses.asdict(result)}
        write_atomically(self.path(student), json.dumps(found))


def run(chosen, assignment, store, sandbox, jobs):
    """Return {student: Graded} of all; what is stored already is not graded again."""
    engine = fingerprint()
    keys, done = {}, {}
    for student, handed in chosen.items():
        keys[student] = key_of(handed, assignment, store.seed, sandbox, engine)
        done[student] = store.load(student, keys[student])
    todo = [student for student, result in done.items() if result is None]
    if len(todo) < len(chosen):
        print(f"{len(chosen) - len(todo)} were graded before")
    tasks = [(s, chosen[s], assignment, store.seed, sandbox) for s in todo]
    for count, (student, result) in enumerate(graded(tasks, jobs), start=1):
        store.save(student, keys[student], result)
        done[student] = result
        line = f"[{count}/{len(todo)}] {student}: {headline(result)}"
        print(line.encode("utf-8", "replace").decode(), flush=True)
    return {name: Graded(done[name], handed.late) for name, handed in chosen.items()}


def headline(result):
    """Say in a few words what came of a submission."""
    if all(row.status == "invalid" for row in result.rows):
        return f"invalid. {result.rows[0].reason}"
    scored = [row for row in result.rows if row.score is not None]
    return f"{sum(r.score for r in scored):g} of {sum(r.max for r in scored):g}"


def graded(tasks, jobs):
    """Yield (student, Result) of tasks as they are done."""
    if jobs == 1 or len(tasks) < 2:
        yield from map(grade_one, tasks)
        return
    context = multiprocessing.get_context("spawn")
    slots = context.Queue()
    for slot in range(jobs):
        slots.put(slot)
    with concurrent.futures.ProcessPoolExecutor(
        jobs, mp_context=context, initializer=take_slot, initargs=(slots,)
    ) as pool:
        waiting = [pool.submit(grade_one, task) for task in tasks]
        try:
            for future in concurrent.futures.as_completed(waiting):
                yield future.result()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            if isinstance(error, concurrent.futures.BrokenExecutor):
                raise BatchError(
                    "a grading process was ended from outside (no memory left?). What "
                    "was graded is kept: start again, with fewer JOBS"
                ) from None
            raise


PAUSES = (1, 10)  # seconds before a sandbox that failed is tried again
SLOT = 0  # of this process: sandboxes at work at the same time are different users


def take_slot(slots):
    """Prepare a process of the pool."""
    global SLOT
    SLOT = slots.get()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process answers Ctrl-C


def grade_one(task):
    """Grade one submission; return (student, Result), whatever happens."""
    student, handed, assignment, seed, sandbox = task
    try:
        data = handed.file.read()
    except Invalid as error:
        return student, invalid(assignment, f"The file was not graded: {error}.")
    sandbox = dataclasses.replace(sandbox, slot=SLOT)
    for pause in (*PAUSES, None):
        try:
            return student, score(data, assignment, seed, sandbox)
        except (SandboxError, OSError) as error:
            why = f"the sandbox failed ({error})"
        except Exception as error:  # ours: a row, and never the end of the batch
            why = f"the grader failed ({type(error).__name__}: {error})"
            break
        if pause is not None:
            time.sleep(pause)
    reason = f"Not graded, and no fault of the answer: grade again. In detail, {why}."
    return student, dataclasses.replace(
        invalid(assignment, " ".join(reason.split()), "by hand"), lasting=False
    )


def key_of(handed, assignment, seed, sandbox, engine):
    """Return a text that changes with all that a result depends on."""
    try:
        data = handed.file.read()
    except Invalid as error:
        data = str(error).encode()
    facts = [assignment.checksum, seed, sandbox.limits, sandbox.bwrap is None, engine]
    return hashlib.sha256(repr(facts).encode() + data).hexdigest()


def fingerprint():
    """Return a text that changes with the grader and the checkers."""
    folders = [ROOT / "grading", ROOT / "attnlib"]
    files = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
