"""A run in the files of other tools: TensorBoard, MLflow, pandas, Parquet, CSV. Those tools are extras."""

from fallline.exporting.export import EXPORTS, export
from fallline.exporting.frames import pandas_frame

__all__ = ["EXPORTS", "export", "pandas_frame"]
