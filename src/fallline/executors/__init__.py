"""Executors: where plan, engine and store meet. ``run_here`` plans and trains in this process."""

from fallline.executors.here import run_here

__all__ = ["run_here"]
