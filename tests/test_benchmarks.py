"""The benchmark's works are what they are said to be, and its results are whole."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import bench  # noqa: E402
import fallline_side  # noqa: E402
import whole  # noqa: E402
import whole_loops  # noqa: E402
import whole_sides  # noqa: E402
import whole_works  # noqa: E402
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
    assert not any(trial.recipe.hyperparameters.flat.get("centered") for trial in made)


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
        assert np.array_equal(arrays["batches"][: len(first)], first)
        logits = np.zeros((100, 10))
        cross_entropy = np.log(np.exp(logits).sum(1)) - logits[np.arange(100), arrays["targets"][first[0, 0]]]
    assert ours.loss("momentum", 0) == pytest.approx(cross_entropy.mean(), rel=1e-6)


def test_the_file_of_results_names_the_kind_of_machine_and_not_the_machine():
    machine = {"processor": "Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "cores": 2, "started": "2026-01-02T03:04:05Z"}
    assert bench.default_out(machine).name == "2026-01-02-intel-xeon-e5-2686-v4-2-cores.json"


@pytest.mark.parametrize("study", whole_works.STUDIES, ids=lambda study: study.key)
def test_a_whole_command_trains_the_trials_that_its_floor_and_its_peers_are_charged_for(study):
    from fallline.cli.screens import chosen_study

    made = chosen_study(study.name, study.preset, list(study.settings)).trials()
    assert len({trial.name for trial in made}) == study.work.trials
    assert {trial.task.name for trial in made} == {study.work.task}
    assert {trial.recipe.steps for trial in made} == {study.work.steps}
    assert {trial.recipe.batches.size for trial in made} == {study.work.batch_size}
    assert {trial.evaluate_every for trial in made} == {study.evaluate_every}
    rules = [trial.recipe.optimizer.name for trial in made if trial.seed == made[0].seed]
    assert {rule: rules.count(rule) for rule in rules} == {
        rule: study.work.optimizers.count(rule) * len(study.work.rates) for rule in study.work.optimizers
    }


@pytest.mark.parametrize("study", [whole_works.SOFTMAX_QUICK, whole_works.CONVNET_QUICK], ids=lambda study: study.key)
def test_a_whole_command_evaluates_on_the_examples_that_its_floor_counts(study):
    from fallline import load_study
    from fallline.training.arrays import load_arrays

    first = load_study(study.name).preset(study.preset).trials()[0]
    splits = load_arrays(first.task, first.data, None).splits
    assert (len(splits.validation.inputs), len(splits.test.inputs)) == (study.validation, study.test)


def test_the_floor_counts_the_matmuls_of_training_and_of_every_evaluation():
    softmax = whole_works.SOFTMAX_FULL
    training, forward = 405 * 500 * 100 * 4 * 784 * 10, 2 * 784 * 10
    assert softmax.evaluations == 21
    assert softmax.flops == training + 405 * forward * (21 * 5000 + 10_000)
    assert whole_works.LINE_FULL.flops == 0


def test_the_studies_of_300_arms_and_of_20000_configurations_have_as_many(tmp_path):
    from fallline import load_study

    counts = {}
    for name, text in whole_works.STUDY_FILES.items():
        (tmp_path / "study.toml").write_text(text, encoding="utf-8")
        study = load_study(tmp_path / "study.toml")
        counts[name] = len(study.trials()), study.seeds
    assert counts == {"300 arms": (900, 3), "20,000 configurations": (20_000, 1)}


def test_a_peer_is_charged_a_trial_as_often_as_its_rule_occurs_and_its_start_once():
    study = whole_works.CONVNET_QUICK
    seconds = {"momentum": 1.0, "adam": 2.0, "rmsprop": 4.0, "adagrad": 8.0}
    assert whole_loops.charged(study, 18.0, seconds) == pytest.approx(3 + 2 * 15)
    assert whole_loops.mean_step(study, seconds) == pytest.approx(15 / 4)


def test_whole_commands_of_two_sides_have_a_cache_and_a_run_folder_each(tmp_path):
    sides = [whole_sides.Side(name, whole_sides.ROOT / "src", tmp_path / name) for name in ("one", "other")]
    commands = [command for command in whole_works.SMOKE if not command.name.endswith("warm")]
    results = whole.bench(commands, sides, [], 1, (64,), tmp_path)
    results = json.loads(json.dumps(results, allow_nan=False))
    assert list(results["commands"]) == ["run line quick, cold", "show of line quick"]
    for found in results["commands"].values():
        assert found["ratio"]["median"] == pytest.approx(found["other_seconds"]["median"] / found["seconds"]["median"])
    cold = results["commands"]["run line quick, cold"]
    assert cold["floor_seconds"] == results["floor"]["start_seconds"]["median"], "a line has no matmuls"
    assert results["peers"] == [] and results["steps_alone"] is None
    for side in sides:
        assert (side.folder / "line quick" / "cache" / "compiled").is_dir()
        assert list((side.folder / "line quick" / "run" / "trials").iterdir())
    text = whole.table({**results, "quick": True, "machine": _machine()})
    assert "run line quick, cold" in text and "A: one, B: other" in text


def test_a_command_that_fails_ends_the_benchmark_with_what_it_wrote(tmp_path):
    side = whole_sides.Side("one", whole_sides.ROOT / "src", tmp_path)
    with pytest.raises(SystemExit, match=r"(?s)no study, one ended with 2:.*no/study"):
        side.seconds(whole_works.Command("no study", "nothing", ("plan", "no/study"), cold=True))


@pytest.mark.skipif(not (whole_sides.ROOT / ".git").exists(), reason="not a checkout")
def test_the_other_side_is_the_source_of_that_commit(tmp_path):
    commit, source = whole_sides.checked_out("HEAD", tmp_path / "other")
    assert whole_sides.git("rev-parse", "HEAD").startswith(commit)
    assert (source / "fallline" / "__main__.py").is_file()
    with pytest.raises(SystemExit, match="git rev-parse"):
        whole_sides.checked_out("no-such-commit", tmp_path / "none")


def test_an_unknown_name_of_a_command_lists_those_there_are():
    assert {command.key for command in whole.chosen(["softmax"], whole_works.COMMANDS)} == {
        "softmax quick",
        "softmax full",
    }
    with pytest.raises(SystemExit, match="there are run line quick, cold"):
        whole.chosen(["none"], whole_works.COMMANDS)


def _machine():
    from fallline.training.environment import describe

    return describe("tests")
