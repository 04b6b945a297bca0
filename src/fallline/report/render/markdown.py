"""A document as Markdown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from fallline.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Drawing,
    Facts,
    Folded,
    Group,
    Heading,
    Paragraph,
    Table,
)
from fallline.report.export import COMMAND
from fallline.report.figures import RenderedFigure
from fallline.report.render.paper import note, paper_rows

_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~$!&])")
_BLOCK = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s|$|[-=])")
"""What starts a list, a rule or a heading at the start of a line."""


def page(document: Document, html: str, at_hand: Collection[str] = ()) -> str:
    """The file beside the page ``html``, with the figures that are ``at_hand``. Every text of the study and its data is
    escaped."""
    parts = [f"# {escaped(document.title)}", f"*{escaped(document.question)}*" if document.question else ""]
    for section in document.sections:
        if section.screen_only:
            continue
        parts += [] if section.bare else [f"## {escaped(section.heading)}"]
        parts += _blocks(section.blocks, "##" if section.bare else "###", at_hand)
    parts += [
        "## Files",
        f"The page is {escaped(html)}. `tables/` has every table as CSV, and those for a paper also as LaTeX. "
        f"`{COMMAND}` draws every figure as SVG, PDF and PNG into `figures/`; `fallline report` then shows them here.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _blocks(blocks: Sequence[Block], level: str, at_hand: Collection[str]) -> Iterator[str]:
    """The blocks as paragraphs; headings among them are of this ``level``."""
    for block in blocks:
        if isinstance(block, Paragraph):
            large = block.style in ("first", "several")
            yield f"**{escaped(block.text)}**" if large else escaped(block.text)
        elif isinstance(block, Heading):
            yield f"{level} {escaped(block.text)}"
        elif isinstance(block, Bullets):
            yield "\n".join(f"- {escaped(text)}" for text in block.items)
        elif isinstance(block, Facts):
            yield "\n".join(f"- {escaped(name)}: {escaped(value)}" for name, value in block.pairs)
        elif isinstance(block, Code):
            yield _fenced(block.text)
        elif isinstance(block, Drawing):
            yield escaped(block.caption)
        elif isinstance(block, Group):
            yield from _blocks(block.blocks, level, at_hand)
        elif isinstance(block, Folded):
            yield f"{level} {escaped(block.summary)}"
            yield from _blocks(block.blocks, f"{level}#", at_hand)
        elif isinstance(block, Table):
            yield grid(block)
            yield note(block)
        else:
            yield from _figure(block, level, at_hand)


def _figure(figure: RenderedFigure, level: str, at_hand: Collection[str]) -> Iterator[str]:
    yield f"{level} {escaped(figure.title)}"
    if figure.name in at_hand:
        yield f"![{escaped(figure.title)}](figures/{figure.name}.svg)"
    yield escaped(figure.caption)


def grid(table: Table) -> str:
    """The table with pipes, numbers right-aligned; nothing where it has no rows."""
    columns, rows = table.on_paper, paper_rows(table)
    if not rows:
        return ""
    sides = ["---:" if column.numeric else ":---" for column in columns]
    body = [[escaped(text) for text in row] for row in ([column.heading for column in columns], *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (body[0], sides, *body[1:]))


def _fenced(text: str) -> str:
    """``text`` as it is, between fences that are longer than any in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text.rstrip()}\n{fence}"


def escaped(text: str) -> str:
    """``text`` in one line, with all special characters of Markdown and HTML escaped.

    >>> escaped("a_b | <i>"), escaped("- no list")
    ('a\\\\_b \\\\| \\\\<i\\\\>', '\\\\- no list')
    """
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    line = _SIGNS.sub(r"\\\1", line)
    return _BLOCK.sub(lambda found: f"{found[1]}{_stopped(found[2])}", line)


def _stopped(mark: str) -> str:
    """A list marker, escaped: "1\\." for "1.", "\\-" for "-"."""
    return f"{mark[:-1]}\\{mark[-1]}"
