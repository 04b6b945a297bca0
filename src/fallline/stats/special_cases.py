"""Rules that contain others, and at which numbers: one that loses to its own special case was not tuned enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class SpecialCase(NamedTuple):
    """``general`` with these ``hyperparameters`` is ``special`` at the same learning rate, step for step; what both
    take beside them is the same."""

    general: str
    special: str
    hyperparameters: Mapping[str, float]

    @property
    def reason(self) -> str:
        """The numbers, for a sentence: "momentum 0"."""
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
"""Only what is exact, with numbers that the rules' laws allow, from any weights. FTRL is Adagrad from weights of zero
alone. RMSProp and Adam approach momentum as epsilon grows (Choi et al., On empirical comparisons of optimizers, 2019):
a limit that no usual range holds, so nobody is blamed for it."""


def special_cases(general: str) -> list[SpecialCase]:
    """The rules that ``general`` contains."""
    return [case for case in SPECIAL_CASES if case.general == general]
