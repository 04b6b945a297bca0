"""Exports of a run to TensorBoard, MLflow, pandas, Parquet and CSV. The packages of these tools are extras."""

from fallline.exporting.export import EXPORTS, export
from fallline.exporting.frames import pandas_frame

__all__ = ["EXPORTS", "export", "pandas_frame"]
