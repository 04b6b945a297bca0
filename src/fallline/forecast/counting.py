"""What the programs of cohorts come to: remembered, counted from XLA's text of them, by their similar, or by law."""

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
"""What compiling takes, by the lines of the program as XLA is given it, where it was not seen yet."""

LETTERS_A_LINE = 180
"""Of a program as XLA made it, by the lines it is given."""


class SimilarProgram(NamedTuple):
    """A program that was counted: the width of its batches, the bytes its lanes carry from step to step."""

    width: int
    state_bytes: int
    counted: Counted


class Counting:
    """Counts each program once, however many cohorts share it.

    With ``compiles`` what is not remembered is compiled and counted from XLA's text. Without, nothing is compiled for
    it: a program that is compiled already is counted from its text, any other as XLA is given it (by law: its products
    are exact, what it holds is not known), and of those that differ from a counted one in update rules, losses and
    examples alone only the first is traced. Those of other batches are traced as well until the clock
    (``time.perf_counter``) reaches ``until``; after it they lie on a line with their similar.
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
        """About what compiling takes of the programs that were counted by law, or compiled just now."""
        return sum(self._compiling.values())

    def _counted(self, ready: CompiledCohort, part: str, program: Compiled) -> Counted:
        if id(program) not in self._known:
            family = self._similar.setdefault(repr(_key(ready, part, similar=True)), [])
            found = self._known[id(program)] = self._count(ready, part, program, family)
            law = COMPILING_SECONDS_A_LINE * found.text_length / LETTERS_A_LINE
            self._compiling[id(program)] = program.compile_seconds or (
                0.0 if found.held else found.compile_seconds or law
            )
            family.append(SimilarProgram(_width(ready, part), _state_bytes(ready), found))
        return self._known[id(program)]

    def _count(self, ready: CompiledCohort, part: str, program: Compiled, family: list[SimilarProgram]) -> Counted:
        key = _key(ready, part)
        known = recall_counted(key)
        there = self.compiles or program.compile_seconds > 0  # its text would be written to be asked for
        if known is not None and (known.held is not None or not there):
            return known
        compiled = program.prepare(*_shapes(ready, part)) if there else None
        alike = [similar for similar in family if similar.width == _width(ready, part)]
        if not self.compiles and (alike or (family and time.perf_counter() > self.until)):
            found = _scaled(family, _width(ready, part), _state_bytes(ready))
            if compiled is None:
                return found
            found = replace(found, held=_held(compiled), compile_seconds=program.compile_seconds)
        elif compiled is not None:
            text = program.text or ""
            found = Counted(costs(text), _held(compiled), len(text), *program.leaves, program.compile_seconds)
        else:
            written = program.written(*_shapes(ready, part))
            looped = ready.layout.loop and part == "step"
            small = looped and ready.weights * ready.planned.lanes * 16 < SMALL_LOOP_BYTES
            found = Counted(costs(written, small, looped), None, LETTERS_A_LINE * program.lines, *program.leaves)
        remember_counted(key, found)
        return found


def names_of(ready: CompiledCohort) -> tuple[str, str]:
    """The names of a cohort's step and of its evaluation, the same in every process."""
    return program_name(_key(ready, "step")), program_name(_key(ready, "evaluate"))


def note_compiling(ready: CompiledCohort) -> None:
    """Remember what compiling the programs of a cohort took, where that is more than was seen before: one that lay in
    the compilation cache took next to nothing."""
    for part, program in (("step", ready.program.advance(max(ready.widths))), ("evaluate", ready.program.evaluate)):
        known = recall_counted(_key(ready, part)) if program.compile_seconds else None
        if known is not None and program.compile_seconds > known.compile_seconds:
            remember_counted(_key(ready, part), replace(known, compile_seconds=program.compile_seconds))


def _shapes(ready: CompiledCohort, part: str) -> Any:
    return ready.step_shapes if part == "step" else ready.evaluation_shapes


def _width(ready: CompiledCohort, part: str) -> int:
    """Of a step's batches; evaluation does not know them."""
    return max(ready.widths) if part == "step" else 0


def _state_bytes(ready: CompiledCohort) -> int:
    import jax

    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(ready.step_shapes[0]))


def _scaled(family: list[SimilarProgram], width: int, state_bytes: int) -> Counted:
    """As the similar whose batches are nearest to that width, its work on the line through it and the farthest (through
    nothing at no width, where it is alone); of evaluation (0) as any of them. What lanes carry beyond the similar's is
    read and written once a step.
    """

    def far(one: SimilarProgram) -> float:
        return abs(math.log(one.width / width)) if width else 0.0

    ordered = sorted(family, key=far)
    near, beyond = ordered[0], ordered[-1]
    if not width:
        return replace(near.counted, held=None)
    other, work = (0, Costs()) if beyond.width == near.width else (beyond.width, beyond.counted.costs)
    found = near.counted.costs
    found = found if near.width == width else found.on_the_line(work, (width - near.width) / (other - near.width))
    carried = max(-found.threaded.bytes, 2.0 * (state_bytes - near.state_bytes))
    threaded = (
        found.threaded if found.native.operations else replace(found.threaded, bytes=found.threaded.bytes + carried)
    )
    return replace(near.counted, held=None, costs=replace(found, threaded=threaded))


def _key(ready: CompiledCohort, part: str, similar: bool = False) -> list[Any]:
    """What tells a program apart from all others here; with ``similar`` from all that differ in more than update rules,
    losses, batches and how many examples there are. Evaluation does not know the batches of training.
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
