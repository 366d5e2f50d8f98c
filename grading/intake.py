"""Find submissions in what a teacher downloads: folders, zips, Canvas, Moodle, plain.

Nothing is unpacked to the disk. Each file ends up graded, or among the refused with a
reason; of several by one student the latest is graded.
"""

import contextlib
import dataclasses
import datetime
import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path

from grading.notebook import MAX_BYTES, Invalid, parse
from grading.owners import owners
from grading.settings import ATTEMPTS, DEFAULTS
from grading.submission import is_of

NOISE = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints")
MAX_FILES = 20_000
NO_FILE = "it is a link or a device, and no file of its own"


@dataclass(frozen=True)
class File:
    """A file of a download: where it is, its path inside, when it changed."""

    place: Path  # the file itself, or the zip that holds it
    path: str
    time: float  # seconds
    problem: str = ""
    entry: int | None = None  # its number in the zip

    @property
    def parts(self):
        """The folders and the name of its path."""
        return [part for part in self.path.replace("\\", "/").split("/") if part]

    def read(self):
        """Return its bytes; Invalid where it is too large, or cannot be read."""
        try:
            with self.open() as stream:
                data = stream.read(MAX_BYTES + 1)
        except Exception as error:  # a damaged file may raise what it likes
            why = str(error) or type(error).__name__
            raise Invalid(f"it cannot be read ({why})") from None
        if len(data) > MAX_BYTES:
            raise Invalid(f"it has more than {MAX_BYTES >> 20} MB")
        return data

    @contextlib.contextmanager
    def open(self):
        """Open it for reading."""
        if self.entry is None:
            with self.place.open("rb") as stream:
                yield stream
        else:
            with (
                zipfile.ZipFile(self.place) as archive,
                archive.open(archive.infolist()[self.entry]) as stream,
            ):
                yield stream


class IntakeError(Exception):
    """There is nothing to grade: the text says why, to the instructor."""


def find(place, assignment, settings=DEFAULTS):
    """Return ({student: Handed}, [(path, reason)]) of a folder or a zip.

    Every file is in the first or in the second, but for those of NOISE. Where the best
    attempt counts, the others are rivals of the first.
    """
    found = [file for file in files(Path(place)) if not is_noise(file)]
    refused = [(file.path, file.problem) for file in found if file.problem]
    by_student = {}
    for handed in owners([f for f in found if not f.problem], assignment.name):
        by_student.setdefault(handed.student, []).append(handed)
    chosen = {}
    for student in sorted(by_student, key=lambda name: (name.casefold(), name)):
        best, *others = by_student[student]
        if others:
            best, *others = sorted(
                by_student[student],
                key=lambda h: rank(h, assignment, settings),
                reverse=True,
            )
        if settings.attempt == "best":
            rivals = [other for other in others if rank(other, assignment)[1]]
            others = [other for other in others if other not in rivals]
            best = dataclasses.replace(best, rivals=tuple(rivals))
        chosen[student] = best
        reason = f"{best.file.path} of the same student is graded in its place"
        refused += [(other.file.path, reason) for other in others]
    return chosen, sorted(refused)


def is_noise(file):
    """Whether a file comes from an operating system or an editor."""
    return any(part in NOISE or part.startswith("._") for part in file.parts)


# Files of a download


def files(place):
    """Yield the files of a folder or of a zip, in order of their paths."""
    if place.is_dir():
        found = list(files_of_folder(place))
    elif place.is_file() and zipfile.is_zipfile(place):
        try:
            found = list(files_of_zip(place))
        except Exception as error:  # as above
            raise IntakeError(
                f"SUBMISSIONS={place} is a damaged zip ({error}): download it again"
            ) from None
    else:
        what = "is neither a folder nor a zip" if place.exists() else "does not exist"
        raise IntakeError(f"SUBMISSIONS={place} {what}")
    if len(found) > MAX_FILES:
        raise IntakeError(
            f"{place} holds {len(found):,} files, more than {MAX_FILES:,}"
        )
    return sorted(found, key=lambda file: file.path)


def files_of_folder(place):
    """Yield the files below a folder; links are not followed."""
    closed = []
    for folder, folders, names in os.walk(place, onerror=closed.append):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in names + links:
            path = Path(folder, name)
            inside = path.relative_to(place).as_posix()
            try:
                facts = path.lstat()
            except OSError as error:
                yield File(path, inside, 0.0, f"it cannot be read ({error.strerror})")
                continue
            problem = "" if stat.S_ISREG(facts.st_mode) else NO_FILE
            yield File(path, inside, facts.st_mtime, problem)
    for error in closed:
        path = Path(error.filename)
        why = f"it cannot be opened ({error.strerror})"
        yield File(path, path.relative_to(place).as_posix(), 0.0, why)


def files_of_zip(place):
    """Yield the files of a zip; those that would leave its folder carry a problem."""
    with zipfile.ZipFile(place) as archive:
        for number, entry in enumerate(archive.infolist()):
            if not entry.is_dir():
                path, problem = entry.filename, problem_of(entry)
                yield File(place, path, moment(entry), problem, number)


def moment(entry):
    """Return when an entry of a zip changed; 0 where it bears no such date."""
    *day_and_time, seconds = entry.date_time
    try:
        return datetime.datetime(*day_and_time, min(seconds, 59)).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def problem_of(entry):
    """Say why an entry of a zip is not read, if so."""
    path, mode = entry.filename.replace("\\", "/"), entry.external_attr >> 16
    if not path.strip("/"):
        return "it has no name"
    if path.startswith("/") or ":" in path[:2] or ".." in path.split("/"):
        return "its path leads out of the zip"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return NO_FILE
    return "it is encrypted" if entry.flag_bits & 1 else ""


def rank(handed, assignment, settings=DEFAULTS):
    """Order what one student handed in: notebooks, of this assignment, the latest."""
    on_time = settings.attempt != ATTEMPTS[2] or not settings.days(handed)
    is_book = handed.file.parts[-1].lower().endswith(".ipynb")
    try:
        cells = parse(handed.file.read()) if is_book else []
    except Invalid:
        cells = []
    ours = is_of(cells, assignment)
    return is_book, ours, on_time, handed.order, handed.file.path
