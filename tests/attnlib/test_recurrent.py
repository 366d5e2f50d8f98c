"""RNN and LSTM against slow loops; torch is in test_against_torch.py."""

import math

import numpy as np
import pytest

from attnlib import RecurrentParams, lstm, lstm_cell, rnn, rnn_cell
from tests.attnlib import oracles
from tests.attnlib.arrays import assert_close, assert_same_kind, to_numpy

L, D, N = 5, 3, 4


def make_params(rng, gates):
    """Return the four parameters of one layer as NumPy arrays."""
    shapes = [(gates * N, D), (gates * N, N), (gates * N,), (gates * N,)]
    return [rng.normal(size=shape) for shape in shapes]


def convert(asarray, params, dtype="float64"):
    """Return RecurrentParams of a library."""
    return RecurrentParams(*(asarray(x, dtype) for x in params))


# ---------------------------------------------------------------- by hand


def test_rnn_by_hand(asarray):
    """h = tanh(2x + 1 + 3h - 0.5): with x = 0.5, h = 0.25, tanh(2.25)."""
    params = convert(asarray, [[[2.0]], [[3.0]], [1.0], [-0.5]])
    h = rnn_cell(asarray([0.5]), asarray([0.25]), params)
    assert_close(h, [math.tanh(2.25)])


def test_lstm_by_hand(asarray):
    """Gates wide open or shut: i = 1, f = 0, g = tanh(x), o = 1; then f = 1, i = 0."""
    shut, open_ = -1e3, 1e3
    weight_ih = [[0.0], [0.0], [1.0], [0.0]]  # only g reads the input
    write = convert(
        asarray, [weight_ih, [[0.0]] * 4, [open_, shut, 0.0, open_], [0.0] * 4]
    )
    x, h, c = asarray([0.7]), asarray([9.0]), asarray([9.0])
    h, c = lstm_cell(x, (h, c), write)
    assert_close(c, [math.tanh(0.7)])
    assert_close(h, [math.tanh(math.tanh(0.7))])
    keep = convert(
        asarray, [weight_ih, [[0.0]] * 4, [shut, open_, 0.0, shut], [0.0] * 4]
    )
    h, c = lstm_cell(asarray([-5.0]), (h, c), keep)
    assert_close(c, [math.tanh(0.7)])
    assert_close(h, [0.0])


# ---------------------------------------------------------------- against the loops


@pytest.mark.parametrize("given_state", [False, True])
@pytest.mark.parametrize("lead", [(), (2,), (2, 6)], ids=str)
def test_rnn(asarray, lead, given_state, rng):
    """Each sequence as if it were alone: outputs of all steps, and the last state."""
    params = make_params(rng, 1)
    x = rng.normal(size=(*lead, L, D))
    h = rng.normal(size=(*lead, N)) if given_state else np.zeros((*lead, N))
    outputs, last = rnn(
        asarray(x), convert(asarray, params), asarray(h) if given_state else None
    )
    for index in np.ndindex(lead):
        expected, expected_last = oracles.rnn(x[index], *params, h[index])
        assert_close(outputs[(*index, ...)], expected)
        assert_close(last[(*index, ...)], expected_last)
    assert outputs.shape == (*lead, L, N)
    assert last.shape == (*lead, N)
    assert_same_kind(outputs, asarray(x), asarray)


@pytest.mark.parametrize("given_state", [False, True])
@pytest.mark.parametrize("lead", [(), (2,), (2, 6)], ids=str)
def test_lstm(asarray, lead, given_state, rng):
    """Each sequence as if it were alone: outputs, the last h and the last c."""
    params = make_params(rng, 4)
    x = rng.normal(size=(*lead, L, D))
    h, c = np.zeros((2, *lead, N))
    if given_state:
        h, c = rng.normal(size=(2, *lead, N))
    state = (asarray(h), asarray(c)) if given_state else None
    outputs, (last_h, last_c) = lstm(asarray(x), convert(asarray, params), state)
    for index in np.ndindex(lead):
        expected, h_end, c_end = oracles.lstm(x[index], *params, h[index], c[index])
        assert_close(outputs[(*index, ...)], expected)
        assert_close(last_h[(*index, ...)], h_end)
        assert_close(last_c[(*index, ...)], c_end)
    assert outputs.shape == (*lead, L, N)
    assert_same_kind(outputs, asarray(x), asarray)


@pytest.mark.parametrize("cut", [0, 2, 5])
def test_a_sequence_in_two_parts(asarray, cut, rng):
    """The state of the first part starts the second: the whole, also of no step."""
    x = asarray(rng.normal(size=(2, L, D)))
    for run, gates in [(rnn, 1), (lstm, 4)]:
        params = convert(asarray, make_params(rng, gates))
        whole, end = run(x, params)
        first, state = run(x[:, :cut, :], params)
        second, state = run(x[:, cut:, :], params, state)
        assert_close(asarray.xp.concat([first, second], axis=1), whole)
        pairs = [(state, end)] if run is rnn else zip(state, end, strict=True)
        for ours, theirs in pairs:
            assert_close(ours, theirs)


def test_dtypes(asarray, rng):
    """Outputs have the dtype of the inputs; half precision strays a few roundings."""
    x = rng.normal(size=(L, D))
    for run, gates, oracle in [(rnn, 1, oracles.rnn), (lstm, 4, oracles.lstm)]:
        params = make_params(rng, gates)
        for dtype in asarray.dtypes:
            data = asarray(x, dtype)
            theirs = convert(asarray, params, dtype)
            outputs, _ = run(data, theirs)
            rounded = [to_numpy(p) for p in theirs]
            zeros = [np.zeros(N)] * (1 if run is rnn else 2)
            expected = oracle(to_numpy(data), *rounded, *zeros)[0]
            assert_same_kind(outputs, data, asarray)
            eps = {"float64": 1e-14, "float32": 1e-6, "float16": 1e-2, "bfloat16": 0.1}
            assert_close(outputs, expected, tolerance=eps[dtype])


def test_huge_preactivations_stay_finite(asarray):
    """tanh and sigmoid of plus and minus 1e4 saturate without a warning."""
    for run, gates in [(rnn, 1), (lstm, 4)]:
        for sign in [1.0, -1.0]:
            weight = np.full((gates, 1), sign * 1e4)
            params = convert(asarray, [weight, weight, weight[:, 0], weight[:, 0]])
            outputs, _ = run(asarray(np.ones((3, 1))), params)
            assert np.abs(to_numpy(outputs)).max() <= 1


def test_states_are_left_alone(asarray, rng):
    """No state and no input is changed in place."""
    x, h, c = rng.normal(size=(L, D)), rng.normal(size=N), rng.normal(size=N)
    data, state = asarray(x), (asarray(h), asarray(c))
    lstm(data, convert(asarray, make_params(rng, 4)), state)
    rnn(data, convert(asarray, make_params(rng, 1)), state[0])
    for after, before in [(data, x), (state[0], h), (state[1], c)]:
        assert_close(after, before)


# ---------------------------------------------------------------- bad input


def bad(run, gates, x=(L, D), **changes):
    """Return a call whose data or parameters have other shapes."""
    shapes = {
        "weight_ih": (gates * N, D),
        "weight_hh": (gates * N, N),
        "bias_ih": (gates * N,),
        "bias_hh": (gates * N,),
        "state": None,
    } | changes
    state = shapes.pop("state")
    params = RecurrentParams(**{k: np.zeros(v) for k, v in shapes.items()})
    return lambda: run(np.zeros(x), params, *([] if state is None else [state]))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (bad(rnn, 1, (L, 7)), ValueError, ["weight_ih", "7", "(4, 3)"]),
        (bad(lstm, 4, (L, 7)), ValueError, ["weight_ih", "7", "(16, 3)"]),
        (bad(rnn, 1, (D,)), ValueError, ["inputs", "(3,)"]),
        (bad(rnn, 4), ValueError, ["weight_ih", "(16, 3)"]),
        (bad(lstm, 1), ValueError, ["weight_ih", "(4, 3)"]),
        (bad(rnn, 1, weight_hh=(4, 5)), ValueError, ["weight_", "5"]),
        (bad(rnn, 1, bias_ih=(5,)), ValueError, ["bias_ih", "(5,)", "(4,)"]),
        (bad(lstm, 4, bias_hh=(4,)), ValueError, ["bias_hh", "(4,)", "(16,)"]),
        (bad(rnn, 1, state=np.zeros(7)), ValueError, ["h", "(7,)", "(4,)"]),
        (
            bad(lstm, 4, state=(np.zeros(4), np.zeros(7))),
            ValueError,
            ["c", "(7,)", "(4,)"],
        ),
        (bad(lstm, 4, state=np.zeros(4)), (TypeError, ValueError), ["state", "h", "c"]),
    ],
)
def test_bad_shapes(call, error, words):
    """The message names the argument, what came and what fits."""
    with pytest.raises(error) as raised:
        call()
    assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.parametrize(("run", "gates"), [(rnn, 1), (lstm, 4)])
def test_bad_kinds(run, gates, rng):
    """Lists, integers, other dtypes, other libraries."""
    torch = pytest.importorskip("torch")
    params = RecurrentParams(*make_params(rng, gates))
    x = rng.normal(size=(L, D))
    for bad_x, words in [
        (x.tolist(), ["inputs", "list"]),
        (x.astype(int), ["inputs", "int64"]),
        (x.astype(np.float32), ["inputs", "float32", "float64"]),
        (torch.tensor(x), ["inputs", "torch", "numpy"]),
    ]:
        with pytest.raises(TypeError) as raised:
            run(bad_x, params)
        assert all(word in str(raised.value) for word in words), raised.value


PARAMS = {1: RecurrentParams(*map(np.zeros, [(4, 3), (4, 4), (4,), (4,)]))}
PARAMS[4] = RecurrentParams(*map(np.zeros, [(16, 3), (16, 4), (16,), (16,)]))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        # a batch of two, which would pass as (h, c)
        (
            lambda: lstm_cell(np.zeros((2, 3)), np.zeros((2, 4)), PARAMS[4]),
            TypeError,
            ["state", "(h, c)", "ndarray"],
        ),
        (
            lambda: lstm(np.zeros((5, 3)), PARAMS[4], np.zeros((2, 4))),
            TypeError,
            ["state", "(h, c)", "ndarray"],
        ),
        (lambda: lstm_cell(np.zeros(3), None, PARAMS[4]), TypeError, ["(h, c)"]),
        (
            lambda: lstm_cell(np.zeros(3), [np.zeros(4)] * 3, PARAMS[4]),
            ValueError,
            ["(h, c)", "3"],
        ),
        (
            lambda: lstm_cell(np.zeros(3), [np.zeros(4)] * 2, PARAMS[1]),
            ValueError,
            ["weight_ih", "(16, 3)", "(4, 3)"],
        ),
        (
            lambda: lstm_cell(np.zeros(3), [np.zeros(4), np.zeros(7)], PARAMS[4]),
            ValueError,
            ["c must", "(4,)", "(7,)"],
        ),
        (
            lambda: rnn_cell(np.zeros(3), np.zeros(4), PARAMS[4]),
            ValueError,
            ["weight_ih", "(4, 3)", "(16, 3)"],
        ),
        (
            lambda: rnn_cell(np.zeros((2, 3)), np.zeros((5, 4)), PARAMS[1]),
            ValueError,
            ["h must", "(2, 4)", "(5, 4)"],
        ),
        (
            lambda: rnn(np.zeros((5, 3)), PARAMS[1]._replace(bias_ih=None)),
            TypeError,
            ["bias_ih", "None", "zeros"],
        ),
        (
            lambda: lstm_cell(
                np.zeros(3), [np.zeros(4)] * 2, PARAMS[4]._replace(bias_hh=None)
            ),
            TypeError,
            ["bias_hh", "None", "zeros"],
        ),
        (lambda: rnn(np.zeros((5, 3)), None), TypeError, ["params", "NoneType"]),
    ],
)
def test_cells_check_what_runs_check(call, error, words):
    """State and weights of a single step are looked at as those of a sequence."""
    with pytest.raises(error) as raised:
        call()
    assert all(word in str(raised.value) for word in words), raised.value
