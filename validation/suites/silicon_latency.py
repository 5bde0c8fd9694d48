"""Latency of AlexNet by layer on the fabricated Eyeriss chip, simulated cycle by cycle.

One architecture file serves all layers. Per layer only the mapping differs, and that follows from
the seven numbers that the paper gives for a layer, by one rule (``mapping_of``).

The chip's *processing* latency counts the array while its words are in the buffer; waits for DRAM
are in the total. So ours is all cycles but those that wait for off-chip memory, including the first
fill and the last drain. The total, over the chip's link, and the power stand beside.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from math import inf
from pathlib import Path

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.legality import require_legal
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Problem
from arraysmith.arch.registry import register
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.report import Report
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.reference_files import case_rows, number, require_files, whole_number

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "eyeriss_chip"

PARAMETERS = ("m", "n", "e", "p", "q", "r", "t")
"""The paper's numbers of a mapping, see ``mapping_of``."""

MEASURED = {"processing_ms": 0.05, "total_ms": 0.05, "power_mw": 0.5}
"""Columns that are compared, each with half of its last digit."""

TOLERANCE_PCT = {
    "processing_ms": 9.0,
    # Reported, not judged: see the reference's README for what is not modelled.
    "total_ms": inf,
    "power_mw": inf,
}
"""Largest error of a layer allowed, by quantity."""

MEAN_TOLERANCE_PCT = {"processing_ms": 4.0}
"""Largest mean error allowed, by quantity."""

BUFFER, FILTERS, ARRAY, WEIGHTS, SUMS = "glb", "filter_buffer", "array", "weight_spad", "psum_spad"
"""Levels that the architecture has, outermost first, among others."""


@register("suite", "silicon-latency")
def silicon_latency(cases: Path | None = None) -> Outcome:
    """Compare every layer of the folder."""
    folder = cases or REFERENCE
    table, network, described = (
        folder / name for name in ("measured.csv", "network.yaml", "chip.yaml")
    )
    require_files((table, network, described))
    chip = load_architecture(described)
    problems = {x.problem.name: x.problem for x in load_network(network).layers}
    found, notes = [], []
    for line, row in case_rows(table, ("layer", *MEASURED, *PARAMETERS)):
        layer = row["layer"]
        if layer not in problems:
            raise InputError(
                [Fault("layer", layer, "is no layer of the network", "", str(table), line)]
            )
        stated = {name: whole_number(row, name, table, line) for name in PARAMETERS}
        run = run_layer(chip, problems[layer], stated)
        got = {
            "processing_ms": run.processing_ms,
            "total_ms": run.total_ms,
            "power_mw": run.power_mw,
        }
        for name, rounding in MEASURED.items():
            expected = number(row, name, table, line)
            found.append(Comparison(layer, name, expected, got[name], rounding))
        notes.append(
            f"{layer}: processing {run.processing_ms:.2f} ms (chip {row['processing_ms']}), total"
            f" {run.total_ms:.2f} ms ({row['total_ms']}), power {run.power_mw:.0f} mW"
            f" ({row['power_mw']}); {_waits(run.report)}"
        )
    return Outcome(
        "silicon-latency",
        tuple(found),
        {},
        TOLERANCE_PCT,
        notes=tuple(notes),
        mean_tolerance_pct=MEAN_TOLERANCE_PCT,
    )


@dataclass(frozen=True)
class LayerRun:
    """One layer simulated.

    Attributes:
        report: of the simulation.
        processing_ms: without waits for off-chip memory.
        total_ms: with them.
        power_mw: energy of the chip alone, without off-chip memory, over the processing time.
    """

    report: Report
    processing_ms: float
    total_ms: float
    power_mw: float


def run_layer(chip: Architecture, problem: Problem, stated: Dict[str, int]) -> LayerRun:
    """Simulate a layer under the mapping that the paper's numbers tell.

    Raises:
        ArraysmithError: the mapping is not legal on the chip.
    """
    mapping = mapping_of(chip, problem, stated)
    require_legal(chip, problem, mapping)
    report = CycleModel().evaluate(chip, problem, mapping)
    waits = sum(
        cycles
        for cause, cycles in report.stalls
        if cause in ("fill", "drain") or cause.startswith("offchip_")
    )
    per_ms = chip.clock_hz / 1000
    processing_ms = (report.cycles - waits) / per_ms
    on_chip_pj = report.energy_pj - report.energy_by_level()[chip.memories[0].name]
    return LayerRun(report, processing_ms, report.cycles / per_ms, on_chip_pj / 1e6 / processing_ms)


def mapping_of(chip: Architecture, problem: Problem, stated: Dict[str, int]) -> Mapping:
    """Return the mapping that the paper's numbers tell.

    A pass works on n images, q x r channels, p x t filters and e rows of results. A set of PEs has
    a column per row of results and a row per row of a filter; r x t sets work side by side, each
    with q channels and p filters. A set wider than the array is folded: its columns take turns in
    further rows. Sets lie below each other; if they do not fit, those of other filters lie beside
    each other. The buffer keeps the sums of m filters while the channels pass; weights stay in the
    PEs for all images and columns of a pass, and every PE takes one sum after the other.

    Args:
        chip: the architecture.
        problem: a convolution.
        stated: m, n, e, p, q, r and t.

    Raises:
        ArraysmithError: the chip lacks a level.
    """
    m, n, e, p, q, r, t = (stated[name] for name in PARAMETERS)
    array = chip.level(ARRAY)
    if not isinstance(array, Fanout):
        raise ArraysmithError(f"{chip.name}: {ARRAY} must be a fan-out")
    size = problem.size
    folds = -(-e // array.mesh_x)
    below = r * t * folds * size["R"] <= array.mesh_y
    rows = [Loop("P", 1)] if folds > 1 else []
    filters = [Loop("K", p)] if t > 1 else []
    channels = [Loop("C", q)] if r > 1 else []
    over_columns = (*(() if below else filters), Loop("P", folds))
    over_rows = (*(filters if below else ()), *channels, *rows, Loop("R", 1))

    def turns(*loops: tuple[str, int]) -> tuple[Loop, ...]:
        return tuple(Loop(dim, min(tile, size[dim])) for dim, tile in loops)

    return Mapping(
        (
            LevelMapping(
                chip.memories[0].name,
                turns(("G", 1), ("N", n), ("P", e), ("K", m), ("C", q * r)),
            ),
            LevelMapping(BUFFER, turns(("K", p * t))),
            LevelMapping(FILTERS, turns(("N", 1), ("Q", 1))),
            LevelMapping(ARRAY, x=over_columns, y=over_rows),
            LevelMapping(WEIGHTS, turns(("K", 1))),
            LevelMapping(SUMS, turns(("C", 1), ("S", 1))),
        )
    )


def _waits(report: Report) -> str:
    waits = sorted(report.stalls, key=lambda x: -x[1])
    told = ", ".join(f"{cause} {cycles:,}" for cause, cycles in waits)
    return f"cycles: compute {report.compute_cycles:,}, {told}"
