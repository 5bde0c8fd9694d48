"""Architectures from YAML files and presets, and back to YAML."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import (
    LEAKS_SRAM,
    Architecture,
    Compute,
    Energy,
    Fanout,
    Level,
    Routed,
)
from arraysmith.arch.errors import ArraysmithError, Fault, InputError, nearest
from arraysmith.arch.fanout_file import fanout_document, fanout_of, network_faults
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
)
from arraysmith.arch.units import format_clock, format_cycles, format_energy_pj
from arraysmith.arch.yaml_positions import (
    Document,
    Positions,
    child_path,
    dump_document,
    parse_document,
    read_document,
)

CHECK_GROUP = "arraysmith.checks"
"""Entry points that know more of a network than its description: its name in files -> a function
from the network and the number of children that raises ``InputError``, with fields of it."""

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
        else fanout_of(level)
        for level in spec.levels
    )
    faults = [*_wiring_faults(levels, document.positions)]
    if faults:
        raise InputError(sort_faults(faults))
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


def _wiring_faults(levels: tuple[Level, ...], positions: Positions) -> Iterator[Fault]:
    """Yield what is wrong with routed networks, as far as a layer above is there to say it."""
    for number, level in enumerate(levels):
        if isinstance(level, Fanout) and isinstance(level.network, Routed):
            for point in entry_points(group=CHECK_GROUP, name="routed"):
                try:
                    point.load()(level.network, level.instances)
                except InputError as error:
                    for x in error.faults:
                        path = f"levels[{number}].network.routed.{x.field}"
                        yield positions.fault(path, x.rule, x.hint)


def _chain_faults(data: Any, positions: Positions) -> Iterator[Fault]:
    """Yield what single fields cannot tell: how levels fit together.

    Works on the plain data, so that levels with faults of their own do not hide those of others.
    """
    levels = data.get("levels")
    if not isinstance(levels, tuple):
        return
    yield from _name_faults(levels, data.get("compute"), positions)
    yield from _order_faults(levels, positions)
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
            yield from network_faults(
                fanout,
                path,
                positions,
                last=index == len(levels) - 1,
                below=_held_below(levels[index + 1 :]),
            )
    yield from _scale_out_faults(levels, positions)


def _held_below(levels: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the tensors that memories before the next fan-out may hold."""
    held: tuple[str, ...] = ()
    for level in levels:
        if _is_kind(level, "fanout"):
            break
        if _is_kind(level, "memory") and isinstance(level.get("holds"), list | tuple):
            held += tuple(x for x in level["holds"] if isinstance(x, str))
    return held


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


def _order_faults(levels: tuple[Any, ...], positions: Positions) -> Iterator[Fault]:
    """Yield faults of memories that fill after another one."""
    names = [level["memory"] for level in levels[1:] if _is_kind(level, "memory")]
    for index, level in enumerate(levels):
        first = level.get("fills_after") if _is_kind(level, "memory") else None
        if not isinstance(first, str):
            continue
        path = f"levels[{index}].fills_after"
        if index == 0 or first == level["memory"] or first not in names:
            others = [name for name in names if name != level["memory"]]
            rule = "must stand on the chip and name another memory on the chip"
            yield positions.fault(path, rule, nearest(first, others))


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
        return fanout_document(level)
    return memory_document(level)


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
