"""What every export has of a trial: name, recipe, results, times and status."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fallline.report.formatting import recipe as recipe_in_words
from fallline.report.naming import digits_of
from fallline.stats import primary
from fallline.stats.columns import configurations, metric_columns, recipe_columns, varying
from fallline.stats.missing import missing
from fallline.store import Run
from fallline.study.column_words import NULL_WORDS

LONGEST_NAME = 120

_OWN_SECONDS = ("warmup_seconds", "steady_seconds", "evaluate_seconds")
"""The times of a block without tracing and compiling, which blocks with the same program share."""


@dataclass(frozen=True)
class ExportedTrial:
    """A trial for another tool.

    ``name`` is unique in the run and a valid folder name; ``configuration`` is shared by trials that differ only in the
    seed; ``recipe`` and ``results`` have entries only for what the trial has. ``last_step`` is the step of its results.
    ``began`` and ``ended``, in seconds since 1970, are those of its block.
    """

    trial: str
    name: str
    configuration: int
    seed: int
    status: str
    recipe: dict[str, str | float]
    results: dict[str, float]
    last_step: int
    began: float
    ended: float
    tags: dict[str, str]

    @property
    def diverged(self) -> bool:
        return self.status == "diverged"


def exported_trials(run: Run) -> dict[str, ExportedTrial]:
    """The trials of a run by their names in the run."""
    results = result_columns(run)
    gaps = [name for name in results if name != "steps_to_target"]
    frame = configurations(run).with_columns(missing(run, name).alias(f"{name} missing") for name in gaps)
    columns, varying_columns = recipe_columns(run.trials), varying(run)
    rows = frame.to_dicts()
    names = [_name(row, varying_columns, digits_of(run)) for row in rows]
    times = {block: _times(run, block) for block in frame["block"].unique().to_list()}
    clashes = {name for name, count in Counter(names).items() if count > 1}
    return {
        row["trial"]: ExportedTrial(
            trial=row["trial"],
            name=f"{name}-{row['trial']}" if name in clashes else name,
            configuration=row["configuration"],
            seed=row["seed"],
            status=row["status"],
            recipe=_recipe(row, columns),
            results={
                column: float(row[column])
                for column in results
                if row[column] is not None and not row.get(f"{column} missing")
            },
            last_step=_last_step(row),
            began=times[row["block"]][0],
            ended=times[row["block"]][1],
            tags=_tags(row, [name for name in gaps if row[f"{name} missing"]]),
        )
        for row, name in zip(rows, names, strict=True)
    }


def _tags(row: Mapping[str, Any], gaps: list[str]) -> dict[str, str]:
    """Block, cohort and status of the trial; ``gaps`` are results of a finished trial that are not a number."""
    names = ("trial", "cohort", "block", "configuration", "seed", "status", "diverged_at", "stopped_at")
    found = {key: str(row[key]) for key in names if row.get(key) is not None}
    return found | ({"not_a_number": ", ".join(gaps)} if gaps else {})


def result_columns(run: Run) -> list[str]:
    """The result columns, the ranking metric first."""
    first = primary(run).column
    found = metric_columns(run.trials)
    reached = run.trials["steps_to_target"] if "steps_to_target" in run.trials.columns else None
    found += ["steps_to_target"] if reached is not None and reached.null_count() < len(reached) else []
    return sorted(found, key=lambda name: name != first)


def _recipe(row: Mapping[str, Any], columns: list[str]) -> dict[str, str | float]:
    """The recipe's numbers and names, with "all" for a full batch and "off" for what is switched off."""
    values = {column: NULL_WORDS.get(column) if row[column] is None else row[column] for column in columns}
    return {column: value for column, value in values.items() if value is not None}


def _name(row: Mapping[str, Any], told: list[str], digits: Mapping[str, int]) -> str:
    """The varying settings and the seed as a valid folder name: adam-learning_rate_0.01-seed_0.

    The minus sign of texts is written as a hyphen.
    """
    words = recipe_in_words(row, told, digits).replace("−", "-").replace(", ", ",")
    plain = "-".join(re.sub(r"[^\w.+-]+", "_", part).strip("_.") for part in words.split(","))
    return f"{plain[:LONGEST_NAME]}-seed_{row['seed']}".lstrip("-.")


def _last_step(row: Mapping[str, Any]) -> int:
    """The step of the results."""
    if row.get("diverged_at") is not None:
        return max(0, row["diverged_at"] - 1)
    return row["stopped_at"] if row.get("stopped_at") is not None else row["steps"]


def _times(run: Run, block: str) -> tuple[float, float]:
    """When a block began and ended; without a timing, when its records were written."""
    rows = run.timings.filter(block=block).to_dicts() if "started" in run.timings.columns else []
    if not rows or not isinstance(rows[0]["started"], str):
        written = Path(run.paths.trials(block)).stat().st_mtime
        return written, written
    began = datetime.fromisoformat(rows[0]["started"]).timestamp()
    return began, began + sum(rows[0].get(part) or 0 for part in _OWN_SECONDS)
