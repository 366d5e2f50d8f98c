"""From scores of the next token to the next token."""

import numpy as np

from attnlib._array import to_numpy
from attnlib.attention import softmax


def sampler(*, temperature=0.0, top_k=None, top_p=None, seed=0):
    """Return a function: logits (vocabulary,) -> the number of the next token.

    temperature: 0 takes the largest; 1 draws as the model says; more is more even.
    top_k: draw from the k largest. top_p: draw from the largest that together have at
    least this probability. seed: of the draws.

    Raises ValueError for numbers that make no sense. Source of top_p: Holtzman et al.
    2020, https://arxiv.org/abs/1904.09751.
    """
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be >= 0 and finite, got {temperature}")
    if top_k is not None and (int(top_k) != top_k or top_k < 1):
        raise ValueError(f"top_k must be an integer >= 1, or None, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be > 0 and <= 1, or None, got {top_p}")
    rng = np.random.default_rng(seed)

    def pick(logits):
        logits = to_numpy(logits).astype(float)
        if temperature == 0:
            return int(logits.argmax())
        order = np.argsort(-logits, kind="stable")[:top_k]
        chances = softmax(logits[order] / temperature)
        if top_p is not None:
            chances = chances[: 1 + np.searchsorted(chances.cumsum(), top_p)]
            chances /= chances.sum()
        return int(order[rng.choice(len(chances), p=chances)])

    return pick
