"""Searches: spaces, samplers, halving, the whole of it against what its studies say, resumed and refused."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import polars as pl
import pytest

import fallline
from fallline.api import running
from fallline.api.tuning import parse_budget
from fallline.engine.compiled import Compiled
from fallline.errors import StoreError, StudyError, UnknownName
from fallline.optimizers import builtin_optimizers, find_optimizer
from fallline.report.figures import figure_kinds
from fallline.report.sections.search import importances
from fallline.search.driver import FRESH
from fallline.search.halving import rungs_of, survivors
from fallline.search.records import settings_of
from fallline.search.samplers import Seen, ask
from fallline.search.space import Dimension, Space, space_of
from fallline.stats.analysis import Analysis
from fallline.study import Figure
from fallline.study.search_table import SearchTable
from fallline.training import context

SEARCHED = ("search_history", "search_rungs", "search_slices")

RATE = Dimension("learning_rate", "log", 1e-4, 1.0)
SQUARE = Space(
    "adam", (RATE, Dimension("beta2", "one_minus_log", 1e-4, 0.1), Dimension("batch_size", "choice", choices=(5, 10)))
)


def study(**fields) -> fallline.Study:
    values = {
        "name": "searched",
        "task": "line",
        "metric": "final_train_loss",
        "base": {"batch_size": "all", "steps": 40},
        "axes": {"optimizer": ["adam", "momentum"], "learning_rate": [0.1]},
        "search": {"settings": 4, "brackets": 2, "rungs": [5, 20], "seeds": [1, 2], "final_seeds": 3, "keep": 0.5},
    }
    return fallline.Study(**values | fields)


@pytest.mark.parametrize("scale, low, high", [("log", 1e-4, 1.0), ("one_minus_log", 1e-3, 0.5), ("uniform", -2.0, 3.0)])
def test_a_dimension_covers_its_range_evenly_on_its_scale(scale, low, high):
    values = np.array([Dimension("x", scale, low, high).value(u) for u in np.linspace(0, 1, 101)])
    inner = 1 - values if scale == "one_minus_log" else values
    assert inner.min() == pytest.approx(low, rel=1e-2) and inner.max() == pytest.approx(high, rel=1e-2)
    steps = np.diff(np.sort(inner) if scale == "uniform" else np.log(np.sort(inner)))
    assert steps.std() < 0.1 * steps.mean()


def test_integers_and_choices_have_all_their_values():
    whole = {Dimension("n", "integer", 1, 8).value(u) for u in np.linspace(0, 0.999, 200)}
    assert whole == set(range(1, 9))
    assert [Dimension("b", "choice", choices=(5, 10)).value(u) for u in (0.0, 0.49, 0.5, 0.999)] == [5, 5, 10, 10]


@pytest.mark.parametrize("name", sorted(builtin_optimizers()))
def test_every_optimizer_has_a_space_whose_settings_it_takes(name):
    optimizer = find_optimizer(name)
    space = space_of(optimizer, {}, {})
    assert "learning_rate" in {one.name for one in space.dimensions}
    known = {hyperparameter.name: hyperparameter for hyperparameter in optimizer.hyperparameters}
    for unit in np.random.default_rng(0).random((20, len(space.dimensions))):
        for key, value in space.setting(unit).items():
            if key != "optimizer":
                known[key].check(value)


def test_the_narrower_name_wins_and_unknown_ones_are_refused():
    adam = find_optimizer("adam")
    written = {
        "adam.learning_rate": {"log": [1e-3, 1e-2]},
        "*.learning_rate": {"log": [1e-1, 1.0]},
        "*.momentum": [0.9],
    }
    (rate,) = space_of(adam, written, {}).dimensions
    assert (rate.low, rate.high) == (1e-3, 1e-2)
    with pytest.raises(UnknownName, match="did you mean beta2"):
        space_of(adam, {"adam.beta_2": [0.9]}, {})
    with pytest.raises(UnknownName, match="batch_size"):
        space_of(adam, {"batchsize": [10]}, {})


@pytest.mark.parametrize(
    "space, said",
    [
        ({"*.learning_rate": {"log": [0.0, 1.0]}}, "numbers above 0"),
        ({"*.learning_rate": {"log": [1.0, 0.1]}}, "the low one first"),
        ({"*.learning_rate": {"logs": [0.1, 1.0]}}, "one of log, one_minus_log"),
        ({"*.beta1": {"one_minus_log": [0.1, 1.0]}}, "for x below 1"),
        ({"batch_size": []}, "needs one or more"),
    ],
)
def test_ranges_that_make_no_sense_are_refused_with_what_to_write(space, said):
    with pytest.raises(StudyError, match=said):
        study(search={"space": space})


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe"])
def test_a_sampler_asks_the_same_again_and_stays_in_the_cube(sampler):
    seen = [Seen(unit, 0, float(-((unit - 0.3) ** 2).sum())) for unit in np.random.default_rng(1).random((40, 3))]
    points = ask(sampler, SQUARE, seen, 12, 5)
    assert points.shape == (12, 3) and points.min() >= 0 and points.max() < 1
    np.testing.assert_array_equal(points, ask(sampler, SQUARE, seen, 12, 5))
    assert not np.array_equal(points, ask(sampler, SQUARE, seen, 12, 6))
    assert len(np.unique(points.round(12), axis=0)) == 12


def test_tpe_finds_a_narrow_optimum_sooner_than_chance_and_asks_fast():
    plane = Space("adam", (RATE, Dimension("beta2", "uniform")))
    best = {}
    for sampler in ("random", "tpe"):
        reached = []
        for seed in range(20):
            seen: list[Seen] = []
            for bracket in range(6):
                for unit in ask(sampler, plane, seen, 16, 100 * seed + bracket):
                    seen.append(Seen(unit, 0, -float(np.abs(unit - [0.21, 0.77]).max())))
            reached.append(max(one.value for one in seen))
        best[sampler] = np.mean(reached)
    assert best["tpe"] > best["random"] / 3  # distances are negative: a third of the distance, or less
    many = [Seen(unit, 0, float(unit[0])) for unit in np.random.default_rng(0).random((500, 2))]
    assert ask("tpe", plane, many, 64, 0).shape == (64, 2)


def test_what_reached_a_later_rung_is_better_and_what_diverged_is_worst():
    low, high = np.full(1, 0.1), np.full(1, 0.9)
    line = Space("adam", (RATE,))
    seen = [Seen(low + 0.001 * n, 1, 0.0) for n in range(4)] + [Seen(high, 0, 5.0 - n) for n in range(12)]
    seen[-1] = Seen(high, 0, -np.inf)
    assert np.median(ask("tpe", line, seen, 8, 0)) < 0.4


def test_rungs_quarter_the_steps_and_keep_a_share():
    assert [rung.steps for rung in rungs_of(SearchTable(), 400)] == [25, 100, 400]
    assert [rung.settings for rung in rungs_of(SearchTable(settings=64), 400)] == [64, 16, 4]
    assert [rung.steps for rung in rungs_of(SearchTable(), 12)] == [12]
    assert survivors([1.0, -np.inf, 3.0, 3.0], 3) == [2, 3, 0] and survivors([-np.inf], 1) == []


def test_a_budget_is_a_time_or_steps():
    assert (
        parse_budget("10m").seconds == 600 and parse_budget(2.5).seconds == 2.5 and parse_budget("1h").seconds == 3600
    )
    assert parse_budget("1e6-steps").trial_steps == 1_000_000 and parse_budget(None) is None
    for wrong in ("soon", "10d", "-5", "0", "steps", "1.2.3"):
        with pytest.raises(StudyError, match="a budget is a time"):
            parse_budget(wrong)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    return fallline.tune(study(), tmp_path_factory.mktemp("search") / "run")


def test_every_optimizer_has_as_many_settings_and_the_best_go_on(tuned):
    rows = settings_of(tuned.folder)
    assert rows.filter(rung=1).group_by("bracket", "optimizer").len()["len"].to_list() == [4] * 4
    for (bracket, optimizer), own in rows.group_by("bracket", "optimizer"):
        first, second = (own.filter(rung=number).sort("value", nulls_last=True) for number in (1, 2))
        assert second.height == 2 and set(second["learning_rate"]) == set(first["learning_rate"][:2]), (
            bracket,
            optimizer,
        )


def test_the_value_of_a_setting_is_that_of_the_study_of_it_alone(tuned, tmp_path):
    row = settings_of(tuned.folder).filter(rung=2, optimizer="adam").drop_nulls("value").row(0, named=True)
    point = {name: row[name] for name in ("learning_rate", "beta1", "beta2")}
    alone = fallline.run(
        fallline.Study(
            name="alone",
            task="line",
            metric="final_train_loss",
            seeds=2,
            base={"batch_size": "all", "steps": 20, "optimizer": "adam", **point},
        ),
        tmp_path / "alone",
    )
    assert alone.trials["final_train_loss"].mean() == pytest.approx(row["value"], rel=1e-5)


def test_the_end_is_the_best_of_each_on_seeds_that_were_never_searched(tuned):
    rows = settings_of(tuned.folder).filter(rung=2).drop_nulls("value")
    best = {name: own.sort("value")["learning_rate"][0] for (name,), own in rows.group_by("optimizer")}
    assert dict(tuned.trials.select("optimizer", "learning_rate").unique().rows()) == best
    assert set(tuned.trials["seed"]) == {FRESH, FRESH + 1, FRESH + 2} and set(tuned.trials["steps"]) == {20}
    text = str(tuned)
    assert "16 settings of 2 optimizers" in text and "search to fresh: adam" in text
    page = tuned.report().read_text(encoding="utf-8")
    assert "Importance of hyperparameters" in page and "one learning rate only" not in page
    assert tuned.verify()


def test_a_search_that_was_killed_asks_the_same(tmp_path, monkeypatch):
    whole = fallline.tune(study(), tmp_path / "whole")
    calls = []
    train = running.train_here

    def killed(request, shared):
        calls.append(request.out)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return train(request, shared)

    monkeypatch.setattr(running, "train_here", killed)
    with pytest.raises(KeyboardInterrupt):
        fallline.tune(study(), tmp_path / "cut")
    monkeypatch.setattr(running, "train_here", train)
    again = fallline.tune(study(), tmp_path / "cut")
    assert settings_of(again.folder).equals(settings_of(whole.folder))
    assert again.trials.select("trial", "final_train_loss").equals(whole.trials.select("trial", "final_train_loss"))
    with pytest.raises(StoreError, match="a search of another study"):
        fallline.tune(study(search={"settings": 5}), tmp_path / "cut")


def test_a_search_of_other_optimizers_is_another_one_and_fresh_puts_the_old_one_aside(tuned, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(tuned.folder, folder)
    with pytest.raises(StoreError, match="a search of another study"):
        fallline.tune(study(), folder, optimizers=["momentum"])
    told: list[str] = []
    result = fallline.tune(study(), folder, optimizers=["momentum"], fresh=True, on_message=told.append)
    assert set(result.trials["optimizer"]) == {"momentum"}
    assert "run-before-1" in told[0] and settings_of(tmp_path / "run-before-1").equals(settings_of(tuned.folder))
    shutil.rmtree(folder / "trials")  # as of a search that was stopped before its end
    for name in ("plan.json", "study.toml"):
        (folder / name).unlink()
    assert fallline.tune(study(), folder, optimizers=["adam"], fresh=True).trials.height == 3


def test_a_budget_in_steps_bounds_the_search(tmp_path):
    result = fallline.tune(study(), tmp_path / "run", budget="2000-steps")
    rows = settings_of(result.folder)
    bracket = 2 * (4 * 5 + 2 * 2 * 20)
    assert rows["bracket"].max() == int(0.75 * 2000 // bracket)
    assert rows.select(pl.col("trial_steps").sum()).item() <= 0.75 * 2000


def test_a_larger_budget_adds_brackets_and_the_same_one_adds_nothing(tmp_path):
    first = settings_of(fallline.tune(study(), tmp_path / "run", budget="2000-steps").folder)
    again = fallline.tune(study(), tmp_path / "run", budget="2000-steps")
    assert settings_of(again.folder).equals(first) and again.trials.height == 6
    more = fallline.tune(study(), tmp_path / "run", budget="4000-steps")
    rows = settings_of(more.folder)
    assert rows["bracket"].max() > first["bracket"].max() and rows.head(first.height).equals(first)
    whole = fallline.tune(study(), tmp_path / "whole", budget="4000-steps")
    assert settings_of(whole.folder).equals(rows)
    assert more.trials.drop("block").sort("trial").equals(whole.trials.drop("block").sort("trial"))


@pytest.mark.parametrize("name", ["CmaEsSampler", "TPESampler", "QMCSampler"])
def test_a_sampler_of_optuna_is_asked_the_same_by_a_search_that_was_stopped(tmp_path, monkeypatch, name):
    pytest.importorskip("optuna", reason="the extra fallline[optuna] is not installed")
    searched = study(search=study().search.model_copy(update={"sampler": f"optuna:{name}", "brackets": 3}))
    whole = settings_of(fallline.tune(searched, tmp_path / "whole").folder)
    assert whole["bracket"].n_unique() == 3 and whole["learning_rate"].is_between(1e-4, 1.0).all()
    first, last = (whole.filter(bracket=place, rung=1)["learning_rate"].to_list() for place in (1, 3))
    assert not set(first) & set(last)
    calls, train = [], running.train_here

    def killed(request, shared):
        calls.append(request.out)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return train(request, shared)

    with monkeypatch.context() as patch:
        patch.setattr(running, "train_here", killed)
        with pytest.raises(KeyboardInterrupt):
            fallline.tune(searched, tmp_path / "cut")
    assert settings_of(fallline.tune(searched, tmp_path / "cut").folder).equals(whole)


def test_samplers_of_optuna_that_do_not_exist_and_optuna_that_is_not_there_are_said(tmp_path, monkeypatch):
    def named(sampler):
        return study(search={"settings": 4, "sampler": sampler})

    with pytest.raises(StudyError, match="tpe, sobol, random, or optuna:NAME"):
        named("tpes")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "optuna", None)
        with pytest.raises(StudyError, match=r"pip install 'fallline\[optuna\]'"):
            fallline.tune(named("optuna:TPESampler"), tmp_path / "run")
    pytest.importorskip("optuna", reason="the extra fallline[optuna] is not installed")
    with pytest.raises(UnknownName, match="did you mean TPESampler"):
        fallline.tune(named("optuna:TPESample"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_task_alone_is_searched_and_bad_input_is_one_screen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = fallline.tune("line", optimizers=["adam", "torch.sgd"], budget="20000-steps")
    assert set(result.trials["optimizer"]) == {"adam", "torch_sgd"}
    with pytest.raises(UnknownName, match="no study or task is named 'lines'; did you mean line"):
        fallline.tune("lines")
    path = tmp_path / "wrong.toml"
    path.write_text('task = "line"\nname = "wrong"\n[base]\noptimizer = "adamm"\nsteps = 5\n')
    with pytest.raises(UnknownName, match="no optimizer is named 'adamm'"):
        fallline.tune(path)
    with pytest.raises(UnknownName, match="optimizer"):
        fallline.tune("line", optimizers=["adamm"])
    with pytest.raises(StudyError, match="every setting diverged"):
        fallline.tune(
            study(
                search={"settings": 2, "rungs": [5], "brackets": 1, "space": {"*.learning_rate": {"log": [1e20, 1e30]}}}
            ),
            tmp_path / "diverged",
        )
    with pytest.raises(StudyError, match="a search compares settings by one metric"):
        fallline.tune(
            study(axes={"optimizer": ["adam"], "loss": ["sum_of_squares", "squared_error"]}), tmp_path / "losses"
        )


def test_further_brackets_compile_nothing_and_read_no_data_again(tmp_path, monkeypatch):
    compiled, read = [], []
    make, load = Compiled._make, context.load_arrays
    monkeypatch.setattr(Compiled, "_make", lambda self, arguments: (compiled.append(self), make(self, arguments)))
    monkeypatch.setattr(context, "load_arrays", lambda *arguments: (read.append(arguments), load(*arguments))[1])
    counts = {}
    for brackets in (1, 3):
        compiled.clear()
        read.clear()
        fallline.tune(study(search=study().search.model_copy(update={"brackets": brackets})), tmp_path / str(brackets))
        counts[brackets] = len(compiled), len(read)
    assert counts[3] == counts[1] and counts[1][1] == 1


def test_the_figures_of_a_search_show_every_setting_in_the_order_of_training(tuned):
    rows, analysis = settings_of(tuned.folder), Analysis.of(tuned.records)
    kinds = figure_kinds()
    shown = {name: kinds[name].data(analysis, kinds[name].settle(analysis, Figure(kind=name))) for name in SEARCHED}
    assert all(kinds[name].fits(analysis) for name in SEARCHED)
    history = shown["search_history"]
    assert history["value"].equals(rows["value"]) and history["spent"][-1] == rows["trial_steps"].sum()
    for own in history.partition_by("optimizer"):
        best = own["best"].drop_nulls()
        assert best.is_sorted(descending=True) and best[-1] == own.filter("last")["value"].min()
    slices = shown["search_slices"]
    assert set(slices["panel"]) >= {"learning rate", "1 − beta2"} and slices["at"].min() > 0
    adam = slices.filter(panel="learning rate", optimizer="adam")
    assert adam["at"].to_list() == rows.filter(optimizer="adam")["learning_rate"].to_list()
    advanced = shown["search_rungs"].group_by("setting").len()["len"]
    assert sorted(set(advanced)) == [1, 2] and advanced.sum() == rows.height
    names = {path.stem for path in (tuned.report().parent / "tables").glob("figure-search*.csv")}
    assert names == {f"figure-{name}" for name in SEARCHED}


def test_a_run_that_is_no_search_has_none_of_its_figures(tmp_path):
    run = fallline.run(study(search=None, seeds=1), tmp_path / "run")
    assert not any(figure_kinds()[name].fits(Analysis.of(run.records)) for name in SEARCHED)


def test_the_hyperparameter_that_decides_is_the_most_important():
    rates = np.geomspace(1e-3, 1.0, 40)
    rows = pl.DataFrame(
        {
            "optimizer": "adam",
            "rung": 1,
            "learning_rate": rates,
            "beta2": 1 - np.random.default_rng(0).permutation(np.geomspace(1e-4, 1e-1, 40)),
            "value": [*np.abs(np.log(rates[:-1] / 0.03)), None],
        }
    )
    table = importances(rows, up=False)
    assert table["hyperparameter"].to_list() == ["learning rate", "beta2"]
    share = int(table["importance"][0].removesuffix(" %"))
    low, high = map(int, table["95 % CI"][0].removesuffix(" %").split(" to "))
    assert share > 75 and 40 < low <= share <= high <= 100
    assert importances(rows.head(3), up=False).is_empty()
