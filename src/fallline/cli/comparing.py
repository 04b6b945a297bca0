"""The command that compares the arms of a run."""

from __future__ import annotations

from pathlib import Path


def compare_arms(
    folder: Path, by: str | None, metric: str | None, tune: str | None, csv: Path | None, all_rounds: bool = False
) -> None:
    """Print the answer in plain words and with figures, the arms and the pairs; write both tables where ``csv`` says
    so."""
    from fallline.api import open_run
    from fallline.cli.screens import print_whole
    from fallline.report.comparison import opening, tables

    result = open_run(folder, "fallline compare", all_rounds)
    found = result.compare(None if by is None else names(by), metric, None if tune is None else names(tune))
    print("\n".join(opening(found)), end="\n\n")
    for table, under in tables(found):
        print_whole(table)
        print("\n".join([*under, ""]))
    print("\n".join(found.notes))
    if csv is not None:
        pairs = csv.with_name(f"{csv.stem}-pairs{csv.suffix}")
        found.write(csv, pairs)
        print(f"\n{csv}\n{pairs}")


def names(text: str) -> list[str]:
    """The columns in a comma-separated list."""
    return [name for name in (part.strip() for part in text.split(",")) if name]
