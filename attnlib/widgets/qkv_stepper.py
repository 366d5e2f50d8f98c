"""QKVStepper: one row of attention with a pencil, one arithmetic step at a time."""

import numpy as np
import traitlets

from attnlib.attention import attention_scores, softmax
from attnlib.sdpa import scaled_dot_product_attention
from attnlib.widgets._figure import LiveFigure
from attnlib.widgets._rows import NumberRows

QUERY = [[1, 0, 1, 0], [0, 2, 0, 0]]  # (L, E) = (2, 4), the example of chapter 2
KEY = [[1, 0, 1, 0], [0, 2, 0, 1], [2, 0, 0, 1]]  # (S, E) = (3, 4)
VALUE = [[10, 0], [0, 10], [4, 4]]  # (S, Ev) = (3, 2)
STEPS = 10  # three scores, scale, shift, exp, sum, weights, two output features
LIMIT = 100


class QKVStepper(LiveFigure):
    """Two queries and three items: every number of the formula, and how it is made.

    query (2, 4), key (3, 4), value (3, 2): rows of numbers from -100 to 100.
    row: the query that the steps follow, 0 or 1.
    step: 1 to 10; 1 to 3 make a score each, then all scores are scaled, shifted by
        their largest, and exponentiated, 7 sums, 8 divides, 9 and 10 mix the values.

    Raises traitlets.TraitError for anything else.
    """

    name = "qkv_stepper"
    title = "Attention, one step at a time"
    query = NumberRows(QUERY, least=2, most=2, columns=4, limit=LIMIT).tag(sync=True)
    key = NumberRows(KEY, least=3, most=3, columns=4, limit=LIMIT).tag(sync=True)
    value = NumberRows(VALUE, least=3, most=3, columns=2, limit=LIMIT).tag(sync=True)
    row = traitlets.Int(0, min=0, max=1).tag(sync=True)
    step = traitlets.Int(1, min=1, max=STEPS).tag(sync=True)

    def numbers(self):
        """Return the chosen query's scores, weights (3 each), output (2), and between.

        All of them, whatever the step: a step only tells how far the page shows them.
        """
        return {"step": self.step} | self._row(self.row)

    def _row(self, i):
        query = np.array(self.query[i : i + 1])  # (1, E)
        key, value = np.array(self.key), np.array(self.value)  # (S, E), (S, Ev)
        scaled = attention_scores(query, key)[0]
        exps = np.exp(scaled - scaled.max())
        weights = softmax(scaled)
        output = scaled_dot_product_attention(query, key, value)[0]
        return {
            "scores": attention_scores(query, key, scale=1.0)[0].tolist(),
            "scaled": scaled.tolist(),
            "shifted": (scaled - scaled.max()).tolist(),
            "exps": exps.tolist(),
            "total": float(exps.sum()),
            "weights": weights.tolist(),
            "largest_weight": float(weights.max()),
            "output_1": float(output[0]),
            "output_2": float(output[1]),
        }

    def table(self):
        """Return both queries' scores and weights; the outputs are in the caption."""
        caption = (
            f"Attention by hand. Q = {_shown(self.query)}; K = {_shown(self.key)}; "
            f"V = {_shown(self.value)}."
        )
        heads = ("pair", "q · k", "divided by √E", "exp, less the largest", "weight")
        rows = []
        for i in range(len(self.query)):
            found = self._row(i)
            caption += (
                f" Output of query {i + 1}: "
                f"({found['output_1']:.2f}, {found['output_2']:.2f})."
            )
            for j in range(len(self.key)):
                cells = (found[k][j] for k in ("scores", "scaled", "exps", "weights"))
                pair = f"query {i + 1}, item {j + 1}"
                rows.append((pair, *(f"{x:.2f}" for x in cells)))
        return caption, heads, rows


def _shown(rows):
    return ", ".join(f"({', '.join(f'{x:g}' for x in row)})" for row in rows)
