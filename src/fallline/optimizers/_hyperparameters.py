"""Numbers that many update rules share, each with its law and what it does."""

from __future__ import annotations

from fallline.contracts import Hyperparameter, fraction, nonnegative, positive


def learning_rate(default: float | None = None) -> Hyperparameter:
    """The rate, without a default unless the rule's source documents one."""
    return positive("learning_rate", default, "how far a step goes")


def momentum(default: float) -> Hyperparameter:
    """The share of the last step that is kept."""
    return fraction("momentum", default, "share of the last step that is kept")


def beta1(default: float = 0.9) -> Hyperparameter:
    """The memory of the gradient's mean."""
    return fraction("beta1", default, "memory of the gradient's running mean: nearer 1 is longer")


def beta2(default: float = 0.999) -> Hyperparameter:
    """The memory of the squared gradient's mean."""
    return fraction("beta2", default, "memory of the squared gradient's running mean: nearer 1 is longer")


def epsilon(default: float) -> Hyperparameter:
    """What is added to a denominator."""
    return positive("epsilon", default, "added to the denominator, so that a tiny gradient takes no huge step")


def weight_decay(default: float) -> Hyperparameter:
    """Decoupled weight decay."""
    return nonnegative("weight_decay", default, "pull of every weight towards 0, times the learning rate")


def initial_accumulator() -> Hyperparameter:
    """What the sum of squared gradients starts from."""
    return positive("initial_accumulator", 0.1, "what the sum of squared gradients starts from")


def l1() -> Hyperparameter:
    """The weight of the sum of absolute weights."""
    return nonnegative("l1", 0.0, "weight of the L1 term: sets small weights to exactly 0")


def l2() -> Hyperparameter:
    """The weight of the sum of squared weights."""
    return nonnegative("l2", 0.0, "weight of the L2 term: pulls weights towards 0")
