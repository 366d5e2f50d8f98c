"""Counts of work and bytes: by hand, and against torch's own counter."""

import math

import numpy as np
import pytest

import attnlib
from attnlib import (
    Cost,
    Device,
    attainable_seconds,
    attention_cost,
    kv_cache_bytes,
    lstm_cost,
    multi_head_cost,
)

# ---------------------------------------------------------------- by hand


def test_attention_by_hand():
    """3 x 5 scores of 4 multiply-adds, 3 x 2 sums of 5: (60 + 30) x 2 = 180 FLOPs.

    Query 12, key 20, value 10 and output 6 numbers of 4 bytes: 192 bytes.
    """
    cost = attention_cost(3, 5, 4, 2)
    assert (cost.flops, cost.bytes) == (180, 192)
    assert cost.intensity == 180 / 192


def test_stored_weights_by_hand():
    """The 15 scores written and read, the 15 weights too: 60 numbers more."""
    assert attention_cost(3, 5, 4, 2, stored_weights=True).bytes == 192 + 60 * 4
    assert attention_cost(3, 5, 4, 2, stored_weights=True).flops == 180


def test_is_causal_by_hand():
    """Of 4 x 4 pairs, 10 lie on or below the diagonal."""
    cost = attention_cost(4, 4, 8, is_causal=True)
    assert cost.flops == 2 * 10 * (8 + 8)
    assert cost.bytes == 4 * 4 * 8 * 4  # four arrays of 4 x 8, float32


def test_heads_batch_and_itemsize_by_hand():
    """6 query heads, 2 key heads, 7 batch entries, 2 bytes a number."""
    cost = attention_cost(3, 5, 4, 2, num_heads=6, num_kv_heads=2, batch=7, itemsize=2)
    assert cost.flops == 7 * 6 * 180
    query, key, value, output = 6 * 12, 2 * 20, 2 * 10, 6 * 6
    assert cost.bytes == 7 * 2 * (query + key + value + output)


def test_multi_head_by_hand():
    """L = 3, S = 5, D = 8, 2 heads of 4: four projections, and attention per head."""
    cost = multi_head_cost(3, 5, 8, num_heads=2)
    projections = 2 * (3 + 5 + 5 + 3) * 8 * 8
    attention = 2 * 2 * 3 * 5 * (4 + 4)
    assert cost.flops == projections + attention


def test_projections_equal_attention_at_n_2d():
    """The crossover of the book: n = 2 D, whatever the number of heads."""
    D = 16
    for heads in [1, 2, 8]:
        n = 2 * D
        whole = multi_head_cost(n, n, D, num_heads=heads).flops
        inside = attention_cost(n, n, D // heads, num_heads=heads).flops
        assert whole == 2 * inside


def test_lstm_by_hand():
    """4 gates of N = 6, each from 3 inputs and 6 features: 2 x 24 x 9 a step."""
    assert lstm_cost(5, 3, 6).flops == 5 * 2 * 24 * 9
    assert lstm_cost(5, 3, 6, batch=7).flops == 7 * 5 * 2 * 24 * 9


def test_lstm_bytes_grow_with_the_steps():
    """The weights, 24 x 9 numbers, are read at every step, once for the batch."""
    one, many = lstm_cost(5, 3, 6).bytes, lstm_cost(5, 3, 6, batch=8).bytes
    weights = 5 * 24 * 9 * 4
    assert one > weights
    assert many - weights == 8 * (one - weights)
    assert lstm_cost(10, 3, 6).bytes == 2 * one
    assert lstm_cost(5, 3, 6, itemsize=2).bytes == one // 2


def test_cache_by_hand():
    """32 layers x 8 heads x 1000 tokens x (128 + 128) numbers of 2 bytes."""
    ours = kv_cache_bytes(1000, 128, num_layers=32, num_kv_heads=8)
    assert ours == 32 * 8 * 1000 * 256 * 2
    assert kv_cache_bytes(10, 4, 2, batch=3, itemsize=4) == 3 * 10 * 6 * 4


def test_roofline_by_hand():
    """100 FLOP/s and 10 B/s: below 10 FLOP/B memory is slower, above it arithmetic."""
    device = Device("toy", 100, 10)
    assert attainable_seconds(Cost(flops=50, bytes=20), device) == 2.0
    assert attainable_seconds(Cost(flops=500, bytes=20), device) == 5.0
    assert attainable_seconds(Cost(flops=200, bytes=20), device) == 2.0


def test_values():
    """A cost is a pair of numbers by name, a device three."""
    assert Cost(1, 2) == Cost(flops=1, bytes=2)
    assert Device("a", 1, 2) == Device(name="a", peak_flops=1, bandwidth=2)
    assert Cost(8, 2).intensity == 4.0
    assert Cost(8, 0).intensity == math.inf


def test_counts_are_exact_integers():
    """No float rounds a large count."""
    n = 10**7 + 1
    cost = attention_cost(n, n, 128)
    assert cost.flops == 4 * n * n * 128
    assert all(type(x) is int for x in attention_cost(np.int64(3), 5, 4))


# ---------------------------------------------------------------- against torch


def counted(call):
    """Return what torch's FlopCounterMode counts."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def test_attention_against_torchs_counter():
    """The products of reference_attention, counted while it runs."""
    torch = pytest.importorskip("torch")
    q, k, v = torch.zeros(2, 3, 4, 8), torch.zeros(2, 3, 7, 8), torch.zeros(2, 3, 7, 5)
    theirs = counted(lambda: attnlib.reference_attention(q, k, v))
    ours = attention_cost(4, 7, 8, 5, num_heads=3, batch=2)
    assert ours.flops == theirs
    output = attnlib.reference_attention(q, k, v)
    assert ours.bytes == sum(x.numel() * x.element_size() for x in (q, k, v, output))


@pytest.mark.parametrize("num_kv_heads", [4, 2, 1])
def test_multi_head_against_torchs_counter(num_kv_heads):
    """The products of multi_head_attention with grouped heads."""
    torch = pytest.importorskip("torch")
    D, kv = 16, 16 // 4 * num_kv_heads
    params = attnlib.MultiHeadParams(
        torch.zeros(D, D), torch.zeros(kv, D), torch.zeros(kv, D), torch.zeros(D, D)
    )
    x, y = torch.zeros(2, 3, D), torch.zeros(2, 5, D)
    theirs = counted(
        lambda: attnlib.multi_head_attention(
            x,
            y,
            y,
            params,
            num_heads=4,
            num_kv_heads=num_kv_heads,
            implementation="reference",
        )
    )
    ours = multi_head_cost(3, 5, D, num_heads=4, num_kv_heads=num_kv_heads, batch=2)
    assert ours.flops == theirs


def test_multi_head_bytes_by_hand():
    """Each product reads two arrays and writes one; attention its four."""
    L, S, D, H, Hkv, B = 3, 5, 16, 4, 2, 2
    E = D // H
    query = B * L * D + D * D + B * L * D
    key = B * S * D + D * Hkv * E + B * S * Hkv * E
    inside = B * (2 * H * L * E + 2 * Hkv * S * E)
    expected = 4 * (2 * query + 2 * key + inside)
    assert (
        multi_head_cost(L, S, D, num_heads=H, num_kv_heads=Hkv, batch=B).bytes
        == expected
    )


def test_lstm_against_torchs_counter():
    """The products of lstm, counted while it runs."""
    torch = pytest.importorskip("torch")
    params = attnlib.RecurrentParams(
        torch.zeros(24, 3), torch.zeros(24, 6), torch.zeros(24), torch.zeros(24)
    )
    theirs = counted(lambda: attnlib.lstm(torch.zeros(2, 5, 3), params))
    assert lstm_cost(5, 3, 6, batch=2).flops == theirs


def test_cache_against_a_cache():
    """kv_cache_bytes is the nbytes of a KVCache of that shape."""
    cache = attnlib.KVCache(
        np.zeros((2, 3, 7, 8), np.float16), np.zeros((2, 3, 7, 5), np.float16)
    )
    assert kv_cache_bytes(7, 8, 5, num_kv_heads=3, batch=2) == cache.nbytes


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: attention_cost(-3, 5, 4), ValueError, ["L", "-3"]),
        (lambda: attention_cost(3, -5, 4), ValueError, ["S", "-5"]),
        (lambda: attention_cost(3, 5, -4), ValueError, ["E", "-4"]),
        (lambda: attention_cost(3, 5, 4, -2), ValueError, ["Ev", "-2"]),
        (lambda: attention_cost(3.5, 5, 4), TypeError, ["L", "3.5"]),
        (lambda: attention_cost(3, 5, 4, batch=-1), ValueError, ["batch", "-1"]),
        (lambda: attention_cost(3, 5, 4, itemsize=-4), ValueError, ["itemsize", "-4"]),
        (
            lambda: attention_cost(3, 5, 4, num_heads=6, num_kv_heads=4),
            ValueError,
            ["num_heads=6", "num_kv_heads=4"],
        ),
        (
            lambda: attention_cost(3, 5, 4, is_causal=True),
            ValueError,
            ["is_causal", "L=3", "S=5"],
        ),
        (
            lambda: multi_head_cost(3, 5, 7, num_heads=2),
            ValueError,
            ["D=7", "num_heads=2"],
        ),
        (
            lambda: multi_head_cost(3, 5, 8, num_heads=0),
            ValueError,
            ["num_heads", "0"],
        ),
        (lambda: lstm_cost(-5, 3, 6), ValueError, ["L", "-5"]),
        (lambda: lstm_cost(5, 3, -6), ValueError, ["N", "-6"]),
        (lambda: kv_cache_bytes(-7, 8), ValueError, ["S", "-7"]),
        (lambda: kv_cache_bytes(7, 8, num_layers=-1), ValueError, ["num_layers", "-1"]),
    ],
)
def test_bad_input(call, error, words):
    """The message names the argument and what came."""
    with pytest.raises(error) as raised:
        call()
    assert all(word in str(raised.value) for word in words), raised.value
