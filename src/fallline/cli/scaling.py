"""``fallline scale``: progress while it measures, then the answer, its tables and the page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from fallline.cli.terminal import new_screen
from fallline.errors import HyperparameterError


def scale_study(
    name: str,
    devices: str | None,
    preset: str | None,
    settings: list[str],
    batches: str | None,
    repeats: int | None,
    out: Path | None,
    data: Path | None,
) -> None:
    """Measure the study, print what more devices buy, write the page."""
    from fallline.api import default_folder, scale
    from fallline.cli.screens import print_whole
    from fallline.cli.training import chosen_study
    from fallline.engine.processes import number
    from fallline.report.scaling.tables import terminal

    study = chosen_study(name, preset, settings)
    folder = out or Path(f"{default_folder(study, preset)}-scale")
    screen = new_screen(stderr=True)
    with screen.status("measuring") as status:

        def tell(line: str) -> None:
            screen.print(f"{study.name}: {line}", highlight=False, markup=False, soft_wrap=True)

        found = scale(
            study,
            devices,
            folder,
            data=data,
            batch_sizes=_sizes(batches),
            repeats=repeats,
            tell=tell,
            follow=status.update,
            command=shlex.join(["fallline", *sys.argv[1:]]),
        )
    if number() > 0:
        return  # the first of the processes tells what came out
    print("\n".join(found.sentences), end="\n\n")
    for table in terminal(found):
        print_whole(table)
        print()
    with screen.status("writing the page"):
        page = found.report()
    print(f"page: {page}")


def _sizes(written: str | None) -> list[int] | None:
    if written is None:
        return None
    sizes = [part.strip() for part in written.split(",")]
    if not all(part.isdecimal() and int(part) for part in sizes):
        raise HyperparameterError(f"--batches takes whole numbers >= 1 with commas between, got {written[:60]!r}")
    return [int(part) for part in sizes]
