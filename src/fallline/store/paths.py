"""Every path of a run folder, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fallline.study.trial import digest

FOLDERS = ("trials", "curves", "predictions", "weights", "answers", "timings", "environments", "checkpoints", "leases")
"""The folders of records and of what belongs to them."""

OWN_NAMES = frozenset(
    {
        *FOLDERS,
        "report",
        "exports",
        "scaling",
        "search",
        "damaged",
        "launches",
        "study.toml",
        "plan.json",
        "lock.json",
        "sums.json",
        "models.json",
        "pipelines.json",
        "claims.json",
        "looks.json",
        "test_reads.json",
        "mistakes.parquet",
        "outputs.parquet",
    }
)
"""What a run folder holds: one that holds nothing else may have lost its study and its plan."""


@dataclass(frozen=True)
class RunPaths:
    """The files of the run folder ``root``.

    ``trials/``, ``curves/`` and, where the task names classes to examples, ``predictions/``, and where models are small
    ``weights/``, hold one Parquet file a block; a block counts once its file in ``trials/`` is there.
    """

    root: Path

    @property
    def study(self) -> Path:
        """The study as resolved."""
        return self.root / "study.toml"

    @property
    def plan(self) -> Path:
        """The rounds of the run: which trials were to be trained together, and how."""
        return self.root / "plan.json"

    @property
    def environments(self) -> Path:
        """A folder with one JSON file a start of the run: versions, machine, commit."""
        return self.root / "environments"

    @property
    def lock(self) -> Path:
        return self.root / "lock.json"

    @property
    def report(self) -> Path:
        return self.root / "report"

    def trials(self, block: str) -> Path:
        """One row a trial of that block."""
        return self.root / "trials" / f"{block}.parquet"

    def curves(self, block: str) -> Path:
        """One row a (trial, step) of that block."""
        return self.root / "curves" / f"{block}.parquet"

    def predictions(self, block: str) -> Path:
        """One row a (trial, split) of that block: the class each example was given."""
        return self.root / "predictions" / f"{block}.parquet"

    def weights(self, block: str) -> Path:
        """One row a (trial, array) of that block: the weights after the last step."""
        return self.root / "weights" / f"{block}.parquet"

    @property
    def models(self) -> Path:
        """The models of tasks that are written as text, by the task's name."""
        return self.root / "models.json"

    @property
    def pipelines(self) -> Path:
        """How files of the user's became arrays, by the task's name: columns, encodings, splits."""
        return self.root / "pipelines.json"

    @property
    def claims(self) -> Path:
        """The study's claims as they stood before it was trained, with their hash."""
        return self.root / "claims.json"

    @property
    def search(self) -> Path:
        """What ``fallline tune`` tried: its notes, and one run folder per rung."""
        return self.root / "search"

    @property
    def scaling(self) -> Path:
        """What more devices buy, where the study asks: a folder of its own kind (``store.scale``)."""
        return self.root / "scaling"

    @property
    def interim_analyses(self) -> Path:
        """The interim analyses of a run that grows until it is decided: planned and made."""
        return self.root / "looks.json"

    @property
    def test_reads(self) -> Path:
        """Who read the test split, when, and for what."""
        return self.root / "test_reads.json"

    @property
    def answers(self) -> Path:
        """A folder with the labels the predictions are held against, a Parquet file a name."""
        return self.root / "answers"

    @property
    def mistakes(self) -> Path:
        """The examples got wrong most often, with their pictures."""
        return self.root / "mistakes.parquet"

    @property
    def outputs(self) -> Path:
        """What the best trials give on validation: probabilities, or numbers."""
        return self.root / "outputs.parquet"

    @property
    def sums(self) -> Path:
        """The checksums of what is beside the blocks (``store.sums``); those of a block stand in its timing."""
        return self.root / "sums.json"

    def timing(self, block: str) -> Path:
        """What training the block cost."""
        return self.root / "timings" / f"{block}.json"

    @property
    def checkpoints(self) -> Path:
        """Where unfinished blocks stand."""
        return self.root / "checkpoints"

    def checkpoint(self, block: str) -> Path:
        """Where a long block stands; gone once the block is done."""
        return self.checkpoints / f"{block}.npz"

    @property
    def damaged(self) -> Path:
        """What was found damaged and moved aside."""
        return self.root / "damaged"

    @property
    def folders(self) -> list[Path]:
        """Every folder that a run writes into."""
        return [self.root / name for name in (*FOLDERS, "report", "damaged")]

    @property
    def launches(self) -> Path:
        """A folder a launch of jobs: what was asked, how its jobs stand, their logs."""
        return self.root / "launches"

    def lease(self, block: str) -> Path:
        """Who trains that block just now, where jobs do."""
        return self.root / "leases" / f"{block}.json"

    def leftovers(self) -> list[Path]:
        """Files, and folders of exports, that were being written when a run or a command that reads it was killed."""
        found = [path for path in self.root.rglob(".*.????????") if self.damaged not in path.parents]
        return [path for path in found if not any(folder in path.parents for folder in found)]

    def done_blocks(self) -> list[str]:
        """The blocks whose records are complete."""
        return sorted(path.stem for path in (self.root / "trials").glob("*.parquet"))


def answers_name(task: str, data: str) -> str:
    """Names the file with the labels of a task's data: a task's own name may hold anything."""
    return digest([task, data])
