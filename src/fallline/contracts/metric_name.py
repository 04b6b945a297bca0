"""The name of a recorded metric: which statistic of which metric on which split."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

SPLITS = ("train", "validation", "test")

_PATTERN = re.compile(
    r"(?:(?P<statistic>final|tail|min|best|(?:max|lowest|highest)(?=_(?:train|validation|test)_))_)?"
    r"(?:(?P<split>train|validation|test)_)?"
    r"(?P<metric>.+?)"
    r"(?:_at_(?P<at>0|[1-9]\d*))?"
    r"(?P<step>_step)?",
    re.DOTALL,
)


@dataclass(frozen=True)
class MetricName:
    """A column of the curves or of the trials, taken apart.

    ``metric`` is the task's own name for it ("loss", "macro_f1") or that of a watched scalar, ``split`` one of
    ``SPLITS`` or empty. ``statistic`` says which value of a curve a trial keeps: "final" (after the last step), "tail"
    (mean over the last steps), "min" or "best"; empty for the curve itself and for held-out splits after the last
    step. ``at`` is a logged step of the curve; with ``is_step_of`` the column holds the step at which the value was
    reached.

    >>> MetricName.parse("best_validation_macro_f1_step")
    MetricName(metric='macro_f1', split='validation', statistic='best', at=None, is_step_of=True)
    >>> str(MetricName("loss", "train", "final"))
    'final_train_loss'
    """

    metric: str
    split: str = ""
    statistic: str = ""
    at: int | None = None
    is_step_of: bool = False

    @classmethod
    def parse(cls, text: str) -> MetricName:
        """The parts of a column's name; ``str`` of them gives it back."""
        return _parsed(text)

    def __str__(self) -> str:
        parts = (self.statistic, self.split, self.metric, "" if self.at is None else f"at_{self.at}")
        return "_".join(part for part in (*parts, "step" if self.is_step_of else "") if part)

    @property
    def curve(self) -> MetricName:
        """The column of the curves that the value was read from."""
        return replace(self, statistic="")

    @property
    def after_training(self) -> MetricName:
        """The column of the trials that holds a curve's last value: of the training split it is named ``final``."""
        plain = self.split == "train" and not self.statistic and self.at is None and not self.is_step_of
        return replace(self, statistic="final") if plain else self

    def on(self, split: str) -> MetricName:
        """The same on another split."""
        return replace(self, split=split)

    @property
    def is_loss(self) -> bool:
        """Whether it is a value of the loss itself, so that its meaning changes with the kind of loss."""
        own = self.metric == "loss" and bool(self.split or self.statistic)
        return not self.is_step_of and (own or self.metric.endswith("_loss"))

    @property
    def is_result(self) -> bool:
        """Whether it is a result of training, by its split or statistic; a recipe's column has neither."""
        return bool(self.split or self.statistic)

    @property
    def is_step(self) -> bool:
        """Whether the column holds steps instead of values of a metric."""
        return self.is_step_of or self.metric == "steps_to_target"


@lru_cache(maxsize=4096)
def _parsed(text: str) -> MetricName:
    match = _PATTERN.fullmatch(text)
    if match is None:  # the empty text
        return MetricName(text)
    at = match["at"]
    return MetricName(
        match["metric"],
        match["split"] or "",
        match["statistic"] or "",
        None if at is None else int(at),
        match["step"] is not None,
    )
