"""Exports, read back with the readers of the tools they are for."""

import inspect
import logging
import os
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fallline
from fake_recipes import recipes_run
from fake_run import softmax_run, tiny
from fallline import open_run
from fallline.errors import HyperparameterError, StoreError, UnknownName
from fallline.exporting import EXPORTS, needed
from fallline.exporting.points import POINTS, thinned
from fallline.stats import summary

RATES = (0.01, 1.0)  # adam diverges at 1.0
OPTIMIZERS = ("adam", "momentum")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Two optimizers, two rates, two seeds, 50 steps, evaluated every 25; both seeds of adam at 1.0 diverged."""
    folder = tmp_path_factory.mktemp("exports") / "run"
    softmax_run(folder, seeds=2, optimizers=OPTIMIZERS, rates=RATES, steps=50)
    found = open_run(folder)
    assert set(found.trials.filter(optimizer="adam", learning_rate=1.0)["status"]) == {"diverged"}
    return found


def recorded(result, trial, column):
    """(step, value) of a trial's column, from its own Parquet file."""
    rows = result.curves.filter(pl.col("trial") == trial).select("step", column).drop_nulls().sort("step")
    return list(map(tuple, rows.iter_rows()))


class Board:
    """What TensorBoard shows of a folder: its reader of event files, and the answer its HParams page is drawn from."""

    def __init__(self, folder):
        pytest.importorskip("tensorboard", reason="TensorBoard is not installed: pip install 'fallline[tensorboard]'")
        from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

        self.folder = folder
        self.events = EventMultiplexer(size_guidance={"scalars": 0, "tensors": 0}).AddRunsFromDirectory(str(folder))
        self.events.Reload()

    def scalars(self, run, tag):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        read = EventAccumulator(str(self.folder / run), size_guidance={"scalars": 0})
        read.Reload()
        return [(event.step, event.value) for event in read.Scalars(tag)]

    def tags(self, run):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        read = EventAccumulator(str(self.folder / run))
        read.Reload()
        return set(read.Tags()["scalars"])

    def page(self):
        """The experiment and the session groups as the HParams plugin gives them."""
        from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
        from tensorboard.context import RequestContext
        from tensorboard.plugins import base_plugin
        from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

        provider = MultiplexerDataProvider(self.events, str(self.folder))
        context = backend_context.Context(base_plugin.TBContext(data_provider=provider))
        experiment = get_experiment.Handler(RequestContext(), context, "", api_pb2.GetExperimentRequest()).run()
        statuses = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING]
        asked = api_pb2.ListSessionGroupsRequest(
            start_index=0,
            slice_size=1000,
            allowed_statuses=statuses,
            aggregation_type=api_pb2.AGGREGATION_AVG,
            col_params=[api_pb2.ColParams(metric=metric.name) for metric in experiment.metric_infos],
        )
        groups = list_session_groups.Handler(RequestContext(), context, "", asked).run().session_groups
        return experiment, list(groups)


@pytest.fixture(scope="module")
def board(result, tmp_path_factory):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: pip install 'fallline[tensorboard]'")
    return Board(result.export("tensorboard", tmp_path_factory.mktemp("board") / "events", points=0))


def test_tensorboard_shows_every_recorded_value_of_every_trial_at_its_step(result, board):
    rows = result.trials.to_dicts()
    assert set(board.events.Runs()) == {".", *(run_name(row) for row in rows)}
    for row in rows:
        for column in ("train_loss", "train_accuracy", "validation_accuracy", "validation_loss", "test_accuracy"):
            shown, own = board.scalars(run_name(row), column), recorded(result, row["trial"], column)
            assert [step for step, _ in shown] == [step for step, _ in own] and own
            assert np.array_equal([v for _, v in shown], np.float32([v for _, v in own])), "event files hold float32"


def test_tensorboard_shows_results_at_the_last_step_and_none_that_a_diverged_trial_has_not(result, board):
    for row in result.trials_with_test().to_dicts():
        tags = {tag for tag in board.tags(run_name(row)) if tag.startswith("result/")}
        if row["status"] == "diverged":
            assert tags == {"result/min_train_loss", "result/best_validation_accuracy"}
            last = row["diverged_at"] - 1
        else:
            assert board.scalars(run_name(row), "result/test_accuracy") == [(50, np.float32(row["test_accuracy"]))]
            last = 50
        assert board.scalars(run_name(row), "result/min_train_loss") == [(last, np.float32(row["min_train_loss"]))]


def test_the_hparams_page_groups_seeds_tells_recipes_and_says_which_trials_failed(result, board):
    from tensorboard.plugins.hparams import api_pb2

    experiment, groups = board.page()
    names = [info.name for info in experiment.hparam_infos]
    assert names[:2] == ["learning_rate", "optimizer"] and {"momentum", "batch_size", "steps"} < set(names)
    assert [info.differs for info in experiment.hparam_infos] == [place < 2 for place in range(len(names))]
    assert experiment.metric_infos[0].name.tag == "result/validation_accuracy", "what ranks the run comes first"
    rates = next(info for info in experiment.hparam_infos if info.name == "learning_rate")
    assert [value.number_value for value in rates.domain_discrete.values] == sorted(RATES)
    assert len(groups) == len(OPTIMIZERS) * len(RATES)
    for group in groups:
        own = result.trials_with_test().filter(
            optimizer=group.hparams["optimizer"].string_value, learning_rate=group.hparams["learning_rate"].number_value
        )
        assert {session.name for session in group.sessions} == {run_name(row) for row in own.to_dicts()}
        ended = {session.name: api_pb2.Status.Name(session.status) for session in group.sessions}
        assert ended == {
            run_name(row): "STATUS_FAILURE" if row["status"] == "diverged" else "STATUS_SUCCESS"
            for row in own.to_dicts()
        }
        assert ("momentum" in group.hparams) == (own["optimizer"][0] == "momentum"), "a number a rule does not take"
        means = {value.name.tag: value.value for value in group.metric_values}
        if own["status"][0] != "diverged" and own["test_accuracy"].null_count() == 0:
            assert means["result/test_accuracy"] == pytest.approx(own["test_accuracy"].mean(), abs=1e-7)


def test_a_column_of_numbers_and_words_is_words_in_tensorboard(tmp_path):
    run = recipes_run(tmp_path / "run", seeds=1, more=({"l2_penalty": None}, {"l2_penalty": 1e-4}), predictions=False)
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: pip install 'fallline[tensorboard]'")
    experiment, groups = Board(open_run(run.folder).export("tensorboard")).page()
    assert {group.hparams["l2_penalty"].string_value for group in groups} == {"off", "0.0001"}
    assert "subset" in {info.name for info in experiment.hparam_infos}
    assert {group.hparams["subset"].string_value for group in groups} == {"all"}


def test_the_same_run_gives_the_same_event_files(result, board, tmp_path):
    again = result.export("tensorboard", tmp_path / "again", points=0)
    files = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert len(files) == result.trials.height + 1
    assert all((again / file).read_bytes() == (board.folder / file).read_bytes() for file in files)


def run_name(row):
    """The name of a trial in other tools, written out by hand."""
    return f"{row['optimizer']}-learning_rate_{row['learning_rate']:g}-seed_{row['seed']}"


@pytest.fixture(scope="module")
def tracked(result, tmp_path_factory):
    """The folder of an export to MLflow, its runs as MLflow finds them, and its client."""
    for module in needed.EXTRAS["mlflow"][1]:
        pytest.importorskip(module, reason="MLflow is not installed: pip install 'fallline[mlflow]'")
    folder = result.export("mlflow", tmp_path_factory.mktemp("mlflow") / "out", points=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # MLflow's own, of SQLAlchemy
        from mlflow import MlflowClient
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        address = f"sqlite:///{folder / 'mlflow.db'}"
        engine = SqlAlchemyStore(address, "artifacts").engine
        client = MlflowClient(tracking_uri=address)
        experiment = client.get_experiment_by_name("softmax/optimizers")
        yield folder, client.search_runs([experiment.experiment_id]), client
        engine.dispose()


def test_mlflow_finds_every_trial_with_its_recipe_its_end_and_its_place(result, tracked):
    folder, runs, client = tracked
    by_trial = {run.data.tags["fallline.trial"]: run for run in runs}
    assert len(runs) == len(by_trial) == result.trials.height
    for row in result.trials.to_dicts():
        run = by_trial[row["trial"]]
        assert run.info.run_name == run_name(row)
        assert run.info.status == ("FAILED" if row["status"] == "diverged" else "FINISHED")
        assert run.data.params["optimizer"] == row["optimizer"] and run.data.params["seed"] == str(row["seed"])
        assert float(run.data.params["learning_rate"]) == row["learning_rate"]
        assert ("momentum" in run.data.params) == (row["momentum"] is not None)
        tags = {key: run.data.tags[f"fallline.{key}"] for key in ("cohort", "block", "seed", "status")}
        assert tags == {key: str(row[key]) for key in tags}
        assert run.info.artifact_uri.startswith((folder.resolve() / "artifacts").as_uri())
        timing = result.records.timings.to_dicts()[0]
        seconds = timing["warmup_seconds"] + timing["steady_seconds"] + timing["evaluate_seconds"]
        assert run.info.start_time == 1778492467000, "2026-05-11T09:41:07+00:00, when the block began"
        assert run.info.end_time - run.info.start_time == round(1000 * seconds)
    experiment = client.get_experiment_by_name("softmax/optimizers")
    assert experiment.tags["mlflow.note.content"] == result.study.question


def test_mlflow_has_every_recorded_value_and_the_results(result, tracked):
    _, runs, client = tracked
    for run in runs:
        trial = run.data.tags["fallline.trial"]
        row = result.trials_with_test().filter(trial=trial).to_dicts()[0]
        for column in ("train_loss", "validation_accuracy"):
            history = sorted((one.step, one.value) for one in client.get_metric_history(run.info.run_id, column))
            assert history == recorded(result, trial, column)
        results = {
            key.removeprefix("result/"): value for key, value in run.data.metrics.items() if key.startswith("result/")
        }
        assert results and all(row[name] == value for name, value in results.items())
        assert ("test_accuracy" in results) == (row["status"] != "diverged")


def test_mlflow_ranks_by_a_result(result, tracked):
    _, runs, client = tracked
    best = client.search_runs([runs[0].info.experiment_id], order_by=['metrics."result/validation_accuracy" DESC'])[0]
    own = result.trials.sort("validation_accuracy", descending=True, nulls_last=True)["trial"][0]
    assert best.data.tags["fallline.trial"] == own


def test_an_export_to_mlflow_leaves_the_process_as_it_was(result, tracked, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    logger = logging.getLogger("mlflow")
    before = logger.level
    result.export("mlflow", tmp_path / "out of it", points=2)
    assert [path.name for path in (tmp_path / "out of it").iterdir()] == ["mlflow.db"]
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false" and logger.level == before
    assert capfd.readouterr() == ("", ""), "nothing is printed"
    import mlflow.telemetry.client

    assert mlflow.telemetry.client.get_telemetry_client() is None, "nothing is sent"


def test_mlflow_says_why_a_folder_cannot_hold_its_database(result, tracked, tmp_path):
    with pytest.raises(StoreError, match="cannot hold"):
        result.export("mlflow", tmp_path / "what?")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["parquet", "csv"])
def test_tables_hold_every_row(result, to, tmp_path):
    folder = result.export(to, tmp_path / "tables", points=2)
    read = {path.stem: getattr(pl, f"read_{to}")(path) for path in folder.iterdir()}
    assert set(read) == {"trials", "curves", "summary"}
    frames = {"trials": result.trials_with_test(), "curves": result.curves, "summary": summary(result.records)}
    for name, own in frames.items():
        kept = [column for column in own.columns if column in read[name].columns]
        assert {"trial", "optimizer"} & set(kept) and read[name].height == own.height
        hyperparameters = own.select(kept).select(pl.selectors.float())
        assert read[name].select(hyperparameters.columns).cast(pl.Float64).equals(hyperparameters.cast(pl.Float64))
    if to == "parquet":
        assert read["trials"].equals(result.trials_with_test()) and read["curves"].equals(result.curves)


def test_pandas_has_the_same_rows_and_is_missing_what_is_missing(result):
    pd = pytest.importorskip("pandas", reason="pandas is not installed: pip install 'fallline[pandas]'")
    trials, curves, means = result.pandas(), result.pandas("curves"), result.pandas("summary")
    assert isinstance(trials, pd.DataFrame) and list(trials.columns) == result.trials.columns
    assert not any(name.startswith("test_") for name in trials)
    with_test = result.pandas("trials_with_test")
    assert with_test["test_accuracy"].isna().sum() == result.trials_with_test()["test_accuracy"].null_count() > 0
    best = curves.groupby("trial")["validation_accuracy"].max()
    own = result.trials.select("trial", "best_validation_accuracy").rows()
    assert [best[trial] for trial, _ in own] == pytest.approx([value for _, value in own])
    assert len(means) == len(OPTIMIZERS) * len(RATES)
    parquet = result.export("parquet")
    assert pd.read_parquet(parquet / "trials.parquet")["trial"].to_list() == result.trials["trial"].to_list()
    with pytest.raises(UnknownName, match="did you mean curves"):
        result.pandas("curve")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=4), st.integers(2, 60), st.randoms())
def test_thin_curves_keep_both_ends_and_are_even(lengths, most, random):
    gap = 3
    rows = [(f"t{place}", gap * row, 1.0 if row % 7 else None) for place, n in enumerate(lengths) for row in range(n)]
    random.shuffle(rows)
    frame = pl.DataFrame(rows, schema={"trial": pl.String, "step": pl.Int64, "x": pl.Float32}, orient="row")
    for place, n in enumerate(lengths):
        steps = [gap * row for row in range(n) if row % 7]
        kept = thinned(frame, "x", most).filter(trial=f"t{place}")["step"].to_list()
        if len(steps) <= most:
            assert kept == steps
        else:
            assert len(kept) == most and kept[0] == steps[0] and kept[-1] == steps[-1]
            places = np.diff([steps.index(step) for step in kept])
            assert places.max() - places.min() <= 1
        assert thinned(frame, "x", 0).filter(trial=f"t{place}")["step"].to_list() == steps


def test_values_that_are_not_finite_are_left_out(tmp_path):
    curves = pl.DataFrame(
        {"trial": ["0" * 16] * 3, "step": [0, 1, 2], "train_loss": [1.0, np.inf, np.nan], "note": ["a", "b", "c"]}
    )
    run = tiny(tmp_path / "run", [{"validation_accuracy": 0.5}], curves)
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: pip install 'fallline[tensorboard]'")
    board = Board(open_run(run.folder).export("tensorboard"))
    (name,) = set(board.events.Runs()) - {"."}
    assert board.scalars(name, "train_loss") == [(0, 1.0)] and "note" not in board.tags(name)


def test_trials_that_nothing_tells_apart_have_names_of_their_own(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: pip install 'fallline[tensorboard]'")
    run = tiny(tmp_path / "run", [{"validation_accuracy": 0.5}, {"validation_accuracy": 0.6}])
    folder = open_run(run.folder).export("tensorboard")
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2


def test_a_failed_export_leaves_nothing_and_an_export_overwrites_nothing(result, tmp_path, monkeypatch):
    def failing(run, folder, home, points, progress):
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(EXPORTS, "csv", failing)
    with pytest.raises(StoreError, match="the disk is full"):
        result.export("csv", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    (tmp_path / "empty").mkdir()
    assert result.export("csv", tmp_path / "empty") == tmp_path / "empty"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for taken in ("full", "full/mine.txt", "link"):
        with pytest.raises(StoreError, match="exists already"):
            result.export("csv", tmp_path / taken)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("to, extra", [("tensorboard", "tensorboard"), ("mlflow", "mlflow"), ("pandas", "pandas")])
def test_a_missing_extra_is_named_with_what_to_install(result, tmp_path, monkeypatch, to, extra):
    monkeypatch.setitem(needed.EXTRAS, extra, (needed.EXTRAS[extra][0], ("a_module_that_nobody_wrote",)))
    with pytest.raises(StoreError, match=rf"pip install 'fallline\[{extra}\]'"):
        result.pandas() if to == "pandas" else result.export(to, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_form_and_a_wrong_number_of_points_are_refused(result, tmp_path):
    with pytest.raises(UnknownName, match="did you mean tensorboard"):
        result.export("tensorbord", tmp_path / "out")
    for points in (1, -3):
        with pytest.raises(HyperparameterError, match=str(points)):
            result.export("csv", tmp_path / "out", points=points)


def test_the_command_exports_and_says_how_to_look_at_it(result, cli):
    told = cli("export", result.folder, "--to", "csv", "--out", "tables")
    assert told == (0, "tables\n", "") and Path("tables/trials.csv").is_file()
    code, out, err = cli("export", result.folder, "--to", "csv", "--out", "tables")
    assert (code, out) == (2, "") and "exists already" in err and len(err.splitlines()) == 1
    code, _, err = cli("export", result.folder, "--to", "pandas-parquet")
    assert code == 2 and "did you mean parquet" in err
    code, _, err = cli("export", "nowhere", "--to", "csv")
    assert code == 2 and "is not a run folder" in err


def test_the_command_exports_to_tensorboard(result, cli, board):
    code, out, err = cli("export", result.folder, "--to", "tensorboard", "--out", "events", "--points", 2)
    assert (code, err) == (0, "") and out.splitlines() == ["events", "look at it: tensorboard --logdir events"]
    assert all(len(Board(Path("events")).scalars(run_name(row), "train_loss")) == 2 for row in result.trials.to_dicts())


def test_the_number_of_points_is_one_number_wherever_it_is_said(cli):
    assert inspect.signature(fallline.api.Result.export).parameters["points"].default == POINTS
    code, out, _ = cli("export", "--help")
    assert code == 0 and f"[default: {POINTS};" in out
