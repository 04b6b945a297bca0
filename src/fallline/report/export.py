"""Figures as SVG, PDF and PNG, tables as CSV, beside the page."""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from fallline.report.kinds import Drawn
from fallline.store.files import write_derived

SCALE = 2
"""Pixels of the PNG a pixel of the figure."""


FORMATS = ("svg", "pdf", "png")
"""How a figure can be written."""


def write_figure(folder: Path, drawn: Drawn, formats: Sequence[str] = FORMATS) -> list[Path]:
    """``NAME.svg``, ``.pdf`` and ``.png`` in ``folder``, in the light theme, without what only a pointer can show; the
    paths of those that are among the ``formats``."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(without_pointer(drawn.specification))
    makers = {"svg": lambda: svg, "pdf": lambda: vl_convert.svg_to_pdf(svg),
              "png": lambda: vl_convert.svg_to_png(svg, scale=SCALE)}
    paths = {kind: folder / f"{drawn.name}.{kind}" for kind in formats}
    for kind, path in paths.items():
        write_derived(path, makers[kind]())
    return list(paths.values())


def without_pointer(specification: dict[str, Any]) -> dict[str, Any]:
    """The specification without zoom and without the points that only show under the pointer: no one would see them."""
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
    """``frame`` as CSV; columns that hold tables or pictures are left out, nulls are empty."""
    flat = frame.select(
        name
        for name, kind in frame.schema.items()
        if not kind.is_nested() and not kind.is_object() and kind not in (pl.Null, pl.Binary)
    )
    buffer = io.BytesIO()
    flat.write_csv(buffer)
    write_derived(path, buffer.getvalue())
