"""Choosing the layout of a cohort by its size and the device, without timing anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline.engine.devices import cores, planned_devices
from fallline.engine.mesh import ONE_DEVICE, Mesh
from fallline.engine.program import Layout

SMALL_WEIGHTS = 50_000
"""With fewer weights in all lanes of a seed, overhead dominates the time of a step, not arithmetic."""

CACHED_WEIGHTS = 600_000
"""With more weights in all lanes of a program, separate programs are faster, each in the cache of a core."""

WORTH_SPLITTING = 50_000
"""With more lane-steps the seeds of a small cohort are split over the cores: a block costs milliseconds."""

MEMORY_A_PROGRAM = 256_000_000
"""Bytes that the weights of one seed may take on an accelerator; optimizers keep up to three more copies of them."""


def most_lanes(weights: int, looped: bool) -> int:
    """The largest number of lanes per seed in one program, for models with ``weights`` weights.

    On the CPU as many as fit the cache; 1 for a model that fills the cache alone, or whose operations need threads.
    """
    if _on_cpu():
        return max(1, CACHED_WEIGHTS // weights) if looped and weights <= SMALL_WEIGHTS else 1
    return max(1, MEMORY_A_PROGRAM // (4 * weights))


def keeps_threads(function: Callable[..., Any], *shapes: Any) -> bool:
    """Whether a function has no convolution: inside a loop, convolutions run without threads on the CPU."""
    import jax

    def inside(jaxpr: Any) -> bool:
        for equation in jaxpr.eqns:
            if equation.primitive.name == "conv_general_dilated":
                return True
            for value in equation.params.values():
                for part in value if isinstance(value, (tuple, list)) else (value,):
                    if hasattr(part, "eqns") and inside(part):
                        return True
                    if hasattr(part, "jaxpr") and inside(part.jaxpr):
                        return True
        return False

    return not inside(jax.make_jaxpr(function)(*shapes).jaxpr)


def _on_cpu() -> bool:
    import jax

    remote = planned_devices()
    return (jax.default_backend() if remote is None else remote.kind) == "cpu"


def guess(
    weights: int, lanes: int, seeds: int, steps: int, longest: int, looped: bool = True, mesh: Mesh = ONE_DEVICE
) -> Layout:
    """The layout of a cohort. Cohorts with small steps: all lanes in one gradient pass, the seeds split over the cores.
    With large steps: on a CPU one seed per program and core, on an accelerator as many seeds as a program may hold.

    ``weights`` are those of one model; ``longest`` is the largest number of ``steps`` per dispatch; ``looped`` says
    whether steps may be a loop inside the program. On a mesh its rows replace the cores.
    """
    spread = mesh.devices > 1
    workers = mesh.trial if spread else cores()

    def layout(seeds_per_program: int, wide: bool, chunk: int, loop: bool = True) -> Layout:
        return Layout(
            seeds_per_program,
            wide,
            min(workers, seeds // seeds_per_program) if wide else workers,
            min(longest, chunk),
            loop,
            trial=mesh.trial,
            data=mesh.data,
        )

    if not looped and _on_cpu():
        return layout(1, False, 25, loop=False)
    if weights * lanes <= SMALL_WEIGHTS:
        seeds_per_program = seeds
        if spread or (_on_cpu() and lanes * seeds * steps > WORTH_SPLITTING):
            seeds_per_program = max(n for n in range(1, -(-seeds // workers) + 1) if seeds % n == 0)
        return layout(seeds_per_program, True, 2000)
    if spread or _on_cpu():
        return layout(1, False, 100)
    most = max(1, most_lanes(weights, looped) // lanes)
    seeds_per_program = max(n for n in range(1, min(most, seeds) + 1) if seeds % n == 0)
    return Layout(seeds_per_program, True, 1, min(longest, 100), trial=mesh.trial, data=mesh.data)
