"""What the best trials give on validation, as arrays with the trials that they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from fallline.errors import StoreError
from fallline.stats.cached import once
from fallline.stats.columns import configurations
from fallline.stats.summary import summary
from fallline.store import Run
from fallline.store.run import PROBABILITIES, TARGETS, VALUES

__all__ = ["PROBABILITIES", "VALUES", "Outputs", "kept_outputs"]


@dataclass(frozen=True)
class Outputs:
    """The outputs of one trial on validation, [n, width]: probabilities of classes, or numbers in their units.

    ``targets`` are labels [n], or numbers [n, width]. ``of`` are the trials that its configuration has, ``kept`` those
    of them with outputs: fewer where weights of the best seeds alone were kept.
    """

    trial: str
    seed: int
    optimizer: str
    configuration: int
    values: np.ndarray
    targets: np.ndarray
    kept: int
    of: int


@once
def kept_outputs(run: Run, kind: str) -> list[Outputs]:
    """The outputs of that kind, of each optimizer those of its best configuration that has any, best first, then by
    seed; empty where none were kept.

    StoreError where outputs and targets do not have the same examples.
    """
    rows = run.outputs.filter(pl.col("kind") == kind)
    if rows.is_empty() or run.trials.is_empty():
        return []
    ranks = summary(run).select("configuration", "trials", place=pl.int_range(pl.len()))
    known = configurations(run).select("trial", "seed", "optimizer", "configuration")
    known = rows.select("trial", "task", "data").join(known, on="trial").join(ranks, on="configuration")
    best = known.sort("place").unique("optimizer", keep="first", maintain_order=True).select("configuration")
    chosen = known.join(best, on="configuration", how="semi").sort("place", "seed")
    counts = dict(chosen.group_by("configuration").len().iter_rows())
    values = {row["trial"]: row for row in rows.iter_rows(named=True)}
    targets = {
        (row["task"], row["data"]): _array(row)
        for row in run.outputs.filter(pl.col("kind") == TARGETS).iter_rows(named=True)
    }
    found = []
    for row in chosen.iter_rows(named=True):
        own, known_targets = _array(values[row["trial"]]), targets.get((row["task"], row["data"]))
        if known_targets is None or len(known_targets) != len(own):
            raise StoreError(
                f"{run.paths.outputs} has other examples than targets for trial {row['trial']}; remove it to make the "
                "report without its figures"
            )
        is_class = kind == PROBABILITIES
        found.append(
            Outputs(
                row["trial"],
                row["seed"],
                row["optimizer"],
                row["configuration"],
                own,
                known_targets[:, 0].astype(np.int64) if is_class else known_targets,
                counts[row["configuration"]],
                row["trials"],
            )
        )
    return found


def _array(row: dict) -> np.ndarray:
    return np.asarray(row["values"], np.float64).reshape(-1, row["width"])
