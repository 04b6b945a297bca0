"""Whole commands: which, what was wanted of each, and what the products of their studies cost. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from works import LINE, SOFTMAX, TEN, Work

CONVNET_FORWARD = 2 * (28 * 28 * 25 * 32 + 14 * 14 * 25 * 32 * 64 + 3136 * 1024 + 1024 * 10)
CONVNET_TRAINING = 3 * CONVNET_FORWARD - 2 * 28 * 28 * 25 * 32
"""Operations an example, of convolutions as they are defined; nobody needs the gradient of the images."""


@dataclass(frozen=True)
class Study:
    """A built-in study in one of its presets: what ``work`` trains, and the examples that it is evaluated on.

    ``work.measured_trials`` whole trials of each rule are what a peer is timed for. Validation comes before the first
    step and every ``evaluate_every`` steps, the held-out test set once a trial. ``settings`` say what is trained where
    the preset itself may be another on the other side.
    """

    name: str
    preset: str
    work: Work
    evaluate_every: int | None = None
    validation: int = 0
    test: int = 0
    forward_flops: int = 0
    settings: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.work.name} {self.preset}"

    @property
    def run(self) -> tuple[str, ...]:
        chosen = [word for setting in self.settings for word in ("--set", setting)]
        return "run", self.name, "--preset", self.preset, *chosen, "--out", "{folder}"

    @property
    def evaluations(self) -> int:
        """Of the validation examples, a trial."""
        return 1 + -(-self.work.steps // self.evaluate_every) if self.evaluate_every else 0

    @property
    def flops(self) -> int:
        """Of all products in training and evaluation."""
        return self.work.flops + self.work.trials * self.forward_flops * (
            self.evaluations * self.validation + self.test
        )


@dataclass(frozen=True)
class Command:
    """A whole command, timed from its start to the end of its process.

    ``arguments`` follow ``fallline``; ``{folder}`` is the run folder of ``key``, ``{study}`` the study file of ``key``.
    Commands of one key share a cache and a run folder. ``cold``: the cache is emptied before. ``reads``: the command
    reads the run folder that ``reads`` writes, made once and not timed where no command before it has done so.
    ``goal``: so many times faster than the other side.
    """

    name: str
    key: str
    arguments: tuple[str, ...]
    cold: bool = False
    goal: float | None = None
    study: Study | None = None
    reads: tuple[str, ...] = ()


_LINE = replace(LINE, optimizers=(*TEN, "rmsprop"), measured_trials=1, rounds=1)
LINE_QUICK = Study("line/optimizers", "quick", replace(_LINE, steps=1000))
LINE_FULL = Study("line/optimizers", "full", replace(_LINE, steps=2500))

_SOFTMAX = replace(SOFTMAX, rates=(1.0, *SOFTMAX.rates), measured_trials=1, rounds=1)
SOFTMAX_QUICK = Study(
    "softmax/optimizers",
    "quick",
    replace(_SOFTMAX, seeds=2),
    25,
    1000,
    1000,
    2 * 784 * 10,
    ("seeds=2", f"axes.learning_rate={list(_SOFTMAX.rates)}"),
)
SOFTMAX_FULL = Study("softmax/optimizers", "full", _SOFTMAX, 25, 5000, 10_000, 2 * 784 * 10)

_CONVNET = Work(
    "convnet",
    "mnist-convnet",
    ("momentum", "adam", "rmsprop", "adagrad"),
    (0.01, 0.001),
    seeds=1,
    steps=40,
    batch_size=50,
    flops_an_example=CONVNET_TRAINING,
    measured_steps=40,
    measured_trials=1,
    rounds=1,
)
CONVNET_QUICK = Study(
    "convnet/optimizers",
    "quick",
    _CONVNET,
    20,
    1000,
    1000,
    CONVNET_FORWARD,
    (
        "seeds=1",
        "steps=40",
        "evaluate_every=20",
        'axes={optimizer=["momentum","adam","rmsprop","adagrad"],learning_rate=[0.01,0.001]}',
    ),
)

LONGER = replace(
    CONVNET_QUICK,
    work=replace(_CONVNET, name="convnet longer", steps=120),
    evaluate_every=60,
    settings=("seeds=1", "steps=120", "evaluate_every=60", CONVNET_QUICK.settings[-1]),
)
"""Three times the steps of CONVNET_QUICK and as many evaluations: what the steps alone take is the difference."""
CONVNET_FULL_STEPS = 9 * 7 * 3 * 1100
"""Trial-steps of convnet/optimizers, full."""

STUDIES = (LINE_QUICK, LINE_FULL, SOFTMAX_QUICK, SOFTMAX_FULL, CONVNET_QUICK)

ARMS = f"""title = "300 arms"
task = "mnist-softmax"
data = "sample"
metric = "validation_loss"
seeds = 3
evaluate_every = 20
base = {{ optimizer = "momentum", batch_size = 20, steps = 20 }}

[axes]
learning_rate = {[float(f"{10 ** (-3 + number / 8):.4g}") for number in range(20)]}
momentum = {[round(0.25 + number / 20, 2) for number in range(15)]}
"""
"""Nothing but numbers varies, so each of the 300 configurations is an arm of its own."""

CONFIGURATIONS = f"""title = "20,000 configurations"
task = "line"
data = "sample"
metric = "final_train_loss"
seeds = 1
base = {{ steps = 1000 }}

[axes]
optimizer = {list(TEN)}
learning_rate = {[float(f"{10 ** (-4 + number / 500):.6g}") for number in range(2000)]}
"""

STUDY_FILES = {"300 arms": ARMS, "20,000 configurations": CONFIGURATIONS}


def both(study: Study, cold: float | None, warm: float | None) -> list[Command]:
    return [
        Command(f"run {study.key}, cold", study.key, study.run, True, cold, study),
        Command(f"run {study.key}, warm", study.key, study.run, False, warm, study),
    ]


def reading(name: str, study: Study, goal: float | None) -> Command:
    return Command(f"{name} of {study.key}", study.key, (name, "{folder}"), goal=goal, reads=study.run)


COMMANDS = (
    *both(LINE_QUICK, None, 6),
    both(LINE_FULL, None, None)[1],
    *both(SOFTMAX_QUICK, None, 6),
    *both(SOFTMAX_FULL, 4, 4),
    *both(CONVNET_QUICK, None, 4),
    reading("report", SOFTMAX_FULL, 10),
    reading("show", SOFTMAX_FULL, 5),
    reading("compare", SOFTMAX_FULL, None),
    Command("plan convnet, first", "plan", ("plan", "convnet/optimizers"), True, 8),
    Command("plan convnet, second", "plan", ("plan", "convnet/optimizers"), False, 4),
    Command(
        "report of 300 arms",
        "300 arms",
        ("report", "{folder}"),
        goal=8,
        reads=("run", "{study}", "--no-report", "--out", "{folder}"),
    ),
    Command("plan of 20,000 configurations", "20,000 configurations", ("plan", "{study}"), goal=8),
)

LONGER_COMMAND = Command("run convnet longer, warm", "convnet longer", LONGER.run, study=LONGER)
"""Timed where there are peers, for the seconds of a step."""

PEER_GOALS = {
    "run line quick, warm": 3.0,
    "run line full, warm": 7.0,
    "run softmax full, cold": 6.0,
    "run softmax full, warm": 10.0,
    "run convnet quick, warm": 1.0,
}
"""How many times faster than PyTorch's loop each command was wanted to be; others stand beside no loop."""

STEPS_GOAL = 1.3
"""The same of a convnet's steps alone, as in the full preset."""

_TINY = ("--set", 'axes={optimizer=["momentum","adam"],learning_rate=[0.1,0.01]}', "--set", "steps=20", "--no-report")
_TINY_LINE = replace(
    LINE_QUICK, work=replace(LINE_QUICK.work, optimizers=("momentum", "adam"), rates=(0.1, 0.01), steps=20)
)
SMOKE = (
    Command("run line quick, cold", "line quick", (*LINE_QUICK.run, *_TINY), True, study=_TINY_LINE),
    Command("run line quick, warm", "line quick", (*LINE_QUICK.run, *_TINY), goal=6, study=_TINY_LINE),
    Command("show of line quick", "line quick", ("show", "{folder}"), reads=(*LINE_QUICK.run, *_TINY)),
)
"""As much as shows that it runs; the figures mean nothing."""
