"""Whole commands, from Enter to the end of the process: this tree beside another commit, and beside PyTorch's loops.

    python benchmarks/whole.py [--against COMMIT] [--peers PYTHON] [--rounds 5] [--only NAME ...] [--quick]
                               [--out FILE.json]

``--only`` takes parts of names, as "softmax full" or "warm". Let nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import default_out, say, spread
from table import machine_line
from whole_loops import Loop, steps_alone
from whole_sides import ROOT, Side, checked_out, this_tree, timed
from whole_works import COMMANDS, LONGER_COMMAND, PEER_GOALS, SMOKE, Command
from works import PRODUCT_SIZES

SCHEMA = 1
HERE = Path(__file__).resolve().parent
START = "import jax; jax.numpy.zeros(1).block_until_ready()"
PRODUCT = "import json, sys; from fallline_side import product_rate; print(product_rate(json.loads(sys.argv[1])))"
FLOOR_GOAL = 2.5
"""A run of a full study was wanted within so many times its floor."""


def bench(
    commands: Sequence[Command],
    sides: Sequence[Side],
    loops: Sequence[Loop],
    rounds: int,
    sizes: Sequence[int],
    work: Path,
) -> dict[str, Any]:
    """Every command of every side in turn (A B A B ...), then each loop, then again; plain values."""
    seconds: dict[str, dict[str, list[float]]] = {
        command.name: {side.name: [] for side in sides} for command in commands
    }
    floor: dict[str, list[float]] = {"start_seconds": [], "product_gflops": []}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for name, value in floor_of(sizes, sides[0], work).items():
            floor[name].append(value)
        for command in commands:
            for side in sides:
                seconds[command.name][side.name].append(side.seconds(command))
            say(
                f"  {command.name}: "
                + ", ".join(f"{taken[-1]:.2f} s {name}" for name, taken in seconds[command.name].items())
            )
        for loop in loops:
            loop.once()
            say(f"  PyTorch, {loop.study.key}: {loop.seconds[-1]:.2f} s")
    result: dict[str, Any] = {
        "rounds": rounds,
        "sides": [side.name for side in sides],
        "floor": {name: spread(values) for name, values in floor.items()},
        "commands": {
            command.name: compared(command, list(seconds[command.name].values()), floor) for command in commands
        },
    }
    result["peers"] = [beside(loop, result["commands"]) for loop in loops]
    result["steps_alone"] = steps_alone(loops, result["commands"])
    return result


def compared(command: Command, seconds: Sequence[list[float]], floor: dict[str, list[float]]) -> dict[str, Any]:
    """One command: seconds of both sides, how many times faster the first is, what was wanted, and its floor."""
    mine, others = seconds[0], seconds[1:]
    found: dict[str, Any] = {
        "arguments": list(command.arguments),
        "cold": command.cold,
        "goal": command.goal,
        "seconds": spread(mine),
        "other_seconds": None,
        "ratio": None,
        "floor_seconds": None,
    }
    for other in others:
        turns = [b / a for a, b in zip(mine, other, strict=True)]
        found |= {
            "other_seconds": spread(other),
            "ratio": {
                "median": statistics.median(other) / statistics.median(mine),
                "min": min(turns),
                "max": max(turns),
            },
        }
    if command.study is not None:
        rate = statistics.median(floor["product_gflops"]) * 1e9
        lowest = statistics.median(floor["start_seconds"]) + command.study.flops / rate
        found |= {
            "flops": command.study.flops,
            "floor_seconds": lowest,
            "times_floor": statistics.median(mine) / lowest,
        }
    return found


def floor_of(sizes: Sequence[int], side: Side, work: Path) -> dict[str, float]:
    """Seconds to start Python and JAX, and GFLOP/s of float32 matmuls, each in a process of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(side.source), str(HERE)])}
    start = timed([sys.executable, "-c", START], environment, work / "start.txt", "the start of JAX")
    timed([sys.executable, "-c", PRODUCT, json.dumps(sizes)], environment, work / "product.txt", "matmuls")
    return {"start_seconds": start, "product_gflops": float((work / "product.txt").read_text().split()[-1])}


def beside(loop: Loop, commands: dict[str, Any]) -> dict[str, Any]:
    """A loop's figures, and how many times as long it takes as each of our commands that does the same."""
    own = spread(loop.seconds)
    ratios = {
        name: {"ratio": own["median"] / found["seconds"]["median"], "goal": PEER_GOALS.get(name)}
        for name, found in commands.items()
        if name.startswith(f"run {loop.study.key},")
    }
    return {
        "study": loop.study.key,
        "seconds": own,
        "threads": loop.threads,
        "measured": loop.measured_in_words,
        "seconds_a_step": loop.seconds_a_step,
        "commands": ratios,
    }


def table(results: dict[str, Any]) -> str:
    """A row a command, then what the floor is, then PyTorch's loops."""
    lines = ["quick: a smoke run, its figures mean nothing"] if results["quick"] else []
    lines += [
        machine_line(results["machine"]),
        "A: " + ", B: ".join(results["sides"]) + f"; medians of {results['rounds']} rounds (least-greatest)",
        "",
        f"{'':32}{'A, s':>22}{'B, s':>22}{'B / A':>22}{'goal':>6}{'floor':>8}{'A / floor':>11}",
    ]
    for name, found in results["commands"].items():
        ratio = found["ratio"]
        floor = f"{found['floor_seconds']:>8.2f}{found['times_floor']:>11.1f}" if found["floor_seconds"] else ""
        lines.append(
            f"{name:32}{_span(found['seconds']):>22}{_span(found['other_seconds']):>22}"
            f"{_span(ratio):>22}{found['goal'] or '':>6}{floor}".rstrip()
        )
    start, rate = (results["floor"][name]["median"] for name in ("start_seconds", "product_gflops"))
    lines += [
        "",
        f"floor: {start:.2f} s to start Python and JAX, and the matmuls of training and evaluation at "
        f"{rate:,.0f} GFLOP/s; {FLOOR_GOAL} times it is the goal of full studies",
    ]
    for peer in results["peers"]:
        lines += [
            "",
            f"PyTorch, {peer['study']}: {_span(peer['seconds'])} s, {peer['threads']} threads, {peer['measured']}",
        ]
        lines += [
            f"  {name}: {row['ratio']:.1f} times as fast" + (f", goal {row['goal']}" if row["goal"] else "")
            for name, row in peer["commands"].items()
        ]
    if results["steps_alone"]:
        lines += ["", results["steps_alone"]["words"]]
    return "\n".join(lines)


def _span(values: dict[str, Any] | None) -> str:
    return f"{values['median']:.2f} ({values['min']:.2f}-{values['max']:.2f})" if values else ""


def chosen(only: Sequence[str], commands: Sequence[Command]) -> list[Command]:
    found = [command for command in commands if not only or any(part in command.name for part in only)]
    if not found:
        raise SystemExit(
            f"--only {' '.join(only)}: no such command; there are " + "; ".join(command.name for command in commands)
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="COMMIT", help="the other side; else this tree alone")
    parser.add_argument("--peers", metavar="PYTHON", help="a Python with peers.txt installed: PyTorch's loops too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="commands with this in their name")
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean nothing")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: results/whole-DATE-MACHINE.json")
    given = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    from fallline.training.environment import describe

    commands = chosen(given.only, SMOKE if given.quick else COMMANDS)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="fallline-whole-") as name:
        work = Path(name)
        sides = [Side("this tree", ROOT / "src", work / "this")]
        if given.against:
            commit, source = checked_out(given.against, work / "checkout")
            sides.append(Side(commit, source, work / "other"))
        loops = [Loop(given.peers, study, work) for study in Loop.studies(commands)] if given.peers else []
        if any(loop.study.work.name == "convnet" for loop in loops) and not given.quick:
            commands.append(LONGER_COMMAND)
        results = bench(
            commands, sides, loops, 1 if given.quick else given.rounds, (256,) if given.quick else PRODUCT_SIZES, work
        )
    results = {
        "schema": SCHEMA,
        "quick": given.quick,
        "machine": describe("benchmarks/whole.py"),
        "commit": this_tree(),
        **results,
        "wall_seconds": time.perf_counter() - begun,
    }
    usual = default_out(results["machine"])
    out = given.out or usual.with_name(f"whole-{usual.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results), f"\nwritten to {out}", sep="\n")


if __name__ == "__main__":
    main()
