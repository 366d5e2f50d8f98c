"""A batch: many submissions, several at a time, each stored as soon as it is graded."""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import hmac
import json
import multiprocessing
import os
import secrets
import shutil
import signal
import threading
import time

from course.paths import ROOT
from grading import points
from grading.notebook import Invalid
from grading.outputs import write_atomically
from grading.sandbox.walls import SandboxError
from grading.scoring import Result, Row, invalid, score


class BatchError(Exception):
    """The batch cannot go on: the text says why, and what to do."""


def check_places(submissions, out):
    """Raise BatchError where grades would lie among the submissions."""
    if out.resolve().is_relative_to(submissions.resolve()):
        raise BatchError(
            f"OUT={out} lies within {submissions}, and would be taken for submissions; "
            "name another folder"
        )


class Store:
    """What is graded already: a file for each student in OUT/state.

    OUT/state/secret is what the hidden cases follow from.
    """

    def __init__(self, out, assignment, settings="", new_cases=False):
        """Take up an earlier run; `settings` says where its settings were read."""
        self.folder, run = out / "state", out / "state" / "run.json"
        before = json.loads(run.read_text("utf-8")) if run.exists() else {}
        if before.get("assignment", assignment) != assignment:
            raise BatchError(
                f"{out} holds grades of {before['assignment']}; name another folder "
                f"for {assignment} (OUT=...)"
            )
        if before.get("settings") and not settings:
            raise BatchError(
                f"{out} was graded with {before['settings']}; name these settings "
                "again (SETTINGS=...)"
            )
        self.secret = secret(self.folder / "secret", new_cases)
        facts = {"assignment": assignment, "settings": str(settings)}
        write_atomically(run, json.dumps(facts))

    def seed(self, student, handed, settings):
        """Return what the hidden cases of one submission follow from.

        Another notebook of the same student meets other cases: nobody can learn them
        from feedback, nor find the seed by trying.
        """
        text = b""
        if settings.cases == "per student":
            text = repr((student, hashlib.sha256(content(handed)).digest())).encode(
                "utf-8", "replace"
            )
        return int.from_bytes(hmac.digest(self.secret, text, "sha256"))

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


@contextlib.contextmanager
def folder_for_a_run(path):
    """Have an empty folder, with nothing of a run before that was killed."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def secret(path, new=False):
    """Return the secret that lies in a file; make it where there is none."""
    if new or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as f:
            f.write(secrets.token_hex(32))
    found = path.read_text("utf-8").strip()
    if len(found) < 32:
        raise BatchError(
            f"{path} holds no secret: delete it, and all is graded with new cases"
        )
    return found.encode()


def run(chosen, assignment, store, sandbox, jobs, settings):
    """Return ({student: Graded}, [(path, reason)] of attempts that do not count).

    What is stored already is not graded again.
    """
    engine, tasks, keys, done = fingerprint(), [], {}, {}
    attempts = {
        name if n == 0 else f"{name}/{n}": (name, one)
        for name, first in chosen.items()
        for n, one in enumerate([first, *first.rivals])
    }
    for attempt, (name, one) in attempts.items():
        seed = store.seed(name, one, settings)
        keys[attempt] = key_of(one, assignment, seed, sandbox, engine)
        done[attempt] = store.load(attempt, keys[attempt])
        if done[attempt] is None:
            tasks.append((attempt, one, assignment, seed, sandbox))
    if len(tasks) < len(attempts):
        print(f"{len(attempts) - len(tasks)} were graded before")
    for count, (attempt, result) in enumerate(graded(tasks, jobs), start=1):
        store.save(attempt, keys[attempt], result)
        done[attempt] = result
        line = f"[{count}/{len(tasks)}] {attempt}: {headline(result)}"
        print(line.encode("utf-8", "replace").decode(), flush=True)
    by_student = {}
    for attempt, (name, one) in attempts.items():
        priced = points.graded(one, done[attempt], assignment, settings)
        by_student.setdefault(name, []).append((one, priced))
    return the_best(by_student)


def the_best(by_student):
    """Return what counts of {student: [(Handed, Graded)]}, and what does not."""
    found, refused = {}, []
    for name, attempts in by_student.items():
        place = points.best([priced for _, priced in attempts])
        handed, found[name] = attempts[place]
        refused += [
            (other.file.path, f"{handed.file.path} of the same student has more points")
            for other, _ in attempts[:place] + attempts[place + 1 :]
        ]
    return found, refused


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
    threading.Thread(target=end_with_the_first, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process answers Ctrl-C


def end_with_the_first():
    """End this process when the first one ends, even if that was killed.

    Its sandbox ends with it, as bubblewrap does by --die-with-parent.
    """
    multiprocessing.parent_process().join()
    os._exit(1)


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
    facts = [assignment.checksum, seed, sandbox.limits, sandbox.bwrap is None, engine]
    facts.append([question.name for question in assignment.questions])
    return hashlib.sha256(repr(facts).encode() + content(handed)).hexdigest()


def content(handed):
    """Return the bytes of a file, or of why it cannot be read."""
    try:
        return handed.file.read()
    except Invalid as error:
        return str(error).encode()


def fingerprint():
    """Return a text that changes with the grader and the checkers."""
    folders = [ROOT / "grading", ROOT / "attnlib"]
    files = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
