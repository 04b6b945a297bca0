"""The task of arrays that were read from a file: what tables, images, texts and arrays have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fallline.contracts import Loss, Model, Splits, Task
from fallline.metrics import find_metric


def task_of_splits(
    name: str,
    splits: Splits,
    models: Callable[..., Model],
    loss: str | Loss,
    metrics: Iterable[str],
    identity: str,
    pipeline: Mapping[str, Any],
    **fields: Any,
) -> Task:
    """The task named ``name`` on ``splits``, with the default one of ``models``; ``fields`` are further ones of a Task.

    ``identity`` is a text of all that the arrays were made from: trials are named by its hash. ``pipeline`` says how
    they were made, and is kept with the run.
    """

    def data(size: str, folder: Path | None) -> Splits:
        return splits

    return Task(
        name,
        models(),
        data,
        loss,
        metrics={metric: find_metric(metric) for metric in metrics},
        fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:16],
        examples=dict.fromkeys(("sample", "full"), len(splits.train.inputs)),
        models=models,
        pipeline=dict(pipeline),
        **fields,
    )


def unit_bytes(inputs: Any) -> Any:
    """Bytes as numbers from -1 to 1."""
    return inputs.astype("float32") / 127.5 - 1
