"""What experiments share: a chapter's own cells, and how results are stored."""

import ast
import datetime
import hashlib
import json
import os
import platform
import types

import numpy as np
import torch

from course.paths import ROOT

DATA = ROOT / "attnlib" / "data"
TAG = "experiment"


def tagged(chapter):
    """The sources of a chapter's cells that are tagged `experiment`, in order."""
    path = ROOT / "chapters" / f"{chapter}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        "".join(cell["source"])
        for cell in cells
        if TAG in cell["metadata"].get("tags", [])
    ]


def names(sources):
    """Run cells one after the other; return what they define."""
    found = {}
    for source in sources:
        exec(compile(source, "a tagged cell", "exec"), found)
    return types.SimpleNamespace(**found)


def fingerprint(sources):
    """Name the code of cells, but for imports, comments and layout."""
    lines = [
        ast.dump(node)
        for source in sources
        for node in ast.parse(source).body
        if not isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def store(name, sources, settings, results):
    """Write NAME.json: what was measured, with which code, on what, and when."""
    record = {
        "date": datetime.date.today().isoformat(),
        "hardware": f"one thread, {os.cpu_count()} cores of {platform.machine()}",
        "torch": torch.__version__.partition("+")[0],
        "numpy": np.__version__,
        "cells": fingerprint(sources),
        "settings": settings,
        "results": results,
    }
    text = json.dumps(record, indent=1)
    (DATA / f"{name}.json").write_text(text + "\n", encoding="utf-8")
