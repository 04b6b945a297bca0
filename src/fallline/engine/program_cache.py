"""Traced programs kept on disk, so that a later process does not trace them again.

JAX's own cache saves the compilation but not the tracing, which takes a quarter of a second for nine optimizers.
The files hold programs as ``jax.export`` serialises them. Their key is a hash of the program's components, the
package's source and the versions of the libraries, so that a program of other source code is never used.
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
"""The number of programs that are kept, the most recently used ones; each takes 30 to 800 KB."""


class Traced(NamedTuple):
    """A function traced for the shapes of one call, with its arguments and results as flat lists of arrays.

    Its result is a record, arrays by ``names``; with ``carries`` preceded by a state with the structure of its first
    argument. ``source`` is the jitted function where it was traced in this process, None where it was read from disk.
    """

    function: export.Exported
    names: tuple[str, ...]
    carries: bool
    source: Any = None

    def results(self, arguments: tuple[Any, ...]) -> Any:
        """The tree structure of its results for these arguments."""
        record = dict.fromkeys(self.names, 0)
        return jax.tree.structure((arguments[0], record) if self.carries else record)

    def lowered(self, arguments: tuple[Any, ...], donate: tuple[int, ...]) -> Any:
        """Lowered for arguments of these shapes, as one flat list of arrays."""
        sizes = [len(jax.tree.leaves(argument)) for argument in arguments]
        donated = tuple(leaf for index in donate for leaf in range(sum(sizes[:index]), sum(sizes[: index + 1])))
        return jax.jit(self.function.call, donate_argnums=donated).lower(*jax.tree.leaves(arguments))


def key_of(name: str, arguments: tuple[Any, ...]) -> str:
    """The name of the file of the program ``name`` for arguments of these shapes."""
    leaves, tree = jax.tree.flatten(arguments)
    shapes = [str(jax.api_util.shaped_abstractify(leaf)) for leaf in leaves]
    return hashlib.sha256("\n".join([_made_by(), name, str(tree), *shapes]).encode()).hexdigest()[:32]


def trace(function: Callable[..., Any], arguments: tuple[Any, ...], carries: bool) -> Traced | None:
    """``function`` traced for arguments of these shapes; None where its record is not a flat dict of arrays."""
    leaves, tree = jax.tree.flatten(arguments)
    results: list[Any] = []

    def flat(*leaves: Any) -> list[Any]:
        results.append(function(*jax.tree.unflatten(tree, leaves)))
        return jax.tree.leaves(results[-1])

    source = jax.jit(flat)
    exported = export.export(source)(*leaves)
    record = results[0][1] if carries else results[0]
    traced = Traced(exported, tuple(record), carries, source)
    return traced if traced.results(arguments) == jax.tree.structure(results[0]) else None


def recall(key: str) -> Traced | None:
    """The program with this key from disk; None where there is none that can be used."""
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
    """What a traced program depends on besides its components: the package's source, the libraries and the device."""
    home = Path(fallline.__file__).parent
    source = [
        f"{file.relative_to(home)} {(status := file.stat()).st_size} {status.st_mtime_ns}"
        for file in sorted(home.rglob("*.py"))
    ]
    precision = os.environ.get("JAX_DEFAULT_MATMUL_PRECISION", "")
    return "\n".join([*source, fallline.__version__, jax.__version__, version("optax"), precision, device_name()])
