"""Mappings in the notation of ZigZag: one nest, cut for every operand at every memory by itself.

    temporal  {"O": [["FX:3", "FY:3"], ["OX:56"], ["K:4"]], "W": [...], "I": [...]}
    spatial   {"D1": {"K": 16}, "D2": {"C": 16}}

A list per memory of the operand, innermost memory first, of the loops kept there, inner to outer.
All operands have the same loops in the same order; where the lists end may differ ("uneven
mapping"), so that a memory may hold a large tile of one operand and a small one of another. A loop
is written ``OX:56``, ``["OX", 56]`` or ``('OX', 56)``. Spatial loops belong to a dimension of the
array. Their dims B, OY, OX, FY, FX are our N, P, Q, R, S; their operands I, W, O our ifmap, weight
and ofmap.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import prod
from typing import Any

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT, Problem

OPERANDS = {"O": OFMAP, "W": WEIGHT, "I": IFMAP}
"""Their operands -> our tensors, in the order in which that tool goes through them."""

DIMS = {"B": "N", "G": "G", "K": "K", "C": "C", "OY": "P", "OX": "Q", "FY": "R", "FX": "S"}
"""Their dims -> ours; a matrix product has its rows in B."""

THEIR_DIM = {ours: theirs for theirs, ours in DIMS.items()}
"""Our dims -> theirs."""

_LOOP = re.compile(r"\(?'?([A-Z]{1,2})'?\s*[:,]\s*([1-9][0-9]{0,14})\)?", re.ASCII)

Loop = tuple[str, int]
"""(our dim, turns)."""


@dataclass(frozen=True, slots=True)
class ZigzagMapping:
    """A mapping in that tool's terms, with our names.

    Attributes:
        nest: loops in time, inner to outer, the same for all operands.
        cuts: per tensor of ``OPERANDS``, per memory from the innermost: how many loops of the nest
            stand at it or below; rising, the last is the whole nest.
        spatial: per dimension of the array, the loops over it; their products are instances.
    """

    nest: tuple[Loop, ...]
    cuts: tuple[tuple[str, tuple[int, ...]], ...]
    spatial: tuple[tuple[str, tuple[Loop, ...]], ...]

    def levels(self, tensor: str) -> tuple[tuple[Loop, ...], ...]:
        """Return the loops at each memory of ``tensor``, innermost memory first."""
        cuts = dict(self.cuts)[tensor]
        return tuple(self.nest[a:b] for a, b in zip((0, *cuts[:-1]), cuts, strict=True))

    def turns(self, dim: str) -> int:
        """Return how often the loops in time over ``dim`` turn together."""
        return prod(count for name, count in self.nest if name == dim)


def parse_mapping(temporal: str, spatial: str) -> tuple[ZigzagMapping, tuple[str, ...]]:
    """Return the mapping of two JSON texts, and the assumptions that were made in reading it.

    Raises:
        InputError: no JSON of that form, an unknown operand or dim, operands whose loops differ;
            carries all faults.
    """
    faults: list[Fault] = []
    lists = _object(temporal, "temporal", faults)
    readable = not faults
    mesh = _object(spatial, "spatial", faults)
    faults += [
        Fault(f"temporal.{operand}", operand, "unknown operand", nearest(operand, OPERANDS))
        for operand in lists
        if operand not in OPERANDS
    ]
    found: dict[str, list[list[Loop]]] = {}
    for operand in OPERANDS:
        path = f"temporal.{operand}"
        if not isinstance(lists.get(operand), list) or not lists[operand]:
            if readable:
                shown = str(lists.get(operand, ""))
                rule, hint = "must be a list per memory", 'for example [["OX:56"], ["K:4"]]'
                faults.append(Fault(path, shown, rule, hint))
            continue
        found[operand] = [
            _loops(level, f"{path}[{index}]", faults) for index, level in enumerate(lists[operand])
        ]
    over = {name: _spatial(loops, f"spatial.{name}", faults) for name, loops in mesh.items()}
    if faults:
        raise InputError(faults)
    nests = {operand: tuple(x for level in found[operand] for x in level) for operand in found}
    nest = nests["O"]
    for operand, other in nests.items():
        if other != nest:
            rule = "must have the loops of O, in their order"
            shown = _text(other)
            faults.append(Fault(f"temporal.{operand}", shown, rule, f"O has {_text(nest)}"))
    if faults:
        raise InputError(faults)
    ones = any(count == 1 for _, count in nest)
    cuts = tuple(
        (OPERANDS[operand], tuple(_cuts([_turning(level) for level in levels])))
        for operand, levels in found.items()
    )
    mapping = ZigzagMapping(_turning(nest), cuts, tuple(over.items()))
    return mapping, ("loops that turn once are left out",) if ones else ()


def format_mapping(mapping: ZigzagMapping) -> tuple[str, str]:
    """Return (temporal, spatial) as JSON texts that ``parse_mapping`` reads back equal."""
    tensors = {ours: theirs for theirs, ours in OPERANDS.items()}
    temporal = {
        tensors[tensor]: [[_word(loop) for loop in level] for level in mapping.levels(tensor)]
        for tensor, _ in mapping.cuts
    }
    spatial = {
        name: {THEIR_DIM[dim]: count for dim, count in loops} for name, loops in mapping.spatial
    }
    return json.dumps(temporal), json.dumps(spatial)


def check_mapping(mapping: ZigzagMapping, problem: Problem) -> tuple[Fault, ...]:
    """Return a fault per dim that the loops do not cover, or cover more than once.

    Covering more than the layer is what the tool itself may do: an order that does not fit is made
    to fit by multiplying a loop, and the surplus is computed.
    """
    faults = []
    for dim, extent in problem.size.items():
        space = prod(n for _, loops in mapping.spatial for name, n in loops if name == dim)
        turns = mapping.turns(dim)
        shown = f"{THEIR_DIM[dim]}:{turns} in time, {space} in space"
        if turns * space < extent:
            faults.append(Fault("coverage", shown, f"must cover {extent}"))
        elif (turns - 1) * space >= extent:
            faults.append(Fault("coverage", shown, f"covers {extent} more than once"))
    return tuple(faults)


def _object(text: str, field: str, faults: list[Fault]) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        faults.append(Fault(field, text, "must be JSON", str(error)))
        return {}
    if not isinstance(value, dict):
        faults.append(Fault(field, text, "must be an object", 'for example {"D1": {"K": 16}}'))
        return {}
    return value


def _loops(value: Any, path: str, faults: list[Fault]) -> list[Loop]:
    if not isinstance(value, list):
        faults.append(Fault(path, str(value), "must be a list of loops", 'for example ["OX:56"]'))
        return []
    loops = [_loop(entry, f"{path}[{i}]", faults) for i, entry in enumerate(value)]
    return [loop for loop in loops if loop is not None]


def _loop(entry: Any, path: str, faults: list[Fault]) -> Loop | None:
    text = ":".join(str(part) for part in entry) if isinstance(entry, list) else str(entry)
    match = _LOOP.fullmatch(text.strip())
    if match is None:
        faults.append(Fault(path, text, "must be a loop, dim:turns", "for example OX:56"))
        return None
    if match[1] not in DIMS:
        faults.append(Fault(path, text, f"unknown dim {match[1]}", nearest(match[1], DIMS)))
        return None
    return DIMS[match[1]], int(match[2])


def _spatial(value: Any, path: str, faults: list[Fault]) -> tuple[Loop, ...]:
    if not isinstance(value, dict):
        faults.append(Fault(path, str(value), "must be an object", 'for example {"K": 16}'))
        return ()
    loops = [_loop([dim, count], f"{path}.{dim}", faults) for dim, count in value.items()]
    return tuple(loop for loop in loops if loop is not None)


def _turning(loops: list[Loop] | tuple[Loop, ...]) -> tuple[Loop, ...]:
    return tuple(loop for loop in loops if loop[1] > 1)


def _cuts(levels: list[tuple[Loop, ...]]) -> list[int]:
    ends, end = [], 0
    for level in levels:
        end += len(level)
        ends.append(end)
    return ends


def _word(loop: Loop) -> str:
    return f"{THEIR_DIM[loop[0]]}:{loop[1]}"


def _text(loops: tuple[Loop, ...]) -> str:
    return " ".join(_word(loop) for loop in loops) or "none"
