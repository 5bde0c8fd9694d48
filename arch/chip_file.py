"""Chips from YAML files: several architectures, each with a layer, under one off-chip memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.mapping_file import load_mapping
from arraysmith.arch.memory_file import memory_faults, memory_of
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Layer
from arraysmith.arch.spec_fields import Name, Text
from arraysmith.arch.spec_reader import Spec, collect, is_path, sort_faults
from arraysmith.arch.specs import MemorySpec
from arraysmith.arch.yaml_positions import Positions, read_document

T = TypeVar("T")


class CoreSpec(Spec):
    """One core and what it does."""

    name: Name = Field(description="of the core, unique on the chip")
    architecture: Text = Field(description="preset or file; its off-chip memory is the chip's")
    workload: Text = Field(description="one layer: vgg16:conv1_1, or a file of one")
    dataflow: Text | None = Field(default=None, description="to map by")
    mapping: Text | None = Field(default=None, description="file, in place of a dataflow")


class ChipSpec(Spec):
    """Cores that share one off-chip memory."""

    kind: Literal["chip"]
    name: Name
    note: Text | None = Field(default=None, description="for people")
    offchip: MemorySpec = Field(description="as the first level of an architecture")
    cores: Annotated[tuple[CoreSpec, ...], Field(min_length=1)]


@dataclass(frozen=True)
class ChipCore:
    """One core of a chip.

    Attributes:
        name: unique on the chip.
        architecture: with the chip's off-chip memory in place of its own.
        workload: as the file names it.
        layer: that it runs, once.
        dataflow: to map by; None where there is a mapping.
        mapping: path of a mapping file; None where there is a dataflow.
    """

    name: str
    architecture: Architecture
    workload: str
    layer: Layer
    dataflow: str | None
    mapping: str | None


@dataclass(frozen=True)
class Chip:
    """Several arrays with a clock and an off-chip memory in common.

    Attributes:
        name: of the chip.
        offchip: the memory.
        cores: at least one.
    """

    name: str
    offchip: Memory
    cores: tuple[ChipCore, ...]


def load_chip(path: str | Path) -> Chip:
    """Return the chip in a YAML file; paths in it start from its folder.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    document = read_document(path)
    spec, faults = collect(document, ChipSpec)
    if spec is None:
        raise InputError(sort_faults(faults))
    reader = _Reader(document.positions, Path(path).parent, faults)
    chip = reader.chip(spec)
    if chip is None or faults:
        raise InputError(sort_faults(faults))
    return chip


@dataclass
class _Reader:
    """Resolves one file and gathers its faults."""

    positions: Positions
    folder: Path
    faults: list[Fault] = field(default_factory=list)

    def chip(self, spec: ChipSpec) -> Chip | None:
        self.faults += memory_faults(
            spec.offchip, "offchip", self.positions, off_chip=True, systolic=False
        )
        if spec.offchip.dram is not None:
            self.fault("offchip.dram", "cores share a memory of a fixed rate", "state read, write")
        designs = [self.design(f"cores[{i}]", core) for i, core in enumerate(spec.cores)]
        layers = [self.layer(f"cores[{i}]", core) for i, core in enumerate(spec.cores)]
        names = [core.name for core in spec.cores]
        for i, (core, design) in enumerate(zip(spec.cores, designs, strict=True)):
            if core.name in names[:i]:
                self.fault(f"cores[{i}].name", "another core has this name")
            if design is None:
                continue
            self._together(f"cores[{i}].architecture", design, designs[0], spec.offchip.word)
            self._mapped(f"cores[{i}]", core, design)
        if self.faults or designs[0] is None:
            return None
        memory = memory_of(spec.offchip, designs[0].clock_hz, self.positions.file)
        return Chip(
            spec.name,
            memory,
            tuple(
                ChipCore(
                    core.name,
                    with_offchip(design, memory),
                    core.workload,
                    layer,
                    self.reference(core.dataflow),
                    self.reference(core.mapping),
                )
                for core, design, layer in zip(spec.cores, designs, layers, strict=True)
                if design is not None and layer is not None
            ),
        )

    def fault(self, path: str, rule: str, hint: str = "", *, at_key: bool = False) -> None:
        self.faults.append(self.positions.fault(path, rule, hint, at_key=at_key))

    def attempt(self, path: str, load: Callable[[], T]) -> T | None:
        """Return what ``load`` returns; faults without a place are put where the file says it."""
        try:
            return load()
        except InputError as error:
            for fault in error.faults:
                if fault.line:
                    self.faults.append(fault)
                else:
                    self.fault(path, fault.rule, fault.hint)
        return None

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
        found = self.attempt(f"{path}.architecture", lambda: load_architecture(ref))
        if found is not None and found.systolic is not None:
            rule = "is a systolic array: only other arrays run side by side on a chip"
            self.fault(f"{path}.architecture", rule)
        return found

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

    def _together(
        self, path: str, design: Architecture, first: Architecture | None, word_bits: int
    ) -> None:
        if first is not None and design.clock_hz != first.clock_hz:
            rule = f"runs at {design.clock_hz:,} Hz, the first core at {first.clock_hz:,} Hz"
            self.fault(path, f"{rule}: cores have one clock")
        own = design.memories[0].word_bits
        if own != word_bits:
            rule = f"its words off-chip have {own} bit, those of the chip {word_bits} bit"
            self.fault(path, f"{rule}: cores have words of one length")

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


def with_offchip(design: Architecture, memory: Memory) -> Architecture:
    """Return the design with another off-chip memory under the old one's name."""
    named = replace(memory, name=design.memories[0].name)
    return replace(design, levels=(named, *design.levels[1:]))
