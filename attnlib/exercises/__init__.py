"""Exercises: `check(name, answer)` says what is right, or names the mistake.

`check_all(globals())` says it of every answer that a notebook holds.

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
from collections.abc import Callable, Iterable, Mapping

from attnlib.exercises import _show
from attnlib.exercises._core import Case, Exercise, Mistake, Verdict
from attnlib.exercises._judge import Raised, Stopped, judge
from attnlib.exercises._plain import Unusable, plain

__all__ = [
    "Case",
    "Exercise",
    "Mistake",
    "NotYet",
    "Overview",
    "Raised",
    "Right",
    "Stopped",
    "Unusable",
    "Verdict",
    "check",
    "check_all",
    "checker",
    "get",
    "judge",
    "names",
    "plain",
]

CHAPTERS = (*range(1, 12), 13, 14, 15)  # chapter 12 gathers the others' results
VISIBLE_SEED = 0
WIDTH = 88
RIGHT = set()  # the names of the exercises that were right when last checked


class NotYet(AssertionError):
    """The answer is not right yet; the text says why. Notebooks show the text alone.

    `lines` show a case that fails, and how many of the chapter are right.
    """

    def __init__(self, text, lines=()):
        """Keep the text and the lines below it."""
        super().__init__("\n".join([text, *lines]))
        self.text, self.lines = text, list(lines)

    def _render_traceback_(self):
        return [*textwrap.wrap(f"Not yet. {self.text}", WIDTH), *self.lines]


class Right:
    """An answer that is right; shows what was tried."""

    def __init__(self, name, tried, tally=""):
        """Keep the exercise's name, the descriptions of its cases, and the tally."""
        self.name, self.tried, self.tally = name, tried, tally

    def __repr__(self):
        count = f"{len(self.tried)} case{'s' if len(self.tried) > 1 else ''}"
        lines = [f"{self.name} is right. Tried {count}:"]
        lines += [f"  - {what}" for what in self.tried]
        return "\n".join(filter(None, [*lines, self.tally]))


class Overview:
    """What is right in a chapter and what is not yet, a line for each exercise."""

    def __init__(self, verdicts):
        """Keep [(exercise, verdict)]; None for what a person reads, or is missing."""
        self.verdicts = verdicts

    def __repr__(self):
        lines = []
        for chapter in sorted({exercise.chapter for exercise, _ in self.verdicts}):
            lines += [
                tally(chapter) or f"0 of {judged(chapter)} right in chapter {chapter}."
            ]
            lines += [
                line
                for exercise, verdict in self.verdicts
                if exercise.chapter == chapter
                for line in overview_lines(exercise, verdict)
            ]
        return "\n".join(lines) or "No answer here has the name of an exercise."


def overview_lines(exercise, verdict):
    """Say how one exercise stands."""
    if exercise.kind == "written":
        said = "a person reads this one"
    elif verdict is None:
        said = "not answered yet"
    else:
        said = "right" if verdict.passed else f"not yet. {verdict.message}"
    text = f"{exercise.name}: {said}"
    return textwrap.wrap(text, WIDTH, initial_indent="  - ", subsequent_indent="    ")


def check(name: str, answer: object) -> Right:
    """Judge the answer to an exercise: return what was tried, or raise NotYet.

    `answer` is the function that the exercise asks for, or the value. In a notebook a
    case that fails is shown as a picture, elsewhere as text. ValueError where no
    exercise has that name, or where it is a written question.
    """
    return checked(get(name), answer)


def checker(exercises: Iterable[Exercise]) -> Callable[[str, object], Right]:
    """Return a `check` for exercises of your own, and for those of the book."""
    own = {exercise.name: exercise for exercise in exercises}

    def check(name, answer):
        return checked(own.get(name) or get(name), answer)

    return check


def checked(exercise, answer):
    """Judge an answer with the visible cases; NotYet where it is not right."""
    verdict = noted(exercise, answer)
    counted = tally(exercise.chapter)
    if verdict.passed:
        return Right(exercise.name, verdict.tried, counted)
    lines = []
    if verdict.failure and _show.in_notebook():
        _show.display(exercise, verdict.failure)
    elif verdict.failure:
        lines = ["", *_show.as_text(exercise, verdict.failure)]
    raise NotYet(
        f"{exercise.name}: {verdict.message}", [*lines, *filter(None, [counted])]
    )


def check_all(answers: Mapping[str, object], chapter: int | None = None) -> Overview:
    """Judge all that `answers` holds, `globals()` usually; return an Overview.

    `chapter`: the number of one, or None for each that has an answer there.
    """
    found = []
    for number in CHAPTERS if chapter is None else [chapter]:
        known = exercises(number)
        if chapter is not None or any(exercise.name in answers for exercise in known):
            found += [(exercise, verdict_on(exercise, answers)) for exercise in known]
    return Overview(found)


def verdict_on(exercise, answers):
    """Judge one of several answers; None where there is nothing to judge."""
    if exercise.kind == "written" or exercise.name not in answers:
        return None
    return noted(exercise, answers[exercise.name])


def noted(exercise, answer):
    """Judge an answer on the visible cases, and remember whether it is right."""
    verdict = judge(exercise, answer, VISIBLE_SEED)
    (RIGHT.add if verdict.passed else RIGHT.discard)(exercise.name)
    return verdict


def tally(chapter):
    """Say how many of a chapter's exercises are right so far; nothing while none is."""
    count = sum(exercise.name in RIGHT for exercise in exercises(chapter))
    return f"{count} of {judged(chapter)} right in chapter {chapter}." if count else ""


def judged(chapter):
    """How many exercises of a chapter are judged, not read by a person."""
    return sum(exercise.kind != "written" for exercise in exercises(chapter))


def names(chapter: int | None = None) -> list[str]:
    """Names of the exercises of one chapter, or of all, in the order of the book."""
    chosen = CHAPTERS if chapter is None else [chapter]
    return [exercise.name for number in chosen for exercise in exercises(number)]


def get(name: str) -> Exercise:
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
