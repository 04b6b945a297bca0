"""The annotations of arrays are executed in tests, and strict promotion of types and ranks is on where it should be."""

import importlib
import pkgutil
from types import FunctionType

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from array_annotations import PACKAGES
from fallline.losses.classes import at_labels
from fallline.losses.cross_entropy import _shifted
from fallline.optimizers import find_optimizer


def functions():
    """Every function of the packages, by its full name."""
    for package in map(importlib.import_module, PACKAGES):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(info.name)).values():
                if isinstance(value, FunctionType) and value.__module__ == info.name:
                    yield f"{info.name}.{value.__name__}", value


def test_every_annotation_of_arrays_is_executed():
    annotated = {
        name: function
        for name, function in functions()
        if any(
            f"{kind}[Array, " in str(text)
            for kind in ("Float", "Int", "Shaped")
            for text in getattr(function, "__annotations__", {}).values()
        )
    }
    assert len(annotated) > 10
    assert not [name for name, function in annotated.items() if not hasattr(function, "__wrapped__")]


def test_a_wrong_shape_type_or_tree_is_refused():
    with pytest.raises(TypeError, match=r"at_labels: labels must be .*, got \(\(5,\)"):
        at_labels(jnp.zeros((6, 4)), jnp.zeros(5, int))
    with pytest.raises(TypeError, match=r"_shifted: logits must be"):
        _shifted(jnp.zeros((6, 4), int))
    rule = find_optimizer("adam")()
    with pytest.raises(TypeError, match=r"adam.<locals>.init: weights must be .*PyTree"):
        rule.init({"w": np.zeros(3, np.int32)})


def test_promotion_is_strict_in_tests_of_components(strict_promotion):
    with pytest.raises(jax.errors.TypePromotionError if hasattr(jax.errors, "TypePromotionError") else ValueError):
        jnp.zeros(3, jnp.float32) + jnp.zeros(3, jnp.int32)
    with pytest.raises(ValueError, match="rank"):
        jnp.zeros((3, 3)) + jnp.zeros(3)
