"""Answers to chapter 8's exercises that are right and look different."""

import math

import numpy as np
import torch

# Loops, torch, other formulas


def perplexity_by_product(nats, counted):
    """The geometric mean of one over each probability."""
    chances = [math.exp(-loss) for loss in nats[counted]]
    return math.prod(chances) ** (-1 / len(chances))


def perplexity_in_bits(nats, counted):
    bits = np.where(counted, nats, 0).sum() / math.log(2) / np.count_nonzero(counted)
    return np.float32(2**bits)


def cross_entropy_by_loops(logits, targets):
    total = 0.0
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        top = max(row)
        total += top + math.log(sum(math.exp(z - top) for z in row)) - row[target]
    return total / len(targets)


def cross_entropy_by_logaddexp(logits, targets):
    chosen = np.take_along_axis(logits, targets[:, None], -1)
    return (np.logaddexp.reduce(logits, axis=-1) - chosen[:, 0]).mean()


def gradient_by_loops(logits, targets):
    N, V = logits.shape
    gradient = np.empty((N, V))
    for n in range(N):
        exps = [math.exp(z) for z in logits[n]]
        for c in range(V):
            gradient[n, c] = (exps[c] / sum(exps) - (c == targets[n])) / N
    return gradient


def gradient_by_autograd(logits, targets):
    z = torch.tensor(logits, requires_grad=True)
    torch.nn.functional.cross_entropy(z, torch.as_tensor(targets)).backward()
    return z.grad


def gradient_by_einsum(logits, targets):
    exps = np.exp(logits - logits.max(-1, keepdims=True)).astype(np.float32)
    p = np.einsum("nc,n->nc", exps, 1 / exps.sum(-1))
    p -= targets[:, None] == np.arange(logits.shape[1])
    return p / np.float32(len(p))


def smoothed_as_mixture(logits, targets, epsilon):
    """(1 - epsilon) of the plain loss, epsilon of the mean loss of all characters."""
    losses = np.logaddexp.reduce(logits, axis=-1)[:, None] - logits
    plain = losses[np.arange(len(targets)), targets]
    return ((1 - epsilon) * plain + epsilon * losses.mean(axis=-1)).mean()


def smoothed_by_loops(logits, targets, epsilon):
    N, V = logits.shape
    total = 0.0
    for n in range(N):
        log_total = math.log(sum(math.exp(z) for z in logits[n]))
        for c in range(V):
            share = epsilon / V + (1 - epsilon) * (c == targets[n])
            total -= share * (logits[n, c] - log_total)
    return total / N


def score_gradient_by_jacobian(weights, value, output_gradient):
    S = weights.shape[-1]
    jacobian = np.eye(S) * weights[..., None] - np.einsum(
        "...i,...j->...ij", weights, weights
    )
    by_weight = np.einsum("...lv,...sv->...ls", output_gradient, value)
    return np.einsum("...ij,...i->...j", jacobian, by_weight)


def score_gradient_by_loops(weights, value, output_gradient):
    result = np.zeros_like(weights)
    for index in np.ndindex(weights.shape):
        *lead, i, j = index
        lead = tuple(lead)
        output = weights[(*lead, i)] @ value[lead]
        pull = output_gradient[(*lead, i)] @ (value[(*lead, j)] - output)
        result[index] = weights[index] * pull
    return result


def score_gradient_by_autograd(weights, value, output_gradient):
    scores = torch.log(weights.clamp_min(1e-30)).requires_grad_()
    (scores.softmax(-1) @ value * output_gradient).sum().backward()
    return scores.grad


ANSWERS = {
    "perplexity": (
        perplexity_by_product,
        perplexity_in_bits,
        lambda nats, counted: float(np.exp(np.average(nats, weights=counted))),
    ),
    "stable_cross_entropy": (
        cross_entropy_by_loops,
        cross_entropy_by_logaddexp,
        torch.nn.functional.cross_entropy,
    ),
    "cross_entropy_gradient": (
        gradient_by_loops,
        gradient_by_autograd,
        gradient_by_einsum,
    ),
    "smoothed_cross_entropy": (
        smoothed_as_mixture,
        smoothed_by_loops,
        lambda logits, targets, epsilon: torch.nn.functional.cross_entropy(
            logits, targets, label_smoothing=epsilon
        ),
    ),
    "score_gradient": (
        score_gradient_by_jacobian,
        score_gradient_by_loops,
        score_gradient_by_autograd,
    ),
}
SURVIVORS = {}
