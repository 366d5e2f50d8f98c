"""What attention costs, counted: floating-point operations and bytes.

Counts are exact integers. A multiply-add is 2 FLOPs; only matrix products are counted,
as torch's counter does (the softmax adds a few operations per score). Bytes are those
that must cross to and from memory at least once.
Source of the roofline: Williams et al. 2009, https://doi.org/10.1145/1498765.1498785.
"""

import typing

from attnlib._checks import check_count, check_head_counts


class Cost(typing.NamedTuple):
    """FLOPs and bytes of an operation."""

    flops: int
    bytes: int

    @property
    def intensity(self) -> float:
        """FLOPs per byte; inf where no byte moves."""
        return self.flops / self.bytes if self.bytes else float("inf")

    def __add__(self, other: "Cost") -> "Cost":
        """Return both, one after the other."""
        return Cost(self.flops + other.flops, self.bytes + other.bytes)


class Device(typing.NamedTuple):
    """A machine: peak_flops in FLOP/s, bandwidth of its memory in bytes/s."""

    name: str
    peak_flops: float
    bandwidth: float


def attention_cost(
    L: int,
    S: int,
    E: int,
    Ev: int | None = None,
    *,
    num_heads: int = 1,
    num_kv_heads: int | None = None,
    batch: int = 1,
    itemsize: int = 4,
    is_causal: bool = False,
    stored_weights: bool = False,
) -> Cost:
    """Count scaled_dot_product_attention with L queries and S keys per head.

    FLOPs: 2 (E + Ev) per pair of query and key that may meet (Ev defaults to E): all
    L S pairs, or with `is_causal` the L (L + 1) / 2 pairs on or below the diagonal.
    Bytes: query, key, value read and output written once, at `itemsize` bytes a number;
    `stored_weights=True` adds the four passes over L x S that storing the scores and
    the weights takes (written and read, each).
    """
    L, S, E, num_heads, batch, itemsize = _whole(
        L=L, S=S, E=E, num_heads=num_heads, batch=batch, itemsize=itemsize
    )
    (Ev,) = _whole(Ev=E if Ev is None else Ev)
    (kv,) = _whole(num_kv_heads=num_heads if num_kv_heads is None else num_kv_heads)
    check_head_counts(num_heads, kv)
    if is_causal and L != S:
        raise ValueError(
            f"is_causal=True needs as many queries as keys, got L={L} and S={S}"
        )
    pairs = L * (L + 1) // 2 if is_causal else L * S
    numbers = num_heads * L * (E + Ev) + kv * S * (E + Ev)
    if stored_weights:
        numbers += 4 * num_heads * pairs
    return Cost(
        2 * batch * num_heads * pairs * (E + Ev),
        itemsize * batch * numbers,
    )


def linear_cost(
    rows: int, features_in: int, features_out: int, *, itemsize: int = 4
) -> Cost:
    """Count a matrix product (rows, in) @ (in, out), its weights read once."""
    rows, fan_in, fan_out, itemsize = _whole(
        rows=rows, features_in=features_in, features_out=features_out, itemsize=itemsize
    )
    numbers = rows * fan_in + fan_in * fan_out + rows * fan_out
    return Cost(2 * rows * fan_in * fan_out, itemsize * numbers)


def multi_head_cost(
    L: int,
    S: int,
    D: int,
    *,
    num_heads: int,
    num_kv_heads: int | None = None,
    batch: int = 1,
    itemsize: int = 4,
    is_causal: bool = False,
    stored_weights: bool = False,
) -> Cost:
    """Count multi_head_attention of width D with heads of width D / num_heads.

    The four projections (2 L D**2 FLOPs each for queries and output, and for keys and
    values with as many heads) plus attention_cost. Per token and with L = S = n, the
    projections equal the rest at n = 2 D.
    """
    L, S, D, num_heads, batch = _whole(L=L, S=S, D=D, num_heads=num_heads, batch=batch)
    (kv,) = _whole(num_kv_heads=num_heads if num_kv_heads is None else num_kv_heads)
    check_head_counts(num_heads, kv)
    if D % num_heads:
        raise ValueError(
            f"D must be a multiple of num_heads, got D={D} and num_heads={num_heads}"
        )
    E = D // num_heads
    query_or_output = linear_cost(batch * L, D, D, itemsize=itemsize)
    key_or_value = linear_cost(batch * S, D, kv * E, itemsize=itemsize)
    heads = attention_cost(
        L,
        S,
        E,
        num_heads=num_heads,
        num_kv_heads=kv,
        batch=batch,
        itemsize=itemsize,
        is_causal=is_causal,
        stored_weights=stored_weights,
    )
    return query_or_output + key_or_value + key_or_value + heads + query_or_output


def lstm_cost(L: int, D: int, N: int, *, batch: int = 1, itemsize: int = 4) -> Cost:
    """Count one LSTM layer of N hidden features over L steps of D inputs.

    FLOPs: 8 N (D + N) per step. Bytes: inputs, outputs and state, and the weights once
    per step, since each step must wait for the one before.
    """
    L, D, N, batch, itemsize = _whole(L=L, D=D, N=N, batch=batch, itemsize=itemsize)
    numbers = L * (batch * (D + 4 * N) + 4 * N * (D + N))
    return Cost(L * batch * 8 * N * (D + N), itemsize * numbers)


def kv_cache_bytes(
    S: int,
    E: int,
    Ev: int | None = None,
    *,
    num_layers: int = 1,
    num_kv_heads: int = 1,
    batch: int = 1,
    itemsize: int = 2,
) -> int:
    """Bytes of keys and values of S tokens: layers x heads x S x (E + Ev) x itemsize.

    `itemsize` is 2 for float16 and bfloat16, 4 for float32. Ev defaults to E.
    """
    S, E, num_layers, kv, batch, itemsize = _whole(
        S=S,
        E=E,
        num_layers=num_layers,
        num_kv_heads=num_kv_heads,
        batch=batch,
        itemsize=itemsize,
    )
    (Ev,) = _whole(Ev=E if Ev is None else Ev)
    return batch * num_layers * kv * S * (E + Ev) * itemsize


def attainable_seconds(cost: Cost, device: Device) -> float:
    """The roofline: seconds at least, whichever of arithmetic and memory is slower."""
    return max(cost.flops / device.peak_flops, cost.bytes / device.bandwidth)


def _whole(**numbers):
    """Return the numbers as ints, or raise an error that names the one that is none."""
    return tuple(check_count(name, number) for name, number in numbers.items())
