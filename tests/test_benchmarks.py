"""The benchmark's works are what they are said to be, and its results are whole."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import bench  # noqa: E402
import fallline_side  # noqa: E402
import works  # noqa: E402
from table import table  # noqa: E402


@pytest.fixture
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FALLLINE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("work", "trials", "steps"), [(works.LINE, 50, 30_000), (works.SOFTMAX, 360, 500)])
def test_a_work_is_the_study_it_says(work, trials, steps):
    made = fallline_side.study_of(work).trials()
    assert len(made) == work.trials == trials
    assert len({trial.name for trial in made}) == trials
    assert {trial.recipe.steps for trial in made} == {steps}
    assert {trial.recipe.batches.size for trial in made} == {work.batch_size}
    assert not any(trial.recipe.numbers.flat.get("centered") for trial in made)


def test_flops_are_those_of_the_two_products_of_every_trial_and_step():
    forward, gradient = 2 * 100 * 784 * 10, 2 * 784 * 100 * 10
    assert works.SOFTMAX.flops == 9 * 8 * 5 * 500 * (forward + gradient) == 564_480_000_000
    assert works.LINE.flops == 0


@pytest.mark.parametrize("work", [works.LINE, works.SOFTMAX])
def test_every_form_scales_to_the_whole_work(work):
    """At one second a step: one trial at a time takes as many seconds as there are trial-steps."""
    a_second = dict.fromkeys([*work.peer_rules, "all"], 1.0)
    for form in works.forms(work):
        at_once = {"trials": 1, "ensemble": len(work.rates)}[form.kind]
        if form.joint:
            at_once = work.trials // work.seeds
        processes = 2 if form.processes else 1
        whole = works.whole_seconds(work, form, a_second, processes)
        assert whole == pytest.approx(work.trial_steps / at_once / processes), form.name


def test_a_rule_that_pytorch_lacks_costs_as_much_as_its_simpler_one():
    seconds = {rule: float(number) for number, rule in enumerate(works.LINE.peer_rules)}
    assert set(seconds) == set(works.TEN) - {"ftrl", "proximal_gradient_descent", "proximal_adagrad"}
    whole = works.whole_seconds(works.LINE, works.ONE_THREAD, seconds)
    charged = sum(seconds.values()) + 2 * seconds["adagrad"] + seconds["gradient_descent"]
    assert whole == pytest.approx(charged * 5 * 30_000)


def test_a_work_comes_back_from_json():
    from dataclasses import asdict

    assert works.from_plain(json.loads(json.dumps(asdict(works.SOFTMAX)))) == works.SOFTMAX


def test_the_results_of_a_smoke_run_are_whole(_own_cache):
    results = bench.bench([works.smoke(works.LINE), works.smoke(works.SOFTMAX)], None, quick=True)
    results = json.loads(json.dumps(results, allow_nan=False))
    assert {"schema", "quick", "machine", "product_gflops", "works", "wall_seconds"} == set(results)
    assert {"processor", "cores", "memory_bytes", "platform", "python", "jax"} <= set(results["machine"])
    for name, trials in (("line", 4), ("softmax", 8)):
        work = results["works"][name]
        assert work["trials"] == trials and work["peers"] == {} and work["agreement"] is None
        ours = work["fallline"]
        assert 0 < ours["seconds"]["min"] <= ours["seconds"]["median"] <= ours["seconds"]["max"]
        assert 0 < ours["in_program_seconds"]["median"] < ours["seconds"]["median"]
        assert {"layout", "layout_seconds", "trace_seconds", "compile_seconds"} <= set(ours)
        assert ours["traces"] == 3, "weights, start and advance once each, and no evaluation"
    softmax = results["works"]["softmax"]["fallline"]
    assert softmax["share_of_product"]["jax"] == pytest.approx(softmax["gflops"] / results["product_gflops"]["jax"])
    assert "softmax: 8 trials x 50 steps" in table(results)


def test_the_peers_get_fallline_s_own_batches(_own_cache, tmp_path):
    import numpy as np

    work = works.smoke(works.SOFTMAX)
    ours = fallline_side.FalllineSide(work)
    ours.save_for_peers(tmp_path / "arrays.npz")
    with np.load(tmp_path / "arrays.npz") as arrays:
        assert arrays["inputs"].shape == (4000, 784) and arrays["inputs"].dtype == np.float32
        assert arrays["inputs"].min() == 0 and arrays["inputs"].max() == 1
        batches = ours.works[0].batches
        first = batches.indices(0, work.steps, batches.widths[0], work.steps)
        assert np.array_equal(arrays["batches"][:len(first)], first)
        logits = np.zeros((100, 10))
        cross_entropy = np.log(np.exp(logits).sum(1)) - logits[np.arange(100), arrays["targets"][first[0, 0]]]
    assert ours.loss("momentum", 0) == pytest.approx(cross_entropy.mean(), rel=1e-6)


def test_the_file_of_results_names_the_kind_of_machine_and_not_the_machine():
    machine = {"processor": "Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "cores": 2, "started": "2026-01-02T03:04:05Z"}
    assert bench.default_out(machine).name == "2026-01-02-intel-xeon-e5-2686-v4-2-cores.json"
