"""The held-out test set chooses nothing: whatever would use it to choose is refused with the reason."""

from __future__ import annotations

import re

from fallline.contracts.metric_name import MetricName
from fallline.errors import StudyError

REASON = (
    "a figure that was chosen on test looks better than it is, and then no split is left that could tell by how much"
)

EPOCH = "choose an epoch"
FOLLOWING = {
    "stopping": "choose where to stop",
    "curves": EPOCH,
    "tuning": "choose what is tuned",
    "sensitivity": "choose the learning rate",
}
"""Kinds of figures by which a reader chooses something, and what."""


def best_on_test(metric: str | None) -> bool:
    """Whether the metric is a best value over the epochs, or its step, on the test split."""
    return on_test(metric) and MetricName.parse(metric or "").statistic not in ("", "final", "tail")


def on_test(metric: str | None) -> bool:
    """Whether the metric is read on the test split, after the last step or, if that were possible, before."""
    return metric is not None and MetricName.parse(metric).split == "test"


def twin(metric: str) -> str:
    """The same on the validation split."""
    return str(MetricName.parse(metric).on("validation"))


def refusal(metric: str, what: str) -> str:
    """Why ``metric`` cannot do ``what`` ("choose an epoch"), and what to write instead."""
    kept = MetricName(MetricName.parse(metric).metric, "test")
    return (
        f"{metric} would {what} on the test split: {REASON}. Write {twin(metric)} to {what} on validation; "
        f"{kept} is read once, after the last step, for what was chosen"
    )


def refuse_test(metric: str | None, what: str, where: str = "") -> None:
    """StudyError where ``metric`` is one of the test set; ``what`` it would do there: "choose the learning rate"."""
    if metric is not None and on_test(metric):
        raise StudyError(refusal(metric, what) + (f" ({where})" if where else ""))


def asked_in_training(name: object, value: object) -> str:
    """Why there is no such field, where an unknown one would evaluate the test set during training; else nothing."""
    values = value if isinstance(value, (list, tuple)) else [value]
    texts = [str(name), *(text for text in values if isinstance(text, str))]
    if not any(re.search(r"(^|_)test(_|$)", text) for text in texts):
        return ""
    return (
        f"no {name}: the test split is evaluated once, after the last step, and never while training; {REASON}. "
        f"Leave {name} out: validation is evaluated every evaluate_every steps, and stops with early_stop"
    )
