"""The two files that say what a run folder is: the study as resolved, and the plan."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fallline.errors import StoreError, StudyError
from fallline.store.files import read_json
from fallline.study import Study, parse_study

PLAN_REMEDY = "remove it and run the study again, which keeps every finished trial"


def read_study(path: Path) -> Study:
    """The study in a run folder, or StoreError."""
    try:
        return parse_study(path.read_text(encoding="utf-8"), str(path))
    except OSError as failure:
        raise StoreError(f"cannot read {path}: {failure.strerror or failure}; run the study again, which writes it "
                         "anew and keeps every finished trial") from None
    except (UnicodeDecodeError, StudyError) as failure:
        raise StoreError(f"{path} was damaged after it was written: {failure}. Remove it and run the study again, "
                         "which writes it anew and keeps every finished trial") from None


def read_plan(path: Path) -> dict[str, Any]:
    """The plan in a run folder: a table whose rounds have cohorts with named blocks; or StoreError."""
    plan = read_json(path, PLAN_REMEDY)
    try:
        names = planned_blocks(plan)
    except (KeyError, TypeError, IndexError):
        names = [None]
    if not all(isinstance(name, str) and re.fullmatch(r"[\w-]+", name) for name in names):
        raise StoreError(f"{path} is not a plan; it was damaged after it was written: {PLAN_REMEDY}")
    return plan


def planned_blocks(plan: dict[str, Any]) -> list[str]:
    """The names of all blocks that were ever planned."""
    return [block["name"] for round_ in plan["rounds"] for cohort in round_["cohorts"] for block in cohort["blocks"]]
