"""Looking at a whole run folder: what it is of, its blocks, what stands beside them, and what should not be there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from fallline.errors import FalllineError, StoreError
from fallline.store.checksums import is_kept
from fallline.store.paths import RunPaths
from fallline.store.resolved import PLAN_FORMAT, planned_blocks, read_plan, read_study
from fallline.store.verify.beside import check_beside
from fallline.store.verify.block import BlockFiles, check_block
from fallline.store.verify.finding import AGAIN, ASIDE, Finding, Verification
from fallline.store.verify.kept import check_kept
from fallline.store.verify.strays import check_strays
from fallline.study import Study, plain


def verify(folder: str | Path) -> Verification:
    """Look at every file of a run folder. Nothing is written; files that are being written are left out.

    StoreError where the folder is none of a run, or cannot be read.
    """
    paths = RunPaths(Path(folder))
    try:
        signs = (paths.plan, paths.study, paths.lock, paths.claims, paths.root / "trials")
        if not any(path.exists() for path in signs):
            raise StoreError(
                f"{folder} is not a run folder: it has no plan.json; a run makes one: fallline run NAME --out {folder}"
            )
        return _verified(paths)
    except OSError as failure:
        where = str(failure.filename or folder)[:200]
        raise StoreError(f"cannot read {where}: {failure.strerror or failure}") from None


def _verified(paths: RunPaths) -> Verification:
    study, plan, findings = _what_it_is(paths)
    planned = {
        block["name"]: block
        for round_ in (plan or {"rounds": []})["rounds"]
        for cohort in round_["cohorts"]
        for block in cohort["blocks"]
    }
    kept = is_kept(paths.root)
    blocks = [check_block(paths, name, planned.get(name), kept) for name in paths.done_blocks() if _named(name)]
    findings += [finding for block in blocks for finding in block.findings]
    findings += _twice(blocks)
    if plan is not None:
        findings += _against_study(study, planned, blocks)
    findings += check_beside(paths, study, blocks, finished=all(paths.trials(name).exists() for name in planned))
    findings += check_strays(paths, set(planned))
    findings += check_kept(paths, {finding.path for finding in findings if not finding.noted})
    trials = {name for block in blocks for name in block.trials}
    done = sum(not block.findings for block in blocks)
    return Verification(
        paths.root, tuple(findings), done, len({*planned, *(block.name for block in blocks)}), len(trials)
    )


def _named(block: str) -> bool:
    """Whether a block may be called so; what is not is a stray."""
    return block.replace("-", "").replace("_", "").isalnum() and block.isascii()


def _what_it_is(paths: RunPaths) -> tuple[Study | None, dict[str, Any] | None, list[Finding]]:
    """The study and the plan, None where they cannot be read, and what is wrong with them."""
    found: list[Finding] = []
    study = plan = None
    try:
        study = read_study(paths.study)
    except StoreError as failure:
        found.append(_unreadable(paths.study, failure))
    try:
        plan = read_plan(paths.plan)
        if plan.get("format", PLAN_FORMAT) != PLAN_FORMAT:
            found.append(
                Finding(
                    "plan.json",
                    "it was written by another version of fallline",
                    "continue with that version, or in another folder; what is there can be read",
                )
            )
        found += [
            Finding(
                "plan.json",
                f"block {name} is planned {count} times",
                f"{ASIDE}, and {AGAIN} plans anew what has no records",
                goes=True,
            )
            for name, count in Counter(planned_blocks(plan)).items()
            if count > 1
        ]
    except StoreError as failure:
        found.append(_unreadable(paths.plan, failure))
    return study, plan, found


def _unreadable(path: Path, failure: StoreError) -> Finding:
    """study.toml or plan.json, which the next run writes anew."""
    if not path.exists():
        return Finding(path.name, "it is gone", f"{AGAIN} writes it again; every finished trial is kept")
    said = str(failure).removeprefix(f"{path} ").split("; it was damaged")[0].split("\n")[0][:160]
    return Finding(
        path.name,
        f"it {said}" if not said.startswith("cannot") else said,
        f"{ASIDE}, and {AGAIN} writes it again; every finished trial is kept",
        goes=True,
    )


def _twice(blocks: list[BlockFiles]) -> list[Finding]:
    """Blocks whose trials have records in an earlier block."""
    seen: dict[str, str] = {}
    found = []
    for block in blocks:
        where = Counter(seen[name] for name in block.trials if name in seen)
        if where:
            count = sum(where.values())
            found.append(
                Finding(
                    f"trials/{block.name}.parquet",
                    f"{count} of its {len(block.trials)} trials have records in {', '.join(where)} too",
                    f"--repair moves the block aside, and {AGAIN} trains again what it alone holds",
                    block=block.name,
                    twice=True,
                )
            )
        else:
            seen |= dict.fromkeys(block.trials, block.name)
    return found


def _against_study(study: Study | None, planned: dict[str, Any], blocks: list[BlockFiles]) -> list[Finding]:
    """Trials that were never planned, and records of trials that nobody planned."""
    of_plan = {name for block in planned.values() for name in block.get("trials", [])}
    recorded = {name for block in blocks for name in block.trials}
    wanted = None if study is None else _trial_names(study)
    found = []
    if wanted is not None and (left := wanted - of_plan - recorded):
        found.append(
            Finding(
                "plan.json", f"{len(left)} trials of the study are not planned yet", f"{AGAIN} trains them", noted=True
            )
        )
    waiting = [name for name in planned if name not in {block.name for block in blocks}]
    if waiting:
        found.append(
            Finding(
                "plan.json",
                f"{len(waiting)} of {len(planned)} blocks are still to train",
                f"{AGAIN} goes on",
                noted=True,
            )
        )
    for block in blocks:
        unknown = set(block.trials) - of_plan - (wanted if wanted is not None else set(block.trials))
        if block.name not in planned and unknown:
            found.append(
                Finding(
                    f"trials/{block.name}.parquet",
                    f"neither the plan nor the study knows {len(unknown)} of its trials",
                    "it came from another run, or the plan was lost and "
                    "the study changed: where it does not belong here, remove it",
                )
            )
    return found


def _trial_names(study: Study) -> set[str] | None:
    """The trials of the study; None where that would take more than its text: parts of the user's own, data files."""
    written = plain(study)
    if study.networks or any(
        ":" in text
        for text in _texts([written.get(key) for key in ("task", "metrics", "base", "axes", "zip", "points")])
    ):
        return None
    try:
        return {trial.name for trial in study.trials()}
    except FalllineError:
        return None


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []
