"""The command that made a run, changed: what a reader types to widen it or to add seeds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from fallline.store import Run

_OPTIONS = ("seeds",)
"""Settings that have an option of their own."""


def again(run: Run, settings: Mapping[str, Any]) -> str:
    """The command that goes on with the run under these settings of its study, or, where it was none, what to set."""
    command = str(run.environments[-1].get("command") or "") if run.environments else ""
    typed = " ".join(_typed(name, value) for name, value in settings.items())
    if not command.startswith("fallline run "):
        named = " and ".join(f"{name} = {value}" for name, value in settings.items() if name in _OPTIONS)
        return f"run again with resume and {named or typed}; only what is new is trained."
    resume = "" if "--resume" in command else " --resume"
    return f"{_without(command, set(settings))}{resume} {typed}. Only what is new is trained."


def _typed(name: str, value: Any) -> str:
    return f"--{name} {value}" if name in _OPTIONS else f"--set '{name}={value}'"


def _without(command: str, names: set[str]) -> str:
    """The command without what sets these names: ``--set NAME=...``, ``--NAME ...`` and ``--NAME=...``."""
    written, kept, place = shlex.split(command), [], 0
    while place < len(written):
        word, value = written[place], written[place + 1] if place + 1 < len(written) else ""
        if (word == "--set" and value.partition("=")[0] in names) or (word[2:] in names and word.startswith("--")):
            place += 2
        elif word.startswith("--") and word[2:].partition("=")[0] in names:
            place += 1
        else:
            kept.append(word)
            place += 1
    return shlex.join(kept)
