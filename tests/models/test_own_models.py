"""The examples that start from a model file run end to end, and a study in TOML reaches them."""

import runpy
from pathlib import Path

import pytest

import fallline

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("framework", ["equinox", "flax", "keras"])
def test_an_example_is_short_and_trains(framework, tmp_path, monkeypatch):
    pytest.importorskip({"equinox": "equinox", "flax": "flax", "keras": "keras"}[framework])
    path = EXAMPLES / f"own_{framework}.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) < 30
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    found = runpy.run_path(str(path), run_name="__main__")
    runs = [value for value in found.values() if isinstance(value, fallline.Result)]
    assert runs or list(tmp_path.rglob("trials/*.parquet")), "the example trains"


def test_a_file_beside_a_study_imports_what_lies_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = fallline.study.parse_study(
        'task = "own_equinox.py:DIGITS"\n[base]\noptimizer = "adam"\nsteps = 3\n'
        "learning_rate = 0.01\nbatch_size = 10\n",
        "beside",
        folder=EXAMPLES,
    )
    assert study.trials()[0].task.model.hyperparameters
