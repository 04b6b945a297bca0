"""Writing a run folder: one writer at a time, block after block; at any moment the folder can be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from fallline.errors import StoreError
from fallline.store.checkpoint import checkpoint_seconds
from fallline.store.checksums import (
    begin,
    is_kept,
    note_blocks,
    note_folder,
    note_there,
    noted,
    settle,
    sha256,
    sums_in_timing,
    with_own_sum,
)
from fallline.store.earlier import current_blocks, earlier_trials, planned_trials, with_earlier
from fallline.store.files import (
    MAX_TEXT_BYTES,
    bring_names_to_disk,
    cannot_write,
    parquet_bytes,
    read_parquet,
    read_table,
    read_text,
    remove,
    write_atomically,
    write_bytes,
    write_json,
    write_parquet,
    write_text,
)
from fallline.store.launches import with_own_sums
from fallline.store.leases import live
from fallline.store.lock import Lock
from fallline.store.paths import OWN_NAMES, RunPaths
from fallline.store.resolved import PLAN_FORMAT, read_plan, read_study
from fallline.store.undo import not_there, remove_made
from fallline.study import Study, dump_study


class RunWriter:
    """A writer of a run folder. The one that ``open`` gives holds its lock; blocks can be written without."""

    def __init__(self, paths: RunPaths):
        self.paths = paths
        self.lock = Lock(paths.lock)
        self.made: list[Path] = []

    @classmethod
    def open(cls, paths: RunPaths, study: Study, resume: bool) -> RunWriter:
        """A writer for ``study`` in that folder, new or with records of the same study; StoreError where neither."""
        writer = cls(paths)
        checkpoint_seconds()  # a wrong setting is an error now, not in the middle of the run
        as_text(study)
        try:
            writer._lock()
        except BaseException:
            remove_made(writer.made)
            raise
        try:
            writer._sweep()
            if paths.plan.exists() or paths.study.exists():
                writer._check(study, resume)
            elif any(path.name not in OWN_NAMES for path in paths.root.iterdir()):
                raise StoreError(f"{paths.root} holds other files and is not a run folder; choose another with --out")
        except OSError as failure:
            writer._unlock()
            raise StoreError(cannot_write(paths.root, failure)) from failure
        except BaseException:
            writer._unlock()
            raise
        return writer

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.note_ended()
        except OSError as failure:
            raise StoreError(cannot_write(self.paths.root, failure)) from failure
        finally:
            self._unlock()

    def start(self, study: Study, environment: dict[str, Any] | None) -> None:
        """Note the study as resolved and, where something is to run, what this start runs on.

        From then on the folder keeps the checksums of its files.
        """
        self._keep_sums()
        if not self.paths.plan.exists():
            write_json(self.paths.plan, self._plan())
        text = as_text(study)
        if not self.paths.study.exists() or read_text(self.paths.study) != text:
            write_text(self.paths.study, text)
        if environment is not None:
            starts = [int(path.stem) for path in self.paths.environments.glob("*.json") if path.stem.isdecimal()]
            write_json(self.paths.environments / f"{max(starts, default=-1) + 1:03d}.json", environment)

    def note_places(self, study: Path | None, data: Path | None) -> None:
        """Note in the plan where a study's own files and the full data sets lie, for whoever trains elsewhere."""
        plan = self._plan()
        places = {
            name: None if path is None else str(path.absolute()) for name, path in (("study", study), ("data", data))
        }
        if plan.get("places") != places:
            write_json(self.paths.plan, plan | {"places": places})

    def places(self) -> tuple[Path | None, Path | None]:
        """Those two folders, as they were noted."""
        places = self._plan().get("places")
        if not isinstance(places, dict):
            return None, None
        study, data = (places.get(name) for name in ("study", "data"))
        return Path(study) if isinstance(study, str) else None, Path(data) if isinstance(data, str) else None

    def add_round(self, round_: dict[str, Any], instead_of: set[str] = frozenset()) -> None:
        """Add a round to the plan. What was already planned stays as it is, but for the blocks it is ``instead_of``."""
        self.lock.check()
        plan = self._plan()
        for cohort in (cohort for old in plan["rounds"] for cohort in old["cohorts"]):
            cohort["blocks"] = [block for block in cohort["blocks"] if block["name"] not in instead_of]
        plan["rounds"].append(round_)
        write_json(self.paths.plan, plan)

    def note_current_trials(self, names: set[str]) -> None:
        """Note which trials are the study's as it stands; all others in the folder are of earlier forms of it.

        Where that changed, mistakes and outputs are to be made again.
        """
        plan = self._plan()
        noted = with_earlier(plan, (self.known_trials() | planned_trials(plan)) - names)
        if noted != plan:
            write_json(self.paths.plan, noted)
            self.forget_predictions()

    def earlier(self) -> frozenset[str]:
        """The names of the trials that are of earlier forms of the study."""
        return earlier_trials(self._plan())

    def current_blocks(self) -> set[str]:
        """The names of the planned blocks that the study as it stands has, done or still to be trained."""
        return set(current_blocks(self._plan(), self.paths.done_blocks()))

    def next_round(self) -> int:
        """A number that no block bears, though the plan may have been lost."""
        named = [re.match(r"r(\d+)-", block) for block in self.paths.done_blocks()]
        return max([len(self._plan()["rounds"]), *(int(found[1]) for found in named if found)]) + 1

    def planned_cohorts(self) -> list[dict[str, Any]]:
        """The cohorts of all rounds, as they were written."""
        return [cohort for round_ in self._plan()["rounds"] for cohort in round_["cohorts"]]

    def is_done(self, block: str) -> bool:
        return self.paths.trials(block).exists()

    def known_trials(self, blocks: Iterable[str] | None = None) -> set[str]:
        """The names of all trials with records, or of those of some blocks."""
        names: set[str] = set()
        for block in self.paths.done_blocks() if blocks is None else filter(self.is_done, blocks):
            names.update(read_parquet(self.paths.trials(block), columns=["trial"])["trial"])
        return names

    def write_block(
        self,
        block: str,
        trials: pl.DataFrame,
        curves: pl.LazyFrame,
        predictions: pl.DataFrame,
        weights: pl.DataFrame,
        timing: dict[str, Any],
    ) -> None:
        """The records of a block. Its trials come last: a block without them does not count and is trained again."""
        frames = {"curves": curves, "predictions": predictions, "weights": weights, "trials": trials}
        kept = {
            kind: parquet_bytes(frame) for kind, frame in frames.items() if kind in ("curves", "trials") or frame.height
        }
        last = kept.pop("trials")
        for kind, content in kept.items():
            write_bytes(getattr(self.paths, kind)(block), content)
        sums = {kind: sha256(content) for kind, content in {**kept, "trials": last}.items()}
        write_json(self.paths.timing(block), with_own_sum(timing | {"sha256": sums}))
        for folder in (*(getattr(self.paths, kind)(block).parent for kind in kept), self.paths.timing(block).parent):
            bring_names_to_disk(folder)
        write_bytes(self.paths.trials(block), last)

    def write_labels(self, name: str, answers: pl.DataFrame) -> None:
        """The labels that predictions of a task are held against, where they are not there yet."""
        path = self.paths.answers / f"{name}.parquet"
        if not path.exists():
            write_parquet(path, answers)

    def write_models(self, texts: Mapping[str, str]) -> None:
        """The models of tasks as texts, those of earlier starts kept."""
        known = read_table(self.paths.models) if self.paths.models.exists() else {}
        if texts.keys() - known.keys():
            write_json(self.paths.models, known | dict(texts))

    def write_pipelines(self, pipelines: Mapping[str, Mapping[str, Any]]) -> None:
        """How the files of tasks became arrays; those of earlier starts are kept where the task is not among them."""
        known = read_table(self.paths.pipelines) if self.paths.pipelines.exists() else {}
        if any(known.get(task) != pipeline for task, pipeline in pipelines.items()):
            write_json(self.paths.pipelines, known | {task: dict(pipeline) for task, pipeline in pipelines.items()})

    def forget_predictions(self) -> None:
        """Remove mistakes and outputs while blocks are trained: where they are, they are of all blocks."""
        for path in (self.paths.mistakes, self.paths.outputs):
            if path.exists():
                with noted(path, None):
                    path.unlink()

    def write_mistakes(self, mistakes: pl.DataFrame) -> None:
        """The examples got wrong most often, over all blocks so far."""
        write_parquet(self.paths.mistakes, mistakes)

    def write_outputs(self, outputs: pl.DataFrame) -> None:
        """What the best trials so far give on validation, and the targets."""
        write_parquet(self.paths.outputs, outputs)

    def note_ended(self) -> None:
        """Note what was finished: blocks, which are missed from then on, and what the jobs of the run left."""
        note_blocks(self.paths.root, self.paths.done_blocks())
        note_folder(self.paths.root, self.paths.launches)
        note_there(self.paths.root, with_own_sums(self.paths))

    def _keep_sums(self) -> None:
        """Begin to keep checksums; where they are kept, those of files that a killed run was writing are set right."""
        if is_kept(self.paths.root):
            settle(self.paths.root)
        elif not self.paths.sums.exists():
            for path in map(self.paths.timing, self.paths.done_blocks()):  # of a version that kept none
                sums, whole = sums_in_timing(timing := read_table(path)) if path.exists() else ({}, True)
                if sums and whole is None:
                    write_json(path, with_own_sum(timing))
            begin(self.paths.root, lambda path, content: write_atomically(path, lambda file: file.write(content)))

    def _plan(self) -> dict[str, Any]:
        if not self.paths.plan.exists():
            return {"format": PLAN_FORMAT, "rounds": []}
        return read_plan(self.paths.plan, own_format=True)

    def _check(self, study: Study, resume: bool) -> None:
        if self.paths.study.exists():
            before = read_study(self.paths.study)
            if before.name != study.name:
                raise StoreError(
                    f"{self.paths.root} holds a run of study {before.name}, not of {study.name}; "
                    "choose another folder with --out"
                )
        left = [block for block in self.current_blocks() if not self.is_done(block)]
        if left and not resume:
            raise StoreError(
                f"the run in {self.paths.root} was stopped with {len(left)} of its blocks still to train; "
                "add --resume to continue with it, --fresh to put it aside and start over, or choose "
                "another folder with --out"
            )

    def _lock(self) -> None:
        """Take the lock, in a folder that is made now where there is none."""
        root = self.paths.root
        try:
            self.made = not_there(root)
            root.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise StoreError(f"{root} is a file, not a folder; choose another with --out") from None
        except OSError as failure:
            raise StoreError(cannot_write(root, failure)) from failure
        outside = [folder for folder in self.paths.folders if folder.is_symlink()]
        if outside:
            raise StoreError(
                f"{outside[0]} is a link that leads out of the run folder, to {outside[0].readlink()}; "
                "put a folder in its place, or choose another run folder with --out"
            )
        self.lock.take()

    def _sweep(self) -> None:
        """Remove what a killed run left half written, and checkpoints of blocks that were finished.

        What a job that is at work just now writes is left alone.
        """
        busy = tuple(f".{block}." for block in live(self.paths))
        left = [path for path in self.paths.leftovers() if not path.name.startswith(busy)]
        done = self.paths.done_blocks()
        for path in [*left, *map(self.paths.checkpoint, done), *map(self.paths.lease, done)]:
            remove(path)

    def _unlock(self) -> None:
        self.lock.release()
        for folder in (self.paths.checkpoints, self.paths.lease("").parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()  # nothing is at rest
        remove_made(self.made)  # nothing was run: leave no trace


def as_text(study: Study) -> str:
    """The study as the folder keeps it, or StoreError where it is too long."""
    text = dump_study(study)
    if len(text) > MAX_TEXT_BYTES:
        raise StoreError(
            f"study {study.name} as TOML has {len(text):,} signs, more than {MAX_TEXT_BYTES:,}; give "
            "axes instead of single points"
        )
    return text
