"""One block: its files are what was written, and agree with each other and with the plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from fallline.errors import StoreError
from fallline.store.checksums import sha256_of, sums_in_timing
from fallline.store.files import PARQUET_FAILURES, is_as_written, read_table
from fallline.store.paths import RunPaths
from fallline.store.verify.finding import AGAIN, Finding

KINDS = ("trials", "curves", "predictions", "weights")

OTHER_SUM = "it is not what was written: its SHA-256 is another"
REMEDY = f"--repair moves the block aside, and {AGAIN} trains it again"
NEEDED = {"trial": pl.String, "block": pl.String, "status": pl.String}


@dataclass
class BlockFiles:
    """A block with records: the names of its trials, the data they predict, and what is wrong."""

    name: str
    trials: list[str] = field(default_factory=list)
    predicts: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def wrong(self, kind: str, what: str) -> None:
        self.findings.append(Finding(f"{kind}/{self.name}.parquet", what, REMEDY, block=self.name))


def check_block(paths: RunPaths, name: str, planned: dict[str, Any] | None, kept: bool = False) -> BlockFiles:
    """Look at the files of the block. Checksums come first: a file that is not what was written is not read. In a
    folder where checksums are ``kept`` the timing must have its own.

    Parquet has none of its own here: of 300 single flipped bits in a curves file polars saw 33.
    """
    block = BlockFiles(name)
    sums = _timing(block, paths, kept)
    frames = {kind: _frame(block, paths, kind, sums) for kind in KINDS}
    trials = frames["trials"]
    if trials is None:
        return block
    if not all(trials.schema.get(column) == kind for column, kind in NEEDED.items()):
        block.wrong("trials", f"it is no table of trials: it has the columns {', '.join(trials.columns)[:80]}")
        return block
    block.trials = trials["trial"].to_list()
    try:
        _compare(block, frames, planned, sums)
    except PARQUET_FAILURES as failure:
        block.wrong("trials", f"the files of the block do not fit together ({' '.join(str(failure).split())[:80]})")
    return block


def _compare(
    block: BlockFiles, frames: dict[str, pl.DataFrame | None], planned: dict[str, Any] | None, sums: dict[str, str]
) -> None:
    """Hold the files of the block against each other and the plan."""
    trials = frames["trials"]
    assert trials is not None
    _check_trials(block, trials, planned)
    if frames["curves"] is not None:
        _check_curves(block, trials, frames["curves"])
    for kind in ("predictions", "weights"):
        if frames[kind] is not None:
            _check_of_ended(block, kind, trials, frames[kind])
    if frames["predictions"] is not None and {"task", "data"} <= set(trials.columns):
        block.predicts = trials.select("task", "data").unique().sort("task", "data").rows()
    elif "predictions" not in sums and _has_values(trials, "validation_macro_f1", "test_macro_f1"):
        block.wrong("predictions", "it is gone")


def _timing(block: BlockFiles, paths: RunPaths, kept: bool) -> dict[str, str]:
    """The checksums of the block's files by kind, from its timing; none where it is of an older version, or lost."""
    path = paths.timing(block.name)
    remedy = "--repair writes one that has the checksums of the files as they are, and no times"
    try:
        timing = read_table(path)
        sums, whole = sums_in_timing(timing)
        if timing.get("block", block.name) != block.name or not set(sums) <= set(KINDS):
            wrong = "it is of another block"
        elif whole is False or (whole and not is_as_written(path, timing)):
            wrong = "it is not what was written: its checksum is another"
        elif (kept and whole is None) or ("sha256" in timing and not sums):
            wrong = "it has no checksums"
        else:
            return {str(kind): str(told) for kind, told in sums.items()}
    except StoreError:
        wrong = "it is damaged" if path.exists() else "it is gone"
    except (AttributeError, TypeError, ValueError):
        wrong = "it is no timing"
    block.findings.append(Finding(f"timings/{block.name}.json", wrong, remedy, anew=True))
    return {}


def _frame(block: BlockFiles, paths: RunPaths, kind: str, sums: dict[str, str]) -> pl.DataFrame | None:
    """A file of the block, or None where there is none or it is damaged."""
    path = getattr(paths, kind)(block.name)
    if not path.exists():
        if kind in sums or kind == "curves":
            block.wrong(kind, "it is gone")
        return None
    if path.stat().st_size == 0:
        block.wrong(kind, "it is empty")
        return None
    if kind in sums and sha256_of(path) != sums[kind]:
        block.wrong(kind, OTHER_SUM)
        return None
    if sums and kind not in sums:
        block.findings.append(
            Finding(
                f"{kind}/{block.name}.parquet", "the block was written without it", "--repair moves it aside", goes=True
            )
        )
        return None
    try:
        return pl.read_parquet(path, glob=False)
    except PARQUET_FAILURES as failure:
        block.wrong(kind, f"it cannot be read ({' '.join(str(failure).split())[:80]})")
        return None


def _check_trials(block: BlockFiles, trials: pl.DataFrame, planned: dict[str, Any] | None) -> None:
    if set(trials["block"]) != {block.name}:
        block.wrong("trials", f"it is of another block: {', '.join(sorted(set(trials['block'])))[:60]}")
    elif len(set(block.trials)) < len(block.trials):
        block.wrong("trials", f"{len(block.trials) - len(set(block.trials))} of its trials are there twice")
    elif planned and planned.get("trials") and set(planned["trials"]) != set(block.trials):
        block.wrong("trials", "its trials are not those of the plan")


def _check_curves(block: BlockFiles, trials: pl.DataFrame, curves: pl.DataFrame) -> None:
    """Every trial has its points, each once, from the start to where it ended, and no other trial has any."""
    if curves.schema.get("trial") != pl.String or not curves.schema.get("step", pl.Null).is_integer():
        block.wrong("curves", f"it is no table of curves: it has the columns {', '.join(curves.columns)[:80]}")
        return
    if set(curves["trial"]) - set(block.trials):
        block.wrong("curves", "it has curves of trials that are not of the block")
        return
    step = pl.col("step")
    told = curves.group_by("trial").agg(rows=pl.len(), steps=step.n_unique(), first=step.min(), last=step.max())
    ends = [pl.col(name) for name in ("stopped_at", "diverged_at", "steps") if name in trials.columns]
    joined = trials.select("trial", "status", end=pl.coalesce(*ends) if ends else None)
    joined = joined.join(told, on="trial", how="left")
    wrong = {
        "curves of {} trials are missing": (pl.col("status") != "diverged") & pl.col("rows").is_null(),
        "curves of {} trials have a step twice": pl.col("rows") != pl.col("steps"),
        "curves of {} trials do not begin at step 0": pl.col("first") != 0,
        "curves of {} trials do not end where the trials did": pl.when(pl.col("status") == "done")
        .then(pl.col("last") != pl.col("end"))
        .otherwise(pl.col("last") > pl.col("end")),
        "curves of {} trials have fewer points than others of the block": (pl.col("status") == "done")
        & (pl.col("rows") < pl.col("rows").filter(pl.col("status") == "done").max()),
    }
    for said, condition in wrong.items():
        if count := joined.select(condition.fill_null(False).sum()).item():
            block.wrong("curves", said.format(count))
            return
    _check_last_loss(block, trials, curves)


def _check_last_loss(block: BlockFiles, trials: pl.DataFrame, curves: pl.DataFrame) -> None:
    """The last loss of a curve is the final loss of its trial: the two files are of one training."""
    if "train_loss" not in curves.columns or not {"final_train_loss", "steps"} <= set(trials.columns):
        return
    ended = trials.filter(pl.col("status") == "done").select("trial", pl.col("steps").alias("step"), "final_train_loss")
    points = curves.select("trial", pl.col("step").cast(ended["step"].dtype), "train_loss")
    both = ended.join(points, on=["trial", "step"])
    other = both.filter(pl.col("train_loss").cast(pl.Float64) != pl.col("final_train_loss").cast(pl.Float64))
    if other.height:
        block.wrong("curves", f"curves of {other.height} trials end at another loss than the trials do")


def _check_of_ended(block: BlockFiles, kind: str, trials: pl.DataFrame, frame: pl.DataFrame) -> None:
    """Predictions or weights are there of every trial that did not diverge, and of no other."""
    if frame.schema.get("trial") != pl.String:
        block.wrong(kind, f"it has no trials: it has the columns {', '.join(frame.columns)[:80]}")
    elif set(frame["trial"]) != set(trials.filter(pl.col("status") != "diverged")["trial"]):
        block.wrong(kind, "its trials are not those of the block that ended with results")


def _has_values(trials: pl.DataFrame, *columns: str) -> bool:
    return any(column in trials.columns and trials[column].null_count() < trials.height for column in columns)
