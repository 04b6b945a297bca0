"""Runs make forecasts better: ratios of measured to predicted seconds, by program and by kind, within bounds."""

import json
import math

import numpy as np
import pytest

import fallline
from fallline.forecast import calibrate, refine
from fallline.forecast.calibration import recall
from fallline.forecast.costs import Costs, MatmulCost, ProgramWork
from fallline.forecast.experience import (
    LEAST_UNSURE,
    MOST_FACTOR,
    MOST_OF_A_KIND,
    MOST_OF_A_PROGRAM,
    Observation,
    correction,
    kind,
    learn,
)

KIND = "step, matmuls, alone"


def runs(programs, seed):
    """Programs of a kind, whose law is off by 1.8 and a fifth more or less each; every run by a tenth more."""
    draw = np.random.default_rng(seed)
    offs = {name: 1.8 * math.exp(0.2 * draw.standard_normal()) for name in programs}
    return offs, [
        Observation(KIND, name, 2.0, 2.0 * off * math.exp(0.1 * draw.standard_normal()))
        for name, off in offs.items()
        for _ in range(3)
    ]


def test_what_ran_makes_forecasts_of_other_programs_of_its_kind_better():
    offs, seen = runs([f"p{n}" for n in range(12)], 0)
    held = {name for name in offs if name in ("p9", "p10", "p11")}
    observed = learn({}, [one for one in seen if one.program not in held])
    before, after = (
        [abs(math.log(factor / offs[name])) for name in held]
        for factor in (1.0, correction(observed, KIND, "unseen", 2.0).factor)
    )
    assert np.median(after) < 0.5 * np.median(before)


def test_a_program_that_ran_is_forecast_better_than_its_kind_and_more_narrowly():
    offs, seen = runs([f"p{n}" for n in range(8)], 1)
    observed = learn({}, seen)
    of_kind, own = correction(observed, KIND, "unseen", 2.0), correction(observed, KIND, "p3", 2.0)
    far = max(offs, key=lambda name: abs(math.log(offs[name] / of_kind.factor)))
    assert abs(math.log(correction(observed, KIND, far, 2.0).factor / offs[far])) < abs(
        math.log(of_kind.factor / offs[far])
    )
    assert LEAST_UNSURE <= own.unsure < of_kind.unsure < 2.0 and own.runs == 24
    inside = [of_kind.factor / of_kind.unsure < off < of_kind.factor * of_kind.unsure for off in offs.values()]
    assert sum(inside) >= 7, "the range holds what it says"


def test_nothing_observed_changes_nothing():
    assert correction({}, KIND, "p", 1.35) == (1.0, pytest.approx(1.35), 0)
    assert correction({"other": [("p", 5.0)]}, KIND, "p", 1.35).factor == 1.0


def test_no_observation_makes_a_forecast_absurd():
    absurd = [Observation(KIND, "p", 1.0, seconds) for seconds in (1e9, 1e-9, 0.0, -1.0, math.nan, math.inf)]
    assert learn({}, absurd) == {}, "the machine slept, or the clock jumped"
    assert correction({KIND: [("p", 29.0)] * 8}, KIND, "p", 2.0).factor == pytest.approx(MOST_FACTOR)
    stray = learn({}, [Observation(KIND, "p", 1.0, seconds) for seconds in (1.1, 1.1, 1.1, 1.1, 25.0)])
    assert correction(stray, KIND, "p", 2.0).factor < 1.12, "medians count"


def test_the_latest_observations_are_kept():
    observed = learn({}, [Observation(KIND, "p", 1.0, 1.0 + n) for n in range(20)])
    assert [ratio for _, ratio in observed[KIND]] == [1.0 + n for n in range(20 - MOST_OF_A_PROGRAM, 20)]
    assert len(learn(observed, [Observation(KIND, f"q{n}", 1.0, 1.0) for n in range(200)])[KIND]) == MOST_OF_A_KIND


def test_kinds_are_told_apart_by_what_programs_do():
    dense, convolution = MatmulCost(1, 50, 10, 784), MatmulCost(1, 50, 10, 784, "convolution")
    assert kind("step", Costs(ProgramWork(1, products=[(1.0, dense)])), True) == "step, matmuls, beside others"
    both = Costs(ProgramWork(1, products=[(1.0, dense), (1.0, convolution)]))
    assert kind("step", both, False) == "step, convolutions, alone"
    assert kind("evaluation", Costs(native=ProgramWork(5)), False) == "evaluation, small loops, alone"


@pytest.fixture
def study():
    return fallline.Study(
        name="learns",
        task="mnist-softmax",
        metric="validation_loss",
        evaluate_every=20,
        base={"optimizer": "adam", "steps": 60, "batch_size": 20},
        axes={"learning_rate": [0.1, 0.01]},
    )


@pytest.fixture
def calibrated():
    """A device that has seen nothing run."""
    calibrate(again=True)


def test_a_run_teaches_the_calibration_and_the_next_plan_is_drawn_to_what_it_took(study, calibrated, tmp_path):
    (before,) = fallline.plan_study(study).cohorts
    assert before.predicted.observed == 0
    fallline.run(study, tmp_path / "run")
    calibration = recall()
    assert {name.split(",")[0] for name in calibration.observed} == {"step", "evaluation"} and calibration.runs == 1
    (timing,) = [json.loads(path.read_text()) for path in (tmp_path / "run" / "timings").glob("*.json")]
    (after,) = fallline.plan_study(study).cohorts
    took = timing["steady_seconds"] / timing["steady_steps"]
    law = after.predicted.law["step"]
    assert calibration.observed[law["kind"]] == [(law["program"], pytest.approx(took / law["seconds"], rel=0.2))]
    assert after.predicted.how == "compiled" and after.predicted.observed == 1
    high, low = after.predicted.seconds_high, after.predicted.seconds_low
    assert high / low < before.predicted.seconds_high / before.predicted.seconds_low
    fallline.run(study.with_({"seeds": [7]}), tmp_path / "again")
    assert recall().runs == 2


def test_what_compiling_took_is_remembered(study, calibrated, tmp_path):
    from fallline.forecast.count_cache import recall_counted
    from fallline.forecast.counting import _key
    from fallline.study.plan import plan
    from fallline.training.context import TrainingContext

    other = study.with_({"base": {"batch_size": 24}})  # not in the compilation cache
    fallline.run(other, tmp_path / "run")
    setup = TrainingContext(other, None)
    (planned,) = plan(setup.trials, setup.most_lanes)
    assert recall_counted(_key(setup.make(planned), "step")).compile_seconds > 0


def test_without_a_calibration_a_run_learns_nothing_and_measures_nothing(study, monkeypatch, tmp_path):
    monkeypatch.setenv("FALLLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("fallline.forecast.measuring.measure", lambda: pytest.fail("calibrated in a run"))
    records = fallline.run(study, tmp_path / "run").records
    (cohort,) = records.plan["rounds"][0]["cohorts"]
    assert cohort["predicted"]["seconds"] is None and cohort["predicted"]["memory_bytes"] > 0
    refine([Observation(KIND, "p", 1.0, 2.0)])
    assert not (tmp_path / "cache" / "calibrations").exists()
