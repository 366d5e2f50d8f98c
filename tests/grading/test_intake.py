"""Downloads as teachers get them: every file is graded, or refused with a reason."""

import json
import os
import stat
import unicodedata
import zipfile

import pytest

from grading import intake
from grading.notebook import MAX_BYTES, Invalid, read_assignment
from tests.grading.hostile import books

BOOK = books.text(books.submission())
OTHER = books.text(books.notebook([books.cell("x = 1")]))


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "03_scaling.ipynb"
    path.write_bytes(books.text(books.release()))
    return read_assignment(path)


def folder_of(tmp_path, files):
    """Write a folder of {path: bytes}; each file is newer than the one before."""
    for time, (name, data) in enumerate(files.items(), start=1_000_000):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (time, time))
    return tmp_path / "in"


def zip_of(tmp_path, files):
    """Write a zip of {path: bytes}; each file is newer than the one before."""
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for minute, (name, data) in enumerate(files.items()):
            entry = zipfile.ZipInfo(name, (2026, 11, 23, 9, minute, 0))
            archive.writestr(entry, data)
    return tmp_path / "in.zip"


def found(place, assignment):
    """Return {student: path} and {path: reason}; no file may be lost."""
    chosen, refused = intake.find(place, assignment)
    files = [f.path for f in intake.files(place) if not intake.is_noise(f)]
    paths = {student: handed.file.path for student, handed in chosen.items()}
    assert sorted([*paths.values(), *(path for path, _ in refused)]) == sorted(files)
    return paths, dict(refused)


@pytest.mark.parametrize("write", [folder_of, zip_of])
def test_canvas(tmp_path, assignment, write):
    files = {
        "limaana_12345_67890_03_scaling.ipynb": BOOK,
        "noelzoe_LATE_12346_67891_03_scaling-1.ipynb": BOOK,
        "noelzoe_12346_67880_03_scaling.ipynb": BOOK,
        "wubo_12347_67892_essay.pdf": b"%PDF-1.7",
    }
    place = write(tmp_path, files)
    chosen, refused = found(place, assignment)
    assert chosen == {
        "limaana_12345": "limaana_12345_67890_03_scaling.ipynb",
        "noelzoe_12346": "noelzoe_LATE_12346_67891_03_scaling-1.ipynb",
        "wubo_12347": "wubo_12347_67892_essay.pdf",
    }
    assert "noelzoe_LATE" in refused["noelzoe_12346_67880_03_scaling.ipynb"]
    late = {s: handed.late for s, handed in intake.find(place, assignment)[0].items()}
    assert late == {"limaana_12345": False, "noelzoe_12346": True, "wubo_12347": False}


@pytest.mark.parametrize("top", ["", "INF-101 assignment/"])
@pytest.mark.parametrize("write", [folder_of, zip_of])
def test_moodle(tmp_path, assignment, write, top):
    ana = f"{top}Ana María Lima_123456_assignsubmission_file_"
    bo = f"{top}Bo Wu_123457_assignsubmission_file"
    zoe = f"{top}Zoé Noël_123458_assignsubmission_onlinetext_"
    files = {
        f"{ana}/03_scaling.ipynb": BOOK,
        f"{ana}/notes.txt": b"hello",
        f"{bo}/my notebook (1).ipynb": BOOK,
        f"{zoe}/onlinetext.html": b"<p>I am ill</p>",
    }
    chosen, refused = found(write(tmp_path, files), assignment)
    assert chosen == {
        "Ana María Lima_123456": f"{ana}/03_scaling.ipynb",
        "Bo Wu_123457": f"{bo}/my notebook (1).ipynb",
        "Zoé Noël_123458": f"{zoe}/onlinetext.html",
    }
    assert [*refused] == [f"{ana}/notes.txt"]


def test_moodle_without_folders(tmp_path, assignment):
    name = "Ana Lima_123456_assignsubmission_file_03_scaling.ipynb"
    assert found(zip_of(tmp_path, {name: BOOK}), assignment)[0] == {
        "Ana Lima_123456": name
    }


@pytest.mark.parametrize("top", ["", "handed in/"])
@pytest.mark.parametrize("write", [folder_of, zip_of])
def test_plain(tmp_path, assignment, write, top):
    files = {
        f"{top}ana/03_scaling.ipynb": BOOK,
        f"{top}Bo Wu/work/03_scaling.ipynb": BOOK,
        f"{top}José.ipynb": BOOK,
    }
    chosen, refused = found(write(tmp_path, files), assignment)
    assert [*chosen] == ["ana", "Bo Wu", "José"]
    assert refused == {}


def test_a_folder_around_notebooks_is_no_student(tmp_path, assignment):
    files = {"week 3/ana.ipynb": BOOK, "week 3/bo.ipynb": BOOK}
    assert [*found(zip_of(tmp_path, files), assignment)[0]] == ["ana", "bo"]


def test_a_single_student_with_two_files(tmp_path, assignment):
    files = {"ana/03_scaling.ipynb": OTHER, "ana/03_scaling (1).ipynb": BOOK}
    chosen, refused = found(folder_of(tmp_path, files), assignment)
    assert chosen == {"ana": "ana/03_scaling (1).ipynb"}
    assert [*refused] == ["ana/03_scaling.ipynb"]


def test_the_latest_notebook_of_this_assignment_counts(tmp_path, assignment):
    files = {"ana/first.ipynb": BOOK, "ana/a.ipynb": BOOK, "ana/other.ipynb": OTHER}
    chosen, refused = found(folder_of(tmp_path, files | {"bo/x.pdf": b""}), assignment)
    assert chosen == {"ana": "ana/a.ipynb", "bo": "bo/x.pdf"}
    assert len(refused) == 2


def test_accents_are_the_same_however_they_are_stored(tmp_path, assignment):
    composed = unicodedata.normalize("NFC", "Zoé")
    files = {
        f"{composed}/1.ipynb": BOOK,
        f"{unicodedata.normalize('NFD', 'Zoé')}/2.ipynb": BOOK,
    }
    chosen, _ = found(zip_of(tmp_path, files), assignment)
    assert [*chosen] == [composed]
    assert chosen[composed].endswith("2.ipynb")


@pytest.mark.parametrize(
    "name",
    [
        "../ana.ipynb",
        "x/../../ana.ipynb",
        "/tmp/ana.ipynb",
        "C:/ana.ipynb",
        "..\\a.ipynb",
    ],
)
def test_a_path_out_of_the_zip_is_refused(tmp_path, assignment, name):
    place = zip_of(tmp_path, {name: BOOK, "bo/03_scaling.ipynb": BOOK})
    before = sorted(tmp_path.rglob("*"))
    chosen, refused = found(place, assignment)
    assert [*chosen] == ["bo"]
    assert [*refused.values()] == ["its path leads out of the zip"]
    assert sorted(tmp_path.rglob("*")) == before


def test_links_are_not_followed(tmp_path, assignment):
    place = folder_of(tmp_path, {"ana/03_scaling.ipynb": BOOK})
    (place / "bo").mkdir()
    (place / "bo" / "03_scaling.ipynb").symlink_to(place / "ana" / "03_scaling.ipynb")
    os.mkfifo(place / "pipe.ipynb")
    chosen, refused = found(place, assignment)
    assert [*chosen] == ["ana"]
    assert {*refused} == {"bo/03_scaling.ipynb", "pipe.ipynb"}


def test_links_in_a_zip_are_refused(tmp_path, assignment):
    link = zipfile.ZipInfo("bo/03_scaling.ipynb")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    place = zip_of(tmp_path, {"ana/03_scaling.ipynb": BOOK})
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    chosen, refused = found(place, assignment)
    assert [*chosen] == ["ana"]
    assert "link" in refused["bo/03_scaling.ipynb"]


def test_a_file_of_200_mb_is_not_read(tmp_path, assignment):
    place = folder_of(tmp_path, {"ana/03_scaling.ipynb": b""})
    os.truncate(place / "ana" / "03_scaling.ipynb", 200 * 2**20)
    handed = intake.find(place, assignment)[0]["ana"]
    with pytest.raises(Invalid, match="more than 20 MB"):
        handed.file.read()


def test_a_zip_that_swells_is_not_read(tmp_path, assignment):
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ana.ipynb", bytes(MAX_BYTES + 10))
    assert (tmp_path / "in.zip").stat().st_size < 100_000
    handed = intake.find(tmp_path / "in.zip", assignment)[0]["ana"]
    with pytest.raises(Invalid, match="more than 20 MB"):
        handed.file.read()


def test_a_damaged_zip_entry_is_told(tmp_path, assignment):
    place = zip_of(tmp_path, {"ana.ipynb": BOOK})
    data = bytearray(place.read_bytes())
    at = data.index(b'"cells"')
    data[at : at + 7] = b"XXXXXXX"
    place.write_bytes(data)
    handed = intake.find(place, assignment)[0]["ana"]
    with pytest.raises(Invalid, match="cannot be read"):
        handed.file.read()


def test_two_entries_of_the_same_name_are_two_files(tmp_path, assignment):
    place = zip_of(tmp_path, {"ana.ipynb": BOOK})
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(place, "a") as archive,
    ):
        archive.writestr(zipfile.ZipInfo("ana.ipynb", (2027, 1, 1, 0, 0, 0)), OTHER)
    chosen, refused = intake.find(place, assignment)
    assert json.loads(chosen["ana"].file.read()) == json.loads(BOOK)
    assert len(refused) == 1


def test_files_of_the_system_are_no_submissions(tmp_path, assignment):
    files = {
        "ana/03_scaling.ipynb": BOOK,
        "__MACOSX/ana/._03_scaling.ipynb": b"x",
        "ana/.DS_Store": b"x",
        "ana/.ipynb_checkpoints/03_scaling-checkpoint.ipynb": BOOK,
    }
    chosen, refused = found(zip_of(tmp_path, files), assignment)
    assert chosen == {"ana": "ana/03_scaling.ipynb"}
    assert refused == {}


def test_names_are_fit_to_print(tmp_path, assignment):
    chosen, _ = found(zip_of(tmp_path, {"a\x1b[31mna\n/x.ipynb": BOOK}), assignment)
    assert [*chosen] == ["a_[31mna"]


def test_no_such_place(tmp_path, assignment):
    with pytest.raises(intake.IntakeError, match="does not exist"):
        intake.find(tmp_path / "nowhere", assignment)
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(intake.IntakeError, match="neither a folder nor a zip"):
        intake.find(tmp_path / "text.txt", assignment)
