"""Trace streams as CSV: one file per stream, a head of column names, decimal integers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from arraysmith.traces.export import Advance, Streams, file_name, told, write_files
from arraysmith.traces.reader import StreamTrace
from arraysmith.traces.schema import COLUMNS


def csv_name(layer: str, stream: str) -> str:
    """Return the file name of a stream: ``layer.memory_tensor_direction.csv``, ``/`` as ``-``."""
    return file_name(layer, f"{stream}.csv")


def export_csv(
    streams: Streams,
    folder: str | Path,
    *,
    overwrite: bool = False,
    advance: Advance | None = None,
) -> tuple[Path, ...]:
    """Write each stream as a CSV file into ``folder``; see ``export.Exporter``."""
    files = [
        (csv_name(layer.name, stream.name), partial(_write, stream, advance))
        for layer, stream in streams
    ]
    return write_files(folder, files, overwrite=overwrite)


def _write(stream: StreamTrace, advance: Advance | None, path: Path) -> None:
    names = [column.name for column in COLUMNS]
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write(",".join(names) + "\n")
        for part in told(stream.chunks(), advance):
            columns = [map(str, part[name].tolist()) for name in names]
            file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))
