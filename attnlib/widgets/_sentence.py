"""A small model of sentences that a page can run: vectors of words, and attention.

x = vector of the word + vector of its place; then each layer has one head and adds
softmax(q k^T / sqrt(E)) v to x, where q, k, v = x W_Q, x W_K, x W_V.
"""

import re

import numpy as np

from attnlib.attention import attention_scores, attention_weights
from attnlib.widgets._packed import pack, unpack


def as_words(text):
    """Cut text into words: small letters, no punctuation but the apostrophe."""
    text = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return re.sub(r'[.,;:!?"“”()]', " ", text).split()


def pack_sentence_model(words, word, position, projections):
    """Return the model as a dict fit for JSON; a ValueError where sizes do not fit.

    words: V strings. word (V, E), position (N, E): vectors. projections
    (layers, 3, E, E): W_Q, W_K, W_V of each layer, applied as x @ W.
    """
    word, position, projections = map(np.asarray, (word, position, projections))
    E = word.shape[-1]
    wanted = {
        "word": (word, (len(words), E)),
        "position": (position, (position.shape[0], E)),
        "projections": (projections, (projections.shape[0], 3, E, E)),
    }
    for name, (array, shape) in wanted.items():
        if array.shape != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {array.shape}")
    if len(set(words)) != len(words) or not all(isinstance(w, str) for w in words):
        raise ValueError("words must be strings, each of them once")
    packed = {name: pack(array) for name, (array, _) in wanted.items()}
    return {"words": list(words), **packed}


def sentence_scores(tokens, model):
    """Return the scores q k^T / sqrt(E) of each layer: (layers, L, L)."""
    numbers = [model["words"].index(token) for token in tokens]
    x = unpack(model["word"])[numbers] + unpack(model["position"])[: len(tokens)]
    scores = []
    for to_query, to_key, to_value in unpack(model["projections"]):
        query, key = x @ to_query, x @ to_key
        scores.append(attention_scores(query, key))
        x = x + attention_weights(query, key) @ (x @ to_value)
    return np.stack(scores)


def complaint(tokens, model):
    """Say why the model cannot read these words; an empty text if it can."""
    _, (longest, _), _ = (
        unpack(model[name]).shape for name in ("word", "position", "projections")
    )
    if not 1 <= len(tokens) <= longest:
        return f"a sentence must have 1 to {longest} words, got {len(tokens)}"
    unknown = [token for token in tokens if token not in model["words"]]
    if unknown:
        known = ", ".join(model["words"])
        return f"the model has no vector for {unknown[0][:40]!r}; it knows {known}"
    return ""
