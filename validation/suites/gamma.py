"""The best mappings that GAMMA found, scored by our rules of MAESTRO: that both play one game."""

from __future__ import annotations

from pathlib import Path

from arraysmith.arch.notation.maestro_levels import Level, resolve
from arraysmith.arch.registry import register
from arraysmith.search.mapping_directives import NJ_PER_ACCESS
from arraysmith.sim.analytical.maestro.cost import Machine, count
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.gamma_reference import GUARDED, LAYER, REFERENCE, genome_of, layer_of
from arraysmith.validation.reference_files import case_rows, number

COLUMNS = {
    "runtime": "best_runtime_cycles",
    "L2 energy": "best_energy_csv_nj",
    "L1 size": "best_l1_elem",
    "L2 size": "best_l2_elem",
}
"""What is compared -> its column: cycles, nanojoules, elements."""

NOT_REPRODUCED = (
    "a partial unit in the last fold of the innermost level, in a cluster that is itself at an "
    "edge: the rules do not follow the tool there, see their README"
)

DIGITS = 6
"""Figures to which the tool prints energies."""


@register("suite", "gamma")
def gamma(cases: Path | None = None) -> Outcome:
    """Compare runtime, energy and sizes of every mapping.

    ``cases`` is a folder with ``gamma_guarded.csv``, or a file of that form.
    """
    path = cases or REFERENCE
    path = path / GUARDED if path.is_dir() else path
    found: list[Comparison] = []
    skipped = {}
    for line, row in case_rows(path, (*LAYER, "pes", "noc_bw", "mapping", *COLUMNS.values())):
        layer = layer_of(row)
        case = f"{layer.name} {row['hw']} {row['objective']}"
        directives = genome_of(row)
        machine = Machine(int(row["pes"]), int(row["noc_bw"]))
        cost = count(directives, layer, machine)
        moved = cost.input_reads + cost.filter_reads + cost.output_writes + sum(cost.tensors[:2])
        got = {
            "runtime": cost.cycles,
            "L2 energy": moved * NJ_PER_ACCESS,
            "L1 size": cost.l1_elements,
            "L2 size": cost.l2_elements,
        }
        for quantity, column in COLUMNS.items():
            if quantity == "runtime" and _edge_in_edge(resolve(directives, layer, machine.pes)):
                skipped[f"{case} runtime"] = NOT_REPRODUCED
                continue
            expected = number(row, column, path, line)
            grain = _last_digit(expected) if quantity == "L2 energy" else 0.0
            found.append(Comparison(case, quantity, expected, got[quantity], grain))
        found.append(Comparison(case, "MACs", layer.macs, cost.macs))
    return Outcome("gamma", tuple(found), skipped, {})


def _edge_in_edge(levels: tuple[Level, ...]) -> bool:
    """Return whether ``NOT_REPRODUCED`` holds for a mapping of two levels."""
    outer, inner = levels
    (shared,) = inner.spatial
    around = next(x for x in outer.maps if x.dim == shared.dim)
    whole = outer.extent[shared.dim] - around.size
    held = inner.extent[shared.dim] - shared.size
    units, rest = divmod(held, shared.offset)
    folds = units >= inner.units and (units + 1) % inner.units
    return bool(whole % around.offset and rest and folds)


def _last_digit(value: float) -> float:
    """Return what the figures that are printed leave open."""
    return float(f"1e{len(str(int(value))) - DIGITS}")
