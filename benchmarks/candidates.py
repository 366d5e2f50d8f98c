"""What is compared. Each candidate gets its inputs ready, and then answers calls.

A candidate is a function of (case, query, key, value), NumPy arrays of float32, that
returns a call without arguments; only that call is timed. One that cannot run raises
LeftOut with the reason, which the results show.
"""

import functools
import math
import os

import numpy as np

import attnlib

LARGEST = 2**30  # bytes of scores that one call may store


class LeftOut(Exception):
    """Says why a candidate does not run here."""


def threads():
    """Threads that every candidate may use."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())


def need(module):
    """Import a peer, or raise LeftOut."""
    try:
        return __import__(module)
    except ImportError as error:
        raise LeftOut(f"{module} is not installed") from error


def stores_scores(candidate):
    """Leave a candidate out where its scores would not fit."""

    @functools.wraps(candidate)
    def guarded(case, query, key, value):
        size = 4 * case.heads * case.L * case.S
        if size > LARGEST:
            raise LeftOut(f"its scores need {size / 2**30:.0f} GiB")
        return candidate(case, query, key, value)

    return guarded


def tensors(*arrays):
    """Return torch tensors, with torch at its threads."""
    torch = need("torch")
    torch.set_num_threads(threads())
    return (torch, *(torch.from_numpy(x) for x in arrays))


def attnlib_numpy(implementation):
    """attnlib on NumPy arrays."""

    def candidate(case, query, key, value):
        return lambda: attnlib.scaled_dot_product_attention(
            query, key, value, is_causal=case.causal, implementation=implementation
        )

    return candidate


def attnlib_torch(implementation):
    """attnlib on torch tensors."""

    def candidate(case, query, key, value):
        _, query, key, value = tensors(query, key, value)
        return lambda: attnlib.scaled_dot_product_attention(
            query, key, value, is_causal=case.causal, implementation=implementation
        )

    return candidate


@stores_scores
def naive_numpy(case, query, key, value):
    """The formula as a beginner writes it."""
    hidden = ~np.tri(case.L, case.S, dtype=bool) if case.causal else None

    def call():
        scores = query @ key.swapaxes(-1, -2) / np.float32(math.sqrt(case.d))
        if hidden is not None:
            scores[..., hidden] = -np.inf
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return scores / scores.sum(axis=-1, keepdims=True) @ value

    return call


@stores_scores
def naive_torch(case, query, key, value):
    """The same in torch."""
    torch, query, key, value = tensors(query, key, value)
    hidden = ~torch.ones(case.L, case.S).tril().bool() if case.causal else None

    def call():
        scores = query @ key.mT / math.sqrt(case.d)
        if hidden is not None:
            scores = scores.masked_fill(hidden, -math.inf)
        return torch.softmax(scores, dim=-1) @ value

    return call


@stores_scores
def einops_style(case, query, key, value):
    """einops' einsum in torch."""
    einsum = need("einops").einsum
    torch, query, key, value = tensors(query, key, value)
    hidden = ~torch.ones(case.L, case.S).tril().bool() if case.causal else None

    def call():
        scores = einsum(query, key, "b h i e, b h j e -> b h i j") / math.sqrt(case.d)
        if hidden is not None:
            scores = scores.masked_fill(hidden, -math.inf)
        weights = scores.softmax(dim=-1)
        return einsum(weights, value, "b h i j, b h j e -> b h i e")

    return call


def torch_sdpa(case, query, key, value):
    """torch's own fused kernel."""
    torch, query, key, value = tensors(query, key, value)
    attend = torch.nn.functional.scaled_dot_product_attention
    return lambda: attend(query, key, value, is_causal=case.causal)


@stores_scores
def x_transformers(case, query, key, value):
    """x-transformers' Attend, with its explicit weights."""
    need("x_transformers")
    from x_transformers.attend import Attend

    _, query, key, value = tensors(query, key, value)
    attend = Attend(causal=case.causal, flash=False).eval()
    return lambda: attend(query, key, value)[0]


@stores_scores
def jax_jit(case, query, key, value):
    """jax.nn.dot_product_attention, compiled; its layout is (B, L, H, E)."""
    jax = need("jax")
    query, key, value = (
        jax.numpy.asarray(x.swapaxes(1, 2)) for x in (query, key, value)
    )
    attend = jax.jit(
        functools.partial(jax.nn.dot_product_attention, is_causal=case.causal)
    )
    return lambda: attend(query, key, value).block_until_ready().swapaxes(1, 2)


def onnx_runtime(case, query, key, value):
    """ONNX Runtime's MultiHeadAttention; its layout is (B, L, H * E)."""
    if case.causal and case.L != case.S:
        raise LeftOut("its causal mask starts at the first key")
    runtime, onnx = need("onnxruntime"), need("onnx")
    names = ("query", "key", "value")
    node = onnx.helper.make_node(
        "MultiHeadAttention",
        names,
        ["output"],
        domain="com.microsoft",
        num_heads=case.heads,
        unidirectional=int(case.causal),
    )
    kind = onnx.TensorProto.FLOAT
    shape = [1, None, case.heads * case.d]
    graph = onnx.helper.make_graph(
        [node],
        "attention",
        [onnx.helper.make_tensor_value_info(name, kind, shape) for name in names],
        [onnx.helper.make_tensor_value_info("output", kind, shape)],
    )
    versions = [
        onnx.helper.make_opsetid("", 17),
        onnx.helper.make_opsetid("com.microsoft", 1),
    ]
    model = onnx.helper.make_model(graph, opset_imports=versions, ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads()
    # Its threads would go on spinning after a call, on the cores of the next candidate.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    flat = {
        name: np.ascontiguousarray(x.swapaxes(1, 2)).reshape(1, x.shape[2], -1)
        for name, x in zip(names, (query, key, value), strict=True)
    }

    def call():
        (output,) = session.run(None, flat)
        return output.reshape(1, case.L, case.heads, case.d).swapaxes(1, 2)

    return call


CANDIDATES = {
    "attnlib NumPy reference": stores_scores(attnlib_numpy("reference")),
    "attnlib NumPy tiled": attnlib_numpy("tiled"),
    "attnlib NumPy fused": attnlib_numpy("fused"),
    "attnlib torch reference": stores_scores(attnlib_torch("reference")),
    "attnlib torch tiled": attnlib_torch("tiled"),
    "attnlib torch fused": attnlib_torch("fused"),
    "torch SDPA": torch_sdpa,
    "naive NumPy": naive_numpy,
    "naive torch": naive_torch,
    "einops style": einops_style,
    "x-transformers": x_transformers,
    "JAX (jit)": jax_jit,
    "ONNX Runtime": onnx_runtime,
}
