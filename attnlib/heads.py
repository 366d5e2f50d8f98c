"""Multi-head attention: several attentions side by side, each on its own projection.

Source: Vaswani et al. 2017, section 3.2.2, https://arxiv.org/abs/1706.03762; grouped
key-value heads: Ainslie et al. 2023, https://arxiv.org/abs/2305.13245.
"""

import math
import typing

from attnlib._array import Array, array_namespace, transpose
from attnlib._checks import check_count, check_data, check_head_counts
from attnlib.sdpa import Implementation, scaled_dot_product_attention


def split_heads(x: Array, num_heads: int) -> Array:
    """(..., L, H*E) -> (..., H, L, E): head h gets features h*E to (h+1)*E."""
    check_data(x=x)
    check_count("num_heads", num_heads, least=1)
    *lead, L, features = x.shape
    if features % num_heads:
        raise ValueError(
            f"the last axis must be a multiple of num_heads, got {features} features "
            f"and num_heads={num_heads}"
        )
    xp = array_namespace(x)
    heads = xp.reshape(x, (*lead, L, num_heads, features // num_heads))
    return swap_heads(heads)


def merge_heads(x: Array) -> Array:
    """(..., H, L, E) -> (..., L, H*E): the heads side by side; undoes split_heads."""
    check_data(x=x, min_ndim=3)
    *lead, H, L, E = x.shape
    xp = array_namespace(x)
    return xp.reshape(swap_heads(x), (*lead, L, H * E))


def swap_heads(x):
    """(..., H, L, E) <-> (..., L, H, E); torch.func.vmap knows no moveaxis."""
    n = x.ndim
    return array_namespace(x).permute_dims(x, (*range(n - 3), n - 2, n - 3, n - 1))


class MultiHeadParams(typing.NamedTuple):
    """Weights (out, in) and biases (out,) of the four projections, as torch names them.

    q_proj_weight (H*E, D), k_proj_weight (Hkv*E, Dk), v_proj_weight (Hkv*Ev, Dv),
    out_proj_weight (D, H*Ev). A bias of None is left out.
    """

    q_proj_weight: Array
    k_proj_weight: Array
    v_proj_weight: Array
    out_proj_weight: Array
    q_proj_bias: Array | None = None
    k_proj_bias: Array | None = None
    v_proj_bias: Array | None = None
    out_proj_bias: Array | None = None


def multi_head_attention(
    query: Array,
    key: Array,
    value: Array,
    params: MultiHeadParams,
    *,
    num_heads: int,
    num_kv_heads: int | None = None,
    attn_mask: Array | None = None,
    is_causal: bool = False,
    implementation: Implementation | None = None,
) -> Array:
    """Project, split into heads, attend in each, join the outputs, project.

    query (..., L, D), key (..., S, Dk), value (..., S, Dv) -> (..., L, D). Every head
    reads all D features through its rows of the projections; the *projected* features
    are what is split. `num_kv_heads` < `num_heads` shares each key-value head among
    num_heads / num_kv_heads query heads. `attn_mask` broadcasts to (..., H, L, S): a
    mask per batch entry has the shape (B, 1, L, S), a padding mask (B, 1, 1, S).
    """
    num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
    check_head_counts(num_heads, num_kv_heads)
    check_data(query=query, key=key, value=value)
    check_params(query, key, value, params, num_heads, num_kv_heads)
    q = project(query, params.q_proj_weight, params.q_proj_bias)
    k = project(key, params.k_proj_weight, params.k_proj_bias)
    v = project(value, params.v_proj_weight, params.v_proj_bias)
    joined = attend_in_heads(
        q,
        k,
        v,
        num_heads,
        num_kv_heads,
        attn_mask=attn_mask,
        is_causal=is_causal,
        implementation=implementation,
    )
    return project(joined, params.out_proj_weight, params.out_proj_bias)


def attend_in_heads(query, key, value, num_heads, num_kv_heads, **options):
    """Attention in each head of what is projected already: -> (..., L, H*Ev).

    query (..., L, H*E), key (..., S, Hkv*E), value (..., S, Hkv*Ev).
    """
    heads = scaled_dot_product_attention(
        split_heads(query, num_heads),  # (..., H, L, E)
        split_heads(key, num_kv_heads),  # (..., Hkv, S, E)
        split_heads(value, num_kv_heads),  # (..., Hkv, S, Ev)
        enable_gqa=num_kv_heads != num_heads,
        **options,
    )  # (..., H, L, Ev)
    return merge_heads(heads)


def project(x, weight, bias):
    """x @ weight^T + bias, as torch.nn.Linear.

    All tokens are one matrix: NumPy would multiply each text of a batch by itself.
    """
    xp, batch = array_namespace(x, weight), x.shape[:-1]
    rows = xp.reshape(x, (math.prod(batch), x.shape[-1]))
    projected = xp.reshape(rows @ transpose(weight), (*batch, weight.shape[0]))
    return projected if bias is None else projected + bias


def check_params(query, key, value, params, num_heads, num_kv_heads):
    """Raise where the projections fit neither the data nor the number of heads."""
    if not isinstance(params, MultiHeadParams):
        raise TypeError(f"params must be MultiHeadParams, got {type(params).__name__}")
    named = params._asdict().items()
    given = {k: x for k, x in named if x is not None or k.endswith("weight")}
    check_data(query=query, **given, min_ndim=1)
    splits = {"q": num_heads, "k": num_kv_heads, "v": num_kv_heads}
    for letter, x in (("q", query), ("k", key), ("v", value)):
        check_weight(letter, given, x.shape[-1])
        rows = given[f"{letter}_proj_weight"].shape[0]
        if rows % splits[letter]:
            raise ValueError(
                f"{letter}_proj_weight must have a multiple of {splits[letter]} rows, "
                f"one part per head, got {rows}"
            )
    q_rows, k_rows = params.q_proj_weight.shape[0], params.k_proj_weight.shape[0]
    if q_rows * num_kv_heads != k_rows * num_heads:
        raise ValueError(
            "q_proj_weight and k_proj_weight must give heads of one width E, got "
            f"{q_rows} rows for {num_heads} heads and {k_rows} for {num_kv_heads}"
        )
    joined = params.v_proj_weight.shape[0] // num_kv_heads * num_heads
    check_weight("out", given, joined)
    for letter in ("q", "k", "v", "out"):
        check_bias(letter, given)


def check_weight(letter, given, features):
    """Raise ValueError where a projection does not take `features` features."""
    weight = given[f"{letter}_proj_weight"]
    if weight.ndim != 2 or weight.shape[1] != features:
        raise ValueError(
            f"{letter}_proj_weight must have the shape (out, {features}) to take what "
            f"it gets, got {tuple(weight.shape)}"
        )


def check_bias(letter, given):
    """Raise ValueError where a bias does not have one entry per row of its weight."""
    rows = given[f"{letter}_proj_weight"].shape[0]
    bias = given.get(f"{letter}_proj_bias")
    if bias is not None and tuple(bias.shape) != (rows,):
        raise ValueError(
            f"{letter}_proj_bias must have the shape ({rows},), got {tuple(bias.shape)}"
        )
