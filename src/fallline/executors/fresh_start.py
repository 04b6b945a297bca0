"""Starting a run over: what its folder holds is put aside, once it is known that the study can be trained."""

from __future__ import annotations

from pathlib import Path

from fallline.engine import processes
from fallline.engine.mesh import Mesh
from fallline.errors import StudyError
from fallline.executors.status import check_nothing_out
from fallline.store.aside import put_aside
from fallline.store.paths import RunPaths
from fallline.study import Study
from fallline.training.context import TrainingContext


def start_over(
    study: Study, out: Path, data: Path | None, resume: bool, mesh: Mesh | None, remote: bool
) -> Path | None:
    """Check ``study``, then rename the folder ``out``; where what it held is now, None where it held nothing.

    StudyError with ``resume``, which wants the opposite; StoreError where somebody trains in that folder.
    """
    if resume:
        raise StudyError("--fresh starts over and --resume continues what is there; leave out --fresh to continue")
    TrainingContext(study, data, mesh=mesh, remote=remote).check()
    aside = None
    if processes.number() == 0:
        check_nothing_out(RunPaths(out))
        aside = put_aside(out)
    processes.meet("put aside")
    return aside
