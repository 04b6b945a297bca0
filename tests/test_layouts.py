"""How a cohort is run: measured once where that pays, remembered by program and device, and always one that fits."""

import json

import pytest

import fallline.engine.layouts as layouts
from fallline.engine.devices import prepare_jax
from fallline.engine.lanes import Cohort, Segment
from fallline.engine.program import Layout
from fallline.losses import find_loss
from fallline.optimizers import find_optimizer
from fallline.tasks import find_task

prepare_jax()
COHORT = Cohort(find_task("line").model, find_loss("sum_of_squares"), (), None, (Segment(find_optimizer("adam"), 3),))
FIRST = Layout(1, False, 2, 100)
LONG, SHORT = 10 * layouts.WORTH_MEASURING, layouts.WORTH_MEASURING / 10


@pytest.fixture(autouse=True)
def empty_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("FALLLINE_CACHE", str(tmp_path))
    return tmp_path / "layouts"


def choose(seeds, operations=LONG, best=None, weights=1000):
    """The layout chosen, and the layouts that were timed; ``best`` seeds together come out fastest."""
    timed = []

    def seconds(layout):
        timed.append(layout)
        return 1.0 if layout.seeds == (best or seeds) and layout.wide else 2.0

    return layouts.choose(COHORT, (weights, 100), FIRST, seeds, operations, seconds), timed


def test_the_fastest_is_chosen_and_remembered(empty_memory):
    best, timed = choose(4)
    assert best == Layout(4, True, 1, 100) and len(timed) == len(set(timed)) >= 4
    assert choose(4) == (best, []), "the second time nothing is timed"
    assert choose(4, SHORT) == (best, []), "a short run uses what is known too"


def test_a_short_run_is_not_measured(empty_memory):
    assert choose(4, SHORT) == (FIRST, []) and not empty_memory.exists()


def test_what_was_measured_for_other_seeds_or_sizes_is_not_taken_for_this_run():
    choose(4)
    for seeds in (1, 3, 5):
        layout, timed = choose(seeds)
        assert timed and seeds % layout.seeds == 0, "each block of a run fills its program"
    assert choose(4, weights=2000)[1]


def test_a_damaged_memory_is_as_good_as_none(empty_memory):
    best, _ = choose(4)
    memory, = empty_memory.glob("*.json")
    for damage in ("", "{torn", json.dumps({"best": {"seeds": 1}}), "[]"):
        memory.write_text(damage)
        again, timed = choose(4)
        assert again == best and timed


def test_programs_that_were_measured_and_not_chosen_are_let_go(monkeypatch):
    from fallline import Study
    from fallline.executors.programs import Programs
    from fallline.executors.setup import Setup
    from fallline.plan import plan

    made = []
    of = Programs.of
    monkeypatch.setattr(Programs, "of", lambda self, *cohort: made.append(of(self, *cohort)) or made[-1])
    monkeypatch.setattr(layouts, "WORTH_MEASURING", 0)
    setup = Setup(Study(name="small", task="line", metric="final_train_loss", seeds=4,
                        base={"batch_size": 2, "steps": 60, "optimizer": "adam"},
                        axes={"learning_rate": [0.1, 0.01]}), None)
    ready = setup.make(plan(setup.trials, setup.most_lanes)[0])
    assert len({program.layout for program in made}) > 1, "several layouts were measured"
    assert list(setup._programs._known.values()) == [ready.program]
