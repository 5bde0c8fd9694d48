"""A mapping file against a design and a layer: every rule it breaks, at its place in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import Fault
from arraysmith.arch.legality import Violation, check_mapping
from arraysmith.arch.mapping_file import load_mapping
from arraysmith.arch.problem import Problem
from arraysmith.arch.spec_reader import sort_faults
from arraysmith.arch.yaml_positions import read_document

HINTS = {
    "bypass": "name tensors that the memory may hold; off-chip memory keeps all",
    "capacity": "make the tiles that loops above it cut smaller, or keep less there",
    "coverage": "add a loop of tile 1 at an inner level",
    "dim": "use a dim of the layer",
    "fanout": "spread fewer indices, or use larger tiles there",
    "level": "use the levels of the design, each once, in its order",
    "place": "move the loops to a level that takes them",
    "reduction": "spread a dim of the results instead, or let a memory above add",
    "repeat": "write one loop of the smallest tile",
    "sparsity": "use a systolic array, or a layer without weight sparsity",
    "tile": "use a tile within the one around it",
}
"""What to do about a broken rule of ``legality``."""

AXES = ("temporal", "x", "y")


def holds_mapping(path: str | Path, kind: str) -> bool:
    """Return whether a file of some kind holds loops of levels, for ``mapping_faults``."""
    if kind == "timeloop":
        return "mapping" in read_document(path, tags=True).data
    return kind == "mapping"


def mapping_faults(
    path: str | Path, architecture: Architecture, problem: Problem
) -> tuple[Fault, ...]:
    """Return a fault per rule of ``legality`` that the mapping in a file breaks.

    Args:
        path: a mapping file. Faults of another tool's file point at the file as a whole.
        architecture: the design it shall run on.
        problem: the layer it shall run.

    Raises:
        InputError: the file cannot be read, or does not fit the design.
    """
    mapping = load_mapping(path, architecture)
    document = read_document(path, tags=True)
    found = []
    for violation in check_mapping(architecture, problem, mapping):
        rule = f"{violation.rule}: {violation.limit}"
        fault = document.positions.fault(
            _path_of(violation, document.data.get("levels")), rule, HINTS[violation.rule]
        )
        found.append(replace(fault, value=violation.value))
    return tuple(sort_faults(found))


def _path_of(violation: Violation, levels: Any) -> str:
    """Return the field of a mapping file that a broken rule concerns."""
    where, _, part = violation.where.partition(".")
    if violation.rule == "sparsity":  # of the layer, whatever the mapping
        return ""
    if violation.rule == "coverage":  # the innermost loop of the dim
        return ([path for path, dim, _ in _loops(levels) if dim == where] or ["levels"])[-1]
    for path, dim, tile in _loops(levels):
        here = path.startswith(f"levels.{where}.") and dim == part
        if here and (violation.rule != "tile" or violation.value == f"tile {tile}"):
            return path
    return "levels" if where == "mapping" else f"levels.{violation.where}"


def _loops(levels: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (path, dim, tile) of the loops in a mapping file's plain data."""
    for name, axes in levels.items() if isinstance(levels, dict) else ():
        for axis in AXES:
            for index, loop in enumerate(axes.get(axis) or ()):
                dim, _, tile = str(loop).partition(":")
                yield f"levels.{name}.{axis}[{index}]", dim.strip(), tile.strip()
