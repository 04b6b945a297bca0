"""Plans kept on disk: a study that was planned here before is planned again without JAX, its tasks or its data."""

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

DECIDING = (
    "JAX_PLATFORMS",
    "JAX_PLATFORM_NAME",
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "XLA_FLAGS",
    "JAX_ENABLE_X64",
    "FALLLINE_DATA",
    CPU_DEVICES,
)
"""The variables by which the device and the data of a plan may change."""

DRIVERS = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/accel0")
"""There where the machine has an accelerator, on Linux."""


@dataclass(frozen=True)
class KnownPlan:
    """A plan as it was made: for which device, each cohort's facts and outline, what its process held before, and about
    what compiling takes."""

    device: str
    cohorts: tuple[tuple[dict[str, Any], Outline], ...]
    process_bytes: int | None
    compile_seconds: float


def plan_path(study: Study, folder: Path | None) -> Path | None:
    """The file of a study's plan, by all that the plan hangs on, asked before JAX is made ready, which changes some of
    it; None of a study with parts that are not named alone, whose code or data may change under the same name.
    """
    written = {name: getattr(study, name) for name in type(study).model_fields if name != "folder"}
    if study.networks or not all(
        map(_named_alone, (written[name] for name in ("task", "metrics", "base", "axes", "zip", "points")))
    ):
        return None
    key = [
        fallline.__version__,
        version("jax"),
        version("jaxlib"),
        version("optax"),
        processor(),
        cores(),
        [os.environ.get(name) for name in DECIDING],
        [Path(name).exists() for name in DRIVERS],
        str(folder),
        plain(study),
    ]
    return cached("plans", f"{digest(key)}.json")


def recall_plan(path: Path | None) -> KnownPlan | None:
    """The plan in that file; None where there is none, or where more is known of its programs, or of how to run them,
    than when it was made.
    """
    content = None if path is None else get(path)
    if path is None or content is None:
        return None
    try:
        made = path.stat().st_mtime_ns
        written = json.loads(content)
        outlines = [_outline(own) for own in written["outlines"]]
        if written["format"] != FORMAT or any(_changed(counted, made) for counted in _rests_on(outlines)):
            return None
        cohorts = tuple((facts, outlines[which]) for facts, which in written["cohorts"])
        return KnownPlan(written["device"], cohorts, written["process_bytes"], float(written["compile_seconds"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None


def remember_plan(path: Path | None, known: KnownPlan) -> None:
    """Keep it, outlines that are alike once; where nothing can be written the next plan begins anew."""
    if path is None:
        return
    alike: dict[str, int] = {}
    cohorts = []
    for facts, outline in known.cohorts:
        text = json.dumps(asdict(outline))
        cohorts.append((facts, alike.setdefault(text, len(alike))))
    head = json.dumps(
        {
            "format": FORMAT,
            "device": known.device,
            "process_bytes": known.process_bytes,
            "compile_seconds": known.compile_seconds,
            "cohorts": cohorts,
        }
    )
    put(path, f'{head[:-1]}, "outlines": [{", ".join(alike)}]}}'.encode())


def _named_alone(value: Any) -> bool:
    """Whether there are only numbers and names of built-in parts in it."""
    if isinstance(value, str):
        return ":" not in value
    if isinstance(value, Mapping):
        return all(map(_named_alone, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_named_alone, value))
    return value is None or isinstance(value, (bool, int, float))


def _rests_on(outlines: Iterable[Outline]) -> set[Path]:
    """What a later run writes that makes a better plan: the counts of programs compiled since."""
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
