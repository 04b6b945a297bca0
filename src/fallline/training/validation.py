"""Checking a task and its optimizers on shapes, so that errors are found before anything is compiled or trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fallline.contracts import Loss, MetricName, Model, Optimizer, Split, Splits, Task, in_float32, is_narrow, single
from fallline.contracts.rules import GIVES, TAKES, MetricAt
from fallline.engine.devices import prepare_jax
from fallline.engine.lanes import Cohort
from fallline.errors import ModelError, StudyError, UnknownName, but_an_interrupt
from fallline.losses import builtin_losses
from fallline.metrics import find_metric
from fallline.metrics.cuts import is_plus_minus, is_yes_or_no
from fallline.optimizers import builtin_optimizers
from fallline.study import Study, Trial
from fallline.study.formatting import failure_summary, shown
from fallline.study.test_leakage import REASON, on_test
from fallline.training.output_activation import ends_in

TAKEN = {"loss", "lane", "trial", "step"}
"""Columns of the curves that no metric and no watched scalar may have as its name."""


def weight_shapes(task: str, model: Model) -> Any:
    """The shapes of the weights that ``init`` returns; ModelError where it fails or returns something else."""
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
    """The shapes of the model's initial state; ModelError where ``state`` fails."""
    if model.state is None:
        return {}
    return _shapes_of(f"task {task}: state(key) of model {model.name} fails", model, model.state)


def _shapes_of(fails: str, model: Model, function: Any) -> Any:
    """The shapes of the result of a function of a key; a function that cannot be traced is called."""
    jax = prepare_jax()
    if model.traceable:  # the key is made inside the trace, so that no device is used
        return _try(fails, jax.eval_shape, lambda: function(jax.random.key(0)))
    arrays = _try(fails, function, jax.random.key(0))
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arrays)


def check_splits(task: str, splits: Any) -> None:
    """Check that all splits are pairs of arrays with the same shapes and types; ModelError where they are not."""
    if not isinstance(splits, Splits) or not all(isinstance(split, Split) for split in splits_of(splits).values()):
        raise ModelError(
            f"task {task}: data(size, folder) must give fallline.Splits of fallline.Split, got {shown(splits)}"
        )
    for name, split in splits_of(splits).items():
        for role, array, first in zip(Split._fields, split, splits.train, strict=True):
            if not isinstance(array, np.ndarray) or len(array) != len(split.inputs) or len(array) == 0:
                raise ModelError(
                    f"task {task}: {name} {role} must be a numpy array with one row per example, "
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
    """The splits that exist, by name."""
    named = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {name: split for name, split in named.items() if split is not None or name == "train"}


def narrow_types(task: str, model: Model) -> tuple[str, ...]:
    """The type of each array of weights, where one is narrower than float32; else empty."""
    types = tuple(str(leaf.dtype) for leaf in prepare_jax().tree.leaves(weight_shapes(task, model)))
    return types if any(map(is_narrow, types)) else ()


def columns_of(task: Task, more: Iterable[str] = ()) -> tuple[set[str], set[str]]:
    """The columns of results that a task may record: in the curves, and in the table of trials."""
    names = ["loss", *task.metrics, *more]
    every = {**task.metrics, **(more if isinstance(more, Mapping) else {})}
    whole = {name for name, metric in every.items() if getattr(metric, "whole", False)}  # of held-out splits only
    per_example = [name for name in names if name not in whole]
    seen = {*(f"train_{name}" for name in per_example), *(f"validation_{name}" for name in names)}
    watched = _watched(task, weight_shapes(task.name, task.model)) if task.model.watch else []
    macro = {f"{split}_macro_{name}" for split in ("validation", "test") for name in ("precision", "recall", "f1")}
    columns = {
        *seen,
        *(f"test_{name}" for name in names),
        *(f"final_train_{name}" for name in per_example),
        "min_train_loss",
        "tail_train_loss",
        *(f"best_validation_{name}" for name in names),
        *(f"final_{name}" for name in watched),
        *macro,
    }
    return {*seen, *watched}, columns


def check_metrics(study: Study, task: Task, more: Iterable[str] = ()) -> None:
    """Check that the metrics that a study names may be recorded; UnknownName where they are not.

    ``more`` are the names of metrics that the study adds to the task's own.
    """
    seen, columns = columns_of(task, more)
    if study.metric not in columns:
        raise UnknownName(f"metric of task {task.name}", study.metric, columns, f"{study.name}, metric")
    if study.target and study.target.metric not in (seen := seen & columns):
        raise UnknownName(f"metric of task {task.name}", study.target.metric, seen, f"{study.name}, target.metric")


def check_choice(study: Study, trials: Iterable[Trial], task: Task, splits: Splits) -> None:
    """StudyError where configurations would be chosen on the test set, or a budget in epochs does not fit the folds.

    ``splits`` are those of the task after validation was split off.
    """
    recipes = {trial.recipe for trial in trials if trial.task.name == task.name}
    kinds = {recipe.loss_kind for recipe in recipes}
    by_test = on_test(study.metric) or (
        len(kinds) > 1 and MetricName.parse(study.metric).is_loss and bool(task.metrics)
    )
    if splits.validation is None and splits.test is not None and len(recipes) > 1 and by_test:
        raise StudyError(
            f"task {task.name} has no validation split, so the {len(recipes)} configurations of "
            f"{study.name} would be chosen on test: {REASON}. Hold out a part of train, holdout = 0.2, "
            "or cross-validate, folds = 5"
        )
    in_folds = len(splits.train.inputs) + (0 if splits.validation is None else len(splits.validation.inputs))
    known = task.examples.get(study.data_size, in_folds)
    if study.folds and known != in_folds and _in_epochs([study.base, study.axes, study.zip, study.points]):
        raise StudyError(
            f"a budget in epochs counts the {known:,} training examples of task {task.name}, and folds "
            f"also use its validation split, {in_folds:,} examples in all ({study.name}); give steps "
            "instead"
        )


def _in_epochs(tables: Any) -> bool:
    """Whether these tables contain a budget in epochs."""
    if isinstance(tables, Mapping):
        return "epochs" in tables or _in_epochs(list(tables.values()))
    return isinstance(tables, list) and any(map(_in_epochs, tables))


def check_task(task: Task, cohort: Cohort, splits: Splits) -> None:
    """Check the model on a batch, and each optimizer on the weights, using shapes only; ModelError for what is
    wrong."""
    jax = prepare_jax()
    inputs, targets = (jax.ShapeDtypeStruct((2, *array.shape[1:]), array.dtype) for array in splits.train)
    from fallline.losses.linking import as_taken

    _check_fit(task, cohort.loss)
    weights = weight_shapes(task.name, task.model)
    batch = f"on a batch of inputs {inputs.shape} ({inputs.dtype}) and targets {targets.shape} ({targets.dtype})"
    fails = f"task {task.name}: {{}} fails {batch}".format
    prepared = inputs if task.prepare is None else _try(fails("prepare"), jax.eval_shape, task.prepare, inputs)
    model_outputs = _check_model(task, cohort, weights, prepared, fails(f"model {task.model.name}"))
    outputs = jax.eval_shape(in_float32, model_outputs)  # as losses and metrics get them
    taken = jax.eval_shape(lambda outputs: as_taken(cohort.loss.takes, cohort.gives, outputs), outputs)
    scalar, counts = jax.ShapeDtypeStruct((), np.float32), jax.ShapeDtypeStruct((2,), np.float32)
    _check_loss(
        task,
        cohort,
        taken,
        targets,
        fails(f"loss {cohort.loss.name}"),
        dict.fromkeys(_names(cohort.loss), scalar),
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
    _check_names(task, [name for name, _ in (*cohort.metrics, *cohort.split_metrics)], _watched(task, weights))
    _check_labels(task, cohort, outputs, splits)
    for segment in cohort.segments:
        _check_optimizer(segment.optimizer, jax.eval_shape(lambda tree: jax.tree.map(in_float32, tree), weights))


def _check_fit(task: Task, loss: Loss) -> None:
    """ModelError where the loss takes other outputs than the model gives, as in a softmax of a softmax."""
    if task.gives not in GIVES:
        raise ModelError(f"task {task.name}: gives must be one of {', '.join(GIVES)}, got {shown(task.gives)}")
    if loss.takes not in TAKES:
        raise ModelError(f"task {task.name}: loss {loss.name} takes one of {', '.join(TAKES)}, got {shown(loss.takes)}")
    if task.gives == "logits" or loss.takes in ("outputs", "values", task.gives):
        return
    fitting = [other.name for other in builtin_losses().values() if other.takes == task.gives]
    fitting.sort(key=lambda name: name.split("_")[0] != loss.name.split("_")[0])  # of the same family first
    raise ModelError(
        f"task {task.name}: loss {loss.name} takes {loss.takes}, and model {task.model.name} gives "
        f"{task.gives}; let it give logits, without a softmax or sigmoid at its end, and leave gives out, "
        f"or take a loss of {task.gives}: {', '.join(fitting)}"
    )


def _check_model(task: Task, cohort: Cohort, weights: Any, inputs: Any, fails: str) -> Any:
    """The shape of the outputs; ModelError where a pass fails or changes the shapes of the state."""
    jax, model = prepare_jax(), task.model
    state = state_shapes(task.name, model)
    hyperparameters = {name: jax.ShapeDtypeStruct((), np.float32) for name in _names(model)}
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
    """ModelError where a model ends in a softmax or sigmoid, and logits are expected of it."""
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
    """ModelError where the loss does not give one float per example, or one for the batch."""
    jax, loss = prepare_jax(), cohort.loss
    if loss.whole:
        value, wanted = (
            _try(fails, lambda: jax.eval_shape(loss.function, outputs, targets, counts, **hyperparameters)),
            (),
        )
    else:
        value, wanted = _try(fails, lambda: jax.eval_shape(loss.function, outputs, targets, **hyperparameters)), (2,)
    if getattr(value, "shape", None) != wanted:
        expected = "one value per example, shape (2,) for 2 examples" if wanted else "one value of the batch"
        raise ModelError(
            f"task {task.name}: loss {loss.name} must give {expected}; it gave {_shape(value)} from outputs "
            f"{outputs.shape} and targets {targets.shape}"
        )
    if not jax.numpy.issubdtype(value.dtype, jax.numpy.floating):
        raise ModelError(f"task {task.name}: loss {loss.name} must give float values, it gave {value.dtype}")


def classes_of(task: Task, splits: Splits, loss: Loss) -> int | None:
    """The number of classes that the model predicts where the targets are labels; None where they are not.

    One output per example means two classes, where the targets are yes and no and the loss or a metric needs classes.
    """
    jax, model = prepare_jax(), task.model
    targets = splits.train.targets
    labels = targets.ndim == 1 and targets.dtype.kind in "iu"
    is_binary = (
        single(targets)
        and is_yes_or_no(targets)
        and (loss.takes in ("logits", "probabilities") or "accuracy" in task.metrics)
    )
    if not labels and not is_binary:
        return None
    inputs = jax.ShapeDtypeStruct((2, *splits.train.inputs.shape[1:]), splits.train.inputs.dtype)

    def outputs(weights: Any, state: Any, inputs: Any) -> Any:
        inputs = inputs if task.prepare is None else task.prepare(inputs)
        return model.run(weights, state, inputs, jax.random.key(0), dict.fromkeys(_names(model), 0.0))[0]

    try:  # the shapes are made outside of the trace: a model that is not traceable makes arrays for them
        shapes = weight_shapes(task.name, model), state_shapes(task.name, model)
        shape = jax.eval_shape(outputs, *shapes, inputs).shape
    except BaseException as failure:  # check_task reports what is wrong
        but_an_interrupt(failure)
        return None
    if math.prod(shape[1:]) == 1:
        return 2 if is_binary else None
    return shape[1] if labels and len(shape) == 2 and shape[1] < 2**16 else None


def _watched(task: Task, weights: Any) -> list[str]:
    """The names of the scalars that the model offers to watch."""
    if task.model.watch is None:
        return []
    jax = prepare_jax()
    what = f"task {task.name}: watch(weights) of model {task.model.name}"
    seen = _try(f"{what} fails", jax.eval_shape, task.model.watch, weights)
    if not isinstance(seen, Mapping) or any(getattr(value, "shape", None) != () for value in seen.values()):
        raise ModelError(f"{what} must give a scalar for each name, got {shown(seen)}")
    return list(seen)


def _check_names(task: Task, metrics: list[str], watched: list[str]) -> None:
    """ModelError where a name of a metric or watched scalar is not an identifier, is reserved, or occurs twice."""
    names = [*metrics, *watched]
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or name in TAKEN or names.count(name) > 1:
            raise ModelError(
                f"task {task.name}: a metric or watched scalar cannot be named {name!r}; a name has "
                f"letters, digits and _, is used once, and is none of {', '.join(sorted(TAKEN))}"
            )


def _check_labels(task: Task, cohort: Cohort, outputs: Any, splits: Splits) -> None:
    """ModelError where labels exceed the outputs of a classifier, or its outputs are not as many as the classes."""
    for name, split in splits_of(splits).items():
        _check_targets(task, cohort, outputs, name, split.targets)
    if len(outputs.shape) != 2 or single(outputs):
        return
    classes = outputs.shape[1]
    if task.classes and len(task.classes) != classes:
        raise ModelError(
            f"task {task.name}: model {task.model.name} has {classes} outputs and the data "
            f"{len(task.classes)} classes; its last layer must give one output per class"
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
    """ModelError where the targets do not have the form that the loss or the accuracy needs."""
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


def _check_optimizer(optimizer: Optimizer, weights: Any) -> None:
    """ModelError where an optimizer fails, or changes the shapes of weights or state."""
    if _is_tested(optimizer):
        return
    import optax

    jax = prepare_jax()

    def one_step(hyperparameters: dict[str, Any], weights: Any) -> tuple[Any, Any, Any]:
        transformation = optimizer.make(**hyperparameters)
        before = transformation.init(weights)
        change, after = transformation.update(weights, before, weights)
        return before, after, optax.apply_updates(weights, change)

    hyperparameters = {name: jax.ShapeDtypeStruct((), np.float32) for name in _names(optimizer)}
    what = f"optimizer {optimizer.name}"
    fails = f"{what} fails when it is made with {', '.join(hyperparameters) or 'no hyperparameters'} and takes a step"
    before, after, moved = _try(fails, jax.eval_shape, one_step, hyperparameters, weights)
    if _shapes(before) != _shapes(after) or _shapes(moved) != _shapes(weights):
        raise ModelError(f"{what} must keep the shapes and types of weights and state from step to step")


def _is_tested(optimizer: Optimizer) -> bool:
    """Whether the optimizer is built in: the package's own tests have checked it."""
    return builtin_optimizers().get(optimizer.name) is optimizer


def check_follows(optimizer: Optimizer, weights: Any, schedule: str) -> None:
    """StudyError where no update depends on the optimizer's learning_rate, so that a schedule would change nothing."""
    if _is_tested(optimizer):
        return
    jax = prepare_jax()
    hyperparameters = {name: jax.ShapeDtypeStruct((), np.float32) for name in _names(optimizer)}
    rate = hyperparameters.pop("learning_rate")
    state = jax.eval_shape(
        lambda rate, hyperparameters, weights: optimizer.make(learning_rate=rate, **hyperparameters).init(weights),
        rate,
        hyperparameters,
        weights,
    )

    def change(rate: Any, hyperparameters: Any, state: Any, weights: Any) -> Any:
        return optimizer.make(learning_rate=rate, **hyperparameters).update(weights, state, weights)[0]

    traced = jax.make_jaxpr(change)(rate, hyperparameters, state, weights).jaxpr
    reached = {traced.invars[0]}
    for step in traced.eqns:
        if any(var in reached for var in step.invars if not hasattr(var, "val")):  # a literal has a value, and no hash
            reached |= set(step.outvars)
    if not any(var in reached for var in traced.outvars if not hasattr(var, "val")):
        raise StudyError(
            f"optimizer {optimizer.name} uses its learning_rate only at the start and no step depends on it, "
            f'so it cannot follow {schedule}; write schedule = "constant" without warm-up and '
            f"workers for {optimizer.name}, or multiply its steps by learning_rate in update()"
        )


def _names(component: Model | Loss | Optimizer) -> list[str]:
    """The names of a component's hyperparameters."""
    return [hyperparameter.name for hyperparameter in component.hyperparameters]


def _shapes(tree: Any) -> Any:
    jax = prepare_jax()
    leaves, kind = jax.tree.flatten(tree)
    return kind, [(leaf.shape, leaf.dtype) for leaf in leaves]


def _shape(value: Any) -> Any:
    return value.shape if hasattr(value, "shape") else shown(value)


def _try(fails: str, *call: Any) -> Any:
    """The result of a user's function, or ModelError with the first line of what it raised."""
    function, *arguments = call
    try:
        return function(*arguments)
    except ModelError as failure:
        raise ModelError(f"{fails}: {failure}") from failure
    except BaseException as failure:
        but_an_interrupt(failure)
        raise ModelError(f"{fails}: {failure_summary(failure)}") from failure
