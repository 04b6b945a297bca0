"""The peers' side of the neurons' benchmark: runs in the peers' environment and answers requests, a line of JSON each.

    python neurons_peers.py WORK.npz

Requests are {"do": "describe"} and {"do": "steps", "form": ..., "steps": ...}. What both sides must agree on stands
here too; only the functions that run import torch.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

TEXT = ("xw=ap*xp+aq*xq+ar*xr+as*xs", "xz=bp*xp+bq*xq+br*xr+bs*xs", "xo=cp*xw+cq*xz")
LEARNABLES = ("ap", "aq", "ar", "as", "bp", "bq", "br", "bs", "cp", "cq")
INPUTS, HIDDEN = 4, 2
BETAS1, BETAS2, RATE, BATCH = (0.7, 0.9, 0.99), (0.7, 0.9, 0.99), 1e-3, 8
PAIR = (0.9, 0.99)
"""The pair that stands for all nine where trials are timed one at a time: a step takes the same time with any."""


@dataclass(frozen=True)
class Form:
    """A way in which peers do the work: one trial after another in a loop, all in one step, or the package's loop."""

    name: str
    kind: str
    net: str = ""
    adam: str = ""
    threads: int = 1
    processes: int = 1
    compiled: bool = False

    @property
    def eager_loop(self) -> bool:
        return self.kind == "loop" and self.processes == 1 and not self.compiled


Run = Callable[[int], tuple[float, float | None]]
"""A run takes so many steps and gives its seconds and, where its batches and updates are fallline's, the loss after."""


def serve(path: str) -> None:
    import numpy as np
    import torch

    # Compilers and the package print; the pipe to the other side stays clean.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    runs: dict[str, Run] = {}
    arrays: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "describe":
                reply = versions("torch", "numpy", "ComputationalGraphPrimer")
            else:
                if not arrays:
                    with np.load(path) as saved:
                        arrays = {name: torch.from_numpy(saved[name]) for name in saved.files}
                form, steps = Form(**request["form"]), request["steps"]
                torch.set_num_threads(form.threads)
                if form.name not in runs:
                    runs[form.name] = {"loop": loop, "ensemble": ensemble, "package": package}[form.kind](form, arrays)
                seconds, loss = runs[form.name](steps)
                reply = {"seconds_a_step": seconds / steps, "loss": loss}
        except Exception as failure:
            reply = {"failed": f"{type(failure).__name__}: {str(failure).splitlines()[0] if str(failure) else ''}"}
        print(json.dumps(reply), file=replies)


def versions(*packages: str) -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def begin(arrays: dict[str, Any]) -> list[Any]:
    """First weights and biases of both layers for all seeds: [seeds, 4, 2], [seeds, 2], [seeds, 2, 1], [seeds, 1]."""
    weights, biases, cut = arrays["weights"], arrays["biases"], INPUTS * HIDDEN
    return [
        weights[:, :cut].reshape(-1, HIDDEN, INPUTS).transpose(1, 2).contiguous(),
        biases[:, :HIDDEN].contiguous(),
        weights[:, cut:, None].contiguous(),
        biases[:, HIDDEN:].contiguous(),
    ]


def loop(form: Form, arrays: dict[str, Any]) -> Run:
    """One trial, PAIR with seed 0: autograd and torch.optim.Adam, its batches in memory, a tensor each."""
    import torch
    from torch.nn.functional import mse_loss

    batches = list(zip(arrays["inputs"][:, 0], arrays["targets"][:, 0, :, None], strict=True))
    which = {"single": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}[form.adam]

    def fresh() -> tuple[Any, Any]:
        if form.net == "modules":
            forward, weights = modules([leaf[0] for leaf in begin(arrays)])
        else:
            forward, weights = tensors([leaf[0] for leaf in begin(arrays)])
        optimizer = torch.optim.Adam(weights, lr=RATE, betas=PAIR, **which)
        return (lambda x, y: mse_loss(forward(x), y)), optimizer

    def compiled() -> tuple[Any, Any]:
        loss, optimizer = fresh()
        optimizer.step = torch.compile(optimizer.step, dynamic=False)
        return torch.compile(loss, dynamic=False), optimizer

    kept = compiled() if form.compiled else None  # what is compiled belongs to its weights

    def run(steps: int) -> tuple[float, float | None]:
        loss, optimizer = kept or fresh()
        begun = time.perf_counter()
        for x, y in batches[:steps]:
            optimizer.zero_grad()
            loss(x, y).backward()
            optimizer.step()
        seconds = time.perf_counter() - begun
        return seconds, None if form.compiled else loss(*batches[steps]).item()

    return run


def modules(start: list[Any]) -> tuple[Any, list[Any]]:
    import torch

    net = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, HIDDEN), torch.nn.Sigmoid(), torch.nn.Linear(HIDDEN, 1), torch.nn.Sigmoid()
    )
    with torch.no_grad():
        for own, leaf in zip(net.parameters(), start, strict=True):
            own.copy_(leaf.T if leaf.dim() == 2 else leaf)
    return net, list(net.parameters())


def tensors(start: list[Any]) -> tuple[Any, list[Any]]:
    """The same net without modules, whose calls cost a good part of so small a step."""
    from torch import addmm, sigmoid

    w1, b1, w2, b2 = weights = [leaf.clone().requires_grad_() for leaf in start]
    return (lambda x: sigmoid(addmm(b2, sigmoid(addmm(b1, x, w1)), w2))), weights


def ensemble(form: Form, arrays: dict[str, Any]) -> Run:
    """All pairs and all seeds in one step: weights [seeds, pairs, ...], each seed with its own batch."""
    import torch
    from torch.func import grad, vmap

    pairs = torch.tensor([(one, two) for one in BETAS1 for two in BETAS2])
    weights = [leaf[:, None].expand(-1, len(pairs), *leaf.shape[1:]).clone() for leaf in begin(arrays)]
    betas = [[column.view(1, -1, *[1] * (leaf.dim() - 2)) for column in pairs.unbind(1)] for leaf in weights]

    def loss(w: list[Any], x: Any, y: Any) -> Any:
        # Sums and not products of matrices: so small, they compile into the loops around them.
        hidden = torch.sigmoid((x[:, :, None] * w[0]).sum(1) + w[1])
        return (torch.sigmoid((hidden[:, :, None] * w[2]).sum(1) + w[3]) - y).square().mean()

    gradients = vmap(vmap(grad(loss), in_dims=(0, None, None)))

    def step(state: Any, x: Any, y: Any) -> Any:
        weights, means, squares, count = state
        count, found = count + 1, []
        for w, m, v, g, (one, two) in zip(weights, means, squares, gradients(weights, x, y), betas, strict=True):
            m, v = one * m + (1 - one) * g, two * v + (1 - two) * g * g
            rate = RATE * torch.sqrt(1 - two**count) / (1 - one**count)
            found.append((w - rate * m / (torch.sqrt(v) + 1e-8), m, v))
        return *(list(leaves) for leaves in zip(*found, strict=True)), count

    step_of = torch.compile(step, dynamic=False) if form.compiled else step
    batches = list(zip(arrays["inputs"], arrays["targets"][..., None], strict=True))

    @torch.no_grad()
    def run(steps: int) -> tuple[float, float | None]:
        state = weights, *([torch.zeros_like(leaf) for leaf in weights] for _ in range(2)), torch.zeros(())
        begun = time.perf_counter()
        for x, y in batches[:steps]:
            state = step_of(state, x, y)
        return time.perf_counter() - begun, None

    return run


def package(form: Form, arrays: dict[str, Any]) -> Run:
    """The package's own training loop on data of its own; its updates are plain steps, it has no Adam."""
    from ComputationalGraphPrimer import ComputationalGraphPrimer

    nothing = SimpleNamespace(figure=lambda: None, plot=lambda values: None, show=lambda: None)
    sys.modules[ComputationalGraphPrimer.__module__].plt = nothing  # the picture at the end is not what is timed

    def run(steps: int) -> tuple[float, float | None]:
        random.seed(0)
        graph = ComputationalGraphPrimer(
            num_layers=3,
            layers_config=[INPUTS, HIDDEN, 1],
            expressions=list(TEXT),
            output_vars=["xo"],
            dataset_size=5_000,
            learning_rate=RATE,
            training_iterations=steps,
            batch_size=BATCH,
            display_loss_how_often=100,
        )
        graph.parse_multi_layer_expressions()
        data = graph.gen_training_data()
        begun = time.perf_counter()
        graph.run_training_loop_multi_neuron_model(data)
        return time.perf_counter() - begun, None

    return run


if __name__ == "__main__":
    serve(sys.argv[1])
