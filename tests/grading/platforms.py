"""Canvas and Moodle as readers of files, after what they publish; nothing of ours.

Canvas: lib/gradebook_importer.rb and infer_comment_context_from_filename in
app/models/abstract_assignment.rb. Moodle: mod/assign/feedback/offline (importgradeslib,
locallib) and mod/assign/feedback/file/importziplib.php. Their errors are ValueErrors.
"""

import csv
import io
import re
import zipfile

STUDENT_COLUMNS = {
    "Student",
    "LastName",
    "FirstName",
    "ID",
    "SIS User ID",
    "SIS Login ID",
    "Integration ID",
    "Root Account",
    "Section",
}
CALCULATED = re.compile("(Current|Final) (Score|Points|Grade)|Override (Score|Grade)")


def canvas_import(data, custom=()):
    """Return ({user: {title: grade}}, {title: points possible}) that Canvas takes."""
    text = data.decode("utf-8")
    separator = ";" if text.partition("\n")[0].count(";") > 3 else ","
    head, *rows = csv.reader(io.StringIO(text), delimiter=separator)
    if "Student" not in head[0] or "ID" not in head[1] or len(head) <= 3:
        raise ValueError("Invalid header row")
    columns = 3
    if re.search(r"SIS\s+Login\s+ID", head[2]):
        columns += 1
    elif "SIS User ID" in head[2] and "SIS Login ID" in head[3]:
        columns += 2 + ("Integration ID" in head[4])
        columns += "Root Account" in head[columns - 1]
    if "Section" not in head[columns - 1]:
        raise ValueError("Invalid header row")
    titles = [t for t in head[columns:] if t not in custom]
    titles = [t for t in titles if not CALCULATED.search(t)]
    grades, most = {}, {}
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        if "Points Possible" in row[0]:
            most = {title: cells[title] for title in titles}
        elif not all(re.fullmatch(r"\s*(Muted|Manual Posting.*)?\s*", c) for c in row):
            grades[row[1]] = {title: cells[title].strip() for title in titles}
    return grades, most


def canvas_comments(data, attachments):
    """Return {user: [(name shown, content)]}; `attachments` are {id: (user, name)}."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for path in archive.namelist():
            name = path.rpartition("/")[2]
            numbers = [part for part in name.split("_") if re.fullmatch(r"\d+", part)]
            user, attachment, *_ = [*numbers, None, None]
            if name.startswith("._") or attachments.get(attachment, ("",))[0] != user:
                raise ValueError(f"{path} is ignored")
            shown = attachments[attachment][1]
            found.setdefault(user, []).append((shown, archive.read(path)))
    return found


def moodle_import(data, grade="Grade", most=100):
    """Return {participant: (grade, comment)} that Moodle takes from a worksheet."""
    head, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig")))
    for name in ("Identifier", grade, "Last modified (grade)"):
        if name not in head:
            raise ValueError("invalid grade import")
    found = {}
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        number = cells["Identifier"][len("Participant ") :]
        text = cells[grade].strip()
        if text and float(text.replace(",", ".")) <= most:
            found[number] = float(text.replace(",", ".")), cells["Feedback comments"]
    return found


def moodle_feedback(data, participants):
    """Return {participant: [(path, content)]} that Moodle takes from a zip."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for path in archive.namelist():
            parts = path.split("/")
            if parts[-1].startswith((".", "~")):
                raise ValueError(f"{path} is ignored")
            while parts:
                info = parts.pop(0).split("_", 4)
                if len(info) < 4 or info[1] not in participants:
                    continue
                if (info[2], info[3]) not in (
                    ("assignsubmission", "file"),
                    ("assignsubmission", "onlinetext"),
                ):
                    continue
                name = "/".join([*info[4:], *parts]).strip("/")
                found.setdefault(info[1], []).append((name, archive.read(path)))
                break
            else:
                raise ValueError(f"{path} is ignored")
    return found
