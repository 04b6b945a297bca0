"""TensorBoard: one event file per trial with its curves, and recipe, results and status for the HParams page.

Written with TensorBoard's own records and messages (hparams/api.proto, plugin_data.proto), without those of its helpers
that need TensorFlow or cannot mark which columns vary.
"""

# Names of generated protocol buffers:
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from fallline.exporting.needed import need
from fallline.exporting.points import curves_of_trials
from fallline.exporting.trials import ExportedTrial, exported_trials, result_columns
from fallline.stats import label, varying
from fallline.stats.columns import recipe_columns
from fallline.store import Run

MOST_VALUES = 50
"""The most values of a recipe's column that the HParams page lists as check boxes."""

Add = Callable[..., None]
"""Adds an event to a file: ``add(summary, step)``."""


def write(run: Run, folder: Path, home: Path, points: int, progress: Callable[[int, int], None]) -> None:
    """Fill ``folder`` with the experiment and one folder per trial; trials of one recipe form a group."""
    need("tensorboard")
    trials = exported_trials(run)
    mixed = _mixed(trials)
    with _event_file(folder, min(trial.began for trial in trials.values())) as add:
        add(_experiment(run, trials, mixed), 0)
    for done, (name, curves) in enumerate(curves_of_trials(run, points), start=1):
        _write_trial(folder, trials[name], curves, mixed)
        progress(done, len(trials))


def _write_trial(folder: Path, trial: ExportedTrial, curves: pl.DataFrame, mixed: set[str]) -> None:
    """Write recipe, curves, results and final status of a trial."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    with _event_file(folder / trial.name, trial.began) as add:
        recipe = {key: str(value) if key in mixed else value for key, value in trial.recipe.items()}
        add(hparams_pb(recipe, trial_id=f"configuration {trial.configuration}", start_time_secs=trial.began), 0)
        for step, rows in _by_step(curves):
            add(Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in rows]), step)
        if trial.results:
            add(
                Summary(
                    value=[
                        Summary.Value(tag=result_tag(name), simple_value=value) for name, value in trial.results.items()
                    ]
                ),
                trial.last_step,
            )
        add(_ended(trial), trial.last_step)


def result_tag(name: str) -> str:
    """The tag of a result; curves may have the same name."""
    return f"result/{name}"


def _by_step(curves: pl.DataFrame) -> Iterator[tuple[int, list[tuple[str, float]]]]:
    """All values of a step together, which share an event."""
    grouped = curves.group_by("step", maintain_order=True).agg("metric", "value")
    for step, names, values in grouped.iter_rows():
        yield step, list(zip(names, values, strict=True))


def _experiment(run: Run, trials: dict[str, ExportedTrial], mixed: set[str]) -> Any:
    """The columns of the HParams page, with those that vary marked; of the results the ranking metric comes first."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    varying_columns, columns = varying(run), []
    for name in recipe_columns(run.trials):
        values = {
            str(trial.recipe[name]) if name in mixed else trial.recipe[name]
            for trial in trials.values()
            if name in trial.recipe
        }
        if values:
            is_text = any(isinstance(value, str) for value in values)
            info = api_pb2.HParamInfo(
                name=name,
                differs=name in varying_columns,
                type=api_pb2.DATA_TYPE_STRING if is_text else api_pb2.DATA_TYPE_FLOAT64,
            )
            if len(values) <= MOST_VALUES:
                info.domain_discrete.extend(sorted(values))
            columns.append(info)
    metrics = [
        api_pb2.MetricInfo(name=api_pb2.MetricName(tag=result_tag(name)), display_name=label(name))
        for name in result_columns(run)
    ]
    began = min(trial.began for trial in trials.values())
    experiment = api_pb2.Experiment(hparam_infos=columns, metric_infos=metrics, time_created_secs=began)
    return _message(metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment))


def _mixed(trials: dict[str, ExportedTrial]) -> set[str]:
    """The columns with numbers and texts, which become text: a TensorBoard column has one type."""
    kinds: dict[str, set[bool]] = {}
    for trial in trials.values():
        for name, value in trial.recipe.items():
            kinds.setdefault(name, set()).add(isinstance(value, str))
    return {name for name, found in kinds.items() if len(found) > 1}


def _ended(trial: ExportedTrial) -> Any:
    """The final status of a trial; one that diverged failed."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_FAILURE if trial.diverged else api_pb2.STATUS_SUCCESS
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=trial.ended)
    return _message(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end))


def _message(tag: str, content: Any) -> Any:
    """A summary with a message for the HParams page and no value."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    return Summary(
        value=[Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(content), tensor=metadata.NULL_TENSOR)]
    )


@contextmanager
def _event_file(folder: Path, time: float) -> Iterator[Add]:
    """An event file in ``folder``. All its events have one time, since the lanes of a block train together.

    Unlike that of TensorBoard's writer, the file's name has no clock, host or process, so that a run gives the same
    files.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"events.out.tfevents.{int(time):010d}.fallline").open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=time, file_version="brain.Event:2").SerializeToString())
        yield lambda summary, step: writer.write(
            Event(wall_time=time, step=step, summary=summary).SerializeToString(deterministic=True)
        )
