"""Counts of programs kept on disk, so that the next plan with the same program compiles nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fallline.engine.disk_cache import cached, get, put
from fallline.forecast.costs import Costs, MatmulCost, ProgramWork
from fallline.forecast.prediction import Held

FORMAT = 4


@dataclass(frozen=True)
class Counted:
    """Counts of a program: its costs, its memory (None where it was not compiled, or XLA does not say), the length of
    its HLO text, the number of arrays among its arguments and results, and its compile time at most (0: not known yet).
    """

    costs: Costs
    held: Held | None
    text_length: int
    arguments: int
    results: int
    compile_seconds: float = 0.0


def recall_counted(key: list[Any]) -> Counted | None:
    """The counts of the program with that ``key`` from disk; None where there are none that can be used."""
    content = get(path_of(program_name(key)))
    if content is None:
        return None
    try:
        written = json.loads(content)
        if written["format"] != FORMAT:
            return None
        held = written["held"]
        return Counted(
            read_costs(written["costs"]),
            None if held is None else Held(**held),
            int(written["text_length"]),
            int(written["arguments"]),
            int(written["results"]),
            float(written["compile_seconds"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def remember_counted(key: list[Any], counted: Counted) -> None:
    """Keep it; where nothing can be written, the next plan counts again."""
    put(path_of(program_name(key)), json.dumps({"format": FORMAT} | asdict(counted)).encode())


def program_name(key: list[Any]) -> str:
    """A hash of a key: 20 hexadecimal digits."""
    return hashlib.sha256(json.dumps(key, default=str).encode()).hexdigest()[:20]


def path_of(name: str) -> Path:
    """The file with the counts of the program of that name."""
    return cached("counted", f"{name}.json")


def read_costs(written: dict[str, Any]) -> Costs:
    """Costs from the values that ``asdict`` and JSON leave."""
    return Costs(**{name: _work(work) for name, work in written.items()})


def _work(written: dict[str, Any]) -> ProgramWork:
    products = [(float(count), MatmulCost(*product)) for count, product in written["products"]]
    return ProgramWork(**written | {"products": products})
