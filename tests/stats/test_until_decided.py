"""Seeds in rounds: the error that was promised, power, the record of looks, and runs end to end."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import fallline
from dots_study import study as dots
from fake_run import tiny
from fallline.errors import StoreError, StudyError
from fallline.report.sections.claims import claim_blocks, lines
from fallline.report.sentences.comparison_words import notes
from fallline.report.sentences.interim_analyses import looks_in_words
from fallline.sequential import questions
from fallline.stats.alpha_spending import first_analysis_seeds, plan_interim_analyses, sequential_test
from fallline.stats.arms import crossed, judges
from fallline.stats.claims import SUPPORTED, UNDECIDED, claims
from fallline.stats.compare import compared
from fallline.stats.evidence import Region, weigh
from fallline.stats.pairwise import holm
from fallline.store.interim_analyses import begin_analysis, end_analysis, record_plan, recorded_analyses
from fallline.store.writing import RunWriter
from on_page import on_page

DRAWS = 10_000
MONTE_CARLO = 3 * (0.05 * 0.95 / DRAWS) ** 0.5
"""Three standard errors of a share of 5 %."""

PLAN = plan_interim_analyses(5)


# The plan


@given(st.integers(1, 300), st.integers(2, 300))
def test_the_levels_of_all_looks_add_up_to_five_percent_and_no_look_is_small(first, most):
    found = plan_interim_analyses(first, most)
    counts = [look.seeds for look in found]
    assert sum(look.level for look in found) == pytest.approx(0.05)
    assert counts[0] == min(first, most) and counts[-1] == most
    assert all(2 * a <= b <= 3 * a or b == most for a, b in itertools.pairwise(counts))
    assert all(b >= 1.5 * a or a == first for a, b in itertools.pairwise(counts))


def test_the_first_look_has_seeds_enough_to_see_a_spread():
    assert [first_analysis_seeds(n, 100) for n in (1, 5, 12)] == [5, 5, 12] and first_analysis_seeds(1, 3) == 3


# The promise, on simulated sequences of known truth


def p_values(draws: np.ndarray) -> np.ndarray:
    """[sequence, look, ...]: two-sided p of the paired t-test at each look; draws [sequence, seed, ...]."""
    return np.stack([stats.ttest_1samp(draws[:, : look.seeds], 0.0, axis=1).pvalue for look in PLAN], 1)


def decided(p: np.ndarray) -> np.ndarray:
    """[sequence]: the first look at which p is at or below its level, len(PLAN) where none is; p [sequence, look]."""
    hits = p <= [look.level for look in PLAN]
    return np.where(hits.any(1), hits.argmax(1), len(PLAN))


def normal(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.normal(size=(DRAWS, 100, *shape))


NULLS = {
    "normal": normal,
    "heavy tails": lambda random: random.standard_t(3, (DRAWS, 100)),
    "uniform": lambda random: random.uniform(-1, 1, (DRAWS, 100)),
    "of two skewed": lambda random: random.exponential(size=(DRAWS, 100)) - random.exponential(size=(DRAWS, 100)),
    "counts of examples": lambda random: (
        random.binomial(500, 0.05, (DRAWS, 100))
        - random.binomial(500, 0.05, (DRAWS, 100))
        + random.normal(0, 1e-9, (DRAWS, 100))
    ),
}


@pytest.mark.parametrize("kind", NULLS)
def test_equal_arms_are_told_apart_in_under_five_percent_of_runs(kind):
    wrong = (decided(p_values(NULLS[kind](np.random.default_rng(1)))) < len(PLAN)).mean()
    assert 0.01 < wrong <= 0.05 + MONTE_CARLO


def test_five_percent_at_every_look_would_break_the_promise():
    found = p_values(normal(np.random.default_rng(1)))
    assert (found <= 0.05).any(1).mean() > 0.1


def test_these_are_the_p_values_of_the_claims():
    draws = normal(np.random.default_rng(2))[:20]
    for row, found in zip(draws, p_values(draws), strict=True):
        for look, p in zip(PLAN, found, strict=True):
            sides = [weigh(row[: look.seeds], region).p_for for region in (Region(low=0.0), Region(high=0.0))]
            assert min(sides) == pytest.approx(p)


def test_many_equal_arms_give_a_winner_in_under_five_percent_of_runs():
    """Best against each other: any pair may turn out to be the best's, so all count in Holm's correction."""
    values = normal(np.random.default_rng(3), 4)
    pairs = np.stack([values[..., a] - values[..., b] for a in range(4) for b in range(a)], -1)
    wrong = (decided(holm(p_values(pairs)).min(-1)) < len(PLAN)).mean()
    assert 0.01 < wrong <= 0.05 + MONTE_CARLO


@pytest.mark.parametrize("rates", [(9, 1), (3, 3)])
def test_tuned_arms_that_are_equal_are_told_apart_in_under_five_percent_of_runs(rates):
    """Rates that are all as good as each other: each seed is read at the one that other seeds chose."""
    random = np.random.default_rng(4)
    first, second = (normal(random, count) for count in rates)
    assert read(first[:5]) == pytest.approx(np.stack([crossed(row, row) for row in first[:5]]))
    found = np.stack(
        [
            stats.ttest_1samp(read(first[:, : look.seeds]) - read(second[:, : look.seeds]), 0.0, axis=1).pvalue
            for look in PLAN
        ],
        1,
    )
    assert 0.01 < (decided(found) < len(PLAN)).mean() <= 0.05 + MONTE_CARLO


def read(values: np.ndarray) -> np.ndarray:
    """``crossed`` for many sequences at once; less is better; values [sequence, seed, rate]."""
    count = values.shape[1]
    weights = np.zeros((count, count))
    for seed in range(count):
        weights[seed, judges(seed, count)] = 1 / len(judges(seed, count))
    best = (weights @ values).argmin(-1)
    return np.take_along_axis(values, best[..., None], -1)[..., 0]


def test_diverging_trials_decide_wrongly_in_under_five_percent_of_runs():
    """A sign test: which of two equal arms did better at a seed is a coin."""
    better = np.random.default_rng(5).random((DRAWS, 100)) < 0.5
    wins = np.stack([better[:, : look.seeds].sum(1) for look in PLAN], 1)
    counts = np.array([look.seeds for look in PLAN])
    found = 2 * stats.binom.cdf(np.minimum(wins, counts - wins), counts, 0.5)
    assert 0.005 < (decided(found) < len(PLAN)).mean() <= 0.05 + MONTE_CARLO


def test_larger_effects_are_decided_earlier_and_small_ones_with_sound_power():
    random, seeds, power = np.random.default_rng(6), [], []
    counts = np.array([*(look.seeds for look in PLAN), 100])
    for effect in (0.25, 0.4, 0.8, 1.5, 3.0, 6.0):
        at = decided(p_values(effect + normal(random)))
        power.append((at < len(PLAN)).mean())
        seeds.append(counts[at].mean())
    assert seeds == sorted(seeds, reverse=True) and seeds[-1] < 6 and seeds[2] < 50
    once = [1 - stats.nct.cdf(stats.t.ppf(0.975, 99), 99, effect * 10) for effect in (0.25, 0.4)]
    assert power[0] > 0.9 * once[0] and power[1] > 0.98 * once[1] and min(power[2:]) > 0.999


# Verdicts at the level of the last look

A = {"text": "adam is better", "better": {"optimizer": "adam"}, "worse": {"optimizer": "momentum"}}


def pair_run(folder: Path, seeds: int = 10, **fields: Any) -> Any:
    """Two arms whose difference has p = 0.0375 with 10 seeds."""
    noise = np.array([3.0, -0.5, 2.5, 0.5, -1.0, 2.0, 1.5, 3.5, -1.0, 2.5])[:seeds] / 100
    return tiny(
        folder,
        [
            {"optimizer": name, "seed": seed, "validation_accuracy": 0.5 + value + seed / 1000}
            for name, values in (("adam", noise), ("momentum", 0 * noise))
            for seed, value in enumerate(values)
        ],
        **fields,
    )


def looked_at(run: Any, *counts: int, most: int = 20) -> None:
    plan = plan_interim_analyses(5, most)
    looks = record_plan(run.paths, range(most), 0, plan)
    for look in plan:
        if look.seeds in counts:
            looks = begin_analysis(run.paths, looks, look)
            looks = end_analysis(run.paths, looks, [(question.text, question.verdict) for question in questions(run)])


def test_a_claim_that_was_looked_at_twice_is_not_supported_at_five_percent(tmp_path):
    run = pair_run(tmp_path / "run", claims=[A])
    (at_once,) = claims(run)
    assert at_once.verdict == SUPPORTED and at_once.p == pytest.approx(0.0375, abs=1e-4)
    looked_at(run, 5, 10)
    (verdict,) = claims(run)
    assert verdict.verdict == UNDECIDED and verdict.p == at_once.p and verdict.level == 0.0125
    evidence = verdict.parts[0].evidence
    expected = stats.ttest_1samp([0.03, -0.005, 0.025, 0.005, -0.01, 0.02, 0.015, 0.035, -0.01, 0.025], 0)
    assert (evidence.low, evidence.high) == pytest.approx(expected.confidence_interval(0.9875))
    assert "98.75 % −" in lines(run)[1] and "98.75 % CI" in on_page(claim_blocks(run, [verdict]))
    assert verdict.seeds_needed > 10


def test_seeds_beyond_the_last_look_are_not_read(tmp_path):
    run = pair_run(tmp_path / "run", claims=[A])
    looked_at(run, 5)
    (verdict,) = claims(run)
    assert verdict.parts[0].evidence.n == 5 and sequential_test(run).trials["seed"].n_unique() == 5


def test_the_report_says_how_often_it_was_looked_at(tmp_path):
    run = pair_run(tmp_path / "run", claims=[A])
    assert looks_in_words(run) == "", "a run made at once says nothing of looks"
    looked_at(run, 5)
    said = looks_in_words(run)
    assert "1 interim analysis, at 5 seeds" in said and "tested at 1.25 %" in said and "1 of 1 question is" in said
    assert "analyses at 10 and 20 seeds follow" in said
    looked_at(run, 5, 10)
    assert "2 interim analyses, at 5 and 10 seeds" in looks_in_words(run) and "2.5 % so far" in looks_in_words(run)
    assert looks_in_words(run) in fallline.open_run(tmp_path / "run").report().read_text()


def test_without_claims_the_best_arm_is_held_against_each_other_one(tmp_path):
    rows = [
        {"optimizer": name, "seed": seed, "validation_accuracy": mean + 0.01 * np.sin(7.1 * seed + place)}
        for place, (name, mean) in enumerate({"adam": 0.9, "momentum": 0.897, "ftrl": 0.5, "adagrad": 0.51}.items())
        for seed in range(10)
    ]
    run = tiny(tmp_path / "run", rows)
    looked_at(run, 5, 10)
    found = {question.text: question.verdict for question in questions(run)}
    assert found == {
        "adam against momentum": UNDECIDED,
        "adam against adagrad": "significant",
        "adam against ftrl": "significant",
    }
    assert recorded_analyses(run.paths).last.undecided == 1
    found = compared(run)
    assert found.level == 0.0125 and {pair.level for pair in found.pairs[0]} == {0.0125}
    assert any("differ significantly at the 1.25 % level" in note for note in notes(found))
    assert looks_in_words(run) in notes(found)


def test_damaged_looks_are_named(tmp_path):
    run = pair_run(tmp_path / "run", claims=[A])
    for text in ("{", "[]", '{"seeds": [0], "before": 0, "planned": [{"level": 1}], "made": []}'):
        run.paths.interim_analyses.write_text(text)
        with pytest.raises(StoreError, match=r"looks\.json"):
            claims(run)


# End to end


def line(**fields: Any) -> fallline.Study:
    """Batches of two of four points, in an order of the seed's own: a study with chance, trained in a moment."""
    return fallline.Study(
        **{
            "name": "tiny/line",
            "task": "line",
            "metric": "final_train_loss",
            "base": {"optimizer": "adam", "batch_size": 2, "steps": 4},
            "axes": {"learning_rate": [0.5, 0.4999]},
            **fields,
        }
    )


def test_rounds_go_on_until_the_seeds_are_used_up_and_say_so(tmp_path):
    told: list[str] = []
    result = fallline.run(line(), tmp_path / "run", until_decided=True, max_seeds=12, on_message=told.append)
    looks = recorded_analyses(result.records.paths)
    assert [look.seeds for look in looks.made] == [5, 12] and looks.spent == pytest.approx(0.05)
    assert result.trials.height == 24 and result.trials["trial"].n_unique() == 24
    assert (
        "of at most 2: 5 seeds" in told[0] and "next 12 seeds" in told[1] and "no interim analyses are left" in told[3]
    )
    assert "By the observed effects," in told[3] and result.study.seeds == 12
    with pytest.raises(StudyError, match="would exceed the overall error probability"):
        fallline.run(line(), tmp_path / "run", until_decided=True, max_seeds=50)
    fallline.run(line(), tmp_path / "run", until_decided=True)
    assert len(recorded_analyses(result.records.paths).made) == 2, "the last look again is no look more"


def test_a_large_effect_ends_after_the_first_look_and_seeds_run_before_are_told(tmp_path):
    study = dots(
        rates=(0.1, 1e-6),
        claims=[{"text": "to learn is better", "better": {"learning_rate": 0.1}, "worse": {"learning_rate": 1e-6}}],
    )
    fallline.run(study, tmp_path / "run")
    result = fallline.run(study, tmp_path / "run", until_decided=True)
    assert result.claims()["verdict"].to_list() == [SUPPORTED] and result.trials.height == 4 * 5
    assert "3 seeds had been trained, and could be tested at 5 %" in looks_in_words(result.records)
    assert "Everything was decided." in looks_in_words(result.records)


def test_what_leaves_nothing_to_chance_is_decided_by_one_seed(tmp_path):
    told: list[str] = []
    study = line(
        base={"optimizer": "adam", "batch_size": "all", "order": "file", "steps": 4},
        claims=[{"text": "0.5 is better", "better": {"learning_rate": 0.5}, "worse": "others"}],
    )
    result = fallline.run(study, tmp_path / "run", until_decided=True, on_message=told.append)
    assert result.trials.height == 2 and result.claims()["verdict"][0] != UNDECIDED
    assert "the study is deterministic" in told[0] and recorded_analyses(result.records.paths) is None


@pytest.mark.parametrize("killed_at", [1, 3])
def test_a_run_killed_in_a_round_goes_on_and_ends_as_one_that_was_not(tmp_path, monkeypatch, killed_at):
    monkeypatch.setattr("fallline.engine.layouts.SMALL_WEIGHTS", 0)  # a block a few seeds: something to stop between
    whole = fallline.run(line(), tmp_path / "whole", until_decided=True, max_seeds=12)
    real, written = RunWriter.write_block, []

    def dying(writer: Any, *parts: Any) -> None:
        written.append(parts)
        if len(written) == killed_at:
            raise StoreError("killed")
        real(writer, *parts)

    monkeypatch.setattr(RunWriter, "write_block", dying)
    with pytest.raises(StoreError, match="killed"):
        fallline.run(line(), tmp_path / "run", until_decided=True, max_seeds=12)
    monkeypatch.setattr(RunWriter, "write_block", real)
    again = fallline.run(line(), tmp_path / "run", until_decided=True, resume=True, max_seeds=12)
    assert set(again.trials["trial"]) == set(whole.trials["trial"]) and again.trials.height == 24
    one, other = (recorded_analyses(result.records.paths) for result in (whole, again))
    assert [(look.seeds, look.level, look.verdicts) for look in one.made] == [
        (look.seeds, look.level, look.verdicts) for look in other.made
    ]
    assert other.before == 0


def test_a_run_killed_while_looking_looks_again(tmp_path, monkeypatch):
    def dying(*parts: Any) -> None:
        raise StoreError("killed")

    monkeypatch.setattr("fallline.sequential.questions", dying)
    with pytest.raises(StoreError, match="killed"):
        fallline.run(line(), tmp_path / "run", until_decided=True, max_seeds=5)
    monkeypatch.undo()
    folder = fallline.open_run(tmp_path / "run").records
    assert recorded_analyses(folder.paths).spent == 0.05 and "before its verdicts were recorded" in looks_in_words(
        folder
    )
    result = fallline.run(line(), tmp_path / "run", until_decided=True)
    assert (
        len(recorded_analyses(result.records.paths).last.verdicts) == 1
        and len(recorded_analyses(folder.paths).made) == 1
    )


@pytest.mark.parametrize(
    ("study", "most", "message"),
    [(line(seeds=8), 6, "--max-seeds 8 or more"), (line(axes={}), None, "nothing to decide")],
)
def test_rounds_that_cannot_be_are_refused_before_the_training(tmp_path, study, most, message):
    with pytest.raises(StudyError, match=message):
        fallline.run(study, tmp_path / "run", until_decided=True, max_seeds=most)
    assert not (tmp_path / "run").exists()


def test_where_every_trial_diverges_it_ends_after_one_look(tmp_path):
    told: list[str] = []
    study = line(
        base={"optimizer": "gradient_descent", "batch_size": 2, "steps": 40}, axes={"learning_rate": [1e9, 2e9]}
    )
    result = fallline.run(study, tmp_path / "run", until_decided=True, on_message=told.append)
    assert set(result.trials["status"]) == {"diverged"} and result.trials["seed"].n_unique() == 5
    assert told[-1] == "no two arms have results to compare"


def test_listed_seeds_go_on_after_the_greatest(tmp_path):
    result = fallline.run(line(seeds=[7, 3]), tmp_path / "run", until_decided=True, max_seeds=5)
    assert sorted(result.trials["seed"].unique()) == [3, 7, 8, 9, 10] and result.study.seeds == [7, 3, 8, 9, 10]
    with pytest.raises(StudyError, match="start with 7"):
        fallline.run(line(), tmp_path / "run", until_decided=True)


def test_the_command_line_tells_rounds_and_looks(cli):
    chance = ("--set", "batch_size=2", "--set", 'axes.optimizer=["adam"]', "--no-report")
    code, _, error = cli("run", "try.toml", *chance, "--until-decided", "--max-seeds", 5, "--out", "run")
    assert code == 0 and "round 1 of at most 1: 5 seeds" in error
    assert "1 interim analysis, at 5 seeds" in cli("show", "run", "--all")[1]
    assert json.loads(Path("run/looks.json").read_text())["made"][0]["seeds"] == 5
    code, _, error = cli("run", "try.toml", *chance, "--seeds", 2, "--out", "fixed")
    assert code == 0 and fallline.open_run("fixed").trials["seed"].n_unique() == 2
    assert "looked" not in cli("show", "fixed", "--all")[1]
    code, _, error = cli("run", "try.toml", "--max-seeds", 5)
    assert code == 2 and "--seeds" in error
