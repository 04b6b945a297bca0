"""Gradient descent, alone, with momentum and with Nesterov's momentum.

All three are optax's own: its trace ``m = g + mu m`` and its step ``-lr m`` (or ``-lr (g + mu m)``) are TensorFlow 1's
MomentumOptimizer letter for letter, the rate outside the buffer in both; so is the SGD+ of lecture notes.
"""

from __future__ import annotations

from dataclasses import replace

from fallline.contracts import Optimizer
from fallline.later import optax
from fallline.optimizers._hyperparameters import learning_rate, momentum


def _gradient_descent(learning_rate):
    return optax.sgd(learning_rate)


def _momentum(learning_rate, momentum):
    return optax.sgd(learning_rate, momentum)


def _nesterov(learning_rate, momentum):
    return optax.sgd(learning_rate, momentum, nesterov=True)


GRADIENT_DESCENT = Optimizer(
    name="gradient_descent",
    make=_gradient_descent,
    hyperparameters=(learning_rate(),),
    title="gradient descent",
    equation="x -= lr g",
    source="Cauchy, 1847; Robbins and Monro, 1951; TensorFlow 1 form",
)

MOMENTUM = Optimizer(
    name="momentum",
    make=_momentum,
    hyperparameters=(learning_rate(), momentum(0.9)),
    title="momentum",
    equation="m = mu m + g;  x -= lr m",
    source="Polyak, 1964; TensorFlow 1 form",
)

SGD_PLUS = replace(
    MOMENTUM,
    name="sgd_plus",
    title="SGD+",
    equation="v = mu v + g;  x -= lr v",
    source="Polyak, 1964; momentum under the name of lecture notes",
)

NESTEROV = Optimizer(
    name="nesterov",
    make=_nesterov,
    hyperparameters=(learning_rate(), momentum(0.9)),
    title="Nesterov's momentum",
    equation="m = mu m + g;  x -= lr (g + mu m)",
    source="Nesterov, 1983; Sutskever, Martens, Dahl and Hinton, 2013; TensorFlow 1 form",
)
