"""Mappings from YAML files, and back to YAML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.spec_reader import is_path, parse_spec, read_spec, sort_faults
from arraysmith.arch.specs import LevelLoopsSpec, MappingSpec
from arraysmith.arch.yaml_positions import Positions, dump_document


def load_mapping(path: str | Path, architecture: Architecture | None = None) -> Mapping:
    """Return the mapping in a YAML file, its levels in the order of the architecture.

    Whether it fits a layer is the matter of ``legality``; this checks that it fits the design.

    Args:
        path: the file.
        architecture: design it shall run on; None takes the one that the file names, and checks
            the loops alone if it names none.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    return _mapping(*read_spec(path, MappingSpec), architecture)


def parse_mapping(text: str, architecture: Architecture | None = None, file: str = "") -> Mapping:
    """Return the mapping in YAML ``text``; see ``load_mapping``."""
    return _mapping(*parse_spec(text, MappingSpec, file), architecture)


def _mapping(spec: MappingSpec, positions: Positions, architecture: Architecture | None) -> Mapping:
    faults: list[Fault] = []
    if architecture is None and spec.architecture is not None:
        architecture = _named_architecture(spec.architecture, positions)
    elif architecture is not None and spec.architecture not in {None, architecture.name}:
        rule = f"mapping is for another design than {architecture.name}"
        faults.append(positions.fault("architecture", rule, "remove the key if it fits both"))
    entries = [_level_mapping(name, loops) for name, loops in spec.levels.items()]
    if architecture is None:
        return Mapping(tuple(entries))
    order = [*(level.name for level in architecture.levels), architecture.compute.name]
    for entry in entries:
        faults += _entry_faults(entry, architecture, order, positions)
    if faults:
        raise InputError(sort_faults(faults))
    return Mapping(tuple(sorted(entries, key=lambda entry: order.index(entry.level))))


def _named_architecture(ref: str, positions: Positions) -> Architecture:
    try:
        return load_architecture(ref)
    except InputError as error:
        if not is_path(ref):
            faults = [positions.fault("architecture", x.rule, x.hint) for x in error.faults]
            raise InputError(faults) from None
        raise


def _level_mapping(name: str, loops: LevelLoopsSpec) -> LevelMapping:
    temporal, x, y = (
        tuple(Loop(dim, tile) for dim, tile in group)
        for group in (loops.temporal, loops.x, loops.y)
    )
    return LevelMapping(name, temporal, x, y, loops.keep)


def _entry_faults(
    entry: LevelMapping, architecture: Architecture, order: list[str], positions: Positions
) -> Iterator[Fault]:
    path = f"levels.{entry.level}"
    if entry.level not in order:
        rule = f"{architecture.name} has no such level"
        yield positions.fault(path, rule, nearest(entry.level, order), at_key=True)
        return
    levels = {level.name: level for level in architecture.levels}
    level = levels.get(entry.level)
    if isinstance(level, Fanout) and entry.temporal:
        yield positions.fault(f"{path}.temporal", "a fan-out takes only x and y")
    if not isinstance(level, Fanout):
        for axis, loops in (("x", entry.x), ("y", entry.y)):
            if loops:
                yield positions.fault(f"{path}.{axis}", "only fan-outs take x and y")
    if entry.keep is None:
        return
    if not isinstance(level, Memory):
        yield positions.fault(f"{path}.keep", "only memories keep tensors", "remove keep")
        return
    for index, tensor in enumerate(entry.keep):
        if tensor not in level.holds:
            rule = f"{entry.level} may hold only {', '.join(level.holds)}"
            yield positions.fault(f"{path}.keep[{index}]", rule)


def mapping_document(mapping: Mapping, architecture: str | None = None) -> dict[str, Any]:
    """Return the mapping as the plain data of its file."""
    levels: dict[str, Any] = {}
    for entry in mapping.levels:
        document: dict[str, Any] = {
            axis: [f"{loop.dim}:{loop.tile}" for loop in loops]
            for axis, loops in (("temporal", entry.temporal), ("x", entry.x), ("y", entry.y))
            if loops
        }
        if entry.keep is not None:
            document["keep"] = list(entry.keep)
        levels[entry.level] = document
    head = {} if architecture is None else {"architecture": architecture}
    return {"kind": "mapping", **head, "levels": levels}


def dump_mapping(mapping: Mapping, architecture: str | None = None) -> str:
    """Return YAML that loads back as an equal mapping.

    Args:
        mapping: levels each once, in the order of the design.
        architecture: name of the design it is for, if the file shall say so.
    """
    return dump_document(mapping_document(mapping, architecture))
