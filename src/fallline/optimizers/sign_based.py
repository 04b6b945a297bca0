"""Rules that step by the gradient's sign: sign descent, Signum and Lion, all optax's own."""

from __future__ import annotations

from fallline.contracts import Optimizer, fraction
from fallline.later import optax
from fallline.optimizers._hyperparameters import beta1, learning_rate, momentum, weight_decay


def _sign_sgd(learning_rate):
    return optax.sign_sgd(learning_rate)


def _signum(learning_rate, momentum):
    return optax.signum(learning_rate, momentum)


def _lion(learning_rate, beta1, beta2, weight_decay):
    return optax.lion(learning_rate, beta1, beta2, weight_decay=weight_decay)


SIGN_SGD = Optimizer(
    name="sign_sgd",
    make=_sign_sgd,
    hyperparameters=(learning_rate(),),
    title="sign descent",
    equation="x -= lr sign(g)",
    source="Bernstein, Wang, Azizzadenesheli and Anandkumar, 2018",
)

SIGNUM = Optimizer(
    name="signum",
    make=_signum,
    hyperparameters=(learning_rate(), momentum(0.9)),
    title="Signum",
    equation="m = mu m + (1 - mu) g;  x -= lr sign(m)",
    source="Bernstein, Wang, Azizzadenesheli and Anandkumar, 2018",
)

LION = Optimizer(
    name="lion",
    make=_lion,
    hyperparameters=(
        learning_rate(),
        beta1(),
        fraction("beta2", 0.99, "memory of the running mean that is kept: nearer 1 is longer"),
        weight_decay(1e-3),
    ),
    title="Lion",
    equation="x -= lr (sign(b1 m + (1 - b1) g) + weight_decay x);  m = b2 m + (1 - b2) g",
    source="Chen et al., 2023",
)
