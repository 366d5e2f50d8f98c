"""Grades and feedback as Canvas and Moodle take them back.

Both are filled into the teacher's own download, so that names, numbers and order stay
theirs: Canvas's exported gradebook, cut down to its columns on students and the one of
this assignment; Moodle's grading worksheet, whole. Whoever has answers that wait for a
teacher is left as the download has it.

The formats are those that the two systems read: Canvas in lib/gradebook_importer.rb,
and by the numbers in file names in app/models/abstract_assignment.rb
(infer_comment_context_from_filename, which shows a file under the name of the one that
was handed in, hence a notebook); Moodle in mod/assign/feedback/offline/
importgradeslib.php and mod/assign/feedback/file/importziplib.php.
"""

import csv
import io
import re
import zipfile

from grading import feedback
from grading.owners import MOODLE, number_of
from grading.settings import SettingsError
from grading.tables import decoded, delimiter

CANVAS_NEEDS = ("Student", "ID", "Section")
CANVAS_KEEPS = ("LastName", "FirstName", "Student", "ID", "SIS User ID", "SIS Login ID")
CANVAS_KEEPS += ("Integration ID", "Root Account", "Section")
MAXIMUM, COMMENTS = "Maximum Grade", "Feedback comments"  # of Moodle's worksheet
DAY_ONE = (1980, 1, 1, 0, 0, 0)  # of a zip: the same files, the same bytes


class Table:
    """A CSV file of a platform: its rows, written back the way they came."""

    def __init__(self, path):
        """Read it; SettingsError where that fails."""
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
        text = decoded(self.data)
        self.path, self.delimiter = path, delimiter(text)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter)
        self.head, *self.rows = list(rows) or [[]]
        self.head = [name.strip() for name in self.head]

    def column(self, name, asks):
        """Return the place of a column; SettingsError says which there are."""
        if name not in self.head:
            raise SettingsError(
                f"{self.path} has no column {name!r}; it has "
                f"{', '.join(self.head)}. {asks}"
            )
        return self.head.index(name)

    def text(self, columns):
        """Return some columns as a CSV, with the download's first mark, if any."""
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter=self.delimiter, lineterminator="\r\n")
        for row in [self.head, *self.rows]:
            writer.writerow(row[place] for place in columns if place < len(row))
        mark = "\ufeff" if self.data.startswith(b"\xef\xbb\xbf") else ""
        return mark + stream.getvalue()


def files(assignment, results, settings):
    """Return ({name: text or bytes}, remarks) of what the platforms take back."""
    found, remarks = {}, []
    for key, make in (("canvas", canvas_grades), ("moodle", moodle_grades)):
        if getattr(settings, key):
            text, said = make(assignment, results, settings)
            found |= {f"{key}.csv": text} if text else {}
            remarks += said
    ours = {"canvas": {}, "moodle": {}}
    for student, graded in results.items():
        for key, name, page in pages(student, assignment, graded):
            ours[key][name] = page
    for key, these in ours.items():
        if these:
            found[f"{key}-feedback.zip"] = zipped(these)
    return found, remarks


def of_platform(results, name):
    """Return {the platform's number of a student: Graded} of its students."""
    return {
        number_of(graded.handed.key[1]): graded
        for graded in results.values()
        if graded.handed and graded.handed.key[0] == name
    }


# Grades


def canvas_grades(assignment, results, settings):
    """Return the gradebook to import, and remarks."""
    table = Table(settings.canvas)
    asks = "Export the gradebook from Canvas, and name that file (canvas = ...)"
    _, number, section = (table.column(name, asks) for name in CANVAS_NEEDS)
    titles = table.head[section + 1 :]
    near = [t for t in titles if settings.canvas_column in (t, t.rpartition(" (")[0])]
    if len(near) != 1:
        raise SettingsError(
            f"canvas_column must name one column of {table.path}, got "
            f"{settings.canvas_column!r}; there are {', '.join(titles)}"
        )
    place = table.head.index(near[0])
    for row in table.rows:
        if row and "Points Possible" in row[0] and not fits(row[place], assignment):
            return None, [unlike("Canvas", row[place], assignment)]
    open_ones = fill(table, number, place, of_platform(results, "canvas"))
    columns = [at for at in range(section + 1) if table.head[at] in CANVAS_KEEPS]
    return table.text([*columns, place]), left_out("canvas.csv", open_ones)


def moodle_grades(assignment, results, settings):
    """Return the worksheet to upload, and remarks."""
    table = Table(settings.moodle)
    asks = "Download the grading worksheet from Moodle, and name it (moodle = ...)"
    grade = table.column(settings.moodle_column, f"{asks}, its column in moodle_column")
    for row in table.rows:
        most = dict(zip(table.head, row, strict=False)).get(MAXIMUM, "")
        if not fits(most, assignment):
            return None, [unlike("Moodle", most, assignment)]
    ours = of_platform(results, "moodle")
    if COMMENTS in table.head:
        comment(table, ours)
    open_ones = fill(table, 0, grade, ours)
    everything = range(len(table.head))
    return table.text(everything), left_out("moodle.csv", open_ones)


def fill(table, key, place, ours):
    """Write points into a column of a table; return the rows of open answers."""
    open_ones = []
    for row in table.rows:
        graded = ours.get(number_of(row[key])) if len(row) > place else None
        if graded and graded.open:
            open_ones.append(row)
        elif graded:
            row[place] = f"{graded.points:g}"
    return open_ones


def comment(table, ours):
    """Write what came of each question where Moodle has no comment yet."""
    place = table.head.index(COMMENTS)
    for row in table.rows:
        graded = ours.get(number_of(row[0])) if len(row) > place else None
        if graded and not graded.open and not row[place].strip():
            row[place] = feedback.in_short(graded)


def fits(text, assignment):
    """Whether a platform's maximum is this assignment's, as far as it tells."""
    number = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*", text)
    return not number or float(number[1].replace(",", ".")) == assignment.maximum


def unlike(platform, text, assignment):
    """Say that two maxima differ."""
    return (
        f"{platform.lower()}.csv is not written: {platform} has a maximum of "
        f"{text.strip()} points, this assignment {assignment.maximum:g}. Change it "
        "there and download again, or change the points in the settings"
    )


def left_out(name, open_ones):
    """Say who is left as the download has it."""
    if not open_ones:
        return []
    return [f"{name} leaves out {len(open_ones)} students with answers still to read"]


# Feedback


def pages(student, assignment, graded):
    """Yield (platform, name in its zip, page) of one student, if of a platform."""
    handed = graded.handed
    if not handed or handed.key[0] not in ("canvas", "moodle"):
        return
    parts = handed.file.parts
    if handed.key[0] == "canvas":
        if parts[-1].lower().endswith(".ipynb"):  # shown as the file that was handed in
            yield "canvas", parts[-1], feedback.notebook(student, assignment, graded)
        return
    for at in range(len(parts)):
        if found := MOODLE.fullmatch("/".join(parts[at:])):
            text = feedback.feedback(student, assignment, graded)
            own, rest = parts[at], found["file"]
            place = f"{own}/" if at + 1 < len(parts) else own.removesuffix(rest)
            yield "moodle", f"{place}feedback.html", text
            return


def zipped(texts):
    """Return the bytes of a zip of {name: text}."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(texts.items()):
            data = text.encode("utf-8", "replace")
            archive.writestr(zipfile.ZipInfo(name, DAY_ONE), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
