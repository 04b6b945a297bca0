"""Rprop: the step size of each weight grows while its gradient keeps its sign and shrinks where the sign changes.

Our own, since optax 0.2.8 returns the step of the previous update: nothing at first, then the old sign. The learning
rate is the first step size; where a schedule changes it, every step is scaled by the same factor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fallline.contracts.declaring import NO_DEFAULT, AboveOne, LearningRate, OpenFraction, Positive, optimizer
from fallline.later import jax, jnp, optax

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PyTree


class RpropState(NamedTuple):
    """The last gradient's sign (0 where it changed) and the step size, each with the shape of the weights; the learning
    rate at the first step.
    """

    signs: Any
    lengths: Any
    first_rate: Any


@optimizer
def rprop(
    learning_rate: LearningRate = NO_DEFAULT,
    eta_minus: OpenFraction = 0.5,
    eta_plus: AboveOne = 1.2,
    smallest_step: Positive = 1e-6,
    largest_step: Positive = 50.0,
):
    """Rprop.

    Equation::

        step *= eta_plus where sign(g) stayed, *= eta_minus where it turned, held in [smallest, largest];
        g = 0 where it turned;  x -= lr / lr_0 step sign(g);  step_0 = lr_0

    Args:
        learning_rate: first step size of every weight
        eta_minus: factor of the step size where the gradient changes its sign
        eta_plus: factor of the step size where the gradient keeps its sign
        smallest_step: lower bound of the step size
        largest_step: upper bound of the step size

    Source: Riedmiller and Braun, 1993; Igel and Hüsken, 2000 (iRprop-: no step back)
    """

    def length(old, turn):
        factor = jnp.where(turn > 0, eta_plus, eta_minus)
        return jnp.where(turn == 0, old, jnp.clip(old * factor, smallest_step, largest_step))

    def init(weights: PyTree[Float[Array, "*_"]]) -> RpropState:
        return RpropState(
            jax.tree.map(jnp.zeros_like, weights),
            jax.tree.map(lambda x: jnp.full_like(x, learning_rate), weights),
            jnp.asarray(learning_rate),
        )

    def update(
        gradients: PyTree[Float[Array, "*_"]], state: RpropState, weights: Any = None
    ) -> tuple[PyTree[Float[Array, "*_"]], RpropState]:
        del weights
        turns = jax.tree.map(lambda old, g: old * jnp.sign(g), state.signs, gradients)
        lengths = jax.tree.map(length, state.lengths, turns)
        signs = jax.tree.map(lambda g, turn: jnp.where(turn < 0, 0, jnp.sign(g)), gradients, turns)
        factor = learning_rate / state.first_rate
        steps = jax.tree.map(lambda s, l: -s * (l * factor), signs, lengths)
        return steps, RpropState(signs, lengths, state.first_rate)

    return optax.GradientTransformation(init, update)
