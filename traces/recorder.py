"""The recorder: a probe of the simulator that writes every request into an HDF5 file.

    with TraceWriter(path, provenance) as writer:
        probe = writer.layer("conv1", architecture=..., problem=..., mapping=..., ...)
        CycleModel(probe=probe).evaluate(...)

The file is complete or it is not there. Until then it is ``.part`` beside its place, readable at
any moment as of the last few seconds (see ``journal``). In the end its parts are made anew in a new
file, see ``packing``, and that is renamed: so equal runs give equal bytes, whatever the batches and
whenever something was flushed. It holds no time of day.
"""

from __future__ import annotations

import json
import time
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
from arraysmith.sim.probe import Chains, Folds
from arraysmith.sim.provenance import problem_document, tool_version
from arraysmith.traces.columns import ColumnTable
from arraysmith.traces.heap import give_back_heap
from arraysmith.traces.journal import CommittedFile
from arraysmith.traces.levels import traced_levels
from arraysmith.traces.packing import pack
from arraysmith.traces.schema import (
    CHAIN_COLUMNS,
    CHUNK_RECORDS,
    DIRECTIONS,
    FOLD_COLUMNS,
    FOLDS,
    FORMAT,
    LAYERS,
    NETWORK,
    STALL_COLUMNS,
    STALLS,
    STEP_COLUMN,
    STEP_CYCLE,
    VALUES,
    VERSION,
    WAYS,
    Column,
    Columns,
    link_name,
    part_path,
)
from arraysmith.traces.segments import Encoder
from arraysmith.traces.stream_writer import StreamWriter

FLUSH_SECONDS = 5.0
"""Time between two commits: what was recorded before the last one survives a crash."""

ATTRIBUTE_BYTES = 60_000
"""Largest text of one attribute; the file format ends at 64 KiB for an attribute and its head."""


class TraceWriter:
    """Writes one trace file; a context manager.

    Left normally, the file appears at ``path``. Left by an exception, only ``path.part`` stays, for
    whoever wants to look at it. If nothing was recorded, nothing stays.
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
        self._names: set[str] = set()
        self._current: Recorder | None = None
        try:
            self._store = CommittedFile(part_path(self._path), write=True)
        except OSError as error:
            raise ArraysmithError(f"{path}: cannot be written: {error}") from error
        self.encoder = Encoder(CHUNK_RECORDS)
        # Chunks are written whole: a cache of a megabyte per dataset would only take room.
        self._file = h5py.File(self._store, "w", libver="earliest", rdcc_nbytes=0)
        root = self._file.attrs
        root["format"] = FORMAT
        root["schema_version"] = VERSION
        root["tool_version"] = tool_version()
        if provenance.get("seed") is not None:
            root["seed"] = provenance["seed"]
        _put_json(self._file, "provenance", provenance)
        self._file.create_group(LAYERS)
        self._commit()

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
            memories: memories and fan-outs whose requests to record; None for the memories that
                there are once.

        Raises:
            ArraysmithError: a layer of this name was recorded already.
        """
        self._refuse_twice(name)
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
        told = traced_levels(architecture) if memories is None else memories
        self._current = Recorder(self, group, told)
        return self._current

    def adopt(self, path: str | Path) -> None:
        """Take the layers of a complete trace file, after those that are there.

        Several processes can so write a file each, and one of them puts them together. Nothing is
        decompressed.

        Raises:
            ArraysmithError: a layer of one of these names was recorded already.
        """
        self._finish_layer()
        with h5py.File(path, "r") as file:
            layers = sorted(file[LAYERS].values(), key=lambda group: int(group.attrs["index"]))
            for group in layers:
                name = str(group.attrs["name"])
                self._refuse_twice(name)
                file.copy(group, self._file[LAYERS], link_name(name))
                self._file[LAYERS][link_name(name)].attrs["index"] = len(self._names)
                self._names.add(name)
        self._commit()

    def wrote(self) -> None:
        """Commit if the last time is long ago; called after something was written."""
        if time.monotonic() >= self._next_commit:
            self._commit()

    def _commit(self) -> None:
        if self._current is not None:
            self._current.flush()
        self._file.flush()
        self._store.commit()
        self._next_commit = time.monotonic() + FLUSH_SECONDS

    def close(self) -> None:
        """Finish the file and put it into its place."""
        self._finish_layer()
        self._commit()
        packing = self._path.with_name(self._path.name + ".packing")
        try:
            with h5py.File(packing, "w", libver="earliest") as packed:
                pack(self._file, packed)
            packing.replace(self._path)
        except BaseException:
            packing.unlink(missing_ok=True)
            raise
        self._file.close()
        self._store.discard()

    def _finish_layer(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None  # its buffers go with it
            give_back_heap()

    def _refuse_twice(self, name: str) -> None:
        if name in self._names:
            raise ArraysmithError(f"{self._path}: layer {name!r} is recorded already")

    def abandon(self) -> None:
        """Close what there is and leave it as ``.part``; remove it if no layer has a stream."""
        self._finish_layer()
        self._commit()
        empty = not any(len(layer) for layer in self._file[LAYERS].values())
        self._file.close()
        if empty:
            self._store.discard()
        else:
            self._store.commit()
            self._store.close()

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

    def __init__(self, writer: TraceWriter, group: h5py.Group, memories: frozenset[str]) -> None:
        self._writer = writer
        self._group = group
        self._memories = memories
        self._streams: dict[str, StreamWriter] = {}
        self._tables: dict[str, ColumnTable] = {}
        self._causes: tuple[str, ...] | None = None

    def wants(self, memory: str) -> bool:
        """Return whether requests at ``memory`` are recorded."""
        return memory in self._memories

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
            self._streams[stream] = StreamWriter(self._open(stream), self._writer.encoder)
        if self._streams[stream].append(columns):
            self._writer.wrote()

    def stalls(
        self,
        clock_cycle: NDArray[np.int64],
        cycles: NDArray[np.int64],
        cause: NDArray[np.int64],
        names: tuple[str, ...],
        chains: Chains | None = None,
    ) -> None:
        """Take waits of the array; see ``sim.probe.Probe``.

        Raises:
            ArraysmithError: columns of unequal length, or other names than before.
        """
        more = () if chains is None else CHAIN_COLUMNS
        table = self._table(STALLS, STALL_COLUMNS + more)
        if self._causes is None:
            self._causes = table.group.attrs["causes"] = names
        if self._causes != names:
            raise ArraysmithError(f"causes of stalls were {self._causes} and are {names}")
        columns: Columns = {"cycle": clock_cycle, "cycles": cycles, "cause": cause}
        table.append(columns | {x.name: getattr(chains, x.name) for x in more})

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

    def values(
        self, values: Dict[str, NDArray[np.int64]], seed: int, words: Dict[str, Any]
    ) -> None:
        """Take the values of the tensors: the operands and the results.

        Args:
            values: tensor name to int64 [words], in the order of the words off-chip.
            seed: that the operands were drawn with.
            words: tensor name to {"base": byte address of word 0, "word_bits": bits of a word}.
        """
        group = self._group.create_group(VALUES)
        group.attrs["seed"] = seed
        for tensor, image in values.items():
            data = group.create_dataset(
                link_name(tensor),
                data=np.asarray(image, "<i8"),
                chunks=(min(len(image), CHUNK_RECORDS),),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
                track_times=False,
            )
            data.attrs["unit"], data.attrs["meaning"] = "1", "value of each word, in off-chip order"
            data.attrs["base"] = words[tensor]["base"]
            data.attrs["word_bits"] = words[tensor]["word_bits"]

    def flush(self) -> None:
        """Hand over what can be written."""
        for stream in self._streams.values():
            stream.flush()
        for table in self._tables.values():
            table.flush()

    def close(self) -> None:
        """Write what is buffered; nothing comes after it."""
        for stream in self._streams.values():
            stream.close()
        for table in self._tables.values():
            table.close()

    def _table(self, name: str, columns: tuple[Column, ...]) -> ColumnTable:
        if name not in self._tables:
            self._tables[name] = ColumnTable(self._group.create_group(name), columns)
        return self._tables[name]

    def _open(self, stream: str) -> h5py.Group:
        parts = stream.split("/")
        network = parts[0] == NETWORK and len(parts) == 4
        ways = WAYS if network else DIRECTIONS
        if len(parts) != 3 + network or not all(parts) or parts[-1] not in ways:
            raise ArraysmithError(
                f"{stream!r} is no stream: memory/tensor/read or .../write, "
                f"{NETWORK}/fan-out/tensor/down, up or a direction such as -x"
            )
        quoted = [link_name(part) for part in parts[network:]]
        group = self._group.create_group("/".join([NETWORK] * network + quoted))
        group.attrs["stream"] = stream
        group.attrs["index"] = len(self._streams)
        return group


def _put_json(place: h5py.Group, name: str, value: Dict[str, Any]) -> None:
    text = json.dumps(value, separators=(",", ":"))
    if len(text.encode()) > ATTRIBUTE_BYTES:
        raise ArraysmithError(f"{name} takes {len(text)} bytes, more than {ATTRIBUTE_BYTES}")
    place.attrs[name] = text
