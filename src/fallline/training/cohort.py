"""A planned cohort prepared for the engine: its arrays, its program, its layout, its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from fallline import regularisation
from fallline.batching import BatchStream, widths
from fallline.contracts import Metric
from fallline.engine.batches import Batches
from fallline.engine.devices import matmul_precision, prepare_jax
from fallline.engine.evaluation import EVALUATION_BATCH, UNLOOPED_BATCH, HeldOut
from fallline.engine.lanes import Cohort, DeviceData, LaneHyperparameters, Segment
from fallline.engine.layouts import guess
from fallline.engine.mesh import ONE_DEVICE, DeviceRow, Mesh
from fallline.engine.program import Layout, Program
from fallline.engine.training import TrainingInputs, step_inputs
from fallline.errors import StudyError
from fallline.metrics import metric_of
from fallline.metrics.cuts import cut_of
from fallline.study.plan import MOST_POINTS, PlannedCohort, PlannedSegment
from fallline.training.arrays import Arrays
from fallline.training.callbacks import LearningRates, Stops
from fallline.training.packing import looped, weights_of
from fallline.training.programs import Programs, built_in
from fallline.training.validation import narrow_types

OPERATIONS_A_WEIGHT = 6
"""Multiplications and additions per weight and example: two forward, four backward."""

KEPT_WEIGHTS = 10_000
"""Unless the study says otherwise, the final weights of models with at most this many weights are kept: 40 KB per
trial."""

MOST_SIZES = 8
"""The largest number of batch sizes that are compiled separately where batches cannot be padded."""


class CompiledCohort:
    """All that is needed to train any block of one planned cohort. A block is the seeds that are trained together."""

    def __init__(
        self,
        planned: PlannedCohort,
        arrays: Arrays,
        programs: Programs,
        metrics: Mapping[str, Metric] | None = None,
        layout: Layout | None = None,
        mesh: Mesh = ONE_DEVICE,
        remote: bool = False,
        directions: Mapping[str, str] | None = None,
        keep_weights: str | None = None,
        keep_large: str = "none",
    ):
        """Without a ``layout`` one is chosen for this device. ``directions``: "min" or "max" for metrics by name.

        ``keep_weights``: "all", "best" or "none"; None: all of models with at most ``KEPT_WEIGHTS`` weights, and of
        larger ones ``keep_large``.
        """
        self.planned, self.arrays, self.directions = planned, arrays, dict(directions or {})
        self.mesh = layout.mesh if layout else mesh
        self.rows = tuple(self.mesh.remote_rows() if remote else self.mesh.rows())
        matmul_precision(planned.recipe.precision)  # a precision that the device does not support is an error now
        self.weights = weights_of(planned.task)
        self.keep_weights = keep_weights or ("all" if self.weights <= KEPT_WEIGHTS else keep_large)
        self.watched = ("validation",) if arrays.splits.validation is not None else ()
        try:
            counts = self.stream(0).size_counts(planned.recipe.steps)
            self.stream(0).check_labels()
        except StudyError as failure:  # a batch larger than the data is an error now, not in the middle of the run
            raise StudyError(f"task {planned.task.name}, data {planned.data}: {failure}") from None
        self.widths, self.masked = self._widths(counts)
        self.examples_seen = sum(size * steps for size, steps in counts.items())
        self.epochs = float(self.stream(0).position(np.array([planned.recipe.steps]))[0])
        self.classes = arrays.classes(planned.task, planned.recipe.loss)
        self.cohort = self._cohort(metrics or {})
        arrays.check(planned.task, self.cohort)
        LearningRates.check(planned)
        self.stops = Stops.of(planned, self.watched)
        self.programs = programs
        self.program = self._program(layout or self._layout())

    @property
    def places(self) -> tuple[int, tuple[DeviceRow, ...]]:
        """How many blocks may train concurrently: the number of workers, and the device rows of this process."""
        return self.layout.workers, self.rows

    def on(self, row: DeviceRow) -> CompiledCohort:
        """The same cohort with its program for another row of devices."""
        if row == self.program.row:
            return self
        other = copy(self)
        other.program = self._program(self.layout, row)
        return other

    def _program(self, layout: Layout, row: DeviceRow | None = None) -> Program:
        data = (self.planned.task.name, self.arrays.shapes)
        return self.programs.of(self.cohort, layout, data, row or self.rows[0], self._built_in)

    @cached_property
    def _built_in(self) -> str | None:
        return built_in(self.planned.task, self.cohort)

    @property
    def layout(self) -> Layout:
        return self.program.layout

    def _widths(self, counts: Mapping[int, int]) -> tuple[tuple[int, ...], bool]:
        """The widths of batches, and whether batches are padded to them: not where a model has a state, which padding
        would change.

        Devices that share a batch take equal parts: StudyError where the batch size cannot be divided and batches
        cannot be padded.
        """
        even = self.rows[0].even
        odd = [size for size in counts if even(size) != size]
        varies = len(counts) > 1 or isinstance(self.planned.recipe.batches.size, str)
        if odd and (not varies or self.planned.task.model.state is not None):
            size, data = odd[0], self.mesh.data
            near = " or ".join(str(close) for close in (even(size) - data, even(size)) if close)
            raise StudyError(
                f"task {self.planned.task.name}: a batch of {size} cannot be shared evenly by {data} "
                f"devices; use batches of {near}, or other devices than data={data}"
            )
        if self.planned.task.model.state is None or len(counts) == 1:
            filled = tuple(dict.fromkeys(even(width) for width in widths(counts)))
            return filled, varies and self.planned.task.model.state is None
        if len(counts) > MOST_SIZES:
            raise StudyError(
                f"task {self.planned.task.name}: its model has a state (batch normalisation, say), so its "
                f"batches cannot be padded, and these have {len(counts)} sizes, more than {MOST_SIZES} "
                'programs; use fewer sizes, or last_batch = "dropped"'
            )
        return tuple(sorted(counts)), False

    @cached_property
    def regularisers(self) -> set[str]:
        """The regularisers that some lane uses; the program contains only their operations."""
        return set().union(*(recipe.regularisers for segment in self.planned.segments for recipe in segment.recipes))

    @property
    def memory_bytes(self) -> int | None:
        """The memory of all programs that run concurrently, by XLA's own analysis of the compiled step."""
        import jax

        step, program = self.program.advance(max(self.widths)), self.program
        shapes = self.step_shapes
        step.prepare(*shapes)
        needed = step.memory_bytes
        data = sum(array.nbytes for array in shapes[2])  # an argument of every program, in memory once
        if needed is None or (self.mesh.devices > 1 and jax.default_backend() != "cpu"):
            return needed  # of each device
        programs = min(program.layout.workers, len(self.blocks())) * self.mesh.data
        return (needed - data) * programs + data * (1 if self.mesh.devices == 1 else programs)

    def compile(self) -> None:
        """Compile every program that training calls, so that none is compiled during training."""
        program, work = self.program, self._shape_of_work()
        if self.cohort.model.traceable:
            program.weights.prepare(_keys(self.blocks()[0], WEIGHTS))
        program.start.prepare(work.weights, work.model_state, work.hyperparameters)
        for width in self.widths:
            program.advance(width).prepare(*self._step_shapes(work, width))
        if self.evaluation_shapes is not None:
            program.evaluate.prepare(*self.evaluation_shapes)

    @cached_property
    def step_shapes(self) -> tuple[Any, ...]:
        """The arguments that the largest step is compiled for: shapes, and small arrays."""
        return self._step_shapes(self._shape_of_work(), max(self.widths))

    @cached_property
    def evaluation_shapes(self) -> tuple[Any, ...] | None:
        """The arguments that evaluation is compiled for; None where nothing is held out."""
        work = self._shape_of_work()
        held = next(iter(work.held_out.values()), None)
        if held is None:
            return None
        return *self.program.evaluation.inputs(self._state_shapes(work), work.hyperparameters), *held.batches[0]

    def _shape_of_work(self) -> TrainingInputs:
        return self.work(self.blocks()[0], shapes=True)

    def _step_shapes(self, work: TrainingInputs, width: int) -> tuple[Any, ...]:
        inputs = step_inputs(self.program, work, [], 0, 0, width)
        return self._state_shapes(work), work.hyperparameters, work.train, inputs, work.noise, np.int32(1)

    def _state_shapes(self, work: TrainingInputs) -> Any:
        import jax

        if self.program.state_shapes is None:
            self.program.state_shapes = jax.eval_shape(
                self.program.start_state, work.weights, work.model_state, work.hyperparameters
            )
        return self.program.state_shapes

    @property
    def budget(self) -> dict[str, Any]:
        """The training budget of each trial, in every unit."""
        batches = self.planned.recipe.batches
        return {
            "steps": self.planned.recipe.steps,
            "epochs": self.epochs,
            "batch_size": batches.size,
            "train_examples": len(self.arrays.splits.train.inputs),
            "examples_used": self.stream(0).examples_used,
            "examples_seen": self.examples_seen,
        }

    def work_of(self, seeds: int) -> float:
        """The cost of this many seeds, in multiplications of a weight with an example."""
        return float(self.weights) * self.examples_seen * self.planned.lanes * seeds

    def blocks(self) -> list[tuple[int, ...]]:
        """The seeds of each block."""
        return self._blocks(self.layout)

    def _blocks(self, layout: Layout) -> list[tuple[int, ...]]:
        seeds, size = self.planned.seeds, layout.seeds
        return [seeds[first : first + size] for first in range(0, len(seeds), size)]

    def stream(self, seed: int) -> BatchStream:
        """The batch stream of a seed."""
        train = self.arrays.splits.train
        labels = train.targets if train.targets.ndim == 1 and train.targets.dtype.kind in "iu" else None
        return BatchStream(self.planned.recipe.batches, len(train.inputs), seed, labels)

    def work(self, seeds: tuple[int, ...], shapes: bool = False) -> TrainingInputs:
        """What the engine trains for these seeds; with ``shapes`` weights are not made and have only shapes."""
        planned, streams = self.planned, [self.stream(seed) for seed in seeds]
        rates = LearningRates(planned, streams) if self.cohort.scheduled else None
        weights, model_state, noise = (
            self._shapes(seeds)
            if shapes and self.program.row.data == 1
            else (*self.program.initial(_keys(seeds, WEIGHTS)), self.program.row.put(_keys(seeds, NOISE)))
        )
        hyperparameters = self.hyperparameters if shapes else self.program.row.put(self.hyperparameters)
        return TrainingInputs(
            hyperparameters,
            weights,
            model_state,
            noise,
            Batches(streams, self.widths, self.masked),
            *self.examples,
            self.watched,
            planned.recipe.steps,
            planned.evaluate_every,
            planned.record_every,
            rates,
            self.stops,
            self.keeps_weights,
            (id(self.arrays), seeds),
        )

    @property
    def keeps_weights(self) -> bool:
        """Whether weights after the last step are part of the records."""
        return self.keep_weights != "none"

    @property
    def examples(self) -> tuple[DeviceData, dict[str, HeldOut]]:
        """The training examples and the held-out splits, on the devices of its row."""
        loss = self.cohort.loss
        most = EVALUATION_BATCH if self.layout.loop else UNLOOPED_BATCH
        return self.arrays.on(self.program.row, None if loss.whole and loss.sums is None else most)

    def _shapes(self, seeds: tuple[int, ...]) -> tuple[Any, Any, Any]:
        """The shapes of the initial weights, the model state and the keys of the noise."""
        import jax

        program = self.program
        if program.start_shapes is None:
            keys = jax.eval_shape(lambda: _keys(seeds, WEIGHTS))
            if self.cohort.model.traceable:
                initial = jax.eval_shape(program.make_weights, keys)
            else:
                initial = jax.eval_shape(lambda arrays: arrays, program.initial(_keys(seeds, WEIGHTS)))
            program.start_shapes = *initial, keys
        return program.start_shapes

    @cached_property
    def hyperparameters(self) -> tuple[LaneHyperparameters, ...]:
        """The hyperparameters of all lanes, one entry per segment."""
        return tuple(self._hyperparameters(segment) for segment in self.planned.segments)

    def _hyperparameters(self, segment: PlannedSegment) -> LaneHyperparameters:
        def values(component: str, names: set[str] | None = None) -> dict[str, np.ndarray]:
            rows = [dict(getattr(recipe.hyperparameters, component)) for recipe in segment.recipes]
            return {
                name: np.array([regularisation.as_array(name, row.get(name)) for row in rows], np.float32)
                for name in rows[0]
                if names is None or name in names
            }

        return LaneHyperparameters(
            values("optimizer"), values("loss"), values("model"), values("regularisation", self.regularisers)
        )

    def _cohort(self, metrics: Mapping[str, Metric]) -> Cohort:
        """What the program depends on."""
        planned, task = self.planned, self.planned.task
        recipes = [recipe for segment in planned.segments for recipe in segment.recipes]
        segments = tuple(Segment(segment.optimizer, len(segment.recipes)) for segment in planned.segments)
        loss, every = planned.recipe.loss, dict(task.metrics) | dict(metrics)
        cut = cut_of(task.gives, loss.takes, self.arrays.splits.train.targets)
        metrics_by_name = {name: metric_of(name, metric) for name, metric in every.items()}
        bound = {name: metric.at(cut, task.gives) for name, metric in metrics_by_name.items()}
        if task.in_units is not None:
            bound = {name: task.in_units(function) for name, function in bound.items()}
        split_metrics = tuple((name, bound.pop(name)) for name, metric in metrics_by_name.items() if metric.whole)
        return Cohort(
            task.model,
            loss,
            tuple(bound.items()),
            task.prepare,
            segments,
            task.gives,
            any(LearningRates.needed(recipe) for recipe in recipes),
            self.masked,
            regularisation.averages(self.regularisers),
            self.classes is not None,
            frozenset(self.regularisers),
            planned.recipe.precision,
            cut,
            narrow_types(task.name, task.model),
            split_metrics,
        )

    def _layout(self) -> Layout:
        planned, seeds = self.planned, len(self.planned.seeds)
        longest = min(planned.evaluate_every if self.watched else planned.recipe.steps, planned.recipe.steps)
        best = guess(
            self.weights,
            planned.lanes,
            seeds,
            planned.recipe.steps,
            longest,
            looped(planned.task, self.arrays.splits),
            self.mesh,
        )
        most = max(1, MOST_POINTS // planned.points)
        if best.seeds <= most:
            return best
        return replace(best, seeds=max(n for n in range(1, most + 1) if seeds % n == 0))

    @property
    def operations(self) -> float:
        """Multiplications and additions of the whole cohort, approximately."""
        return OPERATIONS_A_WEIGHT * self.work_of(len(self.planned.seeds))


def _keys(seeds: tuple[int, ...], stream: int) -> Any:
    """One key per seed, of one named stream."""
    jax = prepare_jax()
    return jax.numpy.stack([jax.random.fold_in(jax.random.key(seed), stream) for seed in seeds])


WEIGHTS = 0x77676874
"""The stream of random draws for initial weights ("wght" in ASCII)."""

NOISE = 0x6E6F6973
"""The stream of random draws for noise ("nois" in ASCII)."""
