"""What is checked in a notebook as it is stored, without running it."""

import re

from course import notebooks, reading, toc
from course.paths import ROOT

SECTIONS = (
    "## Check yourself",
    "## Exercises",
    "## Remember",
    "## What this chapter did not show",
    "## Sources",
)
MAX_BYTES = 1_500_000


def problems(path):
    """Return what is wrong with a notebook of the book, one sentence each.

    A page that is no chapter has no closing sections; all else is asked of it.
    """
    closing = (sections, within_reason) if toc.is_chapter(path) else ()
    return [*common(path, notebooks.read(path), *closing, title, numbers, time)]


def common(path, nb, *further):
    """Yield what is wrong with any notebook, and what `further` checks find."""
    for check in (size, execution, links, alt_texts, portable, sources, *further):
        yield from check(nb, path)
    if path.read_text(encoding="utf-8") != notebooks.as_text(notebooks.tidy(nb)):
        yield "it is not in normal form: `make tidy`"
    if notebooks.stale(nb):
        yield "its code was changed since it ran: `make notebooks`"


def size(nb, path):
    """Too large a file."""
    if path.stat().st_size > MAX_BYTES:
        yield f"it has {path.stat().st_size:,} bytes, more than {MAX_BYTES:,}"


def execution(nb, path):
    """Cells that were not executed in order, or whose outputs tell of this machine."""
    code = notebooks.code(nb)
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
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(nb)):
        file = target.partition("#")[0]
        if re.match(r"[a-z]+:", target) or not file:
            continue
        if "#claim-" in target:
            yield f"its link to {target} leads to a box: the book knows headings only"
        if not (path.parent / file).exists():
            yield f"its link to {target} leads nowhere"


def alt_texts(nb, path):
    """Pictures without a text for those who do not see them."""
    for number, cell in enumerate(notebooks.code(nb), start=1):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            if len(alt) < 40:
                yield f"cell [{number}] draws a figure that no alt text tells"
    if re.search(r"!\[\s*\]\(", prose(nb)):
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
        if found := re.search(pattern, notebooks.markdown(nb)):
            yield f"it uses {name} of MyST, raw text elsewhere: {found[0].strip()!r}"
    if found := re.search(r"<summary>[^<]*\$[^<]*", prose(nb)):
        yield f"it has a formula in a <summary>, raw text in the book: {found[0]!r}"
    if re.search(r"(?m)^\|(?:.*\|)?\s*\|.*\n\|[-:| ]+\|$", prose(nb)):
        yield "a table has a column without a head"
    opened, closed = (prose(nb).count(tag) for tag in ("<details>", "</details>"))
    if opened != closed:
        yield f"it opens {opened} <details> and closes {closed}"


def sections(nb, path):
    """Closing sections that are missing or out of order."""
    lines = [line.strip() for line in prose(nb).split("\n")]
    found = [line for line in lines if line in SECTIONS]
    if found != list(SECTIONS):
        yield f"its closing sections must be {', '.join(SECTIONS)}; found {found}"


def within_reason(nb, path):
    """More minutes, lines or predictions than a chapter may have."""
    yield from reading.too_much(nb)


def time(nb, path):
    """A stated time to read that is not the counted one."""
    stated = reading.STATED.findall(prose(nb))
    if stated != [str(reading.minutes(nb))] and toc.stands_alone(path):
        wanted = f"about {reading.minutes(nb)} minutes to read"
        yield f"its first cell must say '**Time**: {wanted}', as counted"


def title(nb, path):
    """No title, or more than one."""
    lines = prose(nb).split("\n")
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
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$|\]\([^)]*\)", " ", prose(nb), flags=re.S)
    for number in sorted(set(re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", text))):
        if number not in known:
            yield f"its prose says {number}, which no cell shows"


def sources(nb, path):
    """Links to the outside that the list of references does not hold."""
    listed = (ROOT / "chapters" / "references.bib").read_text(encoding="utf-8")
    for url in re.findall(r"\]\((https?://[^)\s]+)\)", prose(nb)):
        if url.removeprefix("https://doi.org/").rpartition("/abs/")[2] not in listed:
            yield f"its source {url} is not in chapters/references.bib"


def prose(nb):
    """All prose of a notebook, without its code blocks."""
    text = re.sub(r"```.*?```", " ", notebooks.markdown(nb), flags=re.S)
    return re.sub(r"`[^`\n]+`", " ", text)


def output_text(output):
    """The text that an output shows."""
    return output.get("text") or str(output.get("data", {}).get("text/plain", ""))
