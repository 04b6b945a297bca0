"""Steps to a target and performance profiles: worked by hand, integrated numerically, read back from pages."""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_run import hyperparameters_of, tiny
from fallline.errors import StudyError, UnknownName
from fallline.report.profile import answer, arm_table, chart, notes, problem_table, write
from fallline.stats.profile_bands import resampled_costs, score_band
from fallline.stats.profiles import WIDEST, geometric_mean, profile, profiles, ratios, score
from fallline.store import Run

INF = math.inf
TARGET = {"metric": "validation_accuracy", "value": 0.9}
COSTS = st.integers(1, 5).flatmap(
    lambda arms: st.lists(
        st.lists(st.one_of(st.floats(1, 1e4), st.just(INF)), min_size=arms, max_size=arms), min_size=1, max_size=6
    )
)


def reached(
    optimizer: str, steps: list[int | None], rate: float = 0.1, value: float = 0.95, **more: Any
) -> list[dict[str, Any]]:
    """A row a seed with these steps to the target; None missed it."""
    return [
        {
            "optimizer": optimizer,
            **hyperparameters_of(optimizer, rate),
            "seed": seed,
            "steps": 100,
            "steps_to_target": step,
            "validation_accuracy": value,
            **more,
        }
        for seed, step in enumerate(steps)
    ]


def run_of(folder: Path, costs: dict[str, list[int | None]], **more: Any) -> Run:
    rows = [row for name, steps in costs.items() for row in reached(name, steps, **more)]
    return tiny(folder, rows, target=TARGET)


# the numbers


def test_a_profile_worked_by_hand():
    found = ratios(np.array([[10, 20], [20, 10], [INF, 30]]))  # arms a, b
    assert found.tolist() == [[1, 2], [2, 1], [INF, 1]]
    at = np.array([1, 1.9, 2, 4])
    assert profile(found[:, 0], at) == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert profile(found[:, 1], at) == pytest.approx([2 / 3, 2 / 3, 1, 1])
    assert score(found[:, 0]) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert score(found[:, 1]) == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert geometric_mean(found[:, 0]) == INF and geometric_mean(found[:, 1]) == pytest.approx(2 ** (1 / 3))


def test_a_problem_that_nobody_solved_counts_against_all():
    found = ratios(np.array([[INF, INF], [1, 2]]))
    assert found[0].tolist() == [INF, INF]
    assert profile(found[:, 0], np.array([4.0])) == 0.5


def test_a_goal_that_held_from_the_start_took_nobody_a_step():
    assert ratios(np.array([[0, 0, 5, INF]])).tolist() == [[1, 1, INF, INF]]


@given(COSTS)
def test_a_profile_is_what_dolan_and_more_wrote_and_its_score_the_area_below(costs):
    found = ratios(np.array(costs))
    grid = np.linspace(1, WIDEST, 4001)
    for arm in range(found.shape[1]):
        by_hand = [
            sum(row[arm] < INF and row[arm] <= r * min(row) * (1 + 1e-12) for row in costs) / len(costs)
            for r in (1, 1.5, 2, 4)
        ]
        assert profile(found[:, arm] * (1 - 1e-12), np.array([1, 1.5, 2, 4])) == pytest.approx(by_hand)
        heights = profile(found[:, arm], grid)
        assert (np.diff(heights) >= 0).all() and heights[0] >= 0 and heights[-1] <= 1
        area = np.mean((heights[1:] + heights[:-1]) / 2)
        assert score(found[:, arm]) == pytest.approx(area, abs=1e-3)


@settings(max_examples=50)
@given(COSTS, st.floats(0.1, 10), st.randoms(use_true_random=False))
def test_units_and_the_order_of_problems_and_arms_change_nothing(costs, unit, chance):
    costs = np.array(costs)
    rows, arms = list(range(costs.shape[0])), list(range(costs.shape[1]))
    chance.shuffle(rows)
    chance.shuffle(arms)
    mixed = ratios(costs[rows][:, arms] * unit)
    plain = ratios(costs)[rows][:, arms]
    assert mixed == pytest.approx(plain)


# runs


def test_steps_to_target_are_medians_and_a_miss_is_infinite_and_stays_in(tmp_path):
    run = run_of(tmp_path / "run", {"adam": [10, 30, None], "momentum": [None, None, 20]})
    problem = profiles([run]).problems[0]
    adam, momentum = problem.arms["adam",], problem.arms["momentum",]
    assert (adam.steps, adam.reached, adam.n) == (30, 2, 3)
    assert (momentum.steps, momentum.reached) == (INF, 1)
    even = profiles([run_of(tmp_path / "even", {"adam": [10, 20], "momentum": [10, None]})])
    assert even.steps.tolist() == [[15, INF]]


def test_a_trial_that_diverged_after_the_target_missed_it(tmp_path):
    rows = reached("adam", [10]) + [
        row | {"status": "diverged", "diverged_at": 50, "validation_accuracy": None} for row in reached("momentum", [5])
    ]
    found = profiles([tiny(tmp_path / "run", rows, target=TARGET)])
    assert found.steps.tolist() == [[10, INF]]


def test_each_arm_stands_at_the_numbers_that_validation_chose_not_the_fastest(tmp_path):
    rows = reached("adam", [50, 60], rate=0.01, value=0.97) + reached("adam", [5, 5], rate=1.0, value=0.91)
    rows += reached("momentum", [40, 40], rate=0.1)
    found = profiles([tiny(tmp_path / "run", rows, target=TARGET)])
    assert found.problems[0].arms["adam",].settings["learning_rate"] == 0.01
    assert found.steps.tolist() == [[55, 40]]


def three_runs(folder: Path) -> list[Run]:
    costs = [
        {"adam": [10], "momentum": [20]},
        {"momentum": [10], "adam": [20], "adagrad": [1]},
        {"adam": [None], "momentum": [30]},
    ]
    return [run_of(folder / name, cost, task=name) for name, cost in zip("abc", costs, strict=True)]


def test_the_profile_of_three_runs_is_that_worked_by_hand(tmp_path):
    found = profiles(three_runs(tmp_path))
    table = {row["optimizer"]: row for row in found.table().iter_rows(named=True)}
    assert list(table) == ["momentum", "adam"]
    assert found.left_out == (("adagrad",),)
    momentum, adam = table["momentum"], table["adam"]
    assert (adam["problems"], adam["reached"], adam["first"]) == (3, 2, 1)
    assert (adam["within_2"], momentum["within_2"]) == pytest.approx((2 / 3, 1))
    assert (adam["score"], momentum["score"]) == pytest.approx((5 / 9, 8 / 9))
    assert adam["geometric_mean"] == INF and momentum["geometric_mean"] == pytest.approx(2 ** (1 / 3))
    assert adam["common"] == 2 and adam["common_geometric_mean"] == pytest.approx(math.sqrt(2))
    curve = found.curves().filter(optimizer="adam")
    assert curve.select("ratio", "share").rows() == [
        (1, pytest.approx(1 / 3)),
        (2, pytest.approx(2 / 3)),
        (4, pytest.approx(2 / 3)),
    ]


def test_the_order_of_runs_and_rows_changes_nothing(tmp_path):
    runs = three_runs(tmp_path)
    tables = [profiles(order).table() for order in itertools.permutations(runs)]
    assert all(table.equals(tables[0]) for table in tables)
    rows = reached("adam", [10, 20, 30]) + reached("momentum", [5, None, 7])
    turned = [
        profiles([tiny(tmp_path / f"turn{turn}", rows[turn:] + rows[:turn], target=TARGET)]).table()
        for turn in range(4)
    ]
    assert all(table.equals(turned[0]) for table in turned)


def test_the_tasks_of_one_run_are_problems_of_their_own(tmp_path):
    rows = [
        row
        for task, steps in (("mnist", [10, 40]), ("fashion", [40, 10]))
        for name, step in zip(("adam", "momentum"), steps, strict=True)
        for row in reached(name, [step], task=task)
    ]
    found = profiles([tiny(tmp_path / "run", rows, target=TARGET)])
    assert {problem.within["task"] for problem in found.problems} == {"mnist", "fashion"}
    assert sorted(found.steps.tolist()) == [[10, 40], [40, 10]]


def test_without_a_target_one_is_set_at_nine_tenths_of_the_way_and_that_is_said(tmp_path):
    rows = [{**row, "steps_to_target": None} for name in ("adam", "momentum") for row in reached(name, [None])]
    rows[0]["validation_accuracy"], rows[1]["validation_accuracy"] = 0.9, 0.7
    curves = pl.DataFrame(
        {
            "trial": ["0" * 16] * 4 + ["0" * 15 + "1"] * 4,
            "step": [0, 25, 50, 100] * 2,
            "validation_accuracy": [0.1, 0.8, 0.83, 0.9, 0.1, 0.5, 0.6, 0.7],
        }
    )
    found = profiles([tiny(tmp_path / "run", rows, curves)])
    goal = found.problems[0].goal
    assert goal.set_after and goal.value == pytest.approx(0.1 + 0.9 * 0.8)  # 0.82: adam at step 50, momentum never
    assert found.steps.tolist() == [[50, INF]]
    assert found.problems[0].every == 50
    assert any("set afterwards" in text for text in notes(found))


def test_a_target_of_a_loss_is_reached_from_above(tmp_path):
    rows = [
        {"optimizer": name, **hyperparameters_of(name, 0.1), "steps": 100, "final_train_loss": loss}
        for name, loss in (("adam", 0.0), ("momentum", 0.5))
    ]
    curves = pl.DataFrame(
        {
            "trial": ["0" * 16] * 3 + ["0" * 15 + "1"] * 3,
            "step": [0, 1, 2] * 2,
            "train_loss": [1.0, 0.11, 0.09, 1.0, 0.9, 0.5],
        }
    )
    found = profiles([tiny(tmp_path / "run", rows, curves, metric="train_loss")])
    assert found.problems[0].goal.value == pytest.approx(0.1)
    assert found.steps.tolist() == [[2, INF]]


def test_seconds_are_compared_only_where_trials_have_a_time_of_their_own(tmp_path):
    run = run_of(tmp_path / "run", {"adam": [10], "momentum": [50]})
    assert profiles([run]).seconds is None
    assert any("Times are not ranked" in text for text in notes(profiles([run])))
    timing = next((run.folder / "timings").glob("*.json"))
    timing.write_text(json.dumps(json.loads(timing.read_text()) | {"alone_seconds": 8.0}))
    found = profiles([Run(run.folder)])  # 100 steps take 8 s
    assert found.seconds.tolist() == [pytest.approx([0.8, 4.0])]
    assert found.table(found.seconds)["score"].to_list() == [1.0, 0.0]


def test_what_cannot_be_profiled_is_refused_in_words(tmp_path):
    a = run_of(tmp_path / "a", {"adam": [10], "momentum": [20]})
    b = run_of(tmp_path / "b", {"adagrad": [10], "rmsprop": [20]})
    with pytest.raises(StudyError, match="two arms that every problem has, and there are 0"):
        profiles([a, b])
    with pytest.raises(StudyError, match="one folder was named twice"):
        profiles([a, Run(a.folder)])
    with pytest.raises(UnknownName, match="optimiser"):
        profiles([a], "optimiser")
    with pytest.raises(StudyError, match=r"alone.*two arms"):
        profiles([run_of(tmp_path / "alone", {"adam": [10]})])
    rows = [row | {"steps_to_target": None} for name in ("adam", "momentum") for row in reached(name, [None])]
    with pytest.raises(StudyError, match="names no target, and validation_accuracy was not recorded"):
        profiles([tiny(tmp_path / "none", rows)])


# bands


def with_luck(folder: Path, random: np.random.Generator, means: list[dict[str, float]], seeds: int = 8) -> list[Run]:
    """A run a problem; steps to the target scatter by a quarter over seeds."""
    return [
        run_of(
            folder / f"p{place}",
            {
                name: [max(1, round(mean * random.lognormal(0, 0.25))) for _ in range(seeds)]
                for name, mean in own.items()
            },
        )
        for place, own in enumerate(means)
    ]


MEANS = [{"adam": 20, "momentum": 30}, {"adam": 40, "momentum": 38}, {"adam": 25, "momentum": 60}]


def test_bands_are_a_bootstrap_over_seeds_that_are_drawn_alike_for_all_arms(tmp_path):
    found = profiles(with_luck(tmp_path, np.random.default_rng(0), MEANS))
    costs = np.array(
        [
            [[problem.arms[key].steps_by_seed[seed] for seed in range(8)] for key in found.arms]
            for problem in found.problems
        ]
    )
    assert np.median(costs, -1) == pytest.approx(found.steps)
    random, scores = np.random.default_rng(5), []
    for _ in range(4000):
        medians = np.stack([np.median(own[:, random.integers(0, 8, 8)], -1) for own in costs])
        scores.append([score(own) for own in ratios(medians).T])
    by_hand = np.quantile(scores, (0.025, 0.975), axis=0)
    table = {row["optimizer"]: row for row in found.table().iter_rows(named=True)}
    for place, (name,) in enumerate(found.arms):
        assert (table[name]["score_low"], table[name]["score_high"]) == pytest.approx(by_hand[:, place], abs=0.02)
        assert table[name]["score_low"] <= table[name]["score"] <= table[name]["score_high"]
    curves = found.curves()
    assert (curves["low"] <= curves["share"]).all() and (curves["share"] <= curves["high"]).all()
    assert (curves["high"] - curves["low"]).max() > 0.3 and curves.equals(
        profiles([Run(tmp_path / f"p{place}") for place in range(3)]).curves()
    ), "always the same draws"
    for _, own in curves.group_by("optimizer"):
        assert all(own.sort("ratio")[name].is_sorted() for name in ("share", "low", "high"))


def test_bands_cover_the_score_of_many_seeds():
    """The truth is the score at the medians of the law; a band of 10 seeds holds it in about 95 % of draws."""
    random, means = np.random.default_rng(1), np.array([[20, 30], [40, 38], [25, 60], [10, 12]])
    truth = [score(own) for own in ratios(means.astype(float)).T]
    covered = []
    for _ in range(150):
        costs = means[..., None] * random.lognormal(0, 0.25, (4, 2, 10))
        drawn = ratios(resampled_costs([[dict(enumerate(arm)) for arm in problem] for problem in costs]))
        covered += [
            low <= value <= high
            for value, (low, high) in zip(
                truth, (score_band(drawn[..., place], WIDEST) for place in range(2)), strict=True
            )
        ]
    assert np.mean(covered) > 0.9


def test_a_miss_stays_in_the_resamples_and_one_seed_has_no_band(tmp_path):
    some = profiles([run_of(tmp_path / "a", {"adam": [10, 12, None], "momentum": [20, None, None]})])
    table = {row["optimizer"]: row for row in some.table().iter_rows(named=True)}
    assert table["momentum"]["score_low"] == 0 < table["momentum"]["score_high"]
    one = profiles([run_of(tmp_path / "b", {"adam": [10], "momentum": [20]})])
    assert one.table()["score_low"].null_count() == 2 and one.curves()["low"].null_count() == one.curves().height
    assert any("no confidence bands" in text for text in notes(one)) and not any(
        "no confidence bands" in text for text in notes(some)
    )
    assert arm_table(one)["score"].to_list() == ["1.00", "0.67"]


def test_the_table_the_page_and_the_picture_have_the_bands(tmp_path):
    found = profiles(with_luck(tmp_path, np.random.default_rng(2), MEANS))
    row = found.table().row(0, named=True)
    text = f"{row['score']:.2f} ({row['score_low']:.2f} to {row['score_high']:.2f})"
    assert arm_table(found)["score"][0] == text and text in answer(found)[1]
    page = write(found, tmp_path / "profile.html").read_text()
    assert text in page and "bootstrap over the seeds" in page
    assert '"area"' in json.dumps(chart(found).to_dict())


# words and pages


def test_the_words_agree_with_the_table(tmp_path):
    found = profiles(three_runs(tmp_path))
    plain, first, second = answer(found)
    assert plain == (
        "To reach a target in few steps, use momentum (3 problems evaluated; a problem is a task of one run)."
    )
    assert first.startswith("Fastest overall: momentum, first in 2 of 3 problems, on average (geometric) 1.26 times")
    assert "Next: adam, first in 1 of 3 problems, 1 of 3 problems not solved" in second
    assert any("Left out, since they are not in every problem: adagrad" in text for text in notes(found))
    assert arm_table(found)["geometric mean of ratios"].to_list() == ["1.26", "∞"]
    rows = problem_table(found)
    assert rows.filter(pl.col("problem") == "c (c)")["steps to target"].to_list() == ["30", "∞"]


def test_the_plain_words_name_ties_and_misses(tmp_path):
    tie = profiles([run_of(tmp_path / "tie", {"adam": [10], "momentum": [10], "adagrad": [20]})])
    assert answer(tie)[0].startswith("To reach a target in few steps, use adam or momentum (1 problem")
    runs = [
        run_of(tmp_path / "a", {"adam": [10], "momentum": [30]}),
        run_of(tmp_path / "b", {"adam": [None], "momentum": [None]}),
    ]
    assert "use adam, though it did not reach the target of 1 (2 problems" in answer(profiles(runs))[0]


def test_nobody_who_reached_anything_is_said(tmp_path):
    found = profiles([run_of(tmp_path / "run", {"adam": [None], "momentum": [None]})])
    assert answer(found) == ["No arm reached a target on any problem: train for more steps, or set an easier target."]
    assert any("No arm reached the target of run" in text for text in notes(found))


def test_runs_of_the_same_name_are_told_apart(tmp_path):
    runs = [run_of(tmp_path / place / "run", {"adam": [10], "momentum": [20]}) for place in "ab"]
    assert len({problem.run for problem in profiles(runs).problems}) == 2


def test_a_page_and_pictures_are_written_whole(tmp_path):
    found = profiles(three_runs(tmp_path))
    page = write(found, tmp_path / "profile.html").read_text()
    assert "Fastest overall: momentum" in page and "<svg" in page
    assert not re.search("https?:", page.replace("http://www.w3.org", ""))
    assert "share of problems solved" in write(found, tmp_path / "profile.svg").read_text()
    assert write(found, tmp_path / "profile.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(StudyError, match=r"one of \.html, \.svg, \.png, got 'profile.pdf'"):
        write(found, tmp_path / "profile.pdf")


def test_the_command_prints_the_tables_and_writes_the_page(tmp_path, cli):
    runs = three_runs(tmp_path)
    code, out, _ = cli("profile", *(run.folder for run in runs), "--out", "profile.html")
    assert code == 0 and "Fastest overall: momentum" in out and "Each problem" in out and "profile.html" in out
    assert (tmp_path / "profile.html").exists()
    assert cli("profile", runs[0].folder, "--out", "profile.pdf")[0] == 2
