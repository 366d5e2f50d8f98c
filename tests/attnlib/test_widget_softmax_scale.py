"""SoftmaxScale: numbers against torch's autograd, closed forms and the chapter."""

import math

import numpy as np
import pytest
import traitlets

pytest.importorskip("anywidget")
import ipywidgets

from attnlib.widgets import SoftmaxScale
from attnlib.widgets._random import normals
from attnlib.widgets.softmax_scale import WIDTHS

D_K, SCALED, TEMPERATURE, SEED = (
    f".attn-controls > :nth-child({n}) input" for n in (1, 2, 3, 4)
)
MOVES = [
    ("keyboard", D_K, "ArrowLeft", "largest_weight"),
    ("keyboard", SCALED, " ", "entropy"),
    ("keyboard", SEED, "ArrowRight", "measured_std"),
    ("mouse", SCALED, "click", "effective_keys"),
    ("mouse", TEMPERATURE, "drag:0.8", "predicted_std"),
    ("touch", SCALED, "tap", "jacobian_norm"),
    ("touch", SEED, "tap", "largest_weight"),
]


def random_state(rng):
    """Return traits for one state, now and then at an edge."""
    return {
        "d_k": int(rng.choice(WIDTHS)),
        "scaled": bool(rng.integers(2)),
        "temperature": float(rng.choice([0.1, 1.0, 10.0, rng.uniform(0.1, 10)])),
        "seed": int(rng.choice([0, 999, rng.integers(1000)])),
    }


STATES = [random_state(np.random.default_rng(s)) for s in range(12)]


def test_scores_are_dot_products_of_the_first_features():
    """For every width, the features are the first ones of the same 256."""
    features = normals(5, 2 * 256 * 256).reshape(2, 256, 256)
    query, keys = features[0, 0], features[1, :8]
    for d_k in WIDTHS:
        scores = SoftmaxScale(d_k=d_k, seed=5).numbers()["scores"]
        by_hand = [sum(query[e] * key[e] for e in range(d_k)) for key in keys]
        assert scores == pytest.approx(by_hand, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("state", STATES, ids=str)
def test_weights_and_jacobian_are_those_of_torch(state):
    torch = pytest.importorskip("torch")
    found = SoftmaxScale(**state).numbers()
    scores = torch.tensor(found["scores"], dtype=torch.float64)
    weights = torch.softmax(scores, 0)
    jacobian = torch.autograd.functional.jacobian(lambda s: s.softmax(0), scores)
    assert np.allclose(found["weights"], weights.numpy(), rtol=1e-9)
    assert np.allclose(found["jacobian"], jacobian.numpy(), atol=1e-12)
    assert found["jacobian_norm"] == pytest.approx(jacobian.norm().item(), abs=1e-12)
    assert found["largest_weight"] == pytest.approx(weights.max().item())
    entropy = torch.special.entr(weights).sum().item()
    assert found["entropy"] == pytest.approx(entropy, abs=1e-12)
    assert found["effective_keys"] == pytest.approx(math.exp(entropy))


@pytest.mark.parametrize("state", STATES, ids=str)
def test_closed_forms_of_a_row(state):
    """Rows of the Jacobian sum to 0; its trace is 1 - Σw²; limits of the entropy."""
    found = SoftmaxScale(**state).numbers()
    weights = found["weights"]
    assert sum(weights) == pytest.approx(1)
    assert np.allclose(np.sum(found["jacobian"], axis=0), 0, atol=1e-12)
    trace = 1 - sum(w * w for w in weights)
    assert np.trace(found["jacobian"]) == pytest.approx(trace, abs=1e-12)
    assert 0 <= found["entropy"] <= math.log(8)
    assert 1 <= found["effective_keys"] <= 8


@pytest.mark.parametrize("seed", range(5))
def test_the_scale_is_a_temperature_of_eight_at_64_features(seed):
    """What chapter 3 says beside the figure."""
    scaled = SoftmaxScale(d_k=64, scaled=True, seed=seed).numbers()
    hot = SoftmaxScale(d_k=64, temperature=8.0, seed=seed).numbers()
    assert scaled == hot


def test_without_the_scale_the_jacobian_may_rise():
    """Chapter 3 points at seed 8; for most seeds the norm falls."""
    seeds = range(30)
    with_scale = [SoftmaxScale(scaled=True, seed=s).numbers() for s in seeds]
    without = [SoftmaxScale(scaled=False, seed=s).numbers() for s in seeds]
    rises = [
        b["jacobian_norm"] > a["jacobian_norm"]
        for a, b in zip(with_scale, without, strict=True)
    ]
    assert rises[8]
    assert without[8]["jacobian_norm"] > 0.4
    assert 1 <= sum(rises) < 15


@pytest.mark.parametrize("d_k", [1, 16, 256])
def test_the_prediction_of_the_spread_holds_over_seeds(d_k):
    """20 seeds of 256 scores: the mean square is within 10 percent of d_k."""
    found = [SoftmaxScale(d_k=d_k, seed=s).numbers() for s in range(20)]
    squares = [f["measured_std"] ** 2 for f in found]
    assert np.mean(squares) == pytest.approx(d_k, rel=0.1)
    assert found[0]["predicted_std"] == pytest.approx(math.sqrt(d_k))
    scaled = SoftmaxScale(d_k=d_k, scaled=True, temperature=2.0).numbers()
    assert scaled["predicted_std"] == pytest.approx(0.5)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_the_histogram_counts_every_score_once(temperature):
    """By hand, from the same features; what lies beyond ±40 is counted apart."""
    found = SoftmaxScale(d_k=256, temperature=temperature, seed=2).numbers()
    features = normals(2, 2 * 256 * 256).reshape(2, 256, 256)
    sample = np.einsum("ie,ie->i", *features) / temperature
    bins = [int(((a <= sample) & (sample < a + 2)).sum()) for a in range(-40, 40, 2)]
    assert found["histogram"] == bins
    assert found["outside"] == 256 - sum(bins)
    expected = {0.1: (150, 256), 1.0: (0, 20), 10.0: (0, 0)}[temperature]
    assert expected[0] <= found["outside"] <= expected[1]


def test_the_table_says_what_the_numbers_say():
    figure = SoftmaxScale(d_k=16, seed=4)
    found = figure.numbers()
    caption, heads, rows = figure.table()
    assert heads == ("key", "score", "weight")
    assert [row[1] for row in rows] == [f"{s:.2f}" for s in found["scores"]]
    assert [row[2] for row in rows] == [f"{w:.3f}" for w in found["weights"]]
    for name in ("largest_weight", "jacobian_norm"):
        assert f"{found[name]:.3f}" in caption
    assert f"{found['effective_keys']:.2f} effective keys" in caption
    assert "d_k = 16, not divided" in caption
    assert ", divided by" in SoftmaxScale(scaled=True).table()[0]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"d_k": 3}, "1, 2, 4, 8"),
        ({"d_k": 512}, "256"),
        ({"scaled": "yes"}, "boolean"),
        ({"temperature": 0.0}, "0.1"),
        ({"temperature": -1.0}, "0.1"),
        ({"temperature": math.inf}, "10"),
        ({"temperature": math.nan}, "temperature must be a number"),
        ({"temperature": "<img onerror=alert(1)>"}, "float"),
        ({"seed": 1000}, "999"),
        ({"seed": -1}, "0"),
        ({"seed": 0.5}, "int"),
    ],
)
def test_bad_values_are_refused(bad, words):
    with pytest.raises(traitlets.TraitError) as raised:
        SoftmaxScale(**bad)
    assert words in str(raised.value)
    assert next(iter(bad)) in str(raised.value)


def test_it_works_with_other_widgets():
    """A linked slider moves the figure, and an observer hears of it."""
    figure, heard = SoftmaxScale(), []
    other = ipywidgets.IntSlider(max=999)
    ipywidgets.link((figure, "seed"), (other, "value"))
    figure.observe(heard.append, names=["seed", "d_k"])
    other.value = 8
    figure.d_k = 4
    assert figure.seed == 8
    assert [(c["name"], c["new"]) for c in heard] == [("seed", 8), ("d_k", 4)]
    assert figure.numbers() == SoftmaxScale(seed=8, d_k=4).numbers()
    assert figure in ipywidgets.VBox([other, figure]).children


def test_its_repr_names_its_state():
    said = "SoftmaxScale(d_k=64, scaled=False, seed=0, temperature=1.0)"
    assert repr(SoftmaxScale()) == said


@pytest.mark.parametrize("state", STATES, ids=str)
def test_random_states_are_states(state):
    assert SoftmaxScale(**state).state() == state
