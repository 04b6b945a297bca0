"""Packages that only an export needs, or an error that says what to install."""

from __future__ import annotations

import importlib.util

from fallline.errors import StoreError

EXTRAS = {
    "tensorboard": ("TensorBoard", ("tensorboard",)),
    "mlflow": ("MLflow with a local database", ("mlflow", "sqlalchemy", "alembic")),
    "pandas": ("pandas with Arrow", ("pandas", "pyarrow")),
}
"""By extra, its name in words and the modules it brings."""


def need(extra: str) -> None:
    """StoreError where a module of the extra is not installed."""
    words, modules = EXTRAS[extra]
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise StoreError(
            f"this needs {words}, and {' and '.join(missing)} cannot be found; write: pip install 'fallline[{extra}]'"
        )
