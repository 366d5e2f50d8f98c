"""Execute the notebooks, store them in one normal form, and check them.

    python -m course.notebooks execute [FILE ...]    run, store outputs in normal form
    python -m course.notebooks check [FILE ...]      say what is wrong; exit 1
    python -m course.notebooks list                  the notebooks of _toc.yml, in order

Without a FILE: every notebook of _toc.yml. The normal form makes a difference between
two versions of a notebook a difference in what it says: cells numbered 1..N, ids of
code that follow from its source, no stderr, one stdout per run of prints, minimal
metadata, no view of a widget that lived in a kernel.
"""

import argparse
import hashlib
import pathlib
import re
import sys
import time

import nbclient
import nbformat
import yaml

from course.paths import ROOT

SECTIONS = (
    "## Check yourself",
    "## Exercises",
    "## Remember",
    "## What this chapter did not show",
    "## Sources",
)
MAX_BYTES = 1_500_000
KEPT_METADATA = ("mystnb", "tags", "nbgrader")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
SET_UP = """\
# Set-up, the same in every chapter: one thread, so that results repeat on every
# machine, and attnlib where it is missing (in Colab, say). Nothing else is replaced.
import importlib.util
import os
import subprocess
import sys

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{{library}}_NUM_THREADS", "1")
if importlib.util.find_spec("attnlib") is None:
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    needed = {{"array_api_compat": "array-api-compat", "anywidget": "anywidget"}}
    new = [needed[name] for name in needed if importlib.util.find_spec(name) is None]
    source = "git+{url}@{ref}"
    for what in filter(None, (["--no-deps", f"attnlib @ {{source}}"], new)):
        done = subprocess.run([*pip, *what], capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.splitlines()
            said = [line for line in lines if "ERROR: " in line or "fatal: " in line]
            why = said[0].strip() if said else done.stderr
            raise RuntimeError(f"{{what[-1]}} is not installed (no network?). {{why}}")
    importlib.invalidate_caches()
    print("Installed", ", ".join(["attnlib", *new]), "from", source)\
"""


def config():
    """The book's settings."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def set_up_source(repository=None):
    """Source of the set-up cell, for the repository that _config.yml names.

    It installs from the commit where one is named, from the branch otherwise.
    """
    repository = repository or config()["repository"]
    ref = repository.get("commit") or repository["branch"]
    return SET_UP.format(url=repository["url"], ref=ref)


def toc_files():
    """Paths, without suffix, of every page of _toc.yml, in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def walk(node):
        if isinstance(node, list):
            for item in node:
                yield from walk(item)
        elif isinstance(node, dict):
            if name := node.get("root") or node.get("file"):
                yield name
            for branch in ("parts", "chapters", "sections"):
                yield from walk(node.get(branch, []))

    return list(walk(toc))


def notebooks():
    """Paths of the chapters of _toc.yml, in reading order.

    The exercises' releases are left out: they are made from their sources.
    """
    paths = (ROOT / f"{name}.ipynb" for name in toc_files())
    return [path for path in paths if path.exists() and path.parent.name == "chapters"]


# The normal form


def normalise(nb):
    """Bring a notebook into the normal form, in place; return it."""
    nb.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        }
    )
    nb.nbformat, nb.nbformat_minor = 4, 5
    put_set_up_first(nb)
    count = 0
    for cell in nb.cells:
        cell.source = "\n".join(line.rstrip() for line in cell.source.split("\n"))
        cell.source = cell.source.strip("\n")
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in KEPT_METADATA if key in cell.metadata}
        )
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = [normal_output(o, count) for o in joined(cell.outputs)]
    put_ids(nb)
    return nb


def put_set_up_first(nb):
    """Make the set-up cell the first one, hidden in the book."""
    if nb.cells and nb.cells[0].source.startswith("# Set-up, the same in every"):
        nb.cells[0].source = set_up_source()
    else:
        nb.cells.insert(0, nbformat.v4.new_code_cell(set_up_source()))
    nb.cells[0].metadata["tags"] = ["remove-cell"]


def put_ids(nb):
    """Give code an id that follows from its source, and prose one that stays.

    So a word changed in prose is one changed line, and code that was changed since it
    ran is no normal form.
    """
    seen, taken = {}, set()
    for cell in nb.cells:
        if cell.cell_type == "code" or cell.get("id", "") in {"", *taken}:
            cell.id = cell_id(cell.source, seen)
        taken.add(cell.id)


def cell_id(source, seen):
    """Return an id that follows from the source, and from how often it came before."""
    seen[source] = seen.get(source, 0) + 1
    return hashlib.sha256(f"{seen[source]}\n{source}".encode()).hexdigest()[:12]


def joined(outputs):
    """Join neighbouring pieces of the same stream."""
    whole = []
    for output in outputs:
        if (
            whole
            and output.output_type == "stream"
            and whole[-1].output_type == "stream"
            and output.name == whole[-1].name
        ):
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def normal_output(output, count):
    """Drop what differs from run to run without meaning anything."""
    if output.output_type == "execute_result":
        output.execution_count = count
    if "metadata" in output:
        output.metadata = nbformat.from_dict({})
    if "data" in output:
        # It names a widget of a kernel that is gone; the HTML beside it stays.
        output.data.pop(WIDGET_VIEW, None)
    return output


def as_text(nb):
    """The file's text: sorted keys, one space of indent, a newline at the end."""
    return nbformat.writes(nb, version=4).rstrip("\n") + "\n"


def read(path):
    """Read a notebook, version 4."""
    return nbformat.read(path, as_version=4)


def execute(path):
    """Run a notebook in its own folder and store it; nothing is written on an error."""
    nb = normalise(read(path))
    start = time.perf_counter()
    nbclient.NotebookClient(
        nb,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    text = as_text(normalise(nb))
    path.write_text(text, encoding="utf-8", newline="\n")
    return time.perf_counter() - start


# What is checked


def problems(path):
    """Return what is wrong with a notebook, one sentence each."""
    text = path.read_text(encoding="utf-8")
    nb = read(path)
    checks = (size, execution, links, alt_texts, portable, sections, numbers, sources)
    found = [problem for check in checks for problem in check(nb, path)]
    if text != as_text(normalise(nb)):
        found.append("it is not in normal form: run `make notebooks`")
    return found


def size(nb, path):
    """Too large a file."""
    if path.stat().st_size > MAX_BYTES:
        yield f"it has {path.stat().st_size:,} bytes, more than {MAX_BYTES:,}"


def execution(nb, path):
    """Cells that were not executed in order, or whose outputs tell of this machine."""
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        yield "its cells were not executed once, in order"
    for number, cell in enumerate(code, start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell [{number}] ended in {output.ename}"
            if output.get("name") == "stderr":
                yield f"cell [{number}] wrote to stderr: {output.text[:60]!r}"
            shown = output.get("text") or output.get("data", {}).get("text/plain", "")
            if found := re.search(r"(?:/home|/root|/tmp|/Users|[A-Z]:\\)\S*", shown):
                yield f"cell [{number}] shows a path of one machine: {found[0]}"
            if found := re.search(r"\b0x[0-9a-f]{6,}", shown):
                yield f"cell [{number}] shows a memory address: {found[0]}"


def links(nb, path):
    """Relative links that lead nowhere."""
    for target in re.findall(r"\]\(([^)\s]+)\)", markdown(nb)):
        file = target.partition("#")[0]
        if re.match(r"[a-z]+:", target) or not file:
            continue
        if not (path.parent / file).exists():
            yield f"its link to {target} leads nowhere"


def alt_texts(nb, path):
    """Pictures without a text for those who do not see them."""
    for number, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), 1):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            if len(alt) < 40:
                yield f"cell [{number}] draws a figure that no alt text tells"
    if re.search(r"!\[\s*\]\(", markdown(nb)):
        yield "it shows an image without alt text"


MYST = {
    "a directive": r"(?m)^\s*(?:`{3,}|:{3,}|~{3,})\s*\{",
    "a role": r"\{[a-z:-]+\}`",
    "a label": r"(?m)^\([\w-]+\)=\s*$",
    "a fence of colons": r"(?m)^:::",
    "a comment": r"(?m)^% ",
}


def portable(nb, path):
    """Markdown that only this book would render."""
    for name, pattern in MYST.items():
        if found := re.search(pattern, markdown(nb, code=True)):
            yield f"it uses {name} of MyST, raw text elsewhere: {found[0].strip()!r}"
    if found := re.search(r"<summary>[^<]*\$[^<]*", markdown(nb)):
        yield f"it has a formula in a <summary>, raw text in the book: {found[0]!r}"
    if re.search(r"(?m)^\|(?:.*\|)?\s*\|.*\n\|[-:| ]+\|$", markdown(nb)):
        yield "a table has a column without a head"
    opened, closed = (markdown(nb).count(tag) for tag in ("<details>", "</details>"))
    if opened != closed:
        yield f"it opens {opened} <details> and closes {closed}"


def sections(nb, path):
    """Closing sections that are missing or out of order."""
    lines = [line.strip() for line in markdown(nb).split("\n")]
    found = [line for line in lines if line in SECTIONS]
    if found != list(SECTIONS):
        yield f"its closing sections must be {', '.join(SECTIONS)}; found {found}"
    if sum(line.startswith("# ") for line in lines) != 1:
        yield "it must have exactly one title, a line that starts with '# '"


def numbers(nb, path):
    """Decimal numbers in prose that no cell shows."""
    shown = "\n".join(
        cell.source + "".join(output_text(output) for output in cell.outputs)
        for cell in nb.cells
        if cell.cell_type == "code"
    )
    known = set(re.findall(r"\d+\.\d+", shown))
    prose = re.sub(
        r"\$\$.*?\$\$|\$[^$\n]+\$|\]\([^)]*\)", " ", markdown(nb), flags=re.S
    )
    for number in sorted(set(re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", prose))):
        if number not in known:
            yield f"its prose says {number}, which no cell shows"


def sources(nb, path):
    """Links to the outside that the list of references does not hold."""
    listed = (ROOT / "chapters" / "references.bib").read_text(encoding="utf-8")
    for url in re.findall(r"\]\((https?://[^)\s]+)\)", markdown(nb)):
        if url.removeprefix("https://doi.org/").rpartition("/abs/")[2] not in listed:
            yield f"its source {url} is not in chapters/references.bib"


def markdown(nb, code=False):
    """All prose of a notebook; without its code blocks unless `code`."""
    prose = "\n\n".join(c.source for c in nb.cells if c.cell_type == "markdown")
    if code:
        return prose
    return re.sub(r"`[^`\n]+`", " ", re.sub(r"```.*?```", " ", prose, flags=re.S))


def output_text(output):
    """The text that an output shows."""
    return output.get("text") or str(output.get("data", {}).get("text/plain", ""))


# The command line


def main(arguments=None):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("execute", "check", "list"))
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    chosen = parser.parse_args(arguments)
    paths = [path.resolve() for path in chosen.files] or notebooks()
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        sys.exit(f"no such notebook: {', '.join(missing)}")
    return {"execute": run_all, "check": check_all, "list": list_all}[chosen.command](
        paths
    )


def run_all(paths):
    """Execute each, telling the time it took and stopping at the first error."""
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.name} ...", end=" ", flush=True)
        try:
            print(f"{execute(path):.0f} s")
        except nbclient.exceptions.CellExecutionError as error:
            print(f"failed; the file is as it was\n\n{error}")
            return 1
    return 0


def check_all(paths):
    """Print what is wrong with each; 1 if anything is."""
    found = {path: problems(path) for path in paths}
    for path, sentences in found.items():
        for sentence in sentences:
            print(f"{path.name}: {sentence}")
    if not any(found.values()):
        print(f"{len(paths)} notebooks checked, nothing wrong")
    return int(any(found.values()))


def list_all(paths):
    """Print the paths."""
    for path in paths:
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
