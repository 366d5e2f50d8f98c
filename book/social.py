"""The picture that a shared link to the book shows: book/static/social.png, 1200 x 630.

    python -m book.social

It shows real weights: causal attention, by attnlib, of ten queries drawn from a seed.
"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from attnlib import attention_weights
from attnlib.plotting import COLORS
from course.paths import STATIC

PICTURE = STATIC / "social.png"
INK, GREY = "#1f2933", "#52606d"


def weights(seed=3, tokens=10, width=4):
    """Return causal attention weights (tokens, tokens) of random queries and keys."""
    query, key = 1.6 * np.random.default_rng(seed).normal(size=(2, tokens, width))
    return attention_weights(query, key, is_causal=True)


def draw(path):
    """Draw the picture into a file."""
    figure = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="white")
    ax = figure.add_axes((0.58, 0.13, 0.37, 0.37 * 1200 / 630))
    ax.imshow(np.ma.masked_equal(weights(), 0), cmap="Blues", vmin=-0.08, vmax=1)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("keys", color=COLORS["key"], size=22, weight="bold", labelpad=10)
    ax.set_ylabel("queries", color=COLORS["query"], size=22, weight="bold", labelpad=10)
    for side in ax.spines.values():
        side.set_color("#cbd2d9")
    write = figure.text
    write(0.06, 0.68, "Attention,", size=58, weight="bold", color=INK)
    write(0.06, 0.53, "tested", size=58, weight="bold", color=INK)
    write(0.06, 0.37, "Executable notebooks on the", size=24, color=GREY)
    write(0.06, 0.30, "attention mechanism", size=24, color=GREY)
    formula = r"$\mathrm{softmax}\left(Q K^{\top} / \sqrt{d_k}\right)\,V$"
    write(0.06, 0.14, formula, size=30, color=INK, math_fontfamily="cm")
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    mpl.use("agg")
    draw(PICTURE)
