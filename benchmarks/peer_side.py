"""PyTorch's side: runs in the peers' environment and answers requests, a line of JSON each.

    python peer_side.py WORK.json ARRAYS.npz

Requests are {"do": "describe"}, {"do": "product", ...}, {"do": "prepare", ...} and {"do": "measure", ...}; the process
stays, so that what it compiled once is there in every round. Only torch and numpy are imported.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from peer_rules import Weights, ensemble, optimizer
from torch import Tensor
from torch.nn.functional import cross_entropy, linear
from works import RATE, Form, Work, from_plain

Run = Callable[[int, int], float | None]
"""``run(seed, steps)`` takes steps 0 ... steps - 1 of a seed; a single trial gives the last step's loss."""


class Problem(NamedTuple):
    """First weights, the loss of a batch, and the batch of a seed at a step; all of it in memory."""

    start: Weights
    loss: Callable[[Weights, Tensor, Tensor], Tensor]
    batch: Callable[[int, int], tuple[Tensor, Tensor]]


def line(arrays: Any) -> Problem:
    points = torch.from_numpy(arrays["inputs"]), torch.from_numpy(arrays["targets"])
    return Problem(
        {"W": torch.tensor(0.3), "b": torch.tensor(-0.3)},
        lambda w, x, y: (w["W"] * x + w["b"] - y).square().sum(),
        lambda seed, step: points,
    )


def softmax(arrays: Any) -> Problem:
    inputs, targets = torch.from_numpy(arrays["inputs"]), torch.from_numpy(arrays["targets"].astype(np.int64))
    chosen = [torch.from_numpy(seed.astype(np.int64)).unbind() for seed in arrays["batches"]]

    def batch(seed: int, step: int) -> tuple[Tensor, Tensor]:
        return inputs.index_select(0, chosen[seed][step]), targets.index_select(0, chosen[seed][step])

    return Problem(
        {"W": torch.zeros(10, inputs.shape[1]), "b": torch.zeros(10)},
        lambda w, x, y: cross_entropy(linear(x, w["W"], w["b"]), y),
        batch,
    )


def trial(problem: Problem, rule: str, compiled: bool) -> Run:
    """One trial after another with autograd and torch.optim; ``compiled``: loss, backward and update.

    A compiled update belongs to its optimizer, which therefore stays, and its state with it.
    """
    weights = {name: w.clone().requires_grad_() for name, w in problem.start.items()}
    loss = torch.compile(problem.loss, dynamic=False) if compiled else problem.loss
    kept = optimizer(rule, list(weights.values()), RATE, fused=False) if compiled else None
    compiled_update = torch.compile(kept.step, dynamic=False) if kept else None

    def run(seed: int, steps: int) -> float:
        with torch.no_grad():
            for name, w in weights.items():
                w.copy_(problem.start[name])
        optimize = kept or optimizer(rule, list(weights.values()), RATE, fused=True)
        update = compiled_update or optimize.step
        for step in range(steps):
            x, y = problem.batch(seed, step)
            optimize.zero_grad()
            last = loss(weights, x, y)
            last.backward()
            update()
        return last.item()

    return run


def lanes(problem: Problem, rules: list[str], rates: tuple[float, ...], compiled: bool) -> Run:
    """All rates of ``rules`` in one step, a seed after another."""
    start, step_of = ensemble(rules, torch.tensor(rates), problem.start, problem.loss)
    step_of = torch.compile(step_of, dynamic=False) if compiled else step_of

    @torch.no_grad()
    def run(seed: int, steps: int) -> None:
        state = start
        for step in range(steps):
            state = step_of(state, *problem.batch(seed, step))

    return run


class Side:
    """The runs of a work, made once and timed in many rounds."""

    def __init__(self, work: Work, problem: Problem):
        self.work, self.problem = work, problem
        self.runs: dict[Form, dict[str, Run]] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        torch.set_num_threads(request["threads"])
        if request["do"] == "describe":
            return {"torch": torch.__version__, "numpy": np.__version__}
        if request["do"] == "product":
            return {"gflops": product_rate(request["sizes"], request["repeats"])}
        form = Form(**request["form"])
        if request["do"] == "prepare":
            return self.prepare(form, request["steps"])
        timed = {rule: self.timed(run, request["steps"], request["trials"]) for rule, run in self.runs[form].items()}
        return {
            "seconds_a_step": {rule: seconds for rule, (seconds, _) in timed.items()},
            "losses": {rule: loss for rule, (_, loss) in timed.items()},
        }

    def prepare(self, form: Form, steps: int) -> dict[str, Any]:
        """Make the runs and take a few steps of each, which compiles them; these seconds are told apart."""
        begun = time.perf_counter()
        if form.joint:
            # Rules that PyTorch lacks stand in it as the simpler ones they are charged as.
            runs = {"all": lanes(self.problem, list(self.work.charged), self.work.rates, form.compiled)}
        elif form.kind == "ensemble":
            runs = {rule: lanes(self.problem, [rule], self.work.rates, form.compiled) for rule in self.work.peer_rules}
        else:
            runs = {rule: trial(self.problem, rule, form.compiled) for rule in self.work.peer_rules}
        for run in runs.values():
            run(0, steps)
        self.runs[form] = runs
        return {"prepare_seconds": time.perf_counter() - begun}

    def timed(self, run: Run, steps: int, trials: int) -> tuple[float, float | None]:
        """Seconds a step, and the last loss of the first seed."""
        begun = time.perf_counter()
        losses = [run(number % self.work.seeds, steps) for number in range(trials)]
        return (time.perf_counter() - begun) / (trials * steps), losses[0]


def product_rate(sizes: list[int], repeats: int) -> float:
    """GFLOP/s of a float32 square product, the best of a few of each size."""
    rates = []
    for size in sizes:
        a, b = torch.randn(2, size, size)
        a @ b
        for _ in range(repeats):
            begun = time.perf_counter()
            a @ b
            rates.append(2 * size**3 / (time.perf_counter() - begun) / 1e9)
    return max(rates)


def main() -> None:
    # Compilers may print; the pipe to the other side stays clean.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    torch._dynamo.config.recompile_limit = 1000  # every rule compiles the same function; none may fall back to eager
    torch._dynamo.config.accumulated_recompile_limit = 10_000
    work = from_plain(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    with np.load(sys.argv[2]) as arrays:
        problem = {"line": line, "softmax": softmax}[work.name](arrays)
    side = Side(work, problem)
    for request in sys.stdin:
        try:
            reply = side.answer(json.loads(request))
        except Exception as failure:
            reply = {"failed": f"{type(failure).__name__}: {str(failure).splitlines()[0] if str(failure) else ''}"}
        print(json.dumps(reply), file=replies)


if __name__ == "__main__":
    main()
