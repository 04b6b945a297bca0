"""Accuracy: whether the label is the predicted class, among the top k, or on the output's side of a threshold."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from fallline.contracts import Metric, single
from fallline.errors import ModelError
from fallline.later import jnp

HALF = 0.5
"""Above it a target is a yes, of 0 and 1 as of -1 and 1."""


def accuracy(outputs: Any, targets: Any, cut: float = 0.0) -> Any:
    """1 where the largest output is that of the labelled class, else 0; shape [batch]. Of equal outputs the first class
    wins.

    ``outputs`` [batch, classes], ``targets`` labels [batch] or one-hot rows [batch, classes]. A single output per
    example, [batch] or [batch, 1], is positive above ``cut``, 0 for logits and 0.5 for probabilities; the targets, of
    either shape, are 0 and 1, or -1 and 1. An output of nan is always wrong. ModelError for other shapes.
    """
    if single(outputs):
        if not single(targets) or targets.shape[0] != outputs.shape[0]:
            raise ModelError(
                f"accuracy of one output per example needs one target each, got outputs {outputs.shape} "
                f"and targets {targets.shape}"
            )
        right = (_yes(outputs, cut) == _yes(targets, HALF)) & ~jnp.isnan(outputs.reshape(-1))
        return right.astype(jnp.float32)
    return (outputs.argmax(-1) == _labels("accuracy", outputs, targets)).astype(jnp.float32)


def predicted(outputs: Any, cut: float = 0.0) -> Any:
    """The predicted class of each example, int32 [batch]: the largest output, or 1 where a single output is above the
    cut.
    """
    return _yes(outputs, cut).astype(jnp.int32) if single(outputs) else outputs.argmax(-1)


def binary_accuracy(outputs: Any, targets: Any, cut: float = 0.5) -> Any:
    """1 where output and target are both positive or both negative, else 0; shape [batch].

    ``outputs`` [batch] or [batch, 1], positive above ``cut``, and ``targets`` 0 and 1, or -1 and 1; for several outputs
    the mean over those of an example, as in Keras. An output of nan is always wrong. The cut is 0.5 for probabilities
    and 0 for logits; an output equal to it is negative. ModelError where there is not one target for each output.
    """
    shapes = [
        tuple(size for place, size in enumerate(array.shape) if place == 0 or size != 1) for array in (outputs, targets)
    ]
    if not shapes[0] or shapes[0] != shapes[1]:
        raise ModelError(
            f"binary_accuracy needs one target for each output, got outputs {outputs.shape} and targets {targets.shape}"
        )
    rows = (outputs.shape[0], math.prod(outputs.shape[1:]))
    o, y = outputs.reshape(rows), targets.reshape(rows)
    right = ((o > cut) == (y > HALF)) & ~jnp.isnan(o)
    return jnp.mean(right.astype(jnp.float32), axis=-1)


def _yes(array: Any, cut: float) -> Any:
    return array.reshape(-1) > cut


def _among_first(outputs: Any, targets: Any, *, name: str, k: int) -> Any:
    """1 where the labelled class is among the k largest outputs, else 0; shape [batch].

    Of equal outputs the first class comes first, as in ``accuracy`` and in TensorFlow's and JAX's ``top_k``, so ties
    never admit more than k classes (TensorFlow's ``in_top_k`` counts all that tie). Outputs of nan come first.
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
    return ((before < k) & is_own.any(-1)).astype(jnp.float32)


def _labels(name: str, outputs: Any, targets: Any) -> Any:
    """Labels [batch] of integers or of one-hot rows; a label that names no class is never predicted."""
    if outputs.ndim == 2 and targets.shape == outputs.shape[:1]:
        return targets.astype(jnp.int32) if targets.dtype.kind in "ub" else targets
    if outputs.ndim == 2 and targets.shape == outputs.shape:
        return targets.argmax(-1)
    raise ModelError(
        f"{name} needs outputs [batch, classes] with labels [batch] or one-hot rows [batch, classes], "
        f"got outputs {outputs.shape} and targets {targets.shape}"
    )


def _top(k: int) -> Metric:
    name = f"top_{k}_accuracy"
    return Metric(name, partial(_among_first, name=name, k=k), f"the label is among the first {k}", goal="max")


ACCURACY = Metric("accuracy", accuracy, "the label is the first choice", goal="max", cuts=True)

BINARY_ACCURACY = Metric(
    "binary_accuracy", binary_accuracy, "the output is on the target's side of the cut", goal="max", cuts=True
)

TOP_2_ACCURACY, TOP_3_ACCURACY, TOP_5_ACCURACY = _top(2), _top(3), _top(5)
