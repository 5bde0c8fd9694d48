"""Architectures from YAML files and presets, and back to YAML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import (
    LEAKS_SRAM,
    Architecture,
    Compute,
    Energy,
    Fanout,
    Level,
    ScaleOut,
    Systolic,
    Wires,
    XyBus,
)
from arraysmith.arch.errors import ArraysmithError, Fault, InputError, nearest
from arraysmith.arch.importers.scalesim_config import is_config, read_config
from arraysmith.arch.importers.timeloop_architecture import design_document, renamed
from arraysmith.arch.importers.timeloop_names import USUAL, Names
from arraysmith.arch.importers.timeloop_problem import words_of
from arraysmith.arch.importers.timeloop_source import Reading, is_timeloop, read_source
from arraysmith.arch.memory_file import memory_document, memory_faults, memory_of
from arraysmith.arch.notation.maestro_convert import architecture_of
from arraysmith.arch.notation.maestro_file import is_maestro, read_hardware
from arraysmith.arch.spec_reader import collect, is_path, part, sort_faults
from arraysmith.arch.specs import (
    ArchitectureSpec,
    FanoutSpec,
    MemorySpec,
    WiresSpec,
)
from arraysmith.arch.units import format_clock, format_cycles, format_energy_pj, format_rate
from arraysmith.arch.yaml_positions import (
    Document,
    Positions,
    child_path,
    dump_document,
    parse_document,
    read_document,
)

PRESETS = Path(__file__).parent / "presets"
"""Folder of the designs that ship with the project."""


def preset_names() -> tuple[str, ...]:
    """Return the names of the designs that ship with the project, sorted."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def preset_path(name: str) -> Path:
    """Return the file of the preset ``name``, one of ``preset_names()``."""
    return PRESETS / f"{name}.yaml"


def load_architecture(ref: str | Path) -> Architecture:
    """Return the design that ``ref`` names: a preset, or the path of a YAML or ``.cfg`` file.

    A word that is neither a preset nor looks like a path may still be a file without suffix.

    Raises:
        InputError: no such preset or file, or a file with faults; carries all of them.
    """
    if isinstance(ref, Path) or is_path(ref):
        return read_architecture(ref)
    if ref in preset_names():
        return read_architecture(preset_path(ref))
    if Path(ref).is_file():
        return read_architecture(ref)
    rule = "is neither a preset nor a file"
    raise InputError([Fault("architecture", ref, rule, nearest(ref, preset_names()))])


def parse_architecture(text: str, file: str = "") -> Architecture:
    """Return the design in YAML ``text``; ``file`` is the name that faults carry."""
    return build_architecture(parse_document(text, file))


def read_architecture(path: str | Path) -> Architecture:
    """Return the design in a file: YAML, ours or Timeloop's, a ``.cfg`` of SCALE-Sim, a ``.m``."""
    if is_config(path):
        return read_config(path).architecture()
    if is_maestro(path):
        return architecture_of(read_hardware(path), name=Path(path).stem)[0]
    document = read_document(path)
    if is_timeloop(document):
        source = read_source(path)
        return timeloop_architecture(Reading(source), words_of(source))
    return build_architecture(document)


def timeloop_architecture(reading: Reading, names: Names = USUAL) -> Architecture:
    """Return the design in a file of Timeloop; ``reading`` takes the assumptions made.

    Args:
        reading: the file.
        names: what its data spaces are called here.

    Raises:
        InputError: the design has faults, or cannot be said in our types; carries all of them.
    """
    if "architecture" not in reading.document.data:
        reading.fault("architecture", "holds no architecture", "the design to run on")
        reading.finish()
    document, paths = design_document(reading, names)
    try:
        built = build_architecture(document)
    except InputError as error:
        reading.faults += renamed(error, paths, reading)
    reading.finish()
    return built


def build_architecture(document: Document) -> Architecture:
    """Return the design in a document that was read already; InputError with all its faults."""
    spec, faults = collect(document, ArchitectureSpec)
    faults += _chain_faults(document.data, document.positions)
    if spec is not None:
        faults += _compute_faults(spec, document.positions)
    if spec is None or faults:
        raise InputError(sort_faults(faults))
    levels = tuple(
        memory_of(level, spec.clock, document.positions.file)
        if isinstance(level, MemorySpec)
        else _fanout(level)
        for level in spec.levels
    )
    compute = spec.compute
    energy = None if compute.energy is None else Energy(compute.energy, compute.energy)
    mac = Compute(
        compute.name,
        compute.multiply,
        compute.accumulate,
        compute.pipeline,
        energy,
        compute.number,
    )
    return Architecture(spec.name, spec.clock, spec.technology, levels, mac, spec.leakage)


def _fanout(spec: FanoutSpec) -> Fanout:
    if spec.network.systolic is not None:
        wires = spec.network.systolic
        array = Systolic(
            drain=wires.drain,
            fold_overlap=wires.fold_overlap,
            partial_folds=wires.partial_folds,
            partial_sums=wires.partial_sums,
            wires=_wires(wires.wires),
        )
        return Fanout(spec.fanout, spec.mesh_x, spec.mesh_y, array)
    if spec.network.scale_out is not None:
        cut = spec.network.scale_out
        return Fanout(spec.fanout, spec.mesh_x, spec.mesh_y, ScaleOut(cut.y, cut.x))
    bus = spec.network.xy_bus
    assert bus is not None  # _network_faults refused a network with neither
    wiring = XyBus(
        None if bus.bandwidth is None else bus.bandwidth.amount,
        bus.latency,
        bus.multicast,
        bus.diagonal,
        bus.reduction,
        bus.adds_above,
        _wires(bus.wires),
    )
    return Fanout(spec.fanout, spec.mesh_x, spec.mesh_y, wiring)


def _wires(spec: WiresSpec | None) -> Wires | None:
    return None if spec is None else Wires(spec.hop or 0, spec.routers, spec.energy)


def _chain_faults(data: Any, positions: Positions) -> Iterator[Fault]:
    """Yield what single fields cannot tell: how levels fit together.

    Works on the plain data, so that levels with faults of their own do not hide those of others.
    """
    levels = data.get("levels")
    if not isinstance(levels, tuple):
        return
    yield from _name_faults(levels, data.get("compute"), positions)
    if levels and not _is_kind(levels[0], "memory"):
        yield positions.fault("levels[0]", "the first level must be the off-chip memory")
    if all(_is_kind(level, "memory") for level in levels):
        rule = "must have at least one fan-out"
        yield positions.fault("levels", rule, "a single MAC is a fan-out of mesh_x 1, mesh_y 1")
    array = part(levels[-1], FanoutSpec) if levels else None
    systolic = array is not None and array.network.systolic is not None
    for index, level in enumerate(levels):
        path = child_path("levels", index)
        memory, fanout = part(level, MemorySpec), part(level, FanoutSpec)
        if memory is not None:
            yield from memory_faults(
                memory, path, positions, off_chip=index == 0, systolic=systolic
            )
        if fanout is not None:
            yield from _network_faults(fanout, path, positions, last=index == len(levels) - 1)
    yield from _scale_out_faults(levels, positions)


def _compute_faults(spec: ArchitectureSpec, positions: Positions) -> Iterator[Fault]:
    """Yield what the bits of the MACs and the type of their numbers break together."""
    # Not at the top: only reading an architecture needs the tables.
    from arraysmith.arch.technology.estimate import arithmetic_of
    from arraysmith.arch.technology.node import node_of

    mac = spec.compute
    try:
        node = node_of(spec.technology)
        arithmetic_of(mac.number).estimate(mac.multiply, mac.accumulate, node)
    except InputError as error:
        for fault in error.faults:
            yield positions.fault(f"compute.{fault.field}", fault.rule, fault.hint)


def _is_kind(level: Any, key: str) -> bool:
    return isinstance(level, dict) and key in level


def _name_faults(levels: tuple[Any, ...], compute: Any, positions: Positions) -> Iterator[Fault]:
    named = [
        (level[key], f"levels[{index}].{key}")
        for index, level in enumerate(levels)
        for key in ("memory", "fanout")
        if _is_kind(level, key)
    ]
    mac = compute.get("name") if isinstance(compute, dict) else None
    named.append((Compute().name if mac is None else mac, "compute.name"))
    first: dict[str, str] = {}
    for name, path in named:
        if not isinstance(name, str):
            continue
        if name in first:
            yield positions.fault(path, "name is used twice", f"{first[name]} has it too")
        first.setdefault(name, path)


def _network_faults(
    spec: FanoutSpec, path: str, positions: Positions, *, last: bool
) -> Iterator[Fault]:
    kinds = ("xy_bus", "systolic", "scale_out")
    given = [key for key in kinds if getattr(spec.network, key) is not None]
    if len(given) != 1:
        rule = "must be exactly one of xy_bus, systolic and scale_out"
        yield positions.fault(f"{path}.network", rule, "for example network: {xy_bus: {}}")
    elif given == ["systolic"] and not last:
        rule = "a systolic array must be the last level"
        yield positions.fault(f"{path}.network.systolic", rule, "its MACs store nothing but a word")
    for kind in ("xy_bus", "systolic"):
        wires = getattr(getattr(spec.network, kind), "wires", None)
        if wires is not None and (wires.hop is None) == (wires.energy is None):
            rule = "must give the length of a hop or its energy, not both"
            yield positions.fault(f"{path}.network.{kind}.wires", rule, "for example hop: 100 um")


def _scale_out_faults(levels: tuple[Any, ...], positions: Positions) -> Iterator[Fault]:
    networks = [level.get("network") if isinstance(level, dict) else None for level in levels]
    found = [
        index
        for index, network in enumerate(networks)
        if isinstance(network, dict) and "scale_out" in network
    ]
    for index in found[1:]:
        path = f"levels[{index}].network.scale_out"
        yield positions.fault(path, "must stand once", "one mesh of arrays is supported")
    last = networks[-1] if networks else None
    if found and not (isinstance(last, dict) and "systolic" in last):
        rule = "must stand above a systolic array, the last level"
        hint = "for example network: {systolic: {}}"
        yield positions.fault(f"levels[{found[0]}].network.scale_out", rule, hint)


def architecture_document(architecture: Architecture, source: str) -> dict[str, Any]:
    """Return the design as the plain data of its file; keys at their default are left out."""
    return {
        "kind": "architecture",
        "name": architecture.name,
        "source": source,
        "clock": format_clock(architecture.clock_hz),
        "technology": architecture.technology,
        "levels": [_level_document(level) for level in architecture.levels],
        "compute": _compute_document(architecture.compute),
        **({"leakage": architecture.leakage} if architecture.leakage != LEAKS_SRAM else {}),
    }


def dump_architecture(architecture: Architecture, source: str = "written by arraysmith") -> str:
    """Return YAML that loads back as an equal design; ``source`` says where the numbers come from.

    Raises:
        ArraysmithError: the MACs have different read and write energies, which no file can say.
    """
    return dump_document(architecture_document(architecture, source))


def _level_document(level: Level) -> dict[str, Any]:
    if isinstance(level, Fanout):
        return _fanout_document(level)
    return memory_document(level)


def _fanout_document(fanout: Fanout) -> dict[str, Any]:
    network: dict[str, Any]
    wires = fanout.network
    if isinstance(wires, Systolic):
        plain = asdict(wires)
        del plain["wires"]
        network = {"systolic": {**plain, **_wires_document(wires.wires)}}
    elif isinstance(wires, ScaleOut):
        network = {"scale_out": asdict(wires)}
    else:
        bus: dict[str, Any] = {}
        if wires.words_per_cycle is not None:
            bus["bandwidth"] = format_rate(wires.words_per_cycle)
        if wires.latency_cycles:
            bus["latency"] = format_cycles(wires.latency_cycles)
        bus |= {
            "multicast": wires.multicast,
            "diagonal": wires.diagonal,
            "reduction": wires.reduction,
            **({"adds_above": True} if wires.adds_above else {}),
            **_wires_document(wires.wires),
        }
        network = {"xy_bus": bus}
    mesh = {"mesh_x": fanout.mesh_x, "mesh_y": fanout.mesh_y}
    return {"fanout": fanout.name, **mesh, "network": network}


def _wires_document(wires: Wires | None) -> dict[str, Any]:
    if wires is None:
        return {}
    document: dict[str, Any] = {}
    if wires.hop_um:
        document["hop"] = f"{wires.hop_um} um"
    if wires.routers:
        document["routers"] = True
    if wires.hop_pj_per_bit is not None:
        document["energy"] = format_energy_pj(wires.hop_pj_per_bit)
    return {"wires": document}


def _compute_document(compute: Compute) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": compute.name,
        "multiply": f"{compute.multiply_bits} bit",
        "accumulate": f"{compute.accumulate_bits} bit",
        "pipeline": format_cycles(compute.pipeline_cycles),
    }
    if compute.energy is not None:
        if compute.energy.read_pj != compute.energy.write_pj:
            raise ArraysmithError(f"{compute.name}: a MAC has one energy per operation")
        document["energy"] = format_energy_pj(compute.energy.read_pj)
    if compute.number != Compute().number:
        document["number"] = compute.number
    return document
