"""What the teacher gets: tables, pages, and a summary on the terminal."""

import collections
import re

from course.paths import SOURCES
from grading import exports, feedback
from grading.notebook import model_answers
from grading.outputs import harmless, publish, table, write_atomically

COLUMNS = ["student", "assignment", "question", "score", "max", "status", "late"]
TOTALS = ["student", "assignment", "points", "max", "open", "late", "penalty"]


def write(out, assignment, results, refused, settings):
    """Write grades.csv, totals.csv, feedback/, written.html, refused.csv, and exports.

    Returns remarks: what was changed by hand since, and is kept; who is left out.
    """
    pages = page_names(results)
    files = {
        f"feedback/{pages[student]}": feedback.feedback(student, assignment, graded)
        for student, graded in results.items()
    }
    answers = {student: graded.result for student, graded in results.items()}
    sources = settings.sources or SOURCES
    models = model_answers(sources / f"{assignment.name}.ipynb")
    files["written.html"] = feedback.written(assignment, answers, models)
    files["refused.csv"] = table(["file", "reason"], refused)
    files["totals.csv"] = table(TOTALS, total_rows(assignment, results))
    grades = table([*COLUMNS, "reason"], grade_rows(assignment, results))
    exported, remarks = exports.files(assignment, results, settings)
    kept = publish(out, files | exported | {"grades.csv": grades})
    write_atomically(out / "state" / "grades.csv", grades)
    return remarks + [f"{old} was changed by hand: kept as {new}" for old, new in kept]


def total_rows(assignment, results):
    """Return the rows of totals.csv: `open` counts answers without points so far.

    `penalty` is taken off already, and in per cent.
    """
    rows = []
    for student, graded in results.items():
        late = "late" if graded.late else ""
        penalty = f"{100 * graded.penalty:g}" if graded.penalty else ""
        line = (
            f"{graded.points:g}",
            f"{assignment.maximum:g}",
            graded.open,
            late,
            penalty,
        )
        rows.append((student, assignment.name, *line))
    return rows


def grade_rows(assignment, results):
    """Return the rows of grades.csv."""
    return [
        (
            student,
            assignment.name,
            row.question,
            "" if row.score is None else f"{row.score:g}",
            f"{row.max:g}",
            row.status,
            "late" if graded.late else "",
            row.reason,
        )
        for student, graded in results.items()
        for row in graded.result.rows
    ]


def page_names(students):
    """Return {student: a file name that every system takes}, no two of them alike."""
    names, taken = {}, set()
    for student in students:
        stem = re.sub(r"[^\w .,()-]", "_", student).strip(" .")
        stem = stem[:80].encode()[:160].decode(errors="ignore").strip() or "_"
        name, count = stem, 1
        while name.casefold() in taken:
            count += 1
            name = f"{stem} {count}"
        taken.add(name.casefold())
        names[student] = f"{name}.html"
    return names


def summarise(assignment, results, refused):
    """Print how it went: each question, its most frequent reason, what to look at."""
    rows = [row for graded in results.values() for row in graded.result.rows]
    print(f"\n{'question':<28} {'right':>6} {'wrong':>6} {'failed':>6} {'empty':>6}")
    for question in assignment.questions:
        of_it = [row for row in rows if row.question == question.name]
        count = collections.Counter(row.status for row in of_it)
        if question.written:
            print(
                f"{question.name:<28} {count['to read']:>6} to read in written.html, "
                f"{count['marked']} marked"
            )
            continue
        numbers = (count[s] for s in ("right", "wrong", "failed", "not answered"))
        print(f"{question.name:<28} " + " ".join(f"{n:>6}" for n in numbers))
        reasons = collections.Counter(r.reason for r in of_it if r.status == "wrong")
        for reason, times in reasons.most_common(1):
            print(f"    {times} times: {harmless(reason)[:100]}")
    for student, graded in results.items():
        if graded.result.rows[0].status == "invalid":
            print(f"invalid: {harmless(student)}: {graded.result.rows[0].reason}")
    if refused:
        print(f"{len(refused)} files were not graded: see refused.csv")
