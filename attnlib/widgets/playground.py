"""Playground: a small transformer that trains in the page, and how it starts."""

import math

import numpy as np
import traitlets

from attnlib.attention import attention_weights
from attnlib.heads import merge_heads, split_heads
from attnlib.masks import causal_mask
from attnlib.positions import sinusoidal_encoding
from attnlib.widgets._figure import LiveFigure
from attnlib.widgets._random import normals
from attnlib.widgets._tasks import TASKS, draw, stream

D, BATCH, TESTED = 32, 32, 128
RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]

# Of 5 seeds, how many have 95 % right in some test within so many steps; the page of
# the playground trains them on torch and compares.
SENTENCE = {"heads": 1, "layers": 2, "spread": 0.5}
PARITY = {"heads": 4, "layers": 2, "mlp": True, "positions": True, "causal": True}
KNOWN = [
    ("two look-ups", "1 head", {"heads": 1}, 200, 0),
    ("two look-ups", "2 heads", {}, 200, 5),
    ("two look-ups", "2 heads, no scale", {"scaled": False}, 200, 0),
    ("the sentence", "1 layer", SENTENCE | {"layers": 1}, 150, 0),
    ("the sentence", "2 layers", SENTENCE, 150, 5),
    ("the sentence", "2 layers, causal mask", SENTENCE | {"causal": True}, 150, 0),
    ("three back", "1 head, positions", {"heads": 1, "positions": True}, 150, 5),
    ("three back", "1 head, no positions", {"heads": 1}, 150, 0),
    ("marked recall", "1 head", {"heads": 1, "spread": 0.5}, 200, 5),
    ("parity", "2 layers, MLP, mask", PARITY | {"rate": 0.003, "spread": 0.5}, 350, 5),
]


class Playground(LiveFigure):
    """A transformer without normalisation that trains on a task of the chapters.

    task: "two look-ups", "the sentence", "marked recall", "three back" or "parity".
    heads: 1, 2 or 4, layers: 1 to 3, of D = 32 features. mlp: one behind each
    attention. scaled: scores times 1 / sqrt(E). positions: sinusoids are added.
    causal: no token sees a later one. spread: of the tokens' vectors at the start,
    0.5, 1 or 2. rate: of Adam. seed: 0 to 99. layer, head: the weights shown.

    Raises traitlets.TraitError for anything else.
    """

    name = "playground"
    title = "The playground"
    task = traitlets.Enum(list(TASKS), "two look-ups").tag(sync=True)
    heads = traitlets.Enum([1, 2, 4], 2).tag(sync=True)
    layers = traitlets.Int(1, min=1, max=3).tag(sync=True)
    mlp = traitlets.Bool(False).tag(sync=True)
    scaled = traitlets.Bool(True).tag(sync=True)
    positions = traitlets.Bool(False).tag(sync=True)
    causal = traitlets.Bool(False).tag(sync=True)
    spread = traitlets.Enum([0.5, 1.0, 2.0], 1.0).tag(sync=True)
    rate = traitlets.Enum(RATES, 0.01).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=99).tag(sync=True)
    layer = traitlets.Int(0, min=0, max=2).tag(sync=True)
    head = traitlets.Int(0, min=0, max=3).tag(sync=True)

    def layout(self):
        """Return (name, shape, spread at the start) of each parameter, in order."""
        task, square = TASKS[self.task], 1 / math.sqrt(D)
        parts = [("embed", (task.rows, D), self.spread)]
        for layer in range(self.layers):
            names = ("query", "key", "value", "out")
            parts += [(f"{name}{layer}", (D, D), square) for name in names]
            if self.mlp:
                parts += [
                    (f"hidden{layer}", (D, 4 * D), square),
                    (f"hidden_bias{layer}", (4 * D,), 0.0),
                    (f"back{layer}", (4 * D, D), square / 2),
                    (f"back_bias{layer}", (D,), 0.0),
                ]
        if answers := task.slots * task.classes:
            parts += [("read", (D, answers), square), ("read_bias", (answers,), 0.0)]
        return parts

    def start(self):
        """Return name → array of the parameters before training; they act as x @ W."""
        layout = self.layout()
        sizes = [math.prod(shape) for _, shape, _ in layout]
        drawn = normals(stream(self.seed, 0), sum(sizes))
        parts = np.split(drawn, np.cumsum(sizes)[:-1])
        return {
            name: spread * part.reshape(shape)
            for (name, shape, spread), part in zip(layout, parts, strict=True)
        }

    def batch(self, step, size=BATCH):
        """Return the examples of a step of training, from 1: a list of `Example`."""
        return draw(self.task, self.seed, step, size)

    def test(self, size=TESTED):
        """Return the examples that the page tests with; none is trained on."""
        return draw(self.task, self.seed, 999_999, size, held_out=True)

    def numbers(self):
        """Return parameters, guessing, and weights of the first test example.

        guessing: the share right by a guess. weights (n, n): of the chosen layer and
        head (the last, where there are fewer), before training; largest_weight and
        effective_keys, exp of the entropy, are those of the row that answers last.
        """
        task, example = TASKS[self.task], self.test(1)[0]
        weights = self.weights_at_start(example)
        layer = weights[min(self.layer, self.layers - 1)]
        shown = layer[min(self.head, self.heads - 1)]
        row = shown[example.start if task.classes == 0 else -1]
        seen = row[row > 0]
        return {
            "parameters": sum(math.prod(shape) for _, shape, _ in self.layout()),
            "guessing": 1 / (task.classes or 2),
            "weights": shown.tolist(),
            "largest_weight": float(row.max()),
            "effective_keys": float(np.exp(-(seen * np.log(seen)).sum())),
        }

    def weights_at_start(self, example):
        """Return the weights (layers, heads, n, n) of an example before training."""
        p, (low, high) = self.start(), TASKS[self.task].unseen
        table = np.concatenate([p["embed"], np.zeros((1, D))])  # its last row: NOTHING
        blind = table.copy()
        blind[low:high] = 0
        n, found = len(example.tokens), []
        places = sinusoidal_encoding(n, D) if self.positions else 0
        x, seen = (each[example.tokens].sum(1) + places for each in (table, blind))
        mask = causal_mask(n) if self.causal else None
        scale = None if self.scaled else 1.0
        for layer in range(self.layers):
            query, key, value = (
                split_heads(source @ p[f"{name}{layer}"], self.heads)
                for name, source in (("query", seen), ("key", seen), ("value", x))
            )
            weights = attention_weights(query, key, mask, scale=scale)
            found.append(weights)
            x = x + merge_heads(weights @ value) @ p[f"out{layer}"]
            if self.mlp:
                z = x @ p[f"hidden{layer}"] + p[f"hidden_bias{layer}"]
                x = x + np.maximum(z, 0) @ p[f"back{layer}"] + p[f"back_bias{layer}"]
            seen = x
        return np.stack(found)

    def table(self):
        """Return what training leads to: how many seeds succeed in each setting."""
        found = self.numbers()
        caption = (
            f"Chosen: {self.task}, layers: {self.layers}, heads in each: {self.heads}, "
            f"{found['parameters']:,} parameters; guessing is right in "
            f"{found['guessing']:.0%}. Where training leads, for five seeds:"
        )
        heads = ("task", "setting", "steps", "seeds of 5 with 95 % right")
        rows = [(task, words, steps, good) for task, words, _, steps, good in KNOWN]
        return caption, heads, rows
