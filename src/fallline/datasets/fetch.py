"""Downloads one file over HTTP: mirrors in order, interrupted transfers resumed, used only when complete and correct.

pooch has neither mirrors nor resumed transfers, no bound on the size, and no check of the unpacked content; so this
stays.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import secrets
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from fallline import __version__
from fallline.errors import DataError

CHUNK_BYTES = 1 << 16
MAX_TRIES = 20
ABANDONED_SECONDS = 300.0

# URLError, refused and reset connections and timeouts are OSErrors, so these wrap network calls and nothing else.
_NETWORK = (OSError, http.client.HTTPException, ValueError)


def fetch(
    urls: Iterable[str],
    target: Path,
    *,
    max_bytes: int,
    check: Callable[[Path], object],
    progress: Callable[[int], None] | None = None,
    timeout_seconds: float = 30.0,
    pause_seconds: float = 1.0,
) -> Path:
    """``target``, downloaded from the first of ``urls`` that provides the right content.

    ``check(path)`` raises DataError where the content is wrong; the name ``target`` appears only after it passed. Each
    call writes to its own part file, so concurrent calls are independent: the one that finishes last replaces the file
    by an equal one. A call that fails keeps its part as ``<target>.part``, and the next resumes from it; where the two
    pieces do not belong together, the check fails and the file is downloaded from the start.

    ``progress(bytes_done)`` is called as bytes arrive, ``timeout_seconds`` is how long a server may be silent. After a
    lost connection the server is asked again, after ``pause_seconds``, as long as each attempt receives more. Only http
    and https are allowed, redirects included. DataError with the failure of each mirror, or with the problem of the
    disk.
    """
    failures = []
    own = target.with_name(f"{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _take_over(target, own)
        try:
            for url in urls:
                failure = _from_mirror(url, own, max_bytes, check, progress, timeout_seconds, pause_seconds)
                if not failure:
                    os.replace(own, target)
                    return target
                failures.append(f"\n  {url}: {failure}")
        finally:
            kept = _leave(own, target)
    except OSError as error:
        raise _disk_error(error, target, max_bytes) from error
    again = f"; the part that arrived is kept in {kept}, the next attempt resumes from it" if kept else ""
    raise DataError(
        f"{target.name} could not be fetched{again}. Try again, or put the file into {target.parent} "
        f"yourself. Each mirror failed:{''.join(failures) or ' there is none'}"
    )


def _from_mirror(
    url: str,
    own: Path,
    max_bytes: int,
    check: Callable[[Path], object],
    progress: Callable[[int], None] | None,
    timeout_seconds: float,
    pause_seconds: float,
) -> str:
    """Empty where ``own`` is now complete and correct, else the reason."""
    failure = ""
    for _ in range(MAX_TRIES):
        before = _size(own)
        failure = _receive(url, own, max_bytes, progress, timeout_seconds)
        if not failure:
            try:
                check(own)
                return ""
            except DataError as error:
                own.unlink(missing_ok=True)
                if before == 0:
                    return f"the wrong content: {error}"
            # The earlier part may have been of another file: once more, from the start.
        elif _size(own) <= before:
            return failure
        else:
            time.sleep(pause_seconds)
    return failure


def _receive(
    url: str, own: Path, max_bytes: int, progress: Callable[[int], None] | None, timeout_seconds: float
) -> str:
    """Append what the server sends to ``own``; empty when it sent all it has, else the reason."""
    begun = _size(own)
    try:
        response = _open(url, begun, timeout_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        return "" if error.code == 416 and begun else str(error)  # 416: there is nothing after the bytes that we have
    except _NETWORK as error:
        return _words(error)
    with response:
        start = _start(response)
        if start not in (0, begun):
            return f"the server answered with the bytes from {start:,}, asked for those from {begun:,}"
        length = re.fullmatch(r"\d{1,18}", response.headers.get("Content-Length", ""))
        whole = start + int(length[0]) if length else None
        if whole is not None and whole > max_bytes:
            return f"the file has {whole:,} bytes, expected at most {max_bytes:,}"
        return _store(response, own, start, whole, max_bytes, progress)


def _store(
    response: http.client.HTTPResponse,
    own: Path,
    start: int,
    whole: int | None,
    max_bytes: int,
    progress: Callable[[int], None] | None,
) -> str:
    done = start
    with open(own, "ab" if start else "wb") as part:
        while True:
            try:
                piece = response.read1(CHUNK_BYTES)
            except _NETWORK as error:
                return f"cut after {done:,} bytes: {_words(error)}"
            if not piece:
                break
            done += len(piece)
            if done > max_bytes:
                part.truncate(0)
                return f"the server sends more than the {max_bytes:,} bytes expected"
            part.write(piece)
            if progress:
                progress(done)
        part.flush()
        os.fsync(part.fileno())
    if whole is not None and done < whole:
        return f"cut after {done:,} of {whole:,} bytes"
    return ""


def _open(url: str, begun: int, timeout_seconds: float) -> http.client.HTTPResponse:
    """The open response. The opener knows http and https only, not file, ftp and data."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    headers = {"User-Agent": f"fallline/{__version__}"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
    return opener.open(urllib.request.Request(url, headers=headers), timeout=timeout_seconds)


def _start(response: http.client.HTTPResponse) -> int:
    """The position of the answer in the file: 0 where the server ignored the requested range."""
    said = re.match(r"bytes (\d{1,18})-", response.headers.get("Content-Range", ""))
    return int(said[1]) if response.status == 206 and said else 0


def _take_over(target: Path, own: Path) -> None:
    """Start from what an earlier call left, if no other call takes it first.

    A part with the name of its call was left by a call that was killed. One that was written recently may be in use.
    The bytes are copied, so that a call that was only suspended cannot write into ours.
    """
    left = [target.with_name(f"{target.name}.part")]
    for part in sorted(target.parent.glob(f"{target.name}.*-*.part")):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                left.append(part)
    taken = own.with_suffix(".taken")
    for part in left:
        try:
            os.rename(part, taken)
        except OSError:
            continue
        try:
            shutil.copyfile(taken, own)
        finally:
            taken.unlink(missing_ok=True)
        return


def _leave(own: Path, target: Path) -> Path | None:
    """Keep what was received where the next call looks for it; the longer part wins."""
    shared = target.with_name(f"{target.name}.part")
    if _size(own) > _size(shared):
        os.replace(own, shared)
        return shared
    own.unlink(missing_ok=True)
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _disk_error(error: OSError, target: Path, max_bytes: int) -> DataError:
    free = ""
    with contextlib.suppress(OSError):
        free = f" ({shutil.disk_usage(target.parent).free:,} bytes are free there, up to {max_bytes:,} are needed)"
    return DataError(
        f"cannot write {target}: {error.strerror or error}{free}; make room or leave to write there, or "
        "name another folder by --data DIR or FALLLINE_DATA"
    )
