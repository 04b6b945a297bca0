"""fallline's side: a work as a Study, planned and trained through the library's own path."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from works import PRODUCT_REPEATS, PRODUCT_SIZES, RATE, Work

from fallline import Study
from fallline.engine.batches import Batches
from fallline.engine.devices import prepare_jax
from fallline.engine.side_by_side import run_side_by_side
from fallline.engine.training import Records, TrainingInputs, chunks
from fallline.study.plan import plan
from fallline.training.arrays import load_arrays
from fallline.training.cohort import CompiledCohort
from fallline.training.packing import lanes_of
from fallline.training.programs import Programs


def study_of(work: Work) -> Study:
    """The study whose trials are those of ``work``; the softmax layer looks at held-out data only at both ends."""
    base: dict[str, Any] = {"steps": work.steps, "batch_size": work.batch_size or "all"}
    if work.batch_size is None:
        base["order"] = "file"
    return Study(
        name=f"bench/{work.name}",
        task=work.task,
        data="sample",
        seeds=work.seeds,
        base=base,
        axes={"optimizer": list(work.optimizers), "learning_rate": list(work.rates)},
        evaluate_every=work.steps if work.batch_size else None,
    )


class Drawn:
    """A stream whose batches [steps, batch] were drawn in advance."""

    def __init__(self, batches: np.ndarray):
        self.batches = batches

    def indices(self, start: int, stop: int, width: int) -> np.ndarray:
        return self.batches[start:stop]

    def sizes(self, start: int, stop: int) -> np.ndarray:
        return np.full(stop - start, self.batches.shape[1])


class FalllineSide:
    """A work made ready: data on the device, layout chosen, program compiled by a first run that does not count."""

    def __init__(self, work: Work):
        trials = study_of(work).trials()
        if len(trials) != work.trials:
            raise ValueError(f"{work.name} must have {work.trials} trials, its study has {len(trials)}")
        arrays = load_arrays(trials[0].task, trials[0].data, None)
        (planned,) = plan(trials, lambda task: lanes_of(task, arrays.splits))
        begun = time.perf_counter()
        self.ready = CompiledCohort(planned, arrays, Programs())
        self.layout_seconds = time.perf_counter() - begun
        self.works = [self._training_only(seeds) for seeds in self.ready.blocks()]
        self.losses = self._train()[1]
        """[steps + 1, seeds, lanes]"""

    def once(self) -> dict[str, float]:
        """Seconds to train every trial from its first step to its last, and how many of them inside the program."""
        seconds, _, inside = self._train()
        return {"seconds": seconds, "in_program": inside}

    def loss(self, rule: str, step: int) -> float:
        """The loss of the first seed at ``step`` under ``rule`` with the rate RATE."""
        recipes = [recipe for segment in self.ready.planned.segments for recipe in segment.recipes]
        lane = next(
            lane
            for lane, recipe in enumerate(recipes)
            if recipe.optimizer.name == rule and recipe.hyperparameters.flat["learning_rate"] == RATE
        )
        return float(self.losses[step, 0, lane])

    def told(self) -> dict[str, Any]:
        """What was spent before steady training, and how the cohort runs."""
        parts = self.ready.program.parts
        return {
            "layout": asdict(self.ready.layout),
            "layout_seconds": self.layout_seconds,
            "trace_seconds": sum(part.trace_seconds for part in parts),
            "compile_seconds": sum(part.compile_seconds for part in parts),
            "traces": self.ready.program.traces,
        }

    def _train(self) -> tuple[float, np.ndarray, float]:
        """All blocks, as many at a time as the layout says: wall seconds, losses, seconds inside the program."""
        workers = self.ready.layout.workers
        ended: dict[int, Records] = {}

        def job(number: int) -> Iterator[None]:
            for _, records in chunks(self.ready.program, self.works[number]):
                ended[number] = records
                yield

        begun = time.perf_counter()
        run_side_by_side([partial(job, number) for number in range(len(self.works))], workers, lambda: None)
        seconds = time.perf_counter() - begun
        records = [ended[number] for number in range(len(self.works))]
        inside = sum(record.seconds["warmup"] + record.seconds["steady"] for record in records) / workers
        return seconds, np.concatenate([record.curves["loss"][0] for record in records], axis=1), inside

    def _training_only(self, seeds: tuple[int, ...]) -> TrainingInputs:
        """The block's work without evaluation; random batches are drawn in advance, as the peers' are."""
        work = replace(self.ready.work(seeds), watched=(), held_out={})
        if self.ready.planned.recipe.batches.size is None:
            return work
        size = work.batches.widths[0]
        steps = work.steps + self.ready.layout.chunk
        drawn = [Drawn(stream.indices(0, steps, size)) for stream in work.batches.streams]
        return replace(work, batches=Batches(drawn, work.batches.widths, False))

    def save_for_peers(self, path: Path) -> None:
        """The same examples and batches: inputs float32 [n, ...], targets [n], batches int32 [seeds, steps, batch]."""
        planned, train_split = self.ready.planned, self.ready.arrays.splits.train
        inputs, targets = train_split
        if planned.task.prepare is not None:
            inputs = np.asarray(planned.task.prepare(inputs))
        arrays = {"inputs": inputs, "targets": targets}
        if planned.recipe.batches.size is not None:
            recipe = planned.recipe
            arrays["batches"] = np.stack(
                [self.ready.stream(seed).indices(0, recipe.steps, recipe.batches.size) for seed in planned.seeds]
            )
        np.savez(path, **arrays)


def product_rate(sizes: tuple[int, ...] = PRODUCT_SIZES) -> float:
    """GFLOP/s of a jitted float32 square product, the best of a few of each size."""
    jax = prepare_jax()
    product = jax.jit(jax.numpy.matmul)
    rates = []
    for size in sizes:
        a, b = jax.random.normal(jax.random.key(0), (2, size, size), "float32")
        product(a, b).block_until_ready()
        for _ in range(PRODUCT_REPEATS):
            begun = time.perf_counter()
            product(a, b).block_until_ready()
            rates.append(2 * size**3 / (time.perf_counter() - begun) / 1e9)
    return max(rates)
