"""Which arms can be best: the errors and the power that are promised, on simulated data whose truth is known, and what
is said of copies, of noisy arms and of arms that are as good."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from fake_run import tiny
from fallline.errors import StudyError
from fallline.report.comparison import Comparison, pair_columns
from fallline.report.figures import drawn
from fallline.report.headline import Opening
from fallline.report.results import Results
from fallline.sequential import questions
from fallline.stats.arms import Arm, could_be_best
from fallline.stats.best import AHEAD, AS_GOOD, BEST, OPEN, SAME, WORSE, best_shares, standings
from fallline.stats.compare import compared
from fallline.stats.differences import difference, levelled, paired_sample
from fallline.stats.evidence import Region, Sample, weighed
from fallline.stats.groups import ArmGroup
from fallline.stats.margins import margin
from fallline.stats.pairwise import all_pairs, holm, range_to_tell, seeds_to_tell, share_interval, two_sided
from fallline.stats.power import hedges, pilots, seeds_range
from fallline.stats.search import searches
from fallline.stats.tuning import defeats
from fallline.study import Figure, Study

DRAWS = 4000


def most(draws: int = DRAWS, share: float = 0.05) -> float:
    """A share of the draws and three standard errors of its count."""
    return share + 3 * math.sqrt(share * (1 - share) / draws)


def stand(values: np.ndarray, up: bool = False, within: float | None = None) -> tuple[ArmGroup, list[Any]]:
    """The group of arms with these values [arms, seeds], best first, and how they stand."""
    order = np.argsort(-values.mean(1) if up else values.mean(1), kind="stable")
    group = ArmGroup({}, tuple(arm(values[place], place) for place in order), up)
    samples = [group.sample(*place) for place in group.places]
    pairs = all_pairs(samples, up)
    others = {
        second: (pair, sample)
        for (first, second), pair, sample in zip(group.places, pairs, samples, strict=True)
        if first == 0
    }
    return group, standings(group, others, within)


def arm(values: np.ndarray, place: int) -> Arm:
    rows = [
        {"trial": f"{seed}", "seed": seed, "diverged": False, "value": value, "choice": value}
        for seed, value in enumerate(values)
    ]
    return Arm({"arm": int(place)}, pl.DataFrame(rows), (), fixed=False)


# The truly best arm is among those that are not called worse


def ruled_out(values: np.ndarray) -> np.ndarray:
    """[draws, arms]: what ``standings`` does for all draws at once; values [draws, arms, seeds], larger is better."""
    draws, count, n = values.shape
    first, second = np.transpose(list(itertools.combinations(range(count), 2)))
    gaps = values[:, first] - values[:, second]
    p = 2 * stats.t.sf(np.abs(gaps.mean(-1) / (gaps.std(-1, ddof=1) / math.sqrt(n))), n - 1)
    pairs = np.zeros((2, draws, count, count)) + 2.0
    for at, found in enumerate((p, holm(p))):
        pairs[at][:, first, second] = pairs[at][:, second, first] = found
    best = values.mean(-1).argmax(1)
    own = pairs[:, np.arange(draws), best]
    found = np.minimum(own[0] * max(count - 1, 2) / 2, own[1]) <= 0.05
    for draw in range(12):
        group, seen = stand(values[draw], up=True)
        names = {one.settings["arm"]: standing.verdict == WORSE for one, standing in zip(group.arms, seen, strict=True)}
        assert [names[place] for place in range(count)] == found[draw].tolist()
    return found


def test_losers_are_ruled_out_more_than_twice_as_often_as_by_holm_over_all_pairs():
    """Nine arms, six seeds, one arm ahead by twice the sd of a difference: the figures of docs/fair.md."""
    values = np.random.default_rng(0).normal(size=(DRAWS, 9, 6))
    values[:, 0] += 2 * math.sqrt(2)
    found = ruled_out(values)
    gaps = values[:, :1] - values[:, 1:]
    every = [values[:, a] - values[:, b] for a, b in itertools.combinations(range(9), 2)]
    by_holm = holm(stats.ttest_1samp(np.stack(every, 1), 0.0, axis=-1).pvalue)[:, :8] <= 0.05
    assert gaps.shape[1] == 8 and found[:, 0].mean() < 0.001
    assert 0.78 < found[:, 1:].mean() < 0.83 and 0.30 < by_holm.mean() < 0.35


@pytest.mark.parametrize("spreads", ["alike", "unlike"])
@pytest.mark.parametrize(
    ("count", "n", "level_with_it"),
    [(2, 5, 2), (3, 5, 3), (4, 6, 4), (5, 10, 5), (9, 6, 9), (9, 6, 2), (9, 6, 4), (9, 10, 1)],
)
def test_a_truly_best_arm_is_ruled_out_in_under_five_percent(count, n, level_with_it, spreads):
    """However many others are level with it, and however far the rest are behind."""
    random = np.random.default_rng(count * n + level_with_it)
    wide = np.ones(count) if spreads == "alike" else np.linspace(0.3, 2, count)
    for behind in (0.5, 30.0):
        values = random.normal(size=(DRAWS, count, n)) * wide[:, None]
        values[:, level_with_it:] -= behind
        found = ruled_out(values)
        assert found[:, :level_with_it].mean(0).max() <= most()
        assert found[:, :level_with_it].all(1).mean() <= 0.05


def test_with_two_arms_the_verdict_is_that_of_the_paired_t_test():
    random = np.random.default_rng(2)
    for _ in range(200):
        values = random.normal(size=(2, 6)) + np.array([[0.8], [0.0]])
        _, found = stand(values, up=True)
        p = stats.ttest_rel(*values).pvalue
        assert found[1].p_best == pytest.approx(p) and (found[1].verdict == WORSE) == (p <= 0.05)
        assert found[0].verdict == (BEST if p <= 0.05 else AHEAD)


def test_what_the_table_of_pairs_tells_from_the_best_is_worse_at_the_top_too():
    random, seen = np.random.default_rng(3), 0
    for _ in range(300):
        group, found = stand(random.normal(size=(5, 5)) + np.array([2.0, 2.5, 9, 14, 19])[:, None] * 0.9)
        pairs = all_pairs([group.sample(*place) for place in group.places], up=False)
        for (first, second), pair in zip(group.places, pairs, strict=True):
            if first == 0 and pair.significant:
                seen += 1
                assert found[second].verdict == WORSE
    assert seen > 300


# Worse and noisier


def lognormal(random: np.random.Generator, mean: float, spread: float, shape: tuple[int, ...]) -> np.ndarray:
    return np.exp(random.normal(math.log(mean) - spread**2 / 2, spread, shape))


def test_a_worse_and_noisier_loss_is_worse_though_its_spread_hides_the_mean():
    good = np.array([0.29, 0.30, 0.28, 0.29, 0.31, 0.28])
    noisy = np.array([1.9, 2.4, 25.0, 3.1, 7.5, 2.1])
    assert stats.ttest_rel(good, noisy).pvalue > 0.05
    pair = all_pairs([paired_sample(good, noisy)], up=False)[0]
    assert pair.significant and pair.evidence.logs and pair.better == 1.0
    assert pair.p == pytest.approx(stats.ttest_rel(np.log(good), np.log(noisy)).pvalue)
    assert (pair.evidence.low, pair.evidence.high) == pytest.approx(
        stats.ttest_rel(good, noisy).confidence_interval(0.95)
    ), "the interval is of the plain difference"
    up = all_pairs([paired_sample(good, noisy, losses=False)], up=True)[0]
    assert not up.significant, "of accuracies the mean is not that of a skewed loss"
    assert not weighed(paired_sample(noisy, good), Region(low=0.0, closed=True)).logs, "claims with an end stay plain"


def test_logarithms_say_nothing_for_the_noisier_arm():
    """An arm that is mostly better and sometimes far worse has the worse mean: logarithms must not call it better."""
    steady, wild = np.full(8, 0.29) + np.arange(8) / 1000, np.array([0.05] * 7 + [1.2])
    found = two_sided(paired_sample(wild, steady))
    assert stats.ttest_rel(np.log(wild), np.log(steady)).pvalue < 0.05 and not found.logs and found.p_for > 0.05


@pytest.mark.parametrize(
    ("first", "second"), [(0.1, 0.1), (0.5, 0.5), (1, 1), (0.1, 0.5), (0.5, 1.0), (0.3, 0.1), (0.5, 0.4), (1.0, 0.7)]
)
@pytest.mark.parametrize("n", [5, 10, 20])
def test_equal_means_of_skewed_losses_are_told_apart_hardly_more_often_with_logarithms(n, first, second):
    random = np.random.default_rng(n)
    a, b = lognormal(random, 1, first, (DRAWS, n)), lognormal(random, 1, second, (DRAWS, n))
    plain = stats.ttest_rel(a, b, axis=1)
    logs = stats.ttest_rel(np.log(a), np.log(b), axis=1)
    wider = np.log(a).std(1, ddof=1) >= np.log(b).std(1, ddof=1)
    asked = np.where(plain.statistic > 0, wider, ~wider | (np.log(a).std(1) == np.log(b).std(1)))
    asked &= np.sign(plain.statistic) == np.sign(logs.statistic)
    p = np.where(asked, np.minimum(plain.pvalue, logs.pvalue), plain.pvalue)
    for draw in range(15):
        assert two_sided(paired_sample(a[draw], b[draw])).p_for == pytest.approx(p[draw])
    alone = (plain.pvalue <= 0.05).mean()
    assert alone <= (p <= 0.05).mean() <= max(alone + 0.015, most()), "a t test of skewed values errs by itself"


def tuned(choices: np.ndarray, place: int) -> Arm:
    """An arm tried at several rates; values are the choices [seeds, rates]."""
    rows = [
        {
            "trial": f"{seed}-{rate}",
            "seed": seed,
            "learning_rate": float(rate),
            "diverged": False,
            "value": choices[seed, rate],
            "choice": choices[seed, rate],
        }
        for seed, rate in np.ndindex(choices.shape)
    ]
    return Arm({"arm": place}, pl.DataFrame(rows), ("learning_rate",), fixed=False)


def noisy_grid(random: np.random.Generator, mean: float, n: int = 6) -> np.ndarray:
    """Losses [seeds, rates]: one good rate, one a little worse, two far worse and noisy."""
    return np.stack(
        [
            lognormal(random, mean * factor, spread, (n,))
            for factor, spread in ((1, 0.05), (1.15, 0.08), (8, 0.6), (25, 1.2))
        ],
        axis=1,
    )


def plain(sample: Sample) -> Sample:
    """The sample without its logarithms, as a t test alone would see it."""
    return Sample(
        sample.values,
        scale=sample.scale,
        floors=tuple(map(plain, sample.floors)),
        ceilings=tuple(map(plain, sample.ceilings)),
    )


def told_apart(random: np.random.Generator, draws: int, first: float, second: float, logs: bool = True) -> float:
    """How often two tuned arms with these best losses are told apart; without logarithms as t tests alone would."""
    found = 0
    for _ in range(draws):
        sample = difference(tuned(noisy_grid(random, first), 0), tuned(noisy_grid(random, second), 1), up=False)
        found += all_pairs([sample if logs else plain(sample)], up=False)[0].significant
    return found / draws


def test_a_noisy_setting_rescues_no_worse_arm(monkeypatch):
    assert told_apart(np.random.default_rng(5), 100, 0.29, 0.605) > 0.85
    monkeypatch.setattr("fallline.stats.arms.paired_sample", lambda a, b: paired_sample(a, b, losses=False))
    assert told_apart(np.random.default_rng(5), 100, 0.29, 0.605, logs=False) < 0.55


def test_equal_arms_with_noisy_settings_are_told_apart_in_under_five_percent():
    assert told_apart(np.random.default_rng(5), 400, 0.3, 0.3) <= most(400)


def test_a_far_worse_and_noisy_setting_could_not_be_the_best():
    random = np.random.default_rng(6)
    kept = np.mean([3 in could_be_best(noisy_grid(random, 0.3)) for _ in range(300)])
    by_t = np.mean([stats.ttest_rel(*noisy_grid(random, 0.3)[:, [3, 0]].T).pvalue / 2 > 0.05 / 3 for _ in range(300)])
    assert kept < 0.1 and by_t > 0.65


def test_the_arm_of_the_issue_is_worse_where_a_rate_of_mean_seven_could_have_saved_it(tmp_path):
    losses = {
        ("adam", 0.01): [0.29, 0.30, 0.28, 0.29, 0.31, 0.27],
        ("adam", 0.5): [0.9, 0.8, 1.1, 0.9, 1.0, 0.8],
        ("rmsprop", 0.01): [0.60, 0.62, 0.59, 0.61, 0.60, 0.61],
        ("rmsprop", 0.5): [1.4, 2.2, 21.0, 4.9, 9.8, 2.7],
    }
    rows = [
        {"optimizer": name, "learning_rate": rate, "seed": seed, "validation_loss": value}
        for (name, rate), own in losses.items()
        for seed, value in enumerate(own)
    ]
    found = Comparison.of(tiny(tmp_path / "run", rows, metric="validation_loss"))
    assert found.arms["verdict"].to_list() == [BEST, WORSE] and found.pairs["significant"].to_list() == [True]
    assert found.use == ["Use adam at learning rate 0.01."]


# As good


def test_arms_that_differ_by_the_margin_are_called_as_good_in_under_five_percent():
    """Any of three arms, each exactly the margin behind the best."""
    random, draws = np.random.default_rng(7), 500
    wrong = 0
    for _ in range(draws):
        values = random.normal(0, 0.3, (4, 8)) + np.r_[0.0, np.ones(3)][:, None]
        _, found = stand(values, within=1.0)
        wrong += any((one.p_as_good or 1.0) <= 0.05 for one in found)
    assert wrong / draws <= most(draws)


def test_equal_arms_of_little_spread_are_as_good_and_the_p_value_is_that_of_tost():
    random, seen = np.random.default_rng(8), 0
    for _ in range(100):
        values = random.normal(0.92, 0.002, (2, 8))
        group, found = stand(values, up=True, within=0.005)
        gap = group.sample(0, 1).values
        tost = max(
            stats.ttest_1samp(gap, -0.005, alternative="greater").pvalue,
            stats.ttest_1samp(gap, 0.005, alternative="less").pvalue,
        )
        assert found[1].p_as_good == pytest.approx(tost)
        assert found[1].verdict == (WORSE if found[1].p_best <= 0.05 else AS_GOOD if tost <= 0.05 else OPEN)
        seen += found[1].verdict == AS_GOOD
    assert seen > 80


def test_margins_are_half_a_point_of_shares_and_five_percent_of_all_else_unless_the_study_names_them():
    assert margin("validation_accuracy", 0.9) == margin("test_macro_f1", 0.9) == 0.005
    assert margin("validation_loss", 0.4) == pytest.approx(0.02) and margin("steps_to_target", 200) == 10
    assert margin("final_train_loss", 0.0) is None and margin("validation_loss", math.inf) is None
    assert margin("validation_accuracy", 0.9, {"accuracy": 0.01}) == 0.01
    assert margin("test_accuracy", 0.9, {"validation_accuracy": 0.01, "test_accuracy": 0.02}) == 0.02
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(StudyError, match="margins"):
            Study(name="s", task="line", margins={"accuracy": wrong})


def test_the_answer_says_as_good_with_the_margin_and_how_often_the_first_is_best(tmp_path):
    random = np.random.default_rng(9)
    rows = [
        {"optimizer": name, "seed": seed, "learning_rate": None, "validation_accuracy": value}
        for name in ("adam", "momentum")
        for seed, value in enumerate(random.normal(0.92, 0.002, 8))
    ]
    run = tiny(tmp_path / "run", rows)
    found = Comparison.of(run)
    first, second = found.arms.to_dicts()
    assert second["verdict"] == AS_GOOD and second["margin"] == 0.005 and first["verdict"] == AHEAD
    assert (
        found.answer[0]
        .split(":")[0]
        .endswith(f"is best so far (best in {100 * first['best_share']:.0f} % of resamples)")
    )
    assert "equivalent within 0.005" in found.answer[0] and "is equivalent (within 0.005)." in found.use[0]
    assert not any("seeds would" in text for text in found.sure), "what is decided needs no more seeds"
    verdicts = next(column for column in Opening.of(Results.of(run)).columns if column.heading == "verdict")
    assert verdicts.texts == [AHEAD, AS_GOOD]
    narrow = Comparison.of(tiny(tmp_path / "narrow", rows, margins={"accuracy": 0.0001}))
    assert narrow.arms["verdict"][1] == OPEN
    assert [one.verdict for one in questions(run)] == ["undecided"], "a margin of the study's own decides, no other"
    named = tiny(tmp_path / "named", rows, margins={"accuracy": 0.005})
    assert [one.verdict for one in questions(named)] == [AS_GOOD]


# P(best), P(better)


def test_the_share_of_resamples_is_that_of_a_bootstrap_over_seeds_and_ties_share():
    values = np.random.default_rng(10).normal(size=(3, 7)) + np.array([[0.3], [0.0], [-0.5]])
    drawn_ = np.random.default_rng(11).integers(0, 7, (20_000, 7))
    means = values[:, drawn_].mean(-1)
    found = best_shares(values, up=True)
    assert found == pytest.approx(np.bincount(means.argmax(0), minlength=3) / 20_000, abs=0.015)
    assert best_shares(-values, up=False) == pytest.approx(found) and found.sum() == pytest.approx(1)
    lost = np.array([[0.5, 0.6, 0.7], [0.1, 0.2, math.inf]])
    assert best_shares(lost, up=False) == pytest.approx([1 - (2 / 3) ** 3, (2 / 3) ** 3], abs=0.01)
    assert best_shares(values[:, :1], up=True) is None
    copies = best_shares(values[[0, 0, 1, 2]], up=True)
    assert copies == pytest.approx(found[[0, 0, 1, 2]]), "copies are one arm"


def test_the_interval_of_p_better_is_that_of_clopper_and_pearson():
    for wins, n in ((0, 5), (3, 8), (6, 6), (50, 100)):
        exact = stats.binomtest(wins, n).proportion_ci(0.95, "exact")
        assert share_interval(wins / n, n) == pytest.approx((exact.low, exact.high))
    low, high = share_interval(4.5 / 6, 6)
    assert share_interval(4 / 6, 6)[0] < low < share_interval(5 / 6, 6)[0] and high > share_interval(4 / 6, 6)[1]


def test_the_interval_of_p_better_covers_it():
    random, truth, n = np.random.default_rng(12), 0.8, 10
    found = [share_interval(wins / n, n) for wins in random.binomial(n, truth, 2000)]
    assert np.mean([low <= truth <= high for low, high in found]) >= 0.95


# Seeds still needed


@pytest.mark.parametrize(("n", "effect"), [(3, 0.4), (4, 0.4), (6, 0.4), (3, 0.8), (4, 0.8), (6, 0.8), (3, 1.5)])
def test_the_range_of_seeds_has_the_power_that_the_pilots_own_figure_lacks(n, effect):
    """Power on average over pilots: the effect as seen asks for too few, the upper end of the range for enough."""
    random = np.random.default_rng(n)
    sizes = random.normal(effect, 1, (400, n))
    seen = [two_sided(Sample(one)) for one in sizes]
    as_seen = [seeds_to_tell(one) for one in seen]
    ranges = [range_to_tell(one) for one in seen]
    power = [
        np.mean([_power(effect, needed) for needed in found])
        for found in (as_seen, [least for least, _ in ranges], [last for _, last in ranges])
    ]
    assert power[0] < 0.78 and power[0] < power[1] < power[2] and power[1] > 0.66 and power[2] >= 0.8


def _power(effect: float, n: int | None) -> float:
    return 1.0 if n is None else float(stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, effect * math.sqrt(n)))


def test_hedges_correction_makes_effect_sizes_true_on_average():
    random = np.random.default_rng(13)
    for n in (4, 6, 10):
        sample = random.normal(0.8, 1, (200_000, n))
        sizes = sample.mean(1) / sample.std(1, ddof=1)
        assert sizes.mean() > 0.83 and (hedges(n - 1) * sizes).mean() == pytest.approx(0.8, abs=0.01)
    assert hedges(1) == 0 and hedges(10_000) == pytest.approx(1, abs=1e-3)


def test_two_seeds_forecast_nothing_and_say_what_to_do(tmp_path):
    seen = two_sided(Sample(np.array([0.1, 0.12])))
    assert range_to_tell(seen) == (None, None) and seeds_range([seen]) == (None, None)
    rows = [
        {"optimizer": name, "seed": seed, "learning_rate": None, "validation_accuracy": value}
        for name, own in {"adam": [0.9, 0.92], "momentum": [0.89, 0.9]}.items()
        for seed, value in enumerate(own)
    ]
    claim = {"text": "adam", "better": {"optimizer": "adam"}, "worse": {"optimizer": "momentum"}}
    run = tiny(tmp_path / "run", rows, claims=[claim])
    found = Comparison.of(run)
    assert found.pairs["seeds_needed"].null_count() == 1 and "feasible" not in str(found)
    (text,) = [text for text in found.sure if text.startswith("Two seeds")]
    assert "--seeds 5" in text
    assert "two seeds are too few to estimate how many are needed: run 5 first" in str(
        Opening.of(Results.of(run)).results and _claims(run)
    )


def _claims(run: Any) -> list[str]:
    from fallline.report.sections.claims import lines

    return lines(run)


def test_the_sizes_of_a_pilot_are_drawn_towards_no_effect_and_never_beyond_it():
    seen = two_sided(Sample(np.array([0.3, -0.2, 0.1, 0.0, 0.1])))
    near, less = pilots(seen)
    assert 0 <= less.sizes[0] < near.sizes[0] < seen.sizes[0]
    lost = two_sided(Sample(np.array([math.inf, math.inf, 1.0, math.inf])))
    assert pilots(lost)[0].sizes == (1.0,) and 0.5 < pilots(lost)[1].sizes[0] < 1


# The same but for rounding


LOSSES = [0.35140001, 0.34870002, 0.35300003, 0.35010001, 0.34990002]


def copies_run(folder: Path, **more: Any) -> Any:
    """adagrad, and two rules that differ from it by rounding; adam is close."""
    random = np.random.default_rng(14)
    own = {
        "adagrad": LOSSES,
        "ftrl": [value * (1 + 2e-7 * (-1) ** seed) for seed, value in enumerate(LOSSES)],
        "proximal_adagrad": [value * (1 + 1e-7) for value in LOSSES],
        "adam": [value - 0.002 + random.normal(0, 0.02) for value in LOSSES],
    }
    return tiny(
        folder / "run",
        [
            {
                "optimizer": name,
                "seed": seed,
                "learning_rate": None,
                "validation_loss": value,
                "final_train_loss": value,
            }
            for name, values in own.items()
            for seed, value in enumerate(values)
        ],
        metric="validation_loss",
        **more,
    )


def test_rules_that_are_one_are_tested_once_ranked_level_and_not_waited_for(tmp_path):
    run = copies_run(tmp_path)
    found = Comparison.of(run)
    pairs = {frozenset((row["first_optimizer"], row["second_optimizer"])): row for row in found.pairs.to_dicts()}
    for names in itertools.combinations(("adagrad", "ftrl", "proximal_adagrad"), 2):
        row = pairs[frozenset(names)]
        assert row["same"] and row["p"] is row["p_holm"] is row["seeds_needed"] is None
        assert row["better"] == 0.5 and not row["significant"] and row["difference"] == 0
    with_adam = [row for names, row in pairs.items() if "adam" in names]
    assert all(row["p_holm"] == with_adam[0]["p"] for row in with_adam), "one test, so nothing to correct for"
    ranks = dict(found.arms.select("optimizer", "mean_rank").iter_rows())
    assert ranks["adagrad"] == ranks["ftrl"] == ranks["proximal_adagrad"]
    assert "equal" in next(column for column in pair_columns(found) if column.heading == "significant").texts
    alone = [row for row in run.trials.iter_rows(named=True) if row["optimizer"] in ("adagrad", "adam")]
    two = Comparison.of(
        tiny(
            tmp_path / "two",
            [
                {
                    name: row[name]
                    for name in ("optimizer", "seed", "learning_rate", "validation_loss", "final_train_loss")
                }
                for row in alone
            ],
            metric="validation_loss",
        )
    )
    assert two.arms["p_best"].drop_nulls()[0] == pytest.approx(found.arms["p_best"].drop_nulls()[0], rel=1e-3)
    asked = {one.text: one.verdict for one in questions(run)}
    same = [verdict for text, verdict in asked.items() if "adam " not in f"{text} "]
    assert len(asked) == 3 and all(verdict == "equal" for verdict in same)


def test_copies_of_the_best_are_named_with_it(tmp_path):
    rows = [
        {"optimizer": name, "seed": seed, "learning_rate": None, "validation_loss": value * factor}
        for name, factor in {"gradient_descent": 1, "momentum": 1 + 1e-7, "adam": 1.5}.items()
        for seed, value in enumerate(LOSSES)
    ]
    found = Comparison.of(tiny(tmp_path / "run", rows, metric="validation_loss"))
    assert found.arms["verdict"].to_list() == [BEST, SAME, WORSE] and found.arms["best_share"].to_list() == [1, 1, 0]
    assert found.use == ["Use gradient descent or momentum. They give identical results."]
    assert "momentum is equal except for rounding" in found.answer[0]


def test_ties_in_accuracy_of_rules_that_train_apart_are_waited_for(tmp_path):
    rows = [
        {"optimizer": name, "seed": seed, "learning_rate": None, "validation_accuracy": 1.0, "final_train_loss": loss}
        for name, loss in {"adam": 0.1, "momentum": 0.2}.items()
        for seed in range(5)
    ]
    run = tiny(tmp_path / "run", rows)
    assert [one.verdict for one in questions(run)] == ["undecided"]
    assert compared(run).pairs[0][0].same and compared(run).standings[0][1].verdict == SAME


@pytest.mark.parametrize(("first", "second"), [(0.97, 0.97 + 1e-9), (0.0, 1.4e-14)])
@pytest.mark.parametrize("seeds", [1, 4])
def test_what_differs_by_rounding_is_a_tie_without_chance_and_with_one_seed(tmp_path, first, second, seeds):
    rows = [
        {
            "optimizer": name,
            "seed": seed,
            "learning_rate": None,
            "final_train_loss": value,
            "min_train_loss": value,
            "min_train_loss_step": 9,
        }
        for name, value in {"adam": first, "momentum": second, "ftrl": 1.5}.items()
        for seed in range(seeds)
    ]
    run = tiny(tmp_path / "run", rows, metric="train_loss")
    found = Comparison.of(run)
    level = found.pairs.filter(pl.col("difference") == 0)
    assert level.height == 1 and not level["significant"][0] and level["better"][0] in (0.5, None)
    assert "are exactly equal" in found.answer[0] or "equal" in found.answer[0] or "equal" in found.use[0]
    assert "Adam is best so far" not in found.use[0] and found.arms["mean_rank"].to_list()[:2] == [1.5, 1.5]


@pytest.mark.parametrize(("general", "blamed"), [(1.4e-14, False), (1e-3, True)])
def test_no_rule_is_blamed_for_losing_to_its_special_case_by_rounding(tmp_path, general, blamed):
    rows = [
        {"optimizer": name, "seed": 0, "learning_rate": rate, "final_train_loss": value}
        for name, value in {"nesterov": general, "gradient_descent": 0.0, "adam": 1.5}.items()
        for rate in (0.1, 0.01)
    ]
    run = tiny(tmp_path / "run", rows, metric="train_loss")
    assert bool(defeats(run, searches(run))) == blamed


def test_rounding_is_a_share_of_each_value_and_not_of_the_largest():
    wild = paired_sample(np.array([0.3, 0.3, 1e6]), np.array([0.4, 0.5, 2e6]))
    assert (wild.values != 0).all()
    column = levelled(np.array([[0.3], [0.3 + 1e-8], [0.31], [math.nan]]))
    assert column[0] == column[1] < column[2] and np.isnan(column[3])


# One standard on a page


def test_the_heat_map_says_of_cells_what_the_table_says_of_arms(tmp_path):
    random = np.random.default_rng(15)
    rows = [
        {
            "beta1": one,
            "beta2": two,
            "seed": seed,
            "validation_accuracy": 0.9 - 0.004 * (a + b) + random.normal(0, 0.006),
        }
        for a, one in enumerate((0.5, 0.7, 0.9))
        for b, two in enumerate((0.5, 0.7, 0.9))
        for seed in range(6)
    ]
    run = tiny(tmp_path / "run", rows)
    picture, found = drawn(run, Figure(kind="grid")), Comparison.of(run)
    arms = {(f"{row['beta1']:g}", f"{row['beta2']:g}"): row["verdict"] for row in found.arms.to_dicts()}
    cells = {
        tuple(str(row[name]) for name in (("up", "right") if row["side"] == "beta1" else ("right", "up"))): row["tied"]
        for row in picture.frame.to_dicts()
        if not row["best"]
    }
    assert (
        len(cells) == 8 and {key: arms[key] != WORSE for key in cells} == cells and set(cells.values()) == {True, False}
    )
    tied = sum(cells.values())
    verb = "is" if tied == 1 else "are"
    assert f"{tied} of 8 other cells {verb} not significantly worse than the best" in picture.caption


def test_many_arms_are_tested_with_the_first_alone(tmp_path):
    random = np.random.default_rng(16)
    rows = [
        {"beta1": 0.1 + place / 100, "seed": seed, "validation_accuracy": 0.9 - place / 200 + random.normal(0, 0.004)}
        for place in range(40)
        for seed in range(5)
    ]
    found = compared(tiny(tmp_path / "run", rows), "beta1")
    standing = found.standings[0]
    assert "pairs" not in vars(found), "all 780 pairs were not asked for"
    assert len(standing) == 40 and standing[-1].verdict == WORSE
    gap = found.groups[0].values[0] - found.groups[0].values[-1]
    assert standing[-1].p_best == pytest.approx(39 * stats.ttest_1samp(gap, 0, alternative="greater").pvalue)
