"""Executors: where plan, engine and store meet. ``local`` trains in this process."""

from fallline.executors.local import run_here

__all__ = ["run_here"]
