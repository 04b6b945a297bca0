"""Counting what the programs of cohorts do: from disk, from their HLO text, or by interpolation between similar
programs.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np

import fallline
from fallline.engine.compiled import Compiled
from fallline.engine.devices import SMALL_LOOP_BYTES, device_name
from fallline.forecast.costs import Costs
from fallline.forecast.count_cache import Counted, program_name, recall_counted, remember_counted
from fallline.forecast.hlo import costs
from fallline.forecast.prediction import Held
from fallline.training.cohort import CompiledCohort

COMPILING_SECONDS_A_LINE = 2e-3
"""The estimated compile time per line of the HLO text before optimisation, where it was not measured yet."""

CHARACTERS_A_LINE = 180
"""Characters of the HLO text after optimisation per line of the text before."""


class SimilarProgram(NamedTuple):
    """A program that was counted, with its batch width and the bytes of its state."""

    width: int
    state_bytes: int
    counted: Counted


class Counting:
    """Counts each program once, even where several cohorts share it.

    With ``compiles`` programs without counts on disk are compiled and counted from their HLO text. Without, nothing is
    compiled: a program that is compiled already is counted from its text, any other from the text before optimisation
    (its matmuls are exact, its memory is estimated). Of programs that differ only in optimizers, losses and examples
    the first is traced; those with other batch widths are traced too until the clock (``time.perf_counter``) reaches
    ``until``, and interpolated after it.
    """

    def __init__(self, compiles: bool = True, until: float = 0.0):
        self.compiles, self.until = compiles, until
        self._known: dict[int, Counted] = {}
        self._compiling: dict[int, float] = {}
        self._similar: dict[str, list[SimilarProgram]] = {}

    def step(self, ready: CompiledCohort) -> Counted:
        """The largest step of a cohort."""
        return self._counted(ready, "step", ready.program.advance(max(ready.widths)))

    def evaluation(self, ready: CompiledCohort) -> Counted | None:
        """A batch of its evaluation; None where nothing is held out."""
        return None if ready.evaluation_shapes is None else self._counted(ready, "evaluate", ready.program.evaluate)

    @property
    def compile_seconds(self) -> float:
        """The approximate compile time of the programs that are not compiled yet, or were compiled just now."""
        return sum(self._compiling.values())

    def _counted(self, ready: CompiledCohort, part: str, program: Compiled) -> Counted:
        if id(program) not in self._known:
            family = self._similar.setdefault(repr(_key(ready, part, similar=True)), [])
            counted = self._known[id(program)] = self._count(ready, part, program, family)
            estimate = COMPILING_SECONDS_A_LINE * counted.text_length / CHARACTERS_A_LINE
            self._compiling[id(program)] = program.compile_seconds or (
                0.0 if counted.held else counted.compile_seconds or estimate
            )
            family.append(SimilarProgram(_width(ready, part), _state_bytes(ready), counted))
        return self._known[id(program)]

    def _count(self, ready: CompiledCohort, part: str, program: Compiled, family: list[SimilarProgram]) -> Counted:
        key = _key(ready, part)
        known = recall_counted(key)
        compiled_anyway = self.compiles or program.compile_seconds > 0
        if known is not None and (known.held is not None or not compiled_anyway):
            return known
        compiled = program.prepare(*_shapes(ready, part)) if compiled_anyway else None
        same_width = [similar for similar in family if similar.width == _width(ready, part)]
        if not self.compiles and (same_width or (family and time.perf_counter() > self.until)):
            counted = _scaled(family, _width(ready, part), _state_bytes(ready))
            if compiled is None:
                return counted
            counted = replace(counted, held=_held(compiled), compile_seconds=program.compile_seconds)
        elif compiled is not None:
            text = program.text or ""
            counted = Counted(costs(text), _held(compiled), len(text), *program.leaves, program.compile_seconds)
        else:
            written = program.written(*_shapes(ready, part))
            looped = ready.layout.loop and part == "step"
            small = looped and ready.weights * ready.planned.lanes * 16 < SMALL_LOOP_BYTES
            counted = Counted(costs(written, small, looped), None, CHARACTERS_A_LINE * program.lines, *program.leaves)
        remember_counted(key, counted)
        return counted


def names_of(ready: CompiledCohort) -> tuple[str, str]:
    """The names of a cohort's step and of its evaluation, the same in every process."""
    return program_name(_key(ready, "step")), program_name(_key(ready, "evaluate"))


def note_compiling(ready: CompiledCohort) -> None:
    """Keep the compile times of a cohort's programs, where they are longer than those known: a program from the
    compilation cache takes almost no time."""
    for part, program in (("step", ready.program.advance(max(ready.widths))), ("evaluate", ready.program.evaluate)):
        known = recall_counted(_key(ready, part)) if program.compile_seconds else None
        if known is not None and program.compile_seconds > known.compile_seconds:
            remember_counted(_key(ready, part), replace(known, compile_seconds=program.compile_seconds))


def _shapes(ready: CompiledCohort, part: str) -> Any:
    return ready.step_shapes if part == "step" else ready.evaluation_shapes


def _width(ready: CompiledCohort, part: str) -> int:
    """The batch width of a step; 0 for evaluation, which does not depend on it."""
    return max(ready.widths) if part == "step" else 0


def _state_bytes(ready: CompiledCohort) -> int:
    import jax

    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(ready.step_shapes[0]))


def _scaled(family: list[SimilarProgram], width: int, state_bytes: int) -> Counted:
    """The program with the nearest batch width, its work interpolated linearly through it and the farthest one (through
    zero work at width 0 where there is only one); for evaluation (width 0) any of them. State beyond that of the
    nearest is read and written once per step.
    """

    def distance(similar: SimilarProgram) -> float:
        return abs(math.log(similar.width / width)) if width else 0.0

    ordered = sorted(family, key=distance)
    near, far = ordered[0], ordered[-1]
    if not width:
        return replace(near.counted, held=None)
    other, work = (0, Costs()) if far.width == near.width else (far.width, far.counted.costs)
    scaled = near.counted.costs
    if near.width != width:
        scaled = scaled.interpolated(work, (width - near.width) / (other - near.width))
    if not scaled.native.operations:
        carried = max(-scaled.threaded.bytes, 2.0 * (state_bytes - near.state_bytes))
        scaled = replace(scaled, threaded=replace(scaled.threaded, bytes=scaled.threaded.bytes + carried))
    return replace(near.counted, held=None, costs=scaled)


def _key(ready: CompiledCohort, part: str, similar: bool = False) -> list[Any]:
    """The key of a program; with ``similar`` the same for programs that differ only in optimizers, losses, batches
    and the number of examples. Evaluation does not depend on the batches of training.
    """
    import jax

    cohort, layout = ready.cohort, ready.layout
    same = [
        fallline.__version__,
        jax.__version__,
        device_name(),
        part,
        ready.planned.task.name,
        ready.weights,
        cohort.model.name,
        [name for name, _ in cohort.metrics],
        sorted(cohort.regularisers),
        [cohort.gives, cohort.scheduled, cohort.masked, cohort.averaged, cohort.classifies, cohort.precision],
    ]
    if similar:
        lanes = [segment.lanes for segment in cohort.segments]
        return [*same, lanes, layout.seeds, layout.wide, layout.loop, layout.lowering, layout.mesh.data]
    segments = [(segment.optimizer.name, segment.lanes) for segment in cohort.segments]
    return [
        *same,
        cohort.loss.name,
        segments,
        asdict(layout),
        [] if part == "evaluate" else ready.widths,
        ready.arrays.shapes,
    ]


def _held(compiled: Any) -> Held | None:
    memory = compiled.memory_analysis()
    if memory is None or not memory.argument_size_in_bytes:
        return None
    return Held(
        memory.argument_size_in_bytes,
        memory.output_size_in_bytes,
        memory.temp_size_in_bytes,
        memory.alias_size_in_bytes,
    )
