"""The picture of the landing page: all heads of a real model, on the note's sentence.

    python -m book.heads

writes book/static/heads.png, one small square for each of SmolLM2's 30 layers, left to
right, and 9 heads, top to bottom. A fuller colour is more weight; alpha carries it, so
that the picture stands on a light page and on a dark one.
"""

import matplotlib.image
import numpy as np

from attnlib import attention_weights
from attnlib.pretrained import load_smollm, smollm
from course.paths import STATIC

FILE = STATIC / "heads.png"
SENTENCE = "The animal didn't cross the street because it was too tired."
COLOUR = (0, 114, 178)  # the blue of the queries
PIXEL, GAP = 2, 6  # of a weight; between heads


def weights():
    """The weights of all heads: (30, 9, L, L)."""
    model, found = load_smollm(), []

    def watch(layer, query, key, value):
        shared = np.repeat(key, query.shape[-3] // key.shape[-3], axis=-3)
        found.append(attention_weights(query, shared, is_causal=True))
        return smollm.attend(layer, query, key, value)

    model.forward(model.tokenizer.encode(SENTENCE), last=True, attend=watch)
    return np.stack(found)


def opacity(maps):
    """Lay heads (layers, heads, L, L) side by side; the root shows small weights."""
    layers, heads, L, _ = maps.shape
    large = np.sqrt(maps).repeat(PIXEL, axis=2).repeat(PIXEL, axis=3)
    framed = np.zeros((layers, heads, L * PIXEL + GAP, L * PIXEL + GAP))
    framed[..., : L * PIXEL, : L * PIXEL] = large
    side = framed.transpose(1, 2, 0, 3)
    return side.reshape(heads * framed.shape[2], layers * framed.shape[3])[:-GAP, :-GAP]


def main():
    """Write the picture."""
    alpha = (17 * np.round(15 * opacity(weights()))).astype(np.uint8)  # 16 steps
    colour = np.broadcast_to(np.array(COLOUR, np.uint8), (*alpha.shape, 3))
    matplotlib.image.imsave(FILE, np.dstack([colour, alpha]))
    print(
        f"{FILE.name}: {alpha.shape[1]} x {alpha.shape[0]}, {FILE.stat().st_size} bytes"
    )


if __name__ == "__main__":
    main()
