"""Blocks of a report as the page has them."""

from collections.abc import Sequence

from fallline.report.document import Block, Document, Section
from fallline.report.render import html


def on_page(blocks: Sequence[Block]) -> str:
    """A page of one section with these blocks."""
    return html.page(Document("name", "title", [Section("section", "Section", blocks)]))
