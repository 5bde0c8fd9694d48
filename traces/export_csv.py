"""Trace streams as CSV: one file per stream, a head of column names, decimal integers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from arraysmith.arch.errors import Fault, InputError
from arraysmith.traces.reader import LayerTrace, StreamTrace, TraceFile
from arraysmith.traces.schema import COLUMNS


def csv_name(layer: str, stream: str) -> str:
    """Return the file name of a stream: ``layer.memory_tensor_direction.csv``, ``/`` as ``-``."""
    return f"{layer.replace('/', '-')}.{stream.replace('/', '_')}.csv"


def selected_streams(
    traces: TraceFile, layer: str | None = None, stream: str | None = None
) -> tuple[tuple[LayerTrace, StreamTrace], ...]:
    """Return the streams to export, with their layers.

    Args:
        traces: file to take them from.
        layer: only this layer; None for all.
        stream: only this stream; None for all. Layers without it are left out.

    Raises:
        InputError: no such layer, or no layer with such a stream.
    """
    layers = traces.layers if layer is None else (traces.layer(layer),)
    if stream is None:
        return tuple((x, y) for x in layers for y in x.streams)
    found = tuple((x, y) for x in layers for y in x.streams if y.name == stream)
    return found or tuple((x, x.stream(stream)) for x in layers)


def export_csv(
    streams: tuple[tuple[LayerTrace, StreamTrace], ...],
    folder: str | Path,
    *,
    overwrite: bool = False,
    advance: Callable[[int], object] | None = None,
) -> tuple[Path, ...]:
    """Write each stream as a CSV file into ``folder`` and return the files.

    All files are written aside and moved into place at the end: after an error none has changed.

    Args:
        streams: out of ``selected_streams``.
        folder: made if it is not there.
        overwrite: replace files of the same names.
        advance: called with the number of records written, for a progress bar.

    Raises:
        InputError: files are there and ``overwrite`` is false, or ``folder`` is a file.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise InputError([Fault("out", str(target), "is a file", "give a folder")])
    names = [csv_name(layer.name, stream.name) for layer, stream in streams]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        hint = "export one of them with --layer"
        raise InputError(Fault("out", name, "two layers give this file", hint) for name in twice)
    if not overwrite:
        faults = [
            Fault("out", str(target / name), "is there already", "add --overwrite to replace it")
            for name in names
            if (target / name).exists()
        ]
        if faults:
            raise InputError(faults)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that moving the files is a rename.
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for name, (_, stream) in zip(names, streams, strict=True):
            _write(aside / name, stream, advance)
        target.mkdir(exist_ok=True)
        for name in names:
            (aside / name).replace(target / name)
    finally:
        shutil.rmtree(aside)
    return tuple(target / name for name in names)


def _write(path: Path, stream: StreamTrace, advance: Callable[[int], object] | None) -> None:
    names = [column.name for column in COLUMNS]
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write(",".join(names) + "\n")
        for part in stream.chunks():
            columns = [map(str, part[name].tolist()) for name in names]
            file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))
            if advance is not None:
                advance(len(part[names[0]]))
