"""Points that a teacher types: OUT/written.csv, which no run overwrites.

Its columns are student, question, points, comment. A run adds lines at its end, for
answers to read, and changes none. Points there count before the machine's, for any
question. Points typed into grades.csv are copied there by the next run.
"""

import csv
import dataclasses
import io

from grading.outputs import harmless, write_atomically
from grading.tables import decoded, delimiter

NAME = "written.csv"
COLUMNS = ["student", "question", "points", "comment"]
STATUS = "marked"
OPEN = ("to read", "by hand")  # statuses that wait for a teacher


class MarksError(Exception):
    """What was typed cannot be taken: the text says where, and what to do."""


@dataclasses.dataclass(frozen=True)
class Mark:
    """What a teacher gave for one answer; `points` is None where nothing is typed."""

    points: float | None
    comment: str
    line: int


def take_up(out, assignment):
    """Return ({(student, question): Mark}, remarks) of all that was typed so far."""
    marks = read_marks(out / NAME, assignment)
    typed = typed_into_grades(out, assignment)
    new, remarks = [], []
    for (student, question), points in typed.items():
        mark = marks.get((student, question))
        if mark is None or mark.points is None:
            new.append((student, question, f"{points:g}", "typed into grades.csv"))
        elif mark.points != points:
            raise MarksError(
                f"{student}, {question}: {points:g} points are typed into grades.csv "
                f"and {mark.points:g} into {NAME}, line {mark.line}. Correct "
                f"{NAME}, and delete grades.csv: it is written anew"
            )
    if new:
        add_lines(out / NAME, new)
        remarks.append(f"{len(new)} points typed into grades.csv are now in {NAME}")
        marks = read_marks(out / NAME, assignment)
    return marks, remarks


def apply(marks, results):
    """Put the teacher's points into results; return remarks on those of nobody."""
    here = {harmless(student): graded for student, graded in results.items()}
    remarks = []
    for (student, _), mark in marks.items():
        if student not in here and mark.points is not None:
            remarks.append(
                f"{NAME}, line {mark.line}: nobody called {student} handed in; these "
                "points count for nobody"
            )
    for student, graded in here.items():
        for row in graded.result.rows:
            mark = marks.get((student, row.question))
            if mark and mark.points is not None:
                row.score, row.status = mark.points, STATUS
                row.reason = mark.comment or "Your teacher gave these points."
    return remarks


def ask_for(out, marks, results):
    """Add a line to written.csv for each answer that waits for a teacher."""
    waiting = [
        (harmless(student), row.question, "", "")
        for student, graded in results.items()
        for row in graded.result.rows
        if row.status in OPEN and (harmless(student), row.question) not in marks
    ]
    if waiting or not (out / NAME).exists():
        add_lines(out / NAME, waiting)
    return sum(r.status in OPEN for g in results.values() for r in g.result.rows)


# Reading and adding to tables that went through a spreadsheet


def read_marks(path, assignment):
    """Read written.csv; MarksError names the line that cannot be taken."""
    marks, most = {}, {q.name: q.points for q in assignment.questions}
    for line, row in read_table(path, COLUMNS[:3]):
        student, question = row["student"], row["question"]
        if not student and not row["points"]:
            continue
        where = f"{path}, line {line}"
        if question not in most:
            raise MarksError(
                f"{where}: there is no question {question!r}; there are "
                f"{', '.join(most)}"
            )
        points = points_in(row["points"], most[question], where)
        mark = Mark(points, row.get("comment", ""), line)
        before = marks.get((student, question))
        if before and None not in (before.points, points) and before.points != points:
            raise MarksError(
                f"{where}: {student}, {question} has {before.points:g} points in line "
                f"{before.line} and {points:g} here; delete one of them"
            )
        if before is None or points is not None:
            marks[student, question] = mark
    return marks


def points_in(text, most, where):
    """Return the points that a text gives, or None; MarksError beyond 0 and `most`."""
    if not text:
        return None
    try:
        points = float(text.replace(",", "."))
    except ValueError:
        points = -1.0
    if not 0 <= points <= most:
        raise MarksError(f"{where}: points must be from 0 to {most:g}, got {text!r}")
    return points


def typed_into_grades(out, assignment):
    """Return {(student, question): points} that grades.csv has and no run wrote."""
    path, copy = out / "grades.csv", out / "state" / "grades.csv"
    if not path.exists() or (copy.exists() and copy.read_bytes() == path.read_bytes()):
        return {}
    columns, known = ["student", "question", "score"], copy.exists()
    before = {
        (row["student"], row["question"]): row["score"]
        for _, row in read_table(copy, columns)
    }
    most, typed = {q.name: q.points for q in assignment.questions}, {}
    for line, row in read_table(path, columns):
        key, where = (row["student"], row["question"]), f"{path}, line {line}"
        if key[1] not in most:
            continue
        if not known and row.get("status", "to read") not in OPEN:
            continue  # of an older grader: what it wrote is not known
        if row["score"] == before.get(key, ""):
            continue
        points = points_in(row["score"], most[key[1]], where)
        if points is not None and points != points_before(before.get(key)):
            typed[key] = points
    return typed


def points_before(text):
    """Return the number in a cell that a run wrote, or None."""
    return float(text) if text else None


def read_table(path, needed):
    """Yield (line, row) of a CSV, from whichever spreadsheet; nothing if no file."""
    if not path.exists():
        return
    text = decoded(path.read_bytes())
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text))
    head = [name.strip().casefold() for name in next(rows, [])]
    missing = [name for name in needed if name not in head]
    if missing:
        raise MarksError(
            f"{path}: its first line must name {', '.join(needed)}; "
            f"{', '.join(missing)} is not there"
        )
    for row in rows:
        cells = [cell.strip() for cell in row] + [""] * len(head)
        yield rows.line_num, dict(zip(head, cells, strict=False))


def add_lines(path, rows):
    """Add rows at the end of written.csv; what is there stays as it is."""
    text = decoded(path.read_bytes()) if path.exists() else ",".join(COLUMNS) + "\n"
    stream = io.StringIO()
    head = [name.strip() for name in text.partition("\n")[0].split(delimiter(text))]
    table = csv.writer(stream, lineterminator="\n", delimiter=delimiter(text))
    for row in rows:
        cells = dict(zip(COLUMNS, row, strict=True))
        table.writerow([cells.get(name.casefold().strip('"'), "") for name in head])
    gap = "" if text.endswith("\n") else "\n"
    write_atomically(path, "\ufeff" + text + gap + stream.getvalue())
