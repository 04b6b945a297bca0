"""``fallline new``: a commented study from a file or a template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    source: Annotated[
        Path | None,
        typer.Argument(help="A table, a text, an .npz or a folder of images.", metavar="FILE", show_default=False),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of a table to predict.", show_default=False)] = None,
    template: Annotated[
        str | None,
        typer.Option(
            help="In place of a file: optimizers, learning-rates, architectures, regression.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The study; by default FILE.toml or TEMPLATE.toml.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a study that is there.")] = False,
) -> None:
    """Write a commented study of a file or template.

    The file is read: the study says what was decided for each column, how rows are split, and what else can be chosen.

    Example: fallline new churn.csv --target churned

    Example: fallline new --template optimizers
    """
    from fallline.api import new_study
    from fallline.errors import StudyError
    from fallline.store.files import write_text

    name = template if source is None else source.name.split(".")[0]
    path = out or Path(f"{name}.toml")
    if path.exists() and not force:
        raise StudyError(f"{path} exists; choose another name with --out, or replace it with --force")
    text = new_study(_beside(source, path), target, template)
    write_text(path, text)
    print(f"{path} is written. What it would do: fallline check {path}. Run it: fallline run {path}")


def _beside(source: Path | None, study: Path) -> Path | None:
    """The path of the file as the study must write it, which starts at the study's own folder."""
    import os

    if source is None or source.is_absolute() or study.parent == Path():
        return source
    return Path(os.path.abspath(source))
