"""Figures: an Axes in (or None for a new one), the Axes out; nothing is shown here."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from attnlib._array import Array, to_numpy
from attnlib.cost import Cost, Device, attainable_seconds

COLORS = {"query": "#0072B2", "key": "#B34700", "value": "#00775A"}
STYLE = pathlib.Path(__file__).with_name("attnlib.mplstyle")


def use_style() -> None:
    """Switch matplotlib to the book's style sheet, from here on."""
    plt.style.use(STYLE)


def plot_attention(
    weights: Array,
    *,
    query_labels: Sequence[object] | None = None,
    key_labels: Sequence[object] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw weights (L, S) as a heat map: queries down, keys across, scale from 0.

    Up to 8 x 8, each cell carries its number. `kwargs` go to Axes.imshow.
    """
    weights = _matrix("weights", weights)
    L, S = weights.shape
    if ax is None:
        _, ax = plt.subplots(figsize=(1.6 + 0.55 * S, 1.2 + 0.45 * L))
    kwargs = {"vmin": 0, "vmax": 1, "cmap": "Blues", "aspect": "auto"} | kwargs
    image = ax.imshow(weights, **kwargs)
    if max(L, S) <= 8:
        _write_numbers(ax, image, weights)
    _label_axes(ax, L, S, query_labels, key_labels)
    return ax


def plot_heads(
    weights: Array,
    *,
    query_labels: Sequence[object] | None = None,
    key_labels: Sequence[object] | None = None,
    axes: Iterable[Axes] | None = None,
    **kwargs: Any,
) -> np.ndarray:
    """Draw weights (H, L, S), one heat map per head; return the array of Axes.

    `axes` holds H Axes; by default a new figure with up to four in a row.
    """
    weights = to_numpy(weights)
    if weights.ndim != 3:
        raise ValueError(f"weights must be (H, L, S), got {weights.shape}")
    H = len(weights)
    if axes is None:
        columns = min(H, 4)
        rows = -(-H // columns)
        size = (1.75 * columns, 1.75 * rows + 0.5)
        _, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
        axes = grid.flat
        for spare in grid.flat[H:]:
            spare.remove()
    axes = np.asarray(list(axes)[:H], dtype=object)
    if len(axes) < H:
        raise ValueError(f"axes must hold one Axes per head, got {len(axes)} for {H}")
    for head, (ax, matrix) in enumerate(zip(axes, weights, strict=True)):
        plot_attention(
            matrix, query_labels=query_labels, key_labels=key_labels, ax=ax, **kwargs
        )
        ax.set_title(f"head {head}")
    return axes


def plot_mask(
    attn_mask: Array,
    *,
    query_labels: Sequence[object] | None = None,
    key_labels: Sequence[object] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw a boolean mask (L, S): filled where the query may attend."""
    mask = _matrix("attn_mask", attn_mask)
    if mask.dtype != bool:
        raise TypeError(f"attn_mask must be bool, True = may attend, got {mask.dtype}")
    L, S = mask.shape
    if ax is None:
        _, ax = plt.subplots(figsize=(1.6 + 0.35 * S, 1.2 + 0.35 * L))
    kwargs = {"vmin": 0, "vmax": 1.6, "cmap": "Greys", "aspect": "equal"} | kwargs
    ax.imshow(mask.astype(float), **kwargs)
    ax.set_xticks(np.arange(S + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(L + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="0.8", linewidth=0.8)
    ax.tick_params(which="minor", length=0)
    _label_axes(ax, L, S, query_labels, key_labels)
    return ax


def plot_roofline(
    device: Device,
    costs: Mapping[str, Cost] | None = None,
    *,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw what `device` can attain (FLOP/s) against intensity (FLOP/byte), log-log.

    `costs` maps a label to a Cost, which is marked on the roof. `kwargs` go to the
    roof's line.
    """
    costs = {} if costs is None else costs
    if ax is None:
        _, ax = plt.subplots()
    ridge = device.peak_flops / device.bandwidth
    marks = [cost.intensity for cost in costs.values()]
    low, high = min([ridge / 30, *marks]) / 2, max([ridge * 30, *marks]) * 2
    intensity = np.geomspace(low, high, 200)
    roof = np.minimum(device.peak_flops, intensity * device.bandwidth)
    ax.loglog(intensity, roof, **({"color": "0.35", "zorder": 1} | kwargs))
    for label, cost in costs.items():
        rate = cost.flops / attainable_seconds(cost, device)
        ax.plot(cost.intensity, rate, "o", color="0.15")
        ax.annotate(label, (cost.intensity, rate), (4, -12), textcoords="offset points")
    ax.set(xlabel="intensity (FLOP/byte)", ylabel="attainable (FLOP/s)")
    ax.set_title(device.name)
    return ax


def _matrix(name, x):
    x = to_numpy(x)
    if x.ndim != 2:
        raise ValueError(f"{name} must be one matrix (L, S), got the shape {x.shape}")
    return x


def _write_numbers(ax, image, weights):
    """Write each number into its cell, light on dark and dark on light."""
    for (i, j), weight in np.ndenumerate(weights):
        red, green, blue, _ = image.cmap(image.norm(weight))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        color = "white" if dark else mpl.rcParams["text.color"]
        ax.text(j, i, f"{weight:.2f}", ha="center", va="center", color=color, size=9)


def _label_axes(ax, L, S, query_labels, key_labels):
    for name, axis, count, labels in (
        ("queries", ax.yaxis, L, query_labels),
        ("keys", ax.xaxis, S, key_labels),
    ):
        axis.set_label_text(name)
        if labels is None:
            continue
        if len(labels) != count:
            raise ValueError(
                f"there must be one label for each of the {count} {name}, got "
                f"{len(labels)}"
            )
        axis.set_ticks(range(count), labels)
    if key_labels is not None and max(map(len, map(str, key_labels)), default=0) > 3:
        ax.tick_params(axis="x", rotation=60)
    ax.spines[:].set_visible(False)
