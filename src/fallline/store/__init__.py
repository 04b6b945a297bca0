"""The run folder: all paths, all files. Readable by polars, pandas and DuckDB without fallline."""

from fallline.store.paths import RunPaths
from fallline.store.run import Run, open_run

__all__ = ["Run", "RunPaths", "open_run"]
