"""Rules that step by the gradient's sign: sign descent, Signum and Lion, all those of optax."""

from __future__ import annotations

from fallline.contracts.declaring import NO_DEFAULT, Fraction, LearningRate, Nonnegative, optimizer
from fallline.later import optax


@optimizer
def sign_sgd(learning_rate: LearningRate = NO_DEFAULT):
    """Sign descent.

    Equation::

        x -= lr sign(g)

    Args:
        learning_rate: step size

    Source: Bernstein, Wang, Azizzadenesheli and Anandkumar, 2018
    """
    return optax.sign_sgd(learning_rate)


@optimizer
def signum(learning_rate: LearningRate = NO_DEFAULT, momentum: Fraction = 0.9):
    """Signum.

    Equation::

        m = mu m + (1 - mu) g;  x -= lr sign(m)

    Args:
        learning_rate: step size
        momentum: decay rate of the running mean of the gradients

    Source: Bernstein, Wang, Azizzadenesheli and Anandkumar, 2018
    """
    return optax.signum(learning_rate, momentum)


@optimizer
def lion(
    learning_rate: LearningRate = NO_DEFAULT,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.99,
    weight_decay: Nonnegative = 1e-3,
):
    """Lion.

    Equation::

        x -= lr (sign(b1 m + (1 - b1) g) + weight_decay x);  m = b2 m + (1 - b2) g

    Args:
        learning_rate: step size
        beta1: weight of the running mean in the step
        beta2: decay rate of the running mean of the gradients
        weight_decay: decoupled weight decay, multiplied by the learning rate

    Source: Chen et al., 2023
    """
    return optax.lion(learning_rate, beta1, beta2, weight_decay=weight_decay)
