"""Recurrent networks, for comparison: one hidden state, passed from step to step.

Weights have torch's names and layout; an LSTM's gates stand in the order i, f, g, o.
Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1; Hochreiter and
Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735; the forget gate: Gers et
al. 2000, https://doi.org/10.1162/089976600300015015.
"""

import typing

from attnlib._array import array_namespace, creation
from attnlib._checks import check_data


class RecurrentParams(typing.NamedTuple):
    """Weights of one layer with N hidden features and D inputs.

    weight_ih (G*N, D), weight_hh (G*N, N), bias_ih (G*N,), bias_hh (G*N,), with G = 1
    for an RNN and 4 for an LSTM.
    """

    weight_ih: typing.Any
    weight_hh: typing.Any
    bias_ih: typing.Any
    bias_hh: typing.Any


def rnn_cell(x, h, params):
    """tanh(W_ih x + b_ih + W_hh h + b_hh): x (..., D), h (..., N) -> (..., N)."""
    return array_namespace(x).tanh(preactivation(x, h, params))


def lstm_cell(x, state, params):
    """One LSTM step: x (..., D), state (h, c) of (..., N) -> the next (h, c)."""
    h, c = state
    tanh = array_namespace(x).tanh
    gates = preactivation(x, h, params)
    i, f, g, o = (gates[..., part] for part in quarters(gates.shape[-1]))
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def rnn(inputs, params, h=None):
    """Run rnn_cell along axis -2: inputs (..., L, D) -> outputs (..., L, N), last h.

    `h` (..., N) is the state before the first step, 0 by default.
    """
    check_params(inputs, params, gates=1)
    h = initial_state(inputs, params) if h is None else h
    check_state(inputs, params, h=h)
    outputs = []
    for step in range(inputs.shape[-2]):
        h = rnn_cell(inputs[..., step, :], h, params)
        outputs.append(h)
    return stack_steps(outputs, inputs, h), h


def lstm(inputs, params, state=None):
    """Run lstm_cell along axis -2: inputs (..., L, D) -> outputs (..., L, N), (h, c).

    `state` is the pair (h, c), each (..., N), before the first step, 0 by default.
    """
    check_params(inputs, params, gates=4)
    if state is None:
        state = (initial_state(inputs, params),) * 2
    if len(state) != 2:
        raise ValueError(f"state must be the pair (h, c), got {len(state)} entries")
    check_state(inputs, params, h=state[0], c=state[1])
    outputs = []
    for step in range(inputs.shape[-2]):
        state = lstm_cell(inputs[..., step, :], state, params)
        outputs.append(state[0])
    return stack_steps(outputs, inputs, state[0]), state


def preactivation(x, h, params):
    """W_ih x + b_ih + W_hh h + b_hh."""
    from_input = (x[..., None, :] @ params.weight_ih.mT)[..., 0, :] + params.bias_ih
    from_state = (h[..., None, :] @ params.weight_hh.mT)[..., 0, :] + params.bias_hh
    return from_input + from_state


def sigmoid(x):
    """1 / (1 + exp(-x)), written so that exp cannot overflow."""
    return 0.5 * (array_namespace(x).tanh(x / 2) + 1)


def quarters(features):
    """Slices of the four gates."""
    N = features // 4
    return (slice(k * N, (k + 1) * N) for k in range(4))


def initial_state(inputs, params):
    """Zeros (..., N) for these inputs."""
    xp, where = creation(inputs)
    shape = (*inputs.shape[:-2], params.weight_hh.shape[-1])
    return xp.zeros(shape, dtype=inputs.dtype, **where)


def stack_steps(outputs, inputs, h):
    """Join the steps' outputs along axis -2; (..., 0, N) where there was no step."""
    xp, where = creation(inputs)
    if outputs:
        return xp.stack(outputs, axis=-2)
    return xp.zeros((*h.shape[:-1], 0, h.shape[-1]), dtype=inputs.dtype, **where)


def check_params(inputs, params, gates):
    """Raise where params do not fit the inputs or the kind of cell."""
    check_data(inputs=inputs, **params._asdict(), min_ndim=1)
    if inputs.ndim < 2:
        raise ValueError(f"inputs must be (..., L, D), got {tuple(inputs.shape)}")
    N, D = params.weight_hh.shape[-1], inputs.shape[-1]
    wanted = ((gates * N, D), (gates * N, N), (gates * N,), (gates * N,))
    for name, x, shape in zip(params._fields, params, wanted, strict=True):
        if tuple(x.shape) != shape:
            raise ValueError(
                f"{name} must have the shape {shape} for {D} input features and {N} "
                f"hidden ones with {gates} gate(s), got {tuple(x.shape)}"
            )


def check_state(inputs, params, **states):
    """Raise where a state has another shape or kind than the inputs ask for."""
    check_data(inputs=inputs, **states, min_ndim=1)
    wanted = (*inputs.shape[:-2], params.weight_hh.shape[-1])
    for name, x in states.items():
        if tuple(x.shape) != wanted:
            raise ValueError(
                f"{name} must have the shape {wanted}, got {tuple(x.shape)}"
            )
