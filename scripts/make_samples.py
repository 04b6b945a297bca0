"""Make the small samples of the package from the full files: python scripts/make_samples.py FOLDER.

FOLDER holds mnist/ and fashion-mnist/ as `fallline data get` leaves them. Each split of a sample is a part of the same
split of the full data, with as many images of each class. An image's place in the line is the SHA-256 of its pixels:
the first of each class are taken, and they stay in that order, so the choice needs no random numbers and the classes
come mixed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from fallline.contracts import Split, Splits
from fallline.datasets import find_dataset

NAMES = ("mnist", "fashion-mnist")
PER_CLASS = {"train": 400, "validation": 100, "test": 100}
SAMPLES = Path(__file__).resolve().parent.parent / "src" / "fallline" / "datasets" / "samples"


def main() -> None:
    """Write the samples of both datasets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds mnist/ and fashion-mnist/")
    parser.add_argument("--into", type=Path, default=SAMPLES, help="where the .npz files go")
    given = parser.parse_args()
    for name in NAMES:
        path = given.into / f"{name}.npz"
        path.write_bytes(packed(sample(find_dataset(name).load("full", given.folder))))
        print(f"{path}: {path.stat().st_size:,} bytes")


def sample(splits: Splits) -> dict[str, np.ndarray]:
    """The arrays of a sample: images, labels (uint8) and rows in the full split (uint16), for each split."""
    arrays = {}
    for name, count in PER_CLASS.items():
        split = getattr(splits, name)
        rows = chosen(split, count)
        arrays[f"{name}_images"] = split.inputs[rows]
        arrays[f"{name}_labels"] = split.targets[rows].astype(np.uint8)
        arrays[f"{name}_rows"] = rows.astype(np.uint16)
    return arrays


def chosen(split: Split, count: int) -> np.ndarray:
    """The rows of the ``count`` images of each class whose hashes come first, in the order of the hashes."""
    hashes = [hashlib.sha256(image.tobytes()).digest() for image in split.inputs]
    line = np.array(sorted(range(len(hashes)), key=lambda row: (hashes[row], row)))
    labels = split.targets[line]
    keep = np.zeros(len(line), bool)
    for label in np.unique(labels):
        keep[np.flatnonzero(labels == label)[:count]] = True
    return line[keep]


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """The arrays as an .npz of the same bytes each time: no date, hardest compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            file.writestr(entry, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
