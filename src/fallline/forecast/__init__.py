"""Forecasts: what a program will take, from what it does and what the device was measured to do."""

from fallline.forecast.calibration import calibrate, refine
from fallline.forecast.rates import Calibration, DeviceRates

__all__ = ["Calibration", "DeviceRates", "calibrate", "refine"]
