"""Configurations of SCALE-Sim 3.0.0 (``.cfg``), and what they are as an architecture of ours.

Every key that the tool demands has to be there, but for three that act only together with traces
of another program (``ReadRequestBuffer``, ``WriteRequestBuffer``, ``UseRamulatorTrace``): most of
the files that come with the tool leave them out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, Systolic
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.importers.ini import Entry, IniFile, parse_ini
from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Problem
from arraysmith.arch.yaml_positions import read_text

DATAFLOWS = ("os", "ws", "is")
REPRESENTATIONS = ("csr", "csc", "ellpack_block")

LARGEST_MESH = 2**16
LARGEST_KIB = 2**30

_ARRAY, _LAYOUT, _SPARSITY, _RUN = "architecture_presets", "layout", "sparsity", "run_presets"

_KEYS = {
    "general": ("run_name",),
    _ARRAY: (
        "ArrayHeight", "ArrayWidth", "IfmapSramSzkB", "FilterSramSzkB", "OfmapSramSzkB",
        "IfmapOffset", "FilterOffset", "OfmapOffset", "Dataflow", "Bandwidth", "ReadRequestBuffer",
        "WriteRequestBuffer",
    ),
    _LAYOUT: (
        "IfmapCustomLayout", "IfmapSRAMBankBandwidth", "IfmapSRAMBankNum", "IfmapSRAMBankPort",
        "FilterCustomLayout", "FilterSRAMBankBandwidth", "FilterSRAMBankNum", "FilterSRAMBankPort",
    ),
    _SPARSITY: (
        "SparsitySupport", "SparseRep", "OptimizedMapping", "BlockSize",
        "RandomNumberGeneratorSeed",
    ),
    _RUN: ("InterfaceBandwidth", "UseRamulatorTrace"),
}  # fmt: skip
"""Keys by section, as the tool's own files spell them."""

_IDLE = {(_ARRAY, "memorybanks"), (_ARRAY, "onchipmemorybanks"), (_ARRAY, "onchipmemorybankports")}
"""Keys in the tool's own files that it does not read."""

_IDLE_SECTIONS = ("network_presets",)

_WHOLE = re.compile(r"[-+]?[0-9]{1,15}")
_BOOLEANS = {
    **dict.fromkeys(("1", "yes", "true", "on"), True),
    **dict.fromkeys(("0", "no", "false", "off"), False),
}


@dataclass(frozen=True, slots=True)
class BankedPort:
    """Section [layout] for one operand.

    Attributes:
        custom_layout: the layout file orders this operand.
        bandwidth: words per cycle of all banks; in the mode USER also those from off-chip memory.
        banks: banks that share the bandwidth.
        ports: ports of a bank.
    """

    custom_layout: bool = False
    bandwidth: int = 10
    banks: int = 1
    ports: int = 2


@dataclass(frozen=True, slots=True)
class SparsitySwitches:
    """Section [sparsity] when it is switched on.

    Attributes:
        representation: ``csr``, ``csc`` or ``ellpack_block``.
        optimized_mapping: zeros drawn at random per filter instead of the topology file's ratios.
        block: weights of a block; acts with ``optimized_mapping`` only.
        seed: of the drawing.
    """

    representation: str
    optimized_mapping: bool
    block: int
    seed: int


@dataclass(frozen=True, slots=True)
class ScaleSimConfig:
    """One configuration of the tool.

    Attributes:
        run_name: folder of the results.
        rows: rows of the array.
        columns: columns of the array.
        dataflow: ``os``, ``ws`` or ``is``.
        ifmap_kib: KiB of the SRAM of the inputs; and so on.
        filter_kib: of the weights.
        ofmap_kib: of the outputs.
        ifmap_offset: address of the first input, in words; and so on.
        filter_offset: of the first weight.
        ofmap_offset: of the first output.
        interface_user: the mode USER; False is CALC.
        bandwidths: words per cycle to off-chip memory; empty in CALC when the key is left out.
        ifmap_banks: banks of the inputs' SRAM.
        filter_banks: banks of the weights' SRAM.
        sparsity: None when switched off.
        ramulator: latencies are read from files of another program.
        file: where it was read from.
        lines: (section.key, line) of every value in it.
    """

    run_name: str
    rows: int
    columns: int
    dataflow: str
    ifmap_kib: int
    filter_kib: int
    ofmap_kib: int
    ifmap_offset: int = 0
    filter_offset: int = 10_000_000
    ofmap_offset: int = 20_000_000
    interface_user: bool = False
    bandwidths: tuple[int, ...] = ()
    ifmap_banks: BankedPort = BankedPort()
    filter_banks: BankedPort = BankedPort()
    sparsity: SparsitySwitches | None = None
    ramulator: bool = False
    file: str = ""
    lines: tuple[tuple[str, int], ...] = field(default=(), compare=False, repr=False)

    def architecture(self) -> Architecture:
        """Return the physically right machine of the same sizes.

        An array with our own defaults (outputs are shifted out, partial folds take what they use,
        partial sums stay in the SRAM), a double-buffered SRAM per operand as large as the file
        says, words of one byte. CALC: off-chip memory of any bandwidth. USER: it reads as many
        words per cycle as both operands' ports together and writes as many as ``Bandwidth`` says
        first. Latency is one cycle. The tool has no clock and no energy: 1 GHz and 45 nm are ours.
        """
        read = write = None
        if self.interface_user:
            read = Fraction(self.ifmap_banks.bandwidth + self.filter_banks.bandwidth)
            write = Fraction(self.bandwidths[0])
        memories = [
            Memory("dram", "lpddr4", TENSORS, 64, 8, None, read, write, latency_cycles=1),
        ]
        lanes = {IFMAP: self.rows, WEIGHT: self.columns, OFMAP: self.columns}
        if self.dataflow == "is":
            lanes[IFMAP], lanes[WEIGHT] = self.columns, self.rows
        for tensor, kib in zip(
            TENSORS, (self.ifmap_kib, self.filter_kib, self.ofmap_kib), strict=True
        ):
            # As wide as the array's edge, but a power of two, so that lines fill the size exactly.
            width = 8 * min(1024, 1 << (lanes[tensor].bit_length() - 1))
            depth = kib * 1024 * 8 // width
            memories.append(Memory(f"{tensor}_sram", "sram", (tensor,), width, 8, depth))
        array = Fanout("array", self.columns, self.rows, Systolic())
        return Architecture(self.run_name, 10**9, "45nm", (*memories, array), Compute("mac", 8, 32))

    def fault(self, key: str, value: str, rule: str, hint: str) -> Fault:
        """Return a fault of the value of ``section.key``, with its place in the file."""
        line = dict(self.lines).get(key.lower(), 0)
        return Fault(key, value, rule, hint, self.file, line, 1 if line else 0)

    def region_faults(self, problem: Problem) -> list[Fault]:
        """Return a fault per pair of operands of a layer whose addresses overlap."""
        bases = (self.ifmap_offset, self.filter_offset, self.ofmap_offset)
        regions = []
        for base, tensor, name in zip(
            bases, problem.tensors, ("Ifmap", "Filter", "Ofmap"), strict=True
        ):
            words = tensor.words // problem.size["G"]  # groups run one after the other
            regions.append((base, base + words, name))
        faults = []
        regions.sort()
        for (_, end, below), (start, _, above) in pairwise(regions):
            if start < end:
                rule = f"{above.lower()} begins inside the {below.lower()} of layer {problem.name}"
                hint = f"give {above}Offset of at least {end}"
                faults.append(self.fault(f"{_ARRAY}.{above}Offset", str(start), rule, hint))
        return faults


def is_config(path: str | Path) -> bool:
    """Tell whether a path is named like a configuration of the tool."""
    return Path(path).suffix.lower() == ".cfg"


def read_config(path: str | Path) -> ScaleSimConfig:
    """Return the configuration in a file.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    return parse_config(read_text(path), str(path))


def parse_config(text: str, file: str = "") -> ScaleSimConfig:
    """Return the configuration in ``text``; ``file`` is the name that faults carry."""
    reader = _Reader(parse_ini(text, file))
    config = reader.config()
    if reader.ini.faults or config is None:
        raise InputError(sorted(reader.ini.faults, key=lambda x: (x.line, x.column)))
    return config


class _Reader:
    """Takes typed values out of an INI file and gathers faults."""

    def __init__(self, ini: IniFile) -> None:
        self.ini = ini
        self._unknown()

    def config(self) -> ScaleSimConfig | None:
        """Return the configuration; None, with faults, where a value is missing or wrong."""
        mode = self._word(_RUN, "InterfaceBandwidth", ("CALC", "USER"))
        ramulator = (_RUN, "useramulatortrace") in self.ini.entries and (
            self._text(_RUN, "UseRamulatorTrace") == "True"
        )
        for key in ("ReadRequestBuffer", "WriteRequestBuffer"):
            if (_ARRAY, key.lower()) in self.ini.entries:
                self._count(_ARRAY, key)
        bandwidths: tuple[int, ...] = ()
        if mode == "USER" or (_ARRAY, "bandwidth") in self.ini.entries:
            bandwidths = self._counts(_ARRAY, "Bandwidth")
        name = self._text("general", "run_name")
        if name and ("/" in name or not name.isprintable()):
            self.ini.fault(
                self.ini.entries["general", "run_name"], "general.run_name",
                "must be a printable name without /", "results go into a folder of this name",
            )  # fmt: skip
        sizes = [self._count(_ARRAY, key, LARGEST_MESH) for key in ("ArrayHeight", "ArrayWidth")]
        srams = [
            self._count(_ARRAY, f"{x}SramSzkB", LARGEST_KIB) for x in ("Ifmap", "Filter", "Ofmap")
        ]
        offsets = [self._count(_ARRAY, f"{x}Offset", least=0) for x in ("Ifmap", "Filter", "Ofmap")]
        dataflow = self._word(_ARRAY, "Dataflow", DATAFLOWS)
        banks = [self._banks(operand) for operand in ("Ifmap", "Filter")]
        sparsity = self._sparsity()
        if self.ini.faults:
            return None
        lines = tuple(
            (f"{section}.{key}", entry.line) for (section, key), entry in self.ini.entries.items()
        )
        return ScaleSimConfig(
            name, sizes[0], sizes[1], dataflow, srams[0], srams[1], srams[2],
            offsets[0], offsets[1], offsets[2], mode == "USER", bandwidths, banks[0], banks[1],
            sparsity, ramulator, self.ini.file, lines,
        )  # fmt: skip

    def _banks(self, operand: str) -> BankedPort:
        custom = self._boolean(_LAYOUT, f"{operand}CustomLayout")
        width, banks, ports = (
            self._count(_LAYOUT, f"{operand}SRAMBank{key}") for key in ("Bandwidth", "Num", "Port")
        )
        if width and banks and width % banks:
            self.ini.fault(
                self.ini.entries[_LAYOUT, f"{operand}srambankbandwidth".lower()],
                f"{_LAYOUT}.{operand}SRAMBankBandwidth",
                f"must be a multiple of the number of banks, {banks}",
                f"for example {width // banks * banks or banks}",
            )
        return BankedPort(custom, width, banks, ports)

    def _sparsity(self) -> SparsitySwitches | None:
        if self._text(_SPARSITY, "SparsitySupport").lower() != "true":
            return None
        representation = self._word(_SPARSITY, "SparseRep", REPRESENTATIONS)
        optimized = self._text(_SPARSITY, "OptimizedMapping").lower() == "true"
        block = self._count(_SPARSITY, "BlockSize") if optimized else 0
        seed = self._count(_SPARSITY, "RandomNumberGeneratorSeed", least=0)
        return SparsitySwitches(representation, optimized, block, seed)

    def _entry(self, section: str, key: str) -> Entry | None:
        """Return an entry that has a value; None, with a fault, when there is none."""
        entry = self.ini.entries.get((section, key.lower()))
        if entry is not None and entry.text:
            return entry
        if entry is not None:
            self.ini.fault(entry, f"{section}.{key}", "value is missing")
            return None
        line = self.ini.sections.get(section, 0)
        present = [x.key for (place, _), x in self.ini.entries.items() if place == section]
        known = {name.lower() for name in _KEYS[section]}
        strange = [x for x in present if x.lower() not in known]
        close = nearest(key, strange) if strange else ""
        hint = f"add {key} = ... below [{section}]"
        if close.startswith("did you mean"):
            hint = f"is {close[13:-1]} meant?"
        rule = "key is missing" if line else f"key is missing: there is no section [{section}]"
        self.ini.faults.append(
            Fault(f"{section}.{key}", "", rule, hint, self.ini.file, line, 1 if line else 0)
        )
        return None

    def _text(self, section: str, key: str) -> str:
        entry = self._entry(section, key)
        return entry.text if entry else ""

    def _word(self, section: str, key: str, words: tuple[str, ...]) -> str:
        entry = self._entry(section, key)
        if entry is None:
            return ""
        if entry.text not in words:
            rule = f"must be one of {', '.join(words)}"
            self.ini.fault(entry, f"{section}.{key}", rule, nearest(entry.text, words))
        return entry.text

    def _boolean(self, section: str, key: str) -> bool:
        entry = self._entry(section, key)
        if entry is None:
            return False
        if entry.text.lower() not in _BOOLEANS:
            self.ini.fault(entry, f"{section}.{key}", "must be True or False")
            return False
        return _BOOLEANS[entry.text.lower()]

    def _count(self, section: str, key: str, most: int = 10**15, least: int = 1) -> int:
        entry = self._entry(section, key)
        if entry is None:
            return 0
        number = int(entry.text) if _WHOLE.fullmatch(entry.text) else None
        if number is None or not least <= number <= most:
            rule = f"must be a whole number from {least} to {most}"
            self.ini.fault(entry, f"{section}.{key}", rule)
            return 0
        return number

    def _counts(self, section: str, key: str) -> tuple[int, ...]:
        entry = self._entry(section, key)
        if entry is None:
            return ()
        parts = [part.strip() for part in entry.text.split(",")]
        if not all(_WHOLE.fullmatch(part) and int(part) >= 1 for part in parts):
            rule = "must be whole numbers of at least 1, separated by commas"
            self.ini.fault(entry, f"{section}.{key}", rule)
            return ()
        return tuple(int(part) for part in parts)

    def _unknown(self) -> None:
        """Note every section and key that the tool does not know."""
        for section, line in self.ini.sections.items():
            if section not in _KEYS and section not in _IDLE_SECTIONS:
                hint = nearest(section, _KEYS)
                fault = Fault(
                    section, f"[{section}]", "no such section", hint, self.ini.file, line, 1
                )
                self.ini.faults.append(fault)
        for (section, key), entry in self.ini.entries.items():
            names = _KEYS.get(section, ())
            if names and key not in {x.lower() for x in names} and (section, key) not in _IDLE:
                self.ini.fault(
                    entry, f"{section}.{entry.key}", "no such key", nearest(entry.key, names)
                )
