"""Traced programs on disk: a later process traces none of them, and takes none of another source, shape or part."""

import os
import subprocess
import sys

import numpy as np
import pytest
from polars.testing import assert_frame_equal

import fallline
from fallline import Study
from fallline.engine import program_cache
from fallline.engine.devices import prepare_jax
from fallline.engine.program import Layout
from fallline.study.plan import plan
from fallline.training.context import TrainingContext
from fallline.training.programs import Programs

jax = prepare_jax()

FIELDS = {
    "name": "small",
    "task": "mnist-softmax",
    "data": "sample",
    "metric": "validation_loss",
    "seeds": 2,
    "evaluate_every": 10,
    "base": {"batch_size": 20, "steps": 20},
    "axes": {"optimizer": ["adam", "rmsprop"], "learning_rate": [0.1, 0.01]},
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FALLLINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def ready(**changes):
    setup = TrainingContext(Study(**FIELDS | changes), None)
    return setup.make(plan(setup.trials, setup.most_lanes)[0])


def traces(cohort):
    cohort.compile()
    program = cohort.program
    return program.advance(20).traces, program.evaluate.traces


def test_what_one_session_traced_another_does_not_trace_again(cache):
    assert traces(ready()) == (1, 1)
    assert len(list((cache / "traced").iterdir())) == 2
    assert traces(ready()) == (0, 0), "a new session, as a new process has it"
    axes = {"optimizer": ["adam", "rmsprop"], "learning_rate": [0.2, 0.02]}
    assert traces(ready(axes=axes)) == (0, 0), "other learning rates are data"


def test_other_lanes_losses_sizes_or_rules_are_other_programs(cache):
    traces(ready())
    assert traces(ready(axes={"optimizer": ["adam"], "learning_rate": [0.1]}))[0] == 1
    assert traces(ready(base={"batch_size": 20, "steps": 20, "loss": "sparse_softmax_cross_entropy"}))[0] == 1
    assert traces(ready(axes={"optimizer": ["adam", "nesterov"], "learning_rate": [0.1, 0.01]})) == (1, 0), (
        "evaluation knows nothing of rules"
    )


def test_a_program_of_another_source_is_traced_anew(cache, monkeypatch):
    traces(ready())
    monkeypatch.setattr(program_cache, "_made_by", lambda: "another source")
    assert traces(ready()) == (1, 1)


def test_a_torn_file_is_traced_anew_and_replaced(cache):
    traces(ready())
    for file in (cache / "traced").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert traces(ready()) == (1, 1)
    assert traces(ready()) == (0, 0)


def test_a_part_of_the_users_own_is_never_kept(cache):
    import optax

    from fallline import Optimizer

    mine = Optimizer.plug("mine", optax.adam, learning_rate=0.1)
    axes = {"optimizer": [mine], "learning_rate": [0.1, 0.01]}
    assert traces(ready(axes=axes))[0] == 1 and traces(ready(axes=axes))[0] == 1


def test_records_are_the_same_whether_programs_were_kept_or_not(cache, tmp_path):
    first, second = (fallline.run(Study(**FIELDS), tmp_path / name).records for name in ("traced", "kept"))
    drop = [name for name in first.trials.columns if "seconds" in name]
    assert_frame_equal(first.trials.drop(drop), second.trials.drop(drop))
    assert_frame_equal(first.curves.collect(), second.curves.collect())


def test_the_oldest_are_forgotten(cache, monkeypatch):
    monkeypatch.setattr(program_cache, "MOST_FILES", 3)
    for steps in (20, 30, 40):
        traces(
            ready(base={"batch_size": steps, "steps": 20})
            if steps == 20
            else ready(base={"batch_size": 20, "steps": 20}, evaluate_every=steps // 10)
        )
    assert len(list((cache / "traced").iterdir())) <= 3


def test_a_second_process_traces_no_step(cache, tmp_path):
    code = (
        "import json, sys; from fallline import Study, run; from fallline.engine.compiled import Compiled\n"
        "made = []; trace = Compiled._trace\n"
        "Compiled._trace = lambda self, *given: made.append(self.name) or trace(self, *given)\n"
        "from fallline.engine import program_cache; new = []; traced = program_cache.trace\n"
        "program_cache.trace = lambda *given: new.append(1) or traced(*given)\n"
        "run(Study(**json.loads(sys.argv[1])), sys.argv[2]); print(len(new), made)"
    )
    import json

    told = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code, json.dumps(FIELDS), str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ,
        ).stdout.split(" ", 1)
        for name in ("first", "second")
    ]
    assert int(told[0][0]) == 2 and int(told[1][0]) == 0
    assert set(eval(told[1][1])) == {None}, "weights and the state before the first step, which take no time"


def test_cohorts_that_differ_in_rules_alone_share_their_evaluation():
    setup = TrainingContext(
        Study(**FIELDS | {"axes": {"optimizer": ["adam", "rmsprop"], "learning_rate": [0.1]}}), None
    )
    alone = [setup.make(cohort) for cohort in plan(setup.trials, lambda task: 1)]
    assert len(alone) == 2 and alone[0].program is not alone[1].program
    assert alone[0].program.evaluation is alone[1].program.evaluation
    other = Programs().of(alone[0].cohort, Layout(1, True, 1, 10), ())
    assert other.evaluation is not alone[0].program.evaluation


def test_lanes_that_begin_alike_are_evaluated_once_before_the_first_step(tmp_path, monkeypatch):
    """Three rules, a program each with both seeds: one evaluation of the validation split at step 0."""
    from fallline.engine.evaluation import Evaluation

    counted = []
    over = Evaluation.over
    monkeypatch.setattr(
        Evaluation, "over", lambda self, state, *given: counted.append(int(state.step)) or over(self, state, *given)
    )
    monkeypatch.setattr("fallline.training.context.lanes_of", lambda task, splits: 1)
    result = fallline.run(
        Study(
            **FIELDS
            | {
                "axes": {"optimizer": ["adam", "rmsprop", "nesterov"]},
                "base": {"batch_size": 20, "steps": 20, "learning_rate": 0.01},
            }
        ),
        tmp_path / "run",
    )
    assert counted.count(0) == 1 and counted.count(10) == 3
    start = result.curves.filter(step=0)["validation_loss"]
    np.testing.assert_allclose(start, np.log(10), rtol=1e-6)
