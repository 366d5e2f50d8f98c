"""Where things stand in this repository; every other file asks here."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ROOT / "chapters"
ASSIGNMENTS = CHAPTERS / "exercises"  # the students' notebooks
SOURCES = ROOT / "exercises"  # the exercises with their solutions
STATIC = ROOT / "book" / "static"  # what the book's pages load
BUILT = ROOT / "_build" / "html"
