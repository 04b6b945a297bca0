"""How arms were tuned: compared with brute force over all draws, dense scans of ranges, and the rules themselves."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fake_run import hyperparameters_of, tiny
from fallline.errors import StudyError, UnknownName
from fallline.optimizers import find_optimizer
from fallline.report.export import write_figure
from fallline.report.figures import drawn, figure_kinds
from fallline.report.results import Results
from fallline.report.sentences.answer import cautions
from fallline.report.sentences.tuning import tuning_cautions
from fallline.stats.analysis import Analysis
from fallline.stats.expected_best import MOST_TRIES, band, expected_best, points
from fallline.stats.good_range import good_range
from fallline.stats.search import RangeEdge, groups, searches
from fallline.stats.special_cases import SPECIAL_CASES, special_cases
from fallline.stats.tuning import at_equal_tries, defeats, expected, tuning
from fallline.store import Run
from fallline.study import Figure, Study, parse_settings

RESULTS = st.lists(st.floats(-5, 5), min_size=1, max_size=5)
GONE = {"status": "diverged", "diverged_at": 3, "validation_accuracy": None}


def rows(optimizer: str, values: dict[float, list[float | None]], **more: Any) -> list[dict[str, Any]]:
    """A row a (rate, seed); None is a trial that diverged."""
    return [
        {
            "optimizer": optimizer,
            **hyperparameters_of(optimizer, rate),
            "seed": seed,
            **more,
            **({"validation_accuracy": value} if value is not None else GONE),
        }
        for rate, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]


def own(frame: pl.DataFrame, **kept: Any) -> dict[str, Any]:
    """The one row with these values."""
    return frame.filter(pl.col(name) == value for name, value in kept.items()).row(0, named=True)


# expected best


@given(RESULTS, st.integers(1, 4), st.booleans())
def test_expected_best_is_the_mean_over_every_possible_draw(values, k, up):
    draws = [(max if up else min)(draw) for draw in itertools.product(values, repeat=k)]
    assert expected_best(np.array(values), [k], up)[0] == pytest.approx(sum(draws) / len(draws), abs=1e-12)


@given(RESULTS, st.booleans())
def test_one_try_is_the_mean_many_are_the_best_and_more_never_hurt(values, up):
    found = expected_best(np.array(values), [1, 2, 3, 5, 8, 13, 10_000], up)
    assert found[0] == pytest.approx(np.mean(values), abs=1e-12)
    assert found[-1] == pytest.approx((max if up else min)(values), abs=1e-12)
    steps = np.diff(found) if up else -np.diff(found)
    assert (steps >= -1e-12).all()


@given(RESULTS, st.randoms(use_true_random=False))
def test_the_order_of_results_changes_nothing(values, chance):
    mixed = list(values)
    chance.shuffle(mixed)
    assert expected_best(np.array(mixed), [1, 3]).tolist() == expected_best(np.array(values), [1, 3]).tolist()


def test_the_better_direction_of_a_loss_is_down():
    assert expected_best(np.array([1.0, 3.0]), [2], up=False)[0] == pytest.approx(1 * 3 / 4 + 3 / 4)


# its band


def of_all_resamples(values: list[float], k: int) -> list[float]:
    """The expected best of k in every one of the N^N resamples, by brute force."""
    found = []
    for resample in itertools.product(values, repeat=len(values)):
        draws = [max(draw) for draw in itertools.product(resample, repeat=k)]
        found.append(sum(draws) / len(draws))
    return found


@pytest.mark.parametrize("k", [1, 2])
def test_the_band_is_that_of_all_resamples_of_settings(k):
    values = [0.1, 0.5, 0.7]
    low, high = band(np.array(values)[:, None], np.zeros(3, bool), 0.0, [k])
    exact = of_all_resamples(values, k)  # 27 equally likely ones: 2.5 % is the least of them
    assert (low[0], high[0]) == pytest.approx((min(exact), max(exact)))


def test_the_band_of_one_setting_is_that_of_all_resamples_of_its_seeds():
    low, high = band(np.array([[0.1, 0.5, 0.7]]), np.zeros(1, bool), 0.0, [1])
    assert (low[0], high[0]) == pytest.approx((0.1, 0.7))
    five = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
    low, high = band(five[None], np.zeros(1, bool), 0.0, [1])
    means = np.array(list(itertools.product(five, repeat=5))).mean(1)
    assert (low[0], high[0]) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.04)


def test_the_band_covers_the_true_mean_about_as_often_as_it_says():
    draws = np.random.default_rng(5).normal(1.0, 1.0, (300, 25, 1))
    ends = [band(one, np.zeros(25, bool), 0.0, [1])[:, 0] for one in draws]
    covered = np.mean([low <= 1.0 <= high for low, high in ends])
    assert 0.89 <= covered <= 0.98  # the percentile bootstrap of 25 values: a little under 95 %


def test_the_order_of_settings_does_not_change_the_band():
    values = np.random.default_rng(1).random((6, 3))
    lost = np.array([0, 0, 1, 0, 0, 0], bool)
    mixed = np.random.default_rng(2).permutation(6)
    assert np.array_equal(band(values, lost, 0.0, [1, 4]), band(values[mixed], lost[mixed], 0.0, [1, 4]))


def test_one_result_has_no_band_and_a_missing_seed_is_no_zero():
    assert np.isnan(band(np.array([[0.5]]), np.zeros(1, bool), 0.0, [1])).all()
    ends = band(np.array([[0.5, np.nan], [0.6, 0.6]]), np.zeros(2, bool), 0.0, [1])
    assert (ends >= 0.5 - 1e-12).all() and (ends <= 0.6 + 1e-12).all()


def test_a_band_lies_around_its_curve():
    values = np.random.default_rng(3).random((12, 4))
    tries = points(12)
    low, high = band(values, np.zeros(12, bool), 0.0, tries)
    middle = expected_best(values.mean(1), tries)
    assert (low <= middle).all() and (middle <= high).all()


def test_a_curve_of_many_settings_has_few_points_from_one_to_all():
    assert points(4) == [1, 2, 3, 4]
    many = points(5000)
    assert many[0] == 1 and many[-1] == 5000 and len(many) <= MOST_TRIES


# expected best of a run


def two_arms(folder: Path, **fields: Any) -> Run:
    adam = rows("adam", {0.1: [0.5, 0.7], 0.01: [0.9, 0.9], 0.001: [0.8, 0.6]})
    momentum = rows("momentum", {0.1: [None, 0.9], 0.01: [0.4, 0.6], 0.001: [0.7, 0.9]})
    return tiny(folder, adam + momentum, **fields)


def test_a_run_is_searched_over_the_means_of_its_settings(tmp_path):
    table = expected(searches(two_arms(tmp_path / "run")))
    means = [0.6, 0.9, 0.7]
    for k in (1, 2, 3):
        draws = [max(draw) for draw in itertools.product(means, repeat=k)]
        assert own(table, optimizer="adam", k=k)["value"] == pytest.approx(np.mean(draws))
    assert table["k"].max() == 3


def test_a_setting_that_diverged_with_a_seed_counts_as_the_worst_that_finished(tmp_path):
    table = expected(searches(two_arms(tmp_path / "run")))
    means = [0.5, 0.5, 0.8]  # 0.5 is the worst mean of both arms: momentum's own at 0.01
    row = own(table, optimizer="momentum", k=2)
    draws = [max(draw) for draw in itertools.product(means, repeat=2)]
    assert row["value"] == pytest.approx(np.mean(draws))
    assert row["none"] == pytest.approx(1 / 9)


def test_a_diverged_setting_counts_as_the_highest_loss(tmp_path):
    data = [
        {"learning_rate": rate, "final_train_loss": loss, **({} if loss else {"status": "diverged"})}
        for rate, loss in ((0.1, None), (0.01, 4.0), (0.001, 1.0))
    ]
    table = expected(searches(tiny(tmp_path / "run", data, metric="train_loss")))
    assert own(table, k=1)["value"] == pytest.approx((4 + 4 + 1) / 3)


def test_an_arm_of_which_all_diverged_has_no_numbers(tmp_path):
    run = tiny(tmp_path / "run", rows("adam", {0.1: [0.9]}) + rows("momentum", {0.1: [None], 0.01: [None]}))
    lost = expected(searches(run)).filter(pl.col("optimizer") == "momentum")
    assert lost["value"].null_count() == lost.height == 2 and lost["none"].to_list() == [1.0, 1.0]
    row = own(tuning(run), optimizer="momentum")
    assert (row["value"], row["learning_rate"], row["border"], row["decades"]) == (None,) * 4
    assert row["diverged_share"] == 1.0


def test_a_run_of_which_everything_diverged_is_told_without_numbers(tmp_path):
    run = tiny(tmp_path / "run", rows("adam", {0.1: [None], 0.01: [None]}) + rows("momentum", {0.1: [None]}))
    assert expected(searches(run))["value"].null_count() == 3
    assert any("adam 100 % and momentum 100 %" in text for text in tuning_cautions(run))


def test_the_order_of_arms_rates_and_seeds_changes_nothing(tmp_path):
    data = rows("adam", {0.1: [0.5, 0.7, 0.6], 0.01: [0.9, 0.91, 0.92], 0.001: [0.8, 0.6, 0.7]})
    data += rows("momentum", {0.1: [None, 0.9, 0.7], 0.01: [0.4, 0.6, 0.5], 0.001: [0.7, 0.9, 0.8]})
    first = tiny(tmp_path / "first", data)
    for turn in range(3):
        mixed = list(data)
        random.Random(turn).shuffle(mixed)
        other = tiny(tmp_path / f"other{turn}", mixed)
        for table in (tuning, lambda run: expected(searches(run))):
            assert_frame_equal(*(table(run).sort(pl.all()) for run in (first, other)), check_exact=False)
        said, told = (sorted(word for text in tuning_cautions(run) for word in text.split()) for run in (first, other))
        assert said == told


def test_arms_may_be_the_values_of_any_recipe_column(tmp_path):
    data = rows("adam", {0.1: [0.5], 0.01: [0.6]}, schedule="constant")
    data += rows("adam", {0.1: [0.7], 0.01: [0.9]}, schedule="cosine")
    run = tiny(tmp_path / "run", data)
    assert tuning(run, "schedule").select("schedule", "value").rows() == [("cosine", 0.9), ("constant", 0.6)]
    assert tuning(run, ["optimizer", "schedule"]).height == 2
    with pytest.raises(UnknownName, match="schedule"):
        searches(run, "schedul")


def test_tasks_are_never_tries_of_one_search(tmp_path):
    data = [
        row | {"task": task}
        for task in ("mnist", "fashion")
        for row in rows("adam", {0.1: [0.5], 0.01: [0.9 if task == "mnist" else 0.7]})
    ]
    run = tiny(tmp_path / "run", data)
    found = searches(run)
    assert [(search.group, search.tried) for search in found] == [({"task": "mnist"}, 2), ({"task": "fashion"}, 2)]
    assert len(groups(found)) == 2 and {"task", "value"} <= set(tuning(run).columns)


# good range


def ranked(values: dict[float, float | None], half: float | None = None, n: int = 1) -> pl.DataFrame:
    """Ranked rows as of ``summary``: a mean a rate; None diverged."""
    data = []
    for rate, value in values.items():
        ends = (None, None) if half is None or value is None else (value - half, value + half)
        data.append(
            {
                "learning_rate": rate,
                "trials": n,
                "diverged": int(value is None),
                "m_mean": value,
                "m_n": n,
                "m_low": ends[0],
                "m_high": ends[1],
            }
        )
    data.sort(key=lambda row: -math.inf if row["m_mean"] is None else row["m_mean"], reverse=True)
    return pl.DataFrame(data, infer_schema_length=None).with_row_index("rank", offset=1)


def test_a_good_range_ends_where_the_line_over_the_logarithm_crosses():
    found = good_range(ranked({0.001: 0.5, 0.01: 0.8, 0.1: 0.9, 1.0: 0.1}), "learning_rate", "m", up=True)
    assert found.threshold == pytest.approx(0.9 - 0.1 * (1 - 0.9))  # 0.89: 10 % of what it lacks
    low = 10 ** np.interp(0.89, [0.8, 0.9], [-2, -1])
    high = 10 ** np.interp(-0.89, [-0.9, -0.1], [-1, 0])
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.decades == pytest.approx(math.log10(high / low))
    assert (found.best, found.tried, found.cut) == (0.1, 4, "")


def test_a_good_range_at_the_border_says_so():
    rows = ranked({0.01: 0.9, 0.1: 0.9, 1.0: 0.1})
    assert good_range(rows, "learning_rate", "m", up=True).cut == "lowest"
    assert good_range(ranked({0.01: 0.9, 0.1: 0.9}), "learning_rate", "m", up=True).cut == "both"
    assert good_range(ranked({0.01: 0.1, 0.1: 0.9}), "learning_rate", "m", up=True).cut == "highest"


def test_a_good_range_ends_at_the_last_good_rate_before_one_that_diverged():
    found = good_range(ranked({0.01: 0.9, 0.1: 0.9, 1.0: None}), "learning_rate", "m", up=True)
    assert (found.high, found.cut) == (0.1, "lowest")


def test_an_interval_wider_than_the_tolerance_decides_from_five_seeds_on():
    values = {0.001: 0.5, 0.01: 0.8, 0.1: 0.9, 1.0: 0.1}
    assert good_range(ranked(values, half=0.2, n=5), "learning_rate", "m", True).threshold == pytest.approx(0.7)
    assert good_range(ranked(values, half=0.2, n=2), "learning_rate", "m", True).threshold == pytest.approx(0.89)


def test_a_loss_of_all_but_nothing_is_held_against_the_median():
    rows = ranked({0.001: -4.0, 0.01: -1e-12, 0.1: -2.0})  # ranked from high to low: losses with their sign turned
    rows = rows.with_columns(-pl.col("m_mean"))
    assert good_range(rows, "learning_rate", "m", up=False).threshold == pytest.approx(0.01 * 2.0)


def test_one_rate_has_no_range():
    assert good_range(ranked({0.1: 0.9}), "learning_rate", "m", up=True) is None
    assert good_range(ranked({0.1: None, 0.2: None}), "learning_rate", "m", up=True) is None


@settings(max_examples=60)
@given(st.lists(st.floats(0.05, 0.95), min_size=2, max_size=7), st.booleans())
def test_a_good_range_is_what_a_dense_scan_finds(values, up):
    rates = [10.0**-place for place in range(len(values))]
    rows = ranked(dict(zip(rates, values if up else [-v for v in values], strict=True)))
    rows = rows if up else rows.with_columns(-pl.col("m_mean"))
    found = good_range(rows, "learning_rate", "m", up)
    grid = np.linspace(1 - len(values), 0, 20_001)
    line = np.interp(grid, np.log10(rates[::-1]), values[::-1])
    good = line >= found.threshold if up else line <= found.threshold
    place = int(np.abs(grid - math.log10(found.best)).argmin())
    good[place] = True
    left, right = place, place
    while left > 0 and good[left - 1]:
        left -= 1
    while right < len(grid) - 1 and good[right + 1]:
        right += 1
    step = grid[1] - grid[0]
    assert math.log10(found.low) == pytest.approx(grid[left], abs=1.5 * step)
    assert math.log10(found.high) == pytest.approx(grid[right], abs=1.5 * step)


def test_the_rates_of_several_optimizers_have_no_common_range(tmp_path):
    data = rows("adam", {0.1: [0.5], 0.01: [0.6]}) + rows("momentum", {0.1: [0.7], 0.01: [0.9]})
    run = tiny(tmp_path / "run", data)
    assert tuning(run)["decades"].null_count() == 0
    assert tuning(run, "loss")["decades"].to_list() == [None]


# special cases


@pytest.mark.parametrize("case", SPECIAL_CASES, ids=lambda case: f"{case.general}-{case.special}")
def test_every_special_case_takes_the_same_steps(case):
    general, special = find_optimizer(case.general), find_optimizer(case.special)
    rules = [general(learning_rate=0.05, **case.hyperparameters), special(learning_rate=0.05)]
    random = np.random.default_rng(0)
    start = jnp.asarray(random.normal(size=5), jnp.float32)
    paths = []
    gradients = jnp.asarray(random.normal(size=(20, 5)), jnp.float32)
    for rule in rules:
        weights, state = start, rule.init(start)
        for gradient in gradients:
            steps, state = rule.update(gradient, state, weights)
            weights = optax.apply_updates(weights, steps)
        paths.append(np.asarray(weights))
    assert paths[0] == pytest.approx(paths[1], rel=2e-6)
    assert np.abs(paths[0] - np.asarray(start)).max() > 0.01


def test_no_rule_is_its_own_special_case_and_most_have_none():
    assert all(case.general != case.special and case.reason for case in SPECIAL_CASES)
    assert special_cases("rmsprop") == [] and special_cases("gradient_descent") == []


def duel(folder: Path, general: list[float | None], special: list[float | None]) -> list[Any]:
    run = tiny(folder, rows("momentum", {0.1: general}) + rows("gradient_descent", {0.1: special}))
    return defeats(run, searches(run))


def test_a_general_rule_that_loses_to_its_special_case_was_tuned_too_little(tmp_path):
    lost = duel(tmp_path / "run", [0.80, 0.81, 0.79, 0.80], [0.90, 0.91, 0.90, 0.91])
    assert [(one.general.arm, one.case.special) for one in lost] == [({"optimizer": "momentum"}, "gradient_descent")]
    assert lost[0].difference.mean == pytest.approx(-0.105)


def test_to_win_to_tie_and_to_be_too_close_is_no_defeat(tmp_path):
    assert not duel(tmp_path / "won", [0.90, 0.91, 0.90], [0.80, 0.81, 0.79])
    assert not duel(tmp_path / "tied", [0.9], [0.9])
    assert not duel(tmp_path / "rounding", [0.9], [0.9 + 1e-8])
    assert not duel(tmp_path / "close", [0.80, 0.90, 0.85], [0.90, 0.81, 0.86])


def test_one_seed_and_divergence_are_defeats_that_say_so(tmp_path):
    assert duel(tmp_path / "one", [0.8], [0.9])[0].difference.low is None
    assert duel(tmp_path / "gone", [None, None], [0.9, 0.8])[0].difference is None
    assert not duel(tmp_path / "other", [0.9, 0.8], [None, None])
    run = tiny(tmp_path / "run", rows("momentum", {0.1: [None]}) + rows("gradient_descent", {0.1: [0.9]}))
    assert any(
        "momentum contains gradient descent (at momentum 0) but loses to it (– against 0.9000; it diverged "
        "more often)" in text.replace("Momentum", "momentum")
        for text in tuning_cautions(run)
    )


def test_a_rule_that_had_its_special_case_among_its_settings_is_only_told_to_try_more_rates(tmp_path):
    special = rows("gradient_descent", {0.1: [0.9]})
    run = tiny(tmp_path / "without", rows("momentum", {0.01: [0.8]}) + special)
    assert "Try more learning rates, and momentum 0 among its values." in said(run)
    general = [row | {"momentum": 0.0} for row in rows("momentum", {0.01: [0.8]})]
    assert "it was not tuned enough. Try more learning rates." in said(tiny(tmp_path / "with", general + special))


# words


def said(run: Run, **more: Any) -> str:
    return " | ".join(tuning_cautions(run, **more))


def test_a_best_rate_at_a_border_comes_with_the_wider_study(tmp_path):
    data = rows("adam", {0.1: [0.9], 0.01: [0.8]}) + rows("momentum", {0.1: [0.5], 0.01: [0.6]})
    axes = {"optimizer": ["adam", "momentum"], "learning_rate": [0.1, 0.01]}
    run = tiny(tmp_path / "run", data, axes=axes)
    text = said(run)
    assert "Best at an edge of the searched learning rates: adam (highest) and momentum (lowest)." in text
    setting = text.split("--set '")[1].split("'")[0]
    wider = parse_settings([setting], Study.model_fields)["axes"]["learning_rate"]
    assert wider == [10, 1, 0.1, 0.01, 0.001, 0.0001]
    assert "fallline run tiny --resume --set 'axes.learning_rate=" in text


def test_an_optimizers_own_rates_are_widened_alone(tmp_path):
    data = rows("adam", {0.1: [0.9], 0.01: [0.8]}) + rows("momentum", {0.1: [0.5], 0.01: [0.6], 0.001: [0.5]})
    axes = {
        "optimizer": ["adam", "momentum"],
        "adam": {"learning_rate": [0.1, 0.01]},
        "momentum": {"learning_rate": [0.1, 0.01, 0.001]},
    }
    text = said(tiny(tmp_path / "run", data, axes=axes))
    assert "--set 'axes.adam.learning_rate=[10, 1, 0.1, 0.01]'" in text and "axes.momentum" not in text


def test_a_run_without_a_command_and_rates_that_are_no_axis_still_get_the_warning(tmp_path):
    run = tiny(tmp_path / "run", rows("adam", {0.1: [0.9], 0.01: [0.8]}))
    assert "A wider range may be better." in said(run)
    axed = tiny(tmp_path / "axed", rows("adam", {0.1: [0.9], 0.01: [0.8]}), axes={"learning_rate": [0.1, 0.01]})
    place = axed.folder / "environments" / "0.json"
    place.write_text(json.dumps({"command": ""}))
    assert "run again with resume and --set 'axes.learning_rate=[10, 1, 0.1, 0.01]'" in said(Run(axed.folder))


def test_a_command_that_widened_the_rates_before_is_not_given_them_twice(tmp_path):
    run = tiny(tmp_path / "run", rows("adam", {0.1: [0.9], 0.01: [0.8]}), axes={"learning_rate": [0.1, 0.01]})
    command = "fallline run tiny --set seeds=2 --resume --set 'axes.learning_rate=[0.1, 0.01]' --out here"
    (run.folder / "environments" / "0.json").write_text(json.dumps({"command": command}))
    text = said(Run(run.folder))
    assert (
        "fallline run tiny --set seeds=2 --resume --out here --set 'axes.learning_rate=[10, 1, 0.1, 0.01]'. Only"
        in text
    )


def test_other_numbers_at_a_border_are_named_but_zero_and_pairs_are_not(tmp_path):
    def of(values: dict[float, float]) -> str:
        data = [row | {"momentum": mu} for mu, value in values.items() for row in rows("momentum", {0.1: [value]})]
        return said(tiny(tmp_path / str(len(list(tmp_path.iterdir()))), data))

    assert "momentum of momentum (highest, 0.99)" in of({0.5: 0.7, 0.9: 0.8, 0.99: 0.9})
    assert "Best at the end" not in of({0.0: 0.9, 0.5: 0.8, 0.9: 0.7})
    assert "Best at the end" not in of({0.5: 0.8, 0.9: 0.9})


def test_two_more_values_continue_the_spacing_of_the_last_two():
    assert RangeEdge("learning_rate", "highest", (0.01, 0.1, 0.3)).wider == (3.0, 0.9, 0.3, 0.1, 0.01)
    assert RangeEdge("learning_rate", "lowest", (0.01, 0.1, 0.3)).wider == (0.3, 0.1, 0.01, 0.001, 0.0001)


def test_unequal_tries_are_held_against_what_equal_ones_would_have_found(tmp_path):
    adam = {0.3: [0.4], 0.1: [0.5], 0.03: [0.95], 0.01: [0.9]}
    run = tiny(tmp_path / "run", rows("adam", adam) + rows("momentum", {0.1: [0.7], 0.01: [0.8]}))
    text = said(run)
    two = np.mean([max(draw) for draw in itertools.product([0.4, 0.5, 0.95, 0.9], repeat=2)])
    other = np.mean([max(draw) for draw in itertools.product([0.7, 0.8], repeat=2)])
    assert "Unequal search budgets: adam 4 settings; momentum 2 settings." in text
    assert f"after 2 tries each, drawn at random, the expected best validation accuracy is {two:.4f} for adam" in text
    assert [value for _, value in at_equal_tries(searches(run), 2)] == pytest.approx([two, other])


def test_unequal_budgets_are_named_and_equal_ones_are_not(tmp_path):
    adam, momentum = rows("adam", {0.1: [0.7], 0.01: [0.8]}), rows("momentum", {0.1: [0.7], 0.01: [0.8]})
    longer = [row | {"steps": 20, "examples_seen": 2000} for row in momentum]
    usual = [row | {"examples_seen": 1000} for row in adam]
    text = said(tiny(tmp_path / "long", usual + longer))
    assert "Unequal training budgets: momentum 20 steps; adam 10 steps, and momentum 2,000 examples; adam 1,000" in text
    assert "Unequal budgets" not in said(tiny(tmp_path / "same", adam + momentum))
    assert "momentum 2 seeds; adam 1 seed" in said(tiny(tmp_path / "seeds", adam + rows("momentum", {0.1: [0.7, 0.8]})))


def test_arms_at_one_rate_cannot_win(tmp_path):
    run = tiny(tmp_path / "run", rows("adam", {0.1: [0.9]}) + rows("momentum", {0.1: [0.8]}))
    assert "Every optimizer ran at one learning rate only" in said(run)
    run = tiny(tmp_path / "other", rows("adam", {0.1: [0.9]}) + rows("momentum", {0.1: [0.8], 0.01: [0.7]}))
    assert "Adam ran at one learning rate only" in said(run)


def test_the_arm_of_all_defaults_is_found_or_missed(tmp_path):
    base = rows("momentum", {0.1: [0.8], 0.01: [0.7]})
    run = tiny(tmp_path / "with", rows("adam", {0.1: [0.9], 0.001: [0.6]}) + base)
    table = tuning(run)
    assert (own(table, optimizer="adam")["defaults"], own(table, optimizer="adam")["defaults_value"]) == ("tried", 0.6)
    row = own(table, optimizer="momentum")  # momentum's rate has no default: the best of its rates, momentum at 0.9
    assert (row["defaults"], row["defaults_value"]) == ("no default", 0.8)
    assert "defaults" not in said(run)
    run = tiny(tmp_path / "without", rows("adam", {0.1: [0.9], 0.01: [0.6]}) + base)
    assert "Not trained at all defaults: adam (learning rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-8)" in said(run)
    data = [row | {"beta1": 0.5} for row in rows("adam", {0.001: [0.9]})]
    assert tuning(tiny(tmp_path / "beta", data))["defaults"].to_list() == ["missing"]


def test_a_rule_of_the_users_own_has_defaults_that_are_not_known(tmp_path):
    data = [{"optimizer": "mine", "learning_rate": 0.1, "validation_accuracy": 0.5}]
    assert tuning(tiny(tmp_path / "run", data))["defaults"].to_list() == ["unknown"]


def test_fixed_numbers_and_the_share_that_diverged_are_told_for_each_arm(tmp_path):
    data = rows("adam", {0.1: [0.9], 0.001: [0.6]}) + rows("momentum", {0.1: [None], 0.01: [0.7]})
    text = said(tiny(tmp_path / "run", data))
    assert "Fixed, not tuned: adam (beta1 0.9, beta2 0.999, epsilon 1e-8) and momentum (momentum 0.9)." in text
    assert "Share of trials that diverged: momentum 50 %." in text


def test_arms_that_are_no_optimizers_are_not_asked_for_an_optimizers_numbers(tmp_path):
    data = rows("adam", {0.1: [0.5], 0.01: [0.6]}, schedule="constant") + rows("adam", {0.1: [0.7]}, schedule="cosine")
    text = said(tiny(tmp_path / "run", data), by="schedule")
    assert "constant schedule 2 settings; cosine schedule 1 setting" in text
    assert "defaults" not in text and "Fixed" not in text and "one learning rate" not in text


def test_one_arm_alone_is_held_against_nobody(tmp_path):
    run = tiny(tmp_path / "run", rows("adam", {0.1: [0.8], 0.01: [0.9], 0.002: [0.6]}))
    assert tuning_cautions(run) == []


def test_the_report_holds_the_warnings(tmp_path):
    run = two_arms(tmp_path / "run")
    assert set(tuning_cautions(run)) <= set(cautions(Results.of(run))) and tuning_cautions(run)


# figure


def test_the_figure_shows_the_curves_and_its_table_the_arms(tmp_path):
    run = two_arms(tmp_path / "run")
    assert figure_kinds()["tuning"].fits(Analysis.of(run))
    found = drawn(run, Figure(kind="tuning"))
    assert found.frame.filter(pl.col("k") == 3)["value"].to_list() == pytest.approx(
        [own(expected(searches(run)), optimizer=name, k=3)["value"] for name in ("adam", "momentum")]
    )
    assert found.table["arm"].to_list() == ["adam", "momentum"] and found.table["diverged"].to_list() == ["0 %", "17 %"]
    assert "counts as the worst that finished" in found.caption
    write_figure(tmp_path, found)
    assert "settings tried" in (tmp_path / "tuning.svg").read_text()


def test_the_figure_keeps_the_trials_it_is_told_and_any_column_may_be_an_arm(tmp_path):
    run = two_arms(tmp_path / "run")
    frame = drawn(run, Figure(kind="tuning", where={"learning_rate": [0.1, 0.01]})).frame
    assert own(frame, color="adam", k=2)["value"] == pytest.approx(np.mean([0.6, 0.9, 0.9, 0.9]))
    assert drawn(run, Figure(kind="tuning", color="loss")).frame["color"].unique().to_list() == ["l"]
    assert drawn(run, Figure(kind="tuning", where={"optimizer": "lion"})).frame.is_empty()


def test_several_tasks_have_a_panel_each(tmp_path):
    data = [
        row | {"task": task}
        for task in ("mnist", "fashion")
        for name in ("adam", "momentum")
        for row in rows(name, {0.1: [0.5, 0.6], 0.01: [0.9, 0.8]})
    ]
    found = drawn(tiny(tmp_path / "run", data), Figure(kind="tuning"))
    assert found.frame["panel"].unique(maintain_order=True).to_list() == ["mnist", "fashion"]
    write_figure(tmp_path, found)
    assert "fashion" in (tmp_path / "tuning.svg").read_text()


def test_the_best_of_many_on_test_is_refused(tmp_path):
    data = [row | {"test_accuracy": 0.5} for row in rows("adam", {0.1: [0.9], 0.01: [0.8]})]
    with pytest.raises(StudyError, match="selections are made on validation, got test_accuracy"):
        drawn(tiny(tmp_path / "run", data), Figure(kind="tuning", metric="test_accuracy"))


def test_a_figure_without_values_says_so(tmp_path):
    run = tiny(tmp_path / "run", rows("adam", {0.1: [None]}) + rows("momentum", {0.1: [None]}))
    found = drawn(run, Figure(kind="tuning"))
    write_figure(tmp_path, found)
    assert "No setting finished" in (tmp_path / "tuning.svg").read_text() and found.caption == ""
