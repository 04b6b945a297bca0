"""The report of a run: one page that needs no network, with figures and tables beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from fallline.report import formatting
from fallline.report.document import Bullets, Document, Section, sections
from fallline.report.export import COMMAND, write_table
from fallline.report.figure_files import at_hand as figures_at_hand
from fallline.report.figures import RenderedFigure, drawn, specs
from fallline.report.headline import Opening
from fallline.report.leading_figures import leading
from fallline.report.render import html, latex, markdown
from fallline.report.results import Results
from fallline.report.scaling import page as scaling
from fallline.report.sections.answer import all_blocks, answer_blocks
from fallline.report.sections.claims import claim_blocks, parts_frame
from fallline.report.sections.data import data_blocks
from fallline.report.sections.environment import environment_blocks
from fallline.report.sections.forecast import predicted_frame
from fallline.report.sections.published import published_blocks
from fallline.report.sections.reading import reading_blocks
from fallline.report.sections.search import search_blocks
from fallline.report.sections.study import study_blocks
from fallline.report.sentences.test_reads import read_chosen
from fallline.report.style import Theme
from fallline.stats import reported
from fallline.stats.claims import Verdict, claims
from fallline.store import Run
from fallline.store.files import write_derived
from fallline.store.place import held


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
    searched = [figure for figure in rest if figure.name.startswith("search_")]
    others = [figure for figure in rest if not figure.name.startswith("search_")]
    return Document(
        study.name,
        study.title or study.name,
        sections(
            Section("results", "Answer", answer_blocks(opening), bare=True),
            Section("pictures", "Figures", lead, bare=True),
            Section("scaling", "More devices", scaling.blocks(opening.scaled, scaled)),
            Section("search", "Search", [*search_blocks(run), *searched]),
            Section("claims", "Claims", claim_blocks(run, verdicts)),
            Section("caveats", "Caveats", [Bullets(opening.caveats)] if opening.caveats else []),
            Section("all", "All results", all_blocks(opening)),
            Section("reported", "Published and reproduced", published_blocks(results, beside)),
            Section("figures", "More figures" if lead else "Figures", others),
            Section("data", "Data", data_blocks(run)),
            Section("ran", "Environment", environment_blocks(run)),
            Section("study", "Study", study_blocks(study)),
            Section("read", "How to read this page", reading_blocks(results), screen_only=True),
        ),
        study.question,
        f"fallline report of {study.name}. Its tables are beside it as CSV; for figures as files type {COMMAND}.",
        Theme.of(run.trials["optimizer"].unique(maintain_order=True).to_list()),
    )
