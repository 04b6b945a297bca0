"""The study of a report: what is said about it, and its text."""

from __future__ import annotations

from fallline.report.document import Block, Code, Folded, Paragraph
from fallline.study import Study, dump_study


def study_blocks(study: Study) -> list[Block]:
    """What the study says about itself, then the study as TOML."""
    about: list[Block] = [Paragraph(study.about)] if study.about else []
    return [*about, Folded("The study (TOML)", [Code(dump_study(study))])]
