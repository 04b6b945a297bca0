"""Every schedule against a second writing of its equation, against optax where both mean the same, and at its edges."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import oracles_schedules as oracles
from fallline.batching import BatchPolicy, BatchStream
from fallline.contracts import Clock
from fallline.errors import HyperparameterError, StudyError, UnknownName
from fallline.optimizers import builtin_optimizers
from fallline.schedules import builtin_schedules, check_schedule, find_schedule
from fallline.schedules.scaling import RATE_HYPERPARAMETERS, factors

SCHEDULES = builtin_schedules()
NEEDED = {
    "exponential": {"decay_epochs": 2.0},
    "inverse_time": {"decay_epochs": 2.0},
    "piecewise": {"boundary_epochs": [1, 2], "factors": [1, 0.1, 0.01]},
}
"""What a study must say of each, where the defaults do not do."""

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())


def clock(start, stop, total, per_epoch):
    return BatchStream(BatchPolicy(10), 10 * per_epoch, 0).clock(start, stop, total)


def rates(name, total=100, per_epoch=10, start=0, stop=None, **hyperparameters):
    """The factors of a schedule with warm-up and workers over a budget."""
    schedule = find_schedule(name)
    return factors(
        schedule, check_schedule(schedule, hyperparameters, "test"), clock(start, stop or total, total, per_epoch)
    )


CASES = [
    ("constant", {}),
    ("exponential", {"decay_steps": 7}),
    ("exponential", {"decay_epochs": 0.3, "decay_rate": 0.5}),
    ("exponential", {"decay_epochs": 0.2, "staircase": True}),
    ("exponential", {"decay_steps": 30, "staircase": True}),
    ("exponential", {"decay_epochs": 2, "decay_rate": 1.05}),
    ("exponential", {"decay_epochs": 0.7, "staircase": 1}),
    ("inverse_time", {"decay_steps": 7}),
    ("inverse_time", {"decay_epochs": 0.6, "staircase": True}),
    ("inverse_time", {"decay_epochs": 1, "decay_rate": 3}),
    ("piecewise", {"boundary_steps": [10, 25], "factors": [1, 0.5, 0.1]}),
    ("piecewise", {"boundary_epochs": [0.3, 0.6, 2.9], "factors": [0.2, 1, 0.5, 0]}),
    ("piecewise", {"boundary_steps": [2.5], "factors": [1, 2]}),
    ("polynomial", {}),
    ("polynomial", {"decay_steps": 40, "power": 2}),
    ("polynomial", {"decay_epochs": 3.3}),
    ("polynomial", {"decay_epochs": 0.3, "cycle": True, "end_factor": 0.01, "power": 0.5}),
    ("polynomial", {"decay_steps": 13, "cycle": True}),
    ("polynomial", {"decay_epochs": 400}),
    ("cosine", {}),
    ("cosine", {"decay_steps": 40, "end_factor": 0.1}),
    ("cosine", {"decay_epochs": 2.5}),
    ("one_cycle", {}),
    ("one_cycle", {"linear": True}),
    ("one_cycle", {"rise_fraction": 0.77, "end_factor": 0}),
    ("one_cycle", {"start_factor": 0, "rise_fraction": 0.1, "linear": True}),
    ("reduce_on_plateau", {}),
]
RATES = [
    {},
    {"warmup_steps": 30, "workers": 4},
    {"warmup_epochs": 0.7, "warmup_from": 1, "workers": 8},
    {"warmup_epochs": 2.5, "warmup_from": 0.1},
    {"workers": 2},
    {"warmup_steps": 1000},
]


@pytest.mark.parametrize("name, hyperparameters", CASES, ids=lambda value: str(value))
@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("total, per_epoch", [(100, 10), (151, 7), (37, 1)])
def test_a_schedule_is_its_written_equation(name, hyperparameters, rate, total, per_epoch):
    found = rates(name, total, per_epoch, **hyperparameters, **rate)
    expected = oracles.factors(name, range(total), per_epoch, total, **hyperparameters, **rate)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_every_schedule_has_an_oracle_and_a_case():
    assert SCHEDULES.keys() == oracles.SCHEDULES.keys() == {name for name, _ in CASES}


# What holds for all.


@every_schedule
def test_factors_are_finite_and_never_negative_however_the_budget_is_cut(schedule):
    hyperparameters = NEEDED.get(schedule.name, {}) | {"warmup_epochs": 1.5, "workers": 3}
    whole = rates(schedule.name, 90, 9, **hyperparameters)
    assert whole.shape == (90,) and whole.dtype == np.float64
    assert np.isfinite(whole).all() and (whole >= 0).all() and whole.max() <= 3
    parts = [rates(schedule.name, 90, 9, *cut, **hyperparameters) for cut in ((0, 31), (31, 60), (60, 90))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    beyond = rates(schedule.name, 90, 9, 90, 200, **hyperparameters)
    assert np.isfinite(beyond).all() and (beyond >= 0).all()


@every_schedule
def test_a_schedule_begins_at_the_learning_rate_or_where_it_says(schedule):
    first = rates(schedule.name, **NEEDED.get(schedule.name, {}))[0]
    assert first == (0.04 if schedule.name == "one_cycle" else 1.0)
    assert rates(schedule.name, **NEEDED.get(schedule.name, {}), warmup_steps=5, warmup_from=0.25)[0] == first / 4


@every_schedule
def test_lengths_in_epochs_and_in_steps_are_the_same(schedule):
    taken = {number.name for number in (*schedule.hyperparameters, *RATE_HYPERPARAMETERS)}
    lengths = {"decay": 2.5, "boundary": [0.6, 3.1], "warmup": 1.3}
    in_steps, in_epochs = {}, {}
    for length, epochs in lengths.items():
        if f"{length}_epochs" in taken:
            in_epochs[f"{length}_epochs"] = epochs
            in_steps[f"{length}_steps"] = [10 * one for one in epochs] if length == "boundary" else 10 * epochs
    more = {name: value for name, value in NEEDED.get(schedule.name, {}).items() if not name.endswith("_epochs")}
    more |= {name: True for name in ("staircase", "cycle") if name in taken}
    a, b = (rates(schedule.name, 100, 10, **lengths, **more) for lengths in (in_steps, in_epochs))
    np.testing.assert_allclose(a, b, rtol=1e-12)
    assert np.ptp(a) > 0


def test_a_boundary_in_epochs_falls_on_its_step_whatever_the_epoch():
    """0.6 / 0.2 is below 3 in binary numbers, and 0.3 is not 3 x 0.1: neither moves a step."""
    for per_epoch in (3, 7, 10, 11, 30, 93):
        for part in range(1, 4 * per_epoch):
            length = part / per_epoch
            stairs = rates("exponential", 5 * per_epoch, per_epoch, decay_epochs=length, decay_rate=0.5, staircase=True)
            assert stairs.tolist() == [0.5 ** (step // part) for step in range(5 * per_epoch)]
            pieces = rates("piecewise", 5 * per_epoch, per_epoch, boundary_epochs=[length], factors=[1, 0])
            assert pieces.sum() == part + 1


@every_schedule
def test_a_schedule_says_what_it_is_and_is_found_by_name(schedule):
    assert schedule.title and schedule.equation and schedule.source
    assert all(number.meaning for number in schedule.hyperparameters)
    assert find_schedule(schedule.name) is schedule


def test_numbers_of_schedules_are_not_those_of_optimizers():
    own = {
        number.name for schedule in SCHEDULES.values() for number in (*schedule.hyperparameters, *RATE_HYPERPARAMETERS)
    }
    assert not own & {number.name for rule in builtin_optimizers().values() for number in rule.hyperparameters}
    common = {number.name for number in RATE_HYPERPARAMETERS}
    assert all(common.isdisjoint(number.name for number in schedule.hyperparameters) for schedule in SCHEDULES.values())


def test_sizes_that_change_with_the_epoch_leave_epochs_as_they_are():
    """A decay each epoch steps down at the first step of each epoch, of however many steps the epochs are."""
    stream = BatchStream(BatchPolicy("10 + 10*epoch"), 60, 0)  # epochs of 6, 3, 2 and 1 steps
    schedule = find_schedule("exponential")
    hyperparameters = check_schedule(schedule, {"decay_epochs": 1, "decay_rate": 0.5, "staircase": True})
    found = factors(schedule, hyperparameters, stream.clock(0, 12, 12))
    assert found.tolist() == [1.0] * 6 + [0.5] * 3 + [0.25] * 2 + [0.125]


# optax, where both mean the same.


SAME = {
    "exponential": ({"decay_steps": 13, "decay_rate": 0.8}, partial(optax.exponential_decay, 1.0, 13, 0.8)),
    "staircase": (
        {"decay_steps": 13, "decay_rate": 0.8, "staircase": True},
        partial(optax.exponential_decay, 1.0, 13, 0.8, staircase=True),
    ),
    "polynomial": (
        {"decay_steps": 40, "power": 2, "end_factor": 0.1},
        partial(optax.polynomial_schedule, 1.0, 0.1, 2, 40),
    ),
    "cosine": ({"decay_steps": 40, "end_factor": 0.1}, partial(optax.cosine_decay_schedule, 1.0, 40, 0.1)),
    "one_cycle": ({"end_factor": 0.04 * 1e-4}, partial(optax.cosine_onecycle_schedule, 100, 1.0)),
    # At its boundary optax already multiplies by the next scale; ours belongs to the left piece.
    "piecewise": (
        {"boundary_steps": [10, 25], "factors": [1, 0.5, 0.1]},
        partial(optax.piecewise_constant_schedule, 1.0, {11: 0.5, 26: 0.2}),
    ),
    "constant": ({"warmup_steps": 20, "workers": 4, "warmup_from": 1}, partial(optax.linear_schedule, 1.0, 4.0, 20)),
}


@pytest.mark.parametrize("name", SAME)
def test_a_schedule_agrees_with_optax(name):
    hyperparameters, make = SAME[name]
    with jax.enable_x64(True):
        theirs = jax.vmap(make())(jnp.arange(100.0))
    found = rates("exponential" if name == "staircase" else name, **hyperparameters)
    np.testing.assert_allclose(found, theirs, rtol=1e-12, atol=1e-14)


# Warm-up and workers.


def test_a_warm_up_climbs_from_its_factor_to_the_rate_of_all_workers():
    found = rates("constant", warmup_steps=8, warmup_from=1, workers=5)
    assert found[:10].tolist() == [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5] and (found[10:] == 5).all()
    assert rates("constant", workers=5).tolist() == [5.0] * 100
    plain = rates("cosine")
    np.testing.assert_allclose(rates("cosine", warmup_epochs=0.4), plain * np.minimum(np.arange(100) / 4, 1))


# Reduce on plateau.


def watched(values, **hyperparameters):
    schedule = find_schedule("reduce_on_plateau")
    full = check_schedule(schedule, hyperparameters)
    own = {number.name: full[number.name] for number in schedule.hyperparameters}
    return schedule.watching(np.array(values, np.float64), **own)


def after_each(values, **hyperparameters):
    """The factor after 0, 1, 2 ... looks."""
    return [watched(values[:looks], **hyperparameters) for looks in range(len(values) + 1)]


NAN, INF = math.nan, math.inf
HALF = {"plateau_factor": 0.5}


@pytest.mark.parametrize(
    "values, hyperparameters, expected",
    [
        # patience 1: the second look in a row without a better loss lowers the rate, and the count starts anew
        ([3, 2, 2, 2, 2, 2], HALF | {"patience": 1}, [1, 1, 1, 1, 0.5, 0.5, 0.25]),
        ([3, 2, 2, 1, 1, 1], HALF | {"patience": 1}, [1, 1, 1, 1, 1, 1, 0.5]),
        ([1, 1, 1, 1], HALF | {"patience": 0}, [1, 1, 0.5, 0.25, 0.125]),
        # better by less than a tenth is not better, and the best stays the one before
        ([10, 9.1, 8.9, 8.5], HALF | {"patience": 0, "threshold": 0.1}, [1, 1, 0.5, 0.5, 0.25]),
        # after a fall two looks count for nothing, but a better loss among them is kept as the best
        ([5, 5, 5, 5, 5, 5], HALF | {"patience": 0, "cooldown": 2}, [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ([5, 5, 4, 4.5, 4.5], HALF | {"patience": 0, "cooldown": 2}, [1, 1, 0.5, 0.5, 0.5, 0.25]),
        ([1] * 6, HALF | {"patience": 0, "min_factor": 0.2}, [1, 1, 0.5, 0.25, 0.2, 0.2, 0.2]),
        # nan is a look at which nothing was seen
        ([NAN, 3, NAN, 3, NAN, 3], HALF | {"patience": 1}, [1, 1, 1, 1, 1, 1, 0.5]),
        ([INF, INF, 2, INF], HALF | {"patience": 0}, [1, 0.5, 0.25, 0.25, 0.125]),
        # a loss below 0: better is lower by a part of its size
        ([-1.0, -1.05, -2.0, -1.99], HALF | {"patience": 0, "threshold": 0.1}, [1, 1, 0.5, 0.5, 0.25]),
        ([2, 1.9999], HALF | {"patience": 0, "threshold": 0}, [1, 1, 1]),
    ],
)
def test_reduce_on_plateau_falls_where_it_does_by_hand(values, hyperparameters, expected):
    assert after_each(values, **hyperparameters) == expected


@pytest.mark.parametrize("patience, cooldown", [(0, 0), (1, 0), (2, 3), (0, 2), (10, 0)])
def test_reduce_on_plateau_agrees_with_optax_which_counts_one_look_more(patience, cooldown):
    rule = optax.contrib.reduce_on_plateau(0.5, patience + 1, rtol=0.01, cooldown=cooldown, min_scale=1e-3)

    def look(state, value):
        state = rule.update(jnp.zeros(()), state, value=value)[1]
        return state, state.scale

    values = np.random.default_rng(patience).integers(200, 1000, size=(6, 40)) / 8.0
    values = np.maximum.accumulate(values[:, ::-1], axis=1)[:, ::-1]  # falls, with plateaus
    values[::2] += np.random.default_rng(7).integers(0, 3, size=(3, 40))
    scales = jax.jit(jax.vmap(lambda series: jax.lax.scan(look, rule.init(jnp.zeros(())), series)[1]))(values)
    assert scales.min() < 1
    for series, theirs in zip(values, scales, strict=True):
        found = after_each(
            series, plateau_factor=0.5, patience=patience, threshold=0.01, cooldown=cooldown, min_factor=1e-3
        )
        np.testing.assert_allclose(found[1:], theirs, rtol=1e-6)


# What does not fit together.


@pytest.mark.parametrize(
    "name, hyperparameters, kind, said",
    [
        ("exponential", {}, StudyError, "decay_steps or decay_epochs is missing"),
        ("inverse_time", {"decay_steps": 3, "decay_epochs": 1}, StudyError, "got decay_steps 3.0, decay_epochs 1.0"),
        ("cosine", {"decay_steps": 3, "decay_epochs": 1}, StudyError, "keep one of them"),
        ("polynomial", {"decay_steps": 3, "decay_epochs": 1}, StudyError, "keep one of them"),
        ("piecewise", {"factors": [1, 2]}, StudyError, "boundary_steps or boundary_epochs is missing"),
        ("piecewise", {"boundary_steps": [3]}, HyperparameterError, "needs factors"),
        (
            "piecewise",
            {"boundary_steps": [3, 3], "factors": [1, 2, 3]},
            HyperparameterError,
            r"must increase, got \[3.0, 3.0\]",
        ),
        (
            "piecewise",
            {"boundary_epochs": [3], "factors": [1]},
            StudyError,
            "one number more than .*, so 2 of them, got 1",
        ),
        ("piecewise", {"boundary_epochs": [0], "factors": [1, 2]}, HyperparameterError, "boundary_epochs must be > 0"),
        ("piecewise", {"boundary_epochs": 3, "factors": [1, 2]}, HyperparameterError, "must be a list of numbers"),
        ("piecewise", {"boundary_epochs": [3], "factors": [1, -2]}, HyperparameterError, "factors must be >= 0"),
        ("reduce_on_plateau", {"patience": 1.5}, HyperparameterError, "patience must be a whole number, got 1.5"),
        ("reduce_on_plateau", {"cooldown": 0.5}, HyperparameterError, "cooldown must be a whole number"),
        ("reduce_on_plateau", {"plateau_factor": 1}, HyperparameterError, r"must lie in \(0, 1\), got 1"),
        ("one_cycle", {"rise_fraction": 1.0}, HyperparameterError, r"must lie in \(0, 1\)"),
        ("constant", {"workers": 1.5}, HyperparameterError, "workers must be a whole number, got 1.5"),
        ("constant", {"workers": 0}, HyperparameterError, "workers must be >= 1"),
        (
            "constant",
            {"warmup_steps": 3, "warmup_epochs": 1},
            StudyError,
            "warmup_steps and warmup_epochs are alternatives",
        ),
        ("constant", {"warmup_from": 1.5}, HyperparameterError, r"must lie in \[0, 1\]"),
        ("exponential", {"decay_rate": 0, "decay_steps": 1}, HyperparameterError, "decay_rate must be > 0"),
        ("exponential", {"decay_rates": 0.5}, UnknownName, "did you mean decay_rate"),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused_with_their_place(name, hyperparameters, kind, said):
    with pytest.raises(kind, match=said) as told:
        check_schedule(find_schedule(name), hyperparameters, "try, base")
    assert "try, base" in str(told.value) and name in str(told.value)


@every_schedule
def test_full_numbers_may_be_checked_again(schedule):
    full = check_schedule(schedule, NEEDED.get(schedule.name, {}))
    assert full.keys() == {number.name for number in (*schedule.hyperparameters, *RATE_HYPERPARAMETERS)}
    assert check_schedule(schedule, full) == full


def test_an_unknown_schedule_is_refused_with_the_near_ones():
    with pytest.raises(UnknownName, match=r"no schedule is named 'exponentail' \(try\); did you mean exponential"):
        find_schedule("exponentail", "try")


def test_a_rate_that_grows_beyond_all_numbers_is_infinite_without_a_warning():
    schedule = find_schedule("exponential")
    far = Clock(np.array([0.0, 5000.0]), np.zeros(2), 5001.0, 1.0)
    found = factors(schedule, check_schedule(schedule, {"decay_rate": 2, "decay_steps": 1}), far)
    assert found.tolist() == [1.0, math.inf]


def test_the_page_of_equations_holds_every_schedule():
    page = (Path(__file__).parents[2] / "docs" / "equations.md").read_text(encoding="utf-8")
    for schedule in SCHEDULES.values():
        section = page.split(f"\n### {schedule.name}\n")[1].split("\n### ")[0]
        assert all(f"    {line}\n" in section for line in schedule.equation.split(";  "))
        assert schedule.source in section and all(f"`{number.name}`" in section for number in schedule.hyperparameters)
