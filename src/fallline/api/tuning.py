"""``fallline.tune``: search the hyperparameters of each optimizer, and compare the best ones on fresh seeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fallline.api.requests import RunRequest, default_folder, put_aside
from fallline.api.result import Result, open_run
from fallline.errors import StudyError, UnknownName
from fallline.study import Study, load_study

if TYPE_CHECKING:
    from fallline.search.driver import SearchBudget
    from fallline.training.progress import Progress

OPTIMIZERS = ("adam", "momentum", "rmsprop", "lion")
"""What is compared where neither the call nor a study names optimizers."""

SECONDS = 60.0
"""The budget of a task without a study, unless the call names one."""

OF_TASK = "tune/"
"""Begins the name of a study that was made for a task."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def tune(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    optimizers: Sequence[str] = (),
    budget: str | float | None = None,
    preset: str | None = None,
    fresh: bool = False,
    data: str | Path | None = None,
    devices: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] | None = None,
    command: str = "",
) -> Result:
    """Search the hyperparameters of each optimizer of ``study`` with the same number of settings, and train the best of
    each on seeds that the search did not see; the result is that final run.

    ``study`` may also be the name of a task: then ``optimizers`` (adam, momentum, rmsprop and lion by default) are
    searched for ``budget``, a minute by default. The table [search] of a study says what is searched and how.
    ``budget`` is "10m" (s, m, h), a number of seconds, or "1e6-steps" in trial-steps; it replaces the number of
    brackets. ``out`` defaults to ``runs/NAME-tuned``; what it holds of the same search is continued, ``fresh`` renames
    it. StudyError and UnknownName say what cannot be searched.

    >>> result = fallline.tune("mnist-softmax", optimizers=["adam", "lion"], budget="30s")      # doctest: +SKIP
    """
    from fallline.api.running import train_here
    from fallline.search.driver import HyperparameterSearch, SearchBudget, search
    from fallline.training.shared import Shared

    chosen = study if isinstance(study, Study) else study_or_task(str(study))
    limit = parse_budget(budget)
    if limit is None and chosen.search is None and chosen.name.startswith(OF_TASK):
        limit = SearchBudget(seconds=SECONDS)
    chosen = chosen.preset(preset) if preset else chosen
    chosen = chosen.with_({"axes": {"optimizer": list(optimizers)}}) if optimizers else chosen
    folder = tuned_folder(chosen) if out is None else Path(out)
    state = HyperparameterSearch.of(chosen)
    request = RunRequest.of(
        state.first,
        folder,
        data=data,
        devices=devices,
        fresh=fresh,
        command=command,
        on_progress=on_progress,
        on_message=on_message,
    )
    put_aside(request)
    shared, rung = Shared(), replace(request, resume=True, fresh=False)

    def train(part: Study, where: Path) -> None:
        train_here(replace(rung, study=part, out=where, command=command if where == folder else ""), shared)

    search(state, folder, train, limit, on_message)
    return open_run(folder, request.reader)


def parse_budget(written: str | float | None) -> SearchBudget | None:
    """ "10m", "90s", "1h", 30.0 (seconds) or "1e6-steps" as a SearchBudget; StudyError for anything else."""
    from fallline.search.driver import SearchBudget

    if written is None:
        return None
    text = str(written).strip()
    steps = re.fullmatch(r"([\d.]+(?:e\d+)?)-steps", text)
    lasting = re.fullmatch(r"([\d.]+(?:e\d+)?)\s*([smh]?)", text)
    try:
        if steps and float(steps[1]) >= 1:
            return SearchBudget(trial_steps=int(float(steps[1])))
        if lasting and float(lasting[1]) > 0:
            return SearchBudget(seconds=float(lasting[1]) * _UNITS[lasting[2] or "s"])
    except ValueError:
        pass
    raise StudyError(f"a budget is a time (30s, 10m, 1h) or a number of trial-steps (1e6-steps), got {text[:40]!r}")


def tuned_folder(study: Study) -> Path:
    """Where a search is written when no folder is named: ``runs/NAME-tuned``."""
    return Path(f"{default_folder(study)}-tuned")


def study_or_task(name: str) -> Study:
    """The study of that name or file; else one for the task of that name."""
    try:
        return load_study(name)
    except UnknownName as failure:
        from fallline.tasks import builtin_tasks, find_task

        if failure.kind != "study":  # of what the study names
            raise
        if name not in builtin_tasks():
            raise UnknownName("study or task", name[:100], {*failure.known, *builtin_tasks()}) from None
        examples = (find_task(name).examples or {}).get("sample")
        base = {"steps": 400, "batch_size": "all" if examples is None or examples <= 100 else 100}
        return Study(
            name=f"{OF_TASK}{name}",
            task=name,
            title=f"{name}: optimizers at their best hyperparameters",
            question=f"Which optimizer trains {name} best, each at its best hyperparameters?",
            base=base,
            axes={"optimizer": list(OPTIMIZERS)},
        )
