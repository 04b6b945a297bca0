"""Comparing arms: figures against scipy and by hand, what is chosen where, and what is said where figures cannot be."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

import fallline
from command_line import cli  # noqa: F401
from fake_recipes import recipes_run
from fake_run import line_run, softmax_run, tiny
from fallline.errors import StudyError
from fallline.report import formatting, shown, write_report
from fallline.report.comparison import Comparison, arm_columns, pair_columns
from fallline.report.figures import drawn
from fallline.report.rounding import plus_minus
from fallline.stats.arms import judges
from fallline.stats.compare import compared
from fallline.stats.evidence import Region, weigh
from fallline.stats.pairwise import Sample, all_pairs, holm, permutation_p, two_sided, wilcoxon_p
from fallline.stats.ranks import cliques, expanded_percentiles, ranks
from fallline.stats.same_examples import mcnemar
from fallline.store import Run
from fallline.study import Figure

A = [0.91, 0.93, 0.92, 0.95, 0.90, 0.94]
B = [0.90, 0.91, 0.925, 0.92, 0.90, 0.915]
C = [0.80, 0.82, 0.81, 0.84, 0.79, 0.80]


def rows(
    values: dict[Any, list[float | None]], column: str = "optimizer", metric: str = "validation_accuracy", **same: Any
) -> list[dict[str, Any]]:
    """Rows of trials: the values of each setting over seeds 0, 1, ...; None is a trial that diverged."""
    return [
        {
            column: setting,
            "seed": seed,
            metric: value,
            **same,
            **({"status": "diverged", "diverged_at": 3} if value is None else {}),
        }
        for setting, own in values.items()
        for seed, value in enumerate(own)
    ]


def run_of(folder: Path, values: dict[Any, list[float | None]], **more: Any) -> Run:
    return tiny(folder / "run", rows(values, **more))


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("three"), {"momentum": B, "adam": A, "ftrl": C}, learning_rate=None)


# The figures of arms and pairs


def test_arms_have_the_mean_sd_and_interval_of_the_textbook_and_stand_best_first(three):
    found = Comparison.of(three).arms
    assert found["optimizer"].to_list() == ["adam", "momentum", "ftrl"] and found["place"].to_list() == [1, 2, 3]
    row = found.row(0, named=True)
    low, high = stats.t.interval(0.95, 5, np.mean(A), stats.sem(A))
    assert (row["mean"], row["sd"]) == pytest.approx((np.mean(A), np.std(A, ddof=1)))
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert (row["n"], row["tried"], row["trials"], row["diverged"], row["lost"]) == (6, 1, 6, 0, 0)


def test_pairs_have_the_figures_of_scipys_paired_tests(three):
    row = Comparison.of(three).pairs.row(0, named=True)
    assert (row["first_optimizer"], row["second_optimizer"], row["n"]) == ("adam", "momentum", 6)
    gap, test = np.subtract(A, B), stats.ttest_rel(A, B)
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((gap.mean(), *test.confidence_interval(0.95)))
    assert row["p"] == pytest.approx(test.pvalue)
    flipped = stats.permutation_test(
        (np.array(A), np.array(B)), lambda x, y: np.mean(x - y), permutation_type="samples"
    )
    assert row["p_permutation"] == pytest.approx(flipped.pvalue)
    assert row["p_wilcoxon"] == pytest.approx(stats.wilcoxon(np.round(gap, 12)).pvalue)
    assert row["effect_size"] == pytest.approx(gap.mean() / gap.std(ddof=1))
    assert row["better"] == pytest.approx((4 + 0.5) / 6), "four better, one level, one worse"


def test_holm_counts_every_pair(three):
    found = Comparison.of(three).pairs
    p = sorted(found["p"])
    by_hand = [min(1, 3 * p[0]), max(3 * p[0], min(1, 2 * p[1])), max(3 * p[0], 2 * p[1], p[2])]
    assert sorted(found["p_holm"]) == pytest.approx(by_hand)
    assert found["significant"].to_list() == (found["p_holm"] <= 0.05).to_list() == [False, True, True]
    assert found["seeds_needed"][0] > 6 and found["seeds_needed"][1:].null_count() == 2


@given(st.lists(st.one_of(st.just(math.nan), st.floats(0, 1)), max_size=8))
def test_holm_is_the_definition_for_any_family(p_values):
    known = sorted(p for p in p_values if not math.isnan(p))
    expected = {
        p: max(
            min(1.0, (len(known) - rank) * known[rank])
            for rank in range(known.index(p) + known.count(p))
            if known[rank] <= p
        )
        for p in known
    }
    for p, adjusted in zip(p_values, holm(np.array(p_values)), strict=True):
        assert math.isnan(adjusted) if math.isnan(p) else adjusted == pytest.approx(expected[p])


@given(st.lists(st.integers(-9, 9).map(float), min_size=2, max_size=7))
def test_permutation_and_wilcoxon_are_those_of_every_way_to_flip_signs(values):
    """Counted by hand over all 2^n ways; equal sizes and zeros too."""
    sample = np.array(values)
    assert permutation_p([sample])[0] == pytest.approx(_counted(sample))
    sizes = np.abs(sample[sample != 0])
    ranked = np.sign(sample[sample != 0]) * stats.rankdata(sizes)
    assert wilcoxon_p([sample])[0] == pytest.approx(_counted(ranked) if sizes.size else 1.0)


def _counted(sample: np.ndarray) -> float:
    sums = np.array([np.dot(signs, np.abs(sample)) for signs in itertools.product((1, -1), repeat=len(sample))])
    own = sample.sum()
    return min(1.0, 2 * min((sums >= own - 1e-9).mean(), (sums <= own + 1e-9).mean()))


def test_wilcoxon_is_scipys_with_and_without_ties_and_beyond_fourteen_seeds():
    random = np.random.default_rng(0)
    samples = [random.normal(0.4, 1, n) for n in (5, 9, 30, 60)] + [np.array([1.0, 1, 2, -1, 3, 3, 0])]
    assert wilcoxon_p(samples) == pytest.approx([stats.wilcoxon(sample).pvalue for sample in samples])


def test_samples_tested_together_are_those_tested_alone():
    random = np.random.default_rng(1)
    samples = [random.normal(0.4, 1, n) for n in (5, 9, 20, 9, 1, 20)] + [np.array([1.0, np.inf, 2.0])]
    together = permutation_p(samples)
    assert together == [permutation_p([sample])[0] for sample in samples] and together[4] is together[6] is None


def test_both_sides_count_whichever_arm_is_named_first():
    for sample in (np.array([0.3, 0.1, 0.4, -0.1, 0.2]), np.array([np.inf, 1, 1, -1, 2, 1, 1.0]), np.zeros(6)):
        there, back = two_sided(Sample(sample, scale=1.0)), two_sided(Sample(-sample, scale=1.0))
        assert (there.p_for, there.estimate, there.method) == (back.p_for, -back.estimate, back.method)
        assert there.sizes == pytest.approx(back.sizes)
    assert two_sided(Sample(np.zeros(8), scale=1.0)).p_for == 1.0, "no difference is no difference"


def test_lower_is_better_where_the_metric_is_a_loss(tmp_path):
    run = run_of(tmp_path, {"adam": C, "momentum": A}, metric="final_train_loss")
    found = Comparison.of(run, metric="train_loss")
    assert found.arms["optimizer"].to_list() == ["adam", "momentum"] and found.compared.metric == "final_train_loss"
    assert found.pairs["difference"][0] < 0 and found.pairs["better"][0] == 1.0
    assert found.arms["mean_rank"].to_list() == [1.0, 2.0]


# What is chosen, and on what


def tuned_rows(seeds: int = 6) -> list[dict[str, Any]]:
    """Two optimizers at two rates; 0.1 is best on validation, 0.01 on test."""
    noise = np.random.default_rng(0).normal(0, 0.001, (2, 2, seeds))
    return [
        {
            "optimizer": optimizer,
            "learning_rate": rate,
            "seed": seed,
            "validation_accuracy": 0.9 - 0.02 * one - 0.1 * two + noise[one, two, seed],
            "test_accuracy": 0.8 - 0.02 * one + 0.1 * two + noise[one, two, seed],
        }
        for one, optimizer in enumerate(("adam", "momentum"))
        for two, rate in enumerate((0.1, 0.01))
        for seed in range(seeds)
    ]


def test_the_rate_is_chosen_on_validation_and_test_is_only_read(tmp_path):
    found = Comparison.of(tiny(tmp_path / "run", tuned_rows()), metric="test_accuracy")
    assert found.arms["learning_rate"].to_list() == [0.1, 0.1] and found.arms["tried"].to_list() == [2, 2]
    assert found.arms["mean"][0] == pytest.approx(0.8, abs=0.002)
    assert any("Test accuracy was evaluated for these only" in note for note in found.notes)


def test_a_study_that_names_test_chooses_on_validation_all_the_same(tmp_path):
    found = Comparison.of(tiny(tmp_path / "run", tuned_rows(), metric="test_accuracy"))
    assert found.compared.metric == "validation_accuracy" and found.arms["learning_rate"].to_list() == [0.1, 0.1]
    assert any("selection uses validation accuracy" in note for note in found.notes)


@given(st.integers(3, 40))
def test_no_two_seeds_choose_for_each_other_and_each_has_half_of_the_others(count):
    choosing = [judges(seed, count) for seed in range(count)]
    for seed, own in enumerate(choosing):
        assert seed not in own and len(set(own)) == len(own) and abs(len(own) - (count - 1) / 2) <= 0.5
        assert all(seed not in choosing[other] for other in own)


def test_seeds_that_do_not_agree_on_a_setting_are_told(tmp_path):
    random = np.random.default_rng(3)
    table = [
        {"optimizer": name, "learning_rate": rate, "seed": seed, "validation_accuracy": random.normal(0.9, 0.01)}
        for name in ("adam", "momentum")
        for rate in (0.1, 0.03, 0.01)
        for seed in range(8)
    ]
    found = Comparison.of(tiny(tmp_path / "run", table))
    assert False in found.arms["one_choice"].to_list()
    assert any(note.startswith("The seeds do not choose the same setting for") for note in found.notes)


def test_the_run_the_page_and_the_comparison_have_one_mean_and_another_is_explained(tmp_path):
    random = np.random.default_rng(3)
    run = tiny(
        tmp_path / "run",
        [
            {"optimizer": name, "learning_rate": rate, "seed": seed, "validation_accuracy": random.normal(0.9, 0.01)}
            for name in ("adam", "momentum")
            for rate in (0.1, 0.03, 0.01)
            for seed in range(8)
        ],
    )
    said, found, every = shown(run), Comparison.of(run), shown(run, every=True)
    means = dict(zip(found.arms["optimizer"], found.arms["mean"], strict=True))
    printed = {
        row[0]: float(row[2])
        for row in map(str.split, str(said).split("\n"))
        if row and row[0] in means and len(row) > 5
    }
    assert printed.keys() == means.keys() and all(printed[name] == round(means[name], 4) for name in means)
    best = run.trials.group_by("optimizer", "learning_rate").agg(pl.col("validation_accuracy").mean())
    whole = dict(best.group_by("optimizer").agg(pl.col("validation_accuracy").max()).iter_rows())
    assert any(round(whole[name], 4) != printed[name] for name in means), "the choice has to matter here"
    assert "the mean over the settings that each seed was evaluated at" in said.tables[0][1][0]
    why = "each seed is evaluated at the setting that the other seeds choose"
    assert why in every.tables[1][1][0] and why in write_report(run).read_text(encoding="utf-8")


def test_a_rate_at_which_trials_diverge_is_not_chosen(tmp_path):
    table = rows({0.1: [0.99, None, 0.99, 0.99], 0.01: [0.9, 0.91, 0.9, 0.91]}, "learning_rate")
    table += rows({0.1: [0.8, 0.81, 0.8, 0.81]}, "learning_rate", optimizer="momentum")
    found = Comparison.of(tiny(tmp_path / "run", table))
    assert found.arms.select("optimizer", "learning_rate", "lost", "diverged", "trials").rows() == [
        ("adam", 0.01, 0, 1, 8),
        ("momentum", 0.1, 0, 0, 4),
    ]


def test_what_is_tuned_can_be_named_and_what_is_left_splits_the_comparison(tmp_path):
    run = tiny(tmp_path / "run", tuned_rows())
    found = Comparison.of(run, tune=[])
    assert found.compared.held == ("learning_rate",) and len(found.answer) == 2
    assert found.use[0].startswith("Learning rate 0.01: no winner is named") and len(found.use) == 2
    assert found.answer[0].startswith("Learning rate 0.01: adam is best so far")
    rates = Comparison.of(run, by="learning_rate")
    assert rates.compared.held == ("optimizer",) and rates.arms["learning_rate"].to_list() == [0.1, 0.01] * 2
    every = Comparison.of(run, by=["optimizer", "learning_rate"])
    assert len(every.arms) == 4 and len(every.pairs) == 6
    some = compared(run, "learning_rate", kept={"optimizer": "adam"})
    assert [group.within for group in some.groups] == [{"optimizer": "adam"}]


# Where figures cannot be: words


def test_one_seed_has_no_interval_no_p_and_no_verdict(tmp_path):
    found = Comparison.of(tiny(tmp_path / "run", tuned_rows(seeds=1)))
    gone = ["low", "high", "p", "p_permutation", "p_wilcoxon", "p_holm", "effect_size", "better", "seeds_needed"]
    assert all(found.pairs[name].null_count() == 1 for name in gone) and not found.pairs["significant"][0]
    assert all(found.arms[name].null_count() == 2 for name in ("sd", "low", "high", "rank_low"))
    assert "with one seed no difference can be tested" in found.answer[0]
    assert "p =" not in str(found) and any(note.startswith("One seed") for note in found.notes)


def test_a_chosen_trial_that_diverged_makes_it_the_median_and_the_sign_test(tmp_path):
    found = Comparison.of(run_of(tmp_path, {"adam": A + A[:2], "momentum": [None, *B[1:], 0.9, 0.91]}))
    row, pair = found.arms.row(1, named=True), found.pairs.row(0, named=True)
    assert (row["optimizer"], row["lost"], row["mean"], row["sd"], row["method"]) == ("momentum", 1, None, None, "sign")
    own = sorted([-math.inf, *B[1:], 0.9, 0.91])
    assert row["median"] == pytest.approx((own[3] + own[4]) / 2) and (row["low"], row["high"]) == (own[0], own[7])
    assert pair["method"] == "sign" and pair["p_permutation"] is None and pair["effect_size"] is None
    better = sum(a > b for a, b in zip(A + A[:2], [-math.inf, *B[1:], 0.9, 0.91], strict=True))
    assert pair["p"] == pytest.approx(2 * stats.binom.sf(better - 1, 8, 0.5))
    assert any("momentum (1 of 8 seeds)" in note and "sign test" in note for note in found.notes)
    assert f"median {(own[3] + own[4]) / 2:.4f}" in str(found)


def test_an_arm_that_diverged_everywhere_is_last_and_worse(tmp_path):
    found = Comparison.of(run_of(tmp_path, {"momentum": [None] * 8, "adam": A + A[:2], "ftrl": [None] * 8}))
    assert found.arms["optimizer"].to_list()[0] == "adam" and found.arms["lost"].to_list() == [0, 8, 8]
    assert found.arms["mean"].null_count() == 2
    assert len(found.pairs) == 2, "two arms that diverged everywhere are not compared"
    assert found.pairs["p_holm"].to_list() == pytest.approx([2 / 128, 2 / 128])
    assert found.answer[0].endswith("both others are worse (p ≤ 0.0078).")


def test_where_every_trial_diverged_there_is_no_winner(tmp_path):
    run = run_of(tmp_path, {"adam": [None] * 3, "momentum": [None] * 3})
    with pytest.raises(
        StudyError,
        match=r"every trial diverged, its loss became infinite\. Next: try learning rates smaller "
        r"than 0\.1, such as 0\.01, 0\.001 and 0\.0001",
    ):
        Comparison.of(run)
    with pytest.raises(StudyError, match="every trial diverged"):
        compared(run)
    table = rows({"adam": [None] * 3, "momentum": [None] * 3}, batch_size=100)
    table += rows({"adam": A, "momentum": B}, batch_size=200)
    said = Comparison.of(tiny(tmp_path / "half", table)).answer
    assert said[0] == "Batch 100: every chosen trial of every arm diverged: there is nothing to compare."
    assert "adam is best so far" in said[1]


def test_what_leaves_nothing_to_chance_needs_no_test(tmp_path):
    same = {"final_train_loss": 0.5, "min_train_loss": 0.5, "min_train_loss_step": 9}
    table = [
        {"optimizer": name, "seed": seed, **same, "final_train_loss": loss, "validation_accuracy": 1 - loss}
        for name, loss in (("adam", 0.1), ("momentum", 0.2), ("nesterov", 0.1))
        for seed in range(4)
    ]
    found = Comparison.of(tiny(tmp_path / "run", table))
    assert set(found.pairs["method"]) == {"values"} and found.pairs["p"].null_count() == 3
    assert found.pairs["significant"].to_list() == [False, True, True]
    assert found.answer[0].startswith("Adam and nesterov are exactly equal")
    assert any(note.startswith("These trials are deterministic") for note in found.notes)


def test_arms_are_compared_over_the_seeds_that_both_have(tmp_path):
    table = rows({"adam": A, "momentum": B})[:-2]
    found = Comparison.of(tiny(tmp_path / "run", table))
    assert found.arms["n"].to_list() == [6, 4] and found.pairs["n"].to_list() == [4]
    assert found.pairs["p"][0] == pytest.approx(stats.ttest_rel(A[:4], B[:4]).pvalue)
    assert any("momentum (4 of 6)" in note for note in found.notes)
    assert found.arms["rank_n"].to_list() == [4, 4]


def test_with_few_seeds_it_is_said_what_a_permutation_test_cannot_do(three):
    note = next(note for note in Comparison.of(three).notes if "permutation or Wilcoxon" in note)
    assert "cannot give p below 0.031, 0.094 after Holm" in note
    assert permutation_p([np.arange(1.0, 7)])[0] == 2 / 2**6


def test_a_missed_target_is_worse_than_any_that_was_reached(tmp_path):
    table = rows({"adam": [0.9] * 8, "momentum": [0.9] * 8})
    for place, row in enumerate(table):
        row["steps_to_target"] = None if place in (9, 12) else 10 + place % 3 if place < 8 else 30 + place % 3
    found = Comparison.of(tiny(tmp_path / "run", table), metric="steps_to_target")
    assert found.arms["optimizer"].to_list() == ["adam", "momentum"] and found.arms["lost"].to_list() == [0, 2]
    assert found.pairs["significant"].to_list() == [True] and found.pairs["better"].to_list() == [1.0]
    assert any(note.startswith("At their best settings missed the target") for note in found.notes)


def test_an_unfinished_run_says_so(tmp_path):
    run = run_of(tmp_path, {"adam": A, "momentum": B})
    plan = run.folder / "plan.json"
    plan.write_text(plan.read_text().replace('[{"name": "c0-b0"}]', '[{"name": "c0-b0"}, {"name": "c0-b1"}]'))
    said = Comparison.of(fallline.store.open_run(run.folder)).sure[0]
    assert said.startswith("The run is not finished: 1 of its 2 blocks of trials is not trained yet")
    assert said.endswith(" --resume. Only what is new is trained.")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"by": "optimiser"}, "did you mean optimizer?"),
        ({"by": "task"}, "all trials have the same task; what varies is optimizer, learning_rate"),
        ({"metric": "test_acuracy"}, "did you mean test_accuracy"),
        ({"tune": "rate"}, "no recipe column is named 'rate'"),
        ({"by": "learning_rate", "tune": "learning_rate"}, "cannot be both compared and tuned"),
    ],
)
def test_what_cannot_be_compared_is_an_error_with_its_remedy(tmp_path, asked, said):
    run = tiny(tmp_path / "run", tuned_rows())
    with pytest.raises(StudyError, match=re.escape(said)):
        Comparison.of(run, **asked)


def test_arms_that_share_nothing_else_are_not_compared(tmp_path):
    table = rows({"adam": A}, batch_size=100) + rows({"momentum": B}, batch_size=200)
    with pytest.raises(StudyError, match="no two arms differ in optimizer and agree in batch_size"):
        Comparison.of(tiny(tmp_path / "run", table))


def test_what_takes_no_such_number_is_left_out_in_words(tmp_path):
    table = [
        {"optimizer": "momentum", "momentum": number, "seed": seed, "validation_accuracy": value + number / 100}
        for number in (0.5, 0.9)
        for seed, value in enumerate(A)
    ]
    table += [{"optimizer": "adam", "momentum": None, "seed": seed, "validation_accuracy": 0.9} for seed in range(6)]
    found = Comparison.of(tiny(tmp_path / "run", table), by="momentum")
    assert found.arms["momentum"].to_list() == [0.9, 0.5]
    assert "Left out, since they have no momentum: adam." in found.notes


def test_losses_of_different_kinds_never_meet(tmp_path):
    kinds = (
        ("softmax_cross_entropy", {}),
        ("weighted_cross_entropy", {"pos_weight": 0.5}),
        ("weighted_cross_entropy", {"pos_weight": 1.5}),
    )
    run = recipes_run(tmp_path / "run", seeds=3, losses=kinds)
    assert Comparison.of(run, metric="test_loss").compared.held == ("loss_kind",)
    assert Comparison.of(run, by="loss").compared.tune == ("learning_rate", "pos_weight"), "by accuracy all compare"
    assert len(Comparison.of(run, by="loss_kind", metric="test_accuracy").arms) == 6
    with pytest.raises(StudyError, match="3 kinds of loss cannot be compared"):
        Comparison.of(run, by="loss", metric="test_loss")
    with pytest.raises(StudyError, match="pos_weight changes what the loss means"):
        Comparison.of(run, metric="test_loss", tune="pos_weight")
    only = recipes_run(tmp_path / "only", seeds=3, losses=kinds, accuracy=False, predictions=False)
    assert Comparison.of(only).compared.held == ("loss_kind",)


# The same examples


def test_mcnemar_is_the_binomial_test_of_each_seed_and_twice_their_median():
    random = np.random.default_rng(0)
    first, second = random.random((3, 200)) < 0.9, random.random((3, 200)) < 0.8
    each = [
        stats.binomtest(int((a & ~b).sum()), int((a ^ b).sum()), 0.5).pvalue for a, b in zip(first, second, strict=True)
    ]
    found = mcnemar(first, second)
    assert found.p == pytest.approx(min(1, 2 * np.median(each))) and (found.seeds, found.examples) == (3, 200)
    assert mcnemar(first[:1], second[:1]).p == pytest.approx(each[0])
    assert mcnemar(first, first).p == 1.0
    assert found.only_first == pytest.approx((first & ~second).sum() / 3)


@pytest.mark.parametrize("split", ["test", "validation"])
def test_mcnemar_reads_the_predictions_of_the_chosen_trials_on_the_metrics_split_alone(tmp_path, split):
    run = recipes_run(tmp_path / "run", seeds=3)
    found = Comparison.of(run, metric=f"{split}_accuracy")
    labels = run.answers.filter(pl.col("split") == split)["labels"][0].to_numpy()
    given_ = run.predictions.filter(pl.col("split") == split).collect()
    right = []
    for row in found.arms.iter_rows(named=True):
        own = run.trials.filter(pl.col(name) == row[name] for name in ("optimizer", "learning_rate"))
        taken = own.sort("seed").select("trial").join(given_, on="trial", maintain_order="left")["predicted"]
        right.append(np.stack([one.to_numpy() == labels for one in taken]))
    assert found.pairs["p_mcnemar"][0] == pytest.approx(mcnemar(*right).p)
    assert found.pairs["only_second"][0] == pytest.approx((right[1] & ~right[0]).sum() / 3)


def test_without_predictions_or_on_the_training_loss_there_is_no_mcnemar(three, tmp_path):
    assert Comparison.of(three).pairs["p_mcnemar"].null_count() == 3
    run = recipes_run(tmp_path / "run", seeds=2)
    assert Comparison.of(run, metric="train_loss").pairs["p_mcnemar"].null_count() == 1


# Ranks


def test_ranks_are_counted_seed_by_seed_and_ties_share():
    values = np.array([[0.9, 0.8, 0.7, math.nan], [0.9, 0.9, 0.6, 0.9], [0.1, -math.inf, 0.9, 0.9]])
    found = ranks(values, up=True)
    assert found.each.tolist() == [[1.5, 2, 2], [1.5, 1, 3], [3, 3, 1]] and found.n == 3
    assert found.mean == pytest.approx([5.5 / 3, 5.5 / 3, 7 / 3])
    assert (found.low <= found.mean).all() and (found.mean <= found.high).all()
    assert ranks(values[:, :1], up=True).low is None and ranks(values[:, 3:], up=True) is None
    assert np.array_equal(ranks(-values, up=False).each, found.each)


def test_the_percentiles_of_a_bootstrap_are_those_of_students_t():
    for n in (3, 10, 50):
        low, high = expanded_percentiles(n)
        plain_sd = math.sqrt((n - 1) / n)  # a bootstrap divides by n
        assert -stats.norm.ppf(low) * plain_sd == pytest.approx(stats.t.ppf(0.975, n - 1)) and low + high == 1
    assert expanded_percentiles(10_000)[0] == pytest.approx(0.025, abs=1e-4)


def test_bars_join_the_longest_runs_of_arms_that_are_not_told_apart():
    apart = np.zeros((5, 5), bool)
    for a, b in ((0, 2), (0, 3), (0, 4), (1, 4), (2, 4)):
        apart[a, b] = apart[b, a] = True
    assert cliques(apart) == [(0, 1), (1, 3), (3, 4)]
    assert cliques(~np.eye(3, dtype=bool)) == [] and cliques(np.zeros((3, 3), bool)) == [(0, 2)]


def test_the_rank_picture_shows_every_arm_and_joins_those_not_told_apart(tmp_path, three):
    found = drawn(three, Figure(kind="ranks"))
    arms, bars = (found.frame.filter(pl.col("what") == what) for what in ("arm", "bar"))
    assert arms["arm"].to_list() == ["adam", "momentum", "ftrl"] and arms["mean_rank"].to_list() == [1.25, 1.75, 3.0]
    assert bars.select("first", "last").rows() == [("adam", "momentum")]
    assert "Holm's correction over 3 pairs" in found.caption and "bootstrap" in found.caption
    assert vl_convert.vegalite_to_svg(found.specification).startswith("<svg")
    rates = softmax_run(tmp_path / "run", seeds=4, optimizers=("adam", "momentum"), rates=(0.1, 0.01, 0.001))
    several = drawn(rates, Figure(kind="ranks", color="learning_rate"))
    assert several.frame["panel_place"].n_unique() == 2
    assert vl_convert.vegalite_to_svg(several.specification).startswith("<svg")
    nothing = drawn(line_run(tmp_path / "line", optimizers=("adam",)), Figure(kind="ranks"))
    assert nothing.frame.is_empty() and vl_convert.vegalite_to_svg(nothing.specification).startswith("<svg")


# What a reader sees


def test_the_answer_says_what_the_tables_say(three):
    found = Comparison.of(three)
    arms, pairs = found.arms.to_dicts(), found.pairs.to_dicts()
    half = (arms[0]["high"] - arms[0]["low"]) / 2
    assert found.answer == [
        f"Adam is best so far (best in over 99 % of resamples): validation accuracy "
        f"{plus_minus(arms[0]['mean'], half)} "
        f"(95 % CI, n = 6); momentum (p = {arms[1]['p_best']:.2g}, about {arms[1]['seeds_needed']} to "
        f"{arms[1]['seeds_most']} seeds needed) is not significantly worse; ftrl is worse "
        f"(−{pairs[1]['difference']:.2g}, p < 0.0001)."
    ]


def test_means_are_written_to_the_second_digit_of_the_interval():
    assert plus_minus(0.92123, 0.00214) == "0.9212 ± 0.0021" and plus_minus(0.92, 0.0) == "0.9200 ± 0"
    assert plus_minus(-12.3456, 1.5) == "−12.3 ± 1.5" and plus_minus(3.1e-7, 2.04e-8) == "3.10e-7 ± 2.0e-8"


@settings(deadline=None, max_examples=8)
@given(st.randoms(use_true_random=False))
def test_the_order_of_arms_seeds_and_rows_changes_nothing(tmp_path_factory, random):
    table = [row | {"trial": f"{place:016x}"} for place, row in enumerate(tuned_rows())]
    names = {"adam": "nadam", "momentum": "adagrad"}
    first = Comparison.of(tiny(tmp_path_factory.mktemp("a") / "run", table), metric="test_accuracy")
    shuffled = random.sample(table, len(table))
    second = Comparison.of(tiny(tmp_path_factory.mktemp("b") / "run", shuffled), metric="test_accuracy")
    assert_frame_equal(first.arms, second.arms)
    assert_frame_equal(first.pairs, second.pairs)
    assert str(first) == str(second)
    renamed = [row | {"optimizer": names[row["optimizer"]]} for row in shuffled]
    third = Comparison.of(tiny(tmp_path_factory.mktemp("c") / "run", renamed), metric="test_accuracy")
    assert_frame_equal(
        first.pairs.drop("first_optimizer", "second_optimizer"), third.pairs.drop("first_optimizer", "second_optimizer")
    )


def test_python_terminal_page_and_csv_say_the_same(cli, tmp_path):  # noqa: F811
    run = softmax_run(Path("run"), seeds=5, optimizers=("adam", "momentum", "adagrad"), rates=(0.1, 0.01))
    found = Comparison.of(run, metric="test_accuracy", tune="learning_rate")
    code, out, error = cli("compare", "run", "--metric", "test_accuracy", "--tune", "learning_rate", "--csv", "x.csv")
    assert (code, error) == (0, "")
    told = {line.rstrip() for line in out.split("\n")}
    assert {line.rstrip() for line in str(found).split("\n")} <= told and found.answer[0] in told
    api = fallline.open_run("run").compare("optimizer", "test_accuracy")
    assert_frame_equal(api.pairs, found.pairs)
    assert set(found.notes) <= set(api.notes) and repr(api) == str(api)
    assert_frame_equal(
        pl.read_csv("x.csv").select("optimizer", "mean", "low"), found.arms.select("optimizer", "mean", "low")
    )
    assert pl.read_csv("x-pairs.csv")["p_holm"].to_list() == pytest.approx(found.pairs["p_holm"].to_list())
    headings = {column.heading for column in (*arm_columns(found), *pair_columns(found))}
    assert {"significant", "p permutation", "mean rank"} <= headings
    assert cli("compare", "run", "--by", "optimiser")[0] == 2


def test_a_long_table_of_pairs_is_cut_in_the_terminal(tmp_path):
    many = {f"rule_{place}": [value + place / 1000 for value in A] for place in range(8)}
    found = Comparison.of(run_of(tmp_path, many))
    assert "The first 20 of 28 pairs" in str(found)
    assert len(found.pairs) == 28


def test_arms_with_long_names_have_letters_in_the_table_of_pairs(tmp_path, three):
    long = "a rule with a name that nobody would want to read twice in a row"
    found = Comparison.of(run_of(tmp_path, {long: B, "adam": A, "ftrl": C}))
    arms = dict(zip(*(column.texts for column in arm_columns(found)[:2]), strict=True))
    assert arms == {"A": "adam", "B": formatting.value_of("optimizer", long), "C": "ftrl"}
    assert [column.texts for column in pair_columns(found)[:2]] == [["A", "A", "B"], ["B", "C", "C"]]
    short = Comparison.of(three)
    assert arm_columns(short)[0].heading == "optimizer" and pair_columns(short)[0].texts[0] == "adam"


def test_the_evidence_is_that_of_claims(three):
    """A claim and a comparison never say different things of the same two arms."""
    pair = compared(three).pairs[0][0]
    assert pair.evidence == weigh(np.subtract(A, B), Region(low=0.0), scale=0.95)
    assert all_pairs([], up=True) == []
