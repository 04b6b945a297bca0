"""Rates that change on the way: every optimizer follows them or is refused, and at a rate of 0 nothing moves."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fallline
from fallline import Optimizer, Study
from fallline.engine.lanes import ALIVE, Batch, Cohort, LaneHyperparameters, Lanes, Segment, State
from fallline.engine.step import step
from fallline.errors import StudyError
from fallline.losses import find_loss
from fallline.optimizers import builtin_optimizers, find_optimizer
from fallline.training.validation import check_follows

RULES = builtin_optimizers()
WEIGHTS = {"w": jnp.array([[0.7, -2.0], [-0.0, 0.0]], jnp.float32), "b": jnp.array([0.1, -0.3], jnp.float32)}


def steps_of(rule, factors, clip=None):
    """The weights after each step of one lane at the learning rate 0.1 times each factor, and its state at the end."""
    model = SimpleNamespace(watch=None, run=lambda w, s, x, key, hyperparameters: (x @ w["w"] + w["b"], s))
    full = {n.name: n.default for n in rule.hyperparameters} | {"learning_rate": 0.1}
    hyperparameters = LaneHyperparameters(
        {name: jnp.full(1, value, jnp.float32) for name, value in full.items()}, {}, {}, {}
    )
    cohort = Cohort(model, find_loss("squared_error"), (), None, (Segment(rule, 1),), scheduled=True)
    lane = jax.tree.map(lambda leaf: leaf[None], WEIGHTS)
    state = jax.tree.map(
        lambda leaf: jnp.asarray(leaf)[None], rule.make(**{k: jnp.float32(v) for k, v in full.items()}).init(WEIGHTS)
    )
    state = State((Lanes(lane, state, {}, None, jnp.full(1, ALIVE, jnp.int32)),), jnp.int32(0))
    inputs, targets = jnp.array([[1.0, 2.0], [0.5, -1.0]]), jnp.array([[1.0, 0.0], [0.0, 1.0]])
    advance = jax.jit(
        lambda state, factor: step(
            cohort, False, (hyperparameters,), Batch(inputs, targets, None, factor, jax.random.key(0)), state
        )[0]
    )
    path = [jax.tree.map(np.asarray, lane)]
    for factor in factors:
        state = advance(state, jnp.full(1, factor, jnp.float32))
        path.append(jax.tree.map(np.asarray, state.segments[0].weights))
    return path, state.segments[0].optimizer_state


def same_bits(one, other):
    return all(a.tobytes() == b.tobytes() for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_at_a_rate_of_0_nothing_moves_and_the_state_stays_finite(rule):
    path, state = steps_of(rule, [0, 0, 1, 0.5, 0, 0])
    assert same_bits(path[0], path[1]) and same_bits(path[1], path[2])
    assert not same_bits(path[2], path[3]) and not same_bits(path[3], path[4])
    assert same_bits(path[4], path[5]) and same_bits(path[5], path[6])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((path, state)))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_every_rule_follows_the_rate(rule):
    def first_moves(factor):
        path, _ = steps_of(rule, [1, factor, factor])
        return np.abs(path[3]["b"] - path[1]["b"]).sum()

    assert first_moves(1e-4) < 0.6 * first_moves(1.0)  # LARS and Signum keep some of the last step


def test_ftrl_under_a_schedule_is_the_leader_of_all_that_was_seen():
    """The weights that minimise sum g x + sum of sigma_s / 2 (x - x_s)^2 with 1 / rate_s of each step's own."""
    draw, rates, p = np.random.default_rng(3), [0.1, 0.05, 0.025, 0.2, 0.01], 0.5
    rule, x = find_optimizer("ftrl"), np.zeros(4)
    state = rule.make(learning_rate=0.1, **{n.name: n.default for n in rule.hyperparameters[1:]}).init(jnp.zeros(4))
    n, past, gradients, pulls, sigmas = np.full(4, 0.1), 0.1**p / rates[0], np.zeros(4), np.zeros(4), 0.1**p / rates[0]
    weights = jnp.zeros(4)
    for rate in rates:
        g = draw.normal(size=4)
        n, gradients = n + g**2, gradients + g
        sigma = n**p / rate - past
        past, pulls, sigmas = n**p / rate, pulls + sigma * x, sigmas + sigma
        x = (pulls - gradients) / sigmas
        own = rule.make(learning_rate=jnp.float32(rate), **{n.name: n.default for n in rule.hyperparameters[1:]})
        change, state = own.update(jnp.asarray(g, jnp.float32), state, weights)
        weights = optax.apply_updates(weights, change)
        np.testing.assert_allclose(weights, x, rtol=2e-5)


@pytest.mark.parametrize("power", [0.0, -0.25, -0.5, -0.7, -1.0])
def test_ftrl_begins_from_an_accumulator_of_0_at_every_power(power):
    g = np.array([0.5, -2.0, 0.0])
    rule = find_optimizer("ftrl")(learning_rate=0.1, learning_rate_power=power, initial_accumulator=0)
    weights = jnp.array([0.3, 0.3, 0.3])
    change, state = rule.update(jnp.asarray(g, jnp.float32), rule.init(weights), weights)
    n, before = g[:2] ** 2, np.float64(0) ** -power  # numpy has 0^0 = 1
    z = g[:2] - (n**-power - before) / 0.1 * 0.3
    np.testing.assert_allclose(weights[:2] + change[:2], -z / (n**-power / 0.1), rtol=1e-5)
    assert float(weights[2] + change[2]) == 0.0 and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def own(make, **hyperparameters):
    return Optimizer.plug("mine", make, **hyperparameters)


@pytest.mark.parametrize("changes", [{"schedule": "cosine"}, {"warmup_steps": 3}, {"workers": 4}])
def test_an_own_optimizer_without_a_rate_is_refused_where_one_would_change(changes):
    rule = own(lambda size: optax.sgd(size), size=0.1)
    study = Study(name="s", task="line", metric="train_loss", base={"optimizer": rule, "steps": 4} | changes)
    with pytest.raises(
        StudyError,
        match=r"learning_rate of optimizer mine, which takes none; declare it, "
        r"fallline\.Optimizer\.plug\('mine', make, learning_rate=0\.1\), or write",
    ):
        study.trials()


def test_an_own_optimizer_without_a_rate_trains_beside_one_with_a_schedule(tmp_path):
    rule = own(lambda size: optax.sgd(size), size=0.01)
    study = Study(
        name="s",
        task="line",
        metric="train_loss",
        base={"steps": 5},
        points=[{"optimizer": rule}, {"optimizer": "momentum", "learning_rate": 0.01, "schedule": "cosine"}],
    )
    trials = fallline.run(study, out=tmp_path / "run").trials.sort("optimizer")
    assert trials["status"].to_list() == ["done"] * 2 and trials["final_train_loss"].null_count() == 0


def test_an_own_optimizer_that_takes_its_rate_at_the_start_alone_is_refused_by_a_schedule():
    with pytest.raises(StudyError, match="no step depends on it, so it cannot follow schedule cosine"):
        check_follows(own(optax.rprop, learning_rate=0.1), WEIGHTS, "schedule cosine")
    check_follows(own(optax.lion, learning_rate=0.1), WEIGHTS, "schedule cosine")
