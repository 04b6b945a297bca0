"""The public functions of components: each is the declaration of its hyperparameters, and what it returns is of use."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fallline
from fallline.contracts.fixed import with_fixed
from fallline.errors import HyperparameterError, StudyError, UnknownName
from fallline.losses import builtin_losses, find_loss
from fallline.optimizers import builtin_optimizers, find_optimizer
from fallline.schedules import builtin_schedules, find_schedule
from fallline.study.toml import dump_study, parse_study

COMPONENTS = [
    (package, component)
    for package, builtin in (
        (fallline.optimizers, builtin_optimizers),
        (fallline.losses, builtin_losses),
        (fallline.schedules, builtin_schedules),
    )
    for component in builtin().values()
]
every_component = pytest.mark.parametrize("package, component", COMPONENTS, ids=[c.name for _, c in COMPONENTS])
MODELS = {
    "convnet": fallline.models.convnet(),
    "line": fallline.models.line(),
    "mlp": fallline.models.mlp(4, 3, 2, dropout_rate=0.25),
    "softmax": fallline.models.softmax(4, 2),
    "workers_convnet": fallline.models.workers_convnet(),
}


@every_component
def test_each_component_has_a_public_function_whose_signature_is_its_hyperparameters(package, component):
    function = getattr(package, component.name)
    assert component.name in package.__all__
    signature = inspect.signature(function)
    assert {name: parameter.default for name, parameter in signature.parameters.items()} == {
        hyperparameter.name: hyperparameter.default for hyperparameter in component.hyperparameters
    }
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values())
    assert signature.return_annotation is type(component)
    assert function() is component


@every_component
def test_each_docstring_holds_title_equation_source_and_every_hyperparameter(package, component):
    text = " ".join((inspect.getdoc(getattr(package, component.name)) or "").split())
    assert component.title and text.startswith(f"{component.title}.")
    assert component.equation and all(statement in text for statement in component.equation.split(";  "))
    assert component.source and f"Source: {component.source}" in text
    assert all(f"{law.name}: {law.meaning}" in text and law.meaning for law in component.hyperparameters)


@pytest.mark.parametrize("name", MODELS)
def test_each_model_has_a_documented_function_with_the_defaults_of_its_hyperparameters(name):
    function = getattr(fallline.models, name)
    text, signature = inspect.getdoc(function) or "", inspect.signature(function)
    assert "\nEquation::\n" in text and "\nArgs:\n" in text
    assert "\nSource: " in text and all(f"\n    {parameter}: " in text for parameter in signature.parameters)
    for law in MODELS[name].hyperparameters:
        default = signature.parameters[law.name].default
        assert law.default == (default if default is not None else 0.25)


def test_every_model_function_is_tested_here():
    adapters = {name for name in fallline.models.__all__ if name.startswith("from_")}
    assert set(fallline.models.__all__) - adapters == set(MODELS)


def test_given_hyperparameters_are_fixed_and_shown_in_the_name():
    rule = fallline.optimizers.adam(beta1=0.8, epsilon=1e-6)
    assert rule.name == "adam(beta1=0.8, epsilon=1e-06)"
    assert {law.name: law.default for law in rule.hyperparameters} == {
        "learning_rate": 0.001,
        "beta1": 0.8,
        "beta2": 0.999,
        "epsilon": 1e-6,
    }
    assert fallline.optimizers.adam(0.1).name == "adam(learning_rate=0.1)"
    with pytest.raises(HyperparameterError, match=r"beta1 is fixed at 0.8, got 0.9 \(adam\(beta1=0.8"):
        rule(beta1=0.9)
    rule(beta1=float(np.float32(0.8)))  # as records hold it


def test_fixed_values_obey_the_laws_as_written_and_in_float32():
    with pytest.raises(HyperparameterError, match=r"beta1 must lie in \[0, 1\), got 1.5 \(adam\)"):
        fallline.optimizers.adam(beta1=1.5)
    with pytest.raises(
        HyperparameterError, match=r"beta1 must lie in \[0, 1\) and be finite after rounding to float32"
    ):
        fallline.optimizers.adam(beta1=1 - 1e-12)
    with pytest.raises(
        UnknownName, match=r"no hyperparameter of optimizer adam is named 'lr'; did you mean learning_rate"
    ):
        fallline.optimizers.adam(lr=0.1)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="multiple values"):
        fallline.optimizers.adam(0.1, learning_rate=0.1)  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    "component, find",
    [
        (fallline.optimizers.rmsprop(centered=True, decay=0.99), find_optimizer),
        (fallline.losses.huber(delta=2), find_loss),
        (fallline.schedules.piecewise(boundary_epochs=[0.5, 2], factors=[1, 0.1, 0.01]), find_schedule),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_name_of_a_component_with_fixed_hyperparameters_finds_the_same_object(component, find):
    assert find(component.name) is component
    assert find(component.name.replace("=", " = ")) is component


@pytest.mark.parametrize(
    "name",
    ["adam(beta1=0.8", "adam(0.8)", "adam()", "adam(beta1=print)", "adam(**{})", "madam(beta1=0.8)", "a" * 5000 + "("],
)
def test_a_name_that_is_no_component_is_refused(name):
    with pytest.raises(UnknownName, match="no optimizer is named"):
        find_optimizer(name)


def test_an_optimizer_goes_where_optax_takes_a_transformation():
    rule: Any = fallline.optimizers.adam(learning_rate=0.1)
    chained, expected = (optax.chain(optax.clip(1.0), each) for each in (rule, rule()))
    weights = {"w": jnp.ones(3)}
    steps: list[Any] = [
        each.update({"w": jnp.full(3, 5.0)}, each.init(weights), weights)[0] for each in (chained, expected)
    ]
    np.testing.assert_array_equal(steps[0]["w"], steps[1]["w"])
    with pytest.raises(HyperparameterError, match="ftrl needs learning_rate, which has no default"):
        fallline.optimizers.ftrl().init(weights)


def test_a_loss_can_be_called_with_its_hyperparameters():
    outputs, targets = np.array([[3.0], [0.5]], np.float32), np.zeros((2, 1), np.float32)
    loss = fallline.losses.huber(delta=2)
    np.testing.assert_allclose(loss.per_example(outputs, targets), [4.0, 0.125])
    assert float(jax.jit(loss)(outputs, targets)) == 2.0625
    assert float(with_fixed(find_loss("huber"), {"delta": 1})(outputs, targets)) == pytest.approx((2.5 + 0.125) / 2)


def test_a_schedule_gives_its_factors_and_asks_for_what_is_missing():
    np.testing.assert_allclose(fallline.schedules.cosine(end_factor=0.5)(2), [1, 0.75])
    stairs = fallline.schedules.exponential(decay_rate=0.5, decay_epochs=1, staircase=True)
    assert stairs(6, steps_per_epoch=2).tolist() == [1, 1, 0.5, 0.5, 0.25, 0.25]
    with pytest.raises(StudyError, match=r"decay_steps or decay_epochs is missing \(exponential\)"):
        fallline.schedules.exponential()(10)


def test_a_study_takes_components_with_fixed_hyperparameters(tmp_path):
    study = fallline.Study(
        name="fixed",
        task="line",
        metric="final_train_loss",
        base={
            "batch_size": "all",
            "steps": 5,
            "learning_rate": 0.05,
            "schedule": fallline.schedules.cosine(end_factor=0.1),
        },
        axes={"optimizer": [fallline.optimizers.momentum(momentum=0.5), fallline.optimizers.momentum()]},
    )
    result = fallline.run(study, out=tmp_path / "run")
    trials = result.trials
    assert trials["optimizer"].to_list() == ["momentum(momentum=0.5)", "momentum"]
    assert trials["momentum"].to_list() == [0.5, 0.9] and trials["end_factor"].to_list() == [0.1, 0.1]
    assert trials["final_train_loss"].n_unique() == 2
    assert "momentum(momentum=0.5)" in result.report().read_text()
    again = parse_study(dump_study(study), "again.toml")
    assert [trial.name for trial in again.trials()] == [trial.name for trial in study.trials()]


def test_a_study_cannot_give_a_fixed_hyperparameter_another_value():
    study = fallline.Study(
        name="fixed",
        task="line",
        metric="final_train_loss",
        base={
            "optimizer": fallline.optimizers.momentum(momentum=0.5),
            "momentum": 0.9,
            "steps": 5,
            "learning_rate": 0.1,
        },
    )
    with pytest.raises(HyperparameterError, match=r"momentum is fixed at 0\.5, got 0\.9"):
        study.trials()


def test_names_of_components_are_read_without_jax():
    code = (
        "import sys, fallline; fallline.optimizers.adam(beta1=0.8), fallline.losses.huber(delta=2);"
        "fallline.models.convnet, fallline.schedules.cosine;"
        "print([m for m in ('jax', 'optax', 'equinox', 'jaxtyping') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
