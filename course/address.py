"""Write the repository's address everywhere, from one setting, and find stale ones.

    python -m course address https://github.com/you/fork [--branch main] [--commit SHA]
    python -m course address --check       say what disagrees with _config.yml; exit 1

The setting is `repository` in _config.yml. From it follow the set-up cell of every
notebook, README.md, CITATION.cff and every other link to the repository. A commit is
for the workflow that publishes the book: set-up cells then install from that commit.
"""

import argparse
import fnmatch
import os
import re
import sys
import tomllib
from pathlib import Path

import nbformat
import yaml

from course import notebooks
from course.paths import ROOT
from course.repository import FORM, PLACEHOLDER, AddressError, checked, setting, site

# Every way to point at a repository; some name a branch of it after the name.
WHO = r"(?P<who>[A-Za-z0-9-]+/\w[\w-]*(?:\.(?!git\b)\w[\w-]*)*)(?:\.git\b)?"
NAMED = r"(?P<branch>\w(?:[\w.-]*\w)?)"
ADDRESSES = (
    re.compile(
        r"(?:(?<![\w.])github\.com[/:]|colab\.research\.google\.com/github/)"
        rf"{WHO}(?:/(?:blob|tree|edit|raw)/{NAMED})?"
    ),
    re.compile(rf"(?:mybinder\.org/v2/gh/|raw\.githubusercontent\.com/){WHO}/{NAMED}"),
)
BOOK = re.compile(r"https://[A-Za-z0-9-]+\.github\.io/[\w.-]*/?")

# Repositories of others that the course points at on purpose, and README's example.
FOREIGN = {
    "you/fork",
    "ggml-org/ggml",
    "googlecolab/backend-info",
    "googlecolab/colabtools",
    "tensorflow/mesh",
}

# These hold addresses as examples of what is right and wrong.
EXAMPLES = {"course/repository.py", "tests/repo/test_address.py"}
ALWAYS_LEFT_OUT = [".git", "vendor", "node_modules", ".venv*"]


def text_files(root):
    """Yield (path, text) of every text file that .gitignore does not leave out."""
    ignored = (root / ".gitignore").read_text(encoding="utf-8").split()
    left_out = [line.strip("/") for line in ignored] + ALWAYS_LEFT_OUT

    def kept(names):
        return [n for n in names if not any(fnmatch.fnmatch(n, x) for x in left_out)]

    for folder, folders, files in os.walk(root):
        folders[:] = sorted(kept(folders))
        for path in (Path(folder, name) for name in sorted(kept(files))):
            try:
                yield path, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a picture, say


# Writing


def apply(root, new):
    """Write `new` into every file below root that follows it; return their paths."""
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    named = re.findall(r"(?m)^(?:url|repository-code): (\S+)", citation)
    old = {url for url in named if FORM.fullmatch(url)}
    old |= {PLACEHOLDER, setting(root)["url"]}
    changed = []
    for path, text in list(text_files(root)):
        place = path.relative_to(root).as_posix()
        if place in EXAMPLES:
            continue
        if place == "_config.yml":
            text_now = config_text(text, new)
        elif path.suffix == ".ipynb":
            text_now = notebook_text(text, old, new)
        else:
            text_now = renewed(text, old, new)
        if text_now != text:
            path.write_text(text_now, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed


def config_text(text, new):
    """Return the text of _config.yml with another repository."""
    lines = "".join(f"  {key}: {scalar(value)}\n" for key, value in new.items())
    block = re.compile(r"(?m)^repository:\n(?:  (?:url|branch|commit): .*\n)+")
    if len(block.findall(text)) != 1:
        raise AddressError("_config.yml must have one block `repository:`, url first")
    return block.sub(f"repository:\n{lines}", text)


def scalar(value):
    """Return a text as YAML reads it back, in quotes only where it needs them."""
    return value if isinstance(yaml.safe_load(value), str) else f'"{value}"'


def notebook_text(text, old, new):
    """Return a notebook with its set-up cell and its links renewed, outputs as is."""
    nb = nbformat.reads(text, as_version=4)
    before, ids = [cell.source for cell in nb.cells], notebooks.ids_of_code(nb)
    for cell in nb.cells:
        cell.source = renewed(cell.source, old, new)
    if nb.cells and nb.cells[0].source.startswith(notebooks.SET_UP_STARTS):
        nb.cells[0].source = notebooks.set_up_source(new)
    if [cell.source for cell in nb.cells] == before:
        return text
    for cell, old_id, new_id in zip(
        notebooks.code(nb), ids, notebooks.ids_of_code(nb), strict=True
    ):
        if cell.id == old_id:  # it ran, and need not run again for an address
            cell.id = new_id
    return notebooks.as_text(nb)


def renewed(text, old, new):
    """Return a text whose links to an old address lead to the new one, and branch."""
    names, name = {FORM.fullmatch(url)[1] for url in old}, FORM.fullmatch(new["url"])[1]

    def other(match):
        if match["who"] not in names:
            return match[0]
        start, end = match.span("who")
        head, tail = match[0][: start - match.start()], match[0][end - match.start() :]
        if match["branch"]:
            tail = tail.removesuffix(match["branch"]) + new["branch"]
        return f"{head}{name}{tail}"

    for address in ADDRESSES:
        text = address.sub(other, text)
    for url in old:
        text = text.replace(site(url), site(new["url"]))
    return text


# Checking


def problems(root):
    """Return what disagrees with the setting, one sentence each."""
    now, found = setting(root), []
    for path, text in text_files(root):
        place = path.relative_to(root).as_posix()
        if place not in EXAMPLES:
            found += [f"{place}: {said}" for said in stale(text, now)]
        if path.suffix == ".ipynb" and place.startswith(("chapters/", "exercises/")):
            first = nbformat.reads(text, as_version=4).cells[0].source
            if first != notebooks.set_up_source(now):
                found.append(f"{place}: its first cell is not the set-up cell of today")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    version = project["project"]["version"]
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    if f"\nversion: {version}\n" not in citation:
        found.append(f"CITATION.cff: its version is not pyproject.toml's, {version}")
    return found


def stale(text, now):
    """Yield a sentence for each address in a text that is not the setting's."""
    ours = FORM.fullmatch(now["url"])[1]
    for match in (found for form in ADDRESSES for found in form.finditer(text)):
        if match["who"] in FOREIGN:
            continue
        if match["who"] != ours:
            yield f"{match[0]} is not {ours}, nor in FOREIGN of course/address.py"
        elif match["branch"] not in (None, now["branch"]):
            yield f"{match[0]} is not on the branch {now['branch']}"
    for match in BOOK.finditer(text):
        if not f"{match[0].rstrip('/')}/".startswith(site(now["url"])):
            yield f"{match[0]} is not the book's address, {site(now['url'])}"


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m course address",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", nargs="?", help="https://github.com/you/fork")
    parser.add_argument("--branch", help="default: the one that _config.yml names")
    parser.add_argument("--commit", help="install from this commit in set-up cells")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.check == bool(chosen.url):
        parser.error("give an address, or --check")
    try:
        if chosen.url:
            branch = chosen.branch or setting(chosen.root)["branch"]
            new = checked(chosen.url, branch, chosen.commit)
            print(f"{len(apply(chosen.root, new))} files changed: {new['url']}")
        found = problems(chosen.root)
        print("\n".join(found) or f"everything says {setting(chosen.root)['url']}")
    except AddressError as error:
        sys.exit(str(error))
    return int(bool(found))
