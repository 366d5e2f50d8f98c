"""attnlib against torch's own functions: values and gradients, in float64."""

import numpy as np
import pytest

import attnlib
from attnlib import MultiHeadParams, RecurrentParams, causal_mask, multi_head_attention
from tests.attnlib import cases
from tests.attnlib.arrays import assert_close, to_numpy
from tests.attnlib.test_agreement import IMPLEMENTATIONS

torch = pytest.importorskip("torch")
F = torch.nn.functional

THEIR_CASES = cases.pick(
    "no mask",
    "3-D",
    "L > S",
    "is_causal",
    "causal, offset 3",
    "causal, offsets of a batch",
    "window, both",
    "padding",
    "padding, one empty",
    "alibi",
    "boolean (2, 3, 4, 7)",
    "float (4, 7)",
    "float (2, 1, 1, 7)",
    "boolean, hidden row",
    "float, hidden row",
    "scale",
)
each_implementation = pytest.mark.parametrize(
    "attention", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS
)


def leaves(astensor, *data):
    """Return tensors that ask for gradients."""
    return [astensor(x).requires_grad_() for x in data]


def gradients(function, leaves):
    """Return the output and the gradients of a weighted sum of it.

    The sum's weights differ everywhere, so that a transposed gradient shows.
    """
    output = function(*leaves)
    ramp = torch.linspace(-1, 2, output.numel(), dtype=output.dtype)
    (output * ramp.reshape(output.shape).to(output.device)).sum().backward()
    return output, [leaf.grad for leaf in leaves]


def same(astensor, ours, theirs, data):
    """Compare values and gradients of two functions of the same data."""
    output, grads = gradients(ours, leaves(astensor, *data))
    expected, expected_grads = gradients(theirs, leaves(astensor, *data))
    assert_close(output, expected)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        assert_close(grad, expected_grad, tolerance=1e-12)  # sums of many products


def masked(case, astensor):
    """Return the mask of a case as a tensor."""
    return None if case.mask is None else astensor(case.mask)


@pytest.mark.parametrize("case", **cases.by_name(THEIR_CASES))
@each_implementation
def test_values_and_gradients(astensor, attention, case):
    """Against torch.nn.functional.scaled_dot_product_attention."""
    mask = masked(case, astensor)

    def ours(q, k, v):
        return attention(q, k, v, mask, **case.options)

    def theirs(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, mask, **case.options)

    same(astensor, ours, theirs, cases.inputs(case))


@pytest.mark.parametrize("implementation", [None, "reference", "tiled", "fused"])
@pytest.mark.parametrize("masked", [False, True])
def test_grouped_heads(astensor, implementation, masked):
    """enable_gqa against torch's, values and gradients."""
    case = cases.GROUPED[0]
    mask = astensor(cases.boolean(cases.L, cases.S)) if masked else None

    def ours(q, k, v):
        return attnlib.scaled_dot_product_attention(
            q, k, v, mask, enable_gqa=True, implementation=implementation
        )

    def theirs(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)

    same(astensor, ours, theirs, cases.inputs(case))


@each_implementation
def test_gradient_of_a_float_mask(astensor, attention):
    """A learned bias gets its gradient too, summed over what it broadcasts to."""
    case = cases.pick("no mask")[0]
    bias = np.random.default_rng(5).normal(size=(cases.H, cases.L, cases.S))

    def ours(q, k, v, bias):
        return attention(q, k, v, bias)

    def theirs(q, k, v, bias):
        scores = q @ k.transpose(-1, -2) / cases.E**0.5 + bias
        return torch.softmax(scores, -1) @ v

    same(astensor, ours, theirs, [*cases.inputs(case), bias])


GRADCHECK_CASES = cases.pick(
    "no mask",
    "is_causal",
    "boolean, hidden row",
    "float, hidden row",
    "all hidden",
    "only the value has heads",
    "softcap, scale",
    "softcap, hidden row",
)


@pytest.mark.parametrize("case", **cases.by_name(GRADCHECK_CASES))
@each_implementation
def test_gradcheck(astensor, attention, case):
    """Against differences: autograd's gradient is that of the numbers returned."""
    mask = masked(case, astensor)

    def call(q, k, v):
        return attention(q, k, v, mask, **case.options)

    data = leaves(astensor, *cases.inputs(case))
    assert torch.autograd.gradcheck(call, data, fast_mode=True)


@pytest.mark.parametrize(
    "case", **cases.by_name(cases.pick("L = 0", "S = 0", "no batch entry"))
)
@each_implementation
def test_gradients_of_nothing(astensor, attention, case):
    """Where nothing can be added up, gradients exist and are zero."""
    data = leaves(astensor, *cases.inputs(case))
    attention(*data).sum().backward()
    for x in data:
        assert_close(x.grad, np.zeros(tuple(x.shape)))


@pytest.mark.parametrize("implementation", ["reference", "tiled", "fused"])
def test_gradcheck_of_grouped_heads(astensor, implementation):
    """The same through the front door with grouped heads."""

    def call(q, k, v):
        return attnlib.scaled_dot_product_attention(
            q, k, v, enable_gqa=True, implementation=implementation
        )

    data = leaves(astensor, *(x[0] for x in cases.inputs(cases.GROUPED[0])))
    assert torch.autograd.gradcheck(call, data, fast_mode=True)


def test_weights_against_multihead_attention_weights(astensor, rng):
    """attention_weights of one head is what need_weights=True returns."""
    layer = torch.nn.MultiheadAttention(4, 1, bias=False, dtype=torch.float64)
    eye = torch.eye(4, dtype=torch.float64)
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.cat([eye] * 3))
    x = astensor(rng.normal(size=(3, 4)))
    _, expected = layer.to(x.device)(x, x, x)
    assert_close(attnlib.attention_weights(x, x), expected)


# ---------------------------------------------------------------- multi-head


def their_layer(x, num_heads=4, **options):
    """Return an nn.MultiheadAttention with random biases, on the device of x."""
    torch.manual_seed(6)
    layer = torch.nn.MultiheadAttention(
        8, num_heads, batch_first=True, dtype=torch.float64, **options
    )
    with torch.no_grad():  # torch starts them at zero, where an error cannot show
        for name, parameter in layer.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    return layer.to(x.device)


def our_params(layer):
    """Return the weights of an nn.MultiheadAttention as MultiHeadParams."""
    if layer.in_proj_weight is None:
        weights = layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight
    else:
        weights = layer.in_proj_weight.chunk(3)
    biases = [None] * 3
    if layer.in_proj_bias is not None:
        biases = layer.in_proj_bias.chunk(3)
    return MultiHeadParams(
        *weights, layer.out_proj.weight, *biases, layer.out_proj.bias
    )


def parameter_gradients(layer):
    """Return the gradients of a layer's parameters by name, and clear them."""
    grads = {name: p.grad.clone() for name, p in layer.named_parameters()}
    layer.zero_grad()
    return grads


@pytest.mark.parametrize("implementation", [None, "reference", "tiled", "fused"])
@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"kdim": 6, "vdim": 5}], ids=str
)
def test_multi_head(astensor, options, implementation, rng):
    """Against nn.MultiheadAttention: values, gradients of data and of weights."""
    query, key, value = (
        rng.normal(size=shape)
        for shape in [
            (2, 3, 8),
            (2, 5, options.get("kdim", 8)),
            (2, 5, options.get("vdim", 8)),
        ]
    )
    layer = their_layer(astensor(query), **options)

    def ours(q, k, v):
        return multi_head_attention(
            q, k, v, our_params(layer), num_heads=4, implementation=implementation
        )

    data = leaves(astensor, query, key, value)
    output, grads = gradients(ours, data)
    weight_grads = parameter_gradients(layer)
    data = leaves(astensor, query, key, value)
    expected, expected_grads = gradients(lambda q, k, v: layer(q, k, v)[0], data)
    expected_weight_grads = parameter_gradients(layer)
    assert_close(output, expected)
    for ours, theirs in zip(grads, expected_grads, strict=True):
        assert_close(ours, theirs, tolerance=1e-12)
    assert weight_grads.keys() == expected_weight_grads.keys()
    for name, theirs in expected_weight_grads.items():
        assert_close(weight_grads[name], theirs, tolerance=1e-12)


def test_multi_head_masks(astensor, rng):
    """torch's mask says True = hidden: the opposite of ours. And is_causal."""
    x = astensor(rng.normal(size=(2, 5, 8)))
    layer = their_layer(x)
    params = our_params(layer)
    may_attend = astensor(rng.random((5, 5)) > 0.3)
    may_attend[:, 0] = True
    ours = multi_head_attention(x, x, x, params, num_heads=4, attn_mask=may_attend)
    assert_close(ours, layer(x, x, x, attn_mask=~may_attend)[0])
    ours = multi_head_attention(x, x, x, params, num_heads=4, is_causal=True)
    hidden = ~causal_mask(5, like=x)
    assert_close(ours, layer(x, x, x, attn_mask=hidden)[0])
    padded = astensor(np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=bool))
    mask = padded[:, None, None, :]
    ours = multi_head_attention(x, x, x, params, num_heads=4, attn_mask=mask)
    assert_close(ours, layer(x, x, x, key_padding_mask=~padded)[0])


@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
def test_gradcheck_of_multi_head(astensor, num_kv_heads, rng):
    """Data and parameters, with shared key heads too."""
    width = 2 * num_kv_heads
    shapes = [(3, 8), (5, 8), (8, 8), (width, 8), (width, 8), (8, 8)]
    shapes += [(8,), (width,), (width,), (8,)]

    def call(x, y, *params):
        return multi_head_attention(
            x,
            y,
            y,
            MultiHeadParams(*params),
            num_heads=4,
            num_kv_heads=num_kv_heads,
        )

    data = leaves(astensor, *(rng.normal(size=shape) for shape in shapes))
    assert torch.autograd.gradcheck(call, data, fast_mode=True)


# ---------------------------------------------------------------- recurrent


def recurrent_params(layer):
    """Return the parameters of a one-layer torch RNN or LSTM."""
    return RecurrentParams(
        layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0
    )


def check_recurrent(ours, layer, data):
    """Compare all outputs and all gradients of our function and torch's layer."""
    results = []
    for function in (ours, layer):
        tensors = [x.clone().requires_grad_() for x in data]
        outputs = function(*tensors)
        sum((n + 1) * (x * x).sum() for n, x in enumerate(outputs)).backward()
        grads = [x.grad for x in tensors] + list(parameter_gradients(layer).values())
        results.append([*outputs, *grads])
    for one, other in zip(*results, strict=True):
        assert_close(one, other, tolerance=1e-12)


@pytest.mark.parametrize("given_state", [False, True])
def test_rnn(astensor, given_state, rng):
    """Against nn.RNN: outputs, last state, gradients of inputs, state, parameters."""
    torch.manual_seed(7)
    x = astensor(rng.normal(size=(2, 5, 3)))
    h = astensor(rng.normal(size=(2, 4)))
    layer = torch.nn.RNN(3, 4, batch_first=True, dtype=torch.float64).to(x.device)

    def ours(x, h=None):
        return attnlib.rnn(x, recurrent_params(layer), h)

    def theirs(x, h=None):
        outputs, last = layer(x, None if h is None else h[None])
        return outputs, last[0]

    theirs.named_parameters, theirs.zero_grad = layer.named_parameters, layer.zero_grad
    check_recurrent(ours, theirs, [x, h] if given_state else [x])


@pytest.mark.parametrize("given_state", [False, True])
def test_lstm(astensor, given_state, rng):
    """Against nn.LSTM: outputs, last h and c, gradients of everything."""
    torch.manual_seed(8)
    x = astensor(rng.normal(size=(2, 5, 3)))
    h, c = astensor(rng.normal(size=(2, 4))), astensor(rng.normal(size=(2, 4)))
    layer = torch.nn.LSTM(3, 4, batch_first=True, dtype=torch.float64).to(x.device)

    def ours(x, *state):
        outputs, (h, c) = attnlib.lstm(x, recurrent_params(layer), state or None)
        return outputs, h, c

    def theirs(x, *state):
        outputs, (h, c) = layer(x, tuple(s[None] for s in state) or None)
        return outputs, h[0], c[0]

    theirs.named_parameters, theirs.zero_grad = layer.named_parameters, layer.zero_grad
    check_recurrent(ours, theirs, [x, h, c] if given_state else [x])


@pytest.mark.parametrize(("run", "gates"), [(attnlib.rnn, 1), (attnlib.lstm, 4)])
def test_gradcheck_of_recurrent(astensor, run, gates, rng):
    """Inputs and parameters, against differences."""
    shapes = [(2, 3, 3), (gates * 2, 3), (gates * 2, 2), (gates * 2,), (gates * 2,)]
    data = leaves(astensor, *(rng.normal(size=shape) for shape in shapes))

    def call(x, *params):
        return run(x, RecurrentParams(*params))[0]

    assert torch.autograd.gradcheck(call, data, fast_mode=True)


def test_gradient_of_positions(astensor, rng):
    """A rotation keeps lengths, and its gradient is the rotation back."""
    x = astensor(rng.normal(size=(3, 8))).requires_grad_()
    up = astensor(rng.normal(size=(3, 8)))
    for interleaved in [True, False]:
        x.grad = None
        turned = attnlib.rotary_embedding(x, offset=2, interleaved=interleaved)
        (turned * up).sum().backward()
        back = attnlib.rotary_embedding(x.grad, offset=2, interleaved=interleaved)
        assert_close(back, to_numpy(up))
