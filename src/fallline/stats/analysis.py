"""One cached reading of a run: its records and every statistic of them, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import polars as pl

from fallline.stats.arms import Settings
from fallline.stats.best_of import best_of
from fallline.stats.budget import budgets
from fallline.stats.claims import Verdict, claims
from fallline.stats.columns import configurations, varying
from fallline.stats.compare import Compared, compared
from fallline.stats.confusion import confusions, split_to_read
from fallline.stats.metric import MetricView, direction, primary
from fallline.stats.outputs import Outputs, kept_outputs
from fallline.stats.question import compared_by
from fallline.stats.reported import reported
from fallline.stats.search import Search, searches
from fallline.stats.seconds_alone import seconds_alone
from fallline.stats.summary import summary
from fallline.store import Run
from fallline.study import Study


class Analysis:
    """What a run holds and what follows from it, for whoever shows it: figures, tables, sentences.

    Statistics are the functions of ``fallline.stats`` on the run. What they compute is kept with the run, so that any
    number of sentences, tables and figures ask at the price of one.
    """

    def __init__(self, run: Run):
        self.run = run

    @classmethod
    def of(cls, run: Run | Analysis) -> Analysis:
        """The analysis of a run: always the same one for the same open run."""
        if isinstance(run, Analysis):
            return run
        return vars(run).setdefault("_analysis", cls(run))

    # The records

    @property
    def study(self) -> Study:
        return self.run.study

    @property
    def trials(self) -> pl.DataFrame:
        """One row per trial; without rows where none finished."""
        return self.run.trials

    @property
    def fold_trials(self) -> pl.DataFrame:
        """One row per trial and fold, where the data was cut into folds."""
        return self.run.fold_trials

    @property
    def curves(self) -> pl.LazyFrame:
        """One row per trial and step."""
        return self.run.curves

    @cached_property
    def curve_schema(self) -> pl.Schema:
        """The columns of the curves with their types."""
        return self.run.curves.collect_schema()

    def curves_of(self, trials: pl.DataFrame) -> pl.LazyFrame:
        """The rows of ``curves`` of these trials, with the columns of ``trials``."""
        return self.run.curves_of(trials)

    @property
    def predictions(self) -> pl.LazyFrame:
        """Predicted classes of each trial and split."""
        return self.run.predictions

    @property
    def answers(self) -> pl.DataFrame:
        """True classes of each task, data and split."""
        return self.run.answers

    @property
    def mistakes(self) -> pl.DataFrame:
        """The examples that most trials got wrong."""
        return self.run.mistakes

    @property
    def weights(self) -> pl.LazyFrame:
        """The weights after the last step of the trials that keep them."""
        return self.run.weights

    @property
    def environments(self) -> list[dict[str, Any]]:
        """Where the run was trained, the last session last."""
        return self.run.environments

    @property
    def model_texts(self) -> dict[str, str]:
        """The networks of the run in the network language, by task."""
        return self.run.model_texts

    @property
    def pipelines(self) -> dict[str, dict[str, Any]]:
        """How files of the user's became arrays, by task."""
        return self.run.pipelines

    # The statistics

    @property
    def metric(self) -> MetricView:
        """The metric that ranks the run."""
        return primary(self.run)

    def higher_is_better(self, metric: str) -> bool:
        """Whether more of a metric of this run is better, by the goals of its study."""
        return direction(metric, self.study.goals) == "up"

    @property
    def configurations(self) -> pl.DataFrame:
        """The trials with the number of their configuration."""
        return configurations(self.run)

    @property
    def varying(self) -> list[str]:
        """The recipe columns that tell configurations apart."""
        return varying(self.run)

    @property
    def summary(self) -> pl.DataFrame:
        """One row per configuration, best first: mean, standard deviation and 95 % CI over seeds."""
        return summary(self.run)

    @cached_property
    def best(self) -> pl.DataFrame:
        """The best configuration of each optimizer."""
        return best_of(self.run)

    @property
    def compared_by(self) -> list[str]:
        """The columns that the study compares."""
        return compared_by(self.run)

    def compared(
        self,
        by: str | Sequence[str] = "optimizer",
        metric: str | None = None,
        tune: str | Sequence[str] | None = None,
        kept: Settings | None = None,
    ) -> Compared:
        """The arms that differ in ``by``, compared seed by seed; StudyError where there is nothing to compare."""
        return compared(self.run, by, metric, tune, kept)

    @property
    def claims(self) -> list[Verdict]:
        """The verdict on each claim of the study."""
        return claims(self.run)

    def searches(self, by: str | Sequence[str] = "optimizer", ranked: pl.DataFrame | None = None) -> list[Search]:
        """The search behind each arm, of the configurations in ``ranked`` (all of ``summary`` by default)."""
        return searches(self.run, by, ranked)

    @property
    def published(self) -> pl.DataFrame:
        """The published figures of the study beside the reproduced ones."""
        return reported(self.run)

    @cached_property
    def budgets(self) -> pl.DataFrame:
        """How long trials ran, one row per way to draw batches."""
        return budgets(self.run)

    @cached_property
    def seconds_alone(self) -> pl.DataFrame:
        """Seconds per trial trained alone, one row per block."""
        return seconds_alone(self.run)

    @cached_property
    def predicted_split(self) -> str | None:
        """The split whose predictions are shown: test where they were kept, else validation, else None."""
        return split_to_read(self.run)

    def outputs(self, kind: str) -> list[Outputs]:
        """The probabilities or the values that the best configuration of each optimizer gives on validation."""
        return kept_outputs(self.run, kind)

    def confusions(self, trials: pl.DataFrame, split: str) -> pl.DataFrame:
        """The confusion matrices of ``trials`` on ``split``, one row per trial, true and predicted class."""
        return confusions(self.run, trials, split)
