"""torch.compile, torch.export and torch.func: one graph, open lengths, batches."""

import numpy as np
import pytest

import attnlib
from attnlib import scaled_dot_product_attention as sdpa

torch = pytest.importorskip("torch")
nn = pytest.importorskip("attnlib.nn")
assert_close = torch.testing.assert_close
testing = pytest.importorskip("torch._dynamo.testing")

NAMES = ("reference", "tiled", "fused")
each_implementation = pytest.mark.parametrize("implementation", NAMES)
# torch's own warnings, of what it meets while it traces
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def numbers(*shape):
    """Return normal float32 numbers, the same at every call."""
    return torch.tensor(np.random.default_rng(1).normal(size=shape)).float()


def graphs(function, *calls, dynamic=None):
    """Compile without a break, compare each call with the plain one, count graphs."""
    torch._dynamo.reset()
    counter = testing.CompileCounter()
    compiled = torch.compile(function, fullgraph=True, dynamic=dynamic, backend=counter)
    for args in calls:
        assert_close(compiled(*args).detach(), function(*args).detach())
    return counter.frame_count


@pytest.fixture(scope="module")
def module():
    """Return a small module of attention."""
    torch.manual_seed(0)
    return nn.MultiHeadAttention(8, 2)


ONE_GRAPH = {
    "lengths": lambda x: attnlib.padding_mask(x[:, 0, 0].abs().long(), 7),
    "append": lambda x: attnlib.KVCache(x, x).append(x, x).key,
}


@pytest.mark.parametrize("name", ONE_GRAPH)
def test_one_graph(name):
    """No operation on text, no question about numbers, no lock."""
    assert graphs(ONE_GRAPH[name], (numbers(2, 5, 8),)) == 1


def test_one_graph_of_a_parameter_beside_tensors():
    """Two classes, one library."""
    x, mask = numbers(5, 8), torch.ones(5, 5, dtype=torch.bool)
    call = torch.nn.Parameter(x), x, x, mask
    assert graphs(lambda *args: sdpa(*args), call) == 1


def test_one_graph_of_a_module(module):
    """The module's parameters are tensors of a class of their own."""
    assert graphs(lambda x: module(x, is_causal=True), (numbers(2, 5, 8),)) == 1


ANY_LENGTH = {
    "causal mask": lambda x: attnlib.causal_mask(x.shape[-2], like=x),
    "alibi": lambda x: attnlib.alibi_bias(2, x.shape[-2], like=x),
    "sinusoidal": lambda x: attnlib.sinusoidal_encoding(x.shape[-2], 8, like=x),
    "rotary": lambda x: attnlib.rotary_embedding(x),
    "is_causal": lambda x: sdpa(x, x, x, is_causal=True),
    "mask": lambda x: sdpa(x, x, x, attnlib.causal_mask(x.shape[-2], like=x)),
    "reference": lambda x: sdpa(x, x, x, is_causal=True, implementation="reference"),
}


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_one_graph_for_all_lengths(name):
    """Six lengths, dynamic=True: one graph."""
    calls = [(numbers(2, n, 8),) for n in (5, 6, 7, 9, 11, 13)]
    assert graphs(ANY_LENGTH[name], *calls, dynamic=True) == 1


@pytest.mark.parametrize("strict", [True, False])
def test_export_with_open_batch_and_length(module, strict):
    """Exported at one size, right at another."""

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = module

        def forward(self, x):
            mask = attnlib.sliding_window_mask(x.shape[-2], left=2, right=0, like=x)
            x = attnlib.rotary_embedding(x)
            return self.attention(x, attn_mask=mask) + sdpa(x, x, x, is_causal=True)

    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=512)
    exported = torch.export.export(
        Block(),
        (numbers(3, 6, 8),),
        dynamic_shapes={"x": {0: batch, 1: length}},
        strict=strict,
    )
    x = numbers(4, 9, 8)
    assert_close(exported.module()(x).detach(), Block()(x).detach())


BATCHED = {
    "split and merge": lambda x: attnlib.merge_heads(attnlib.split_heads(x, 2)),
    "append": lambda x: attnlib.KVCache(x, x).append(x, x).key,
    "rotary": lambda x: attnlib.rotary_embedding(x, offset=3),
    **{
        name: lambda x, name=name: sdpa(x, x, x, is_causal=True, implementation=name)
        for name in NAMES
    },
}


@pytest.mark.parametrize("name", BATCHED)
def test_vmap(name):
    """A function of one sequence, mapped over several, is that function of each."""
    x = numbers(3, 5, 8)
    mapped = torch.func.vmap(BATCHED[name])(x)
    assert_close(mapped, torch.stack([BATCHED[name](part) for part in x]))


def test_vmap_of_lengths():
    """Lengths and offsets that vmap hands out one by one."""
    lengths = torch.tensor([1, 3])
    mapped = torch.func.vmap(lambda n: attnlib.padding_mask(n, 5))(lengths)
    assert_close(mapped, attnlib.padding_mask(lengths, 5))
    mapped = torch.func.vmap(lambda n: attnlib.causal_mask(2, 5, offset=n))(lengths)
    assert_close(mapped, attnlib.causal_mask(2, 5, offset=lengths[:, None, None]))


@each_implementation
def test_forward_mode(implementation):
    """The derivative along a direction is that of backward mode."""
    x, direction = numbers(5, 8).double(), numbers(2, 5, 8).double()[1]

    def attend(x):
        return sdpa(x, x, x, is_causal=True, implementation=implementation)

    tangent = torch.func.jvp(attend, (x,), (direction,))[1]
    backward = torch.autograd.functional.jacobian(attend, x)
    assert_close(tangent, (backward * direction).sum((-1, -2)))


@pytest.mark.parametrize("implementation", ["reference", "tiled"])
def test_second_derivative(implementation):
    """Where the docstring of fused_attention sends those who want one."""
    x = numbers(4, 3).double().requires_grad_()

    def attend(x):
        return sdpa(x, x, x, is_causal=True, implementation=implementation)

    assert torch.autograd.gradgradcheck(attend, x)
    assert 'implementation="reference"' in attnlib.fused_attention.__doc__


@each_implementation
def test_hidden_from_every_query_under_a_transform(implementation):
    """Unused places of a cache that hold NaN: a function's gradient stays clean."""
    query, key = numbers(3, 8), numbers(2, 5, 8)[1]
    mask = attnlib.padding_mask(torch.tensor([3]), 5)[0]
    spoilt = key.clone()
    spoilt[3:] = float("nan")

    def loss(query, key):
        how = {"implementation": implementation}
        return sdpa(query, key, key, mask, **how).square().sum()

    expected = torch.func.grad(loss)(query, key)
    assert_close(torch.func.grad(loss)(query, spoilt), expected)
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    assert_close(compiled(query, spoilt), loss(query, key))
