"""KernelSmoother: its numbers against plain loops and against drawing the noise."""

import math

import numpy as np
import pytest
import traitlets

pytest.importorskip("anywidget")
import ipywidgets

from attnlib.widgets import KernelSmoother
from attnlib.widgets.kernel_smoother import BANDWIDTHS, COUNTS

BANDWIDTH, QUERY, COUNT, NOISE = (
    f".attn-controls > :nth-child({n}) input" for n in (2, 3, 4, 5)
)
PICTURE = ".attn-controls ~ figure svg"
MOVES = [
    ("keyboard", BANDWIDTH, "ArrowRight", "taking_part"),
    ("keyboard", QUERY, "ArrowLeft", "estimate"),
    ("keyboard", ".attn-controls button", "Enter", "estimate"),
    ("mouse", ".attn-controls button", "click", "estimate"),
    ("mouse", PICTURE, "drag:0.3", "truth"),
    ("mouse", NOISE, "drag:0.2", "estimate"),
    ("touch", ".attn-controls button", "tap", "estimate"),
    ("touch", PICTURE, "tap", "truth"),
    ("touch", COUNT, "tap", "taking_part"),
]


def random_state(rng):
    """Return traits for one state, now and then at an edge."""
    return {
        "view": str(rng.choice(["fit", "errors"])),
        "count": int(rng.choice(COUNTS)),
        "noise": float(rng.choice([0.0, 0.5, rng.uniform(0, 0.5)])),
        "bandwidth": float(rng.choice(BANDWIDTHS)),
        "query": float(rng.choice([0.0, 1.0, rng.uniform(0, 1)])),
        "seed": int(rng.choice([0, 999, rng.integers(1000)])),
    }


def true_curve(x):
    return math.sin(4 * math.pi * x)


def weights_by_hand(x, places, h):
    """The formula of chapter 1, one exponential at a time."""
    grown = [math.exp(-((x - place) ** 2) / (2 * h**2)) for place in places]
    return [g / sum(grown) for g in grown]


@pytest.mark.parametrize("bandwidth", [0.02, 0.1, 0.5])
def test_the_estimate_is_the_weighted_mean_of_the_measurements(bandwidth):
    figure = KernelSmoother(bandwidth=bandwidth, count=20, query=0.35, seed=3)
    found = figure.numbers()
    weights = weights_by_hand(0.35, found["places"], bandwidth)
    assert found["weights"] == pytest.approx(weights, rel=1e-9, abs=1e-12)
    products = [w * y for w, y in zip(weights, found["heights"], strict=True)]
    assert found["estimate"] == pytest.approx(sum(products), rel=1e-9)
    assert found["taking_part"] == pytest.approx(1 / sum(w * w for w in weights))
    assert found["largest_weight"] == pytest.approx(max(weights))
    assert found["truth"] == pytest.approx(true_curve(0.35))


def test_beta_is_that_of_the_chapter():
    assert KernelSmoother(bandwidth=0.05).numbers()["beta"] == pytest.approx(200)


def test_the_fit_at_the_query_is_the_estimate():
    """x = 0.35 is the 36th of the 101 points of the fit."""
    found = KernelSmoother(query=0.35, count=40).numbers()
    assert found["fit"][35] == pytest.approx(found["estimate"], rel=1e-9)
    gaps = [(y - true_curve(i / 100)) ** 2 for i, y in enumerate(found["fit"])]
    assert found["fit_error"] == pytest.approx(sum(gaps) / 101, rel=1e-9)


@pytest.mark.parametrize("bandwidth", [0.01, 0.05, 0.3])
def test_bias_and_variance_are_those_of_drawing_the_noise(bandwidth):
    """20,000 draws of the noise at the same places; the mean varies by one percent."""
    figure = KernelSmoother(count=20, noise=0.4, bandwidth=bandwidth, seed=7)
    found = figure.numbers()
    places = np.array(found["places"])
    points = np.arange(101) / 100
    rows = [weights_by_hand(x, places, bandwidth) for x in points]
    truth = np.array([true_curve(x) for x in places])
    noise = 0.4 * np.random.default_rng(0).standard_normal((20_000, 20))
    fits = (truth + noise) @ np.array(rows).T  # (20000, 101)
    curve = np.array([true_curve(x) for x in points])
    assert found["bias2"] == pytest.approx(
        ((fits.mean(0) - curve) ** 2).mean(), rel=0.02, abs=1e-4
    )
    assert found["variance"] == pytest.approx(fits.var(0).mean(), rel=0.02)
    assert found["mean_fit"] == pytest.approx(list(fits.mean(0)), abs=0.02)
    assert found["spread"] == pytest.approx(list(fits.std(0)), rel=0.05)
    assert found["total"] == pytest.approx(((fits - curve) ** 2).mean(), rel=0.02)


def test_the_chosen_bandwidth_is_on_the_curves():
    figure = KernelSmoother(count=40)
    for at, bandwidth in enumerate(BANDWIDTHS):
        figure.bandwidth = bandwidth
        found = figure.numbers()
        assert found["bias2"] == found["bias2_curve"][at]
        assert found["variance"] == found["variance_curve"][at]
    sums = np.add(found["bias2_curve"], found["variance_curve"])
    assert found["best_bandwidth"] == BANDWIDTHS[int(np.argmin(sums))]


def test_the_ends_are_one_neighbour_and_the_mean():
    hard = KernelSmoother(bandwidth=0.003, count=10, query=0.5).numbers()
    nearest = np.argmin(np.abs(np.array(hard["places"]) - 0.5))
    assert np.argmax(hard["weights"]) == nearest
    assert hard["largest_weight"] > 0.99
    soft = KernelSmoother(bandwidth=0.5, count=80, query=0.5).numbers()
    assert soft["taking_part"] > 70


@pytest.mark.parametrize("seed", range(10))
def test_what_chapter_10_says_about_half_the_noise(seed):
    """The variance falls to a quarter, the bias stays, the best bandwidth not above."""
    loud = KernelSmoother(noise=0.3, seed=seed).numbers()
    calm = KernelSmoother(noise=0.15, seed=seed).numbers()
    assert calm["bias2_curve"] == loud["bias2_curve"]
    assert calm["variance_curve"] == pytest.approx(
        [v / 4 for v in loud["variance_curve"]]
    )
    assert calm["best_bandwidth"] <= loud["best_bandwidth"]


def test_more_measurements_keep_the_first_ones_and_help_on_average():
    few, many = (KernelSmoother(count=n, noise=0.0).numbers() for n in (10, 160))
    assert many["places"][:10] == few["places"]
    best = {
        n: [
            KernelSmoother(count=n, seed=s).numbers()["best_bandwidth"]
            for s in range(9)
        ]
        for n in (20, 160)
    }
    assert np.mean(best[160]) < np.mean(best[20])


def test_the_measurements_are_spread_like_the_chapters():
    """Uniform places, noise of the stated deviation that knows no place; 100 seeds."""
    found = [KernelSmoother(count=160, seed=s).numbers() for s in range(100)]
    places = np.array([f["places"] for f in found])  # (100, 160)
    noise = np.array([f["heights"] for f in found]) - np.sin(4 * np.pi * places)
    assert abs(places.mean() - 0.5) < 0.01
    assert abs(places.std() - math.sqrt(1 / 12)) < 0.01
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 0.3) < 0.01
    # A normal number takes two uniform ones; they must not be those of two places.
    for pair in (places, places[:, ::2], places[:, 1::2]):
        sizes = np.abs(noise[:, : pair.shape[1]])
        assert abs(np.corrcoef(pair.ravel(), sizes.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("view", ["fit", "errors"])
def test_the_table_says_what_the_numbers_say(view):
    figure = KernelSmoother(view=view, count=20, bandwidth=0.07, query=0.25)
    found = figure.numbers()
    caption, heads, rows = figure.table()
    said = {row[0]: row[1:] for row in rows}
    assert [float(h) for h in said] == BANDWIDTHS
    assert all(len(row) == len(heads) for row in rows)
    if view == "fit":
        cells = (f"{found['estimate']:.3f}", f"{found['taking_part']:.2f}")
    else:
        parts = found["bias2"], found["variance"], found["total"]
        cells = tuple(f"{x:.4f}" for x in parts)
        assert f"bandwidth {found['best_bandwidth']:g}" in caption
    assert said["0.07"] == cells
    assert all(cell in caption for cell in cells[:2])
    assert "20 measurements" in caption


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"view": "both"}, "fit"),
        ({"count": 11}, "10, 20, 40, 80"),
        ({"noise": -0.1}, "0.0"),
        ({"noise": 0.6}, "0.5"),
        ({"noise": math.nan}, "noise must be a number"),
        ({"query": math.nan}, "query must be a number"),
        ({"query": math.inf}, "query"),
        ({"query": "<img onerror=alert(1)>"}, "float"),
        ({"bandwidth": 0.025}, "0.02"),
        ({"bandwidth": 0}, "0.003"),
        ({"seed": 1000}, "999"),
        ({"seed": 1.5}, "int"),
        ({"seed": -1}, "0"),
    ],
)
def test_bad_values_are_refused(bad, words):
    with pytest.raises(traitlets.TraitError) as raised:
        KernelSmoother(**bad)
    assert words in str(raised.value)
    assert next(iter(bad)) in str(raised.value)


def test_a_refused_value_changes_nothing():
    figure = KernelSmoother(noise=0.2)
    with pytest.raises(traitlets.TraitError):
        figure.noise = math.nan
    assert figure.noise == 0.2


def test_it_works_with_other_widgets():
    """A linked slider moves the figure, and an observer hears of it."""
    figure, heard = KernelSmoother(), []
    other = ipywidgets.FloatSlider(min=0, max=0.5)
    ipywidgets.link((figure, "noise"), (other, "value"))
    figure.observe(heard.append, names="noise")
    assert other.value == 0.3
    other.value = 0.1
    assert figure.noise == 0.1
    assert [change["new"] for change in heard] == [0.1]
    assert figure.numbers()["variance"] == pytest.approx(
        KernelSmoother(noise=0.1).numbers()["variance"]
    )
    assert figure in ipywidgets.VBox([other, figure]).children


def test_its_repr_names_its_state():
    said = repr(KernelSmoother(count=20))
    assert said == (
        "KernelSmoother(bandwidth=0.02, count=20, noise=0.3, query=0.4, seed=0, "
        "view='fit')"
    )


@pytest.mark.parametrize("seed", range(5))
def test_random_states_are_states(seed):
    state = random_state(np.random.default_rng(seed))
    assert KernelSmoother(**state).state() == state
