"""Weighted kappa: the disagreement of a batch's predictions with its labels, over the disagreement by chance."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fallline.contracts.declaring import batch_loss
from fallline.errors import ModelError
from fallline.later import jnp
from fallline.losses.classes import matched

if TYPE_CHECKING:
    from jaxtyping import Array, Float

EPSILON = 1e-6


class KappaSums(NamedTuple):
    """What is added over batches: ``seen = sum_e W_(y_e) p_e``, n and q [classes], and how many examples count."""

    seen: Float[Array, ""]
    labels: Float[Array, " classes"]
    probabilities: Float[Array, " classes"]
    examples: Float[Array, ""]


def _sums(probabilities: Array, labels: Array, counts: Array | None = None, *, name: str, power: int) -> KappaSums:
    """``probabilities`` p [batch, classes]; ``labels`` y integers [batch] or one-hot rows; ``counts`` [batch] 0 or 1,
    or None where all B count. ModelError for other shapes and for a single class.
    """
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


def _of_sums(sums: KappaSums, *, power: int) -> Float[Array, ""]:
    """The log of the ratio; where both of its sums are 0 (a single class, certain and right) the ratio is 0, as in
    TensorFlow Addons.
    """
    weights = _distances(sums.labels.shape[-1], power, sums.labels.dtype)
    return _log_ratio(sums.seen, sums.labels @ weights @ (sums.probabilities / sums.examples))


@batch_loss("probabilities", partial(_sums, name="linear_weighted_kappa", power=1), partial(_of_sums, power=1))
def linear_weighted_kappa(probabilities: Array, labels: Array, counts: Array | None = None) -> Float[Array, ""]:
    """Linear weighted kappa.

    n and q are the sums of labels and of probabilities over the B examples that count. A scalar for a whole batch.

    Equation::

        log(sum_e W_(y_e) p_e / (sum_ij W_ij n_i q_j / B) + 1e-6), W_ij = (|i - j| / (K - 1))^1

    Source: Cohen, 1968; de la Torre, Puig and Valls, 2018; TensorFlow Addons form
    """
    return _of_sums(_sums(probabilities, labels, counts, name="linear_weighted_kappa", power=1), power=1)


@batch_loss("probabilities", partial(_sums, name="quadratic_weighted_kappa", power=2), partial(_of_sums, power=2))
def quadratic_weighted_kappa(probabilities: Array, labels: Array, counts: Array | None = None) -> Float[Array, ""]:
    """Quadratic weighted kappa.

    n and q are the sums of labels and of probabilities over the B examples that count. A scalar for a whole batch.

    Equation::

        log(sum_e W_(y_e) p_e / (sum_ij W_ij n_i q_j / B) + 1e-6), W_ij = (|i - j| / (K - 1))^2

    Source: Cohen, 1968; de la Torre, Puig and Valls, 2018; TensorFlow Addons form
    """
    return _of_sums(_sums(probabilities, labels, counts, name="quadratic_weighted_kappa", power=2), power=2)


def _distances(classes: int, power: int, dtype: object) -> Float[Array, "classes classes"]:
    """W."""
    places = jnp.arange(classes, dtype=dtype) / (classes - 1)
    return jnp.abs(places[:, None] - places[None, :]) ** power


def _log_ratio(seen: Float[Array, ""], chance: Float[Array, ""]) -> Float[Array, ""]:
    """``log(seen / chance + 1e-6)``, 0 / 0 taken as 0."""
    nothing = (chance >= 0) & (chance < jnp.finfo(chance.dtype).tiny)
    seen, chance = (jnp.where(nothing, value, array) for value, array in ((0.0, seen), (1.0, chance)))
    # the gradient of a quotient would square a small chance to 0; each log has one of its own
    return jnp.log(seen + EPSILON * chance) - jnp.log(chance)
