"""What MNIST and Fashion-MNIST share: four IDX files of the same shapes, and their splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fallline.contracts import Split, Splits
from fallline.datasets.files import DataFile, check_size, need_copy
from fallline.datasets.idx import read_known
from fallline.datasets.sample import load_sample
from fallline.datasets.shapes import labelled_images

CLASSES = 10
TRAIN = 55_000  # of 60,000; the last 5,000 are for validation
SHAPES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
IMAGES = labelled_images({"full": (TRAIN, 60_000 - TRAIN, 10_000), "sample": (4_000, 1_000, 1_000)}, (28, 28))


def idx_files(
    dataset: str,
    mirrors: tuple[str, ...],
    bytes_published: tuple[int, ...],
    published: tuple[str, ...],
    unpacked: tuple[str, ...],
) -> tuple[DataFile, ...]:
    """The four files in the order of SHAPES, with their sizes in bytes and hashes in the same order."""
    return tuple(
        DataFile(
            name,
            (dataset,),
            bytes_unpacked=4 + 4 * len(shape) + int(np.prod(shape)),
            sha256_unpacked=whole,
            published=f"{name}.gz",
            bytes_published=packed_bytes,
            sha256_published=(packed,),
            urls=tuple(f"{mirror}{name}.gz" for mirror in mirrors),
        )
        for (name, shape), packed_bytes, packed, whole in zip(
            SHAPES.items(), bytes_published, published, unpacked, strict=True
        )
    )


def loader(dataset: str, files: tuple[DataFile, ...]) -> Callable[..., Splits]:
    """The ``load`` of such a dataset: images uint8 [n, 28, 28], labels int32 [n].

    Full: the first 55,000 for training, the last 5,000 of the 60,000 for validation, 10,000 for test.
    """

    def load(size: str = "sample", folder: Path | None = None) -> Splits:
        if check_size(dataset, size) == "sample":
            return load_sample(dataset)
        copy = need_copy(dataset, files, folder, ", or use the small sample in the package: --set data=sample")
        images, labels, test_images, test_labels = (
            read_known(file, path, SHAPES[file.name], CLASSES if len(SHAPES[file.name]) == 1 else 0)
            for file, path in copy.found
        )
        labels = labels.astype(np.int32)
        return Splits(
            Split(images[:TRAIN], labels[:TRAIN]),
            Split(images[TRAIN:], labels[TRAIN:]),
            Split(test_images, test_labels.astype(np.int32)),
        )

    return load
