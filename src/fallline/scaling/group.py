"""The processes that measure one count of devices: started together, heard, and ended together."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from fallline.engine.devices import CPU_DEVICES
from fallline.engine.processes import COORDINATOR, PROCESS, PROCESSES
from fallline.engine.processes import count as count_here
from fallline.engine.processes import number as number_here
from fallline.errors import ProcessError, StudyError
from fallline.study.device_counts import DeviceCount

LAST_LINES = 6
"""Of what a broken process said."""


def measured(request: dict[str, Any], count: DeviceCount, on_message: Callable[[str], None]) -> dict[str, Any] | None:
    """The answer of the processes of one count: rows, facts, environment.

    A CPU is cut up into as many devices; hosts are process groups on this machine, unless this process belongs to a
    group itself: then each of them starts its own one, and only the first has an answer. ProcessError with the words
    of the process that broke; all others are ended then.
    """
    joined = count_here()
    with tempfile.TemporaryDirectory(prefix="fallline-scale-") as place:
        home = Path(place)
        (home / "request.json").write_text(json.dumps(request), encoding="utf-8")
        environments = [_environment(count, None, "")] if joined > 1 or count.hosts == 1 else _hosts(count)
        processes = [_start(home, number, own) for number, own in enumerate(environments)]
        try:
            _wait(processes, on_message)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                process.wait()
        failed = any(process.returncode for process in processes)
        return _read(home, processes, count.in_words) if failed or number_here() == 0 else None


def _hosts(count: DeviceCount) -> list[dict[str, str]]:
    """The environments of process groups on this machine, one a host."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    return [_environment(count, number, coordinator) for number in range(count.hosts)]


def _environment(count: DeviceCount, host: int | None, coordinator: str) -> dict[str, str]:
    """The environment of one process; the devices of a GPU machine are shared out among hosts on it."""
    own = dict(os.environ)
    own[CPU_DEVICES] = str(count.devices)
    own.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # whoever asks may hold the same GPUs
    if host is not None:
        own |= {COORDINATOR: coordinator, PROCESSES: str(count.hosts), PROCESS: str(host)}
        there = [name for name in own.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        names = there or [str(place) for place in range(count.total)]
        own["CUDA_VISIBLE_DEVICES"] = ",".join(names[host * count.devices : (host + 1) * count.devices])
    return own


def _start(home: Path, number: int, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "fallline.scaling.child",
        str(home / "request.json"),
        str(home / f"out-{number}.json"),
    ]
    with (home / f"err-{number}.txt").open("w", encoding="utf-8") as errors:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)


def _wait(processes: list[subprocess.Popen[str]], on_message: Callable[[str], None]) -> None:
    """Until all have ended, or one has failed: it would leave the others waiting."""

    def hear(process: subprocess.Popen[str], first: bool) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                if first:
                    on_message(line.rstrip())

    ears = [Thread(target=hear, args=(process, number == 0), daemon=True) for number, process in enumerate(processes)]
    for ear in ears:
        ear.start()
    left = list(processes)
    while left and not any(process.returncode for process in processes):
        for process in list(left):
            try:
                process.wait(0.2)
                left.remove(process)
            except subprocess.TimeoutExpired:
                continue
    for process in left:
        process.kill()
    for ear in ears:
        ear.join(5)


def _read(home: Path, processes: list[subprocess.Popen[str]], request_said: str) -> dict[str, Any]:
    """What the first process wrote; the error of whichever has one."""
    answers = [
        json.loads(path.read_text(encoding="utf-8")) if (path := home / f"out-{number}.json").exists() else {}
        for number in range(len(processes))
    ]
    for answer in answers:
        if "error" in answer:
            raise StudyError(answer["error"])
    failed = next((number for number, process in enumerate(processes) if process.returncode), None)
    if failed is None:
        return answers[0]
    lines = (home / f"err-{failed}.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = answers[failed].get("broken") or "\n  ".join(lines[-LAST_LINES:]) or "it said nothing"
    raise ProcessError(
        f"the process that measures {request_said} ended with code {processes[failed].returncode}:\n  {said}"
    )
