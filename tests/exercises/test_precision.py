"""What `check` accepts, every seed accepts: float32 and float64, NumPy and torch.

`check` and the grade judge alike but for the seed, so the seeds are what can differ.
"""

import warnings

import numpy as np
import pytest
import torch

from attnlib.exercises._judge import observe, problem
from attnlib.exercises._plain import mapped
from tests.exercises.test_exercises import JUDGED, answers

SEEDS = [
    pytest.param(range(1), id="check"),  # 0 is what `check` takes
    pytest.param(range(1, 60), id="grades", marks=pytest.mark.slow),
]
NUMERIC = [
    exercise
    for exercise in JUDGED
    if exercise.kind == "function"
    and any(
        isinstance(x, np.ndarray | tuple)  # of integers, too: they are not converted
        for case in exercise.draw(0)
        for x in case.args
    )
]


def in_float32(x):
    return x.astype(np.float32) if x.dtype == float else x


def in_torch(x):
    """Tensors as a student makes them: real numbers in torch's default dtype."""
    tensor = torch.from_numpy(x)
    return tensor.float() if x.dtype == float else tensor


KINDS = (np.copy, in_float32, torch.from_numpy, in_torch)


def called_with(convert, answer):
    """The answer, given arrays of another kind."""

    def converted(*args, **kwargs):
        return answer(*mapped(args, convert), **mapped(kwargs, convert))

    return converted


def variants(answer, cases):
    """The answer on every kind of array with which it computes at all."""
    found = [called_with(kind, answer) for kind in KINDS]
    return [f for f in found if not any(observe(f, case).raised for case in cases)]


def failures(exercise, answer, drawn):
    """(seed, case, what is wrong) of every case that is not accepted."""
    return [
        (seed, case.what, found)
        for seed, cases, wants in drawn
        for case, want in zip(cases, wants, strict=True)
        if (found := problem(exercise, observe(answer, case), want))
    ]


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("exercise", NUMERIC, ids=lambda e: e.name)
def test_right_answers_in_float32_and_torch_pass_every_seed(exercise, seeds):
    warnings.simplefilter("ignore")  # torch's, on tensors made of tensors
    drawn = []
    for seed in seeds:
        cases = exercise.draw(seed)
        assert all(map(exercise.steady, cases)), seed
        drawn.append(
            (seed, cases, [observe(exercise.reference, c).result for c in cases])
        )
    for answer in (exercise.reference, *answers(exercise)):
        found = variants(answer, drawn[0][1])
        assert len(found) >= 2, answer.__name__  # two precisions
        for variant in found:
            assert failures(exercise, variant, drawn) == [], answer.__name__
