"""``fallline utilisation``: how well a device is used at each batch size."""

from __future__ import annotations

from pathlib import Path

from fallline.cli.terminal import new_screen


def use_device(task: str, batches: str | None, optimizer: str, full: bool, data: Path | None, out: Path | None) -> None:
    """Time the task's step at every batch size, print the answer and the table, write page, picture or figures."""
    from fallline.api import utilisation
    from fallline.cli.screens import print_whole
    from fallline.errors import StudyError
    from fallline.forecast.utilisation import BATCHES
    from fallline.report.profile import rich_table
    from fallline.report.utilisation import SUFFIXES, answer, reported, shown, write

    if out is not None and out.suffix not in SUFFIXES:
        raise StudyError(f"--out takes a file that ends in one of {', '.join(SUFFIXES)}, got {out.name!r}")
    screen = new_screen(stderr=True)
    with screen.status("timing") as status:
        frame = utilisation(
            task,
            sizes(batches) if batches else BATCHES,
            optimizer=optimizer,
            data="full" if full else "sample",
            folder=data,
            tell=status.update,
        )
    print(answer(frame, task))
    print(reported(), end="\n\n")
    print_whole(rich_table(shown(frame), f"Batch sizes on {frame['device'][0]}, one lane alone"))
    if out is not None:
        print(f"\n{write(frame, task, out)}")


def sizes(written: str) -> list[int]:
    """``1,8,64`` as numbers."""
    from fallline.errors import HyperparameterError

    parts = [part.strip() for part in written.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise HyperparameterError(
            f"--batches takes whole numbers >= 1 with commas between, got {written!r}; write 1,8,64"
        )
    return sorted({int(part) for part in parts})
