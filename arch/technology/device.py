"""What a memory may be built of and a MAC made of: the two kinds of plug-in of this package.

    @register(MEMORY_DEVICE, "mram")
    MemoryDevice(estimate)          # estimate(shape, node) -> ComponentCost

One module in this package, in another distribution (entry-point groups ``arraysmith.memory_device``
and ``arraysmith.arithmetic``) or named by ``ARRAYSMITH_PLUGINS`` is enough; ``conformance`` tells
whether it keeps the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arraysmith.arch.registry import declare_kind
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.node import Node

MEMORY_DEVICE, ARITHMETIC = "memory_device", "arithmetic"
"""Kinds of plug-in: what ``device`` of a memory and ``number`` of the MACs may name."""

declare_kind(MEMORY_DEVICE, package="arraysmith.arch.technology")
declare_kind(ARITHMETIC, package="arraysmith.arch.technology")


@dataclass(frozen=True, slots=True)
class Shape:
    """One memory instance as an estimator sees it.

    Attributes:
        depth: lines of ``width_bits``, at least 1; None off the chip, where it does not matter.
        width_bits: bits moved by one access, at least 1.
        banks: parts accessed side by side that make up ``depth`` together, at least 1.
    """

    depth: int | None
    width_bits: int
    banks: int = 1


@dataclass(frozen=True, slots=True)
class MemoryDevice:
    """An estimator of memories.

    Attributes:
        estimate: cost of one instance of a shape at a node. It raises ``InputError`` with faults of
            the fields ``depth``, ``width`` and ``banks`` for a shape it has no answer for.
        on_chip: a memory made of it needs a depth, and its area counts.
        logic: it is made of gates and registers; their leakage counts only in architectures that
            ask for it (``leakage: all``).
    """

    estimate: Callable[[Shape, Node], ComponentCost]
    on_chip: bool = True
    logic: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """An estimator of MAC units for one type of numbers.

    Attributes:
        estimate: cost of a MAC of (multiply bits, accumulate bits) at a node. It raises
            ``InputError`` with faults of the fields ``multiply`` and ``accumulate`` for bits that
            the type does not have.
        bits: (multiply, accumulate) pairs that it knows; empty for all of 1 to 64 bits.
    """

    estimate: Callable[[int, int, Node], ComponentCost]
    bits: tuple[tuple[int, int], ...] = ()
