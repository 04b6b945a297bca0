"""Measuring what more devices buy: a process a count of devices, its times as rows."""
