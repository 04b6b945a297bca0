"""Batch policies: which examples each step sees. A seed owns its stream, whatever the recipe."""

from __future__ import annotations

from fallline.batching.stream import ORDERS, BatchStream

__all__ = ["ORDERS", "BatchStream"]
