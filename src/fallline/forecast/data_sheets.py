"""Rates of devices that are not present, from their data sheets."""

from __future__ import annotations

from dataclasses import dataclass

from fallline.errors import UnknownName
from fallline.forecast.host import Host
from fallline.forecast.rates import Calibration, DeviceRates


@dataclass(frozen=True)
class Sheet:
    """Peak matmul throughput in operations per second: float32 outside tensor cores, tf32 and bfloat16 in them (dense);
    memory bandwidth in bytes per second, memory size in bytes, and the source.
    """

    name: str
    float32: float
    tf32: float | None
    bfloat16: float | None
    memory_bytes_per_second: float
    memory_bytes: float
    source: str

    def product_flops(self, precision: str) -> float:
        """The peak matmul throughput at that precision; that of float32 where the device does not support it."""
        return {"tf32": self.tf32, "bfloat16": self.bfloat16}.get(precision) or self.float32


SHEETS = {
    sheet.name: sheet
    for sheet in (
        Sheet("v100", 15.7e12, None, None, 900e9, 32e9, "NVIDIA V100 data sheet, SXM2, 32 GB"),
        Sheet("t4", 8.1e12, None, None, 320e9, 16e9, "NVIDIA T4 data sheet"),
        Sheet("a100", 19.5e12, 156e12, 312e12, 2039e9, 80e9, "NVIDIA A100 data sheet, SXM, 80 GB"),
        Sheet("l4", 30.3e12, 60e12, 121e12, 300e9, 24e9, "NVIDIA L4 data sheet, without sparsity"),
        Sheet("h100", 67e12, 494e12, 989e12, 3350e9, 80e9, "NVIDIA H100 data sheet, SXM, without sparsity"),
        Sheet("h200", 67e12, 494e12, 989e12, 4800e9, 141e9, "NVIDIA H200 data sheet, SXM, without sparsity"),
    )
}

REACHED = 0.5
"""The share of its peak that a GPU reaches in the matmuls and passes of large training steps, approximately."""

KERNEL_SECONDS, HOST = 4e-6, Host(3e-5, 5e-7, 2e-5, 1e-4, 1e-3, 1e-5)
"""Times of starting a kernel and of calling a program, which data sheets do not have: the usual order on NVIDIA
GPUs.
"""

CACHE_BYTES = 40e6
SPREAD = 1.0
"""The relative error of such a forecast: a factor of two in either direction."""


def from_sheet(name: str, precision: str = "float32") -> Calibration:
    """The calibration of a device from its data sheet; UnknownName, with similar names, where there is none."""
    sheet = SHEETS.get(name.lower())
    if sheet is None:
        raise UnknownName("device", name, SHEETS, "--device")
    product, memory = REACHED * sheet.product_flops(precision), REACHED * sheet.memory_bytes_per_second
    rates = DeviceRates(
        KERNEL_SECONDS,
        1 / (4 * memory),
        1 / memory,
        1 / product,
        1 / product,
        4 / sheet.float32,
        KERNEL_SECONDS,
        4 / sheet.float32,
        16 / sheet.float32,
        HOST,
    )
    return Calibration(
        sheet.name,
        sheet.product_flops(precision),
        sheet.memory_bytes_per_second,
        HOST.call,
        CACHE_BYTES,
        sheet.memory_bytes,
        rates,
        rates,
        SPREAD,
        f"from its data sheet, not measured: {sheet.source}",
    )
