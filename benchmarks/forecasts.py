"""Forecasts against what happened: every cohort of the quick studies in a fresh process, memory and time.

    python benchmarks/forecasts.py [STUDY ...] [--preset quick] [--steps N] [--learn] [--out FILE.json]

Studies whose data is not here are left out. Each cohort's process first plans it, then trains it whole (or ``--steps``
of it, for full presets) and notes what the allocator counted. A study's time is the sum over its cohorts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--most", type=int, default=None, help="cohorts of a study at most")
    parser.add_argument("--learn", action="store_true", help="let the calibration learn from each, as runs do")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--one", type=int, default=None, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        print(json.dumps(one(asked.studies[0], asked.preset, asked.steps, asked.one, asked.learn)))
        return
    from fallline.study import builtin_studies

    rows = [row for name in asked.studies or sorted(builtin_studies()) for row in of_study(name, asked)]
    if rows:
        tell(rows)
    if asked.out is not None:
        asked.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def of_study(name: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """A row a cohort, each from a process of its own."""
    rows: list[dict[str, Any]] = []
    cohort, count = 0, 1
    while cohort < count:
        command = [sys.executable, __file__, name, "--preset", asked.preset, "--one", str(cohort)]
        command += [] if asked.steps is None else ["--steps", str(asked.steps)]
        command += ["--learn"] if asked.learn else []
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            print(f"{name}: left out, {ended.stderr.strip().splitlines()[-1][:150]}")
            break
        row = json.loads(ended.stdout.splitlines()[-1])
        rows.append(row)
        count, cohort = min(row["cohorts"], asked.most or row["cohorts"]), cohort + 1
        memory, seconds = (
            f"{unit * row[key]:.3g}, predicted {unit * row[f'predicted_{key}']:.3g} "
            f"({off(row[f'predicted_{key}'], row[key])})"
            for key, unit in (("memory", 1e-6), ("seconds", 1))
        )
        print(f"{name} {row['cohort']}: MB {memory}; seconds {seconds}", flush=True)
    return rows


def one(name: str, preset: str, steps: int | None, number: int, learns: bool = False) -> dict[str, Any]:
    """Plan and train one cohort here; what was predicted and what happened."""
    from fallline.engine.memory_use import resident_bytes
    from fallline.forecast import calibrate
    from fallline.forecast import cohorts as forecaster
    from fallline.store.paths import RunPaths
    from fallline.store.writing import RunWriter
    from fallline.study import load_study
    from fallline.study.plan import plan
    from fallline.training.context import TrainingContext
    from fallline.training.planning import plan_run
    from fallline.training.progress import ProgressCount
    from fallline.training.session import TrainingSession

    calibrate()
    warm_up()
    study = load_study(name)
    study = study if preset == "full" else study.preset(preset)
    study = study if steps is None else study.with_({"base": {"steps": steps}})
    setup, base = TrainingContext(study, None, forecaster=forecaster), resident_bytes()
    cohorts = plan(setup.trials, setup.most_lanes)
    setup.trials = [trial for row in cohorts[number].trials for trial in row]
    with (
        tempfile.TemporaryDirectory() as folder,
        RunWriter.open(RunPaths(Path(folder) / "run"), study, False) as writer,
    ):
        work = plan_run(setup, writer, set())
        begun = time.perf_counter()
        count = ProgressCount(setup.trials, set(), study.metric, lambda progress: None)
        TrainingSession(setup, writer, count).train(work, lambda *_: [])
        wall = time.perf_counter() - begun
        if learns:
            forecaster.learn_from(writer, work)
        (planned,) = writer.planned_cohorts()
        timings = [json.loads(path.read_text()) for path in (Path(folder) / "run" / "timings").glob("*.json")]
    predicted = planned["predicted"]
    seconds = sum(own[f"{part}_seconds"] for own in timings for part in ("warmup", "steady", "evaluate"))
    return {
        "study": name,
        "preset": preset,
        "cohort": cohorts[number].name,
        "cohorts": len(cohorts),
        "memory": max(own["peak_memory_bytes"] for own in timings),
        "predicted_memory": predicted["memory_bytes"],
        "parts": predicted["memory_parts"],
        "seconds": seconds,
        "predicted_seconds": predicted["seconds"],
        "evaluate": sum(own["evaluate_seconds"] for own in timings),
        "predicted_evaluate": predicted["evaluate_seconds"],
        "wall": wall,
        "process_before": base,
        "resident": max(own["resident_bytes"] for own in timings),
        "bound": predicted["bound"],
    }


def warm_up() -> None:
    """What every run loads, so that it is not counted as a cohort's."""
    import polars as pl

    from fallline.engine.devices import prepare_jax

    jax = prepare_jax()
    jax.block_until_ready(jax.jit(lambda x: x + 1)(jax.numpy.ones(3)))
    with tempfile.TemporaryFile() as file:
        pl.DataFrame({"a": [1]}).write_parquet(file)


def off(predicted: float, measured: float) -> str:
    return f"{100 * (predicted / measured - 1):+.0f} %" if measured else "-"


def tell(rows: list[dict[str, Any]]) -> None:
    """The errors: of memory by cohort, of time by study."""
    memory = [abs(row["predicted_memory"] / row["memory"] - 1) for row in rows]
    print(
        f"\nmemory of {len(rows)} cohorts: error {100 * statistics.median(memory):.0f} % on the median, "
        f"{100 * max(memory):.0f} % at worst; within 10 %: {sum(error <= 0.1 for error in memory)}"
    )
    times = []
    for name in dict.fromkeys(row["study"] for row in rows):
        own = [row for row in rows if row["study"] == name]
        predicted, measured = (sum(row[key] for row in own) for key in ("predicted_seconds", "seconds"))
        times.append(abs(predicted / measured - 1))
        print(f"  {name}: {measured:.3f} s measured, {predicted:.3f} s predicted ({off(predicted, measured)})")
    print(
        f"time of {len(times)} studies: error {100 * statistics.median(times):.0f} % on the median, "
        f"{100 * max(times):.0f} % at worst"
    )


if __name__ == "__main__":
    main()
