"""The playground's model once more, with torch's gradients and torch's Adam."""

import functools
import math

import torch
from torch.nn import functional as F

from attnlib.widgets import _tasks

D = 32


def tensors(figure):
    """Return name → float64 parameter, as the figure starts."""
    return {k: torch.tensor(v, requires_grad=True) for k, v in figure.start().items()}


def padded(examples):
    """Return tokens (B, n, 2), and which of them are there (B, n)."""
    n = max(len(one.tokens) for one in examples)
    tokens = torch.full((len(examples), n, 2), _tasks.NOTHING)
    for row, one in zip(tokens, examples, strict=True):
        row[: len(one.tokens)] = torch.tensor(one.tokens)
    return tokens, (tokens != _tasks.NOTHING).any(-1)


@functools.cache
def waves(n):
    """Sines and cosines, pair by pair, feature by feature."""
    table = torch.empty(n, D, dtype=torch.float64)
    for place in range(n):
        for pair in range(D // 2):
            angle = place / 10000 ** (2 * pair / D)
            table[place, 2 * pair] = math.sin(angle)
            table[place, 2 * pair + 1] = math.cos(angle)
    return table


def embedded(figure, p, tokens, hide):
    low, high = _tasks.TASKS[figure.task].unseen if hide else (0, 0)
    there = (tokens != _tasks.NOTHING) & ~((tokens >= low) & (tokens < high))
    x = (p["embed"][tokens.clamp(min=0)] * there[..., None]).sum(2)
    return x + waves(tokens.shape[1]) if figure.positions else x


def run(figure, p, examples):
    """Return the last tokens (B, n, D), and each layer's weights (B, H, n, n)."""
    tokens, there = padded(examples)
    n, E = tokens.shape[1], D // figure.heads
    mask = there[:, None, None, :].expand(-1, 1, n, n)
    if figure.causal:
        mask = mask & torch.ones(n, n, dtype=torch.bool).tril()
    x = embedded(figure, p, tokens, hide=False)
    seen, found = embedded(figure, p, tokens, hide=True), []
    for layer in range(figure.layers):
        q, k, v = (
            (source @ p[f"{name}{layer}"]).unflatten(-1, (-1, E)).transpose(1, 2)
            for name, source in (("query", seen), ("key", seen), ("value", x))
        )
        scores = q @ k.mT * (E**-0.5 if figure.scaled else 1.0)
        weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
        found.append(weights)
        x = x + (weights @ v).transpose(1, 2).flatten(2) @ p[f"out{layer}"]
        if figure.mlp:
            z = F.relu(x @ p[f"hidden{layer}"] + p[f"hidden_bias{layer}"])
            x = x + z @ p[f"back{layer}"] + p[f"back_bias{layer}"]
        seen = x
    return x, found


def loss_and_right(figure, p, examples):
    """Return the loss as a tensor, and the share of right answers."""
    x, weights = run(figure, p, examples)
    task = _tasks.TASKS[figure.task]
    answers = torch.stack([torch.tensor(one.answers) for one in examples])
    starts = torch.tensor([one.start for one in examples])
    if not task.classes:
        of_it = weights[-1].mean(1)[torch.arange(len(examples)), starts]  # (B, n)
        found = of_it.gather(1, answers)
        right = (of_it.argmax(-1, keepdim=True) == answers).double().mean()
        return -(found + 1e-9).log().mean(), right.item()
    logits = x[:, starts[0] :] @ p["read"] + p["read_bias"]
    logits = logits[:, : answers.shape[1] // task.slots].reshape(-1, task.classes)
    right = (logits.argmax(-1) == answers.flatten()).double().mean()
    return F.cross_entropy(logits, answers.flatten()), right.item()


def train(figure, steps, size):
    """Train on `size` examples a step; return the parameters and each loss."""
    p, losses = tensors(figure), []
    optimiser = torch.optim.Adam(p.values(), figure.rate)
    for step in range(1, steps + 1):
        loss, _ = loss_and_right(figure, p, figure.batch(step, size))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return p, losses
