"""Thirty calls of attnlib, at least one of each formula, on one array library.

Run by `replay/libraries.py` where that library is installed:

    python -m replay.calls jax    prints JSON: version, and what each call's fault was

What the calls give is held against what NumPy gives, float32 to 2e-5. In JAX attention
is called in four transforms as well.
"""

import importlib
import importlib.metadata
import json
import sys

import numpy as np

import attnlib
from attnlib import MultiHeadParams, RecurrentParams

TOLERANCE = 2e-5
# How an array is made in a library, and how it comes back; NumPy reads the others.
MAKERS = {"dask": "dask.array", "jax": "jax.numpy"}
RETURNS = {
    "dask": lambda x: x.compute(),
    "ndonnx": lambda x: x.unwrap_numpy(),
    "sparse": lambda x: x.todense(),
}


def data():
    """Return the same numbers for every library, by name."""
    draws = np.random.default_rng(0)
    shapes = {
        "query": (2, 5, 4),
        "key": (2, 7, 4),
        "value": (2, 7, 3),
        "bias": (5, 7),
        "tokens": (3, 6, 4),
        "wide": (3, 6, 8),
        **{f"project_{i}": (8, 8) for i in range(4)},
        **{f"shared_{i}": (4, 8) for i in range(2)},
        "weight_ih": (5, 4),
        "weight_hh": (5, 5),
        "gates_ih": (20, 4),
        "gates_hh": (20, 5),
        "state": (3, 5),
        "cell": (3, 5),
    }
    whole = {
        name: draws.normal(size=shape).astype("float32")
        for name, shape in shapes.items()
    }
    whole["seen"] = draws.random((5, 7)) < 0.7
    whole["seen"][:, 0] = True
    return whole


def calls(array):
    """Return name → call, on arrays that `array` makes of NumPy's."""
    at = {name: array(numbers) for name, numbers in data().items()}
    q, k, v, bias, seen = (at[n] for n in ("query", "key", "value", "bias", "seen"))
    tokens, wide, state, cell = (at[n] for n in ("tokens", "wide", "state", "cell"))
    square = [at[f"project_{i}"] for i in range(4)]
    shared = [square[0], at["shared_0"], at["shared_1"], square[3]]
    zeros = array(np.zeros(20, dtype="float32"))
    recurrent = RecurrentParams(at["weight_ih"], at["weight_hh"], zeros[:5], zeros[:5])
    gated = RecurrentParams(at["gates_ih"], at["gates_hh"], zeros, zeros)
    sdpa, tiled = attnlib.scaled_dot_product_attention, attnlib.tiled_attention

    def heads(weights, **options):
        return attnlib.multi_head_attention(
            wide, wide, wide, MultiHeadParams(*weights), num_heads=4, **options
        )

    def part(rows):
        scores = attnlib.attention_scores(q, k[:, rows, :])
        return attnlib.absorb(start(), scores, v[:, rows, :])

    def start():
        empty = array(np.full((2, 5, 1), -np.inf, dtype="float32"))
        nothing = array(np.zeros((2, 5, 1), dtype="float32"))
        return attnlib.OnlineSoftmax(
            empty, nothing, array(np.zeros((2, 5, 3), dtype="float32"))
        )

    def cached():
        cache = attnlib.KVCache(k[:, :4, :], v[:, :4, :]).append(
            k[:, 4:, :], v[:, 4:, :]
        )
        return cache.key, cache.value

    return {
        "softmax": lambda: attnlib.softmax(bias),
        "scores": lambda: attnlib.attention_scores(q, k),
        "scores, soft cap": lambda: attnlib.attention_scores(q, k, softcap=2.0),
        "weights": lambda: attnlib.attention_weights(q, k),
        "weights, bias": lambda: attnlib.attention_weights(q, k, bias),
        "reference": lambda: attnlib.reference_attention(q, k, v),
        "attention": lambda: sdpa(q, k, v),
        "attention, causal": lambda: sdpa(q, k[:, :5, :], v[:, :5, :], is_causal=True),
        "attention, mask": lambda: sdpa(q, k, v, seen),
        "attention, bias": lambda: sdpa(q, k, v, bias),
        "attention, scale": lambda: sdpa(q, k, v, scale=0.3),
        "tiled": lambda: tiled(q, k, v, block_size=2),
        "tiled, mask": lambda: tiled(q, k, v, seen, block_size=3),
        "tiled, causal": lambda: tiled(q, k[:, :5, :], v[:, :5, :], is_causal=True),
        "absorb": lambda: part(slice(0, 3)),
        "merge": lambda: attnlib.merge(part(slice(0, 3)), part(slice(3, None))),
        "causal mask": lambda: attnlib.causal_mask(3, 7, offset=4, like=q),
        "padding mask": lambda: attnlib.padding_mask([2, 5], 7, like=q),
        "window": lambda: attnlib.sliding_window_mask(5, left=2, right=1, like=q),
        "ALiBi": lambda: attnlib.alibi_bias(4, 5, like=q),
        "combined masks": lambda: attnlib.combine_masks(
            seen, attnlib.causal_mask(5, 7, offset=2, like=q)
        ),
        "split and merge heads": lambda: attnlib.merge_heads(
            attnlib.split_heads(wide, 4)
        ),
        "multi-head": lambda: heads(square),
        "multi-head, shared keys": lambda: heads(
            shared, num_kv_heads=2, is_causal=True
        ),
        "sinusoids": lambda: attnlib.sinusoidal_encoding(6, 8, like=q),
        "rotary": lambda: attnlib.rotary_embedding(wide, offset=3),
        "RNN": lambda: attnlib.rnn(tokens, recurrent),
        "LSTM cell": lambda: attnlib.lstm_cell(tokens[:, 0, :], (state, cell), gated),
        "LSTM": lambda: attnlib.lstm(tokens, gated),
        "cache": cached,
    }


def transforms():
    """Return name → call of attention in JAX's transforms."""
    import jax

    q, k, v = (jax.numpy.asarray(data()[n]) for n in ("query", "key", "value"))
    sdpa = attnlib.scaled_dot_product_attention

    def total(q):
        return (sdpa(q, k, v) * v[:, :5]).sum()

    def step(state, row):
        return state, sdpa(row[:, None], k, v)[:, 0]

    def slope():
        """The derivative along one direction, by differences in float64."""
        along = np.random.default_rng(1).normal(size=q.shape)
        wide = [np.asarray(x, dtype="float64") for x in (q, k, v)]
        ends = [
            (sdpa(wide[0] + s * along, *wide[1:]) * wide[2][:, :5]).sum()
            for s in (-1e-4, 1e-4)
        ]
        return (jax.grad(total)(q) * along).sum(), (ends[1] - ends[0]) / 2e-4

    expected = sdpa(*(np.asarray(x) for x in (q, k, v)))
    return {
        "grad": slope,
        "jit": lambda: (jax.jit(sdpa)(q, k, v), expected),
        "vmap": lambda: (jax.vmap(sdpa)(q, k, v), expected),
        "scan": lambda: (
            jax.lax.scan(step, 0, q.swapaxes(0, 1))[1].swapaxes(0, 1),
            expected,
        ),
    }


def flat(found):
    """Return the arrays of a result, in order."""
    if isinstance(found, tuple):
        return [x for part in found for x in flat(part)]
    return [found]


def fault(call, expected, back):
    """Return what is wrong with a call, None where it gives what NumPy gives."""
    try:
        found = [np.asarray(back(x)) for x in flat(call())]
    except Exception as error:  # any of them is what this call's row tells
        return f"{type(error).__name__}: {error}"[:200]
    if [x.shape for x in found] != [x.shape for x in expected]:
        return f"shapes {[x.shape for x in found]}"
    far = max(
        np.abs(a.astype("float64") - b.astype("float64")).max()
        for a, b in zip(found, expected, strict=True)
    )
    return None if far <= TOLERANCE else f"off by {far:.1e}"


def main(library):
    """Print what the thirty calls gave, as JSON."""
    xp = importlib.import_module(MAKERS.get(library, library))
    back = RETURNS.get(library, np.asarray)
    wanted = {name: flat(call()) for name, call in calls(np.asarray).items()}
    faults = {
        name: fault(call, wanted[name], back)
        for name, call in calls(xp.asarray).items()
    }
    if library == "jax":
        for name, call in transforms().items():
            found, expected = call()
            faults[f"in {name}"] = fault(
                lambda found=found: found, [np.asarray(expected)], back
            )
    version = importlib.metadata.version(library.replace("_", "-"))
    print(json.dumps({"version": version, "faults": faults}))


if __name__ == "__main__":
    main(sys.argv[1])
