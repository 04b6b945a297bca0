"""What planning needs of a forecaster, so that training imports no forecast: its caller hands one in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fallline.store.writing import RunWriter
from fallline.training.cohort import CompiledCohort


class Forecaster(Protocol):
    """Predicts what cohorts will take before they train, and learns from what they took."""

    def before_training(
        self, cohorts: Sequence[CompiledCohort], time_alone: bool = False
    ) -> Sequence[dict[str, Any] | None]:
        """The prediction of each cohort as the plan keeps it; None where nothing can be predicted."""
        ...

    def learn_from(self, writer: RunWriter, work: Sequence[tuple[CompiledCohort, Sequence[tuple[str, Any]]]]) -> None:
        """Let later predictions learn from cohorts that have trained, each with the names and seeds of its blocks."""
        ...
