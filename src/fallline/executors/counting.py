"""What the programs of cohorts come to: counted from XLA's text where there is time to compile them, else by law."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from typing import Any

import fallline
from fallline.engine.compiled import Compiled
from fallline.engine.devices import SMALL_LOOP_BYTES, device_name
from fallline.executors.cohort import ReadyCohort
from fallline.forecast.costs import Costs
from fallline.forecast.counted import Counted, recall_counted, remember_counted
from fallline.forecast.hlo import costs
from fallline.forecast.prediction import Held

COMPILING_SECONDS_A_LINE = 2e-3
"""What compiling takes, by the lines of the program as XLA is given it: enough to say whether there is time for it."""

TRACING_SECONDS = 1.5
"""What is left of the time when no more programs are traced, if there are others like them."""

LETTERS_A_LINE = 180
"""Of a program as XLA made it, by the lines it is given."""


class Counting:
    """Counts each program once, however many cohorts share it.

    Until the clock (``time.perf_counter``) reaches ``until`` programs are compiled; those that there is no time for are
    counted as XLA is given them, and shortly before it is over by their next of kin: cohorts that differ in update
    rules, losses, batches and examples alone. Without ``until`` all are compiled. By law a program holds nothing that
    is known.
    """

    def __init__(self, until: float | None = None):
        self.until = until
        self._known: dict[int, Counted] = {}
        self._kin: dict[str, list[tuple[int, Counted]]] = {}

    def step(self, ready: ReadyCohort) -> Counted:
        """The largest step of a cohort."""
        return self._counted(ready, "step", ready.program.advance(max(ready.widths)))

    def look(self, ready: ReadyCohort) -> Counted | None:
        """A batch of its evaluation; None where nothing is held out."""
        return None if ready.evaluation_shapes is None else self._counted(ready, "evaluate", ready.program.evaluate)

    def _counted(self, ready: ReadyCohort, part: str, program: Compiled) -> Counted:
        if id(program) not in self._known:
            family = self._kin.setdefault(repr(_key(ready, part, kin=True)), [])
            found = self._known[id(program)] = self._count(ready, part, program, family)
            if found.held is None:
                program.lines = round(found.letters / LETTERS_A_LINE)
            family.append((max(ready.widths), found))
        return self._known[id(program)]

    def _count(self, ready: ReadyCohort, part: str, program: Compiled, family: list[tuple[int, Counted]]) -> Counted:
        key = _key(ready, part)
        shapes: Any = ready.step_shapes if part == "step" else ready.evaluation_shapes
        if program.text is None and self.until is not None:
            known = recall_counted(key)
            if known is not None and (known.held is not None or not self._time_for(known.letters / LETTERS_A_LINE)):
                return known
            if family and time.perf_counter() > self.until - TRACING_SECONDS:
                return _scaled(family, max(ready.widths) if part == "step" else 0)
            written = program.written(*shapes)
            if not self._time_for(program.lines):
                small = ready.layout.loop and ready.weights * ready.planned.lanes * 16 < SMALL_LOOP_BYTES
                own = costs(written, small and part == "step", ready.layout.loop and part == "step")
                by_law = Counted(own, None, LETTERS_A_LINE * program.lines, *program.leaves)
                remember_counted(key, by_law)
                return by_law
        compiled = program.prepare(*shapes)
        text = program.text or ""
        found = Counted(costs(text), _held(compiled), len(text), *program.leaves)
        remember_counted(key, found)
        return found

    def _time_for(self, lines: float) -> bool:
        """Whether a program of so many lines can still be compiled."""
        return time.perf_counter() + COMPILING_SECONDS_A_LINE * lines <= self.until


def _scaled(family: list[tuple[int, Counted]], width: int) -> Counted:
    """As the kin whose batches are nearest to that width, its work on the line through it and the farthest (through
    nothing at no width, where it is alone); of evaluation (0) as any of them.
    """
    def far(one: tuple[int, Counted]) -> float:
        return abs(math.log(one[0] / width)) if width else 0.0

    ordered = sorted(family, key=far)
    (near, found), (far_off, beyond) = ordered[0], ordered[-1]
    if not width or near == width:
        return replace(found, held=None)
    other, work = (0, Costs()) if far_off == near else (far_off, beyond.costs)
    return replace(found, held=None, costs=found.costs.on_the_line(work, (width - near) / (other - near)))


def _key(ready: ReadyCohort, part: str, kin: bool = False) -> list[Any]:
    """What tells a program apart from all others here; with ``kin`` from all that differ in more than update rules,
    losses, batches and how many examples there are. Evaluation does not know the batches of training.
    """
    import jax

    cohort, layout = ready.cohort, ready.layout
    same = [fallline.__version__, jax.__version__, device_name(), part, ready.planned.task.name, ready.weights,
            cohort.model.name, [name for name, _ in cohort.metrics], sorted(cohort.regularisers),
            [cohort.gives, cohort.scheduled, cohort.masked, cohort.averaged, cohort.classifies, cohort.precision]]
    if kin:
        lanes = [segment.lanes for segment in cohort.segments]
        return [*same, lanes, layout.seeds, layout.wide, layout.loop, layout.lowering, layout.mesh.data]
    segments = [(segment.optimizer.name, segment.lanes) for segment in cohort.segments]
    return [*same, cohort.loss.name, segments, asdict(layout), [] if part == "evaluate" else ready.widths,
            ready.arrays.shapes]


def _held(compiled: Any) -> Held | None:
    memory = compiled.memory_analysis()
    if memory is None or not memory.argument_size_in_bytes:
        return None
    return Held(memory.argument_size_in_bytes, memory.output_size_in_bytes, memory.temp_size_in_bytes,
                memory.alias_size_in_bytes)
