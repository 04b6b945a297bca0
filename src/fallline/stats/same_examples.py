"""McNemar's test: two arms on the very same examples, seed by seed, from what their trials predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from fallline.contracts import MetricName
from fallline.stats.arms import Arm
from fallline.stats.distributions import binomial_at_most
from fallline.stats.filters import where
from fallline.store import Run


@dataclass(frozen=True)
class Mcnemar:
    """Two arms on the same examples: how many, a seed, only the first got right and only the second; ``p`` of both
    sides.

    The trials of different seeds saw the same examples, so their counts must not be added up as if they were more
    examples: each seed has an exact binomial p-value, and ``p`` is twice their median, which is a valid p-value however
    the seeds hang together (Rüger 1978). It speaks of these trained models on other examples of the kind, not of other
    seeds.
    """

    only_first: float
    only_second: float
    p: float
    seeds: int
    examples: int


def mcnemar(first: np.ndarray, second: np.ndarray) -> Mcnemar:
    """The test for ``first`` and ``second`` [seeds, examples], whether each example was right."""
    only_first, only_second = (first & ~second).sum(1), (second & ~first).sum(1)
    each = np.minimum(1.0, 2 * binomial_at_most(np.minimum(only_first, only_second), only_first + only_second, 0.5))
    p = float(each[0]) if len(each) == 1 else min(1.0, 2 * float(np.median(each)))
    return Mcnemar(float(only_first.mean()), float(only_second.mean()), p, *first.shape)


def split_of(metric: str) -> str | None:
    """The split whose predictions belong to a metric; another split is not looked at."""
    split = MetricName.parse(metric).split
    return split if split in ("validation", "test") else None


class Examples:
    """What the chosen trials of arms got right on one split, read once.

    ``among(first, second)`` is the test of two arms, or None where they have no seed in common with predictions on the
    same examples.
    """

    def __init__(self, run: Run, arms: list[Arm], split: str | None):
        self._right: dict[int, dict[int, tuple[tuple[str, str], np.ndarray]]] = {id(arm): {} for arm in arms}
        if split is None or run.answers.is_empty():
            return
        chosen = {id(arm): where(arm.rows, arm.chosen).select("trial", "seed", "task", "data") for arm in arms}
        names = pl.concat([rows["trial"] for rows in chosen.values()])
        given = run.predictions.filter(pl.col("split") == split, pl.col("trial").is_in(names.implode())).collect()
        taken = {trial: row.to_numpy() for trial, row in zip(given["trial"], given["predicted"], strict=True)}
        known = {
            (task, data): np.asarray(labels)
            for task, data, labels in run.answers.filter(pl.col("split") == split)
            .select("task", "data", "labels")
            .iter_rows()
        }
        for arm in arms:
            for trial, seed, *which in chosen[id(arm)].iter_rows():
                labels = known.get(tuple(which))
                if trial in taken and labels is not None and labels.shape == taken[trial].shape:
                    self._right[id(arm)][seed] = (tuple(which), taken[trial] == labels)

    def among(self, first: Arm, second: Arm) -> Mcnemar | None:
        a, b = self._right[id(first)], self._right[id(second)]
        seeds = [seed for seed in sorted(a.keys() & b.keys()) if a[seed][0] == b[seed][0]]
        if not seeds or len({a[seed][0] for seed in seeds}) > 1:
            return None
        return mcnemar(*(np.stack([side[seed][1] for seed in seeds]) for side in (a, b)))
