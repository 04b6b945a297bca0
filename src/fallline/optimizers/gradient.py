"""Gradient descent, alone, with momentum and with Nesterov's momentum.

All three are those of optax: its trace ``m = g + mu m`` and its step ``-lr m`` (or ``-lr (g + mu m)``) are TensorFlow
1's MomentumOptimizer exactly, the learning rate outside the buffer in both; so is the SGD+ of lecture notes.
"""

from __future__ import annotations

from fallline.contracts.declaring import NO_DEFAULT, Fraction, LearningRate, optimizer
from fallline.later import optax


@optimizer
def gradient_descent(learning_rate: LearningRate = NO_DEFAULT):
    """Gradient descent.

    Equation::

        x -= lr g

    Args:
        learning_rate: step size

    Source: Cauchy, 1847; Robbins and Monro, 1951; TensorFlow 1 form
    """
    return optax.sgd(learning_rate)


@optimizer
def momentum(learning_rate: LearningRate = NO_DEFAULT, momentum: Fraction = 0.9):
    """Gradient descent with momentum.

    Equation::

        m = mu m + g;  x -= lr m

    Args:
        learning_rate: step size
        momentum: fraction of the previous step that is kept

    Source: Polyak, 1964; TensorFlow 1 form
    """
    return optax.sgd(learning_rate, momentum)


@optimizer
def sgd_plus(learning_rate: LearningRate = NO_DEFAULT, momentum: Fraction = 0.9):
    """SGD+, momentum under the name of lecture notes.

    Equation::

        v = mu v + g;  x -= lr v

    Args:
        learning_rate: step size
        momentum: fraction of the previous step that is kept

    Source: Polyak, 1964; momentum under the name of lecture notes
    """
    return optax.sgd(learning_rate, momentum)


@optimizer
def nesterov(learning_rate: LearningRate = NO_DEFAULT, momentum: Fraction = 0.9):
    """Gradient descent with Nesterov's momentum.

    Equation::

        m = mu m + g;  x -= lr (g + mu m)

    Args:
        learning_rate: step size
        momentum: fraction of the previous step that is kept

    Source: Nesterov, 1983; Sutskever, Martens, Dahl and Hinton, 2013; TensorFlow 1 form
    """
    return optax.sgd(learning_rate, momentum, nesterov=True)
