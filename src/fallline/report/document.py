"""A report as data: a document of sections, a section of blocks. ``fallline.report.render`` writes every kind of block
once for each form: HTML, Markdown, LaTeX, a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from fallline.report.figures import RenderedFigure
    from fallline.report.style import Theme

Style: TypeAlias = Literal["", "first", "several", "sure", "next", "note", "lead"]
"""How a paragraph is set: an answer in large letters, one of several answers, how sure it is, what follows, a note, a
note under a heading."""


@dataclass(frozen=True)
class Paragraph:
    text: str
    style: Style = ""


@dataclass(frozen=True)
class Heading:
    """A heading inside a section; ``anchor`` is its address on the page."""

    text: str
    anchor: str = ""


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Names and their values."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Drawing:
    """A finished SVG picture, made here, with what it shows."""

    svg: str
    caption: str = ""


@dataclass(frozen=True)
class Group:
    """Blocks that belong together: an ``answer``, or a text to ``read``."""

    blocks: Sequence[Block]
    style: Literal["answer", "read"]


@dataclass(frozen=True)
class Folded:
    """Blocks that are collapsed at first."""

    summary: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, a text and a sorting value per row, and whether it holds numbers.

    ``names``: it holds names of optimizers, which have a line style. ``below``: a second column, on the page in small
    letters below the texts of this one. ``tones``: the verdict in each text, for its colour. ``width``: that of long
    texts. ``soft``: of less interest. Paper, which is narrow, leaves out what is ``screen_only``.
    """

    heading: str
    texts: Sequence[str]
    values: Sequence[Any]
    numeric: bool = True
    help: str = ""
    names: bool = False
    below: Column | None = None
    tones: Sequence[str] | None = None
    width: Literal["", "wrap", "wide"] = ""
    soft: bool = False
    screen_only: bool = False

    @classmethod
    def of_texts(cls, heading: str, texts: Sequence[str], numeric: bool = False, **fields: Any) -> Column:
        """A column that is sorted by its texts."""
        return cls(heading, texts, texts, numeric, **fields)


@dataclass(frozen=True)
class Intervals:
    """(mean, low, high) of each row, drawn on one scale after the column of number ``after``."""

    after: int
    ends: Sequence[tuple[float | None, float | None, float | None]]


@dataclass(frozen=True)
class Table:
    """Columns of equal length. ``shown`` rows are visible at first. ``name`` and ``caption`` are those of its file for
    LaTeX, where it has one; the caption stands alone. ``of``: the number of all rows, where these are the first ones.

    ``optimizers``: that of each row, for its colour; ``best``: the rows to emphasise.
    """

    columns: Sequence[Column]
    shown: int = 20
    name: str = ""
    caption: str = ""
    of: int | None = None
    intervals: Intervals | None = None
    optimizers: Sequence[str] | None = None
    best: frozenset[int] = frozenset()

    @property
    def height(self) -> int:
        """The number of rows here."""
        return len(self.columns[0].texts) if self.columns else 0

    @property
    def in_all(self) -> int:
        """The number of rows with those that are in the CSV only."""
        return self.height if self.of is None else self.of

    @property
    def on_paper(self) -> list[Column]:
        """The columns for Markdown and LaTeX, small letters in columns of their own."""
        every = [each for column in self.columns if not column.screen_only for each in (column, column.below)]
        return [column for column in every if column is not None and not column.screen_only]


Block: TypeAlias = "Paragraph | Heading | Bullets | Facts | Code | Drawing | Group | Folded | Table | RenderedFigure"


@dataclass(frozen=True)
class Section:
    """``key`` is its address on the page; a ``bare`` one has no heading, one that is ``screen_only`` is about the page
    itself."""

    key: str
    heading: str
    blocks: Sequence[Block]
    bare: bool = False
    screen_only: bool = False


@dataclass(frozen=True)
class Document:
    """``about`` is its last line, ``theme`` the line styles of its optimizers."""

    name: str
    title: str
    sections: Sequence[Section]
    question: str = ""
    about: str = ""
    theme: Theme | None = None

    def tables(self) -> Iterator[Table]:
        """Every table that has a file of its own, in their order."""
        yield from (block for block in self.blocks() if isinstance(block, Table) and block.name and block.height)

    def blocks(self) -> Iterator[Block]:
        """Every block that holds no other, in their order."""
        for section in self.sections:
            yield from _inner(section.blocks)


def sections(*found: Section) -> list[Section]:
    """Those that have content."""
    return [section for section in found if section.blocks]


def folded_if_long(table: Table, summary: str, most: int = 6) -> Table | Folded:
    """The table, collapsed where it has more than ``most`` rows."""
    return table if table.height <= most else Folded(summary, [table])


def _inner(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, (Group, Folded)):
            yield from _inner(block.blocks)
        else:
            yield block
