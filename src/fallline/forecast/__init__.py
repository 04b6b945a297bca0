"""Forecasts: what a program will take, from what it does and what the device was measured to do."""

from fallline.forecast.calibration import Calibration, DeviceRates, calibrate, refine

__all__ = ["Calibration", "DeviceRates", "calibrate", "refine"]
