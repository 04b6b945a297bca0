"""Losses: each a function that returns a ``Loss``, with the hyperparameters it is given fixed.

>>> import fallline
>>> focal = fallline.losses.sigmoid_focal(gamma=3.0)
>>> focal.name
'sigmoid_focal(gamma=3)'

``focal(outputs, targets)`` is the value of a batch, ``focal.per_example(outputs, targets)`` one value per example. In a
study a loss is written as it is, or by its name in TOML.
"""

from __future__ import annotations

from fallline.contracts import Loss
from fallline.contracts.declaring import declared_components, find_component
from fallline.losses.cross_entropy import softmax_cross_entropy, sparse_softmax_cross_entropy
from fallline.losses.focal import sigmoid_focal, sigmoid_focal_of_probabilities
from fallline.losses.huber import huber
from fallline.losses.kappa import linear_weighted_kappa, quadratic_weighted_kappa
from fallline.losses.sigmoid import sigmoid_cross_entropy, weighted_cross_entropy
from fallline.losses.squared import squared_error, sum_of_squares

__all__ = [
    "builtin_losses",
    "find_loss",
    "huber",
    "linear_weighted_kappa",
    "quadratic_weighted_kappa",
    "sigmoid_cross_entropy",
    "sigmoid_focal",
    "sigmoid_focal_of_probabilities",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
    "squared_error",
    "sum_of_squares",
    "weighted_cross_entropy",
]


def builtin_losses() -> dict[str, Loss]:
    """Every loss by name."""
    return declared_components(__name__, Loss)


def find_loss(name: str, where: str = "") -> Loss:
    """The loss of that name, ``huber`` or ``huber(delta=2)``; UnknownName with similar names where there is none.

    ``where`` is the place in a study that an error names.
    """
    return find_component(__name__, Loss, name, where)
