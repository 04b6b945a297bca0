"""Cross entropy whose examples are weighted by their class, so that rare classes count as much as common ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fallline.contracts import Loss
from fallline.losses import find_loss


@dataclass(frozen=True)
class ClassWeighted:
    """``weights[y]`` times the softmax cross entropy of an example with label y."""

    weights: tuple[float, ...]

    def __call__(self, logits: Any, labels: Any) -> Any:
        import jax.numpy as jnp

        values = find_loss("sparse_softmax_cross_entropy").function(logits, labels)
        return values * jnp.asarray(self.weights, values.dtype)[labels]


def class_weighted_loss(weights: tuple[float, ...]) -> Loss:
    """The loss of a task with these weights, one per class."""
    return Loss(
        "class_weighted_cross_entropy",
        ClassWeighted(weights),
        takes="logits",
        title="Cross entropy weighted by class",
        equation="mean over examples of w_y (log(sum_k exp(z_k)) - z_y)",
        source="King and Zeng, 2001",
    )
