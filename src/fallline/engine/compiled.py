"""A function that is compiled once, before its first call; its traces, seconds and bytes are counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import jax

from fallline.engine import program_cache

THIN_MATMULS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""Matmuls by XLA's own library instead of YNNPACK: 1.6 times the speed for lanes of a 784-10 layer (jax 0.10.2), and
half the speed for the wide matmuls of a convnet.
"""

IN_PLACE = {"xla_cpu_copy_insertion_use_region_analysis": True}
"""Weights that are read and then written are not copied first: saves a tenth of a convnet step (jax 0.10.2)."""


class Compiled:
    """``function`` compiled for the shapes of its first call. A call with other shapes is an error, not a recompile.

    ``thin``: its matmuls are small ones of many lanes, for which the CPU has a compiler option. ``everywhere``: the
    sharding of arguments and results on a row of several devices (replicated). A ``name`` identifies ``function`` among
    all functions of this source code; a traced program with a name is kept on disk for later processes. Such a function
    returns a record (arrays by name), with ``carries`` preceded by the next value of its first argument.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        donate: tuple[int, ...] = (),
        thin: bool = True,
        everywhere: Any | None = None,
        name: str | None = None,
        carries: bool = False,
    ):
        self.carries = carries
        self.thin, self.name = thin, name if everywhere is None else None
        self.traces = 0
        self.trace_seconds = 0.0
        self.compile_seconds = 0.0
        self.memory_bytes: int | None = None
        self.lines = 0  # of the HLO text that XLA is given, after ``written``
        self.leaves = (0, 0)  # number of arrays among arguments and results, after tracing
        self._lock = threading.Lock()
        self._lowered: Any = None
        self._known: program_cache.Traced | None = None
        self._program: Any = None

        def counted(*arguments: Any) -> Any:
            self.traces += 1
            return function(*arguments)

        placed = {} if everywhere is None else {"in_shardings": everywhere, "out_shardings": everywhere}
        self._counted, self._donate = counted, donate
        self._jitted = jax.jit(counted, donate_argnums=donate, **placed)

    def __call__(self, *arguments: Any) -> Any:
        return self.prepare(*arguments)(*arguments)

    def prepare(self, *arguments: Any) -> Any:
        """The compiled program, compiled now if it was not yet; ``arguments`` may be shapes only."""
        with self._lock:
            if self._program is None:
                self._make(arguments)
            return self._program

    def _make(self, arguments: tuple[Any, ...]) -> None:
        traced = self._kept(arguments)
        lowered = self._trace(*arguments) if traced is None else traced.lowered(arguments, self._donate)
        begun = time.perf_counter()
        program = _compile(lowered, THIN_MATMULS if self.thin else IN_PLACE)
        self._program = program if traced is None else _Flat(program, traced.results(arguments))
        self.compile_seconds = time.perf_counter() - begun
        self.leaves = len(jax.tree.leaves(arguments)), program.out_tree.num_leaves
        self.memory_bytes = _peak_bytes(program)
        self._lowered = self._known = None

    def _kept(self, arguments: tuple[Any, ...]) -> program_cache.Traced | None:
        """The traced program in the form that is kept on disk, traced now if necessary; None where it cannot be
        kept."""
        if self.name is None or self._known is not None:
            return self._known
        begun, key = time.perf_counter(), program_cache.key_of(self.name, arguments)
        found = program_cache.recall(key)
        if found is None:
            try:
                found = program_cache.trace(self._counted, arguments, self.carries)
            except Exception:  # what cannot be exported is traced by jax.jit, which reports what is wrong with it
                return None
            if found is None:
                return None
            program_cache.keep(key, found)
        self.trace_seconds = time.perf_counter() - begun
        self._known = found
        return found

    def written(self, *arguments: Any) -> str:
        """The HLO text of the program before XLA optimises it; traced now if necessary, not compiled."""
        with self._lock:
            known = self._kept(arguments)
            if known is None or known.source is None:
                lowered = self._trace(*arguments)
            else:
                lowered = known.source.lower(*jax.tree.leaves(arguments))
                self.leaves = lowered.in_tree.num_leaves, lowered.out_tree.num_leaves
            text = lowered.as_text(dialect="hlo")
            self.lines = text.count("\n")
            return text

    @property
    def text(self) -> str | None:
        """The HLO text of the program after XLA optimised it; None before it is compiled."""
        return None if self._program is None else self._program.as_text()

    def _trace(self, *arguments: Any) -> Any:
        if self._lowered is None:
            begun = time.perf_counter()
            self._lowered = self._jitted.lower(*arguments)
            self.trace_seconds = time.perf_counter() - begun
            self.leaves = self._lowered.in_tree.num_leaves, self._lowered.out_tree.num_leaves
        return self._lowered


class _Flat:
    """A program that takes and returns lists of arrays, called like the function that it was traced from."""

    def __init__(self, program: Any, results: Any):
        self._program, self._results = program, results
        self.as_text, self.memory_analysis = program.as_text, program.memory_analysis

    def __call__(self, *arguments: Any) -> Any:
        return jax.tree.unflatten(self._results, self._program(*jax.tree.leaves(arguments)))


def _compile(lowered: Any, options: dict[str, Any]) -> Any:
    """The compiled program; without our options where this version of XLA does not know them."""
    if jax.default_backend() != "cpu":
        return lowered.compile()
    try:
        return lowered.compile(compiler_options=options)
    except jax.errors.JaxRuntimeError as failure:
        if "No such compile option" not in str(failure):
            raise
        return lowered.compile()


def _peak_bytes(program: Any) -> int | None:
    """The peak memory by XLA's own analysis; None where there is none (zero on some GPU versions)."""
    memory = program.memory_analysis()
    if memory is None:
        return None
    held = (
        memory.temp_size_in_bytes
        + memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
    )
    return held or None
