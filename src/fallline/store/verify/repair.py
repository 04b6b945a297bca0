"""Repairing a run folder: what is damaged is moved aside, never deleted, so that the next run makes it again."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from fallline.errors import StoreError
from fallline.store.checksums import begin, note_blocks_gone, note_gone, sha256_of, with_own_sum
from fallline.store.files import cannot_write, remove, write_atomically, write_json
from fallline.store.lock import Lock
from fallline.store.paths import RunPaths
from fallline.store.resolved import read_plan
from fallline.store.verify.block import KINDS
from fallline.store.verify.finding import Finding
from fallline.store.verify.folder import verify


def repair(folder: str | Path) -> tuple[str, ...]:
    """Move what ``verify`` finds damaged into ``damaged/N/`` of the run folder; a line on each thing done.

    Nothing is deleted but halves of files. StoreError while a run is under way, or where the folder cannot be written.
    """
    paths = RunPaths(Path(folder))
    verify(paths.root)  # it is a run folder
    lock = Lock(paths.lock)
    lock.take()
    try:
        return _repaired(paths, [finding for finding in verify(paths.root).findings if finding.path != "lock.json"])
    except OSError as failure:
        raise StoreError(cannot_write(paths.root, failure)) from failure
    finally:
        lock.release()


def _repaired(paths: RunPaths, findings: list[Finding]) -> tuple[str, ...]:
    halves = paths.leftovers()
    aside = _Aside(paths)
    said = [f"removed {len(halves)} half-written files"] if halves else []
    for half in halves:
        remove(half)
    if sums_anew := any(finding.anew and finding.path == paths.sums.name for finding in findings):
        aside.move([paths.sums])  # first, so that nothing is added to it
    twice = {finding.block for finding in findings if finding.twice}
    if twice:
        _expect_no_more(paths, twice)
    blocks = list(dict.fromkeys(finding.block for finding in findings if finding.block))
    note_blocks_gone(paths.root, blocks)
    for block in blocks:
        files = [
            paths.trials(block),
            paths.curves(block),
            paths.predictions(block),
            paths.weights(block),
            paths.timing(block),
        ]  # without its trials it counts no longer, whatever comes between
        said.append(f"block {block} is in {aside.move(files)}")
    for finding in findings:
        path = paths.root / finding.path
        if finding.goes and path.exists():
            files = [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]
            note_gone(paths.root, files)
            said.append(f"{finding.path} is in {aside.move([path])}")
        elif finding.goes:
            note_gone(paths.root, [path])
            said.append(f"{finding.path} is gone, and not expected any more")
        elif finding.anew and paths.trials(path.stem).exists():
            aside.move([path])
            _write_timing(paths, path.stem)
            said.append(f"{finding.path} was written anew, without times")
    if sums_anew:
        begin(paths.root, lambda path, content: write_atomically(path, lambda file: file.write(content)))
        said.append(f"{paths.sums.name} was written anew, with the checksums of the files as they are")
    return tuple(said)


class _Aside:
    """Moving files into a folder of this repair's own, made when it is needed."""

    def __init__(self, paths: RunPaths):
        self.paths = paths
        taken = [int(path.name) for path in paths.damaged.glob("*") if path.name.isdecimal()]
        self.folder = paths.damaged / str(max(taken, default=0) + 1)

    def move(self, files: list[Path]) -> str:
        """Move those of the files that are there; the folder they are in then."""
        for path in files:
            if path.exists():
                target = self.folder / path.relative_to(self.paths.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)
        return self.folder.relative_to(self.paths.root).as_posix()


def _expect_no_more(paths: RunPaths, blocks: set[str]) -> None:
    """Take blocks out of the plan."""
    try:
        plan = read_plan(paths.plan)
    except StoreError:
        return
    for cohort in (cohort for round_ in plan["rounds"] for cohort in round_["cohorts"]):
        cohort["blocks"] = [block for block in cohort["blocks"] if block["name"] not in blocks]
    write_json(paths.plan, plan)


def _write_timing(paths: RunPaths, block: str) -> None:
    """What can be told of a block's cost from its records, and the checksums of its files."""
    trials = pl.read_parquet(paths.trials(block), columns=["cohort", "seed", "steps", "parameters"], glob=False)
    files = {kind: getattr(paths, kind)(block) for kind in KINDS}
    known = {
        "lanes": trials.height,
        "seeds": trials["seed"].n_unique(),
        "steps": trials["steps"].max(),
        "parameters": trials["parameters"].max(),
    }
    write_json(
        paths.timing(block),
        with_own_sum(
            {
                "block": block,
                "cohort": trials["cohort"][0],
                **known,
                "sha256": {kind: sha256_of(path) for kind, path in files.items() if path.exists()},
            }
        ),
    )
