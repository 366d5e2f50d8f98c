"""Attention, every formula once, on NumPy and on torch (CPU and GPU).

>>> import numpy as np
>>> from attnlib import scaled_dot_product_attention
>>> query, key, value = np.eye(2), np.eye(2), np.array([[1.0], [3.0]])
>>> scaled_dot_product_attention(query, key, value).round(2).tolist()
[[1.66], [2.34]]

`attnlib.nn` (torch) is imported by name; the figures of `attnlib.plotting`, which need
matplotlib, are loaded when one is first asked for.
"""

import importlib
import typing

from attnlib.attention import (
    attention_scores,
    attention_weights,
    reference_attention,
    softmax,
)
from attnlib.cache import KVCache
from attnlib.cost import (
    Cost,
    Device,
    attainable_seconds,
    attention_cost,
    kv_cache_bytes,
    lstm_cost,
    multi_head_cost,
)
from attnlib.fused import fused_attention
from attnlib.heads import (
    MultiHeadParams,
    merge_heads,
    multi_head_attention,
    split_heads,
)
from attnlib.masks import (
    alibi_bias,
    causal_mask,
    combine_masks,
    padding_mask,
    sliding_window_mask,
)
from attnlib.positions import rotary_embedding, sinusoidal_encoding
from attnlib.recurrent import RecurrentParams, lstm, lstm_cell, rnn, rnn_cell
from attnlib.sdpa import scaled_dot_product_attention
from attnlib.tiled import OnlineSoftmax, absorb, merge, tiled_attention

__version__ = "0.1.0"

__all__ = [
    "Cost",
    "Device",
    "KVCache",
    "MultiHeadParams",
    "OnlineSoftmax",
    "RecurrentParams",
    "absorb",
    "alibi_bias",
    "attainable_seconds",
    "attention_cost",
    "attention_scores",
    "attention_weights",
    "causal_mask",
    "combine_masks",
    "fused_attention",
    "kv_cache_bytes",
    "lstm",
    "lstm_cell",
    "lstm_cost",
    "merge",
    "merge_heads",
    "multi_head_attention",
    "multi_head_cost",
    "padding_mask",
    "reference_attention",
    "rnn",
    "rnn_cell",
    "rotary_embedding",
    "scaled_dot_product_attention",
    "sinusoidal_encoding",
    "sliding_window_mask",
    "softmax",
    "split_heads",
    "tiled_attention",
]

_FIGURES = ("plot_attention", "plot_heads", "plot_mask", "plot_roofline", "use_style")
if typing.TYPE_CHECKING:  # a checker takes every name for one of __getattr__
    from attnlib.plotting import plot_attention as plot_attention
    from attnlib.plotting import plot_heads as plot_heads
    from attnlib.plotting import plot_mask as plot_mask
    from attnlib.plotting import plot_roofline as plot_roofline
    from attnlib.plotting import use_style as use_style
else:

    def __getattr__(name):
        if name in _FIGURES:
            return getattr(importlib.import_module("attnlib.plotting"), name)
        raise AttributeError(f"module 'attnlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FIGURES})
