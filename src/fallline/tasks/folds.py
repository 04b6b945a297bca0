"""Validation examples taken from the training examples: a share of them, or one fold of several."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fallline.contracts import Split, Splits
from fallline.errors import StudyError

CUTS = 0x63757473
"""Separates these draws from any other use of a seed ("cuts" in ASCII)."""

WIDEST = 16
"""Columns of targets up to which equal targets are taken for classes."""


@dataclass(frozen=True)
class FoldSplit:
    """Which training examples are kept for validation: the share ``holdout``, or fold ``fold`` (1, 2, ...) of
    ``folds``."""

    holdout: float | None = None
    folds: int | None = None
    fold: int | None = None

    @property
    def label(self) -> str:
        """As in the trials' column ``data``: "fold 3 of 5", "0.2 held out"."""
        return f"fold {self.fold} of {self.folds}" if self.holdout is None else f"{self.holdout!r} held out"

    @property
    def plain(self) -> dict[str, float | int | None]:
        """Its part of the canonical form of a trial."""
        return {"holdout": self.holdout} if self.holdout is not None else {"folds": self.folds, "fold": self.fold}

    def left(self, examples: int) -> int:
        """How many of ``examples`` remain for training; the fewest where folds differ by one."""
        return examples - (round(self.holdout * examples) if self.holdout is not None else -(-examples // self.folds))


def cuts(holdout: float | None, folds: int | None) -> list[FoldSplit | None]:
    """One split where a share is held out, one per fold, or [None]."""
    if holdout is not None:
        return [FoldSplit(holdout=holdout)]
    return [FoldSplit(folds=folds, fold=fold + 1) for fold in range(folds)] if folds is not None else [None]


def cut_splits(task: str, splits: Splits, cut: FoldSplit) -> Splits:
    """``splits`` with validation cut out of train; test stays as it is, and so does the order of the examples.

    A share is held out only where the task has no validation split; folds are made of train and validation together.
    The choice depends on the number of examples and their targets, never on a trial's seed: all trials share it. Where
    many examples have the same target, the split is stratified (Kohavi 1995). StudyError where one side would be empty.
    """
    if cut.holdout is not None and splits.validation is not None:
        raise StudyError(
            f"task {task} has a validation split of its own ({len(splits.validation.inputs):,} examples), "
            "so nothing need be held out: leave out holdout, or cross-validate with folds = 5"
        )
    parts = [split for split in (splits.train, splits.validation) if split is not None]
    pool = Split(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    held = _held(task, np.asarray(pool.targets), cut)
    train, validation = (Split(*(array[rows] for array in pool)) for rows in (~held, held))
    return replace(splits, train=train, validation=validation)


def _held(task: str, targets: np.ndarray, cut: FoldSplit) -> np.ndarray:
    """Which examples are held out, bool [examples]."""
    examples, order = len(targets), _dealt(targets)
    held = np.zeros(examples, bool)
    if cut.holdout is not None:
        count = examples - cut.left(examples)
        if not 0 < count < examples:
            raise StudyError(
                f"holdout = {cut.holdout:g} of the {examples:,} training examples of task {task} leaves "
                f"{count:,} to validate on and {examples - count:,} to train on; each needs one"
            )
        held[order[((np.arange(count) + 0.5) * examples / count).astype(int)]] = True
        return held
    if cut.folds > examples:
        raise StudyError(
            f"folds must be at most the number of examples, {examples:,} of task {task}, got {cut.folds:,}"
        )
    held[order[cut.fold - 1 :: cut.folds]] = True
    return held


def _dealt(targets: np.ndarray) -> np.ndarray:
    """The examples in random order, grouped by target where there are classes."""
    order = np.random.Generator(np.random.Philox(np.random.SeedSequence(CUTS))).permutation(len(targets))
    rows = targets.reshape(len(targets), -1)
    if rows.shape[1] > WIDEST:
        return order
    classes, which = np.unique(rows, axis=0, return_inverse=True)
    if 2 * len(classes) > len(rows):
        return order
    return order[np.argsort(which.reshape(-1)[order], kind="stable")]
