"""The command of a run with changes: what to type to widen its ranges or to add seeds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fallline.report import formatting
from fallline.stats.columns import from_the_start
from fallline.stats.search import RATE, RangeEdge
from fallline.store import Run
from fallline.study.formatting import exact

_OPTIONS = ("seeds",)
"""Settings with an option of their own."""


def again(run: Run, settings: Mapping[str, Any]) -> str:
    """The command that continues the run with these settings of its study; where no command made it, what to set."""
    command = str(run.environments[-1].get("command") or "") if run.environments else ""
    typed = " ".join(_typed(name, value) for name, value in settings.items())
    if not command.startswith("fallline run "):
        named = " and ".join(f"{name} = {value}" for name, value in settings.items() if name in _OPTIONS)
        return f"run again with {' and '.join(filter(None, ['resume', named or typed]))}; only what is new is trained."
    resume = "" if "--resume" in command else "--resume"
    written = " ".join(filter(None, [_without(command, set(settings)), resume, typed]))
    return f"{written}. Only what is new is trained."


def to_finish(run: Run) -> str:
    """How many trials of the run are missing, and the command that trains them; empty where none are."""
    missing, every = len(run.missing), len(run.planned)
    return (
        f"The run is not finished: {formatting.count(missing)} of its {formatting.plural(every, 'block')} of trials "
        f"{'is' if missing == 1 else 'are'} not trained yet, which may change this: {again(run, {})}"
        if missing
        else ""
    )


def wider(run: Run, at: Sequence[tuple[Any, RangeEdge]]) -> str:
    """The command that extends the learning rates of the study beyond these edges, by optimizer; empty where
    learning rates are no axis.
    """
    axes = run.study.axes
    settings = {}
    if isinstance(axes.get(RATE), list):
        values = {float(value) for _, border in at for value in (*border.wider, *axes[RATE])}
        settings[f"axes.{RATE}"] = _list(values)
    for name, border in at:
        own = axes.get(name) if isinstance(name, str) else None
        if isinstance(own, dict) and RATE in own:
            settings[f"axes.{name}.{RATE}"] = _list(border.wider)
    return again(run, settings) if settings else ""


def at_rates(run: Run, tried: Iterable[float]) -> str:
    """What to do where each recipe ran at one learning rate: "train each at several learning rates", with the command
    where all had the same one and the study is not a list of recipes."""
    study, rates = run.study, sorted(set(tried))
    if len(rates) != 1 or not rates[0] > 0:
        return "train each at several learning rates."
    values = [float(f"{rates[0] * factor:.1g}") for factor in (10, 3, 0.3, 0.1)] + rates
    if study.points or study.zip or any(RATE in own for own in study.axes.values() if isinstance(own, dict)):
        said = formatting.listed([formatting.setting(value) for value in sorted(values, reverse=True)])
        return f"train each at several learning rates, such as {said}."
    return f"train each at several learning rates: {again(run, {f'axes.{RATE}': _list(values)})}"


SCALE = (
    "check the scale of the data and of the initial weights: the first loss is not finite where inputs or "
    "targets exceed about 1e19, or where a logarithm or root has an argument that is not positive. Standardise "
    "them (prepare of the task, or scale of a table)."
)
"""What to do where the loss was not finite before the first update."""


NO_NUMBER = "Check what the metric divides by, and the arguments of its logarithms and roots."
"""What to do where no finished trial has a value."""


def smaller_rates(run: Run) -> str:
    """What to do where every trial diverged: "try smaller learning rates", with the command where they are an axis.
    Where no loss was finite before the first update, the data should be checked: no learning rate had been used."""
    trials = run.trials
    if from_the_start(trials):
        return SCALE
    tried = trials[RATE].drop_nulls() if RATE in trials.columns else []
    if not len(tried) or not min(tried) > 0:
        return "try smaller learning rates."
    values = [float(f"{min(tried) * factor:.1g}") for factor in (0.1, 0.01, 0.001)]
    if isinstance(run.study.axes.get(RATE), list):
        return "try smaller learning rates: " + again(
            run, {f"axes.{RATE}": _list([*values, *map(float, run.study.axes[RATE])])}
        )
    said = formatting.listed([formatting.setting(value) for value in values])
    return f"try learning rates smaller than {formatting.setting(min(tried))}, such as {said}."


def _list(values: Iterable[float]) -> str:
    return "[" + ", ".join(exact(value) for value in sorted(values, reverse=True)) + "]"


def _typed(name: str, value: Any) -> str:
    return f"--{name} {value}" if name in _OPTIONS else f"--set '{name}={value}'"


def _without(command: str, names: set[str]) -> str:
    """The command without the options that set these names, ``--set NAME=...``, ``--NAME ...`` and ``--NAME=...``,
    and without ``--fresh``."""
    written, kept, place = shlex.split(command), [], 0
    while place < len(written):
        word, value = written[place], written[place + 1] if place + 1 < len(written) else ""
        if (word == "--set" and value.partition("=")[0] in names) or (word[2:] in names and word.startswith("--")):
            place += 2
        elif word.startswith("--") and word[2:].partition("=")[0] in names:
            place += 1
        else:
            kept += [word] * (word != "--fresh")  # which would put aside what is to be continued
            place += 1
    return shlex.join(kept)
