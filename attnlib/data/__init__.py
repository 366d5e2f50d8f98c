"""Real data for the chapters, small enough to lie in the package.

Where each file comes from, and under which licence, stands beside it in LICENSES.md;
`python -m course.data` made them. What was measured and trained lies here as well:
`make experiments` wrote it.
"""

import gzip
import json
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent


def digits():
    """1797 handwritten digits: images (1797, 8, 8), ink from 0 to 1, and labels."""
    with gzip.open(FOLDER / "digits.csv.gz", "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    return table[:, :64].reshape(-1, 8, 8) / 16, table[:, 64].astype(int)


def dates():
    """Map 28 languages to their patterns of dates, months and weekdays, from CLDR."""
    return packed("dates.json.gz")


def docstrings():
    """213 functions of NumPy: [name, summary line, the sentences below it]."""
    return packed("docstrings.json.gz")


def faq():
    """167 of Python's frequently asked questions: [page, question, answer]."""
    return packed("faq.json.gz")


def novels():
    """Map the titles of Jane Austen's six novels to their text, a paragraph a line."""
    import lzma  # some Pythons are built without it, the one in browsers among them

    with lzma.open(FOLDER / "austen.txt.xz", "rt", encoding="utf-8") as file:
        parts = file.read().split("\n\n")
    return dict(part.split("\n", 1) for part in parts)


def paragraphs():
    """Six paragraphs of everyday English, new with the course: no model read them."""
    text = (FOLDER / "paragraphs.txt").read_text(encoding="utf-8")
    return text.strip().split("\n\n")


def recorded(name):
    """What an experiment measured; it says when, on what, and with which settings."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def trained(name):
    """Map the names of an experiment's parameters to arrays, float32."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key].astype(np.float32) for key in file.files}


def packed(name):
    """Read gzipped JSON."""
    return json.loads(gzip.decompress((FOLDER / name).read_bytes()))
