"""The hyperparameters that every recipe may have: of schedules, of regularisation and of early stopping."""

from __future__ import annotations

from fallline import regularisation, stopping
from fallline.contracts import Hyperparameter
from fallline.contracts.hyperparameters import Value
from fallline.schedules.scaling import RATE_HYPERPARAMETERS

COMMON: tuple[Hyperparameter, ...] = (*RATE_HYPERPARAMETERS, *regularisation.HYPERPARAMETERS, *stopping.HYPERPARAMETERS)

SWITCHES: tuple[Hyperparameter, ...] = (
    *regularisation.HYPERPARAMETERS,
    *(hyperparameter for hyperparameter in stopping.HYPERPARAMETERS if hyperparameter.optional),
    *(hyperparameter for hyperparameter in RATE_HYPERPARAMETERS if hyperparameter.optional),
)
"""Those whose default switches something off: a null in their column means off. The others only matter beside one."""

_IN_THE_FIRST_RECORDS = {
    "warmup_steps",
    "warmup_epochs",
    "warmup_from",
    "workers",
    "l1_penalty",
    "l2_penalty",
    "weight_decay",
    "clip_norm",
    "ema_decay",
    "early_stop",
    "early_stop_change",
}

ADDED_LATER: dict[str, Value] = {
    hyperparameter.name: hyperparameter.default
    for hyperparameter in COMMON
    if hyperparameter.name not in _IN_THE_FIRST_RECORDS
}
"""Left out of a trial's canonical form at the default, so that the trials of earlier records keep their names."""
