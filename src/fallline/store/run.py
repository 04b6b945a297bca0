"""Reading a run folder: its study, its trials and curves as polars frames, its timings and environments."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import polars as pl

from fallline.errors import StoreError
from fallline.store.checksums import OWN_SUM, sha256_of
from fallline.store.earlier import current_blocks, earlier_trials
from fallline.store.files import PARQUET_FAILURES, damaged, parquet_schema, read_json, read_parquet, read_table
from fallline.store.folds import FOLD, across_folds, curves_across_folds, without_folds
from fallline.store.paths import RunPaths
from fallline.store.resolved import planned_blocks, read_plan, read_study
from fallline.study import Study
from fallline.study.formatting import shown

PREDICTIONS = {"trial": pl.String, "split": pl.String, "predicted": pl.List(pl.UInt16)}
WEIGHTS = {"trial": pl.String, "array": pl.String, "shape": pl.List(pl.Int64), "values": pl.List(pl.Float32)}
"""Of each array; a column ``type`` names the types of those that are not float32."""
ANSWERS = {
    "task": pl.String,
    "data": pl.String,
    "split": pl.String,
    "labels": pl.List(pl.UInt16),
    "classes": pl.List(pl.String),
}
MISTAKES = {
    "task": pl.String,
    "data": pl.String,
    "split": pl.String,
    "example": pl.Int64,
    "label": pl.Int64,
    "wrong": pl.Int64,
    "trials": pl.Int64,
    "most_common": pl.Int64,
    "image": pl.Binary,
    "height": pl.Int64,
    "width": pl.Int64,
    "channels": pl.Int64,
}
TARGETS, PROBABILITIES, VALUES = "targets", "probabilities", "values"
OUTPUTS = {
    "task": pl.String,
    "data": pl.String,
    "split": pl.String,
    "trial": pl.String,
    "kind": pl.String,
    "width": pl.Int64,
    "values": pl.List(pl.Float32),
}
"""The columns a reader may rely on; folders that hold no such file give frames without rows."""

TIMING = {"block", "lanes", "seeds", "steps"}
"""What every timing has."""


@dataclass(frozen=True)
class Run:
    """The records in a run folder. Only blocks that are complete count.

    They are those of the study as it stands; with ``all_rounds`` also those of trials that earlier forms of it had, as
    they are left by an edit of the study between two runs into the same folder.
    """

    folder: Path
    all_rounds: bool = False

    @property
    def paths(self) -> RunPaths:
        return RunPaths(self.folder)

    @cached_property
    def study(self) -> Study:
        """The study as it was resolved when the folder was last run."""
        return read_study(self.paths.study)

    @cached_property
    def plan(self) -> dict[str, Any]:
        return read_plan(self.paths.plan)

    @cached_property
    def trials(self) -> pl.DataFrame:
        """One row a trial: its recipe, its seed, its status and its results; the folds of a trial as one row."""
        return across_folds(self.fold_trials)

    @cached_property
    def fold_trials(self) -> pl.DataFrame:
        """The same with a row a fold, where the data was cut into folds; they have the column ``fold``, 1, 2, ..."""
        frames = list(self._frames.values())
        if self._left_out:
            frames = [own for frame in frames if (own := frame.filter(self._counts)).height]
        return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()

    @cached_property
    def earlier(self) -> pl.DataFrame:
        """The trials of earlier forms of the study, as ``trials``; they are among those only with ``all_rounds``."""
        names = earlier_trials(self.plan)
        frames = [
            own
            for frame in (self._frames.values() if names else ())
            if (own := frame.filter(pl.col("trial").is_in(list(names)))).height
        ]
        return across_folds(pl.concat(frames, how="diagonal_relaxed")) if frames else pl.DataFrame()

    @cached_property
    def _frames(self) -> dict[str, pl.DataFrame]:
        """The trials of each block."""
        return {block: read_parquet(self._checked("trials", block)) for block in self.paths.done_blocks()}

    def records(self, column: str) -> list[str]:
        """The blocks whose trials have that column: what is null there was recorded, and was not a number."""
        return [block for block, frame in self._frames.items() if column in frame.columns]

    @cached_property
    def _left_out(self) -> frozenset[str]:
        """The names of the trials that do not count."""
        return frozenset() if self.all_rounds else earlier_trials(self.plan)

    @cached_property
    def _counts(self) -> pl.Expr:
        """Whether a row's trial counts."""
        return ~pl.col("trial").is_in(list(self._left_out))

    @cached_property
    def blocks(self) -> list[str]:
        """The complete blocks that hold a trial that counts."""
        if not self._left_out:
            return self.paths.done_blocks()
        return [block for block, frame in self._frames.items() if frame.select(self._counts.any()).item()]

    @cached_property
    def curves(self) -> pl.LazyFrame:
        """One row a (trial, step), read when collected; the folds of a trial as one curve, their mean."""
        return curves_across_folds(self.fold_trials, self.fold_curves)

    @cached_property
    def fold_curves(self) -> pl.LazyFrame:
        """The same with a curve a fold."""
        return self._counted(_scanned(list(self._curve_files.values()))) if self._curve_files else pl.LazyFrame()

    def curves_of(self, trials: pl.DataFrame) -> pl.LazyFrame:
        """The rows of ``curves`` that belong to ``trials``, with the other columns of ``trials``, in no order.

        Only the files of their blocks are read.
        """
        own = self.fold_trials
        if "across_folds" in own.columns:
            named = own.select(pl.coalesce("across_folds", "trial")).to_series()
            own = own.filter(named.is_in(trials["trial"].implode()))
        else:
            own = own.join(trials, on="trial", how="semi")
        blocks = set(own["block"])
        files = [file for block, file in self._curve_files.items() if block in blocks]
        if not files:
            return self.curves.clear().join(trials.lazy(), on="trial")
        rows, every = _scanned(files), self.fold_curves.collect_schema()
        if 2 * own.height < self.fold_trials.height:  # said before the join, so that their rows alone are decoded
            rows = rows.filter(pl.col("trial").is_in(own["trial"].implode()))
        known = rows.collect_schema().names()
        rows = rows.with_columns(pl.lit(None, kind).alias(name) for name, kind in every.items() if name not in known)
        return curves_across_folds(own, rows.select(every.names())).join(trials.lazy(), on="trial")

    @cached_property
    def _curve_files(self) -> dict[str, Path]:
        """The file with the curves of each block."""
        files = {}
        for block in self.blocks:
            file = self.paths.curves(block)
            if not file.exists():
                raise StoreError(
                    f"{file} is gone though its trials are recorded; remove {self.paths.trials(block)} "
                    "and run again with --resume"
                )
            files[block] = self._checked("curves", block)
        return files

    def _checked(self, kind: str, block: str) -> Path:
        """The file of that kind of a block; StoreError where it is not what was written. Parquet has no checksums: most
        damage inside a file is read as other values."""
        path, told = getattr(self.paths, kind)(block), None
        with suppress(StoreError, AttributeError):  # a timing is not needed to read what it is about
            told = read_table(self.paths.timing(block)).get("sha256", {}).get(kind)
        try:
            other = told is not None and sha256_of(path) != told
        except OSError as failure:
            raise StoreError(damaged(path, failure)) from None
        if other:
            raise StoreError(damaged(path, "its SHA-256 is another than when it was written"))
        return path

    @cached_property
    def predictions(self) -> pl.LazyFrame:
        """One row a (trial, split): the class each example was given after the last step; read when collected.

        Those of folds are left out, here and in ``mistakes``: each fold has examples of its own.
        """
        return without_folds(self.fold_trials, self._where_kept("predictions", PREDICTIONS))

    @cached_property
    def weights(self) -> pl.LazyFrame:
        """One row a (trial, array): the weights of small models after the last step; read when collected."""
        return self._where_kept("weights", WEIGHTS)

    @cached_property
    def model_texts(self) -> dict[str, str]:
        """By task, the texts of the models that are written as text."""
        texts = read_json(self.paths.models) if self.paths.models.exists() else {}
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise StoreError(
                f"{self.paths.models} holds no texts of models; it was damaged after it was written: "
                "remove it, the report then goes without what it shows"
            )
        return texts

    @cached_property
    def pipelines(self) -> dict[str, dict[str, Any]]:
        """By task, how a file of the user's became arrays: its columns, encodings and splits."""
        pipelines = read_json(self.paths.pipelines) if self.paths.pipelines.exists() else {}
        if not isinstance(pipelines, dict) or not all(isinstance(values, dict) for values in pipelines.values()):
            raise StoreError(
                f"{self.paths.pipelines} does not say how files became arrays; it was damaged after it was written: "
                "remove it and run the study again, which writes it again"
            )
        return pipelines

    def _where_kept(self, kind: str, schema: dict[str, Any]) -> pl.LazyFrame:
        """The files of that kind of all blocks that have one."""
        of_block = getattr(self.paths, kind)
        files = [self._checked(kind, block) for block in self.blocks if of_block(block).exists()]
        return self._counted(_scanned(files)) if files else pl.LazyFrame(schema=schema)

    def _counted(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The rows of the trials that count."""
        return rows.filter(self._counts) if self._left_out else rows

    @cached_property
    def answers(self) -> pl.DataFrame:
        """One row a (task, data, split): the labels of its examples, and the names of the classes if they have any."""
        frames = [_extra(file, ANSWERS) for file in sorted(self.paths.answers.glob("*.parquet"))]
        return pl.concat(frames) if frames else pl.DataFrame(schema=ANSWERS)

    @cached_property
    def mistakes(self) -> pl.DataFrame:
        """The examples that most trials of the study as it stands got wrong, worst first, each with its picture as
        bytes, row after row."""
        file = self.paths.mistakes
        found = _extra(file, MISTAKES) if file.exists() else pl.DataFrame(schema=MISTAKES)
        return found.filter(~pl.col("data").str.contains(FOLD))

    @cached_property
    def outputs(self) -> pl.DataFrame:
        """What the best trials whose weights were kept give on validation: one row per task, data and trial, and one
        of kind "targets" without a trial.

        ``values`` are those of one example after the other, ``width`` of each: the probabilities of all classes, or
        numbers in the units of the targets. Targets of classes are labels.
        """
        return _extra(self.paths.outputs, OUTPUTS) if self.paths.outputs.exists() else pl.DataFrame(schema=OUTPUTS)

    @cached_property
    def timings(self) -> pl.DataFrame:
        """One row a block that has one: seconds to trace, compile, warm up, train and evaluate; lanes, steps, bytes."""
        files = [path for block in self.blocks if (path := self.paths.timing(block)).exists()]
        rows = list(map(read_table, files))
        for path, row in zip(files, rows, strict=True):
            if not row.keys() >= TIMING:
                raise StoreError(
                    f"{path} is no timing of a block; it was damaged after it was written: "
                    f"fallline verify {self.folder} --repair writes it again"
                )
        told = [{key: value for key, value in row.items() if key not in ("sha256", OWN_SUM)} for row in rows]
        return pl.DataFrame(told, infer_schema_length=None) if told else pl.DataFrame()

    @cached_property
    def environments(self) -> list[dict[str, Any]]:
        """What each start of the run ran on, in order."""
        return [read_table(path) for path in sorted(self.paths.environments.glob("*.json"))]

    @cached_property
    def planned(self) -> list[str]:
        """The names of all planned blocks, but for those that hold no trial that counts."""
        if not self._left_out:
            return planned_blocks(self.plan)
        return current_blocks(self.plan, self.paths.done_blocks())

    @property
    def missing(self) -> list[str]:
        """The planned blocks of the study as it stands that have no records yet."""
        done = self.paths.done_blocks()
        return [block for block in current_blocks(self.plan, done) if block not in set(done)]


def _scanned(files: list[Path]) -> pl.LazyFrame:
    """The files of several blocks as one frame, read when collected; StoreError for one that is no Parquet file."""
    alike = [
        pl.scan_parquet([file for _, file in own], glob=False)
        for _, own in groupby([(list(parquet_schema(file).items()), file) for file in files], itemgetter(0))
    ]
    return alike[0] if len(alike) == 1 else pl.concat(alike, how="diagonal_relaxed")


def _extra(file: Path, schema: dict[str, Any]) -> pl.DataFrame:
    """A file that a report can do without; StoreError where it is damaged."""
    try:
        return pl.read_parquet(file, glob=False).select(pl.col(name).cast(kind) for name, kind in schema.items())
    except PARQUET_FAILURES as failure:
        reason = shown(" ".join(str(failure).split()), 100)
        raise StoreError(
            f"{file} cannot be read ({reason}); it was damaged after it was written. Remove it: the "
            "report then goes without what it shows"
        ) from None


def open_run(folder: str | Path, all_rounds: bool = False) -> Run:
    """The run in ``folder``, or StoreError where there is none."""
    path = Path(folder)
    try:
        found = RunPaths(path).plan.exists()
    except OSError as failure:
        raise StoreError(f"cannot read {str(path)[:100]}: {failure.strerror or failure}") from None
    if not found:
        raise StoreError(
            f"{path} is not a run folder: it has no plan.json; a run makes one: fallline run NAME --out {path}"
        )
    return Run(path, all_rounds)
