"""The landing page's picture holds the weights of the model that it names."""

import matplotlib.image
import numpy as np
import pytest

from attnlib import attention_weights
from attnlib.pretrained import load_smollm
from book.heads import COLOUR, FILE, GAP, PIXEL, SENTENCE
from course.paths import CHAPTERS

SIDE = 13 * PIXEL + GAP


@pytest.fixture(scope="module")
def picture():
    return (255 * matplotlib.image.imread(FILE)).round()


def square(picture, layer, head):
    """The root of a head's weights, as the picture shows it: (13, 13)."""
    top, left = head * SIDE, layer * SIDE
    shown = picture[top : top + SIDE - GAP, left : left + SIDE - GAP, 3]
    return shown[::PIXEL, ::PIXEL] / 255


def weights_by_hand():
    """The weights of all heads, each key-value head copied out by hand."""
    model, found = load_smollm(), []

    def watch(layer, query, key, value):
        groups = [key[n // 3] for n in range(9)]
        weights = attention_weights(query, np.stack(groups), is_causal=True)
        found.append(weights)
        return weights @ np.stack([value[n // 3] for n in range(9)])

    numbers = model.tokenizer.encode(SENTENCE)
    assert len(numbers) == 13
    model.forward(numbers, last=True, attend=watch)
    assert len(found) == 30
    return np.stack(found)


def test_every_head_is_shown_with_its_weights(picture):
    """To half of one of 16 steps, and what another processor rounds."""
    for layer, heads in enumerate(weights_by_hand()):
        for head, weights in enumerate(heads):
            off = abs(square(picture, layer, head) - np.sqrt(weights)).max()
            assert off < 0.5 / 15 + 0.005, (layer, head)


def test_it_has_one_colour_and_stands_on_any_page(picture):
    assert picture.shape == (9 * SIDE - GAP, 30 * SIDE - GAP, 4)
    assert (picture[..., :3] == COLOUR).all()
    assert (picture[..., 3] == 0).mean() > 0.5


def test_the_landing_page_names_the_sentence():
    page = (CHAPTERS / "index.md").read_text(encoding="utf-8")
    assert "../book/static/heads.png" in page
    assert f"*{SENTENCE}*" in page
