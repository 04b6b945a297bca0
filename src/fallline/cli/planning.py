"""``fallline plan``: what a study would take, printed before it trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from fallline.executors.study_forecast import Forecast


def plan_study(name: str, preset: str | None, settings: list[str], data: Path | None, device: str | None,
               compile_all: bool, measure: bool, calibrate: bool, as_json: bool) -> None:
    """Load the study, forecast it, print the forecast."""
    from fallline.api import plan_study as forecast
    from fallline.cli.training import chosen_study

    screen = Console(stderr=True)
    study = chosen_study(name, preset, settings)
    with screen.status("planning"):
        found = forecast(study, data=data, device=device, compile_all=compile_all, measure=measure,
                         calibrate_again=calibrate,
                         tell=lambda line: screen.print(f"{study.name}: {line}", highlight=False))
    if as_json:
        print(json.dumps(found.told, indent=1))
        return
    from fallline.cli.screens import print_whole

    print_whole(cohort_table(found))
    for line in sentences(found):
        print(line)


def cohort_table(found: Forecast) -> Table:
    """A row a cohort."""
    from fallline.report.words import count, number, seconds, size

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    measured = any(cohort.tried is not None for cohort in found.cohorts)
    heads = ["cohort", "trials", "why apart", "weights", "steps", "FLOPs a step", "FLOPs", "memory", "time", "bound by"]
    for head in [*heads, *(["measured memory", "measured time"] if measured else [])]:
        table.add_column(head, justify="left" if head in ("cohort", "why apart", "bound by") else "right",
                         max_width=46 if head == "why apart" else None)
    for cohort in found.cohorts:
        own = cohort.predicted
        mark = "" if own.how == "compiled" else "~"
        span = "-" if own.seconds is None else f"{mark}{seconds(own.seconds_low)} to {seconds(own.seconds_high)}"
        memory = f"{mark}{size(own.memory_low)} to {size(own.memory_high)}"
        cells = [cohort.name, count(cohort.trials), cohort.why or "one cohort", count(cohort.weights),
                 count(cohort.steps), number(own.flops_a_step, 3), number(own.flops, 3), memory, span,
                 "-" if own.bound is None else f"{own.bound} ({100 * (own.bound_share or 0):.0f} %)"]
        if measured:
            tried = cohort.tried
            cells += ["-" if tried is None or tried.memory_bytes is None else size(tried.memory_bytes),
                      "-" if tried is None or tried.seconds is None else seconds(tried.seconds)]
        table.add_row(*cells)
    return table


def sentences(found: Forecast) -> list[str]:
    """The whole in words, then what the figures rest on."""
    from fallline.report.words import number, plural, seconds, size

    calibration = found.calibration
    low, high = found.seconds("seconds_low"), found.seconds("seconds_high")
    told = [f"{found.study}: {plural(found.trials, 'trial')} in {plural(len(found.cohorts), 'cohort')}, "
            f"{number(found.flops, 3)} FLOPs, {seconds(low)} to {seconds(high)} of training on {calibration.device}; "
            f"compiling, about {seconds(found.compile_seconds)} where programs are new, writing and the report come on "
            "top.",
            f"Memory: {size(found.memory_low)} to {size(found.memory_high)} beyond the {size(found.process_bytes)} of "
            f"a process that has its packages loaded; disk about {size(found.disk_bytes)}."]
    by_law = sum(cohort.predicted.how == "by law" for cohort in found.cohorts)
    if by_law:
        told.append(f"~ marks the {plural(by_law, 'cohort')} whose programs were not compiled for want of time and are "
                    "counted by law; --compile compiles them.")
    rates = (f"products {number(calibration.product_flops / 1e9, 3)} GFLOP/s, memory "
             f"{number(calibration.memory_bytes_per_second / 1e9, 3)} GB/s, a dispatch "
             f"{number(1e6 * calibration.dispatch_seconds, 3)} us")
    told.append(f"Rates of {calibration.device}, {calibration.source}"
                f"{' on ' + calibration.when if calibration.when else ''}: {rates}.")
    if calibration.memory_bytes is not None and found.memory_high > calibration.memory_bytes:
        told.append(f"It may not fit: {calibration.device} has {size(calibration.memory_bytes)}.")
    return told
