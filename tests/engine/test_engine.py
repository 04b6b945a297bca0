"""The engine: lanes fused equal lanes alone, neighbours do not matter, each part traces once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fallline.batching import BatchPolicy, BatchStream
from fallline.contracts import Loss, Model
from fallline.engine.batches import Batches
from fallline.engine.devices import prepare_jax
from fallline.engine.evaluation import hold_out
from fallline.engine.lanes import Cohort, DeviceData, LaneHyperparameters, Segment
from fallline.engine.program import Layout, Program
from fallline.engine.training import TrainingInputs, train
from fallline.losses import find_loss
from fallline.optimizers import builtin_optimizers, find_optimizer

prepare_jax()
STEPS, BATCH, EXAMPLES = 24, 8, 64


def small_net() -> Model:
    """Two layers, so that gradients of one weight depend on the others."""

    def init(key):
        first, second = jax.random.split(key)
        return {
            "in": jax.random.normal(first, (5, 6)) * 0.5,
            "out": jax.random.normal(second, (3, 5)) * 0.5,
            "bias": jnp.zeros(3),
        }

    def apply(weights, inputs):
        return jnp.tanh(inputs @ weights["in"].T) @ weights["out"].T + weights["bias"]

    return Model("small-net", init, apply)


MODEL = small_net()
LOSS = find_loss("sparse_softmax_cross_entropy")


def hits(outputs, targets):
    return (outputs.argmax(-1) == targets).astype(outputs.dtype)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    return DeviceData(
        jnp.asarray(rng.normal(size=(EXAMPLES, 6)), jnp.float32), jnp.asarray(rng.integers(0, 3, EXAMPLES), jnp.int32)
    )


class Stream:
    """Random batches of one size: what the engine asks of a stream."""

    def __init__(self, seed):
        self.chosen = np.random.default_rng([seed, 99]).integers(0, EXAMPLES, (10 * STEPS, BATCH)).astype(np.int32)

    def indices(self, start, stop, width):
        return self.chosen[start:stop]

    def sizes(self, start, stop):
        return np.full(stop - start, BATCH)


def batches_of(seed):
    return Stream(seed).indices


def hyperparameters_for(name, rates):
    rule = find_optimizer(name)
    full = {number.name: 0.02 if number.default is None else number.default for number in rule.hyperparameters}
    columns = {key: np.full(len(rates), value, np.float32) for key, value in full.items()}
    return LaneHyperparameters(columns | {"learning_rate": np.asarray(rates, np.float32)}, {}, {}, {})


def run(segments, data, seeds=(0,), layout=None, steps=STEPS, held=None, program=None, watched=()):
    """Records of a cohort of ``segments`` [(rule, rates)]."""
    layout = layout or Layout(len(seeds), True, 1, 10)
    cohort = Cohort(
        MODEL,
        LOSS,
        (("accuracy", hits),),
        None,
        tuple(Segment(find_optimizer(name), len(rates)) for name, rates in segments),
    )
    program = program or Program(cohort, layout)
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    weights, variables = program.initial(keys)
    work = TrainingInputs(
        tuple(hyperparameters_for(name, rates) for name, rates in segments),
        weights,
        variables,
        keys,
        Batches([Stream(seed) for seed in seeds], (BATCH,), False),
        data,
        held or {},
        watched,
        steps,
        steps,
        1,
    )
    return train(program, work), program


@functools.cache
def plain_step(name):
    """One trial's step in the plainest form: jax.grad, then optax."""
    make = find_optimizer(name).make

    @jax.jit
    def step(hyperparameters, weights, state, inputs, targets):
        value, gradient = jax.value_and_grad(lambda w: LOSS(MODEL.apply(w, inputs), targets))(weights)
        change, state = make(**hyperparameters).update(gradient, state, weights)
        return optax.apply_updates(weights, change), state, value

    return jax.jit(lambda hyperparameters, weights: make(**hyperparameters).init(weights)), step


def alone(name, rate, data, seed=0, steps=STEPS):
    """The losses of one trial trained by itself, one step at a time."""
    start, step = plain_step(name)
    hyperparameters = {key: values[0] for key, values in hyperparameters_for(name, (rate,)).optimizer.items()}
    weights = MODEL.init(jax.random.key(seed))
    state, losses = start(hyperparameters, weights), []
    for batch in batches_of(seed)(0, steps, BATCH):
        weights, state, value = step(hyperparameters, weights, state, data.inputs[batch], data.targets[batch])
        losses.append(float(value))
    return np.array(losses)


def losses(records):
    return records.curves["loss"][0]


@pytest.mark.parametrize("wide", [True, False])
def test_lanes_fused_equal_each_lane_alone_for_every_rule(data, wide):
    segments = [(name, (0.02, 0.005)) for name in sorted(builtin_optimizers())]
    records, _ = run(segments, data, seeds=(3,), layout=Layout(1, wide, 1, 10))
    for s, (name, rates) in enumerate(segments):
        if wide or name in ("adam", "ftrl", "rmsprop"):
            for r, rate in enumerate(rates):
                np.testing.assert_allclose(
                    losses(records)[:20, 0, 2 * s + r],
                    alone(name, rate, data, seed=3)[:20],
                    rtol=1e-5,
                    err_msg=f"{name} at {rate}",
                )


def test_permuting_the_lanes_of_a_segment_leaves_each_bit_identical(data):
    """In a pass of all segments to the last digit or two: how XLA's fused loops end there hangs on the processor."""
    for wide, tolerance in ((True, 1e-6), (False, 0)):
        layout = Layout(2, wide, 1, 10)
        one, _ = run([("adam", (0.1, 0.01, 0.001)), ("momentum", (0.1, 0.02))], data, (0, 1), layout)
        two, _ = run([("adam", (0.001, 0.1, 0.01)), ("momentum", (0.02, 0.1))], data, (0, 1), layout)
        np.testing.assert_allclose(losses(one)[:, :, [2, 0, 1, 4, 3]], losses(two), rtol=tolerance, atol=0)


def test_a_neighbours_numbers_leave_a_lane_bit_identical(data):
    one, _ = run([("adam", (0.1, 0.01, 0.001))], data)
    two, _ = run([("adam", (0.3, 0.01, 0.5))], data)
    np.testing.assert_array_equal(losses(one)[:, :, 1], losses(two)[:, :, 1])
    assert not np.array_equal(losses(one)[:, :, 0], losses(two)[:, :, 0])


def test_a_lane_that_diverges_is_frozen_with_its_step_and_its_neighbours_never_notice(data):
    calm, _ = run([("gradient_descent", (0.1, 0.01))], data, steps=STEPS)
    wild, _ = run([("gradient_descent", (3e38, 0.01))], data, steps=STEPS)
    np.testing.assert_array_equal(losses(calm)[:, :, 1], losses(wild)[:, :, 1])
    step = int(wild.diverged_at[0, 0])
    assert 0 < step < STEPS and wild.diverged_at[0, 1] == -1
    assert np.isfinite(losses(wild)[:step, 0, 0]).all(), "the curve is whole up to the step before"
    assert np.isnan(losses(wild)[step:, 0, 0]).all(), "and ends there: missing is missing"


def test_training_compiles_its_own_programs_and_nothing_beside_them(data, caplog):
    """An operation that is called outside of them is a program of its own, for every shape that it meets."""
    segments = [(name, (0.02, 0.005)[: 1 + k % 2]) for k, name in enumerate(sorted(builtin_optimizers()))]
    held = hold_out({"validation": (np.asarray(data.inputs), np.asarray(data.targets))})
    run(segments, data, (5,), Layout(1, True, 1, 7), held=held, watched=("validation",))  # keys and such, once
    with jax.log_compiles(), caplog.at_level("WARNING"):
        run(segments, data, (6,), Layout(1, True, 1, 10), held=held, watched=("validation",))
    compiled = [
        record.getMessage().split()[4]
        for record in caplog.records
        if record.getMessage().startswith("Finished XLA compilation of")
    ]
    assert compiled == ["jit(counted)"] * 4, "weights, start, advance and evaluate"


def test_the_programs_before_the_first_step_do_not_grow_with_the_seeds(data):
    """Written out seed by seed they took longer to compile than the step itself, and held more."""
    few, many = (run([("adam", (0.1, 0.01))], data, range(count), steps=2)[1] for count in (2, 30))
    for part in ("weights", "start"):
        assert len(getattr(many, part).text) < 1.2 * len(getattr(few, part).text)


def test_first_weights_of_a_seed_are_its_own_whoever_is_beside_it(data):
    alone = run([("adam", (0.1,))], data, (5,), steps=2)[1].initial(jnp.stack([jax.random.key(5)]))
    beside = run([("adam", (0.1,))], data, (4, 5, 6), steps=2)[1].initial(
        jnp.stack([jax.random.key(seed) for seed in (4, 5, 6)])
    )
    for one, three in zip(jax.tree.leaves(alone), jax.tree.leaves(beside), strict=True):
        np.testing.assert_array_equal(np.asarray(one)[0], np.asarray(three)[1])


def test_a_cohort_traces_once_whatever_numbers_and_seeds_come(data):
    held = hold_out({"validation": (np.asarray(data.inputs), np.asarray(data.targets))})
    segments = [("adam", (0.1, 0.01)), ("ftrl", (0.1,))]
    layout = Layout(2, True, 1, 7)  # 24 steps in chunks of 7: the last is partial
    _, program = run(segments, data, (0, 1), layout, held=held, watched=("validation",))
    assert program.traces == 4, "weights, start, advance and evaluate, once each"
    run(
        [("adam", (0.5, 0.02)), ("ftrl", (0.3,))],
        data,
        (5, 8),
        layout,
        held=held,
        watched=("validation",),
        program=program,
    )
    assert program.traces == 4, "other numbers and seeds trace nothing"


def test_the_device_answers_once_a_chunk(data):
    layout = Layout(1, True, 1, 6)
    _, program = run([("adam", (0.1,))], data, layout=layout)
    calls = 0
    advance = program.advance(BATCH)

    class Counting:
        prepare = advance.prepare

        def __call__(self, *arguments):
            nonlocal calls
            calls += 1
            return advance(*arguments)

    program.advance = lambda width: Counting()
    run([("adam", (0.1,))], data, layout=layout, program=program)
    assert calls == STEPS // 6 + 1, "four chunks, and one step for the loss at the end"


@pytest.mark.parametrize("layout", [Layout(1, True, 2, 24), Layout(1, False, 1, 5), Layout(2, False, 1, 24)])
def test_how_a_cohort_is_run_changes_results_by_rounding_only(data, layout):
    segments = [("adam", (0.01, 0.001)), ("momentum", (0.02,))]
    plain, _ = run(segments, data, (0, 1), Layout(2, True, 1, 24))
    parts = [run(segments, data, seeds, layout)[0] for seeds in ([(0, 1)] if layout.seeds == 2 else [(0,), (1,)])]
    np.testing.assert_allclose(
        np.concatenate([losses(part) for part in parts], axis=1)[:20], losses(plain)[:20], rtol=1e-5
    )


def test_the_chunk_length_changes_nothing(data):
    one, _ = run([("adam", (0.1, 0.01))], data, layout=Layout(1, True, 1, 24))
    two, _ = run([("adam", (0.1, 0.01))], data, layout=Layout(1, True, 1, 5))
    np.testing.assert_array_equal(losses(one), losses(two))


def test_seeds_share_nothing_but_the_configurations(data):
    both, _ = run([("adam", (0.1,))], data, (4, 9))
    for s, seed in enumerate((4, 9)):
        np.testing.assert_allclose(losses(both)[:20, s, 0], alone("adam", 0.1, data, seed)[:20], rtol=1e-5)


def test_a_split_is_evaluated_whole_when_it_does_not_fill_its_batches(data, monkeypatch):
    import fallline.engine.evaluation as evaluation

    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", 25)  # 64 examples: 25, 25 and 14
    inputs, targets = np.asarray(data.inputs), np.asarray(data.targets)
    held = hold_out({"validation": (inputs, targets), "test": (inputs[:7], targets[:7])})
    records, _ = run([("gradient_descent", (0.02, 0.1))], data, held=held, watched=("validation",))
    start = MODEL.init(jax.random.key(0))
    logits = np.asarray(MODEL.apply(start, inputs), np.float64)
    log_sum = np.log(np.exp(logits).sum(1))
    expected = (log_sum - logits[np.arange(EXAMPLES), targets]).mean()
    assert records.evaluated == [0, STEPS]
    np.testing.assert_allclose(records.held_out["validation_loss"][0][0], expected, rtol=1e-6)
    np.testing.assert_allclose(records.held_out["validation_accuracy"][0][0, 0], (logits.argmax(1) == targets).mean())
    assert set(records.final) == {"validation_loss", "validation_accuracy", "test_loss", "test_accuracy"}
    assert (records.final["test_accuracy"] * 7 % 1 == 0).all(), "the fill of a batch does not count"


def test_the_record_of_the_last_step_is_that_of_the_weights_after_it(data):
    records, _ = run([("gradient_descent", (0.05,))], data, steps=STEPS)
    more, _ = run([("gradient_descent", (0.05,))], data, steps=STEPS + 3)
    assert records.steps == list(range(STEPS + 1))
    np.testing.assert_array_equal(losses(records)[:, 0, 0], losses(more)[: STEPS + 1, 0, 0])


def test_a_summed_loss_is_a_sum_on_training_batches_and_held_out_splits(data):
    squares = Loss("squares", lambda outputs, targets: (outputs**2).sum(-1), reduce="sum")
    cohort = Cohort(MODEL, squares, (), None, (Segment(find_optimizer("gradient_descent"), 1),))
    program = Program(cohort, Layout(1, True, 1, 2))
    inputs, targets = np.asarray(data.inputs), np.asarray(data.targets)
    keys = jnp.stack([jax.random.key(0)])
    hyperparameters = LaneHyperparameters({"learning_rate": np.float32([1e-9])}, {}, {}, {})
    whole = Batches([BatchStream(BatchPolicy(None), EXAMPLES, 0)], (EXAMPLES,), False)
    work = TrainingInputs(
        (hyperparameters,),
        *program.initial(keys),
        keys,
        whole,
        data,
        hold_out({"validation": (inputs, targets)}),
        ("validation",),
        2,
        1,
        1,
    )
    records = train(program, work)
    expected = (np.asarray(MODEL.apply(MODEL.init(jax.random.key(0)), inputs), np.float64) ** 2).sum()
    np.testing.assert_allclose(records.curves["loss"][0][0, 0, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(records.held_out["validation_loss"][0][0, 0, 0], expected, rtol=1e-5)
