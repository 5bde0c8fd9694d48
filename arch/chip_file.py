"""Chips from YAML files: several architectures, each with a layer, under one off-chip memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.chip_network import (
    At,
    ChipNetwork,
    ChipNetworkSpec,
    Place,
    network_faults,
)
from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.errors import InputError
from arraysmith.arch.file_faults import FileFaults
from arraysmith.arch.mapping_file import load_mapping
from arraysmith.arch.memory_file import memory_faults, memory_of
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Layer
from arraysmith.arch.spec_fields import Clock, Name, Text
from arraysmith.arch.spec_reader import Spec, collect, is_path, sort_faults
from arraysmith.arch.specs import MemorySpec
from arraysmith.arch.yaml_positions import read_document


class CoreSpec(Spec):
    """One core and what it does."""

    name: Name = Field(description="of the core, unique on the chip")
    architecture: Text = Field(description="preset or file; its off-chip memory is the chip's")
    workload: Text = Field(description="one layer: vgg16:conv1_1, or a file of one")
    dataflow: Text | None = Field(default=None, description="to map by")
    mapping: Text | None = Field(default=None, description="file, in place of a dataflow")
    at: At | None = Field(default=None, description="router of a mesh that it stands at")


class ChipSpec(Spec):
    """Cores that share one off-chip memory."""

    kind: Literal["chip"]
    name: Name
    note: Text | None = Field(default=None, description="for people")
    clock: Clock | None = Field(
        default=None,
        description="whose cycles offchip counts in; needed where cores have clocks of their own",
    )
    offchip: MemorySpec = Field(description="as the first level of an architecture")
    network: ChipNetworkSpec | None = Field(
        default=None, description="between cores and memory; none when left out"
    )
    cores: Annotated[tuple[CoreSpec, ...], Field(min_length=1)]


@dataclass(frozen=True)
class ChipCore:
    """One core of a chip.

    Attributes:
        name: unique on the chip.
        architecture: with the chip's off-chip memory in place of its own, under its clock and with
            words of its length.
        workload: as the file names it.
        layer: that it runs, once.
        dataflow: to map by; None where there is a mapping.
        mapping: path of a mapping file; None where there is a dataflow.
        at: router of a mesh that it stands at; None without.
    """

    name: str
    architecture: Architecture
    workload: str
    layer: Layer
    dataflow: str | None
    mapping: str | None
    at: Place | None = None


@dataclass(frozen=True)
class Chip:
    """Several arrays with an off-chip memory in common.

    Attributes:
        name: of the chip.
        offchip: the memory, in cycles of ``clock_hz``.
        clock_hz: of the memory as the file describes it.
        cores: at least one.
        network: between them; None: every core has a way of its own, of any width.
    """

    name: str
    offchip: Memory
    clock_hz: int
    cores: tuple[ChipCore, ...]
    network: ChipNetwork | None = None


def load_chip(path: str | Path) -> Chip:
    """Return the chip in a YAML file; paths in it start from its folder.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    document = read_document(path)
    spec, faults = collect(document, ChipSpec)
    if spec is None:
        raise InputError(sort_faults(faults))
    reader = _Reader(document.positions, Path(path).parent, faults=faults)
    chip = reader.chip(spec)
    if chip is None or faults:
        raise InputError(sort_faults(faults))
    return chip


@dataclass
class _Reader(FileFaults):
    """Resolves one file and gathers its faults."""

    folder: Path

    def chip(self, spec: ChipSpec) -> Chip | None:
        self.faults += memory_faults(
            spec.offchip, "offchip", self.positions, off_chip=True, systolic=False
        )
        places = [core.at for core in spec.cores]
        self.faults += network_faults(spec.network, places, self.positions)
        designs = [self.design(f"cores[{i}]", core) for i, core in enumerate(spec.cores)]
        layers = [self.layer(f"cores[{i}]", core) for i, core in enumerate(spec.cores)]
        names = [core.name for core in spec.cores]
        for i, (core, design) in enumerate(zip(spec.cores, designs, strict=True)):
            if core.name in names[:i]:
                self.fault(f"cores[{i}].name", "another core has this name")
            if design is None:
                continue
            self._fits(f"cores[{i}].architecture", design, spec)
            self._mapped(f"cores[{i}]", core, design)
        clock_hz = self._clock(spec, [design for design in designs if design is not None])
        if self.faults:
            return None
        memory = memory_of(spec.offchip, clock_hz, self.positions.file)
        return Chip(
            spec.name,
            memory,
            clock_hz,
            tuple(
                ChipCore(
                    core.name,
                    with_offchip(design, memory, clock_hz),
                    core.workload,
                    layer,
                    self.reference(core.dataflow),
                    self.reference(core.mapping),
                    core.at,
                )
                for core, design, layer in zip(spec.cores, designs, layers, strict=True)
                if design is not None and layer is not None
            ),
            None if spec.network is None else spec.network.network(spec.offchip.word, clock_hz),
        )

    def reference(self, ref: str | None) -> str | None:
        """Return ``ref``, a path in it taken from the folder of the file."""
        if ref is None:
            return None
        path, colon, layer = ref.rpartition(":")
        if colon and is_path(path):
            return f"{self.folder / path}:{layer}"
        return str(self.folder / ref) if is_path(ref) else ref

    def design(self, path: str, core: CoreSpec) -> Architecture | None:
        ref = self.reference(core.architecture) or ""
        return self.attempt(f"{path}.architecture", lambda: load_architecture(ref))

    def layer(self, path: str, core: CoreSpec) -> Layer | None:
        ref = self.reference(core.workload) or ""
        network = self.attempt(f"{path}.workload", lambda: load_network(ref))
        if network is None:
            return None
        if len(network.layers) > 1:
            names = ", ".join(layer.name for layer in network.layers[:3])
            hint = f"name one, {core.workload}:LAYER, of {names} ..."
            self.fault(
                f"{path}.workload", f"has {len(network.layers)} layers, a core runs one", hint
            )
        return network.layers[0]

    def _clock(self, spec: ChipSpec, designs: list[Architecture]) -> int:
        """Return the clock whose cycles the off-chip memory counts in."""
        clocks = {design.clock_hz for design in designs}
        if spec.clock is not None:
            return spec.clock
        if len(clocks) > 1:
            offchip = spec.offchip
            counted = [
                key
                for key, rate in (("read", offchip.read), ("write", offchip.write))
                if rate is not None and rate.per != "bits/s"
            ]
            paths = [f"offchip.{key}" for key in counted + ["latency"] * bool(offchip.latency)]
            if spec.network is not None:
                paths += [f"network.{key}" for key in spec.network.counted]
            for path in paths:
                named = ", ".join(f"{clock:,}" for clock in sorted(clocks))
                rule = f"counts in cycles, and cores run at {named} Hz"
                others = path.endswith(("latency", "hop"))
                self.fault(
                    path, rule, "add clock: ... to the chip" + ", or state B/s" * (not others)
                )
        return max(clocks, default=1)

    def _fits(self, path: str, design: Architecture, spec: ChipSpec) -> None:
        own, width = design.memories[0].word_bits, spec.offchip.width
        if own > width:
            rule = f"its words off-chip have {own} bit, an access to the chip's memory {width} bit"
            self.fault(path, f"{rule}: a word must not be wider than an access")

    def _mapped(self, path: str, core: CoreSpec, design: Architecture) -> None:
        if (core.dataflow is None) == (core.mapping is None):
            self.fault(path, "needs a dataflow or a mapping, and not both", at_key=True)
            return
        if core.mapping is not None:
            ref = self.reference(core.mapping) or ""
            self.attempt(f"{path}.mapping", lambda: load_mapping(ref, design))
            return
        flow = self.reference(core.dataflow) or ""
        self.attempt(f"{path}.dataflow", lambda: load_dataflow(flow, design))


def with_offchip(design: Architecture, memory: Memory, clock_hz: int) -> Architecture:
    """Return the design with another off-chip memory under the old one's name.

    Words stay as long as they were. Bytes per second are those of the memory, exactly; its latency
    is rounded up to whole cycles of the design.

    Args:
        design: any.
        memory: in cycles of ``clock_hz``.
        clock_hz: any.
    """
    own = design.memories[0]
    scale = Fraction(clock_hz * memory.word_bits, design.clock_hz * own.word_bits)
    read, write = (
        None if rate is None else rate * scale
        for rate in (memory.read_words_per_cycle, memory.write_words_per_cycle)
    )
    seen = replace(
        memory,
        name=own.name,
        word_bits=own.word_bits,
        read_words_per_cycle=read,
        write_words_per_cycle=write,
        latency_cycles=ceil(Fraction(memory.latency_cycles * design.clock_hz, clock_hz)),
    ).with_dram_rates(design.clock_hz)
    return replace(design, levels=(seen, *design.levels[1:]))
