"""Every loss in float64 numpy, written from its definition and from nothing else.

``VALUES[name](outputs, rows, **hyperparameters)`` gives the values [batch], of a loss of a whole batch its scalar.
``rows`` are
one-hot or targets [batch, classes]. Nothing of fallline or JAX is used here. Exponentials, quotients and logs are taken
as the textbooks write them: float64 holds exp(300), so no logit below that needs a shift or a rearranged form.
"""

from __future__ import annotations

import numpy as np


def softmax(z):
    """Rows of probabilities."""
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def softmax_cross_entropy(z, y, label_smoothing=0.0):
    y = (1 - label_smoothing) * y + label_smoothing / y.shape[1]
    return -(y * np.log(softmax(z))).sum(axis=1)


def sparse_softmax_cross_entropy(z, y):
    return -np.log(softmax(z)[np.arange(len(y)), y.argmax(axis=1)])


def binary(z, y, weight=1.0):
    """``-w y log p - (1 - y) log(1 - p)`` entry by entry, p the logistic function of z."""
    return weight * y * np.log1p(np.exp(-z)) + (1 - y) * np.log1p(np.exp(z))


def sigmoid_cross_entropy(z, y, label_smoothing=0.0):
    return binary(z, (1 - label_smoothing) * y + label_smoothing / 2).mean(axis=1)


def weighted_cross_entropy(z, y, pos_weight=1.0):
    return binary(z, y, pos_weight).mean(axis=1)


def sigmoid_focal(z, y, alpha=0.25, gamma=2.0):
    p, q = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
    return ((y * alpha + (1 - y) * (1 - alpha)) * (y * q + (1 - y) * p) ** gamma * binary(z, y)).sum(axis=1)


def sigmoid_focal_of_probabilities(p, y, alpha=0.25, gamma=2.0):
    p = np.clip(p, 1e-7, 1 - 1e-7)
    right = y * p + (1 - y) * (1 - p)
    entropies = -y * np.log(p) - (1 - y) * np.log(1 - p)
    return ((y * alpha + (1 - y) * (1 - alpha)) * (1 - right) ** gamma * entropies).sum(axis=1)


def weighted_kappa(p, y, power):
    """The table of labels and answers against the table of their margins, over all pairs of classes."""
    i, j = np.indices((p.shape[1], p.shape[1]))
    weights = (np.abs(i - j) / (p.shape[1] - 1)) ** power
    seen = (weights * np.einsum("ei,ej->ij", y, p)).sum()
    chance = (weights * np.outer(y.sum(axis=0), p.sum(axis=0))).sum() / len(p)
    return np.log(seen / chance + 1e-6) if chance else np.log(1e-6)


def linear_weighted_kappa(p, y):
    return weighted_kappa(p, y, 1)


def quadratic_weighted_kappa(p, y):
    return weighted_kappa(p, y, 2)


def squared_error(o, y):
    return ((o - y) ** 2).sum(axis=1)


def huber(o, y, delta=1.0):
    e = np.abs(o - y)
    return np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)).sum(axis=1)


VALUES = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "sparse_softmax_cross_entropy": sparse_softmax_cross_entropy,
    "sigmoid_cross_entropy": sigmoid_cross_entropy,
    "weighted_cross_entropy": weighted_cross_entropy,
    "sigmoid_focal": sigmoid_focal,
    "sigmoid_focal_of_probabilities": sigmoid_focal_of_probabilities,
    "linear_weighted_kappa": linear_weighted_kappa,
    "quadratic_weighted_kappa": quadratic_weighted_kappa,
    "squared_error": squared_error,
    "sum_of_squares": squared_error,
    "huber": huber,
}
