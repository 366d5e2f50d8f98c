"""The situations in which every implementation must agree with the oracles.

All lengths differ, so that no two axes can be swapped without a test noticing.
"""

import functools
from dataclasses import dataclass, field

import numpy as np

from tests.attnlib import oracles

B, H, L, S, E, EV = 2, 3, 4, 7, 8, 5
INF = float("inf")


@dataclass(frozen=True)
class Case:
    """Shapes, a mask and options of one call of attention."""

    name: str
    query: tuple = (B, H, L, E)
    key: tuple = (B, H, S, E)
    value: tuple = (B, H, S, EV)
    mask: object = None
    options: dict = field(default_factory=dict)


def boolean(*shape):
    """Return a random boolean mask that hides about a third of the keys."""
    return np.random.default_rng(1).random(shape) > 0.35


def float_mask(*shape):
    """Return a random mask to be added to the scores, with some -inf in it."""
    rng = np.random.default_rng(2)
    mask = np.asarray(rng.normal(size=shape))
    hidden = rng.random(shape) < 0.3
    return np.where(hidden, -INF, mask) if mask.ndim else mask


def shapes(query_lead, key_lead=None, value_lead=None, length=L, keys=S):
    """Return the three shapes for the given leading axes."""
    key_lead = query_lead if key_lead is None else key_lead
    value_lead = key_lead if value_lead is None else value_lead
    return {
        "query": (*query_lead, length, E),
        "key": (*key_lead, keys, E),
        "value": (*value_lead, keys, EV),
    }


def _hidden_row(mask):
    """Hide every key from the second query."""
    mask = mask.copy()
    mask[..., 1, :] = -INF if mask.dtype != bool else False
    return mask


OFFSETS = np.array([1, 4]).reshape(B, 1, 1, 1)
MASK_SHAPES = [
    (),
    (S,),
    (1, 1),
    (1, S),
    (L, 1),
    (L, S),
    (H, 1, S),
    (H, L, S),
    (B, 1, 1, S),
    (B, 1, L, S),
    (1, H, L, 1),
    (B, H, L, S),
]
WINDOW = oracles.sliding_window_mask

CASES = [
    Case("no mask"),
    # --- sizes
    *(Case(f"{len(n) + 2}-D", **shapes(n)) for n in [(), (H,), (B, H), (2, 1, H)]),
    Case("L = S", **shapes((B, H), keys=L)),
    Case("L > S", **shapes((B, H), length=9, keys=2)),
    Case("L = 1", **shapes((B, H), length=1)),
    Case("S = 1", **shapes((B, H), keys=1)),
    Case("L = 0", **shapes((B, H), length=0)),
    Case("S = 0", **shapes((B, H), keys=0)),
    Case("L = S = 0", **shapes((B, H), length=0, keys=0)),
    Case("no batch entry", **shapes((0, H))),
    # --- leading axes that broadcast
    Case("one key for all heads", **shapes((B, H), (B, 1))),
    Case("one query for all heads", **shapes((B, 1), (B, H))),
    Case("keys of one batch entry", **shapes((B, H), (H,))),
    Case("keys without axes in front", **shapes((B, H), ())),
    Case("query without axes in front", **shapes((), (B, H))),
    Case("key and value differ in front", **shapes((B, 1), (1, H), (B, 1))),
    Case("only the value has heads", **shapes((), (), (H,))),
    # --- masks
    Case("is_causal", **shapes((B, H), keys=L), options={"is_causal": True}),
    Case("is_causal in 2-D", **shapes((), keys=L), options={"is_causal": True}),
    Case("causal", mask=oracles.causal_mask(L, S)),
    Case("causal, offset 3", mask=oracles.causal_mask(L, S, 3)),
    Case("causal, offset -2", mask=oracles.causal_mask(L, S, -2)),
    Case("causal, offsets of a batch", mask=oracles.causal_mask(L, S, OFFSETS)),
    Case("window, left", mask=WINDOW(L, S, left=2)),
    Case("window, right", mask=WINDOW(L, S, right=1)),
    Case("window, both", mask=WINDOW(L, S, left=1, right=2, offset=2)),
    Case("window, itself only", mask=WINDOW(L, S, left=0, right=0)),
    Case("window, left of the keys", mask=WINDOW(L, S, left=0, right=0, offset=5)),
    Case("padding", mask=oracles.padding_mask([[3], [7]], S)),
    Case("padding, one empty", mask=oracles.padding_mask([[0], [4]], S)),
    Case("alibi", mask=oracles.alibi_bias(H, L, S)),
    *(Case(f"boolean {s}", mask=boolean(*s)) for s in MASK_SHAPES[1:]),
    *(Case(f"float {s}", mask=float_mask(*s)) for s in MASK_SHAPES),
    Case("boolean () True", mask=np.array(True)),
    Case("boolean () False", mask=np.array(False)),
    Case("boolean, 2-D input", **shapes(()), mask=boolean(L, S)),
    Case("float, 2-D input", **shapes(()), mask=float_mask(L, S)),
    Case("boolean, 5-D input", **shapes((2, 1, H)), mask=boolean(2, 1, H, 1, S)),
    Case("float, 5-D input", **shapes((2, 1, H)), mask=float_mask(1, H, L, S)),
    Case("boolean, hidden row", mask=_hidden_row(boolean(L, S))),
    Case("float, hidden row", mask=_hidden_row(float_mask(B, H, L, S))),
    Case("all hidden", mask=np.zeros((L, S), dtype=bool)),
    Case("all hidden by -inf", mask=np.full((B, 1, L, S), -INF)),
    Case("mask, L = 0", **shapes((B, H), length=0), mask=np.ones((1, S), bool)),
    Case("mask, S = 0", **shapes((B, H), keys=0), mask=np.ones((L, 1), bool)),
    Case("mask, broadcast keys", **shapes((B, H), (B, 1)), mask=boolean(B, H, L, S)),
    # --- options
    Case("scale", options={"scale": 0.7}),
    Case("scale 0", options={"scale": 0.0}),
    Case("negative scale", options={"scale": -1.5}),
    Case("softcap", options={"softcap": 0.8}),
    Case("softcap, scale", options={"softcap": 1.3, "scale": 2.0}),
    Case("softcap, boolean", mask=boolean(L, S), options={"softcap": 0.8}),
    Case("softcap, float", mask=float_mask(L, S), options={"softcap": 0.8}),
    Case(
        "softcap, hidden row", mask=_hidden_row(boolean(L, S)), options={"softcap": 1}
    ),
    Case(
        "softcap, causal",
        **shapes((B, H), keys=L),
        options={"softcap": 0.8, "is_causal": True, "scale": 1.1},
    ),
]

# Query heads 6, key and value heads 2: three query heads share a key head.
GROUPED = [
    Case("grouped", **shapes((B, 6), (B, 2))),
    Case("grouped, 3-D", **shapes((6,), (2,))),
    Case("grouped, 5-D", **shapes((2, B, 6), (2, B, 2))),
    Case("grouped, one key head", **shapes((B, 6), (B, 1))),
    Case("grouped, equal", **shapes((B, 6), (B, 6))),
    Case(
        "grouped, causal",
        **shapes((B, 6), (B, 2), keys=L),
        options={"is_causal": True},
    ),
    Case("grouped, boolean of heads", **shapes((B, 6), (B, 2)), mask=boolean(6, L, S)),
    Case("grouped, float", **shapes((B, 6), (B, 2)), mask=float_mask(B, 6, L, S)),
    Case("grouped, float (L, S)", **shapes((B, 6), (B, 2)), mask=float_mask(L, S)),
    Case("grouped, padding", **shapes((B, 6), (B, 2)), mask=boolean(B, 1, 1, S)),
    Case("grouped, softcap", **shapes((B, 6), (B, 2)), options={"softcap": 0.9}),
    Case("grouped, no key", **shapes((B, 6), (B, 2), keys=0)),
]


def by_name(cases):
    """Return the arguments of `parametrize` after the names of the arguments."""
    return {"argvalues": cases, "ids": [case.name for case in cases]}


def pick(*names):
    """Return the cases of the given names."""
    known = {case.name: case for case in CASES}
    return [known[name] for name in names]


@functools.cache
def _numbers(shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


def inputs(case):
    """Return query, key and value of a case as float64 NumPy arrays."""
    return tuple(
        _numbers(shape, seed).copy()
        for seed, shape in enumerate([case.query, case.key, case.value])
    )


def expected(case, arrays=None, mask=None):
    """Return what the oracle says, for other inputs too (rounded ones)."""
    oracle = oracles.grouped_attention if case in GROUPED else oracles.attention
    arrays = inputs(case) if arrays is None else arrays
    return oracle(*arrays, case.mask if mask is None else mask, **case.options)


_remembered = {}


def remembered(case):
    """Return `expected(case)`, worked out once for all libraries."""
    if case.name not in _remembered:
        _remembered[case.name] = expected(case)
    return _remembered[case.name]
