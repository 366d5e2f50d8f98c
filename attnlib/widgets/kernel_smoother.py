"""KernelSmoother: attention over noisy measurements, its bias and its variance."""

import math

import numpy as np
import traitlets

from attnlib.attention import attention_weights
from attnlib.widgets._figure import LiveFigure
from attnlib.widgets._random import normals, uniforms

COUNTS = [10, 20, 40, 80, 160]
BANDWIDTHS = [0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.07]
BANDWIDTHS += [0.1, 0.15, 0.2, 0.3, 0.5]
POINTS = np.linspace(0, 1, 101)  # where the fit is compared with the true curve


class KernelSmoother(LiveFigure):
    """A smoother fits noisy measurements of sin(4 pi x), x from 0 to 1.

    view: "fit" shows the weights at one query; "errors" bias² and variance.
    count: measurements, 10, 20, 40, 80 or 160.
    noise: standard deviation of the noise in each measurement, 0 to 0.5.
    bandwidth: h in weights ∝ exp(-(x - x_i)² / 2h²), one of BANDWIDTHS.
    query: the place x at which the estimate is read, 0 to 1.
    seed: draws other places and other noise, 0 to 999.

    Bias² and variance are means over x, and over all the noise that could have come at
    these places. They follow from the weights; nothing is simulated.
    Raises traitlets.TraitError for anything else.
    """

    name = "kernel_smoother"
    title = "Attention as a smoother"
    view = traitlets.Enum(["fit", "errors"], "fit").tag(sync=True)
    count = traitlets.Enum(COUNTS, 80).tag(sync=True)
    noise = traitlets.Float(0.3, min=0.0, max=0.5).tag(sync=True)
    bandwidth = traitlets.Enum(BANDWIDTHS, 0.02).tag(sync=True)
    query = traitlets.Float(0.4, min=0.0, max=1.0).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=999).tag(sync=True)

    @traitlets.validate("noise", "query")
    def _is_a_number(self, proposal):
        if math.isnan(proposal.value):
            raise traitlets.TraitError(
                f"{proposal.trait.name} must be a number, got nan; pass 0.3, say"
            )
        return proposal.value

    def measurements(self):
        """Return the places x_i and the measured heights y_i: (count,) each."""
        places = uniforms(2 * self.seed, COUNTS[-1])[: self.count]
        noise = normals(2 * self.seed + 1, COUNTS[-1])[: self.count]
        return places, curve(places) + self.noise * noise

    def numbers(self):
        """Return the estimate at the query, the fit, bias² and variance."""
        places, heights = self.measurements()
        weights = weights_at(np.array([self.query]), places, self.bandwidth)[0]
        fitting = weights_at(POINTS, places, self.bandwidth)  # (101, count)
        fit, mean_fit = fitting @ heights, fitting @ curve(places)
        parts = np.array([self.errors(places, h) for h in BANDWIDTHS])  # (15, 2)
        bias2, variance = parts[BANDWIDTHS.index(self.bandwidth)]
        return {
            "places": places.tolist(),
            "heights": heights.tolist(),
            "weights": weights.tolist(),
            "estimate": float(weights @ heights),
            "truth": float(curve(self.query)),
            "taking_part": float(1 / (weights**2).sum()),
            "largest_weight": float(weights.max()),
            "beta": 1 / (2 * self.bandwidth**2),
            "fit": fit.tolist(),
            "fit_error": float(((fit - curve(POINTS)) ** 2).mean()),
            "mean_fit": mean_fit.tolist(),
            "spread": (self.noise * np.sqrt((fitting**2).sum(-1))).tolist(),
            "bias2": float(bias2),
            "variance": float(variance),
            "total": float(bias2 + variance),
            "bias2_curve": parts[:, 0].tolist(),
            "variance_curve": parts[:, 1].tolist(),
            "best_bandwidth": BANDWIDTHS[int(parts.sum(-1).argmin())],
        }

    def errors(self, places, bandwidth):
        """Return bias² and variance, means over x, exact for these places."""
        weights = weights_at(POINTS, places, bandwidth)  # (101, count)
        bias = weights @ curve(places) - curve(POINTS)
        return (bias**2).mean(), self.noise**2 * (weights**2).sum(-1).mean()

    def table(self):
        """Return what each bandwidth does, for the view that is shown."""
        rows = list(self._fit_rows() if self.view == "fit" else self._error_rows())
        heads = {
            "fit": ("bandwidth", "estimate", "taking part"),
            "errors": ("bandwidth", "bias²", "variance", "sum"),
        }
        said = f"{self.count} measurements, noise {self.noise:g}, bandwidth "
        said += f"{self.bandwidth:g}: {self._finding(self.numbers())}."
        return said, heads[self.view], rows

    def _finding(self, found):
        if self.view == "fit":
            return (
                f"at query {self.query:g} the estimate is {found['estimate']:.3f}, the "
                f"true curve {found['truth']:.3f}, and {found['taking_part']:.2f} "
                "measurements take part"
            )
        return (
            f"bias² {found['bias2']:.4f}, variance {found['variance']:.4f}; the sum is "
            f"smallest at bandwidth {found['best_bandwidth']:g}"
        )

    def _fit_rows(self):
        places, heights = self.measurements()
        for h in BANDWIDTHS:
            weights = weights_at(np.array([self.query]), places, h)[0]
            taking_part = 1 / (weights**2).sum()
            yield f"{h:g}", f"{weights @ heights:.3f}", f"{taking_part:.2f}"

    def _error_rows(self):
        places, _ = self.measurements()
        for h in BANDWIDTHS:
            parts = self.errors(places, h)
            yield f"{h:g}", *(f"{error:.4f}" for error in (*parts, sum(parts)))


def curve(x):
    """Return the true curve, two periods of a sine."""
    return np.sin(4 * np.pi * x)


def weights_at(points, places, bandwidth):
    """Return attention weights (L, S) of queries at points, keys at places."""
    beta = 1 / (2 * bandwidth**2)
    # A dot product that is -beta (x - x_i)², up to what softmax drops.
    query = np.stack([2 * beta * points, np.full_like(points, -beta)], -1)  # (L, 2)
    key = np.stack([places, places**2], -1)  # (S, 2)
    return attention_weights(query, key, scale=1.0)
