"""Packages that only exports need, and the error that says what to install."""

from __future__ import annotations

import importlib.util

from fallline.errors import StoreError

EXTRAS = {
    "tensorboard": ("TensorBoard", ("tensorboard",)),
    "mlflow": ("MLflow with a local database", ("mlflow", "sqlalchemy", "alembic")),
    "pandas": ("pandas with Arrow", ("pandas", "pyarrow")),
}
"""For each extra its name in words and its modules."""


def need(extra: str) -> None:
    """StoreError where a module of the extra is not installed."""
    words, modules = EXTRAS[extra]
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise StoreError(
            f"this needs {words}, but {' and '.join(missing)} is not installed; write: pip install 'fallline[{extra}]'"
        )
