"""The grader's parts: data as bytes, stand-ins for functions, one submission."""

import builtins
import dataclasses
import re
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from attnlib.exercises import Mistake, Raised, Stopped, Unusable, get
from grading import report, scoring
from grading.notebook import read_assignment
from grading.sandbox import process, session, wire
from grading.sandbox.shell import Shell
from grading.sandbox.walls import Limits, Sandbox, SandboxError, find_bwrap, library
from tests.grading.hostile import books, run

# ------------------------------------------------------------------ data as bytes


def sent(value):
    """Encode and decode."""
    frame = wire.encode(value)
    size, _ = wire.SIZES.unpack(frame[: wire.SIZES.size])
    rest = frame[wire.SIZES.size :]
    return wire.decode(rest[:size], rest[size:])


def same(a, b):
    """Whether two values are the same, classes and dtypes included."""
    if isinstance(a, np.ndarray):
        return type(b) is type(a) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return [*a] == [*b] and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        10**30,
        -0.1,
        "é\ud800\n",
        [],
        (1, [2.5, "x"], {}),
        {"a": (1,), 2: None, None: [True]},
        np.arange(6.0).reshape(2, 3),
        np.arange(6, dtype=">i2").reshape(3, 2).T,
        np.zeros((0, 3), "f4"),
        np.array(1 + 2j),
        np.array([[True], [False]]),
        np.array([["a", "bcd"]]),
        np.float32(1.5),
        [np.ones(2), {"x": np.zeros(1, "u1")}],
    ],
)
def test_plain_data_arrives_as_it_was(value):
    assert same(value, sent(value))


def test_not_a_number_arrives():
    assert np.isnan(sent(float("nan")))
    assert sent([np.inf, -np.inf]) == [np.inf, -np.inf]


@pytest.mark.parametrize(
    ("value", "kind"),
    [(object(), "object"), ([1, {2}], "set"), (np.array([None]), "dtype object")],
)
def test_other_objects_arrive_as_the_name_of_their_class(value, kind):
    with pytest.raises(wire.NotPlain, match=kind):
        sent(value)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"", b""),
        (b"{", b""),
        (b"{}", b""),
        (b"[]", b""),
        (b'["x", 1]', b""),
        (b'["d", 1]', b""),
        (b'["d", ["l"], 1]', b""),
        (b'["a", "<f8", [1]]', b""),
        (b'["a", "<f8", [-1]]', b"12345678"),
        (b'["a", "<f8", [1e9]]', b"12345678"),
        (b'["a", "<f8", [4000000000, 4000000000]]', b"12345678"),
        (b'["a", "|O", [1]]', b"12345678"),
        (b'["a", "<f8,<f8", [1]]', b"1234567812345678"),
        (b'["a", "<U1000000000", [0]]', b""),
        (b'["n", "<f8", [1, 2, 3]]', b""),
        (b'["u", [2], ["a"]]', b""),
        (b"1" * 5000, b""),
        (b"[" * 100_000, b""),
        (b'["l",' * 5000 + b"1" + b"]" * 5000, b""),
        (b"\xff\xfe", b""),
    ],
)
def test_what_is_no_frame_is_refused(text, data):
    with pytest.raises(wire.WireError):
        wire.decode(text, data)


def test_frames_are_bounded():
    with pytest.raises(wire.WireError, match="64 MB"):
        wire.encode(np.zeros(9 * 2**20))
    with pytest.raises(wire.WireError, match="64 MB"):
        wire.encode(np.broadcast_to(1.0, (10**9, 10**9)))
    deep = []
    for _ in range(60):
        deep = [deep]
    with pytest.raises(wire.WireError, match="50 deep"):
        wire.encode(deep)


def test_a_byte_that_is_no_truth_value():
    array = wire.decode(b'["a", "|b1", [3]]', b"\x00\x01\x07")
    assert array.tobytes() == b"\x00\x01\x01"


# ----------------------------------------------------------------- magics, reports


@pytest.fixture
def notebook(monkeypatch):
    """A shell, whose built-ins end with the test."""
    monkeypatch.setattr(builtins, "get_ipython", None, raising=False)
    monkeypatch.setattr(builtins, "display", None, raising=False)
    return Shell({})


@pytest.mark.parametrize(
    ("source", "x", "dropped"),
    [
        ("x = 1", 1, 0),
        ("%matplotlib inline\nx = 1", 1, 1),
        ("x = 1\nif x:\n    !pip install y", 1, 1),
        ("x = !ls", [], 1),
        ("%%time\nx = 1", 1, 0),
        ("%%capture said\nx = 1", 1, 0),
        ("%time x = 1", 1, 0),
        ("x = %time 1 + 1", 2, 0),
        ("x = 1\nlen?\n?len", 1, 2),
        ("%%bash\nx=1", None, 1),
        ("import asyncio\nawait asyncio.sleep(0)\nx = 1", 1, 0),
        ("display(1)\nx = 1", 1, 0),
        ("x = get_ipython().getoutput('ls')", [], 1),
        ("get_ipython().run_line_magic('matplotlib', 'inline')\nx = 1", 1, 1),
    ],
)
def test_cells_that_are_more_than_python(notebook, source, x, dropped):
    with ThreadPoolExecutor(1) as alone:  # a browser's loop may run in this thread
        alone.submit(notebook.run, source, "cell 1").result()
    assert notebook.names.get("x") == x
    assert notebook.dropped == dropped


def test_writefile_writes_a_file(notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook.run("%%writefile helper.py\nx = 1", "cell 1")
    notebook.run("%%writefile -a helper.py\ny = 2", "cell 2")
    assert (tmp_path / "helper.py").read_text() == "x = 1\ny = 2\n"


def test_what_is_no_cell_at_all_is_a_syntax_error(notebook):
    with pytest.raises(SyntaxError):
        notebook.run("return (x @", "cell 1")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("shapes (3,4) and (5,4)", "shapes (3,4) and (5,4)"),
        ("[[ 0.5 -1.25e-3] [1. 2e5]]", "[[ … …] [… …]]"),
        ("x" * 41, "…"),
        ("0f3e4a" * 9, "…"),  # hexadecimal, with what looks like an exponent
    ],
)
def test_an_exceptions_numbers_are_hidden(text, shown):
    assert session.hidden(text) == shown


def test_file_names_of_pages_are_all_different():
    students = ["a/b", "a_b", "A_B", "..", "", "Zoé Noël", "x" * 300]
    names = report.page_names(students)
    assert len({name.casefold() for name in names.values()}) == len(students)
    assert names["Zoé Noël"] == "Zoé Noël.html"
    assert all(re.fullmatch(r"[\w .,()-]{1,90}\.html", n) for n in names.values())
    assert not any(name.startswith(".") for name in names.values())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x"])
def test_no_cell_is_a_formula(text):
    assert report.harmless(text) == f"'{text}"


# ------------------------------------------------------------- one submission, here


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "release.ipynb"
    path.write_bytes(books.text(books.release()))
    return read_assignment(path)


@pytest.fixture(scope="module")
def sandbox(assignment, tmp_path_factory):
    run.need_sandbox()
    folder = library(tmp_path_factory.mktemp("library"), assignment)
    return Sandbox(folder, find_bwrap(), limits=Limits(4, 3, 20))


def scored(assignment, sandbox, **parts):
    """Score a submission; return {question: Row}."""
    data = books.text(books.submission(**parts))
    rows = scoring.score(data, assignment, 3, sandbox).rows
    return {row.question: row for row in rows}


def test_a_failing_checker_costs_no_points(assignment, sandbox, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(scoring, "judge", broken)
    for name in books.POINTS:
        row = scored(assignment, sandbox)[name]
        assert (row.status, row.score) == ("by hand", None)


def test_a_sandbox_that_breaks_down_is_told(assignment, sandbox, monkeypatch):
    """It must not be taken for the student's mistake."""
    data = books.text(books.submission(scaled_scores="import os\nos._exit(1)"))
    start, calls = Sandbox.start, []

    def second_time_not(self):
        calls.append(1)
        if len(calls) > 1:
            return subprocess.Popen(
                [sys.executable, "-c", "import sys; sys.exit('no more name spaces')"],
                **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE),
            )
        return start(self)

    monkeypatch.setattr(Sandbox, "start", second_time_not)
    with pytest.raises(SandboxError, match="no more name spaces"):
        scoring.score(data, assignment, 3, sandbox)


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        ("12", "right", ""),
        ("np.float64(12)", "right", ""),
        ("13", "wrong", "One too many"),
        ("...", "not answered", "Not answered yet"),
        ("None", "not answered", "Not answered yet"),
        ("print", "wrong", "a thing of type function"),
        ("{1, 2}", "wrong", "a thing of type set"),
        ("1 / 0", "failed", "There is no scaled_scores: the cell raised ZeroDivision"),
    ],
)
def test_a_value(assignment, sandbox, monkeypatch, value, status, reason):
    """The task asks for a number, not for a function."""
    exercise = dataclasses.replace(
        get("scaled_scores"),
        kind="value",
        reference=lambda: 12,
        mistakes=(Mistake(lambda: 13, "One too many."),),
    )
    monkeypatch.setattr(scoring, "find", lambda *_: exercise)
    book = books.submission()
    books.named(book, "scaled_scores")["source"] = f"scaled_scores = {value}"
    rows = scoring.score(books.text(book), assignment, 3, sandbox).rows
    row = next(row for row in rows if row.question == "scaled_scores")
    assert (row.status, row.score) == (status, 3 if status == "right" else 0)
    assert reason in row.reason


def test_an_answer_that_takes_tensors_only(assignment, sandbox):
    """It fails on arrays, and is called with tensors: without torch out here."""
    patient = Sandbox(sandbox.library, sandbox.bwrap, limits=Limits(100, 100, 300))
    body = "import torch\nreturn torch.matmul(query, key.mT) / query.shape[-1] ** 0.5"
    assert scored(assignment, patient, scaled_scores=body)["scaled_scores"].score == 3


def test_the_time_of_a_submission_is_bounded(assignment, sandbox):
    """Three answers that hang cost a submission's time, and not more."""
    hang = "while True:\n    pass"
    short = Sandbox(sandbox.library, sandbox.bwrap, limits=Limits(4, 1.5, 2))
    rows = scored(assignment, short, **dict.fromkeys(books.POINTS, hang))
    reasons = [rows[name].reason for name in books.POINTS]
    assert [rows[name].status for name in books.POINTS] == ["failed"] * 3
    assert "longer than 1.5 seconds" in reasons[0]
    assert "the notebook's 2 seconds were over" in reasons[2]


def test_attnlib_is_there_only_where_the_release_speaks_of_it(tmp_path, sandbox):
    body = "import attnlib\nreturn attnlib.attention_scores(query, key)"
    for line, score in (
        ("You may call `attnlib.softmax`.", 3),
        ("Answer without calling `attnlib`.", 0),
        ("Write it yourself.", 0),
    ):
        release = books.release()
        books.named(release, "score_variance-task")["source"] += f"\n\n{line}"
        path = tmp_path / "release.ipynb"
        path.write_bytes(books.text(release))
        assignment, folder = (
            read_assignment(path),
            tmp_path / f"library {score} {line[:3]}",
        )
        inside = Sandbox(library(folder, assignment), sandbox.bwrap)
        row = scored(assignment, inside, scaled_scores=body)["scaled_scores"]
        assert row.score == score
        if score:
            assert row.borrowed == "attnlib.attention_scores"


def test_the_references_are_not_there_even_with_attnlib(tmp_path, assignment, sandbox):
    release = books.release()
    books.named(release, "score_variance-task")["source"] += "You may call attnlib."
    (tmp_path / "release.ipynb").write_bytes(books.text(release))
    assignment = read_assignment(tmp_path / "release.ipynb")
    inside = Sandbox(library(tmp_path / "library", assignment), sandbox.bwrap)
    body = (
        "import importlib, os, attnlib\n"
        "assert attnlib.softmax\n"
        f"assert not os.path.exists({str(run.ROOT / 'attnlib')!r})\n"
        "for name in ('ch03', '_judge', '_core'):\n"
        "    try:\n        importlib.import_module(f'attnlib.exercises.{name}')\n"
        "    except ImportError:\n        continue\n"
        "    return 'found'\n"
        f"{books.SOLUTIONS['scaled_scores']}"
    )
    assert scored(assignment, inside, scaled_scores=body)["scaled_scores"].score == 3


# ------------------------------------------------------------ functions by proxy


class Echo:
    """A session that answers with what it is given."""

    sandbox = types.SimpleNamespace(limits=Limits())

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    def ready(self):
        pass

    def ask(self, request, seconds):
        self.asked.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ({"raised": "ValueError", "text": "x", "line": 2}, Raised("ValueError", "x")),
        ({"thing": "set"}, Unusable),
        ({"large": "more than 64 MB of data"}, Unusable),
        ({}, Unusable),
        ({"raised": ["not", "a", "text"]}, Raised),
        (process.Gone("took longer than 3 seconds"), Stopped),
    ],
)
def test_a_reply_that_is_no_result_is_told(reply, error):
    kind = error if isinstance(error, type) else type(error)
    with pytest.raises(kind):
        session.Function(Echo(reply), "f")(1)


def test_arguments_changed_in_place_are_changed_here():
    array, items = np.zeros(2), [np.zeros(3)]
    changed = ((np.ones(2), [np.ones(3), 1]), {})
    reply = {"result": 5, "changed": changed}
    assert session.Function(Echo(reply), "f")(array, items) == 5
    assert array.tolist() == [1, 1]
    assert items[0].tolist() == [1, 1, 1]


def test_tensors_are_tried_once_where_arrays_fail():
    fails = {"raised": "TypeError", "text": "", "torch": True}
    echo = Echo(fails, {"result": 1}, {"result": 2})
    function = session.Function(echo, "f", torch=True)
    assert [function(0), function(0)] == [1, 2]
    assert [request["tensors"] for request in echo.asked] == [False, True, True]
