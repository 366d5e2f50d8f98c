"""Whose a file of a download is: read out of its path.

Names of Canvas and Moodle say it, in whatever folder they lie. Else the first folder
is the student's, or the notebook's own name, without folders around all and without
folders of sections. Two students are one only where their whole key is the same.
"""

import dataclasses
import hashlib
import re
import unicodedata
from pathlib import Path

from grading.notebook import fit_to_print

CANVAS = re.compile(
    r"(?P<name>[^_/]+)_(?P<late>LATE_)?"
    r"(?P<user>\d{1,18})_(?P<order>\d{1,18})_(?P<file>.+)",
    re.I,
)
MOODLE = re.compile(
    r"(?P<name>[^/]+)_(?P<user>\d{1,18})_assignsubmission_(?P<kind>[a-z]+)_?/?"
    r"(?P<file>.*)"
)
RESUBMISSION = re.compile(r"(?:-(\d{1,18})| ?\((\d{1,18})\))$")


@dataclasses.dataclass(frozen=True)
class Handed:
    """One file that a student handed in; the greatest `order` is the latest."""

    student: str
    file: object
    order: tuple
    late: bool = False
    key: tuple = ()  # tells students apart, as their names may not
    section: str = ""
    rivals: tuple = ()  # other notebooks of the student, where the best one counts

    @property
    def time(self):
        """When it came, in seconds; None where the download does not tell.

        Files of a Canvas download bear the date of the download.
        """
        return None if self.key[:1] == ("canvas",) else self.file.time or None


def owners(found, release):
    """Return a Handed for each File; `release` is the name of a notebook's file."""
    named = [from_platform(file) for file in found]
    plain = [
        file.parts for file, handed in zip(found, named, strict=True) if not handed
    ]
    around = folders_around(plain, release)
    sections = are_sections([parts[around:] for parts in plain])
    handed = [
        known or from_folders(file, around, sections)
        for file, known in zip(found, named, strict=True)
    ]
    return apart(handed)


def from_platform(file):
    """Return the Handed of a file that Canvas or Moodle named, or None."""
    number = resubmission(file)
    for at in range(len(file.parts)):
        if found := MOODLE.fullmatch("/".join(file.parts[at:])):
            name, order = f"{found['name']}_{found['user']}", (file.time, number)
            return Handed(clean(name), file, order, key=("moodle", nfc(name)))
    if found := CANVAS.fullmatch(file.parts[-1]):
        name, order = f"{found['name']}_{found['user']}", (int(found["order"]), number)
        key, late = ("canvas", nfc(name)), bool(found["late"])
        return Handed(clean(name), file, order, late, key)
    return None


def from_folders(file, around, sections):
    """Return the Handed of a file from its folders, or its own name."""
    parts, section = file.parts[around:], ""
    if sections and len(parts) > 2:
        section, *parts = parts
    name = parts[0] if len(parts) > 1 else Path(parts[0]).stem
    order, key = (file.time, resubmission(file)), ("plain", nfc(section), nfc(name))
    return Handed(clean(name), file, order, key=key, section=clean(section))


def number_of(name):
    """Return the number at the end of a platform's name for a student, or ""."""
    return re.search(r"\d*$", name.strip())[0]


def resubmission(file):
    """Return the number that a browser or Canvas gives to a second file of a name."""
    again = RESUBMISSION.search(Path(file.parts[-1]).stem)
    return int(next(filter(None, again.groups()))) if again else 0


def folders_around(paths, release):
    """Return how many folders lie around all files and are no student's."""
    depth = 0
    while len({parts[depth] for parts in paths if len(parts) > depth}) == 1:
        if any(len(parts) < depth + 2 for parts in paths):
            break
        below = [parts[depth + 1 :] for parts in paths]
        folders = {parts[0] for parts in below if len(parts) > 1 and is_book(parts)}
        books = {p[0] for p in below if len(p) == 1 and is_book(p)}
        if len(folders) + sum(not b.startswith(release) for b in books) < 2:
            break
        depth += 1
    return depth


def are_sections(paths):
    """Whether the first folders hold students' folders, and no notebook themselves."""
    books = [parts for parts in paths if is_book(parts)]
    if any(len(parts) < 3 for parts in books):
        return False
    folders = {tuple(parts[:2]) for parts in books}
    return len(folders) > len({folder for folder, _ in folders})


def is_book(parts):
    """Whether a path is that of a notebook."""
    return parts[-1].lower().endswith(".ipynb")


def apart(handed):
    """Give students with names alike names that differ, the same in every run."""
    keys = {}
    for one in handed:
        keys.setdefault(one.student, set()).add(one.key)
    found = []
    for one in handed:
        if len(keys[one.student]) > 1:
            alike = [key[:2] for key in keys[one.student]]
            own = alike.count(one.key[:2]) == 1 and one.section
            mark = own or hashlib.sha256(repr(one.key).encode()).hexdigest()[:6]
            one = dataclasses.replace(one, student=f"{one.student} ({mark})")
        found.append(one)
    return found


def nfc(name):
    """Return a name with composed accents, however a system stored them."""
    return unicodedata.normalize("NFC", name)


def clean(name):
    """Return a student's name fit to print: composed accents, no control characters."""
    if not name:
        return ""
    name = fit_to_print(nfc(name)).strip()
    return "".join(c if c.isprintable() else "_" for c in name)[:120] or "_"
