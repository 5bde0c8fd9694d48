"""Why a Report is what it is: loop nest, tiles, accesses, energy, and what bounds the time."""

from __future__ import annotations

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.legality import tile_words
from arraysmith.arch.mapping import Mapping, kept_tensors
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.arch.technology.wires import wires_source
from arraysmith.sim.loop_nest import loop_nest, streams_through
from arraysmith.sim.pricing import PriceList
from arraysmith.sim.report import DRAIN, FILL, READ, UPDATE, Report
from arraysmith.sim.tables import energy_table, text_table
from arraysmith.sim.wires import wires_of


def explain(architecture: Architecture, problem: Problem, mapping: Mapping, report: Report) -> str:
    """Return the explanation of one layer's Report as text.

    Args:
        architecture: that it ran on.
        problem: the layer.
        mapping: how it ran.
        report: analytical Report of exactly these three.
    """
    sizes = " ".join(f"{dim}{size}" for dim, size in problem.size.items() if size > 1)
    parts = (
        f"{problem.name}: {problem.operator} {sizes}, {problem.macs:,} MACs",
        loop_nest(architecture, problem, mapping),
        _accesses(architecture, problem, mapping, report),
        energy_table(report),
        _sources(architecture),
        *([_roofline(report)] if report.balance else []),
        _time(report),
    )
    return "\n\n".join(parts)


def _accesses(
    architecture: Architecture, problem: Problem, mapping: Mapping, report: Report
) -> str:
    rows = []
    for index, level in enumerate(architecture.levels):
        if not isinstance(level, Memory):
            continue
        tiles = tile_words(architecture, problem, mapping, index)
        kept = kept_tensors(level, mapping.at(level.name))
        for tensor in TENSORS:
            mine = [x for x in report.accesses if (x.level, x.tensor) == (level.name, tensor)]
            if tensor not in kept and not mine:
                continue
            words = [
                sum(x.words for x in mine if x.direction == direction)
                for direction in (READ, FILL, UPDATE, DRAIN)
            ]
            rows.append(
                (
                    level.name,
                    tensor,
                    "-" if streams_through(architecture, level) else f"{tiles[tensor]:,}",
                    *(f"{count:,}" for count in words),
                    f"{sum(x.accesses for x in mine):,}",
                    f"{sum(x.energy_pj for x in mine) * 1e-6:,.3f}",
                )
            )
    blank = ("", "", "", "", "")
    mac = (f"{report.macs:,}", f"{report.mac_energy_pj * 1e-6:,.3f}")
    rows.append((architecture.compute.name, "", *blank, *mac))
    if report.leakage_energy_pj:
        rows.append(("leakage", "", *blank, "", f"{report.leakage_energy_pj * 1e-6:,.3f}"))
    rows.append(("total", "", *blank, "", f"{report.energy_pj * 1e-6:,.3f}"))
    heads = ("level", "tensor", "tile words", "read words", "fill words", "update words")
    return text_table((*heads, "drain words", "accesses", "energy uJ"), rows, labels=2)


def _sources(architecture: Architecture) -> str:
    """Return where the energy of each component has its number from."""
    prices = PriceList.of(architecture)
    rows = [(memory.name, prices.memories[memory.name].source) for memory in architecture.memories]
    for fanout in architecture.fanouts:
        wires = wires_of(fanout)
        none = "no energy: the architecture states no wires"
        source = none if wires is None else wires_source(wires, architecture.technology)
        rows.append((fanout.name, source))
    rows.append((architecture.compute.name, prices.mac.source))
    return text_table(("component", "energy from"), rows, labels=2)


def _time(report: Report) -> str:
    # What has no limit needs no time, and is no bound.
    bounds = [(x.cause, x.cycles) for x in report.balance[1:] if x.cycles]
    bounds = [("computing", report.compute_cycles), *bounds]
    stalls = [(f"stalled, {cause}", cycles) for cause, cycles in report.stalls]
    # The folds of a systolic array and their waits follow each other: the longest part counts.
    parts = bounds if len(report.balance) > 1 else [*bounds, *stalls]
    slowest = max(parts, key=lambda part: part[1])[0]
    rows = [
        (
            what,
            f"{'+' * ((what, cycles) in stalls)}{cycles:,}",
            "bounds the time" * (what == slowest),
        )
        for what, cycles in (*bounds, *stalls)
    ]
    rows += [(f"{cause}, not counted", f"{cycles:,}", "") for cause, cycles in report.uncounted]
    rows.append(("all", f"{report.cycles:,}", ""))
    return text_table(("time", "cycles", ""), rows)


def _roofline(report: Report) -> str:
    """Return per part what passes it, its intensity and the roof over it."""
    rows = []
    for part in report.roofline:
        intensity, roof = part["macs_per_word"], part["reachable_macs_per_cycle"]
        rows.append(
            (
                part["part"],
                f"{part['words']:,}" if part["words"] else "-",
                "-" if intensity is None else f"{intensity:,.2f}",
                "no limit" if roof is None else f"{roof:,.2f}",
                f"{part['mean_words_per_cycle']:,.2f}" if part["words"] else "-",
                f"{part['peak_words_per_cycle']:,.2f}" if part["words"] else "-",
                "lowest roof" * part["binds"],
            )
        )
    heads = ("part", "words", "MACs/word", "reachable MACs/cycle", "mean words/cycle")
    return text_table((*heads, "peak words/cycle", ""), rows)
