"""The torch modules against torch's own, values and gradients."""

import pytest

import attnlib
from attnlib import causal_mask
from tests.attnlib.arrays import assert_close

torch = pytest.importorskip("torch")
nn = pytest.importorskip("attnlib.nn")

D, H = 8, 4


def both(device, bias=True):
    """Return our module and torch's, with the same random weights."""
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(D, H, bias=bias, batch_first=True)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_()
    ours = nn.MultiHeadAttention(D, H, bias=bias)
    layers = [ours.q_proj, ours.k_proj, ours.v_proj]
    with torch.no_grad():
        for n, layer in enumerate(layers):
            rows = slice(n * D, (n + 1) * D)
            layer.weight.copy_(theirs.in_proj_weight[rows])
            if bias:
                layer.bias.copy_(theirs.in_proj_bias[rows])
    ours.out_proj.load_state_dict(theirs.out_proj.state_dict())
    return ours.double().to(device), theirs.double().to(device)


@pytest.mark.parametrize("bias", [True, False])
def test_against_torch(astensor, bias, rng):
    """Cross-attention: values, and the gradients of data and weights."""
    x, y = astensor(rng.normal(size=(2, 3, D))), astensor(rng.normal(size=(2, 5, D)))
    ours, theirs = both(x.device, bias)
    results = []
    for module, call in [
        (ours, lambda q, k: ours(q, k)),
        (theirs, lambda q, k: theirs(q, k, k)[0]),
    ]:
        q, k = x.clone().requires_grad_(), y.clone().requires_grad_()
        output = call(q, k)
        output.square().sum().backward()
        results.append([output, q.grad, k.grad, module.out_proj.weight.grad])
    for mine, expected in zip(*results, strict=True):
        assert_close(mine, expected, tolerance=1e-12)
    inside = torch.cat(
        [layer.weight.grad for layer in (ours.q_proj, ours.k_proj, ours.v_proj)]
    )
    assert_close(inside, theirs.in_proj_weight.grad, tolerance=1e-12)


def test_self_attention_masks(astensor, rng):
    """Alone, query attends to itself; True means may attend."""
    x = astensor(rng.normal(size=(2, 5, D)))
    ours, theirs = both(x.device)
    hidden = ~causal_mask(5, like=x)
    expected, _ = theirs(x, x, x, attn_mask=hidden)
    assert_close(ours(x, is_causal=True), expected)
    assert_close(ours(x, attn_mask=~hidden), expected)
    assert_close(ours(x), theirs(x, x, x)[0])
    assert_close(ours(x, x, x[..., :]), theirs(x, x, x)[0])


def test_key_and_value_may_differ(astensor, rng):
    """Three different arguments, each to its own projection."""
    q, k, v = (astensor(rng.normal(size=(2, n, D))) for n in (3, 5, 5))
    ours, theirs = both(q.device)
    assert_close(ours(q, k, v), theirs(q, k, v)[0])


@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
def test_shared_key_heads(astensor, num_kv_heads, rng):
    """The module is multi_head_attention of its parameters, which are smaller."""
    x = astensor(rng.normal(size=(2, 5, D)))
    torch.manual_seed(1)
    module = nn.MultiHeadAttention(D, H, num_kv_heads).double().to(x.device)
    assert tuple(module.k_proj.weight.shape) == (2 * num_kv_heads, D)
    expected = attnlib.multi_head_attention(
        x, x, x, module.params, num_heads=H, num_kv_heads=num_kv_heads
    )
    assert_close(module(x), expected)


def test_a_training_step_moves_every_parameter(astensor, rng):
    """Each parameter of the module gets a gradient."""
    x = astensor(rng.normal(size=(2, 5, D)))
    torch.manual_seed(1)
    module = nn.MultiHeadAttention(D, H, 2).double().to(x.device)
    module(x, is_causal=True).square().sum().backward()
    names = {name for name, _ in module.named_parameters()}
    moved = {n for n, p in module.named_parameters() if p.grad.abs().max() > 0}
    # a constant added to all keys adds the same to every score of a query: no gradient
    assert names - moved <= {"k_proj.bias"}
    assert len(names) == 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"embed_dim": 7, "num_heads": 2}, ["embed_dim=7", "num_heads=2"]),
        ({"embed_dim": 8, "num_heads": 0}, ["num_heads", "0"]),
        (
            {"embed_dim": 8, "num_heads": 4, "num_kv_heads": 3},
            ["num_heads=4", "num_kv_heads=3"],
        ),
        ({"embed_dim": 8, "num_heads": 4, "num_kv_heads": 0}, ["num_kv_heads", "0"]),
    ],
)
def test_bad_modules(options, words):
    """Numbers that do not divide are refused when the module is made."""
    with pytest.raises(ValueError, match=words[0]) as raised:
        nn.MultiHeadAttention(**options)
    assert all(word in str(raised.value) for word in words), raised.value


def test_no_batch(astensor, rng):
    """(n, D) without an axis in front, like the function."""
    x = astensor(rng.normal(size=(5, D)))
    ours, theirs = both(x.device)
    assert_close(ours(x), theirs(x, x, x)[0])
    assert ours(x[:0]).shape == (0, D)


class LowRank(torch.nn.Module):
    """LoRA's wrapper: the layer plus a product of two thin matrices."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.down, self.up = torch.nn.Linear(D, 2), torch.nn.Linear(2, D)

    def forward(self, x):
        return self.layer(x) + self.up(self.down(x))


def test_layers_may_be_wrapped(rng):
    """A wrapped projection is called, and its parameters learn."""
    x = torch.tensor(rng.normal(size=(2, 5, D)), dtype=torch.float32)
    module = nn.MultiHeadAttention(D, H)
    before = module(x)
    module.q_proj = LowRank(module.q_proj)
    module(x).square().sum().backward()
    assert module.q_proj.up.weight.grad.abs().max() > 0
    assert not torch.allclose(module(x), before, atol=1e-3)
    torch.nn.init.zeros_(module.q_proj.up.weight)
    torch.nn.init.zeros_(module.q_proj.up.bias)
    assert_close(module(x), before)


def test_hooks_of_the_layers_fire(rng):
    """Each projection calls its hooks once a call."""
    module = nn.MultiHeadAttention(D, H)
    fired = []
    for name, layer in module.named_children():
        layer.register_forward_hook(lambda *_, name=name: fired.append(name))
    module(torch.zeros(5, D))
    assert sorted(fired) == ["k_proj", "out_proj", "q_proj", "v_proj"]


@pytest.mark.parametrize("bias", [True, False])
def test_autocast_takes_a_float32_mask(bias, rng):
    """With and without biases: projections are bfloat16 there, the mask is not."""
    x = torch.tensor(rng.normal(size=(2, 5, D)), dtype=torch.float32)
    module = nn.MultiHeadAttention(D, H, bias=bias)
    mask = torch.tensor(rng.normal(size=(5, 5)), dtype=torch.float32)
    expected = module(x, attn_mask=mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = module(x, attn_mask=mask)
    assert_close(output, expected, tolerance=3e-2)  # bfloat16 has 8 bits


def test_what_is_no_tensor_is_named():
    """The arguments are checked before the layers see them."""
    module = nn.MultiHeadAttention(D, H)
    with pytest.raises(TypeError, match=r"key.*list"):
        module(torch.zeros(5, D), [[0.0] * D])
