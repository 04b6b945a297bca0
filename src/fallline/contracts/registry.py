"""Finding components by name: their packages are scanned, so a new component is one value in one file."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from fallline.errors import UnknownName


@cache
def parts(package: str, kind: type) -> dict[str, Any]:
    """Every value of type ``kind`` at the top of the modules of ``package``, by its ``name``."""
    home = importlib.import_module(package)
    components: dict[str, Any] = {}
    for info in pkgutil.iter_modules(home.__path__):
        module = importlib.import_module(f"{package}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, kind):
                if components.get(value.name, value) is not value:
                    raise RuntimeError(f"{value.name!r} is defined twice in {package}")
                components[value.name] = value
    return components


def find(package: str, kind: type, name: str, where: str = "") -> Any:
    """The component of that name, or UnknownName with the near ones."""
    known = parts(package, kind)
    if name not in known:
        raise UnknownName(kind.__name__.lower(), name, known, where)
    return known[name]
