"""The report of a run: one page that needs no network, with figures and tables beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fallline.contracts import MetricName
from fallline.report import formatting, latex, markdown
from fallline.report.claims import parts_frame
from fallline.report.claims import section as claims_section
from fallline.report.comparison import pair_columns
from fallline.report.data_section import data_section
from fallline.report.document import document
from fallline.report.export import COMMAND, write_table
from fallline.report.figure_files import at_hand
from fallline.report.figures import RenderedFigure, drawn, specs
from fallline.report.headline import Opening
from fallline.report.html import Markup, details, join, tag, with_command
from fallline.report.leading_figures import leading
from fallline.report.machine import what_ran
from fallline.report.pictures import figures
from fallline.report.predicted import predicted_frame
from fallline.report.results import Results
from fallline.report.scaling import page as scaling
from fallline.report.search import search_section
from fallline.report.style import Theme
from fallline.report.tables import MOST_SHOWN, arms_table, far_off, plain_table, ranked, reported_table
from fallline.report.test_reads import read_chosen
from fallline.report.text_tables import written
from fallline.stats import label, reported
from fallline.stats.claims import Verdict, claims
from fallline.stats.summary import FEW_SEEDS
from fallline.store import Run
from fallline.store.files import write_derived
from fallline.store.place import held
from fallline.study import dump_study

BARE = ("results", "pictures")
"""Sections without a heading: the answer is below the title, and the figures have their own headings."""

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
    texts = written(opening, verdicts, beside)
    for table in texts:
        write_derived(page.parent / "tables" / f"{table.name}.tex", latex.table(table, run.study.name))
    write_derived(
        page.with_name(f"{page.stem}.md"),
        markdown.page(opening, texts, lead, rest, page.name, at_hand(run, page.parent / "figures")),
    )
    scaled = scaling.pictures(opening.scaled) if opening.scaled else []
    if opening.scaled:
        scaling.write_beside(opening.scaled, scaled, page.parent)
    write_derived(page, _page(opening, lead, rest, beside, verdicts, scaled))
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


def _page(
    opening: Opening,
    lead: list[RenderedFigure],
    rest: list[RenderedFigure],
    beside: Any,
    verdicts: list[Verdict],
    scaled: list[RenderedFigure],
) -> str:
    results = opening.results
    study = results.run.study
    look = Theme.of(results.run.trials["optimizer"].unique(maintain_order=True).to_list())
    sections = [
        ("results", "Answer", _answer(opening, look)),
        ("pictures", "Figures", figures(lead)),
        ("scaling", "More devices", scaling.section(opening.scaled, scaled)),
        ("search", "Search", search_section(results.run)),
        ("claims", "Claims", claims_section(results.run, verdicts)),
        ("caveats", "Caveats", _caveats(opening)),
        ("all", "All results", _all(opening, look)),
        ("reported", "Published and reproduced", _beside(results, beside)),
        ("figures", "More figures" if lead else "Figures", figures(rest)),
        ("data", "Data", data_section(results.run)),
        ("ran", "Environment", what_ran(results.run)),
        ("study", "Study", _study(results)),
        ("read", "How to read this page", _reading(results)),
    ]
    about = f"fallline report of {study.name}. Its tables are beside it as CSV; for figures as files type {COMMAND}."
    return document(study.name, study.title or study.name, study.question, sections, about, bare=BARE)


def _answer(opening: Opening, look: Theme) -> Markup:
    """The answer and its table."""
    results = opening.results
    large = opening.lead
    size = "first" if len(large) <= LARGE else "several"
    said = tag(
        "div",
        [tag("p", text, cls=size) for text in large],
        [tag("p", with_command(text), cls="sure") for text in opening.sure],
        [tag("p", with_command(text), cls="next") for text in opening.figures],
        cls="answer",
    )
    if opening.comparison is None:
        drawn_table = ranked(results, opening.ranked, look, 12)
    else:
        drawn_table = arms_table(opening.columns, opening.comparison, look)
    return join(said, drawn_table, tag("p", opening.caption, cls="note"))


def _caveats(opening: Opening) -> Markup | None:
    return (
        tag("ul", [tag("li", with_command(text)) for text in opening.caveats], cls="cautions")
        if opening.caveats
        else None
    )


def _all(opening: Opening, look: Theme) -> Markup | None:
    """All pairs, each optimizer at its best, all configurations: what the top of the page does not show."""
    results, comparison = opening.results, opening.comparison
    other = tag("p", opening.otherwise, cls="note") if opening.otherwise else None
    found = []
    if comparison is not None:
        pairs = f"All {formatting.plural(comparison.pairs.height, 'pair')}"
        found.append(details(pairs, plain_table(pair_columns(comparison))))
        if results.by_optimizer:
            found.append(
                details(
                    "Each optimizer at its best, with all recorded metrics",
                    join(ranked(results, results.best, look, 16), other),
                )
            )
    if comparison is not None or results.by_optimizer:
        heading = f"All {formatting.plural(results.ranked.height, 'configuration')}, ranked"
        found.append(details(heading, join(ranked(results, results.ranked, look, MOST_SHOWN), other)))
    return join(found) if found else None


def _beside(results: Results, beside: Any) -> Markup | None:
    if beside.is_empty():
        return None
    source = results.run.study.source
    return join(
        tag("p", f"Source: {source}", cls="note lead") if source else None,
        reported_table(results, beside),
        tag("p", far_off(results, beside), cls="note"),
    )


def _study(results: Results) -> Markup:
    study = results.run.study
    about = tag("p", study.about) if study.about else None
    return join(about, details("The study (TOML)", tag("pre", dump_study(study))))


def _reading(results: Results) -> Markup:
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
    return tag(
        "div",
        *(
            tag("p", text)
            for text in (
                split,
                spread,
                "The best of many is slightly optimistic: it is chosen and shown on the same values.",
                "A trial diverged if its loss was no longer finite. It has no results, and its curve ends there.",
                *(
                    ["A trial ended by early stopping has the results of its last step."]
                    if "stopped" in results.ranked.columns
                    else []
                ),
                "In figures: hover over a line for its values, click a name in a legend to highlight it, drag "
                "to move, Shift and mouse wheel to zoom, double-click to reset. Click a table's heading to sort it.",
                f"SVG and PNG above a figure save it in light colours; for PDF, or all figures at once, type: "
                f"{COMMAND}",
            )
        ),
        cls="read",
    )
