"""Adagrad: each weight's rate falls with the sum of its squared gradients.

optax's own with epsilon 0: what is left, ``lr g / sqrt(n0 + sum g^2)``, is TensorFlow 1's AdagradOptimizer. optax
answers 0 where the sum is 0; the law ``initial_accumulator > 0`` keeps that case away.
"""

from __future__ import annotations

from fallline.contracts import Optimizer
from fallline.later import optax
from fallline.optimizers._hyperparameters import initial_accumulator, learning_rate


def _adagrad(learning_rate, initial_accumulator):
    return optax.adagrad(learning_rate, initial_accumulator, eps=0.0)


ADAGRAD = Optimizer(
    name="adagrad",
    make=_adagrad,
    hyperparameters=(learning_rate(), initial_accumulator()),
    title="Adagrad",
    equation="n += g^2;  x -= lr g / sqrt(n);  n0 = initial_accumulator",
    source="Duchi, Hazan and Singer, 2011; TensorFlow 1 form",
)
