"""Settings of an assignment: read, refused with advice, and at work."""

import dataclasses
import datetime
import os
import re
import tomllib
import types

import pytest

from course.paths import ROOT
from grading import batch, feedback, intake, points, report, settings
from grading.notebook import Question, read_assignment
from grading.scoring import Result, Row
from tests.grading.hostile import books

DEADLINE = datetime.datetime(2026, 11, 29, 23, 59)
FULL = """\
questions = ["scaled_scores", "vanishing_gradients"]
points = {scaled_scores = 5, vanishing_gradients = 10}
partial_credit = true
attempt = "best"
deadline = 2026-11-29T23:59:00
penalty_per_day = 10
penalty_cap = 25
days_late = {ana = 0}
attnlib = "no points"
cases = "same for all"
canvas = "gradebook.csv"
canvas_column = "Exercises 3"
moodle = "worksheet.csv"
moodle_column = "Bewertung"
sources = "mine"
"""


def read(tmp_path, text):
    """Read settings from a file."""
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return settings.read(path)


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "release.ipynb"
    path.write_bytes(books.text(books.release()))
    return read_assignment(path)


def test_every_key_is_read(tmp_path):
    found = read(tmp_path, FULL)
    keys = [field.name for field in dataclasses.fields(found)]
    assert keys == [*settings.KEYS]
    assert [k for k in keys if getattr(found, k) == getattr(settings.DEFAULTS, k)] == []
    assert found.deadline == DEADLINE
    assert found.canvas == tmp_path / "gradebook.csv"
    assert read(tmp_path, "") == settings.DEFAULTS


def test_the_example_of_the_guide_is_taken(tmp_path):
    guide = (ROOT / "chapters" / "instructors.md").read_text("utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", guide, re.S)
    assert [*tomllib.loads(text)] == [*settings.KEYS]
    assert read(tmp_path, text).deadline


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("penalty_per_days = 1", "no setting.*did you mean penalty_per_day"),
        ("colour = 1", "no setting 'colour'; there are questions, points"),
        ("points = 3", "points must be a table of numbers >= 0.*got 3"),
        ("points = {a = -1}", "points must be"),
        ("points = {a = true}", "points must be"),
        ("points = {a = nan}", "points must be"),
        ('partial_credit = "yes"', "must be true or false, got 'yes'"),
        ('attempt = "first"', "must be one of 'latest', 'best'"),
        ('deadline = "2026-11-29"', "a date and a time without quotes"),
        ("deadline = 2026-11-29", "a date and a time.*got 2026-11-29"),
        ("penalty_per_day = 200", "a number from 0 to 100, got 200"),
        ("questions = []", "questions must be a list"),
        ('questions = ["a", "a"]', "questions must be a list"),
        ("penalty_per_day = 10", "needs a deadline"),
        ('attempt = "latest before the deadline"', "needs a deadline"),
        ("attempt = best", "no TOML.*line 1.*stand in quotes"),
    ],
)
def test_what_cannot_be_taken_is_named(tmp_path, text, reason):
    with pytest.raises(settings.SettingsError, match=reason):
        read(tmp_path, text)


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(settings.SettingsError, match="cannot be read"):
        settings.read(tmp_path / "nowhere.toml")


def test_questions_and_points_are_those_of_the_settings(tmp_path, assignment):
    found = read(tmp_path, FULL).applied(assignment)
    assert found.questions == (
        Question("scaled_scores", 5, False),
        Question("vanishing_gradients", 10, True),
    )
    assert found.maximum == 15
    assert settings.DEFAULTS.applied(assignment) == assignment


@pytest.mark.parametrize("value", ['questions = ["scaled"]', "points.scaled = 1"])
def test_a_question_that_is_not_there_is_named(tmp_path, assignment, value):
    with pytest.raises(settings.SettingsError, match="did you mean scaled_scores"):
        read(tmp_path, value).applied(assignment)


def handed(time=None, late=False, student="bo"):
    """What a student handed in, so many days after the deadline."""
    time = None if time is None else DEADLINE.timestamp() + time * settings.DAY
    return types.SimpleNamespace(student=student, time=time, late=late)


@pytest.mark.parametrize(
    ("what", "days", "penalty"),
    [
        (handed(-0.1), 0, 0),
        (handed(0), 0, 0),
        (handed(0.01), 1, 0.1),
        (handed(1.5), 2, 0.2),
        (handed(30), 30, 0.25),
        (handed(30, student="ana"), 0, 0),
        (handed(None, late=True), 1, 0.1),
        (handed(None), 0, 0),
    ],
)
def test_lateness_costs_by_the_day_up_to_a_cap(tmp_path, what, days, penalty):
    found = read(tmp_path, FULL)
    assert found.days(what) == days
    assert found.penalty(days) == penalty


RIGHT = Row("scaled_scores", 3, 3, "right", share=1.0)
HALF = Row("scaled_scores", 0, 3, "wrong", "You left it out.", 0.5)
BORROWED = Row("scaled_scores", 3, 3, "right", "", 1.0, "attnlib.softmax")


@pytest.mark.parametrize(
    ("row", "text", "score", "status"),
    [
        (RIGHT, "", 3, "right"),
        (RIGHT, "points = {scaled_scores = 5}", 5, "right"),
        (HALF, "", 0, "wrong"),
        (HALF, "partial_credit = true", 1.5, "wrong"),
        (BORROWED, "", 3, "right"),
        (BORROWED, 'attnlib = "no points"', 0, "wrong"),
    ],
)
def test_a_row_is_worth_what_the_settings_say(
    tmp_path, assignment, row, text, score, status
):
    rules = read(tmp_path, text)
    found = points.graded(handed(), Result([row]), rules.applied(assignment), rules)
    assert (found.result.rows[0].score, found.result.rows[0].status) == (score, status)
    assert ("It uses attnlib.softmax" in found.result.rows[0].reason) == (
        row is BORROWED
    )
    assert row.score == (0 if row is HALF else 3)  # what is stored stays


def test_totals_and_page_have_the_penalty(tmp_path, assignment):
    rules = read(tmp_path, FULL)
    ours = rules.applied(assignment)
    found = points.graded(handed(1.5), Result([RIGHT]), ours, rules)
    assert found.points == 4
    row = report.total_rows(ours, {"bo": found})[0]
    assert row == ("bo", "release", "4", "15", 0, "late", "20")
    page = feedback.feedback("bo", ours, found)
    assert "4 of 5 points" in page
    assert "handed in late (2 days begun): 20 % off" in page


FIRST, SECOND = books.text(books.submission()), books.text(books.submission(after="1"))


def attempts(tmp_path, assignment, text):
    """What counts of two notebooks, the second of them a day after the deadline."""
    for name, data, day in (("one", FIRST, -1), ("two", SECOND, 1)):
        path = tmp_path / "in" / "ana" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (DEADLINE.timestamp() + day * settings.DAY,) * 2)
    (tmp_path / "in" / "ana" / "other.ipynb").write_bytes(b"{}")
    (tmp_path / "in" / "bo.ipynb").write_bytes(FIRST)
    rules = read(tmp_path, f"deadline = 2026-11-29T23:59:00\nattempt = '{text}'")
    return intake.find(tmp_path / "in", assignment, rules)


@pytest.mark.parametrize(
    ("text", "path"),
    [("latest", "ana/two.ipynb"), ("latest before the deadline", "ana/one.ipynb")],
)
def test_the_attempt_that_counts(tmp_path, assignment, text, path):
    chosen, refused = attempts(tmp_path, assignment, text)
    assert chosen["ana"].file.path == path
    assert len(refused) == 2


@pytest.mark.parametrize(
    ("shares", "path", "refused"),
    [((1, 0), "two", "one"), ((0, 1), "one", "two"), ((1, 1), "two", "one")],
)
def test_the_best_attempt_counts(tmp_path, assignment, shares, path, refused):
    chosen, others = attempts(tmp_path, assignment, "best")
    assert [path for path, _ in others] == ["ana/other.ipynb"]
    tries = [chosen["ana"], *chosen["ana"].rivals]
    assert [one.file.path for one in tries] == ["ana/two.ipynb", "ana/one.ipynb"]
    graded = [
        points.graded(
            one,
            Result([dataclasses.replace(RIGHT, share=share)]),
            assignment,
            settings.DEFAULTS,
        )
        for one, share in zip(tries, shares, strict=True)
    ]
    found, weaker = batch.the_best({"ana": list(zip(tries, graded, strict=True))})
    assert found["ana"].points == 3
    assert weaker == [
        (
            f"ana/{refused}.ipynb",
            f"ana/{path}.ipynb of the same student has more points",
        )
    ]


def test_cases_are_of_one_student_and_one_notebook(tmp_path, assignment):
    """Nobody can learn a hidden case from feedback, or find a seed by trying."""
    chosen, _ = attempts(tmp_path, assignment, "best")
    one, two = chosen["ana"], chosen["ana"].rivals[0]
    rules, store = settings.DEFAULTS, batch.Store(tmp_path / "out", "release")
    seeds = [
        store.seed("ana", one, rules),
        store.seed("ana", two, rules),
        store.seed("bo", one, rules),
        batch.Store(tmp_path / "other", "release").seed("ana", one, rules),
    ]
    assert len(set(seeds)) == 4
    assert min(seeds) > 2**200  # by chance, once in 2**54 runs not
    again = batch.Store(tmp_path / "out", "release")
    assert again.seed("ana", one, rules) == seeds[0]
    same = settings.Settings(cases="same for all")
    assert store.seed("ana", one, same) == store.seed("bo", two, same)
    new = batch.Store(tmp_path / "out", "release", new_cases=True)
    assert new.seed("ana", one, rules) not in seeds


def test_settings_of_the_last_run_are_not_forgotten(tmp_path):
    batch.Store(tmp_path, "release", "mine.toml")
    with pytest.raises(batch.BatchError, match=r"graded with mine\.toml"):
        batch.Store(tmp_path, "release")
