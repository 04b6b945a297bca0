"""The all-reduce alone: as many bytes as the weights have, added up over the devices of a mesh."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np

from fallline.engine.devices import prepare_jax

AT_ONCE = 8
"""All-reduces in one program, one after the other: the call from Python is shared out among them."""


def reduce_seconds(devices: int, size: int, seconds: float) -> tuple[int, float]:
    """How many all-reduces of ``size`` bytes over the first ``devices`` were timed, for about so long, and the seconds
    of one.

    The time is this process's; all processes of a group make the same calls, so it holds the slowest.
    """
    program, values = _program(devices, size)
    values = program(values).block_until_ready()
    once = _timed(program, values, 1)
    times = int(np.clip(seconds / max(once, 1e-9), 2, 200)) if prepare_jax().process_count() == 1 else 10
    return times * AT_ONCE, _timed(program, values, times) / times / AT_ONCE


def _timed(program: Any, values: Any, times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):  # one after the other: the devices of a CPU may wait for each other where many are under way
        values = program(values).block_until_ready()
    return time.perf_counter() - begun


@cache
def _program(devices: int, size: int) -> tuple[Any, Any]:
    """The compiled means over devices, ``AT_ONCE`` of them, and what they take: float32 [devices, size / 4]."""
    jax = prepare_jax()
    from jax.sharding import NamedSharding, PartitionSpec

    mesh = jax.sharding.Mesh(np.array(jax.devices()[:devices]), ("data",))
    shares = NamedSharding(mesh, PartitionSpec("data"))

    def means(values: Any) -> Any:
        return jax.lax.fori_loop(0, AT_ONCE, lambda _, held: jax.lax.psum(held, "data") / devices, values)

    mapped = jax.shard_map(
        means, mesh=mesh, in_specs=PartitionSpec("data"), out_specs=PartitionSpec("data"), check_vma=False
    )
    values = jax.jit(lambda: jax.numpy.ones((devices, max(1, size // 4)), "float32"), out_shardings=shares)()
    return jax.jit(mapped).lower(values).compile(), values
