"""What chooses in a run, and what the test split is read for."""

from __future__ import annotations

from fallline.study.test_split import refuse_test

__all__ = ["refuse_test"]
