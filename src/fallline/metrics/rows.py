"""Predictions of classes as rows of probabilities with labels, for the metrics that need both."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline.contracts import single
from fallline.errors import ModelError
from fallline.later import jnp


def probability_rows(name: str, probabilities: Any, targets: Any) -> tuple[Any, Any]:
    """Probabilities [batch, classes] and labels int32 [batch], of numpy arrays or of JAX's.

    ``probabilities`` [batch, classes] with labels [batch] or one-hot rows; or one per example, that of the label 1,
    with targets 0 and 1 or -1 and 1. ModelError for other shapes.
    """
    xp = array_module(probabilities)
    if single(probabilities) and single(targets) and targets.shape[0] == probabilities.shape[0]:
        p = probabilities.reshape(-1)
        return xp.stack([1 - p, p], axis=1), (targets.reshape(-1) > 0.5).astype(xp.int32)
    if probabilities.ndim == 2 and not single(probabilities):
        if targets.shape == probabilities.shape[:1]:
            return probabilities, targets.astype(xp.int32)
        if targets.shape == probabilities.shape:
            return probabilities, targets.argmax(-1)
    raise ModelError(
        f"{name} needs outputs [batch, classes] with labels [batch] or one-hot rows [batch, classes], or one output "
        f"and one target per example, got outputs {probabilities.shape} and targets {targets.shape}"
    )


def array_module(array: Any) -> Any:
    """numpy for an array of numpy, else ``jax.numpy``."""
    return np if isinstance(array, np.ndarray) else jnp
