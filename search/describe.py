"""What a search found, as rows, sentences and the parts of the report page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.problem import Layer
from arraysmith.search.evaluate import Scored
from arraysmith.search.found import SearchResult
from arraysmith.search.round_results import foretold
from arraysmith.search.space import FixedProduct, Space
from arraysmith.sim.loop_nest import loop_nest
from arraysmith.sim.report import Report
from arraysmith.sim.wait_profile import WaitProfile
from arraysmith.traces.describe import hardware_table, number_text, pe_use, total_pe_use
from arraysmith.traces.page import (
    Comparison,
    Convergence,
    Design,
    DesignRow,
    Front,
    FrontPoint,
    LayerRow,
    Pair,
    PeUse,
    ReportPage,
    Text,
)
from arraysmith.traces.waiting import Waiting

TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much one quantity fell: before / after.

    Attributes:
        total: original baseline / best design; mapping x hardware.
        mapping: original baseline / the same hardware with its best mapping.
        hardware: that / best design with its best mapping.
    """

    total: float
    mapping: float
    hardware: float

    @classmethod
    def of(cls, original: float, remapped: float, best: float) -> Gain:
        """Return the gain from three values of one quantity."""
        return cls(original / best, original / remapped, remapped / best)


def gains(result: SearchResult) -> dict[str, Gain]:
    """Return the gains in EDP, energy and cycles by the closed forms, and in simulated EDP."""
    closed, cycle = result.baselines, result.baselines_cycle
    by_forms = (closed.original.total, closed.remapped.total, result.winner.analytical.total)
    simulated = (cycle.original.total, cycle.remapped.total, result.winner.cycle.total)
    return {
        "edp": Gain.of(*(report.edp_j_cycles for report in by_forms)),
        "energy": Gain.of(*(report.energy_pj for report in by_forms)),
        "cycles": Gain.of(*(float(report.cycles) for report in by_forms)),
        "edp_simulated": Gain.of(*(report.edp_j_cycles for report in simulated)),
    }


_SIZES = frozenset({"depth", "width_bits", "mesh_x", "mesh_y"})


def other_numbers(space: Space) -> tuple[str, ...]:
    """Return the paths that a search changes beside the sizes that are always told."""
    paths = (
        path
        for x in space.parameters
        for path in (x.paths if isinstance(x, FixedProduct) else x.paths[:1])
    )
    return tuple(path for path in paths if path.rpartition(".")[2] not in _SIZES)


def hardware_text(architecture: Architecture, paths: Sequence[str] = ()) -> str:
    """Return the sizes of a design in a few words: ``array 14x12, glb 512x512``.

    A mesh is columns x rows, a memory depth x width in bits. Other numbers follow by their paths.
    """
    parts = []
    for level in architecture.levels:
        if isinstance(level, Fanout):
            parts.append(f"{level.name} {level.mesh_x}x{level.mesh_y}")
        elif level.depth is not None:
            parts.append(f"{level.name} {level.depth}x{level.width_bits}")
    parts += [f"{path} {number_text(architecture, path)}" for path in paths]
    return ", ".join(parts)


def original_note(result: SearchResult) -> str:
    """Return how the original baseline is mapped, for people."""
    baseline = result.run.baseline
    if baseline.mapping is not None:
        return "with its stated mapping"
    if baseline.samples:
        return f"best of {baseline.samples:,} random mappings"
    return "best mapping"


def design_rows(result: SearchResult) -> tuple[DesignRow, ...]:
    """Return the before/after table: printed rows, baselines, rivals, the best design."""
    run = result.run
    printed = [replace(row, label=f"{row.label} (printed)") for row in run.printed]
    label = baseline_label(result)
    rows = [
        DesignRow.of(label, result.baselines.original.total, f"{original_note(result)}, our model"),
        DesignRow.of(
            f"{label}, best mapping",
            result.baselines.remapped.total,
            "same hardware, best mapping found",
        ),
    ]
    rivals = [
        DesignRow.of(rival.label, scored.total, "with its stated mapping, our model")
        for rival, (scored, _) in zip(run.stated_rivals, result.rivals, strict=True)
    ]
    estimated = [
        DesignRow.of(label, scored.total, "its best mapping, our model")
        for label, scored in result.estimated
    ]
    best = result.winner
    return (
        *printed,
        *rows,
        *rivals,
        *estimated,
        DesignRow.of(
            "best found",
            best.analytical.total,
            hardware_text(best.analytical.design.architecture, other_numbers(result.run.space)),
        ),
        DesignRow.of(
            f"{label}, simulated",
            result.baselines_cycle.original.total,
            f"{original_note(result)}, cycle by cycle",
        ),
        *(
            DesignRow.of(f"{rival.label}, simulated", cycle.total, "cycle by cycle")
            for rival, (_, cycle) in zip(run.stated_rivals, result.rivals, strict=True)
        ),
        DesignRow.of("best found, simulated", best.cycle.total, "cycle by cycle"),
    )


def baseline_label(result: SearchResult) -> str:
    """Return what the run calls its baseline."""
    label: str = result.run.document["baseline"]["label"]
    return label


_AIMS = {"latency": "cycles", "energy": "energy"}
"""What a summary tells of runs with these objectives; of all others, EDP."""


def summary(result: SearchResult) -> str:
    """Return what was asked and what came out, in two sentences."""
    run = result.run
    aim = _AIMS.get(run.objective.name, "edp")
    asked = (
        f"{run.name}: {run.network.name} on designs like {run.template.name}, "
        f"objective {run.objective.name}, {result.evaluations:,} designs evaluated, "
        f"each with its best of {result.mappings:,} mappings."
    )
    return f"{asked} {gain_text(aim, gains(result)[aim])}"


def gain_text(aim: str, gain: Gain) -> str:
    """Return a sentence on what a search gained in ``edp``, ``energy`` or ``cycles``."""
    what = {"edp": "EDP", "energy": "Energy", "cycles": "Time"}[aim]
    falls = f"{what} falls {gain.total:.2f}{TIMES}"
    if gain.total < 1:
        falls = f"{what} rises {1 / gain.total:.2f}{TIMES}, nothing found beats the original"
    return (
        f"{falls}: {gain.mapping:.2f}{TIMES} lower by mapping the original better, "
        f"{gain.hardware:.2f}{TIMES} lower by other hardware."
    )


def page_of(
    result: SearchResult,
    provenance: dict[str, object],
    files: Sequence[tuple[str, str]],
    waiting: Sequence[WaitProfile] = (),
) -> ReportPage:
    """Return the report page.

    Args:
        result: of the search.
        provenance: plain data.
        files: (what it is, path relative to the page) of further results.
        waiting: what the winner waits for, per distinct layer; empty: not known.
    """
    run, best = result.run, result.winner
    original, remapped = result.baselines.original, result.baselines.remapped
    label = baseline_label(result)
    designs = [(label, original), (f"{label}, best mapping", remapped)]
    designs += [
        (x.label, scored) for x, (scored, _) in zip(run.stated_rivals, result.rivals, strict=True)
    ]
    designs.append(("best found", best.analytical))
    if designs[1][1] == original:
        del designs[1]
    same_chain = [
        (name, scored.design.architecture)
        for name, scored in designs
        if [x.name for x in scored.design.architecture.levels]
        == [x.name for x in run.template.levels]
        and name != f"{label}, best mapping"
    ]
    return ReportPage(
        title=f"Search {run.name}",
        summary=summary(result),
        rows=design_rows(result),
        comparison=Comparison(original.total, remapped.total, best.analytical.total),
        hardware=hardware_table(same_chain, other_numbers(run.space)),
        convergence=_convergence(result),
        front=_front(result) if result.front else None,
        sensitivity=result.sensitivity,
        foretold=foretold(result),
        designs=tuple(Design(name, scored.total) for name, scored in designs),
        pe_use=tuple(
            network_pe_use(name, scored, run.layers) for name, scored in (designs[0], designs[-1])
        ),
        top=tuple(
            Pair(
                f"#{rank}",
                found.analytical.total,
                found.cycle.total,
                hardware_text(found.analytical.design.architecture, other_numbers(run.space)),
            )
            for rank, found in enumerate(result.top, start=1)
        ),
        mappings=_nests(result),
        layers=_layer_rows(result) if len(run.network.layers) > 1 else (),
        waiting=tuple(
            Waiting.of(layer.name, layer.repeat, result.winner.cycle.layers[i].cycles, waiting[i])
            for layer, i in zip(run.network.layers, layer_index(result), strict=True)
            if waiting
        ),
        files=tuple(files),
        provenance=dict(provenance),
    )


def network_pe_use(label: str, scored: Scored, layers: Sequence[Layer]) -> PeUse:
    """Return how busy each PE is over one inference: its MACs in all layers / all cycles."""
    design = scored.design
    parts = [
        pe_use(label, design.architecture, layer.problem, mapping, report.cycles)
        for layer, mapping, report in zip(layers, design.mappings, scored.layers, strict=True)
    ]
    cycles = [x.repeat * report.cycles for x, report in zip(layers, scored.layers, strict=True)]
    return total_pe_use(label, parts, cycles)


def layer_index(result: SearchResult) -> tuple[int, ...]:
    """Return, for every layer of the network, the index of its equal in ``run.layers``."""
    known = {x.problem.renamed(""): i for i, x in enumerate(result.run.layers)}
    return tuple(known[x.problem.renamed("")] for x in result.run.network.layers)


def _layer_rows(result: SearchResult) -> tuple[LayerRow, ...]:
    best: tuple[Report, ...] = result.winner.analytical.layers
    cycle: tuple[Report, ...] = result.winner.cycle.layers
    before = result.baselines.original.layers
    return tuple(
        LayerRow(layer.name, layer.repeat, best[i], before[i], cycle[i])
        for layer, i in zip(result.run.network.layers, layer_index(result), strict=True)
    )


def _nests(result: SearchResult) -> tuple[Text, ...]:
    layers = result.run.layers
    several = len(layers) > 1
    designs = [("best found", result.winner.analytical)]
    if not several:
        designs.insert(0, (baseline_label(result), result.baselines.original))
    return tuple(
        Text(
            f"{label}, {layer.name}" if several else label,
            loop_nest(scored.design.architecture, layer.problem, mapping),
        )
        for label, scored in designs
        for layer, mapping in zip(layers, scored.design.mappings, strict=True)
    )


def _convergence(result: SearchResult) -> Convergence:
    # A generation without a legal design has no place on an axis.
    shown = [x for x in result.generations if x.batch_best != float("inf")]
    return Convergence(
        tuple(x.best for x in shown),
        tuple(x.batch_best for x in shown),
        tuple(x.batch_median for x in shown),
        f"{result.run.objective.name}, {result.run.objective.unit}",
        tuple(
            tuple(x.best for x in generations if x.batch_best != float("inf"))
            for _, generations in result.repeats[1:]
        ),
    )


def _front(result: SearchResult) -> Front:
    space = result.run.space
    others = other_numbers(space)
    points = sorted(result.front, key=lambda x: (x.losses, x.genome))
    winner = result.winner.genome
    chosen = [f"#{number}" for number, x in enumerate(points, start=1) if x.genome == winner]
    return Front(
        tuple(f"{x.name}, {x.unit}" for x in result.run.front),
        tuple(
            FrontPoint(f"#{number}", x.losses, hardware_text(space.architecture(x.genome), others))
            for number, x in enumerate(points, start=1)
        ),
        "".join(chosen),
    )
