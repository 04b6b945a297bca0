"""The confusion matrix of a classifier, and precision, recall and F1 from it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fallline.errors import ModelError

MOST_PLACES = 4_000_000
"""Predictions of many rows that are counted at a time: 32 MB."""


class PerClass(NamedTuple):
    """One value per class, float64 [..., classes]; nan where it is undefined, 0 / 0."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


class Macro(NamedTuple):
    """Unweighted means over the classes that occur; nan where none occurs."""

    precision: float
    recall: float
    f1: float


def confusion(labels: Any, predicted: Any, classes: int) -> np.ndarray:
    """How often each class was predicted as each: int64 [classes, classes], rows the true label, columns the
    prediction.

    ``labels`` [n] integers or one-hot rows [n, classes], ``predicted`` [n] integers. ModelError where an integer names
    no class, or where the numbers of predictions and labels differ.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if labels.ndim == 2 and labels.shape[1] == classes:
        labels = labels.argmax(1)
    if labels.ndim != 1 or labels.shape != predicted.shape:
        raise ModelError(
            f"a confusion matrix needs one prediction per label, got labels {labels.shape} and predictions "
            f"{predicted.shape}"
        )
    true, given = (_places(role, values, classes) for role, values in (("label", labels), ("prediction", predicted)))
    return np.bincount(true * classes + given, minlength=classes * classes).reshape(classes, classes)


def per_class(matrix: Any) -> PerClass:
    """Precision, recall, F1 and support of each class of a confusion matrix [..., classes, classes].

    Precision is right / predicted: nan for a class that is never predicted. Recall is right / support: nan for one that
    never occurs. F1 is 2 right / (predicted + support), their harmonic mean: 0 for a class that occurs and is never
    predicted, nan only where neither happens (van Rijsbergen, 1979).
    """
    matrix = np.asarray(matrix, np.float64)
    right, predicted, support = np.diagonal(matrix, 0, -2, -1), matrix.sum(axis=-2), matrix.sum(axis=-1)
    return PerClass(_ratio(right, predicted), _ratio(right, support), _ratio(2 * right, predicted + support), support)


def macro(matrix: Any) -> Macro:
    """The means over the classes with support. The precision of one that is never predicted counts as 0.

    That is scikit-learn's ``zero_division=0``. Its mean includes classes that are predicted but never occur, with a
    precision, recall and F1 of 0; ours does not: a split without a class says nothing about it.
    """
    scores = per_class(matrix)
    occurs = scores.support > 0
    if not occurs.any():
        return Macro(np.nan, np.nan, np.nan)
    means = (np.nan_to_num(values[occurs], nan=0.0).mean() for values in scores[:3])
    return Macro(*map(float, means))


def macros(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """``macro(confusion(labels, row, classes))`` of each row of ``predicted`` [rows, n]: float64 [rows, 3].

    Nothing is checked: labels and predictions are indices of classes.
    """
    found, together = [], max(1, MOST_PLACES // max(1, len(labels)))
    pairs = labels.astype(np.int64) * classes
    for first in range(0, len(predicted), together):
        rows = predicted[first : first + together]
        places = pairs + rows + np.arange(len(rows))[:, None] * classes**2
        counts = np.bincount(places.ravel(), minlength=len(rows) * classes**2)
        scores = per_class(counts.reshape(len(rows), classes, classes))
        occurs = scores.support[0] > 0
        if not occurs.any():
            return np.full((len(predicted), 3), np.nan)
        means = [np.ascontiguousarray(np.nan_to_num(values, nan=0.0)[:, occurs]).mean(axis=1) for values in scores[:3]]
        found.append(np.stack(means, axis=1))
    return np.concatenate(found) if found else np.empty((0, 3))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _places(role: str, values: np.ndarray, classes: int) -> np.ndarray:
    """Integers from 0 to classes - 1, as int64."""
    wrong = ~((values >= 0) & (values < classes) & (values == np.floor(values)))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise ModelError(f"{role} {values[place]} of example {place} must be a whole number in 0 ... {classes - 1}")
    return values.astype(np.int64)
