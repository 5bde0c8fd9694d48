"""The command ``chip``: several arrays at once, in each other's way at one off-chip memory."""

from __future__ import annotations

import shutil
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arraysmith.sim.cli import SAMPLES, Mappings, print_json
from arraysmith.sim.provenance import provenance
from arraysmith.sim.tables import dram_uses_table, text_table
from arraysmith.traces.levels import SHARED, levels_of_cores

if TYPE_CHECKING:
    from arraysmith.arch.chip_file import Chip
    from arraysmith.arch.chip_network import ChipNetwork
    from arraysmith.sim.cycle.chip.cores import ChipResult, Core
    from arraysmith.sim.probe import Probe
    from arraysmith.sim.waits import WaitTotals
    from arraysmith.traces.recorder import TraceWriter

# Modules that bring numba, simpy or h5py are imported by the command: its --help does not.


@click.command()
@click.argument("file")
@click.option(
    "--search",
    "samples",
    type=click.IntRange(min=1),
    default=SAMPLES,
    metavar="N",
    show_default=True,
    help="Mappings of a layer to look at, where a dataflow leaves a choice.",
)
@click.option("--traces", "traces_path", metavar="FILE.h5", help="Write every request here.")
@click.option(
    "--levels",
    metavar="LIST",
    help="What --traces holds of every core, see simulate; names count where a core has them.",
)
@click.option("--explain", "explained", is_flag=True, help="What waited for what, per core.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def chip(
    *,
    file: str,
    samples: int,
    traces_path: str | None,
    levels: str | None,
    explained: bool,
    as_json: bool,
) -> None:
    """Simulate the cores of a chip at once, cycle by cycle.

    FILE is YAML of kind chip: an off-chip memory, and cores, each with an architecture, a layer and
    a dataflow or a mapping. Each core is simulated alone as well, for its slowdown. In --traces a
    layer is a core.
    """
    from arraysmith.arch.chip_file import load_chip
    from arraysmith.sim.cycle.chip.cores import Core, simulate_cores
    from arraysmith.sim.waits import WaitTotals, explain_waits
    from arraysmith.traces.cli import open_writer
    from arraysmith.traces.recording import layer_folder

    if levels is not None and traces_path is None:
        raise click.UsageError("--levels says what --traces holds; give --traces")
    found = load_chip(file)
    designs = {core.name: core.architecture for core in found.cores}
    chosen = tuple((SHARED if levels is None else levels).split(","))
    # A name that is wrong shall not cost an hour.
    traced = levels_of_cores(designs, chosen) if traces_path is not None else {}
    cores, sources = [], []
    for core in found.cores:
        mappings = Mappings(core.architecture, core.mapping, core.dataflow, "default", samples)
        problem = core.layer.problem
        mapping = mappings.of(problem)
        cores.append(Core(core.name, core.architecture, problem, mapping, core.at or (0, 0)))
        sources.append(mappings.source)
    source = {
        core.name: provenance(
            core.architecture,
            model="cycle",
            setting="default",
            workload=core.workload,
            mapping=made,
        )
        for core, made in zip(found.cores, sources, strict=True)
    }
    waits = {core.name: WaitTotals() for core in cores} if explained else {}
    probes: dict[str, Probe] = dict(waits)
    if traces_path is None:
        result = simulate_cores(cores, probes, None, found.network)
    else:
        with open_writer(traces_path, {"cores": source}) as writer:
            folder = layer_folder(Path(traces_path))
            result = _recorded(cores, traced, waits, writer, folder, found.network)
    if as_json:
        print_json(_document(found, result, source, waits))
        return
    for one in result.cores if explained else ():
        click.echo(explain_waits(one.name, one.report, waits[one.name]) + "\n")
    click.echo(_text(found, result))
    if traces_path is not None:
        click.echo(f"\ntraces: {traces_path}")


def _recorded(
    cores: Sequence[Core],
    traced: Dict[str, frozenset[str]],
    waits: dict[str, WaitTotals],
    writer: TraceWriter,
    folder: Path,
    network: ChipNetwork | None,
) -> ChipResult:
    """Simulate and record: every core into a file of its own, then all into one, as layers."""
    from arraysmith.sim.cycle.chip.cores import core_regions, simulate_cores
    from arraysmith.sim.waits import WithTotals
    from arraysmith.traces.recorder import TraceWriter

    regions = core_regions(cores)
    probes: dict[str, Probe] = {}
    shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
    folder.mkdir()
    try:
        with ExitStack() as stack:
            for number, core in enumerate(cores):
                own = stack.enter_context(TraceWriter(folder / f"{number}.h5", {}))
                design = core.architecture
                placed = {name: asdict(region) for name, region in regions[core.name].items()}
                places = {design.memories[0].name: placed}
                probe = own.layer(
                    core.name,
                    design,
                    core.problem,
                    core.mapping,
                    places,
                    memories=traced[core.name],
                )
                probes[core.name] = WithTotals(probe, waits[core.name]) if waits else probe
            result = simulate_cores(cores, probes, None, network)
        for number in range(len(cores)):
            writer.adopt(folder / f"{number}.h5")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def _document(
    chip: Chip, result: ChipResult, source: dict[str, Any], waits: dict[str, WaitTotals]
) -> dict[str, Any]:
    cores = []
    for core, found in zip(chip.cores, result.cores, strict=True):
        told = {"waits": waits[core.name].to_dict()} if waits else {}
        cores.append(
            {
                "core": core.name,
                "workload": core.workload,
                "cycles_alone": found.alone.cycles,
                "slowdown": found.slowdown,
                "offchip_bytes": found.offchip_bytes,
                **found.report.to_dict(),
                **told,
                "provenance": source[core.name],
            }
        )
    return {
        "chip": chip.name,
        "clock_hz": result.clock_hz,
        "cycles": result.cycles,
        "cycles_one_by_one": result.cycles_one_by_one,
        "energy_pj": result.energy_pj,
        "offchip_words": result.offchip_words,
        "offchip_bytes": result.offchip_bytes,
        "dram": None if result.dram is None else result.dram.to_dict(),
        "links": [asdict(link) for link in result.links],
        "cores": cores,
    }


def _text(chip: Chip, result: ChipResult) -> str:
    rows = []
    for core, found in zip(chip.cores, result.cores, strict=True):
        moved = f"{found.offchip_bytes:,}"
        cells = (f"{found.alone.cycles:,}", f"{found.slowdown:.3f}", moved)
        rows.append(
            (
                core.name,
                core.workload,
                f"{found.report.cycles:,}",
                *cells,
                _uj(found.report.energy_pj),
            )
        )
    total = (f"{result.cycles:,}", "", "", f"{result.offchip_bytes:,}", _uj(result.energy_pj))
    rows.append((chip.name, "", *total))
    heads = (
        "core",
        "workload",
        "cycles",
        "cycles alone",
        "slowdown",
        "off-chip bytes",
        "energy uJ",
    )
    one = f"one after the other: {result.cycles_one_by_one:,} cycles"
    clocks = {found.report.clock_hz for found in result.cores}
    if len(clocks) > 1:
        one += f"; cycles of a core are its own, those of {chip.name} of {result.clock_hz:,} Hz"
    used = [
        (link.name, f"{link.bits // 8:,}", f"{100 * link.busy:.1f}")
        for link in result.links
        if link.bits
    ]
    links = text_table(("link", "bytes", "busy %"), used) if used else ""
    dram = dram_uses_table([(chip.name, result.dram)])
    parts = text_table(heads, rows, labels=2), one, links, dram
    return "\n\n".join(part for part in parts if part)


def _uj(energy_pj: float) -> str:
    return f"{energy_pj * 1e-6:,.2f}"
