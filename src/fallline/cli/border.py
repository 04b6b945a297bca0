"""The border where failures of others become errors of ours: JAX's start, a user's file, a damaged run folder.

What is none of these is a mistake of ours, and keeps its traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from fallline.errors import FalllineError, ModelError, StoreError, StudyError

OF_STUDY = "fallline_study_"
"""How the names of modules begin that a study's own files became."""

JAX_FILES = ("jax/_src/config.py", "jax/_src/xla_bridge.py", "jax/_src/cloud_tpu_init.py", "jax/_src/logging_config.py")
"""Where JAX reads its settings and looks for devices."""

READ = frozenset(
    {
        "study.toml",
        "plan.json",
        "trials",
        "curves",
        "predictions",
        "weights",
        "answers",
        "timings",
        "environments",
        "mistakes.parquet",
        "outputs.parquet",
        "models.json",
        "pipelines.json",
        "claims.json",
        "looks.json",
        "test_reads.json",
        "launches",
        "scaling",
    }
)
"""What commands read of a run folder; no damage elsewhere makes one fail."""

SETTINGS = ("JAX_", "JAXLIB_", "XLA_", "CUDA_")


def error_of(failure: BaseException, arguments: Sequence[str]) -> FalllineError | None:
    """The error of ours that says what came, with its remedy; None where it is no failure of others. ``arguments`` are
    those of the command: a run folder may be among them."""
    return (
        _of_jax(failure)
        or _of_a_users_file(failure)
        or _without_docstrings(failure)
        or _of_a_folder(failure, arguments)
    )


def _of_jax(failure: BaseException) -> StudyError | None:
    """JAX does not start, or does not do what it is asked for, as environment variables have set it."""
    frames = [frame.filename.replace(os.sep, "/") for frame in traceback.extract_tb(failure.__traceback__)]
    settings = [f"{name}={value[:60]}" for name, value in sorted(os.environ.items()) if name.startswith(SETTINGS)]
    starts = any(frame.endswith(JAX_FILES) for frame in frames)
    set_here = any(setting.startswith("JAX_") for setting in settings)
    if not starts and not (frames and "/jax/" in frames[-1] and set_here):
        return None
    said, platforms = _said(failure), os.environ.get("JAX_PLATFORMS")
    if starts and platforms is not None:
        return StudyError(
            f"JAX has no device of the kind that JAX_PLATFORMS={platforms[:60]} asks for ({said}); unset "
            "JAX_PLATFORMS, or JAX_PLATFORMS=cpu takes the processor"
        )
    if settings:
        return StudyError(
            f"JAX does not run with the settings of this environment: {', '.join(settings)} ({said}); "
            f"unset what is not needed: unset {settings[0].partition('=')[0]}"
        )
    return StudyError(f"JAX does not start on this machine ({said}); JAX_PLATFORMS=cpu takes the processor alone")


def _without_docstrings(failure: BaseException) -> StudyError | None:
    """Altair reads its own docstrings when it is imported, and Python was told to drop them."""
    frames = traceback.extract_tb(failure.__traceback__)
    if sys.flags.optimize < 2 or not any("/altair/" in frame.filename.replace(os.sep, "/") for frame in frames):
        return None
    return StudyError(
        f"altair does not start without docstrings ({_said(failure)}); unset PYTHONOPTIMIZE, or set it "
        "to 1, and write python without -OO"
    )


def _of_a_users_file(failure: BaseException) -> ModelError | None:
    """A function of a study's own file failed: the last line of it that the failure passed."""
    place = None
    for frame, line in traceback.walk_tb(failure.__traceback__):
        if str(frame.f_globals.get("__name__", "")).startswith(OF_STUDY):
            place = f"{frame.f_code.co_filename}, line {line}, in {frame.f_code.co_name}"
    return (
        None
        if place is None
        else ModelError(f"{place}, fails: {_said(failure)}; mend it and continue with the same command and --resume")
    )


def _of_a_folder(failure: BaseException, arguments: Sequence[str]) -> StoreError | None:
    """A file of a run folder that was read is not what was written."""
    if isinstance(failure, (SystemExit, GeneratorExit)):
        return None
    from fallline.store.verify import verify

    for folder in filter(_is_run, map(Path, arguments)):
        wrong = [finding for finding in verify(folder).wrong if finding.path.split("/")[0] in READ]
        if wrong:
            return StoreError(
                f"the run in {folder} cannot be read ({_said(failure)}), for it is damaged: {wrong[0]}. "
                f"Everything to repair: fallline verify {folder}"
            )
    return None


def _is_run(path: Path) -> bool:
    try:
        return (path / "plan.json").is_file()
    except (OSError, ValueError):
        return False


def _said(failure: BaseException) -> str:
    """The kind of failure and the first line of what it says."""
    first = next((line.strip() for line in str(failure).splitlines() if line.strip()), "")
    return ": ".join(filter(None, [type(failure).__name__, first[:300]]))
