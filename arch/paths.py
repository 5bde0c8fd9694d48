"""Paths: the name of every number of an architecture that a search may change.

``level.field`` as in ``glb.depth``, ``array.mesh_x``, ``mac.multiply_bits``; the field of a
fan-out's network stands beside its mesh, ``array.words_per_cycle``; ``clock_hz`` is the chip's.
Fields are those of ``architecture``. Rates are whole words per cycle here.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory
from arraysmith.arch.errors import ArraysmithError, nearest

CLOCK = "clock_hz"
"""The path of the array clock."""

RATES = ("read_words_per_cycle", "write_words_per_cycle", "words_per_cycle")
"""Fields that hold words per cycle."""

_MEMORY = (
    "depth",
    "width_bits",
    "word_bits",
    "banks",
    "ports",
    "read_words_per_cycle",
    "write_words_per_cycle",
    "latency_cycles",
    "request_bytes",
    "requests_in_flight",
)
_OFF_CHIP = tuple(name for name in _MEMORY if name != "depth")
_DRAM_DECIDES = ("ports", "read_words_per_cycle", "write_words_per_cycle", "latency_cycles")
_DRAM = tuple(name for name in _OFF_CHIP if name not in _DRAM_DECIDES)
_FANOUT = ("mesh_x", "mesh_y")
_BUS = ("words_per_cycle", "latency_cycles")
_COMPUTE = ("multiply_bits", "accumulate_bits", "pipeline_cycles")


def numbers_of(owner: Memory | Fanout | Compute) -> tuple[str, ...]:
    """Return the fields of a level, or of the MAC, that may change."""
    if isinstance(owner, Compute):
        return _COMPUTE
    if isinstance(owner, Memory):
        if owner.dram is not None:
            return _DRAM
        return _OFF_CHIP if owner.depth is None else _MEMORY
    return _FANOUT + tuple(name for name in _BUS if hasattr(owner.network, name))


def owner_of(architecture: Architecture, path: str) -> Memory | Fanout | Compute | Architecture:
    """Return what has the number at ``path``.

    Raises:
        ArraysmithError: no such level or field; the message has the near matches.
    """
    if path == CLOCK:
        return architecture
    name, dot, field = path.partition(".")
    if not dot:
        raise ArraysmithError(
            f"path {path!r} must be level.field, for example glb.depth, or {CLOCK}"
        )
    compute = architecture.compute
    owner = compute if name == compute.name else architecture.level(name)
    names = [x.name for x in fields(owner)]
    if isinstance(owner, Fanout):
        names += [x.name for x in fields(owner.network)]
    if field not in names:
        raise ArraysmithError(f"{path}: no field {field!r}: {nearest(field, names)}")
    return owner


def value_at(architecture: Architecture, path: str) -> int:
    """Return the number at ``path``.

    Raises:
        ArraysmithError: no such path, or what stands there is no whole number.
    """
    owner = owner_of(architecture, path)
    field = path.rpartition(".")[2]
    value = getattr(owner, field) if hasattr(owner, field) else getattr(owner.network, field)  # type: ignore[union-attr]  # owner_of found it
    if isinstance(value, Fraction) and value.denominator == 1:
        value = int(value)
    if not isinstance(value, int):
        raise ArraysmithError(f"{path} is not an integer: {value!r}")
    return int(value)


def with_values(architecture: Architecture, values: Dict[str, int]) -> Architecture:
    """Return a copy with the numbers at the given paths replaced.

    Raises:
        ArraysmithError: no such path, or a DRAM decides the number.
    """
    changes: dict[str, dict[str, Any]] = {}
    wires: dict[str, dict[str, Any]] = {}
    clock_hz = architecture.clock_hz
    for path, value in values.items():
        owner = owner_of(architecture, path)
        if isinstance(owner, Architecture):
            clock_hz = value
            continue
        name, _, field = path.partition(".")
        if isinstance(owner, Memory) and owner.dram is not None and field in _DRAM_DECIDES:
            raise ArraysmithError(f"{path}: the DRAM {owner.dram.device.name} decides it")
        new: Any = Fraction(value) if field in RATES else value
        inside = isinstance(owner, Fanout) and not hasattr(owner, field)
        (wires if inside else changes).setdefault(name, {})[field] = new
    levels = []
    for level in architecture.levels:
        changed = replace(level, **changes[level.name]) if level.name in changes else level
        if level.name in wires:
            assert isinstance(changed, Fanout)
            changed = replace(changed, network=replace(changed.network, **wires[level.name]))
        if isinstance(changed, Memory):
            changed = changed.with_dram_rates(clock_hz)
        levels.append(changed)
    compute = architecture.compute
    if compute.name in changes:
        compute = replace(compute, **changes[compute.name])
    return replace(architecture, clock_hz=clock_hz, levels=tuple(levels), compute=compute)
