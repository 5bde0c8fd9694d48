"""Mappings from YAML files, and back to YAML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.importers.timeloop import timeloop_mapping
from arraysmith.arch.importers.timeloop_source import is_timeloop, read_source
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.spec_reader import collect, is_path, part, sort_faults
from arraysmith.arch.specs import LevelLoopsSpec, MappingSpec
from arraysmith.arch.yaml_positions import (
    Document,
    Positions,
    dump_document,
    parse_document,
    read_document,
)


def load_mapping(path: str | Path, architecture: Architecture | None = None) -> Mapping:
    """Return the mapping in a YAML file, ours or Timeloop's, its levels in the design's order.

    Whether it fits a layer is the matter of ``legality``; this checks that it fits the design.

    Args:
        path: the file.
        architecture: design it shall run on; None takes the one that the file names, and checks
            the loops alone if it names none.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    document = read_document(path)
    if is_timeloop(document):
        return timeloop_mapping(read_source(path), architecture)[0]
    return _mapping(document, architecture)


def parse_mapping(text: str, architecture: Architecture | None = None, file: str = "") -> Mapping:
    """Return the mapping in YAML ``text``; see ``load_mapping``."""
    return _mapping(parse_document(text, file), architecture)


def _mapping(document: Document, architecture: Architecture | None) -> Mapping:
    spec, faults = collect(document, MappingSpec)
    positions = document.positions
    named = document.data.get("architecture")
    if isinstance(named, str) and architecture is None:
        try:
            architecture = load_architecture(named)
        except InputError as error:
            faults += _named_faults(named, error, positions)
    elif isinstance(named, str) and architecture is not None and named != architecture.name:
        rule = f"mapping is for another design than {architecture.name}"
        faults.append(positions.fault("architecture", rule, "remove the key if it fits both"))
    levels = document.data.get("levels")
    if architecture is not None and isinstance(levels, dict):
        # On the plain data, so that levels with faults of their own do not hide those of others.
        for name, loops in levels.items():
            faults += _level_faults(name, part(loops, LevelLoopsSpec), architecture, positions)
    if spec is None or faults:
        raise InputError(sort_faults(faults))
    entries = [_level_mapping(name, loops) for name, loops in spec.levels.items()]
    if architecture is not None:
        order = _level_names(architecture)
        entries.sort(key=lambda entry: order.index(entry.level))
    return Mapping(tuple(entries))


def _named_faults(ref: str, error: InputError, positions: Positions) -> list[Fault]:
    """Return why the design that a mapping names cannot be had, at the place of that name."""
    if is_path(ref):
        return [*error.faults]  # they say where in that file
    return [positions.fault("architecture", x.rule, x.hint) for x in error.faults]


def _level_names(architecture: Architecture) -> list[str]:
    return [*(level.name for level in architecture.levels), architecture.compute.name]


def _level_mapping(name: str, loops: LevelLoopsSpec) -> LevelMapping:
    temporal, x, y = (
        tuple(Loop(dim, tile) for dim, tile in group)
        for group in (loops.temporal, loops.x, loops.y)
    )
    return LevelMapping(name, temporal, x, y, loops.keep)


def _level_faults(
    name: str, loops: LevelLoopsSpec | None, architecture: Architecture, positions: Positions
) -> Iterator[Fault]:
    path = f"levels.{name}"
    order = _level_names(architecture)
    if name not in order:
        rule = f"{architecture.name} has no such level"
        yield positions.fault(path, rule, nearest(name, order), at_key=True)
        return
    if loops is None:
        return
    level = {level.name: level for level in architecture.levels}.get(name)
    if isinstance(level, Fanout) and loops.temporal:
        yield positions.fault(f"{path}.temporal", "a fan-out takes only x and y")
    if not isinstance(level, Fanout):
        for axis, group in (("x", loops.x), ("y", loops.y)):
            if group:
                yield positions.fault(f"{path}.{axis}", "only fan-outs take x and y")
    if loops.keep is None:
        return
    if not isinstance(level, Memory):
        yield positions.fault(f"{path}.keep", "only memories keep tensors", "remove keep")
        return
    for index, tensor in enumerate(loops.keep):
        if tensor not in level.holds:
            rule = f"{name} may hold only {', '.join(level.holds)}"
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
