"""Arrays of a tree by their paths, "layers.0.weight": how trained arrays are named in records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline.errors import ModelError

STATE = "state."
"""Begins the names of arrays of a model's state, where they have no name of a framework."""


def arrays_by_path(tree: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of ``tree`` by path, each name after ``prefix``."""
    import jax

    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {prefix + jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def with_arrays(tree: Any, arrays: Mapping[str, np.ndarray], module: Any) -> Any:
    """``tree`` with ``arrays`` in place of its leaves; ModelError where they do not fit ``module``."""
    import jax

    own = arrays_by_path(tree)
    check_fit({name: np.shape(leaf) for name, leaf in own.items()}, arrays, module)
    leaves = [jax.numpy.asarray(arrays[name], leaf.dtype) for name, leaf in own.items()]
    return jax.tree.unflatten(jax.tree.structure(tree), leaves)


def check_fit(expected: Mapping[str, Any], arrays: Mapping[str, np.ndarray], module: Any) -> None:
    """ModelError where the names or shapes of the module's arrays are not those of the trained ones."""
    found = {name: tuple(values.shape) for name, values in arrays.items()}
    wrong = [
        f"{name}: the module has {expected.get(name, 'none')}, the run {found.get(name, 'none')}"
        for name in dict.fromkeys([*expected, *found])
        if tuple(expected.get(name, ("none",))) != found.get(name)
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ModelError(
            f"the trained weights do not fit {type(module).__name__}: {'; '.join(wrong[:3])}{more}. Make the module as "
            "the study did"
        )
