"""The IDX format of MNIST: a magic number, the dimensions, then the values, all big-endian."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from fallline.datasets.files import DataFile
from fallline.datasets.source import Source, check_hash
from fallline.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_RANK = 8
MAX_BYTES = 1 << 32


def read_idx(path: Path | str, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """The array of an IDX file, plain or gzipped, in native byte order; writable.

    For your own files: the header is checked against the actual length, no hash is needed. ``max_bytes`` bounds the
    size of the array. DataError for everything that violates the format.

    Source: LeCun and Cortes, "The MNIST database", section "the IDX file format" (1998).
    """
    with Source(path) as source:
        array = _read(source, max_bytes)
        source.end()
    return array


def read_known(file: DataFile, path: Path, shape: tuple[int, ...], classes: int = 0) -> np.ndarray:
    """The bytes of a published file: of this shape, with labels below ``classes`` if given, and with the known hash."""
    with Source(path) as source:
        array = _read(source, file.bytes_unpacked, shape)
        source.end()
    if classes:
        check_labels(array, classes, path)
    check_hash(file, path, source.sha256)
    return array


def check_labels(labels: np.ndarray, classes: int, path: Path | str) -> None:
    """DataError where a label is not one of 0 .. classes - 1."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise DataError(
            f"{path}: label {wrong[0]} of {labels.size} is {labels[wrong[0]]}, labels must lie in "
            f"0..{classes - 1} ({wrong.size} are wrong)"
        )


def _read(source: Source, max_bytes: int, expected: tuple[int, ...] | None = None) -> np.ndarray:
    zero, code, rank = struct.unpack(">HBB", source.take(4, "the magic number"))
    if zero or code not in TYPES or not 1 <= rank <= MAX_RANK:
        types = ", ".join(f"{known:02x}" for known in TYPES)
        raise DataError(
            f"{source.path} is not an IDX file: it starts with {zero:04x} {code:02x} {rank:02x}, expected "
            f"0000, a type of {types}, a rank of 1 to {MAX_RANK}"
        )
    shape = struct.unpack(f">{rank}I", source.take(4 * rank, "the dimensions"))
    if expected is not None and (code != 0x08 or shape != expected):
        raise DataError(
            f"{source.path} says it holds {_words(shape)} values of type {code:02x}, expected "
            f"{_words(expected)} of type 08"
        )
    kind = np.dtype(TYPES[code])
    size = math.prod(shape) * kind.itemsize
    if size == 0 or size > max_bytes:
        raise DataError(
            f"{source.path} says it holds {_words(shape)} values, {size:,} bytes; expected 1 to {max_bytes:,} bytes"
        )
    data = source.take(size, f"{_words(shape)} values")
    return np.frombuffer(data, kind).reshape(shape).astype(kind.newbyteorder("="), copy=False)


def _words(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
