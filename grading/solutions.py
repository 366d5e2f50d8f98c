"""Take the solutions out of a source, and lock what is given: nbgrader's cell format.

What is written is what nbgrader 0.9's generate_assignment writes, but for the stub,
which fails within a function and stands silent beside a value. So a school that has
nbgrader can use it to hand these notebooks out and to collect them.
"""

import copy
import hashlib
import re

from course.marks import parts

STUB = 'raise NotImplementedError("write your answer here")'


def without_solutions(nb):
    """Return the students' copy of a notebook: no solutions, no outputs, locked."""
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        cell.source = "\n".join(students_lines(cell))
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "nbgrader" in cell.metadata:
            lock(cell)
    return nb


def students_lines(cell):
    """Yield the lines of a cell, with a stub in place of each solution."""
    for part, line in parts(cell.source):
        if part == "outside":
            yield line
        elif part == "begin":
            indent = re.match(r"\s*", line)[0]
            yield from (indent + text for text in stub(cell.cell_type, indent))


def stub(kind, indent):
    """Return the lines that stand in place of a solution."""
    if kind == "markdown":
        return ["YOUR ANSWER HERE"]
    return ["# YOUR CODE HERE", *([STUB] if indent else [])]


def lock(cell):
    """Mark who may change a cell: none may delete it, nor edit it where it is given."""
    marks = cell.metadata.nbgrader
    if not (marks.solution or marks.grade or marks.locked):
        return
    cell.metadata["deletable"] = False
    if not marks.solution:
        cell.metadata["editable"] = False
    marks["cell_type"] = cell.cell_type
    marks["checksum"] = checksum(cell)


def checksum(cell):
    """Return nbgrader's checksum of a cell: of its text, its marks and its name."""
    marks = cell.metadata.nbgrader
    locked = not marks.solution and (marks.grade or marks.locked)
    facts = [cell.source, cell.cell_type, marks.grade, marks.solution, locked]
    facts += [marks.grade_id, *([float(marks.points)] if marks.grade else [])]
    data = "".join(map(str, facts)).encode()
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
