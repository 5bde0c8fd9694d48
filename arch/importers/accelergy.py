"""Accelergy's results: energy and area reference tables (ERT, ART), versions 0.2 to 0.4.

    tables = read_accelergy("ERT.yaml", "ART.yaml")
    design = with_energies(design, tables, {"shared_glb": "glb", "mac": "mac"})

Energies become those that an architecture states. Component classes are read by
``accelergy_classes``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture, Compute, Energy, Fanout, Level, Memory
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.spec_reader import sort_faults
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.yaml_positions import Document, child_path, read_document

READS = (
    "read",
    "compute",
    "mac_random",
    "multiply",
    "mult_random",
    "add",
    "drain",
    "pop",
    "transfer_random",
    "transfer",
    "count",
)
"""Actions that are a read of a memory or the operation of a unit; the first of them counts."""

WRITES = ("write", "fill", "update", "push")
"""Actions that are a write; the dearest counts."""

LEAKS = ("leak", "idle")
"""Actions that are a cycle's leakage; the first that is there counts."""

CYCLE_SECONDS = 1e-9
"""Cycle of leakage where a table does not say: 1 ns, Accelergy's own default."""

_NAME = re.compile(r"(?:.*\.)?([A-Za-z_][\w-]*)(?:\[(\d+)\.\.(\d+)\])?\s*")


@dataclass(frozen=True)
class AccelergyTables:
    """Costs read from reference tables.

    Attributes:
        costs: cost of one instance by the last part of a component's name, ``shared_glb`` of
            ``system.shared_glb[1..1]``.
        actions: picojoules by component and action, all that the tables hold.
        assumptions: what the tables leave open and how it was taken, in words.
    """

    costs: dict[str, ComponentCost]
    actions: dict[str, dict[str, float]]
    assumptions: tuple[str, ...]


@dataclass
class _Reading:
    actions: dict[str, dict[str, float]] = field(default_factory=dict)
    areas: dict[str, float] = field(default_factory=dict)
    cycles: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)


def read_accelergy(*paths: str | Path) -> AccelergyTables:
    """Return the tables of files that hold ``ERT`` or ``ART``, joined; at least one ERT.

    Raises:
        InputError: a file cannot be read, or has faults; carries those of all files.
    """
    reading = _Reading()
    for path in paths:
        _read(read_document(path), reading)
    if not reading.actions and not reading.faults:
        names = ", ".join(str(path) for path in paths)
        reading.faults.append(Fault("ERT", "", "is missing", "give an ERT file", names))
    if reading.faults:
        raise InputError(sort_faults(reading.faults))
    costs = {name: _cost(name, reading) for name in reading.actions}
    variants = "actions with several arguments are priced at their dearest, as Timeloop does"
    taken = ("energies are picojoules, areas square micrometres", variants)
    return AccelergyTables(costs, reading.actions, (*taken, *dict.fromkeys(reading.assumptions)))


def with_energies(
    architecture: Architecture, tables: AccelergyTables, names: Mapping[str, str] | None = None
) -> Architecture:
    """Return a design whose memories and MACs state the energies of the tables.

    Leakage and area stay those of the design's technology: a design states energies only.

    Args:
        architecture: the design.
        tables: the costs.
        names: component of the tables -> level of the design; without it, those called alike.

    Raises:
        InputError: a component or level that does not exist; none at all is called alike.
    """
    levels = [*(x.name for x in architecture.memories), architecture.compute.name]
    chosen = names or {name: name for name in tables.costs if name in levels}
    faults = [
        Fault("component", name, "is not in the tables", nearest(name, tables.costs))
        for name in chosen
        if name not in tables.costs
    ]
    faults += [
        Fault("level", level, f"{architecture.name} has no such level", nearest(level, levels))
        for level in chosen.values()
        if level not in levels
    ]
    if not chosen:
        rule = f"none is called as a level of {architecture.name}"
        faults.append(Fault("components", ", ".join(tables.costs), rule, "name them"))
    if faults:
        raise InputError(faults)
    cost = {level: tables.costs[name] for name, level in chosen.items()}

    def stated(level: Level) -> Level:
        if isinstance(level, Fanout) or level.name not in cost:
            return level
        mine = cost[level.name]
        memory: Memory = replace(level, energy=Energy(mine.read_pj, mine.write_pj))
        return memory

    compute: Compute = architecture.compute
    if compute.name in cost:
        each_pj = cost[compute.name].read_pj
        compute = replace(compute, energy=Energy(each_pj, each_pj))
    return replace(architecture, levels=tuple(map(stated, architecture.levels)), compute=compute)


def short_name(name: str) -> str:
    """Return the last part of a component's name, without its range of instances."""
    match = _NAME.fullmatch(name)
    return match[1] if match else name


def _read(document: Document, reading: _Reading) -> None:
    data, positions = document.data, document.positions
    reading.faults += document.faults
    found = False
    for root, keep in (("ERT", _energies), ("ART", _areas)):
        if root not in data:
            continue
        found = True
        section = data[root]
        path = f"{root}.tables"
        tables = section.get("tables") if isinstance(section, dict) else None
        if isinstance(tables, dict):  # version 0.2: a mapping from name to actions
            entries = [(child_path(path, name), name, value) for name, value in tables.items()]
        elif isinstance(tables, tuple):
            entries = []
            for index, value in enumerate(tables):
                place = child_path(path, index)
                name = value.get("name") if isinstance(value, dict) else None
                if not isinstance(name, str):
                    reading.faults.append(positions.fault(place, "must be a table with a name"))
                    continue
                entries.append((place, name, value))
        else:
            reading.faults.append(positions.fault(path, "must hold tables"))
            continue
        reading.versions[root] = str(section.get("version", "unknown"))
        for place, name, value in entries:
            short = short_name(name)
            if short in (reading.actions if root == "ERT" else reading.areas):
                rule = f"two components are called {short}"
                reading.faults.append(positions.fault(place, rule, "keep one of them"))
                continue
            keep(short, value, place, document, reading)
    if not found:
        rule = "holds neither ERT nor ART"
        reading.faults.append(positions.fault("", rule, "see the importer's README"))


def _energies(name: str, value: Any, path: str, document: Document, reading: _Reading) -> None:
    found: dict[str, float] = {}
    for place, action, entry in _action_entries(value, path, document, reading):
        energy = entry.get("energy") if isinstance(entry, dict) else None
        if not isinstance(energy, int | float) or isinstance(energy, bool) or energy < 0:
            rule = "must have an energy of at least 0"
            reading.faults.append(document.positions.fault(place, rule))
            continue
        found[action] = max(found.get(action, 0.0), float(energy))
        arguments = entry.get("arguments")
        seconds = arguments.get("global_cycle_seconds") if isinstance(arguments, dict) else None
        if isinstance(seconds, int | float) and seconds > 0:
            reading.cycles[name] = float(seconds)
    if found:
        reading.actions[name] = found


def _action_entries(
    value: Any, path: str, document: Document, reading: _Reading
) -> list[tuple[str, str, Any]]:
    """Return (path, action, entry) of one table, one entry per variant of arguments."""
    listed = value.get("actions") if isinstance(value, dict) else None
    if isinstance(listed, tuple):
        entries = []
        for index, entry in enumerate(listed):
            place = child_path(child_path(path, "actions"), index)
            action = entry.get("name") if isinstance(entry, dict) else None
            if isinstance(action, str):
                entries.append((place, action, entry))
            else:
                reading.faults.append(document.positions.fault(place, "must be a named action"))
        return entries
    if not isinstance(value, dict) or not value:
        reading.faults.append(document.positions.fault(path, "must have actions"))
        return []
    entries = []
    for action, variants in value.items():
        place = child_path(path, action)
        several = variants if isinstance(variants, tuple) else (variants,)
        entries += [(place, action, entry) for entry in several]
    return entries


def _areas(name: str, value: Any, path: str, document: Document, reading: _Reading) -> None:
    area = value.get("area") if isinstance(value, dict) else value
    if not isinstance(area, int | float) or isinstance(area, bool) or area < 0:
        reading.faults.append(document.positions.fault(path, "must have an area of at least 0"))
        return
    reading.areas[name] = float(area)


def _cost(name: str, reading: _Reading) -> ComponentCost:
    actions = reading.actions[name]
    assumed = reading.assumptions
    writes = [actions[x] for x in WRITES if x in actions]
    read_pj = next((actions[x] for x in READS if x in actions), None)
    if read_pj is None and not writes:
        known = ", ".join(actions)
        assumed.append(f"{name}: no read, write or operation among {known}: it takes no energy")
    elif read_pj is None:
        assumed.append(f"{name}: no read among its actions: a read costs a write")
    write_pj = max(writes, default=read_pj or 0.0)
    if len(set(writes)) > 1:
        assumed.append(f"{name}: writes, fills and updates differ: the dearest is taken for all")
    leak_pj = next((actions[x] for x in LEAKS if x in actions), 0.0)
    if leak_pj and name not in reading.cycles:
        assumed.append(f"{name}: leakage is per cycle of 1 ns, as the table does not say")
    leakage_mw = leak_pj * 1e-9 / reading.cycles.get(name, CYCLE_SECONDS)
    if name not in reading.areas:
        assumed.append(f"{name}: no area in an ART: 0")
    source = f"Accelergy reference table, version {reading.versions.get('ERT', 'unknown')}"
    return ComponentCost(
        write_pj if read_pj is None else read_pj,
        write_pj,
        leakage_mw,
        reading.areas.get(name, 0.0),
        source,
    )
