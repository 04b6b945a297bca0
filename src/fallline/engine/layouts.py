"""How a cohort is run, by its size and the device: no run is trained twice to find out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline.engine.devices import cores, planned_devices
from fallline.engine.mesh import ONE_DEVICE, Mesh
from fallline.engine.program import Layout

SMALL_WEIGHTS = 50_000
"""Below so many weights in all lanes of a seed, a step costs its overhead and not its arithmetic."""

CACHED_WEIGHTS = 600_000
"""Weights of all lanes of a program above which lanes do better apart, each in a core's own cache."""

WORTH_SPLITTING = 50_000
"""Lane-steps of a small cohort above which its seeds are shared out among the cores: a block costs milliseconds."""

MEMORY_A_PROGRAM = 256_000_000
"""Bytes that the weights of a seed's lanes may take on an accelerator; rules keep up to three more copies of them."""


def most_lanes(weights: int, looped: bool) -> int:
    """How many lanes of so many weights a seed may have in one program.

    On the CPU: as many as stay in the cache; one of a model whose weights fill it alone, or whose operations need
    threads.
    """
    if _on_cpu():
        return max(1, CACHED_WEIGHTS // weights) if looped and weights <= SMALL_WEIGHTS else 1
    return max(1, MEMORY_A_PROGRAM // (4 * weights))


def keeps_threads(function: Callable[..., Any], *shapes: Any) -> bool:
    """Whether a function has no convolution in it, which inside a loop runs without threads on the CPU."""
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

    place = planned_devices()
    return (jax.default_backend() if place is None else place.kind) == "cpu"


def guess(
    weights: int, lanes: int, seeds: int, steps: int, longest: int, looped: bool = True, mesh: Mesh = ONE_DEVICE
) -> Layout:
    """A layout that suits: small steps all together, a share of the seeds a core; on a CPU large ones a seed at a time
    on every core, on an accelerator as many seeds as a program may hold.

    ``weights`` of one model; ``longest`` is the most of its ``steps`` a dispatch may take; ``looped`` says whether
    steps may be a loop inside the program. On a mesh the rows take the place of the cores.
    """
    spread = mesh.devices > 1
    places = mesh.trial if spread else cores()

    def layout(together: int, wide: bool, chunk: int, loop: bool = True) -> Layout:
        return Layout(
            together,
            wide,
            min(places, seeds // together) if wide else places,
            min(longest, chunk),
            loop,
            trial=mesh.trial,
            data=mesh.data,
        )

    if not looped and _on_cpu():
        return layout(1, False, 25, loop=False)
    if weights * lanes <= SMALL_WEIGHTS:
        together = seeds
        if spread or (_on_cpu() and lanes * seeds * steps > WORTH_SPLITTING):
            together = max(n for n in range(1, -(-seeds // places) + 1) if seeds % n == 0)
        return layout(together, True, 2000)
    if spread or _on_cpu():
        return layout(1, False, 100)
    most = max(1, most_lanes(weights, looped) // lanes)
    together = max(n for n in range(1, min(most, seeds) + 1) if seeds % n == 0)
    return Layout(together, True, 1, min(longest, 100), trial=mesh.trial, data=mesh.data)
