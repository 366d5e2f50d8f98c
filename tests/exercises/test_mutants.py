"""The checks of the exercises reject mutants of every function that they rest on.

    python -m tests.exercises.test_mutants     what became of them, exercise by exercise

A survivor changes a result somewhere and passes the check all the same. Each is listed,
with the reason, in SURVIVORS of the chapter's file in `answers`.
"""

import dataclasses
import importlib
import sys

import numpy as np
import pytest

from attnlib.exercises import CHAPTERS, Case, Exercise, exercises
from tests.exercises import mutants

JUDGED = [
    exercise
    for chapter in CHAPTERS
    for exercise in exercises(chapter)
    if exercise.kind != "written"
]


def listed(exercise):
    """The explained survivors of one exercise: description -> reason."""
    module = importlib.import_module(
        f"tests.exercises.answers.ch{exercise.chapter:02d}"
    )
    return module.SURVIVORS.get(exercise.name, {})


@pytest.mark.slow
@pytest.mark.parametrize("exercise", JUDGED, ids=lambda e: e.name)
def test_mutants_are_rejected(exercise):
    known, explained = mutants.fate(exercise), listed(exercise)
    changing = len(known.rejected) + len(known.survived)
    assert {*known.survived} == {*explained}, "list each survivor with its reason"
    assert all(len(reason) > 20 for reason in explained.values())
    assert len(known.survived) <= 0.05 * changing
    assert changing or exercise.kind == "value"


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if exercises(c)])
def test_survivors_are_those_of_exercises(chapter):
    module = importlib.import_module(f"tests.exercises.answers.ch{chapter:02d}")
    judged = {exercise.name for exercise in JUDGED if exercise.chapter == chapter}
    assert {*module.SURVIVORS} <= judged
    assert {*module.ANSWERS} == judged


# ---------------------------------------------------------------- that it can fail


def weighted(x, axis=-1):
    if x.ndim > 2:
        x = 3 * x
    return np.sum(x - 1, axis)


def cases(rng):
    return [
        Case((rng.normal(size=shape),), str(shape)) for shape in [(2, 3), (2, 3, 4)]
    ]


WEIGHTED = Exercise(
    name="weighted",
    chapter=1,
    title="Weighted",
    objective="test the mutants",
    minutes=2,
    difficulty=1,
    points=1,
    reference=weighted,
    cases=cases,
)


def test_every_kind_of_change_is_made():
    known = mutants.fate(WEIGHTED)
    assert not known.survived
    for text in [
        "x.ndim > 2 -> x.ndim >= 2",
        "3 * x -> 3 / x",
        "3 -> 4",
        "x - 1 -> x + 1",
        "x - 1 -> 1 - x",
        "-1 -> 1",
        "1 -> 0",
        "np.sum(x - 1, axis) -> x - 1",
        "np.sum(x - 1, axis) -> np.sum(axis, x - 1)",
        "x = 3 * x -> nothing",
        "if x.ndim > 2: -> nothing",
        "if x.ndim > 2: -> if not x.ndim > 2:",
    ]:
        assert f"weighted: {text}" in known.rejected


def test_weak_cases_let_mutants_survive():
    """Without the batch, nothing that is done to a batch is noticed."""
    weak = dataclasses.replace(WEIGHTED, cases=lambda rng: cases(rng)[:1])
    survived = mutants.fate(WEIGHTED, checker=weak).survived
    assert "weighted: x = 3 * x -> nothing" in survived
    assert "weighted: 3 -> 4" in survived
    assert "weighted: x - 1 -> x + 1" not in survived


def test_originals_are_back():
    import attnlib

    before = attnlib.softmax, attnlib.attention.softmax
    mutants.fate(next(e for e in JUDGED if e.name == "stable_softmax"))
    assert (attnlib.softmax, attnlib.attention.softmax) == before


def test_functions_are_found_through_others():
    exercise = next(e for e in JUDGED if e.name == "scaled_attention")
    found = {function.__name__ for function in mutants.rests_on(exercise)}
    assert {"scaled_attention", "reference_attention", "softmax", "nonzero"} <= found
    assert "check_data" not in found


if __name__ == "__main__":
    names = sys.argv[1:]
    for exercise in JUDGED:
        if not names or exercise.name in names:
            known = mutants.fate(exercise)
            counts = [len(x) for x in (known.rejected, known.survived, known.same)]
            print(
                f"{exercise.name:28s} rejected %d, survived %d, no change %d"
                % (*counts,)
            )
            for text in known.survived:
                print(f"    {text}")
