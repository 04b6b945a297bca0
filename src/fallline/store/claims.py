"""The claims of a study as they stood before it was trained: their hash, when, and what was recorded already."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from fallline.errors import StoreError
from fallline.store.files import read_json, write_json
from fallline.store.paths import RunPaths
from fallline.study import Study, plain
from fallline.study.original_claims import IN_EVERY_ROW, original_configurations
from fallline.study.trial import digest

REMEDY = "remove it; the report then cannot tell when the claims were made"


@dataclass(frozen=True)
class ClaimsNote:
    """``hash`` of the claims, when they were ``noted`` (UTC), the trials ``recorded`` before, and whether the outcome
    depends on ``chance`` at all.

    ``written`` are the configurations that the claims were made about, where a preset or settings changed the study:
    the rows of ``fallline.study.original_claims``.
    """

    hash: str
    noted: str
    recorded: int
    chance: bool
    written: list[dict[str, Any]] = field(default_factory=list)


_NEEDED = {one.name for one in fields(ClaimsNote)} - {"written"}  # which earlier folders have not


def claims_hash(study: Study) -> str:
    """Names the claims of a study: another word, arm or margin is another claim."""
    return digest(plain(study).get("claims", []))


def note_claims(paths: RunPaths, study: Study, recorded: int, chance: bool) -> ClaimsNote:
    """Note the claims in the run folder, where they are not noted yet; earlier ones stay."""
    known = noted_claims(paths, study)
    if known is not None:
        return known
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    note = ClaimsNote(claims_hash(study), now, recorded, chance, original_configurations(study))
    write_json(paths.claims, [*read_claims(paths), asdict(note) | {"claims": plain(study)["claims"]}])
    return note


def noted_claims(paths: RunPaths, study: Study) -> ClaimsNote | None:
    """When the claims that the study has now were noted; None where they never were."""
    named = claims_hash(study)
    for row in read_claims(paths):
        if row["hash"] == named:
            return ClaimsNote(**{one.name: row[one.name] for one in fields(ClaimsNote) if one.name in row})
    return None


def read_claims(paths: RunPaths) -> list[dict[str, Any]]:
    """Every note in the run folder, as it was written; StoreError where the file is damaged."""
    if not paths.claims.exists():
        return []
    rows = read_json(paths.claims, REMEDY)
    if not isinstance(rows, list) or not all(map(_is_note, rows)):
        raise StoreError(f"{paths.claims} was damaged after it was written: {REMEDY}")
    return rows


def _is_note(row: Any) -> bool:
    if not isinstance(row, dict) or not set(row) >= _NEEDED:
        return False
    written = row.get("written", [])
    return isinstance(written, list) and all(
        isinstance(entry, dict) and set(entry) >= IN_EVERY_ROW for entry in written
    )
