"""The search itself: brackets of rungs, each rung a study, then the best of each optimizer on fresh seeds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fallline.contracts import Optimizer
from fallline.errors import StudyError
from fallline.search.halving import Rung, rungs_of, survivors
from fallline.search.optuna_sampler import PREFIX, OptunaSampler
from fallline.search.records import SearchRecord
from fallline.search.samplers import Seen, ask
from fallline.search.space import Space, space_of
from fallline.stats import primary
from fallline.store import Run
from fallline.study import Study
from fallline.study.recipe_fields import BUDGETS, FIELD_NAMES
from fallline.study.resolve import resolve
from fallline.study.search_table import SearchTable

Train = Callable[[Study, Path], object]

FRESH = 1_000
"""The first seed of the final comparison: far from those of the search, which are 0, 1, ..."""

RESERVED = 0.25
"""The share of a budget that is left for the final comparison."""

REPLACED = ("axes", "zip", "points", "claims", "reported", "presets", "figures", "target", "scale", "marks")
"""Fields of a study that the studies of its search do not have: recipes of their own, and what is said about others."""


@dataclass(frozen=True)
class SearchBudget:
    """What a search may take; None: no limit. The study's number of brackets is then no limit either."""

    seconds: float | None = None
    trial_steps: int | None = None


@dataclass
class HyperparameterSearch:
    """A search in progress. ``first`` is the study with the first of its values, ``written`` how it names optimizers.

    ``outside`` has the samplers of Optuna where [search] names one, ``seen`` what each optimizer's settings reached, by
    their place in the unit cube, ``rows`` the same as a table; ``what`` is the metric in words, ``up`` whether more of
    it is better.
    """

    study: Study
    table: SearchTable
    first: Study
    spaces: dict[str, Space]
    written: dict[str, Any]
    rungs: tuple[Rung, ...]
    outside: dict[str, OptunaSampler] = field(default_factory=dict)
    seen: dict[str, dict[bytes, Seen]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    up: bool = False
    what: str = ""

    @classmethod
    def of(cls, study: Study) -> HyperparameterSearch:
        """The search that [search] of ``study`` asks for; StudyError or UnknownName where there can be none."""
        if study.folds:
            raise StudyError(f"{study.name}: a search has no folds; leave folds out and give it a validation set")
        table = study.search or SearchTable()
        written = study.axes.get("optimizer", study.base.get("optimizer", "adam"))
        written = list(written) if isinstance(written, (list, tuple)) else [written]
        optimizers = [resolve(Optimizer, entry, study.folder, "optimizers of the search") for entry in written]
        fields = {name: values for name in study.axes if len(values := _choices(study, name)) > 1}
        first = _first_setting(study, written[0], optimizers[0])
        steps = max(trial.recipe.steps for trial in first.trials())
        names = [optimizer.name for optimizer in optimizers]
        spaces = {optimizer.name: space_of(optimizer, table.space, fields) for optimizer in optimizers}
        return cls(
            study,
            table,
            first,
            spaces,
            dict(zip(names, written, strict=True)),
            rungs_of(table, steps),
            _outside(table, spaces),
            {name: {} for name in names},
        )

    @property
    def trial_steps(self) -> int:
        """Trial-steps of one bracket."""
        return len(self.spaces) * sum(rung.steps * rung.seeds * rung.settings for rung in self.rungs)

    def ask(self, bracket: int) -> dict[str, np.ndarray]:
        """The points of the unit cube that a bracket tries of each optimizer."""
        if self.outside:
            return {name: sampler.ask(self.table.settings) for name, sampler in self.outside.items()}
        return {
            name: ask(
                self.table.sampler,
                space,
                list(self.seen[name].values()),
                self.table.settings,
                self.table.seed + 7919 * bracket + place,
            )
            for place, (name, space) in enumerate(self.spaces.items())
        }

    def study_of(self, settings: list[dict[str, Any]], steps: int, seeds: list[int], **fields: Any) -> Study:
        """A study that trains these settings for ``steps``."""
        base = {
            name: value
            for name, value in self.study.base.items()
            if name not in (*BUDGETS, "optimizer") and name not in self.study.axes
        }
        points = [setting | {"optimizer": self.written[setting["optimizer"]]} for setting in settings]
        return Study(
            **{**_kept(self.study), "base": base | {"steps": steps}, "points": points, "seeds": seeds, **fields}
        )

    def train_bracket(self, bracket: int, record: SearchRecord, train: Train) -> None:
        """Train the rungs of a bracket, and note what each setting reached."""
        points = self.ask(bracket)
        record.asked(bracket, points)
        alive = [(name, unit) for name, units in points.items() for unit in np.asarray(record.brackets[bracket][name])]
        for place, rung in enumerate(self.rungs):
            alive = self._different(alive)
            settings = [self.spaces[name].setting(unit) for name, unit in alive]
            study = self.study_of(
                settings,
                rung.steps,
                list(range(rung.seeds)),
                evaluate_every=rung.steps,
                keep_weights="none",
                search=None,
            )
            folder = record.rung(bracket, place)
            train(study, folder)
            values = self._values(study, folder, len(settings))
            self._note(bracket, place, rung, alive, settings, values)
            alive = self._go_on(alive, values, place)
            if not alive:
                break
        for name, sampler in self.outside.items():
            units = np.asarray(record.brackets[bracket][name])
            sampler.tell([self.seen[name].get(unit.tobytes()) for unit in units], [rung.steps for rung in self.rungs])

    def _values(self, study: Study, folder: Path, count: int) -> list[float]:
        """The value of each setting, larger is better: the mean over its seeds, -inf where one has none."""
        run = Run(folder)
        metric = primary(run)
        self.up, self.what = metric.up, metric.label
        known = dict(zip(run.trials["trial"], run.trials[metric.column], strict=True))
        names = [trial.name for trial in study.trials()]
        seeds = len(names) // count
        sign = 1.0 if metric.up else -1.0
        values = []
        for place in range(count):
            own = [known.get(name) for name in names[place * seeds : (place + 1) * seeds]]
            finite = all(value is not None and np.isfinite(value) for value in own)
            values.append(sign * float(np.mean(own)) if finite else -np.inf)
        return values

    def _different(self, alive: list[tuple[str, np.ndarray]]) -> list[tuple[str, np.ndarray]]:
        """Those whose settings differ once they are rounded."""
        first: dict[str, tuple[str, np.ndarray]] = {}
        for name, unit in alive:
            first.setdefault(repr(self.spaces[name].setting(unit)), (name, unit))
        return list(first.values())

    def _note(
        self,
        bracket: int,
        place: int,
        rung: Rung,
        alive: list[tuple[str, np.ndarray]],
        settings: list[dict[str, Any]],
        values: list[float],
    ) -> None:
        sign = 1.0 if self.up else -1.0
        for (name, unit), setting, value in zip(alive, settings, values, strict=True):
            self.seen[name].pop(unit.tobytes(), None)  # what reached a later rung comes last
            self.seen[name][unit.tobytes()] = Seen(unit, place, value)
            self.rows.append(
                {
                    "bracket": bracket + 1,
                    "rung": place + 1,
                    "steps": rung.steps,
                    "seeds": rung.seeds,
                    "trial_steps": rung.steps * rung.seeds,
                    **setting,
                    "value": sign * value if np.isfinite(value) else None,
                }
            )

    def _go_on(
        self, alive: list[tuple[str, np.ndarray]], values: list[float], place: int
    ) -> list[tuple[str, np.ndarray]]:
        """Of each optimizer those that advance to the next rung."""
        if place + 1 == len(self.rungs):
            return []
        kept = []
        for name in self.spaces:
            own = [number for number, (owner, _) in enumerate(alive) if owner == name]
            best = survivors([values[number] for number in own], self.rungs[place + 1].settings)
            kept += [alive[own[number]] for number in best]
        return kept

    def best(self) -> list[dict[str, Any]]:
        """The best setting of each optimizer: the one with the best value on the last rung that any reached."""
        found = []
        for name, seen in self.seen.items():
            finished = [setting for setting in seen.values() if np.isfinite(setting.value)]
            if finished:
                top = max(finished, key=lambda one: (one.rung, one.value))
                found.append(self.spaces[name].setting(top.unit))
        return found


def search(
    state: HyperparameterSearch,
    out: Path,
    train: Train,
    budget: SearchBudget | None = None,
    on_message: Callable[[str], None] | None = None,
) -> Path:
    """Search as ``state`` says and train the best of each optimizer on fresh seeds; the folder ``out``.

    ``train(study, folder)`` trains what the folder has no records of yet. A search that was stopped continues: what it
    asks follows from its records alone. Without a ``budget`` it has the brackets of its table [search], else as many as
    fit, those that were trained before included; a larger one adds brackets. StudyError where every setting diverged.
    """
    tell = on_message or (lambda line: None)
    study, limit = state.study, budget or SearchBudget()
    record = SearchRecord.of(out, study.hash)
    bracket = 0
    while bracket < len(record.seconds) or _goes_on(state, record, limit):
        started = time.monotonic()
        state.train_bracket(bracket, record, train)
        record.write_rows(state.rows)
        record.trained(bracket, time.monotonic() - started)
        bracket += 1
        tell(_said(state, bracket))
    best = state.best()
    if not best:
        raise StudyError(f"{study.name}: every setting diverged; search smaller learning rates ([search.space])")
    seeds = list(range(FRESH, FRESH + state.table.final_seeds))
    tell(f"training the best setting of each optimizer on {len(seeds)} fresh seeds")
    train(state.study_of(best, state.rungs[-1].steps, seeds, search=state.table), out)
    return out


def _goes_on(state: HyperparameterSearch, record: SearchRecord, limit: SearchBudget) -> bool:
    """Whether another bracket fits, after those in ``record``; the first one always does."""
    count = len(record.seconds)
    if limit == SearchBudget():
        return count < state.table.brackets
    if count == 0:
        return True
    for left, used, another in (
        (limit.seconds, sum(record.seconds), record.seconds[-1]),
        (limit.trial_steps, count * state.trial_steps, state.trial_steps),
    ):
        if left is not None and used + another > (1 - RESERVED) * left:
            return False
    return True


def _said(state: HyperparameterSearch, brackets: int) -> str:
    """The best setting so far, in a line."""
    last = len(state.rungs) - 1
    reached = [
        (setting.value, name) for name, seen in state.seen.items() for setting in seen.values() if setting.rung == last
    ]
    value, name = max(reached, default=(-np.inf, ""))
    if not np.isfinite(value):
        return f"bracket {brackets}: every setting diverged before the last rung"
    return f"bracket {brackets}: best so far {name}, {state.what} {value if state.up else -value:.4g}"


def _outside(table: SearchTable, spaces: dict[str, Space]) -> dict[str, OptunaSampler]:
    """The sampler of Optuna of each optimizer, where the table names one."""
    if not table.sampler.startswith(PREFIX):
        return {}
    name = table.sampler.removeprefix(PREFIX)
    return {
        optimizer: OptunaSampler(name, space, table.seed + place)
        for place, (optimizer, space) in enumerate(spaces.items())
    }


def _kept(study: Study) -> dict[str, Any]:
    """The fields of a study that those of its search share with it."""
    return {name: getattr(study, name) for name in study.model_fields_set if name not in REPLACED}


def _choices(study: Study, name: str) -> list[Any]:
    """The values of an axis that is a field of the recipe; hyperparameters of optimizers have ranges instead."""
    values = study.axes[name]
    if name in ("loss", "schedule", "task") and isinstance(values, list) and len(values) > 1:
        raise StudyError(
            f"{study.name}: a search compares settings by one metric, and the axis {name} has {len(values)} values; "
            f"write one of them in [base]"
        )
    return list(values) if name in FIELD_NAMES and name not in BUDGETS and isinstance(values, list) else []


def _first_setting(study: Study, written: Any, optimizer: Optimizer) -> Study:
    """The study with its first optimizer and the first value of each axis: what can be checked, and has its steps."""
    known = {hyperparameter.name for hyperparameter in optimizer.hyperparameters}
    base = dict(study.base) | {"optimizer": written}
    if "learning_rate" in known:
        base.setdefault("learning_rate", 0.01)
    else:
        base.pop("learning_rate", None)
    axes = {
        name: values[:1] if isinstance(values, list) else values
        for name, values in study.axes.items()
        if name in known or name in FIELD_NAMES or name in ("loss", "schedule")
    }
    return Study(**{**_kept(study), "base": base, "axes": axes, "seeds": 1, "search": None})
