"""What the book is built from: version, commit, day, address, sources of pages."""

import datetime
import os
import subprocess
import time
import tomllib
from pathlib import Path

import yaml

from course.repository import setting

# Pages that are made from another file, which is the one to edit.
SOURCES = {
    "chapters/benchmarks": "benchmarks/page.template.md",
    "chapters/formulas": "chapters/formulas.yml",
}


def git(root, *arguments):
    """Return what git prints, or None where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def is_checkout(root):
    """Say whether root itself is a checkout, and not a folder somewhere in one."""
    top = git(root, "rev-parse", "--show-toplevel")
    return top is not None and Path(top).resolve() == root.resolve()


def facts(root):
    """Return what the pages say of the build: version, commit, day, address, title.

    The commit is None in a folder without git. The day is that of SOURCE_DATE_EPOCH,
    if it is set, so that the same sources give the same bytes.
    """
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    checkout = is_checkout(root)
    return setting(root) | {
        "title": config["title"],
        "version": project["project"]["version"],
        "commit": checkout
        and (os.environ.get("GITHUB_SHA") or git(root, "rev-parse", "HEAD")),
        "changed": checkout
        and "GITHUB_SHA" not in os.environ
        and bool(git(root, "status", "--porcelain", "--untracked-files=no")),
        "day": datetime.datetime.fromtimestamp(epoch, datetime.UTC).date().isoformat(),
        "cff": yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8")),
    }


def source(root, page):
    """Return the file, below root, that is edited to change a page."""
    if page in SOURCES:
        return SOURCES[page]
    exercise = f"exercises/{Path(page).name}.ipynb"
    if page.startswith("chapters/exercises/") and (root / exercise).exists():
        return exercise
    ending = ".ipynb" if (root / f"{page}.ipynb").exists() else ".md"
    return page + ending
