"""Figures: the data that was plotted, not its pixels."""

import subprocess
import sys

import numpy as np
import pytest

from attnlib import Cost, Device
from tests.attnlib.arrays import to_numpy

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("agg")  # no window; set here, since kernels inherit MPLBACKEND
plotting = pytest.importorskip("attnlib.plotting")

WEIGHTS = np.array([[0.75, 0.25, 0.0], [0.1, 0.2, 0.7]])
MASK = np.array([[True, False, False], [True, True, False]])


@pytest.fixture(autouse=True)
def _no_figure_stays(monkeypatch):
    """Close all figures, and fail where one is shown."""

    def show(*args, **kwargs):
        raise AssertionError("plt.show was called")

    monkeypatch.setattr(plt, "show", show)
    yield
    plt.close("all")


def drawn(ax):
    """Return the numbers of the one image of an Axes."""
    (image,) = ax.get_images()
    return np.asarray(image.get_array())


def labels(axis):
    """Return the tick labels of an axis."""
    return [tick.get_text() for tick in axis.get_ticklabels()]


# ---------------------------------------------------------------- weights


def test_weights_are_what_is_drawn(asarray):
    """The image holds the weights of each library, on a scale that starts at 0."""
    for dtype in asarray.dtypes:
        weights = asarray(WEIGHTS, dtype)
        ax = plotting.plot_attention(weights)
        np.testing.assert_array_equal(drawn(ax), to_numpy(weights).astype(np.float64))
        (image,) = ax.get_images()
        assert image.norm.vmin == 0
        assert image.norm.vmax == 1


def test_queries_run_down_and_keys_across():
    """Two queries, three keys: the labels say which is which."""
    ax = plotting.plot_attention(
        WEIGHTS, query_labels=["it", "was"], key_labels=["a", "cat", "sat"]
    )
    assert labels(ax.yaxis) == ["it", "was"]
    assert labels(ax.xaxis) == ["a", "cat", "sat"]
    assert "quer" in ax.get_ylabel().lower()
    assert "key" in ax.get_xlabel().lower()
    top, bottom = ax.transData.transform([(0, 0), (0, 1)])[:, 1]
    assert top > bottom  # the first query stands on top


def test_numbers_in_small_maps():
    """Each cell carries its number, at its own place; large maps carry none."""
    ax = plotting.plot_attention(WEIGHTS)
    found = {text.get_position(): text.get_text() for text in ax.texts}
    assert found == {(j, i): f"{WEIGHTS[i, j]:.2f}" for i in range(2) for j in range(3)}
    assert not plotting.plot_attention(np.full((9, 9), 1 / 9)).texts


def test_an_axes_in_is_the_axes_out():
    """ax is drawn on and returned; None makes a figure of its own."""
    figure, (left, right) = plt.subplots(1, 2)
    assert plotting.plot_attention(WEIGHTS, ax=right) is right
    assert plotting.plot_mask(MASK, ax=left) is left
    assert len(plt.get_fignums()) == 1
    new = plotting.plot_attention(WEIGHTS)
    assert new.figure is not figure
    assert len(plt.get_fignums()) == 2


def test_kwargs_go_to_imshow():
    """A caller may choose another scale or map."""
    ax = plotting.plot_attention(WEIGHTS, vmax=0.5, cmap="Reds")
    (image,) = ax.get_images()
    assert image.norm.vmax == 0.5
    assert image.get_cmap().name == "Reds"


def test_weights_are_left_alone():
    """Plotting changes nothing in the array."""
    weights = WEIGHTS.copy()
    plotting.plot_attention(weights)
    np.testing.assert_array_equal(weights, WEIGHTS)


def test_gradients_are_no_obstacle(astensor):
    """Weights that ask for a gradient are drawn."""
    ax = plotting.plot_attention(astensor(WEIGHTS).requires_grad_())
    np.testing.assert_array_equal(drawn(ax), WEIGHTS)


# ---------------------------------------------------------------- heads, masks, roof


def test_heads_in_order():
    """One map per head, each with its own weights, on the same scale."""
    heads = np.random.default_rng(0).dirichlet(np.ones(4), size=(6, 3))
    axes = plotting.plot_heads(heads, key_labels=list("abcd"))
    assert len(axes) == 6
    for head, ax in enumerate(axes):
        np.testing.assert_array_equal(drawn(ax), heads[head])
        assert str(head) in ax.get_title()
        assert ax.get_images()[0].get_clim() == (0, 1)
        assert labels(ax.xaxis) == list("abcd")
    assert len(axes[0].figure.axes) == 6  # no empty Axes is left


def test_heads_on_given_axes():
    """Axes in, the same Axes out."""
    _, given = plt.subplots(1, 2)
    axes = plotting.plot_heads(np.stack([WEIGHTS, WEIGHTS[::-1]]), axes=given)
    assert list(axes) == list(given)
    np.testing.assert_array_equal(drawn(given[1]), WEIGHTS[::-1])


def test_mask_is_what_is_drawn(asarray):
    """Allowed cells are drawn darker than hidden ones."""
    ax = plotting.plot_mask(asarray(MASK), query_labels=["x", "y"])
    np.testing.assert_array_equal(drawn(ax).astype(bool), MASK)
    (image,) = ax.get_images()
    allowed, hidden = image.cmap(image.norm([1.0, 0.0]))[:, :3].sum(axis=1)
    assert allowed < hidden
    assert labels(ax.yaxis) == ["x", "y"]


def test_roofline_by_hand():
    """The roof has its corner at peak / bandwidth; a cost lies where it should."""
    device = Device("toy", 100.0, 10.0)
    costs = {"slow": Cost(20, 20), "fast": Cost(4000, 20)}
    ax = plotting.plot_roofline(device, costs)
    roof, *marks = ax.get_lines()
    x, y = roof.get_data()
    np.testing.assert_allclose(y, np.minimum(100.0, 10.0 * x), rtol=1e-12)
    assert x[0] <= 1
    assert x[-1] >= 200
    points = sorted((float(m.get_xdata()[0]), float(m.get_ydata()[0])) for m in marks)
    np.testing.assert_allclose(points, [(1, 10), (200, 100)])
    assert {text.get_text() for text in ax.texts} >= {"slow", "fast"}
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert "FLOP/byte" in ax.get_xlabel()
    assert "FLOP/s" in ax.get_ylabel()


def test_roofline_axes_in_axes_out():
    """ax is drawn on and returned, also without a cost."""
    _, ax = plt.subplots()
    assert plotting.plot_roofline(Device("toy", 100.0, 10.0), ax=ax) is ax


# ---------------------------------------------------------------- style


def test_import_leaves_rcparams():
    """Importing the room changes no setting; use_style does."""
    code = """
import matplotlib
before = dict(matplotlib.rcParams)
import attnlib.plotting
assert dict(matplotlib.rcParams) == before
attnlib.plotting.use_style()
assert dict(matplotlib.rcParams) != before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_style_has_the_colours_of_query_key_and_value():
    """C0, C1 and C2 of the style are the three colours, which differ in lightness."""
    expected = {"query": "#0072B2", "key": "#B34700", "value": "#00775A"}
    assert expected == plotting.COLORS
    with plt.rc_context():
        plotting.use_style()
        cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    assert [colour.upper() for colour in cycle[:3]] == list(expected.values())


def test_figures_from_the_package():
    """`from attnlib import plot_attention` finds the same functions."""
    import attnlib

    for name in ["plot_attention", "plot_heads", "plot_mask", "plot_roofline"]:
        assert getattr(attnlib, name) is getattr(plotting, name)
        assert name in dir(attnlib)
    assert attnlib.use_style is plotting.use_style
    with pytest.raises(AttributeError, match="plot_nothing"):
        _ = attnlib.plot_nothing


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: plotting.plot_attention(np.zeros((2, 3, 4))),
            ValueError,
            ["weights", "(2, 3, 4)"],
        ),
        (
            lambda: plotting.plot_heads(np.zeros((3, 4))),
            ValueError,
            ["weights", "(3, 4)"],
        ),
        (
            lambda: plotting.plot_mask(np.zeros((2, 3))),
            TypeError,
            ["attn_mask", "float64", "bool"],
        ),
        (
            lambda: plotting.plot_attention(WEIGHTS, query_labels=["a", "b", "c"]),
            ValueError,
            ["2", "queries", "3"],
        ),
        (
            lambda: plotting.plot_attention(WEIGHTS, key_labels=["a", "b"]),
            ValueError,
            ["3", "keys", "2"],
        ),
        (
            lambda: plotting.plot_heads(WEIGHTS[None], axes=[]),
            ValueError,
            ["axes", "0", "1"],
        ),
    ],
)
def test_bad_input(call, error, words):
    """The message names what came and what fits."""
    with pytest.raises(error) as raised:
        call()
    assert all(word in str(raised.value) for word in words), raised.value
