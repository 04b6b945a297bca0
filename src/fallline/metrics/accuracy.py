"""Accuracy: whether the label is the model's first choice, among its first few, or on the output's side of 0.5."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax.numpy as jnp

from fallline.contracts import Metric
from fallline.errors import ModelError


def accuracy(outputs: Any, targets: Any) -> Any:
    """1 where the largest output is the labelled class, else 0; shape [batch]. Of equal outputs the first class wins.

    ``outputs`` [batch, classes], ``targets`` labels [batch] or one-hot rows [batch, classes]; else ModelError.
    """
    return (outputs.argmax(-1) == _labels("accuracy", outputs, targets)).astype(outputs.dtype)


def binary_accuracy(outputs: Any, targets: Any) -> Any:
    """1 where the output is on the same side of 0.5 as the target, else 0; shape [batch]. 0.5 itself is the side of 0.

    ``outputs`` [batch] or [batch, 1] on the scale of the ``targets`` 0 and 1, no logits; of several outputs the mean
    over an example's, as in Keras. An output of nan is never right. ModelError where there is not one target for each
    output.
    """
    shapes = [tuple(size for place, size in enumerate(array.shape) if place == 0 or size != 1)
              for array in (outputs, targets)]
    if not shapes[0] or shapes[0] != shapes[1]:
        raise ModelError(f"binary_accuracy needs one target for each output, got outputs {outputs.shape} and targets "
                         f"{targets.shape}")
    rows = (outputs.shape[0], math.prod(outputs.shape[1:]))
    o, y = outputs.reshape(rows), targets.reshape(rows)
    right = ((o > 0.5) == (y > 0.5)) & ~jnp.isnan(o)
    return jnp.mean(right.astype(outputs.dtype), axis=-1)


def _among_first(outputs: Any, targets: Any, *, name: str, k: int) -> Any:
    """1 where the labelled class is among the k largest outputs, else 0; shape [batch].

    Of equal outputs the first class comes first, as in ``accuracy`` and in TensorFlow's and JAX's ``top_k``, so no tie
    lets more than k classes in (TensorFlow's ``in_top_k`` counts all that tie). Outputs of nan come before all others.
    ModelError where there are fewer than k classes.
    """
    labels, classes = _labels(name, outputs, targets), outputs.shape[-1]
    if classes < k:
        raise ModelError(f"{name} needs at least {k} classes, got outputs {outputs.shape}")
    places = jnp.arange(classes)
    is_own = places == labels[:, None]
    own = jnp.sum(jnp.where(is_own, outputs, 0), axis=-1, keepdims=True)
    tied_later = (outputs == own) & (places >= labels[:, None])
    before = jnp.sum(~(outputs < own) & ~tied_later, axis=-1)  # not "greater": a comparison with nan is false
    return ((before < k) & is_own.any(-1)).astype(outputs.dtype)


def _labels(name: str, outputs: Any, targets: Any) -> Any:
    """Labels [batch] of whole numbers or of one-hot rows; a number that names no class is never the model's choice."""
    if outputs.ndim == 2 and targets.shape == outputs.shape[:1]:
        return targets.astype(jnp.int32) if targets.dtype.kind == "u" else targets
    if outputs.ndim == 2 and targets.shape == outputs.shape:
        return targets.argmax(-1)
    raise ModelError(
        f"{name} needs outputs [batch, classes] with labels [batch] or one-hot rows [batch, classes], "
        f"got outputs {outputs.shape} and targets {targets.shape}"
    )


def _top(k: int) -> Metric:
    name = f"top_{k}_accuracy"
    return Metric(name, partial(_among_first, name=name, k=k), f"the label is among the first {k}")


ACCURACY = Metric("accuracy", accuracy, "the label is the first choice")

BINARY_ACCURACY = Metric("binary_accuracy", binary_accuracy, "the output is on the target's side of 0.5")

TOP_2_ACCURACY, TOP_3_ACCURACY, TOP_5_ACCURACY = _top(2), _top(3), _top(5)
