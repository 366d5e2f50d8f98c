"""Folders and files as they come: nobody lost or merged, kinds of files named."""

import gzip
import io
import os
import zipfile

import pytest

from course.paths import ROOT
from grading import intake
from grading.notebook import Invalid, read_assignment
from grading.submission import read_submission
from tests.grading.hostile import books
from tests.grading.test_intake import BOOK, folder_of, found, zip_of

OTHER_CHAPTER = ROOT / "chapters" / "exercises" / "05_multi_head.ipynb"


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "03_scaling.ipynb"
    path.write_bytes(books.text(books.release()))
    return read_assignment(path)


def students(tmp_path, assignment, *paths):
    """Return {student: path} of a zip with notebooks at these paths."""
    return found(zip_of(tmp_path, dict.fromkeys(paths, BOOK)), assignment)[0]


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, assignment, monkeypatch):
    place = folder_of(tmp_path, {"ana/x.ipynb": BOOK, "bo/x.ipynb": BOOK})
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("bo"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    chosen, refused = intake.find(place, assignment)
    assert [*chosen] == ["ana"]
    assert refused == [("bo", "it cannot be opened (Permission denied)")]


def test_a_link_to_a_folder_is_named(tmp_path, assignment):
    place = folder_of(tmp_path, {"ana/x.ipynb": BOOK})
    (place / "bo").symlink_to(place / "ana")
    assert intake.find(place, assignment)[1] == [("bo", intake.NO_FILE)]


@pytest.mark.parametrize("top", ["", "download/"])
def test_sections_are_no_students(tmp_path, assignment, top):
    paths = [
        f"{top}{section}/{name}/03_scaling.ipynb"
        for section, names in {"A": ["ana", "bo", "zoe"], "B": ["ana", "max"]}.items()
        for name in names
    ]
    chosen = students(tmp_path, assignment, *paths)
    assert sorted(chosen) == ["ana (A)", "ana (B)", "bo", "max", "zoe"]
    assert chosen["ana (B)"] == f"{top}B/ana/03_scaling.ipynb"


@pytest.mark.parametrize("top", ["", "download/"])
def test_downloads_in_folders_of_groups(tmp_path, assignment, top):
    paths = [
        f"{top}Group 1/limaana_12_34_x.ipynb",
        f"{top}Group 1/wubo_13_35_x.ipynb",
        f"{top}Group 2/Zoe Noel_14_assignsubmission_file_/x.ipynb",
        f"{top}Group 2/Max Big_15_assignsubmission_file_/x.ipynb",
    ]
    assert sorted(students(tmp_path, assignment, *paths)) == [
        "Max Big_15",
        "Zoe Noel_14",
        "limaana_12",
        "wubo_13",
    ]


@pytest.mark.parametrize(
    "paths",
    [
        ["ana/work/x.ipynb"],
        ["ana/work/deep/x.ipynb"],
        ["ana/03_scaling.ipynb", "ana/work/03_scaling.ipynb"],
    ],
)
def test_a_students_own_folder_is_no_student(tmp_path, assignment, paths):
    assert [*students(tmp_path, assignment, *paths)] == ["ana"]


def test_folders_within_students_folders(tmp_path, assignment):
    chosen = students(tmp_path, assignment, "ana/work/x.ipynb", "bo/work/x.ipynb")
    assert [*chosen] == ["ana", "bo"]


@pytest.mark.parametrize(
    "names",
    [
        ("a\x01b", "a\x02b"),
        ("x" * 130 + "1", "x" * 130 + "2"),
        (" ana", "ana"),
    ],
)
def test_names_alike_after_cleaning_stay_apart(tmp_path, assignment, names):
    chosen = students(tmp_path, assignment, *(f"{n}/03_scaling.ipynb" for n in names))
    assert len(chosen) == 2
    assert all(student.isprintable() for student in chosen)
    again = students(
        tmp_path, assignment, *(f"{n}/03_scaling.ipynb" for n in names[::-1])
    )
    assert again == chosen


def zipped(name):
    """The bytes of a zip with one file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, BOOK)
    return stream.getvalue()


LATIN = books.text(books.submission(essay="größer")).replace(b"\\u00f6", b"\xf6")
KINDS = {
    "PDF": b"%PDF-1.7 x",
    "a zip": zipped("03_scaling.ipynb"),
    "a Word or Office document": zipped("word/document.xml"),
    "a web page": b"\n<!DOCTYPE html><html></html>",
    "a picture": b"\x89PNG\r\n\x1a\n",
    "a packed file": gzip.compress(b"x"),
    "saved as Latin-1": LATIN.replace(b"\\u00df", b"\xdf"),
    "it is empty": b" \n",
    "a text": b"def scaled_scores(query, key):\n    return 1\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_named_for_what_it_is(assignment, kind):
    with pytest.raises(Invalid, match=kind):
        read_submission(KINDS[kind], assignment)


def test_another_chapter_is_named(assignment):
    """It shares cells with every release, and was eight rows of "not answered"."""
    mine = read_assignment(ROOT / "chapters" / "exercises" / "03_scaling.ipynb")
    for ours in (assignment, mine):
        with pytest.raises(Invalid, match=r"another assignment.*05_multi_head"):
            read_submission(OTHER_CHAPTER.read_bytes(), ours)


def test_another_chapter_does_not_replace_this_one(tmp_path, assignment):
    mine = ROOT / "chapters" / "exercises" / "03_scaling.ipynb"
    release = read_assignment(mine)
    files = {
        "ana/mine.ipynb": mine.read_bytes(),
        "ana/later.ipynb": OTHER_CHAPTER.read_bytes(),
        "bo/x.ipynb": mine.read_bytes(),
    }
    assert found(zip_of(tmp_path, files), release)[0]["ana"] == "ana/mine.ipynb"
