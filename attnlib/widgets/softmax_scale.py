"""SoftmaxScale: what the division by sqrt(d_k) does to one row of weights."""

import math

import numpy as np
import traitlets

from attnlib.attention import attention_scores, softmax
from attnlib.widgets._figure import LiveFigure
from attnlib.widgets._random import normals

WIDTHS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
KEYS, PAIRS = 8, 256  # keys of the row; independent scores in the histogram
EDGES = np.arange(-40.0, 41.0, 2.0)


class SoftmaxScale(LiveFigure):
    """One query meets eight random keys: scores, weights, entropy and the Jacobian.

    d_k: features of the query and of each key, a power of two up to 256.
    scaled: whether scores are divided by sqrt(d_k).
    temperature: divides the scores once more, 0.1 to 10.
    seed: draws another query and other keys, 0 to 999.

    Raises traitlets.TraitError for anything else.
    """

    name = "softmax_scale"
    title = "Softmax and the scale"
    d_k = traitlets.Enum(WIDTHS, 64).tag(sync=True)
    scaled = traitlets.Bool(False).tag(sync=True)
    temperature = traitlets.Float(1.0, min=0.1, max=10.0).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=999).tag(sync=True)

    @traitlets.validate("temperature")
    def _is_a_number(self, proposal):
        if math.isnan(proposal.value):
            raise traitlets.TraitError(
                "temperature must be a number, got nan; pass 1.0 for no temperature"
            )
        return proposal.value

    def numbers(self):
        """Return scores (8), weights (8), jacobian (8, 8), and what sums them up."""
        divisor = (math.sqrt(self.d_k) if self.scaled else 1.0) * self.temperature
        draws = normals(self.seed, 2 * PAIRS * WIDTHS[-1]).reshape(2, PAIRS, -1)
        query, key = draws[..., : self.d_k]  # (PAIRS, d_k) each
        scores = attention_scores(query[:1], key[:KEYS], scale=1 / divisor)[0]
        sample = (query * key).sum(axis=-1) / divisor  # (PAIRS,)
        weights = softmax(scores)
        jacobian = np.diag(weights) - np.outer(weights, weights)
        seen = weights[weights > 0]
        histogram = np.histogram(sample, EDGES)[0]
        entropy = float(-(seen * np.log(seen)).sum())
        return {
            "scores": scores.tolist(),
            "weights": weights.tolist(),
            "jacobian": jacobian.tolist(),
            "largest_weight": float(weights.max()),
            "entropy": entropy,
            "effective_keys": math.exp(entropy),
            "jacobian_norm": float(np.linalg.norm(jacobian)),
            "measured_std": float(sample.std()),
            "predicted_std": math.sqrt(self.d_k) / divisor,
            "histogram": histogram.tolist(),
            "outside": int(PAIRS - histogram.sum()),
        }

    def table(self):
        """Return the row's scores and weights, with the sums in the caption."""
        found = self.numbers()
        caption = (
            f"One query and {KEYS} random keys, d_k = {self.d_k}, "
            f"{'divided' if self.scaled else 'not divided'} by the root of d_k, "
            f"temperature {self.temperature:g}: largest weight "
            f"{found['largest_weight']:.3f}, {found['effective_keys']:.2f} effective "
            f"keys, norm of the softmax's Jacobian {found['jacobian_norm']:.3f}."
        )
        rows = zip(found["scores"], found["weights"], strict=True)
        cells = [
            (f"key {i}", f"{score:.2f}", f"{weight:.3f}")
            for i, (score, weight) in enumerate(rows, start=1)
        ]
        return caption, ("key", "score", "weight"), cells
