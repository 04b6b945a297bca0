"""The datasets: found by name, split as said, the sample real, a copy found, listed and verified."""

import gzip
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from platformdirs import user_cache_path

from fallline.datasets import builtin_datasets, find_dataset, get_data, list_data, verify_data
from fallline.datasets.cifar10 import RECORD_BYTES
from fallline.datasets.sample import sample_arrays
from fallline.errors import DataError, UnknownName

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("mnist", "fashion-mnist")
SPLITS = ("train", "validation", "test")


def found_data(name):
    """The folder that holds the data of that name, or a skip that says so."""
    for folder in filter(None, (os.environ.get("FALLLINE_DATA"), ROOT.parent / "shared" / "data")):
        if (Path(folder) / name).is_dir():
            return Path(folder)
    pytest.skip(f"no {name}/ in FALLLINE_DATA or ../shared/data")


def full_arrays(name):
    """The arrays of the published files, read without our reader."""
    folder = found_data(name) / name
    read = [
        gzip.decompress((folder / f"{part}.gz").read_bytes())
        for part in (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        )
    ]
    return [
        np.frombuffer(data[8 if part % 2 else 16 :], np.uint8).reshape((-1,) if part % 2 else (-1, 28, 28))
        for part, data in enumerate(read)
    ]


def test_each_dataset_is_found_by_its_name_and_an_unknown_one_lists_the_near():
    assert sorted(builtin_datasets()) == ["cifar-10", "fashion-mnist", "mnist"]
    for name, dataset in builtin_datasets().items():
        assert find_dataset(name) is dataset
        assert len(dataset.classes) == 10 and dataset.licence and dataset.title and dataset.files
    with pytest.raises(UnknownName, match=r"no dataset is named 'mnits' \(study\.toml\); did you mean mnist"):
        find_dataset("mnits", "study.toml")


def test_the_package_imports_without_numpy_and_never_imports_jax():
    code = (
        "import sys, fallline.datasets as d; assert 'numpy' not in sys.modules, 'numpy'; "
        "d.find_dataset('mnist').load('sample', None); d.list_data('.'); assert 'jax' not in sys.modules, 'jax'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [name for name, dataset in builtin_datasets().items() if dataset.has_sample])
def test_the_shipped_sample_is_balanced_mixed_and_disjoint(name, tmp_path):
    splits = find_dataset(name).load("sample", tmp_path)
    seen = set()
    for split, each in zip(SPLITS, (400, 100, 100), strict=True):
        images, labels = getattr(splits, split)
        assert images.shape == (10 * each, 28, 28) and images.dtype == np.uint8
        assert labels.shape == (10 * each,) and labels.dtype == np.int32
        assert np.bincount(labels, minlength=10).tolist() == [each] * 10
        assert len(set(labels[:100].tolist())) == 10
        hashes = {image.tobytes() for image in images}
        assert len(hashes) == 10 * each and not hashes & seen
        seen |= hashes


@pytest.mark.parametrize("name", SHIPPED)
def test_each_sample_image_is_that_row_of_the_same_split_of_the_full_files(name):
    images, labels, test_images, test_labels = full_arrays(name)
    full = {
        "train": (images[:55_000], labels[:55_000]),
        "validation": (images[55_000:], labels[55_000:]),
        "test": (test_images, test_labels),
    }
    arrays = sample_arrays(name)
    for split, (split_images, split_labels) in full.items():
        rows = arrays[f"{split}_rows"]
        assert len(set(rows.tolist())) == len(rows)
        assert np.array_equal(arrays[f"{split}_images"], split_images[rows])
        assert np.array_equal(arrays[f"{split}_labels"], split_labels[rows])


@pytest.mark.parametrize("name", SHIPPED)
def test_the_full_data_is_split_55000_5000_10000_in_the_order_of_the_files(name):
    images, labels, test_images, test_labels = full_arrays(name)
    splits = find_dataset(name).load("full", found_data(name))
    assert [len(getattr(splits, split).targets) for split in SPLITS] == [55_000, 5_000, 10_000]
    assert np.array_equal(np.concatenate([splits.train.inputs, splits.validation.inputs]), images)
    assert np.array_equal(np.concatenate([splits.train.targets, splits.validation.targets]), labels)
    assert np.array_equal(splits.test.inputs, test_images) and np.array_equal(splits.test.targets, test_labels)
    assert splits.train.inputs.dtype == np.uint8 and splits.train.targets.dtype == np.int32


def test_the_script_makes_the_samples_that_ship():
    script = runpy.run_path(str(ROOT / "scripts" / "make_samples.py"))
    arrays = script["sample"](find_dataset("mnist").load("full", found_data("mnist")))
    shipped = sample_arrays("mnist")
    assert arrays.keys() == shipped.keys()
    for name, array in arrays.items():
        assert array.dtype == shipped[name].dtype and np.array_equal(array, shipped[name])
    few = {name: array[:50] for name, array in arrays.items()}
    assert script["packed"](few) == script["packed"](few)


def test_an_unpacked_copy_serves_as_well_as_a_packed_one(tmp_path):
    folder = found_data("mnist")
    shutil.copytree(folder / "mnist", tmp_path / "mnist", copy_function=shutil.copyfile)
    (tmp_path / "mnist").chmod(0o755)
    for path in (tmp_path / "mnist").glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert {row.state for row in verify_data("mnist", tmp_path)} == {"ok"}
    one, other = (find_dataset("mnist").load("full", place) for place in (folder, tmp_path))
    assert np.array_equal(one.train.inputs, other.train.inputs)
    assert np.array_equal(one.test.targets, other.test.targets)


def test_one_changed_pixel_is_wrong_in_load_and_in_verify(tmp_path):
    shutil.copytree(found_data("mnist") / "mnist", tmp_path / "mnist", copy_function=shutil.copyfile)
    (tmp_path / "mnist").chmod(0o755)
    path = tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[5_000] ^= 1
    path.write_bytes(gzip.compress(content, 1))
    with pytest.raises(DataError, match=r"t10k-images.*SHA-256.*expected 0fa7898d"):
        find_dataset("mnist").load("full", tmp_path)
    rows = {Path(row.file).name: row for row in verify_data("mnist", tmp_path)}
    assert rows.pop(path.name).state == "wrong"
    assert [row.state for row in rows.values()] == ["ok"] * 3


def test_cifar_sample_is_the_records_of_its_files_channel_last():
    folder = found_data("cifar-10-sample")
    splits = find_dataset("cifar-10").load("sample", folder)
    assert [len(getattr(splits, split).targets) for split in SPLITS] == [4_000, 1_000, 1_000]
    for split, row, file, record in (
        ("train", 1_007, "data_batch_2", 7),
        ("validation", 3, "data_batch_5", 3),
        ("test", 999, "test_batch", 999),
    ):
        raw = (folder / "cifar-10-sample" / f"{file}.bin").read_bytes()[record * RECORD_BYTES :][:RECORD_BYTES]
        images, labels = getattr(splits, split)
        assert labels[row] == raw[0]
        for down, along, channel in ((0, 0, 0), (3, 17, 1), (31, 30, 2)):
            assert images[row, down, along, channel] == raw[1 + 1024 * channel + 32 * down + along]
    assert {row.state for row in verify_data("cifar-10", folder) if "sample" in row.file} == {"ok"}


def test_unpacked_cifar_batches_give_45000_5000_10000_and_the_same_sample(tmp_path):
    folder = found_data("cifar-10-sample")
    inner = tmp_path / "cifar-10" / "cifar-10-batches-bin"
    inner.mkdir(parents=True)
    for path in (folder / "cifar-10-sample").glob("*.bin"):
        # Real for the 1,000 records whose hash is known, then zeros: black images of class 0.
        (inner / path.name).write_bytes(path.read_bytes())
        os.truncate(inner / path.name, 10_000 * RECORD_BYTES)
    splits = find_dataset("cifar-10").load("full", tmp_path)
    assert [getattr(splits, split).inputs.shape for split in SPLITS] == [
        (45_000, 32, 32, 3),
        (5_000, 32, 32, 3),
        (10_000, 32, 32, 3),
    ]
    cut, own = (find_dataset("cifar-10").load("sample", place) for place in (tmp_path, folder))
    for split in SPLITS:
        assert np.array_equal(getattr(cut, split).inputs, getattr(own, split).inputs)
        assert np.array_equal(getattr(cut, split).targets, getattr(own, split).targets)
    with open(inner / "data_batch_3.bin", "r+b") as batch:
        batch.seek(77)
        batch.write(b"\x00\x01")
    with pytest.raises(DataError, match=r"data_batch_3\.bin is not .* as published: .* first 3,073,000 bytes"):
        find_dataset("cifar-10").load("full", tmp_path)
    wrong = [row for row in verify_data("cifar-10", tmp_path) if row.state == "wrong"]
    assert [Path(row.file).name for row in wrong] == ["data_batch_3.bin"]


@pytest.mark.parametrize("name", list(builtin_datasets()))
def test_missing_data_says_what_was_looked_for_where_and_the_remedy(name, tmp_path):
    with pytest.raises(DataError) as caught:
        find_dataset(name).load("full", tmp_path)
    text = str(caught.value)
    dataset = find_dataset(name)
    assert dataset.files[0].names[0] in text and str(tmp_path / name) in text
    assert f"`fallline data get {name}`" in text and "--data DIR" in text and "FALLLINE_DATA" in text
    assert ("--set data=sample" in text) == dataset.has_sample
    row = next(row for row in list_data(tmp_path) if row.name == name)
    assert row.found == () and len(row.missing) == sum(file.size == "full" for file in dataset.files)
    assert row.sample_shipped == dataset.has_sample
    assert {row.state for row in verify_data(name, tmp_path)} == {"missing"}


def test_places_are_the_folder_asked_for_else_the_variable_then_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FALLLINE_DATA", str(tmp_path / "named"))
    with pytest.raises(DataError) as caught:
        find_dataset("mnist").load("full", None)
    text = str(caught.value)
    cache = user_cache_path("fallline") / "data" / "mnist"
    assert 0 < text.index(str(tmp_path / "named" / "mnist")) < text.index(str(cache))
    with pytest.raises(DataError) as caught:
        find_dataset("mnist").load("full", tmp_path / "asked")
    assert str(tmp_path / "asked" / "mnist") in str(caught.value) and "named" not in str(caught.value)


def test_an_unknown_size_and_an_unknown_name_are_refused(tmp_path):
    for dataset in builtin_datasets().values():
        with pytest.raises(UnknownName, match="size of data"):
            dataset.load("ful", tmp_path)
    with pytest.raises(UnknownName):
        get_data("mnits", tmp_path)
    with pytest.raises(UnknownName):
        verify_data("mnits", tmp_path)


def test_the_code_of_the_data_page_runs(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "data.md").read_text(), re.S)
    assert len(blocks) >= 3
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks), "docs/data.md", "exec"), {})
