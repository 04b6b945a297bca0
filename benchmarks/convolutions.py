"""Convolutions on this machine's CPU: each lowering's parts, and the convnet's training step against PyTorch's.

    python benchmarks/convolutions.py [--peers PYTHON] [--batches 50,150] [--seconds 0.4] [--out NAME]

The net is 28x28x1 - 5x5x32 relu pool - 5x5x64 relu pool - 1024 relu - dropout 0.5 - 10, cross entropy, Adam, float32.
Contenders take turns, a stretch of ``--seconds`` each in every round; a stretch during which other processes took the
cores is thrown away and taken again, up to a limit, and told. Ratios are of the least times and of the medians.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

LANES, ROUNDS = 8, 5
FLAG = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion=true"
OPTIONS = {
    "default": {},
    "in place": {"xla_cpu_copy_insertion_use_region_analysis": True},
    "in place, no YNNPACK": {
        "xla_cpu_copy_insertion_use_region_analysis": True,
        "xla_cpu_experimental_ynn_fusion_type": "",
    },
}
"""XLA's options by program. "in place" lets the donated weights be read and then written, without a copy of 13 MB."""
FORMS = {
    "channels_last, fused Adam": (True, "fused"),
    "channels_last, foreach Adam": (True, "foreach"),
    "channels first, fused Adam": (False, "fused"),
}
LAYERS = {"first": ((28, 28, 1), (5, 5, 1, 32)), "second": ((14, 14, 32), (5, 5, 32, 64))}
STEPS = {
    "native": ("native", "native"),
    "patches + patches": ("patches", "patches"),
    "phases + native": ("phases", "native"),
    "phases + patches": ("phases", "patches"),
    "phases + taps": ("phases", "taps"),
    "phases + frequencies": ("phases", "frequencies"),
}
Call = Callable[[], Any]


# PyTorch's side: runs in the peers' environment, answers a line for a line.


def serve() -> None:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    steps: dict[tuple[str, int], Call] = {}
    for line in sys.stdin:
        form, batch, seconds = json.loads(line)
        if (form, batch) not in steps:
            steps[form, batch] = torch_step(*FORMS[form], batch)
        print(json.dumps(stretch(steps[form, batch], seconds)), flush=True)


def torch_net() -> Any:
    """The convnet as PyTorch's modules, channels first."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3136, 1024),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(1024, 10),
    )


def torch_step(channels_last: bool, adam: str, batch: int) -> Call:
    import torch
    from torch import nn

    net = torch_net()
    x, y = torch.rand(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    if channels_last:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimize = torch.optim.Adam(net.parameters(), 1e-4, **{adam: True})

    def step() -> None:
        optimize.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimize.step()

    return step


# Our side.


def convnet_step(first: str, second: str, options: Mapping[str, Any], batch: int, lanes: int = 1) -> Call:
    """A call that takes one step of ``lanes`` trials, written out one after another in one program."""
    import jax
    import numpy as np

    random = np.random.default_rng(0)
    x = jax.device_put(random.random((batch, 28, 28, 1), np.float32))
    y = jax.device_put(random.integers(0, 10, batch))
    states = [start(seed) for seed in range(lanes)]

    def step(states: Any, x: Any, y: Any) -> Any:
        done = [train(state, x, y, first, second) for state in states]
        return [state for state, _ in done], [loss for _, loss in done]

    program = jax.jit(step, donate_argnums=0).lower(states, x, y).compile(compiler_options=dict(options))

    def call() -> None:
        nonlocal states
        states, losses = program(states, x, y)
        jax.block_until_ready(losses)

    return call


def start(seed: int) -> Any:
    """Weights, both moments and the step count."""
    import jax
    import jax.numpy as jnp

    shapes = {
        "k1": (5, 5, 1, 32),
        "b1": (32,),
        "k2": (5, 5, 32, 64),
        "b2": (64,),
        "w3": (3136, 1024),
        "b3": (1024,),
        "w4": (1024, 10),
        "b4": (10,),
    }
    keys = dict(zip(shapes, jax.random.split(jax.random.key(seed), len(shapes)), strict=True))
    weights = {name: 0.05 * jax.random.normal(keys[name], shape) for name, shape in shapes.items()}
    return weights, *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2)), jnp.int32(0)


def train(state: Any, x: Any, y: Any, first: str, second: str) -> Any:
    import jax
    import jax.numpy as jnp

    from fallline.models.lowerings import convolve_relu_pool

    def loss_of(w: Any, key: Any) -> Any:
        hidden = convolve_relu_pool(x, w["k1"], w["b1"], first)
        hidden = convolve_relu_pool(hidden, w["k2"], w["b2"], second).reshape(len(x), -1)
        hidden = jax.nn.relu(hidden @ w["w3"] + w["b3"])
        hidden = jnp.where(jax.random.bernoulli(key, 0.5, hidden.shape), 2 * hidden, 0)
        logits = jax.nn.log_softmax(hidden @ w["w4"] + w["b4"])
        return -jnp.take_along_axis(logits, y[:, None], 1).mean()

    weights, m, v, count = state
    loss, gradient = jax.value_and_grad(loss_of)(weights, jax.random.fold_in(jax.random.key(0), count))
    count = count + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
    left_m, left_v = 1 / (1 - 0.9**count), 1 / (1 - 0.999**count)
    weights = jax.tree.map(lambda w, m, v: w - 1e-4 * m * left_m / (jnp.sqrt(v * left_v) + 1e-8), weights, m, v)
    return (weights, m, v, count), loss


def part(layer: str, lowering: str, batch: int, gradients: bool, options: Mapping[str, Any]) -> Call:
    """Convolution, relu and pooling of a layer; ``gradients``: and those of kernel, bias and, in the second, input."""
    import jax
    import numpy as np

    from fallline.models.lowerings import convolve_relu_pool

    picture, shape = LAYERS[layer]
    random = np.random.default_rng(0)
    arguments = [
        jax.device_put(random.standard_normal(one, np.float32)) for one in ((batch, *picture), shape, shape[3:])
    ]
    wanted = (1, 2) if layer == "first" else (0, 1, 2)

    def forward(*arguments: Any) -> Any:
        return convolve_relu_pool(*arguments, lowering)

    def both(*arguments: Any) -> Any:
        value, pullback = jax.vjp(forward, *arguments)
        return value, [pullback(value)[one] for one in wanted]

    program = jax.jit(both if gradients else forward).lower(*arguments).compile(compiler_options=dict(options))
    return lambda: jax.block_until_ready(program(*arguments))


def side_by_side(calls: Sequence[Call], pool: ThreadPoolExecutor) -> Call:
    """One step of every call; two threads take them in turn."""
    return lambda: list(pool.map(lambda call: call(), calls))


# Timing.


def stretch(call: Call, seconds: float) -> list[float]:
    """The seconds of each call for about ``seconds``, after one that is not counted."""
    call()
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return times


class Peer:
    """The other Python, asked over its standard input."""

    def __init__(self, python: str):
        self.process = subprocess.Popen(
            [python, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def times(self, form: str, batch: int, seconds: float) -> list[float]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([form, batch, seconds]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextmanager
def asked(python: str | None) -> Iterator[Peer | None]:
    peer = Peer(python) if python else None
    try:
        yield peer
    finally:
        if peer:
            peer.process.terminate()
            peer.process.wait()


def measure(
    contenders: Mapping[str, Callable[[float], list[float]]], seconds: float, peer: Peer | None, patience: float = 30
) -> dict[str, Any]:
    """Milliseconds of each contender, in turns; ``disturbed`` counts stretches kept although others took the cores."""
    processes = [os.getpid()] + ([peer.process.pid] if peer else [])
    times: dict[str, list[float]] = {name: [] for name in contenders}
    kept, end = 0, time.perf_counter() + patience
    for run in contenders.values():
        run(0.0)
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            while True:
                begun, before = time.perf_counter(), taken_by_others(processes)
                found = run(seconds)
                share = (taken_by_others(processes) - before) / (time.perf_counter() - begun)
                if share < 0.15 or time.perf_counter() > end:
                    break
            kept += share >= 0.15
            times[name] += found
    return {
        "disturbed": kept,
        **{
            name: {
                "min": min(own) * 1e3,
                "median": statistics.median(own) * 1e3,
                "q25": sorted(own)[len(own) // 4] * 1e3,
            }
            for name, own in times.items()
        },
    }


def taken_by_others(processes: Sequence[int]) -> float:
    """Core seconds spent by all but ``processes`` since the machine started (Linux)."""
    whole = [int(one) for one in Path("/proc/stat").read_text().split()[1:9]]
    own = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        own += int(fields[11]) + int(fields[12])
    return (sum(whole) - whole[3] - whole[4] - own) / os.sysconf("SC_CLK_TCK")


def keep_freed_memory() -> None:
    """Ask glibc to keep what is freed; temporary arrays above 32 MB are otherwise new pages at every call."""
    libc = ctypes.CDLL(None)
    for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 2**28)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
        libc.mallopt(option, value)


# The tables.


def parts(batch: int, seconds: float) -> dict[str, Any]:
    from fallline.models.lowerings import LOWERINGS

    found = {}
    for layer in LAYERS:
        calls = {
            f"{lowering}, {'all' if gradients else 'forward'}, {options}": partial(
                stretch, part(layer, lowering, batch, gradients, OPTIONS[options])
            )
            for lowering in LOWERINGS
            for gradients in (False, True)
            for options in ("in place", "in place, no YNNPACK")
            if not (layer == "first" and lowering == "taps")
            if not (layer == "second" and lowering == "phases")
        }
        found[layer] = measure(calls, seconds / 4, None)
    return found


def steps(batch: int, seconds: float, peer: Peer | None) -> dict[str, Any]:
    calls = {
        f"{name}, {options}": partial(stretch, convnet_step(*ways, OPTIONS[options], batch))
        for name, ways in STEPS.items()
        for options in OPTIONS
        if options == "in place" or name in ("native", "phases + frequencies")
    }
    for form in FORMS if peer else ():
        calls[f"PyTorch, {form}"] = partial(peer.times, form, batch)  # type: ignore[union-attr]
    return measure(calls, seconds, peer)


def lanes(batch: int, seconds: float, peer: Peer | None, pool: ThreadPoolExecutor) -> dict[str, Any]:
    """Milliseconds a step of one trial, of 8: each layout's divided by the trials of a call."""
    ways = (*STEPS["phases + frequencies"], OPTIONS["in place"], batch)
    own = [convnet_step(*ways) for _ in range(LANES)]
    calls = {
        "one after another": (own[0], 1),
        "in turns": (lambda: [call() for call in own], LANES),
        "two threads": (side_by_side(own, pool), LANES),
        **{f"{count} in one program": (convnet_step(*ways, lanes=count), count) for count in (2, LANES)},
    }
    runs = {name: partial(shared, call, count) for name, (call, count) in calls.items()}
    if peer:
        runs["PyTorch"] = partial(peer.times, next(iter(FORMS)), batch)
    return measure(runs, seconds, peer)


def shared(call: Call, count: int, seconds: float) -> list[float]:
    return [one / count for one in stretch(call, seconds)]


def flops(layer: str, batch: int, gradients: bool) -> float:
    """Of the direct convolution, whatever way it is computed."""
    (height, width, _), kernel = LAYERS[layer]
    once = 2 * batch * height * width * kernel[0] * kernel[1] * kernel[2] * kernel[3]
    return once * ((2 if layer == "first" else 3) if gradients else 1)


def table(results: Mapping[str, Any]) -> str:
    lines = [
        "| batch | part | lowering, what, options | ms (least) | ms (median) | GFLOP/s, direct |",
        "|---|---|---|---|---|---|",
    ]
    for batch, layers in results["parts"].items():
        for layer, found in layers.items():
            for name, one in sorted(rows(found), key=lambda row: (", all" in row[0], row[1]["min"])):
                rate = flops(layer, int(batch), ", all" in name) / one["min"] / 1e6
                lines.append(f"| {batch} | {layer} | {name} | {one['min']:.2f} | {one['median']:.2f} | {rate:.0f} |")
    for title in ("steps", "lanes"):
        lines += [
            "",
            f"| batch | {title}: ms a step of a trial | least | q25 | median | PyTorch's best / this: least "
            "| q25 | median |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for batch, found in results[title].items():
            best = {
                key: min([one[key] for name, one in rows(found) if name.startswith("PyTorch")] or [float("nan")])
                for key in ("min", "q25", "median")
            }
            for name, one in sorted(rows(found), key=lambda row: row[1]["min"]):
                times = " | ".join(f"{one[key]:.1f}" for key in best)
                ratios = " | ".join(f"{best[key] / one[key]:.2f}" for key in best)
                lines.append(f"| {batch} | {name} | {times} | {ratios} |")
            lines.append(f"| {batch} | stretches disturbed by others: {found['disturbed']} | | | | | | |")
    return "\n".join(lines) + "\n"


def rows(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, one) for name, one in found.items() if name != "disturbed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", metavar="PYTHON", help="a Python with PyTorch; else our side alone")
    parser.add_argument("--batches", default="50,150")
    parser.add_argument("--seconds", type=float, default=0.4, help="of a stretch")
    parser.add_argument("--only", choices=("parts", "steps", "lanes"), help="one table")
    parser.add_argument("--out", type=Path, metavar="NAME", help="writes NAME.json and NAME.md")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve()
    os.environ["JAX_PLATFORMS"] = "cpu"
    if "xla_backend_extra_options" not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}".strip()
    keep_freed_memory()
    from fallline.training.environment import describe

    results: dict[str, Any] = {
        "schema": 1,
        "machine": describe("benchmarks/convolutions.py"),
        "xla_flags": os.environ["XLA_FLAGS"],
        "parts": {},
        "steps": {},
        "lanes": {},
    }
    with asked(given.peers) as peer, ThreadPoolExecutor(2) as pool:
        for batch in map(int, given.batches.split(",")):
            for name, run in (
                ("parts", partial(parts, batch, given.seconds)),
                ("steps", partial(steps, batch, given.seconds, peer)),
                ("lanes", partial(lanes, batch, given.seconds, peer, pool)),
            ):
                if given.only in (None, name):
                    results[name][batch] = run()
    print(table(results))
    if given.out:
        given.out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        given.out.with_suffix(".md").write_text(table(results), encoding="utf-8")


if __name__ == "__main__":
    main()
