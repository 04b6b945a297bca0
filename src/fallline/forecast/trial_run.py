"""Training a cohort briefly in a process of its own, to measure the time of a step and an evaluation and the memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fallline.engine.memory_use import Watch
from fallline.engine.side_by_side import run_side_by_side
from fallline.engine.training import chunks
from fallline.errors import FalllineError, StudyError
from fallline.study import Study, dump_study

TRIED_SECONDS = 2.0
"""The approximate time for which a cohort is trained, without compiling and evaluation."""


@dataclass(frozen=True)
class TrialRun:
    """The measurement of one cohort: ``seconds`` of its whole training and evaluation, extrapolated from ``steps``
    steps; ``memory_bytes`` in addition to the process before. None where it is unknown.
    """

    seconds: float | None
    memory_bytes: int | None
    steps: int


def try_cohort(study: Study, folder: Path | None, number: int, steps: int) -> TrialRun:
    """Train ``steps`` steps of the study's cohort ``number`` in a new process, and evaluate as a run does.

    StudyError where the study cannot be written as TOML, because it has components made in Python.
    """
    asked = {
        "study": dump_study(study),
        "name": study.name,
        "number": number,
        "steps": steps,
        "home": None if study.folder is None else str(study.folder),
        "folder": None if folder is None else str(folder),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "fallline.forecast.trial_run"],
        input=json.dumps(asked),
        text=True,
        capture_output=True,
        check=False,
    )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise StudyError(f"cohort {number} could not be measured: {last}")
    return TrialRun(**json.loads(ended.stdout.splitlines()[-1]))


def main() -> None:
    """In the new process: read the request from stdin, write the result to stdout."""
    from fallline.study import parse_study

    asked: dict[str, Any] = json.loads(sys.stdin.read())
    home = None if asked["home"] is None else Path(asked["home"])
    folder = None if asked["folder"] is None else Path(asked["folder"])
    try:
        study = parse_study(asked["study"], asked["name"], folder=home)
        print(json.dumps(_tried(study, folder, asked["number"], asked["steps"]).__dict__))
    except FalllineError as failure:
        print(failure, file=sys.stderr)
        raise SystemExit(2) from None


def _tried(study: Study, folder: Path | None, number: int, steps: int) -> TrialRun:
    from fallline.study.plan import plan
    from fallline.training.context import TrainingContext

    setup = TrainingContext(study, folder)
    with Watch(setup.held_before) as watch:
        ready = setup.make(plan(setup.trials, setup.most_lanes)[number])
        whole, blocks = ready.planned.recipe.steps, ready.blocks()
        most = min(whole, max(steps, 2 * ready.layout.chunk))
        works = [replace(ready.work(seeds), steps=most) for seeds in blocks[: ready.layout.workers]]
        done: list[Any] = []

        def job(work: Any) -> Any:
            for _, records in chunks(ready.program, work):  # noqa: B007  (the last records are used)
                yield
            done.append(records)

        ready.compile()
        watch.peak()
        run_side_by_side([partial(job, work) for work in works], ready.layout.workers, lambda: None)
        peak = watch.peak()
    records = done[-1]
    evaluations = len(records.evaluated) + 1
    steady = records.seconds["steady"] / records.steady_steps if records.steady_steps else None
    each = steady if steady is not None else records.seconds["warmup"] / most
    whole_evaluations = 1 + -(-whole // ready.planned.evaluate_every) if ready.watched else 1
    seconds = (each * whole + records.seconds["evaluate"] / evaluations * whole_evaluations) * len(blocks)
    return TrialRun(seconds, peak, most)


if __name__ == "__main__":
    main()
