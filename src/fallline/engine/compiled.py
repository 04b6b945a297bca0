"""A function compiled once, ahead of its first call; its traces, seconds and bytes are counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import jax

THIN_PRODUCTS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""Products by XLA's own library instead of YNNPACK: 1.6 times the speed for lanes of a 784-10 layer (jax 0.10.2), and
half the speed for the wide products of a convnet.
"""

IN_PLACE = {"xla_cpu_copy_insertion_use_region_analysis": True}
"""Weights that are read and then written are not copied before: a tenth of the step of a convnet (jax 0.10.2)."""


class Compiled:
    """``function`` compiled for the shapes of its first call. A call with other shapes is an error, not a recompile.

    ``thin`` says that its products are of many thin lanes, for which the CPU has an option. ``everywhere`` is how
    arguments and results lie on the devices of a row, where it has several: whole, on each of them.
    """

    def __init__(self, function: Callable[..., Any], donate: tuple[int, ...] = (), thin: bool = True,
                 everywhere: Any | None = None):
        self.thin = thin
        self.traces = 0
        self.trace_seconds = 0.0
        self.compile_seconds = 0.0
        self.memory_bytes: int | None = None
        self.lines = 0  # of the program as XLA is given it, once ``written``
        self.leaves = (0, 0)  # arrays that it is given and gives, once traced
        self._lock = threading.Lock()
        self._lowered: Any = None
        self._program: Any = None

        def counted(*arguments: Any) -> Any:
            self.traces += 1
            return function(*arguments)

        placed = {} if everywhere is None else {"in_shardings": everywhere, "out_shardings": everywhere}
        self._jitted = jax.jit(counted, donate_argnums=donate, **placed)

    def __call__(self, *arguments: Any) -> Any:
        return self.prepare(*arguments)(*arguments)

    def prepare(self, *arguments: Any) -> Any:
        """The compiled program, made now if it was not; ``arguments`` may be shapes alone."""
        with self._lock:
            if self._program is None:
                lowered, traced = self._trace(*arguments), time.perf_counter()
                self._program = _compile(lowered, THIN_PRODUCTS if self.thin else IN_PLACE)
                self.compile_seconds = time.perf_counter() - traced
                self.memory_bytes = _peak_bytes(self._program)
                self._lowered = None
            return self._program

    def written(self, *arguments: Any) -> str:
        """The program as XLA is given it, HLO in words; traced now if it was not, and not compiled."""
        with self._lock:
            text = self._trace(*arguments).as_text(dialect="hlo")
            self.lines = text.count("\n")
            return text

    @property
    def text(self) -> str | None:
        """The program as XLA made it, HLO in words; None before it is compiled."""
        return None if self._program is None else self._program.as_text()

    def _trace(self, *arguments: Any) -> Any:
        if self._lowered is None:
            begun = time.perf_counter()
            self._lowered = self._jitted.lower(*arguments)
            self.trace_seconds = time.perf_counter() - begun
            self.leaves = self._lowered.in_tree.num_leaves, self._lowered.out_tree.num_leaves
        return self._lowered


def _compile(lowered: Any, options: dict[str, Any]) -> Any:
    """The program; an XLA that does not know our options compiles without them."""
    if jax.default_backend() != "cpu":
        return lowered.compile()
    try:
        return lowered.compile(compiler_options=options)
    except jax.errors.JaxRuntimeError as failure:
        if "No such compile option" not in str(failure):
            raise
        return lowered.compile()


def _peak_bytes(program: Any) -> int | None:
    """XLA's own figure of what the program holds at once; None where it has none (zero on some GPU versions)."""
    memory = program.memory_analysis()
    if memory is None:
        return None
    held = (memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
            - memory.alias_size_in_bytes)
    return held or None
