"""A small release of chapter 3's exercises, and submissions to it, as JSON."""

import copy
import json

SOLUTIONS = {
    "score_variance": "return E * query_std**2 * key_std**2",
    "scaled_scores": "return query @ key.mT / math.sqrt(query.shape[-1])",
    "stable_softmax": """\
largest = x.max(axis, keepdims=True)
exps = np.exp(x - np.where(largest == -math.inf, 0.0, largest))
total = exps.sum(axis, keepdims=True)
return exps / np.where(total == 0, 1.0, total)""",
}
HEADS = {
    "score_variance": "def score_variance(E, query_std, key_std):",
    "scaled_scores": "def scaled_scores(query, key):",
    "stable_softmax": "def stable_softmax(x, axis=-1):",
}
POINTS = {"score_variance": 2, "scaled_scores": 3, "stable_softmax": 4}
WRITTEN = "vanishing_gradients"
ESSAY = "Scores spread with d_k, so weights collapse onto few keys."
STUB = 'raise NotImplementedError("write your answer here")'
IMPORTS = "import math\n\nimport numpy as np\n\nfrom attnlib.exercises import check"


def cell(source, name=None, kind="code", grade=False, solution=False, points=None):
    """One cell of a notebook; with a name, with nbgrader's metadata."""
    found = {"cell_type": kind, "metadata": {}, "source": source}
    if kind == "code":
        found |= {"execution_count": None, "outputs": []}
    if name:
        marks = {"grade_id": name, "grade": grade, "solution": solution}
        marks |= {"locked": not solution, "schema_version": 3, "task": False}
        found["metadata"]["nbgrader"] = marks
        if points is not None:
            marks["points"] = points
    return found


def code(name, body):
    """The source of a solution cell."""
    return "\n".join([HEADS[name], *(f"    {line}" for line in body.split("\n"))])


def notebook(cells):
    """A notebook of cells."""
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def release():
    """The release: three functions, one written question."""
    cells = [
        cell("# Exercises: scaling", "given-1", "markdown"),
        cell(IMPORTS, "given-2"),
    ]
    for name, points in POINTS.items():
        cells.append(cell(f"## {name}", f"{name}-task", "markdown"))
        cells.append(cell(code(name, STUB), name, solution=True))
        check = f'check("{name}", {name})'
        cells.append(cell(check, f"{name}-check", grade=True, points=points))
    mark = {"grade": True, "solution": True, "points": 6}
    return notebook([*cells, cell("YOUR ANSWER HERE", WRITTEN, "markdown", **mark)])


def submission(essay=ESSAY, before="", after="", **bodies):
    """A submission: right, but for the bodies given; own cells before and after."""
    book = copy.deepcopy(release())
    answers = {name: code(name, body) for name, body in (SOLUTIONS | bodies).items()}
    for part in book["cells"]:
        name = part["metadata"]["nbgrader"]["grade_id"]
        part["source"] = answers.get(name, part["source"])
        if name == WRITTEN:
            part["source"] = essay
    if before:
        book["cells"].insert(2, cell(before))
    if after:
        book["cells"].append(cell(after))
    return book


def named(book, name):
    """The cell of that name."""
    return next(
        c
        for c in book["cells"]
        if c["metadata"].get("nbgrader", {}).get("grade_id") == name
    )


def text(book):
    """The bytes of a notebook."""
    return json.dumps(book).encode()
