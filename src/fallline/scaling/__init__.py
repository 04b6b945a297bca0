"""What more devices buy: counts of devices, the law of a step's time, and what follows from measurements. All pure."""

from __future__ import annotations

from fallline.scaling.counts import Count, parse_count, parse_counts
from fallline.scaling.law import Law, fit_law
from fallline.scaling.wanted import Wanted, wanted

__all__ = ["Count", "Law", "Wanted", "fit_law", "parse_count", "parse_counts", "wanted"]
