"""A forecast in the terminal: totals, the cohorts in a table, and what the figures leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from fallline.cli.terminal import new_screen

if TYPE_CHECKING:
    from fallline.forecast.study import CohortForecast, Forecast

WIDE = 100
"""Columns of a terminal from which there is room for what one can do without."""

PART = re.compile(r"(?:, )?part \d+ of \d+: (.*)")
"""In the reason why a cohort stands apart: that it is one of several alike, and why those are several."""


def print_forecast(forecast: Forecast) -> None:
    """Print the totals, a table of the cohorts, and what the figures leave out."""
    from fallline.cli.screens import print_whole

    for line in total(forecast):
        print(line)
    print()
    print_whole(cohort_table(forecast, new_screen().width))
    print()
    for line in notes(forecast):
        print(line)


@dataclass
class PlanRow:
    """Cohorts that differ in nothing a reader could use; ``low`` and ``high`` bound the seconds of each."""

    cohorts: list[CohortForecast]
    apart: str

    @property
    def first(self) -> CohortForecast:
        return self.cohorts[0]

    def takes(self, cohort: CohortForecast) -> bool:
        """Whether a cohort of the same shape takes as long as these, as far as the forecast can tell."""
        own, other = self.first.predicted, cohort.predicted
        if own.seconds is None or other.seconds is None or own.seconds_low is None or own.seconds_high is None:
            return own.seconds is other.seconds
        return own.seconds_low <= other.seconds <= own.seconds_high

    def span(self, name: str) -> tuple[float, float] | None:
        """The least low and the greatest high bound of a predicted figure; None where there is none."""
        lows, highs = (
            [getattr(cohort.predicted, f"{name}_{bound}") for cohort in self.cohorts] for bound in ("low", "high")
        )
        return None if None in lows else (min(lows), max(highs))


def rows(found: Forecast) -> list[PlanRow]:
    """The cohorts, those that are alike in one row, in the order in which the first of each comes."""
    alike: dict[tuple[Any, ...], list[PlanRow]] = {}
    made = []
    for cohort in found.cohorts:
        apart, own = PART.sub("", cohort.why), cohort.predicted
        key = (apart, cohort.task, cohort.trials, cohort.weights, cohort.steps, cohort.batch_size, own.how, own.bound)
        row = next((row for row in alike.setdefault(key, []) if row.takes(cohort)), None)
        if row is None:
            alike[key].append(row := PlanRow([], apart))
            made.append(row)
        row.cohorts.append(cohort)
    return made


PADDING = 2
"""Spaces after each column."""


def cohort_table(found: Forecast, width: int) -> Table:
    """A row for cohorts that are alike; models' weights and the share of the limit where the terminal has room, and
    not what limits them where it has too little."""
    whole, screen = _cohort_table(found, width, limits=True), new_screen()
    needed = screen.measure(whole, options=screen.options.update(max_width=1000)).maximum - PADDING
    return whole if needed <= width else _cohort_table(found, width, limits=False)


def _cohort_table(found: Forecast, width: int, limits: bool) -> Table:
    from fallline.report.formatting import count, seconds, size
    from fallline.report.render.terminal import cell

    table = Table(box=None, padding=(0, PADDING, 0, 0), header_style="bold")
    listed, wide = rows(found), width >= WIDE
    measured = any(cohort.tried is not None for cohort in found.cohorts)
    apart = any(row.apart for row in listed)
    heads = [
        "cohorts",
        *(["apart by"] if apart else []),
        *(["weights"] if wide else []),
        "steps",
        "batch",
        "memory",
        "time each",
        *(["limited by"] if limits else []),
        *(["measured memory", "measured time"] if measured else []),
    ]
    for head in heads:
        table.add_column(
            head,
            justify="left" if head in ("cohorts", "apart by", "limited by") else "right",
            max_width=46 if head == "apart by" else None,
        )
    for row in listed:
        first, own = row.first, row.first.predicted
        limit = own.bound or "-"
        if wide and own.bound_share is not None:
            limit += f" ({100 * own.bound_share:.0f} %)"
        cells = [
            name(row),
            *([row.apart] if apart else []),
            *([count(first.weights)] if wide else []),
            count(first.steps),
            "all" if first.batch_size is None else str(first.batch_size),
            _span(row, "memory", size) if wide else _most_memory(row),
            _span(row, "seconds", seconds),
            *([limit] if limits else []),
        ]
        if measured:
            tried = [cohort.tried for cohort in row.cohorts if cohort.tried is not None]
            cells += [
                _greatest([trial_run.memory_bytes for trial_run in tried], size),
                _greatest([trial_run.seconds for trial_run in tried], seconds),
            ]
        table.add_row(*map(cell, cells))
    return table


def name(row: PlanRow) -> str:
    """ "c000, 90 trials" of one cohort, "63 of 3 trials" of several."""
    from fallline.report.formatting import count, plural

    own = plural(row.first.trials, "trial")
    return f"{row.first.name}, {own}" if len(row.cohorts) == 1 else f"{count(len(row.cohorts))} of {own}"


def _span(row: PlanRow, figure: str, written: Any) -> str:
    """ "1.2 to 2.4 s", the unit once where it is the same; ~ where programs were counted by law."""
    span = row.span(figure)
    if span is None:
        return "-"
    low, high = map(written, span)
    (value, unit), (_, last) = low.split(" ", 1), high.split(" ", 1)
    mark = "" if row.first.predicted.how == "compiled" else "~"
    return f"{mark}{value if unit == last and ' ' not in unit else low} to {high}"


def _most_memory(row: PlanRow) -> str:
    from fallline.report.formatting import size

    return f"to {size(max(cohort.predicted.memory_high for cohort in row.cohorts))}"


def _greatest(values: list[Any], written: Any) -> str:
    known = [value for value in values if value is not None]
    return written(max(known)) if known else "-"


def total(found: Forecast) -> Iterator[str]:
    """The whole in two lines: how long, on what; how much memory and disk."""
    from fallline.report.formatting import number, plural, seconds, size

    low, high = found.seconds("seconds_low"), found.seconds("seconds_high")
    yield (
        f"{found.study}: {plural(found.trials, 'trial')} in {plural(len(found.cohorts), 'cohort')}, {seconds(low)} "
        f"to {seconds(high)} of training on {found.calibration.device}."
    )
    yield (
        f"Memory: {size(found.memory_low)} to {size(found.memory_high)} beyond the {size(found.process_bytes)} of a "
        f"process with its packages loaded. Disk: about {size(found.disk_bytes)}. {number(found.flops, 3)} FLOPs."
    )


def notes(found: Forecast) -> Iterator[str]:
    """What the figures leave out and what they rest on."""
    from fallline.report.formatting import number, plural, seconds, size

    calibration = found.calibration
    limits = [limit[1] for cohort in found.cohorts if (limit := PART.search(cohort.why))]
    for limit in {limit.lstrip("0123456789"): limit for limit in reversed(limits)}.values():  # the first of each
        yield f"Several cohorts: {limit}."
    yield (
        f"Not included: compiling, about {seconds(found.compile_seconds)} where programs are new; writing; the report."
    )
    by_law = sum(cohort.predicted.how == "by law" for cohort in found.cohorts)
    if by_law:
        yield (
            f"~ marks the {plural(by_law, 'cohort')} counted from programs that were never compiled here; a run or "
            "--compile makes that exact."
        )
    rates = (
        f"matmuls {number(calibration.product_flops / 1e9, 3)} GFLOP/s, memory "
        f"{number(calibration.memory_bytes_per_second / 1e9, 3)} GB/s, a dispatch "
        f"{number(1e6 * calibration.dispatch_seconds, 3)} us"
    )
    source = f"{calibration.source} on {calibration.when}" if calibration.when else calibration.source
    yield f"{calibration.device}, {source}: {rates}. {experience(found)}"
    if calibration.memory_bytes is not None and found.memory_high > calibration.memory_bytes:
        yield f"It may not fit: {calibration.device} has {size(calibration.memory_bytes)}."


def experience(found: Forecast) -> str:
    """How far runs on this device have corrected the times."""
    from fallline.report.formatting import plural

    if not found.calibration.measured:
        return "Times may be off by a factor of two."
    corrected = sum(cohort.predicted.observed > 0 for cohort in found.cohorts)
    if not corrected:
        return "No run of such programs has corrected the times yet; every run narrows them."
    return (
        f"Times of {plural(corrected, 'cohort')} are corrected by {plural(found.calibration.runs, 'earlier run')} "
        "of cohorts here."
    )
