"""The environment of a run: versions, machine, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

import fallline
from fallline.engine.devices import cores, device_name, processor

PACKAGES = ("jax", "jaxlib", "optax", "equinox", "numpy", "polars")


def describe(command: str) -> dict[str, Any]:
    """The environment of this start of a run, as plain values; unknown values are null."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command,
        "fallline": fallline.__version__,
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "device": device_name(),
        "commit": _commit(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the working folder, where it is a git checkout; "+" marks uncommitted changes."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=Path.cwd(),
            text=True,
            capture_output=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
