"""``fallline figures``: the figures of a run or of a scale measurement as files."""

from __future__ import annotations

from pathlib import Path

from fallline.cli.terminal import new_screen


def write_figures(folder: Path, names: list[str], formats: str, out: Path | None, all_rounds: bool = False) -> None:
    """Draw them and print their paths."""
    from fallline.api import open_run
    from fallline.cli.comparing import names as parted
    from fallline.report.scaling.result import Scaled
    from fallline.scaling.folder import ScaleFolder

    found = Scaled.open(folder) if ScaleFolder(folder).exists else (open_run(folder, "fallline figures", all_rounds))
    with new_screen(stderr=True).status("drawing"):
        written = found.figures(*names, formats=parted(formats), folder=out)
    print("\n".join(map(str, written)))
