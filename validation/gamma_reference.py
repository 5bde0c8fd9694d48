"""The cases that GAMMA was measured on: layers, hardware points, its best by evaluator calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.notation.maestro import Amount, Cluster, Directives, MaestroLayer, Map
from arraysmith.arch.notation.maestro_convert import problem_of
from arraysmith.search.mapping_directives import NJ_PER_ACCESS, DirectiveSpace, Limits
from arraysmith.sim.analytical.maestro.cost import Machine
from arraysmith.validation.reference_files import case_rows, number

REFERENCE = Path(__file__).resolve().parent / "reference" / "gamma"
GUARDED = "gamma_guarded.csv"
EQUAL_BUDGET = "equal_budget.csv"

LAYER = ("model", "layer_index", "K", "C", "Y", "X", "R", "S", "depthwise", "hw", "objective")
"""Columns that say what is mapped on what."""

HARDWARE = {
    "edge168": (Machine(168, 81_920_000), Limits(512, 108_000)),
    "edge168_bw14": (Machine(168, 14), Limits(512, 108_000)),
    "cloud4096": (Machine(4096, 81_920_000), Limits(512, 4_194_304)),
    "cloud4096_bw256": (Machine(4096, 256), Limits(512, 4_194_304)),
}
"""Hardware points; elements, and elements per cycle."""

OUTPUT_DIM = {"Y": "Y'", "X": "X'"}


@dataclass(frozen=True)
class Case:
    """One layer on one hardware point, with what GAMMA found.

    Attributes:
        name: network and layer.
        hardware: one of ``HARDWARE``.
        objective: ``latency``, ``energy`` or ``edp``.
        layer: the layer.
        best: GAMMA's best after 1,000 evaluator calls, the median of its seeds.
        best_at_100: the same after 100.
    """

    name: str
    hardware: str
    objective: str
    layer: MaestroLayer
    best: float
    best_at_100: float

    @property
    def point(self) -> str:
        """Hardware and objective: what geometric means are taken over."""
        return f"{self.hardware} {self.objective}"

    def space(self, *, strict: bool = False) -> DirectiveSpace:
        """Return the mappings of the case, by GAMMA's rules."""
        machine, limits = HARDWARE[self.hardware]
        return DirectiveSpace(self.layer, machine, limits, strict=strict)

    @cached_property
    def bound(self) -> float:
        """No mapping that does all the work is better: MACs / PEs, every word through L2 once."""
        machine, _ = HARDWARE[self.hardware]
        problem = problem_of(self.layer)
        cycles = self.layer.macs / machine.pes
        moved = 2 * (problem.ifmap.words + problem.weight.words) + problem.ofmap.words
        energy = moved * NJ_PER_ACCESS
        return {"latency": cycles, "energy": energy, "edp": cycles * energy}[self.objective]


def layer_of(row: dict[str, str]) -> MaestroLayer:
    """Return the layer of a row."""
    kind = "DSCONV" if row["depthwise"] == "1" else "CONV"
    sizes = (("N", 1), *((dim, int(row[dim])) for dim in "KCRSYX"))
    return MaestroLayer(f"{row['model']} {row['layer_index']}", kind, sizes)


def genome_of(row: dict[str, str]) -> Directives:
    """Return the mapping of a row as directives; the column is described in the README there."""
    genes = json.loads(row["mapping"])
    items: list[Map | Cluster] = []
    for level in (genes[:7], genes[7:]):
        if items:
            items.append(Cluster(Amount(level[0][1])))
        for dim, tile in level[1:]:
            amount = Amount(tile)
            items.append(Map(dim == level[0][0], amount, amount, OUTPUT_DIM.get(dim, dim)))
    return Directives(tuple(items))


def cases(folder: Path = REFERENCE) -> tuple[Case, ...]:
    """Return the cases of ``equal_budget.csv``, and of ``gamma_guarded.csv`` where it has more.

    Raises:
        InputError: a file or column is missing, or names hardware that is not known.
    """
    found: dict[tuple[str, str, str], tuple[MaestroLayer, list[float], list[float]]] = {}
    for name in (EQUAL_BUDGET, GUARDED):
        before = set(found)
        for path, line, row in _rows(folder / name):
            if row.get("algorithm", "GAMMA+guard") != "GAMMA+guard":
                continue
            key = (row["hw"], row["objective"].lower(), f"{row['model']} {row['layer_index']}")
            if row["hw"] not in HARDWARE:
                rule, hint = "no such hardware point", nearest(row["hw"], HARDWARE)
                raise InputError([Fault("hw", row["hw"], rule, hint, str(path), line, 1)])
            if key in before or key[1] == "energy":
                continue
            entry = found.setdefault(key, (layer_of(row), [], []))
            entry[1].append(number(row, "best_at_1000", path, line))
            entry[2].append(number(row, "best_at_100", path, line))
    return tuple(
        Case(name, hardware, objective, layer, median(at_end), median(at_100))
        for (hardware, objective, name), (layer, at_end, at_100) in found.items()
    )


def _rows(path: Path) -> Iterator[tuple[Path, int, dict[str, str]]]:
    for line, row in case_rows(path, (*LAYER, "best_at_100", "best_at_1000")):
        yield path, line, row
