"""The two files that say what a run folder is: the study as resolved, and the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fallline.errors import StoreError, StudyError
from fallline.store.files import read_json, read_text
from fallline.store.plan_file import first_mistake
from fallline.study import Study, parse_study

PLAN_FORMAT = 1

PLAN_REMEDY = "remove it and run the study again, which keeps every finished trial"


def read_study(path: Path, folder: Path | None = None) -> Study:
    """The study in a run folder, or StoreError; its own Python files lie in ``folder``."""
    try:
        return parse_study(read_text(path), str(path), folder)
    except OSError as failure:
        raise StoreError(
            f"cannot read {path}: {failure.strerror or failure}; run the study again, which writes it "
            "anew and keeps every finished trial"
        ) from None
    except (ValueError, StudyError) as failure:
        raise StoreError(
            f"{path} was damaged after it was written: {failure}. Remove it and run the study again, "
            "which writes it again and keeps every finished trial"
        ) from None


def read_plan(path: Path, own_format: bool = False) -> dict[str, Any]:
    """The plan in a run folder, in the form of ``plan_file``; or StoreError. To continue, it must have our own format:
    another version's can be read, but not continued."""
    plan = read_json(path, PLAN_REMEDY)
    mistake = first_mistake(plan)
    if mistake is not None:
        raise StoreError(f"{path} is not a plan ({mistake}); it was damaged after it was written: {PLAN_REMEDY}")
    if own_format and plan.get("format") != PLAN_FORMAT:
        raise StoreError(
            f"{path} was written by another version of fallline; use that version, or choose another folder with --out"
        )
    return plan


def planned_blocks(plan: dict[str, Any]) -> list[str]:
    """The names of all blocks that were ever planned."""
    return [block["name"] for round_ in plan["rounds"] for cohort in round_["cohorts"] for block in cohort["blocks"]]
