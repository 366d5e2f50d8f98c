"""The exercises: right answers pass, every known mistake is named, by its own sentence.

Everything up to "the judge" runs over all exercises there are. Answers that are right
and look different lie beside, one file a chapter, in `answers`.
"""

import collections
import dataclasses
import importlib
import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from attnlib.exercises import (
    CHAPTERS,
    NotYet,
    Raised,
    Right,
    Stopped,
    Unusable,
    check,
    check_all,
    exercises,
    get,
    judge,
    names,
)
from attnlib.exercises._compare import difference
from attnlib.exercises._core import Case, Exercise, Mistake
from attnlib.exercises._judge import observe, problem
from attnlib.exercises._plain import copied, identical, plain
from course import checks, generated, notebooks
from course import exercises as tool

EVERY = [exercise for chapter in CHAPTERS for exercise in exercises(chapter)]
JUDGED = [exercise for exercise in EVERY if exercise.kind != "written"]
MISTAKES = [
    pytest.param(exercise, mistake, id=f"{exercise.name}-{number}")
    for exercise in JUDGED
    for number, mistake in enumerate(exercise.mistakes, start=1)
]
SOURCES = tool.sources()
SEEDS = range(6)  # 0 is the visible one
ONLY_RAISING = ("decode_step", "smoothed_cross_entropy")  # joined beside; smoothed ints

every = pytest.mark.parametrize("exercise", EVERY, ids=lambda e: e.name)
judged = pytest.mark.parametrize("exercise", JUDGED, ids=lambda e: e.name)
mistaken = pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)


def answer_of(exercise, function):
    """What a student hands in: a function, or the value that it computes."""
    if exercise.kind == "value" and callable(function):
        return function()
    return function


def answers(exercise):
    """The right answers that look different."""
    module = importlib.import_module(
        f"tests.exercises.answers.ch{exercise.chapter:02d}"
    )
    return module.ANSWERS[exercise.name]


# ---------------------------------------------------------------- every exercise


@judged
def test_reference_passes(exercise):
    for seed in range(20):
        verdict = judge(exercise, answer_of(exercise, exercise.reference), seed)
        assert verdict.passed, (seed, verdict.message)
        assert verdict.mistake is None
        assert len(verdict.tried) == len(exercise.draw(seed))


@mistaken
@pytest.mark.parametrize("order", [1, -1], ids=["", "reversed"])
def test_mistake_is_named_by_its_own_sentence(exercise, mistake, order):
    """In whatever order they are tried: no other mistake explains the same answer."""
    exercise = dataclasses.replace(exercise, mistakes=exercise.mistakes[::order])
    for seed in SEEDS:
        verdict = judge(exercise, answer_of(exercise, mistake.function), seed)
        assert not verdict.passed
        assert verdict.mistake is mistake, (seed, verdict.message)
        assert verdict.message == mistake.sentence


@mistaken
def test_mistake_shows_in_a_result(exercise, mistake):
    """Not only in an exception, which a hundred other slips raise as well.

    Where nothing but exceptions is possible, their words tell one from another.
    """
    for seed in SEEDS:
        cases = exercise.draw(seed)
        found = [
            (observe(mistake.function, case), observe(exercise.reference, case).result)
            for case in cases
        ]
        if all(outcome.raised for outcome, _ in found):
            assert exercise.name in ONLY_RAISING
            kinds = iter([outcome.raised for outcome, _ in found])

            def other(*args, kinds=kinds, **kwargs):
                raise Raised(next(kinds), "something else")

            assert judge(exercise, other, seed).mistake is None
        else:
            assert any(not o.raised and problem(exercise, o, want) for o, want in found)


@judged
def test_mistakes_are_enough_and_say_so_in_words(exercise):
    sentences = [mistake.sentence for mistake in exercise.mistakes]
    assert len(sentences) >= 4
    assert len({*sentences}) == len(sentences)
    for sentence in sentences:
        assert re.match(r"[A-Z].{30,240}\.$", sentence), sentence
        assert re.search(r"\b[Yy]ours?\b|\b[Yy]ou\b", sentence), sentence


@judged
def test_different_answers_that_are_right_pass(exercise):
    found = answers(exercise)
    assert len(found) >= 3
    for number, answer in enumerate(found):
        for seed in SEEDS:
            verdict = judge(exercise, answer_of(exercise, answer), seed)
            assert verdict.passed, (number, seed, verdict.message)


def plain_only(x):
    """Whether x is plain data to the last level, and nothing in it is NaN."""
    if type(x) in (list, tuple):
        return all(map(plain_only, x))
    if type(x) is dict:
        return all(map(plain_only, [*x, *x.values()]))
    if type(x) in (np.ndarray, float):
        return np.asarray(x).dtype.kind in "biuf" and not np.isnan(x).any()
    return type(x) in (bool, int, str, type(None))


@judged
def test_cases_are_plain_distinct_and_follow_from_the_seed(exercise):
    cases, again, other = (exercise.draw(seed) for seed in (0, 0, 1))
    assert all(plain_only([*c.args, c.kwargs]) for c in cases)
    assert all(plain_only(observe(exercise.reference, c).result) for c in cases)
    assert all(
        map(identical, *([[c.args, c.kwargs] for c in x] for x in (cases, again)))
    )
    whats = [case.what for case in cases]
    assert whats == [case.what for case in other]
    assert len({*whats}) == len(whats)
    assert not any(re.search(r"0x|\d\.\d{3}", what) for what in whats)
    assert len(cases) >= 3 or exercise.kind == "value"


@judged
def test_reference_leaves_its_arguments_alone(exercise):
    for case in exercise.draw(0):
        outcome = observe(exercise.reference, case)
        assert outcome.raised is outcome.unusable is None
        assert outcome.changed == ()


@every
def test_exercise_says_what_it_is(exercise):
    assert exercise.name.isidentifier()
    assert exercise.kind in ("function", "value", "written")
    assert 1 <= exercise.difficulty <= 5
    assert 2 <= exercise.minutes <= 45
    assert exercise.points >= 1
    assert 8 <= len(exercise.objective) <= 90
    assert not exercise.objective.endswith(".")
    assert bool(exercise.rubric) == (exercise.kind == "written")
    if exercise.rubric:
        assert sum(points for points, _ in exercise.rubric) == exercise.points
    assert bool(exercise.why_rtol) == (exercise.rtol != 1e-5)


def test_names_and_titles_are_unique():
    assert len(EVERY) == len({exercise.name for exercise in EVERY})
    for chapter in CHAPTERS:
        titles = collections.Counter(exercise.title for exercise in exercises(chapter))
        assert all(count == 1 for count in titles.values())
        assert all(e.chapter == chapter for e in exercises(chapter))


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if exercises(c)])
def test_chapter_goes_from_easy_to_hard_and_ends_in_a_written_question(chapter):
    found = exercises(chapter)
    assert 4 <= len(found) <= 11
    assert found[0].difficulty <= 2
    levels = [e.difficulty for e in found]
    assert levels == sorted(levels)
    assert sum(e.kind == "written" for e in found) == 1


def heads_in_a_list(x, num_heads):
    return np.split(x, num_heads, axis=-1)


def one_for_all_rows(left, right):
    base = np.maximum(left[0], right[0]).max()
    a, b = np.exp(left[0] - base), np.exp(right[0] - base)
    return (a * left[2] + b * right[2]) / (a * left[1] + b * right[1])


def equal_where_nothing_is_visible(query, key, value, mask):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    scores = np.where(mask, scores, np.finfo(float).min)
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    return exps / exps.sum(-1, keepdims=True) @ value


def log_of_a_sum(logits, targets):
    true = logits[np.arange(len(targets)), targets]
    return np.mean(np.log(np.exp(logits).sum(-1)) - true)


def with_smoothed_numbers(logits, targets, epsilon):
    targets = (1 - epsilon) * targets + epsilon / logits.shape[-1]
    exps = np.exp(logits)
    right = exps[np.arange(len(targets)), targets]
    return -np.mean(np.log(right / exps.sum(-1)))


def joined_beside(x, past_key, past_value, W_Q, W_K, W_V):
    key = np.concatenate((past_key, x @ W_K), axis=-1)
    value = np.concatenate((past_value, x @ W_V), axis=-1)
    return (x @ W_Q) @ key.mT @ value, key, value


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("split_into_heads", heads_in_a_list, "as in a list of heads"),
        ("merge_parts", one_for_all_rows, "You took one maximum for all rows"),
        (
            "masked_attention",
            equal_where_nothing_is_visible,
            "that may attend to nothing looks at all keys alike",
        ),
        ("stable_cross_entropy", log_of_a_sum, "in the logarithm of the sum"),
        ("smoothed_cross_entropy", with_smoothed_numbers, "those are only indices"),
        ("decode_step", joined_beside, "You joined along the last axis"),
    ],
)
def test_what_was_diagnosed_wrongly_or_not_at_all(name, answer, words):
    with np.errstate(all="ignore"):
        for seed in SEEDS:
            assert words in judge(get(name), answer, seed).message


# ---------------------------------------------------------------- the sources


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_source_is_whole(path):
    assert tool.problems(path) == []


def test_every_chapter_with_exercises_has_a_source():
    chapters = [c for c in CHAPTERS if exercises(c)]
    assert [int(path.stem[:2]) for path in SOURCES] == chapters
    for path in SOURCES:
        assert (path.parent.parent / "chapters" / path.name).exists()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_source_scores_everything(path):
    """The stored output of each check says that the answer is right."""
    cells = notebooks.read(path).cells
    tried = [
        c for c in cells if c.cell_type == "code" and c.source.startswith("check(")
    ]
    shown = [checks.output_text(cell.outputs[0]) for cell in tried]
    wanted = [e.name for e in tool.of_chapter(path) if e.kind != "written"]
    assert [text.split(" ")[0] for text in shown] == wanted
    assert all(" is right. Tried " in text for text in shown)


LARGE = re.compile(
    r"large (score|norm|logit)|thousand|near \d{3}|spread over|logit \d{3} above"
    r"|far (below|above|smaller)|billion|that are \d{4} apart"
)


@judged
def test_a_task_announces_very_large_scores_where_a_case_has_them(exercise):
    path = next(p for p in SOURCES if int(p.stem[:2]) == exercise.chapter)
    (task,) = (
        cell.source
        for cell in notebooks.read(path).cells
        if cell.metadata.nbgrader.grade_id == f"{exercise.name}-task"
    )
    if any(LARGE.search(case.what) for case in exercise.draw(0)):
        assert re.search(r"very large|of any size", task.partition("<details>")[0])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_source_says_how_it_works(path):
    cells = notebooks.read(path).cells
    for words in (
        "shows a case that fails",
        "check_all(globals())",
        "SciPy",
        "float64",
    ):
        assert words in cells[1].source
    assert "import numpy as np" in cells[2].source
    used = any("math." in cell.source for cell in cells if cell.cell_type == "code")
    assert ("import math" in cells[2].source) == used


def test_the_chapters_on_cost_and_on_losses_import_math():
    for path in SOURCES:
        if path.stem[:2] in ("06", "08"):
            assert "import math" in notebooks.read(path).cells[2].source


def broken(change):
    """What is said about a source after a change of its text."""

    def problems_of(tmp_path):
        folder = tmp_path / "exercises"
        folder.mkdir()
        text = SOURCES[0].read_text(encoding="utf-8")
        assert change(text) != text
        path = folder / SOURCES[0].name
        path.write_text(change(text), encoding="utf-8")
        return " ".join(tool.problems(path))

    return problems_of


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace("## 2. ", "## 5. "), "its headings must be"),
        (lambda t: t.replace("*about ", "*in "), "the line below its heading"),
        (lambda t: t.replace("minutes in all", "minutes"), "minutes in all'"),
        (lambda t: t.replace("Hint 1<", "Hint 2<"), "numbered from 1"),
        (lambda t: t.replace("### END SOLUTION", "### END"), "needs one region"),
        (lambda t: t.replace('"check(\\"', '"check(\\"x'), "its check must be"),
        (lambda t: t.replace('"locked": true', '"locked": false', 1), "normal form"),
        (lambda t: t.replace('"points": ', '"points": 1'), "normal form"),
        (lambda t: t.replace(" point: ", " points: "), "lacks the rubric's line"),
    ],
)
def test_a_fault_in_a_source_is_found(change, said, tmp_path):
    assert said in broken(change)(tmp_path)


def test_the_instructors_table_is_generated():
    text = generated.GUIDE.read_text(encoding="utf-8")
    assert text == generated.guide(), "run `python -m course guide`"
    assert all(f"`{name}`" in text for name in names())


def test_the_hours_of_marking_follow_from_the_questions():
    """Three minutes for each of the first ten answers, one to two for the others."""
    text = " ".join(generated.GUIDE.read_text(encoding="utf-8").split())
    said = re.search(r"(\d+) students times (\d+) questions are (\d+) answers", text)
    students, questions, answers = map(int, said.groups())
    assert questions == len(EVERY) - len(JUDGED)
    assert answers == students * questions
    hours = [questions * (10 * 3 + (students - 10) * each) / 60 for each in (1, 2)]
    said = re.search(r"(\d+) to (\d+) hours for all of them", text)
    assert [*map(int, said.groups())] == [*map(round, hours)]


def test_list_of_mistakes_is_generated():
    text = generated.MISTAKES.read_text(encoding="utf-8")
    assert text == generated.list_of_mistakes(), "run `python -m course mistakes`"


def test_skeleton_holds_every_cell():
    script = generated.skeleton(3)
    for exercise in exercises(3):
        assert f". {exercise.title}\n" in script
        assert tool.facts(exercise) in script
        call = f'check("{exercise.name}", {exercise.name})'
        assert (call in script) == (exercise.kind != "written")


# ---------------------------------------------------------------- the judge


def rows(rng):
    return [
        Case((rng.normal(size=(3, 4)),), "3 rows of 4"),
        Case((rng.normal(size=(2, 3, 5)),), "a batch of 2"),
    ]


def double(x):
    return 2 * x


DOUBLE = Exercise(
    name="double",
    chapter=1,
    title="Twice",
    objective="double an array",
    minutes=2,
    difficulty=1,
    points=1,
    reference=double,
    cases=rows,
    mistakes=(
        Mistake(lambda x: x**2, "You squared."),
        Mistake(lambda x: x.T * 2, "You turned it around."),
    ),
)
VALUE = dataclasses.replace(
    DOUBLE,
    kind="value",
    reference=lambda: 6.5,
    cases=None,
    mistakes=(Mistake(lambda: 13.0, "You doubled."),),
)


def said(answer, exercise=DOUBLE):
    """The message about an answer that is not right."""
    verdict = judge(exercise, answer, 0)
    assert not verdict.passed
    return verdict.message


def test_right_answer():
    verdict = judge(DOUBLE, double, 0)
    assert verdict.passed is True
    assert verdict.message == "right"
    assert verdict.tried == ("3 rows of 4", "a batch of 2")
    assert judge(VALUE, 6.5, 0).passed
    assert judge(VALUE, np.float32(6.5), 0).passed


def test_known_mistake_also_in_another_form():
    assert said(
        lambda x: [[list(r * r) for r in y] for y in x] if x.ndim > 2 else x * x
    )
    assert said(lambda x: np.square(x.astype(np.float32))) == "You squared."
    assert judge(VALUE, 13, 0).mistake is VALUE.mistakes[0]


def changing(x):
    x *= 2
    return x


def raising(error):
    def answer(x):
        raise error

    return answer


def with_entry(value):
    def answer(x):
        result = 2 * x
        result[..., 1, 2] = value
        return result

    return answer


class Liar:
    """Equal to everything, and an array by its own account."""

    __class__ = np.ndarray
    __array_priority__ = 1e9
    shape, dtype = (3, 4), np.dtype(float)

    def __eq__(self, other):
        return True

    def __array__(self, *args, **kwargs):
        return np.zeros((3, 4))

    __hash__ = None
    __le__ = __ge__ = __lt__ = __gt__ = __eq__


class Trick(float):
    """A number that has nothing of one."""

    def __le__(self, other):
        return True


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "Not answered yet."),
        (..., "Not answered yet."),
        (raising(NotImplementedError()), "Not answered yet."),
        (lambda x: None, "Not answered yet, or without a return"),
        (lambda x: 2 * x if x.ndim < 3 else None, "a return is missing"),
        (np.ones(3), r'Pass the function itself: check\("double", double\)'),
        (changing, "changed its argument `x` in place"),
        (lambda x: 2 * x.mT, "the last two axes swapped|its last two axes swapped"),
        (lambda x: 2 * x[..., :2], r"has the shape \(3, 2\); \(3, 4\) is expected"),
        (lambda x: 2 * x > 0, "holds truth values .*; real numbers are expected"),
        (lambda x: 2 * x + 0j, "holds complex numbers"),
        (lambda x: (2 * x).astype(int), "wrong in .* entries"),
        (lambda x: (2 * x).astype(np.float16), "float16, which carries 3 digits"),
        (lambda x: x.astype(object), "an array of dtype object"),
        (with_entry(np.nan), r"NaN .* in 1 of 12 entries, first at \[1, 2\]"),
        (with_entry(np.inf), r"in 1 of 12 .*: inf, where a finite number is expected"),
        (with_entry(7), r"3 rows of 4\. .*wrong in 1 of 12 .*\[1, 2\]: too large"),
        (lambda x: -2 * x, "Every sign is reversed"),
        (lambda x: 6 * x, "off by the same factor"),
        (lambda x: 2 * x + 1, "off by the same amount"),
        (lambda x: x * 2 if x.ndim == 2 else x, "Right in 1 of 2 .*a batch of 2"),
        (lambda x: "2 * x", "is a text; an array of shape"),
        (lambda x: {"x": 2 * x}, "is a dict of 1; an array of shape"),
        (lambda x: [[1, 2], [3]], "is a list of 2; an array"),
        (lambda x: (n for n in x), "a thing of type generator"),
        (lambda x: Liar(), "a thing of type Liar"),
        (lambda x: [Liar()], "a thing of type Liar"),
        (lambda x, y: x, r"raised TypeError.* It is called as double\(x\)"),
        (raising(ValueError("odd\n  text")), "`raise error`: odd text"),
        (raising(ValueError("x" * 999)), r"It raised ValueError in .*: x{197}\.\.\.$"),
        (raising(Mute()), r"It raised Mute in line \d+, `raise error`\.$"),
        (raising(SystemExit(3)), "It raised SystemExit: 3"),
        (raising(KeyboardInterrupt()), "It raised KeyboardInterrupt"),
        (raising(Raised("ZeroDivisionError", "elsewhere")), "ZeroDivisionError: else"),
        (raising(Unusable("The result is too long.")), "The result is too long"),
        (raising(Stopped("Time is up.")), r"Right in 0 of 2 cases.*Time is up\."),
        (lambda x: torch.from_numpy(3 * x), "off by the same factor"),
    ],
)
def test_what_is_said(answer, words):
    assert re.search(words, said(answer))


A, B = np.array([1.0, 2.0]), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
WRONG_AT_0 = "your result is wrong in 2 of 2 entries, first at [0]. The worst is "


@pytest.mark.parametrize(
    ("got", "want", "sentence"),
    [
        (A.tolist(), A, None),
        (A.astype(np.float32) + np.float32(1e-6), A, None),
        (-1000 * A - 5e-3, -1000 * A, None),
        (np.full(2, 5e-6), np.zeros(2), None),
        (3.0000000000001, 3, None),
        (np.zeros((0, 3)), np.zeros((0, 3)), None),
        (np.array([np.nan, -np.inf]), np.array([np.nan, -np.inf]), None),
        (-(2**70), -(2**70), None),
        (None, None, None),
        ("a", "a", None),
        (A + 2e-4, 10 * A / 10, "in 2 of 2 entries, .* off by the same amount"),
        ([5e-5, 0.0], np.zeros(2), "wrong in 1 of 2 .* by 5e-05$"),
        (3.00001, 3, "your result is too large, by 1e-05$"),
        (2.0, 3.0, "your result is too small, by 1$"),
        ([1.0, 3.5], A, r"wrong in 1 of 2 entries, first at \[1\].*: too large, by 2$"),
        ([1.0, -np.inf], A, r"\[1\]: -inf, where a finite number is expected$"),
        (-np.inf * A, np.inf * A, r"\[0\]: -inf, where inf is expected$"),
        (A, np.inf * A, r"\[0\]: finite, where an infinite number is expected$"),
        (np.inf, 1.0, "your result is inf, where a finite number is expected$"),
        ([0.0, 0.0], A, re.escape(f"{WRONG_AT_0}[1]: too small, by 2") + "$"),
        (A, np.zeros(2), re.escape(f"{WRONG_AT_0}[1]: too large, by 2") + "$"),
        ([5.0], A[:1], r"\[0\]: too large, by 4$"),
        (-A, A, r"too small, by 4\. Every sign is reversed$"),
        (-1000 * A + 1, -1000 * A, "off by the same amount$"),
        (A * 3, A, "off by the same factor$"),
        (
            [True, False],
            A > 0,
            r"^your result is wrong in 1 of 2 entries, first at \[1\]$",
        ),
        (True, False, "^your result is wrong$"),
        (True, 1, r"holds truth values \(bool\); integers are expected$"),
        (1, True, r"holds integers \(int64\); truth values are expected$"),
        (A + 0j, A, r"holds complex numbers \(complex128\); real numbers are"),
        (B.T, B, "swapped$"),
        (B.T + 1, B, r"has the shape \(3, 2\); \(2, 3\) is expected$"),
        (A, A[:1], r"has the shape \(2,\); \(1,\) is expected$"),
        (None, A, r"is None; an array of shape \(2,\) is expected$"),
        (True, "a", "is a truth value; a text is expected$"),
        ("b", "a", "is not the right text$"),
        ({"a": 1, "b": 2}, (1, 2), "is a dict of 2; a tuple of 2 is expected$"),
        ({"b": 1, "c": 2}, {"b": 1, "a": 2}, r"keys \['b', 'c'\]; \['a', 'b'\] are"),
        (
            {"b": 1, "a": 3},
            {"b": 1, "a": 2},
            "the entry 'a' of your result is too large",
        ),
        ([1, [2, 4]], (1, (2, 3)), "part 2 of part 2 of your result is too large"),
        ([1, None], np.ones(2), "is a list of 2; an array"),
    ],
)
def test_difference(got, want, sentence):
    found = difference(got, want, 1e-5)
    assert (found is None) == (sentence is None), found
    assert sentence is None or re.search(sentence, found), found


def test_value_is_judged_without_amounts():
    assert said(6.6, VALUE) == "Your result is too large."
    assert said(..., VALUE) == "Not answered yet."
    assert said(lambda: 6.5, VALUE).startswith("Pass the value")
    assert said(Liar(), VALUE).startswith("It returned a thing of type Liar")


def test_message_tells_no_expected_number():
    """By how much it is off has one digit; nothing else is a number of the answer."""
    exercise = dataclasses.replace(DOUBLE, reference=lambda x: x * 0 + 123.456)
    for answer in (double, lambda x: x * 0 + 123.4, lambda x: x * 0):
        assert "123" not in said(answer, exercise)


def test_structures_are_compared_part_by_part():
    structured = dataclasses.replace(
        DOUBLE,
        reference=lambda x: (x, {"sum": x.sum(), "count": x.size}, "name", x > 0),
    )

    def changed(part, value):
        def answer(x):
            parts = [x, {"sum": x.sum(), "count": float(x.size)}, "name", x > 0]
            parts[part] = value(x)
            return parts

        return answer

    assert judge(structured, changed(0, lambda x: x.tolist()), 0).passed
    for part, value, words in [
        (0, lambda x: x + 1, "Part 1 of your result is wrong in 12 of 12"),
        (1, lambda x: {"sum": x.sum()}, "has the keys"),
        (1, lambda x: {"sum": 0.0, "count": x.size}, "the entry 'sum' of part 2"),
        (1, lambda x: {"sum": x.sum(), "count": x.size + 1}, "the entry 'count'"),
        (1, lambda x: x, "is an array of shape (3, 4); a dict of 2 is"),
        (2, lambda x: "other", "Part 3 of your result is not the right text"),
        (2, lambda x: 3, "Part 3 of your result is a number; a text is expected"),
        (3, lambda x: x >= -9, "Part 4 of your result is wrong in"),
        (3, lambda x: 1.0 * (x > 0), "truth values are expected"),
    ]:
        message = said(changed(part, value), structured)
        assert words.lower() in message.lower(), message
    assert "a list of 2; a tuple of 4" in said(lambda x: [x, x], structured)


def test_integers_are_exact():
    """A count of 10^10 may not be off by one."""
    count = dataclasses.replace(DOUBLE, reference=lambda x: 10**10 + x.size)
    assert judge(count, lambda x: float(10**10 + x.size), 0).passed
    assert "too large" in said(lambda x: 10**10 + x.size + 1, count)
    huge = dataclasses.replace(DOUBLE, reference=lambda x: 10**30)
    assert judge(huge, lambda x: 10**30, 0).passed


def test_judge_hands_out_copies():
    """What an answer does to its arguments reaches neither reference nor mistakes."""

    def destroying(x):
        result = x**2
        x[...] = 0
        return result

    destroyed = dataclasses.replace(
        DOUBLE, mistakes=(*DOUBLE.mistakes, Mistake(destroying, "You destroyed it."))
    )
    assert said(destroying, destroyed) == "You destroyed it."
    assert said(lambda x: x**2, destroyed) == "You squared."


def test_tensors_where_an_answer_takes_nothing_else():
    """The chapter's exercise says so; in-place changes are noticed there, too."""

    def in_torch(x):
        return torch.add(x, x)

    def in_both(x):
        kinds.append(type(x))
        return 2 * x

    kinds = []
    assert judge(dataclasses.replace(DOUBLE, torch=True), in_both, 0).passed
    assert {*kinds} == {np.ndarray}
    keyword = dataclasses.replace(
        DOUBLE,
        torch=True,
        cases=lambda rng: [Case((), "by keyword", {"x": rng.normal(size=3)})],
    )
    assert judge(keyword, in_torch, 0).passed

    with_torch = dataclasses.replace(DOUBLE, torch=True)
    assert judge(with_torch, in_torch, 0).passed
    assert "TypeError" in said(in_torch, DOUBLE)
    assert "in place" in said(lambda x: torch.mul(x, 2, out=x), with_torch)
    bfloat = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    assert plain(bfloat).dtype == np.float32


def in_torch_but_for_one(x):
    return torch.add(x, x) if x.ndim == 2 else torch.add(x, x).flatten().reshape(5, 7)


def test_a_torch_answer_that_fails_in_one_case_is_told_what_torch_says():
    message = said(in_torch_but_for_one, dataclasses.replace(DOUBLE, torch=True))
    assert message.startswith("Right in 1 of 2 cases.")
    assert "It raised RuntimeError in line" in message
    assert "shape '[5, 7]' is invalid" in message
    assert message.endswith("It was called with tensors, which are float64.")


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: torch.add(x, 2 * x),
        lambda x: torch.cat([x, x]),
        lambda x: x.unsqueeze(0),
        lambda x: x.reshape(x.size(0), -1),
    ],
)
def test_where_an_exercise_is_for_numpy_a_torch_answer_is_told_so(answer):
    words = "This exercise is for NumPy: it is called with arrays."
    assert said(answer).endswith(words)
    with_torch = said(answer, dataclasses.replace(DOUBLE, torch=True))
    assert with_torch.endswith("It was called with tensors, which are float64.")


def half_written(x):
    """A docstring."""
    result = 2 * x  # noqa: F841
    raise NotImplementedError("write your answer here")


def untouched(x):
    """A docstring."""
    # YOUR CODE HERE
    raise NotImplementedError("write your answer here")


def test_a_line_that_was_left_of_the_stub_is_named():
    assert said(untouched) == "Not answered yet."
    message = said(half_written)
    assert message.startswith("Not answered yet: your function runs into line ")
    assert "`raise NotImplementedError(" in message
    assert message.endswith("Delete that line, and return your result.")


def calls_another(x):
    return np.linalg.inv(x[..., :2, :3])


def test_the_line_is_the_students_own():
    """Not that of the library where the exception came up."""
    line = calls_another.__code__.co_firstlineno + 1
    words = (
        f"It raised LinAlgError in line {line}, `return np.linalg.inv(x[..., :2, :3])`"
    )
    assert words in said(calls_another)


def test_parts_are_called_by_their_names():
    pair = dataclasses.replace(
        DOUBLE, reference=lambda x: (x, x.mT), parts=("rows", "columns")
    )
    assert "Your `columns` is wrong in" in said(lambda x: (x, x.mT + 1), pair)
    assert "Your `rows` has the shape" in said(lambda x: (x[0], x.mT), pair)
    swapped = said(lambda x: (x.mT, x), pair)
    assert "Your parts are right, in another order than rows, columns." in swapped
    assert "a tuple of 2 (rows, columns) is expected" in said(lambda x: x, pair)


@judged
def test_parts_fit_to_what_the_reference_returns(exercise):
    for case in exercise.draw(0):
        result = observe(exercise.reference, case).result
        assert len(exercise.parts) == (len(result) if isinstance(result, tuple) else 0)


def test_an_interrupt_is_ours_where_the_answer_runs_elsewhere():
    answer = raising(KeyboardInterrupt())
    answer.remote = True
    with pytest.raises(KeyboardInterrupt):
        judge(DOUBLE, answer, 0)


def test_changed_keyword_argument_is_named():
    def answer(x, *, weights):
        weights += 1
        return x

    keyword = dataclasses.replace(
        DOUBLE,
        reference=lambda x, *, weights: x,
        cases=lambda rng: [Case((np.ones(2),), "one", {"weights": np.ones(3)})],
    )
    assert "changed its argument `weights` in place" in said(answer, keyword)


def test_stop_ends_the_calls():
    for error, count in [
        (Stopped("Time is up."), 1),
        (SystemExit("Time is up."), 1),
        (Unusable("Time is up."), 2),
        (Raised("TimeoutError", "Time  is up."), 2),
        (ValueError("Time is up."), 2),
    ]:
        calls = []

        def answer(x, calls=calls, error=error):
            calls.append(x)
            raise error

        assert said(answer).endswith("Time is up.")
        assert len(calls) == count


def test_plain_data():
    pair = (np.arange(3), [1, {"a": None}], "b", True, 2.0)
    assert identical(plain(pair), pair)
    copy = copied(pair)
    copy[0][0] = 9
    copy[1][1]["a"] = 5
    assert identical(pair, (np.arange(3), [1, {"a": None}], "b", True, 2.0))
    assert not identical(pair, copy)
    assert identical(np.array([np.nan]), np.array([np.nan]))
    assert not identical(np.zeros(2), np.zeros(2, np.float32))
    assert not identical([1], [1.0])
    assert identical({"a": np.nan, "b": 1}, {"a": np.nan, "b": 1})
    assert not identical({"a": 1, "b": 2}, {"a": 1, "b": 3})
    assert not identical({"a": 1}, {"b": 1})
    assert not identical(1.0, np.nan)
    assert not identical(np.nan, 1.0)
    for scalar, kind in [
        (np.float64(2.5), float),
        (np.longdouble(2.5), float),
        (np.int8(2), int),
        (np.True_, bool),
        (np.str_("a"), str),
    ]:
        assert type(plain(scalar)) is kind
        assert plain(scalar) == scalar
    assert type(plain([np.float64(2.5)])[0]) is float
    ((key, value),) = plain({np.str_("a"): np.int64(3)}).items()
    assert (type(key), type(value)) == (str, int)
    for tensor in (torch.ones(2), torch.nn.Parameter(torch.ones(2))):
        assert type(plain(tensor)) is type(plain((tensor,))[0]) is np.ndarray
    assert type(plain(collections.namedtuple("Pair", "a b")(1, 2))) is tuple
    with pytest.raises(Unusable, match="type Trick"):
        plain(Trick())
    matrix = np.ones(2).view(type("Sub", (np.ndarray,), {}))
    assert type(plain(matrix)) is np.ndarray


# ---------------------------------------------------------------- the front door


@pytest.fixture
def nothing_right(monkeypatch):
    monkeypatch.setattr("attnlib.exercises.RIGHT", set())


def test_check_shows_what_was_tried(nothing_right):
    report = repr(check("scaled_scores", get("scaled_scores").reference))
    first, *lines, tally = report.split("\n")
    assert first == f"scaled_scores is right. Tried {len(lines)} cases:"
    assert lines[0] == "  - one query, 2 keys, 9 features"
    assert tally == "1 of 7 right in chapter 3."
    assert report == repr(check("scaled_scores", get("scaled_scores").reference))


def test_report_of_one_and_of_two_cases():
    assert repr(Right("x", ("one",))) == "x is right. Tried 1 case:\n  - one"
    assert repr(Right("x", ("one", "two"))).startswith("x is right. Tried 2 cases:\n")


def test_check_raises_with_the_sentence(nothing_right):
    mistake = get("scaled_scores").mistakes[0]
    with pytest.raises(
        NotYet, match=r"^scaled_scores: You left the scale out"
    ) as caught:
        check("scaled_scores", mistake.function)
    assert isinstance(caught.value, AssertionError)
    shown = caught.value._render_traceback_()
    sentence = shown[: shown.index("")]
    assert " ".join(sentence) == f"Not yet. scaled_scores: {mistake.sentence}"
    assert max(map(len, shown)) <= 88


def test_tally_follows_the_last_answers(nothing_right):
    """A right answer counts once; one that is changed and wrong counts no more."""
    right, wrong = get("scaled_scores").reference, get("scaled_scores").mistakes[0]
    check("scaled_scores", right)
    check("scaled_scores", right)
    assert repr(check("score_variance", get("score_variance").reference)).endswith(
        "\n2 of 7 right in chapter 3."
    )
    with pytest.raises(NotYet) as caught:
        check("scaled_scores", wrong.function)
    assert caught.value._render_traceback_()[-1] == "1 of 7 right in chapter 3."
    with pytest.raises(NotYet) as caught:  # another chapter, where nothing is right
        check("lookup", None)
    assert str(caught.value) == "lookup: Not answered yet."


def test_check_all_judges_what_is_there(nothing_right):
    answers = {
        "scaled_scores": get("scaled_scores").reference,
        "stable_softmax": get("stable_softmax").mistakes[0].function,
        "softmax_jacobian": None,
        "something_else": 5,
    }
    lines = repr(check_all(answers)).split("\n")
    assert lines[0] == "1 of 7 right in chapter 3."
    assert lines[1:3] == [
        "  - score_variance: not answered yet",
        "  - scaled_scores: right",
    ]
    assert lines[3].startswith(
        "  - stable_softmax: not yet. You took exp of the scores"
    )
    assert "  - softmax_jacobian: not yet. Not answered yet." in lines
    assert lines[-1] == "  - vanishing_gradients: a person reads this one"
    assert max(map(len, lines)) <= 88
    whole = repr(check_all({}, chapter=1)).split("\n")
    assert whole[0] == "0 of 4 right in chapter 1."
    assert repr(check_all({})) == "No answer here has the name of an exercise."


def test_unknown_names_and_written_questions():
    with pytest.raises(ValueError, match="did you mean scaled_scores"):
        check("scaled_score", None)
    with pytest.raises(ValueError, match=r"see names\(\)"):
        check("qqqqqqq", None)
    with pytest.raises(ValueError, match="a written question: a teacher reads it"):
        check("vanishing_gradients", "text")


def test_names_of_a_chapter_and_of_all():
    assert "scaled_scores" in names(3)
    assert names(3) == [exercise.name for exercise in exercises(3)]
    assert names() == [exercise.name for exercise in EVERY]
    assert names(12) == []


def test_import_loads_no_torch_and_no_chapter():
    code = (
        "import sys, json, attnlib; first = 'attnlib.exercises' in sys.modules\n"
        "import attnlib.exercises as e; e.check('scaled_scores', "
        "e.get('scaled_scores').reference)\n"
        "print(json.dumps([first, *(n in sys.modules for n in "
        "['torch', 'IPython', 'nbgrader', 'matplotlib'])]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(run.stdout) == [False] * 5


def test_a_notebook_shows_the_sentence_alone():
    """IPython itself renders it: no frame of the judge, no traceback."""
    code = "from attnlib.exercises import check\ncheck('scaled_scores', None)"
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True)
    shown = run.stdout + run.stderr
    assert "Not yet. scaled_scores: Not answered yet." in shown
    assert "Traceback" not in shown
    assert "_judge.py" not in shown
