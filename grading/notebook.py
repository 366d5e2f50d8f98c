"""Notebooks as data: what a release asks, and the cells of any file.

A file may hold anything, so it is read as JSON and every part is checked.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from course.checkers import beside
from course.marks import parts
from grading.kinds import kind_of

MAX_BYTES = 20 * 2**20
MAX_CELLS = 2000


class Invalid(Exception):
    """A file that cannot be graded: the text says why."""


@dataclass(frozen=True)
class Question:
    """One question of an assignment; `written` ones are read by a teacher."""

    name: str
    points: float
    written: bool


@dataclass(frozen=True)
class Cell:
    """A cell as a file has it; `grade_id` is None where nbgrader's metadata is not."""

    kind: str
    source: str
    grade_id: str | None
    flags: tuple = ()


@dataclass(frozen=True)
class Assignment:
    """A release: its questions, its cells by name, whether answers may call attnlib."""

    name: str
    questions: tuple[Question, ...]
    cells: dict[str, Cell]
    allows_attnlib: bool
    checksum: str
    checkers: Path | None = None  # with exercises of the teacher's own

    @property
    def checks(self):
        """Names of the cells that hold a check."""
        return {f"{q.name}-check" for q in self.questions if not q.written}

    @property
    def given(self):
        """Names of the locked cells of code that every notebook must run."""
        return [
            name
            for name, cell in self.cells.items()
            if cell.kind == "code" and cell.flags == (False, False)
        ]

    @property
    def maximum(self):
        """All points."""
        return sum(question.points for question in self.questions)


def read_assignment(path, sources=None):
    """Read a release; ValueError where it is none.

    Its own checkers lie in the folder `sources`, or beside it.
    """
    data = Path(path).read_bytes()
    own = beside(sources or Path(path).parent)
    questions, named = [], {}
    for cell in parse(data):
        if cell.grade_id is None:
            continue
        named[cell.grade_id] = cell
        is_grade, is_solution = cell.flags
        if is_grade:
            name = (
                cell.grade_id if is_solution else cell.grade_id.removesuffix("-check")
            )
            points = points_of(data, cell.grade_id)
            questions.append(Question(name, points, written=is_solution))
    if not questions:
        raise ValueError(f"{path} asks no question; see make assignments")
    return Assignment(
        Path(path).stem,
        tuple(questions),
        named,
        allows_attnlib(named.values()),
        hashlib.sha256(data + (own.read_bytes() if own else b"")).hexdigest(),
        own,
    )


def model_answers(path):
    """Return {question: the solution in its source, without the rubric}, if any."""
    if not path.is_file():
        return {}
    found = {}
    for cell in parse(path.read_bytes()):
        if cell.flags == (True, True):
            inside = [line for part, line in parts(cell.source) if part == "inside"]
            found[cell.grade_id] = "\n".join(inside).partition("**Rubric**")[0].strip()
    return found


def points_of(data, grade_id):
    """Return the points of a cell of a release."""
    for cell in json.loads(data)["cells"]:
        found = cell["metadata"].get("nbgrader", {})
        if found.get("grade_id") == grade_id:
            return found["points"]
    raise KeyError(grade_id)


def allows_attnlib(cells):
    """Whether a release speaks of attnlib, but for the checkers and the set-up.

    Where it does, answers may call attnlib, unless it says "without attnlib".
    """
    text = "\n".join(c.source for c in cells if c.grade_id != "set-up")
    if re.search(r"without (?:\w+ )?[`*]*attnlib", text):
        return False
    return re.search(r"\battnlib\b(?!\.exercises)", text) is not None


# A file as cells


def parse(data):
    """Return the cells of a notebook's bytes; Invalid where it is no notebook."""
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        raise Invalid(kind_of(data)) from None
    if isinstance(notebook, dict) and "worksheets" in notebook:
        raise Invalid("it is a notebook of format 3: open and save it in Jupyter")
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise Invalid("it is no notebook: it has no list of cells")
    if len(cells) > MAX_CELLS:
        raise Invalid(f"it has {len(cells):,} cells, more than {MAX_CELLS:,}")
    return [parse_cell(cell) for cell in cells]


def fit_to_print(text):
    """Return a text without lone surrogates, halves of letters that no file takes."""
    return text.encode("utf-8", "replace").decode()


def parse_cell(cell):
    """Return one Cell."""
    if not isinstance(cell, dict):
        raise Invalid("it is no notebook: a cell is no object")
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise Invalid("it is no notebook: a cell's source is no text")
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    marks = marks if isinstance(marks, dict) else {}
    name = marks.get("grade_id")
    flags = tuple(marks.get(key) is True for key in ("grade", "solution"))
    kind = cell.get("cell_type")
    return Cell(
        kind if kind in ("code", "markdown", "raw") else "unknown",
        source,
        fit_to_print(name)[:80] if isinstance(name, str) and name else None,
        flags,
    )
