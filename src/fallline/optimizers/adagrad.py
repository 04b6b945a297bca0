"""Adagrad: the learning rate of each weight falls with the sum of its squared gradients.

optax's rule with epsilon 0, ``lr g / sqrt(n0 + sum g^2)``, is TensorFlow 1's AdagradOptimizer. optax returns 0 where
the sum is 0, which the law ``initial_accumulator > 0`` excludes.
"""

from __future__ import annotations

from fallline.contracts.declaring import NO_DEFAULT, LearningRate, Positive, optimizer
from fallline.later import optax


@optimizer
def adagrad(learning_rate: LearningRate = NO_DEFAULT, initial_accumulator: Positive = 0.1):
    """Adagrad.

    Equation::

        n += g^2;  x -= lr g / sqrt(n);  n0 = initial_accumulator

    Args:
        learning_rate: step size
        initial_accumulator: initial value of the sum of squared gradients

    Source: Duchi, Hazan and Singer, 2011; TensorFlow 1 form
    """
    return optax.adagrad(learning_rate, initial_accumulator, eps=0.0)
