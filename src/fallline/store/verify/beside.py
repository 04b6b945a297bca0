"""What stands beside the blocks: environments, labels, mistakes, outputs, models, claims, looks, readings of test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from fallline.errors import StoreError
from fallline.store.claims import noted_claims, read_claims
from fallline.store.files import PARQUET_FAILURES, read_table
from fallline.store.interim_analyses import recorded_analyses
from fallline.store.launches import read_launch
from fallline.store.paths import RunPaths, answers_name
from fallline.store.run import ANSWERS, MISTAKES, OUTPUTS, Run
from fallline.store.test_reads import readings
from fallline.store.verify.block import BlockFiles
from fallline.store.verify.finding import AGAIN, ASIDE, Finding
from fallline.study import Study

MADE_AGAIN = f"{ASIDE}, and {AGAIN} writes it again from the records"


def check_beside(paths: RunPaths, study: Study | None, blocks: Sequence[BlockFiles], finished: bool) -> list[Finding]:
    """What is damaged or missing beside the blocks. Mistakes are there once the run is ``finished``."""
    return [
        *_environments(paths),
        *_answers(paths, blocks, finished),
        *_outputs(paths),
        *_models(paths, study),
        *_history(paths, study),
        *_launches(paths),
    ]


def _environments(paths: RunPaths) -> list[Finding]:
    return [
        Finding(
            f"environments/{path.name}",
            "it is damaged",
            f"{ASIDE}; what that start ran on is then not known",
            goes=True,
        )
        for path in sorted(paths.environments.glob("*.json"))
        if _fails(read_table, path)
    ]


def _answers(paths: RunPaths, blocks: Sequence[BlockFiles], finished: bool) -> list[Finding]:
    """The labels of every task with predictions, as many as there are predictions; and the mistakes."""
    found = []
    predicts = {pair: block.name for block in blocks for pair in block.predicts}
    known = {f"{answers_name(*pair)}.parquet": pair for pair in predicts}
    files = {path.name: path for path in paths.answers.glob("*.parquet")}
    for name in sorted({*known, *files}):
        if name not in files:
            found.append(
                Finding(f"answers/{name}", f"the labels of task {known[name][0]} are gone", f"{AGAIN} writes them anew")
            )
        else:
            wrong = _table(files[name], ANSWERS)
            if wrong is None and name in known:
                wrong = _other_examples(paths, files[name], predicts[known[name]])
            found += [] if wrong is None else [Finding(f"answers/{name}", wrong, MADE_AGAIN, goes=True)]
    if paths.mistakes.exists():
        if (wrong := _table(paths.mistakes, MISTAKES)) is not None:
            found.append(Finding(paths.mistakes.name, wrong, MADE_AGAIN, goes=True))
    elif predicts and finished:
        found.append(
            Finding(
                paths.mistakes.name,
                "it is gone, or the run was killed at its very end",
                f"{AGAIN} writes it from the records",
            )
        )
    return found


def _outputs(paths: RunPaths) -> list[Finding]:
    wrong = _table(paths.outputs, OUTPUTS) if paths.outputs.exists() else None
    return [] if wrong is None else [Finding(paths.outputs.name, wrong, MADE_AGAIN, goes=True)]


def _table(path: Path, schema: dict[str, Any]) -> str | None:
    """What is wrong with a table that must have these columns; None where nothing is."""
    if path.stat().st_size == 0:
        return "it is empty"
    try:
        pl.read_parquet(path, glob=False).select(pl.col(name).cast(kind) for name, kind in schema.items())
    except PARQUET_FAILURES as failure:
        return f"it cannot be read ({' '.join(str(failure).split())[:80]})"
    return None


def _other_examples(paths: RunPaths, answers: Path, block: str) -> str | None:
    """What is wrong where labels and predictions are not as many in each split."""
    try:
        return _lengths(paths, answers, block)
    except PARQUET_FAILURES as failure:
        return f"it cannot be held against predictions ({' '.join(str(failure).split())[:80]})"


def _lengths(paths: RunPaths, answers: Path, block: str) -> str | None:
    labels = pl.read_parquet(answers, glob=False)
    labels = labels.select("task", "data", "split", pl.col("labels").list.len().alias("labels"))
    trials = pl.read_parquet(paths.trials(block), columns=["trial", "task", "data"], glob=False)
    lengths = pl.col("predicted").cast(pl.List(pl.UInt16)).list.len()
    predicted = pl.read_parquet(paths.predictions(block), glob=False).select("trial", "split", lengths)
    both = predicted.join(trials, on="trial").join(labels, on=["task", "data", "split"], how="left")
    if labels.is_empty():
        return "it has no labels"
    both = both.filter(pl.col("task") == labels["task"][0], pl.col("data") == labels["data"][0])
    if both.filter(pl.col("labels").is_null() | (pl.col("labels") != pl.col("predicted"))).height:
        return f"it has other examples than the predictions of block {block}"
    return None


def _launches(paths: RunPaths) -> list[Finding]:
    return [
        Finding(
            path.parent.relative_to(paths.root).as_posix(),
            "what was launched cannot be read",
            f"{ASIDE}; what its jobs trained is kept",
            goes=True,
        )
        for path in sorted(paths.launches.glob("*/launch.json"))
        if _fails(read_launch, path)
    ]


def _models(paths: RunPaths, study: Study | None) -> list[Finding]:
    if not paths.models.exists():
        task = None if study is None else study.task
        if isinstance(task, str) and task in study.networks and paths.done_blocks():
            return [Finding(paths.models.name, "the texts of the networks are gone", f"{AGAIN} writes them anew")]
        return []
    if _fails(lambda folder: Run(folder).model_texts, paths.root):
        return [Finding(paths.models.name, "it is damaged", f"{ASIDE}, and {AGAIN} writes it again", goes=True)]
    return []


def _history(paths: RunPaths, study: Study | None) -> list[Finding]:
    """What was noted about the study in its time: none of it can be made again."""
    found = []
    reads: list[tuple[Path, Callable[[RunPaths], Any], str]] = [
        (paths.claims, read_claims, "the report then cannot tell when the claims were made"),
        (paths.test_reads, readings, "nobody can tell then how often the test split of this run was read"),
    ]
    for path, read, lost in reads:
        if path.exists() and _fails(read, paths):
            found.append(Finding(path.name, "it is damaged", f"{ASIDE}; {lost}", goes=True))
    makes_claims = study is not None and study.claims and paths.done_blocks()
    if makes_claims and not _fails(read_claims, paths) and noted_claims(paths, study) is None:
        found.append(
            Finding(
                paths.claims.name,
                "the claims of the study are not noted",
                f"{AGAIN} notes them, as made after the trials that are there",
            )
        )
    if paths.interim_analyses.exists() and _fails(recorded_analyses, paths):
        found.append(
            Finding(
                paths.interim_analyses.name,
                "it is damaged: nobody knows how often this run was looked at",
                "take it from a backup, or start over in another folder",
            )
        )
    return found


def _fails(read: Callable[[Any], Any], argument: Any) -> bool:
    try:
        read(argument)
    except StoreError:
        return True
    return False
