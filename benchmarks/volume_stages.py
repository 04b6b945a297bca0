"""One stage of the volume benchmark, in a process of its own: its seconds and the most memory it held, as JSON.

python benchmarks/volume_stages.py STAGE FOLDER KIND TRIALS [--profile]
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from volume_folders import STUDIES


def expand(folder: Path, study: Any) -> None:
    """Every trial, its name, and the cohorts."""
    from fallline.study.plan import plan

    trials = study.trials()
    assert len({trial.name for trial in trials}) == len(trials)
    plan(trials)


def half(folder: Path, study: Any) -> None:
    """A run that Ctrl-C ends once half of the trials have records."""
    from fallline import run

    def listen(news: Any) -> None:
        if 2 * news.trials >= news.all_trials:
            os.kill(os.getpid(), signal.SIGINT)

    with contextlib.suppress(KeyboardInterrupt):
        run(study, folder, on_progress=listen)


def resume(folder: Path, study: Any) -> None:
    from fallline import run

    run(study, folder, resume=True)


def opened(folder: Path, study: Any) -> None:
    """The trials as a frame."""
    from fallline import open_run

    assert open_run(folder).trials.height


def shown(folder: Path, study: Any) -> None:
    """What ``fallline show`` prints."""
    from fallline.cli.screens import show_run

    with contextlib.redirect_stdout(sys.stderr):
        show_run(folder, 20, True)


def reported(folder: Path, study: Any) -> None:
    from fallline import open_run

    open_run(folder).report()


def compared(folder: Path, study: Any) -> None:
    from fallline import open_run

    assert str(open_run(folder).compare())


def exported(folder: Path, study: Any) -> None:
    """Parquet, all points."""
    from fallline import open_run

    open_run(folder).export("parquet")


def boarded(folder: Path, study: Any) -> None:
    """TensorBoard, 200 points a curve."""
    from fallline import open_run

    open_run(folder).export("tensorboard")


def scanned(folder: Path, study: Any) -> None:
    """The mean curve over all trials, without all points in memory."""
    import polars as pl

    from fallline import open_run

    curves = open_run(folder).scan_curves()
    assert curves.group_by("step").agg(pl.col("train_loss").mean()).collect(engine="streaming").height


STAGES: dict[str, Callable[[Path, Any], None]] = {
    "expand": expand,
    "half": half,
    "resume": resume,
    "again": resume,
    "open": opened,
    "show": shown,
    "compare": compared,
    "report": reported,
    "export": exported,
    "tensorboard": boarded,
    "scan": scanned,
}


def training_seconds(folder: Path) -> float:
    """Seconds that the blocks so far spent inside their programs, and on making them; blocks side by side share."""
    times = [json.loads(path.read_text()) for path in (folder / "timings").glob("*.json")]
    inside = sum(
        (row["warmup_seconds"] + row["steady_seconds"] + row["evaluate_seconds"]) / row["layout"]["workers"]
        for row in times
    )
    return inside + sum({row["cohort"]: row["trace_seconds"] + row["compile_seconds"] for row in times}.values())


def main() -> None:
    stage, folder, kind, trials = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    study = STUDIES[kind](trials) if kind in STUDIES else None
    before = training_seconds(folder)
    begun = time.perf_counter()
    if "--profile" in sys.argv:
        import cProfile

        cProfile.runctx("STAGES[stage](folder, study)", globals(), locals(), sort="cumulative")
    else:
        STAGES[stage](folder, study)
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "training_seconds": training_seconds(folder) - before,
                "processor_seconds": used.ru_utime + used.ru_stime,
                "peak_bytes": 1024 * used.ru_maxrss,
            }
        )
    )


if __name__ == "__main__":
    main()
