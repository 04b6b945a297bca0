"""What planning costs, in counts: values checked, traces, compilations, files read, rows printed; names as ever."""

import hashlib
import json
import subprocess
import sys

import pytest

import fallline
from fallline.cli.planning import cohort_table, notes, rows, total
from fallline.contracts import Hyperparameter
from fallline.engine.compiled import Compiled
from fallline.forecast import calibrate
from fallline.forecast.plan_cache import plan_path
from fallline.study import Study, builtin_studies, load_study, trial
from fallline.training.context import TrainingContext

NAMES = {
    "convnet/batching": (48, "5494dc455ecd6304"),
    "convnet/decay-and-dropout": (87, "f37745443a5174f8"),
    "convnet/devices": (9, "e901ba74e198edd3"),
    "convnet/losses": (27, "3e1de6d07c0d008f"),
    "convnet/optimizers": (189, "0ee38d75fc9f37a7"),
    "convnet/subsets": (36, "413d49aa57f3b53f"),
    "line/learning-rates": (5, "8780ad6b70f83f7a"),
    "line/hyperparameters": (148, "fe56ba7b05362c7d"),
    "line/optimizers": (55, "0244225cd99b84cc"),
    "mlp/cifar": (30, "02da6ba1b72730e2"),
    "mlp/fashion": (30, "55db7f9adb8ec4f3"),
    "neurons/adam-betas": (360, "9b5666ec4b0b7c12"),
    "neurons/optimizers": (360, "33fa133c21db33c2"),
    "neurons/saddle": (9, "69e18cf47a1105fa"),
    "softmax/optimizers": (405, "f7f569ee851daa4f"),
    "table/classification": (300, "036ffdd7dbaca3d3"),
    "table/regression": (200, "1bdb9c7e8643b826"),
    "workers/scaling": (102, "bd2fc81d47642b31"),
}
"""Of the built-in studies, as written: how many trials, and the hash of their names in order."""


def many():
    return Study(
        name="many",
        task="mnist-softmax",
        metric="validation_loss",
        base={"steps": 10, "batch_size": 100},
        axes={
            "optimizer": ["momentum", "nesterov"],
            "learning_rate": [0.001 * (1 + n) for n in range(40)],
            "momentum": [0.01 * n for n in range(40)],
        },
    )


@pytest.fixture
def programs(monkeypatch):
    """Every function that is handed to the compiler from here on."""
    made, init = [], Compiled.__init__
    monkeypatch.setattr(Compiled, "__init__", lambda self, *own, **more: made.append(self) or init(self, *own, **more))
    return made


@pytest.fixture
def unplanned(monkeypatch, tmp_path):
    """A calibrated device on which nothing was planned by this version before."""
    calibrate()
    monkeypatch.setattr(fallline, "__version__", f"0.0.0 {tmp_path.name}")


def compiled(programs):
    return [one for one in programs if one.text is not None]


def test_the_names_of_trials_are_those_they_always_had():
    assert set(NAMES) == set(builtin_studies())
    for name, (count, names) in NAMES.items():
        trials = load_study(name).trials()
        assert len(trials) == count, name
        assert hashlib.sha256(" ".join(trial.name for trial in trials).encode()).hexdigest()[:16] == names, name


def test_a_value_of_an_axis_is_checked_once_and_not_once_a_trial(monkeypatch):
    checked, check = [], Hyperparameter.check
    monkeypatch.setattr(
        Hyperparameter, "check", lambda self, value, where="": checked.append(1) or check(self, value, where)
    )
    assert len(many().trials()) == 3200
    assert len(checked) < 6 * 2 * (40 + 40 + 2), "laws of a value: as written, in 32 bits, as one of each optimizer's"


def test_a_value_is_known_by_what_it_is_and_not_by_what_it_equals():
    """True equals 1, -0.0 equals 0.0; only 1 is a decay, and zeros with a sign have names of their own."""
    study = many().with_({"axes": {"learning_rate": [0.1], "momentum": [0.0, 0.5, -0.0], "optimizer": ["momentum"]}})
    names = [one.name for one in study.trials()]
    assert len(set(names)) == 2, "0.0 and -0.0 are one value of a recipe"
    with pytest.raises(fallline.FalllineError, match="momentum must lie in"):
        many().with_({"axes": {"momentum": [1, True]}}).trials()


def test_a_trial_is_named_once(monkeypatch):
    hashed, digest = [], trial.digest
    monkeypatch.setattr(trial, "digest", lambda plain: hashed.append(1) or digest(plain))
    trials = many().trials()
    assert not hashed and len({one.name for _ in range(3) for one in trials}) == len(hashed) == 3200


def test_the_first_plan_compiles_nothing_and_traces_one_step_and_one_evaluation(unplanned, programs):
    plan = fallline.plan_study(load_study("convnet/optimizers"))
    assert len(plan.cohorts) == 63 and not compiled(programs)
    assert sum(one.traces for one in programs) == 2, "update rules alone differ"


def test_the_second_plan_traces_nothing_and_says_the_same(unplanned, programs):
    first = fallline.plan_study(many())
    del programs[:]
    second = fallline.plan_study(many())
    assert not programs and second.as_dict() | {"planned_seconds": 0} == first.as_dict() | {"planned_seconds": 0}


def test_the_second_plan_needs_no_jax(unplanned, tmp_path):
    """In a process of its own, since the tests have JAX."""
    script = (
        "import sys, fallline; plan = fallline.plan_study('convnet/optimizers'); "
        "print(plan.trials, plan.seconds() > 0, 'jax' in sys.modules, 'equinox' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert said[0][:2] == ["189", "True"] and said[1] == ["189", "True", "False", "False"]


def test_cohorts_that_are_alike_are_made_ready_once(unplanned, monkeypatch):
    made, make = [], TrainingContext.make
    monkeypatch.setattr(
        TrainingContext, "make", lambda self, *args, **more: made.append(1) or make(self, *args, **more)
    )
    plan = fallline.plan_study(many())
    assert len(plan.cohorts) > 20 and len(made) < 6, "of one optimizer, of the other, of both"


def test_a_plan_reads_no_data_set(unplanned, monkeypatch, tmp_path):
    monkeypatch.setenv("FALLLINE_DATA", str(tmp_path))
    monkeypatch.setattr("fallline.datasets.sample.np.load", lambda *_, **__: pytest.fail("read"))
    for name in ("convnet/optimizers", "mlp/cifar"):
        plan = fallline.plan_study(load_study(name))
        assert plan.trials > 0 and all(cohort.predicted.memory_bytes > 1e8 for cohort in plan.cohorts), name
    assert fallline.plan_study(load_study("convnet/optimizers").preset("quick")).trials == 30


@pytest.mark.parametrize("size", ["sample", "full"])
@pytest.mark.parametrize("task", ["mnist-convnet", "fashion-mnist-softmax", "cifar-10-mlp-64"])
def test_the_shapes_a_task_says_are_those_of_its_data(task, size):
    from fallline.tasks import find_task
    from fallline.training.validation import splits_of

    found = find_task(task)
    try:
        real = found.data(size, None)
    except fallline.FalllineError:
        pytest.skip("the data is not here")
    said = splits_of(found.shapes(size))
    assert {name: [(array.shape, array.dtype) for array in split] for name, split in said.items()} == {
        name: [(array.shape, array.dtype) for array in split] for name, split in splits_of(real).items()
    }
    assert found.examples[size] == len(said["train"].inputs)


def test_a_study_with_code_of_its_own_is_planned_anew(tmp_path):
    own = fallline.Study(
        name="own",
        task="line",
        metric="final_train_loss",
        base={"optimizer": "rules.py:mine", "steps": 3, "learning_rate": 0.1},
    )
    assert plan_path(own, None) is None and plan_path(many(), None) is not None
    assert plan_path(many(), None) != plan_path(many().with_({"seeds": 2}), None)
    assert plan_path(many(), None) != plan_path(many(), tmp_path)


def test_a_kept_plan_that_cannot_be_read_is_as_good_as_none(unplanned):
    place = plan_path(many(), None)
    first = fallline.plan_study(many())
    written = place.read_text()
    for broken in ("", "[]", "{}", written[:99], json.dumps(json.loads(written) | {"format": 0})):
        place.write_text(broken)
        assert fallline.plan_study(many()).as_dict()["cohorts"] == first.as_dict()["cohorts"]


def test_what_training_does_not_use_is_not_traced_for_the_forecast_of_a_run(unplanned, programs, monkeypatch, tmp_path):
    monkeypatch.setattr("fallline.forecast.measuring.measure", lambda: pytest.fail("calibrated in a run"))
    fallline.run(many().with_({"axes": {"learning_rate": [0.1], "momentum": [0.5]}}), tmp_path / "run")
    assert programs and all(one.traces <= 1 for one in programs)
    assert all(one.text is not None for one in programs if one.traces), "nothing was traced but what trained"


def test_cohorts_that_are_alike_are_one_row_and_the_total_comes_first(unplanned, cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = cli("plan", "convnet/optimizers")
    lines = out.splitlines()
    assert code == 0 and lines[0].startswith("convnet/optimizers: 189 trials in 63 cohorts, ")
    table = lines[3 : lines.index("", 3)]
    assert len(table) == 2 and table[1].startswith("63 of 3 trials  1,100")
    assert max(len(line.rstrip()) for line in table) <= 80
    assert "not significantly" not in out and "product" not in out and len(lines) < 12


def test_what_limits_a_cohort_is_left_out_where_the_terminal_is_narrow(unplanned):
    plan = fallline.plan_study(many().with_({"axes": {"batch_size": [10, 100]}, "base": {}}))
    heads = [[column.header for column in cohort_table(plan, width).columns] for width in (99, 40)]
    assert [head for head in heads[0] if head not in heads[1]] == ["limited by"]


def test_cohorts_of_other_batches_have_rows_of_their_own(unplanned):
    plan = fallline.plan_study(many().with_({"axes": {"batch_size": [10, 100]}, "base": {}}))
    listed = rows(plan)
    assert sum(len(row.cohorts) for row in listed) == len(plan.cohorts)
    assert {row.apart for row in listed} == {"batch size 10", "batch size 100"}
    assert cohort_table(plan, 120).row_count == len(listed) < len(plan.cohorts)
    corrected = any(cohort.predicted.observed for cohort in plan.cohorts)  # by runs that other tests made
    wanted = "are corrected by" if corrected else "every run narrows them"
    assert "6,400 trials" in next(total(plan)) and any(wanted in note for note in notes(plan))
