"""What a student handed in, cell by cell: what to run, in which order, what to read.

All code counts: answers, own cells, and what was written into a locked cell, after
what the release has there. Each question is judged where its check stands.
"""

import json
import re
from dataclasses import dataclass, field, replace

from course.paths import ROOT
from grading.notebook import Invalid, parse


@dataclass
class Submission:
    """What a student handed in: cells to run in order, written answers, remarks.

    `cells` are (name of the question or None, source); `checks` tells how many of them
    stand above the check of a question.
    """

    cells: list = field(default_factory=list)
    checks: dict = field(default_factory=dict)
    written: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def read_submission(data, assignment):
    """Read a submission; Invalid, with the reason, where it cannot be graded."""
    cells = parse(data)
    found = Submission()
    if not is_of(cells, assignment):
        cells = recognised(cells, assignment)
        found.notes.append(LOST)
    found.notes += notes_on(cells, assignment)
    there = {cell.grade_id for cell in cells}
    for name in assignment.given:
        if name not in there:
            found.cells.append((None, assignment.cells[name].source))
    for cell in cells:
        if cell.kind == "code":
            add_code(found, cell, assignment)
    for name, texts in essays(cells, assignment).items():
        found.written[name] = "\n\n".join(filter(None, texts))
    return found


def add_code(found, cell, assignment):
    """Add what a cell of code runs, and note the check that stands there."""
    name = cell.grade_id
    released = assignment.cells[name].source if name in assignment.cells else None
    if name in assignment.given:
        found.cells.append((name, released))
    locked = name in assignment.given or name in assignment.checks
    if not locked or cell.source.strip() != released.strip():
        found.cells.append((None if locked else name, cell.source))
    if name in assignment.checks:
        found.checks[name.removesuffix("-check")] = len(found.cells)


def essays(cells, assignment):
    """Return {question: texts} of what is written in its cell, or beside it."""
    written, here, found = [q.name for q in assignment.questions if q.written], None, {}
    for cell in cells:
        if cell.grade_id is not None:
            here = cell.grade_id.removesuffix("-task")
        beside = cell.grade_id is None and cell.kind != "code"
        if here in written and (beside or cell.grade_id == here):
            found.setdefault(here, []).append(cell.source)
    return found


def notes_on(cells, assignment):
    """Return remarks on what differs from the release."""
    ours = [cell for cell in cells if cell.grade_id in assignment.cells]
    if not is_of(cells, assignment):
        return []
    notes = []
    for name, cell in assignment.cells.items():
        copies = [c for c in ours if c.grade_id == name]
        kept = name in assignment.checks or name in assignment.given
        if not copies and (kept or any(cell.flags)):
            ending = "; the released one is used" if kept else ""
            notes.append(f"The cell {name} was deleted{ending}.")
        if len(copies) > 1:
            notes.append(f"The cell {name} is there {len(copies)} times.")
        if kept and any(c.source.strip() != cell.source.strip() for c in copies):
            notes.append(f"The cell {name} was edited; the released one runs, too.")
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


LOST = "nbgrader's metadata was lost; the answers were found by their names."


def recognised(cells, assignment):
    """Return cells without metadata, with the names that their texts tell.

    Invalid where it is another notebook.
    """
    names = [cell.grade_id for cell in cells if cell.grade_id is not None]
    foreign = [name for name in names if name not in assignment.cells]
    if foreign:
        known = releases_with(foreign[:20])
        which = f" ({', '.join(known)})" if known else ""
        raise Invalid(
            f"it is the notebook of another assignment{which}: its cells are called "
            f"{', '.join(foreign[:3])}"[:300]
        )
    names = {squeezed(cell): name for name, cell in assignment.cells.items()}
    cells = [replace(cell, grade_id=names.get(squeezed(cell))) for cell in cells]
    if is_of(cells, assignment):
        return cells
    names = [re.escape(q.name) for q in assignment.questions if not q.written]
    defined = re.compile(rf"^(?:def )?(?:{'|'.join(names) or '-'})\b *[(=]", re.M)
    if not any(defined.search(c.source) for c in cells if c.kind == "code"):
        raise Invalid("it holds no cell of this assignment, and no answer by its name")
    return cells


def squeezed(cell):
    """Return the text of a cell, whatever its spaces."""
    return " ".join(cell.source.split())
