"""Forecasts of time, memory and disk, from counts of what programs do and a calibration of the device."""

from fallline.forecast.calibration import calibrate, refine
from fallline.forecast.rates import Calibration, DeviceRates

__all__ = ["Calibration", "DeviceRates", "calibrate", "refine"]
