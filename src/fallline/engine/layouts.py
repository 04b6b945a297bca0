"""How a cohort is run: guessed where it hardly matters, measured and remembered where it does."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fallline.engine.devices import cache_folder, cores, device_name, elsewhere
from fallline.engine.lanes import Cohort
from fallline.engine.mesh import ONE_DEVICE, Mesh
from fallline.engine.program import Layout

SMALL_WEIGHTS = 50_000
"""Below so many weights in all lanes of a seed, a step costs its overhead and not its arithmetic."""

WORTH_MEASURING = 5e11
"""Operations in a run from which measuring layouts (some compilations) pays for itself."""


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

    place = elsewhere()
    return (jax.default_backend() if place is None else place.kind) == "cpu"


def guess(weights: int, lanes: int, seeds: int, steps: int, longest: int, looped: bool = True,
          mesh: Mesh = ONE_DEVICE) -> Layout:
    """A good layout without measuring: small steps all together, a share of the seeds a core, large ones a seed at a
    time on every core.

    ``weights`` of one model; ``longest`` is the most of its ``steps`` a dispatch may take; ``looped`` says whether
    steps may be a loop inside the program. On a mesh the rows take the place of the cores.
    """
    spread = mesh.devices > 1
    places = mesh.trial if spread else cores()

    def layout(together: int, wide: bool, chunk: int, loop: bool = True) -> Layout:
        return Layout(together, wide, min(places, seeds // together) if wide else places, min(longest, chunk), loop,
                      trial=mesh.trial, data=mesh.data)

    if not looped and _on_cpu():
        return layout(1, False, 25, loop=False)
    if weights * lanes <= SMALL_WEIGHTS:
        together = seeds
        if spread or (_on_cpu() and lanes * seeds * steps > WORTH_SPLITTING):
            together = max(n for n in range(1, -(-seeds // places) + 1) if seeds % n == 0)
        return layout(together, True, 2000)
    return layout(1, False, 100)


def candidates(first: Layout, seeds: int) -> list[Layout]:
    """The layouts that are timed: seeds together or apart, gradient passes joined or apart."""
    if not first.loop:
        ways = [replace(first, lowering=name) for name in ("", "native")]
        return list(dict.fromkeys([first, *(replace(way, workers=count) for way in ways for count in (1, cores()))]))
    others = [Layout(1, False, cores(), first.chunk), Layout(1, True, cores(), first.chunk),
              Layout(seeds, False, 1, first.chunk), Layout(seeds, True, 1, first.chunk)]
    return list(dict.fromkeys([first, *others]))


def choose(cohort: Cohort, shape: tuple[int, ...], first: Layout, seeds: int, operations: float,
           seconds_a_step: Callable[[Layout], float] | None) -> Layout:
    """The layout for a run of so many ``operations``: remembered, else measured where that pays, else
    ``first``, as for devices that are elsewhere.

    Without ``seconds_a_step`` nothing is measured.

    ``shape`` tells apart programs of one cohort (weights, batch). A layout is remembered by program and device,
    not by study, so every later run of such a cohort with as many seeds starts at once.
    """
    if elsewhere() is not None:
        return first
    memory = cache_folder() / "layouts" / f"{_key(cohort, shape, first, seeds)}.json"
    known = _recall(memory)
    if known or operations < WORTH_MEASURING or seconds_a_step is None:
        return known or first
    measured = {layout: seconds_a_step(layout) for layout in candidates(first, seeds)}
    best = min(measured, key=measured.__getitem__)
    _remember(memory, best, measured)
    return best


def _key(cohort: Cohort, shape: tuple[int, ...], first: Layout, seeds: int) -> str:
    import jax

    parts = [device_name(), jax.__version__, cohort.model.name, cohort.loss.name, shape, asdict(first), seeds,
             [(segment.optimizer.name, segment.lanes) for segment in cohort.segments]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _recall(memory: Path) -> Layout | None:
    """What was measured before; a file that cannot be used is as good as none."""
    try:
        return Layout(**json.loads(memory.read_text(encoding="utf-8"))["best"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(memory: Path, best: Layout, measured: dict[Layout, float]) -> None:
    rows = [asdict(layout) | {"seconds_a_step": seconds} for layout, seconds in measured.items()]
    record = {"best": asdict(best), "measured": rows, "device": device_name(), "when": time.strftime("%Y-%m-%d")}
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        aside = memory.with_suffix(".new")
        aside.write_text(json.dumps(record, indent=1), encoding="utf-8")
        aside.replace(memory)
    except OSError:
        return  # measuring again next time costs seconds; a run must not fail for it
