"""The page of a scale measurement, and the same as a section of a run's report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fallline.report import formatting
from fallline.report.document import Block, Document, Facts, Folded, Group, Heading, Paragraph, Section, sections
from fallline.report.export import COMMAND, write_table
from fallline.report.figures import RenderedFigure
from fallline.report.render import html
from fallline.report.scaling.claims import claims_table
from fallline.report.scaling.pictures import pictures
from fallline.report.scaling.tables import (
    axes_table,
    budget_table,
    calculated,
    epoch_table,
    forecast_table,
    parts_table,
    reported_table,
)
from fallline.report.sections.study import study_blocks
from fallline.report.tables import frame_table
from fallline.store.files import write_derived

if TYPE_CHECKING:
    from fallline.report.scaling.result import Scaled

_HOW = (
    "Each number of devices was measured in its own process, with the study's program, first trial and batches: "
    "consecutive steps, timed several times, in rounds over all programs. The figure is the median over repeats.",
    "Compute, communication and idle time come from three measurements: the step on one device with the batch "
    "of each device; the same on all devices at the same time, without communication; and the all-reduce of the "
    "weights alone. The rest of the step is idle time and overhead.",
    "The fitted model is t(n, batch) = overhead + seconds per example × batch / n + 2 (n − 1) / n × bytes / "
    "bandwidth + 2 × "
    "(n − 1) × latency, a ring all-reduce (Patarasuk and Yuan, 2009), fitted to all measured steps and "
    "all-reduces by least squares of relative errors, with no part below 0. Where devices slow each other down, "
    "the compute of the model is multiplied by the measured factor; predictions leave that factor out: they are "
    "for separate devices like this one, with links as fast as measured.",
    "A batch that does not divide evenly over the devices is padded.",
)
READING = Group([Paragraph(text) for text in _HOW], "read")
"""How it was measured."""

OPEN_TABLES = 3
"""Of the tables in a report so many are open at first."""


def write_page(scaled: Scaled, path: Path | None = None) -> Path:
    """Write the page and the tables beside it; the path of the page."""
    page = path if path is not None else scaled.files.report / "scaling.html"
    drawn = pictures(scaled)
    write_beside(scaled, drawn, page.parent)
    study = scaled.study
    document = Document(
        study.name,
        f"What more devices buy: {study.title or study.name}",
        sections(
            Section("answer", "Answer", _answer(scaled), bare=True),
            Section("figures", "Figures", drawn, bare=True),
            *tables(scaled),
            Section("ran", "Environment", [_ran(scaled)]),
            Section("study", "Study", study_blocks(study)),
            Section("read", "How to read this page", [READING], screen_only=True),
        ),
        "Should I use more devices for this, and for what?",
        f"fallline scale of {study.name}. Its tables are beside it as CSV; for figures as files type {COMMAND}.",
    )
    write_derived(page, html.page(document))
    return page


def write_beside(scaled: Scaled, drawn: list[RenderedFigure], folder: Path) -> None:
    """Tables, and the data of the figures, as CSV."""
    for name, frame in (
        ("scaling-points", scaled.points),
        ("scaling-axes", scaled.axes),
        ("scaling-parts", scaled.parts),
        ("scaling-epochs", scaled.epochs),
        ("scaling-budgets", scaled.budgets),
        ("scaling-forecast", scaled.forecast),
        ("scaling-errors", scaled.errors),
    ):
        if not frame.is_empty():
            write_table(folder / "tables" / f"{name}.csv", frame)
    for picture in drawn:
        write_table(folder / "tables" / f"figure-{picture.name}.csv", picture.frame)


def _answer(scaled: Scaled) -> list[Block]:
    """The sentences, the first in large letters."""
    first, *rest = scaled.sentences
    return [Group([Paragraph(first, "first"), *(Paragraph(text, "next") for text in rest)], "answer")]


def tables(scaled: Scaled) -> list[Section]:
    """Sections with the tables behind the sentences and figures; those without rows have no blocks."""
    found = (
        ("takes", "Time of the study", budget_table(scaled), calculated(scaled)),
        ("reported", "Published and reproduced", reported_table(scaled), [_OTHERS]),
        ("time-claims", "Claims on time", claims_table(scaled), [_JUDGED]),
        ("epochs", "Each epoch", epoch_table(scaled), []),
        ("speed", "Speed-up", axes_table(scaled), []),
        ("parts", "Time of a step", parts_table(scaled), ["Milliseconds per step of one split batch."]),
        ("law", "Predictions", forecast_table(scaled), [_law(scaled)]),
    )
    return [
        Section(
            key, heading, [] if frame.is_empty() else [frame_table(frame), *(Paragraph(text, "note") for text in texts)]
        )
        for key, heading, frame, texts in found
    ]


def blocks(scaled: Scaled | None, drawn: list[RenderedFigure]) -> list[Block]:
    """The same as a section of a run's report; none where nothing was measured."""
    if scaled is None:
        return []
    found: list[Block] = [*(Paragraph(text, "note") for text in scaled.sentences[1:]), *drawn]
    for place, section in enumerate(sections(*tables(scaled))):
        if place < OPEN_TABLES:
            found += [Heading(section.heading), *section.blocks]
        else:
            found.append(Folded(section.heading, section.blocks))
    return [*found, Folded("Measurement", [_ran(scaled), READING])]


_JUDGED = "Supported or refuted if the whole range over repeats agrees; the range is in brackets."
_OTHERS = "The published times are of other machines: compare speed-ups, not seconds."


def _law(scaled: Scaled) -> str:
    """The fitted parts of the model, and its errors."""
    law = scaled.measured.law
    bandwidth = "without limit" if law.a_byte == 0 else f"{formatting.number(1e-9 / law.a_byte, 3)} GB/s"
    said = (
        f"Fitted: overhead {_micro(law.overhead)}, {_micro(law.an_example)} per example, "
        f"{formatting.size(law.bytes)} at {bandwidth}, {_micro(law.a_hop)} per message."
    )
    for kind, text in (("each", "left out one by one"), ("largest count", "of the largest count, fitted without it")):
        own = scaled.errors.filter(pl.col("left_out") == kind)["error"].abs() if scaled.errors.height else pl.Series([])
        if own.len():
            said += (
                f" Error on the {formatting.plural(own.len(), 'point')} {text}: median "
                f"{formatting.setting(float(f'{100 * own.median():.2g}'))} %, maximum "
                f"{formatting.setting(float(f'{100 * own.max():.2g}'))} %."
            )
    return said


def _micro(seconds: float) -> str:
    return f"{formatting.number(1e6 * seconds, 3)} µs"


def _ran(scaled: Scaled) -> Facts:
    """Device, weights, repeats, versions."""
    facts = scaled.facts
    last = (facts.get("environments") or [{}])[-1]
    rows = scaled.points
    hosts = max(rows["hosts"])
    listed = [
        ("device", facts["device"]),
        ("cores", formatting.count(facts["cores"]) + (", shared by all devices" if scaled.judged.shared else "")),
        ("hosts", f"up to {hosts}, process groups where they share a machine" if hosts > 1 else "1"),
        (
            "trial",
            f"{facts.get('task')}, {formatting.name(str(facts.get('optimizer')))}, "
            f"{formatting.count(facts.get('weights'))} weights, {facts['data']} data",
        ),
        (
            "measured",
            f"{formatting.plural(rows['repeat'].max() + 1, 'repeat')} of "
            f"{formatting.count(scaled.measured.medians.height)} programs, {str(facts.get('measured', ''))[:10]}",
        ),
        (
            "versions",
            ", ".join(f"{name} {last[name]}" for name in ("fallline", "python", "jax", "jaxlib") if last.get(name)),
        ),
        ("platform", str(last.get("platform") or "")),
        ("command", str(last.get("command") or "")),
    ]
    return Facts([(name, value) for name, value in listed if value])
