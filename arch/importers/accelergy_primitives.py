"""What the primitive components of Accelergy's classes cost by our tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from arraysmith.arch.architecture import Wires
from arraysmith.arch.errors import nearest
from arraysmith.arch.importers.expressions import ExpressionError, Value
from arraysmith.arch.technology.arithmetic import address_pj, block, mac
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.dram import dram, standards
from arraysmith.arch.technology.node import Node
from arraysmith.arch.technology.regfile import regfile
from arraysmith.arch.technology.sram import sram
from arraysmith.arch.technology.wires import hop_pj_per_bit

REUSED = 0.85
"""Energy of an operation with one operand as before, relative to one with new operands: the rule of
Accelergy's plug-in for Aladdin."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """What one instance of a primitive component costs.

    Attributes:
        actions: picojoules by action.
        leakage_mw: leakage.
        area_um2: area.
        assumption: what was assumed, in words; may be empty.
    """

    actions: dict[str, float]
    leakage_mw: float
    area_um2: float
    assumption: str = ""


def primitive(name: str, attributes: Mapping[str, Value], node: Node) -> Primitive:
    """Return the cost of a primitive class by our tables.

    Args:
        name: class, in any spelling of upper and lower case.
        attributes: its attributes.
        node: the node of the design.

    Raises:
        ExpressionError: no such class, or an attribute that is missing or has no fitting value.
    """
    make = _CLASSES.get(name.lower())
    if make is None:
        raise ExpressionError(f"is of the class {name}, unknown: {nearest(name.lower(), _CLASSES)}")
    return make(attributes, node)


def _whole(attributes: Mapping[str, Value], *names: str, default: int | None = None) -> int:
    for name in names:
        if name in attributes:
            value = attributes[name]
            if isinstance(value, str) or value < 1 or value != int(value):
                raise ExpressionError(f"has {name} {value!r}, not a whole number of at least 1")
            return int(value)
    if default is None:
        raise ExpressionError(f"lacks the attribute {names[0]}")
    return default


def _storage(cost: ComponentCost, depth: int, node: Node, assumption: str) -> Primitive:
    """Return a memory without its address logic, which the classes have as components."""
    address = address_pj(depth, node)
    actions = {"read": cost.read_pj - address, "idle": 0.0, "leak": 0.0}
    actions |= dict.fromkeys(("write", "update", "fill"), cost.write_pj - address)
    return Primitive(actions, cost.leakage_mw, cost.area_um2, assumption)


def _sram(attributes: Mapping[str, Value], node: Node) -> Primitive:
    depth = _whole(attributes, "depth", "entries")
    width = _whole(attributes, "width", "datawidth")
    banks = min(depth, _whole(attributes, "n_banks", default=1))
    assumption = "SRAM: our table of low-standby-power cells, one port"
    return _storage(sram(depth, width, node, banks), depth, node, assumption)


def _regfile(attributes: Mapping[str, Value], node: Node) -> Primitive:
    depth = _whole(attributes, "depth", "entries")
    width = _whole(attributes, "width", "datawidth")
    return _storage(regfile(depth, width, node), depth, node, "register file: our formula")


def _dram(attributes: Mapping[str, Value], node: Node) -> Primitive:
    del node
    kind = str(attributes.get("type", "LPDDR4")).lower()
    if kind not in standards():
        raise ExpressionError(f"has the type {kind}, unknown: {nearest(kind, standards())}")
    cost = dram(kind, _whole(attributes, "width", "datawidth", default=64))
    actions = dict.fromkeys(("read", "write", "update"), cost.read_pj) | {"idle": 0.0, "leak": 0.0}
    return Primitive(actions, 0.0, 0.0, f"DRAM: {kind} of our table")


def _logic(
    name: str, actions: tuple[str, ...], assumption: str = ""
) -> Callable[[Mapping[str, Value], Node], Primitive]:
    """Return the maker of a component that is one block of our table."""

    def make(attributes: Mapping[str, Value], node: Node) -> Primitive:
        bits = _whole(attributes, "datawidth", "width", "n_bits", "precision")
        found = block(name, bits)
        energy_pj = found.energy_pj * node.energy_factor
        energies = dict.fromkeys(actions, energy_pj) | {"idle": 0.0, "leak": 0.0}
        leakage_mw = found.leakage_mw * node.energy_factor
        return Primitive(energies, leakage_mw, found.area_um2 * node.area_factor, assumption)

    return make


def _multiplier(attributes: Mapping[str, Value], node: Node) -> Primitive:
    actions = ("multiply", "mult_random", "read", "compute")
    cost = _logic("multiplier", actions)(attributes, node)
    reused = REUSED * cost.actions["multiply"]
    return replace(cost, actions=cost.actions | {"mult_reused": reused})


def _mac(attributes: Mapping[str, Value], node: Node) -> Primitive:
    bits = _whole(attributes, "datawidth", "width", "multiplier_width", default=16)
    adder_bits = _whole(attributes, "adder_width", default=bits)
    cost = mac(bits, adder_bits, node)
    actions = dict.fromkeys(("mac_random", "compute", "read"), cost.read_pj)
    actions |= {"mac_reused": REUSED * cost.read_pj, "idle": 0.0, "leak": 0.0}
    return Primitive(actions, cost.leakage_mw, cost.area_um2, "MAC: our multiplier and adder")


def _wire(attributes: Mapping[str, Value], node: Node) -> Primitive:
    length = attributes.get("length")
    text = str(length).strip().lower()
    for unit, scale in (("mm", 1000.0), ("um", 1.0), ("m", 1e6), ("", 1e6)):
        if text.endswith(unit):
            try:
                length_um = float(text[: len(text) - len(unit)]) * scale
            except ValueError:
                continue
            break
    else:
        raise ExpressionError(f"has the length {length!r}, not 3mm or 100um")
    bits = _whole(attributes, "width", "datawidth", default=1)
    each = bits * length_um / 1000 * hop_pj_per_bit(Wires(hop_um=1000), node.technology)
    actions = dict.fromkeys(("transfer", "transfer_random"), each)
    actions |= dict.fromkeys(("transfer_repeated", "repeated_transfer", "idle", "leak"), 0.0)
    return Primitive(actions, 0.0, 0.0, "wire: our energy per bit and mm; repeated words are free")


_COUNTER = "counter: an adder of as many bits"
_CLASSES: dict[str, Callable[[Mapping[str, Value], Node], Primitive]] = {
    "sram": _sram,
    "storage": _sram,
    "regfile": _regfile,
    "dram": _dram,
    "adder": _logic("adder", ("add", "read", "compute")),
    "intadder": _logic("adder", ("add", "read", "compute")),
    "counter": _logic("adder", ("count", "read"), _COUNTER),
    "comparator": _logic("comparator", ("compare", "read", "compute")),
    "register": _logic("register", ("read", "write", "access")),
    "reg": _logic("register", ("read", "write", "access")),
    "multiplier": _multiplier,
    "intmultiplier": _multiplier,
    "mac": _mac,
    "intmac": _mac,
    "wire": _wire,
}
