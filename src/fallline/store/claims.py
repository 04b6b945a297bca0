"""The claims of a study as they stood before it was trained: their hash, when, and what was recorded already."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from typing import Any

from fallline.errors import StoreError
from fallline.store.files import read_json, write_json
from fallline.store.layout import Layout
from fallline.study import Study, plain
from fallline.study.trial import digest

REMEDY = "remove it; the report then cannot tell when the claims were made"


@dataclass(frozen=True)
class Note:
    """``hash`` of the claims, when they were ``noted`` (UTC), the trials ``recorded`` before, and whether the outcome
    hangs on ``chance`` at all."""

    hash: str
    noted: str
    recorded: int
    chance: bool


def claims_hash(study: Study) -> str:
    """Names the claims of a study: another word, arm or margin is another claim."""
    return digest(plain(study).get("claims", []))


def note_claims(layout: Layout, study: Study, recorded: int, chance: bool) -> Note:
    """Note the claims in the run folder, where they are not noted yet; earlier ones stay."""
    known = noted_claims(layout, study)
    if known is not None:
        return known
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    note = Note(claims_hash(study), now, recorded, chance)
    write_json(layout.claims, [*read_claims(layout), asdict(note) | {"claims": plain(study)["claims"]}])
    return note


def noted_claims(layout: Layout, study: Study) -> Note | None:
    """When the claims that the study has now were noted; None where they never were."""
    named = claims_hash(study)
    for row in read_claims(layout):
        if row["hash"] == named:
            return Note(**{name: row[name] for name in Note.__dataclass_fields__})
    return None


def read_claims(layout: Layout) -> list[dict[str, Any]]:
    """Every note in the run folder, as it was written; StoreError where the file is damaged."""
    if not layout.claims.exists():
        return []
    rows = read_json(layout.claims, REMEDY)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and set(Note.__dataclass_fields__) <= set(row)
                                             for row in rows):
        raise StoreError(f"{layout.claims} was damaged after it was written: {REMEDY}")
    return rows
