"""The frozen data: the files that they should be, and what their functions return."""

import datetime
import hashlib
import zlib

import numpy as np
import pytest
from babel.dates import format_date

from attnlib import data
from course import data as made

SHA256 = {
    "austen.txt.xz": (
        "7ad779f57b7739fdf6c46a98b0f036235e3fc0e8f33f4f6857da69018b52195a"
    ),
    "dates.json.gz": (
        "ddcb735291b15be7ae0325e57ef51cac4d341c487263a1e60dfe7e964f61d7a3"
    ),
    "digits.csv.gz": (
        "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
    ),
    "docstrings.json.gz": (
        "ceedca9d7712302c99cdc8f8bb9d165b1d95117b8b7d266cebb39a52f3360067"
    ),
    "faq.json.gz": ("429efb6a86f8b37d297b288fcfa49805b28a92eb1ba5afe8a38540ef46bf41d5"),
}


@pytest.mark.parametrize("name", SHA256)
def test_a_file_is_the_frozen_one(name):
    found = hashlib.sha256((data.FOLDER / name).read_bytes()).hexdigest()
    assert found == SHA256[name], (
        f"{name} was changed: the chapters' numbers hang on it"
    )


def test_every_file_has_its_licence():
    """Other people's files are named in LICENSES.md, with their licence's text."""
    text = (data.FOLDER / "LICENSES.md").read_text(encoding="utf-8")
    for path in data.FOLDER.glob("*.[gx]z"):
        assert f"| `{path.name}` |" in text
    for part in ("scikit-learn", "NumPy", "Python", "Unicode CLDR", "janeaustenr"):
        assert f"\n## {part}\n" in text


def test_digits():
    images, labels = data.digits()
    assert images.shape == (1797, 8, 8)
    assert (images.min(), images.max()) == (0, 1)
    assert np.bincount(labels).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180
    ]  # fmt: skip


def test_docstrings():
    items = data.docstrings()
    assert len(items) == 213
    assert len({summary for _, summary, _ in items}) == 213
    assert all(len(sentences) >= 3 for *_, sentences in items)


def test_faq():
    items = data.faq()
    assert len(items) == 167
    assert all(len(answer.split()) >= 15 for *_, answer in items)
    assert not any("`" in text for item in items for text in item)


def test_novels():
    novels = data.novels()
    assert list(novels) == [
        "Emma", "Mansfield Park", "Northanger Abbey", "Persuasion",
        "Pride and Prejudice", "Sense and Sensibility",
    ]  # fmt: skip
    assert novels["Pride and Prejudice"].startswith("It is a truth universally")
    assert [len(text) // 1000 for text in novels.values()] == [
        878, 879, 430, 463, 680, 667
    ]  # fmt: skip
    signs = {sign for text in novels.values() for sign in text if not sign.isalnum()}
    assert signs == {*" \n!\"&'()*,-.:;?[]£"}
    assert not any("CHAPTER" in text.upper().split("\n") for text in novels.values())


def test_an_r_database_is_unpacked():
    def vector(lines):
        body = b"X\n" + bytes(12) + (5).to_bytes(4, "big") + b"UTF-8" + bytes(4)
        body += len(lines).to_bytes(4, "big")
        for line in lines:
            body += bytes(4) + len(line.encode()).to_bytes(4, "big") + line.encode()
        return len(body).to_bytes(4, "big") + zlib.compress(body)

    found = made.r_vectors(vector(["A", "", "£1"]) + vector(["end"]))
    assert list(found) == [["A", "", "£1"], ["end"]]


def test_headings_of_novels_go():
    for text in ("CHAPTER XIV", "Volume I", "Chapter 12", "FINIS", "The End", "* * *"):
        assert made.is_heading(text)
    for text in ("The end of it was", "Chapter and verse", "(Enough.)", "Finished."):
        assert not made.is_heading(text)


def test_dates_are_what_babel_writes():
    """Babel finds the same months and weekdays in dates of its own."""
    languages = data.dates()
    assert len(languages) == 28
    for code, language in languages.items():
        for month in range(1, 13):
            date = datetime.date(2024, month, 2 * month)
            for kind in made.KINDS:
                text = format_date(date, kind, locale=code)
                assert language["months"][month - 1] in text
                weekday = language["weekdays"][date.weekday()]
                assert (weekday in text) == (kind == "full")


def test_the_marks_of_restructuredtext_go():
    marked = "The :class:`float <x>` of ``x``, *see* `there <a>`_ [1]_:: **now**."
    assert made.plain(marked) == "The float of x, see there: now."


def test_lists_code_and_formulas_are_no_prose():
    assert made.is_prose("A sentence.")
    for text in ("    code", "* item", ".. note::", ">>> x", "As :math:`x` says."):
        assert not made.is_prose(text)
