"""The figures of a benchmark in plain text."""

from __future__ import annotations

from typing import Any


def table(results: dict[str, Any]) -> str:
    """One block a work, a row a contender; a ratio is its median over fallline's."""
    machine = results["machine"]
    lines = ["quick: a smoke run, its figures mean nothing"] if results["quick"] else []
    lines += [
        machine_line(machine),
        "float32 square products: "
        + ", ".join(f"{side} {rate:,.0f} GFLOP/s" for side, rate in results["product_gflops"].items()),
    ]
    for name, work in results["works"].items():
        ours = work["fallline"]
        lines += [
            "",
            f"{name}: {work['trials']} trials x {work['steps']:,} steps",
            f"  {'':48}{'median s':>10}{'min':>10}{'max':>10}{'ratio':>8}",
            _row("fallline", ours["seconds"], 1.0),
        ]
        lines += [
            _row(form, peer["seconds"], peer["ratio"]) if peer["seconds"] else f"  {form}: {peer['failed']}"
            for form, peer in work["peers"].items()
        ]
        lines.append(
            f"  inside its program {ours['in_program_seconds']['median']:.3f} s; before that, layout "
            f"{ours['layout_seconds']:.2f}, trace {ours['trace_seconds']:.2f}, compile "
            f"{ours['compile_seconds']:.2f} s"
        )
        if ours["gflops"]:
            shares = ", ".join(f"{share:.0%} of {side}'s" for side, share in ours["share_of_product"].items())
            lines.append(f"  fallline reaches {ours['gflops']:,.0f} GFLOP/s of products: {shares}")
        if work["agreement"]:
            apart = work["agreement"]["share_of_first_loss"]
            lines.append(
                f"  losses after {work['agreement']['step'] + 1:,} steps differ by at most "
                f"{max(apart.values()):.1e} of the first loss ({', '.join(apart)})"
            )
    return "\n".join(lines)


def _row(name: str, seconds: dict[str, Any], ratio: float) -> str:
    return f"  {name:48}{seconds['median']:>10.3f}{seconds['min']:>10.3f}{seconds['max']:>10.3f}{ratio:>8.1f}"


def machine_line(machine: dict[str, Any]) -> str:
    memory = f"{machine['memory_bytes'] / 2**30:.0f} GiB" if machine["memory_bytes"] else "memory unknown"
    peers = f", torch {machine['peers_torch']}" if "peers_torch" in machine else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {memory}, {machine['platform']}, "
        f"Python {machine['python']}, jax {machine['jax']}{peers}"
    )
