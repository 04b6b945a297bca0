"""The run folder: all paths, all files. Readable by polars, pandas and DuckDB without fallline."""

from fallline.store.layout import Layout
from fallline.store.run import Run, open_run

__all__ = ["Layout", "Run", "open_run"]
