"""Where things stand in this repository; every other file asks here."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ROOT / "chapters"
ASSIGNMENTS = CHAPTERS / "exercises"  # the students' notebooks
SOURCES = ROOT / "exercises"  # the exercises with their solutions
STATIC = ROOT / "book" / "static"  # what the book's pages load
BUILT = ROOT / "_build" / "html"


def python_of(folder):
    """Return the path of the Python of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def find_chromium():
    """Return the path of a Chromium: $CHROMIUM, or one on the PATH, or None."""
    names = ["chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, map(shutil.which, names)), None)
    return os.environ.get("CHROMIUM") or found
