"""The recorder: a probe of the simulator that writes every request into an HDF5 file.

    with TraceWriter(path, provenance) as writer:
        probe = writer.layer("conv1", architecture=..., problem=..., mapping=..., ...)
        CycleModel(probe=probe).evaluate(...)

The file is complete or it is not there: it is written beside its place under the name ``.part``
and renamed at the end. It holds no time of day, so equal runs give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping as Dict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.architecture_file import architecture_document
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.mapping_file import mapping_document
from arraysmith.arch.problem import Problem
from arraysmith.sim.probe import Folds
from arraysmith.sim.provenance import problem_document, tool_version
from arraysmith.traces.schema import (
    CHUNK_RECORDS,
    COLUMNS,
    FOLD_COLUMNS,
    FOLDS,
    FORMAT,
    LAYERS,
    STALL_COLUMNS,
    STALLS,
    STEP_COLUMN,
    STEP_CYCLE,
    VERSION,
    Column,
    Columns,
    link_name,
    part_path,
)

FLUSH_CHUNKS = 64
"""Chunks written between two flushes: at most 4 Mi records of each column are lost in a crash."""

ATTRIBUTE_BYTES = 60_000
"""Largest text of one attribute; the file format ends at 64 KiB for an attribute and its head."""


class TraceWriter:
    """Writes one trace file; a context manager.

    Left normally, the file appears at ``path``. Left by an exception, only ``path.part`` stays, for
    whoever wants to look at it; a reader refuses it. If nothing was recorded, nothing stays.
    """

    def __init__(self, path: str | Path, provenance: Dict[str, Any]) -> None:
        """Start a file.

        Args:
            path: where the complete file goes; its folder must exist; an old file is replaced.
            provenance: plain data, see ``sim.provenance``; its ``seed`` becomes an attribute too.

        Raises:
            ArraysmithError: the file cannot be created.
        """
        self._path = Path(path)
        self._chunks_unflushed = 0
        self._names: set[str] = set()
        self._current: Recorder | None = None
        try:
            self._file = h5py.File(part_path(self._path), "w", libver="earliest")
        except OSError as error:
            raise ArraysmithError(f"{path}: cannot be written: {error}") from error
        root = self._file.attrs
        root["format"] = FORMAT
        root["schema_version"] = VERSION
        root["tool_version"] = tool_version()
        if provenance.get("seed") is not None:
            root["seed"] = provenance["seed"]
        _put_json(self._file, "provenance", provenance)
        self._file.create_group(LAYERS)

    def layer(
        self,
        name: str,
        architecture: Architecture,
        problem: Problem,
        mapping: Mapping,
        address_map: Dict[str, Any],
        repeat: int = 1,
        memories: frozenset[str] | None = None,
    ) -> Recorder:
        """Return the probe that records one run of a layer; the layers before it are finished.

        Args:
            name: of the layer, unique in the file.
            architecture: that it runs on.
            problem: that it computes.
            mapping: how.
            address_map: plain data: where each tensor starts in each memory.
            repeat: how many equal runs the one recorded stands for.
            memories: whose requests to record; None for all.

        Raises:
            ArraysmithError: a layer of this name was recorded already.
        """
        if name in self._names:
            raise ArraysmithError(f"{self._path}: layer {name!r} is recorded already")
        self._finish_layer()
        group = self._file[LAYERS].create_group(link_name(name))
        group.attrs["name"] = name
        group.attrs["index"] = len(self._names)
        group.attrs["repeat"] = repeat
        group.attrs["clock_hz"] = architecture.clock_hz
        design = architecture_document(architecture, "resolved by arraysmith")
        _put_json(group, "architecture", design)
        _put_json(group, "problem", problem_document(problem))
        _put_json(group, "mapping", mapping_document(mapping, architecture.name))
        _put_json(group, "address_map", address_map)
        self._names.add(name)
        self._current = Recorder(self, group, memories)
        return self._current

    def wrote_chunk(self) -> None:
        """Count one chunk on its way to the disk, and flush now and then."""
        self._chunks_unflushed += 1
        if self._chunks_unflushed >= FLUSH_CHUNKS:
            self._file.flush()
            self._chunks_unflushed = 0

    def close(self) -> None:
        """Finish the file and put it into its place."""
        self._finish_layer()
        self._file.close()
        part_path(self._path).replace(self._path)

    def _finish_layer(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None  # its buffers go with it

    def abandon(self) -> None:
        """Close what there is and leave it as ``.part``; remove it if no layer has a stream."""
        empty = not any(len(layer) for layer in self._file[LAYERS].values())
        self._file.close()
        if empty:
            part_path(self._path).unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


class Recorder:
    """Writes the requests of one layer: a ``sim.probe.Probe``; ``TraceWriter.layer`` makes it."""

    def __init__(
        self, writer: TraceWriter, group: h5py.Group, memories: frozenset[str] | None
    ) -> None:
        self._writer = writer
        self._group = group
        self._memories = memories
        self._streams: dict[str, _Table] = {}
        self._tables: dict[str, _Table] = {}
        self._step_cycle: NDArray[np.int64] | None = None

    def wants(self, memory: str) -> bool:
        """Return whether requests at ``memory`` are recorded."""
        return self._memories is None or memory in self._memories

    def requests(
        self,
        stream: str,
        request_cycle: NDArray[np.int64],
        response_cycle: NDArray[np.int64],
        address: NDArray[np.uint64],
        size: NDArray[np.uint32],
        tile: NDArray[np.uint32],
        port: NDArray[np.uint16],
    ) -> None:
        """Take requests of one stream; see ``sim.probe.Probe``.

        Raises:
            ArraysmithError: a malformed stream name or columns of unequal length.
        """
        columns: Columns = {
            "request_cycle": request_cycle,
            "response_cycle": response_cycle,
            "address": address,
            "size": size,
            "tile": tile,
            "port": port,
        }
        if stream not in self._streams:
            self._streams[stream] = _Table(self._writer, self._open(stream), COLUMNS)
        self._streams[stream].append(columns)

    def stalls(
        self,
        clock_cycle: NDArray[np.int64],
        cycles: NDArray[np.int64],
        cause: NDArray[np.int64],
        names: tuple[str, ...],
    ) -> None:
        """Take waits of the array; see ``sim.probe.Probe``.

        Raises:
            ArraysmithError: columns of unequal length, or other names than before.
        """
        table = self._table(STALLS, STALL_COLUMNS)
        causes = tuple(str(x) for x in table.group.attrs.get("causes", names))
        if causes != names:
            raise ArraysmithError(f"causes of stalls were {causes} and are {names}")
        table.group.attrs["causes"] = list(names)
        table.append({"cycle": clock_cycle, "cycles": cycles, "cause": cause})

    def folds(self, folds: Folds) -> None:
        """Take folds of the array; see ``sim.probe.Probe``.

        Raises:
            ArraysmithError: columns of unequal length.
        """
        columns: Columns = {x.name: getattr(folds, x.name) for x in FOLD_COLUMNS}
        self._table(FOLDS, FOLD_COLUMNS).append(columns)

    def step_cycle(self, tau: NDArray[np.int64]) -> None:
        """Take the array cycles of the steps; see ``sim.probe.Probe``.

        Raises:
            ArraysmithError: they are recorded already.
        """
        if STEP_CYCLE in self._group:
            raise ArraysmithError("the cycles of the steps are recorded already")
        data = self._group.create_dataset(
            STEP_CYCLE, data=np.asarray(tau, np.int64), dtype=STEP_COLUMN.dtype, track_times=False
        )
        data.attrs["unit"], data.attrs["meaning"] = STEP_COLUMN.unit, STEP_COLUMN.meaning

    def close(self) -> None:
        """Write what is buffered; harmless when done already."""
        for table in (*self._streams.values(), *self._tables.values()):
            table.close()

    def _table(self, name: str, columns: tuple[Column, ...]) -> _Table:
        if name not in self._tables:
            group = self._group.create_group(name)
            self._tables[name] = _Table(self._writer, group, columns)
        return self._tables[name]

    def _open(self, stream: str) -> h5py.Group:
        parts = stream.split("/")
        if len(parts) != 3 or not all(parts) or parts[2] not in {"read", "write"}:
            raise ArraysmithError(f"{stream!r} is no stream: memory/tensor/read or .../write")
        group = self._group.create_group("/".join(link_name(part) for part in parts))
        group.attrs["stream"] = stream
        group.attrs["index"] = len(self._streams)
        return group


class _Table:
    """Buffers columns of equal length and writes them a whole chunk at a time.

    Where chunks lie in the file then depends on the records only, not on how the simulator
    batched them.
    """

    def __init__(self, writer: TraceWriter, group: h5py.Group, columns: tuple[Column, ...]) -> None:
        self.group = group
        self._writer = writer
        self._datasets = {column.name: _dataset(group, column) for column in columns}
        self._buffer: Columns = {c.name: np.empty(CHUNK_RECORDS, c.dtype) for c in columns}
        self._buffered = 0
        self._written = 0

    def append(self, columns: Columns) -> None:
        counts = {len(column) for column in columns.values()}
        if len(counts) != 1:
            raise ArraysmithError(f"{self.group.name}: columns of unequal length")
        (count,) = counts
        taken = 0
        while taken < count:
            room = min(CHUNK_RECORDS - self._buffered, count - taken)
            for name, values in columns.items():
                self._buffer[name][self._buffered : self._buffered + room] = values[
                    taken : taken + room
                ]
            self._buffered += room
            taken += room
            if self._buffered == CHUNK_RECORDS:
                self._write()

    def close(self) -> None:
        if self._buffered:
            self._write()

    def _write(self) -> None:
        end = self._written + self._buffered
        for name, dataset in self._datasets.items():
            dataset.resize((end,))
            dataset[self._written : end] = self._buffer[name][: self._buffered]
            self._writer.wrote_chunk()
        self._written = end
        self._buffered = 0


def _dataset(group: h5py.Group, column: Column) -> h5py.Dataset:
    dataset = group.create_dataset(
        column.name,
        shape=(0,),
        maxshape=(None,),
        dtype=column.dtype,
        chunks=(CHUNK_RECORDS,),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
        track_times=False,
    )
    dataset.attrs["unit"] = column.unit
    dataset.attrs["meaning"] = column.meaning
    return dataset


def _put_json(place: h5py.Group, name: str, value: Dict[str, Any]) -> None:
    text = json.dumps(value, separators=(",", ":"))
    if len(text.encode()) > ATTRIBUTE_BYTES:
        raise ArraysmithError(f"{name} takes {len(text)} bytes, more than {ATTRIBUTE_BYTES}")
    place.attrs[name] = text
