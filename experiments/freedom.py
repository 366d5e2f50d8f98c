"""Chapter 10: what the models store when trained to the end, and further rivals.

    python -m experiments.freedom [task ...]

takes about twenty minutes on one core. With names of tasks, such as "largest, 50
clean", it runs these rivals anew and keeps the rest. Tasks, models and training are the
chapter's own cells, those tagged `experiment`. Two rivals are added here: attention
that starts as the mean, with a query projection of 0, and the mean of what a two-layer
network made of each token, with as many parameters; and three tasks: the value at one
symbol, always the same; the largest value; and how many of the values are 0. It writes
freedom.json in attnlib/data.
"""

import sys

import numpy as np
import torch

from attnlib import data
from experiments.common import names, store, tagged

CHAPTER = "10_bias_variance"
OWN = ("mean of an MLP",)  # what only this file knows
SETTINGS = {
    "capacity": {
        "seed": 400,
        "examples": [200] * 5 + [400] * 5,
        "runs": [
            *([600, mix, 8, k] for k in (1, 2, 4) for mix in ("attention", "mean")),
            *([3000, "attention", 8, k] for k in (0.5, 1, 2)),
            *([3000, "mean", 8, k] for k in (1, 2, 4)),
            [3000, "mean of an MLP", 8, 1],
            [3000, "mean", 12, 1],
        ],
    },
    "longer": {
        "seed": 400,
        "examples": [400] * 5,
        "runs": [
            *([12_000, "attention", 8, k] for k in (0.5, 1)),
            *([12_000, "mean", 8, k] for k in (1, 2)),
        ],
    },
    "rivals": {
        "data sets": 6,
        "seed": 300,
        "tests": 800,
        "tasks": {
            "majority, 50 clean": ["majority", 50, 0.0, 800],
            "majority, 300 noisy": ["majority", 300, 0.3, 300],
            "look-up, 300 noisy": ["look-up", 300, 0.3, 300],
            "look-up, 200 clean": ["look-up", 200, 0.0, 800],
            "one symbol, 50 clean": ["one symbol", 50, 0.0, 800],
            "one symbol, 300 noisy": ["one symbol", 300, 0.3, 300],
            "largest, 50 clean": ["largest", 50, 0.0, 800],
            "largest, 300 noisy": ["largest", 300, 0.3, 300],
            "how many, 50 clean": ["how many", 50, 0.0, 800],
        },
        "models": {
            "attention": ["attention", 0.0],
            "mean": ["mean", 0.0],
            "mean of an MLP": ["mean of an MLP", 0.0],
            "attention, started as the mean": ["attention", 0.0],
            "attention, decay 2": ["attention", 2.0],
        },
    },
}


def main(parts=()):
    """Run all, or some tasks of the rivals anew; store what they found."""
    torch.set_num_threads(1)
    sources = tagged(CHAPTER)
    chapter = names(sources)
    with_rival(chapter)
    if parts:
        some = SETTINGS["rivals"] | {
            "tasks": {part: SETTINGS["rivals"]["tasks"][part] for part in parts}
        }
        results = data.recorded("freedom")["results"]
        found = results["rivals"] | rivals(chapter, **some)
        results["rivals"] = {task: found[task] for task in SETTINGS["rivals"]["tasks"]}
        store("freedom", sources, SETTINGS, results)
        return
    results = {
        "capacity": capacity(chapter, **SETTINGS["capacity"]),
        "longer": capacity(chapter, **SETTINGS["longer"]),
        "rivals": rivals(chapter, **SETTINGS["rivals"]),
    }
    store("freedom", sources, SETTINGS, results)


def with_rival(chapter):
    """Teach the chapter's functions the mean of a two-layer network on each token."""
    widths, begin, logits = chapter.hidden_width, chapter.initialise, chapter.logits

    def hidden_width(d, mix):
        # 4 d^2 weights before the mean in place of w_q, w_k, w_v and d^2 of the MLP
        return 3 * d // 2 if mix in OWN else widths(d, mix)

    def mixed(p, x, mix, heads=1, dropout=0.0):
        if mix not in OWN:
            return logits(p, x, mix, heads, dropout)
        rms, F = chapter.rms, torch.nn.functional
        z = x @ p["w_in"][:, None]
        each = F.relu(rms(z) @ p["w_a"][:, None] + p["b_a"][:, None])
        mean = (each @ p["w_b"][:, None]).mean(-2, keepdim=True)
        z = z + F.dropout(mean @ p["w_o"][:, None], dropout)
        hidden = F.relu(rms(z) @ p["w_1"][:, None] + p["b_1"][:, None])
        z = z + F.dropout(hidden, dropout) @ p["w_2"][:, None]
        return rms(z).mean(-2) @ p["w_c"] + p["b_c"]

    def initialise(R, d, hidden):
        p = begin(R, d, hidden)
        if hidden == 3 * d // 2:  # this rival: a start of its own for what is new
            shapes = {"w_a": (d, 2 * d), "w_b": (2 * d, d)}
            for name, shape in shapes.items():
                g = torch.Generator().manual_seed(sum(map(ord, name)))
                p[name] = torch.randn(R, *shape, generator=g) / shape[0] ** 0.5
            p["b_a"] = torch.zeros(R, 1, 2 * d)
            p = {name: w.detach().requires_grad_() for name, w in p.items()}
        return p

    # the cells share one dictionary of names: from here on they find these
    chapter.train.__globals__.update(
        hidden_width=hidden_width, initialise=initialise, logits=mixed
    )


def capacity(chapter, examples, seed, runs):
    """Share of shuffled answers that come out right, of each run."""
    x, y = chapter.stacked(len(examples), max(examples), "look-up", seed=seed)
    for r, n in enumerate(examples):
        y[r, :n] = y[r, torch.randperm(n, generator=torch.Generator().manual_seed(r))]
    found = []
    for steps, mix, d, faster in runs:
        p = chapter.train(x, y, examples, mix, d, steps=steps, faster=faster)
        shares = chapter.accuracy(p, x, y, mix, examples).round(3).tolist()
        found.append(shares)
        print(steps, mix, d, faster, shares, flush=True)
    return found


def rivals(chapter, tasks, models, seed, tests, **sizes):
    """Error and accuracy on new examples, of each model and run of each task."""
    R = sizes["data sets"]
    return {
        task: {
            model: one(chapter, R, seed, tests, spec, model, *how)
            for model, how in models.items()
        }
        for task, spec in tasks.items()
    }


def inputs(chapter, R, n, task, seed):
    """The chapter's inputs, and for the tasks of this file answers of their own."""
    x, y = chapter.stacked(R, n, task, seed=seed)
    S, V = chapter.SYMBOLS, chapter.VALUES
    values = x[:, :, 1:, S : S + V].argmax(-1)  # (R, n, 8)
    if task == "one symbol":  # the value at symbol 0
        place = x[:, :, 1:, 0].argmax(-1)
        y = values.gather(-1, place[..., None])[..., 0]
    if task == "largest":  # values are scaled down, so that each answer is as likely
        g = torch.Generator().manual_seed(seed)
        most = torch.randint(V, (R, n, 1), generator=g).to(values.device)
        values = values * (most + 1) // V
        x[:, :, 1:, S : S + V] = torch.nn.functional.one_hot(values, V).to(x.dtype)
        y = values.amax(-1)
    if task == "how many":  # values of 0; three or more count as three
        y = (values == 0).sum(-1).clamp(max=V - 1)
    return x, y


def one(chapter, R, seed, tests, spec, model, mix, decay):
    """Train one model on R data sets of one task; test it."""
    task, n, share, steps = spec
    x, y = inputs(chapter, R, n, task, seed)
    y = chapter.noisy(y, share)
    new, new_y = inputs(chapter, 1, tests, task, seed + 999)
    truth = np.eye(chapter.VALUES)[new_y[0].cpu().numpy()]
    start = None
    if "started" in model:
        start = chapter.initialise(R, 16, chapter.hidden_width(16, mix))
        with torch.no_grad():
            start["w_q"].zero_()
    p = chapter.train(x, y, [n] * R, mix, steps=steps, decay=decay, p=start)
    guess = chapter.predict(p, new, mix)
    target = (1 - share) * truth + share / chapter.VALUES
    found = {
        "error": ((guess - target) ** 2).sum(-1).mean(-1).round(4).tolist(),
        "right": (guess.argmax(-1) == truth.argmax(-1)).mean(-1).round(3).tolist(),
    }
    print(spec, model, found, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
