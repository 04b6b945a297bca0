"""The flags of ``fallline run`` as one value, and what they mean together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fallline.errors import StudyError


@dataclass(frozen=True)
class RunFlags:
    """What ``fallline run`` was asked for; ``options`` are those of executors that were given, by name."""

    study: str
    preset: str | None = None
    settings: list[str] = field(default_factory=list[str])
    out: Path | None = None
    data: Path | None = None
    resume: bool = False
    fresh: bool = False
    until_decided: bool = False
    max_seeds: int | None = None
    devices: str | None = None
    scaling: bool = True
    report: bool = True
    executor: str | None = None
    processes: int = 1
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    wait: bool = True
    dry_run: bool = False

    def check(self) -> None:
        """StudyError for flags that contradict each other."""
        if self.max_seeds is not None and not self.until_decided:
            raise StudyError(
                "--max-seeds limits the seeds that --until-decided adds, which is not given; for a fixed number of "
                "seeds write --seeds"
            )
        if self.until_decided and self.chosen_executor and (self.dry_run or not self.wait):
            raise StudyError(
                "--until-decided analyses the run after each round, so it waits for the jobs of each; leave out "
                "--no-wait and --dry-run"
            )

    @property
    def chosen_executor(self) -> str | None:
        """The executor that the flags name; None: train in this process.

        ``--jobs`` alone, or several processes, mean local. StudyError for flags of jobs without an executor.
        """
        if self.executor is not None or set(self.options) == {"jobs"}:
            return self.executor or "local"
        if self.options or self.dry_run or not self.wait:
            from fallline.executors.protocol import executors

            given = [*self.options, *["dry-run"] * self.dry_run, *["no-wait"] * (not self.wait)]
            raise StudyError(
                f"--{given[0].replace('_', '-')} is for jobs; choose where they run: --executor "
                f"{' or '.join(executors())}"
            )
        return "local" if self.processes > 1 else None
