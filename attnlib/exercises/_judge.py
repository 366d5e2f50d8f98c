"""Judge an answer: right, or a known mistake, or what differs and where."""

import ast
import contextlib
import inspect
import re
import sys
import textwrap
import traceback
import warnings
from dataclasses import dataclass

import numpy as np

from attnlib.exercises._compare import difference
from attnlib.exercises._core import Failure, Verdict
from attnlib.exercises._plain import Unusable, copied, identical, plain, to_tensors

NOT_YET = "Not answered yet"
FOR_TENSORS = re.compile(
    r"\bTensors?\b|'numpy\.ndarray' object has no attribute"
    r"|'int' object is not callable"  # x.size(-1)
)


class Stopped(Unusable):
    """No further call is worth it (time is up, the process died): the text says why."""


class Raised(Exception):
    """An exception of an answer that runs elsewhere: Raised("ValueError", its text)."""

    def __init__(self, kind, text):
        """Keep the name of the exception's class, and its text."""
        super().__init__(kind, text)
        self.kind, self.text = kind, text


@dataclass(frozen=True)
class Outcome:
    """What one call did: its result, or what it raised, and what it changed."""

    result: object = None
    raised: str | None = None  # the name of the exception's class
    text: str = ""
    unusable: str | None = None
    stopped: bool = False
    line: str = ""  # where it was raised, in words
    tensors: bool = False  # the arguments were torch's
    changed: tuple[int | str, ...] = ()  # places or keywords of arguments


def judge(exercise, answer, seed):
    """Judge a function (or a stand-in for it) or a value; return a Verdict.

    Everything that follows from `seed`, an integer >= 0, is the same each time. The
    answer gets copies of the arguments, and may do what it wants with them. A stand-in
    for a function that runs in another process writes changes of arguments back into
    the arrays it was given, raises `Raised`, `Unusable` or `Stopped`, and has
    `remote = True`: then KeyboardInterrupt and SystemExit are ours, and pass through.
    """
    if exercise.kind == "written":
        raise ValueError(f"{exercise.name} is a written question: a teacher reads it")
    cases = exercise.draw(seed)
    tried = tuple(case.what for case in cases)
    if found := unfit(exercise, answer):
        return Verdict(False, found, None, ())
    outcomes = observe_all(exercise, answer, cases)
    wants = [observe(exercise.reference, case).result for case in cases]
    problems = [
        problem(exercise, outcome, want)
        for outcome, want in zip(outcomes, wants, strict=False)  # some may be missing
    ]
    right = sum(found is None for found in problems)
    if right == len(cases):
        return Verdict(True, "right", None, tried, right)
    if all(is_empty(outcome) for outcome in outcomes):
        return Verdict(False, f"{NOT_YET}{why_empty(answer, outcomes[0])}", None, tried)
    mistake = reproduced(exercise, cases, outcomes)
    said = mistake.sentence if mistake else generic(exercise, cases, problems)
    failure = first_failure(exercise, cases, outcomes, wants, problems)
    return Verdict(False, said, mistake, tried, right, failure)


def first_failure(exercise, cases, outcomes, wants, problems):
    """Return the first case that is not right; None for a value, which has none."""
    if exercise.kind == "value":
        return None
    place = next(i for i, found in enumerate(problems) if found)
    outcome = outcomes[place]
    returned = not (outcome.raised or outcome.unusable)
    return Failure(cases[place], returned, outcome.result, wants[place])


def unfit(exercise, answer):
    """Say why the answer cannot be judged at all, or return None."""
    name = exercise.name
    if answer is None or answer is ... or answer is NotImplemented:
        return f"{NOT_YET}."
    if exercise.kind == "function" and not callable(answer):
        return f'Pass the function itself: check("{name}", {name}).'
    if exercise.kind == "value" and callable(answer):
        return f'Pass the value, not a function: check("{name}", {name}).'
    return None


def observe_all(exercise, answer, cases):
    """Call the answer on every case, up to the one that stops it."""
    if exercise.kind == "value":
        value = answer

        def answer():
            return value

    outcomes = calls_of(answer, cases, direct)
    if exercise.torch and "torch" in sys.modules and count_raised(outcomes):
        again = calls_of(answer, cases, with_tensors)
        fewer = count_raised(again) < count_raised(outcomes)
        if fewer or any(map(wants_tensors, outcomes)):
            return again
    return outcomes


def count_raised(outcomes):
    """How many calls raised an exception."""
    return sum(outcome.raised is not None for outcome in outcomes)


def wants_tensors(outcome):
    """Whether a call raised what torch's functions, or methods of tensors, raise."""
    return bool(outcome.raised and FOR_TENSORS.search(outcome.text))


def calls_of(answer, cases, call):
    """Call the answer on the cases in one way, up to the one that stops it."""
    outcomes = []
    for case in cases:
        outcomes.append(observe(answer, case, call))
        if outcomes[-1].stopped:
            break
    return outcomes


def direct(function, args, kwargs):
    """Call a function with arrays."""
    return function(*args, **kwargs)


def with_tensors(function, args, kwargs):
    """Call a function with tensors that share the arrays' memory."""
    return function(*to_tensors(args), **to_tensors(kwargs))


def observe(function, case, call=direct):
    """Call a function on copies of a case's arguments; return what it did."""
    args, kwargs = copied(case.args), copied(case.kwargs)
    try:
        with quiet():
            result = plain(call(function, args, kwargs))
        found = {"result": result}
    except Unusable as error:
        found = {"unusable": short(error), "stopped": isinstance(error, Stopped)}
    except Raised as error:
        found = {"raised": error.kind, "text": short(error.text)}  # it tells its line
    except (KeyboardInterrupt, SystemExit) as error:
        if getattr(function, "remote", False):
            raise
        found = {"raised": type(error).__name__, "text": short(error), "stopped": True}
    except BaseException as error:
        found = {"raised": type(error).__name__, "text": short(error)}
        found["line"] = line_of(error)
    before = {**dict(enumerate(case.args)), **case.kwargs}
    after = {**dict(enumerate(args)), **kwargs}
    changed = (key for key in before if not identical(before[key], after[key]))
    return Outcome(**found, changed=tuple(changed), tensors=call is with_tensors)


def line_of(error):
    """Say which line of the answer's own file, or cell, raised; "" where none did."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__
    ]
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    if not own:
        return ""
    code = textwrap.shorten(own[-1].line or "", 60, placeholder=" ...")
    return f"line {own[-1].lineno}" + f", `{code}`" * bool(code)


@contextlib.contextmanager
def quiet():
    """Keep NumPy's and Python's warnings to ourselves: what counts is the result."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def short(error):
    """The first 200 characters of an error's text, on one line."""
    try:
        text = " ".join(str(error).split())
    except BaseException:  # an error of the answer may fail at that, too
        return ""
    return text if len(text) <= 200 else f"{text[:197]}..."


def is_empty(outcome):
    """Whether a call did nothing, as a stub does."""
    if outcome.raised:
        return outcome.raised == "NotImplementedError"
    return outcome.result is None and not outcome.unusable


def why_empty(answer, outcome):
    """Say what makes an answer look like a stub."""
    if not outcome.raised:
        return ", or without a return: it returned None."
    if has_more_than_a_stub(answer):
        return (
            f": your function runs into {outcome.line}, which stood there before. "
            "Delete that line, and return your result."
        )
    return "."


def has_more_than_a_stub(function):
    """Whether a function's source, where it can be read, has several statements."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return False
    body = getattr(tree.body[0], "body", None)
    own = [x for x in body if not is_text(x)] if isinstance(body, list) else []
    return len(own) > 1


def is_text(statement):
    """Whether a statement is a docstring."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def problem(exercise, outcome, want):
    """Say what is wrong with one outcome; None if it is right."""
    if outcome.unusable:
        return outcome.unusable
    if outcome.raised:
        return raised(exercise, outcome)
    if outcome.result is None and want is not None:
        return "It returned None: a return is missing."
    amounts = exercise.kind == "function"
    how = {"amounts": amounts, "parts": exercise.parts}
    if found := difference(outcome.result, want, exercise.rtol, **how):
        hint = half(outcome.result) or in_tensors(outcome)
        return f"{found[0].upper()}{found[1:]}.{hint}"
    if outcome.changed:
        names = list(inspect.signature(exercise.reference).parameters)
        keys = (names[k] if isinstance(k, int) else k for k in outcome.changed)
        given = " and ".join(f"`{name}`" for name in keys)
        return (
            f"Your result is right, but your function changed its argument {given} in "
            "place, which its caller may still need. Work on a copy."
        )
    return None


def raised(exercise, outcome):
    """Say what a call raised, where, and how it was called where that may be why."""
    text = f": {outcome.text.removesuffix('.')}" if outcome.text else ""
    where = f" in {outcome.line}" if outcome.line else ""
    text = f"It raised {outcome.raised}{where}{text}."
    if outcome.raised == "TypeError":
        call = inspect.signature(exercise.reference)
        text += f" It is called as {exercise.name}{call}."
    if wants_tensors(outcome) and not exercise.torch:
        return f"{text} This exercise is for NumPy: it is called with arrays."
    return text + in_tensors(outcome)


def in_tensors(outcome):
    """Say that the arguments were tensors, and of which dtype."""
    return " It was called with tensors, which are float64." if outcome.tensors else ""


def half(result):
    """A word on half precision, where the result is in it."""
    if isinstance(result, np.ndarray) and result.dtype == np.float16:
        return " It is float16, which carries 3 digits: compute in float32 or float64."
    return ""


def generic(exercise, cases, problems):
    """Say how many cases are right, and what is wrong with the first that is not."""
    first = next(i for i, found in enumerate(problems) if found)
    if exercise.kind == "value":
        return problems[first]
    right = sum(found is None for found in problems)
    return (
        f"Right in {right} of {len(cases)} cases. The first that is not: "
        f"{cases[first].what}. {problems[first]}"
    )


def reproduced(exercise, cases, outcomes):
    """Return the first known mistake that does the same in every case, or None."""
    if len(outcomes) < len(cases) or any(outcome.unusable for outcome in outcomes):
        return None
    for mistake in exercise.mistakes:
        known = (observe(mistake.function, case) for case in cases)
        if same_throughout(known, outcomes, exercise.rtol):
            return mistake
    return None


def same_throughout(known, outcomes, rtol):
    """Whether a mistake did what the answer did, in every case.

    Where both only raised, the first words must agree: a class of exceptions alone
    says too little, since a hundred slips raise a ValueError.
    """
    known = list(known)
    if all(o.raised for o in outcomes) and words(known[0]) != words(outcomes[0]):
        return False
    pairs = zip(known, outcomes, strict=True)
    return all(same_outcome(mine, other, rtol) for mine, other in pairs)


def words(outcome):
    """What an exception says, without the line that a call elsewhere adds to it."""
    return re.sub(r" \(line \d+\)$", "", outcome.text)


def same_outcome(known, outcome, rtol):
    """Whether two calls raised the same, or returned and changed the same."""
    if (known.raised, known.changed) != (outcome.raised, outcome.changed):
        return False
    return bool(known.raised) or not difference(outcome.result, known.result, rtol)
