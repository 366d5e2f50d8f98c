"""Settings of one assignment: a small TOML file, every key of which may be left out.

    questions = ["scaled_scores", "vanishing_gradients"]  # a subset; else all
    points = {scaled_scores = 5, vanishing_gradients = 10}  # else the release's
    partial_credit = true     # the share of cases that are right; else all or nothing
    attempt = "best"          # or "latest", or "latest before the deadline"
    deadline = 2026-11-29T23:59:00
    penalty_per_day = 10      # per cent of the points, for each day begun
    penalty_cap = 50          # per cent at most
    days_late = {"ana lima_12" = 0}  # what you know better than the files' dates
    attnlib = "no points"     # where an answer calls what its task does not name
    cases = "same for all"    # else each student has cases of her own
    canvas = "gradebook.csv"  # exported from Canvas, to be filled in
    canvas_column = "Exercises 3"
    moodle = "worksheet.csv"  # the grading worksheet downloaded from Moodle
    moodle_column = "Grade"   # its name where Moodle speaks another language
    sources = "my-exercises"  # a folder of your own sources, with checkers.py

It lies in the folder OUT, as settings.toml, or is named with SETTINGS.
"""

import datetime
import difflib
import math
import pathlib
import tomllib
from dataclasses import dataclass, field, replace

NAME = "settings.toml"
ATTEMPTS = ("latest", "best", "latest before the deadline")
DAY = 24 * 60 * 60  # seconds


class SettingsError(ValueError):
    """Settings that cannot be taken: the text says where, and what to do."""


@dataclass(frozen=True)
class Settings:
    """What a teacher decided about an assignment."""

    questions: tuple[str, ...] = ()
    points: dict[str, float] = field(default_factory=dict)
    partial_credit: bool = False
    attempt: str = "latest"
    deadline: datetime.datetime | None = None
    penalty_per_day: float = 0
    penalty_cap: float = 100
    days_late: dict[str, float] = field(default_factory=dict)
    attnlib: str = "remark"
    cases: str = "per student"
    canvas: pathlib.Path | None = None
    canvas_column: str = ""
    moodle: pathlib.Path | None = None
    moodle_column: str = "Grade"
    sources: pathlib.Path | None = None

    def applied(self, assignment):
        """Return the assignment with the chosen questions, and their points."""
        known = [question.name for question in assignment.questions]
        for key in ("questions", "points"):
            for name in getattr(self, key):
                if name not in known:
                    raise SettingsError(
                        f"{key}: {assignment.name} has no question {name!r}"
                        f"{meant(name, known)}"
                    )
        chosen = [
            replace(question, points=self.points.get(question.name, question.points))
            for question in assignment.questions
            if question.name in (self.questions or known)
        ]
        return replace(assignment, questions=tuple(chosen))

    def days(self, handed):
        """Return how many days late something came: whole days, each one begun."""
        if handed.student in self.days_late:
            return math.ceil(self.days_late[handed.student])
        seconds = 0.0
        if self.deadline and handed.time is not None:
            seconds = handed.time - self.deadline.timestamp()
        return max(math.ceil(seconds / DAY), int(handed.late))

    def penalty(self, days):
        """Return the share of the points that so many days cost."""
        return min(days * self.penalty_per_day, self.penalty_cap) / 100


DEFAULTS = Settings()


def read(path):
    """Read a file of settings; SettingsError names what cannot be taken."""
    try:
        found = tomllib.loads(path.read_text("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path} is no TOML: {error}. A line is key = value; texts stand in "
            'quotes, as in attempt = "best"'
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    for key, value in found.items():
        if key not in KEYS:
            raise SettingsError(
                f"{path}: there is no setting {key!r}{meant(key, KEYS)}"
            )
        fits, what = KEYS[key]
        if not fits(value):
            raise SettingsError(f"{path}: {key} must be {what}, got {shown(value)}")
    if isinstance(found.get("questions"), list):
        found["questions"] = tuple(found["questions"])
    for key in PATHS:
        if key in found:
            found[key] = path.parent / found[key]
    chosen = Settings(**found)
    if chosen.deadline is None:
        needs = "penalty_per_day" in found or chosen.attempt == ATTEMPTS[2]
        if needs and not chosen.days_late:
            raise SettingsError(
                f"{path}: a penalty, or {ATTEMPTS[2]!r}, needs a deadline, such as "
                "deadline = 2026-11-29T23:59:00"
            )
    return chosen


def meant(name, known):
    """Return a suggestion, or what there is."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(known)}"


def shown(value):
    """Return a value as TOML has it, more or less."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return repr(value)


def is_number(value, most=math.inf):
    """Whether a value is a number from 0 to `most`."""
    kind = isinstance(value, int | float) and not isinstance(value, bool)
    return kind and 0 <= value <= most and math.isfinite(value)


def is_percent(value):
    """Whether a value is a number from 0 to 100."""
    return is_number(value, 100)


def are_numbers(value):
    """Whether a value is a table of numbers >= 0."""
    return isinstance(value, dict) and all(map(is_number, value.values()))


def are_names(value):
    """Whether a value is a list of different texts, and not empty."""
    texts = isinstance(value, list) and all(isinstance(v, str) for v in value)
    return texts and 0 < len(set(value)) == len(value)


def is_name(value):
    """Whether a value is a text, and not empty."""
    return isinstance(value, str) and bool(value.strip())


def one_of(*texts):
    """Return a check for one of some texts, and what to say."""
    return texts.__contains__, f"one of {', '.join(map(repr, texts))}"


KEYS = {  # whether a value fits, and what it must be
    "questions": (are_names, 'a list of questions, such as ["scaled_scores"]'),
    "points": (are_numbers, "a table of numbers >= 0, such as {scaled_scores = 5}"),
    "partial_credit": (lambda v: isinstance(v, bool), "true or false"),
    "attempt": one_of(*ATTEMPTS),
    "deadline": (
        lambda v: isinstance(v, datetime.datetime),
        "a date and a time without quotes, such as 2026-11-29T23:59:00",
    ),
    "penalty_per_day": (is_percent, "per cent, a number from 0 to 100"),
    "penalty_cap": (is_percent, "per cent, a number from 0 to 100"),
    "days_late": (are_numbers, 'a table of numbers >= 0, such as {"ana lima_12" = 0}'),
    "attnlib": one_of("remark", "no points"),
    "cases": one_of("per student", "same for all"),
    "canvas": (is_name, 'a file, such as "gradebook.csv"'),
    "canvas_column": (is_name, 'a column of that file, such as "Exercises 3"'),
    "moodle": (is_name, 'a file, such as "worksheet.csv"'),
    "moodle_column": (is_name, 'a column of that file, such as "Grade"'),
    "sources": (is_name, 'a folder, such as "my-exercises"'),
}
PATHS = ("canvas", "moodle", "sources")  # relative to the settings themselves
