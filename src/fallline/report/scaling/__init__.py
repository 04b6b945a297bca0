"""What more devices buy, in words, tables, pictures and a page."""

from __future__ import annotations

from fallline.report.scaling.result import Scaled

__all__ = ["Scaled"]
