"""The report of a run: one page that needs no network, with figures and tables beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from fallline.contracts import MetricName
from fallline.report import formatting
from fallline.report.claims import claim_blocks, parts_frame
from fallline.report.comparison import pair_columns
from fallline.report.data_section import data_blocks
from fallline.report.document import Block, Bullets, Document, Folded, Group, Paragraph, Section, Style, Table, sections
from fallline.report.export import COMMAND, write_table
from fallline.report.figure_files import at_hand as figures_at_hand
from fallline.report.figures import RenderedFigure, drawn, specs
from fallline.report.headline import Opening
from fallline.report.leading_figures import leading
from fallline.report.machine import environment_blocks
from fallline.report.predicted import predicted_frame
from fallline.report.render import html, latex, markdown
from fallline.report.results import Results
from fallline.report.scaling import page as scaling
from fallline.report.search import search_blocks
from fallline.report.study_source import study_blocks
from fallline.report.style import Theme
from fallline.report.tables import MOST_SHOWN, arms_table, far_off, published_table, ranked_table
from fallline.report.test_reads import read_chosen
from fallline.stats import label, reported
from fallline.stats.claims import Verdict, claims
from fallline.stats.summary import FEW_SEEDS
from fallline.store import Run
from fallline.store.files import write_derived
from fallline.store.place import held

LARGE = 2
"""So many answers are in large letters; with more the table would be off the screen."""


def write_report(run: Run, path: str | Path | None = None, who: str = "python") -> Path:
    """Write the report of ``run`` and return the page's path, by default ``report/report.html`` in the run folder.

    Beside the page: the same as Markdown (``report.md``); ``tables/NAME.csv`` with arms and pairs of the comparison,
    the ranked configurations, the best of each optimizer, the comparisons of the claims, the published figures, the
    times and the data of every figure; ``tables/NAME.tex`` with the tables for a paper. The page draws its
    figures itself; ``figure_files.write_figures`` makes files of them.
    The run folder records that ``who`` evaluated the test set for what was chosen. Raises StoreError where the run
    holds no finished trial or the folder cannot be written.
    """
    with held(run.folder):
        return _write_report(run, Path(path) if path is not None else run.paths.report / "report.html", who)


def _write_report(run: Run, page: Path, who: str) -> Path:
    results = Results.of(run)
    beside, verdicts = reported(run), claims(run)
    opening = replace(Opening.of(results), read=tuple(read_chosen(run, who, verdicts, reported=True)))
    lead, rest = _pictures(run, opening)
    for name, frame in _frames(opening, verdicts, beside).items():
        if not frame.is_empty():
            write_table(page.parent / "tables" / f"{name}.csv", frame)
    for picture in (*lead, *rest):
        write_table(page.parent / "tables" / f"figure-{picture.name}.csv", picture.frame)
    scaled = scaling.pictures(opening.scaled) if opening.scaled else []
    if opening.scaled:
        scaling.write_beside(opening.scaled, scaled, page.parent)
    document = _document(opening, lead, rest, beside, verdicts, scaled)
    for table in document.tables():
        write_derived(page.parent / "tables" / f"{table.name}.tex", latex.table(table, run.study.name))
    at_hand = figures_at_hand(run, page.parent / "figures")
    write_derived(page.with_name(f"{page.stem}.md"), markdown.page(document, page.name, at_hand))
    write_derived(page, html.page(document))
    return page


def _pictures(run: Run, opening: Opening) -> tuple[list[RenderedFigure], list[RenderedFigure]]:
    """The first figures of the page, and all others."""
    named = specs(run)
    first = leading(opening, named)
    lead = [drawn(run, spec, name) for name, spec in first.items()]
    return lead, [drawn(run, spec, name) for name, spec in named.items() if name not in first]


def _frames(opening: Opening, verdicts: list[Verdict], beside: Any) -> dict[str, Any]:
    """The tables written as CSV."""
    results, comparison = opening.results, opening.comparison
    compared = {} if comparison is None else {"arms": comparison.arms, "pairs": comparison.pairs}
    return {
        **compared,
        "ranked": results.ranked,
        "best": results.best,
        "claims": parts_frame(verdicts),
        "reported": _flat(beside),
        "times": results.run.timings,
        "predicted": predicted_frame(results.run),
    }


def _flat(beside: Any) -> Any:
    said = [formatting.where(row["where"], row["at"]) for row in beside.iter_rows(named=True)]
    return beside.drop("where", "at").insert_column(0, type(beside.to_series(0))("trials", said, dtype=str))


def _document(
    opening: Opening,
    lead: list[RenderedFigure],
    rest: list[RenderedFigure],
    beside: pl.DataFrame,
    verdicts: list[Verdict],
    scaled: list[RenderedFigure],
) -> Document:
    results = opening.results
    run, study = results.run, results.run.study
    return Document(
        study.name,
        study.title or study.name,
        sections(
            Section("results", "Answer", _answer(opening), bare=True),
            Section("pictures", "Figures", lead, bare=True),
            Section("scaling", "More devices", scaling.blocks(opening.scaled, scaled)),
            Section("search", "Search", search_blocks(run)),
            Section("claims", "Claims", claim_blocks(run, verdicts)),
            Section("caveats", "Caveats", [Bullets(opening.caveats)] if opening.caveats else []),
            Section("all", "All results", _all(opening)),
            Section("reported", "Published and reproduced", _published(results, beside)),
            Section("figures", "More figures" if lead else "Figures", rest),
            Section("data", "Data", data_blocks(run)),
            Section("ran", "Environment", environment_blocks(run)),
            Section("study", "Study", study_blocks(study)),
            Section("read", "How to read this page", _reading(results), screen_only=True),
        ),
        study.question,
        f"fallline report of {study.name}. Its tables are beside it as CSV; for figures as files type {COMMAND}.",
        Theme.of(run.trials["optimizer"].unique(maintain_order=True).to_list()),
    )


def _answer(opening: Opening) -> list[Block]:
    """The answer and its table."""
    size: Style = "first" if len(opening.lead) <= LARGE else "several"
    said = [
        *(Paragraph(text, size) for text in opening.lead),
        *(Paragraph(text, "sure") for text in opening.sure),
        *(Paragraph(text, "next") for text in opening.figures),
    ]
    caption = " ".join([*opening.answers, *opening.reserves, *opening.beside, opening.caption])
    if opening.comparison is None:
        table = ranked_table(opening.results, opening.ranked, 12, "answer", caption)
    else:
        table = arms_table(opening.columns, opening.comparison, name="answer", caption=caption)
    return [Group(said, "answer"), table, Paragraph(opening.caption, "note")]


def _all(opening: Opening) -> list[Block]:
    """All pairs, each optimizer at its best, all configurations: what the top of the page does not show."""
    results, comparison = opening.results, opening.comparison
    other = [Paragraph(opening.otherwise, "note")] if opening.otherwise else []
    found: list[Block] = []
    if comparison is not None:
        told = f"First minus second by {label(comparison.compared.metric)}, paired over seeds."
        pairs = Table(pair_columns(comparison), name="pairs", caption=told)
        summary = f"All {formatting.plural(comparison.pairs.height, 'pair')}"
        found.append(Folded(summary, [pairs, Paragraph(told, "note")]))
        if results.by_optimizer:
            best = ranked_table(results, results.best, 16)
            found.append(Folded("Each optimizer at its best, with all recorded metrics", [best, *other]))
    if comparison is not None or results.by_optimizer:
        caption = f"Ranked by {results.metric.label}. {opening.otherwise}".rstrip()
        ranked = ranked_table(results, results.ranked, MOST_SHOWN, "ranked", caption)
        heading = f"All {formatting.plural(results.ranked.height, 'configuration')}, ranked"
        found.append(Folded(heading, [ranked, *other]))
    return found


def _published(results: Results, beside: pl.DataFrame) -> list[Block]:
    if beside.is_empty():
        return []
    source = results.run.study.source
    lead = [Paragraph(f"Source: {source}", "lead")] if source else []
    return [*lead, published_table(results, beside), Paragraph(far_off(results, beside), "note")]


def _reading(results: Results) -> list[Block]:
    """Splits, seeds, variation; how to use the figures."""
    metric, seeds = results.metric.column, results.seeds
    name = MetricName.parse(metric)
    split = {
        "validation": "Configurations are ranked on the validation set, which no trial trains on.",
        "test": "Configurations are ranked on the test set.",
        "final": "Configurations are ranked by the training loss after the last step.",
    }.get(name.statistic or name.split, f"Configurations are ranked by {label(metric)}.")
    if name.split == "validation" and any(MetricName.parse(other).split == "test" for other in results.ranked.columns):
        split += " The held-out test set is evaluated for the chosen configurations only and chooses nothing."
    if seeds == 1:
        spread = (
            "One seed was run, so there are no confidence intervals: run more seeds before you trust a small "
            "difference."
        )
    else:
        spread = (
            "A seed gives every configuration the same initial weights and batches, so comparisons are paired. "
            "sd is the standard deviation over seeds; the 95 % CI is of the mean (Student's t)."
        )
        if seeds < FEW_SEEDS:
            spread += f" Fewer than {FEW_SEEDS} seeds give a poor estimate of the variance."
    stopped = "stopped" in results.ranked.columns
    texts = [
        split,
        spread,
        "The best of many is slightly optimistic: it is chosen and shown on the same values.",
        "A trial diverged if its loss was no longer finite. It has no results, and its curve ends there.",
        *["A trial ended by early stopping has the results of its last step."] * stopped,
        "In figures: hover over a line for its values, click a name in a legend to highlight it, drag "
        "to move, Shift and mouse wheel to zoom, double-click to reset. Click a table's heading to sort it.",
        f"SVG and PNG above a figure save it in light colours; for PDF, or all figures at once, type: {COMMAND}",
    ]
    return [Group([Paragraph(text) for text in texts], "read")]
