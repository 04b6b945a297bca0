"""Statistics over a run's records: frames in, frames out. ``Analysis`` is the cached reading of one run."""

from fallline.stats.best_of import best_of
from fallline.stats.budget import budgets
from fallline.stats.columns import configurations, varying
from fallline.stats.filters import select_trials
from fallline.stats.metric import MetricView, comparable, curve_column, direction, label, primary
from fallline.stats.paired import Difference, paired
from fallline.stats.reported import reported
from fallline.stats.summary import summary

__all__ = [
    "Difference",
    "MetricView",
    "best_of",
    "budgets",
    "comparable",
    "configurations",
    "curve_column",
    "direction",
    "label",
    "paired",
    "primary",
    "reported",
    "select_trials",
    "summary",
    "varying",
]
