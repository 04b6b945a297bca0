"""The lock of a run folder: one writer at a time; that of a process that is gone is taken over, by one alone."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from fallline.errors import StoreError
from fallline.store.files import cannot_write
from fallline.store.place import Place, hold, let_go

TORN_SECONDS = 0.5
"""A lock that says nothing is looked at again after this: where files cannot be linked it may be half written."""

MAX_BYTES = 10_000

_HELD: list[Lock] = []
"""The locks that this process has, to be given back where it ends at once."""


@dataclass(frozen=True)
class Owner:
    """A process. Its ``pid`` may be another's tomorrow, so its start is noted too, in ticks since the host's boot.

    ``machine`` and ``boot`` are the host's own ids, ``space`` is the space of its process numbers (a container has one
    of its own); "" where the system does not tell. ``token`` is another one each time a lock is taken.
    """

    host: str
    pid: int
    started: int | None = None
    machine: str = ""
    boot: str = ""
    space: str = ""
    token: str = ""

    @property
    def place(self) -> str:
        """``gone``, ``here`` (alive on this machine), or ``elsewhere``, where nothing can be told from here."""
        me = this_process()
        booted_once = bool(self.boot) and self.boot == me.boot
        if not booted_once and (self.host != me.host or _differ(self.machine, me.machine)):
            return "elsewhere"
        if not booted_once and _differ(self.boot, me.boot):
            return "gone" if self.machine and me.machine else "elsewhere"
        if _differ(self.space, me.space):
            return "elsewhere"
        return "here" if _alive(self.pid, self.started) else "gone"


def this_process() -> Owner:
    """Who we are; the token is left out."""
    pid = os.getpid()
    return Owner(
        socket.gethostname(),
        pid,
        _started(pid),
        _line("/etc/machine-id"),
        _line("/proc/sys/kernel/random/boot_id"),
        _link("/proc/self/ns/pid"),
    )


class Lock:
    """The lock in the file ``path``. No clock is asked: who is gone is told by its process."""

    def __init__(self, path: Path):
        self.path = path
        self.content = b""
        self.place: Place | None = None

    def take(self) -> None:
        """Take it; StoreError with what to do where another process holds it, or where it cannot be written."""
        owner = asdict(this_process()) | {"token": secrets.token_hex(8)}
        self.content = json.dumps(owner, indent=1).encode() + b"\n"
        _HELD.append(self)
        try:
            self._take(self.path)
            self.place = hold(self.path.parent)
        except OSError as failure:
            self.release()
            raise StoreError(cannot_write(self.path, failure)) from failure
        except BaseException:
            self.release()
            raise

    def check(self) -> None:
        """StoreError where it was taken and is no longer ours: somebody removed it, or moved the folder."""
        if self.place is not None:
            self.place.check()
        if self.content and _content(self.path) != self.content:
            raise StoreError(
                f"{self.path} was removed or replaced while this run was writing, so another may write "
                "there too; this one ends. When no other runs: the same command and --resume"
            )

    def release(self) -> None:
        """Give it back, wherever its folder is now; one that is no longer ours is left alone."""
        if self.place is not None:
            if self.content and self.place.read(self.path.name, MAX_BYTES) == self.content:
                self.place.remove(self.path.name)
            let_go(self.place)
            self.place = None
        elif self.content and _content(self.path) == self.content:
            self.path.unlink(missing_ok=True)
        self.content = b""
        if self in _HELD:
            _HELD.remove(self)

    def _take(self, path: Path) -> None:
        while not self._created(path):
            found = _content(path)
            if found is None:
                continue  # it was given back a moment ago
            if read_owner(found) is None:
                time.sleep(TORN_SECONDS)
                if _content(path) != found:
                    continue
            refuse_unless_gone(path, found)
            # Of all who see that this owner is gone one takes its lock over: the one who holds the lock of doing so.
            named = hashlib.sha256(path.name.encode() + found).hexdigest()[:8]
            guard = self.path.with_name(f".{self.path.name}.{named}")
            self._take(guard)
            try:
                if _content(path) == found:
                    os.replace(self._written(), path)
                    return
            finally:
                guard.unlink(missing_ok=True)

    def _created(self, path: Path) -> bool:
        """Whether there was none and now it is ours: it appears with its content, or not at all."""
        temporary = self._written()
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except FileNotFoundError:  # swept by the one who has the lock
            return False
        except OSError:
            return self._created_without_links(path)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _created_without_links(self, path: Path) -> bool:
        """The same where the file system has no links; for a moment the file is empty."""
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return True

    def _written(self) -> Path:
        """The content in a file of its own beside the lock."""
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
        except OSError:
            os.unlink(name)
            raise
        return Path(name)


def release_held() -> None:
    """Give back every lock of this process, which ends now."""
    for lock in list(_HELD):
        lock.release()


def owner_of(path: Path) -> Owner | None:
    """Who holds the lock in that file; None where it is not there or says nothing."""
    content = _content(path)
    return None if content is None else read_owner(content)


def read_owner(content: bytes) -> Owner | None:
    """The owner a lock's content tells of; None where it is torn. Locks of older versions have host and pid alone."""
    known = {field.name for field in fields(Owner)}
    try:
        value = json.loads(content)
        owner = Owner(**{key: value[key] for key in known & value.keys()})
        pid, started = int(owner.pid), None if owner.started is None else int(owner.started)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    texts = (owner.host, owner.machine, owner.boot, owner.space, owner.token)
    if not all(isinstance(text, str) for text in texts):
        return None
    return Owner(owner.host, pid, started, owner.machine, owner.boot, owner.space, owner.token)


def refuse_unless_gone(path: Path, content: bytes) -> None:
    """StoreError where the lock's owner lives, or may; a torn lock is nobody's."""
    owner = read_owner(content)
    if owner is not None and owner.place != "gone":
        raise StoreError(held(path, owner))


def held(path: Path, owner: Owner) -> str:
    """Who holds the lock, and what to do."""
    root, host = path.parent, owner.host[:100]
    if owner.place == "here":
        if owner.pid == os.getpid():
            return f"{root} is in use by this very process ({owner.pid} on {host}); wait for its other run to end"
        return (
            f"{root} is in use by process {owner.pid} on {host}; wait for it to end, or end it (kill {owner.pid}) "
            "and continue with --resume, or choose another folder with --out"
        )
    return (
        f"{root} is in use by process {owner.pid} on {host}; wait for it to end, or, if you are sure that it is "
        f"gone (its machine is off, or the folder was moved here), remove {root / 'lock.json'} and continue with "
        "--resume"
    )


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        return None


def _differ(one: str, other: str) -> bool:
    """Whether both are known and are not the same."""
    return bool(one) and bool(other) and one != other


def _alive(pid: int, started: int | None) -> bool:
    if pid <= 0 or (started is None and pid == os.getpid()):
        return False  # our own number in a lock that we did not take: its process had it before us
    ours = True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        ours = False
    now = _started(pid)
    if now is None:  # it ended and nobody has asked how; or /proc does not show it to us
        return not ours or not Path("/proc/self/stat").exists()
    return started is None or now == started


def _started(pid: int) -> int | None:
    """When that process began, in ticks since the boot; None where it is gone or where the system does not tell."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *rest = told.rpartition(")")[2].split()  # the name before may hold anything
        return None if state in "ZX" else int(rest[18])
    except (OSError, ValueError, IndexError):
        return None


def _line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()[:100]
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
