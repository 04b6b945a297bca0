"""Preparing JAX: the compilation cache, compiler options for small loops, and the name of the device."""

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
"""Loops with a smaller state run as one native function on the CPU, without XLA's overhead of 0.1 us per operation.

The step of the line fit (45 lanes, 9 optimizers) takes 0.8 us this way and 6 us otherwise. Larger loops keep XLA's
multi-threaded matmuls.
"""


CPU_DEVICES = "FALLLINE_CPU_DEVICES"
"""The environment variable that splits the CPU into several devices, to try on one machine what runs on several."""

MOST_CPU_DEVICES = 256


@dataclass(frozen=True)
class RemoteDevices:
    """The devices of another machine that a run is planned for: "cpu" or "gpu", and the CPU cores per process."""

    kind: str
    cores: int


_planned_for: ContextVar[RemoteDevices | None] = ContextVar("planned_for", default=None)


@contextmanager
def planning_for(devices: RemoteDevices | None) -> Iterator[None]:
    """Within this context, layouts are chosen for these devices of another machine; None: for this machine."""
    before = _planned_for.set(devices)
    try:
        yield
    finally:
        _planned_for.reset(before)


def planned_devices() -> RemoteDevices | None:
    """The devices of another machine that layouts are chosen for now; None: this machine."""
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
"""JAX settings that are enforced whatever the environment says: weights, random draws and matmuls depend on them, and
the name of a trial does not. The values are JAX's defaults.
"""


def prepare_jax() -> Any:
    """The jax module with its persistent compilation cache on and ``HELD`` applied; call it before each use of JAX."""
    jax = _prepared()
    for option, value in HELD.items():  # every time: a user's module may have changed one
        if getattr(jax.config, option, value) != value:
            jax.config.update(option, value)
    return jax


@cache
def _prepared() -> Any:
    """What is done once, before anything is compiled.

    Versions of XLA that do not know the option for small loops ignore it. XLA_FLAGS in which the user sets extra
    options are not changed.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_extra_options" not in flags:
        option = f"--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold={SMALL_LOOP_BYTES}"
        os.environ["XLA_FLAGS"] = f"{flags} {option}".strip()
    _keep_freed_memory()
    import jax

    _cut_up_the_cpu(jax)
    join_processes(jax)
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        folder = compilation_cache()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return jax  # without a writable cache every run compiles again; nothing else changes
        jax.config.update("jax_compilation_cache_dir", str(folder))
        # Also programs that compile quickly: else the load of the machine decides whether a second run compiles again.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return jax


def _cut_up_the_cpu(jax: Any) -> None:
    """Make as many CPU devices as FALLLINE_CPU_DEVICES says; where it is not set, JAX decides."""
    written = os.environ.get(CPU_DEVICES)
    if not written:
        return
    if not (written.isdecimal() and 1 <= int(written) <= MOST_CPU_DEVICES):
        raise StudyError(f"{CPU_DEVICES} must be a whole number from 1 to {MOST_CPU_DEVICES}, got {written[:40]!r}")
    jax.config.update("jax_num_cpu_devices", int(written))


def _keep_freed_memory() -> None:
    """Ask glibc to keep freed memory: else large temporary arrays are new pages at every step, 15,000 page faults per
    step of a convnet at batch 150, a seventh of its time. Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 2**26)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
        mallopt(option, value)


def compilation_cache() -> Path:
    """The folder of compiled programs, in the cache folder."""
    return cache_folder() / "compiled"


def matmul_precision(precision: str) -> AbstractContextManager[None]:
    """Within this context, float32 matmuls are traced with this precision: "float32", "tf32" or "bfloat16".

    StudyError on a CPU, also on one with AMX: XLA uses AMX only for matmuls without a transposed operand, which leaves
    out those of a dense layer and every gradient of weights. With all operands rounded and float32 sums, steps took
    0.88 of their float32 time in a grid of 784-10 layers, 0.97 to 1.01 in the convnet and 1.12 to 1.23 in dense nets
    (two cores, jax 0.10.2).
    """
    import jax

    remote = planned_devices()
    if (jax.default_backend() if remote is None else remote.kind) == "cpu":
        if precision != "float32":
            raise StudyError(
                f"precision {precision} needs an accelerator that supports it, and this is a CPU, where few "
                'studies would train faster with it; use precision = "float32"'
            )
        return nullcontext()
    if remote is not None:
        return nullcontext()  # programs that are traced for planning never run
    return jax.default_matmul_precision({"float32": "highest", "tf32": "tensorfloat32"}.get(precision, precision))


def device_name() -> str:
    """The name of the device that programs run on: ``cpu: Intel(R) Xeon(R), 2 cores`` or ``gpu: NVIDIA H200``."""
    remote = planned_devices()
    if remote is not None:
        return f"{remote.kind}: another machine's"
    jax = prepare_jax()
    device = jax.devices()[0]
    if device.platform == "cpu":
        return f"cpu: {processor()}, {cores()} core{'s' * (cores() > 1)}"
    return f"{device.platform}: {device.device_kind}"


def cores() -> int:
    """CPU cores that this process may use, or a process on the machine that is planned for."""
    remote = planned_devices()
    if remote is not None:
        return remote.cores
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def processor() -> str:
    """The model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
