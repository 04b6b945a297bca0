"""CIFAR-10: small colour photographs, 32 x 32. No sample ships in the package, since no licence is stated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fallline.contracts import Dataset, Split, Splits
from fallline.datasets.archive import read_known_archive
from fallline.datasets.cifar import RECORD_BYTES, decode, read_batch
from fallline.datasets.files import DataFile, check_size, find_copy, missing_files, need_copy
from fallline.datasets.shapes import labelled_images

INNER = "cifar-10-batches-bin"
BATCH = 10_000
SAMPLE_BATCH = 1_000
TRAIN = {"full": 45_000, "sample": 4_000}  # of 50,000 and 5,000; the rest is for validation

# The first 1,000 records of each batch, which are the sample.
_BEGINNINGS = {
    "data_batch_1.bin": "1c5f9ea0fc1111d586f29115efd3db25eecf7db27b29aaebbe84721446b052cc",
    "data_batch_2.bin": "4f979f9b23aaa1ed4caa123051abf301d1bf3efaafb71eb652c88915b5724f2d",
    "data_batch_3.bin": "b22c7fc2fb3577032913fa43c14b40b539abf70f40cfc257fa90f035d3728e34",
    "data_batch_4.bin": "998398a620412db9b26cad6a83aff2d049fef005e171474ed2676c0397c7157f",
    "data_batch_5.bin": "d427e63de6374fb63b5a1d61a35cf7a9457aaac5f1af2ef2ac87ecfef4877085",
    "test_batch.bin": "8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5",
}

_BATCHES = tuple(
    DataFile(
        name,
        ("cifar-10", f"cifar-10/{INNER}", INNER),
        bytes_unpacked=BATCH * RECORD_BYTES,
        head=(SAMPLE_BATCH * RECORD_BYTES, beginning),
    )
    for name, beginning in _BEGINNINGS.items()
)
_ARCHIVE = DataFile(
    "cifar-10-binary.tar.gz",
    ("cifar-10",),
    published="cifar-10-binary.tar.gz",
    bytes_published=170_052_171,
    sha256_published=("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",),
    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    members=_BATCHES,
)
_SAMPLE = tuple(
    DataFile(
        name, ("cifar-10-sample",), bytes_unpacked=SAMPLE_BATCH * RECORD_BYTES, sha256_unpacked=whole, size="sample"
    )
    for name, whole in _BEGINNINGS.items()
)


def load(size: str = "sample", folder: Path | None = None) -> Splits:
    """Images uint8 [n, 32, 32, 3], channel last, and labels int32 [n].

    Full: 45,000 training examples, the last 5,000 of the 50,000 for validation, 10,000 for test. Sample: the first
    1,000 of each batch, so 4,000, the last 1,000 of the 5,000, and 1,000; cut from the full files if the files of the
    sample are missing.
    """
    if check_size("cifar-10", size) == "full":
        return _splits(_full(folder), TRAIN["full"])
    copy = find_copy(_SAMPLE, folder)
    if not copy.missing:
        return _splits({file.name: read_batch(file, path) for file, path in copy.found}, TRAIN["sample"])
    if find_copy([_ARCHIVE], folder).missing:
        raise missing_files(
            "cifar-10",
            copy.missing,
            folder,
            "; no sample of CIFAR-10 ships in the package, the full data serves for it",
        )
    beginnings = {name: Split(*(array[:SAMPLE_BATCH] for array in batch)) for name, batch in _full(folder).items()}
    return _splits(beginnings, TRAIN["sample"])


def _full(folder: Path | None) -> dict[str, Split]:
    found = need_copy("cifar-10", [_ARCHIVE], folder).found
    if found[0][0] is not _ARCHIVE:
        return {file.name: read_batch(file, path) for file, path in found}
    path = found[0][1]
    contents = read_known_archive(_ARCHIVE, path, INNER)
    return {name: decode(content, f"{path}, {name}") for name, content in contents.items()}


def _splits(batches: dict[str, Split], train: int) -> Splits:
    names = [name for name in _BEGINNINGS if name != "test_batch.bin"]
    images = np.concatenate([batches[name].inputs for name in names])
    labels = np.concatenate([batches[name].targets for name in names])
    return Splits(
        Split(images[:train], labels[:train]), Split(images[train:], labels[train:]), batches["test_batch.bin"]
    )


CIFAR_10 = Dataset(
    name="cifar-10",
    title="CIFAR-10, colour photographs",
    load=load,
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    licence="Alex Krizhevsky (2009); no licence is stated, so nothing of it ships in the package",
    files=(_ARCHIVE, *_SAMPLE),
    has_sample=False,
    examples=TRAIN,
    shapes=labelled_images({"full": (45_000, 5_000, 10_000), "sample": (4_000, 1_000, 1_000)}, (32, 32, 3)),
)
