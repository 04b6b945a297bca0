"""Rules that scale a whole layer by its norm: LAMB, LARS and NovoGrad, all optax's own.

A layer is one array of the weights' tree. These are the only rules here in which a weight's step hangs on its
neighbours: weights laid end to end in one array are one layer to them.
"""

from __future__ import annotations

from fallline.contracts import Optimizer, fraction, positive
from fallline.later import optax
from fallline.optimizers._numbers import beta1, beta2, epsilon, learning_rate, momentum, weight_decay


def _lamb(learning_rate, beta1, beta2, epsilon, weight_decay):
    return optax.lamb(learning_rate, beta1, beta2, epsilon, weight_decay=weight_decay)


def _lars(learning_rate, momentum, weight_decay, trust_coefficient):
    return optax.lars(learning_rate, weight_decay, trust_coefficient=trust_coefficient, momentum=momentum)


def _novograd(learning_rate, beta1, beta2, epsilon, weight_decay):
    return optax.novograd(learning_rate, beta1, beta2, epsilon, weight_decay=weight_decay)


LAMB = Optimizer(
    name="lamb",
    make=_lamb,
    numbers=(learning_rate(), beta1(), beta2(), epsilon(1e-6), weight_decay(0.0)),
    title="LAMB",
    equation=(
        "m += (1 - b1) (g - m);  v += (1 - b2) (g^2 - v);  M = m / (1 - b1^t);  V = v / (1 - b2^t);  "
        "u = M / (sqrt(V) + eps) + weight_decay x;  x -= lr norm(x) / norm(u) u"
    ),
    source="You et al., 2020",
)

LARS = Optimizer(
    name="lars",
    make=_lars,
    numbers=(
        learning_rate(),
        momentum(0.9),
        weight_decay(0.0),
        positive("trust_coefficient", 0.001, "a layer's step as a share of its weights' norm, times the rate"),
    ),
    title="LARS",
    equation="u = g + weight_decay x;  b = mu b + lr trust norm(x) / norm(u) u;  x -= b",
    source="You, Gitman and Ginsburg, 2017",
)

NOVOGRAD = Optimizer(
    name="novograd",
    make=_novograd,
    numbers=(
        learning_rate(),
        beta1(),
        fraction("beta2", 0.25, "memory of the layer's squared gradient norm: nearer 1 is longer"),
        epsilon(1e-6),
        weight_decay(0.0),
    ),
    title="NovoGrad",
    equation=(
        "v = b2 v + (1 - b2) norm(g)^2;  m = b1 m + (g / (sqrt(v) + eps) + weight_decay x);  x -= lr m;  "
        "v_1 = norm(g_1)^2"
    ),
    source="Ginsburg et al., 2019",
)
