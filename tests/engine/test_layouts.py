"""How a cohort is run follows from its size and the device: nothing is trained to find out."""

import pytest

import fallline
import fallline.engine.layouts as layouts
from fallline import Study
from fallline.engine.devices import RemoteDevices, planning_for
from fallline.engine.layouts import guess
from fallline.engine.mesh import Mesh


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(layouts, "cores", lambda: 2)


def test_a_run_trains_no_step_that_is_thrown_away(tmp_path, monkeypatch):
    """Every dispatch of a step belongs to a block of the run, one more to see the loss after the last."""
    import fallline.engine.training as training

    advanced, finished = [], []
    advance, finish = training._advance, training._finish
    monkeypatch.setattr(training, "_advance", lambda *given: advanced.append(given[5]) or advance(*given))
    monkeypatch.setattr(training, "_finish", lambda *given: finished.append(1) or finish(*given))
    study = Study(
        name="small",
        task="mnist-softmax",
        data="sample",
        metric="validation_loss",
        seeds=4,
        evaluate_every=20,
        base={"batch_size": 50, "steps": 40, "optimizer": "adam"},
        axes={"learning_rate": [0.1, 0.01]},
    )
    fallline.run(study, tmp_path / "run")
    blocks = len(finished)
    assert sum(advanced) == 40 * blocks and list(tmp_path.glob("**/layouts")) == []


def test_small_lanes_run_together_and_their_seeds_are_shared_out_among_the_cores():
    assert guess(10, 50, 4, 10_000, 10_000) == layouts.Layout(2, True, 2, 2000)
    assert guess(10, 50, 4, 10, 10) == layouts.Layout(4, True, 1, 10), "too short to be shared out"


def test_large_lanes_run_a_seed_at_a_time_on_every_core_of_a_cpu():
    assert guess(7850, 40, 5, 500, 25) == layouts.Layout(1, False, 2, 25)
    assert guess(3_000_000, 1, 3, 500, 100, looped=False) == layouts.Layout(1, False, 2, 25, loop=False)


def test_an_accelerator_takes_as_many_seeds_as_a_program_may_hold_in_one():
    with planning_for(RemoteDevices("gpu", 8)):
        assert guess(7850, 40, 6, 500, 25) == layouts.Layout(6, True, 1, 25)
        few = guess(3_000_000, 10, 6, 500, 100, looped=False)
        assert few.seeds == 2 and few.wide and few.workers == 1, "21 lanes of 12 MB fit: two seeds of ten"


@pytest.mark.parametrize("seeds", [1, 3, 4, 7])
def test_every_block_of_a_run_fills_its_program(seeds):
    for weights in (10, 7850, 3_000_000):
        for mesh in (Mesh(), Mesh(2, 1)):
            assert seeds % guess(weights, 5, seeds, 10_000, 100, mesh=mesh).seeds == 0
