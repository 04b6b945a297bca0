"""The command that compares arms over several runs: performance profiles."""

from __future__ import annotations

from pathlib import Path


def profile_runs(folders: list[Path], by: list[str] | None, out: Path | None, all_rounds: bool = False) -> None:
    """Print who is fastest, the arms, the problems and what to hold against them; write page or picture to ``out``."""
    from fallline.api import open_run
    from fallline.cli.screens import print_whole
    from fallline.errors import StudyError
    from fallline.report.profile import READING, SUFFIXES, answer, arm_table, notes, problem_table, rich_table, write
    from fallline.stats.profiles import profiles

    if out is not None and out.suffix not in SUFFIXES:
        raise StudyError(f"--out takes a file that ends in one of {', '.join(SUFFIXES)}, got {out.name!r}")
    found = profiles([open_run(folder, all_rounds=all_rounds).records for folder in folders], by)
    print("\n".join(answer(found)), end="\n\n")
    print_whole(rich_table(arm_table(found), "Steps to the target, over the least of each problem"))
    if found.seconds is not None:
        print()
        print_whole(rich_table(arm_table(found, seconds=True), "Seconds to the target, of trials run alone"))
    print()
    print_whole(rich_table(problem_table(found), "Each problem"))
    print("\n" + "\n".join([READING, *notes(found)]))
    if out is not None:
        print(f"\n{write(found, out)}")
