"""Memories from a table of one's own: a CSV file is a plug-in.

A file ``mram.csv`` named by ``ARRAYSMITH_PLUGINS`` is the device ``mram``:

    # lines that start with # are comments
    technology,depth,width_bits,read_pj,write_pj,leakage_mw,area_um2,source
    28nm,256,32,1.1,5.2,0.001,1800,"vendor's compiler, 2025"

It needs rows of at least two widths per technology; between and beyond them the rules of ``grid``
hold. A node it has no rows for takes those of the next larger one, scaled like logic, or else of
the smallest. Banks are those of ``sram``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from math import isfinite
from pathlib import Path

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.registry import plugin_files, register
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import MEMORY_DEVICE, MemoryDevice, Shape
from arraysmith.arch.technology.grid import Grid, Quantities
from arraysmith.arch.technology.node import Node, nodes
from arraysmith.arch.technology.sram import banked
from arraysmith.arch.yaml_positions import read_text

COLUMNS = (
    "technology",
    "depth",
    "width_bits",
    "read_pj",
    "write_pj",
    "leakage_mw",
    "area_um2",
    "source",
)
"""Columns of a table, in any order."""

_NONE = 1e-30  # stands for 0 where a logarithm is taken


def table_device(path: Path) -> MemoryDevice:
    """Return the memory device of a CSV file.

    Raises:
        InputError: the file cannot be read or has faults; carries all of them.
    """
    return MemoryDevice(_estimator(_grids(read_text(path), str(path))))


def _grids(text: str, file: str) -> dict[Node, tuple[Grid, str]]:
    lines = [(n, x) for n, x in enumerate(text.splitlines(), 1) if x and not x.startswith("#")]
    reader = csv.DictReader(line for _, line in lines)
    faults = [
        Fault(name, "", "column is missing", ",".join(COLUMNS), file)
        for name in COLUMNS
        if name not in (reader.fieldnames or ())
    ]
    if faults:
        raise InputError(faults)
    found: dict[Node, list[tuple[int, int, Quantities]]] = {}
    sources: dict[Node, str] = {}
    for (number, _), row in zip(lines[1:], reader, strict=False):
        node = nodes().get(row["technology"])
        if node is None:
            hint = nearest(row["technology"], nodes())
            rule = "unknown technology"
            faults.append(Fault("technology", row["technology"], rule, hint, file, number, 1))
            continue
        before = len(faults)
        depth, width = (_number(row, x, file, number, faults) for x in COLUMNS[1:3])
        read, write, leakage, area = (_number(row, x, file, number, faults) for x in COLUMNS[3:7])
        if not row["source"]:
            rule = "must say where the numbers come from"
            faults.append(Fault("source", "", rule, "", file, number, 1))
        if len(faults) == before:
            shape = int(depth), int(width)
            found.setdefault(node, []).append((*shape, (read, write, leakage, area)))
            sources.setdefault(node, row["source"])
    for node, rows in found.items():
        if len({width for _, width, _ in rows}) < 2:
            rule = f"must have rows of at least two widths at {node.technology}"
            faults.append(Fault("width_bits", "", rule, "", file))
    if not found and not faults:
        faults.append(Fault("", "", "holds no rows", "", file))
    if faults:
        raise InputError(faults)
    return {node: (Grid.of(rows), sources[node]) for node, rows in found.items()}


def _number(row: dict[str, str], name: str, file: str, line: int, faults: list[Fault]) -> float:
    whole = name in {"depth", "width_bits"}
    may_be_none = name in {"leakage_mw", "area_um2"}
    try:
        value = float(int(row[name])) if whole else float(row[name])
    except (TypeError, ValueError):
        value = -1.0
    if not isfinite(value) or value < 0 or (value == 0 and not may_be_none):
        rule = "must be a whole number of at least 1" if whole else "must be a number above 0"
        faults.append(Fault(name, str(row[name]), rule, "", file, line, 1))
    return value or _NONE


def _estimator(
    grids: dict[Node, tuple[Grid, str]],
) -> Callable[[Shape, Node], ComponentCost]:
    def estimate(shape: Shape, node: Node) -> ComponentCost:
        assert shape.depth is not None  # memory_cost refuses a memory on the chip without one
        larger = [x for x in grids if x.nm >= node.nm]
        tabled = min(larger or grids, key=lambda x: x.nm)
        grid, source = grids[tabled]
        one_bank = grid.at(shape.depth / shape.banks, shape.width_bits)
        read_pj, write_pj, leakage_mw, area_um2 = banked(one_bank, shape.banks)
        energy = node.energy_factor / tabled.energy_factor
        area = node.area_factor / tabled.area_factor
        if tabled != node:
            source += f"; scaled from {tabled.nm} to {node.nm} nm like logic"
        return ComponentCost(
            read_pj * energy, write_pj * energy, leakage_mw * energy, area_um2 * area, source
        )

    return estimate


for _path in plugin_files(".csv"):
    register(MEMORY_DEVICE, _path.stem)(table_device(_path))
