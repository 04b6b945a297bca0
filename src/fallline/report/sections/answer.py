"""The answer with its table, and all results."""

from __future__ import annotations

from fallline.report import formatting
from fallline.report.comparison import pair_columns
from fallline.report.document import Block, Folded, Group, Paragraph, Style, Table
from fallline.report.headline import Opening
from fallline.report.tables import MOST_SHOWN, arms_table, ranked_table
from fallline.stats import label

LARGE = 2
"""So many answers are in large letters; with more the table would be off the screen."""


def answer_blocks(opening: Opening) -> list[Block]:
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


def all_blocks(opening: Opening) -> list[Block]:
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
