"""The records of a run for Python users: frames, comparisons, figures, exports and the report.

Reading writes nothing. The held-out test set is for what was chosen on other data, so its columns are left out of all
frames; ``Result.trials_with_test`` hands them out, and the run folder notes that it did.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fallline.errors import FalllineWarning, StoreError
from fallline.store import Run
from fallline.store import open_run as open_records
from fallline.store.files import PARQUET_FAILURES
from fallline.study import Study
from fallline.study.formatting import failure_summary
from fallline.study.test_leakage import on_test

if TYPE_CHECKING:
    import pandas

    from fallline.report.comparison import Comparison
    from fallline.store.verify import Verification

WITH_TEST = "trials_with_test"
"""The frame that holds the columns of the held-out test set, by the name of its method."""


@dataclass(frozen=True)
class Result:
    """The records of a run, and what can be made of them."""

    records: Run
    reader: str = "python"
    """Who reads: noted in the run folder beside each evaluation of the held-out test set."""

    @property
    def folder(self) -> Path:
        return self.records.folder

    @property
    def study(self) -> Study:
        return self.records.study

    @property
    def trials(self) -> pl.DataFrame:
        """One row per trial: its recipe, seed, status, best and final values; with folds, one row per fold.

        Without the columns of the held-out test set: see ``trials_with_test``.
        """
        return _without_test(self.records.fold_trials)

    def trials_with_test(self) -> pl.DataFrame:
        """``trials`` with the columns of the held-out test set, ``test_loss``, ``test_accuracy``, ...

        The run folder notes that the test values of every trial were handed out (once per opening of the folder), and
        its report says so: whoever chooses by them has no data left that tells how good the choice is. FalllineWarning
        where the folder cannot be written. To see test values of what validation data chose, and of nothing else,
        compare with ``compare(metric="test_accuracy")`` or read the report.
        """
        _ = self._test_handed_out
        return self.records.fold_trials

    @cached_property
    def _test_handed_out(self) -> None:
        """Noted once per opening of the folder."""
        from fallline.report.sentences.test_reads import read_all

        for problem in read_all(self.records, self.reader):
            warnings.warn(problem, FalllineWarning, stacklevel=4)

    @property
    def curves(self) -> pl.DataFrame:
        """One row per (trial, step); with folds, per fold. All of them in memory: see ``scan_curves``."""
        try:
            return self.scan_curves().collect()
        except PARQUET_FAILURES as failure:
            raise StoreError(
                f"a file in {self.records.paths.root / 'curves'} was damaged after it was written: "
                f"{failure_summary(failure)}"
            ) from None

    def scan_curves(self) -> pl.LazyFrame:
        """``curves`` as a lazy frame: nothing is read before its ``collect``, and then only what is asked for.

        For many points: ``.collect(engine="streaming")``, which keeps as few of them in memory as possible.
        """
        return self.records.fold_curves

    def weights(self, trial: str | None = None) -> dict[str, Any]:
        """The weights of a trial after its last step (their averages with an ``ema_decay``): arrays by their names in
        the model, those of its state too.

        They are kept of small models, and as the study's ``keep_weights`` says. ``trial`` is a name or its first
        letters; by default the best trial of those whose weights were kept. StoreError where there is no such trial, or
        no weights of it.
        """
        import numpy as np

        kept = self.records.weights
        name = self._best_kept(kept) if trial is None else self.trial_named(trial)
        rows = kept.filter(pl.col("trial") == name).collect()
        if rows.is_empty():
            raise StoreError(f"no weights of trial {name} were kept: it diverged, or {KEEP_WEIGHTS}")
        types = rows["type"] if "type" in rows.columns else [None] * rows.height
        return {
            name: np.array(values, np.float32).reshape(shape).astype(kind or np.float32)
            for (name, shape, values), kind in zip(
                rows.select("array", "shape", "values").iter_rows(), types, strict=True
            )
        }

    def state_dict(self, trial: str | None = None) -> dict[str, Any]:
        """``weights(trial)`` as tensors, for ``module.load_state_dict(...)`` of PyTorch: parameters, frozen and tied
        ones, and buffers. Needs ``pip install 'fallline[torch]'``."""
        from fallline.models.packages import need_torch

        torch = need_torch()
        return {name: torch.from_numpy(values) for name, values in self.weights(trial).items()}

    def save_torch(self, trial: str | None, path: str | Path) -> Path:
        """Write ``state_dict(trial)`` as ``torch.save`` does, for ``torch.load(path, weights_only=True)``; the path."""
        from fallline.models.packages import need_torch

        state = self.state_dict(trial)
        need_torch().save(state, path)
        return Path(path)

    def load_into(self, module: Any, trial: str | None = None) -> Any:
        """``module`` with the weights of a trial: a module of PyTorch, Flax or Keras is changed in place and returned.

        Of an equinox module, or of its pair (module, state), a new one is returned. It must be made as the study made
        it. ModelError where the names or shapes of its arrays are not those of the trained ones.

        >>> net = result.load_into(Net())                                                       # doctest: +SKIP
        """
        from fallline.models.loading import load_arrays_into

        return load_arrays_into(module, self.weights(trial))

    def _best_kept(self, kept: pl.LazyFrame) -> str:
        """The best trial by the metric that ranks the run, among those whose weights were kept."""
        from fallline.stats import primary

        metric = primary(self.records)
        names = kept.select(pl.col("trial").unique()).collect()["trial"]
        trials = self.records.fold_trials.filter(pl.col("trial").is_in(names.to_list()))
        if trials.is_empty():
            raise StoreError(f"no weights were kept in {self.folder}: {KEEP_WEIGHTS}")
        return trials.sort(metric.column, descending=metric.up, nulls_last=True)["trial"][0]

    def learnt(self, trial: str) -> dict[str, float]:
        """What a trial of a network of neurons learnt: its parameters by name, ``bias_NEURON`` of each neuron."""
        from fallline.networks import learnt, parse

        task = self.records.fold_trials.filter(pl.col("trial") == self.trial_named(trial))["task"][0]
        if task not in self.records.model_texts:
            raise StoreError(f"trial {trial} is of task {task}, whose model is not a network of neurons")
        return learnt(parse(self.records.model_texts[task]), self.weights(trial))

    def trial_named(self, trial: str) -> str:
        """The full name of the one trial whose name begins so."""
        names = self.records.fold_trials.filter(pl.col("trial").str.starts_with(trial))["trial"].to_list()
        if len(names) != 1:
            problem = "has no trial" if not names else f"has {len(names)} trials"
            raise StoreError(
                f"the run in {self.folder} {problem} whose name begins with {trial!r}; "
                "the names are the column trial of its trials"
            )
        return names[0]

    def summary(self) -> pl.DataFrame:
        """One row per configuration: mean, standard deviation, n and 95 % CI over its seeds, the best first.

        Without the columns of the held-out test set.
        """
        from fallline.stats import summary

        return _without_test(summary(self.records))

    def claims(self, comparisons: bool = False, test: bool = False) -> pl.DataFrame:
        """One row per claim of the study: its verdict and the figures of the comparison that decides it.

        With ``comparisons`` one row per comparison. A claim about the held-out test set is judged with ``test`` only,
        and the run folder notes it; without, the note of its row says so.
        """
        from fallline.report.sections.claims import overview, parts_frame
        from fallline.stats.claims import claims

        if test:
            from fallline.report.sentences.test_reads import read_named

            read_named(self.records, self.reader, claims(self.records))
            return parts_frame(claims(self.records)) if comparisons else overview(self.records)
        run = self._without_test
        if comparisons:
            return parts_frame(claims(run))
        found = overview(run)
        held_out = pl.col("metric").is_in([name for name in found["metric"].unique() if name and on_test(name)])
        return found.with_columns(pl.when(held_out).then(pl.lit(NOT_JUDGED)).otherwise(pl.col("note")).alias("note"))

    @cached_property
    def _without_test(self) -> Run:
        """The same records without the held-out test set: what is computed from them cannot show it."""
        return _RunWithoutTest(self.records.folder, self.records.all_rounds)

    def __str__(self) -> str:
        """What ``fallline show`` prints, without the held-out test set: the answer, its table, what to type next."""
        from fallline.report.terminal import shown
        from fallline.stats import primary

        if self.records.trials.is_empty():
            return f"the run in {self.folder} has no finished trial yet"
        if on_test(primary(self.records).column):
            return (
                f"the run in {self.folder} is ranked on the held-out test set; fallline show {self.folder} prints the "
                "ranking and notes that it did"
            )
        return str(shown(self._without_test))

    def compare(
        self, by: str | Sequence[str] | None = None, metric: str | None = None, tune: str | Sequence[str] | None = None
    ) -> Comparison:
        """Compare the arms of the column or columns ``by``: which is best, and which differences are significant.

        ``by`` is by default what the study varies: the optimizer, else its other components, else its hyperparameters.
        ``metric`` is what is compared, by default what ranks the run; a metric of the held-out test set is noted in the
        run folder. ``tune`` are the hyperparameters chosen for each arm on validation data, by default all that vary.
        Print it for the answer in words; ``arms`` and ``pairs`` are its frames.
        """
        from fallline.report.comparison import Comparison
        from fallline.report.sentences.test_reads import read_compared

        comparison = Comparison.of(self.records, by, metric, tune)
        return replace(comparison, read=tuple(read_compared(comparison.compared, self.reader)))

    def tuning(self, by: str | Sequence[str] = "optimizer") -> pl.DataFrame:
        """How well each arm was tuned: search budget, edges of the search range, range of good learning rates, ...

        One row per arm, the best first; ``fallline.stats.tuning.tuning`` names the columns.
        """
        from fallline.stats.tuning import tuning

        return tuning(self.records, by)

    def verify(self) -> Verification:
        """Whether every file of the run folder is what was written; see ``fallline.verify``."""
        from fallline.api.integrity import verify

        return verify(self.folder)

    def figure(self, name: str) -> Any:
        """A figure of the report by name, an altair chart; a notebook shows it."""
        from fallline.report import figure

        return figure(self.records, name)

    def pandas(self, table: str = "trials") -> pandas.DataFrame:
        """The frame "trials", "curves" or "summary" for pandas; needs ``pip install 'fallline[pandas]'``.

        "trials_with_test" is "trials" with the held-out test set, noted as ``trials_with_test`` notes it.
        """
        from fallline.exporting import pandas_frame

        if table == WITH_TEST:
            _ = self._test_handed_out
            return pandas_frame(self.records, "trials")
        return pandas_frame(self._without_test, table)

    def export(
        self,
        to: str,
        out: str | Path | None = None,
        *,
        points: int = 200,
        progress: Callable[[int, int], None] | None = None,
    ) -> Path:
        """Write the run to the new folder ``out`` for another tool: "tensorboard", "mlflow", "parquet" or "csv".

        ``out`` defaults to ``exports/TO`` in the run folder. Of each curve of a trial TensorBoard and MLflow get at
        most ``points`` points, evenly spaced; 0: all. ``progress`` is called with how many trials of how many are
        written. The export holds the held-out test set, which the run folder notes.
        """
        from fallline.exporting import export

        path = export(self.records, to, None if out is None else Path(out), points, progress)
        _ = self._test_handed_out
        return path

    def figures(
        self, *names: str, formats: Sequence[str] = ("svg", "pdf", "png"), folder: str | Path | None = None
    ) -> list[Path]:
        """Write the figures of the report, or those ``names``, as files; their paths.

        ``folder`` is by default report/figures in the run folder. For a chart to show or change: ``figure``.

        >>> result.figures("sensitivity", formats=["pdf"], folder="paper")                  # doctest: +SKIP
        """
        from fallline.report import write_figures

        return write_figures(self.records, names, formats, None if folder is None else Path(folder))

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report page and its tables; the path of the page.

        It shows the held-out test set for the chosen configurations, which the run folder notes.
        """
        from fallline.report import write_report

        return write_report(self.records, None if path is None else Path(path), self.reader)


KEEP_WEIGHTS = (
    'the study does not keep them, as of a large model by default: write keep_weights = "all" (or "best", of each '
    "optimizer) in it, and train it again with --fresh"
)
NOT_JUDGED = (
    "about the held-out test set: claims(test=True) and fallline report judge it, and note it in the run folder"
)


class _RunWithoutTest(Run):
    """A run as it would be if the held-out test set had not been evaluated."""

    @cached_property
    def fold_trials(self) -> pl.DataFrame:
        return _without_test(Run(self.folder, self.all_rounds).fold_trials)


def _without_test(frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` without the columns of the held-out test set."""
    return frame.drop([name for name in frame.columns if on_test(name)])


def open_run(folder: str | Path, reader: str = "python", all_rounds: bool = False) -> Result:
    """The result in a run folder; StoreError where there is none.

    ``reader`` is noted with each evaluation of the held-out test set. The result is that of the study in its present
    form; with ``all_rounds`` trials of its earlier forms, edited since, count as well.
    """
    records = open_records(folder, all_rounds)
    if records.trials.is_empty():
        resume = "continue it with the command that started it, and --resume"
        if records.earlier.height:
            from fallline.report.sentences.earlier import earlier_in_words

            raise StoreError(
                f"the run in {folder} has no finished block yet of the study in its present form; {resume}. "
                f"{earlier_in_words(records)}"
            )
        raise StoreError(f"the run in {folder} has no finished block yet; {resume}")
    return Result(records, reader)
