"""Weighted kappa: how far a batch's answers lie from its labels, over how far they would lie by chance."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp

from fallline.contracts import Loss
from fallline.errors import ModelError
from fallline.losses.classes import matched

EPSILON = 1e-6


def _weighted_kappa(probabilities, labels, counts=None, *, name, power):
    """``log(sum_e W_(y_e) p_e / (sum_ij W_ij n_i q_j / B) + 1e-6)`` of the examples e that count, a scalar.

    ``probabilities`` p [batch, classes]; ``labels`` y whole numbers [batch] or one-hot rows; ``counts`` [batch] 0 or 1,
    or None where all B count; ``W_ij = (|i - j| / (K - 1))^power``, n and q the sums of labels and of probabilities.
    Where both sums are 0 (one class alone, surely right) the ratio is 0, as in TensorFlow Addons.
    ModelError for other shapes and for a single class.
    """
    return _of_sums(_sums(probabilities, labels, counts, name=name, power=power), power=power)


class KappaSums(NamedTuple):
    """What adds up over batches: ``seen = sum_e W_(y_e) p_e``, n and q [classes], and how many examples count."""

    seen: Any
    labels: Any
    probabilities: Any
    examples: Any


def _sums(probabilities, labels, counts=None, *, name, power):
    p, y = matched(name, probabilities, labels, "probabilities")
    if p.shape[1] < 2:
        raise ModelError(f"{name} needs at least two classes, got probabilities {probabilities.shape}")
    examples = jnp.full((), p.shape[0], p.dtype)
    if counts is not None:
        y, p = (jnp.where(counts[:, None] > 0, array, 0) for array in (y, p))
        examples = counts.sum().astype(p.dtype)
    return KappaSums(
        jnp.sum((y @ _distances(p.shape[1], power, p.dtype)) * p), jnp.sum(y, axis=0), jnp.sum(p, axis=0), examples
    )


def _of_sums(sums, *, power):
    weights = _distances(sums.labels.shape[-1], power, sums.labels.dtype)
    return _log_ratio(sums.seen, sums.labels @ weights @ (sums.probabilities / sums.examples))


def _distances(classes, power, dtype):
    """W, [classes, classes]."""
    places = jnp.arange(classes, dtype=dtype) / (classes - 1)
    return jnp.abs(places[:, None] - places) ** power


def _log_ratio(seen, chance):
    """``log(seen / chance + 1e-6)``, 0 / 0 taken as 0."""
    nothing = (chance >= 0) & (chance < jnp.finfo(chance.dtype).tiny)
    seen, chance = (jnp.where(nothing, value, array) for value, array in ((0.0, seen), (1.0, chance)))
    # the gradient of a quotient would square a small chance to 0; each log has one of its own
    return jnp.log(seen + EPSILON * chance) - jnp.log(chance)


def _kappa(name, power, title):
    return Loss(
        name=name,
        function=partial(_weighted_kappa, name=name, power=power),
        takes="probabilities",
        whole=True,
        sums=partial(_sums, name=name, power=power),
        of_sums=partial(_of_sums, power=power),
        title=title,
        equation=f"log(sum_e W_(y_e) p_e / (sum_ij W_ij n_i q_j / B) + 1e-6), W_ij = (|i - j| / (K - 1))^{power}",
        source="Cohen, 1968; de la Torre, Puig and Valls, 2018; TensorFlow Addons form",
    )


LINEAR_WEIGHTED_KAPPA = _kappa("linear_weighted_kappa", 1, "linear weighted kappa")

QUADRATIC_WEIGHTED_KAPPA = _kappa("quadratic_weighted_kappa", 2, "quadratic weighted kappa")
