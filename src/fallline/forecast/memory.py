"""The memory of a process besides arrays: what planning, tracing and compiled programs leave behind."""

from __future__ import annotations

from collections.abc import Collection

MACHINERY_BYTES, PROGRAM_BYTES, BYTES_A_CHARACTER = 13e6, 2e6, 35.0
"""Bytes that planning, tracing and compiled programs leave behind: per process, including the program of the initial
weights; per program of a step or an evaluation; and per character of its HLO text. Measured, see docs/forecasts.md."""

COHORT_BYTES, EVALUATING_BYTES = 5e6, 4e6
"""The same for every cohort of a run after its first, and for a run that evaluates held-out data."""


def machinery_bytes(cohorts: int, text_lengths: Collection[int], evaluates: bool) -> float:
    """The bytes for a run of ``cohorts`` cohorts, with the lengths of the HLO texts of its programs."""
    return (
        MACHINERY_BYTES
        + COHORT_BYTES * (cohorts - 1)
        + PROGRAM_BYTES * len(text_lengths)
        + BYTES_A_CHARACTER * sum(text_lengths)
        + EVALUATING_BYTES * evaluates
    )
