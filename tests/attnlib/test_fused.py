"""The fast paths: what they store, and where they run.

That `fused_attention` equals the loops is in test_agreement.py.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from attnlib import (
    _threads,
    causal_mask,
    fused,
    fused_attention,
    numpy_kernel,
    reference_attention,
    scaled_dot_product_attention,
    sliding_window_mask,
    tiled_attention,
)
from tests.attnlib import oracles
from tests.attnlib.arrays import assert_close, maker

torch = pytest.importorskip("torch")
dispatch = pytest.importorskip("torch.utils._python_dispatch")
pytestmark = pytest.mark.usefixtures("no_call_is_small")
PATIENCE = 120  # seconds: a dead-lock, not a slow machine


class LargestResult(dispatch.TorchDispatchMode):
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
    used, shared = [], threads == "2" and controlled
    attend_block = numpy_kernel.attend_block
    both = threading.Barrier(2 if shared else 1)

    def spy(*args):
        used.append(threading.get_ident())
        both.wait(timeout=PATIENCE)  # so that one thread cannot take every block
        return attend_block(*args)

    monkeypatch.setattr(numpy_kernel, "attend_block", spy)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    if not controlled:
        monkeypatch.setattr(_threads, "blas_controller", lambda: None)
    before = threading.active_count()
    query, key, value = rng.normal(size=(3, 2, 800, 8))
    ours = fused_attention(query, key, value, is_causal=True)
    expected = reference_attention(query, key, value, is_causal=True)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-13)  # float64 sums
    # 2 heads: whole for one thread; for two threads, 2 blocks of 400 queries each
    assert len(used) == (4 if threads == "2" else 2)
    assert len(set(used)) == (2 if shared else 1)
    assert threading.active_count() == before


def test_what_a_thread_raises_is_raised(monkeypatch, rng):
    """An error in a worker reaches the caller, and BLAS gets its threads back."""
    controller = pytest.importorskip("threadpoolctl").ThreadpoolController()
    caller, attend_block = threading.get_ident(), numpy_kernel.attend_block
    worked = threading.Event()

    def fail(*args):
        if threading.get_ident() != caller:
            worked.set()
            raise MemoryError("in a worker")
        assert worked.wait(timeout=PATIENCE), "there is no worker"
        return attend_block(*args)

    monkeypatch.setattr(numpy_kernel, "attend_block", fail)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    x = rng.normal(size=(2, 800, 8))
    with controller.limit(limits=2, user_api="blas"):
        with pytest.raises(MemoryError, match="in a worker"):
            fused_attention(x, x, x)
        assert set(blas_threads(controller)) == {2}


def blas_threads(controller):
    """Return the number of threads that each BLAS library would use."""
    return [x["num_threads"] for x in controller.info() if x["user_api"] == "blas"]


@pytest.mark.slow
def test_eight_callers_at_once(monkeypatch, rng):
    """The numbers are those of one caller; the last one out gives BLAS its threads."""
    controller = pytest.importorskip("threadpoolctl").ThreadpoolController()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    x = rng.normal(size=(2, 800, 8))
    alone = fused_attention(x, x, x)
    with (
        controller.limit(limits=2, user_api="blas"),
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        for output in pool.map(lambda _: fused_attention(x, x, x), range(24)):
            assert_close(output, alone)
        assert set(blas_threads(controller)) == {2}


def test_blas_is_held_until_the_last_one_leaves():
    """Calls that overlap, in any order: one BLAS thread inside, two again outside."""
    controller = pytest.importorskip("threadpoolctl").ThreadpoolController()
    hold = _threads.OneBlasThread()
    with controller.limit(limits=2, user_api="blas"):
        hold.__enter__()
        hold.__enter__()
        hold.__exit__()
        assert set(blas_threads(controller)) == {1}
        hold.__exit__()
        assert set(blas_threads(controller)) == {2}


FORK = """
import os, sys, threading, warnings
import numpy as np
from attnlib import _threads, fused_attention
x = np.random.default_rng(0).normal(size=(2, 800, 8))
alone = fused_attention(x, x, x)
_threads.one_blas_thread.__enter__()  # as if another thread were inside at the fork
warnings.simplefilter("ignore", DeprecationWarning)  # threads of BLAS itself
child = os.fork()
same = np.allclose(fused_attention(x, x, x), alone, rtol=0, atol=1e-13)
if child == 0:
    os._exit(0 if same and _threads.one_blas_thread.inside == 0 else 1)
print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
_threads.one_blas_thread.__exit__()
"""
HIDDEN = "import sys; sys.modules['threadpoolctl'] = None" + FORK.replace(
    "_threads.one_blas_thread.__", "# "
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("code", [FORK, HIDDEN], ids=["with", "without threadpoolctl"])
def test_after_a_fork(code, threads):
    """Parent and child compute the same, and both end; nothing else is printed."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": threads},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (result.stdout, result.stderr) == ("True 0\n", "")


@pytest.mark.parametrize("kind", ["no mask", "is_causal", "float16", "float mask"])
def test_memory_is_linear(kind, rng, monkeypatch):
    """Four times the length: at most four times the extra memory, and 16 MB."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    peaks = []
    for n in (2048, 8192):
        dtype = "float16" if kind == "float16" else "float32"
        x = rng.normal(size=(n, 16)).astype(dtype)
        mask = np.zeros(n, dtype) if kind == "float mask" else None
        tracemalloc.start()
        fused_attention(x, x, x, mask, is_causal=kind == "is_causal")
        peaks.append(tracemalloc.get_traced_memory()[1] - x.nbytes)  # the output
        tracemalloc.stop()
    assert peaks[1] <= 4 * peaks[0]
    assert peaks[1] <= 2 * 16 * 2**20


@pytest.mark.parametrize("scale", [1.0, 8.0, 1e3, 1e30])
def test_the_maximum_is_left_out_only_where_it_may(scale, monkeypatch, rng):
    """The bound |q| |k| decides; the result is right on both sides of it."""
    calls = []
    running = numpy_kernel.attend_running
    monkeypatch.setattr(
        numpy_kernel, "attend_running", lambda *a: (calls.append(1), running(*a))
    )
    query, key, value = rng.normal(size=(3, 600, 4))
    key[-1] = 0
    bound = (
        scale * np.linalg.norm(query, axis=1).max() * np.linalg.norm(key, axis=1).max()
    )
    assert_close(
        fused_attention(query, key, value, scale=scale),
        reference_attention(query, key, value, scale=scale),
        tolerance=1e-12,  # scores of 1e3 are rounded by 1e-13
    )
    assert bool(calls) == (bound > numpy_kernel.LIMIT)


@pytest.mark.parametrize("place", ["value", "key", "query"])
@pytest.mark.parametrize("number", [np.inf, np.nan, 3e38])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of inf - inf
def test_what_is_not_finite(place, number, rng):
    """NaN, infinities, and numbers near the largest float: as the reference has it."""
    arrays = {name: rng.normal(size=(9, 4)) for name in ("query", "key", "value")}
    arrays = {name: x.astype("float32") for name, x in arrays.items()}
    arrays[place][3] = number
    expected = reference_attention(**arrays)
    size = np.abs(expected[np.isfinite(expected)]).max(initial=1)
    np.testing.assert_allclose(
        fused_attention(**arrays), expected, rtol=0, atol=2e-6 * size
    )


@pytest.mark.parametrize("window", [(0, 0), (300, 0), (100, 100)])
def test_hidden_tiles_are_not_computed(window, monkeypatch, rng):
    """A window costs the tiles that it touches, and no more."""
    products, scores = [], []
    matmul = np.matmul

    def counted(a, b, out):
        products.append(1)
        scores.append(a.shape[-2] * b.shape[-1])
        return matmul(a, b, out=out)

    monkeypatch.setattr(numpy_kernel.np, "matmul", counted)
    n = 4096
    x = rng.normal(size=(n, 4))
    mask = sliding_window_mask(n, left=window[0], right=window[1])
    output = fused_attention(x, x, x, mask)
    blocks, tiles = n // numpy_kernel.ROWS, n // numpy_kernel.KEYS
    touched = (numpy_kernel.ROWS + sum(window)) // numpy_kernel.KEYS + 2
    assert len(products) <= 2 * touched * blocks < 2 * blocks * tiles
    # and of these tiles, only the rows that see one of the keys, and those between
    assert max(scores) <= numpy_kernel.KEYS * (numpy_kernel.KEYS + sum(window))
    for i in (0, 511, 512, 2048, 4095):
        near = slice(max(0, i - window[0]), i + window[1] + 1)
        row = oracles.attention(x[i : i + 1], x[near], x[near])
        assert_close(output[i : i + 1], row)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (2, 1, 3)])
def test_torch_with_wider_values(astensor, lead, rng):
    """Ev > E: the default scale is that of the queries, not of what pads them."""
    q, k, v = (rng.normal(size=(*lead, n, e)) for n, e in [(4, 3), (5, 3), (5, 8)])
    output = fused_attention(*map(astensor, (q, k, v)))
    assert_close(output, oracles.attention(q, k, v))


def test_torch_gets_the_arguments_as_they_are(astensor, monkeypatch, rng):
    """Four axes go straight to torch: the same tensors, causal as a flag, no mask."""
    x = astensor(rng.normal(size=(2, 3, 8, 4)))
    given = []
    kernel = torch.nn.functional.scaled_dot_product_attention

    def spy(*args, **options):
        given.append((args, options))
        return kernel(*args, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    fused_attention(x, x, x, is_causal=True)
    args, options = given[0]
    assert all(arg is x for arg in args)
    assert options == {"is_causal": True, "scale": None}


def test_torch_shares_grouped_heads(astensor, monkeypatch, rng):
    """Key and value reach torch with their own heads and their own memory."""
    if not fused.kernel_shares_heads(astensor([[0.0]])):
        pytest.skip("on the CPU, torch before 2.8 does not share heads")
    q = astensor(rng.normal(size=(2, 6, 8, 4)))
    k = astensor(rng.normal(size=(2, 2, 8, 4)))
    given = []
    kernel = torch.nn.functional.scaled_dot_product_attention

    def spy(*args, **options):
        given.append((args, options))
        return kernel(*args, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    scaled_dot_product_attention(q, k, k, enable_gqa=True, is_causal=True)
    args, options = given[0]
    assert [arg.data_ptr() for arg in args[:3]] == [x.data_ptr() for x in (q, k, k)]
    assert args[1].shape == k.shape
    assert options["enable_gqa"]
    assert options["is_causal"]
    assert args[3] is None


REFUSED = {
    "E": ((3, 4), (3, 5), None, False),
    "causal, L and S": ((3, 4), (5, 4), None, True),
    "causal and a mask": ((3, 4), (3, 4), "bool", True),
    "a mask of integers": ((3, 4), (3, 4), "int64", False),
}


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_equation_refuses_is_refused(name, library):
    """By the same words, whoever calls the kernel by its own name."""
    query_shape, key_shape, mask, is_causal = REFUSED[name]
    make = maker(library)
    query, key = make(np.zeros(query_shape)), make(np.zeros(key_shape))
    mask = None if mask is None else make(np.ones((3, 3)), mask)
    with pytest.raises((TypeError, ValueError)) as expected:
        reference_attention(query, key, key, mask, is_causal=is_causal)
    with pytest.raises(expected.type, match=re.escape(str(expected.value))):
        fused_attention(query, key, key, mask, is_causal=is_causal)


@pytest.mark.parametrize("length", [8, 9])
def test_few_scores_take_the_equation(length, monkeypatch, rng):
    """Up to FEW scores, counted over all heads; beyond, the kernel. The same result."""
    calls = []
    kernel = fused.numpy_attention
    monkeypatch.setattr(fused, "FEW", 2 * 8 * 8)
    monkeypatch.setattr(
        fused, "numpy_attention", lambda *a: (calls.append(1), kernel(*a))[1]
    )
    q, k, v = rng.normal(size=(3, 2, length, 4))
    assert_close(
        fused_attention(q, k, v, is_causal=True, scale=0.3, softcap=2.0),
        oracles.attention(q, k, v, is_causal=True, scale=0.3, softcap=2.0),
    )
    assert bool(calls) == (length > 8)


@pytest.mark.parametrize("length", [1, 2])
def test_a_single_query_takes_the_equation(length, monkeypatch, rng):
    """One new token against many stored ones: no tile of keys would be read twice."""
    calls = []
    kernel = fused.numpy_attention
    monkeypatch.setattr(fused, "SINGLE", 1)
    monkeypatch.setattr(
        fused, "numpy_attention", lambda *a: (calls.append(1), kernel(*a))[1]
    )
    q, k, v = (rng.normal(size=(2, n, 4)) for n in (length, 300, 300))
    assert_close(
        fused_attention(q, k, v, scale=0.3), oracles.attention(q, k, v, scale=0.3)
    )
    assert bool(calls) == (length > 1)


def test_the_bound_holds_where_squares_underflow():
    """|q|^2 is 0 in float32 here, and yet each score is beyond -1000."""
    query = np.full((2, 1), 1e-25, dtype="float32")
    key = np.array([[-1e18], [-2e18], [-3e18]], dtype="float32")
    value = np.array([[1.0], [2.0], [3.0]], dtype="float32")
    output = fused_attention(query, key, value, scale=1e10)
    np.testing.assert_allclose(output, 1, rtol=1e-6)  # the first key is 1000 ahead
