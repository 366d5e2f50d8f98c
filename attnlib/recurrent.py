"""Recurrent networks, for comparison: one hidden state, passed from step to step.

Weights have torch's names and layout; an LSTM's gates stand in the order i, f, g, o.
Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1; Hochreiter and
Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735; the forget gate: Gers et
al. 2000, https://doi.org/10.1162/089976600300015015.
"""

import typing

from attnlib._array import Array, array_namespace, creation, is_array_api_obj, transpose
from attnlib._checks import check_data


class RecurrentParams(typing.NamedTuple):
    """Weights of one layer with N hidden features and D inputs.

    weight_ih (G*N, D), weight_hh (G*N, N), bias_ih (G*N,), bias_hh (G*N,), with G = 1
    for an RNN and 4 for an LSTM.
    """

    weight_ih: Array
    weight_hh: Array
    bias_ih: Array
    bias_hh: Array


def rnn_cell(x: Array, h: Array, params: RecurrentParams) -> Array:
    """tanh(W_ih x + b_ih + W_hh h + b_hh): x (..., D), h (..., N) -> (..., N)."""
    check_params(params, gates=1, x=x)
    check_state(x.shape[:-1], params, x=x, h=h)
    return rnn_step(x, h, params)


def lstm_cell(
    x: Array, state: tuple[Array, Array], params: RecurrentParams
) -> tuple[Array, Array]:
    """One LSTM step: x (..., D), state (h, c) of (..., N) -> the next (h, c)."""
    check_params(params, gates=4, x=x)
    h, c = check_pair(state)
    check_state(x.shape[:-1], params, x=x, h=h, c=c)
    return lstm_step(x, (h, c), params)


def rnn_step(x, h, params):
    """rnn_cell of what is known to fit."""
    return array_namespace(x).tanh(preactivation(x, h, params))


def lstm_step(x, state, params):
    """lstm_cell of what is known to fit."""
    h, c = state
    tanh = array_namespace(x).tanh
    gates = preactivation(x, h, params)
    i, f, g, o = (gates[..., part] for part in quarters(gates.shape[-1]))
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def rnn(
    inputs: Array, params: RecurrentParams, h: Array | None = None
) -> tuple[Array, Array]:
    """Run rnn_cell along axis -2: inputs (..., L, D) -> outputs (..., L, N), last h.

    `h` (..., N) is the state before the first step, 0 by default.
    """
    check_params(params, gates=1, inputs=inputs)
    h = initial_state(inputs, params) if h is None else h
    check_state(inputs.shape[:-2], params, inputs=inputs, h=h)
    outputs = []
    for step in range(inputs.shape[-2]):
        h = rnn_step(inputs[..., step, :], h, params)
        outputs.append(h)
    return stack_steps(outputs, inputs, h), h


def lstm(
    inputs: Array, params: RecurrentParams, state: tuple[Array, Array] | None = None
) -> tuple[Array, tuple[Array, Array]]:
    """Run lstm_cell along axis -2: inputs (..., L, D) -> outputs (..., L, N), (h, c).

    `state` is the pair (h, c), each (..., N), before the first step, 0 by default.
    """
    check_params(params, gates=4, inputs=inputs)
    if state is None:
        state = (initial_state(inputs, params),) * 2
    h, c = check_pair(state)
    check_state(inputs.shape[:-2], params, inputs=inputs, h=h, c=c)
    outputs = []
    for step in range(inputs.shape[-2]):
        state = lstm_step(inputs[..., step, :], state, params)
        outputs.append(state[0])
    return stack_steps(outputs, inputs, state[0]), state


def preactivation(x, h, params):
    """W_ih x + b_ih + W_hh h + b_hh."""
    from_input = (x[..., None, :] @ transpose(params.weight_ih))[..., 0, :]
    from_state = (h[..., None, :] @ transpose(params.weight_hh))[..., 0, :]
    return from_input + params.bias_ih + (from_state + params.bias_hh)


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


def check_params(params, gates, **data):
    """Raise where params do not fit the data, x or inputs, or the kind of cell."""
    if not isinstance(params, RecurrentParams):
        raise TypeError(f"params must be RecurrentParams, got {type(params).__name__}")
    for name, x in params._asdict().items():
        if x is None:
            raise TypeError(f"{name} must be an array, got None; zeros are no bias")
    check_data(**data, **params._asdict(), min_ndim=1)
    ((name, x),) = data.items()
    if name == "inputs" and x.ndim < 2:
        raise ValueError(f"inputs must be (..., L, D), got {tuple(x.shape)}")
    N, D = params.weight_hh.shape[-1], x.shape[-1]
    wanted = ((gates * N, D), (gates * N, N), (gates * N,), (gates * N,))
    for name, x, shape in zip(params._fields, params, wanted, strict=True):
        if tuple(x.shape) != shape:
            raise ValueError(
                f"{name} must have the shape {shape} for {D} input features and {N} "
                f"hidden ones with {gates} gate(s), got {tuple(x.shape)}"
            )


def check_pair(state):
    """Return the two entries of an LSTM's state; an array is no pair."""
    if is_array_api_obj(state) or not hasattr(state, "__len__"):
        raise TypeError(
            f"state must be the pair (h, c), got {type(state).__name__}; pass (h, c)"
        )
    if len(state) != 2:
        raise ValueError(f"state must be the pair (h, c), got {len(state)} entries")
    return state


def check_state(lead, params, **data):
    """Raise where a state, all but the first of `data`, does not fit the data."""
    check_data(**data, min_ndim=1)
    wanted = (*lead, params.weight_hh.shape[-1])
    _, *states = data.items()
    for name, x in states:
        if tuple(x.shape) != wanted:
            raise ValueError(
                f"{name} must have the shape {wanted}, got {tuple(x.shape)}"
            )
