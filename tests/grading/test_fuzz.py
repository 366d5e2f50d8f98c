"""Whatever a file or a reply holds: a reason, and never an error of the grader."""

import contextlib
import io
import json
import time
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grading import batch, intake, owners, report, scoring
from grading.notebook import Invalid, read_assignment
from grading.points import Graded
from grading.sandbox import process, session, wire
from grading.sandbox.walls import Sandbox, SandboxError
from grading.settings import DEFAULTS
from grading.submission import read_submission
from tests.grading.hostile import books

BOOK = books.text(books.submission())
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS | st.just(np.zeros(3)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner)
    ),
    max_leaves=8,
)
FIELDS = ["number", "raised", "text", "line", "torch", "dropped", "large", "thing"]
FIELDS += ["missing", "function", "result", "changed"]


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "release.ipynb"
    path.write_bytes(books.text(books.release()))
    return read_assignment(path)


# ------------------------------------------------------------------------ the wire


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_any_reply_is_taken_or_refused(reply):
    """A field that is an array where a number is due ended the whole batch."""
    try:
        process.checked(reply | {"number": 1}, 1)
    except wire.WireError:
        return
    text = session.error_text(reply) if "raised" in reply else ""
    assert isinstance(text, str)
    assert not reply.get("dropped") or reply["dropped"]


@pytest.mark.parametrize("field", [f for f in FIELDS if f not in ("result", "changed")])
@pytest.mark.parametrize("value", [np.zeros(3), [1], {}], ids=["array", "list", "dict"])
def test_a_field_of_the_wrong_kind_is_refused(field, value):
    with pytest.raises(wire.WireError):
        process.checked({"number": 1} | {field: value}, 1)


@pytest.mark.parametrize("reply", [[], None, {}, {"number": 2}, {"number": True}])
def test_no_reply_to_the_last_request(reply):
    with pytest.raises(wire.WireError):
        process.checked(reply, 1)


TAGS = st.sampled_from(["a", "n", "u", "l", "t", "d", "o", "x", "<f8", "|b1", "<U9"])
TREES = st.recursive(
    SCALARS | TAGS, lambda inner: st.lists(inner, max_size=5), max_leaves=12
)


@given(TREES, st.binary(max_size=24))
def test_any_frame_is_a_value_or_refused(tree, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            wire.decode(json.dumps(tree).encode(), data)
        except (wire.WireError, wire.NotPlain):
            return


@given(st.binary(max_size=60), st.binary(max_size=16))
def test_any_bytes_are_a_value_or_refused(text, data):
    try:
        wire.decode(text, data)
    except (wire.WireError, wire.NotPlain):
        return


LONG = "x" * 2_000_000


@pytest.mark.parametrize(
    "tree",
    [
        ["u", [100_000], [LONG] + [""] * 99_999],
        ["l", LONG, *[""] * 99_999],
        ["l", ["l", LONG], ["t", *[""] * 99_999]],
        ["l", *[1] * 1_000_000],
        ["l", *[["l"]] * 500_000],
        ["d", *range(1_000_000)],
        ["u", [1], [["x"]]],
        10**400,
        ["l", -(10**400)],
    ],
    ids=lambda tree: str(tree)[:30],
)
def test_what_numpy_would_swell_is_refused_soon(tree):
    text = json.dumps(tree).encode()
    start = time.process_time()
    with pytest.raises(wire.WireError):
        wire.decode(text, b"")
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "value", [[1.0] * 1_000_000, 10**400, [LONG, *[""] * 100_000]], ids=["l", "n", "t"]
)
def test_and_the_student_is_told(value):
    with pytest.raises(wire.WireError, match=r"more than|longer than"):
        wire.encode(value)


def test_a_long_source_still_reaches_the_worker():
    frame = wire.encode({"do": "run", "source": "#" * 5_000_000, "title": "cell 1"})
    assert wire.receive(io.BytesIO(frame))["do"] == "run"


# --------------------------------------------------------------------- the intake


def zipped(method=zipfile.ZIP_STORED, name="ana.ipynb", date=(2026, 11, 23, 9, 0, 0)):
    """The bytes of a zip with one notebook."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        entry = zipfile.ZipInfo(name, date)
        entry.compress_type = method
        archive.writestr(entry, BOOK)
    return bytearray(stream.getvalue())


def dated(date, clock):
    """A zip whose date and time are raw numbers."""
    data = zipped()
    for mark, place in ((b"PK\x03\x04", 10), (b"PK\x01\x02", 12)):
        at = data.index(mark) + place
        data[at : at + 4] = clock.to_bytes(2, "little") + date.to_bytes(2, "little")
    return data


def damaged(method):
    """A zip whose compressed bytes are not what they were."""
    data = zipped(method)
    data[60:90] = bytes(range(200, 230))
    return data


CORPUS = {
    "zero date": dated(0, 0),
    "month 15": dated(0b0000000_1111_00001, 0),
    "second 62": dated(0b0000000_0001_00001, 31),
    "hour 31": dated(0b0000000_0001_00001, 31 << 11),
    "5000 digits": zipped(name=f"ana_{'1' * 5000}_{'2' * 5000}_x-{'3' * 5000}.ipynb"),
    "a number in Canvas's place": zipped(name=f"ana_1_{'2' * 5000}_x.ipynb"),
    "a resubmission": zipped(name=f"ana/x-{'3' * 5000}.ipynb"),
    "damaged LZMA": damaged(zipfile.ZIP_LZMA),
    "damaged bzip2": damaged(zipfile.ZIP_BZIP2),
    "damaged deflate": damaged(zipfile.ZIP_DEFLATED),
    "no file": zipped(name="/"),
    "only slashes": zipped(name="///.ipynb"),
    "cut off": zipped()[:-30],
    "no zip at all": bytearray(b"PK\x05\x06" + bytes(18)),
}


def taken_in(place, assignment):
    """Find and read all; True where there was something to read."""
    try:
        chosen, refused = intake.find(place, assignment)
    except intake.IntakeError:
        return False
    for handed in chosen.values():
        with contextlib.suppress(Invalid):
            read_submission(handed.file.read(), assignment)
    return bool(chosen or refused)


@pytest.mark.parametrize("name", CORPUS)
def test_a_broken_zip_ends_in_a_reason(tmp_path, assignment, name):
    (tmp_path / "in.zip").write_bytes(CORPUS[name])
    got = taken_in(tmp_path / "in.zip", assignment)
    assert got or name in ("cut off", "no zip at all", "no file")


@given(st.data())
def test_a_zip_with_any_bytes_changed(tmp_path_factory, assignment, data):
    method = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_LZMA]))
    found = zipped(method)
    places = st.integers(0, len(found) - 1) | st.integers(
        found.index(b"PK\x01\x02"), len(found) - 1
    )
    for at in data.draw(st.lists(places, min_size=1, max_size=6)):
        found[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("zip") / "in.zip"
    path.write_bytes(found)
    taken_in(path, assignment)


@given(st.binary(max_size=80) | ANYTHING.map(lambda x: json.dumps(x, default=str)))
def test_any_bytes_are_a_notebook_or_invalid(assignment, data):
    data = data if isinstance(data, bytes) else data.encode()
    with pytest.raises(Invalid):
        read_submission(data, assignment)


PARTS = ["cell_type", "source", "metadata"]


@given(st.data())
def test_a_notebook_with_any_part_changed(assignment, data):
    book = books.submission()
    for _ in range(data.draw(st.integers(1, 4))):
        cell = data.draw(st.sampled_from(book["cells"]))
        value = data.draw(ANYTHING.filter(lambda x: "array" not in repr(x)))
        if data.draw(st.booleans()):
            cell[data.draw(st.sampled_from(PARTS))] = value
        elif isinstance(cell["metadata"], dict):
            marks = cell["metadata"].get("nbgrader")
            if isinstance(marks, dict):
                marks[data.draw(st.sampled_from([*marks]))] = value
    with contextlib.suppress(Invalid):
        read_submission(books.text(book), assignment)


# ------------------------------------------------------------- rows, pages, the batch


def test_a_lone_surrogate_reaches_every_page(assignment, tmp_path, capfd):
    cell = books.cell("x = 1", "\ud800abc")
    data = books.text(books.notebook([cell]))
    result = scoring.score(data, assignment, 3, sandbox=None)
    assert "another assignment" in result.rows[0].reason
    assert result.rows[0].reason.encode("utf-8")
    refused = [("\ud800.pdf", "no \ud800")]
    results = {"ana": Graded(result, late=False)}
    report.write(tmp_path, assignment, results, refused, DEFAULTS)
    report.summarise(assignment, results, [])
    assert capfd.readouterr().out.encode("utf-8")


def test_a_long_name_of_four_byte_letters_has_a_page(assignment, tmp_path):
    student = owners.clean("\U00020000" * 63)
    other = owners.clean("\U00020000" * 62 + "\U00020001")
    result = scoring.invalid(assignment, "why")
    results = {s: Graded(result, late=False) for s in (student, other)}
    report.write(tmp_path, assignment, results, [], DEFAULTS)
    assert len([*(tmp_path / "feedback").glob("*.html")]) == 2


def test_blank_lines_below_an_answer_cost_no_time(assignment):
    book = books.submission()
    books.named(book, "scaled_scores")["source"] += "\n" * 100_000
    submission = read_submission(books.text(book), assignment)
    question = next(q for q in assignment.questions if q.name == "scaled_scores")
    start = time.process_time()
    assert scoring.unnamed_calls(question, submission, assignment) == ""
    assert time.process_time() - start < 2


class Task:
    """A file to grade."""

    @staticmethod
    def read():
        return BOOK


@pytest.mark.parametrize(
    "error", [SandboxError("no more name spaces"), OSError("full")]
)
def test_a_sandbox_that_fails_once_is_tried_again(assignment, monkeypatch, error):
    failures = [error]

    def once(*_):
        if failures:
            raise failures.pop()
        return scoring.Result([])

    monkeypatch.setattr(batch, "score", once)
    monkeypatch.setattr(batch, "PAUSES", (0, 0))
    assert batch.grade_one(task_of(assignment))[1] == scoring.Result([])


@pytest.mark.parametrize(
    "error", [SandboxError("no name spaces"), MemoryError(), KeyError(2)]
)
def test_what_fails_in_the_grader_is_a_row_and_not_kept(
    assignment, monkeypatch, tmp_path, error
):
    def failing(*_):
        raise error

    monkeypatch.setattr(batch, "score", failing)
    monkeypatch.setattr(batch, "PAUSES", (0, 0))
    _, result = batch.grade_one(task_of(assignment))
    assert {row.status for row in result.rows} == {"by hand"}
    assert "grade again" in result.rows[0].reason
    store = batch.Store(tmp_path, "release")
    store.save("ana", "key", result)
    assert store.load("ana", "key") is None


def task_of(assignment):
    """A task of the batch, in no sandbox."""
    handed = owners.Handed("ana", Task, ())
    return "ana", handed, assignment, 3, Sandbox(None, None)
