"""Timeloop's constraints as dataflows of ours, where a dataflow can say them.

``C=1`` bars a dim from a level; a dim that must be spread whole has the factor 0, as the tool takes
it. A dataflow names the dims that may loop in time in their order, so that the permutation has to
name all dims that are not barred. Limits of single factors cannot be said.
"""

from __future__ import annotations

from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflow import Dataflow, LevelRule
from arraysmith.arch.errors import nearest
from arraysmith.arch.importers.timeloop_architecture import constraint_targets
from arraysmith.arch.importers.timeloop_mapping import split_axes, targets_of
from arraysmith.arch.importers.timeloop_names import Names
from arraysmith.arch.importers.timeloop_nodes import LEAVES
from arraysmith.arch.importers.timeloop_source import Directive, Reading, read_directive
from arraysmith.arch.problem import DIMS


def node_targets(reading: Reading) -> list[tuple[Any, str, dict[str, str]]]:
    """Return the constraints that stand at nodes, with their paths and what the place says."""
    found: list[tuple[Any, str, dict[str, str]]] = []

    def walk(data: Any, path: str) -> None:
        for index, node in enumerate(data if isinstance(data, tuple) else ()):
            at = f"{path}[{index}]"
            if not isinstance(node, dict):
                continue
            if reading.positions.tags.get(at) not in LEAVES:
                walk(node.get("nodes"), f"{at}.nodes")
                continue
            group = reading.table(node.get("constraints"), f"{at}.constraints")
            for kind, body in group.items():
                said = {"target": str(node.get("name")), "type": kind}
                found.append((body, f"{at}.constraints.{kind}", said))

    section = reading.document.data.get("architecture")
    walk(section.get("nodes") if isinstance(section, dict) else None, "architecture.nodes")
    return found


def read_dataflow(
    reading: Reading, architecture: Architecture, names: Names, name: str | None = None
) -> Dataflow | None:
    """Return all constraints of a file as a dataflow; None when it has none, or with faults.

    What levels keep is part of the design, and left out here.

    Args:
        reading: the file; takes faults and assumptions.
        architecture: gives the levels.
        names: words of the problem.
        name: of the dataflow; None to take the name of the file.
    """
    before = len(reading.faults)
    dims = tuple(names.dims)
    listed = node_targets(reading)
    listed += [(item, path, {}) for item, path in constraint_targets(reading)]
    rules: dict[str, LevelRule] = {}
    for data, path, said in listed:
        found = read_directive(reading, data, path, dims, **said)
        if found is None or found.type == "dataspace":
            continue
        _take(reading, found, architecture, names, rules)
    if len(reading.faults) > before or not rules:
        return None
    order = [level.name for level in architecture.levels]
    note = "constraints of a Timeloop file"
    kept = tuple(rules[level] for level in order if level in rules)
    return Dataflow(name or reading.stem, note, kept)


def _take(
    reading: Reading,
    found: Directive,
    architecture: Architecture,
    names: Names,
    rules: dict[str, LevelRule],
) -> None:
    targets = targets_of(architecture)
    target = targets.get((found.type, found.target))
    barred = {factor.dim for factor in found.factors if factor.count == 1}
    whole = tuple(factor.dim for factor in found.factors if factor.count == 0)
    dims = tuple(names.dims)
    open_dims = [dim for dim in dims if dim not in barred]
    if target is None:
        if open_dims or ("spatial", found.target) not in targets:
            known = [name for kind, name in targets if kind == found.type]
            rule = f"is no level for {found.type} loops"
            reading.fault(found.path, f"{found.target} {rule}", nearest(found.target, known))
        return
    for factor in found.factors:
        fixed = factor.count > 1 or factor.relation != "="
        if fixed or (factor.count == 0 and found.type == "temporal"):
            rule = "cannot be said: a dataflow leaves the factors of dims open"
            reading.fault(factor.path, rule, f"{factor.dim}=1 bars the dim")
    mine = rules.get(target.level, LevelRule(target.level))
    ours = names.dims
    if found.type == "temporal":
        unsaid = [dim for dim in open_dims if dim not in (found.permutation or ())]
        free = found.permutation is None and not barred
        if not free and len(open_dims) > 1 and unsaid:
            text = "cannot be said: dims in any order beside others that are barred or ordered"
            hint = f"the permutation must name {', '.join(unsaid)}"
            reading.fault(found.path, text, hint)
        order = [dim for dim in reversed(found.order(dims)) if dim in open_dims]
        temporal = None if free else _ours(order, names)
        rules[target.level] = LevelRule(target.level, temporal, mine.x, mine.y, mine.whole)
        return
    if found.permutation is None and len(open_dims) > 1:
        reading.assume(f"{found.target}: dims spread over it keep the order of the problem")
    x, y = split_axes(reading, found, target, dims)
    sides: list[tuple[str, ...] | None] = [
        _ours([dim for dim in reversed(axis) if dim in open_dims], names) if exists else ()
        for axis, exists in ((x, target.columns), (y, target.rows))
    ]
    level = next(fanout for fanout in architecture.fanouts if fanout.name == target.level)
    alone = found.target not in (level.name, f"inter_{level.name}_spatial")
    if alone and "-" in level.name:
        # One of two containers that became one array: the other one says the other axis.
        sides = [
            side if exists else before
            for side, exists, before in zip(
                sides, (target.columns, target.rows), (mine.x, mine.y), strict=True
            )
        ]
    kept = tuple(dim for dim in DIMS if dim in (*mine.whole, *(ours[dim] for dim in whole)))
    rules[target.level] = LevelRule(target.level, mine.temporal, sides[0], sides[1], kept)


def _ours(dims: list[str], names: Names) -> tuple[str, ...]:
    """Return dims by our names."""
    return tuple(names.dims[dim] for dim in dims)
