"""CostCalculator: pairs counted one by one, published sizes, what is refused."""

import json
import re
import types

import ipywidgets
import numpy as np
import pytest
import traitlets

import attnlib
from attnlib.widgets import CostCalculator
from attnlib.widgets._figure import source
from attnlib.widgets.cost_calculator import ITEMSIZE, PRESETS, SEES
from course.paths import ROOT
from tests.attnlib import oracles

MOVES = [
    ("mouse", "input[type=range]", "drag:0.8", "pairs"),
    ("mouse", "button:nth-of-type(2)", "click", "pairs"),
    ("mouse", "input[type=range]", "drag:0.2", "cache"),
    ("keyboard", "input[type=range]", "ArrowRight", "pairs"),
    ("keyboard", ".attn-control:nth-child(7) input", "ArrowUp", "cache"),
    ("keyboard", ".attn-control:nth-child(9) select", "ArrowDown", "crossover"),
    ("touch", "input[type=range]", "drag:0.3", "moved"),
    ("touch", "input[type=range]", "drag:0.9", "weights"),
]


def random_state(rng):
    """Traits of a figure, at random; the ends of the ranges come up often."""
    kv = int(rng.choice([1, 2, 3, 8]))
    heads = kv * int(rng.choice([1, 2, 5, 32]))

    def length():
        return int(2 ** rng.choice([0, 20, rng.uniform(0, 20)]))

    return {
        "n": length(),
        "d": heads * int(rng.choice([1, 64, 65536 // heads, rng.integers(1, 257)])),
        "heads": heads,
        "kv_heads": kv,
        "layers": int(rng.choice([1, 256, rng.integers(1, 257)])),
        "dtype": str(rng.choice(list(ITEMSIZE))),
        "sees": str(rng.choice(SEES)),
        "window": length(),
    }


# ---------------------------------------------------------------- counts


def pairs_seen(n, sees, window):
    """Pairs of query and key that may meet, from a mask that is written as loops."""
    if sees == "all":
        return n * n
    left = None if sees == "causal" else window - 1
    return int(oracles.sliding_window_mask(n, n, left, 0).sum())


@pytest.mark.parametrize("sees", SEES)
@pytest.mark.parametrize(("n", "window"), [(1, 1), (7, 1), (7, 3), (7, 7), (5, 9)])
def test_counts_one_by_one(sees, n, window):
    d, heads, kv, layers = 12, 6, 2, 3
    figure = CostCalculator(
        n=n, d=d, heads=heads, kv_heads=kv, layers=layers, sees=sees, window=window
    )
    found, E = figure.numbers(), 2
    pairs = pairs_seen(n, sees, window)
    assert found["pairs"] == layers * heads * pairs * 2 * (E + E)
    assert found["projections"] == layers * 2 * n * d * (d + d + 2 * kv * E)
    assert found["mlp"] == layers * 2 * n * d * 4 * d * 2
    assert found["weights"] == 2 * heads * pairs
    moved = 2 * n * 2 * E * (heads + kv)
    flops = found["pairs"] / layers
    assert found["moved"] == moved
    assert found["intensity"] == flops / moved
    assert found["stored_intensity"] == flops / (moved + 4 * 2 * heads * pairs)


@pytest.mark.parametrize("sees", SEES)
def test_flops_against_torchs_counter(sees):
    """A layer that runs: it computes all pairs, also those that a mask hides."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    n, d, heads, kv = 9, 16, 4, 2
    weights = [
        torch.zeros(size, d) for size in (d, d // heads * kv, d // heads * kv, d)
    ]
    x = torch.zeros(n, d)
    with FlopCounterMode(display=False) as counter:
        attnlib.multi_head_attention(
            x,
            x,
            x,
            attnlib.MultiHeadParams(*weights),
            num_heads=heads,
            num_kv_heads=kv,
            implementation="reference",
        )
    figure = CostCalculator(
        n=n, d=d, heads=heads, kv_heads=kv, layers=1, sees=sees, window=4
    )
    found = figure.numbers()
    allowed = pairs_seen(n, sees, 4) / n**2
    run = found["projections"] + found["pairs"] / allowed
    assert run == pytest.approx(counter.get_total_flops(), rel=1e-12)


def test_the_cache_against_a_cache():
    """Bytes of arrays of that shape; a window keeps only its own tokens."""
    figure = CostCalculator(n=9, d=24, heads=6, kv_heads=2, layers=5, dtype="float32")
    array = np.zeros((5, 2, 9, 4), np.float32)
    assert figure.numbers()["cache"] == attnlib.KVCache(array, array).nbytes
    figure.sees, figure.window = "window", 4
    array = np.zeros((5, 2, 4, 4), np.float32)
    assert figure.numbers()["cache"] == attnlib.KVCache(array, array).nbytes


def test_decoding_by_hand():
    """One query, 4 heads of 2 on 1 key head, 8 keys: 256 FLOPs; 96 bytes in float16.

    4 heads x 8 keys x 2 x (2 + 2) FLOPs. 2 bytes x (4 heads x (2 + 2) for query and
    output + 8 x (2 + 2) for keys and values).
    """
    figure = CostCalculator(n=8, d=8, heads=4, kv_heads=1)
    assert figure.numbers()["decoding"] == 256 / 96


def test_shares_and_curves():
    figure = CostCalculator(n=2048, d=1024, heads=16, kv_heads=16)
    found = figure.numbers()
    assert found["shares"] == [0.25, 0.25, 0.5]
    curves = np.array(found["curves"])
    assert curves.shape == (3, 21)
    assert curves[:, 11].tolist() == found["shares"]  # 2**11 tokens
    np.testing.assert_allclose(curves.sum(axis=0), 1, rtol=1e-14)


def test_counts_are_exact():
    """Beyond 2**53 a float would have lost the last digits."""
    found = CostCalculator(n=2**20 - 1, d=65535, heads=1, kv_heads=1).numbers()
    assert found["pairs"] == 24 * 4 * (2**20 - 1) ** 2 * 65535
    assert found["pairs"] > 2**53
    assert int(float(found["pairs"])) != found["pairs"]


# ---------------------------------------------------------------- crossovers


@pytest.mark.parametrize("kv", [1, 4, 16])
@pytest.mark.parametrize(
    ("sees", "window"),
    [("all", 1), ("causal", 1), *[("window", w) for w in (40, 90, 200, 300)]],
)
def test_crossovers_are_where_the_counts_meet(sees, window, kv):
    """Below n the one part is larger, above it the other; where 0, it never is."""
    figure = CostCalculator(
        d=32, heads=16, kv_heads=kv, layers=1, sees=sees, window=window
    )
    found = figure.numbers()
    for key, linear in (
        ("crossover", ["projections"]),
        ("mlp_crossover", ["projections", "mlp"]),
    ):

        def ahead(n, linear=linear):
            figure.n = n
            counts = figure.numbers()
            return counts["pairs"] - sum(counts[part] for part in linear)

        if found[key] == 0:
            assert ahead(2**20) < 0
        else:
            n = found[key]
            assert ahead(max(1, int(np.ceil(n)) - 1)) <= 0 <= ahead(int(n) + 1)


def test_crossovers_of_the_chapter():
    """n = 2 d and n = 6 d where every head has its own keys and sees all."""
    found = CostCalculator(d=768, heads=12, kv_heads=12).numbers()
    assert (found["crossover"], found["mlp_crossover"]) == (2 * 768, 6 * 768)
    found = CostCalculator(d=768, heads=12, kv_heads=12, sees="causal").numbers()
    assert (found["crossover"], found["mlp_crossover"]) == (4 * 768 - 1, 12 * 768 - 1)


# ---------------------------------------------------------------- published models


@pytest.mark.parametrize(
    ("model", "cache"),
    [
        ("Llama 2 7B", 4096 * 2 * 32 * 4096 * 2),  # 2 GiB
        ("Llama 2 70B", 4096 * 2 * 80 * 8 * 128 * 2),
        ("Mistral 7B", 4096 * 2 * 32 * 8 * 128 * 2),  # of 8192 tokens, 4096 are kept
        ("GPT-3 175B", 2048 * 2 * 96 * 12288 * 2),
    ],
)
def test_cache_of_published_models(model, cache):
    assert CostCalculator.preset(model).numbers()["cache"] == cache


def test_presets_change():
    figure = CostCalculator.preset("Mistral 7B", n=100, dtype="int8")
    assert (figure.n, figure.heads, figure.kv_heads, figure.sees) == (
        100,
        32,
        8,
        "window",
    )
    with pytest.raises(ValueError, match=r"BERT base, .* got 'GPT-5'"):
        CostCalculator.preset("GPT-5")


def test_the_page_has_the_same_presets_and_the_sources_are_listed():
    page = source("cost_calculator.js")
    listed = (ROOT / "chapters/references.bib").read_text(encoding="utf-8")
    for model, sizes in PRESETS.items():
        assert f"{json.dumps(model)}: {json.dumps(sizes)}," in page
        assert sizes[-1] in listed
    assert len(re.findall(r'"\d{4}\.\d{5}"\],', page)) == len(PRESETS)


# ---------------------------------------------------------------- the widget


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        ({"n": 0}, []),
        ({"n": 2**20 + 1}, []),
        ({"n": 2.5}, ["2.5"]),
        ({"d": 2**16 + 16}, []),
        ({"layers": 257}, []),
        ({"window": 0}, []),
        ({"dtype": "<img onerror=alert(1)>"}, ["<img"]),
        ({"sees": "x" * 10_000}, []),
        ({"d": 100}, ["d must be a multiple of heads", "d=100", "heads=16"]),
        ({"kv_heads": 3}, ["heads must be a multiple of kv_heads", "kv_heads=3"]),
    ],
)
def test_traits_refused(traits, words):
    with pytest.raises(traitlets.TraitError) as raised:
        CostCalculator(**traits)
    assert all(word in str(raised.value) for word in words), raised.value


def test_a_page_may_change_all_at_once():
    """What a browser sends in one message is checked as a whole; one alone is not."""
    figure = CostCalculator()
    with pytest.raises(traitlets.TraitError, match="multiple of heads"):
        figure.heads = 12
    assert figure.heads == 16
    figure.set_state({"d": 768, "heads": 12, "kv_heads": 4})
    assert (figure.d, figure.heads, figure.kv_heads) == (768, 12, 4)


def test_observe_and_link():
    figure, slider = CostCalculator(n=64), ipywidgets.IntSlider(64, min=1, max=4096)
    seen = []
    figure.observe(lambda change: seen.append(change["new"]), "n")
    link = ipywidgets.link((slider, "value"), (figure, "n"))
    slider.value = 128
    assert (figure.n, seen) == (128, [128])
    figure.n = 256
    assert slider.value == 256
    link.unlink()


def test_repr_is_stable():
    assert repr(CostCalculator(n=5)) == (
        "CostCalculator(d=1024, dtype='float16', heads=16, kv_heads=16, layers=24, "
        "n=5, sees='all', window=1024)"
    )


def test_table_says_what_numbers_says():
    caption, heads, rows = CostCalculator(n=2048).table()
    assert "2,048 tokens of width 1,024" in caption
    assert "the projections at 2,048 tokens" in caption
    assert "projections and MLP at 6,144." in caption
    assert len(heads) == 3
    table = types.SimpleNamespace(**{row[0].replace(" ", "_"): row[1:] for row in rows})
    assert table.scores_and_mixing == (f"{24 * 4 * 2048**2 * 1024:.2e} FLOPs", "25.0%")
    assert rows[3] == ("key-value cache", "192.0 MiB", "")
    weights = "attention weights, if stored (pairs that meet)"
    assert rows[4] == (weights, "128.0 MiB a layer", "")
    halved = CostCalculator(n=2048, sees="causal").table()[2]
    assert halved[4] == (weights, "64.0 MiB a layer", "")
    never = CostCalculator(sees="window", window=64).table()[0]
    assert never.count("no number") == 2
