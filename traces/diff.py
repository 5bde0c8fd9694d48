"""Comparing two trace files: requests one by one, and what the array waited for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arraysmith.traces.reader import LayerTrace, StreamTrace, TraceFile
from arraysmith.traces.schema import CHUNK_RECORDS, COLUMNS


@dataclass(frozen=True, slots=True)
class StreamDifference:
    """A stream that is not the same in both files.

    Attributes:
        layer: name of its layer.
        stream: its name.
        requests: how many there are in each file; None where there is no such stream.
        first: number of the first request that differs, or that one file does not have; None where
            a stream is missing.
        values: that request in each file, by column; None where it is not there.
    """

    layer: str
    stream: str
    requests: tuple[int | None, int | None]
    first: int | None
    values: tuple[dict[str, int] | None, dict[str, int] | None]


@dataclass(frozen=True, slots=True)
class StallDifference:
    """A cause whose cycles are not the same in both files.

    Attributes:
        layer: name of the layer.
        cause: of the waiting.
        cycles: in each file.
    """

    layer: str
    cause: str
    cycles: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two files.

    Attributes:
        layers: number of layers that both have.
        streams: number of streams that both have.
        only_first: layers that only the first file has.
        only_second: layers that only the second file has.
        different: streams that differ.
        stalls: causes that differ.
    """

    layers: int
    streams: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    different: tuple[StreamDifference, ...]
    stalls: tuple[StallDifference, ...]

    @property
    def differ(self) -> bool:
        """Whether anything does."""
        return bool(self.only_first or self.only_second or self.different or self.stalls)

    def text(self) -> str:
        """Return the differences as lines for people."""
        if not self.differ:
            return f"equal: {self.streams} stream(s) of {self.layers} layer(s)"
        lines = [f"{name}: only in the first file" for name in self.only_first]
        lines += [f"{name}: only in the second file" for name in self.only_second]
        for x in self.different:
            counts = ["none" if n is None else f"{n:,}" for n in x.requests]
            same = "" if counts[0] != counts[1] else " in both"
            told = counts[0] + same if same else f"{counts[0]} and {counts[1]}"
            lines.append(f"{x.layer} {x.stream}: {told} requests")
            if x.first is not None:
                lines.append(f"  first difference at request {x.first:,}")
                for name, request in zip(("first", "second"), x.values, strict=True):
                    shown = "not there"
                    if request is not None:
                        shown = ", ".join(f"{key} {value}" for key, value in request.items())
                    lines.append(f"    {name}: {shown}")
        lines += [
            f"{x.layer} stall cycles, {x.cause}: {x.cycles[0]:,} and {x.cycles[1]:,}"
            for x in self.stalls
        ]
        return "\n".join(lines)


def compare(first: TraceFile, second: TraceFile) -> Comparison:
    """Return what differs between two files; reads both once, a chunk at a time."""
    ours = {layer.name: layer for layer in first.layers}
    theirs = {layer.name: layer for layer in second.layers}
    both = [name for name in ours if name in theirs]
    different: list[StreamDifference] = []
    stalls: list[StallDifference] = []
    streams = 0
    for name in both:
        one, two = ours[name], theirs[name]
        shared = {x.name for x in one.streams} & {x.name for x in two.streams}
        streams += len(shared)
        different += _streams(one, two)
        stalls += _stalls(one, two)
    return Comparison(
        layers=len(both),
        streams=streams,
        only_first=tuple(name for name in ours if name not in theirs),
        only_second=tuple(name for name in theirs if name not in ours),
        different=tuple(different),
        stalls=tuple(stalls),
    )


def _streams(one: LayerTrace, two: LayerTrace) -> list[StreamDifference]:
    ours = {stream.name: stream for stream in one.streams}
    theirs = {stream.name: stream for stream in two.streams}
    found = []
    for name in [*ours, *(x for x in theirs if x not in ours)]:
        a, b = ours.get(name), theirs.get(name)
        if a is None or b is None:
            counts = (None if a is None else len(a), None if b is None else len(b))
            found.append(StreamDifference(one.name, name, counts, None, (None, None)))
            continue
        first = first_difference(a, b)
        if first is not None:
            values = (_request(a, first), _request(b, first))
            found.append(StreamDifference(one.name, name, (len(a), len(b)), first, values))
    return found


def first_difference(one: StreamTrace, two: StreamTrace) -> int | None:
    """Return the number of the first request that differs or is missing; None if none is."""
    shared = min(len(one), len(two))
    for start in range(0, shared, CHUNK_RECORDS):
        stop = min(start + CHUNK_RECORDS, shared)
        a, b = one.columns(start, stop), two.columns(start, stop)
        differs = np.zeros(stop - start, np.bool_)
        for column in COLUMNS:
            differs |= a[column.name] != b[column.name]
        if differs.any():
            return start + int(np.argmax(differs))
    return None if len(one) == len(two) else shared


def _request(stream: StreamTrace, number: int) -> dict[str, int] | None:
    if number >= len(stream):
        return None
    return {name: int(column[0]) for name, column in stream.columns(number, number + 1).items()}


def _stalls(one: LayerTrace, two: LayerTrace) -> list[StallDifference]:
    ours, theirs = one.stall_cycles(), two.stall_cycles()
    causes = [*ours, *(x for x in theirs if x not in ours)]
    pairs = [(cause, ours.get(cause, 0), theirs.get(cause, 0)) for cause in causes]
    return [StallDifference(one.name, cause, (a, b)) for cause, a, b in pairs if a != b]
