"""Playground: its tasks are the chapters', its start is normal, its weights torch's."""

import math
import re

import ipywidgets
import numpy as np
import pytest
import traitlets

from attnlib.widgets import Playground, _tasks
from attnlib.widgets.playground import KNOWN, RATES, D

# One after the other, too: a page in the book is not loaded afresh for each.
MOVES = [
    ("mouse", ".attn-control:nth-child(3) input", "drag:0.9", "parameters"),
    ("mouse", ".attn-control:nth-child(7) input", "click", "effective_keys"),
    ("keyboard", ".attn-control:nth-child(6) input", "ArrowRight", "effective_keys"),
    ("keyboard", ".attn-control:nth-child(1) select", "ArrowDown", "parameters"),
    ("touch", ".attn-control:nth-child(10) input", "tap", "parameters"),
    ("touch", ".attn-control:nth-child(8) input", "tap", "effective_keys"),
]


def random_state(rng):
    """Traits of a figure, at random."""
    yes = [bool(x) for x in rng.integers(2, size=4)]
    return {
        "task": str(rng.choice(list(_tasks.TASKS))),
        "heads": int(rng.choice([1, 2, 4])),
        "layers": int(rng.integers(1, 4)),
        **dict(zip(("mlp", "scaled", "positions", "causal"), yes, strict=True)),
        "spread": float(rng.choice([0.5, 1.0, 2.0])),
        "rate": float(rng.choice(RATES)),
        "seed": int(rng.choice([0, 99, rng.integers(100)])),
        "layer": int(rng.integers(3)),
        "head": int(rng.integers(4)),
    }


# -------------------------------------------------------------------------- the tasks


def test_two_look_ups():
    """The answers are the values of the names, in the order of the question."""
    for tokens, start, answers in Playground().batch(1, 200):
        *pairs, (first, second) = tokens.tolist()
        value_of = {name: value - 24 for name, value in pairs}
        assert (len(pairs), len(value_of), start) == (12, 12, 12)
        assert first - 32 != second - 56
        assert answers.tolist() == [value_of[first - 32], value_of[second - 56]]
        assert set(value_of) <= {*range(24)}
        assert set(value_of.values()) <= {*range(8)}


def fits(noun, adjective):
    """Say whether chapter 2 keeps this pair for its test."""
    nouns, adjectives = (
        (_tasks.ANIMALS, _tasks.TIRED)
        if noun in _tasks.ANIMALS
        else (_tasks.PLACES, _tasks.WIDE)
    )
    return adjectives.index(adjective) // 2 == nouns.index(noun) % 4


@pytest.mark.parametrize("held_out", [False, True])
def test_the_sentence(held_out):
    figure, seen = Playground(task="the sentence"), set()
    examples = figure.test(300) if held_out else figure.batch(1, 300)
    for tokens, start, answers in examples:
        assert (tokens[:, 1] == _tasks.NOTHING).all()
        words = [_tasks.WORDS[row] for row in tokens[:, 0]]
        seen.add(len(words))
        assert words[start] == "it"
        assert words[-5:-1] == ["because", "it", "was", "too"]
        noun, last = words[answers[0]], words[-1]
        assert (noun in _tasks.ANIMALS) == (last in _tasks.TIRED)
        assert fits(noun, last) == held_out
        nouns = [w for w in words if w in _tasks.ANIMALS + _tasks.PLACES]
        assert len(nouns) == 2
        assert ("by" in words) == (nouns[0] in _tasks.PLACES)
    assert seen == {11, 12, 13}


def test_marked_recall_three_back_and_parity():
    for tokens, _, answers in Playground(task="marked recall").batch(3, 100):
        marked = [row - 16 for row in tokens[:, 0].tolist() if row >= 16]
        assert len(tokens) == 32
        assert marked == answers.tolist()
    for tokens, start, answers in Playground(task="three back").batch(3, 100):
        assert start == 3
        assert all(tokens[i, 0] == a for i, a in enumerate(answers))
        assert (len(tokens), len(answers)) == (16, 13)
    for tokens, _, answers in Playground(task="parity").batch(3, 100):
        bits = tokens[:, 0].tolist()
        assert answers.tolist() == [sum(bits[: i + 1]) % 2 for i in range(8)]


@pytest.mark.parametrize("task", _tasks.TASKS)
def test_batches_differ_and_repeat(task):
    figure, again = Playground(task=task), Playground(task=task, heads=1)
    other = Playground(task=task, seed=1)
    batches = [figure.batch(1), figure.batch(2), other.batch(1), figure.test(32)]
    texts = [str(batch) for batch in batches]
    assert len(set(texts)) == 4
    assert str(again.batch(1)) == texts[0]
    assert len(figure.test()) == 128


@pytest.mark.parametrize("task", _tasks.TASKS)
def test_answers_are_even(task):
    """No answer can be guessed: each class comes up as often as the others."""
    answers = np.concatenate([e.answers for e in Playground(task=task).batch(1, 2000)])
    classes = _tasks.TASKS[task].classes
    if classes:
        counts = np.bincount(answers, minlength=classes)
        expected = len(answers) / classes
        assert (abs(counts - expected) < 5 * math.sqrt(expected)).all()


# -------------------------------------------------------------------------- the start


def test_the_start_is_normal_with_the_stated_spread():
    figure = Playground(task="parity", mlp=True, layers=2, spread=2.0)
    start = figure.start()
    assert [(k, v.shape) for k, v in start.items()] == [
        (name, shape) for name, shape, _ in figure.layout()
    ]
    for name, shape, spread in figure.layout():
        count = math.prod(shape)
        assert abs(start[name].std() - spread) <= 5 * spread / math.sqrt(2 * count)
    assert start["embed"].shape == (2, D)
    assert start["back0"].shape == (128, D)


def test_parameters_by_hand():
    """80 tokens, four matrices, 16 answers; and an MLP of 128 hidden features."""
    plain = 80 * 32 + 4 * 32 * 32 + 32 * 16 + 16
    assert Playground().numbers()["parameters"] == plain
    mlp = 2 * 32 * 128 + 128 + 32
    assert Playground(mlp=True).numbers()["parameters"] == plain + mlp
    assert Playground(heads=4).numbers()["parameters"] == plain


def test_weights_against_torch():
    torch_model = pytest.importorskip("tests.attnlib.playground_torch")
    rng = np.random.default_rng(4)
    for _ in range(30):
        figure = Playground(**random_state(rng))
        example = figure.test(1)
        _, found = torch_model.run(figure, torch_model.tensors(figure), example)
        for ours, theirs in zip(
            figure.weights_at_start(example[0]), found, strict=True
        ):
            assert np.allclose(ours, theirs[0].detach(), atol=1e-9)


def test_keys_do_not_see_values_in_the_first_layer():
    """The condition of chapter 5: other values, the same weights."""
    figure = Playground(layers=2)
    (tokens, start, answers) = figure.test(1)[0]
    others = tokens.copy()
    others[:12, 1] = 24 + (others[:12, 1] - 24 + 3) % 8
    one, two = (
        figure.weights_at_start(_tasks.Example(t, start, answers))
        for t in (tokens, others)
    )
    assert np.array_equal(one[0], two[0])
    assert not np.allclose(one[1], two[1])


def test_a_head_or_layer_that_is_not_there():
    figure = Playground(heads=2, layers=1, layer=2, head=3)
    assert figure.numbers() == Playground(heads=2, layers=1, head=1).numbers()


# -------------------------------------------------------------------------- the widget


@pytest.mark.parametrize(
    "traits",
    [
        {"task": "copy"},
        {"heads": 3},
        {"layers": 0},
        {"layers": 4},
        {"rate": 5.0},
        {"spread": 0.0},
        {"seed": -1},
        {"seed": 100},
        {"scaled": "yes"},
        {"layer": 3},
        {"head": 4},
    ],
)
def test_traits_refused(traits):
    with pytest.raises(traitlets.TraitError):
        Playground(**traits)


def test_observe_and_link():
    figure, slider = Playground(), ipywidgets.IntSlider(1, min=1, max=3)
    link = ipywidgets.link((slider, "value"), (figure, "layers"))
    before = figure.numbers()["parameters"]
    slider.value = 3
    assert figure.numbers()["parameters"] == before + 2 * 4 * D * D
    link.unlink()


def test_repr_is_stable():
    assert repr(Playground()) == repr(Playground())
    assert not re.search(r"0x[0-9a-f]+", repr(Playground()))


def test_the_table_says_where_training_leads():
    caption, heads, rows = Playground(task="parity").table()
    assert "Chosen: parity" in caption
    assert len(rows) == len(KNOWN)
    assert {row[0] for row in rows} == {*_tasks.TASKS}
    assert all(len(row) == len(heads) for row in rows)
