"""What more devices buy: measured steps, the law of a step's time, and what follows from them."""

from __future__ import annotations

from fallline.scaling.law import Law, fit_law
from fallline.scaling.wanted import Wanted, wanted

__all__ = ["Law", "Wanted", "fit_law", "wanted"]
