"""One memory of an architecture file: from its model to ``Memory``, its faults, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arraysmith.arch.architecture import REQUEST_BYTES, Energy, Memory, Ports
from arraysmith.arch.dram import read_dram
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.layout import AXES, LINE, Layout
from arraysmith.arch.problem import TENSORS
from arraysmith.arch.specs import LayoutSpec, MemorySpec
from arraysmith.arch.units import format_cycles, format_energy_pj, format_rate
from arraysmith.arch.yaml_positions import Positions

_BANK_KEYS = ("banks", "layout", "partition")
_PART_KEYS = ("partition",)
_REQUEST_KEYS = ("request", "requests_in_flight")
_DRAM_DECIDES = ("read", "write", "latency")


def memory_of(spec: MemorySpec, clock_hz: int, file: str = "") -> Memory:
    """Return the memory of a model without faults, in a description at path ``file``."""
    read, write = (
        None if rate is None else rate.words_per_cycle(spec.word, clock_hz)
        for rate in (spec.read, spec.write)
    )
    return Memory(
        name=spec.memory,
        device=spec.device,
        holds=spec.holds,
        width_bits=spec.width,
        word_bits=spec.word,
        depth=_depth(spec),
        read_words_per_cycle=read,
        write_words_per_cycle=write,
        ports=spec.ports,
        double_buffered=spec.double_buffered,
        latency_cycles=spec.latency,
        energy=None if spec.energy is None else Energy(spec.energy.read, spec.energy.write),
        banks=spec.banks,
        layouts=tuple(
            (tensor, Layout(layout.in_line, layout.line_order, layout.interleave))
            for tensor, layout in spec.layout.items()
        ),
        partition=tuple(spec.partition.items()),
        request_bytes=spec.request // 8,
        requests_in_flight=spec.requests_in_flight,
        whole_words=spec.whole_words,
        tiles_in_flight=spec.tiles_in_flight,
        fills_after=spec.fills_after,
        dram=None if spec.dram is None else read_dram(spec.dram, file),
    ).with_dram_rates(clock_hz)


def _depth(spec: MemorySpec) -> int | None:
    return spec.depth if spec.capacity is None else spec.capacity // spec.width


def memory_faults(
    spec: MemorySpec, path: str, positions: Positions, *, off_chip: bool, systolic: bool
) -> Iterator[Fault]:
    """Yield what the fields of a memory, each right by itself, break together.

    Args:
        spec: the memory.
        path: its path in the file.
        positions: where its fields stand.
        off_chip: whether it is the first level.
        systolic: whether the MACs of the design form a systolic array.
    """
    yield from _size_faults(spec, path, positions, off_chip=off_chip)
    if spec.dram is not None:
        yield from _dram_faults(spec, spec.dram, path, positions, off_chip=off_chip)
    if off_chip:
        missing = [tensor for tensor in TENSORS if tensor not in spec.holds]
        if missing:
            rule = "off-chip memory must hold every tensor"
            yield positions.fault(f"{path}.holds", rule, f"add {', '.join(missing)}")
        if spec.request % 8:
            yield positions.fault(f"{path}.request", "must be whole bytes")
    if spec.word > spec.width:
        rule = f"a word must not be wider than an access, {spec.width} bit"
        yield positions.fault(f"{path}.word", rule, "raise width or lower word")
    for keys, known, rule in (
        (_REQUEST_KEYS, off_chip, "only the off-chip memory takes DMA requests"),
        (_BANK_KEYS, not off_chip, "counts on the chip only"),
        (_PART_KEYS, off_chip or systolic, "counts beside a systolic array only"),
    ):
        if not known:
            for key in keys:
                if key in spec.model_fields_set:
                    yield positions.fault(f"{path}.{key}", rule, f"remove {key}")
    if systolic and spec.whole_words:
        rule = "counts without a systolic array only: its words come one by one"
        yield positions.fault(f"{path}.whole_words", rule, "remove whole_words")
    if not off_chip:
        yield from _bank_faults(spec, path, positions)
    if systolic and not off_chip:
        yield from _partition_faults(spec, path, positions)


def _size_faults(
    spec: MemorySpec, path: str, positions: Positions, *, off_chip: bool
) -> Iterator[Fault]:
    sized = [key for key in ("depth", "capacity") if getattr(spec, key) is not None]
    if off_chip:
        for key in sized:
            rule = "off-chip memory has no bound"
            yield positions.fault(f"{path}.{key}", rule, f"remove {key}")
    elif not sized:
        rule = "key is missing: only the off-chip memory has no bound"
        yield positions.fault(f"{path}.depth", rule, "add depth: ... or capacity: ...")
    elif len(sized) == 2:
        yield positions.fault(f"{path}.capacity", "give depth or capacity, not both", "remove one")
    elif spec.capacity is not None and spec.capacity % spec.width:
        rule = f"must be a whole number of lines of {spec.width} bit"
        yield positions.fault(f"{path}.capacity", rule)


def _dram_faults(
    spec: MemorySpec, ref: str, path: str, positions: Positions, *, off_chip: bool
) -> Iterator[Fault]:
    if not off_chip:
        yield positions.fault(f"{path}.dram", "only the off-chip memory is a DRAM", "remove dram")
        return
    for key in _DRAM_DECIDES:
        if key in spec.model_fields_set:
            rule = f"must be left out: the DRAM {ref} decides it"
            yield positions.fault(f"{path}.{key}", rule, f"remove {key} or dram")
    if "ports" in spec.model_fields_set and spec.ports != Ports.SHARED:
        rule = "must be shared: the data bus of a DRAM carries one direction at a time"
        yield positions.fault(f"{path}.ports", rule, "remove ports or dram")
    try:
        read_dram(ref, positions.file)
    except InputError as error:
        for fault in error.faults:
            if fault.line:  # a place in the device's own file
                yield fault
            else:
                yield positions.fault(f"{path}.dram", fault.rule, fault.hint)


def _bank_faults(spec: MemorySpec, path: str, positions: Positions) -> Iterator[Fault]:
    words, depth = spec.width // spec.word, _depth(spec)
    for tensor, layout in spec.layout.items():
        yield from _layout_faults(tensor, layout, spec, f"{path}.layout.{tensor}", positions)
    held = [tensor for tensor in TENSORS if tensor in spec.holds]
    layouts = {tensor: spec.layout.get(tensor, LayoutSpec()) for tensor in held}
    if len({layout.interleave for layout in layouts.values()}) > 1:
        rule = "must all go round the banks alike"
        given = ", ".join(f"{tensor} by {layout.interleave}" for tensor, layout in layouts.items())
        yield positions.fault(f"{path}.layout", rule, f"here {given}")
    elif all(layout.interleave == LINE for layout in layouts.values()):
        if depth is not None and depth % spec.banks:
            yield positions.fault(f"{path}.banks", f"must divide the lines, {depth}")
    elif words % spec.banks:
        yield positions.fault(f"{path}.banks", f"must divide the words of a line, {words}")


def _layout_faults(
    tensor: str, layout: LayoutSpec, spec: MemorySpec, path: str, positions: Positions
) -> Iterator[Fault]:
    if tensor not in spec.holds:
        yield positions.fault(path, "is not held here", f"holds {', '.join(spec.holds)}")
    axes = AXES[tensor]
    for key, names in (
        ("in_line", [axis for axis, _ in layout.in_line]),
        ("line_order", list(layout.line_order)),
    ):
        for index, axis in enumerate(names):
            if axis not in axes:
                rule = f"{tensor} has no such axis"
                yield positions.fault(f"{path}.{key}[{index}]", rule, nearest(axis, axes))
        if len(set(names)) != len(names):
            yield positions.fault(f"{path}.{key}", "must name each once", "remove the repetition")
    stated = Layout(layout.in_line, layout.line_order)
    words = spec.width // spec.word
    if stated.blocked and stated.block_words != words:
        rule = f"must fill the line, {words} words"
        yield positions.fault(f"{path}.in_line", rule, f"its parts make {stated.block_words}")


def _partition_faults(spec: MemorySpec, path: str, positions: Positions) -> Iterator[Fault]:
    if not spec.partition:
        return
    for tensor in spec.partition:
        if tensor not in spec.holds:
            rule, hint = "is not held here", f"holds {', '.join(spec.holds)}"
            yield positions.fault(f"{path}.partition.{tensor}", rule, hint)
    missing = [tensor for tensor in spec.holds if tensor not in spec.partition]
    if missing:
        rule = "must give lines to every tensor held here"
        yield positions.fault(f"{path}.partition", rule, f"add {', '.join(missing)}")
    depth, total = _depth(spec), sum(spec.partition.values())
    if depth is not None and total > depth:
        rule = f"must not add up to more than the lines, {depth}"
        yield positions.fault(f"{path}.partition", rule, f"here {total}")


def memory_document(memory: Memory) -> dict[str, Any]:
    """Return a memory as the plain data of its file; keys at their default are left out."""
    document: dict[str, Any] = {
        "memory": memory.name,
        "device": memory.device,
        "holds": list(memory.holds),
        "width": f"{memory.width_bits} bit",
        "word": f"{memory.word_bits} bit",
    }
    if memory.depth is not None:
        document["depth"] = memory.depth
    if memory.dram is not None:  # which decides rates and latency
        document["dram"] = memory.dram.ref
    rates = (("read", memory.read_words_per_cycle), ("write", memory.write_words_per_cycle))
    for key, rate in rates:
        if rate is not None and memory.dram is None:
            document[key] = format_rate(rate)
    ports = Ports(memory.ports).name.lower()
    document |= {"ports": ports, "double_buffered": memory.double_buffered}
    if memory.whole_words:
        document["whole_words"] = True
    if memory.tiles_in_flight != 2:
        document["tiles_in_flight"] = memory.tiles_in_flight
    if memory.fills_after is not None:
        document["fills_after"] = memory.fills_after
    if memory.latency_cycles and memory.dram is None:
        document["latency"] = format_cycles(memory.latency_cycles)
    if memory.energy is not None:
        read, write = memory.energy.read_pj, memory.energy.write_pj
        document["energy"] = {"read": format_energy_pj(read), "write": format_energy_pj(write)}
    if memory.banks != 1:
        document["banks"] = memory.banks
    if memory.layouts:
        document["layout"] = {tensor: _layout_document(layout) for tensor, layout in memory.layouts}
    if memory.partition:
        document["partition"] = dict(memory.partition)
    if memory.request_bytes != REQUEST_BYTES:
        document["request"] = f"{memory.request_bytes} B"
    if memory.requests_in_flight is not None:
        document["requests_in_flight"] = memory.requests_in_flight
    return document


def _layout_document(layout: Layout) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if layout.in_line:
        document["in_line"] = [f"{axis}:{count}" for axis, count in layout.in_line]
    if layout.line_order:
        document["line_order"] = list(layout.line_order)
    if layout.interleave != LINE:
        document["interleave"] = layout.interleave
    return document
