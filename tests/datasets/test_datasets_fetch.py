"""Fetching, against a server on this machine: whole or not at all, resumed where cut, every failure told."""

import contextlib
import hashlib
import os
import random
import resource
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fallline.datasets import find_dataset, get_data, verify_data
from fallline.datasets.fetch import fetch
from fallline.errors import DataError

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)


class Handler(BaseHTTPRequestHandler):
    """/KIND/name: each kind of server there is, good and bad."""

    def do_GET(self):
        kind, name = self.path.strip("/").split("/")
        asked = self.headers.get("Range")
        with self.server.lock:
            self.server.asked.append((kind, asked))
            first = [k for k, _ in self.server.asked].count(kind) == 1
        content = self.server.files.get(name)
        if kind == "gone" or content is None:
            return self.send_error(404)
        if kind in ("to-file", "to-ftp", "to-whole"):
            return self.redirect(
                {
                    "to-file": Path("/etc/hostname").as_uri(),
                    "to-ftp": "ftp://127.0.0.1/x",
                    "to-whole": f"/whole/{name}",
                }[kind]
            )
        if kind == "other":
            content = OTHER
        if kind == "silent":
            self.server.stop.wait(10)
            return None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and kind != "no-range" else 0
        if start >= len(content):
            return self.send_error(416)
        cut = kind == "dying" or (kind == "cut-once" and first)
        return self.send(
            content,
            start,
            cut=cut,
            endless=kind == "endless",
            lies=kind == "lying-range",
            length="9" * 5000 if kind == "absurd-length" else "",
        )

    def redirect(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, content, start, cut, endless, lies, length):
        self.send_response(206 if start else 200)
        if start:
            said = start + 10 if lies else start
            self.send_header("Content-Range", f"bytes {said}-{len(content) - 1}/{len(content)}")
        if not endless:
            self.send_header("Content-Length", length or str(len(content) - start))
        self.end_headers()
        body = content[start:]
        with contextlib.suppress(OSError):
            self.wfile.write(body[:100_000] if cut and len(body) > 100_000 else b"" if cut else body)
            while endless:
                self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.lock, server.stop = {"x.gz": CONTENT}, [], threading.Lock(), threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


def is_content(path):
    if hashlib.sha256(path.read_bytes()).digest() != hashlib.sha256(CONTENT).digest():
        raise DataError("not the content")


def get(server, kinds, target, **options):
    given = {"max_bytes": len(CONTENT), "check": is_content, "timeout_seconds": 5, "pause_seconds": 0, **options}
    return fetch([f"{server.url}/{kind}/x.gz" for kind in kinds], target, **given)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_arrives_and_progress_rises_to_its_size(server, tmp_path):
    seen = []
    assert get(server, ["whole"], tmp_path / "new" / "x.gz", progress=seen.append) == tmp_path / "new" / "x.gz"
    assert (tmp_path / "new" / "x.gz").read_bytes() == CONTENT
    assert seen == sorted(seen) and seen[-1] == len(CONTENT) and len(seen) > 2
    assert names(tmp_path / "new") == ["x.gz"]


def test_a_cut_connection_is_taken_up_where_it_was_cut(server, tmp_path):
    get(server, ["cut-once"], tmp_path / "x.gz")
    assert (tmp_path / "x.gz").read_bytes() == CONTENT
    assert server.asked == [("cut-once", None), ("cut-once", "bytes=100000-")]


def test_the_next_call_and_the_next_mirror_go_on_from_what_a_failed_one_left(server, tmp_path):
    server.files["x.gz"] = CONTENT[:150_000]
    with pytest.raises(DataError, match=r"kept in .*x\.gz\.part, the next attempt resumes"):
        get(server, ["dying"], tmp_path / "x.gz", check=lambda path: None, max_bytes=150_000)
    assert names(tmp_path) == ["x.gz.part"] and server.asked[1:] == [("dying", "bytes=100000-")]
    server.files["x.gz"], server.asked[:] = CONTENT, []
    get(server, ["gone", "whole"], tmp_path / "x.gz")
    assert (tmp_path / "x.gz").read_bytes() == CONTENT
    assert server.asked == [("gone", "bytes=100000-"), ("whole", "bytes=100000-")] and names(tmp_path) == ["x.gz"]


@pytest.mark.parametrize("left", [OTHER[:120_000], CONTENT + b"too long", OTHER])
def test_a_part_of_another_file_is_dropped_and_all_fetched_anew(server, tmp_path, left):
    (tmp_path / "x.gz.part").write_bytes(left)
    get(server, ["whole"], tmp_path / "x.gz")
    assert (tmp_path / "x.gz").read_bytes() == CONTENT and names(tmp_path) == ["x.gz"]
    assert server.asked == [("whole", f"bytes={len(left)}-"), ("whole", None)]


def test_a_part_that_is_whole_already_is_used(server, tmp_path):
    (tmp_path / "x.gz.part").write_bytes(CONTENT)
    get(server, ["whole"], tmp_path / "x.gz")
    assert names(tmp_path) == ["x.gz"] and len(server.asked) == 1


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    (tmp_path / "x.gz.part").write_bytes(CONTENT[:1000])
    get(server, ["no-range"], tmp_path / "x.gz")
    assert (tmp_path / "x.gz").read_bytes() == CONTENT and len(server.asked) == 1


@pytest.mark.parametrize("bad", ["gone", "other", "to-file", "endless", "silent"])
def test_a_mirror_that_fails_is_followed_by_the_next(server, tmp_path, bad):
    get(server, [bad, "whole"], tmp_path / "x.gz", timeout_seconds=0.3)
    assert (tmp_path / "x.gz").read_bytes() == CONTENT and names(tmp_path) == ["x.gz"]


@pytest.mark.parametrize(
    "bad, words",
    [
        ("gone", "404"),
        ("other", "the wrong content: not the content"),
        ("endless", "more than the 300,000 bytes"),
        ("silent", "timed out"),
        ("to-file", r"file:///etc/hostname' is not allowed"),
        ("to-ftp", "unknown url type: ftp"),
    ],
)
def test_what_fails_is_told_and_leaves_nothing(server, tmp_path, bad, words):
    with pytest.raises(DataError, match=rf"(?s)could not be fetched.*{bad}/x\.gz: .*{words}"):
        get(server, [bad], tmp_path / "x.gz", timeout_seconds=0.3)
    assert names(tmp_path) == []


def test_each_mirror_is_listed_with_its_own_failure(server, tmp_path):
    with pytest.raises(DataError) as caught:
        fetch(
            [
                f"{server.url}/gone/x.gz",
                f"{server.url}/other/x.gz",
                "http://127.0.0.1:1/x.gz",
                "nonsense",
                Path("/etc/hostname").as_uri(),
            ],
            tmp_path / "x.gz",
            max_bytes=300_000,
            check=is_content,
        )
    lines = str(caught.value).splitlines()[1:]
    for line, words in zip(
        lines, ("404", "wrong content", "refused", "unknown url type", "unknown url type"), strict=True
    ):
        assert words in line
    assert names(tmp_path) == []


def test_a_file_said_to_be_too_large_is_refused_before_it_comes(server, tmp_path):
    with pytest.raises(DataError, match="the file has 300,000 bytes, expected at most 299,999"):
        get(server, ["whole"], tmp_path / "x.gz", max_bytes=299_999)
    assert names(tmp_path) == []


def test_a_server_that_answers_another_range_is_not_believed(server, tmp_path):
    (tmp_path / "x.gz.part").write_bytes(CONTENT[:1000])
    with pytest.raises(DataError, match="answered with the bytes from 1,010, asked for those from 1,000"):
        get(server, ["lying-range"], tmp_path / "x.gz")


def test_a_length_of_5000_digits_is_passed_over(server, tmp_path):
    get(server, ["absurd-length"], tmp_path / "x.gz")
    assert (tmp_path / "x.gz").read_bytes() == CONTENT


def test_a_redirect_to_http_is_followed(server, tmp_path):
    get(server, ["to-whole"], tmp_path / "x.gz")
    assert (tmp_path / "x.gz").read_bytes() == CONTENT


def test_calls_at_once_do_not_disturb_each_other(server, tmp_path):
    (tmp_path / "x.gz.part").write_bytes(CONTENT[:1000])
    failures = []

    def call():
        try:
            get(server, ["whole"], tmp_path / "x.gz")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and names(tmp_path) == ["x.gz"] and (tmp_path / "x.gz").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked].count("bytes=1000-") == 1


def test_only_a_part_that_nobody_writes_to_is_taken_over(server, tmp_path):
    for name, age in (("x.gz.11-aa.part", 3600), ("x.gz.22-bb.part", 1)):
        (tmp_path / name).write_bytes(CONTENT[:2000])
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    get(server, ["whole"], tmp_path / "x.gz")
    assert server.asked == [("whole", "bytes=2000-")] and names(tmp_path) == ["x.gz", "x.gz.22-bb.part"]


def test_a_file_that_is_there_stays_until_a_right_one_has_come(server, tmp_path):
    (tmp_path / "x.gz").write_bytes(b"old")
    with pytest.raises(DataError):
        get(server, ["other"], tmp_path / "x.gz")
    assert (tmp_path / "x.gz").read_bytes() == b"old" and names(tmp_path) == ["x.gz"]


def test_a_disk_that_takes_no_more_is_told_and_leaves_no_half_file(server, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DataError, match=r"cannot write .*x\.gz: .* bytes are free there, up to 300,000"):
            get(server, ["whole", "whole"], tmp_path / "x.gz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "x.gz" not in names(tmp_path) and len(server.asked) == 1


def test_a_folder_that_cannot_be_made_is_told(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot write .*leave to write there, or name another folder by --data"):
        get(server, ["whole"], tmp_path / "file" / "x.gz")
    assert server.asked == []


def test_get_data_fetches_what_lacks_or_is_wrong_and_nothing_else(server, tmp_path):
    folder = next(
        (
            Path(place)
            for place in (os.environ.get("FALLLINE_DATA"), Path(__file__).resolve().parents[3] / "shared" / "data")
            if place and (Path(place) / "mnist").is_dir()
        ),
        None,
    )
    if folder is None:
        pytest.skip("no mnist/ in FALLLINE_DATA or ../shared/data")
    server.files = {path.name: path.read_bytes() for path in (folder / "mnist").iterdir()}
    mirrors = [f"{server.url}/gone", f"{server.url}/whole/"]
    seen = []
    assert get_data("mnist", tmp_path, lambda done, total: seen.append((done, total)), mirrors) == tmp_path / "mnist"
    assert names(tmp_path / "mnist") == sorted(server.files)
    total = sum(file.bytes_published for file in find_dataset("mnist").files)
    assert seen == sorted(seen) and seen[-1] == (total, total)
    assert {row.state for row in verify_data("mnist", tmp_path)} == {"ok"}

    server.asked.clear()
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"torn")
    get_data("mnist", tmp_path, mirrors=mirrors)
    assert server.asked == [("gone", None), ("whole", None)]
    server.asked.clear()
    get_data("mnist", tmp_path, mirrors=mirrors)
    assert server.asked == []


def test_get_data_names_every_mirror_and_keeps_no_wrong_file(server, tmp_path):
    server.files = {"train-images-idx3-ubyte.gz": CONTENT}
    with pytest.raises(DataError, match=r"(?s)gone/train-images.*404.*whole/train-images.*wrong content"):
        get_data("mnist", tmp_path, mirrors=[f"{server.url}/gone", f"{server.url}/whole"])
    assert names(tmp_path / "mnist") == []
