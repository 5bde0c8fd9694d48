"""Writing traces in other formats: what to write, and how files get into their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np

from arraysmith.arch.errors import Fault, InputError
from arraysmith.traces.formats import FORMATS
from arraysmith.traces.reader import LayerTrace, StreamTrace, TraceFile
from arraysmith.traces.schema import CHUNK_RECORDS, COLUMNS, Columns, part_path

Streams = tuple[tuple[LayerTrace, StreamTrace], ...]
"""Streams with their layers."""

Advance = Callable[[int], object]
"""Told how many requests more are done."""


class Exporter(Protocol):
    """Writes streams in one format."""

    def __call__(
        self,
        streams: Streams,
        folder: str | Path,
        *,
        overwrite: bool = False,
        advance: Advance | None = None,
    ) -> tuple[Path, ...]:
        """Write files into ``folder`` and return them.

        Raises:
            InputError: files are there and ``overwrite`` is false, ``folder`` is a file, or the
                format has no place for these streams.
        """
        ...


def exporter(name: str) -> Exporter:
    """Return what writes the format called ``name``, one of ``formats.FORMATS``."""
    format_ = FORMATS[name]
    found: Exporter = getattr(
        import_module(f"arraysmith.traces.{format_.module}"), format_.function
    )
    return found


def selected_streams(
    traces: TraceFile, layer: str | None = None, stream: str | None = None
) -> Streams:
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


def by_layer(streams: Streams) -> list[tuple[LayerTrace, list[StreamTrace]]]:
    """Return the streams of each layer, in their order."""
    found: dict[str, tuple[LayerTrace, list[StreamTrace]]] = {}
    for layer, stream in streams:
        found.setdefault(layer.name, (layer, []))[1].append(stream)
    return list(found.values())


def file_name(layer: str, rest: str) -> str:
    """Return ``layer.rest`` with ``/`` in the layer as ``-``, in the rest as ``_``."""
    return f"{layer.replace('/', '-')}.{rest.replace('/', '_')}"


def write_files(
    folder: str | Path, files: Sequence[tuple[str, Callable[[Path], None]]], *, overwrite: bool
) -> tuple[Path, ...]:
    """Write files into ``folder`` under the name ``.part`` and rename them when all are complete.

    Args:
        folder: made if it is not there.
        files: names, and what writes each into the path that it is given.
        overwrite: replace files of the same names.

    Returns:
        The files.

    Raises:
        InputError: files are there and ``overwrite`` is false, ``folder`` is a file, or two files
            have one name.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise InputError([Fault("out", str(target), "is a file", "give a folder")])
    names = [name for name, _ in files]
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
    made = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    parts = [part_path(target / name) for name in names]
    try:
        for part, (_, write) in zip(parts, files, strict=True):
            write(part)
    except BaseException:
        for part in parts:
            part.unlink(missing_ok=True)
        if made:
            target.rmdir()
        raise
    for name, part in zip(names, parts, strict=True):
        part.replace(target / name)
    return tuple(target / name for name in names)


def told(parts: Iterable[Columns], advance: Advance | None) -> Iterator[Columns]:
    """Yield parts of streams and tell how long each was when it is done with."""
    for part in parts:
        yield part
        if advance is not None:
            advance(len(part[COLUMNS[0].name]))


class _Source:
    """What is read of a stream and not handed on yet."""

    def __init__(self, stream: StreamTrace, number: int) -> None:
        self._stream = stream
        self._number = number
        self._chunks = stream.chunks(CHUNK_RECORDS)
        self._held: Columns = {}
        self.more = True
        self.load()

    @property
    def last(self) -> int:
        """Cycle of the last request that was read."""
        return int(self._held["request_cycle"][-1])

    def load(self) -> None:
        """Read on."""
        part = next(self._chunks, None)
        if part is None:
            self.more = False
            return
        self._held = {
            name: np.concatenate((self._held[name], column)) if self._held else column
            for name, column in part.items()
        }
        cycle = self._held["request_cycle"]
        back = np.flatnonzero(np.diff(cycle) < 0)
        if len(back):
            rule = f"goes back in time, from cycle {cycle[back[0]]} to {cycle[back[0] + 1]}"
            hint = "this format needs requests in order of time; csv does not"
            raise InputError([Fault("stream", self._stream.name, rule, hint)])

    def take(self, before: int | None) -> Columns:
        """Return the requests before a cycle (None: all) and drop them."""
        if not self._held:
            return {}
        cycle = self._held["request_cycle"]
        count = len(cycle) if before is None else int(np.searchsorted(cycle, before, side="left"))
        taken = {name: column[:count] for name, column in self._held.items()}
        taken["stream"] = np.full(count, self._number, np.int64)
        self._held = {name: column[count:] for name, column in self._held.items()}
        return taken


def in_time(streams: Sequence[StreamTrace]) -> Iterator[Columns]:
    """Yield the requests of several streams in the order of their cycles.

    A column ``stream`` more tells which stream each is of, by its place. All requests of a cycle
    are in one part: by stream, then in the order of the stream.

    Raises:
        InputError: a stream's requests are not in the order of their cycles.
    """
    sources = [_Source(stream, number) for number, stream in enumerate(streams) if len(stream)]
    while sources:
        border = min((x.last for x in sources if x.more), default=None)
        parts = [part for part in (x.take(border) for x in sources) if part]
        joined = {name: np.concatenate([x[name] for x in parts]) for name in parts[0]}
        if len(joined["stream"]):
            order = np.argsort(joined["request_cycle"], kind="stable")
            yield {name: column[order] for name, column in joined.items()}
        if border is None:
            return
        for source in sources:
            if source.more and source.last == border:
                source.load()
