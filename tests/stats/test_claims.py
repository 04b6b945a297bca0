"""Claims: verdicts on simulated truth, against scipy and by hand; what is noted before a run; what a reader sees."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import fallline
from fake_run import tiny
from fallline.errors import StudyError, UnknownName
from fallline.report.sections.claims import claim_blocks, lines
from fallline.stats.arms import crossed
from fallline.stats.claims import REFUTED, SUPPORTED, UNDECIDED, UNTESTED, Verdict, claims, decide
from fallline.stats.evidence import Region, weigh
from fallline.stats.power import failing, seeds_to_settle
from fallline.store import Run
from fallline.study import Study, load_study, parse_study
from fallline.training.preregistration import has_chance
from fallline.training.selector_names import check_names
from on_page import on_page

BETTER, EQUAL = Region(low=0.0), Region(-1.0, 1.0, closed=True)


def table(
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


def judged(folder: Path, rows: list[dict[str, Any]], curves: pl.DataFrame | None = None, **claim: Any) -> Verdict:
    return claims(tiny(folder / "run", rows, curves, claims=[{"text": "it is so", **claim}]))[0]


A_OVER_B = {"better": {"optimizer": "adam"}, "worse": {"optimizer": "momentum"}}
NOISE = [0.01, -0.02, 0.015, 0.0, -0.01, 0.02]


# What a sample says, against scipy


def test_interval_and_p_are_those_of_scipys_paired_t_test(tmp_path):
    a, b = [0.91, 0.93, 0.92, 0.95, 0.90], [0.90, 0.91, 0.92, 0.92, 0.90]
    verdict = judged(tmp_path, table({"adam": a, "momentum": b}), **A_OVER_B)
    expected = stats.ttest_rel(a, b)
    found = verdict.parts[0].evidence
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (np.mean(a) - np.mean(b), *expected.confidence_interval(0.95))
    )
    assert verdict.p == pytest.approx(expected.pvalue) and (verdict.verdict, found.n) == (UNDECIDED, 5)


def test_equality_is_two_one_sided_t_tests():
    sample = np.array([0.2, -0.1, 0.3, 0.0, 0.1, 0.25])
    found = weigh(sample, EQUAL)
    one_sided = [
        stats.ttest_1samp(sample, end, alternative=side).pvalue for end, side in ((-1, "greater"), (1, "less"))
    ]
    assert found.p_for == pytest.approx(2 * max(one_sided)) and found.p_for < 0.05


def test_diverged_trials_make_it_a_sign_test_with_an_interval_of_order_statistics():
    sample = np.array([math.inf, 0.3, math.inf, 0.2, 0.1, -0.4, 0.5, 0.6, 0.7])
    found = weigh(sample, BETTER)
    assert found.p_for == pytest.approx(2 * stats.binomtest(8, 9, 0.5, alternative="greater").pvalue)
    expected = stats.quantile_test(np.nan_to_num(sample, posinf=9.0), p=0.5).confidence_interval(0.95)
    assert (found.low, found.high) == (expected.low, math.inf) and expected.high == 9 and found.estimate == 0.5


@given(
    st.lists(st.sampled_from([-math.inf, -1.5, -0.5, 0.0, 0.5, 1.0, 2.0, math.inf]), min_size=2, max_size=14),
    st.sampled_from([BETTER, EQUAL, Region(high=0.5)]),
)
@settings(max_examples=200, deadline=None)
def test_the_interval_shows_the_verdict(sample, region):
    found = weigh(np.array(sample), region, scale=1.0)
    if found.low is None:
        assert found.p_for > 0.05 and found.p_against > 0.05
        return
    low, high = np.array([found.low]), np.array([found.high])
    inside = bool(region.above(low)[0] and region.below(high)[0])
    outside = not (region.below(low)[0] and region.above(high)[0])
    assert inside == (found.p_for <= 0.05)
    assert outside == (found.p_against <= 0.05)


# Known truth


def shares(draw: Any, region: Region, count: int = 3000, seed: int = 0) -> dict[str, float]:
    """How often each verdict comes out over simulated claims; ``draw`` gives the samples of a claim's parts."""
    random = np.random.default_rng(seed)
    found = [decide([weigh(sample, region) for sample in draw(random)], region)[0] for _ in range(count)]
    return {verdict: found.count(verdict) / count for verdict in (SUPPORTED, REFUTED, UNDECIDED)}


@pytest.mark.parametrize(
    ("draw", "region"),
    [
        (lambda random: [random.normal(0, 1, 5)], BETTER),
        (lambda random: [random.normal(1, 2, 10)], EQUAL),
        (lambda random: [random.normal(0, 1, 8), random.normal(2, 1, 8), random.normal(3, 1, 8)], BETTER),
        (
            lambda random: [
                np.where(random.random(12) < 0.3, random.choice([-math.inf, math.inf], 12), random.normal(0, 1, 12))
            ],
            BETTER,
        ),
        (lambda random: [random.normal(0, 1, 6) for _ in range(4)], BETTER),
    ],
    ids=["better", "equal", "one of three is not", "some diverge", "four, none"],
)
def test_false_verdicts_stay_under_five_percent_at_the_edge_of_truth(draw, region):
    """At the edge a claim is barely false and barely true: neither verdict may come out in more than 5 %."""
    found = shares(draw, region)
    assert found[SUPPORTED] <= 0.05 and found[REFUTED] <= 0.05


@pytest.mark.parametrize("options", [(9, 1), (6, 6)])
def test_choosing_the_best_of_many_rates_supports_no_false_claim(options):
    """Every rate of both arms is as good as any other; the seeds that choose must not judge as well."""
    random, wrong = np.random.default_rng(5), 0
    for _ in range(3000):
        first, second = ((values := random.normal(size=(8, count)), values) for count in options)
        wrong += weigh(crossed(*first) - crossed(*second), Region(high=0.0)).p_for <= 0.05
    assert wrong / 3000 <= 0.05


@pytest.mark.parametrize(("effects", "region"), [((0.7,), BETTER), ((0.5, 0.6), BETTER), ((0.3,), EQUAL)])
def test_the_forecast_number_of_seeds_gives_the_power_it_promises(effects, region):
    """Effects in units of the sd, as they were seen; at the forecast the claim comes out in 80 % of runs or a bit
    more."""
    pilots = [_pilot(effect) for effect in effects]
    n = seeds_to_settle([weigh(pilot, region) for pilot in pilots])
    before = shares(lambda random: [random.normal(effect, 1, n - 3) for effect in effects], region, 1500, 1)
    found = shares(lambda random: [random.normal(effect, 1, n) for effect in effects], region, 1500, 2)
    assert 0.77 < found[SUPPORTED] < 0.88 and before[SUPPORTED] < found[SUPPORTED]


def _pilot(effect: float) -> np.ndarray:
    """Six values with just this mean and an sd of 1."""
    values = np.array([-1.2, 0.3, 0.9, -0.4, 1.1, -0.7])
    return effect + (values - values.mean()) / values.std(ddof=1)


def test_the_forecast_is_the_textbooks():
    """Cohen 1988, table 2.4.1 and what programs for power print: effect 0.5, two-sided 5 %, 80 %: 34 pairs."""
    assert seeds_to_settle([weigh(_pilot(0.5), BETTER)]) == 34
    assert failing(34, "t", [0.5]) < 0.2 < failing(33, "t", [0.5])
    assert failing(6, "sign", [1.0]) == 0 and failing(5, "sign", [1.0]) == 1


def test_a_part_that_leans_the_other_way_is_settled_by_refuting():
    n = seeds_to_settle([weigh(_pilot(2.0), BETTER), weigh(_pilot(-0.5), BETTER)])
    found = shares(lambda random: [random.normal(2, 1, n), random.normal(-0.5, 1, n)], BETTER, 1500)
    assert n > 34 and 0.77 < found[REFUTED] < 0.88, "Holm asks for more seeds than one comparison would"


def test_no_feasible_number_is_said_so(tmp_path):
    rows = table({"adam": [0.9 + x for x in NOISE], "momentum": [0.9 + x for x in NOISE[1:] + NOISE[:1]]})
    verdict = judged(tmp_path, rows, **A_OVER_B)
    assert (verdict.verdict, verdict.seeds_needed) == (UNDECIDED, None)
    assert "no feasible number" in lines(open_tiny(tmp_path))[1]


def open_tiny(folder: Path) -> Run:
    return fallline.open_run(folder / "run").records


# Arms


def rates(optimizers: dict[str, float], seeds: int = 6, best: float = 0.1) -> list[dict[str, Any]]:
    return [
        {
            "optimizer": optimizer,
            "learning_rate": rate,
            "seed": seed,
            "validation_accuracy": top - (0 if rate == best else 0.2) + NOISE[seed] / 10 + 1e-4 * seed * place,
        }
        for place, (optimizer, top) in enumerate(optimizers.items())
        for rate in (0.1, 0.01)
        for seed in range(seeds)
    ]


def test_without_more_all_else_is_held_equal(tmp_path):
    verdict = judged(tmp_path, rates({"adam": 0.95, "momentum": 0.9}), **A_OVER_B)
    assert [part.within for part in verdict.parts] == [{"learning_rate": 0.01}, {"learning_rate": 0.1}]
    assert verdict.verdict == SUPPORTED


def test_for_each_names_what_is_held_equal_and_an_empty_list_holds_nothing(tmp_path):
    rows = rates({"adam": 0.95, "momentum": 0.9})
    every = judged(tmp_path, rows, **A_OVER_B, for_each=[])
    assert len(every.parts) == 4 and every.verdict == REFUTED, "adam at 0.01 is worse than momentum at 0.1"
    lost = every.parts[every.deciding]
    assert (lost.first["learning_rate"], lost.second["learning_rate"]) == (0.01, 0.1)


def test_a_claim_over_many_is_supported_only_if_each_comparison_is(tmp_path):
    rows = rates({"adam": 0.95, "momentum": 0.9}) + rates({"ftrl": 0.9501})
    verdict = judged(tmp_path, rows, better={"optimizer": "adam"}, worse="others")
    assert len(verdict.parts) == 4 and {part.verdict for part in verdict.parts} >= {SUPPORTED}
    assert verdict.verdict != SUPPORTED


def test_others_are_all_other_configurations_with_all_else_equal(tmp_path):
    rows = rates({"adam": 0.95, "momentum": 0.9}) + [
        row | {"batch_size": 8} for row in rates({"adam": 0.5, "momentum": 0.4})
    ]
    verdict = judged(tmp_path, rows, better={"optimizer": "adam", "learning_rate": 0.1}, worse="others")
    assert len(verdict.parts) == 2 * 3 and {part.within["batch_size"] for part in verdict.parts} == {8, 100}
    assert verdict.verdict == SUPPORTED


def test_a_tuned_arm_is_chosen_on_validation_and_each_seed_is_read_by_the_choice_of_others(tmp_path):
    rows = [
        {"learning_rate": rate, "seed": seed, "validation_accuracy": seen, "test_accuracy": read}
        for rate, seen, read in ((0.1, 0.9, 0.5), (0.01, 0.8, 0.7))
        for seed in range(4)
    ]
    rows[0]["validation_accuracy"] = 0.1  # by seed 0, which chooses for seed 3 alone, the other rate is now best
    verdict = judged(tmp_path, rows, arm={}, above=0.6, metric="test_accuracy", tune=["learning_rate"])
    assert len(verdict.parts) == 1 and verdict.parts[0].chosen[0] == {"learning_rate": 0.01}
    assert verdict.parts[0].evidence.estimate == pytest.approx((0.5 + 0.5 + 0.5 + 0.7) / 4)


def test_equal_takes_every_pair_of_one_arm_and_needs_them_all(tmp_path):
    rows = table(
        {
            rate: [0.9 + rate / 1000 + x / 100 for x in NOISE[place:] + NOISE[:place]]
            for place, rate in enumerate((0.0, 0.5, 0.9))
        },
        "dropout_rate",
    )
    same = judged(tmp_path / "a", rows, equal={"optimizer": "adam"}, margin=0.005)
    assert len(same.parts) == 3 and same.verdict == SUPPORTED
    rows[-6:] = [row | {"validation_accuracy": row["validation_accuracy"] + 0.1} for row in rows[-6:]]
    assert judged(tmp_path / "b", rows, equal={"optimizer": "adam"}, margin=0.005).verdict == REFUTED


def test_a_bound_is_held_against_the_mean_of_each_configuration(tmp_path):
    rows = table({"adam": [0.9 + x for x in NOISE]})
    for name, (bound, expected) in enumerate(
        [
            ({"above": 0.8}, SUPPORTED),
            ({"below": 0.8}, REFUTED),
            ({"above": 0.9}, UNDECIDED),
            ({"near": 0.9, "margin": 0.05}, SUPPORTED),
        ]
    ):
        assert judged(tmp_path / str(name), rows, arm={}, **bound).verdict == expected


def test_a_margin_must_be_passed(tmp_path):
    rows = table({"adam": [0.93 + x / 20 for x in NOISE], "momentum": [0.9 - x / 20 for x in NOISE]})
    assert judged(tmp_path / "a", rows, **A_OVER_B, margin=0.02).verdict == SUPPORTED
    assert judged(tmp_path / "b", rows, **A_OVER_B, margin=0.04).verdict == REFUTED


def test_losses_go_down_and_a_direction_can_be_said(tmp_path):
    rows = table(
        {"adam": [0.3 + x / 10 for x in NOISE], "momentum": [0.5 - x / 10 for x in NOISE]}, metric="final_train_loss"
    )
    assert judged(tmp_path / "a", rows, **A_OVER_B, metric="train_loss").verdict == SUPPORTED
    assert judged(tmp_path / "b", rows, **A_OVER_B, metric="train_loss", direction="up").verdict == REFUTED


def test_a_step_reads_the_curves(tmp_path):
    curves = pl.DataFrame(
        {
            "trial": [f"{place:016x}" for place in range(12)] * 2,
            "step": [0] * 12 + [5] * 12,
            "train_loss": [1.0] * 12 + [0.1 + x for x in NOISE] + [0.5 + x / 2 for x in NOISE],
        }
    )
    rows = table({"adam": NOISE, "momentum": NOISE})
    verdict = judged(tmp_path / "a", rows, curves, **A_OVER_B, metric="train_loss", step=5)
    assert verdict.verdict == SUPPORTED
    assert verdict.parts[0].evidence.estimate == pytest.approx(-0.4 + np.mean(NOISE) / 2)
    late = judged(tmp_path / "b", rows, curves, **A_OVER_B, metric="train_loss", step=6)
    assert (late.verdict, late.note) == (UNTESTED, "no trial of this run has a value at step 6")


# Missing, diverged, single-seed


def test_one_seed_decides_nothing(tmp_path):
    verdict = judged(tmp_path, table({"adam": [0.99], "momentum": [0.1]}), **A_OVER_B)
    assert (verdict.verdict, verdict.p, verdict.seeds_needed) == (UNDECIDED, None, 5)
    assert verdict.parts[0].evidence.low is None
    assert "one seed is not enough" in lines(open_tiny(tmp_path))[1]


def test_an_arm_that_is_not_there_is_not_tested(tmp_path):
    verdict = judged(tmp_path / "a", table({"adam": NOISE}), **A_OVER_B)
    assert (verdict.verdict, verdict.note) == (UNTESTED, "no trial of this run has optimizer = momentum")
    metric = judged(tmp_path / "b", table({"adam": NOISE, "momentum": NOISE}), **A_OVER_B, metric="test_loss")
    assert (metric.verdict, metric.note) == (UNTESTED, "this run does not record test_loss")


def test_a_diverged_trial_is_worse_than_any_that_finished(tmp_path):
    rows = table({"adam": [0.9 + x for x in NOISE], "momentum": [None, None, 0.5, None, None, None]})
    verdict = judged(tmp_path / "a", rows, **A_OVER_B)
    part = verdict.parts[0]
    assert verdict.verdict == SUPPORTED and part.diverged == (0, 5) and part.evidence.method == "sign"
    assert part.evidence.estimate == math.inf
    few = judged(tmp_path / "b", [row for row in rows if row["seed"] < 3], **A_OVER_B)
    assert (few.verdict, few.seeds_needed) == (UNDECIDED, 6), "a sign test decides nothing with fewer than 6"


def test_two_diverged_trials_are_equal_and_arms_that_all_diverged_are_not_tested(tmp_path):
    some = table({"adam": [None] * 3 + [0.9] * 3, "momentum": [None] * 3 + [0.5] * 3})
    assert judged(tmp_path / "a", some, **A_OVER_B).verdict == UNDECIDED
    gone = table({"adam": [None] * 6, "momentum": [None] * 6, "ftrl": [0.9] * 6})
    assert judged(tmp_path / "b", gone, **A_OVER_B).note == "every trial of both arms diverged"


def test_equal_differences_of_a_coarse_accuracy_are_no_certainty(tmp_path):
    """Two seeds, both one image apart: no spread, but no proof either."""
    verdict = judged(tmp_path, table({"adam": [0.912, 0.904], "momentum": [0.910, 0.902]}), **A_OVER_B)
    assert verdict.verdict == UNDECIDED and verdict.parts[0].evidence.method == "sign"
    assert "median and sign test, as nothing spreads" in on_page(claim_blocks(Run(tmp_path / "run"), [verdict]))


def test_seeds_that_agree_to_the_last_digit_leave_nothing_to_chance(tmp_path):
    rows = [
        {
            "optimizer": name,
            "seed": seed,
            "validation_accuracy": value,
            "final_train_loss": value,
            "min_train_loss": value,
            "min_train_loss_step": 3,
        }
        for name, value in (("adam", 0.91), ("momentum", 0.90))
        for seed in (0, 1)
    ]
    verdict = judged(tmp_path / "a", rows, **A_OVER_B)
    assert verdict.verdict == SUPPORTED and verdict.parts[0].evidence.method == "values" and verdict.p is None
    rows[0]["min_train_loss"] = 0.5
    assert judged(tmp_path / "b", rows, **A_OVER_B).verdict == UNDECIDED


def test_losses_of_different_kinds_are_not_compared(tmp_path):
    rows = [
        row | {"loss": row["optimizer"], "loss_kind": row["optimizer"]}
        for row in table({"adam": NOISE, "momentum": NOISE}, metric="validation_loss")
    ]
    verdict = judged(tmp_path, rows, **A_OVER_B, metric="validation_loss", for_each=[])
    assert (verdict.verdict, verdict.note) == (UNTESTED, "losses of different kinds cannot be compared")


@given(st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_the_order_of_rows_and_seeds_changes_nothing(tmp_path_factory, random):
    rows = rates({"adam": 0.92, "momentum": 0.9}) + table({"ftrl": [None, 0.9, 0.8, 0.7, 0.9, 0.8]})
    mixed = random.sample(rows, len(rows))
    claim = {"better": {"optimizer": "adam"}, "worse": "others", "tune": ["learning_rate"]}
    first, second = (judged(tmp_path_factory.mktemp("run"), some, **claim) for some in (rows, mixed))
    assert (first.verdict, first.seeds_needed, first.p) == (second.verdict, second.seeds_needed, second.p)
    assert [part.evidence for part in first.parts] == [part.evidence for part in second.parts]


# What is written, checked and noted


def test_a_claim_has_one_form():
    forms = {}, {"better": {}}, {"arm": {}, "above": 1, "below": 2}, {"equal": [{}]}, {"equal": {}, "margin": -1.0}
    for wrong in forms:
        with pytest.raises(StudyError, match=r"claims\.0"):
            Study(name="s", task="line", claims=[{"text": "t", **wrong}])
    with pytest.raises(StudyError, match=r"did you mean margin"):
        Study(name="s", task="line", claims=[{"text": "t", "equal": {}, "margni": 1}])


def test_claims_survive_being_written_down():
    study = _line(better={"learning_rate": np.float64(0.01)}, worse="others", margin=0.5)
    assert parse_study(fallline.study.dump_study(study), "x").claims == study.claims
    assert study.preset("full").claims == study.claims


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"better": {"optimiser": "adam"}, "worse": {}}, "did you mean optimizer"),
        ({"better": {"optimizer": "adamm"}, "worse": {}}, "did you mean adam"),
        ({"arm": {}, "above": 1, "metric": "final_train_los"}, "did you mean final_train_loss"),
        ({"arm": {}, "above": 1, "metric": "w", "step": 3}, "there are: W, b"),
        ({"better": {}, "worse": {}, "tune": ["learning_rat"]}, "did you mean learning_rate"),
    ],
)
def test_a_misspelt_name_is_an_error_before_the_training(claim, message):
    study = _line(**claim)
    with pytest.raises(UnknownName, match=message):
        check_names(study, study.trials(), [])


def test_an_arm_of_another_preset_is_no_error():
    study = _line(better={"optimizer": "adam", "beta1": 0.9}, worse={"learning_rate": 5.0})
    check_names(study, study.trials(), [])


def _line(**claim: Any) -> Study:
    return Study(
        name="line/rates",
        task="line",
        metric="final_train_loss",
        base={"optimizer": "gradient_descent", "batch_size": "all", "order": "file", "steps": 40},
        axes={"learning_rate": [1e-2, 1e-3]},
        claims=[{"text": "0.01 is <best>", **claim}],
    )


BEST = {"better": {"learning_rate": 0.01}, "worse": "others"}


def test_claims_are_noted_before_the_training_and_later_ones_are_told_apart(tmp_path):
    seen = []
    folder = tmp_path / "run"
    first = fallline.run(
        _line(**BEST),
        folder,
        on_progress=lambda news: seen.append((news.phase, news.done, (folder / "claims.json").exists())),
    )
    assert all(noted for phase, _, noted in seen if phase == "training") and seen
    (note,) = json.loads((folder / "claims.json").read_text())
    assert note["recorded"] == 0 and note["chance"] is False and note["claims"][0]["text"] == "0.01 is <best>"
    assert "before the first trial" in on_page(claim_blocks(first.records, claims(first.records)))
    again = fallline.run(_line(**BEST), folder)
    assert json.loads((folder / "claims.json").read_text()) == [note]
    assert again.claims()["verdict"].to_list() == [SUPPORTED], "one seed is enough where trials are deterministic"
    later = fallline.run(_line(**BEST, margin=0.1), folder)
    assert [row["recorded"] for row in json.loads((folder / "claims.json").read_text())] == [0, 2]
    assert "after 2 trials had been recorded" in on_page(claim_blocks(later.records, claims(later.records)))


def test_what_hangs_on_the_seed_is_found_before_the_run():
    def load(task: Any) -> Any:
        from fallline.training.arrays import load_arrays

        return load_arrays(task, "sample", None)

    line = load_study("line/learning-rates")
    assert not has_chance(line.trials(), load)
    assert has_chance(line.with_({"base": {"batch_size": 2, "order": "shuffled"}}).trials(), load)
    softmax = load_study("softmax/optimizers").preset("quick")
    whole = softmax.with_({"base": {"batch_size": "all", "order": "file", "steps": 2}})
    assert has_chance(softmax.trials(), load) and not has_chance(whole.trials(), load), "it begins at zero"
    dense = whole.with_({"task": "fashion-mnist-mlp-128"})
    assert has_chance(dense.trials(), load)


# What a reader sees


def test_page_terminal_and_frames_say_the_same(tmp_path):
    result = fallline.run(_line(**BEST), tmp_path / "run")
    told = result.claims()
    expected = result.trials.sort("learning_rate")["final_train_loss"]
    assert told["estimate"][0] == pytest.approx(expected[1] - expected[0]) and told["n"][0] == 1
    assert result.claims(comparisons=True).select("first", "second", "comparison").row(0) == (
        "learning rate 0.01",
        "learning rate 0.001",
        SUPPORTED,
    )
    tally, line = lines(result.records)
    assert tally == "Claims of the study: 1 supported."
    assert line.startswith(
        "✓ supported: 0.01 is <best> (learning rate 0.01 minus learning rate 0.001: final training loss difference −"
    )
    page = on_page(claim_blocks(result.records, claims(result.records)))
    assert "✓ supported" in page and "0.01 is &lt;best&gt;" in page and "learning rate 0.01 minus" in page


def test_a_study_without_claims_has_no_section(tmp_path):
    run = tiny(tmp_path / "run", table({"adam": NOISE}))
    assert claim_blocks(run, claims(run)) == [] and lines(run) == []
