"""What the book is built from: pages and their sources, version, commit, address."""

import datetime
import html
import os
import re
import subprocess
import time
import tomllib
from pathlib import Path

import yaml

from course import toc
from course.repository import setting, site

RELEASE = re.compile(r"v\d+\.\d+\.\d+\w*")  # the name of a tag

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
    if it is set, so that the same sources give the same bytes. The book is published
    where a workflow has written into _config.yml which commit it builds.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    cff = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    checkout, now = is_checkout(root), setting(root)
    return now | {
        "home": site(now["url"]),
        "is_published": "commit" in now,
        "is_release": bool(RELEASE.fullmatch(now["branch"])),
        "title": toc.config(root)["title"],
        "version": project["project"]["version"],
        "commit": checkout
        and (os.environ.get("GITHUB_SHA") or git(root, "rev-parse", "HEAD")),
        "changed": checkout
        and "GITHUB_SHA" not in os.environ
        and bool(git(root, "status", "--porcelain", "--untracked-files=no")),
        "day": datetime.datetime.fromtimestamp(epoch, datetime.UTC).date().isoformat(),
        "authors": [person_name(author) for author in cff["authors"]],
        "cited_title": cff["title"],
        "year": str(cff["date-released"])[:4],
    }


def person_name(author):
    """Return an author's name, of a person or of a group, as CITATION.cff has it."""
    full = (author.get("given-names"), author.get("family-names"))
    return author.get("name") or " ".join(filter(None, full))


def build_line(now):
    """Return version, commit and day of the build; no commit where git is missing."""
    parts = [f"Version {html.escape(now['version'])}"]
    if now["commit"]:
        address = html.escape(f"{now['url']}/commit/{now['commit']}")
        known = f'commit <a href="{address}"><code>{now["commit"][:7]}</code></a>'
        parts.append(known + (", with changes since" if now["changed"] else ""))
    parts.append(f'built on <time datetime="{now["day"]}">{now["day"]}</time>')
    return ", ".join(parts) + "."


def source(root, page):
    """Return the file, below root, that is edited to change a page."""
    if page in SOURCES:
        return SOURCES[page]
    exercise = f"exercises/{Path(page).name}.ipynb"
    if page.startswith("chapters/exercises/") and (root / exercise).exists():
        return exercise
    ending = ".ipynb" if (root / f"{page}.ipynb").exists() else ".md"
    return page + ending
