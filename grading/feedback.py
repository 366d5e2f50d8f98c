"""Pages for students and teachers: plain HTML files that load nothing.

Everything that a student wrote is escaped. A page holds no case and no expected number:
only what `judge` says to the student.
"""

import html
import json
import re

from course.checkers import find

WORDS = {  # of each status, and what it looks like beside its colour
    "right": ("✓", "Right"),
    "wrong": ("✗", "Not right yet"),
    "failed": ("✗", "Stopped with an error"),
    "not answered": ("–", "Not answered"),
    "to read": ("…", "Your teacher reads it"),
    "by hand": ("…", "Your teacher grades it by hand"),
    "marked": ("✎", "Marked by your teacher"),
    "invalid": ("!", "Not graded"),
}
NOTHING_YET = "Not answered yet."
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto;
  padding: 0 1rem; overflow-wrap: anywhere }}
section, article {{ border-top: 1px solid #767676; padding: 0.5rem 0 }}
h2 {{ font-size: 1.15rem }}
pre {{ white-space: pre-wrap; border-left: 4px solid #767676; padding-left: 0.75rem }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def page(title, body):
    """Return an HTML page; the body is HTML already."""
    return PAGE.format(title=shown(title), body=body)


def shown(text):
    """Escape a text, without characters that HTML forbids."""
    return html.escape(printable(text))


def printable(text):
    """Return a text without control characters and halves of letters."""
    text = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in str(text))
    return text.encode("utf-8", "replace").decode()


def number(points):
    """Write points without a needless .0."""
    return f"{points:g}"


def feedback(student, assignment, graded):
    """Return the page for a student."""
    result = graded.result
    parts = [f"<p>{shown(student)}{lateness(graded)}</p>"]
    if any(row.score is not None for row in result.rows):
        parts.append(f"<p><strong>{total(graded)}</strong> for what was checked.</p>")
    parts += [
        section(place, row, title(row, assignment))
        for place, row in enumerate(result.rows, start=1)
    ]
    if result.notes:
        items = "\n".join(f"<li>{shown(note)}</li>" for note in result.notes)
        parts.append(f"<section>\n<h2>Remarks</h2>\n<ul>\n{items}\n</ul>\n</section>")
    return page(f"Feedback: {assignment.name}", "\n".join(parts))


def title(row, assignment):
    """Return the title of a question."""
    return find(row.question, assignment.checkers).title


def total(graded):
    """Say how many points there are so far."""
    most = sum(row.max for row in graded.result.rows if row.score is not None)
    return f"{number(graded.points)} of {number(most)} points"


def lateness(graded):
    """Say how late a submission came, and what that costs."""
    if not graded.late:
        return ""
    days = f"{graded.days} day{'s' if graded.days > 1 else ''} begun"
    cost = f" ({days}): {100 * graded.penalty:g} % off" if graded.penalty else ""
    return f" · handed in late{cost}"


def in_short(graded):
    """Return a line for each question, as HTML: for a comment on a platform."""
    lines = [
        f"{shown(row.question)}: {number(row.score)} of {number(row.max)} points"
        + (f". {shown(row.reason)}" if row.reason else "")
        for row in graded.result.rows
    ]
    return "<br>".join([*lines, *filter(None, [lateness(graded).strip(" ·")])])


def notebook(student, assignment, graded):
    """Return the page for a student as a notebook of Markdown, as text."""
    lines = [f"# Feedback: {plain(assignment.name)}", plain(student + lateness(graded))]
    lines += [f"**{total(graded)}** for what was checked."]
    for place, row in enumerate(graded.result.rows, start=1):
        points = "–" if row.score is None else number(row.score)
        lines.append(
            f"## {place}. {plain(find(row.question, assignment.checkers).title)}"
        )
        lines.append(f"{WORDS[row.status][1]}: {points} of {number(row.max)} points")
        lines += [plain(row.reason)] * bool(row.reason)
    lines += [f"- {plain(note)}" for note in graded.result.notes]
    cell = {"cell_type": "markdown", "metadata": {}, "source": "\n\n".join(lines)}
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(book, indent=1)


def plain(text):
    """Return a text that Markdown shows as it is."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(printable(text).split()))


def section(place, row, title):
    """Return what a student reads of one question."""
    sign, word = WORDS[row.status]
    points = "–" if row.score is None else number(row.score)
    says_more = row.status not in ("to read", "right") and row.reason != NOTHING_YET
    reason = f"\n<p>{shown(row.reason)}</p>" if says_more else ""
    return (
        f"<section>\n<h2>{place}. {shown(title)}</h2>\n"
        f'<p><span aria-hidden="true">{sign}</span> {word}: '
        f"{points} of {number(row.max)} points "
        f"(<code>{shown(row.question)}</code>)</p>{reason}\n</section>"
    )


def written(assignment, results, answers):
    """Return the page with all written answers, question by question.

    `answers` are {question: model answer}, as far as there are any.
    """
    parts = [
        "<p>For the teacher: type your points into written.csv, and grade again.</p>"
    ]
    for question in assignment.questions:
        if question.written:
            parts.append(written_question(question, assignment, results, answers))
    return page(f"Written answers: {assignment.name}", "\n".join(parts))


def written_question(question, assignment, results, answers):
    """Return one question with its rubric, and what each student wrote."""
    exercise = find(question.name, assignment.checkers)
    rubric = "\n".join(
        f"<li>{number(points)}: {shown(what)}</li>" for points, what in exercise.rubric
    )
    parts = [f"<section>\n<h2>{shown(exercise.title)}</h2>"]
    if task := assignment.cells.get(f"{question.name}-task"):
        parts.append(f"<pre>{shown(task.source)}</pre>")
    parts.append(f"<ul>\n{rubric}\n</ul>")
    if model := answers.get(question.name):
        head = "<details>\n<summary>A model answer</summary>"
        parts.append(f"{head}\n<pre>{shown(model)}</pre>\n</details>")
    silent = []
    for student, result in results.items():
        row = next(row for row in result.rows if row.question == question.name)
        if row.status in ("to read", "marked"):
            text = shown(result.written.get(question.name, ""))
            given = "" if row.score is None else f": {number(row.score)} points"
            head = f"<h3>{shown(student)}{given}</h3>"
            parts.append(f"<article>\n{head}\n<pre>{text}</pre>\n</article>")
        else:
            silent.append(f"{shown(student)} ({row.status})")
    if silent:
        parts.append(f"<p>Nothing to read from: {', '.join(silent)}.</p>")
    return "\n".join([*parts, "</section>"])
