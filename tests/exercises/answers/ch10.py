"""Answers to chapter 10's exercises that are right and look different."""

import math
import statistics

import numpy as np
import torch


def seeds_by_statistics(scores):
    std = statistics.stdev(scores.tolist())
    mean = statistics.fmean(scores.tolist())
    return {"mean": mean, "std": std, "error_of_mean": std / len(scores) ** 0.5}


def seeds_by_pairs(scores):
    """The variance from the differences of all pairs, without a mean."""
    n = len(scores)
    squares = sum((a - b) ** 2 for a in scores for b in scores)
    variance = squares / (2 * n * (n - 1))
    return {
        "error_of_mean": math.sqrt(variance / n),
        "mean": float(sum(scores)) / n,
        "std": math.sqrt(variance),
    }


def seeds_in_torch(scores):
    scores = torch.as_tensor(scores)
    std = scores.std()
    return {
        "mean": scores.mean(),
        "std": std,
        "error_of_mean": std / math.sqrt(scores.numel()),
    }


def parts_by_loops(fits, truth):
    R, L = fits.shape
    bias2 = variance = 0.0
    for point in range(L):
        column = [float(fits[r, point]) for r in range(R)]
        mean = sum(column) / R
        bias2 += (mean - truth[point]) ** 2 / L
        variance += sum((y - mean) ** 2 for y in column) / R / L
    return {"variance": variance, "bias2": bias2}


def parts_by_moments(fits, truth):
    variance = (fits**2).mean() - (fits.mean(axis=0) ** 2).mean()
    return {"bias2": ((fits - truth) ** 2).mean() - variance, "variance": variance}


def weights_by_loops(weights, at_places, at_points, noise_std):
    bias = [sum(w * at_places) - b for w, b in zip(weights, at_points, strict=True)]
    variance = [sum((noise_std * share) ** 2 for share in w) for w in weights]
    return np.array(bias), np.array(variance)


def weights_by_covariance(weights, at_places, at_points, noise_std):
    covariance = weights @ (noise_std**2 * np.eye(weights.shape[1])) @ weights.T
    return np.einsum("ls,s->l", weights, at_places) - at_points, np.diag(covariance)


def weights_in_torch(weights, at_places, at_points, noise_std):
    weights = torch.as_tensor(weights)
    bias = weights @ torch.as_tensor(at_places) - torch.as_tensor(at_points)
    return bias, (noise_std * weights.norm(dim=-1)) ** 2


def loo_by_loops(weights, measured):
    S, total = len(measured), 0.0
    for i in range(S):
        others = [j for j in range(S) if j != i]
        share = sum(weights[i, j] for j in others)
        guess = sum(weights[i, j] * measured[j] for j in others) / share
        total += (guess - measured[i]) ** 2
    return total / S


def loo_by_residuals(weights, measured):
    """The residual with the own weight in, divided by what the others have."""
    residual = measured - weights @ measured
    return np.mean((residual / (1 - np.diag(weights))) ** 2)


def loo_by_deletion(weights, measured):
    errors = []
    for i in range(len(measured)):
        row, rest = np.delete(weights[i], i), np.delete(measured, i)
        errors.append(np.average(rest, weights=row) - measured[i])
    return np.float32(np.square(errors).mean())


ANSWERS = {
    "spread_of_seeds": (seeds_by_statistics, seeds_by_pairs, seeds_in_torch),
    "error_parts": (
        parts_by_loops,
        parts_by_moments,
        lambda fits, truth: {
            "bias2": np.square(fits.mean(0) - truth).sum() / truth.size,
            "variance": fits.var(axis=0).mean(),
        },
    ),
    "parts_from_weights": (weights_by_loops, weights_by_covariance, weights_in_torch),
    "leave_one_out": (loo_by_loops, loo_by_residuals, loo_by_deletion),
}
SURVIVORS = {}
