"""Weighted kappa: how far a batch's answers lie from its labels, over how far they would lie by chance."""

from __future__ import annotations

from functools import partial

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
    p, y = matched(name, probabilities, labels, "probabilities")
    examples = p.shape[0]
    if p.shape[1] < 2:
        raise ModelError(f"{name} needs at least two classes, got probabilities {probabilities.shape}")
    if counts is not None:
        y, p = (jnp.where(counts[:, None] > 0, array, 0) for array in (y, p))
        examples = counts.sum().astype(p.dtype)
    places = jnp.arange(p.shape[1], dtype=p.dtype) / (p.shape[1] - 1)
    weights = jnp.abs(places[:, None] - places) ** power
    seen = jnp.sum((y @ weights) * p)
    chance = jnp.sum(y, axis=0) @ weights @ (jnp.sum(p, axis=0) / examples)
    return _log_ratio(seen, chance)


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
        title=title,
        equation=f"log(sum_e W_(y_e) p_e / (sum_ij W_ij n_i q_j / B) + 1e-6), W_ij = (|i - j| / (K - 1))^{power}",
        source="Cohen, 1968; de la Torre, Puig and Valls, 2018; TensorFlow Addons form",
    )


LINEAR_WEIGHTED_KAPPA = _kappa("linear_weighted_kappa", 1, "linear weighted kappa")

QUADRATIC_WEIGHTED_KAPPA = _kappa("quadratic_weighted_kappa", 2, "quadratic weighted kappa")
