"""Labels of classes: integers or one row per example, and the error where they fit neither."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fallline.contracts import single
from fallline.errors import ModelError
from fallline.later import jax, jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, Shaped


def matched(loss: str, outputs: Array, labels: Array, takes: str = "logits") -> tuple[Array, Array]:
    """Outputs and labels as one row per example, both [batch, classes], the labels in the outputs' type.

    Integer labels [batch] become one-hot rows; one that names no class gives a row of nan, never a plausible value. For
    a single output per example, [batch] or [batch, 1], the label is the target itself, 0 or 1 of any type, [batch] or
    [batch, 1].
    """
    if single(outputs) and single(labels) and labels.shape[0] == outputs.shape[0]:
        return outputs.reshape(-1, 1), labels.reshape(-1, 1).astype(outputs.dtype)
    if not are_integers(loss, outputs, labels, takes):
        return outputs, labels.astype(outputs.dtype)
    places = indices(labels, outputs.shape[1])
    row = jax.nn.one_hot(places, outputs.shape[1], dtype=outputs.dtype)
    return outputs, jnp.where((places < outputs.shape[1])[:, None], row, jnp.nan)


def are_integers(loss: str, outputs: Array, labels: Array, takes: str = "logits") -> bool:
    """Whether labels are integers [batch] rather than weights [batch, classes]; ModelError for other shapes."""
    integers = jnp.issubdtype(labels.dtype, jnp.integer) or labels.dtype == bool
    if outputs.ndim == 2 and labels.shape == outputs.shape:
        return False
    if outputs.ndim == 2 and labels.shape == outputs.shape[:1] and integers:
        return True
    raise ModelError(
        f"{loss} needs {takes} [batch, classes] with integer labels [batch] or labels [batch, classes], "
        f"got {takes} {outputs.shape} and labels {labels.shape} of {labels.dtype}"
    )


def need_classes(loss: str, outputs: Array) -> None:
    """ModelError where there is a single output per example: its softmax is always 1."""
    if single(outputs):
        raise ModelError(
            f"{loss} needs two classes or more, got one output per example, {outputs.shape}, whose softmax "
            "is always 1; for binary labels write sigmoid_cross_entropy"
        )


def indices(labels: Shaped[Array, " batch"], classes: int) -> Int[Array, " batch"]:
    """Labels as int32; negative ones become ``classes``, an index beyond the last class."""
    labels = labels.astype(jnp.int32)  # a byte cannot be compared with more than 255 classes
    return jnp.where(labels < 0, classes, labels)


def at_labels(rows: Float[Array, "batch classes"], labels: Shaped[Array, " batch"]) -> Float[Array, " batch"]:
    """The entry of each row at its label, int32; nan where a label is beyond the last class.

    Without a derivative it is a sum over the row, which a CPU computes along the batch: evaluating a 784-10 layer takes
    7/8 of the time. Inside a gradient the same makes XLA compile for minutes (jax 0.10.2), so there it is a gather.
    """
    return _at_labels()(rows, labels)


@cache
def _at_labels() -> Any:
    @jax.custom_jvp
    def entries(rows, labels):
        classes = rows.shape[-1]
        sums = jnp.where(jnp.arange(classes, dtype=labels.dtype)[None, :] == labels[:, None], rows, 0).sum(-1)
        return jnp.where(labels < classes, sums, jnp.nan)

    @entries.defjvp
    def entries_and_derivatives(values, derivatives):
        rows, labels = values
        return _gathered(rows, labels), _gathered(derivatives[0], labels)

    return entries


def _gathered(rows: Float[Array, "batch classes"], labels: Shaped[Array, " batch"]) -> Float[Array, " batch"]:
    return jnp.take_along_axis(rows, labels[:, None], axis=-1)[:, 0]
