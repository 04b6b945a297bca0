"""Forecasts: what a program will take, from what it does and what the device was measured to do."""

from fallline.forecast.calibration import Calibration, Rates, calibrate, refine

__all__ = ["Calibration", "Rates", "calibrate", "refine"]
