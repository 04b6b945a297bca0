"""What the memory of a process holds beside arrays: what planning, tracing and compiled programs leave behind."""

from __future__ import annotations

from collections.abc import Collection

MACHINERY_BYTES, PROGRAM_BYTES, BYTES_A_LETTER = 13e6, 2e6, 35.0
"""What planning, tracing and fetching compiled programs leaves behind: of a process with what makes the first weights,
of every step's and evaluation's program, and of a letter of its text. Measured here, see docs/forecasts.md."""

COHORT_BYTES, EVALUATING_BYTES = 5e6, 4e6
"""The same of every cohort of a run after its first, and of a run that evaluates held-out data."""


def machinery_bytes(cohorts: int, text_length: Collection[int], evaluates: bool) -> float:
    """Of a run of so many cohorts, with the text_length of the text of each of its programs."""
    return (
        MACHINERY_BYTES
        + COHORT_BYTES * (cohorts - 1)
        + PROGRAM_BYTES * len(text_length)
        + BYTES_A_LETTER * sum(text_length)
        + EVALUATING_BYTES * evaluates
    )
