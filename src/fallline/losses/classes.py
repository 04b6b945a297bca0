"""Labels of classes: whole numbers or one row an example, and the one sentence where they fit neither."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from fallline.errors import ModelError


def rows(loss, outputs, labels, takes="logits"):
    """Labels as one row an example, [batch, classes] in the outputs' type: one-hot of whole numbers, else as they are.

    A whole number that names no class gives a row of nan, never a plausible value.
    """
    if not are_whole(loss, outputs, labels, takes):
        return labels.astype(outputs.dtype)
    found = indices(labels, outputs.shape[1])
    row = jax.nn.one_hot(found, outputs.shape[1], dtype=outputs.dtype)
    return jnp.where((found < outputs.shape[1])[:, None], row, jnp.nan)


def are_whole(loss, outputs, labels, takes="logits"):
    """Whether labels are whole numbers [batch] rather than weights [batch, classes]; ModelError for other shapes."""
    if outputs.ndim == 2 and labels.shape == outputs.shape:
        return False
    if outputs.ndim == 2 and labels.shape == outputs.shape[:1] and jnp.issubdtype(labels.dtype, jnp.integer):
        return True
    raise ModelError(
        f"{loss} needs {takes} [batch, classes] with labels [batch] of whole numbers or [batch, classes], "
        f"got {takes} {outputs.shape} and labels {labels.shape} of {labels.dtype}"
    )


def indices(labels, classes):
    """Labels as int32, those below 0 moved beyond the last class, where an index finds nothing."""
    labels = labels.astype(jnp.int32)  # a byte could not be compared with more than 255 classes
    return jnp.where(labels < 0, classes, labels)
