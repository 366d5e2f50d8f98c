"""What an exercise is: its task in numbers, its reference, its cases, its mistakes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

RTOL = 1e-5  # float32 carries 7 digits; the sums of an exercise lose one or two


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

    def draw(self, seed):
        """Return the cases that follow from `seed`, an integer >= 0."""
        if self.kind == "value":
            return [Case((), "the value")]
        return self.cases(np.random.default_rng([seed, *self.name.encode()]))


@dataclass(frozen=True)
class Verdict:
    """What `judge` found; `mistake` where a known one explains the answer."""

    passed: bool
    message: str
    mistake: Mistake | None
    tried: tuple[str, ...]
