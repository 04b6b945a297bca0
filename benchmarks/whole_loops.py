"""PyTorch's loops beside whole commands: their processes, and what the trials that they train stand for."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whole_sides import timed
from whole_works import CONVNET_FULL_STEPS, CONVNET_QUICK, LONGER, LONGER_COMMAND, STEPS_GOAL, Command, Study
from works import ONE_THREAD, whole_seconds

HERE = Path(__file__).resolve().parent


class Loop:
    """A study's eager loop, timed with one thread and with a thread a core; the better one of a round counts.

    A process trains one whole trial of each rule. Its seconds but for these trials are counted once, a trial's as often
    as the study has trials of its rule.
    """

    def __init__(self, python: str, study: Study, work: Path):
        from fallline.engine.devices import cores

        self.python, self.study = python, study
        self.folder = work / f"PyTorch {study.key}"
        self.folder.mkdir()
        (self.folder / "study.json").write_text(json.dumps(asdict(study)), encoding="utf-8")
        save_examples(study, self.folder / "arrays.npz")
        self.counts = sorted({1, cores()})
        self.rounds: list[dict[int, tuple[float, float]]] = []

    @staticmethod
    def studies(commands: Sequence[Command]) -> list[Study]:
        """The studies that the commands train, each once."""
        return list({command.study.key: command.study for command in commands if command.study}.values())

    def once(self) -> None:
        """The whole command's seconds and a step's, with each number of threads."""
        found = {}
        for threads in self.counts:
            out = self.folder / "told.txt"
            seconds = timed(
                [
                    self.python,
                    str(HERE / "whole_peers.py"),
                    str(self.folder / "study.json"),
                    str(self.folder / "arrays.npz"),
                    str(self.folder / "curves.csv"),
                    str(threads),
                ],
                dict(os.environ),
                out,
                f"PyTorch's loop of {self.study.key}",
            )
            told = json.loads(out.read_text(encoding="utf-8").splitlines()[-1])
            found[threads] = (
                charged(self.study, seconds, told["seconds_a_trial"]),
                mean_step(self.study, told["seconds_a_step"]),
            )
        self.rounds.append(found)

    @property
    def threads(self) -> int:
        """Those with which the median is least."""
        return min(self.counts, key=lambda count: statistics.median(found[count][0] for found in self.rounds))

    @property
    def seconds(self) -> list[float]:
        return [found[self.threads][0] for found in self.rounds]

    @property
    def seconds_a_step(self) -> float:
        return statistics.median(found[self.threads][1] for found in self.rounds)

    @property
    def measured_in_words(self) -> str:
        work = self.study.work
        return f"one whole trial of {len(work.peer_rules)} rules, scaled to {work.trials} of {work.steps:,} steps"


def charged(study: Study, process_seconds: float, seconds_a_trial: Mapping[str, float]) -> float:
    """Seconds of the whole study, from those of a process that trained one trial of each rule."""
    steps = study.work.steps
    all_trials = whole_seconds(study.work, ONE_THREAD, {rule: own / steps for rule, own in seconds_a_trial.items()})
    return process_seconds - sum(seconds_a_trial.values()) + all_trials


def mean_step(study: Study, seconds_a_step: Mapping[str, float]) -> float:
    """Of the study's trials, each rule as often as it occurs."""
    return statistics.fmean(seconds_a_step[rule] for rule in study.work.charged)


def steps_alone(loops: Sequence[Loop], commands: Mapping[str, Any]) -> dict[str, Any] | None:
    """A convnet's steps at the budget of the full preset, ours from two runs that differ in nothing but steps."""
    quick = f"run {CONVNET_QUICK.key}, warm"
    loop = next((loop for loop in loops if loop.study == CONVNET_QUICK), None)
    if loop is None or quick not in commands or LONGER_COMMAND.name not in commands:
        return None
    apart = [commands[name]["seconds"]["median"] for name in (LONGER_COMMAND.name, quick)]
    ours = (apart[0] - apart[1]) / (LONGER.work.trial_steps - CONVNET_QUICK.work.trial_steps)
    theirs = loop.seconds_a_step
    words = (
        f"steps alone, without evaluation, scaled to the {CONVNET_FULL_STEPS:,} of convnet/optimizers full: "
        f"{ours * CONVNET_FULL_STEPS:,.0f} s, PyTorch {theirs * CONVNET_FULL_STEPS:,.0f} s: {theirs / ours:.2f} "
        f"times as fast, goal {STEPS_GOAL}"
    )
    return {
        "seconds_a_step": ours,
        "peer_seconds_a_step": theirs,
        "ratio": theirs / ours,
        "goal": STEPS_GOAL,
        "words": words,
    }


def save_examples(study: Study, path: Path) -> None:
    """The splits that fallline itself trains and evaluates on, as float32 inputs and targets."""
    import numpy as np

    from fallline import load_study
    from fallline.training.arrays import load_arrays

    first = load_study(study.name).preset(study.preset).trials()[0]
    splits, arrays = load_arrays(first.task, first.data, None).splits, {}
    for name in ("train", "validation", "test"):
        split = getattr(splits, name)
        if split is None:
            continue
        inputs = split.inputs if first.task.prepare is None else np.asarray(first.task.prepare(split.inputs))
        images = inputs.reshape(-1, 1, 28, 28) if study.work.task.startswith("mnist") else inputs
        targets = split.targets if images is inputs else split.targets.astype(np.int64)
        arrays |= {f"{name}_inputs": images, f"{name}_targets": targets}
    np.savez(path, **arrays)
