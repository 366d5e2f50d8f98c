"""What the teacher gets: tables, pages, and a summary on the terminal."""

import collections
import csv
import io
import re

from grading import feedback
from grading.batch import write_atomically

COLUMNS = ["student", "assignment", "question", "score", "max", "status", "late"]


def write(out, assignment, results, refused):
    """Write grades.csv, feedback/, written.html and refused.csv into a folder."""
    pages = page_names(results)
    for student, graded in results.items():
        page = feedback.feedback(student, assignment, graded.result, graded.late)
        write_atomically(out / "feedback" / pages[student], page)
    answers = {student: graded.result for student, graded in results.items()}
    write_atomically(out / "written.html", feedback.written(assignment, answers))
    write_table(out / "refused.csv", ["file", "reason"], refused)
    rows = grade_rows(assignment, results)
    write_table(out / "grades.csv", [*COLUMNS, "reason"], rows)


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


def write_table(path, head, rows):
    """Write a CSV file that spreadsheets read with accents (hence its first mark)."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(head)
    table.writerows([harmless(cell) for cell in row] for row in rows)
    write_atomically(path, "\ufeff" + stream.getvalue())


def harmless(text):
    """Return a text on one line that no spreadsheet takes for a formula."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def page_names(students):
    """Return {student: a file name that every system takes}, no two of them alike."""
    names, taken = {}, set()
    for student in students:
        stem = re.sub(r"[^\w .,()-]", "_", student).strip(" .")[:80] or "_"
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
            print(f"{question.name:<28} {count['to read']:>6} to read in written.html")
            continue
        numbers = (count[s] for s in ("right", "wrong", "failed", "not answered"))
        print(f"{question.name:<28} " + " ".join(f"{n:>6}" for n in numbers))
        reasons = collections.Counter(r.reason for r in of_it if r.status == "wrong")
        for reason, times in reasons.most_common(1):
            print(f"    {times} times: {harmless(reason)[:100]}")
    for student, graded in results.items():
        if graded.result.rows[0].status == "invalid":
            print(f"invalid: {harmless(student)}: {graded.result.rows[0].reason}")
    by_hand = sum(row.status == "by hand" for row in rows)
    if by_hand:
        print(f"{by_hand} answers to grade by hand: see the status in grades.csv")
    if refused:
        print(f"{len(refused)} files were not graded: see refused.csv")
