"""A task and its update rules tried on paper: what is wrong is named before anything is compiled or trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fallline.contracts import Loss, Model, Optimizer, Split, Splits, Task, in_float32, is_narrow, single
from fallline.contracts.rules import GIVES, TAKES, MetricAt
from fallline.engine.devices import prepare_jax
from fallline.engine.lanes import Cohort
from fallline.errors import ModelError, StudyError, UnknownName, but_an_interrupt
from fallline.losses import builtin_losses
from fallline.metrics import find_metric
from fallline.metrics.cuts import is_plus_minus, is_yes_or_no
from fallline.optimizers import builtin_optimizers
from fallline.study import Study, Trial
from fallline.study.formatting import shown, told
from fallline.study.test_leakage import REASON, on_test
from fallline.training.output_activation import ends_in

TAKEN = {"loss", "lane", "trial", "step"}
"""Columns of the curves that no metric and no watched scalar may be named as."""


def weight_shapes(task: str, model: Model) -> Any:
    """The shapes of the weights, as ``init`` gives them; ModelError where it does not."""
    shapes = _shapes_of(f"task {task}: init(key) of model {model.name} fails", model, model.init)
    leaves = prepare_jax().tree.leaves(shapes)
    if not leaves:
        raise ModelError(f"task {task}: model {model.name} has no weights; init(key) must give float arrays")
    for leaf in leaves:
        if not hasattr(leaf, "dtype") or not prepare_jax().numpy.issubdtype(leaf.dtype, np.floating):
            raise ModelError(
                f"task {task}: a weight of model {model.name} is an array of "
                f"{getattr(leaf, 'dtype', type(leaf).__name__)}, shape {getattr(leaf, 'shape', ())}; "
                "init(key) must give float arrays"
            )
    return shapes


def state_shapes(task: str, model: Model) -> Any:
    """The shapes of the model's state at the start; ModelError where ``state`` does not give it."""
    if model.state is None:
        return {}
    return _shapes_of(f"task {task}: state(key) of model {model.name} fails", model, model.state)


def _shapes_of(fails: str, model: Model, function: Any) -> Any:
    """The shapes of what a function of a key gives; one that cannot be traced is called."""
    jax = prepare_jax()
    if model.traceable:  # the key is made while it is traced, so that no device is asked for
        return _try(fails, jax.eval_shape, lambda: function(jax.random.key(0)))
    made = _try(fails, function, jax.random.key(0))
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), made)


def check_splits(task: str, splits: Any) -> None:
    """Train, validation and test are pairs of arrays of one kind; ModelError where they are not."""
    if not isinstance(splits, Splits) or not all(isinstance(split, Split) for split in splits_of(splits).values()):
        raise ModelError(
            f"task {task}: data(size, folder) must give fallline.Splits of fallline.Split, got {shown(splits)}"
        )
    for name, split in splits_of(splits).items():
        for role, array, first in zip(Split._fields, split, splits.train, strict=True):
            if not isinstance(array, np.ndarray) or len(array) != len(split.inputs) or len(array) == 0:
                raise ModelError(
                    f"task {task}: {name} {role} must be a numpy array with a row an example, "
                    "as many rows in inputs as in targets, at least one"
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                raise ModelError(
                    f"task {task}: {name} {role} hold {array[place]} at index {place}; every value must be finite"
                )
            if (array.shape[1:], array.dtype) != (first.shape[1:], first.dtype):
                raise ModelError(
                    f"task {task}: {name} {role} have examples of shape {array.shape[1:]} and type "
                    f"{array.dtype}, those of train {first.shape[1:]} and {first.dtype}; they must agree"
                )


def splits_of(splits: Splits) -> dict[str, Split]:
    """The splits there are, by name."""
    named = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {name: split for name, split in named.items() if split is not None or name == "train"}


def narrow_types(task: str, model: Model) -> tuple[str, ...]:
    """The type of each array of weights, where one is narrower than float32; else nothing."""
    types = tuple(str(leaf.dtype) for leaf in prepare_jax().tree.leaves(weight_shapes(task, model)))
    return types if any(map(is_narrow, types)) else ()


def columns_of(task: Task, more: Iterable[str] = ()) -> tuple[set[str], set[str]]:
    """The columns of the curves and of the trials that a task may record, as far as they are results."""
    names = ["loss", *task.metrics, *more]
    seen = {f"{split}_{name}" for split in ("train", "validation") for name in names}
    watched = _watched(task, weight_shapes(task.name, task.model)) if task.model.watch else []
    macro = {f"{split}_macro_{name}" for split in ("validation", "test") for name in ("precision", "recall", "f1")}
    columns = {
        *seen,
        *(f"test_{name}" for name in names),
        *(f"final_train_{name}" for name in names),
        "min_train_loss",
        "tail_train_loss",
        *(f"best_validation_{name}" for name in names),
        *(f"final_{name}" for name in watched),
        *macro,
    }
    return {*seen, *watched}, columns


def check_metrics(study: Study, task: Task, more: Iterable[str] = ()) -> None:
    """The metrics that a study names are ones that may be recorded; UnknownName where they are not.

    ``more`` are the names of metrics that the study adds to the task's own.
    """
    seen, columns = columns_of(task, more)
    if study.metric not in columns:
        raise UnknownName(f"metric of task {task.name}", study.metric, columns, f"{study.name}, metric")
    if study.target and study.target.metric not in (seen := seen & columns):
        raise UnknownName(f"metric of task {task.name}", study.target.metric, seen, f"{study.name}, target.metric")


def check_choice(study: Study, trials: Iterable[Trial], task: Task, splits: Splits) -> None:
    """What is compared is not chosen on test, and a budget in epochs fits the data as it was cut; or StudyError.

    ``splits`` are the task's after they were cut.
    """
    recipes = {trial.recipe for trial in trials if trial.task.name == task.name}
    kinds = {recipe.loss_kind for recipe in recipes}
    by_test = on_test(study.metric) or (len(kinds) > 1 and study.metric.endswith("_loss") and bool(task.metrics))
    if splits.validation is None and splits.test is not None and len(recipes) > 1 and by_test:
        raise StudyError(
            f"task {task.name} has no validation split, so the {len(recipes)} configurations of "
            f"{study.name} would be chosen on test: {REASON}. Hold out a part of train, holdout = 0.2, "
            "or cross-validate, folds = 5"
        )
    dealt = len(splits.train.inputs) + (0 if splits.validation is None else len(splits.validation.inputs))
    known = task.examples.get(study.data, dealt)
    if study.folds and known != dealt and _in_epochs([study.base, study.axes, study.zip, study.points]):
        raise StudyError(
            f"a budget in epochs counts the {known:,} training examples of task {task.name}, and folds "
            f"deal out its validation split too, {dealt:,} examples in all ({study.name}); give steps "
            "instead"
        )


def _in_epochs(tables: Any) -> bool:
    """Whether a budget in epochs is written anywhere in these tables."""
    if isinstance(tables, Mapping):
        return "epochs" in tables or _in_epochs(list(tables.values()))
    return isinstance(tables, list) and any(map(_in_epochs, tables))


def check_task(task: Task, cohort: Cohort, splits: Splits) -> None:
    """Let the model meet a batch, and each update rule the weights, as shapes alone."""
    jax = prepare_jax()
    inputs, targets = (jax.ShapeDtypeStruct((2, *array.shape[1:]), array.dtype) for array in splits.train)
    from fallline.losses.linking import as_taken

    _check_fit(task, cohort.loss)
    weights = weight_shapes(task.name, task.model)
    batch = f"on a batch of inputs {inputs.shape} ({inputs.dtype}) and targets {targets.shape} ({targets.dtype})"
    fails = f"task {task.name}: {{}} fails {batch}".format
    prepared = inputs if task.prepare is None else _try(fails("prepare"), jax.eval_shape, task.prepare, inputs)
    own = _check_model(task, cohort, weights, prepared, fails(f"model {task.model.name}"))
    outputs = jax.eval_shape(in_float32, own)  # as losses and metrics see them
    taken = jax.eval_shape(lambda outputs: as_taken(cohort.loss.takes, cohort.gives, outputs), outputs)
    scalar, counts = jax.ShapeDtypeStruct((), np.float32), jax.ShapeDtypeStruct((2,), np.float32)
    _check_loss(
        task,
        cohort,
        taken,
        targets,
        fails(f"loss {cohort.loss.name}"),
        {number.name: scalar for number in cohort.loss.hyperparameters},
        counts,
    )
    for name, metric in cohort.metrics:
        value = _try(fails(f"metric {name}"), jax.eval_shape, metric, outputs, targets)
        if getattr(value, "shape", None) != (2,):
            raise ModelError(
                f"task {task.name}: metric {name} must give one value per example, shape (2,) for 2 "
                f"examples; it gave {_shape(value)} from outputs {outputs.shape} and targets "
                f"{targets.shape}"
            )
    _check_names(task, [name for name, _ in cohort.metrics], _watched(task, weights))
    _check_labels(task, cohort, outputs, splits)
    for segment in cohort.segments:
        _check_rule(segment.optimizer, jax.eval_shape(lambda tree: jax.tree.map(in_float32, tree), weights))


def _check_fit(task: Task, loss: Loss) -> None:
    """ModelError where the loss takes something else than the model gives: it would be a softmax of a softmax."""
    if task.gives not in GIVES:
        raise ModelError(f"task {task.name}: gives must be one of {', '.join(GIVES)}, got {shown(task.gives)}")
    if loss.takes not in TAKES:
        raise ModelError(f"task {task.name}: loss {loss.name} takes one of {', '.join(TAKES)}, got {shown(loss.takes)}")
    if task.gives == "logits" or loss.takes in ("outputs", "values", task.gives):
        return
    fitting = [other.name for other in builtin_losses().values() if other.takes == task.gives]
    fitting.sort(key=lambda name: name.split("_")[0] != loss.name.split("_")[0])  # of the same sort first
    raise ModelError(
        f"task {task.name}: loss {loss.name} takes {loss.takes}, and model {task.model.name} gives "
        f"{task.gives}; let it give logits, without a softmax or sigmoid at its end, and leave gives out, "
        f"or take a loss of {task.gives}: {', '.join(fitting)}"
    )


def _check_model(task: Task, cohort: Cohort, weights: Any, inputs: Any, fails: str) -> Any:
    """The outputs' shape; the state keeps its shapes from pass to pass."""
    jax, model = prepare_jax(), task.model
    state = state_shapes(task.name, model)
    hyperparameters = {number.name: jax.ShapeDtypeStruct((), np.float32) for number in model.hyperparameters}
    for key in (jax.eval_shape(jax.random.key, 0), None):
        run = jax.make_jaxpr(model.run, return_shape=True)
        traced, (outputs, after) = _try(fails, run, weights, state, inputs, key, hyperparameters)
        if not hasattr(outputs, "shape"):
            raise ModelError(f"task {task.name}: model {model.name} must give one array, got {shown(outputs)}")
        if _shapes(after) != _shapes(state):
            raise ModelError(
                f"task {task.name}: model {model.name} must keep the shapes and types of its state from pass to pass"
            )
    _check_end(task, cohort, ends_in(traced.jaxpr), outputs)
    return outputs


def _check_end(task: Task, cohort: Cohort, end: str, outputs: Any) -> None:
    """ModelError where a model that ends in a softmax or sigmoid would be taken for one that gives logits."""
    if not end or task.gives != "logits":
        return
    cuts = any(isinstance(metric, MetricAt) and single(outputs) for _, metric in cohort.metrics)
    if cohort.loss.takes in ("logits", "probabilities") or (cohort.loss.takes == "outputs" and cuts):
        what = f"loss {cohort.loss.name} takes logits" if cohort.loss.takes == "logits" else "logits are expected of it"
        raise ModelError(
            f"task {task.name}: model {task.model.name} ends in a {end}, and {what}; take the {end} out, "
            'or say that it gives probabilities, gives = "probabilities", with a loss of these'
        )


def _check_loss(
    task: Task, cohort: Cohort, outputs: Any, targets: Any, fails: str, hyperparameters: dict[str, Any], counts: Any
) -> None:
    """The loss gives a float an example, or one of the batch."""
    jax, loss = prepare_jax(), cohort.loss
    if loss.whole:
        value, wanted = (
            _try(fails, lambda: jax.eval_shape(loss.function, outputs, targets, counts, **hyperparameters)),
            (),
        )
    else:
        value, wanted = _try(fails, lambda: jax.eval_shape(loss.function, outputs, targets, **hyperparameters)), (2,)
    if getattr(value, "shape", None) != wanted:
        rule = "one value per example, shape (2,) for 2 examples" if wanted else "one value of the batch"
        raise ModelError(
            f"task {task.name}: loss {loss.name} must give {rule}; it gave {_shape(value)} from outputs "
            f"{outputs.shape} and targets {targets.shape}"
        )
    if not jax.numpy.issubdtype(value.dtype, jax.numpy.floating):
        raise ModelError(f"task {task.name}: loss {loss.name} must give float values, it gave {value.dtype}")


def classes_of(task: Task, splits: Splits, loss: Loss) -> int | None:
    """How many classes the model tells apart where the targets are labels; None where they are not.

    One output an example tells two apart, where its targets are yes and no and its loss or its metrics ask for that.
    """
    jax, model = prepare_jax(), task.model
    targets = splits.train.targets
    labels = targets.ndim == 1 and targets.dtype.kind in "iu"
    answers = (
        single(targets)
        and is_yes_or_no(targets)
        and (loss.takes in ("logits", "probabilities") or "accuracy" in task.metrics)
    )
    if not labels and not answers:
        return None
    inputs = jax.ShapeDtypeStruct((2, *splits.train.inputs.shape[1:]), splits.train.inputs.dtype)

    def outputs(inputs: Any) -> Any:
        inputs = inputs if task.prepare is None else task.prepare(inputs)
        key = jax.random.key(0)
        weights = jax.tree.map(lambda leaf: jax.numpy.zeros(leaf.shape, leaf.dtype), weight_shapes(task.name, model))
        state = jax.tree.map(lambda leaf: jax.numpy.zeros(leaf.shape, leaf.dtype), state_shapes(task.name, model))
        return model.run(weights, state, inputs, key, {number.name: 0.0 for number in model.hyperparameters})[0]

    try:
        shape = jax.eval_shape(outputs, inputs).shape
    except BaseException as failure:  # what is wrong is told by check_task
        but_an_interrupt(failure)
        return None
    if math.prod(shape[1:]) == 1:
        return 2 if answers else None
    return shape[1] if labels and len(shape) == 2 and shape[1] < 2**16 else None


def _watched(task: Task, weights: Any) -> list[str]:
    """The names of the scalars that the model lets us watch."""
    if task.model.watch is None:
        return []
    jax = prepare_jax()
    what = f"task {task.name}: watch(weights) of model {task.model.name}"
    seen = _try(f"{what} fails", jax.eval_shape, task.model.watch, weights)
    if not isinstance(seen, Mapping) or any(getattr(value, "shape", None) != () for value in seen.values()):
        raise ModelError(f"{what} must give a scalar for each name, got {shown(seen)}")
    return list(seen)


def _check_names(task: Task, metrics: list[str], watched: list[str]) -> None:
    """Every column of the curves has one meaning."""
    names = [*metrics, *watched]
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or name in TAKEN or names.count(name) > 1:
            raise ModelError(
                f"task {task.name}: a metric or watched scalar cannot be named {name!r}; it is a word of "
                f"letters, digits and _, used once, and none of {', '.join(sorted(TAKEN))}"
            )


def _check_labels(task: Task, cohort: Cohort, outputs: Any, splits: Splits) -> None:
    """Integer labels of a classifier must name one of its outputs, and its outputs be as many as the classes."""
    for name, split in splits_of(splits).items():
        _check_targets(task, cohort, outputs, name, split.targets)
    if len(outputs.shape) != 2 or single(outputs):
        return
    classes = outputs.shape[1]
    if task.classes and len(task.classes) != classes:
        raise ModelError(
            f"task {task.name}: model {task.model.name} has {classes} outputs and the data "
            f"{len(task.classes)} classes; its last layer must give one output a class"
        )
    for name, split in splits_of(splits).items():
        if split.targets.ndim != 1 or split.targets.dtype.kind not in "iu":
            continue
        wrong = np.flatnonzero((split.targets < 0) | (split.targets >= classes))
        if len(wrong):
            label, example = int(split.targets[wrong[0]]), int(wrong[0])
            raise ModelError(
                f"task {task.name}: {name} label {label} of example {example} must lie in "
                f"0 ... {classes - 1}: the model has {classes} outputs"
            )


def _check_targets(task: Task, cohort: Cohort, outputs: Any, name: str, targets: np.ndarray) -> None:
    """Targets are what the loss and the accuracies take them for."""
    rows = targets.shape == (len(targets), *outputs.shape[1:]) or (single(targets) and single(outputs))
    if cohort.loss.shares and rows and targets.size and not 0 <= targets.min() <= targets.max() <= 1:
        hint = "write (y + 1) / 2 for y" if is_plus_minus(targets) else "scale them"
        raise ModelError(
            f"task {task.name}: loss {cohort.loss.name} takes targets from 0 to 1, and those of {name} "
            f"reach from {targets.min():g} to {targets.max():g}; {hint}, or take squared_error"
        )
    choice = find_metric("accuracy").function
    counts_choices = any(getattr(metric, "function", None) is choice for _, metric in cohort.metrics)
    if counts_choices and single(outputs) and not is_yes_or_no(targets):
        raise ModelError(
            f"task {task.name}: accuracy of one output an example needs targets 0 and 1 or -1 and 1, and "
            f"those of {name} reach from {targets.min():g} to {targets.max():g}; for numbers take "
            "mean_absolute_error"
        )
    if counts_choices and rows and not single(outputs) and not _one_a_row(targets):
        raise ModelError(
            f"task {task.name}: accuracy counts one class an example, and rows of {name} targets do not "
            "sum to 1; for several answers an example take binary_accuracy"
        )


def _one_a_row(targets: np.ndarray) -> bool:
    return bool((np.abs(targets.reshape(len(targets), -1).sum(1, dtype=np.float64) - 1) < 1e-3).all())


def _check_rule(rule: Optimizer, weights: Any) -> None:
    """The rule makes a transformation that keeps the shapes of weights and state."""
    if _is_tested(rule):
        return
    import optax

    jax = prepare_jax()

    def one_step(hyperparameters: dict[str, Any], weights: Any) -> tuple[Any, Any, Any]:
        transformation = rule.make(**hyperparameters)
        before = transformation.init(weights)
        change, after = transformation.update(weights, before, weights)
        return before, after, optax.apply_updates(weights, change)

    hyperparameters = {number.name: jax.ShapeDtypeStruct((), np.float32) for number in rule.hyperparameters}
    what = f"optimizer {rule.name}"
    fails = f"{what} fails when it is made with {', '.join(hyperparameters) or 'no hyperparameters'} and takes a step"
    before, after, moved = _try(fails, jax.eval_shape, one_step, hyperparameters, weights)
    if _shapes(before) != _shapes(after) or _shapes(moved) != _shapes(weights):
        raise ModelError(f"{what} must keep the shapes and types of weights and state from step to step")


def _is_tested(rule: Optimizer) -> bool:
    """Whether the rule is built in: the package's own tests have checked it."""
    return builtin_optimizers().get(rule.name) is rule


def check_follows(rule: Optimizer, weights: Any, schedule: str) -> None:
    """StudyError where no step of the rule hangs on its learning_rate, so that a schedule would change nothing."""
    if _is_tested(rule):
        return
    jax = prepare_jax()
    hyperparameters = {number.name: jax.ShapeDtypeStruct((), np.float32) for number in rule.hyperparameters}
    rate = hyperparameters.pop("learning_rate")
    state = jax.eval_shape(
        lambda rate, hyperparameters, weights: rule.make(learning_rate=rate, **hyperparameters).init(weights),
        rate,
        hyperparameters,
        weights,
    )

    def change(rate: Any, hyperparameters: Any, state: Any, weights: Any) -> Any:
        return rule.make(learning_rate=rate, **hyperparameters).update(weights, state, weights)[0]

    traced = jax.make_jaxpr(change)(rate, hyperparameters, state, weights).jaxpr
    reached = {traced.invars[0]}
    for step in traced.eqns:
        if any(var in reached for var in step.invars if not hasattr(var, "val")):  # a literal has a value, and no hash
            reached |= set(step.outvars)
    if not any(var in reached for var in traced.outvars if not hasattr(var, "val")):
        raise StudyError(
            f"optimizer {rule.name} takes its learning_rate when it begins and no step of it hangs on the "
            f'rate, so it cannot follow {schedule}; write schedule = "constant" without warm-up and '
            f"workers for {rule.name}, or multiply its steps by learning_rate in update()"
        )


def _shapes(tree: Any) -> Any:
    jax = prepare_jax()
    leaves, kind = jax.tree.flatten(tree)
    return kind, [(leaf.shape, leaf.dtype) for leaf in leaves]


def _shape(value: Any) -> Any:
    return value.shape if hasattr(value, "shape") else shown(value)


def _try(fails: str, *call: Any) -> Any:
    """What the user's function gives, or ModelError with the first line of what it raised."""
    function, *arguments = call
    try:
        return function(*arguments)
    except ModelError as failure:
        raise ModelError(f"{fails}: {failure}") from failure
    except BaseException as failure:
        but_an_interrupt(failure)
        raise ModelError(f"{fails}: {told(failure)}") from failure
