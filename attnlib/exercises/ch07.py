"""Exercises of chapter 7, comparison with recurrent networks."""

import math

import numpy as np

from attnlib import RecurrentParams, lstm_cell, rnn_cell
from attnlib.exercises._core import Case, Exercise, Mistake


def weights(rng, gates, N, D):
    """weight_ih, weight_hh, bias_ih, bias_hh of one layer."""
    shapes = ((gates * N, D), (gates * N, N), (gates * N,), (gates * N,))
    return tuple(rng.normal(size=shape) for shape in shapes)


def preactivation(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    return x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# waiting_steps


def waiting_steps(distance, window):
    return {
        "rnn": distance,
        "attention": 1,
        "window": max(1, math.ceil(distance / (window - 1))),
    }


def counted(**change):
    """A mistake: the right counts, one of them replaced."""

    def wrong(distance, window):
        replaced = {name: f(distance, window) for name, f in change.items()}
        return waiting_steps(distance, window) | replaced

    return wrong


WAITING_STEPS = Exercise(
    name="waiting_steps",
    chapter=7,
    title="From one token to another",
    objective="count the steps a signal takes between two tokens",
    minutes=8,
    difficulty=2,
    points=3,
    reference=waiting_steps,
    cases=lambda rng: [
        Case((1, 4), "neighbours, a window of 4"),
        Case((9, 4), "9 tokens apart, a window of 4"),
        Case((10, 4), "10 tokens apart, a window of 4"),
        Case((5, 4), "5 tokens apart, a window of 4"),
        Case((5, 8), "5 tokens apart, a window of 8"),
        Case((int(rng.integers(300, 400)), 17), "some hundred tokens, a window of 17"),
    ],
    mistakes=(
        Mistake(
            counted(rnn=lambda d, w: 1),
            "You let the RNN reach back in one step: its state passes through every "
            "token in between.",
        ),
        Mistake(
            counted(attention=lambda d, w: d),
            "You let attention walk from token to token: one layer compares any two "
            "tokens directly.",
        ),
        Mistake(
            counted(window=lambda d, w: 1),
            "You let one windowed layer reach everything: it sees the `window - 1` "
            "tokens before, and the next layer carries on from there.",
        ),
        Mistake(
            counted(window=lambda d, w: max(1, math.ceil(d / w))),
            "You let each windowed layer reach `window` tokens back: the token itself "
            "takes one place of the window, so your count is too low at times.",
        ),
        Mistake(
            counted(window=lambda d, w: max(1, d // (w - 1))),
            "You rounded down: a rest that fills no window needs one more layer.",
        ),
        Mistake(
            counted(window=lambda d, w: d // (w - 1) + 1),
            "You always added a layer for the rest: where the distance is an exact "
            "multiple of the reach there is none.",
        ),
        Mistake(
            counted(attention=lambda d, w: 0),
            "You counted no step for attention: one layer has to be computed.",
        ),
        Mistake(
            counted(window=lambda d, w: max(1, d // w)),
            "You divided by the window and rounded down: a layer reaches `window - 1` "
            "tokens back, and your rest needs one more layer.",
        ),
        Mistake(
            counted(rnn=lambda d, w: d - 1),
            "You counted the tokens between the two: an RNN takes a step for each "
            "token, that of the last one included.",
        ),
        Mistake(
            counted(rnn=lambda d, w: d + 1),
            "You counted the first token's own step, too: the signal is in the state "
            "from there on, and your count is one too large.",
        ),
        Mistake(
            counted(window=lambda d, w: max(1, math.ceil(math.log(d, w)))),
            "You let the reach of the layers multiply: each windowed layer adds "
            "`window - 1` tokens, so your count is too low.",
        ),
    ),
)


# rnn_step


def rnn_step(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    return rnn_cell(x, h, RecurrentParams(weight_ih, weight_hh, bias_ih, bias_hh))


def rnn_step_cases(rng):
    def case(lead, N, D, what):
        x, h = rng.normal(size=(*lead, D)), rng.normal(size=(*lead, N))
        return Case((x, h, *(0.5 * w for w in weights(rng, 1, N, D))), what)

    return [
        case((), 1, 1, "one hidden feature, one input"),
        case((), 3, 2, "3 hidden features, 2 inputs"),
        case((4,), 2, 5, "a batch of 4, 2 hidden features, 5 inputs"),
        case((4,), 3, 3, "a batch of 4, as many inputs as hidden features"),
    ]


RNN_STEP = Exercise(
    name="rnn_step",
    chapter=7,
    title="One step of an RNN",
    objective="build an RNN from plain NumPy",
    minutes=8,
    difficulty=2,
    points=3,
    reference=rnn_step,
    cases=rnn_step_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda x, h, *ws: preactivation(x, h, *ws),
            "You left tanh out: your state is not bounded by 1, and a long chain of "
            "such steps grows or dies like a power.",
        ),
        Mistake(
            lambda x, h, w, u, b, c: np.tanh(x @ w.T + b + c),
            "You left the old state out: each step of yours sees its own input and "
            "nothing of the past.",
        ),
        Mistake(
            lambda x, h, w, u, b, c: np.tanh(x @ w.T + b + h @ u.T),
            "You left one of the two biases out: torch's layer has one for the input "
            "and one for the state.",
        ),
        Mistake(
            lambda x, h, w, u, b, c: np.tanh(x @ w.T + b + h @ u + c),
            "You multiplied the state with weight_hh as it is: its rows belong to the "
            "new features, so it stands transposed on the right.",
        ),
        Mistake(
            lambda x, h, *ws: sigmoid(preactivation(x, h, *ws)),
            "You used a sigmoid where a plain RNN has tanh: your state is never "
            "negative.",
        ),
        Mistake(
            lambda x, h, w, u, b, c: np.tanh(x @ w.T + b) + np.tanh(h @ u.T + c),
            "You bent the two parts one by one: they are added first, and one tanh "
            "bends the sum.",
        ),
        Mistake(
            lambda x, h, w, u, b, c: np.tanh(x @ w.T + h @ u.T),
            "You left both biases out: without them a step of yours on zeros stays at "
            "zero.",
        ),
        Mistake(
            lambda x, h, *ws: np.maximum(preactivation(x, h, *ws), 0),
            "You used relu where a plain RNN has tanh: your state is never negative, "
            "and has no bound.",
        ),
        Mistake(
            lambda x, h, w, u, b, c: np.tanh(x @ w + b + h @ u + c),
            "You multiplied with the weights as they are: their rows belong to the new "
            "features, so they stand transposed on the right.",
        ),
    ),
)


# lstm_step


def lstm_step(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
    params = RecurrentParams(weight_ih, weight_hh, bias_ih, bias_hh)
    return lstm_cell(x, (h, c), params)


def lstm_step_cases(rng):
    def case(lead, N, D, what):
        x = rng.normal(size=(*lead, D))
        h, c = rng.normal(size=(2, *lead, N))
        return Case((x, h, c, *weights(rng, 4, N, D)), what)

    return [
        case((), 1, 1, "one hidden feature, one input"),
        case((), 3, 2, "3 hidden features, 2 inputs"),
        case((4,), 2, 5, "a batch of 4, 2 hidden features, 5 inputs"),
    ]


def lstm_but(
    order="ifgo",
    *,
    forget=sigmoid,
    candidate=np.tanh,
    out=np.tanh,
    old=True,
    swap=False,
    enter=sigmoid,
    gate=sigmoid,
    late=True,
    coupled=False,
):
    """A mistake: one thing about the step is different."""

    def wrong(x, h, c, *ws):
        parts = np.split(preactivation(x, h, *ws), 4, axis=-1)
        i, f, g, o = (parts[order.index(letter)] for letter in "ifgo")
        i = -f if coupled else i  # sigmoid(-f) is 1 - sigmoid(f)
        before = c
        c = forget(f) * (c if old else h) + enter(i) * candidate(g)
        h = gate(o) * out(c if late else before)
        return (c, h) if swap else (h, c)

    return wrong


LSTM_STEP = Exercise(
    name="lstm_step",
    chapter=7,
    title="One step of an LSTM",
    objective="build an LSTM and say what passes from step to step",
    minutes=18,
    difficulty=3,
    points=5,
    parts=("h", "c"),
    reference=lstm_step,
    cases=lstm_step_cases,
    torch=True,
    mistakes=(
        Mistake(
            lstm_but("ifog"),
            "You read the gates in the order i, f, o, g, as some libraries have them: "
            "here they stand as i, f, g, o.",
        ),
        Mistake(
            lstm_but("figo"),
            "You took the forget gate first: the input gate comes before it in these "
            "weights.",
        ),
        Mistake(
            lstm_but(forget=lambda f: 1),
            "You left the forget gate out: the old cell is added in full at every "
            "step, as in the LSTM of 1997.",
        ),
        Mistake(
            lstm_but(forget=lambda f: 1 - sigmoid(f)),
            "You turned the forget gate round: a gate near 1 keeps the old cell.",
        ),
        Mistake(
            lstm_but(candidate=sigmoid),
            "You used a sigmoid for the candidate g: it is no gate but new content, "
            "which may be negative.",
        ),
        Mistake(
            lstm_but(out=lambda c: c),
            "You passed the cell out without tanh: your h is not bounded by 1.",
        ),
        Mistake(
            lstm_but(old=False),
            "You kept the old output h where the old cell c belongs: the cell is the "
            "state that the gates protect.",
        ),
        Mistake(
            lstm_but(swap=True),
            "You returned the cell first: the result is (h, c), the output before the "
            "cell.",
        ),
        Mistake(
            lstm_but(enter=lambda i: 1),
            "You left the input gate out: new content enters in full at every step.",
        ),
        Mistake(
            lstm_but(candidate=lambda g: g),
            "You left tanh out of the candidate g: what enters the cell is bounded by "
            "1.",
        ),
        Mistake(
            lstm_but(late=False),
            "You passed the old cell out: the output reads the new one, after "
            "forgetting and adding.",
        ),
        Mistake(
            lstm_but(gate=lambda o: 1),
            "You left the output gate out: it decides how much of the cell is shown.",
        ),
        Mistake(
            lstm_but(forget=np.tanh, enter=np.tanh, gate=np.tanh),
            "You used tanh for the gates: a gate lets through a share between 0 and 1, "
            "which is a sigmoid.",
        ),
        Mistake(
            lambda x, h, c, w_ih, w_hh, bias_ih, bias_hh: lstm_but()(
                x, h, c, w_ih, w_hh, bias_ih, 0
            ),
            "You left out bias_hh: the old output has a bias of its own, added to "
            "that of the input.",
        ),
        Mistake(
            lambda x, h, c, w_ih, w_hh, bias_ih, bias_hh: lstm_but()(
                x, h, c, w_ih, w_hh, 0, bias_hh
            ),
            "You left out bias_ih: the input has a bias of its own, added to that "
            "of the old output.",
        ),
        Mistake(
            lstm_but(coupled=True),
            "You took 1 minus the forget gate for the input gate, as in a GRU: an "
            "LSTM has rows of weights for the input gate alone, the first quarter.",
        ),
    ),
)


# remembered_share


def remembered_share(forget_gates):
    share = np.ones_like(forget_gates[..., 0, :])
    for step in range(1, forget_gates.shape[-2]):
        share = share * forget_gates[..., step, :]
    return share


REMEMBERED_SHARE = Exercise(
    name="remembered_share",
    chapter=7,
    title="What a cell still remembers",
    objective="compute how a gradient falls with distance in an LSTM",
    minutes=10,
    difficulty=3,
    points=4,
    reference=remembered_share,
    cases=lambda rng: [
        Case((rng.uniform(0.5, 1, size=(1, 3)),), "one step: nothing is forgotten yet"),
        Case((rng.uniform(0.5, 1, size=(4, 1)),), "4 steps, one feature"),
        Case((rng.uniform(0.3, 1, size=(6, 3)),), "6 steps, 3 features"),
        Case((rng.uniform(0.3, 1, size=(2, 5, 4)),), "a batch of 2, 5 steps"),
    ],
    torch=True,
    mistakes=(
        Mistake(
            lambda forget_gates: np.prod(forget_gates, axis=-2),
            "You counted the first step's gate: what was written at the first step "
            "meets the gates of the later steps only.",
        ),
        Mistake(
            lambda forget_gates: np.prod(forget_gates[..., :-1, :], axis=-2),
            "You left out the last step's gate and took the first one's: the content "
            "is written after the first gate has closed.",
        ),
        Mistake(
            lambda forget_gates: np.mean(forget_gates, axis=-2),
            "You averaged the gates: each step keeps a share of what is left, so the "
            "shares multiply.",
        ),
        Mistake(
            lambda forget_gates: (
                forget_gates[..., -1, :] ** (forget_gates.shape[-2] - 1)
            ),
            "You took the last gate for all steps: gates depend on the input and "
            "differ from step to step.",
        ),
        Mistake(
            lambda forget_gates: np.prod(1 - forget_gates[..., 1:, :], axis=-2),
            "You multiplied what is forgotten: the share that is kept is the product "
            "of the gates themselves.",
        ),
        Mistake(
            lambda forget_gates: np.prod(forget_gates[..., 1:, :], axis=-1),
            "You multiplied over the features: each feature has a chain of its own, "
            "along the steps.",
        ),
        Mistake(
            lambda forget_gates: np.sum(forget_gates[..., 1:, :], axis=-2),
            "You added the gates: each step keeps a share of what is left, so the "
            "shares multiply.",
        ),
        Mistake(
            lambda forget_gates: forget_gates[..., -1, :],
            "You returned the last gate alone: every step between counts.",
        ),
        Mistake(
            lambda forget_gates: np.prod(forget_gates[1:], axis=0),
            "You multiplied along axis 0, which is that of the steps without a "
            "batch only: count from the end, where the steps are axis -2.",
        ),
    ),
)


# state_gradient


def state_gradient(states, weight_hh):
    gradient = np.eye(states.shape[-1])
    for h in states[1:]:
        gradient = (1 - h**2)[:, None] * weight_hh @ gradient
    return gradient


def state_gradient_cases(rng):
    def case(steps, N, what):
        states = np.tanh(rng.normal(size=(steps, N)))
        return Case((states, rng.normal(size=(N, N)) / math.sqrt(N)), what)

    return [
        case(1, 3, "a single state: the identity"),
        case(2, 2, "one step, 2 features"),
        case(5, 3, "4 steps, 3 features"),
    ]


def chain(states, weight_hh, *, slope=lambda h: 1 - h**2, order=1, skip=1):
    gradient = np.eye(states.shape[-1])
    for h in states[skip:]:
        jacobian = np.diag(slope(h)) @ weight_hh
        gradient = jacobian @ gradient if order == 1 else gradient @ jacobian
    return gradient


def chain_by_columns(states, weight_hh):
    gradient = np.eye(states.shape[-1])
    for h in states[1:]:
        gradient = weight_hh * (1 - h**2) @ gradient
    return gradient


STATE_GRADIENT = Exercise(
    name="state_gradient",
    chapter=7,
    title="A gradient through an RNN",
    objective="compute how a gradient falls with distance in an RNN",
    minutes=18,
    difficulty=4,
    points=5,
    reference=state_gradient,
    cases=state_gradient_cases,
    torch=True,
    mistakes=(
        Mistake(
            lambda states, weight_hh: chain(
                states, weight_hh, slope=lambda h: np.ones_like(h)
            ),
            "You left the slope of tanh out: your product is a plain power of the "
            "matrix, as if the network were linear.",
        ),
        Mistake(
            lambda states, weight_hh: chain(
                states, weight_hh, slope=lambda h: 1 - np.tanh(h) ** 2
            ),
            "You applied tanh to the states again: they are its outputs already, so "
            "its slope is 1 - h squared.",
        ),
        Mistake(
            lambda states, weight_hh: chain(states, weight_hh, order=-1),
            "You multiplied in the wrong order: each later step stands to the left of "
            "the earlier ones.",
        ),
        Mistake(
            lambda states, weight_hh: chain(states, weight_hh.T),
            "You transposed the matrix: the derivative of W h by h is W itself.",
        ),
        Mistake(
            lambda states, weight_hh: chain(states, weight_hh, skip=0),
            "You took one step too many: the first state is where the gradient starts, "
            "and its own slope lies before it.",
        ),
        Mistake(
            lambda states, weight_hh: chain(
                states, weight_hh, slope=lambda h: h * (1 - h)
            ),
            "You used the slope of a sigmoid: that of tanh is 1 - h squared.",
        ),
        Mistake(
            lambda states, weight_hh: chain(states[:-1], weight_hh),
            "You took one step too few: the slope of the last state belongs to the "
            "chain.",
        ),
        Mistake(
            lambda states, weight_hh: chain_by_columns(states, weight_hh),
            "You multiplied the slopes into the columns: each belongs to the feature "
            "that comes out, so it scales a row of the matrix.",
        ),
        Mistake(
            lambda states, weight_hh: chain(states[:-1], weight_hh, skip=0),
            "You took each step's slope at the state before it: tanh is the last "
            "thing in a step, so its slope, 1 - h squared, is taken at the state "
            "that comes out.",
        ),
    ),
)


# fair_comparison: written

FAIR_COMPARISON = Exercise(
    name="fair_comparison",
    chapter=7,
    title="Which one is better?",
    objective="judge a comparison of attention with a recurrent network",
    minutes=12,
    difficulty=3,
    points=6,
    kind="written",
    rubric=(
        (2, "asks for equal data, parameters or compute, and equal tuning"),
        (1, "asks for several seeds and their spread"),
        (2, "names a task that favours a state, and one that favours direct access"),
        (1, "separates chain length, time on a machine and quality of the result"),
    ),
)

EXERCISES = (
    WAITING_STEPS,
    RNN_STEP,
    LSTM_STEP,
    REMEMBERED_SHARE,
    FAIR_COMPARISON,
    STATE_GRADIENT,
)
