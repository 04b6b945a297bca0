"""The checksums that a run folder keeps of what is beside its blocks: changed, gone, and files that are not noted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from fallline.errors import StoreError
from fallline.store.checksums import Journal, Noted, files_of, has_own_sum, is_kept, read_journal, sha256_of
from fallline.store.files import is_as_written, read_table
from fallline.store.launches import with_own_sums
from fallline.store.paths import RunPaths
from fallline.store.verify.block import OTHER_SUM
from fallline.store.verify.finding import AGAIN, ASIDE, Finding

ANEW = "--repair writes it again, with the checksums of the files as they are"
MADE_AGAIN = f"{ASIDE}, and {AGAIN} writes it again"
REMEDIES = {
    "study.toml": f"{MADE_AGAIN}; every finished trial is kept",
    "plan.json": f"{MADE_AGAIN}; every finished trial is kept",
    "models.json": MADE_AGAIN,
    "pipelines.json": MADE_AGAIN,
    "answers": MADE_AGAIN,
    "mistakes.parquet": MADE_AGAIN,
    "outputs.parquet": MADE_AGAIN,
    "claims.json": f"{ASIDE}, and {AGAIN} notes the claims, as made after the trials that are there",
    "test_reads.json": f"{ASIDE}; nobody can tell then how often the test split of this run was read",
    "environments": f"{ASIDE}; what that start ran on is then not known",
    "launches": f"{ASIDE}; what its jobs trained is kept",
    "scaling": f"{ASIDE}, and {AGAIN} measures again",
}
"""What to do about a file that was changed or is gone, by its name or its folder's."""

LOOKS = "take it from a backup, or start over in another folder: nobody knows how often this run was looked at"


def check_kept(paths: RunPaths, known: Collection[str]) -> list[Finding]:
    """What the folder's checksums say, but for files that are ``known`` to be damaged already."""
    root = paths.root
    if not paths.sums.exists():
        kept = any(_has_sums(paths.timing(block)) for block in paths.done_blocks())
        return [Finding(paths.sums.name, "it is gone", ANEW, anew=True)] if kept else []
    if not is_kept(root):
        return [Finding(paths.sums.name, "it is damaged, or of an older version", ANEW, anew=True)]
    journal = read_journal(root)
    found = [Finding(paths.sums.name, f"{journal.damaged} of its lines are damaged", ANEW, anew=True)] * bool(
        journal.damaged
    )
    names = {path.relative_to(root).as_posix() for path in files_of(root, root)}
    wrong = [name for name in sorted({*names, *journal.files}) if _wrong(root, name, journal)]
    if wrong:  # perhaps another process wrote it in this moment
        journal = read_journal(root)
    for name in wrong:
        why = _wrong(root, name, journal)
        if why and not any(name == path or name.startswith(f"{path}/") for path in known):
            found.append(_finding(paths, name, why, name in journal.files))
    found += _grown(root, journal)
    found += [
        Finding(
            f"trials/{block}.parquet",
            "it is gone, and its block was finished",
            f"{AGAIN} trains it again; --repair moves what is left of it aside",
            block=block,
        )
        for block in sorted(journal.blocks)
        if not paths.trials(block).exists()
    ]
    return found + _own_sums(paths, journal.there)


def _wrong(root: Path, name: str, journal: Journal) -> str | None:
    """What is wrong with a file, None where nothing is."""
    told = journal.files.get(name)
    if told is None:
        of_a_job = name.startswith("launches/") and ("/logs/" in name or name.endswith("/cancelled"))
        return None if of_a_job else "it is no file of a run"
    is_now = _sum_now(root / name, told)
    if is_now in told.may:
        return None
    return "it is gone" if is_now is None else OTHER_SUM if (root / name).stat().st_size else "it is empty"


def _sum_now(path: Path, told: Noted) -> str | None:
    try:
        return sha256_of(path, told.size)
    except FileNotFoundError:
        return None


def _finding(paths: RunPaths, name: str, why: str, told: bool) -> Finding:
    """A file that is not as it was written, with what to type."""
    top = name.split("/")[0]
    if not told:
        return Finding(name, why, ASIDE, goes=True)
    if top == paths.interim_analyses.name:
        return Finding(name, why, LOOKS)
    if top == "exports":
        return Finding(
            name,
            f"{why}; no command reads it",
            "remove its folder and type fallline export to make it again",
            noted=True,
        )
    if top == "report" or top not in REMEDIES:
        figures = "figures" if name.startswith("report/figures/") else "report"
        return Finding(name, why, f"{ASIDE}, and fallline {figures} {paths.root} writes it again", goes=True)
    return Finding(name, why, REMEDIES[top], goes=True)


def _grown(root: Path, journal: Journal) -> list[Finding]:
    """Logs in which more stands than when the jobs were collected."""
    return [
        Finding(name, "it grew after its jobs were collected", "it is not judged", noted=True)
        for name, told in sorted(journal.files.items())
        if told.size is not None and (root / name).exists() and (root / name).stat().st_size > told.size
    ]


def _own_sums(paths: RunPaths, there: Collection[str]) -> list[Finding]:
    """What the jobs of launches write of themselves, each file with its own checksum."""
    files = with_own_sums(paths)
    found = [
        Finding(path.relative_to(paths.root).as_posix(), "it is not what was written", REMEDIES["launches"], goes=True)
        for path in files
        if not _is_whole(path)
    ]
    found += [
        Finding(name, "it is gone", REMEDIES["launches"], goes=True)
        for name in sorted({*there} - {path.relative_to(paths.root).as_posix() for path in files})
    ]
    found += [
        Finding(path.relative_to(paths.root).as_posix(), "it is not empty", ASIDE, goes=True)
        for path in sorted(paths.launches.glob("*/cancelled"))
        if path.stat().st_size
    ]
    return found


def _is_whole(path: Path) -> bool:
    try:
        return has_own_sum(table := read_table(path)) and is_as_written(path, table)
    except StoreError:
        return not path.exists()  # a job that starts over takes it away


def _has_sums(timing: Path) -> bool:
    try:
        return bool(read_table(timing).get("sha256"))
    except StoreError:
        return False
