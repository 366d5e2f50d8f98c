"""AttentionExplorer: who attends to whom, in every head and layer, row by row."""

import numpy as np
import traitlets

from attnlib._array import to_numpy
from attnlib.attention import attention_scores, softmax
from attnlib.masks import causal_mask
from attnlib.widgets import _sentence
from attnlib.widgets._figure import LiveFigure
from attnlib.widgets._packed import pack, unpack

MAX_TOKENS, MAX_LENGTH, MAX_NOTE = 64, 40, 400


def example_scores():
    """Return scores made by hand (2, 3, 4, 4): head h looks h tokens ahead or back."""
    place = np.arange(4.0)
    back = [abs(place[:, None] - h - place) for h in range(3)]
    ahead = [abs(place[:, None] + h - place) for h in range(3)]
    return pack(-1.5 * np.stack([ahead, back]))


class AttentionExplorer(LiveFigure):
    """Lines from a chosen token to all tokens, for each head of each layer.

    Make one with `from_arrays` (tokens, queries, keys) or `from_model` (a small model
    that the page runs, so that the sentence can be typed).

    tokens: up to 64 strings of 1 to 40 characters.
    scores: q.k * scale of all layers and heads (layers, H, L, L), packed.
    sentence_model: instead of scores, what `from_model` packed; {} for none.
    examples: sentences to choose from, for a sentence model.
    note: a sentence of yours below the figure, up to 400 characters.
    selected, layer, head: which row is shown, counted from 0.
    causal: whether query i may use keys j <= i only.
    temperature: divides the scores, 0.1 to 10.

    `weights` is the matrix shown. Raises traitlets.TraitError for anything else.
    """

    name = "attention_explorer"
    title = "What each token attends to"
    tokens = traitlets.List(traitlets.Unicode(), ["one", "two", "three", "four"])
    tokens.tag(sync=True)
    scores = traitlets.Dict(example_scores()).tag(sync=True)
    sentence_model = traitlets.Dict().tag(sync=True)
    examples = traitlets.List(traitlets.Unicode()).tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    selected = traitlets.Int(0, min=0).tag(sync=True)
    layer = traitlets.Int(0, min=0).tag(sync=True)
    head = traitlets.Int(0, min=0).tag(sync=True)
    causal = traitlets.Bool(False).tag(sync=True)
    temperature = traitlets.Float(1.0, min=0.1, max=10.0).tag(sync=True)

    @classmethod
    def from_arrays(cls, tokens, query, key, *, scale=None, **traits):
        """Show softmax(query key^T * scale) over `tokens`.

        query, key: NumPy or torch, (L, E), (H, L, E) or (layers, H, L, E), one row for
        each token; `scale` defaults to 1/sqrt(E). Only their products are kept, to
        1/65534 of the largest in each head: a sixth of the bytes. ValueError or
        TypeError for arrays that do not fit.
        """
        tokens = list(tokens)
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            products = attention_scores(query, key, scale=scale)  # checks kinds
        found = np.asarray(to_numpy(products), dtype=np.float64)
        if not 2 <= found.ndim <= 4 or found.shape[-2:] != (len(tokens),) * 2:
            raise ValueError(
                "query and key must have the shape (L, E), (H, L, E) or (layers, H, L, "
                f"E), with L = {len(tokens)} tokens; got {tuple(query.shape)} and "
                f"{tuple(key.shape)}"
            )
        if not np.isfinite(found).all():
            raise ValueError(
                "query, key and their products must be finite, got NaN or infinity"
            )
        found = found.reshape((1,) * (4 - found.ndim) + found.shape)
        return cls(tokens=tokens, scores=pack(found), **traits)

    @classmethod
    def from_model(cls, sentence, words, word, position, projections, **traits):
        """Show a sentence that the reader may change: the page runs the model.

        words: the V words that it knows. word (V, E), position (N, E): their vectors
        and those of the places. projections (layers, 3, E, E): W_Q, W_K, W_V, as in
        x @ W; each layer has one head and adds its output to x.
        """
        arrays = (to_numpy(x) for x in (word, position, projections))
        model = _sentence.pack_sentence_model(list(words), *arrays)
        tokens = _sentence.as_words(sentence)
        return cls(tokens=tokens, sentence_model=model, scores={}, **traits)

    @traitlets.validate("tokens", "scores", "sentence_model")
    def _fits(self, proposal):
        parts = {k: getattr(self, k) for k in ("tokens", "scores", "sentence_model")}
        problem = complaint(**parts | {proposal.trait.name: proposal.value})
        if problem:
            raise traitlets.TraitError(problem)
        return proposal.value

    @traitlets.validate("selected", "layer", "head")
    def _exists(self, proposal):
        name = proposal.trait.name
        layers, heads = self.shape
        count = {"selected": len(self.tokens), "layer": layers, "head": heads}[name]
        if proposal.value >= count:
            raise traitlets.TraitError(
                f"{name} must be 0 to {count - 1}, got {proposal.value}"
            )
        return proposal.value

    @traitlets.validate("temperature")
    def _is_number(self, proposal):
        if np.isnan(proposal.value):
            raise traitlets.TraitError("temperature must be 0.1 to 10, got nan")
        return proposal.value

    @traitlets.validate("note", "examples")
    def _short(self, proposal):
        texts = [proposal.value] if proposal.trait.name == "note" else proposal.value
        if len(texts) > 8 or any(len(text) > MAX_NOTE for text in texts):
            raise traitlets.TraitError(
                f"{proposal.trait.name} must be short: at most {MAX_NOTE} characters, "
                "at most 8 examples"
            )
        return proposal.value

    @traitlets.observe("tokens", "scores", "sentence_model")
    def _stay_inside(self, change):
        for name, count in zip(
            ("layer", "head", "selected"), (*self.shape, len(self.tokens)), strict=True
        ):
            setattr(self, name, min(getattr(self, name), count - 1))

    @property
    def shape(self):
        """How many layers, and how many heads in each."""
        if self.sentence_model:
            return self.sentence_model["projections"]["shape"][0], 1
        return tuple(self.scores["shape"][:2])

    @property
    def weights(self):
        """The weights (L, L) of the head that is shown; rows are queries."""
        return self.layer_weights()[self.head]

    def layer_weights(self):
        """Return the weights (H, L, L) of the layer that is shown."""
        if self.sentence_model:
            scores = _sentence.sentence_scores(self.tokens, self.sentence_model)
            scores = scores[self.layer, None]
        else:
            scores = unpack(self.scores)[self.layer]
        may = causal_mask(len(self.tokens)) if self.causal else True
        return softmax(np.where(may, scores / self.temperature, -np.inf))

    def numbers(self):
        """Return the weights shown, the chosen row of all heads, and what sums it up.

        weights (L, L), head_rows (H, L); of the row: its largest weight, the weight on
        the token itself, and the effective keys, exp(entropy).
        """
        weights = self.layer_weights()
        row = weights[self.head, self.selected]
        seen = row[row > 0]
        return {
            "weights": weights[self.head].tolist(),
            "head_rows": weights[:, self.selected].tolist(),
            "largest_weight": float(row.max()),
            "own_weight": float(row[self.selected]),
            "effective_keys": float(np.exp(-(seen * np.log(seen)).sum())),
        }

    def table(self):
        """Return the chosen row: each token and its weight."""
        row = self.weights[self.selected]
        (layers, heads), token = self.shape, self.tokens[self.selected]
        caption = (
            f"Weights from “{token}” to each token; layer {self.layer} of {layers}, "
            f"head {self.head} of {heads}, counted from 0; "
            f"{'causal mask' if self.causal else 'no mask'}, temperature "
            f"{self.temperature:g}. The largest, {row.max():.2f}, goes to "
            f"“{self.tokens[row.argmax()]}”. {self.note}"
        )
        pairs = zip(self.tokens, row, strict=True)
        return caption.strip(), ("key", "weight"), [(t, f"{w:.2f}") for t, w in pairs]

    def __repr__(self):
        layers, heads = self.shape
        return (
            f"AttentionExplorer({len(self.tokens)} tokens, {layers} layers of {heads} "
            f"heads; selected={self.selected}, layer={self.layer}, head={self.head}, "
            f"causal={self.causal}, temperature={self.temperature})"
        )


def complaint(tokens, scores, sentence_model):
    """Say why tokens and scores, or tokens and model, do not fit; else return ''."""
    if not 1 <= len(tokens) <= MAX_TOKENS:
        return f"tokens must be 1 to {MAX_TOKENS} strings, got {len(tokens)}"
    wrong = [token for token in tokens if not 1 <= len(token) <= MAX_LENGTH]
    if wrong:
        return f"a token must have 1 to {MAX_LENGTH} characters, got {len(wrong[0])}"
    try:
        if sentence_model:
            return _sentence.complaint(tokens, sentence_model)
        shape = unpack(scores).shape
    except (KeyError, TypeError, ValueError) as error:
        return f"scores or sentence_model are not as from_... makes them: {error}"
    if len(shape) != 4 or not all(shape) or shape[2:] != (len(tokens),) * 2:
        L = len(tokens)
        return f"scores must have the shape (layers, H, {L}, {L}), got {shape}"
    return ""
