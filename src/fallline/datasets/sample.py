"""The small samples in the package: subsets of the full splits, balanced over the classes."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from fallline.contracts import Split, Splits

SPLITS = ("train", "validation", "test")


def load_sample(dataset: str) -> Splits:
    """4,000 train, 1,000 validation and 1,000 test images uint8 [n, 28, 28] with labels int32 [n]."""
    arrays = sample_arrays(dataset)
    return Splits(*(Split(arrays[f"{split}_images"], arrays[f"{split}_labels"].astype(np.int32)) for split in SPLITS))


def sample_arrays(dataset: str) -> dict[str, np.ndarray]:
    """The stored arrays: of each split its images, its labels, and ``<split>_rows``, their rows in the full split."""
    path = files("fallline.datasets") / "samples" / f"{dataset}.npz"
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
