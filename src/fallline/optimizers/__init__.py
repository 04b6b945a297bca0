"""Optimizers: each a function that returns an ``Optimizer``, with the hyperparameters it is given fixed.

>>> import fallline
>>> rule = fallline.optimizers.adam(learning_rate=0.005, beta2=0.99)
>>> rule.name
'adam(learning_rate=0.005, beta2=0.99)'

A rule has ``init`` and ``update`` and goes where optax takes a ``GradientTransformation``. In a study it is written as
it is, or by its name in TOML.
"""

from __future__ import annotations

from fallline.contracts import Optimizer
from fallline.contracts.declaring import declared_components, find_component
from fallline.optimizers.adadelta import adadelta
from fallline.optimizers.adagrad import adagrad
from fallline.optimizers.adam import adam, adam_inside
from fallline.optimizers.adam_family import adabelief, adam_paper, adamax, adamw, amsgrad, nadam, radam, yogi
from fallline.optimizers.adan import adan
from fallline.optimizers.ftrl import ftrl
from fallline.optimizers.gradient import gradient_descent, momentum, nesterov, sgd_plus
from fallline.optimizers.layerwise import lamb, lars, novograd
from fallline.optimizers.proximal import proximal_adagrad, proximal_gradient_descent
from fallline.optimizers.rmsprop import rmsprop
from fallline.optimizers.rprop import rprop
from fallline.optimizers.sign_based import lion, sign_sgd, signum
from fallline.optimizers.torch_forms import (
    torch_adadelta,
    torch_adagrad,
    torch_adam,
    torch_adamw,
    torch_nadam,
    torch_rmsprop,
    torch_sgd,
)

__all__ = [
    "adabelief",
    "adadelta",
    "adagrad",
    "adam",
    "adam_inside",
    "adam_paper",
    "adamax",
    "adamw",
    "adan",
    "amsgrad",
    "builtin_optimizers",
    "find_optimizer",
    "ftrl",
    "gradient_descent",
    "lamb",
    "lars",
    "lion",
    "momentum",
    "nadam",
    "nesterov",
    "novograd",
    "proximal_adagrad",
    "proximal_gradient_descent",
    "radam",
    "rmsprop",
    "rprop",
    "sgd_plus",
    "sign_sgd",
    "signum",
    "torch_adadelta",
    "torch_adagrad",
    "torch_adam",
    "torch_adamw",
    "torch_nadam",
    "torch_rmsprop",
    "torch_sgd",
    "yogi",
]


def builtin_optimizers() -> dict[str, Optimizer]:
    """Every optimizer by name."""
    return declared_components(__name__, Optimizer)


def find_optimizer(name: str, where: str = "") -> Optimizer:
    """The optimizer of that name, ``adam`` or ``adam(beta1=0.8)``; UnknownName with similar names where there is none.

    ``torch.adam`` is ``torch_adam``. ``where`` is the place in a study that an error names.
    """
    inner = name.removeprefix("torch.")
    return find_component(__name__, Optimizer, name if inner == name else f"torch_{inner}", where)
