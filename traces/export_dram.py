"""Off-chip requests as the input of DRAM simulators: one file per layer, reads and writes in time.

A line is one transaction of 64 bytes; a request that touches several 64-byte blocks gives a line
for each, at the block's first byte. Lines are ordered by request cycle, within a cycle by stream.

* Ramulator 1 (memory trace mode, README of CMU-SAFARI/ramulator): ``0x12340 R`` or ``W``.
* Ramulator 2 (frontend LoadStoreTrace): ``LD 0x12340`` or ``ST``.
* DRAMsim3 (src/common.cc of umd-memsys/DRAMsim3): ``0x12340 READ 17`` or ``WRITE``. The cycle is
  one of our array clock; that tool takes it as one of its own clock.

The first two have no time: their tool issues a line as soon as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from arraysmith.arch.errors import Fault, InputError
from arraysmith.traces.export import (
    Advance,
    Exporter,
    Streams,
    by_layer,
    file_name,
    in_time,
    told,
    write_files,
)
from arraysmith.traces.reader import StreamTrace

BLOCK_BYTES = 64
"""Bytes of a transaction: a burst of 8 on a channel of 64 bits, as in DDR3 and DDR4."""

Line = Callable[[int, bool, int], str]
"""Text of a transaction: byte address, whether it writes, cycle."""


def _exporter(suffix: str, line: Line) -> Exporter:
    """Return what writes ``layer.<suffix>`` files."""

    def export(
        streams: Streams,
        folder: str | Path,
        *,
        overwrite: bool = False,
        advance: Advance | None = None,
    ) -> tuple[Path, ...]:
        # The memory that the address map is of is the one off-chip.
        outside = tuple((x, y) for x, y in streams if y.memory in x.address_map)
        if not outside:
            hint = "choose one of the off-chip memory, or leave out --stream"
            names = ", ".join(sorted({y.name for _, y in streams}))
            raise InputError([Fault("stream", names, "none of these is off-chip", hint)])
        files = [
            (file_name(layer.name, suffix), partial(_write, chosen, line, advance))
            for layer, chosen in by_layer(outside)
        ]
        return write_files(folder, files, overwrite=overwrite)

    return export


def _write(streams: list[StreamTrace], line: Line, advance: Advance | None, path: Path) -> None:
    with path.open("w", encoding="ascii", newline="\n") as file:
        for address, write, cycle in _transactions(streams, advance):
            file.writelines(map(line, address, write, cycle))


def _transactions(
    streams: list[StreamTrace], advance: Advance | None
) -> Iterator[tuple[list[int], list[bool], list[int]]]:
    writes = np.array([stream.direction == "write" for stream in streams])
    for part in told(in_time(streams), advance):
        block = np.uint64(BLOCK_BYTES)
        first = part["address"] // block
        last = (part["address"] + part["size"] - np.uint64(1)) // block
        count = (last - first + np.uint64(1)).astype(np.int64)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        address = (np.repeat(first, count) + within.astype(np.uint64)) * block
        write = np.repeat(writes[part["stream"]], count)
        yield address.tolist(), write.tolist(), np.repeat(part["request_cycle"], count).tolist()


export_ramulator = _exporter(
    "ramulator.trace", lambda address, write, _: f"0x{address:x} {'W' if write else 'R'}\n"
)
export_ramulator2 = _exporter(
    "ramulator2.trace", lambda address, write, _: f"{'ST' if write else 'LD'} 0x{address:x}\n"
)
export_dramsim3 = _exporter(
    "dramsim3.trace",
    lambda address, write, cycle: f"0x{address:x} {'WRITE' if write else 'READ'} {cycle}\n",
)
"""One for each simulator; see ``export.Exporter``."""
