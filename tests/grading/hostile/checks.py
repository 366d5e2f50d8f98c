"""What must hold after a batch of attacks, whoever graded it."""

import html
import re
from pathlib import Path

import pytest

from attnlib.exercises import get
from tests.grading.hostile import attacks, books, run

NAMES = [a.name for a in run.every(Path("x"), 1)]


class Attacks:
    """Tests of one batch; a subclass gives the fixture `batch`."""

    def test_the_batch_is_complete(self, batch):
        assert batch.done.returncode == 0, batch.done.stderr
        assert {*batch.rows} == {*batch.attacks, "000 honest", "999 honest"}
        assert all(len(rows) == 4 for rows in batch.rows.values())

    @pytest.mark.parametrize("name", NAMES)
    def test_an_attack_gets_what_it_deserves(self, batch, name):
        student = next(s for s in batch.attacks if s[4:] == name)
        attack, rows = batch.attacks[student], batch.rows[student]
        row = rows["scaled_scores"]
        assert row["status"] == attack.status, row
        assert attack.reason in row["reason"]
        assert row["score"] == {"right": "3", "invalid": ""}.get(attack.status, "0")
        for other in attacks.REST:
            expected = "invalid" if attack.status == "invalid" else "right"
            assert rows[other]["status"] == attack.rest.get(other, expected), other
        assert attack.note in batch.page(student)

    @pytest.mark.parametrize("student", ["000 honest", "999 honest"])
    def test_nobody_else_is_touched(self, batch, student):
        rows = batch.rows[student]
        points = {name: rows[name]["score"] for name in books.POINTS}
        assert points == {name: str(n) for name, n in books.POINTS.items()}
        assert rows[books.WRITTEN]["status"] == "to read"

    def test_every_reason_is_readable(self, batch):
        for rows in batch.rows.values():
            for row in rows.values():
                assert row["reason"] or row["status"] == "right"
                assert len(row["reason"]) <= 501
                assert row["reason"].isprintable()
                assert not re.search(r"Traceback|<cell|0x[0-9a-f]{6}", row["reason"])

    def test_no_file_is_written_elsewhere(self, batch):
        assert [path.name for path in batch.outside.iterdir()] == ["secret.txt"]
        assert (batch.outside / "secret.txt").read_text() == "secret"
        names = {path.name for path in batch.folder.iterdir()}
        assert names == {"release.ipynb", "handed in", "out", "outside", "tmp"}
        handed = [p for p in (batch.folder / "handed in").rglob("*") if p.is_file()]
        assert {path.name for path in handed} == {"release.ipynb"}
        assert len(handed) == len(batch.rows)
        names = {path.name for path in (batch.folder / "out").iterdir()}
        tables = {"grades.csv", "totals.csv", "refused.csv", "written.html"}
        tables.add("written.csv")
        assert names == tables | {"feedback", "state"}
        assert [*(batch.folder / "tmp").iterdir()] == []

    def test_nobody_reached_the_network(self, batch):
        assert batch.came == []

    def test_pages_are_escaped(self, batch):
        pages = [*(batch.folder / "out" / "feedback").glob("*.html")]
        assert len(pages) == len(batch.rows)
        for path in pages:
            text = path.read_text("utf-8")
            assert "<script" not in text
            assert not re.search(r"(?:src|href)=", text)

    def test_no_page_shows_what_was_given(self, batch):
        name = next(s for s in batch.attacks if s[4:] == "raises what it was given")
        body = batch.page(name).partition("<body>")[2]
        assert "It raised ValueError" in body
        assert not re.search(r"\d\.\d|e[-+]\d|[0-9a-f]{41}", body)

    def test_a_page_calls_each_question_by_its_title(self, batch):
        page = batch.page("000 honest").partition("<body>")[2]
        titles = [get(name).title for name in batch.rows["000 honest"]]
        assert titles
        assert re.findall(r"<h2>(.*?)</h2>", page, flags=re.S) == [
            f"{place}. {html.escape(title)}" for place, title in enumerate(titles, 1)
        ]

    def test_no_process_is_left(self, batch):
        """Sandboxes die with their worker, whatever ran in them."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = path.read_bytes()
            except OSError:
                continue
            assert str(batch.folder).encode() not in command


def graded(prefix=()):
    """Yield a batch, for a fixture."""
    run.need_sandbox()
    found = run.Batch(prefix() if callable(prefix) else prefix)
    yield found
    found.remove()
