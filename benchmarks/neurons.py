"""Neurons: 9 pairs of Adam's betas x 20 seeds on a 4-2-1 net, 50,000 iterations of 8; fallline against its peers.

    python benchmarks/neurons.py [--peers PYTHON] [--quick] [--out FILE.json]

The peers are PyTorch and the package ComputationalGraphPrimer, in the environment of ``PYTHON`` (neurons_peers.py).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import default_out, say, spread
from neurons_peers import BATCH, BETAS1, BETAS2, LEARNABLES, PAIR, RATE, Form
from table import machine_line

import fallline

HERE = Path(__file__).resolve().parent
SCHEMA = 1
TASK = "two-gaussians-4-2-1"
WARM_STEPS = 20
GOALS = {"PyTorch eager": 600, "ComputationalGraphPrimer": 1000}


@dataclass(frozen=True)
class Work:
    """How much is done: all of it by fallline, ``measured`` steps by each kind of peer, so many rounds."""

    seeds: int
    steps: int
    record_every: int
    measured: dict[str, int]
    rounds: int

    @property
    def trials(self) -> int:
        return len(BETAS1) * len(BETAS2) * self.seeds

    def whole_seconds(self, form: Form, seconds_a_step: float) -> float:
        """A peer's measured seconds a step times the steps of the whole; processes share the trials."""
        trials = 1 if form.kind == "ensemble" else self.trials
        return seconds_a_step * trials * self.steps / form.processes


FULL = Work(20, 50_000, 25, {"loop": 3_000, "ensemble": 2_000, "package": 3_000}, 5)
QUICK = Work(2, 2_000, 25, {"loop": 200, "ensemble": 50, "package": 50}, 1)


def forms(cores: int) -> list[Form]:
    found = [
        Form(f"PyTorch eager, {net}, {adam} Adam, {count} thread{'s' * (count > 1)}", "loop", net, adam, count)
        for net in ("modules", "tensors")
        for adam in ("single", "foreach", "fused")
        for count in sorted({1, cores})
    ]
    return [
        *found,
        Form("PyTorch eager, tensors, fused Adam, a process a core", "loop", "tensors", "fused", processes=cores),
        Form("PyTorch, step compiled", "loop", "tensors", "single", compiled=True),
        Form("PyTorch, vmap ensemble", "ensemble"),
        Form("PyTorch, vmap ensemble compiled", "ensemble", compiled=True),
        Form("ComputationalGraphPrimer", "package"),
    ]


def bench(work: Work, peers_python: str | None, quick: bool, folder: Path) -> dict[str, Any]:
    """Round by round fallline and every form of the peers; the medians, their ratios, and all values."""
    from fallline.engine.devices import cores
    from fallline.training.environment import describe

    ours, versions, contenders = Ours(work, folder), {}, {}
    peers = [Peer(peers_python, folder) for _ in range(cores())] if peers_python else []
    try:
        if peers:
            ours.save_for_peers(folder / "work.npz")
            versions = peers[0].ask({"do": "describe"})
            for form in forms(cores()):
                if not (quick and form.compiled):  # compiling takes longer than a smoke run may
                    say(f"preparing {form.name}")
                    contenders[form] = Contender(work, form, peers[: form.processes])
        for number in range(work.rounds):
            say(f"round {number + 1} of {work.rounds}")
            ours.once()
            for contender in contenders.values():
                contender.once()
    finally:
        for peer in peers:
            peer.end()
    own = {name: spread(values) for name, values in ours.seconds.items()}
    told = {form.name: contender.told(own["training"]["median"]) for form, contender in contenders.items()}
    return {
        "schema": SCHEMA,
        "quick": quick,
        "work": {**asdict(work), "trials": work.trials},
        "machine": {**describe("make bench"), **{f"peers_{name}": value for name, value in versions.items()}},
        "fallline": {**own, "first": ours.first},
        "peers": told,
        "goals": goals(contenders, told),
        "agreement": ours.agreement(contenders),
    }


def goals(contenders: dict[Form, Contender], told: dict[str, Any]) -> dict[str, Any]:
    """The best of PyTorch's eager loops and the package, each against its goal."""
    eager = [told[form.name]["ratio"] for form in contenders if form.eager_loop and not told[form.name]["failed"]]
    package = [told[form.name]["ratio"] for form in contenders if form.kind == "package"]
    return {
        name: {"goal": goal, "ratio": min(found)}
        for (name, goal), found in zip(GOALS.items(), (eager, package), strict=True)
        if found and found[0]
    }


class Ours:
    """fallline's side: the study as its user runs it, into a new folder each time."""

    def __init__(self, work: Work, folder: Path):
        from fallline import Study

        self.work, self.folder = work, folder
        self.study = Study(
            name="bench/neurons",
            task=TASK,
            seeds=work.seeds,
            record_every=work.record_every,
            base={
                "optimizer": "adam",
                "learning_rate": RATE,
                "batch_size": BATCH,
                "order": "with_replacement",
                "steps": work.steps,
            },
            axes={"beta1": list(BETAS1), "beta2": list(BETAS2)},
            evaluate_every=work.steps,
        )
        self.seconds: dict[str, list[float]] = {"training": [], "whole": [], "in_program": []}
        self.first, self.losses = self._run()

    def once(self) -> None:
        """Run the study; what was compiled before comes out of the cache."""
        seconds, _ = self._run()
        for name, values in self.seconds.items():
            values.append(seconds[name])

    def _run(self) -> tuple[dict[str, float], dict[int, float]]:
        """Seconds of the whole call, without tracing and compiling, and in the program; losses of PAIR, seed 0."""
        import polars as pl

        into = self.folder / "run"
        begun = time.perf_counter()
        result = fallline.run(self.study, into)
        whole = time.perf_counter() - begun
        rows = result.records.timings
        made = {name: float(rows[f"{name}_seconds"].max()) for name in ("trace", "compile")}
        inside = float((rows["warmup_seconds"] + rows["steady_seconds"]).sum()) / rows["layout"][0]["workers"]
        one = result.trials.filter((pl.col("beta1") == PAIR[0]) & (pl.col("beta2") == PAIR[1]) & (pl.col("seed") == 0))
        curve = result.curves.filter(pl.col("trial") == one["trial"][0])
        losses = dict(zip(curve["step"].to_list(), curve["train_loss"].to_list(), strict=True))
        shutil.rmtree(into)
        return {"training": whole - sum(made.values()), "whole": whole, "in_program": inside, **made}, losses

    def save_for_peers(self, path: Path) -> None:
        """The same batches and the same beginning: inputs float32 [steps, seeds, batch, inputs], targets [steps, seeds,
        batch], weights [seeds, learnables], biases [seeds, neurons].
        """
        import numpy as np

        from fallline.study.plan import plan
        from fallline.training.arrays import load_arrays
        from fallline.training.cohort import CompiledCohort
        from fallline.training.packing import lanes_of
        from fallline.training.programs import Programs

        trials = self.study.trials()
        if trials[0].task.model.network.parameters != LEARNABLES:
            raise ValueError(f"the net must have the learnables {LEARNABLES}, has {trials[0].task.model.network}")
        arrays = load_arrays(trials[0].task, trials[0].data, None)
        (planned,) = plan(trials, lambda task: lanes_of(task, arrays.splits))
        ready = CompiledCohort(planned, arrays, Programs())
        start = [ready.work(seeds).weights for seeds in ready.blocks()]
        steps = max(self.work.measured.values()) + 1
        chosen = np.stack([ready.stream(seed).indices(0, steps, BATCH) for seed in planned.seeds], axis=1)
        inputs, targets = (np.asarray(array) for array in arrays.splits.train)
        if planned.task.prepare is not None:
            inputs = np.asarray(planned.task.prepare(inputs))
        np.savez(
            path,
            inputs=inputs[chosen].astype(np.float32),
            targets=targets[chosen].astype(np.float32),
            **{name: np.concatenate([np.asarray(own[name]) for own in start]) for name in ("weights", "biases")},
        )

    def agreement(self, contenders: dict[Form, Contender]) -> dict[str, Any] | None:
        """How far the losses after the measured steps lie apart, as a share of fallline's first; eager loops alone."""
        step = self.work.measured["loop"]
        apart = [
            abs(contender.loss - self.losses[step]) / self.losses[0]
            for form, contender in contenders.items()
            if form.eager_loop and contender.loss is not None
        ]
        return {"step": step, "loss": self.losses[step], "share_of_first_loss": max(apart)} if apart else None


class Peer:
    """A process of the peers' environment, asked by lines of JSON; it idles between them."""

    def __init__(self, python: str, folder: Path):
        environment = os.environ | {"MPLBACKEND": "Agg", "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
        self.log = folder / "peers.log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [python, str(HERE / "neurons_peers.py"), str(folder / "work.npz")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                env=environment,
            )

    def send(self, request: dict[str, Any]) -> None:
        print(json.dumps(request), file=self.process.stdin)

    def receive(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the peers' side stopped:\n{self.log.read_text()[-2000:]}")
        return json.loads(line)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.send(request)
        return self.receive()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


class Contender:
    """One form: made ready and warmed up at once, timed once a round; of processes side by side the slowest counts."""

    def __init__(self, work: Work, form: Form, peers: Sequence[Peer]):
        self.work, self.form, self.peers = work, form, peers
        self.seconds: list[float] = []
        self.loss: float | None = None
        self.failed: str | None = None
        self._ask(WARM_STEPS)

    def once(self) -> None:
        replies = self._ask(self.work.measured[self.form.kind])
        if replies:
            slowest = max(reply["seconds_a_step"] for reply in replies)
            self.seconds.append(self.work.whole_seconds(self.form, slowest))
            self.loss = replies[0]["loss"]

    def told(self, ours: float) -> dict[str, Any]:
        """Its figures; the ratio is its median over fallline's."""
        seconds = spread(self.seconds)
        return {
            **asdict(self.form),
            "measured_steps": self.work.measured[self.form.kind],
            "failed": self.failed,
            "microseconds_a_step": seconds and seconds["median"] / self.work.whole_seconds(self.form, 1e-6),
            "seconds": seconds,
            "ratio": seconds and seconds["median"] / ours,
        }

    def _ask(self, steps: int) -> list[dict[str, Any]]:
        if self.failed:
            return []
        for peer in self.peers:
            peer.send({"do": "steps", "form": asdict(self.form), "steps": steps})
        replies = [peer.receive() for peer in self.peers]
        self.failed = next((reply["failed"] for reply in replies if "failed" in reply), None)
        return [] if self.failed else replies


def table(results: dict[str, Any]) -> str:
    ours, work = results["fallline"], results["work"]
    lines = ["quick: a smoke run, its figures mean nothing"] if results["quick"] else []
    lines += [
        machine_line(results["machine"]),
        "",
        f"neurons: {work['trials']} trials x {work['steps']:,} iterations of {BATCH} on 4-2-1",
        f"  {'':54}{'median s':>11}{'min':>11}{'max':>11}{'ratio':>9}",
        _row("fallline, without tracing and compiling", ours["training"], 1.0),
        _row("fallline, the whole call", ours["whole"], ours["whole"]["median"] / ours["training"]["median"]),
    ]
    lines += [
        _row(name, peer["seconds"], peer["ratio"]) if peer["seconds"] else f"  {name}: {peer['failed']}"
        for name, peer in results["peers"].items()
    ]
    lines.append(
        f"  inside fallline's program {ours['in_program']['median']:.3f} s; the first run, nothing compiled, "
        f"{ours['first']['whole']:.2f} s, of it trace {ours['first']['trace']:.2f}, compile "
        f"{ours['first']['compile']:.2f}"
    )
    lines += [f"  {name}: {one['ratio']:,.0f} times, goal {one['goal']:,}" for name, one in results["goals"].items()]
    if results["agreement"]:
        lines.append(
            f"  losses after {results['agreement']['step']:,} steps differ by at most "
            f"{results['agreement']['share_of_first_loss']:.1e} of the first loss (eager loops)"
        )
    return "\n".join(lines)


def _row(name: str, seconds: dict[str, Any], ratio: float) -> str:
    return f"  {name:54}{seconds['median']:>11.2f}{seconds['min']:>11.2f}{seconds['max']:>11.2f}{ratio:>9,.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", metavar="PYTHON", help="a Python with peers.txt installed; else fallline alone")
    parser.add_argument("--quick", action="store_true", help="a smoke run in under a minute; its figures mean nothing")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: results/neurons-DATE-MACHINE.json")
    given = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    with tempfile.TemporaryDirectory(prefix="fallline-bench-") as name:
        os.environ["FALLLINE_CACHE"] = str(Path(name) / "cache")  # an empty one: the first run compiles
        results = bench(QUICK if given.quick else FULL, given.peers, given.quick, Path(name))
    usual = default_out(results["machine"])
    out = given.out or usual.with_name(f"neurons-{usual.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results), f"\nwritten to {out}", sep="\n")


if __name__ == "__main__":
    main()
