"""Trace streams as waveforms: a VCD file per layer (IEEE 1364-2005, section 18), through pyvcd.

A scope per stream with a 64-bit signal per port: the byte address asked for in this cycle, ``z``
when the port asks for nothing. A port that asks several times in a cycle has a signal for each,
``port3_0``, ``port3_1``, ... Time is in picoseconds, cycle times period; there is no clock signal,
which would change more often than all others.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from arraysmith.arch.errors import ArraysmithError
from arraysmith.traces.export import (
    Advance,
    Streams,
    by_layer,
    file_name,
    in_time,
    told,
    write_files,
)
from arraysmith.traces.port_slots import Slots, turns
from arraysmith.traces.reader import LayerTrace, StreamTrace

PS_PER_S = 10**12


def export_vcd(
    streams: Streams,
    folder: str | Path,
    *,
    overwrite: bool = False,
    advance: Advance | None = None,
) -> tuple[Path, ...]:
    """Write each layer as ``layer.vcd``; see ``export.Exporter``.

    Raises:
        ArraysmithError: pyvcd is not installed.
    """
    vcd = _pyvcd()
    files = [
        (file_name(layer.name, "vcd"), partial(_write, vcd, layer, chosen, advance))
        for layer, chosen in by_layer(streams)
    ]
    return write_files(folder, files, overwrite=overwrite)


def _pyvcd() -> ModuleType:
    try:
        import vcd.writer  # an extra, needed for this format only
    except ImportError as error:
        raise ArraysmithError(
            "waveforms need the package pyvcd: pip install 'arraysmith[vcd]'"
        ) from error
    found: ModuleType = vcd.writer
    return found


def _write(
    vcd: ModuleType,
    layer: LayerTrace,
    streams: list[StreamTrace],
    advance: Advance | None,
    path: Path,
) -> None:
    filled = [stream for stream in streams if len(stream)]
    slots = [Slots.of(stream) for stream in filled]
    first = np.cumsum([0, *(x.count for x in slots)])
    comment = f"arraysmith {layer.name}, byte addresses at the ports"
    with (
        path.open("w", encoding="ascii", newline="\n") as file,
        vcd.VCDWriter(file, timescale="1 ps", date="", comment=comment) as writer,
    ):
        signals = [
            writer.register_var(
                stream.name.replace("/", "."), f"port{name}", "wire", size=64, init="z"
            )
            for stream, its in zip(filled, slots, strict=True)
            for name in its.names()
        ]
        driven: set[int] = set()
        last = -1
        for part in told(in_time(filled), advance):
            signal = np.empty(len(part["stream"]), np.int64)
            for number, its in enumerate(slots):
                mine = part["stream"] == number
                one = {name: column[mine] for name, column in part.items()}
                signal[mine] = first[number] + its.at(one, turns(one))
            cycles, starts = np.unique(part["request_cycle"], return_index=True)
            stops = np.append(starts[1:], len(signal))
            for cycle, start, stop in zip(
                cycles.tolist(), starts.tolist(), stops.tolist(), strict=True
            ):
                asked = signal[start:stop].tolist()
                # A signal is let go in the next cycle, unless it is driven again.
                gone = driven.difference(asked) if cycle == last + 1 else driven
                for index in gone:
                    writer.change(signals[index], _picoseconds(layer, last + 1), "z")
                now = _picoseconds(layer, cycle)
                for index, address in zip(asked, part["address"][start:stop].tolist(), strict=True):
                    writer.change(signals[index], now, address)
                driven, last = set(asked), cycle
        for index in driven:
            writer.change(signals[index], _picoseconds(layer, last + 1), "z")


def _picoseconds(layer: LayerTrace, cycle: int) -> int:
    return cycle * PS_PER_S // layer.clock_hz
