"""Functions with one thing changed, and what becomes of the exercises' checks.

A mutant of a function differs from it in one place: an operator, a constant, a
comparison, a call that is left out, arguments that are swapped, a statement less.
"""

import ast
import contextlib
import copy
import dataclasses
import inspect
import signal
import sys
import types

import numpy as np

from attnlib.exercises import Raised, Unusable, judge
from attnlib.exercises._compare import difference
from attnlib.exercises._judge import observe
from attnlib.exercises._plain import copied, mapped

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
ORDERED = (ast.Sub, ast.Div, ast.MatMult, ast.Pow)
COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
REMOVABLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.If)
NOT_FORMULAS = ("attnlib._checks", "attnlib._array")


# ---------------------------------------------------------------- one change


def replacements(node):
    """What may stand in the place of one node; None: nothing at all."""
    if isinstance(node, ast.BinOp):
        left, op, right = node.left, node.op, node.right
        if type(op) in OPERATORS:
            yield ast.BinOp(left, OPERATORS[type(op)](), right)
        if isinstance(op, ORDERED):
            yield ast.BinOp(right, op, left)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        flipped = COMPARISONS[type(node.ops[0])]()
        yield ast.Compare(node.left, [flipped, *node.ops[1:]], node.comparators)
    elif isinstance(node, ast.Call):
        yield from calls(node)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.Attribute) and node.attr in ("mT", "T"):
        yield node.value
    elif isinstance(node, REMOVABLE):
        if isinstance(node, ast.If):
            yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        yield None


def calls(node):
    """The first argument alone; the first two swapped; a keyword less."""
    if node.args and not isinstance(node.args[0], ast.Starred):
        yield node.args[0]
    if len(node.args) > 1:
        first, second, *others = node.args
        yield ast.Call(node.func, [second, first, *others], node.keywords)
    for keyword in node.keywords:
        others = [other for other in node.keywords if other is not keyword]
        yield ast.Call(node.func, node.args, others)


def mutants(tree):
    """Yield (description, changed copy) of a function's tree, for every change."""
    seen = {}
    skipped = {
        id(inner) for node in ast.walk(tree) if aside(node) for inner in ast.walk(node)
    }
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        for new in replacements(node):
            text = f"{brief(node)} -> {brief(new) if new else 'nothing'}"
            seen[text] = seen.get(text, 0) + 1
            again = f" ({seen[text]})" if seen[text] > 1 else ""
            yield text + again, changed(tree, place, new)


def aside(node):
    """Docstrings, checks of arguments and errors: no formula."""
    if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func).rpartition(".")[2].startswith("check")
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def brief(node):
    """Source of a node, its first line."""
    return ast.unparse(ast.fix_missing_locations(node)).partition("\n")[0]


def changed(tree, place, new):
    """Copy a tree with another node at one place of ast.walk."""
    tree = copy.deepcopy(tree)
    target = list(ast.walk(tree))[place]
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, new)
            elif isinstance(value, list):
                stand_in = new or ast.Pass()
                value[:] = [stand_in if item is target else item for item in value]
    return ast.fix_missing_locations(tree)


# ---------------------------------------------------------------- functions


def rests_on(exercise):
    """The functions of attnlib that run when the reference does, itself first."""
    codes, calls = {}, [(copied(c.args), copied(c.kwargs)) for c in exercise.draw(0)]

    def note(frame, event, _):
        if event == "call":
            codes.setdefault(frame.f_code)

    sys.setprofile(note)
    try:
        for args, kwargs in calls:
            exercise.reference(*args, **kwargs)
    finally:
        sys.setprofile(None)
    known = {function.__code__: function for function in functions()}
    known[exercise.reference.__code__] = exercise.reference
    return [known[code] for code in codes if code in known and tree_of(known[code])]


def functions():
    """All functions and methods of attnlib that are more than checks of arguments."""
    for owner in owners():
        for thing in vars(owner).values():
            if (
                isinstance(thing, types.FunctionType)
                and thing.__module__ in sys.modules
            ):
                room = thing.__module__
                if room.startswith("attnlib.") and room not in NOT_FORMULAS:
                    yield thing


def owners():
    """The modules of attnlib that are loaded, and their classes."""
    modules = [m for name, m in sys.modules.items() if name.startswith("attnlib")]
    things = [thing for module in modules for thing in vars(module).values()]
    classes = {t for t in things if isinstance(t, type) and in_attnlib(t)}
    return [*modules, *classes]


def in_attnlib(kind):
    """Whether a class is defined there."""
    return kind.__module__.startswith("attnlib")


def tree_of(function):
    """The tree of a function or lambda at the top of a module, of a method; or None."""
    module = ast.parse(inspect.getsource(sys.modules[function.__module__]))
    line = function.__code__.co_firstlineno
    kind = ast.Lambda if function.__name__ == "<lambda>" else ast.FunctionDef
    found = [
        node
        for node in ast.walk(module)
        if isinstance(node, kind)
        and min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        == line
    ]
    return found[0] if len(found) == 1 else None


def compiled(tree, function):
    """A function from a changed tree, with the globals of the original."""
    names = function.__globals__
    if isinstance(tree, ast.Lambda):
        return eval(compile(ast.Expression(tree), "<mutant>", "eval"), names)
    found = {}
    exec(compile(ast.Module([tree], []), "<mutant>", "exec"), names, found)
    return found[tree.name]


@contextlib.contextmanager
def in_place_of(function, mutant):
    """Put a mutant wherever attnlib knows the original, for a while."""
    places = [
        (owner, name)
        for owner in owners()
        for name, value in list(vars(owner).items())
        if value is function
    ]
    try:
        for owner, name in places:
            setattr(owner, name, mutant)
        yield
    finally:
        for owner, name in places:
            setattr(owner, name, function)


# ---------------------------------------------------------------- their fate


@dataclasses.dataclass
class Fate:
    """Descriptions of the mutants that were rejected, survived, or changed nothing."""

    rejected: list
    survived: list
    same: list


def fate(exercise, checker=None):
    """Let `checker` (the exercise itself, usually) judge every mutant it rests on."""
    # What is replayed is called once for each case, and names no mistake.
    checker = dataclasses.replace(checker or exercise, mistakes=(), torch=False)
    known, probes = Fate([], [], []), probes_of(exercise)
    cases = checker.draw(0)
    for function in rests_on(exercise):
        for text, tree in mutants(tree_of(function)):
            mutant = compiled_or_none(tree, function)
            if mutant is None:
                continue
            reference = mutant if function is exercise.reference else exercise.reference
            text = f"{function.__qualname__}: {text}"
            with in_place_of(function, mutant), time_limit(10):
                outcomes = outcomes_of(reference, cases)
            if not judge(checker, replayed(checker, outcomes), 0).passed:
                known.rejected.append(text)
                continue
            with in_place_of(function, mutant), time_limit(60):
                differs = any(differs_on(reference, *probe) for probe in probes)
            (known.survived if differs else known.same).append(text)
    after = replayed(checker, outcomes_of(exercise.reference, cases))
    assert judge(checker, after, 0).passed, "a mutant broke more than itself"
    return known


def compiled_or_none(tree, function):
    """A mutant, or None where the change is no Python."""
    try:
        return compiled(tree, function)
    except (SyntaxError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def time_limit(seconds):
    """Raise TimeoutError after so many seconds of computing, not of waiting.

    A mutant may loop for ever; a busy machine changes nothing.
    """

    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def outcomes_of(function, cases):
    """What a function does in each case, up to the first exception."""
    outcomes = []
    for case in cases:
        outcomes.append(observe(function, case))
        if outcomes[-1].raised:
            break
    return outcomes


def replayed(exercise, outcomes):
    """An answer that does in each call what was observed."""
    if exercise.kind == "value":
        return outcomes[0].result
    left = iter(outcomes)

    def answer(*args, **kwargs):
        outcome = next(left)
        if outcome.raised:
            raise Raised(outcome.raised, outcome.text)
        if outcome.unusable:
            raise Unusable(outcome.unusable)
        return outcome.result

    return answer


def probes_of(exercise):
    """(case, right result) for other seeds, also with larger and smaller numbers."""
    probes = []
    for seed in range(1, 4):
        for case in exercise.draw(seed):
            for factor in (1, 0.1, 30):
                args, kwargs = (
                    mapped(x, scaled(factor)) for x in (case.args, case.kwargs)
                )
                probe = dataclasses.replace(case, args=args, kwargs=kwargs)
                outcome = observe(exercise.reference, probe)
                if not outcome.raised and not has_nan(outcome.result):
                    probes.append((probe, outcome.result))
    return probes


def scaled(factor):
    """A function that multiplies arrays of real numbers."""
    return lambda x: x * factor if x.dtype.kind == "f" else x


def has_nan(x):
    """Whether NaN is anywhere in plain data."""
    if isinstance(x, dict):
        return any(map(has_nan, x.values()))
    if isinstance(x, list | tuple):
        return any(map(has_nan, x))
    return isinstance(x, float | np.ndarray) and bool(np.isnan(x).any())


def differs_on(function, case, want):
    """Whether a function does anything else than it should, beyond rounding."""
    outcome = observe(function, case)
    if outcome.raised or outcome.unusable:
        return True
    return bool(difference(outcome.result, want, 1e-7))
