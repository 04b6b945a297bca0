"""Variants of Adam, all those of optax with its defaults: they differ in epsilon, weight decay or the second moment.

The learning rate has no default here: no source common to them documents one.
"""

from __future__ import annotations

from fallline.contracts.declaring import NO_DEFAULT, Fraction, LearningRate, Nonnegative, Positive, optimizer
from fallline.later import optax


@optimizer
def adam_paper(
    learning_rate: LearningRate = NO_DEFAULT, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-8
):
    """Adam with the paper's epsilon.

    Equation::

        m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  M = m / (1 - b1^t);  V = v / (1 - b2^t);
        x -= lr M / (sqrt(V) + eps)

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: Kingma and Ba, 2015, algorithm 1
    """
    return optax.adam(learning_rate, beta1, beta2, epsilon)


@optimizer
def adamw(
    learning_rate: LearningRate = NO_DEFAULT,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: Nonnegative = 1e-4,
):
    """AdamW.

    Equation::

        m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  M = m / (1 - b1^t);  V = v / (1 - b2^t);
        x -= lr (M / (sqrt(V) + eps) + weight_decay x)

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps
        weight_decay: decoupled weight decay, multiplied by the learning rate

    Source: Loshchilov and Hutter, 2019
    """
    return optax.adamw(learning_rate, beta1, beta2, epsilon, weight_decay=weight_decay)


@optimizer
def nadam(
    learning_rate: LearningRate = NO_DEFAULT, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-8
):
    """NAdam.

    Equation::

        m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);
        M = b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t);  V = v / (1 - b2^t);
        x -= lr M / (sqrt(V) + eps)

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: Dozat, 2016
    """
    return optax.nadam(learning_rate, beta1, beta2, epsilon)


@optimizer
def adamax(
    learning_rate: LearningRate = NO_DEFAULT, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-8
):
    """AdaMax.

    Equation::

        m += (1 - b1) (g - m);  u = max(b2 u, |g| + eps);  x -= lr / (1 - b1^t) m / u

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the largest gradient
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: Kingma and Ba, 2015, algorithm 2
    """
    return optax.adamax(learning_rate, beta1, beta2, epsilon)


@optimizer
def amsgrad(
    learning_rate: LearningRate = NO_DEFAULT, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-8
):
    """AMSGrad.

    Equation::

        m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  M = m / (1 - b1^t);  V = v / (1 - b2^t);
        W = max(W, V);  x -= lr M / (sqrt(W) + eps)

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: Reddi, Kale and Kumar, 2018
    """
    return optax.amsgrad(learning_rate, beta1, beta2, epsilon)


@optimizer
def radam(
    learning_rate: LearningRate = NO_DEFAULT, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-8
):
    """RAdam.

    Equation::

        m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  M = m / (1 - b1^t);  V = v / (1 - b2^t);
        R = 2 / (1 - b2) - 1;  r = R - 2 t b2^t / (1 - b2^t);
        x -= lr M where r < 5, else
        x -= lr sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r)) M / (sqrt(V) + eps)

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: Liu et al., 2020
    """
    return optax.radam(learning_rate, beta1, beta2, epsilon)


@optimizer
def adabelief(
    learning_rate: LearningRate = NO_DEFAULT, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-16
):
    """AdaBelief.

    Equation::

        m += (1 - b1) (g - m);  s += (1 - b2) ((g - m)^2 - s) + eps;  M = m / (1 - b1^t);  S = s / (1 - b2^t);
        x -= lr M / (sqrt(S) + eps)

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the gradients' squared deviations
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: Zhuang et al., 2020
    """
    return optax.adabelief(learning_rate, beta1, beta2, epsilon, epsilon)


@optimizer
def yogi(
    learning_rate: LearningRate = NO_DEFAULT, beta1: Fraction = 0.9, beta2: Fraction = 0.999, epsilon: Positive = 1e-3
):
    """Yogi.

    Equation::

        m += (1 - b1) (g - m);  v -= (1 - b2) sign(v - g^2) g^2;  M = m / (1 - b1^t);  V = v / (1 - b2^t);
        x -= lr M / (sqrt(V) + eps);  m0 = v0 = 1e-6

    Args:
        learning_rate: step size
        beta1: decay rate of the running mean of the gradients
        beta2: decay rate of the running mean of the squared gradients
        epsilon: added to the denominator, so that tiny gradients take no huge steps

    Source: Zaheer et al., 2018
    """
    return optax.yogi(learning_rate, beta1, beta2, epsilon)
