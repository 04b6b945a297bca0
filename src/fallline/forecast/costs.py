"""Counts of what a program does per step: operations, matmuls, elements, bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class MatmulCost(NamedTuple):
    """``batch`` matmuls [rows, inner] x [inner, columns]; a convolution is counted as the matmul with the same work."""

    batch: int
    rows: int
    columns: int
    inner: int
    kind: str = "dot"

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.batch * self.rows * self.columns * self.inner

    @property
    def bytes(self) -> int:
        """Bytes read and written once, in float32."""
        return 4 * self.batch * (self.rows * self.inner + self.inner * self.columns + self.rows * self.columns)


@dataclass
class ProgramWork:
    """The work of a part of a program: operations, elements that they compute, bytes that they read and write,
    matmuls.
    """

    operations: float = 0.0
    elements: float = 0.0
    transcendentals: float = 0.0
    bytes: float = 0.0
    products: list[tuple[float, MatmulCost]] = field(default_factory=list)

    def add(self, other: ProgramWork, times: float = 1.0) -> None:
        self.operations += times * other.operations
        self.elements += times * other.elements
        self.transcendentals += times * other.transcendentals
        self.bytes += times * other.bytes
        self.products += [(times * count, product) for count, product in other.products]

    def interpolated(self, other: ProgramWork, share: float) -> ProgramWork:
        """Linear interpolation from this work (``share`` 0) to another (1), or extrapolation beyond; never negative.
        The number of operations and of matmuls stays.
        """

        def at(here: float, there: float) -> float:
            return max(0.0, here + share * (there - here))

        operations = self.product_operations
        more = at(operations, other.product_operations) / operations if operations else 1.0
        return ProgramWork(
            self.operations,
            at(self.elements, other.elements),
            at(self.transcendentals, other.transcendentals),
            at(self.bytes, other.bytes),
            [(more * count, product) for count, product in self.products],
        )

    @property
    def product_operations(self) -> float:
        return sum(count * product.operations for count, product in self.products)

    @property
    def floating_operations(self) -> float:
        """Operations of matmuls, plus one for every other element computed."""
        return self.product_operations + self.elements


@dataclass
class Costs:
    """The work of a program by how it runs: ``threaded`` operations run one after the other, each on all threads;
    ``native`` loops run as one function on one thread. Both are per step; ``dispatch`` is the work once per call.
    """

    threaded: ProgramWork = field(default_factory=ProgramWork)
    native: ProgramWork = field(default_factory=ProgramWork)
    dispatch: ProgramWork = field(default_factory=ProgramWork)

    def interpolated(self, other: Costs, share: float) -> Costs:
        """``ProgramWork.interpolated`` of each part."""
        return Costs(
            self.threaded.interpolated(other.threaded, share),
            self.native.interpolated(other.native, share),
            self.dispatch.interpolated(other.dispatch, share),
        )

    @property
    def floating_operations(self) -> float:
        """Multiplications and additions of one step."""
        return self.threaded.floating_operations + self.native.floating_operations

    @property
    def bytes(self) -> float:
        """Bytes read and written by one step."""
        return self.threaded.bytes + self.native.bytes
