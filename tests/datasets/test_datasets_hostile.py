"""Files that are corrupt, lie or are made to harm end in DataError, with little memory and nothing written."""

import gzip
import hashlib
import io
import os
import struct
import tarfile
import tracemalloc

import numpy as np
import pytest

from fallline.datasets import find_dataset, verify_data
from fallline.datasets.archive import read_known_archive, read_members
from fallline.datasets.cifar import read_batch, read_cifar
from fallline.datasets.files import DataFile
from fallline.datasets.idx import read_idx, read_known
from fallline.errors import DataError

IMAGES = np.arange(3 * 28 * 28, dtype=np.uint64).astype(np.uint8).reshape(3, 28, 28)


def idx(shape, data=b"", code=0x08, zero=0):
    """The bytes of an IDX file whose header says ``shape``."""
    return struct.pack(f">HBB{len(shape)}I", zero, code, len(shape), *shape) + data


GOOD = idx((3, 28, 28), IMAGES.tobytes())


@pytest.mark.parametrize("content", [GOOD, gzip.compress(GOOD)], ids=["plain", "gzip"])
def test_a_good_idx_file_gives_its_array(tmp_path, content):
    (tmp_path / "own").write_bytes(content)
    array = read_idx(tmp_path / "own")
    assert array.dtype == np.uint8 and np.array_equal(array, IMAGES)
    array[0] = 0  # one's own to write to


@pytest.mark.parametrize("code, kind", [(0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")])
def test_the_other_types_of_idx_come_in_native_order(tmp_path, code, kind):
    values = np.array([[1, -2, 3], [4, 5, -100]], kind)
    (tmp_path / "own").write_bytes(idx((2, 3), values.astype(f">{kind}").tobytes(), code))
    array = read_idx(tmp_path / "own")
    assert array.dtype == np.dtype(kind) and np.array_equal(array, values)


BROKEN = {
    "empty": (b"", "cut short"),
    "two bytes": (b"\0\0", "cut short"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(40), "starts with 8950 4e 47"),
    "first bytes not zero": (idx((3,), bytes(3), zero=1), "not an IDX file"),
    "an unknown type": (idx((3,), bytes(3), code=0x0A), "not an IDX file"),
    "rank 0": (idx(()), "a rank of 1 to 8"),
    "rank 200": (idx((1,) * 200, b"a"), "a rank of 1 to 8"),
    "dimensions cut": (GOOD[:9], "the dimensions must take 12 bytes, 5 are there"),
    "more images said than there are": (idx((4, 28, 28), IMAGES.tobytes()), "4x28x28 values must take 3,136 bytes"),
    "fewer images said than there are": (idx((2, 28, 28), IMAGES.tobytes()), "must end there"),
    "2^31 images": (idx((2**31, 28, 28), IMAGES.tobytes()), "expected 1 to 4,294,967,296 bytes"),
    "2^31 labels, below the bound": (idx((2**31,), bytes(10)), "2,147,483,648 bytes, 10 are there"),
    "a product beyond 64 bits": (idx((2**32 - 1,) * 4), "says it holds"),
    "no images": (idx((0, 28, 28)), "says it holds 0x28x28"),
    "gzip cut": (gzip.compress(GOOD)[:-20], "corrupt"),
    "gzip cut in its checksum": (gzip.compress(GOOD)[:-3], "corrupt"),
    "gzip with a wrong checksum": (gzip.compress(GOOD)[:-8] + b"abcd" + gzip.compress(GOOD)[-4:], "corrupt"),
    "gzip with a tail": (gzip.compress(GOOD) + b"tail", "corrupt"),
    "gzip of a gzip": (gzip.compress(gzip.compress(GOOD)), "starts with 1f8b"),
    "gzip bomb after the images": (gzip.compress(GOOD + bytes(64 << 20), 1), "must end there"),
    "gzip that promises 4 GiB": (gzip.compress(idx((2**32 - 1,), bytes(1 << 20))), "cut short"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_idx_file_is_named_and_costs_little_memory(tmp_path, case):
    content, words = BROKEN[case]
    path = tmp_path / "broken-idx"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value) and words in str(caught.value)
    assert peak < 8 << 20


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("pipe", "not a regular file"), (".", "not a regular file"), ("none", "cannot read")):
        with pytest.raises(DataError, match=words):
            read_idx(tmp_path / name)


def known(content, **fields):
    return DataFile(
        "known", ("x",), bytes_unpacked=len(content), sha256_unpacked=hashlib.sha256(content).hexdigest(), **fields
    )


def test_a_known_file_must_have_its_shape_its_labels_and_its_hash(tmp_path):
    path = tmp_path / "known.gz"
    path.write_bytes(gzip.compress(GOOD))
    assert np.array_equal(read_known(known(GOOD), path, (3, 28, 28)), IMAGES)
    with pytest.raises(DataError, match=r"holds 3x28x28 values of type 08, expected 4x28x28"):
        read_known(known(GOOD), path, (4, 28, 28))
    with pytest.raises(DataError, match=r"SHA-256 of its content is .*, expected"):
        read_known(known(GOOD + b"!"), path, (3, 28, 28))
    labels = idx((4,), bytes([0, 9, 10, 255]))
    path.write_bytes(labels)
    with pytest.raises(DataError, match=r"label 2 of 4 is 10, labels must lie in 0\.\.9 \(2 are wrong\)"):
        read_known(known(labels), path, (4,), classes=10)
    flat = idx((3, 14, 56), IMAGES.tobytes())
    path.write_bytes(flat)
    with pytest.raises(DataError, match="expected 3x28x28"):
        read_known(known(flat), path, (3, 28, 28))


def test_a_file_of_the_right_form_and_other_content_is_not_mnist(tmp_path):
    (tmp_path / "mnist").mkdir()
    for name, shape in {
        "train-images-idx3-ubyte": (60_000, 28, 28),
        "train-labels-idx1-ubyte": (60_000,),
        "t10k-images-idx3-ubyte": (10_000, 28, 28),
        "t10k-labels-idx1-ubyte": (10_000,),
    }.items():
        path = tmp_path / "mnist" / name
        path.write_bytes(idx(shape))
        os.truncate(path, path.stat().st_size + int(np.prod(shape)))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is not .* as published: the SHA-256"):
        find_dataset("mnist").load("full", tmp_path)
    assert [row.state for row in verify_data("mnist", tmp_path)] == ["wrong"] * 4


def records(labels):
    return b"".join(bytes([label]) + bytes(3072) for label in labels)


def test_broken_cifar_files_are_refused(tmp_path):
    path = tmp_path / "batch.bin"
    path.write_bytes(records([3, 9]))
    assert read_cifar(path).targets.tolist() == [3, 9]
    assert read_batch(known(records([3, 9])), path).inputs.shape == (2, 32, 32, 3)
    for content, words in (
        (b"", "whole number of records"),
        (records([1])[:-1], "whole number of records"),
        (records([1, 10]), "label 1 of 2 is 10"),
        (gzip.compress(records([1]))[:-5], "corrupt"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=words):
            read_cifar(path)
    path.write_bytes(gzip.compress(bytes(3073 * 10_000), 1))
    with pytest.raises(DataError, match="more than 6,146 bytes"):
        read_cifar(path, max_bytes=6146)
    for content, words in (
        (records([3]), "cut short"),
        (records([3, 9, 1]), "must end there"),
        (records([3, 8]), "SHA-256"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=words):
            read_batch(known(records([3, 9])), path)


WANTED = {"inner/a.bin": 3073, "inner/b.bin": 3073}


def archive(*extra, content=None, drop=()):
    """A tar.gz of the wanted members, then ``extra`` members: (name, type, size, link)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        members = [
            ("inner", tarfile.DIRTYPE, 0, ""),
            *((name, tarfile.REGTYPE, size, "") for name, size in (content or WANTED).items() if name not in drop),
            *extra,
        ]
        for name, kind, size, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, size, link
            tar.addfile(member, io.BytesIO(bytes(size)) if size else None)
    return buffer.getvalue()


def many_extended_headers():
    """A tar of extended headers alone, each read inside the one before."""
    member = tarfile.TarInfo("pax")
    member.type, member.size = tarfile.XHDTYPE, 11
    block = member.tobuf(tarfile.USTAR_FORMAT) + b"11 k=value\n".ljust(512, b"\0")
    return gzip.compress(block * 5_000)


LINK, REG = tarfile.SYMTYPE, tarfile.REGTYPE
BAD_ARCHIVES = {
    "leads out": (archive(("../evil", REG, 3, "")), "leads out"),
    "leads out from within": (archive(("inner/../../evil", REG, 3, "")), "leads out"),
    "absolute": (archive(("/tmp/evil", REG, 3, "")), "leads out"),
    "backslashes": (archive(("..\\evil", REG, 3, "")), "leads out"),
    "a symbolic link": (archive(("inner/c.bin", LINK, 0, "/etc/passwd")), "plain file or a folder"),
    "a symbolic link in a member's place": (
        archive(("inner/a.bin", LINK, 0, "/etc/passwd"), drop=["inner/a.bin"]),
        "plain file or a folder",
    ),
    "a hard link": (archive(("inner/c.bin", tarfile.LNKTYPE, 0, "inner/a.bin")), "plain file or a folder"),
    "a device": (archive(("inner/null", tarfile.CHRTYPE, 0, "")), "plain file or a folder"),
    "a pipe": (archive(("inner/pipe", tarfile.FIFOTYPE, 0, "")), "plain file or a folder"),
    "a member too long": (archive(content={**WANTED, "inner/b.bin": 3074}), "holds 3,074 bytes, expected 3,073"),
    "a member too short": (archive(content={**WANTED, "inner/b.bin": 3072}), "expected 3,073"),
    "a member twice": (archive(("inner/a.bin", REG, 3073, "")), "twice"),
    "a member lacking": (archive(drop=["inner/b.bin"]), r"lacks inner/b\.bin"),
    "a folder in a member's place": (archive(("inner/b.bin", tarfile.DIRTYPE, 0, ""), drop=["inner/b.bin"]), "lacks"),
    "too many members": (archive(*((f"inner/{n}", REG, 1, "") for n in range(200))), "more than 100 members"),
    "a bomb": (archive(("inner/zeros", REG, 64 << 20, "")), "unpacks to more than"),
    "cut": (archive()[:-60], "corrupt"),
    "no tar": (gzip.compress(b"nothing" * 500), "corrupt or not"),
    "no gzip": (b"nothing" * 500, "corrupt or not"),
    "nested headers": (many_extended_headers(), "corrupt or not|unpacks to more"),
}


@pytest.mark.parametrize("case", BAD_ARCHIVES)
def test_a_hostile_archive_is_refused_and_writes_nothing(tmp_path, monkeypatch, case):
    content, words = BAD_ARCHIVES[case]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=words) as caught:
        read_members(io.BytesIO(content), "some.tar.gz", WANTED)
    assert "some.tar.gz" in str(caught.value)
    assert list(tmp_path.iterdir()) == [] and not (tmp_path.parent / "evil").exists()


def test_a_known_archive_gives_its_members_and_another_one_is_not_even_opened(tmp_path):
    content = archive(("inner/readme.html", REG, 40, ""))
    members = tuple(DataFile(name, ("x",), bytes_unpacked=3073) for name in ("a.bin", "b.bin"))
    file = DataFile(
        "x.tar.gz",
        ("x",),
        published="x.tar.gz",
        members=members,
        sha256_published=(hashlib.sha256(content).hexdigest(),),
    )
    (tmp_path / "x.tar.gz").write_bytes(content)
    assert read_known_archive(file, tmp_path / "x.tar.gz", "inner") == {"a.bin": bytes(3073), "b.bin": bytes(3073)}
    (tmp_path / "x.tar.gz").write_bytes(archive(("../evil", REG, 3, "")))
    with pytest.raises(DataError, match=r"is not x\.tar\.gz as published: its SHA-256"):
        read_known_archive(file, tmp_path / "x.tar.gz", "inner")
