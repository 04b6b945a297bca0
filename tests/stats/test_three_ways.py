"""Train, validation and test: validation chooses, test is read once and that is noted, small samples are cut."""

import json
import math
import re
import statistics
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

import fallline
from fallline import Study
from fallline.contracts import Split, Splits
from fallline.errors import StoreError, StudyError
from fallline.stats import primary, summary
from fallline.stats.over_folds import corrected_p
from fallline.stats.test_reads import chosen_by_run, refuse_test
from fallline.store import open_run
from fallline.store.paths import RunPaths
from fallline.store.test_reads import ALL, CHOSEN, NAMED, HeldOutRead, Pick, note_test_read, readings
from fallline.study import parse_study
from fallline.study.trial import digest
from fallline.tasks.folds import FoldSplit, cut_splits, cuts

DRAW = np.random.default_rng(5)
INPUTS = DRAW.normal(size=(100, 4)).astype(np.float32)
LABELS = (INPUTS[:, 0] + 0.5 * DRAW.normal(size=100) > 0.8).astype(np.int32)


def layer():
    import jax

    return fallline.from_functions(lambda key: jax.random.normal(key, (4, 2)), lambda weights, inputs: inputs @ weights)


def task(name="three-ways", validation=None, test=(INPUTS[:30] + 0.1, LABELS[:30])):
    return fallline.from_arrays(
        name,
        model=layer(),
        train=(INPUTS, LABELS),
        validation=validation,
        test=test,
        loss="softmax_cross_entropy",
        metrics=["accuracy"],
    )


def study(of=None, **fields):
    usual = {
        "name": "ways",
        "task": of or task(),
        "metric": "validation_loss",
        "seeds": 2,
        "base": {"steps": 12, "batch_size": 10, "optimizer": "adam"},
        "axes": {"optimizer": ["adam", "momentum"], "learning_rate": [0.1, 0.01]},
        "figures": [{"kind": "curves", "metric": "train_loss"}],
    }
    return Study(**(usual | fields))


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """A run with a fifth of train held out."""
    return fallline.run(study(holdout=0.2), tmp_path_factory.mktemp("ways") / "run").folder


@pytest.fixture
def folder(held_out, tmp_path):
    """A copy of that run whose test split nobody read."""
    import shutil

    shutil.copytree(held_out, tmp_path / "run")
    assert not (tmp_path / "run/test_reads.json").exists()
    return tmp_path / "run"


# Cutting


@pytest.mark.parametrize("examples, folds", [(103, 5), (12, 4), (7, 7), (100, 3)])
def test_every_example_validates_in_exactly_one_fold(examples, folds):
    pool = Split(np.arange(examples, dtype=np.float32)[:, None], np.arange(examples, dtype=np.float32) / 7)
    parts = [cut_splits("t", Splits(pool), cut) for cut in cuts(None, folds)]
    held = [part.validation.inputs[:, 0] for part in parts]
    assert sorted(np.concatenate(held)) == list(range(examples))
    for part, cut in zip(parts, cuts(None, folds), strict=True):
        assert sorted([*part.train.inputs[:, 0], *part.validation.inputs[:, 0]]) == list(range(examples))
        assert (np.diff(part.train.inputs[:, 0]) > 0).all(), "the order of the data stays"
        assert part.train.inputs[:, 0] / 7 == pytest.approx(part.train.targets), "targets go with their inputs"
        assert len(part.train.inputs) - cut.left(examples) in (0, 1)
    assert min(len(part.train.inputs) for part in parts) == cuts(None, folds)[0].left(examples)


@pytest.mark.parametrize("one_hot", [False, True])
def test_each_class_has_its_share_on_both_sides(one_hot):
    labels = np.repeat([0, 1, 2], [60, 30, 13])
    targets = np.eye(3, dtype=np.float32)[labels] if one_hot else labels
    for cut in (FoldSplit(holdout=0.2), *cuts(None, 5)):
        held = cut_splits("t", Splits(Split(labels[:, None], targets)), cut).validation.inputs[:, 0]
        for label, count in enumerate((60, 30, 13)):
            assert abs((held == label).sum() - count / 5) <= 1


def test_test_stays_and_validation_joins_what_folds_deal_out():
    own = Splits(*(Split(np.full((n, 1), value), np.arange(n)) for n, value in ((8, 1), (4, 2), (3, 3))))
    part = cut_splits("t", own, FoldSplit(folds=3, fold=2))
    assert part.test is own.test and len(part.validation.inputs) == 4 and len(part.train.inputs) == 8
    assert 2 in np.concatenate([cut_splits("t", own, cut).train.inputs for cut in cuts(None, 3)])


@pytest.mark.parametrize(
    "cut, said",
    [
        (FoldSplit(holdout=0.001), "leaves 0 to validate on and 100 to train on"),
        (FoldSplit(holdout=0.999), "leaves 100 to validate on and 0 to train on"),
        (FoldSplit(folds=101, fold=1), "folds must be at most the number of examples, 100 of task t, got 101"),
    ],
)
def test_a_cut_that_leaves_nothing_is_refused(cut, said):
    with pytest.raises(StudyError, match=said):
        cut_splits("t", Splits(Split(INPUTS, LABELS)), cut)


def test_nothing_is_held_out_where_there_is_a_validation_split(tmp_path):
    own = task("has-validation", validation=(INPUTS[:9], LABELS[:9]))
    with pytest.raises(StudyError, match=r"has a validation split of its own \(9 examples\).*leave out holdout"):
        fallline.run(study(own, holdout=0.2), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# What the study and its trials say


def test_trials_without_a_cut_keep_their_names_and_each_cut_has_its_own():
    plain = study().trials()
    canonical = {key: value for key, value in plain[0].canonical.items() if key not in ("holdout", "folds", "fold")}
    assert canonical == plain[0].canonical and plain[0].name == digest(canonical)
    assert (
        parse_study('task = "line"\n[base]\noptimizer = "adam"\nsteps = 5\n', "named.toml").trials()[0].name
        == "99795182e821d42f"
    )
    every = [
        trial.name
        for one in (study(), study(holdout=0.2), study(holdout=0.3), study(folds=4), study(folds=5))
        for trial in one.trials()
    ]
    assert len(set(every)) == len(every) == 8 * (1 + 1 + 1 + 4 + 5)
    folded = study(folds=5).trials()
    assert len({trial.name_across_folds for trial in folded}) == 8


def test_a_budget_in_epochs_counts_the_examples_that_are_left():
    base = {"epochs": 3, "batch_size": 10}
    assert {trial.recipe.steps for trial in study(base=base, holdout=0.2).trials()} == {3 * (80 // 10)}
    assert {trial.recipe.steps for trial in study(base=base, folds=2).trials()} == {3 * (50 // 10)}
    assert {trial.recipe.steps for trial in study(base=base).trials()} == {3 * (100 // 10)}


def test_epochs_are_refused_where_folds_deal_out_the_validation_split_too(tmp_path):
    own = task("pooled", validation=(INPUTS[:9], LABELS[:9]))
    with pytest.raises(StudyError, match=r"109 examples in all.*give steps instead"):
        fallline.run(study(own, folds=4, base={"epochs": 1, "batch_size": 10}), tmp_path / "run")


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"holdout": 0.2, "folds": 5}, "write one of them"),
        ({"holdout": 1.5}, "less than 1"),
        ({"folds": 1}, "or equal"),
    ],
)
def test_cuts_that_make_no_sense_are_refused(fields, said):
    with pytest.raises(StudyError, match=said):
        study(**fields)


# Runs


def test_a_held_out_part_validates_and_the_columns_say_so(folder):
    trials = open_run(folder).trials
    assert set(trials["data"]) == {"sample, 0.2 held out"} and set(trials["train_examples"]) == {80}
    assert (trials["validation_accuracy"] * 20 % 1).round(6).is_in([0.0, 1.0]).all(), "a share of 20 examples"
    assert "fold" not in trials.columns and trials.height == 8


def test_a_trial_of_a_fold_is_that_of_the_same_arrays_given_as_splits(tmp_path):
    folded = fallline.run(study(folds=4, seeds=1), tmp_path / "folds").trials_with_test()
    part = cut_splits("t", Splits(Split(INPUTS, LABELS)), FoldSplit(folds=4, fold=3))
    given = fallline.from_arrays(
        "given",
        model=layer(),
        train=part.train,
        validation=part.validation,
        test=(INPUTS[:30] + 0.1, LABELS[:30]),
        loss="softmax_cross_entropy",
        metrics=["accuracy"],
    )
    alone = fallline.run(study(given, seeds=1), tmp_path / "alone").trials_with_test()
    names = ["validation_loss", "test_loss", "final_train_loss", "test_accuracy"]
    third = folded.filter(pl.col("fold") == 3).sort("optimizer", "learning_rate").select(names).to_numpy()
    assert third == pytest.approx(alone.sort("optimizer", "learning_rate").select(names).to_numpy(), rel=1e-5)


def test_folds_are_trials_of_their_own_and_one_value_a_seed_in_statistics(tmp_path):
    result = fallline.run(study(folds=4, target={"metric": "validation_accuracy", "value": 0.5}), tmp_path / "run")
    rows, means = result.trials_with_test(), result.records.trials
    assert rows.height == 4 * 8 and means.height == 8 and sorted(rows["fold"].unique()) == [1, 2, 3, 4]
    assert set(means["data"]) == {"sample, 4 folds"} and "fold" not in means.columns
    for row in means.iter_rows(named=True):
        own = rows.filter(
            pl.all_horizontal(pl.col(name) == row[name] for name in ("optimizer", "learning_rate", "seed"))
        )
        for name in ("validation_accuracy", "test_loss", "final_train_loss", "best_validation_accuracy"):
            assert row[name] == pytest.approx(statistics.fmean(own[name]))
        assert row["trial"] == own["across_folds"][0]
        missed = own["steps_to_target"].null_count()
        assert (row["steps_to_target"] is None) == (missed > 0)
    ranked = summary(result.records)
    assert ranked.height == 4 and set(ranked["validation_accuracy_n"]) == {2}, "the seeds, not seeds times folds"
    curves = result.records.curves.collect()
    name = means["trial"][0]
    own = result.curves.join(rows.filter(pl.col("across_folds") == name), on="trial", how="semi")
    at = own.filter(pl.col("step") == 12)["validation_loss"].mean()
    assert curves.filter(pl.col("trial") == name, pl.col("step") == 12)["validation_loss"].item() == pytest.approx(at)
    found = result.compare()
    assert found.arms["n"].to_list() == [2, 2]
    assert found.pairs["p_folds"].item() == pytest.approx(over_folds(rows, found))
    assert "corrected resampled t test" in found.notes[-1]
    page = result.report().read_text(encoding="utf-8")
    assert "is the mean over 4 folds, the same for all: n counts seeds" in page


def over_folds(rows, found) -> float:
    """Nadeau and Bengio's p, written out: differences of four folds, each a mean over seeds."""
    first, second = (
        rows.filter(pl.col("optimizer") == arm["optimizer"], pl.col("learning_rate") == arm["learning_rate"])
        .group_by("fold")
        .agg(pl.col(found.compared.metric).mean())
        .sort("fold")[found.compared.metric]
        .to_numpy()
        for arm in found.arms.iter_rows(named=True)
    )
    gaps = first - second
    return 2 * scipy_stats.t.sf(abs(gaps.mean()) / np.sqrt((1 / 4 + 1 / 3) * gaps.var(ddof=1)), 3)


def test_a_fold_that_diverged_takes_its_trial_with_it_and_missing_folds_make_no_mean(tmp_path):
    from fallline.store.folds import across_folds, curves_across_folds

    def row(trial, fold, status, value, across):
        return {
            "trial": trial,
            "block": "b",
            "data": f"sample, fold {fold} of 2",
            "fold": fold,
            "folds": 2,
            "across_folds": across,
            "learning_rate": 0.1,
            "seed": 0,
            "status": status,
            "test_loss": value,
            "diverged_at": 4 if status == "diverged" else None,
            "train_examples": 8 + fold,
        }

    rows = [
        row("a1", 1, "done", 1.0, "a"),
        row("a2", 2, "diverged", None, "a"),
        row("b1", 1, "done", 2.0, "b"),
        row("c1", 1, "done", 2.0, "c"),
        row("c2", 2, "done", 3.0, "c"),
    ]
    trials = pl.DataFrame(rows, infer_schema_length=None)
    found = across_folds(trials).sort("trial")
    assert found["trial"].to_list() == ["a", "c"] and found["status"].to_list() == ["diverged", "done"]
    assert found["test_loss"].to_list() == [None, 2.5] and found["diverged_at"].to_list() == [4, None]
    assert found["train_examples"].to_list() == [9, 9] and set(found["data"]) == {"sample, 2 folds"}
    curves = pl.LazyFrame({"trial": ["c1", "c1", "c2"], "step": [0, 1, 0], "train_loss": [1.0, 0.5, 3.0]})
    assert curves_across_folds(trials, curves).collect().rows() == [("c", 0, 2.0)]


def test_a_run_with_folds_that_was_extended_trains_only_what_is_new(tmp_path):
    fallline.run(study(folds=3, seeds=1), tmp_path / "run")
    fallline.run(study(folds=3, seeds=2), tmp_path / "run")
    planned = json.loads((tmp_path / "run/plan.json").read_text())["rounds"]
    counts = [sum(len(block["trials"]) for cohort in one["cohorts"] for block in cohort["blocks"]) for one in planned]
    assert counts == [12, 12] and open_run(tmp_path / "run").trials.height == 8
    result = fallline.run(study(holdout=0.2, seeds=1), tmp_path / "run")
    assert result.trials.height == result.records.trials.height == 4, "the answer is of the study as it stands"
    every = fallline.open_run(tmp_path / "run", all_rounds=True)
    assert every.trials.height == 24 + 4 and every.records.trials.height == 8 + 4
    assert set(every.summary()["data"]) == {"sample, 3 folds", "sample, 0.2 held out"}


def test_a_fold_whose_block_is_gone_is_trained_again_as_it_was(tmp_path):
    whole = fallline.run(study(folds=3, seeds=1), tmp_path / "run").trials.sort("trial")
    block = whole.filter(pl.col("fold") == 2)["block"][0]
    (tmp_path / f"run/trials/{block}.parquet").unlink()
    assert open_run(tmp_path / "run").trials.is_empty(), "means wait for all folds"
    again = fallline.run(study(folds=3, seeds=1), tmp_path / "run", resume=True).trials.sort("trial")
    assert again.equals(whole)


# What chooses on test is refused


@pytest.mark.parametrize(
    "fields, said",
    [
        (
            {"metric": "best_test_accuracy"},
            "metric: best_test_accuracy would choose an epoch on the test split: .*Write best_validation_accuracy",
        ),
        ({"metric": "best_test_loss_step"}, "Write best_validation_loss_step"),
        ({"target": {"metric": "test_accuracy", "value": 0.9}}, "count the steps to a target on the test split"),
        ({"figures": [{"kind": "stopping", "metric": "test_loss"}]}, "choose where to stop on the test split"),
        ({"figures": [{"kind": "curves", "metric": "test_loss"}]}, "choose an epoch on the test split"),
        (
            {"figures": [{"kind": "sensitivity", "metric": "test_accuracy"}]},
            "choose the learning rate on the test split",
        ),
        (
            {"claims": [{"text": "a", "equal": {}, "metric": "best_test_accuracy"}]},
            "claims.0: best_test_accuracy would",
        ),
        ({"claims": [{"text": "a", "equal": {}, "metric": "test_loss", "step": 5}]}, "test_loss would choose an epoch"),
        ({"evaluate_on": "test"}, "no evaluate_on: the test split is evaluated once, after the last step"),
        ({"test_every": 10}, "no test_every: the test split is evaluated once"),
    ],
)
def test_a_study_that_would_choose_on_test_is_refused_with_the_reason(fields, said):
    with pytest.raises(StudyError, match=said) as refused:
        study(**fields)
    assert "looks better than it is" in str(refused.value) and len(str(refused.value)) < 600


def test_early_stopping_on_test_is_refused_with_the_reason():
    base = {"steps": 12, "optimizer": "adam", "early_stop": 3, "early_stop_metric": "test_loss"}
    with pytest.raises(StudyError, match=r"no early_stop_metric: .*never while training.*base.early_stop_metric"):
        study(base=base).trials()


def test_the_command_line_refuses_on_one_screen(cli):
    code, _, told = cli("run", "try.toml", "--set", "metric=best_test_accuracy")
    assert code == 2 and "would choose an epoch on the test split" in told and told.count("\n") < 24
    assert "Traceback" not in told


@pytest.mark.parametrize("fields", [{"metric": "test_accuracy"}, {"metric": "test_loss"}])
def test_configurations_without_a_validation_split_are_not_chosen_on_test(fields, tmp_path):
    with pytest.raises(StudyError, match=r"would be chosen on test.*holdout = 0.2.*folds = 5"):
        fallline.run(study(**fields), tmp_path / "run")
    assert not (tmp_path / "run").exists(), "refused before anything is written"
    fallline.run(study(**fields, holdout=0.2, seeds=1), tmp_path / "held")
    assert primary(open_run(tmp_path / "held")).column == fields["metric"].replace("test", "validation")


def test_one_configuration_alone_is_chosen_by_nobody_and_may_be_read_on_test(tmp_path):
    base = {"steps": 12, "optimizer": "adam", "learning_rate": 0.1}
    result = fallline.run(study(metric="test_accuracy", axes={}, base=base), tmp_path / "run")
    assert result.trials_with_test()["test_accuracy"].null_count() == 0


def test_what_is_tuned_is_not_chosen_on_test(folder, cli):
    code, _, told = cli("compare", folder, "--tune", "test_accuracy")
    assert code == 2 and "they are chosen by validation loss and never on the test split" in told
    assert not (folder / "test_reads.json").exists()


def test_the_refusal_can_be_asked_for():
    refuse_test("validation_accuracy", "choose the rate")
    refuse_test(None, "choose the rate")
    with pytest.raises(StudyError, match=r"test_loss would choose the rate on the test split.*\(--tune\)"):
        refuse_test("test_loss", "choose the rate", "--tune")


def test_curves_never_hold_test(folder):
    assert not [name for name in open_run(folder).curves.collect_schema() if "test" in name]


# Who read test


def configurations(*rates, arm="adam"):
    return tuple(Pick({"optimizer": arm}, f"{arm}-{rate}", {"learning_rate": rate}) for rate in rates)


def reading(*rates, chosen_by="validation_accuracy", arm="adam"):
    return HeldOutRead(CHOSEN, chosen_by, configurations(*rates, arm=arm))


def test_the_same_choice_is_counted_and_another_is_added(tmp_path):
    layout = RunPaths(tmp_path)
    for _ in range(3):
        note_test_read(layout, reading(0.1), "fallline report")
    note_test_read(layout, reading(0.1), "python")
    note_test_read(layout, reading(0.1, arm="momentum"), "python")
    found = readings(layout)
    assert [one.times for one in found] == [4, 1]
    assert [(read.who, read.times) for read in found[0].reads] == [("fallline report", 3), ("python", 1)]
    assert found[0].first.first <= found[0].reads[0].last and "@" in found[0].first.user


def test_part_of_what_was_read_by_the_same_choice_is_no_other_choice(tmp_path):
    layout = RunPaths(tmp_path)
    both = HeldOutRead(CHOSEN, "validation_accuracy", (*configurations(0.1), *configurations(0.2, arm="momentum")))
    note_test_read(layout, both, "python")
    note_test_read(layout, reading(0.1), "fallline compare")
    assert [one.times for one in readings(layout)] == [2]


@pytest.mark.parametrize(
    "other, against",
    [
        (reading(0.2), True),
        (reading(0.1, chosen_by="validation_loss"), True),
        (reading(0.1, arm="momentum"), False),
        (HeldOutRead(NAMED, named="ab"), False),
        (HeldOutRead(ALL), False),
    ],
)
def test_another_choice_is_another_metric_or_another_configuration_of_an_arm(other, against):
    assert reading(0.1).against(other) == other.against(reading(0.1)) == against


def test_a_damaged_record_is_said_to_be_damaged(tmp_path):
    unread = {"kind": "chosen", "chosen_by": "a", "picks": [], "named": "", "reads": []}
    for text in ("[{}]", "[", '{"a": 1}', json.dumps([unread])):
        (tmp_path / "test_reads.json").write_text(text)
        with pytest.raises(StoreError, match=r"test_reads.json.*remove it"):
            readings(RunPaths(tmp_path))


def test_a_report_reads_test_for_the_chosen_alone_and_says_so(folder):
    page = fallline.open_run(folder, "fallline report").report()
    html = page.read_text(encoding="utf-8")
    assert "The test set was evaluated for 2 configurations, first on 20" in html and "by fallline report (" in html
    assert "; chosen on validation loss." in html and "p-values are no longer valid" not in html
    ranked = pl.read_csv(page.parent / "tables/ranked.csv")
    assert ranked.height == 4 and ranked["test_accuracy_mean"].null_count() == 2
    assert ranked["validation_loss_mean"].null_count() == 0
    (noted,) = readings(RunPaths(folder))
    assert len(noted.configurations) == 2 and noted.times == 1
    best = pl.read_csv(page.parent / "tables/best.csv")
    assert {(pick.recipe["optimizer"], pick.recipe["learning_rate"]) for pick in noted.picks} == set(
        best.select("optimizer", "learning_rate").rows()
    )
    for _ in range(2):
        page = fallline.open_run(folder).report()
    assert ", and twice since; chosen on validation loss." in page.read_text(encoding="utf-8")
    assert len(readings(RunPaths(folder))) == 1


def test_the_order_of_rows_changes_nothing_of_what_is_read(folder):
    before = chosen_by_run(open_run(folder))
    for file in (folder / "trials").glob("*.parquet"):
        pl.read_parquet(file).sample(fraction=1, shuffle=True, seed=3).write_parquet(file)
    for file in (folder / "timings").glob("*.json"):
        file.unlink()  # it has the checksums of the files as they were
    after = chosen_by_run(open_run(folder))
    assert after.chosen_by == before.chosen_by and after.configurations == before.configurations
    assert not after.against(before) and {pick.arm_name for pick in after.picks} == {
        pick.arm_name for pick in before.picks
    }


def test_the_commands_note_who_they_are(folder, cli):
    for command in (("show", folder), ("report", folder), ("compare", folder, "--metric", "test_accuracy")):
        code, told, problem = cli(*command)
        assert code == 0, problem
    assert "The test set was evaluated for 2 configurations" in told and "and twice since" in told
    (noted,) = readings(RunPaths(folder))
    assert [read.who for read in noted.reads] == ["fallline show", "fallline report", "fallline compare"]


def test_a_comparison_on_validation_reads_no_test(folder):
    found = fallline.open_run(folder).compare()
    assert not (folder / "test_reads.json").exists() and not any("Test was" in note for note in found.notes)


def test_a_second_look_with_another_choice_is_flagged(folder):
    result = fallline.open_run(folder)
    first = result.compare(metric="test_accuracy")
    assert not any("no longer valid" in note for note in first.notes)
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(text.replace('metric = "validation_loss"', 'metric = "validation_accuracy"'))
    second = fallline.open_run(folder).compare(metric="test_accuracy")
    flagged = [note for note in second.notes if "no longer valid" in note]
    assert len(flagged) == 1 and flagged[0].startswith(
        "The test set was evaluated for another choice before (2 configurations chosen on validation loss, on 20"
    )
    page = fallline.open_run(folder).report().read_text(encoding="utf-8")
    assert "The test set was evaluated for another choice before" in page


def test_a_frame_of_every_trial_is_noted_once_an_opening(folder):
    for opened in range(2):
        result = fallline.open_run(folder)
        assert result.trials.height == 8 and result.summary().height == 4 and "test_loss" not in result.trials.columns
        assert str(result) and result.claims().is_empty()
        assert [one.times for one in readings(RunPaths(folder))] == [opened] * opened, "reading writes nothing"
        assert result.trials_with_test().height == result.trials_with_test()["test_loss"].count() == 8
    (noted,) = readings(RunPaths(folder))
    assert (noted.kind, noted.times, noted.first.who) == (ALL, 2, "python")
    page = result.report().read_text(encoding="utf-8")
    assert "A frame with the test values of every trial was given out twice" in page


def test_what_the_study_names_itself_is_noted_apart_and_is_no_choice(tmp_path):
    claims = [
        {
            "text": "a",
            "metric": "test_accuracy",
            "better": {"optimizer": "adam"},
            "worse": {"optimizer": "momentum"},
            "tune": ["learning_rate"],
        }
    ]
    result = fallline.run(study(holdout=0.2, claims=claims), tmp_path / "run")
    assert "claims(test=True)" in result.claims()["note"][0]
    result.claims(test=True)
    result.report()
    named, chosen = readings(RunPaths(tmp_path / "run"))
    assert (named.kind, named.times, chosen.kind, chosen.times) == (NAMED, 2, CHOSEN, 1)
    reported = [{"where": {"optimizer": "adam"}, "metric": "test_accuracy", "value": 0.9}]
    changed = fallline.run(study(holdout=0.2, claims=claims, reported=reported), tmp_path / "run")
    changed.report()
    assert [one.times for one in readings(RunPaths(tmp_path / "run"))] == [2, 2, 1], "another study names other things"


def test_a_run_without_test_values_notes_nothing(tmp_path):
    result = fallline.run(study(task("no-test", test=None), holdout=0.2, seeds=1), tmp_path / "run")
    assert result.trials.height == 4 and result.report().exists() and result.compare().arms.height == 2
    assert not (tmp_path / "run/test_reads.json").exists()


def test_a_reading_that_cannot_be_noted_is_shown_and_said(folder, monkeypatch):
    def full(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr("fallline.store.test_reads.write_json", full)
    found = fallline.open_run(folder).compare(metric="test_accuracy")
    assert found.notes[-1] == "The evaluation of the test set could not be recorded: the disk is full."
    assert math.isfinite(found.arms["mean"][0])


def test_the_page_on_fair_comparisons_holds():
    page = (Path(__file__).parents[2] / "docs/fair.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.M | re.S)
    assert [language for language, _ in blocks] == ["toml", "toml"]
    assert "margins" in tomllib.loads(blocks[1][1])
    assert parse_study(blocks[0][1], "small.toml").trials()[0].cut == FoldSplit(holdout=0.25)


def test_the_corrected_test_is_the_usual_one_with_a_wider_error():
    differences, share = np.array([0.02, 0.03, 0.01, 0.02, 0.04]), 1 / 4
    usual = scipy_stats.ttest_1samp(differences, 0).statistic
    wider = usual * math.sqrt((1 / 5) / (1 / 5 + share))
    assert corrected_p(differences, share) == pytest.approx(2 * scipy_stats.t.sf(wider, 4))
