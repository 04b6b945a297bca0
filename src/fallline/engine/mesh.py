"""The device mesh: ``trial`` rows that train different lanes, each of ``data`` devices that share each batch."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fallline.engine.devices import CPU_DEVICES, prepare_jax
from fallline.errors import StudyError

AXES = ("trial", "data")
FORM = 'devices are given as "trial=2", "data=4" or "trial=2,data=2"'


@dataclass(frozen=True)
class Mesh:
    """``trial`` rows of ``data`` devices each.

    Rows do not communicate: each runs its own programs. The devices of a row run one program, which sums the gradients
    of their parts of a batch. With one device nothing is placed explicitly.
    """

    trial: int = 1
    data: int = 1

    @classmethod
    def parse(cls, text: str) -> Mesh:
        """The mesh described by a text such as "trial=2,data=4"; StudyError for anything else."""
        counts: dict[str, int] = {}
        for part in text.split(","):
            written = re.fullmatch(r"\s*(\w+)\s*=\s*(\d{1,6})\s*", part)
            if not written:
                raise StudyError(f"{FORM}, got {text[:60]!r}")
            axis, count = written[1], int(written[2])
            if axis not in AXES:
                raise StudyError(
                    f"a mesh has the axes trial (seeds and lanes) and data (the batch), not {axis!r}; {FORM}"
                )
            if axis in counts or count < 1:
                raise StudyError(f"each axis of a mesh is given once, with 1 device or more, got {text[:60]!r}; {FORM}")
            counts[axis] = count
        return cls(**counts)

    @property
    def devices(self) -> int:
        return self.trial * self.data

    def __str__(self) -> str:
        return f"trial={self.trial},data={self.data}"

    def remote_rows(self) -> list[DeviceRow]:
        """The row that represents, while planning, the rows of a mesh that other processes train on."""
        return [DeviceRow(shares=self.data)]

    def rows(self) -> list[DeviceRow]:
        """The rows in which this process has a device, each with its number; StudyError where there are too few
        devices.
        """
        jax = prepare_jax()
        devices = jax.devices()
        if self.devices == 1 and jax.process_count() == 1:
            return [DeviceRow()]
        if self.devices > len(devices):
            have = f"there is 1 ({devices[0].device_kind})" if len(devices) == 1 else f"there are {len(devices)}"
            raise StudyError(f"devices {self}: this needs {self.devices} devices, and {have}; {_remedy(self)}")
        rows = [tuple(devices[first : first + self.data]) for first in range(0, self.devices, self.data)]
        process = jax.process_index()
        return [
            DeviceRow(place, row)
            for place, row in enumerate(rows)
            if any(device.process_index == process for device in row)
        ]


@dataclass(frozen=True)
class DeviceRow:
    """The devices that run one program: arrays are replicated on them, and each takes its part of a batch.

    ``place`` is the number of the row in its mesh. Without ``devices`` it is JAX's default device, and nothing is
    placed explicitly; ``shares`` is then the number of devices of a row on another machine, for which a run is planned
    here.
    """

    place: int = 0
    devices: tuple[Any, ...] = ()
    shares: int = 1

    @property
    def data(self) -> int:
        """The number of devices of this process and its peers that share a batch."""
        return max(1, len(self.devices))

    @cached_property
    def leads(self) -> bool:
        """Whether this process has the first device of the row, and therefore writes the row's records."""
        return not self.devices or self.devices[0].process_index == prepare_jax().process_index()

    @cached_property
    def spans(self) -> bool:
        """Whether the row has devices of several processes."""
        return len({device.process_index for device in self.devices}) > 1

    @cached_property
    def everywhere(self) -> Any | None:
        """The sharding of an array that is replicated on the row; None where nothing is placed explicitly."""
        from jax.sharding import NamedSharding, PartitionSpec, SingleDeviceSharding

        if not self.devices:
            return None
        return NamedSharding(self._mesh, PartitionSpec()) if self.data > 1 else SingleDeviceSharding(self.devices[0])

    @cached_property
    def _mesh(self) -> Any:
        import jax

        return jax.sharding.Mesh(np.array(self.devices), ("data",))

    def put(self, tree: Any) -> Any:
        """The arrays of ``tree``, which are the same in all processes of the row, replicated on its devices."""
        import jax

        if not self.devices:
            return jax.device_put(tree)
        return jax.tree.map(self._put, tree)

    def _put(self, array: Any) -> Any:
        """One array. ``device_put`` would compare it between processes, which is slower than placing it."""
        import jax

        if not self.spans:
            return jax.device_put(array, self.everywhere)
        if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(self._put(jax.random.key_data(array)))
        whole = np.asarray(array)
        return jax.make_array_from_callback(whole.shape, self.everywhere, lambda part: whole[part])

    def share(self, tree: Any) -> Any:
        """Inside a program: arrays [batch, ...] of ``tree``, split over the devices along the batch."""
        import jax
        from jax.sharding import NamedSharding, PartitionSpec

        if self.data == 1:
            return tree
        shares = NamedSharding(self._mesh, PartitionSpec("data"))
        return jax.tree.map(lambda array: jax.lax.with_sharding_constraint(array, shares), tree)

    def even(self, size: int) -> int:
        """The smallest batch size from ``size`` on that the devices can share evenly."""
        data = max(self.shares, self.data)
        return -(-size // data) * data

    def agree(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any process of the row: they stop together, at the same chunk."""
        if not self.spans:
            return flag
        import jax
        from jax.sharding import NamedSharding, PartitionSpec

        flags = jax.make_array_from_callback(
            (self.data,), NamedSharding(self._mesh, PartitionSpec("data")), lambda part: np.full(1, flag)
        )
        return bool(np.asarray(jax.jit(jax.numpy.any, out_shardings=self.everywhere)(flags)))


ONE_DEVICE = Mesh()

ALONE = DeviceRow()
"""JAX's default device."""


def _remedy(mesh: Mesh) -> str:
    """What to do where there are too few devices."""
    jax = prepare_jax()
    if jax.default_backend() == "cpu":
        cores = os.cpu_count() or 1
        return (
            f"a CPU is one device unless you split it: {CPU_DEVICES}={mesh.devices} fallline ... "
            f"(devices that share {cores} core{'s' * (cores > 1)} gain nothing beyond them)"
        )
    return "ask for fewer"
