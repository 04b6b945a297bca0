"""The laws that lab reports guessed, fitted as kindly as can be: time ~ epochs / batch, memory ~ weights."""

from __future__ import annotations

import numpy as np


def fitted(cause: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """What a law of proportion says, its one constant by least squares on the very values it is then held against."""
    scale = float((cause * measured).sum() / (cause * cause).sum())
    return scale * cause


def time_guess(epochs: np.ndarray, batch: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Seconds by the guess that training takes as its epochs over its batch size."""
    return fitted(epochs / batch, seconds)


def memory_guess(weights: np.ndarray, memory_bytes: np.ndarray) -> np.ndarray:
    """Bytes by the guess that memory is so many bytes a weight (the reports: 2 KB)."""
    return fitted(weights, memory_bytes)
