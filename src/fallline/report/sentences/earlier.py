"""A sentence on trials of earlier forms of a study."""

from __future__ import annotations

from fallline.report import formatting
from fallline.store import Run


def earlier_in_words(run: Run) -> str:
    """How many trials of earlier forms of the study are in the folder, and whether they count; empty where there are
    none."""
    count = run.earlier.height
    if not count:
        return ""
    some = f"{formatting.plural(count, 'trial')} of an earlier form of this study {'is' if count == 1 else 'are'}"
    if run.all_rounds:
        return f"{some} part of this answer (--all-rounds)."
    return (
        f"{some} in the folder and not part of this answer (fallline show {run.folder} --all-rounds includes "
        f"{'it' if count == 1 else 'them'})."
    )
