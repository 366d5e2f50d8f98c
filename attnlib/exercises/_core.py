"""What an exercise is: its task in numbers, its reference, its cases, its mistakes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from attnlib.exercises._compare import difference
from attnlib.exercises._plain import mapped, plain

RTOL = 1e-5  # float32 carries 7 digits; the sums of an exercise lose one or two
TRIES = 50  # draws of cases; 2 are seldom needed


@dataclass(frozen=True)
class Case:
    """One call of the answer: its arguments, and in words what is special about them.

    Arguments are plain data (see `plain`), so that a grader can send them as bytes.
    """

    args: tuple
    what: str
    kwargs: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Mistake:
    """A misconception as a function, and the sentence that tells its owner of it."""

    function: Callable
    sentence: str


@dataclass(frozen=True)
class Exercise:
    """A task that `judge` can score, or (kind "written") one that a teacher reads.

    kind "function": `reference` and each mistake take the arguments of `cases(rng)`.
    kind "value": the answer is a value; `reference` and the mistakes take no argument.
    kind "written": `rubric` holds (points, what earns them) in place of a reference.
    A result counts as right within `rtol` of its largest entry; integers, truth values
    and texts exactly. `why_rtol` is the reason where `rtol` is not the usual one.
    `torch`: an answer that takes tensors only is called with tensors.
    `parts`: the names of the results, where there are several.
    """

    name: str
    chapter: int
    title: str
    objective: str
    minutes: int
    difficulty: int
    points: int
    kind: str = "function"
    reference: Callable | None = None
    cases: Callable | None = None
    mistakes: tuple[Mistake, ...] = ()
    rubric: tuple[tuple[int, str], ...] = ()
    rtol: float = RTOL
    why_rtol: str = ""
    torch: bool = False
    parts: tuple[str, ...] = ()

    def draw(self, seed):
        """Return the cases that follow from `seed`, an integer >= 0.

        Whoever computes in float32 must pass, whatever the seed: float32 holds every
        number of an array exactly, and cases on which the reference itself would lose
        too many digits in float32 (two huge scores that nearly tie) are drawn again.
        """
        if self.kind == "value":
            return [Case((), "the value")]
        rng = np.random.default_rng([seed, *self.name.encode()])
        for _ in range(TRIES):
            cases = [in_single(case, float) for case in self.cases(rng)]
            if all(map(self.steady, cases)):
                break
        return cases

    def steady(self, case):
        """Whether the reference in float32 agrees to an eighth of the tolerance."""
        single = in_single(case, np.float32)
        with np.errstate(all="ignore"):
            want = plain(self.reference(*case.args, **case.kwargs))
            got = plain(self.reference(*single.args, **single.kwargs))
        return not difference(got, want, self.rtol / 8)


def in_single(case, dtype):
    """Round a case's arrays of real numbers to float32, and hold them in `dtype`."""

    def single(x):
        return x.astype(np.float32).astype(dtype) if x.dtype.kind == "f" else x

    return replace(
        case, args=mapped(case.args, single), kwargs=mapped(case.kwargs, single)
    )


@dataclass(frozen=True)
class Failure:
    """A case that is not right: what was returned, if anything, and what is right."""

    case: Case
    returned: bool
    got: object
    want: object


@dataclass(frozen=True)
class Verdict:
    """What `judge` found; `mistake` where a known one explains the answer.

    `right` counts the cases that are right, of those in `tried`. `failure` is the first
    that is not; it holds what the message must not tell where the cases are secret.
    """

    passed: bool
    message: str
    mistake: Mistake | None
    tried: tuple[str, ...]
    right: int = 0
    failure: Failure | None = None
