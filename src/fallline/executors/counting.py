"""What the programs of cohorts come to: counted from XLA's text where there is time to compile them, else by law."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any

import fallline
from fallline.engine.compiled import Compiled
from fallline.engine.devices import SMALL_LOOP_BYTES, device_name
from fallline.executors.cohort import ReadyCohort
from fallline.forecast.counted import Counted, recall_counted, remember_counted
from fallline.forecast.hlo import costs
from fallline.forecast.prediction import Held

COMPILING_SECONDS_A_LINE = 2e-3
"""What compiling takes, by the lines of the program as XLA is given it: enough to say whether there is time for it."""

LETTERS_A_LINE = 180
"""Of a program as XLA made it, by the lines it is given."""


class Counting:
    """Counts each program once, however many cohorts share it.

    Until the clock (``time.perf_counter``) reaches ``until`` programs are compiled; those that there is no time for are
    counted as XLA is given them, and when it is over as the next of kin was: a cohort that differs in its update rules
    alone. Without ``until`` all are compiled. By law a program holds nothing that is known.
    """

    def __init__(self, until: float | None = None):
        self.until = until
        self._known: dict[int, Counted] = {}
        self._kin: dict[str, Counted] = {}

    def step(self, ready: ReadyCohort) -> Counted:
        """The largest step of a cohort."""
        return self._counted(ready, "step", ready.program.advance(max(ready.widths)))

    def look(self, ready: ReadyCohort) -> Counted | None:
        """A batch of its evaluation; None where nothing is held out."""
        return None if ready.evaluation_shapes is None else self._counted(ready, "evaluate", ready.program.evaluate)

    def _counted(self, ready: ReadyCohort, part: str, program: Compiled) -> Counted:
        if id(program) not in self._known:
            kin = repr(_key(ready, part, rules=False))
            found = self._known[id(program)] = self._count(ready, part, program, self._kin.get(kin))
            self._kin.setdefault(kin, found)
        return self._known[id(program)]

    def _count(self, ready: ReadyCohort, part: str, program: Compiled, kin: Counted | None) -> Counted:
        key = _key(ready, part)
        shapes: Any = ready.step_shapes if part == "step" else ready.evaluation_shapes
        if program.text is None and self.until is not None:
            known = recall_counted(key)
            if known is not None:
                return known
            if kin is not None and time.perf_counter() > self.until:
                return replace(kin, held=None)
            written = program.written(*shapes)
            if time.perf_counter() + COMPILING_SECONDS_A_LINE * program.lines > self.until:
                small = ready.layout.loop and ready.weights * ready.planned.lanes * 16 < SMALL_LOOP_BYTES
                own = costs(written, small and part == "step", ready.layout.loop and part == "step")
                return Counted(own, None, LETTERS_A_LINE * program.lines, *program.leaves)
        compiled = program.prepare(*shapes)
        text = program.text or ""
        found = Counted(costs(text), _held(compiled), len(text), *program.leaves)
        remember_counted(key, found)
        return found


def _key(ready: ReadyCohort, part: str, rules: bool = True) -> list[Any]:
    """What tells a program apart from all others here; without ``rules`` from all but its next of kin."""
    import jax

    cohort, layout = ready.cohort, ready.layout
    segments = [(segment.optimizer.name if rules else "", segment.lanes) for segment in cohort.segments]
    return [fallline.__version__, jax.__version__, device_name(), part, ready.planned.task.name, ready.weights,
            cohort.model.name, cohort.loss.name, [name for name, _ in cohort.metrics], segments,
            sorted(cohort.regularisers),
            [cohort.gives, cohort.scheduled, cohort.masked, cohort.averaged, cohort.classifies, cohort.precision],
            asdict(layout), ready.widths, ready.arrays.shapes]


def _held(compiled: Any) -> Held | None:
    memory = compiled.memory_analysis()
    if memory is None or not memory.argument_size_in_bytes:
        return None
    return Held(memory.argument_size_in_bytes, memory.output_size_in_bytes, memory.temp_size_in_bytes,
                memory.alias_size_in_bytes)
