"""Trace streams in the layout of SCALE-Sim's trace CSVs: a row per cycle, a column per port.

No head; column 0 is the request cycle, then come the byte addresses that the ports ask for, -1 for
none (Samajdar et al., arXiv 1811.02883; that tool counts in words, which are bytes in its own
examples). Rows are there for cycles in which at least one port asks. A port that asks several times
in a cycle, as an off-chip channel may, has a column for each.

These are the requests of this simulator. What SCALE-Sim itself would write, defects included, is
another setting of ``simulate``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from arraysmith.traces.export import Advance, Streams, file_name, in_time, told, write_files
from arraysmith.traces.port_slots import Slots, turns
from arraysmith.traces.reader import StreamTrace

CELLS = 1 << 20
"""Cells of the table worked out at a time."""


def export_scalesim(
    streams: Streams,
    folder: str | Path,
    *,
    overwrite: bool = False,
    advance: Advance | None = None,
) -> tuple[Path, ...]:
    """Write each stream as ``layer.memory_tensor_direction.ports.csv``; see ``export.Exporter``."""
    files = [
        (file_name(layer.name, f"{stream.name}.ports.csv"), partial(_write, stream, advance))
        for layer, stream in streams
    ]
    return write_files(folder, files, overwrite=overwrite)


def _write(stream: StreamTrace, advance: Advance | None, path: Path) -> None:
    slots = Slots.of(stream)
    width = slots.count
    with path.open("w", encoding="ascii", newline="\n") as file:
        # Parts of whole cycles: no row is in two of them.
        for part in told(in_time((stream,)), advance):
            column = slots.at(part, turns(part))
            rows, row = np.unique(part["request_cycle"], return_inverse=True)
            most = max(1, CELLS // width)
            for start in range(0, len(rows), most):
                inside = (row >= start) & (row < start + most)
                table = np.full((len(rows[start : start + most]), width + 1), -1, np.int64)
                table[:, 0] = rows[start : start + most]
                table[row[inside] - start, 1 + column[inside]] = part["address"][inside]
                file.writelines(",".join(map(str, line)) + "\n" for line in table.tolist())
