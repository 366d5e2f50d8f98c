"""Exercises: `check(name, answer)` says what is right, or names the mistake.

>>> from attnlib.exercises import check, names
>>> "scaled_scores" in names(chapter=3)
True

Each chapter's exercises lie in a module of their own (`ch03`), loaded when first asked
for. They are open: reference, cases and known mistakes can be read there.
"""

import difflib
import importlib
import importlib.util
import textwrap

from attnlib.exercises._core import Case, Exercise, Mistake, Verdict
from attnlib.exercises._judge import Raised, Stopped, judge
from attnlib.exercises._plain import Unusable, plain

__all__ = [
    "Case",
    "Exercise",
    "Mistake",
    "NotYet",
    "Raised",
    "Right",
    "Stopped",
    "Unusable",
    "Verdict",
    "check",
    "get",
    "judge",
    "names",
    "plain",
]

CHAPTERS = range(1, 12)
VISIBLE_SEED = 0


class NotYet(AssertionError):
    """The answer is not right yet; the text says why. Notebooks show the text alone."""

    def _render_traceback_(self):
        return textwrap.wrap(f"Not yet. {self}", 88)


class Right:
    """An answer that is right; shows what was tried."""

    def __init__(self, name, tried):
        """Keep the exercise's name and the descriptions of its cases."""
        self.name, self.tried = name, tried

    def __repr__(self):
        count = f"{len(self.tried)} case{'s' if len(self.tried) > 1 else ''}"
        lines = [f"{self.name} is right. Tried {count}:"]
        return "\n".join([*lines, *(f"  - {what}" for what in self.tried)])


def check(name, answer):
    """Judge the answer to an exercise: return what was tried, or raise NotYet.

    `answer` is the function that the exercise asks for, or the value. ValueError where
    no exercise has that name, or where it is a written question.
    """
    verdict = judge(get(name), answer, VISIBLE_SEED)
    if not verdict.passed:
        raise NotYet(f"{name}: {verdict.message}")
    return Right(name, verdict.tried)


def names(chapter=None):
    """Names of the exercises of one chapter, or of all, in the order of the book."""
    chosen = CHAPTERS if chapter is None else [chapter]
    return [exercise.name for number in chosen for exercise in exercises(number)]


def get(name):
    """Return the Exercise of that name; a ValueError names the nearest ones."""
    for number in CHAPTERS:
        for exercise in exercises(number):
            if exercise.name == name:
                return exercise
    near = difflib.get_close_matches(str(name), names(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see names()"
    raise ValueError(f"no exercise is called {name!r}; {hint}")


def exercises(chapter):
    """Exercises of a chapter, by its number; none where it has no module."""
    module = f"attnlib.exercises.ch{chapter:02d}"
    if importlib.util.find_spec(module) is None:
        return ()
    return importlib.import_module(module).EXERCISES
