"""The report as Markdown: the answer, its table, claims, caveats, and the figures."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from fallline.report.export import COMMAND
from fallline.report.figures import RenderedFigure
from fallline.report.headline import Opening
from fallline.report.text_tables import TextTable

_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~$!&])")
_BLOCK = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s|$|[-=])")
"""What starts a list, a rule or a heading at the start of a line."""


def page(
    opening: Opening,
    tables: Sequence[TextTable],
    lead: Sequence[RenderedFigure],
    rest: Sequence[RenderedFigure],
    html: str,
    at_hand: Collection[str] = (),
) -> str:
    """report.md, beside the page ``html``, with the figures that are ``at_hand``. Every text of the study and its
    data is escaped.
    """
    study = opening.results.run.study
    first, others = tables[0], tables[1:]
    claims = [table for table in others if table.name == "claims"]
    parts = [
        f"# {escaped(study.title or study.name)}",
        f"*{escaped(study.question)}*" if study.question else "",
        *(f"**{escaped(text)}**" for text in opening.lead),
        *(escaped(text) for text in [*opening.sure, *opening.figures]),
        grid(first),
        escaped(" ".join(filter(None, [opening.caption, first.note]))),
        *_figures(lead, "##", at_hand),
        *(text for table in claims for text in _section(table)),
        "## Caveats" if opening.caveats else "",
        "\n".join(f"- {escaped(text)}" for text in opening.caveats),
        *(text for table in others if table not in claims for text in _section(table)),
        "## More figures" if rest else "",
        *_figures(rest, "###", at_hand),
        "## Files",
        f"The page is {escaped(html)}. `tables/` has every table as CSV, and those above also as LaTeX. "
        f"`{COMMAND}` draws "
        "every figure as SVG, PDF and PNG into `figures/`; `fallline report` then shows them here.",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _section(table: TextTable) -> list[str]:
    return [f"## {escaped(table.heading)}", escaped(" ".join(filter(None, [table.caption, table.note]))), grid(table)]


def _figures(pictures: Sequence[RenderedFigure], level: str, at_hand: Collection[str]) -> list[str]:
    found = []
    for picture in pictures:
        drawn = f"![{escaped(picture.title)}](figures/{picture.name}.svg)" if picture.name in at_hand else ""
        found += [f"{level} {escaped(picture.title)}", drawn, escaped(picture.caption)]
    return found


def grid(table: TextTable) -> str:
    """The table with pipes, numbers right-aligned."""
    heads = [column.heading for column in table.columns]
    sides = ["---:" if column.numeric else ":---" for column in table.columns]
    body = [[escaped(text) for text in row] for row in (heads, *table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (body[0], sides, *body[1:]))


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
