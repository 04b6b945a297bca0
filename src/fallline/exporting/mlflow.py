"""MLflow: one run per trial in an SQLite database, for ``mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db``.

MLflow itself no longer writes its older store of plain files, so the database is the only form.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from fallline.errors import StoreError
from fallline.exporting.needed import need
from fallline.exporting.points import curves_of_trials
from fallline.exporting.trials import ExportedTrial, exported_trials
from fallline.store import Run
from fallline.study.formatting import failure_summary

BATCH = 1000
"""The most metrics that MLflow accepts in one call."""

DATABASE = "mlflow.db"


def write(run: Run, folder: Path, home: Path, points: int, progress: Callable[[int, int], None]) -> None:
    """Fill ``folder``, later ``home``, with the database: an experiment named as the study, one run per trial."""
    need("mlflow")
    address = f"sqlite:///{(folder / DATABASE).resolve()}"
    if re.search(r"[?#%]", address):
        raise StoreError(
            f"the address of an MLflow database cannot hold ?, # or %: {home.resolve()}; choose another "
            "folder with --out"
        )
    trials = exported_trials(run)
    with _quiet(), _client(address) as client:
        from mlflow.exceptions import MlflowException

        try:
            experiment = client.create_experiment(
                run.study.name,
                artifact_location=(home.resolve() / "artifacts").as_uri(),
                tags={
                    "mlflow.note.content": run.study.question or run.study.title or run.study.name,
                    "fallline.run_folder": str(run.folder),
                },
            )
            for done, (name, curves) in enumerate(curves_of_trials(run, points), start=1):
                _write_trial(client, experiment, trials[name], curves)
                progress(done, len(trials))
        except MlflowException as failure:
            raise StoreError(f"MLflow refused the run: {failure_summary(failure)}") from failure


def _write_trial(client: Any, experiment: str, trial: ExportedTrial, curves: pl.DataFrame) -> None:
    """One MLflow run: recipe and seed as parameters, curves and results as metrics, block and cohort as tags.

    Every metric has the time at which its block began: the lanes of a block train together, so steps have no times.
    """
    from mlflow.entities import Metric, Param

    began, ended = (round(1000 * seconds) for seconds in (trial.began, trial.ended))
    run_id = client.create_run(
        experiment,
        start_time=began,
        run_name=trial.name,
        tags={f"fallline.{key}": value for key, value in trial.tags.items()},
    ).info.run_id
    params = [Param(key, str(value)) for key, value in {**trial.recipe, "seed": trial.seed}.items()]
    metrics = [
        Metric(_key(name), value, began, step)
        for step, name, value in curves.select("step", "metric", "value").iter_rows()
    ]
    metrics += [Metric(_key(f"result/{name}"), value, began, trial.last_step) for name, value in trial.results.items()]
    client.log_batch(run_id, params=params)
    for first in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + BATCH])
    client.set_terminated(run_id, status="FAILED" if trial.diverged else "FINISHED", end_time=ended)


def _key(name: str) -> str:
    """A valid MLflow name of a metric."""
    return re.sub(r"[^\w\-./ ]", "_", name, flags=re.ASCII)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """A client of the database, whose connections are closed at the end, before the file is renamed.

    Until then nothing depends on the file, so it is not synced to disk after each of the several commits per run.
    """
    from mlflow import MlflowClient
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import Engine, event

    event.listen(Engine, "connect", _without_waiting)
    try:
        engine = SqlAlchemyStore(address, "artifacts").engine  # the client's too: MLflow has one per address
        try:
            yield MlflowClient(tracking_uri=address)
        finally:
            engine.dispose()
    finally:
        event.remove(Engine, "connect", _without_waiting)


def _without_waiting(connection: Any, record: Any) -> None:
    for pragma in ("synchronous = OFF", "journal_mode = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without telemetry and log messages: MLflow reports its use over the network unless this variable is set.

    It reads the variable when it is first imported. Its own uses of deprecated calls are ignored.
    """
    name, logger = "MLFLOW_DISABLE_TELEMETRY", logging.getLogger("mlflow")
    before, level = os.environ.get(name), logger.level
    os.environ[name] = "true"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import mlflow  # noqa: F401  (sets its logger's level itself)

            logger.setLevel(logging.WARNING)
            yield
    finally:
        logger.setLevel(level)
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
