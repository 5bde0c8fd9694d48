"""Whatever a name means, as text for people, as plain data and as YAML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture, Compute, Memory
from arraysmith.arch.architecture_file import (
    architecture_document,
    preset_names,
    preset_path,
)
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.dataflows import SHORT_NAMES, dataflow_document
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.kinds import listed_names, load_file, load_ref
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.mapping_file import mapping_document
from arraysmith.arch.problem import Network
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


_SHIPPED = {"workloads": "network", "dataflows": "dataflow"}
"""Kind of what ships under each plural, apart from presets and technologies."""


def find(name: str) -> Shown:
    """Return what ``name`` means: a file, or the name of something that ships.

    A layer of a workload is ``workload:layer``.

    Raises:
        InputError: nothing is called so, or a file has faults.
    """
    if is_path(name) or Path(name).suffix.lower() == ".csv":
        return _of_file(name)
    if name in preset_names():
        return _of_file(str(preset_path(name)))
    if name in TECHNOLOGIES:
        return _of_technology(name)
    for plural, kind in _SHIPPED.items():
        names = listed_names(plural)
        if name.partition(":")[0] in names or SHORT_NAMES.get(name) in names:
            shown = _of_value(kind, load_ref(kind, name))
            assert shown is not None  # both kinds have a view
            return shown
    if Path(name).is_file():
        return _of_file(name)
    known = {*preset_names(), *TECHNOLOGIES, *(x for each in _SHIPPED for x in listed_names(each))}
    rule = "is neither a file nor the name of anything that ships"
    raise InputError([Fault("NAME", name, rule, nearest(name, known))])


def _of_file(path: str) -> Shown:
    kind, value = load_file(path)
    if isinstance(value, Architecture):
        source = read_spec(path, ArchitectureSpec)[0].source
        return Shown(
            lambda: f"{architecture_text(value)}\n\nsource: {source}",
            lambda: _architecture_facts(value, source),
            lambda: read_text(path),
        )
    shown = _of_value(kind, value)
    if shown is None:  # a kind of an upper layer: the file speaks for itself
        return Shown(
            lambda: read_text(path), lambda: dict(read_document(path).data), lambda: read_text(path)
        )
    return Shown(shown.text, shown.document, lambda: read_text(path))


def _of_value(kind: str, value: Any) -> Shown | None:
    if isinstance(value, Mapping):
        document = mapping_document(value)
        return Shown(lambda: mapping_text(value), lambda: document, lambda: dump_document(document))
    if isinstance(value, Dataflow):
        rules = dataflow_document(value)
        return Shown(lambda: dataflow_text(value), lambda: rules, lambda: dump_document(rules))
    if isinstance(value, Network):
        plain = {"kind": kind, **asdict(value)}
        return Shown(
            lambda: network_text(value), lambda: plain, lambda: dump_document(_lists(plain))
        )
    return None


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
    Memory("", "regfile", (), 16, 16, 192),
    Memory("", "regfile", (), 16, 16, 16),
)
_MACS = (Compute("mac", 8, 16), Compute("mac", 8, 32), Compute("mac", 16, 32))


def _of_technology(name: str) -> Shown:
    costs = []
    for memory in _SAMPLES:
        shape = "" if memory.depth is None else f"{memory.depth} x "
        component = f"{memory.device} {shape}{memory.width_bits} bit"
        costs.append({"component": component, **asdict(memory_cost(memory, name))})
    for mac in _MACS:
        component = f"MAC {mac.multiply_bits} x {mac.multiply_bits} + {mac.accumulate_bits} bit"
        costs.append({"component": component, **asdict(mac_cost(mac, name))})
    document = {"kind": "technology", "name": name, "samples": costs}
    header = ("component", "read pJ", "write pJ", "leakage mW", "area um2", "source")
    text = f"{name}: cost of some components\n\n" + table(
        header, [tuple(cost.values()) for cost in costs]
    )
    return Shown(lambda: text, lambda: document, lambda: dump_document(document))


def _lists(data: Any) -> Any:
    """Return plain data with lists in place of tuples, as YAML writes them."""
    if isinstance(data, dict):
        return {key: _lists(value) for key, value in data.items()}
    if isinstance(data, tuple | list):
        return [_lists(value) for value in data]
    return data
