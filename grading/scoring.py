"""One submission scored: judged out here, answered in the sandbox."""

import contextlib
import re
from dataclasses import dataclass, field

from attnlib.exercises import judge
from course.checkers import find
from grading.borrowed import borrowed
from grading.notebook import Invalid, fit_to_print
from grading.sandbox.process import Gone
from grading.sandbox.session import Function, Session
from grading.submission import read_submission

NOT_ANSWERED = "Not answered yet"
LONGEST = 500  # characters of a reason


@dataclass
class Row:
    """What came of one question; `score` is None where no machine can say.

    `share` is that of the cases which are right; `borrowed` says what of attnlib the
    answer uses that its task does not name.
    """

    question: str
    score: float | None
    max: float
    status: str
    reason: str = ""
    share: float = 0.0
    borrowed: str = ""

    def __post_init__(self):
        """Keep reasons short and fit to print: they may quote anything."""
        self.reason = fit_to_print(self.reason)
        if len(self.reason) > LONGEST:
            self.reason = f"{self.reason[: LONGEST - 3]}..."


@dataclass
class Result:
    """What came of one submission: a row for each question, remarks, written texts.

    `lasting` is False where grading it again may give another result.
    """

    rows: list
    notes: list = field(default_factory=list)
    written: dict = field(default_factory=dict)
    lasting: bool = True


def invalid(assignment, reason, status="invalid"):
    """Return the Result of what cannot be graded: no score, and the reason."""
    questions = assignment.questions
    return Result([Row(q.name, None, q.points, status, reason) for q in questions])


def score(data, assignment, seed, sandbox):
    """Score the bytes of a submission. SandboxError where there is no sandbox."""
    try:
        submission = read_submission(data, assignment)
    except Invalid as error:
        return invalid(assignment, f"The file was not graded: {error}.")
    cells = [(f"cell {n}", source) for n, (_, source) in enumerate(submission.cells)]
    with Session(sandbox, cells) as session:
        rows = judged_rows(submission, session, assignment, seed)
        notes = submission.notes + notes_on_cells(submission, session, assignment)
    return Result(rows, notes, submission.written)


def judged_rows(submission, session, assignment, seed):
    """Return a row for each question, judged as the notebook was at its check.

    What is not right there is judged once more as the notebook ends: students write an
    answer, or what it needs, below its check.
    """
    end, found = len(submission.cells), {}
    places = {q: submission.checks.get(q.name, end) for q in assignment.questions}
    facts = submission, session, assignment, seed
    for question in sorted(places, key=places.get):
        if question.written:
            found[question] = written_row(question, submission, assignment)
        else:
            found[question] = judged_row(question, places[question], *facts)
    for question, row in found.items():
        below = places[question] < end and not question.written
        if below and row.share < 1 and row.status in ("wrong", "not answered"):
            again = judged_row(question, end, *facts)
            if again.share > row.share or row.status == "not answered":
                found[question] = again
    with contextlib.suppress(Gone):
        session.ready()  # for the remarks on cells that fail
    return [found[question] for question in assignment.questions]


def written_row(question, submission, assignment):
    """Say whether there is a text to read."""
    name = question.name
    given = "".join(assignment.cells[name].source.split())
    text = "".join(submission.written.get(name, "").split())
    if text in given:  # empty, or a part of what was given
        return Row(name, None, question.points, "not answered", f"{NOT_ANSWERED}.")
    return Row(name, None, question.points, "to read", "Your teacher reads this one.")


def judged_row(question, place, submission, session, assignment, seed):
    """Judge one answer, when so many cells have run."""
    name = question.name
    try:
        found = session.get(name, place)
    except Gone as gone:
        return Row(name, 0, question.points, "failed", f"{name} {gone}.")
    if "missing" in found:
        return missing_row(question, submission, session)
    exercise = find(name, assignment.checkers)
    answer, problem = answer_in(found, exercise, session)
    if problem:
        return Row(name, 0, question.points, status_of(problem), problem)
    try:
        verdict = judge(exercise, answer, seed)
    except Exception as error:  # ours, and never the student's loss
        reason = f"The checker failed ({type(error).__name__}): grade this by hand."
        return Row(name, None, question.points, "by hand", reason)
    row = verdict_row(question, verdict, getattr(answer, "stopped", False))
    if row.status == "right":
        row.borrowed = unnamed_calls(question, submission, assignment)
    return row


def answer_in(found, exercise, session):
    """Return the answer that `judge` takes, or None and what is wrong with it."""
    name = exercise.name
    if found.get("result", 0) is None or found.get("thing") == "ellipsis":
        return None, f"{NOT_ANSWERED}."
    if exercise.kind == "function":
        if "function" in found:
            return Function(session, name, exercise.torch), None
        return None, f"{name} is no function."
    if "result" in found:
        return found["result"], None
    what = found.get("thing") or ("function" in found and "function") or "other thing"
    return None, f"{name} is a thing of type {what}; the task asks for a value."


def missing_row(question, submission, session):
    """Say why there is no answer of that name."""
    name, points = question.name, question.points
    defines = re.compile(rf"^(?:def )?{re.escape(name)}\b *[(=]", re.M)
    for place, (owner, source) in enumerate(submission.cells):
        if place in session.troubles and (owner == name or defines.search(source)):
            reason = f"There is no {name}: {session.troubles[place]}."
            return Row(name, 0, points, "failed", reason)
    return Row(name, 0, points, "not answered", f"There is no {name} in the notebook.")


def verdict_row(question, verdict, stopped):
    """Return the row of a verdict."""
    name, points = question.name, question.points
    if verdict.passed:
        return Row(name, points, points, "right", share=1.0)
    status = "failed" if stopped else status_of(verdict.message)
    share = verdict.right / max(len(verdict.tried), 1)
    return Row(name, 0, points, status, verdict.message, share)


def status_of(problem):
    """Return the status of an answer that gets no points."""
    return "not answered" if problem.startswith(NOT_ANSWERED) else "wrong"


def unnamed_calls(question, submission, assignment):
    """Say which functions of attnlib an answer uses that its task does not name."""
    if not assignment.allows_attnlib:
        return ""
    task = assignment.cells.get(f"{question.name}-task")
    named = task.source if task else ""
    used = borrowed(question.name, [source for _, source in submission.cells])
    return ", ".join(f"attnlib.{name}" for name in sorted(used) if name not in named)


def notes_on_cells(submission, session, assignment):
    """Return remarks on cells that failed, and on lines that were left out."""
    notes = []
    for place, text in sorted(session.troubles.items()):
        owner = submission.cells[place][0]
        whose = (
            f"The cell {owner}" if owner in assignment.cells else "One of your cells"
        )
        notes.append(f"{whose} failed: {text}.")
    own = [p for p in session.dropped if submission.cells[p][0] not in assignment.given]
    if own:
        notes.append("Lines that start with % or ! were left out.")
    return notes
