"""Traced programs kept on disk by what they were made from, so that a later process does not trace them again.

JAX's own cache spares the compilation and not the tracing, which takes Python a quarter of a second for nine rules.
What is kept is ``jax.export``'s form of a program; it is found by the parts of the program, by the package's source and
by versions, so a program of another source is never taken for this one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax import export

import fallline
from fallline.engine.devices import device_name
from fallline.engine.disk_cache import cached, get, put

MOST_FILES = 500
"""Programs that are kept, 30 to 800 KB each: the ones that were used last."""


class Traced(NamedTuple):
    """A function as it was traced for the shapes of one call, with its arguments and results as lists of arrays.

    It gives a record: arrays by ``names``. With ``carries`` it gives a state before, of its first argument's structure.
    ``source`` is the function itself where it was traced here, and not read from disk.
    """

    function: export.Exported
    names: tuple[str, ...]
    carries: bool
    source: Any = None

    def gives(self, arguments: tuple[Any, ...]) -> Any:
        """The structure of its results, for those arguments."""
        record = dict.fromkeys(self.names, 0)
        return jax.tree.structure((arguments[0], record) if self.carries else record)

    def lowered(self, arguments: tuple[Any, ...], donate: tuple[int, ...]) -> Any:
        """Ready to compile, for arguments of those shapes as one list of arrays."""
        sizes = [len(jax.tree.leaves(argument)) for argument in arguments]
        places = tuple(place for index in donate for place in range(sum(sizes[:index]), sum(sizes[: index + 1])))
        return jax.jit(self.function.call, donate_argnums=places).lower(*jax.tree.leaves(arguments))


def key_of(name: str, arguments: tuple[Any, ...]) -> str:
    """The file of the program ``name`` for arguments of these shapes."""
    leaves, tree = jax.tree.flatten(arguments)
    shapes = [str(jax.api_util.shaped_abstractify(leaf)) for leaf in leaves]
    return hashlib.sha256("\n".join([_made_by(), name, str(tree), *shapes]).encode()).hexdigest()[:32]


def trace(function: Callable[..., Any], arguments: tuple[Any, ...], carries: bool) -> Traced | None:
    """``function`` traced for arguments of these shapes; None where its record is of more than arrays by name."""
    leaves, tree = jax.tree.flatten(arguments)
    given: list[Any] = []

    def flat(*leaves: Any) -> list[Any]:
        given.append(function(*jax.tree.unflatten(tree, leaves)))
        return jax.tree.leaves(given[-1])

    source = jax.jit(flat)
    exported = export.export(source)(*leaves)
    record = given[0][1] if carries else given[0]
    found = Traced(exported, tuple(record), carries, source)
    return found if found.gives(arguments) == jax.tree.structure(given[0]) else None


def recall(key: str) -> Traced | None:
    """The program that was kept under that key; None where there is none that can be used."""
    content = get(_path(key), touch=True)
    if content is None:
        return None
    head, _, function = content.partition(b"\n")
    try:
        written = json.loads(head)
        return Traced(export.deserialize(bytearray(function)), tuple(written["names"]), written["carries"])
    except Exception:  # a torn file: the program is traced again, and the file replaced
        return None


def keep(key: str, traced: Traced) -> None:
    """Keep the program; where it cannot be serialised or written, a later process traces it again."""
    try:
        function = traced.function.serialize()
    except Exception:
        return
    head = json.dumps({"names": traced.names, "carries": traced.carries}).encode()
    put(_path(key), head + b"\n" + function, MOST_FILES)


def _path(key: str) -> Path:
    return cached("traced", key)


@cache
def _made_by() -> str:
    """The package's source, the libraries that trace, and the device."""
    home = Path(fallline.__file__).parent
    source = [
        f"{file.relative_to(home)} {(found := file.stat()).st_size} {found.st_mtime_ns}"
        for file in sorted(home.rglob("*.py"))
    ]
    precision = os.environ.get("JAX_DEFAULT_MATMUL_PRECISION", "")
    return "\n".join([*source, fallline.__version__, jax.__version__, version("optax"), precision, device_name()])
