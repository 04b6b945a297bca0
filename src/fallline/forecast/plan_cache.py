"""Plans kept on disk: planning the same study again needs no JAX, no tasks and no data."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fallline
from fallline.engine.devices import CPU_DEVICES, cores, processor
from fallline.engine.disk_cache import cached, get, put
from fallline.forecast.count_cache import path_of, read_costs
from fallline.forecast.prediction import CohortShape, Held, Outline
from fallline.study import Study, plain
from fallline.study.trial import digest

FORMAT = 2

ENVIRONMENT = (
    "JAX_PLATFORMS",
    "JAX_PLATFORM_NAME",
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "XLA_FLAGS",
    "JAX_ENABLE_X64",
    "FALLLINE_DATA",
    CPU_DEVICES,
)
"""The environment variables that the device and the data of a plan depend on."""

DRIVERS = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/accel0")
"""Files that exist on Linux where the machine has an accelerator."""


@dataclass(frozen=True)
class KnownPlan:
    """A plan: its device, the facts and the outline of each cohort, the memory of its process before planning, and the
    approximate compile time."""

    device: str
    cohorts: tuple[tuple[dict[str, Any], Outline], ...]
    process_bytes: int | None
    compile_seconds: float


def plan_path(study: Study, folder: Path | None) -> Path | None:
    """The file of a study's plan, named by everything that the plan depends on. It must be computed before JAX is
    prepared, which changes some of that. None for a study with components of the user's, whose code or data may change
    under the same name.
    """
    written = {name: getattr(study, name) for name in type(study).model_fields if name != "folder"}
    if (
        study.networks
        or study.model
        or not isinstance(study.data, str)
        or not all(
            map(_only_built_in, (written[name] for name in ("task", "metrics", "base", "axes", "zip", "points")))
        )
    ):
        return None
    key = [
        fallline.__version__,
        version("jax"),
        version("jaxlib"),
        version("optax"),
        processor(),
        cores(),
        [os.environ.get(name) for name in ENVIRONMENT],
        [Path(name).exists() for name in DRIVERS],
        str(folder),
        plain(study),
    ]
    return cached("plans", f"{digest(key)}.json")


def recall_plan(path: Path | None) -> KnownPlan | None:
    """The plan in that file; None where there is none, or where a later run has better counts of its programs."""
    content = None if path is None else get(path)
    if path is None or content is None:
        return None
    try:
        made = path.stat().st_mtime_ns
        written = json.loads(content)
        outlines = [_outline(outline) for outline in written["outlines"]]
        if written["format"] != FORMAT or any(_changed(counted, made) for counted in _count_files(outlines)):
            return None
        cohorts = tuple((facts, outlines[which]) for facts, which in written["cohorts"])
        return KnownPlan(written["device"], cohorts, written["process_bytes"], float(written["compile_seconds"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None


def remember_plan(path: Path | None, known: KnownPlan) -> None:
    """Keep the plan, with equal outlines once; where nothing can be written, the next plan starts from scratch."""
    if path is None:
        return
    distinct: dict[str, int] = {}
    cohorts = []
    for facts, outline in known.cohorts:
        text = json.dumps(asdict(outline))
        cohorts.append((facts, distinct.setdefault(text, len(distinct))))
    head = json.dumps(
        {
            "format": FORMAT,
            "device": known.device,
            "process_bytes": known.process_bytes,
            "compile_seconds": known.compile_seconds,
            "cohorts": cohorts,
        }
    )
    put(path, f'{head[:-1]}, "outlines": [{", ".join(distinct)}]}}'.encode())


def _only_built_in(value: Any) -> bool:
    """Whether a value contains only numbers and names of built-in components."""
    if isinstance(value, str):
        return ":" not in value
    if isinstance(value, Mapping):
        return all(map(_only_built_in, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_only_built_in, value))
    return value is None or isinstance(value, (bool, int, float))


def _count_files(outlines: Iterable[Outline]) -> set[Path]:
    """The files of counts that a later run improves: those of programs that were not compiled yet."""
    by_law = {name for outline in outlines if outline.how == "by law" for name in outline.programs if name}
    return set(map(path_of, by_law))


def _changed(path: Path, since: int) -> bool:
    try:
        return path.stat().st_mtime_ns > since
    except OSError:
        return False


def _outline(written: dict[str, Any]) -> Outline:
    shape = CohortShape(**written["shape"] | {name: tuple(written["shape"][name]) for name in ("call", "evaluation")})
    held = {name: None if written[name] is None else Held(**written[name]) for name in ("step_held", "evaluation_held")}
    evaluation = None if written["evaluation"] is None else read_costs(written["evaluation"])
    return Outline(
        **written
        | held
        | {
            "shape": shape,
            "step": read_costs(written["step"]),
            "evaluation": evaluation,
            "programs": tuple(written["programs"]),
        }
    )
