"""What a program does, step by step: operations, products, elements, bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class MatmulCost(NamedTuple):
    """``batch`` products [rows, inner] x [inner, columns]; of a convolution, what it is as one product."""

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
        """What is read and written once, in float32."""
        return 4 * self.batch * (self.rows * self.inner + self.inner * self.columns + self.rows * self.columns)


@dataclass
class ProgramWork:
    """What a stretch of a program does: so many operations, elements that they compute, bytes they read and write."""

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

    def on_the_line(self, other: ProgramWork, share: float) -> ProgramWork:
        """The work on the line from here (0) through another (1), never below 0; as many operations, and as many
        products, as here.
        """

        def at(mine: float, others: float) -> float:
            return max(0.0, mine + share * (others - mine))

        own = self.product_operations
        more = at(own, other.product_operations) / own if own else 1.0
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
        """Of products, and one for every other element computed."""
        return self.product_operations + self.elements


@dataclass
class Costs:
    """A program's work, by how it runs: ``threaded`` operations one after the other, each on all threads; ``native``
    loops as one function on one. Each is of one step, ``dispatch`` is what a call does once.
    """

    threaded: ProgramWork = field(default_factory=ProgramWork)
    native: ProgramWork = field(default_factory=ProgramWork)
    dispatch: ProgramWork = field(default_factory=ProgramWork)

    def on_the_line(self, other: Costs, share: float) -> Costs:
        """As ``Work.on_the_line``, part by part."""
        return Costs(
            self.threaded.on_the_line(other.threaded, share),
            self.native.on_the_line(other.native, share),
            self.dispatch.on_the_line(other.dispatch, share),
        )

    @property
    def floating_operations(self) -> float:
        """Of one step."""
        return self.threaded.floating_operations + self.native.floating_operations

    @property
    def bytes(self) -> float:
        """Read and written by one step."""
        return self.threaded.bytes + self.native.bytes
