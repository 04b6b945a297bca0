"""Relatives of Adam, all optax's own with its defaults: what changes is the epsilon, the decay or the second moment.

The learning rate has no default here: no source common to them documents one.
"""

from __future__ import annotations

from fallline.contracts import Optimizer
from fallline.later import optax
from fallline.optimizers._hyperparameters import beta1, beta2, epsilon, learning_rate, weight_decay

_MEANS = "m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v)"
_HATS = "M = m / (1 - b1^t);  V = v / (1 - b2^t)"


def _adam_paper(learning_rate, beta1, beta2, epsilon):
    return optax.adam(learning_rate, beta1, beta2, epsilon)


def _adamw(learning_rate, beta1, beta2, epsilon, weight_decay):
    return optax.adamw(learning_rate, beta1, beta2, epsilon, weight_decay=weight_decay)


def _nadam(learning_rate, beta1, beta2, epsilon):
    return optax.nadam(learning_rate, beta1, beta2, epsilon)


def _adamax(learning_rate, beta1, beta2, epsilon):
    return optax.adamax(learning_rate, beta1, beta2, epsilon)


def _amsgrad(learning_rate, beta1, beta2, epsilon):
    return optax.amsgrad(learning_rate, beta1, beta2, epsilon)


def _radam(learning_rate, beta1, beta2, epsilon):
    return optax.radam(learning_rate, beta1, beta2, epsilon)


def _adabelief(learning_rate, beta1, beta2, epsilon):
    return optax.adabelief(learning_rate, beta1, beta2, epsilon, epsilon)


def _yogi(learning_rate, beta1, beta2, epsilon):
    return optax.yogi(learning_rate, beta1, beta2, epsilon)


ADAM_PAPER = Optimizer(
    name="adam_paper",
    make=_adam_paper,
    hyperparameters=(learning_rate(), beta1(), beta2(), epsilon(1e-8)),
    title="Adam with the paper's epsilon",
    equation=f"{_MEANS};  {_HATS};  x -= lr M / (sqrt(V) + eps)",
    source="Kingma and Ba, 2015, algorithm 1",
)

ADAMW = Optimizer(
    name="adamw",
    make=_adamw,
    hyperparameters=(learning_rate(), beta1(), beta2(), epsilon(1e-8), weight_decay(1e-4)),
    title="AdamW",
    equation=f"{_MEANS};  {_HATS};  x -= lr (M / (sqrt(V) + eps) + weight_decay x)",
    source="Loshchilov and Hutter, 2019",
)

NADAM = Optimizer(
    name="nadam",
    make=_nadam,
    hyperparameters=(learning_rate(), beta1(), beta2(), epsilon(1e-8)),
    title="NAdam",
    equation=(
        f"{_MEANS};  M = b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t);  V = v / (1 - b2^t);  "
        "x -= lr M / (sqrt(V) + eps)"
    ),
    source="Dozat, 2016",
)

ADAMAX = Optimizer(
    name="adamax",
    make=_adamax,
    hyperparameters=(learning_rate(), beta1(), beta2(), epsilon(1e-8)),
    title="AdaMax",
    equation="m += (1 - b1) (g - m);  u = max(b2 u, |g| + eps);  x -= lr / (1 - b1^t) m / u",
    source="Kingma and Ba, 2015, algorithm 2",
)

AMSGRAD = Optimizer(
    name="amsgrad",
    make=_amsgrad,
    hyperparameters=(learning_rate(), beta1(), beta2(), epsilon(1e-8)),
    title="AMSGrad",
    equation=f"{_MEANS};  {_HATS};  W = max(W, V);  x -= lr M / (sqrt(W) + eps)",
    source="Reddi, Kale and Kumar, 2018",
)

RADAM = Optimizer(
    name="radam",
    make=_radam,
    hyperparameters=(learning_rate(), beta1(), beta2(), epsilon(1e-8)),
    title="RAdam",
    equation=(
        f"{_MEANS};  {_HATS};  R = 2 / (1 - b2) - 1;  r = R - 2 t b2^t / (1 - b2^t);  "
        "x -= lr M where r < 5, else "
        "x -= lr sqrt((r - 4) (r - 2) R / ((R - 4) (R - 2) r)) M / (sqrt(V) + eps)"
    ),
    source="Liu et al., 2020",
)

ADABELIEF = Optimizer(
    name="adabelief",
    make=_adabelief,
    hyperparameters=(learning_rate(), beta1(), beta2(), epsilon(1e-16)),
    title="AdaBelief",
    equation=(
        "m += (1 - b1) (g - m);  s += (1 - b2) ((g - m)^2 - s) + eps;  M = m / (1 - b1^t);  S = s / (1 - b2^t);  "
        "x -= lr M / (sqrt(S) + eps)"
    ),
    source="Zhuang et al., 2020",
)

YOGI = Optimizer(
    name="yogi",
    make=_yogi,
    hyperparameters=(learning_rate(), beta1(), beta2(), epsilon(1e-3)),
    title="Yogi",
    equation=(
        f"m += (1 - b1) (g - m);  v -= (1 - b2) sign(v - g^2) g^2;  {_HATS};  x -= lr M / (sqrt(V) + eps);  "
        "m0 = v0 = 1e-6"
    ),
    source="Zaheer et al., 2018",
)
