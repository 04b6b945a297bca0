"""Labels of classes: whole numbers or one row an example, and the one sentence where they fit neither."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from fallline.contracts import single
from fallline.errors import ModelError


def matched(loss, outputs, labels, takes="logits"):
    """Outputs and labels as one row an example, both [batch, classes], the labels in the outputs' type.

    Whole numbers [batch] are made one-hot; one that names no class gives a row of nan, never a plausible value. Of one
    output an example, [batch] or [batch, 1], the label is the answer itself, 0 or 1 of whatever type, [batch] or
    [batch, 1].
    """
    if single(outputs) and single(labels) and labels.shape[0] == outputs.shape[0]:
        return outputs.reshape(-1, 1), labels.reshape(-1, 1).astype(outputs.dtype)
    if not are_whole(loss, outputs, labels, takes):
        return outputs, labels.astype(outputs.dtype)
    found = indices(labels, outputs.shape[1])
    row = jax.nn.one_hot(found, outputs.shape[1], dtype=outputs.dtype)
    return outputs, jnp.where((found < outputs.shape[1])[:, None], row, jnp.nan)


def are_whole(loss, outputs, labels, takes="logits"):
    """Whether labels are whole numbers [batch] rather than weights [batch, classes]; ModelError for other shapes."""
    whole = jnp.issubdtype(labels.dtype, jnp.integer) or labels.dtype == bool
    if outputs.ndim == 2 and labels.shape == outputs.shape:
        return False
    if outputs.ndim == 2 and labels.shape == outputs.shape[:1] and whole:
        return True
    raise ModelError(
        f"{loss} needs {takes} [batch, classes] with labels [batch] of whole numbers or [batch, classes], "
        f"got {takes} {outputs.shape} and labels {labels.shape} of {labels.dtype}"
    )


def need_classes(loss, outputs):
    """ModelError where there is one output an example: its softmax is 1 whatever it is."""
    if single(outputs):
        raise ModelError(
            f"{loss} needs two classes or more, got one output an example, {outputs.shape}, whose softmax "
            "is always 1; for a single yes or no write sigmoid_cross_entropy"
        )


def indices(labels, classes):
    """Labels as int32, those below 0 moved beyond the last class, where an index finds nothing."""
    labels = labels.astype(jnp.int32)  # a byte could not be compared with more than 255 classes
    return jnp.where(labels < 0, classes, labels)


@jax.custom_jvp
def own(rows, places):
    """Of each row [batch, classes] the value at its place [batch], int32; nan where that is beyond the last.

    Without a derivative it is a sum over the row, which a CPU computes along the batch: evaluating a 784-10 layer takes
    7/8 of the time. Inside a gradient the same makes XLA compile for minutes (jax 0.10.2), so there it is a gather.
    """
    classes = rows.shape[-1]
    found = jnp.where(jnp.arange(classes) == places[:, None], rows, 0).sum(-1)
    return jnp.where(places < classes, found, jnp.nan)


@own.defjvp
def _own_and_change(values, changes):
    rows, places = values
    return _gathered(rows, places), _gathered(changes[0], places)


def _gathered(rows, places):
    return jnp.take_along_axis(rows, places[:, None], axis=-1)[:, 0]
