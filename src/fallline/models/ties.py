"""Arrays that a module holds twice, and arrays that depend on the key without being weights: found while it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fallline.errors import ModelError


class Ties(NamedTuple):
    """``first`` [leaves]: for each array of a module the index of the same array before it, or its own index."""

    first: tuple[int, ...]

    @classmethod
    def of(cls, weights: Any) -> Ties:
        """The ties of a module as it was made: arrays are the same object where a layer is used in two places."""
        leaves, _ = _with_gaps(weights)
        seen: dict[int, int] = {}
        return cls(
            tuple(place if leaf is None else seen.setdefault(id(leaf), place) for place, leaf in enumerate(leaves))
        )

    def cut(self, weights: Any) -> Any:
        """The weights with each array once: None where it occurs again, so that it is trained as one."""
        leaves, tree = _with_gaps(weights)
        return _made(tree, [leaf if self.first[place] == place else None for place, leaf in enumerate(leaves)])

    def joined(self, weights: Any) -> Any:
        """The inverse: the gaps filled."""
        leaves, tree = _with_gaps(weights)
        return _made(tree, [leaves[place] for place in self.first])


def drawn_places(make: Callable[[Any], Any], name: str) -> tuple[int, ...]:
    """Which arrays of the tree that ``make(key)`` returns depend on the key, as indices of its leaves.

    ModelError where one is a random key, which a record of a state cannot hold.
    """
    import jax
    import jax.numpy as jnp

    made = jax.make_jaxpr(lambda key: jax.tree.leaves(make(key)))(jax.eval_shape(lambda: jax.random.key(0))).jaxpr
    reached = set(made.invars)
    for step in made.eqns:
        if any(
            var in reached for var in step.invars if not hasattr(var, "val")
        ):  # a literal has a value and is not hashable
            reached |= set(step.outvars)
    drawn = tuple(place for place, var in enumerate(made.outvars) if not hasattr(var, "val") and var in reached)
    for place in drawn:
        if jnp.issubdtype(made.outvars[place].aval.dtype, jax.dtypes.prng_key):
            raise ModelError(
                f"model {name} keeps a random key, which would be the same at every step; give __call__ "
                "an argument key, which is new for every example and step"
            )
    return drawn


def _with_gaps(tree: Any) -> tuple[list[Any], Any]:
    import jax

    return jax.tree.flatten(tree, is_leaf=lambda leaf: leaf is None)


def _made(tree: Any, leaves: list[Any]) -> Any:
    import jax

    return jax.tree.unflatten(tree, leaves)
