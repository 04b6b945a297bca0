"""Losses: a value per example. One idea a file; found by name."""

from __future__ import annotations

from fallline.contracts import Loss
from fallline.registry import find, parts


def losses() -> dict[str, Loss]:
    """Every loss by name."""
    return parts(__name__, Loss)


def find_loss(name: str, where: str = "") -> Loss:
    """The loss of that name, or UnknownName with the near ones."""
    return find(__name__, Loss, name, where)
