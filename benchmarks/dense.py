"""The ten recipes of mlp/fashion, one epoch each: fallline at once, PyTorch eager one after another.

python benchmarks/dense.py --peers PYTHON [--out FILE.json] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

EPOCHS = 1


def fallline_side(folder: Path) -> tuple[Any, dict[str, Any]]:
    """A function that trains all ten and gives the seconds, and what the peer has to do the same."""
    import numpy as np

    from fallline import load_study
    from fallline.engine.side_by_side import run_side_by_side
    from fallline.engine.training import chunks, train
    from fallline.study.plan import plan
    from fallline.training.arrays import load_arrays
    from fallline.training.cohort import CompiledCohort
    from fallline.training.packing import lanes_of
    from fallline.training.programs import Programs

    study = load_study("mlp/fashion")
    points = [point | {"epochs": EPOCHS} for point in study.points]
    trials = study.with_({"points": points, "seeds": 1, "data": "sample"}).trials()
    arrays = load_arrays(trials[0].task, "sample", None)
    programs = Programs()
    ready = [CompiledCohort(cohort, arrays, programs) for cohort in plan(trials, lambda t: lanes_of(t, arrays.splits))]
    works = [replace(cohort.work(cohort.planned.seeds), watched=(), held_out={}) for cohort in ready]
    workers = ready[0].layout.workers
    for cohort, work in zip(ready, works, strict=True):
        train(cohort.program, replace(work, steps=2))

    def once() -> float:
        begun = time.perf_counter()
        jobs = [partial(chunks, cohort.program, work) for cohort, work in zip(ready, works, strict=True)]
        run_side_by_side(jobs, workers, lambda: None)
        return time.perf_counter() - begun

    told = [
        {
            "hidden": int(trial.task.name.rsplit("-", 1)[1]),
            "batch": trial.recipe.batches.size,
            "steps": trial.recipe.steps,
            "rate": trial.recipe.hyperparameters.flat["learning_rate"],
            "l2": trial.recipe.hyperparameters.flat["l2_penalty"],
        }
        for trial in trials
    ]
    train_split = arrays.splits.train
    np.savez(
        folder / "arrays.npz",
        inputs=np.asarray(trials[0].task.prepare(train_split.inputs)),
        targets=train_split.targets.astype(np.int64),
    )
    return once, {"recipes": told, "workers": workers}


def peer_side(folder: Path, threads: int) -> Iterator[float]:
    """Seconds of PyTorch eager, one recipe after another, each time it is asked."""
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    with np.load(folder / "arrays.npz") as arrays:
        inputs, targets = torch.from_numpy(arrays["inputs"]), torch.from_numpy(arrays["targets"])
    recipes = json.loads((folder / "recipes.json").read_text())["recipes"]
    while True:
        begun = time.perf_counter()
        for recipe in recipes:
            net = torch.nn.Sequential(
                torch.nn.Linear(784, recipe["hidden"]), torch.nn.ReLU(), torch.nn.Linear(recipe["hidden"], 10)
            )
            rule = torch.optim.SGD(net.parameters(), lr=recipe["rate"], weight_decay=recipe["l2"])
            order = torch.randperm(len(inputs))
            for step in range(recipe["steps"]):
                chosen = order[step * recipe["batch"] : (step + 1) * recipe["batch"]]
                rule.zero_grad()
                torch.nn.functional.cross_entropy(net(inputs[chosen]), targets[chosen]).backward()
                rule.step()
        yield time.perf_counter() - begun


class Peer:
    """The other Python, asked over its standard input."""

    def __init__(self, python: str, folder: Path, threads: int):
        self.process = subprocess.Popen(
            [python, __file__, "--serve", str(folder), str(threads)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def once(self) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", help="a Python with PyTorch")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    from fallline.engine.devices import cores
    from fallline.training.environment import describe

    with tempfile.TemporaryDirectory(prefix="fallline-bench-") as name:
        folder = Path(name)
        once, told = fallline_side(folder)
        (folder / "recipes.json").write_text(json.dumps(told))
        counts = sorted({1, cores()})
        peers = (
            {f"PyTorch eager, {count} thread{'s' * (count > 1)}": Peer(given.peers, folder, count) for count in counts}
            if given.peers
            else {}
        )
        seconds: dict[str, list[float]] = {"fallline": [], **{form: [] for form in peers}}
        for number in range(given.rounds + 1):  # the first round warms up
            for form, run in {"fallline": once, **{form: peer.once for form, peer in peers.items()}}.items():
                found = run()
                if number:
                    seconds[form].append(found)
        for peer in peers.values():
            peer.process.terminate()
    steps = sum(recipe["steps"] for recipe in told["recipes"])
    ours = statistics.median(seconds["fallline"])
    count = len(told["recipes"])
    print(f"mlp/fashion, the {count} recipes that differ in more than epochs, one epoch each: {steps:,} steps")
    for form, values in seconds.items():
        median = statistics.median(values)
        print(f"  {form:28} {median:7.3f} s ({min(values):.3f} to {max(values):.3f})  {median / ours:5.2f} x")
    if given.out:
        given.out.write_text(json.dumps({"machine": describe("dense"), **told, "seconds": seconds}, indent=1) + "\n")


def serve(folder: str, threads: str) -> None:
    answers = peer_side(Path(folder), int(threads))
    for _ in sys.stdin:
        print(next(answers), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[2:]) if sys.argv[1:2] == ["--serve"] else main()
