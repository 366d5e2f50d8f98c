"""Notebooks as data: what a release asks, and what a submission answers.

A submission may hold anything, so it is read as JSON and every part is checked. Its
solution cells and its own cells count; what is locked comes from the release.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from course.paths import ROOT
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


@dataclass
class Submission:
    """What a student handed in: cells to run in order, written answers, remarks.

    `cells` are (name of the question or None, source).
    """

    cells: list = field(default_factory=list)
    written: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def read_assignment(path):
    """Read a release; ValueError where it is none."""
    data = Path(path).read_bytes()
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
        hashlib.sha256(data).hexdigest(),
    )


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


def read_submission(data, assignment):
    """Read a submission; Invalid, with the reason, where it cannot be graded."""
    cells = parse(data)
    found = Submission(notes=notes_on(cells, assignment))
    given = {name: assignment.cells[name].source for name in assignment.given}
    there = {cell.grade_id for cell in cells}
    found.cells += [(None, given[name]) for name in given if name not in there]
    written = [q.name for q in assignment.questions if q.written]
    for cell in cells:
        name = cell.grade_id
        if name in written:
            parts = [found.written.get(name, ""), cell.source]
            found.written[name] = "\n\n".join(part for part in parts if part)
        elif cell.kind == "code" and name not in assignment.checks:
            found.cells.append((name, given.get(name, cell.source)))
    return found


def notes_on(cells, assignment):
    """Return remarks on what differs from the release; Invalid for another notebook."""
    ours = [cell for cell in cells if cell.grade_id in assignment.cells]
    if not is_of(cells, assignment):
        return [recognised_by_names(cells, assignment)]
    notes = []
    for name, cell in assignment.cells.items():
        copies = [c for c in ours if c.grade_id == name]
        kept = name in assignment.checks or name in assignment.given
        if not copies and (kept or any(cell.flags)):
            ending = "; the released one counts" if kept else ""
            notes.append(f"The cell {name} was deleted{ending}.")
        if len(copies) > 1:
            notes.append(f"The cell {name} is there {len(copies)} times.")
        if kept and any(c.source.strip() != cell.source.strip() for c in copies):
            notes.append(f"The cell {name} was edited; the released one counts.")
        if any(c.flags != cell.flags for c in copies):
            notes.append(f"The metadata of {name} was changed; the release's counts.")
        if any(c.kind != cell.kind for c in copies):
            notes.append(f"The cell {name} is no longer of type {cell.kind}.")
    return notes


def is_of(cells, assignment):
    """Whether cells are of an assignment: one belongs to a question of it.

    Set-up cells do not tell: all releases have these.
    """
    names = [q.name for q in assignment.questions]
    own = {f"{name}{end}" for name in names for end in ("", "-task", "-check")}
    return any(cell.grade_id in own for cell in cells)


def releases_with(names):
    """Return the names of the course's releases that have a cell of these names."""
    folder = ROOT / "chapters" / "exercises"
    return [
        path.stem
        for path in sorted(folder.glob("*.ipynb"))
        if any(json.dumps(name) in path.read_text("utf-8") for name in names)
    ]


def recognised_by_names(cells, assignment):
    """Return a remark where answers are found by their names alone; else Invalid."""
    names = [cell.grade_id for cell in cells if cell.grade_id is not None]
    foreign = [name for name in names if name not in assignment.cells]
    if foreign:
        known = releases_with(foreign[:20])
        which = f" ({', '.join(known)})" if known else ""
        raise Invalid(
            f"it is the notebook of another assignment{which}: its cells are called "
            f"{', '.join(foreign[:3])}"[:300]
        )
    names = [re.escape(q.name) for q in assignment.questions if not q.written]
    defined = re.compile(rf"^(?:def )?(?:{'|'.join(names) or '-'})\b *[(=]", re.M)
    if not any(defined.search(c.source) for c in cells if c.kind == "code"):
        raise Invalid("it holds no cell of this assignment, and no answer by its name")
    return "nbgrader's metadata was lost; the answers were found by their names."


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
