"""JAX made ready: the compilation cache, small loops as one function, and words for the device at hand."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fallline.engine.disk_cache import cache_folder
from fallline.engine.processes import join_processes
from fallline.errors import StudyError

SMALL_LOOP_BYTES = 2_000_000
"""Loops whose state is smaller run as one native function on the CPU, without XLA's 0.1 us an operation.

The line fit's step (45 lanes, 9 rules) takes 0.8 us so, 6 us without. Larger loops keep XLA's threaded products.
"""


CPU_DEVICES = "FALLLINE_CPU_DEVICES"
"""The variable that cuts the CPU up into so many devices, to try on one machine what runs on several."""

MOST_CPU_DEVICES = 256


@dataclass(frozen=True)
class RemoteDevices:
    """The devices of another machine that is planned for: "cpu" or "gpu", and the cores of a process there."""

    kind: str
    cores: int


_planned_for: ContextVar[RemoteDevices | None] = ContextVar("planned_for", default=None)


@contextmanager
def planning_for(place: RemoteDevices | None) -> Iterator[None]:
    """Within, layouts are chosen for devices that are not here."""
    before = _planned_for.set(place)
    try:
        yield
    finally:
        _planned_for.reset(before)


def planned_devices() -> RemoteDevices | None:
    """What is planned for, where it is not this machine."""
    return _planned_for.get()


HELD = {
    "jax_enable_x64": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
    "jax_default_matmul_precision": None,
    "jax_numpy_rank_promotion": "allow",
    "jax_disable_jit": False,
    "jax_no_tracing": False,
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    "jax_transfer_guard": None,
}
"""What JAX is held to, whatever its environment variables say: weights, draws and products are made by these, and no
trial's name tells of another value; programs are compiled, and what diverges ends as diverged. The values are those
that JAX has where nothing is said.
"""


def prepare_jax() -> Any:
    """The jax module, its persistent compilation cache on and ``HELD`` in force: to be asked for before each use."""
    jax = _prepared()
    for option, value in HELD.items():  # again and again: a file of the user's may have changed one since
        if getattr(jax.config, option, value) != value:
            jax.config.update(option, value)
    return jax


@cache
def _prepared() -> Any:
    """What is done once, before anything is compiled.

    An XLA that does not know the option for small loops ignores it; XLA_FLAGS of the user's own that set extra
    options are left alone.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_extra_options" not in flags:
        option = f"--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold={SMALL_LOOP_BYTES}"
        os.environ["XLA_FLAGS"] = f"{flags} {option}".strip()
    _keep_freed_memory()
    import jax

    _cut_up_the_cpu(jax)
    join_processes(jax)
    if jax.config.jax_compilation_cache_dir is None:
        folder = compilation_cache()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return jax  # without a writable cache every run compiles anew; nothing else changes
        jax.config.update("jax_compilation_cache_dir", str(folder))
        # Also what compiles in no time: whether a second run compiles it anew would else hang on how busy all was.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return jax


def _cut_up_the_cpu(jax: Any) -> None:
    """As many CPU devices as FALLLINE_CPU_DEVICES says; where it says nothing, JAX decides."""
    written = os.environ.get(CPU_DEVICES)
    if not written:
        return
    if not (written.isdecimal() and 1 <= int(written) <= MOST_CPU_DEVICES):
        raise StudyError(f"{CPU_DEVICES} must be a whole number from 1 to {MOST_CPU_DEVICES}, got {written[:40]!r}")
    jax.config.update("jax_num_cpu_devices", int(written))


def _keep_freed_memory() -> None:
    """Ask glibc to keep what is freed: large temporary arrays would else be new pages at every step, 15,000 faults of
    them in one of a convnet at batch 150, a seventh of its time. Another C library is left as it is.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 2**26)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
        mallopt(option, value)


def compilation_cache() -> Path:
    """The folder of compiled programs; FALLLINE_CACHE moves it together with all else that is kept."""
    return cache_folder() / "compiled"


def products(precision: str) -> AbstractContextManager[None]:
    """Within, float32 products that are traced are computed so: "float32", "tf32" or "bfloat16".

    StudyError on a CPU, also on one with AMX: XLA asks it only for matmuls that need no side turned, which leaves out
    those of a dense layer and every gradient of weights. With all operands rounded and float32 sums, steps took 0.88 of
    their float32 time in a grid of 784-10 layers, 0.97 to 1.01 in the convnet and 1.12 to 1.23 in dense nets (two
    cores, jax 0.10.2).
    """
    import jax

    place = planned_devices()
    if (jax.default_backend() if place is None else place.kind) == "cpu":
        if precision != "float32":
            raise StudyError(
                f"precision {precision} needs an accelerator that has it, and this is a CPU, where few "
                'studies would train faster so; use precision = "float32"'
            )
        return nullcontext()
    if place is not None:
        return nullcontext()  # nothing is traced for good
    return jax.default_matmul_precision({"float32": "highest", "tf32": "tensorfloat32"}.get(precision, precision))


def device_name() -> str:
    """The device programs run on, in words: ``cpu: Intel(R) Xeon(R), 2 cores`` or ``gpu: NVIDIA H200``."""
    place = planned_devices()
    if place is not None:
        return f"{place.kind}: another machine's"
    jax = prepare_jax()
    device = jax.devices()[0]
    if device.platform == "cpu":
        return f"cpu: {processor()}, {cores()} core{'s' * (cores() > 1)}"
    return f"{device.platform}: {device.device_kind}"


def cores() -> int:
    """Cores this process may use, or one on the machine that is planned for."""
    place = planned_devices()
    if place is not None:
        return place.cores
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
