"""Volume: a study of 10,000 trials from its expansion to its report, and run folders of 100 million points.

python benchmarks/volume.py [--trials N] [--points N] [--only NAME ...] [--quick] [--keep FOLDER] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import default_out, say
from table import machine_line
from volume_folders import STUDIES, Folder, write_folder

HERE = Path(__file__).resolve().parent
SCHEMA = 1
STEPS = 10_000
TRIAL_STAGES = ("expand", "half", "resume", "again", "open", "show", "compare", "report", "export", "tensorboard")
POINT_STAGES = ("open", "show", "compare", "report", "scan", "export")
MOST_BYTES, MOST_MILLISECONDS, MOST_SECONDS = 2_000_000_000, 5.0, 60.0
"""The goals: of every stage; of all stages of a study together, a trial, outside training; of opening and reporting."""


def bench(trials: int, points: int, only: list[str], work: Path) -> dict[str, Any]:
    """Every stage of every study and folder that ``only`` names, or of all."""
    from fallline.training.environment import describe

    found: dict[str, Any] = {}
    for name in STUDIES:
        if not only or name in only:
            found[name] = {"trials": trials, "stages": _stages(TRIAL_STAGES, work / name, name, trials)}
    for folder in folders(points):
        if not only or folder.name in only:
            path = work / folder.name
            if not path.exists():
                say(f"writing {folder.name}: {folder.points:,} points in blocks of {folder.a_block:,} trials")
                write_folder(path, folder)
            found[folder.name] = {
                "trials": folder.trials,
                "points": folder.points,
                "stages": _stages(POINT_STAGES, path, folder.name, folder.trials),
            }
    return {"schema": SCHEMA, "machine": describe("benchmarks/volume.py"), "works": found}


def folders(points: int) -> list[Folder]:
    """The same points in many small files and in one large."""
    trials = points // STEPS
    return [Folder("blocks", trials, STEPS, 10), Folder("one", trials, STEPS, trials)]


def _stages(names: tuple[str, ...], folder: Path, kind: str, trials: int) -> dict[str, Any]:
    found = {}
    for name in names:
        shutil.rmtree(folder / "exports", ignore_errors=True)
        say(f"{kind}: {name}")
        done = subprocess.run(
            [sys.executable, str(HERE / "volume_stages.py"), name, str(folder), kind, str(trials)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found[name] = json.loads(done.stdout.splitlines()[-1])
    shutil.rmtree(folder / "exports", ignore_errors=True)
    return found


def table(results: dict[str, Any]) -> str:
    """A row a stage; then what the goals are held against."""
    lines = [machine_line(results["machine"])]
    for name, work in results["works"].items():
        trials, stages = work["trials"], work["stages"]
        size = f"{trials:,} trials" + (f", {work['points']:,} points" if "points" in work else "")
        lines += [
            "",
            f"{name}: {size}",
            f"  {'':14}{'seconds':>9}{'processor':>11}{'training':>10}{'ms a trial':>12}{'peak MB':>9}",
        ]
        for stage, row in stages.items():
            own = row["seconds"] - row["training_seconds"]
            lines.append(
                f"  {stage:14}{row['seconds']:>9.1f}{row['processor_seconds']:>11.1f}"
                f"{row['training_seconds']:>10.1f}{1e3 * own / trials:>12.3f}{row['peak_bytes'] / 1e6:>9,.0f}"
            )
        lines.append("  " + "; ".join(_goals(work)))
    return "\n".join(lines)


def _goals(work: dict[str, Any]) -> list[str]:
    stages = work["stages"]
    peak = max(row["peak_bytes"] for row in stages.values())
    said = [f"peak {peak / 1e6:,.0f} of {MOST_BYTES / 1e6:,.0f} MB"]
    if "points" in work:
        seconds = stages["open"]["seconds"] + stages["report"]["seconds"]
        return [f"opened and reported in {seconds:.0f} of {MOST_SECONDS:.0f} s", *said]
    own = sum(
        row["seconds"] - row["training_seconds"]
        for name, row in stages.items()
        if name in ("expand", "half", "resume", "again", "show", "report")
    )
    return [
        f"{1e3 * own / work['trials']:.2f} of {MOST_MILLISECONDS:.0f} ms a trial outside training, from expanding "
        "to the report",
        *said,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="of each study; a multiple of 50")
    parser.add_argument("--points", type=int, default=100_000_000, help="of each folder; a multiple of 500,000")
    parser.add_argument("--only", nargs="*", default=[], help="line, classes, blocks or one")
    parser.add_argument("--quick", action="store_true", help="100 trials, 500,000 points: shows that it runs")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it; what is written there is used")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.trials, chosen.points = 100, 500_000
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="fallline-volume-") as temporary:
        os.environ["FALLLINE_CACHE"] = str(Path(temporary) / "cache")  # an empty one: the first run compiles
        results = bench(chosen.trials, chosen.points, chosen.only, chosen.keep or Path(temporary))
    results |= {"quick": chosen.quick, "wall_seconds": time.perf_counter() - begun}
    usual = default_out(results["machine"])
    out = chosen.out or usual.with_name(f"volume-{usual.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"{table(results)}\n\n{out}")


if __name__ == "__main__":
    main()
