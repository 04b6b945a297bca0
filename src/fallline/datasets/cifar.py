"""The CIFAR-10 binary format: records of 3,073 bytes, a label and a 3x32x32 image, channel first."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fallline.contracts import Split
from fallline.datasets.files import DataFile
from fallline.datasets.idx import check_labels
from fallline.datasets.source import CHUNK_BYTES, Source, check_hash, check_head
from fallline.errors import DataError

RECORD_BYTES = 1 + 3 * 32 * 32
CLASSES = 10
MAX_BYTES = 1 << 32


def read_cifar(path: Path | str, max_bytes: int = MAX_BYTES) -> Split:
    """The examples of your own file in this format, plain or gzipped; no hash is needed.

    Returns images uint8 [n, 32, 32, 3] and labels int32 [n]. DataError for a length that is not a whole number of
    records, a label outside 0..9 or more than ``max_bytes``.

    Source: Krizhevsky, "Learning multiple layers of features from tiny images" (2009), binary version.
    """
    data = bytearray()
    with Source(path) as source:
        while piece := source.read(CHUNK_BYTES):
            data += piece
            if len(data) > max_bytes:
                raise DataError(f"{path} holds more than {max_bytes:,} bytes")
    return decode(data, path)


def read_batch(file: DataFile, path: Path) -> Split:
    """The examples of a published batch file; its length and hash are checked as far as they are known."""
    with Source(path) as source:
        data = source.take(file.bytes_unpacked, f"{file.bytes_unpacked // RECORD_BYTES:,} records")
        source.end()
    batch = decode(data, path)
    check_head(file, path, data)
    check_hash(file, path, source.sha256)
    return batch


def decode(data: bytes | bytearray, path: Path | str) -> Split:
    """Records as images uint8 [n, 32, 32, 3], channel last, and labels int32 [n]."""
    count, rest = divmod(len(data), RECORD_BYTES)
    if rest or not count:
        raise DataError(
            f"{path} holds {len(data):,} bytes, expected a whole number of records of {RECORD_BYTES:,} bytes"
        )
    records = np.frombuffer(data, np.uint8).reshape(count, RECORD_BYTES)
    labels = records[:, 0].astype(np.int32)
    check_labels(labels, CLASSES, path)
    images = records[:, 1:].reshape(count, 3, 32, 32).transpose(0, 2, 3, 1)
    return Split(np.ascontiguousarray(images), labels)
