"""What is measured: two works, the forms PyTorch does them in, and how measured steps scale to a whole work.

Plain data without imports beyond the standard library: fallline's side and the peers' side both read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

TEN = (
    "gradient_descent",
    "momentum",
    "nesterov",
    "adagrad",
    "adadelta",
    "adam",
    "rmsprop",
    "ftrl",
    "proximal_gradient_descent",
    "proximal_adagrad",
)

CHARGED_AS = {"ftrl": "adagrad", "proximal_gradient_descent": "gradient_descent", "proximal_adagrad": "adagrad"}
"""Rules that PyTorch lacks cost its side as much as a simpler one that it has."""

SAME_IN_BOTH = ("gradient_descent", "momentum", "nesterov", "adagrad", "adadelta", "adam")
"""Rules whose equations are PyTorch's too, Adam's but for where its epsilon stands; RMSprop starts otherwise."""

RATE = 0.01
"""The rate of the single trials that stand for all: a step takes the same time at any."""

PRODUCT_SIZES, PRODUCT_REPEATS = (2048, 4096), 5


@dataclass(frozen=True)
class Work:
    """Trials of one task: optimizers x rates x seeds, each ``steps`` steps of ``batch_size`` examples (None: all).

    ``flops_an_example`` are the operations of the products of one lane: forward and the weights' gradient. A peer is
    timed for ``measured_steps`` steps of each of its rules (a form may say fewer), ``measured_trials`` times.
    """

    name: str
    task: str
    optimizers: tuple[str, ...]
    rates: tuple[float, ...]
    seeds: int
    steps: int
    batch_size: int | None
    flops_an_example: int
    measured_steps: int
    measured_trials: int
    rounds: int

    @property
    def trials(self) -> int:
        return len(self.optimizers) * len(self.rates) * self.seeds

    @property
    def trial_steps(self) -> int:
        return self.trials * self.steps

    @property
    def flops(self) -> int:
        """Of all products of the work; 0 where there are none worth counting."""
        return self.trial_steps * (self.batch_size or 0) * self.flops_an_example

    @property
    def charged(self) -> tuple[str, ...]:
        """For each optimizer the rule a peer pays for."""
        return tuple(CHARGED_AS.get(rule, rule) for rule in self.optimizers)

    @property
    def peer_rules(self) -> tuple[str, ...]:
        """The rules a peer is timed with, each once."""
        return tuple(dict.fromkeys(self.charged))


LINE = Work(
    "line",
    "line",
    TEN,
    (1.0, 0.1, 0.01, 0.001, 0.0001),
    seeds=1,
    steps=30_000,
    batch_size=None,
    flops_an_example=0,
    measured_steps=2000,
    measured_trials=1,
    rounds=5,
)
SOFTMAX = Work(
    "softmax",
    "mnist-softmax",
    tuple(rule for rule in TEN if rule != "proximal_gradient_descent"),
    (0.5, 0.1, 0.05, 0.01, 0.005, 0.001, 0.0005, 0.0001),
    seeds=5,
    steps=500,
    batch_size=100,
    flops_an_example=2 * 2 * 784 * 10,
    measured_steps=500,
    measured_trials=2,
    rounds=3,
)


@dataclass(frozen=True)
class Form:
    """A way of doing a work in PyTorch.

    ``kind`` "trials" trains one trial after another, "ensemble" all rates of a rule and seed together (torch.func), or
    with ``joint`` all rules too. ``every_core``: that many threads, or with ``processes`` processes of one thread each.
    ``fewer`` divides the measured steps of a form whose step advances many trials.
    """

    name: str
    kind: str
    compiled: bool = False
    joint: bool = False
    every_core: bool = False
    processes: bool = False
    fewer: int = 1


ONE_THREAD = Form("eager, one trial at a time, 1 thread", "trials")
ALL_THREADS = replace(ONE_THREAD, name="eager, one trial at a time, a thread a core", every_core=True)
PROCESSES = replace(ONE_THREAD, name="eager, a process a core, each its share", every_core=True, processes=True)


def forms(work: Work) -> list[Form]:
    """The peers of a work. Small steps are compiled for one thread, large ones for all."""
    large = work.flops_an_example > 0
    compiled = Form("step compiled, one trial at a time", "trials", compiled=True, every_core=large)
    ensemble = Form("vmap ensemble", "ensemble", every_core=large, fewer=10 if large else 4)
    found = [
        ONE_THREAD,
        ALL_THREADS,
        PROCESSES,
        compiled,
        ensemble,
        replace(ensemble, name="vmap ensemble compiled", compiled=True),
    ]
    if not large:  # for the softmax layer this form is slower than a rule at a time
        found.append(replace(ensemble, name="vmap ensemble compiled, all rules in one", compiled=True, joint=True))
    return found


def whole_seconds(work: Work, form: Form, seconds_a_step: Mapping[str, float], processes: int = 1) -> float:
    """What ``work`` takes in ``form``, from the seconds a step of each rule ("all" where they are joint).

    Of ``processes`` that run side by side each does its share of the trials.
    """
    if form.joint:
        return seconds_a_step["all"] * work.steps * work.seeds
    every_rule = sum(seconds_a_step[rule] for rule in work.charged)
    together = len(work.rates) if form.kind == "ensemble" else 1
    return every_rule * len(work.rates) * work.seeds * work.steps / together / processes


def measured_in_words(work: Work, form: Form) -> str:
    """What was timed, and by how much it was scaled."""
    steps = measured_steps(work, form)
    if form.kind == "ensemble":
        whole = work.steps * work.seeds
        return f"{steps:,} of {whole:,} steps (all seeds) of " + (
            "all rules and rates in one program"
            if form.joint
            else f"{len(work.peer_rules)} rules, {len(work.rates)} rates together"
        )
    return (
        f"{work.measured_trials} x {steps:,} steps of one trial of {len(work.peer_rules)} rules, scaled to "
        f"{work.trials} trials of {work.steps:,}"
    )


def measured_steps(work: Work, form: Form) -> int:
    return max(1, work.measured_steps // form.fewer)


def smoke(work: Work) -> Work:
    """A work as small as shows that every form runs; its figures mean nothing."""
    return replace(
        work,
        optimizers=("momentum", "ftrl"),
        rates=(0.1, RATE),
        seeds=min(work.seeds, 2),
        steps=min(work.steps // 10, 300),
        measured_steps=20,
        measured_trials=1,
        rounds=1,
    )


def from_plain(plain: Mapping[str, Any]) -> Work:
    """A Work back from JSON."""
    return Work(**{**plain, "optimizers": tuple(plain["optimizers"]), "rates": tuple(plain["rates"])})
