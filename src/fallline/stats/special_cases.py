"""Optimizers that contain others as special cases: one that is worse than its special case was not tuned enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class SpecialCase(NamedTuple):
    """``general`` with these ``hyperparameters`` equals ``special`` at the same learning rate in every step; all other
    hyperparameters of both are the same."""

    general: str
    special: str
    hyperparameters: Mapping[str, float]

    @property
    def reason(self) -> str:
        """The hyperparameters in words: "momentum 0"."""
        return " and ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in self.hyperparameters.items())


SPECIAL_CASES = (
    SpecialCase("momentum", "gradient_descent", {"momentum": 0.0}),
    SpecialCase("sgd_plus", "gradient_descent", {"momentum": 0.0}),
    SpecialCase("nesterov", "gradient_descent", {"momentum": 0.0}),
    SpecialCase("proximal_gradient_descent", "gradient_descent", {"l1": 0.0, "l2": 0.0}),
    SpecialCase("proximal_adagrad", "adagrad", {"l1": 0.0, "l2": 0.0}),
    SpecialCase("adamw", "adam_paper", {"weight_decay": 0.0}),
    SpecialCase("signum", "sign_sgd", {"momentum": 0.0}),
    SpecialCase("lion", "sign_sgd", {"beta1": 0.0, "weight_decay": 0.0}),
)
"""Only exact special cases, within the valid hyperparameters and from any initial weights. FTRL equals Adagrad only
from weights of zero. RMSProp and Adam approach momentum as epsilon grows (Choi et al., On empirical comparisons of
optimizers, 2019), a limit outside usual search ranges, so it is left out."""


def special_cases(general: str) -> list[SpecialCase]:
    """The special cases that ``general`` contains."""
    return [case for case in SPECIAL_CASES if case.general == general]
