"""The benchmark: fallline and PyTorch on the same work, one after the other on one machine; ratios and a JSON file.

python benchmarks/bench.py --peers PYTHON [--quick] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contenders import Contender, Peer
from table import table
from works import (
    LINE,
    PRODUCT_REPEATS,
    PRODUCT_SIZES,
    SAME_IN_BOTH,
    SOFTMAX,
    Work,
    forms,
    measured_in_words,
    measured_steps,
    smoke,
)

if TYPE_CHECKING:
    from fallline_side import FalllineSide

SCHEMA = 1


def bench(works: Sequence[Work], peers_python: str | None, quick: bool) -> dict[str, Any]:
    """Everything, as plain values. Without ``peers_python`` fallline's side alone."""
    from fallline.engine.devices import cores
    from fallline.training.environment import describe

    begun = time.perf_counter()
    results, products, versions = {}, {}, {}
    for work in works:
        with tempfile.TemporaryDirectory(prefix="fallline-bench-") as folder, ExitStack() as stack:
            say(f"{work.name}: {work.trials} trials of {work.steps:,} steps; preparing fallline")
            results[work.name], peer = measure(work, peers_python, Path(folder), cores(), quick, stack)
            if not products:
                products, versions = measure_products(peer, (256,) if quick else PRODUCT_SIZES, cores())
    for result in results.values():
        add_shares(result, products)
    return {
        "schema": SCHEMA,
        "quick": quick,
        "machine": {**describe("make bench"), **versions},
        "product_gflops": products,
        "works": results,
        "wall_seconds": time.perf_counter() - begun,
    }


def measure(
    work: Work, peers_python: str | None, folder: Path, cores: int, quick: bool, stack: ExitStack
) -> tuple[dict[str, Any], Peer | None]:
    """The figures of one work, round by round: fallline, then each form of PyTorch, then again; and a peer."""
    from fallline_side import FalllineSide

    ours, runs = FalllineSide(work), []
    contenders: list[Contender] = []
    if peers_python:
        (folder / "work.json").write_text(json.dumps(asdict(work)), encoding="utf-8")
        ours.save_for_peers(folder / "arrays.npz")
        many = [stack.enter_context(Peer(peers_python, folder)) for _ in range(cores)]
        for form in forms(work):
            if quick and form.compiled and work.flops:
                continue  # compiling takes longer than a smoke run may
            say(f"{work.name}: preparing {form.name}")
            contenders.append(Contender(work, form, many if form.processes else many[:1], cores))
    for number in range(work.rounds):
        say(f"{work.name}: round {number + 1} of {work.rounds}")
        runs.append(ours.once())
        for contender in contenders:
            contender.once()
    return result_of(work, ours, runs, contenders), contenders[0].peers[0] if contenders else None


def result_of(
    work: Work, ours: FalllineSide, runs: Sequence[dict[str, float]], contenders: Sequence[Contender]
) -> dict[str, Any]:
    """One work's figures; a ratio is a peer's median over fallline's."""
    seconds = spread([run["seconds"] for run in runs])
    result: dict[str, Any] = {
        **asdict(work),
        "trials": work.trials,
        "trial_steps": work.trial_steps,
        "flops": work.flops,
        "fallline": {
            "seconds": seconds,
            "in_program_seconds": spread([run["in_program"] for run in runs]),
            "gflops": work.flops / seconds["median"] / 1e9 if work.flops else None,
            **ours.told(),
        },
        "peers": {},
        "agreement": agreement(work, ours, contenders),
    }
    for contender in contenders:
        own = spread(contender.seconds)
        result["peers"][contender.form.name] = {
            "seconds": own,
            "ratio": own["median"] / seconds["median"] if own else None,
            "failed": contender.failed,
            "threads": contender.threads,
            "processes": len(contender.peers),
            "prepare_seconds": contender.prepare_seconds,
            "measured": measured_in_words(work, contender.form),
        }
    return result


def spread(values: Sequence[float]) -> dict[str, Any] | None:
    """Median, least, greatest and all values, or None where there are none."""
    return (
        {"median": statistics.median(values), "min": min(values), "max": max(values), "all": list(values)}
        if values
        else None
    )


def agreement(work: Work, ours: FalllineSide, contenders: Sequence[Contender]) -> dict[str, Any] | None:
    """How far the first form's losses lie from fallline's after the measured steps, as a share of the first loss."""
    if not contenders or contenders[0].failed:
        return None
    step = measured_steps(work, contenders[0].form) - 1
    rules = [rule for rule in SAME_IN_BOTH if rule in work.optimizers]
    apart = {rule: abs(contenders[0].losses[rule] - ours.loss(rule, step)) / ours.loss(rule, 0) for rule in rules}
    return {"step": step, "share_of_first_loss": apart}


def measure_products(peer: Peer | None, sizes: tuple[int, ...], cores: int) -> tuple[dict[str, float], dict[str, str]]:
    """GFLOP/s of float32 square products on both sides, and the peers' versions."""
    from fallline_side import product_rate

    say("square products")
    rates = {"jax": product_rate(sizes)}
    if peer is None:
        return rates, {}
    rates["torch"] = peer.ask("product", threads=cores, sizes=sizes, repeats=PRODUCT_REPEATS)["gflops"]
    return rates, {f"peers_{name}": version for name, version in peer.ask("describe").items()}


def add_shares(result: dict[str, Any], products: dict[str, float]) -> None:
    reached = result["fallline"]["gflops"]
    result["fallline"]["share_of_product"] = reached and {side: reached / rate for side, rate in products.items()}


def default_out(machine: dict[str, Any]) -> Path:
    """results/DATE-PROCESSOR-CORES.json: the kind of machine, not its name."""
    plain = re.sub(r"\(\w+\)|@.*|processor|cpu", " ", machine["processor"].lower())
    word = "-".join(re.findall(r"[a-z0-9]+", f"{plain} {machine['cores']} cores"))
    return Path(__file__).resolve().parent / "results" / f"{machine['started'][:10]}-{word}.json"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", metavar="PYTHON", help="a Python with peers.txt installed; else fallline alone")
    parser.add_argument("--quick", action="store_true", help="a smoke run in under a minute; its figures mean nothing")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default: results/DATE-MACHINE.json")
    given = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    with tempfile.TemporaryDirectory(prefix="fallline-bench-") as cache:
        os.environ["FALLLINE_CACHE"] = cache  # an empty one: compile times are those of a first run
        results = bench([smoke(work) if given.quick else work for work in (LINE, SOFTMAX)], given.peers, given.quick)
    out = given.out or default_out(results["machine"])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results), f"\nwritten to {out}", sep="\n")


if __name__ == "__main__":
    main()
