"""Counting what a compiled program does, from its HLO text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from fallline.forecast.costs import Costs, MatmulCost, ProgramWork

FREE = {
    "parameter",
    "constant",
    "tuple",
    "get-tuple-element",
    "bitcast",
    "after-all",
    "partition-id",
    "replica-id",
    "domain",
    "opt-barrier",
    "add-dependency",
    "copy-done",
    "get-dimension-size",
}
"""Instructions that cost nothing at run time."""

SLICES = {"gather", "dynamic-slice", "slice"}
"""Instructions that read as much of their first operand as they return."""

MATERIAL = {
    "dot",
    "convolution",
    "reduce",
    "reduce-window",
    "select-and-scatter",
    "scatter",
    "sort",
    "gather",
    "dynamic-slice",
    "dynamic-update-slice",
    "concatenate",
    "fft",
    "custom-call",
}
"""Instructions whose results are arrays in memory; XLA fuses what is between two of them."""

TRANSCENDENTAL = {
    "exponential",
    "exponential-minus-one",
    "log",
    "log-plus-one",
    "logistic",
    "tanh",
    "power",
    "sine",
    "cosine",
    "tan",
    "atan2",
    "erf",
    "cbrt",
}
"""Functions with about ten to thirty instructions per element; roots and divisions count as ordinary ones."""

TYPE_BYTES = {
    "pred": 1,
    "s4": 1,
    "u4": 1,
    "s8": 1,
    "u8": 1,
    "s16": 2,
    "u16": 2,
    "f16": 2,
    "bf16": 2,
    "s32": 4,
    "u32": 4,
    "f32": 4,
    "s64": 8,
    "u64": 8,
    "f64": 8,
    "c64": 8,
    "c128": 16,
}

ARRAY = re.compile(r"(\w+)\[([\d,]*)\]")
HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) (?:\(.*)?\{$")
LINE = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
CALLED = re.compile(r"(?:calls|to_apply|body)=%?([\w.\-]+)")
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
DIMENSIONS = {name: re.compile(name + r"=\{([\d,]*)\}") for name in ("lhs_contracting_dims", "lhs_batch_dims")}


def costs(text: str, native: bool = False, looped: bool = False) -> Costs:
    """The costs of the program whose HLO is ``text``: of one iteration of its loop of unknown length (the steps of a
    dispatch), if it has instruction, else of the whole. In a program that XLA has not optimised, elements between
    matmuls, sums
    and slices count as fused; ``looped`` says that it has such a loop (the one with the most work), and ``native`` that
    the loop will be one function.
    """
    program = _Program(text)
    if not program.optimised:
        return _unoptimised(program, native, looped)
    total = Costs()
    looped = program.walk(program.entry, total, native=False)
    if not looped:
        total.threaded.add(total.dispatch)
        total.dispatch = ProgramWork()
    return total


def _unoptimised(program: _Program, native: bool, looped: bool) -> Costs:
    total = Costs()
    bodies = [
        _called(instruction)
        for computation in program.computations.values()
        for instruction in computation.values()
        if instruction.opcode == "while"
    ]
    works = [program.work(body) for body in bodies] if looped else [program.work(program.entry)]
    work = max(works, key=lambda work: work.floating_operations, default=ProgramWork())
    (total.native if native else total.threaded).add(work)
    return total


class _Instruction(NamedTuple):
    name: str
    type: str
    opcode: str
    operands: list[str]
    attributes: str

    @property
    def elements(self) -> int:
        return sum(math.prod(shape) for _, shape in _arrays(self.type))

    @property
    def bytes(self) -> int:
        return sum(TYPE_BYTES.get(kind, 4) * math.prod(shape) for kind, shape in _arrays(self.type))

    @property
    def shape(self) -> tuple[int, ...]:
        return next((shape for _, shape in _arrays(self.type)), ())


class _Program:
    """The computations of an HLO text, each with its instructions by name."""

    def __init__(self, text: str):
        self.computations: dict[str, dict[str, _Instruction]] = {}
        self.optimised = "is_scheduled=true" in text.partition("\n")[0]
        self.results: set[str] = set()
        self.entry = ""
        instructions: dict[str, _Instruction] = {}
        for line in text.splitlines():
            if header := HEADER.match(line):
                instructions = self.computations.setdefault(header[2], {})
                self.entry = header[2] if header[1] else self.entry
            elif (found := LINE.match(line)) and (instruction := _instruction(found[2], found[3])):
                instructions[instruction.name] = instruction
                if found[1] and instruction.opcode == "tuple":
                    self.results.update(instruction.operands)

    def walk(self, name: str, into: Costs, native: bool) -> bool:
        """Add the work of a computation that runs once per dispatch; returns whether it contains the loop over
        steps.
        """
        looped = False
        for instruction in self.computations[name].values():
            if instruction.opcode == "while" and not (trips := TRIPS.search(instruction.attributes)):
                (into.native if native else into.threaded).add(self.work(_called(instruction)))
                looped = True
            elif instruction.opcode == "call" and "small_call" in instruction.attributes:
                inner = Costs()
                if self.walk(_called(instruction), inner, native=True):
                    into.native.add(inner.native)
                    into.dispatch.add(inner.dispatch)
                    looped = True
                else:
                    into.native.add(inner.dispatch)
            elif instruction.opcode == "while":
                into.dispatch.add(self.work(_called(instruction)), int(trips[1]))
            else:
                into.dispatch.add(self.cost(instruction, self.computations[name]))
        return looped

    def work(self, name: str) -> ProgramWork:
        """The work of a computation that runs once per step, with loops of known length times their iterations."""
        found = ProgramWork()
        for instruction in self.computations[name].values():
            if instruction.opcode == "while":
                trips = TRIPS.search(instruction.attributes)
                found.add(self.work(_called(instruction)), int(trips[1]) if trips else 1)
            else:
                found.add(self.cost(instruction, self.computations[name]))
        return found

    def cost(self, instruction: _Instruction, around: dict[str, _Instruction]) -> ProgramWork:
        """The work of one instruction."""
        if instruction.opcode in FREE:
            return ProgramWork()
        if instruction.opcode in ("call", "async-start") and _called(instruction) in self.computations:
            return self.work(_called(instruction))
        if instruction.opcode == "conditional":
            return ProgramWork(operations=1, bytes=instruction.bytes)
        if instruction.opcode == "fusion" and _called(instruction) in self.computations:
            return self._fusion(instruction, around)
        found = ProgramWork(1, *self._computed(instruction, around), self._touched(instruction, around))
        if not self.optimised and instruction.opcode not in MATERIAL and instruction.name not in self.results:
            return ProgramWork(0, found.elements, found.transcendentals)  # XLA will fuse it with what takes its result
        if product := _product(instruction, around):
            found.products.append((1.0, product))
            found.bytes = 0.0  # counted with the matmul
        return found

    def _fusion(self, instruction: _Instruction, around: dict[str, _Instruction]) -> ProgramWork:
        """Several instructions as one operation, which reads its parameters and writes its result."""
        inside = self.computations[_called(instruction)]
        found, read = ProgramWork(operations=1), 0.0
        for own in inside.values():
            if own.opcode == "parameter":
                read += self._read(own, inside)
            elif own.opcode not in FREE:
                elements, transcendentals = self._computed(own, inside)
                found.elements += elements
                found.transcendentals += transcendentals
                if product := _product(own, inside):
                    found.products.append((1.0, product))
        written = [own for own in inside.values() if own.opcode == "dynamic-update-slice"]
        into = sum(inside[own.operands[1]].bytes for own in written if own.operands[1] in inside)
        found.bytes = read + (into if written else instruction.bytes)
        if found.products:
            found.bytes = max(0.0, found.bytes - sum(product.bytes for _, product in found.products))
        return found

    @staticmethod
    def _read(parameter: _Instruction, inside: dict[str, _Instruction]) -> float:
        """Bytes read of a fusion's parameter; only the slices where it is only sliced."""
        users = [own for own in inside.values() if parameter.name in own.operands]
        if users and all(own.opcode in SLICES and own.operands[0] == parameter.name for own in users):
            return min(parameter.bytes, sum(own.bytes for own in users))
        if users and all(own.opcode == "dynamic-update-slice" and own.operands[0] == parameter.name for own in users):
            return 0.0
        return parameter.bytes

    @staticmethod
    def _computed(instruction: _Instruction, around: dict[str, _Instruction]) -> tuple[float, float]:
        """The number of elements computed, and of those computed by a transcendental function."""
        if instruction.opcode in (
            "broadcast",
            "reshape",
            "transpose",
            "copy",
            "iota",
            "dot",
            "convolution",
            *SLICES,
            "dynamic-update-slice",
            "scatter",
            "concatenate",
            "pad",
        ):
            return 0.0, 0.0
        elements = float(instruction.elements)
        if (
            instruction.opcode in ("reduce", "reduce-window", "select-and-scatter", "sort")
            and instruction.operands[0] in around
        ):
            elements = float(max(elements, around[instruction.operands[0]].elements))
        return elements, elements if instruction.opcode in TRANSCENDENTAL else 0.0

    @staticmethod
    def _touched(instruction: _Instruction, around: dict[str, _Instruction]) -> float:
        """Bytes that a single instruction reads and writes."""
        read = [around[name] for name in instruction.operands if name in around]
        if instruction.opcode in SLICES:
            return 2.0 * instruction.bytes
        if instruction.opcode == "dynamic-update-slice" and len(read) > 1:
            return 2.0 * read[1].bytes
        if instruction.opcode == "broadcast":
            return float(instruction.bytes)
        return float(instruction.bytes + sum(own.bytes for own in read))


def _instruction(name: str, written: str) -> _Instruction | None:
    """A line after its name: type, opcode(operands), attributes; None for any other line."""
    end = _closing(written, 0) + 1 if written.startswith("(") else written.find(" ")
    opcode, bracket, _ = written[end:].lstrip().partition("(")
    if opcode == "constant":
        return _Instruction(name, written[:end], opcode, [], "")
    if end <= 0 or not bracket or not re.fullmatch(r"[\w\-]+", opcode):
        return None
    opened = written.index("(", end)
    closed = _closing(written, opened)
    operands = re.findall(r"%?([\w.\-]+)", re.sub(r"/\*.*?\*/", "", written[opened:closed]))
    return _Instruction(name, written[:end], opcode, operands, written[closed + 1 :])


def _closing(text: str, opened: int) -> int:
    """The index of the bracket that closes the one at ``opened``."""
    depth = 0
    for place in range(opened, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    return len(text) - 1


def _arrays(written: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for kind, dimensions in ARRAY.findall(written):
        yield kind, tuple(int(size) for size in dimensions.split(",") if size)


def _called(instruction: _Instruction) -> str:
    found = CALLED.search(instruction.attributes)
    return found[1] if found else ""


def _sizes(instruction: _Instruction, name: str) -> list[int]:
    found = DIMENSIONS[name].search(instruction.attributes)
    return [int(size) for size in found[1].split(",") if size] if found else []


def _product(instruction: _Instruction, around: dict[str, _Instruction]) -> MatmulCost | None:
    """The matmul or convolution of an instruction, if it is instruction."""
    read: list[Any] = [around.get(name) for name in instruction.operands[:2]]
    if instruction.opcode not in ("dot", "convolution") or len(read) < 2 or None in read:
        return None
    left, right = read
    if instruction.opcode == "dot":
        inner = math.prod(left.shape[at] for at in _sizes(instruction, "lhs_contracting_dims"))
        batch = math.prod(left.shape[at] for at in _sizes(instruction, "lhs_batch_dims"))
        rows = left.elements // max(1, inner * batch)
        return MatmulCost(batch, rows, right.elements // max(1, inner * batch), inner)
    labels = re.search(r"dim_labels=\w+_(\w+)->(\w+)", instruction.attributes)
    groups = re.search(r"feature_group_count=(\d+)", instruction.attributes)
    if not labels:
        return None
    features = right.shape[labels[1].index("o")]
    inner = right.elements // max(1, features)
    count = int(groups[1]) if groups else 1
    return MatmulCost(count, instruction.elements // max(1, features), features // count, inner, "convolution")
