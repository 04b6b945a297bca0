"""Batch policies: which examples each step sees. A seed owns its stream, so every recipe with that seed sees the same."""

from __future__ import annotations

from fallline.batching.stream import ORDERS, BatchStream

__all__ = ["ORDERS", "BatchStream"]
