"""The rules every estimator keeps, as a list of the ones it breaks.

For the tests of a plug-in, ours or a third party's:

    assert not broken_by_device(lookup(MEMORY_DEVICE, "mram"))

Rules: a source in words; finite numbers, none below 0, energies above 0; equal questions have
equal answers; nothing gets cheaper when depth or width grows, or (area, leakage) when the node
does; no jump between neighbouring depths or widths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from math import isfinite

from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import Arithmetic, MemoryDevice, Shape
from arraysmith.arch.technology.node import Node, nodes

DEPTHS = (1, 2, 3, 12, 63, 64, 65, 192, 1000, 1024, 4097, 16384, 32768, 32769, 100_000)
WIDTHS = (1, 8, 15, 16, 17, 64, 100, 256, 512, 513, 1024)
BITS = (1, 2, 4, 8, 9, 16, 24, 32, 64)

LARGEST_STEP = 1.5
"""Most that a quantity may grow by when 1000 lines become 1001, or 100 bits 101: a jump."""

QUANTITIES = ("read_pj", "write_pj", "leakage_mw", "area_um2")


def broken_by_device(
    device: MemoryDevice, *, depths: Sequence[int] = DEPTHS, widths: Sequence[int] = WIDTHS
) -> list[str]:
    """Return the rules that a memory device breaks, in words; empty if it keeps all.

    Args:
        device: the estimator.
        depths: depths in increasing order that it has answers for; ignored off the chip.
        widths: widths in increasing order that it has answers for.
    """
    return list(_device_faults(device, depths if device.on_chip else (None,), widths))


def broken_by_arithmetic(unit: Arithmetic) -> list[str]:
    """Return the rules that an estimator of MACs breaks, in words; empty if it keeps all."""
    return list(_arithmetic_faults(unit))


def _device_faults(
    device: MemoryDevice, depths: Sequence[int | None], widths: Sequence[int]
) -> Iterator[str]:
    for node in nodes().values():
        costs = {
            (depth, width): device.estimate(Shape(depth, width), node)
            for depth in depths
            for width in widths
        }
        for (depth, width), cost in costs.items():
            where = f"{depth} x {width} bit at {node.technology}"
            yield from _value_faults(cost, where)
            if device.estimate(Shape(depth, width), node) != cost:
                yield f"{where}: the same question has two answers"
            if device.on_chip and cost.area_um2 == 0:
                yield f"{where}: a memory on the chip has an area"
        for i, depth in enumerate(depths):
            for j, width in enumerate(widths):
                here = costs[depth, width]
                if i:
                    yield from _order_faults(
                        costs[depths[i - 1], width], here, f"{depth} lines at {node.technology}"
                    )
                if j:
                    yield from _order_faults(
                        costs[depth, widths[j - 1]], here, f"{width} bit at {node.technology}"
                    )
        yield from _jump_faults(device, depths, node)


def _jump_faults(device: MemoryDevice, depths: Sequence[int | None], node: Node) -> Iterator[str]:
    for depth in depths:
        shapes = [Shape(depth, 100), Shape(depth, 101)]
        if depth is not None and depth >= 64:
            shapes += [Shape(depth, 64), Shape(depth + 1, 64)]
        for before, after in zip(shapes[::2], shapes[1::2], strict=True):
            small, large = device.estimate(before, node), device.estimate(after, node)
            for name in QUANTITIES:
                if getattr(large, name) > LARGEST_STEP * getattr(small, name):
                    yield f"{name} jumps between {before} and {after} at {node.technology}"


def _arithmetic_faults(unit: Arithmetic) -> Iterator[str]:
    pairs = unit.bits or tuple((bits, min(64, 2 * bits)) for bits in BITS)
    for pair in pairs:
        larger: ComponentCost | None = None
        for node in sorted(nodes().values(), key=lambda x: -x.nm):
            cost = unit.estimate(*pair, node)
            where = f"{pair[0]} x {pair[0]} + {pair[1]} bit at {node.technology}"
            yield from _value_faults(cost, where)
            if cost.read_pj != cost.write_pj:
                yield f"{where}: a MAC has one energy"
            if larger is not None:
                yield from _order_faults(cost, larger, f"{where}: a larger node")
            larger = cost
    for node in nodes().values():
        ordered = [unit.estimate(*pair, node) for pair in sorted(pairs)]
        for small, large, pair in zip(ordered, ordered[1:], sorted(pairs)[1:], strict=False):
            yield from _order_faults(small, large, f"{pair} bit at {node.technology}")


def _value_faults(cost: ComponentCost, where: str) -> Iterator[str]:
    if len(cost.source) < 10:
        yield f"{where}: a source is a sentence, not {cost.source!r}"
    for name, value in zip(QUANTITIES, astuple(cost), strict=False):
        if not isfinite(value) or value < 0:
            yield f"{where}: {name} is {value}"
    if cost.read_pj <= 0 or cost.write_pj <= 0:
        yield f"{where}: an access takes energy"


def _order_faults(small: ComponentCost, large: ComponentCost, what: str) -> Iterator[str]:
    for name in QUANTITIES:
        if getattr(large, name) < getattr(small, name) * (1 - 1e-12):
            yield f"{name} falls with {what}"
