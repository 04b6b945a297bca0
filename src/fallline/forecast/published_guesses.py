"""Rules of thumb from published reports, with their best fit: time ~ epochs / batch size, memory ~ weights."""

from __future__ import annotations

import numpy as np


def fitted(cause: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """The prediction of a proportional law, its constant fitted by least squares to the same values."""
    scale = float((cause * measured).sum() / (cause * cause).sum())
    return scale * cause


def time_guess(epochs: np.ndarray, batch: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Seconds by the rule that training time is proportional to epochs over batch size."""
    return fitted(epochs / batch, seconds)


def memory_guess(weights: np.ndarray, memory_bytes: np.ndarray) -> np.ndarray:
    """Bytes by the rule that memory is proportional to the number of weights (the reports: 2 KB each)."""
    return fitted(weights, memory_bytes)
