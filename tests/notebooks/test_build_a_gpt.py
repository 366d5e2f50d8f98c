"""The parts of chapter 14 against slow ones: tokens, n-grams, bits."""

import collections
import itertools
import types

import numpy as np
import pytest
import torch

from attnlib.pretrained.bpe import BPE, SIGNS
from course import notebooks
from course.paths import ROOT

TEXT = "the cat sat on the mat; the bat's hat, that the cats had, was flat. " * 3


DEFINING = (
    "import co", "WORD =", "def ", "tokens =", "LAYERS", "class ", "@torch"
)  # fmt: skip


@pytest.fixture(scope="module")
def chapter():
    """The chapter's functions, with a tokenizer of a short text."""
    found = {"learn": TEXT}
    for cell in notebooks.read(ROOT / "chapters" / "14_build_a_gpt.ipynb").cells:
        if cell.cell_type == "code" and cell.source.startswith(DEFINING):
            source = cell.source.replace("VOCABULARY = 1024", "VOCABULARY = 280")
            exec(compile(source, "a cell", "exec"), found)
    return types.SimpleNamespace(**found)


def slow_merges(words, wanted):
    """Merges by counting everything anew for each of them."""
    words = [[bytes([byte]) for byte in word.encode()] for word in words]
    merges = []
    for _ in range(wanted):
        pairs = collections.Counter(p for w in words for p in itertools.pairwise(w))
        best = sorted(pairs, key=lambda pair: (pairs[pair], pair))[-1]
        merges.append(best)
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [best[0] + best[1]]
                i += 1
    return merges


def test_merges_are_those_of_counting_anew(chapter):
    assert chapter.merges == slow_merges(chapter.WORD.findall(TEXT), 280 - 256)


def test_words_together_are_the_text(chapter):
    for text in (TEXT, " a  b\n\nc1,2 'tis", "Grüße 🙂", ""):
        assert "".join(chapter.WORD.findall(text)) == text
        assert chapter.decode(chapter.encode(text)) == text


def test_tokens_are_those_of_the_library(chapter):
    """attnlib's tokenizer, which is held to others', cuts the same words alike."""

    def signs(token):
        return "".join(SIGNS[byte] for byte in token)

    merges = [(signs(a), signs(b)) for a, b in chapter.merges]
    library = BPE([], {}, {pair: i for i, pair in enumerate(merges)}, frozenset())
    for word in {*chapter.WORD.findall(TEXT), " theatre", "Grüße", " chattel"}:
        ours = [signs(chapter.tokens[n]) for n in chapter.cut(word)]
        assert ours == library.cut(word)


def slow_kneser_ney(learn, order, symbols):
    """Chance of a symbol behind a context, by dictionaries, from the definition."""
    padded = [symbols] * order + learn

    def grams(n):
        ends = range(order, len(padded))
        return [tuple(padded[i - n + 1 : i + 1]) for i in ends]

    counts = {order: collections.Counter(grams(order))}
    for n in range(1, order):
        counts[n] = collections.Counter(gram[1:] for gram in {*grams(n + 1)})
    discounts = {}
    for n, table in counts.items():
        kinds = collections.Counter(table.values())
        n1, n2, n3, n4 = (max(1, kinds[i]) for i in range(1, 5))
        y = n1 / (n1 + 2 * n2)
        own = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        discounts[n] = [min(max(d, 0), i) for i, d in enumerate(own)]

    def chance(symbol, context):
        if context is None:
            return 1 / symbols
        n = len(context) + 1
        lower = chance(symbol, context[1:] if context else None)
        after = {g[-1]: c for g, c in counts[n].items() if g[:-1] == context}
        total = sum(after.values())
        if not total:
            return lower
        less = {s: discounts[n][min(c, 3)] for s, c in after.items()}
        own = after.get(symbol, 0) - less.get(symbol, 0)
        return (own + sum(less.values()) * lower) / total

    return chance


def test_n_grams_are_those_of_the_definition(chapter):
    rng = np.random.default_rng(0)
    learn = np.minimum(rng.geometric(0.4, 300) - 1, 5)
    asked = np.minimum(rng.geometric(0.4, 40) - 1, 5)
    found = chapter.kneser_ney(learn, asked, 3, 6)
    text = [*learn.tolist(), *asked.tolist()]
    for order in (1, 2, 3):
        chance = slow_kneser_ney(learn.tolist(), order, 6)
        wanted = [
            chance(text[i], tuple(text[i - order + 1 : i])) for i in range(300, 340)
        ]
        np.testing.assert_allclose(found[order - 1], wanted, rtol=1e-9)


def test_chances_of_n_grams_sum_to_one(chapter):
    learn = np.random.default_rng(1).integers(0, 4, 200)
    for context in ([0, 1], [3, 3], [2, 0]):
        every = [
            chapter.kneser_ney(learn, np.array([*context, s]), 3, 4)[2][-1]
            for s in range(4)
        ]
        assert sum(every) == pytest.approx(1)


def test_bits_are_those_of_each_token_alone(chapter):
    torch.manual_seed(0)
    model = chapter.GPT()
    text = TEXT[:150] * 4
    numbers = chapter.encode("\n" + text)
    total, half = 0.0, chapter.CONTEXT // 2
    assert len(numbers) > 3 * half
    with torch.no_grad():
        for i in range(1, len(numbers)):
            start = max(0, (i - 1) // half * half - half)
            scores = model(torch.tensor([numbers[start:i]]))[0, -1].double()
            total -= torch.log_softmax(scores, -1)[numbers[i]].item()
    assert chapter.bits(model, text) == pytest.approx(
        total / np.log(2) / len(text), rel=1e-5
    )


def test_a_rate_rises_falls_and_ends_at_a_tenth(chapter):
    rates = [chapter.share(step, 200) for step in range(200)]
    assert np.argmax(rates) in (9, 10)
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert rates[0] == pytest.approx(0.1)


def test_an_adapter_learns_alone_and_can_be_merged(chapter):
    torch.manual_seed(0)
    model = chapter.GPT()
    numbers = torch.tensor(chapter.encode(TEXT * 2))
    assert len(numbers) > chapter.CONTEXT
    before = {k: v.clone() for k, v in model.state_dict().items()}
    adapted = chapter.with_low_rank(model, 2)
    for _ in chapter.train(adapted, numbers, 3, size=2):
        pass
    layer = adapted.blocks[0].mlp.up
    assert torch.equal(layer.layer.weight, before["blocks.0.mlp.up.weight"])
    assert layer.wide.abs().max() > 0
    merged = layer.layer.weight + layer.wide @ layer.narrow
    x = torch.randn(5, chapter.D)
    torch.testing.assert_close(layer(x), x @ merged.T, atol=1e-5, rtol=1e-5)
