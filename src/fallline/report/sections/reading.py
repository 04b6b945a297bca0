"""How to read the page: splits, seeds, variation; how to use the figures."""

from __future__ import annotations

from fallline.contracts import MetricName
from fallline.report.document import Block, Group, Paragraph
from fallline.report.export import COMMAND
from fallline.report.results import Results
from fallline.stats import label
from fallline.stats.summary import FEW_SEEDS


def reading_blocks(results: Results) -> list[Block]:
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
