"""Whatever a name means, as text for people, as plain data and as YAML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture, Compute, Memory
from arraysmith.arch.architecture_file import (
    architecture_document,
    dump_architecture,
    preset_names,
    preset_path,
)
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.dataflows import (
    SHORT_NAMES,
    dataflow_document,
    dataflow_names,
    dump_dataflow,
    load_dataflow,
)
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.importers.timeloop import TimeloopFile
from arraysmith.arch.kinds import listed_names, load_file, shipped_files
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.mapping_file import dump_mapping, mapping_document
from arraysmith.arch.networks import dump_network, load_network
from arraysmith.arch.notation.maestro import Directives, Hardware, MaestroNetwork
from arraysmith.arch.notation.maestro_convert import network_of
from arraysmith.arch.problem import Layer, Network
from arraysmith.arch.render import (
    architecture_text,
    dataflow_text,
    mapping_text,
    network_text,
    table,
)
from arraysmith.arch.spec_reader import is_path, read_spec
from arraysmith.arch.specs import ArchitectureSpec
from arraysmith.arch.technology.estimate import TECHNOLOGIES, mac_cost, memory_cost
from arraysmith.arch.yaml_positions import dump_document, read_document, read_text


@dataclass(frozen=True)
class Shown:
    """One thing to show.

    Attributes:
        text: makes the text for people.
        document: makes the plain data for JSON.
        yaml: makes YAML; that of a file is the file as it is, comments included.
    """

    text: Callable[[], str]
    document: Callable[[], dict[str, Any]]
    yaml: Callable[[], str]


_WORKLOADS = Path(__file__).parent / "workloads"


def find(name: str) -> Shown:
    """Return what ``name`` means: a file, or the name of something that ships.

    A layer of a workload is ``workload:layer``, of a file ``file:layer``.

    Raises:
        InputError: nothing is called so, or a file has faults.
    """
    workloads = listed_names("workloads")
    whole, colon, _ = name.rpartition(":")
    if colon and not Path(name).is_file():
        if whole in workloads or is_path(whole) or Path(whole).is_file():
            return _of_network(load_network(name))
    elif is_path(name) or Path(name).suffix.lower() == ".csv":
        return _of_file(name)
    if name in preset_names():
        return _of_file(str(preset_path(name)))
    if name in workloads:
        return _of_file(str(_WORKLOADS / f"{name}.yaml"))
    if name in dataflow_names() or name in SHORT_NAMES:
        return _of_dataflow(load_dataflow(name))
    if name in TECHNOLOGIES:
        return _of_technology(name)
    above = shipped_files()
    if name in above:
        return _of_file(str(above[name]))
    if Path(name).is_file():
        return _of_file(name)
    known = {*preset_names(), *workloads, *dataflow_names(), *TECHNOLOGIES, *above}
    rule = "is neither a file nor the name of anything that ships"
    raise InputError([Fault("NAME", name, rule, nearest(name, known))])


def _of_file(path: str) -> Shown:
    _, value = load_file(path)
    if isinstance(value, Architecture):
        source = read_spec(path, ArchitectureSpec)[0].source
        text = f"{architecture_text(value)}\n\nsource: {source}"
        facts = _architecture_facts(value, source)
        return Shown(lambda: text, lambda: facts, lambda: read_text(path))
    if isinstance(value, MaestroNetwork):
        return _of_network(network_of(value))
    if isinstance(value, Directives | Hardware):
        plain = asdict(value)
        return Shown(lambda: read_text(path), lambda: plain, lambda: read_text(path))
    if isinstance(value, TimeloopFile):
        return _of_timeloop(value, path)
    if isinstance(value, Mapping):
        shown = _of_mapping(value)
    elif isinstance(value, Dataflow):
        shown = _of_dataflow(value)
    elif isinstance(value, Network):
        shown = _of_network(value)
    else:  # a kind of an upper layer: the file speaks for itself
        data = dict(read_document(path).data)
        return Shown(lambda: read_text(path), lambda: data, lambda: read_text(path))
    if Path(path).suffix.lower() == ".csv":
        return shown
    return replace(shown, yaml=lambda: read_text(path))


def _of_timeloop(value: TimeloopFile, path: str) -> Shown:
    """Return all that a file of Timeloop holds; YAML is ours where it holds one thing."""
    parts: dict[str, Shown] = {}
    if value.architecture is not None:
        design, source = value.architecture, f"imported from {path}"
        parts["architecture"] = Shown(
            lambda: architecture_text(design),
            lambda: _architecture_facts(design, source),
            lambda: dump_architecture(design, source),
        )
    if value.problem is not None:
        name = value.problem.name
        parts["network"] = _of_network(Network(name, (Layer(value.problem),)))
    if value.mapping is not None:
        parts["mapping"] = _of_mapping(value.mapping)
    if value.dataflow is not None:
        parts["dataflow"] = _of_dataflow(value.dataflow)
    assumed = "".join(f"\nassumed: {text}" for text in value.assumptions)
    return Shown(
        lambda: "\n\n".join(part.text() for part in parts.values()) + "\n" + assumed,
        lambda: {
            "kind": "timeloop",
            **{key: part.document() for key, part in parts.items()},
            "assumptions": list(value.assumptions),
        },
        lambda: next(iter(parts.values())).yaml() if len(parts) == 1 else read_text(path),
    )


def _of_mapping(mapping: Mapping) -> Shown:
    return Shown(
        lambda: mapping_text(mapping),
        lambda: mapping_document(mapping),
        lambda: dump_mapping(mapping),
    )


def _of_dataflow(dataflow: Dataflow) -> Shown:
    return Shown(
        lambda: dataflow_text(dataflow),
        lambda: dataflow_document(dataflow),
        lambda: dump_dataflow(dataflow),
    )


def _of_network(network: Network) -> Shown:
    return Shown(
        lambda: network_text(network),
        lambda: {"kind": "network", **asdict(network), "macs": network.macs},
        lambda: dump_network(network),
    )


def _architecture_facts(architecture: Architecture, source: str) -> dict[str, Any]:
    """Return the file's data, and what follows from it under ``derived``."""
    derived = {
        "clock_hz": architecture.clock_hz,
        "pes": architecture.pes,
        "storage_bits": architecture.storage_bits,
        "instances": {x.name: architecture.instances(x.name) for x in architecture.levels},
        "capacity_words": {x.name: x.capacity_words for x in architecture.memories},
    }
    return {**architecture_document(architecture, source), "derived": derived}


_SAMPLES = (
    Memory("", "lpddr4", (), 64, 8),
    Memory("", "sram", (), 64, 8, 16384),
    Memory("", "sram", (), 64, 8, 4096),
    Memory("", "sram", (), 512, 8, 512),
    Memory("", "sram", (), 64, 8, 16384, banks=8),
    Memory("", "sram_hp", (), 64, 8, 16384),
    Memory("", "regfile", (), 16, 16, 192),
    Memory("", "regfile", (), 16, 16, 16),
)
_MACS = (
    Compute("mac", 8, 16),
    Compute("mac", 8, 32),
    Compute("mac", 16, 32),
    Compute("mac", 16, 32, number="bf16"),
    Compute("mac", 16, 16, number="fp16"),
    Compute("mac", 32, 32, number="fp32"),
)


def _of_technology(name: str) -> Shown:
    costs = []
    for memory in _SAMPLES:
        shape = "" if memory.depth is None else f"{memory.depth} x "
        banks = f", {memory.banks} banks" if memory.banks > 1 else ""
        component = f"{memory.device} {shape}{memory.width_bits} bit{banks}"
        costs.append({"component": component, **asdict(memory_cost(memory, name))})
    for mac in _MACS:
        bits = f"{mac.multiply_bits} x {mac.multiply_bits} + {mac.accumulate_bits} bit"
        component = f"MAC {mac.number} {bits}"
        costs.append({"component": component, **asdict(mac_cost(mac, name))})
    document = {"kind": "technology", "name": name, "samples": costs}
    header = ("component", "read pJ", "write pJ", "leakage mW", "area um2", "source")
    text = f"{name}: cost of some components\n\n" + table(
        header, [tuple(cost.values()) for cost in costs]
    )
    return Shown(lambda: text, lambda: document, lambda: dump_document(document))
