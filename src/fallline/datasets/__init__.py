"""Datasets: where their files are, how they are fetched and read. Found by name; numpy only."""

from __future__ import annotations

from fallline.contracts import Dataset
from fallline.contracts.registry import find, parts
from fallline.datasets.copies import DataRow, FileRow, get_data, list_data, verify_data

__all__ = ["DataRow", "FileRow", "builtin_datasets", "find_dataset", "get_data", "list_data", "verify_data"]


def builtin_datasets() -> dict[str, Dataset]:
    """Every dataset by name."""
    return parts(__name__, Dataset)


def find_dataset(name: str, where: str = "") -> Dataset:
    """The dataset of that name, or UnknownName with similar names.

    >>> from fallline.datasets import find_dataset
    >>> splits = find_dataset("mnist").load("sample", None)
    >>> splits.train.inputs.shape
    (4000, 28, 28)
    """
    return find(__name__, Dataset, name, where)
