"""What one count of devices is measured by: the study's own program on each mesh, and the all-reduce alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fallline.engine.devices import cores, device_name, prepare_jax
from fallline.engine.layouts import guess
from fallline.engine.mesh import Mesh
from fallline.engine.training import chunks
from fallline.errors import StudyError
from fallline.scaling.all_reduce import reduce_seconds
from fallline.scaling.wanted import ALONE, DATA, REDUCE, SMALL_BYTES, TRIAL
from fallline.study import Trial
from fallline.study.plan import rebuild
from fallline.study.toml import parse_study
from fallline.training.arrays import Arrays, load_arrays
from fallline.training.cohort import CompiledCohort
from fallline.training.packing import looped, weights_of
from fallline.training.programs import Programs

LONGEST_CHUNK = 500
"""Steps a dispatch: a measurement is a few dispatches."""

STEPS_APART = 2
"""Steps between two returns where steps are dispatched one by one: large ones, of which few are enough."""

PLENTY = 10**8
"""A budget that no measurement ends."""


@dataclass
class Bench:
    """The first trial of a study, to be run at any batch size on any mesh of this process's devices."""

    trial: Trial
    arrays: Arrays
    count: dict[str, Any]
    programs: list[dict[str, Any]]
    repeats: int
    seconds: float

    @classmethod
    def of(cls, request: dict[str, Any]) -> Bench:
        """StudyError where there are fewer devices than ``request`` will ever ask for."""
        jax = prepare_jax()
        study = parse_study(
            request["study"], request["name"], None if request["home"] is None else Path(request["home"])
        )
        check_devices(request["most"], len(jax.devices()), jax.default_backend(), device_name())
        trial = study.trials()[0]
        arrays = load_arrays(trial.task, study.data_size, request["data"] and Path(request["data"]), trial.cut)
        return cls(trial, arrays, request["count"], request["programs"], request["repeats"], request["seconds"])

    @property
    def facts(self) -> dict[str, Any]:
        """What the times are of."""
        jax = prepare_jax()
        weights = weights_of(self.trial.task)
        own = jax.default_backend() != "cpu"
        return {
            "platform": jax.default_backend(),
            "available": len(jax.devices()) if own else None,
            "device": device_name(),
            "cores": cores(),
            "weights": weights,
            "bytes": 4 * weights,
            "task": self.trial.task.name,
            "optimizer": self.trial.recipe.optimizer.name,
        }

    def measure(self, on_message: Callable[[str], None]) -> list[dict[str, Any]]:
        """Every program, then every program again, so often: what drifts on the machine touches all alike."""
        rigs = [
            (program, Rig(self, program["what"], program["width"]))
            for program in self.programs
            if program["what"] != REDUCE
        ]
        rows, n = [], self.count["devices"]
        for repeat in range(self.repeats):
            for place, (one, rig) in enumerate(rigs):
                on_message(
                    f"{one['what']}, batch {one['width']:,}: {place + 1} of {len(rigs)}, repeat {repeat + 1} of "
                    f"{self.repeats}"
                )
                steps, seconds = rig.timed(self.seconds)
                local = one["width"] // n if one["what"] == DATA else one["width"]
                rows.append(
                    self.count
                    | one
                    | {"local": local, "bytes": 0, "repeat": repeat, "steps": steps, "seconds": seconds}
                )
            if n > 1 and any(program["what"] == REDUCE for program in self.programs):
                for size in (SMALL_BYTES, self.facts["bytes"]):
                    times, seconds = reduce_seconds(n, size, self.seconds / 4)
                    rows.append(
                        self.count
                        | {
                            "what": REDUCE,
                            "batch": 0,
                            "width": 0,
                            "local": 0,
                            "bytes": size,
                            "repeat": repeat,
                            "steps": times,
                            "seconds": seconds,
                        }
                    )
        return rows


def check_devices(asked: int, there: int, platform: str, name: str) -> None:
    """StudyError where more are asked for than there are; a CPU is cut up into as many as are."""
    if platform != "cpu" and asked > there:
        raise StudyError(
            f"{asked} devices are asked for and there {'is' if there == 1 else 'are'} {there} ({name}); "
            "name fewer in --devices"
        )


class Rig:
    """The trial with batches of one width, compiled on one mesh: one row of devices for "data", a row each else."""

    def __init__(self, bench: Bench, what: str, width: int):
        n = bench.count["devices"]
        mesh = Mesh(data=n) if what == DATA else Mesh(trial=n) if what == TRIAL else Mesh()
        assert what in (ALONE, DATA, TRIAL), what
        recipe, arrays = bench.trial.recipe, bench.arrays
        policy = replace(recipe.batches, size=width)
        planned = rebuild(
            "c000",
            [
                [
                    replace(
                        bench.trial,
                        recipe=replace(recipe, batches=policy, steps=PLENTY),
                        evaluate_every=PLENTY,
                        record_every=PLENTY,
                    )
                ]
            ],
        )
        whole = looped(planned.task, arrays.splits)
        layout = guess(weights_of(planned.task), 1, 1, PLENTY, PLENTY, whole, mesh)
        chunk = min(layout.chunk, LONGEST_CHUNK) if layout.loop else STEPS_APART
        ready = CompiledCohort(planned, arrays, Programs(), layout=replace(layout, chunk=chunk))
        self.chunk, self.rows = chunk, [ready.on(row) for row in ready.rows]

    def timed(self, seconds: float) -> tuple[int, float]:
        """Steps taken and the seconds of one, of all rows side by side for about so long; compiled and warm before."""
        runs = [self._begin(row) for row in self.rows]
        with ThreadPoolExecutor(len(runs)) as pool:
            _side_by_side(pool, runs, 1)
            once = _side_by_side(pool, runs, 1)
            times = int(_agreed(max(1, math.ceil(seconds / max(once, 1e-9)))))
            spent = _agreed(_side_by_side(pool, runs, times))
        return times * self.chunk, spent / times / self.chunk

    def _begin(self, ready: CompiledCohort) -> Iterator[Any]:
        """Chunks of training without an end: one whose lanes have all diverged begins again."""
        while True:
            work = ready.work(ready.blocks()[0])
            yield from chunks(ready.program, replace(work, watched=(), held_out={}, stops=None, keeps_weights=False))


def _side_by_side(pool: ThreadPoolExecutor, runs: list[Iterator[Any]], times: int) -> float:
    """Seconds until each of ``runs`` has made so many chunks; processes of a group begin together."""

    def go(run: Iterator[Any]) -> None:
        for _ in range(times):
            next(run)

    _meet()
    begun = time.perf_counter()
    for turn in [pool.submit(go, run) for run in runs]:
        turn.result()
    return time.perf_counter() - begun


def _meet() -> None:
    jax = prepare_jax()
    if jax.process_count() > 1:
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices("measure")


def _agreed(value: float) -> float:
    """The most of what the processes of a group say, the same in all of them."""
    jax = prepare_jax()
    if jax.process_count() == 1:
        return value
    from jax.experimental.multihost_utils import process_allgather

    return float(np.max(process_allgather(np.array([value], np.float32))))
