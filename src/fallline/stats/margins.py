"""How far two arms may be apart and still be as good as each other, metric by metric."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from fallline.contracts import MetricName

POINTS = 0.005
"""The margin of what is counted in shares of the examples: half a percentage point."""

SHARE = 0.05
"""The margin of losses, steps and all else: 5 % of the best arm's figure."""

_SHARES = re.compile(r"(^|_)(accuracy|precision|recall|sensitivity|specificity|f1|auc|dice|jaccard|error_rate)($|_)")


def margin(column: str, best: float, own: Mapping[str, float] | None = None) -> float | None:
    """The margin of a result ``column`` whose best arm has the figure ``best``; None where that is 0 or no number.

    ``own`` are those of the study, by the metric's name with its split ("validation_accuracy") or without
    ("accuracy"), in units of the metric.
    """
    name = MetricName.parse(column)
    bare = str(replace(name, statistic="", split=""))
    for key in (column, str(name.curve), bare):
        if own and key in own:
            return own[key]
    if _SHARES.search(bare):
        return POINTS
    return SHARE * abs(best) if math.isfinite(best) and best else None
