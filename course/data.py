"""Make the files of attnlib/data anew from where they come.

    python -m course.data DIGITS FAQ NOVELS

DIGITS is scikit-learn's file `datasets/data/digits.csv.gz`, copied as it is. FAQ is the
folder `_sources/faq` of Python's documentation (Debian's package python3.11-doc has
it). NOVELS is the file `data/Rdata.rdb` of the R package janeaustenr (Debian's package
r-cran-janeaustenr has it). Dates come from Babel and docstrings from NumPy, as
installed. The chapters read the frozen files; other versions give other texts.
"""

import gzip
import inspect
import itertools
import json
import lzma
import pathlib
import re
import shutil
import sys
import zlib

import numpy as np
from babel import Locale

from course.paths import ROOT

DATA = ROOT / "attnlib" / "data"
# The official languages of the European Union that are written in Latin letters, and
# six neighbours.
TAUGHT = """
cs da de en es et fi fr ga hr hu it lt lv mt nl pl pt ro sk sl sv"""
NEIGHBOURS = "af bs ca gl lb nb"
KINDS = ("long", "full")
MODULES = (np, np.linalg, np.fft, np.random, np.ma, np.polynomial.polynomial)
UNDERLINE = r"([=\-.~])\1{3,}"
HEADING = r"(?i:(volume|chapter) [ivxl0-9]+)"
SENTENCE_END = r"(?<!e\.g)(?<!i\.e)(?<!etc)(?<!vs)(?<!cf)(?<=[.!?]) +(?=[A-Z\"(])"


def main(arguments=None):
    """Write the five files; return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 3:
        print(__doc__)
        return 2
    digits, faq, rdb = map(pathlib.Path, arguments)
    shutil.copyfile(digits, DATA / "digits.csv.gz")
    write("dates.json.gz", dates())
    write("docstrings.json.gz", docstrings())
    write("faq.json.gz", questions(faq))
    text = "\n\n".join(f"{title}\n{text}" for title, text in novels(rdb).items())
    (DATA / "austen.txt.xz").write_bytes(lzma.compress(text.encode("utf-8"), preset=9))
    return 0


def write(name, what):
    """Store as gzipped JSON; the same content gives the same bytes."""
    text = json.dumps(what, ensure_ascii=False, indent=0)
    (DATA / name).write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def dates():
    """Each language: its two spellings that name the month, and its words for them."""
    found = {}
    for code in [*TAUGHT.split(), *NEIGHBOURS.split()]:
        locale = Locale.parse(code)
        found[code] = {
            "name": locale.english_name,
            "taught": code in TAUGHT.split(),
            "patterns": [locale.date_formats[kind].pattern for kind in KINDS],
            "months": [locale.months["format"]["wide"][i] for i in range(1, 13)],
        }
        alone = "cccc" in found[code]["patterns"][1]  # by itself, in another case
        weekdays = locale.days["stand-alone" if alone else "format"]["wide"]
        found[code]["weekdays"] = [weekdays[i] for i in range(7)]
    return found


def docstrings():
    """NumPy's functions with a summary and three sentences or more below it."""
    found = {}
    for module in MODULES:
        for name, thing in sorted(vars(module).items()):
            text = inspect.getdoc(thing) if callable(thing) else None
            if name.startswith("_") or isinstance(thing, type) or not text:
                continue
            summary, sentences = summary_and_body(text)
            if len(sentences) >= 3 and len(summary.split()) >= 4:
                full = f"{module.__name__}.{name}"
                found.setdefault(summary, [full, summary, sentences])
    return list(found.values())  # a second name of the same function is left out


def summary_and_body(text):
    """Return the summary line and the sentences of description and notes."""
    parts = re.split(r"(?m)^(\w[\w ]*)\n-{3,}$", text)
    notes = dict(zip(parts[1::2], parts[2::2], strict=True)).get("Notes", "")
    first, *more = paragraphs(re.sub(r"\A\w+\(.*\)\n", "", parts[0])) or [""]
    body = " ".join(plain(p) for p in [*more, *paragraphs(notes)] if is_prose(p))
    sentences = re.split(SENTENCE_END, body)
    return plain(first), [s for s in sentences if len(s.split()) >= 4]


def questions(folder):
    """Python's frequently asked questions: (page, question, answer), code left out."""
    found = []
    for path in sorted(folder.glob("*.rst*")):
        lines = path.read_text(encoding="utf-8").split("\n")
        marked = (re.fullmatch(UNDERLINE, below.strip()) for below in lines[1:])
        heads = [i for i, mark in enumerate(marked) if mark and lines[i][:1].strip()]
        for start, stop in itertools.pairwise([*heads, len(lines)]):
            body = paragraphs("\n".join(lines[start + 2 : stop]))
            answer = " ".join(plain(p) for p in body if is_prose(p))
            if not lines[start + 1].startswith("=") and len(answer.split()) >= 15:
                page = path.name.partition(".")[0]
                found.append([page, plain(lines[start]), re.sub(":$", ".", answer)])
    return found


def novels(path):
    """Jane Austen's novels: title, and the text with a paragraph to the line.

    Headings, the marks of emphasis and what other people wrote are left out.
    """
    found = {}
    for lines in r_vectors(path.read_bytes()):
        body = "\n".join(lines).partition("A NOTE ON THE TEXT")[0]
        parts = [" ".join(part.split()) for part in paragraphs(body)]
        start = next(i for i, part in enumerate(parts) if re.match(HEADING, part))
        prose = [p.replace("_", "") for p in parts[start:] if not is_heading(p)]
        found[parts[0].title().replace(" And ", " and ")] = "\n".join(prose)
    return found


def r_vectors(data):
    """Unpack an R database of character vectors: a list of lines for each."""
    while data:
        unpacker = zlib.decompressobj()
        body = unpacker.decompress(data[4:])  # behind four bytes of its length
        data = unpacker.unused_data
        lines, place = [], body.index(b"UTF-8") + 5 + 8  # kind of the vector, length
        for _ in range(int.from_bytes(body[place - 4 : place], "big")):
            size = int.from_bytes(body[place + 4 : place + 8], "big")
            lines.append(body[place + 8 : place + 8 + size].decode("utf-8"))
            place += 8 + size
        yield lines


def is_heading(paragraph):
    """Say whether a paragraph is the number of a chapter, an end, or a row of stars."""
    return re.fullmatch(rf"{HEADING}|(?i:finis|the end)|[*\s]+|\(End.*\)", paragraph)


def paragraphs(text):
    """Cut at empty lines."""
    return [p for p in re.split(r"\n\s*\n", text.strip("\n")) if p.strip()]


def is_prose(paragraph):
    """Say whether a paragraph is neither code, list, table, directive nor formula."""
    mark = paragraph.startswith((" ", "..", "*", "-", "+", "=", "|", "[", ">>>"))
    return not mark and ":math:" not in paragraph and ">>>" not in paragraph


def plain(text):
    """Take the marks of reStructuredText away."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r":[\w:-]+:`[~!]?([^`<]+?)(?:\s*<[^>]*>)?`", r"\1", text)
    text = re.sub(r"``([^`]*)``", r"\1", text)
    text = re.sub(r"`~?([^`<]+?)(?:\s*<[^>]*>)?`(?:__?)?", r"\1", text)
    text = re.sub(r"\s*\[\w+\]_", "", text)
    text = re.sub(r"\*\*?([^*\s][^*]*)\*\*?", r"\1", text)
    return text.replace("::", ":").replace("|", " ").strip()


if __name__ == "__main__":
    sys.exit(main())
