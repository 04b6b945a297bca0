"""Every regulariser acts somewhere, and is off at the default of its hyperparameter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fallline import regularisation
from fallline.errors import HyperparameterError
from fallline.regularisation import REGULARISERS, as_array, in_use
from fallline.study.column_words import NULL_WORDS

TREE = {"W": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "b": jnp.array([0.25, -0.5])}
GRADIENT = jax.tree.map(lambda leaf: leaf[::-1] * 3, TREE)
ALL = pytest.mark.parametrize("regulariser", REGULARISERS, ids=lambda regulariser: regulariser.name)


def acted(regulariser, value):
    """Gradient, change and average with the regulariser alone, at a learning rate of 0.1."""
    hyperparameters = {regulariser.name: jnp.float32(value)}
    average = (
        regularisation.average(hyperparameters, GRADIENT, TREE) if regularisation.averages(hyperparameters) else TREE
    )
    return (
        regularisation.on_gradient(hyperparameters, TREE, GRADIENT),
        regularisation.on_change(hyperparameters, 0.1, TREE, GRADIENT),
        average,
    )


@ALL
def test_the_default_changes_nothing(regulariser):
    default = regulariser.hyperparameter.default
    for result, before in zip(
        acted(regulariser, as_array(regulariser.name, default)), (GRADIENT, GRADIENT, TREE), strict=True
    ):
        jax.tree.map(np.testing.assert_array_equal, result, before)
    assert in_use({regulariser.name: default}) == set() and NULL_WORDS[regulariser.name] == "off"


@ALL
def test_another_value_has_an_effect_in_one_place(regulariser):
    differing = [
        any(jax.tree.leaves(jax.tree.map(lambda new, old: bool((new != old).any()), result, before)))
        for result, before in zip(acted(regulariser, 0.5), (GRADIENT, GRADIENT, TREE), strict=True)
    ]
    assert sum(differing) == 1 and in_use({regulariser.name: 0.5}) == {regulariser.name}


@ALL
def test_its_hyperparameter_has_a_meaning_and_a_law(regulariser):
    assert regulariser.hyperparameter.meaning
    with pytest.raises(HyperparameterError, match=f"{regulariser.name} must"):
        regulariser.hyperparameter.check(-1.0)


def test_clipping_limits_the_gradient_with_its_penalties():
    hyperparameters = {"l2_penalty": jnp.float32(10.0), "clip_norm": jnp.float32(0.5)}
    gradient = regularisation.on_gradient(hyperparameters, TREE, GRADIENT)
    total = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
    np.testing.assert_allclose(total, 0.5, rtol=1e-6)
