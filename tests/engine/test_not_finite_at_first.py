"""Where no loss was finite before the first update no rate is at fault, and nobody is sent to look for smaller ones."""

import jax.numpy as jnp
import numpy as np
import pytest

import fallline
from fallline import Study
from fallline.errors import StudyError
from fallline.stats.columns import how_diverged

INPUTS = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]


def trained(tmp_path, scale, rates):
    model = fallline.from_functions(lambda key: {"w": jnp.float32(1)}, lambda w, x: w["w"] * x, name="slope")
    data = (INPUTS * np.float32(scale), INPUTS[:, 0] * 0)
    task = fallline.from_arrays("scaled", model=model, train=data, validation=data, loss="squared_error")
    study = Study(
        name="s",
        task=task,
        metric="validation_loss",
        seeds=2,
        axes={"learning_rate": rates},
        base={"optimizer": "gradient_descent", "steps": 200},
    )
    return fallline.run(study, out=tmp_path / "run")


def said(run):
    run.report()
    return " ".join((run.folder / "report" / "report.md").read_text().split())


def test_data_out_of_scale_is_told_as_that(tmp_path):
    run = trained(tmp_path, 1e25, [0.1, 0.01])
    assert run.trials["diverged_at"].to_list() == [0] * 4
    page = said(run)
    assert "its loss was not finite before the first update" in page and "check the scale of the data" in page
    assert "smaller learning rates" not in page and "became infinite" not in page
    with pytest.raises(StudyError, match=r"was not finite before the first update.*check the scale of the data"):
        run.compare("learning_rate")


def test_rates_that_are_too_high_are_told_as_that(tmp_path):
    run = trained(tmp_path, 1.0, [1e5, 1e6])
    assert how_diverged(run.trials) == "its loss became infinite" and min(run.trials["diverged_at"]) > 0
    page = said(run)
    assert "became infinite" in page and "smaller learning rates" in page and "scale of the data" not in page
