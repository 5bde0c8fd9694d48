"""A systolic layer as files for a testbench: memory images and what every port does per cycle.

For each layer that was simulated with values, ``$readmemh`` images of both operands and of the
results, the command file, and a README that says what they mean. ``rtl_commands`` makes the
commands; nothing here knows a simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT
from arraysmith.traces.export import Advance, Streams, by_layer, file_name, write_files
from arraysmith.traces.reader import LayerTrace, Values
from arraysmith.traces.rtl_commands import (
    ArrayKind,
    ArrayTrace,
    Requests,
    command_digits,
    command_lines,
)

Int = NDArray[np.int64]

MOST_REQUESTS = 1 << 25
"""Requests of a layer that are worked on at most: they are held in memory."""

MOST_ROWS = 256
"""Rows that the two digits of a tap can tell apart."""

_PLACES = {
    "os": ("NPQ", "K", "RSC"),
    "ws": ("RSC", "K", "NPQ"),
    "is": ("RSC", "NPQ", "K"),
}
"""Dims over the rows, over the columns and in time."""

_SIDES = {"os": (IFMAP, WEIGHT), "ws": (IFMAP, WEIGHT), "is": (WEIGHT, IFMAP)}
"""Tensors that enter at the left and at the top."""


@dataclass(frozen=True, slots=True, eq=False)
class RtlLayer:
    """What a testbench needs of one layer.

    Attributes:
        trace: what the ports do.
        left: int64 [words], image of the operand that enters at the left.
        top: int64 [words], image of the one that enters at the top.
        expected: int64 [words], image of the results.
        bits: of a word of each image: 8, 16, 32 or 64.
        tensors: names of the tensors of the images.
    """

    trace: ArrayTrace
    left: Int
    top: Int
    expected: Int
    bits: tuple[int, int, int]
    tensors: tuple[str, str, str]

    @property
    def files(self) -> dict[str, Callable[[Path], None]]:
        """What writes each file, by its name."""
        images = zip(
            ("left", "top", "expected"),
            (self.left, self.top, self.expected),
            self.bits,
            strict=True,
        )
        return {
            **{f"{name}.hex": partial(_write_image, x, bits) for name, x, bits in images},
            "commands.hex": partial(_write_commands, self.trace),
        }


def rtl_layer(layer: LayerTrace) -> RtlLayer:
    """Return what a testbench needs of a layer.

    Raises:
        InputError: the layer has no values, or what ran it is no systolic array that can be driven
            this way; all reasons at once.
    """
    folds, tau, values = layer.folds(), layer.step_cycle(), layer.values()
    faults = [] if folds is not None and tau is not None else ["ran on no systolic array"]
    if values is None:
        faults.append("has no values: record it with simulate --values --traces")
    elif any(bits % 8 for bits in values.word_bits.values()):
        faults.append("has words that are no whole bytes, so that an address does not name a word")
    if not faults:
        faults += _refusals(layer)
    if faults:
        raise InputError(Fault("layer", layer.name, rule) for rule in faults)
    assert folds is not None
    assert tau is not None
    assert values is not None
    kind = _kind(layer)
    sides = _SIDES[kind.dataflow]
    stalls = layer.stalls() or {"cycle": np.zeros(0, np.int64), "cycles": np.zeros(0, np.int64)}
    left_side, top_side = sides
    trace = ArrayTrace(
        kind,
        tau,
        _int(folds["rows"]),
        _int(folds["columns"]),
        _int(folds["start"]),
        _int(stalls["cycle"]),
        _int(stalls["cycles"]),
        _requests(layer, values, left_side, "read"),
        _requests(layer, values, top_side, "read"),
        _requests(layer, values, OFMAP, "read"),
        _requests(layer, values, OFMAP, "write"),
    )
    left, top, expected = (values.images[tensor] for tensor in (*sides, OFMAP))
    return RtlLayer(trace, left, top, expected, _bits(layer, values, sides), (*sides, OFMAP))


def export_readmemh(
    streams: Streams,
    folder: str | Path,
    *,
    overwrite: bool = False,
    advance: Advance | None = None,
) -> tuple[Path, ...]:
    """Write images and commands of each layer into ``folder``; see ``export.Exporter``."""
    files: list[tuple[str, Callable[[Path], None]]] = []
    for layer, chosen in by_layer(streams):
        if len(chosen) != len(layer.streams):
            rule = "this format drives all ports of an array at once"
            raise InputError([Fault("stream", chosen[0].name, rule, "leave out --stream")])
        found = rtl_layer(layer)
        for name, write in found.files.items():
            files.append((file_name(layer.name, name), write))
        files.append((file_name(layer.name, "README.md"), partial(_write_readme, layer, found)))
        if advance is not None:
            advance(sum(len(stream) for stream in chosen))
    return write_files(folder, files, overwrite=overwrite)


def _refusals(layer: LayerTrace) -> Iterator[str]:
    fanouts = [level for level in layer.architecture["levels"] if "fanout" in level]
    if len(fanouts) != 1 or "systolic" not in fanouts[0]["network"]:
        yield "ran on several arrays side by side: one array can be driven"
    elif int(fanouts[0]["mesh_y"]) > MOST_ROWS:
        yield f"ran on an array of more than {MOST_ROWS} rows, which a tap cannot name"
    folds, tau = layer.folds(), layer.step_cycle()
    if folds is not None and tau is not None:
        products = len(tau) * int((_int(folds["rows"]) * _int(folds["columns"])).sum())
        if products != prod(layer.problem["sizes"].values()):
            yield "has folds that leave products out: compressed weights, which no array unpacks"
    requests = sum(len(stream) for stream in layer.streams)
    if requests > MOST_REQUESTS:
        yield (
            f"has {requests:,} requests, more than the {MOST_REQUESTS:,} that are held in memory: "
            "choose a smaller layer with --layer, or a larger array"
        )
    offchip = layer.architecture["levels"][0]["memory"]
    have = {
        tuple(stream.name.split("/")[1:])
        for stream in layer.streams
        if stream.name.split("/")[0] != offchip
    }
    axes = layer.problem["tensors"][IFMAP]["axes"]
    padded = any(axis["offset"] < 0 for axis in axes)  # all words that are asked for may be padding
    missing = [
        f"{tensor} {way}"
        for tensor, way in _NEEDED
        if (tensor, way) not in have and not (tensor == IFMAP and padded)
    ]
    if missing:
        yield f"has no requests at the array's ports: {', '.join(missing)}"


_NEEDED = ((IFMAP, "read"), (WEIGHT, "read"), (OFMAP, "write"))


def _kind(layer: LayerTrace) -> ArrayKind:
    array = next(level for level in layer.architecture["levels"] if "fanout" in level)
    wires: dict[str, str] = array["network"]["systolic"]
    dataflow = _dataflow(layer.mapping["levels"], array["fanout"], layer.problem["sizes"])
    acts = "accumulators" if dataflow == "os" else "weights"
    return ArrayKind(
        dataflow,
        int(array["mesh_y"]),
        int(array["mesh_x"]),
        wires["drain"],
        wires["fold_overlap"] == acts,
        wires["partial_folds"] == "full",
    )


def _dataflow(levels: dict[str, Any], array: str, sizes: dict[str, int]) -> str:
    """Return the dataflow of a mapping by which dims stand on the array."""

    def dims(axis: str) -> set[str]:
        return {loop.split(":")[0] for loop in levels.get(array, {}).get(axis, ())}

    for ignored in (set[str](), {dim for dim, size in sizes.items() if size == 1}):
        for name, (rows, columns, _) in _PLACES.items():
            if dims("y") - ignored <= set(rows) and dims("x") - ignored <= set(columns):
                return name
    raise ArraysmithError(f"{array}: the mapping of the trace is no systolic dataflow")


def _requests(layer: LayerTrace, values: Values, tensor: str, direction: str) -> Requests:
    offchip = layer.architecture["levels"][0]["memory"]
    for stream in layer.streams:
        memory, *rest = stream.name.split("/")
        if memory != offchip and rest == [tensor, direction]:
            break
    else:
        return Requests.none()
    parts = list(stream.chunks())
    clock, lane, fold, address = (
        _int(np.concatenate([part[name] for part in parts]))
        for name in ("request_cycle", "port", "tile", "address")
    )
    word = (address - values.base[tensor]) * 8 // values.word_bits[tensor]
    return Requests(clock, lane, word, fold)


def _bits(layer: LayerTrace, values: Values, sides: tuple[str, str]) -> tuple[int, int, int]:
    """Return the bits of a word of both operands and of a sum: whole bytes that hold all values."""
    largest = [int(np.abs(values.images[side]).max(initial=0)) for side in sides]
    terms = int(np.prod([layer.problem["sizes"][dim] for dim in "RSC"]))
    most = max(terms * largest[0] * largest[1], int(np.abs(values.images[OFMAP]).max(initial=0)))
    left, top, total = (
        next(bits for bits in (8, 16, 32, 64) if value < 1 << (bits - 1))
        for value in (*largest, max(most, 1 << 30))
    )
    return left, top, total


def _int(column: NDArray[np.generic]) -> Int:
    return column.astype(np.int64)


def _write_image(values: Int, bits: int, path: Path) -> None:
    digits = bits // 4
    words = values if bits == 64 else values & ((1 << bits) - 1)
    lines = (f"{word & ((1 << bits) - 1):0{digits}x}\n" for word in words.tolist())
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(lines)


def _write_commands(trace: ArrayTrace, path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(command_lines(trace))


def _write_readme(layer: LayerTrace, found: RtlLayer, path: Path) -> None:
    trace, kind = found.trace, found.trace.kind
    names = {"left.hex": found.left, "top.hex": found.top, "expected.hex": found.expected}
    images = "\n".join(
        f"| `{file_name(layer.name, name)}` | {tensor} | {len(image):,} | {bits} |"
        for (name, image), tensor, bits in zip(
            names.items(), found.tensors, found.bits, strict=True
        )
    )
    array = f"{kind.rows} rows x {kind.columns} columns, {kind.dataflow}"
    if kind.dataflow == "os":
        array += f", drain {kind.drain}"
    array += ", folds overlap" if kind.overlapped else ", one fold after the other"
    path.write_text(
        _README.format(
            name=layer.name,
            array=array,
            images=images,
            commands=file_name(layer.name, "commands.hex"),
            cycles=trace.clock_cycles,
            advance=trace.array_cycles,
            digits=command_digits(kind),
            rows=kind.rows,
            columns=kind.columns,
        ),
        encoding="utf-8",
    )


_README = """\
# {name}: what the ports of the array do

Array: {array}.

| image | tensor | words | bits |
| --- | --- | --- | --- |
{images}

Images are for `$readmemh`: a word per line, two's complement, in the order of the words off-chip.
`expected` is what the results must be in the end.

`{commands}` has a line per clock cycle, {cycles:,} of them; in {advance:,} the array advances. A
line is one number of {digits} hexadecimal digits with `_` between lanes: the file is one for
`$readmemh`, too, or read it line by line with `$fscanf(file, "%h\\n", command)`. From the left:

| digits | meaning |
| --- | --- |
| 1 | 1: the array advances; 0: nothing in it changes |
| {rows} x (1 + 8) | rows, row 0 first: flags, then the word of the left image to read |
| {columns} x (1 + 8) | columns, column 0 first: flags, then the word of the top image to read |
| {columns} x (1 + 2 + 8) | result ports: flags, tap, then the word of the result image |

| flags of | bit 3 | bit 2 | bits 1, 0 |
| --- | --- | --- | --- |
| rows | last step of a fold | first step of a fold | what the lane takes |
| columns | the column begins to shift out | it loads a stationary word | what the lane takes |

A lane takes 0: nothing, 1: a zero (padding), 2: the word at its address, 3: the word that it read
in an earlier cycle of this wait.

| bit | of the flags of a result port |
| --- | --- |
| 0 | the result is written to the word |
| 1 | the old partial sum is read from the word and added |
| 2 | the old partial sum is the one read in an earlier cycle of this wait |
| 3 | the array has a result at this port (one that no write takes is of an unused row or column) |

`tap` is the last row in use: from there results leave the column.
"""
