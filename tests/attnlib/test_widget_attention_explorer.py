"""AttentionExplorer: weights against slow loops and torch, its errors, hostile text."""

import json
import math

import numpy as np
import pytest
import traitlets

from tests.attnlib import oracles

pytest.importorskip("anywidget")
import ipywidgets

from attnlib.widgets import AttentionExplorer
from attnlib.widgets._packed import pack, unpack
from attnlib.widgets._sentence import as_words

CAUSAL, TEMPERATURE = "input[type=checkbox]", "input[type=range]"
CHOSEN = ".attn-tokens [aria-checked=true]"
MOVES = [
    ("keyboard", TEMPERATURE, "ArrowRight", "largest_weight"),
    ("keyboard", CHOSEN, "ArrowDown", "effective_keys"),
    ("keyboard", ".attn-heads [aria-checked=true]", "ArrowRight", "own_weight"),
    ("keyboard", CAUSAL, " ", "effective_keys"),
    ("mouse", CAUSAL, "click", "effective_keys"),
    ("mouse", ".attn-tokens button:nth-child(3)", "click", "effective_keys"),
    ("mouse", TEMPERATURE, "drag:0.8", "largest_weight"),
    ("touch", CAUSAL, "tap", "effective_keys"),
    ("touch", ".attn-tokens button:nth-child(2)", "tap", "effective_keys"),
    ("touch", ".attn-heads button:nth-child(3)", "tap", "own_weight"),
]
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "שלום",
    "👩‍👩‍👧",
    "&lt;b&gt;",
    "a" * 40,
    " ",
    '"',
]
WORDS = ["it", "animal", "street", "was", "too", "tired", "wide", "didn't"]


def random_model(rng, layers=2, E=3, places=6):
    """Return the arrays of a sentence model with WORDS, as keywords."""
    draw = rng.standard_normal
    return {
        "words": WORDS,
        "word": draw((len(WORDS), E)),
        "position": draw((places, E)),
        "projections": draw((layers, 3, E, E)),
    }


def random_figure(rng):
    """Return a figure in a random state: of arrays or of a model, at edges at times."""
    shown = {
        "causal": bool(rng.integers(2)),
        "temperature": float(rng.choice([0.1, 1.0, 10.0, rng.uniform(0.1, 10)])),
    }
    layers = int(rng.integers(1, 4))
    shown["layer"] = int(rng.integers(layers))
    if rng.integers(3) == 0:
        text = " ".join(rng.choice(WORDS, rng.integers(1, 7)))
        figure = AttentionExplorer.from_model(
            text, **random_model(rng, layers), examples=[text], **shown
        )
    else:
        H, L = int(rng.integers(1, 5)), int(rng.integers(1, 9))
        query, key = rng.uniform(0.1, 8) * rng.standard_normal((2, layers, H, L, 5))
        tokens = [str(t) for t in rng.choice(HOSTILE + WORDS, L)]
        head = int(rng.integers(H))
        figure = AttentionExplorer.from_arrays(tokens, query, key, head=head, **shown)
    figure.selected = int(rng.integers(len(figure.tokens)))
    return figure


def random_state(rng):
    """Return traits for one state."""
    return random_figure(rng).state()


def arrays(*lead, L=5, E=4, seed=0):
    """Return a random query and key, (*lead, L, E) each."""
    return np.random.default_rng(seed).standard_normal((2, *lead, L, E))


TOKENS = ["a", "b", "c", "d", "e"]


# The numbers


def test_weights_by_hand():
    """Scores 0 and ln 3 over the same temperature give shares 1/4 and 3/4."""
    query, key = np.array([[1.0], [0.0]]), np.array([[0.0], [math.log(3)]])
    figure = AttentionExplorer.from_arrays(["x", "y"], query, key)
    assert np.allclose(figure.weights, [[0.25, 0.75], [0.5, 0.5]], atol=1e-4)
    found = figure.numbers()
    assert found["largest_weight"] == pytest.approx(0.75, abs=1e-4)
    assert found["own_weight"] == pytest.approx(0.25, abs=1e-4)
    effective = 4 / 3**0.75  # exp of -(1/4 ln 1/4 + 3/4 ln 3/4)
    assert found["effective_keys"] == pytest.approx(effective, abs=1e-3)
    figure.temperature = 0.5  # ln 3 counts twice: 1/10 and 9/10
    assert np.allclose(figure.weights[0], [0.1, 0.9], atol=1e-4)
    figure.causal = True
    assert figure.weights[0].tolist() == [1.0, 0.0]
    assert figure.weights[1].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_weights_are_those_of_slow_loops(causal, temperature):
    """16 bits keep a score to 1/65534 of the largest one: at T = 0.1, about 1e-3."""
    query, key = arrays(3, 2)
    figure = AttentionExplorer.from_arrays(
        TOKENS, query, key, causal=causal, temperature=temperature
    )
    scale = 1 / (2 * temperature)  # E = 4
    expected = oracles.attention_weights(query, key, is_causal=causal, scale=scale)
    for figure.layer in range(3):
        assert np.allclose(figure.layer_weights(), expected[figure.layer], atol=2e-3)
        for figure.head in range(2):
            wanted = expected[figure.layer, figure.head]
            assert np.allclose(figure.weights, wanted, atol=2e-3)
            for figure.selected in range(5):
                found = figure.numbers()
                row = wanted[figure.selected]
                assert found["largest_weight"] == pytest.approx(row.max(), abs=2e-3)
                own = row[figure.selected]
                assert found["own_weight"] == pytest.approx(own, abs=2e-3)
                rows = expected[figure.layer][:, figure.selected]
                assert np.allclose(found["head_rows"], rows, atol=2e-3)


def test_a_sentence_model_is_the_formula_twice():
    """The second layer reads what the first one added: by loops."""
    rng = np.random.default_rng(3)
    model = random_model(rng)
    text = "It was too tired."
    figure = AttentionExplorer.from_model(text, **model, layer=1)
    assert figure.tokens == ["it", "was", "too", "tired"]
    x = np.array([model["word"][i] for i in (0, 3, 4, 5)]) + model["position"][:4]
    first, second = model["projections"]
    w_0 = oracles.attention_weights(x @ first[0], x @ first[1])
    x = x + oracles.attention(x @ first[0], x @ first[1], x @ first[2])
    w_1 = oracles.attention_weights(x @ second[0], x @ second[1])
    assert np.allclose(figure.weights, w_1, atol=2e-3)
    figure.layer = 0
    assert np.allclose(figure.weights, w_0, atol=2e-3)
    assert not np.allclose(w_0, w_1, atol=0.02)
    figure.causal, figure.layer = True, 1  # acts on the softmax shown, not in layer 0
    may = np.tril(np.ones((4, 4), dtype=bool))
    query, key = x @ second[0], x @ second[1]
    expected = oracles.attention_weights(query, key, may)
    assert np.allclose(figure.weights, expected, atol=2e-3)


def test_torch_tensors_give_the_same_figure():
    torch = pytest.importorskip("torch")
    query, key = arrays(2)
    tensors = [torch.tensor(x, requires_grad=True) for x in (query, key)]
    ours = AttentionExplorer.from_arrays(TOKENS, query, key)
    theirs = AttentionExplorer.from_arrays(TOKENS, *tensors)
    assert np.allclose(ours.weights, theirs.weights, atol=1e-6)
    half = [x.to(torch.bfloat16) for x in tensors]
    rough = AttentionExplorer.from_arrays(TOKENS, *half)
    assert np.allclose(ours.weights, rough.weights, atol=0.05)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_shapes_of_the_arrays(lead):
    figure = AttentionExplorer.from_arrays(TOKENS, *arrays(*lead))
    assert figure.shape == ((1,) * (2 - len(lead)) + lead)
    assert figure.weights.shape == (5, 5)
    bigger = AttentionExplorer.from_arrays(TOKENS, *arrays(*lead), scale=100.0)
    assert bigger.weights.max() > 0.99  # `scale` arrives


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_packing_keeps_half_a_step_of_each_matrix(scale):
    array = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    array[1, 2] *= scale  # one loud matrix does not cost the others
    kept = unpack(json.loads(json.dumps(pack(array))))
    largest = np.abs(array).max(axis=(-2, -1), keepdims=True)
    assert (np.abs(kept - array) <= largest / 65534 * 1.000001).all()
    assert not unpack(pack(np.zeros((2, 3)))).any()


# What it says


def test_the_table_says_what_the_numbers_say():
    query, key = arrays(2, 3)
    figure = AttentionExplorer.from_arrays(
        TOKENS, query, key, layer=1, head=2, selected=3, note="A note."
    )
    found = figure.numbers()
    caption, heads, rows = figure.table()
    assert heads == ("key", "weight")
    row = found["weights"][3]
    expected = [(t, f"{w:.2f}") for t, w in zip(TOKENS, row, strict=True)]
    assert rows == expected
    assert f"{found['largest_weight']:.2f}, goes to" in caption
    assert f"“{TOKENS[int(np.argmax(row))]}”" in caption
    assert "from “d”" in caption
    assert caption.endswith("A note.")


def test_its_repr_is_stable():
    said = (
        "AttentionExplorer(4 tokens, 2 layers of 3 heads; selected=0, layer=0, "
        "head=0, causal=False, temperature=1.0)"
    )
    assert repr(AttentionExplorer()) == said


def test_hostile_tokens_stay_text():
    L = len(HOSTILE)
    figure = AttentionExplorer.from_arrays(HOSTILE, *arrays(L=L))
    page = figure.as_html()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert figure.tokens == HOSTILE
    assert all(token in page for token in ("שלום", "👩‍👩‍👧", "a" * 40))


def test_a_state_survives_json():
    figure = random_figure(np.random.default_rng(1))
    again = AttentionExplorer(**json.loads(json.dumps(figure.state())))
    assert again.numbers() == figure.numbers()


# What is refused


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"tokens": ["a"]}, ValueError, r"L = 1 tokens; got \(5, 4\) and \(5, 4\)"),
        ({"query": arrays(L=3)[0]}, ValueError, r"L = 5 tokens; got \(3, 4\)"),
        ({"key": arrays(E=3)[0]}, ValueError, "3"),
        ({"query": arrays(1, 1, 1)[0]}, ValueError, r"\(layers, H, L, E\)"),
        ({"query": [[1.0, 2.0]] * 5}, TypeError, "query must be an array"),
        ({"key": np.ones((5, 4), dtype=int)}, TypeError, "floating"),
        ({"key": np.full((5, 4), np.nan)}, ValueError, "finite"),
        ({"key": np.full((5, 4), np.inf)}, ValueError, "finite"),
        ({"key": np.full((5, 4), 1e200), "scale": 1e200}, ValueError, "finite"),
        ({"tokens": [1, 2, 3, 4, 5]}, traitlets.TraitError, "tokens"),
        ({"tokens": ["", *"bcde"]}, traitlets.TraitError, "1 to 40 characters, got 0"),
        ({"tokens": ["x" * 10_000, *"bcde"]}, traitlets.TraitError, "got 10000"),
        ({"layer": 1}, traitlets.TraitError, "layer must be 0 to 0, got 1"),
        ({"head": 3}, traitlets.TraitError, "head must be 0 to 0, got 3"),
        ({"selected": 5}, traitlets.TraitError, "selected must be 0 to 4, got 5"),
        ({"selected": -1}, traitlets.TraitError, "selected"),
        ({"temperature": 0.0}, traitlets.TraitError, "temperature"),
        ({"temperature": math.nan}, traitlets.TraitError, "temperature"),
        ({"temperature": math.inf}, traitlets.TraitError, "temperature"),
        ({"causal": "yes"}, traitlets.TraitError, "causal"),
        ({"note": "x" * 401}, traitlets.TraitError, "note must be short"),
        ({"examples": ["x"] * 9}, traitlets.TraitError, "examples must be short"),
    ],
)
def test_bad_values_are_refused(change, error, words):
    query, key = arrays()
    given = {"tokens": TOKENS, "query": query, "key": key}
    with pytest.raises(error, match=words):
        AttentionExplorer.from_arrays(**given | change)


def test_more_than_64_tokens_are_refused():
    AttentionExplorer.from_arrays(["x"] * 64, *arrays(L=64))
    with pytest.raises(traitlets.TraitError, match="1 to 64 strings, got 65"):
        AttentionExplorer.from_arrays(["x"] * 65, *arrays(L=65))
    with pytest.raises(traitlets.TraitError, match="1 to 64 strings, got 0"):
        AttentionExplorer(tokens=[])


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"shape": [1, 1, 4, 4], "steps": [1.0], "data": ""},
        {"shape": [1, 1, 4, 4], "steps": [1.0], "data": "<img onerror=alert(1)>"},
        {
            "shape": [1, 1, 4, 4],
            "steps": [math.nan],
            "data": "AAAA" * 8 + "AAAAAAAAAAA=",
        },
        pack(np.zeros((4, 4))),
        pack(np.zeros((1, 1, 4, 5))),
        pack(np.zeros((0, 1, 4, 4))),
    ],
    ids=["empty", "no data", "no base64", "nan", "2 axes", "not square", "no layer"],
)
def test_scores_that_do_not_fit_are_refused(scores):
    with pytest.raises(traitlets.TraitError, match="scores"):
        AttentionExplorer(scores=scores)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the animal", "no vector for 'the'; it knows it, animal, street"),
        ("<img onerror=alert(1)>", "no vector for '<img'"),
        ("x" * 10_000, "1 to 40 characters, got 10000"),
        ("", "1 to 64 strings, got 0"),
        ("it " * 7, "1 to 6 words, got 7"),
        ("שלום", "no vector for 'שלום'"),
    ],
)
def test_sentences_that_the_model_cannot_read(text, words):
    model = random_model(np.random.default_rng(0))
    with pytest.raises(traitlets.TraitError, match=words):
        AttentionExplorer.from_model(text, **model)
    figure = AttentionExplorer.from_model("it was", **model)
    with pytest.raises(traitlets.TraitError):
        figure.tokens = as_words(text)
    assert figure.tokens == ["it", "was"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"words": WORDS[:-1]}, r"word must have the shape \(7, 3\), got \(8, 3\)"),
        ({"words": ["it"] * 8}, "each of them once"),
        ({"position": np.ones((6, 2))}, r"position must have the shape \(6, 3\)"),
        ({"projections": np.ones((2, 2, 3, 3))}, r"\(2, 3, 3, 3\)"),
        ({"word": np.full((8, 3), np.nan)}, "finite"),
    ],
)
def test_models_that_do_not_fit(change, words):
    model = random_model(np.random.default_rng(0))
    with pytest.raises(ValueError, match=words):
        AttentionExplorer.from_model("it was", **model | change)


def test_words_of_a_typed_sentence():
    typed = "  The animal didn’t, (really) cross?! "
    assert as_words(typed) == ["the", "animal", "didn't", "really", "cross"]


# With other widgets


def test_it_works_with_other_widgets():
    figure, heard = AttentionExplorer.from_arrays(TOKENS, *arrays(2, 3)), []
    other = ipywidgets.IntSlider(max=2)
    ipywidgets.link((figure, "head"), (other, "value"))
    figure.observe(heard.append, names=["head", "causal"])
    other.value = 2
    figure.causal = True
    assert figure.head == 2
    assert [(c["name"], c["new"]) for c in heard] == [("head", 2), ("causal", True)]
    assert not np.triu(figure.weights, 1).any()
    assert figure in ipywidgets.VBox([other, figure]).children


def test_a_shorter_sentence_keeps_the_selection_inside():
    model = random_model(np.random.default_rng(0))
    figure = AttentionExplorer.from_model("it was too tired", **model, selected=3)
    figure.tokens = ["it", "was"]
    assert figure.selected == 1
    assert figure.numbers()["own_weight"] == figure.weights[1, 1]


def test_what_a_page_sends_together_is_taken_together():
    """A new sentence and its selected word, as the page sends them."""
    model = random_model(np.random.default_rng(0))
    figure = AttentionExplorer.from_model("it", **model)
    figure.set_state({"tokens": ["it", "was", "wide"], "selected": 2})
    assert (figure.tokens, figure.selected) == (["it", "was", "wide"], 2)
    assert figure.weights.shape == (3, 3)


@pytest.mark.parametrize("seed", range(12))
def test_random_states_are_states(seed):
    state = random_state(np.random.default_rng(seed))
    assert AttentionExplorer(**state).state() == state
