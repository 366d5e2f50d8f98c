"""The fast paths: what they store, and where they run.

That `fused_attention` equals the loops is in test_agreement.py.
"""

import threading
import time
import tracemalloc

import numpy as np
import oracles
import pytest
from arrays import assert_close

from attnlib import (
    causal_mask,
    fused,
    fused_attention,
    reference_attention,
    tiled_attention,
)

torch = pytest.importorskip("torch")
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402


class LargestResult(TorchDispatchMode):
    """Remember the largest tensor that any operation under it returns."""

    def __init__(self):
        super().__init__()
        self.numel, self.names = 0, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.names.append(str(function))
        results = result if isinstance(result, (tuple, list)) else [result]
        for tensor in results:
            if isinstance(tensor, torch.Tensor):
                # an expanded view of one number is large but stores nothing
                stored = tensor.untyped_storage().nbytes() // tensor.element_size()
                self.numel = max(self.numel, min(stored, tensor.numel()))
        return result


MASKS = {
    "no mask": lambda L: {},
    "is_causal": lambda L: {"is_causal": True},
    "padding": lambda L: {"attn_mask": np.arange(L) < L // 2},
    "float penalty of keys": lambda L: {"attn_mask": -np.arange(float(L))},
    "softcap": lambda L: {"softcap": 2.0},
}


@pytest.mark.parametrize("name", MASKS)
def test_numpy_stores_no_score_matrix(name, rng):
    """Peak memory at L = S = 4096 is far below that of the L x S matrix."""
    L, E = 4096, 16
    x = rng.normal(size=(L, E))
    options = MASKS[name](L)
    fused_attention(x[:8], x[:8], x[:8])  # first-call allocations are not counted
    tracemalloc.start()
    fused_attention(x, x, x, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # One block per thread may live at once; a quarter leaves room for 16 of them
    assert peak < L * L * x.itemsize / 4


@pytest.mark.parametrize("attention", [fused_attention, tiled_attention])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_torch_stores_no_score_matrix(astensor, attention, name, dtype):
    """No operation returns a tensor near the size of L x S."""
    if (astensor.library, dtype, attention) == (
        "torch:cuda",
        "float64",
        fused_attention,
    ):
        pytest.skip("torch has no fused CUDA kernel for float64")
    L, E = 1024, 8
    x = astensor(np.ones((1, 1, L, E)), dtype)
    options = MASKS[name](L)
    if "attn_mask" in options:
        mask = options["attn_mask"]
        kind = "bool" if mask.dtype == bool else dtype
        options["attn_mask"] = astensor(mask, kind)
    with LargestResult() as largest:
        attention(x, x, x, **options)
    assert 0 < largest.numel <= L * L / 4


def test_torch_stores_no_score_matrix_for_other_shapes(astensor):
    """Nor for 2-D data, for leading axes that broadcast, and for gradients."""
    L, E = 1024, 8
    x = astensor(np.ones((L, E)), "float32")
    many = astensor(np.ones((2, 1, L, E)), "float32")
    for q, k in [(x, x), (many, x), (x, many)]:
        with LargestResult() as largest:
            fused_attention(q.requires_grad_(), k, k).sum().backward()
        assert 0 < largest.numel <= L * L / 4


def test_torchs_own_kernel_is_called(astensor):
    """On torch, `fused` is torch's fused kernel and not a loop of products."""
    x = astensor(np.ones((1, 2, 16, 8)), "float32")
    with LargestResult() as largest:
        fused_attention(x, x, x)
    assert any("_scaled_dot_product" in name for name in largest.names)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_numpy_does_not_depend_on_threads(monkeypatch, threads, rng):
    """The same numbers with one thread and with three, on data of many blocks."""
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    q, k = rng.normal(size=(2, 3, 700, 4)), rng.normal(size=(2, 1, 1100, 4))
    v = rng.normal(size=(1, 3, 1100, 2))
    mask = rng.random((2, 1, 700, 1100)) > 0.5
    output = fused_attention(q, k, v, mask)
    scores = np.where(mask, q @ k.swapaxes(-1, -2) / 2, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    expected = weights / weights.sum(axis=-1, keepdims=True) @ v
    assert_close(output, expected)


def test_numpy_reads_any_layout(rng):
    """Transposed and strided views, as they come from split_heads."""
    q = rng.normal(size=(4, 8, 3)).transpose(0, 2, 1)
    k = rng.normal(size=(4, 14, 8))[:, ::2]
    v = np.asfortranarray(rng.normal(size=(4, 7, 5)))
    expected = oracles.attention(q, k, v)
    assert_close(fused_attention(q, k, v), expected)


def test_torch_reads_any_layout(astensor, rng):
    """The same for tensors that are not contiguous, values and gradients."""
    x = astensor(rng.normal(size=(2, 8, 3, 4)))
    x = x.transpose(-1, -3)  # (2, 4, 3, 8)
    output = fused_attention(x, x, x)
    x = x.cpu().numpy()
    assert_close(output, oracles.attention(x, x, x))


@pytest.mark.parametrize("offset", [-300, 0, 900])
def test_numpy_causal_offset_over_many_blocks(offset, rng):
    """Blocks that are hidden whole, seen whole, and cut by the diagonal."""
    q, k, v = (rng.normal(size=(n, 4)) for n in (600, 1300, 1300))
    mask = causal_mask(600, 1300, offset=offset)
    output = fused_attention(q, k, v, mask)
    for i in [0, 255, 256, 299, 300, 511, 599]:
        row = oracles.attention(q[i : i + 1], k, v, mask[i : i + 1])
        assert_close(output[i : i + 1], row)


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("controlled", [True, False])
def test_numpy_on_several_threads(threads, controlled, monkeypatch, rng):
    """Blocks shared among threads give the same rows, and no thread stays."""
    pytest.importorskip("threadpoolctl")
    used = []
    attend_rows = fused.attend_rows

    def spy(*args):
        used.append(threading.get_ident())
        time.sleep(0.01)  # so that one thread cannot take every block
        return attend_rows(*args)

    monkeypatch.setattr(fused, "attend_rows", spy)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    if not controlled:
        monkeypatch.setattr(fused, "blas_controller", lambda: None)
    query, key, value = rng.normal(size=(3, 2, 700, 8))
    ours = fused.fused_attention(query, key, value, is_causal=True)
    expected = reference_attention(query, key, value, is_causal=True)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-13)  # float64 sums
    assert len(used) == 6  # 2 heads, 3 blocks of queries each
    assert len(set(used)) == (2 if threads == "2" and controlled else 1)
    names = [thread.name for thread in threading.enumerate()]
    assert not any("ThreadPoolExecutor" in name for name in names)
