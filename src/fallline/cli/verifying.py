"""``fallline verify``: whether a run folder is whole, and the repair of one that is not."""

from __future__ import annotations

from pathlib import Path


def verify_run(folder: Path, repair: bool) -> int:
    """Print a line for each thing that is wrong, with its remedy; the exit code."""
    from fallline.api import repair_run, verify

    if repair:
        for line in repair_run(folder):
            print(line)
    found = verify(folder)
    print(found)
    if found.repairable and not repair:
        print(f"to mend what can be mended: fallline verify {folder} --repair")
    return 0 if found else 2
