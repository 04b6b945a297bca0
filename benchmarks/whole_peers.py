"""PyTorch's whole command: an eager loop that trains, evaluates, keeps curves and writes a CSV, from start to end.

    python whole_peers.py STUDY.json ARRAYS.npz OUT.csv THREADS

Runs in the peers' environment. One trial of each rule is trained after another, whole; what these took, rule by rule,
goes to stdout as JSON, so that the other side can charge the study's trials. Only torch and numpy are imported.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from convolutions import torch_net
from peer_rules import optimizer
from torch import Tensor
from torch.nn.functional import cross_entropy
from works import RATE, Work, from_plain

Examples = tuple[Tensor, Tensor]


class Net(NamedTuple):
    """What is trained: its weights, its outputs, the loss of outputs and targets, and whether it trains or is asked."""

    weights: list[Tensor]
    outputs: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    train: Callable[[bool], Any]


def line() -> Net:
    weight, bias = torch.tensor(0.3, requires_grad=True), torch.tensor(-0.3, requires_grad=True)
    return Net(
        [weight, bias],
        lambda x: weight * x + bias,
        lambda outputs, y: (outputs - y).square().sum(),
        lambda training: None,
    )


def softmax() -> Net:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    for weight in net.parameters():
        torch.nn.init.zeros_(weight)
    return Net(list(net.parameters()), net, cross_entropy, net.train)


def convnet() -> Net:
    net = torch_net().to(memory_format=torch.channels_last)
    return Net(list(net.parameters()), net, cross_entropy, net.train)


NETS = {"line": line, "softmax": softmax, "convnet": convnet}


def batches(examples: Examples, size: int | None, steps: int) -> Iterator[Examples]:
    """All examples at every step, or batches of that size, the examples reshuffled each epoch."""
    inputs, targets = examples
    order, first = torch.randperm(len(inputs)), 0
    for _ in range(steps):
        if size is None:
            yield examples
            continue
        if first + size > len(inputs):
            order, first = torch.randperm(len(inputs)), 0
        chosen = order[first : first + size]
        first += size
        yield inputs[chosen], targets[chosen]


def evaluated(net: Net, examples: Examples) -> tuple[float, float]:
    """Loss and accuracy over a split."""
    net.train(False)
    with torch.no_grad():
        outputs = net.outputs(examples[0])
        seen = net.loss(outputs, examples[1]).item(), (outputs.argmax(1) == examples[1]).float().mean().item()
    net.train(True)
    return seen


def trial(net: Net, rule: str, work: Work, splits: dict[str, Examples], every: int | None) -> tuple[list, float]:
    """The rows of one trial's curves, and the seconds that its steps took without evaluation."""
    optimize = optimizer(rule, net.weights, RATE, fused=True)
    losses, looks, inside = [], {}, 0.0
    begun = time.perf_counter()
    for step, (x, y) in enumerate(batches(splits["train"], work.batch_size, work.steps)):
        if every and step % every == 0:
            stopped = time.perf_counter()
            looks[step] = evaluated(net, splits["validation"])
            inside += time.perf_counter() - stopped
        optimize.zero_grad()
        loss = net.loss(net.outputs(x), y)
        loss.backward()
        optimize.step()
        losses.append(loss.detach())
    seconds = time.perf_counter() - begun - inside
    rows = [(rule, step, loss, *looks.get(step, ("", ""))) for step, loss in enumerate(torch.stack(losses).tolist())]
    if every:
        rows += [
            (rule, work.steps, "", *evaluated(net, splits["validation"])),
            (f"{rule}, test", work.steps, "", *evaluated(net, splits["test"])),
        ]
    return rows, seconds


def main() -> None:
    study, arrays, out, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    with open(study, encoding="utf-8") as written:
        plain = json.load(written)
    work = from_plain(plain["work"])
    with np.load(arrays) as held:
        splits = {
            name: (torch.from_numpy(held[f"{name}_inputs"]), torch.from_numpy(held[f"{name}_targets"]))
            for name in ("train", "validation", "test")
            if f"{name}_inputs" in held
        }
    # What PyTorch does at its first steps only is done by two steps of each rule that stand for no trial.
    told: dict[str, Any] = {"seconds_a_trial": {}, "seconds_a_step": {}, "torch": torch.__version__}
    with open(out, "w", newline="", encoding="utf-8") as written:
        table = csv.writer(written)
        table.writerow(["rule", "step", "train_loss", "validation_loss", "validation_accuracy"])
        for rule in work.peer_rules:
            net = NETS[work.task.rsplit("-", 1)[-1]]
            trial(net(), rule, replace(work, steps=2), splits, None)
            begun = time.perf_counter()
            rows, stepping = trial(net(), rule, work, splits, plain["evaluate_every"])
            table.writerows(rows)
            told["seconds_a_trial"][rule] = time.perf_counter() - begun
            told["seconds_a_step"][rule] = stepping / work.steps
    print(json.dumps(told))


if __name__ == "__main__":
    main()
