"""Measuring all counts of devices of a study, each in processes of its own, into a folder of plain files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from fallline.batching import BatchStream
from fallline.engine import processes
from fallline.errors import FalllineError, ProcessError, StoreError, StudyError
from fallline.scaling.epochs import MOST_EPOCHS, EpochTime
from fallline.scaling.folder import ScaleFolder
from fallline.scaling.group import measured
from fallline.scaling.points import ROWS
from fallline.scaling.wanted import REDUCE, default_sizes, wanted
from fallline.store.paths import RunPaths
from fallline.study import Study, Trial
from fallline.study.device_counts import DeviceCount, parse_counts
from fallline.study.recipe_fields import SETTINGS
from fallline.study.toml import dump_study, parse_study
from fallline.study.trial import digest

REPEATS, SECONDS = 3, 0.4
"""How often each program is timed, and for about how long each time."""

MOST_PACES = 12


@dataclass(frozen=True)
class ScaleRequest:
    """What is measured: counts of devices, batch sizes (none: from the study), repeats, seconds each."""

    counts: tuple[DeviceCount, ...]
    sizes: tuple[int, ...]
    repeats: int
    seconds: float

    @classmethod
    def of(
        cls,
        study: Study,
        devices: Any = None,
        batch_sizes: Sequence[int] | None = None,
        repeats: int | None = None,
        seconds: float | None = None,
    ) -> ScaleRequest:
        """What is asked for by argument, else by the study's table [scale], else 1, 2 and 4 devices."""
        own = study.scale
        counts = parse_counts(devices if devices is not None else own.devices if own else [1, 2, 4])
        sizes = list(batch_sizes or (own.batch_sizes if own else []) or [])
        for size in sizes:
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise StudyError(f"a batch size to measure is a whole number >= 1, got {size!r}")
        repeats = repeats if repeats is not None else (own.repeats if own else REPEATS)
        seconds = seconds if seconds is not None else (own.seconds if own else SECONDS)
        if repeats < 1 or not 0 < seconds <= 600:
            raise StudyError(f"repeats must be >= 1 and seconds lie in (0, 600], got {repeats} and {seconds:g}")
        return cls(tuple(counts), tuple(sorted(set(sizes))), repeats, seconds)


def measure_scaling(
    study: Study,
    out: Path,
    asked: ScaleRequest,
    data: Path | None = None,
    on_message: Callable[[str], None] | None = None,
    follow: Callable[[str], None] | None = None,
    command: str = "",
    of_a_run: bool = False,
) -> Path:
    """Measure what of ``asked`` the folder ``out`` does not have yet; the folder.

    ``on_message`` hears a line a count, ``follow`` one a program. ``of_a_run``: the measurement is a part of a run,
    which is not stopped by it: what the folder has of another study is measured anew, and counts of more devices than
    there are are left out.

    Where this process is one of several (FALLLINE_PROCESSES), all of them call this, and counts of as many hosts are
    measured by the processes themselves; the first one writes.
    """
    trial = study.trials()[0]
    _check_written(study, trial)
    examples = _examples(trial, study)
    sizes = _sizes(study, trial, asked, examples)
    folder, on_message, follow = ScaleFolder(out), on_message or _nobody, follow or _nobody
    known, facts = _known(folder, study, trial, sizes, of_a_run)
    joined = processes.count()
    for count in asked.counts:
        if joined > 1 and count.hosts != joined:
            continue
        programs = _missing(known, count, asked.counts, sizes)
        there = facts.get("available")
        if not programs or (of_a_run and there is not None and count.total > there):
            continue
        request = {
            "study": dump_study(study),
            "name": study.name,
            "command": command,
            "home": None if study.folder is None else str(study.folder),
            "data": data and str(data),
            "most": count.total if of_a_run else max(one.total for one in asked.counts),
            "count": {"count": count.text, "hosts": count.hosts, "devices": count.total},
            "programs": programs,
            "repeats": asked.repeats,
            "seconds": asked.seconds,
        }
        on_message(f"{count.in_words}: timing {len(programs)} programs, {asked.repeats} times each")
        answer = measured(request, count, lambda line, said=count.in_words: follow(f"{said}: {line}"))
        if answer is None:
            continue  # another process of the group writes
        known = pl.concat([known, pl.DataFrame(answer["rows"], schema=ROWS)])
        facts = {
            "study": study.name,
            "identity": _identity(trial),
            "data": study.data_size,
            "sizes": list(sizes),
            "examples": examples,
            "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "environments": [*facts.get("environments", []), answer["environment"]],
        } | answer["facts"]
        folder.write(study, facts | {"paces": [_plain(pace) for pace in paces(study)]}, known)
    if not facts:
        raise StudyError("nothing was measured: one device comes first, on one host (FALLLINE_PROCESSES unset)")
    return out


def measure_for_run(
    study: Study, out: Path, data: Path | None, on_message: Callable[[str], None] | None, command: str
) -> None:
    """What more devices buy, into the run folder ``out`` of a study that asks: before training, while this process
    holds no device yet.

    A process that breaks is told of, and the study is trained all the same. One of several processes measures nothing.
    """
    if processes.count() > 1:
        return
    try:
        measure_scaling(
            study, RunPaths(out).scaling, ScaleRequest.of(study), data, on_message, command=command, of_a_run=True
        )
    except ProcessError as failure:
        (on_message or _nobody)(f"what more devices buy was not measured: {failure}")


def _nobody(line: str) -> None:
    """Who hears nothing."""


def _identity(trial: Trial) -> str:
    """What the times are of: the same for studies whose steps cost the same."""
    canonical = trial.canonical
    kept = {"task", "data", "optimizer", "loss", *(field.name for field in SETTINGS if field.splits)}
    return digest(
        {name: canonical[name] for name in kept if name in canonical} | {"subset": trial.recipe.batches.subset}
    )


def _known(
    folder: ScaleFolder, study: Study, trial: Trial, sizes: Sequence[int], anew: bool
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """What the folder has, rows and facts; of something else nothing, or StoreError."""
    if not folder.exists:
        return pl.DataFrame(schema=ROWS), {}
    facts, points = folder.read_facts(), folder.read_points()
    if facts.get("identity") == _identity(trial) and facts["sizes"] == list(sizes):
        return points.rows, facts
    if anew:
        return pl.DataFrame(schema=ROWS), {}
    raise StoreError(
        f"{folder.root} holds the scaling of another study than {study.name}, or of other batch sizes; "
        "give this one a folder of its own with --out"
    )


def _missing(
    known: pl.DataFrame, count: DeviceCount, counts: Sequence[DeviceCount], sizes: Sequence[int]
) -> list[dict[str, Any]]:
    """The programs of a count without a time yet."""
    done = set(known.filter(count=count.text).select("what", "width").iter_rows())
    found = [program.plain for program in wanted(count, counts, sizes) if (program.what, program.width) not in done]
    if count.total > 1 and not any(what == REDUCE for what, _ in done):
        found.append({"what": REDUCE, "batch": 0, "width": 0})
    return found


def _examples(trial: Trial, study: Study) -> int:
    known = trial.task.examples.get(study.data_size)
    if known is None:
        raise StudyError(
            f"task {trial.task.name} does not say how many examples to train on its {study.data_size} data "
            f"has, so an epoch has no steps to time; give Task(..., examples={{{study.data_size!r}: n}})"
        )
    left = known if trial.cut is None else trial.cut.left(known)
    return left if trial.recipe.batches.subset is None else trial.recipe.batches.subset


def _sizes(study: Study, trial: Trial, asked: ScaleRequest, examples: int) -> tuple[int, ...]:
    """The batch sizes to measure; StudyError for one that is larger than the data, or not to be shared evenly."""
    if not asked.sizes:
        seen = {size for pace in paces(study) for size, _ in pace.epochs}
        most = max(one.total for one in asked.counts)
        return tuple(sorted({max(size, min(most, examples)) for size in default_sizes(seen, examples)}))
    for size in asked.sizes:
        if size > examples:
            raise StudyError(f"a batch of {size:,} is larger than the data: {examples:,} examples to train on")
        if trial.task.model.state is not None:
            for count in asked.counts:
                if size % count.total:
                    raise StudyError(
                        f"a batch of {size} cannot be shared evenly by {count.total} devices, and a "
                        "model with a state (batch normalisation, say) has none filled up; give sizes "
                        "that divide"
                    )
    return asked.sizes


def paces(study: Study) -> list[EpochTime]:
    """The different batch sizes of the study's trials with the fewest workers, each with the epochs of its longest
    budget."""
    trials = study.trials()
    least = min(_workers(trial) for trial in trials)
    found: dict[tuple[Any, int], EpochTime] = {}
    for trial in trials:
        batches, steps = trial.recipe.batches, trial.recipe.steps
        if _workers(trial) != least or (batches, steps) in found or len(found) >= MOST_PACES:
            continue
        stream = BatchStream(batches, _examples(trial, study), seed=0)
        whole = float(stream.position([steps])[0])
        text = "all" if batches.size is None else str(batches.size)
        found[batches, steps] = EpochTime(text, tuple(_epochs(stream, steps, whole)), whole)
    longest = sorted(found.values(), key=lambda pace: -pace.whole)
    return [
        next(pace for pace in longest if pace.batch == batch)
        for batch in dict.fromkeys(pace.batch for pace in found.values())
    ]


def _epochs(stream: BatchStream, steps: int, whole: float) -> list[tuple[int, float]]:
    """The size of a batch and the steps of each epoch; of epochs that are all alike one."""
    if not isinstance(stream.policy.size, str):
        return [(int(stream.sizes(0, 1)[0]), steps / whole)]
    if whole > MOST_EPOCHS:
        raise StudyError(
            f"batches that change over {whole:,.0f} epochs are not timed epoch by epoch; at most {MOST_EPOCHS:,}"
        )
    bounds = [min(steps, stream.steps_in(epoch)) if epoch else 0 for epoch in range(math.ceil(whole) + 1)]
    return [
        (int(stream.sizes(first, first + 1)[0]), float(last - first))
        for first, last in pairwise(bounds)
        if last > first
    ]


def _workers(trial: Trial) -> float:
    return dict(trial.recipe.hyperparameters.schedule)["workers"]


def _plain(pace: EpochTime) -> dict[str, Any]:
    return {"batch": pace.batch, "epochs": [list(epoch) for epoch in pace.epochs], "whole": pace.whole}


def _check_written(study: Study, trial: Trial) -> None:
    """StudyError where the study cannot go to another process as text: a part of it is a value made in Python."""
    try:
        if parse_study(dump_study(study), study.name, study.folder).trials()[0].name == trial.name:
            return
    except FalllineError:
        pass
    raise StudyError(
        f"study {study.name} has parts that are Python values, and what other processes measure must be "
        'written: put them into a file and name them "file.py:NAME"'
    )
