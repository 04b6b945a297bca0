"""Figures as SVG, PDF and PNG, tables as CSV, beside the page."""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from fallline.errors import UnknownName, printable
from fallline.report.figures import RenderedFigure
from fallline.report.render.escaping import printable_json
from fallline.store.files import write_derived

SCALE = 2
"""Pixels of the PNG per pixel of the figure."""


FORMATS = ("svg", "pdf", "png")
"""File formats of figures."""

COMMAND = "fallline figures DIR"
"""The command that draws the files, for the texts that mention it; DIR is the run folder."""


FORMULA = r"^\s*[=+\-@\t\r]"
"""How a text starts that a spreadsheet takes for a formula."""

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def write_figure(folder: Path, drawn: RenderedFigure, formats: Sequence[str] = FORMATS) -> list[Path]:
    """``NAME.svg``, ``.pdf`` and ``.png`` in ``folder``, in the light theme, without what only appears on hover; the
    paths of those that are among the ``formats``."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(printable_json(without_pointer(drawn.specification)))
    makers = {
        "svg": lambda: svg,
        "pdf": lambda: vl_convert.svg_to_pdf(svg),
        "png": lambda: vl_convert.svg_to_png(svg, scale=SCALE),
    }
    paths = {kind: folder / f"{drawn.name}.{kind}" for kind in formats}
    for kind, path in paths.items():
        write_derived(path, makers[kind]())
    return list(paths.values())


def write_named(
    makers: dict[str, Callable[[], RenderedFigure]],
    names: Sequence[str],
    formats: Sequence[str],
    folder: Path,
    where: str,
) -> list[Path]:
    """Write the figures of those names, by default all that ``makers`` has; the paths written. UnknownName for another
    name or format; ``where`` says what was searched."""
    for name in names:
        if name not in makers:
            raise UnknownName("figure", name, makers, where)
    for kind in formats:
        if kind not in FORMATS:
            raise UnknownName("format of a figure", kind, FORMATS)
    wanted = dict.fromkeys(names or makers)
    return [path for name in wanted for path in write_figure(folder, makers[name](), formats)]


def without_pointer(specification: dict[str, Any]) -> dict[str, Any]:
    """The specification without zoom and without the marks that only appear on hover."""
    apart = {key: value for key, value in specification.items() if key == "datasets"}
    still = copy.deepcopy({key: value for key, value in specification.items() if key != "datasets"})
    _drop_hover(still)
    if "params" in still:
        still["params"] = [param for param in still["params"] if param["name"] not in ("hover", "zoom")]
    return still | apart


def _drop_hover(part: Any) -> None:
    if isinstance(part, list):
        for inner in part:
            _drop_hover(inner)
    elif isinstance(part, dict):
        if "layer" in part:
            part["layer"] = [layer for layer in part["layer"] if not _is_hover(layer)]
        for inner in part.values():
            _drop_hover(inner)


def _is_hover(layer: dict[str, Any]) -> bool:
    encoding = layer.get("encoding", {}).get("opacity", {}).get("condition", {})
    return isinstance(encoding, dict) and encoding.get("param") == "hover"


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """``frame`` as CSV; columns that hold tables or pictures are left out, nulls are empty, no cell is a formula."""
    flat = frame.select(
        name
        for name, kind in frame.schema.items()
        if not kind.is_nested() and not kind.is_object() and kind not in (pl.Null, pl.Binary)
    )
    flat = flat.with_columns(_printable(column) for column in flat.iter_columns() if column.dtype == pl.String)
    buffer = io.BytesIO()
    without_formulas(flat.lazy()).collect().write_csv(buffer)
    write_derived(path, buffer.getvalue())


def _printable(column: pl.Series) -> pl.Series:
    """A column of text without control characters."""
    held = {text: printable(text) for text in column.unique() if text is not None and printable(text) != text}
    return column.replace(held) if held else column


def without_formulas(frame: pl.LazyFrame) -> pl.LazyFrame:
    """``frame`` with an apostrophe before each text that a spreadsheet would evaluate: names, and what columns of text
    hold. Texts of plain numbers are unchanged."""
    schema = frame.collect_schema()
    text = [name for name, kind in schema.items() if isinstance(kind, (pl.String, pl.Categorical, pl.Enum))]
    frame = frame.with_columns(pl.col(text).cast(pl.String)) if text else frame
    made = [
        pl.when(pl.col(name).str.contains(FORMULA) & ~pl.col(name).str.contains(NUMBER))
        .then("'" + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name in text
    ]
    return frame.with_columns(made).rename({name: f"'{name}" for name in schema if re.match(FORMULA, name)})
