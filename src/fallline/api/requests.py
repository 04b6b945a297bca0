"""What a call asks for, as one value that travels: the study, its folders, the mesh, who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallline.errors import UnknownName
from fallline.study import Study, load_study

if TYPE_CHECKING:
    from fallline.engine.mesh import Mesh
    from fallline.training.progress import Progress


@dataclass(frozen=True)
class RunRequest:
    """A study to train, resolved: what to train, where its records go, and how.

    ``out`` is the run folder, ``data`` the folder with full data sets. ``resume`` continues a stopped run; ``fresh``
    renames what ``out`` holds and starts again. ``command`` is what a person typed, for the records.
    """

    study: Study
    out: Path
    data: Path | None = None
    resume: bool = False
    fresh: bool = False
    mesh: Mesh | None = None
    command: str = ""
    on_progress: Callable[[Progress], None] | None = None
    on_message: Callable[[str], None] | None = None

    @classmethod
    def of(
        cls,
        study: Study | str | Path,
        out: str | Path | None,
        *,
        preset: str | None = None,
        data: str | Path | None = None,
        devices: str | None = None,
        **rest: Any,
    ) -> RunRequest:
        """The request of a public call: its study loaded, its folders as paths, its mesh parsed."""
        study = chosen_study(study, preset)
        check_figures(study)
        folder = default_folder(study, preset) if out is None else Path(out)
        return cls(study, folder, None if data is None else Path(data), mesh=_mesh(devices), **rest)

    @property
    def reader(self) -> str:
        """Who evaluates the held-out test set, for the records: "fallline run" or "python"."""
        return " ".join(self.command.split()[:2]) or "python"


@dataclass(frozen=True)
class JobsRequest:
    """Where jobs train: an executor, its ``options``, and how many ``processes`` train each cohort together.

    ``dry``: plan and write the script, launch nothing.
    """

    executor: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    processes: int = 1
    dry: bool = False


def chosen_study(study: Study | str | Path, preset: str | None) -> Study:
    """The study itself, a built-in study or TOML file by name, with its preset applied."""
    loaded = study if isinstance(study, Study) else load_study(study)
    return loaded.preset(preset) if preset else loaded


def default_folder(study: Study, preset: str | None = None) -> Path:
    """Where a run is written when no folder is named: ``runs/NAME`` or ``runs/NAME-PRESET``."""
    return Path("runs") / "-".join(filter(None, [study.name.replace("/", "-"), preset]))


def put_aside(request: RunRequest, elsewhere: bool = False) -> None:
    """Where ``request`` is to start again, rename what its folder holds, once the study is known to be valid."""
    if not request.fresh:
        return
    from fallline.executors.fresh_start import start_over

    aside = start_over(request.study, request.out, request.data, request.resume, request.mesh, elsewhere)
    if aside is not None and request.on_message is not None:
        request.on_message(f"what was in {request.out} is now in {aside}; nothing of it is used here")


def check_figures(study: Study) -> None:
    """UnknownName before the training, not after it, for a figure that does not exist; those of presets as well."""
    wanted = [
        (f"{study.name}, figures, {number} of {len(study.figures)}", figure.kind)
        for number, figure in enumerate(study.figures, start=1)
    ]
    for name, changes in study.presets.items():
        figures = changes.get("figures")
        figures = figures if isinstance(figures, list) else []
        wanted += [
            (f"{study.name}, presets.{name}, figures, {number} of {len(figures)}", figure["kind"])
            for number, figure in enumerate(figures, start=1)
            if isinstance(figure, dict) and "kind" in figure
        ]
    if wanted:
        from fallline.report.figures import figure_kinds

        for where, kind in wanted:
            if kind not in figure_kinds():
                raise UnknownName("figure", kind, figure_kinds(), where)


def _mesh(devices: str | None) -> Mesh | None:
    """The mesh that ``devices`` names, None where it names none."""
    if devices is None:
        return None
    from fallline.engine.mesh import Mesh

    return Mesh.parse(devices)
