"""Batch policies: which examples each step uses. The stream of batches depends on the seed, not on the recipe."""

from __future__ import annotations

from fallline.batching.calculator import Budget, epochs_of, steps_of
from fallline.batching.orders import ORDERS
from fallline.batching.policy import (
    BatchPolicy,
    check_batch_of,
    check_batch_size,
    check_last,
    check_order,
    check_overlap,
    check_subset,
    check_subset_from,
    times_workers,
)
from fallline.batching.stream import BatchStream
from fallline.batching.widths import width_for, widths

__all__ = [
    "ORDERS",
    "BatchPolicy",
    "BatchStream",
    "Budget",
    "check_batch_of",
    "check_batch_size",
    "check_last",
    "check_order",
    "check_overlap",
    "check_subset",
    "check_subset_from",
    "epochs_of",
    "steps_of",
    "times_workers",
    "width_for",
    "widths",
]
