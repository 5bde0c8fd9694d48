"""Reading trace files.

with TraceFile("winner.h5") as traces:
    for layer in traces.layers:
        for stream in layer.streams:
            cycles = stream.columns()["request_cycle"]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.traces.schema import (
    CHUNK_RECORDS,
    COLUMNS,
    FOLDS,
    FORMAT,
    LAYERS,
    STALLS,
    STEP_CYCLE,
    VERSION,
    Columns,
    part_path,
)


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """What a stream holds in five numbers.

    Attributes:
        requests: number of requests.
        total_bytes: bytes of all of them.
        first_cycle: cycle of the earliest request; None for an empty stream.
        last_cycle: cycle of the latest response; None for an empty stream.
        tiles: number of tiles: the highest tile number plus one.
    """

    requests: int
    total_bytes: int
    first_cycle: int | None
    last_cycle: int | None
    tiles: int


class StreamTrace:
    """One stream of one layer.

    Attributes:
        name: ``memory/tensor/direction``.
    """

    def __init__(self, group: h5py.Group, file: str) -> None:
        self.name = str(group.attrs["stream"])
        self._file = file
        self._datasets = {column.name: group[column.name] for column in COLUMNS}
        lengths = {name: int(data.shape[0]) for name, data in self._datasets.items()}
        self._length = lengths[COLUMNS[0].name]
        if set(lengths.values()) != {self._length}:
            raise _broken(file, f"{self.name}: columns of unequal length {lengths}")

    def __len__(self) -> int:
        """Return the number of requests."""
        return self._length

    def columns(self, start: int = 0, stop: int | None = None) -> Columns:
        """Return the columns of the requests from ``start`` up to ``stop`` (all) as arrays.

        Raises:
            InputError: the data cannot be decompressed: the file is damaged.
        """
        try:
            return {name: data[start:stop] for name, data in self._datasets.items()}
        except OSError as error:
            raise _broken(self._file, f"{self.name}: damaged data: {error}") from error

    def chunks(self, records: int = CHUNK_RECORDS) -> Iterator[Columns]:
        """Yield the columns at most ``records`` requests at a time, in order."""
        for start in range(0, self._length, records):
            yield self.columns(start, min(start + records, self._length))

    def summary(self) -> StreamSummary:
        """Return the stream in five numbers; reads it once, a chunk at a time."""
        total, tiles = 0, 0
        first: int | None = None
        last: int | None = None
        for part in self.chunks():
            total += int(part["size"].sum(dtype="u8"))
            tiles = max(tiles, int(part["tile"].max()) + 1)
            earliest = int(part["request_cycle"].min())
            latest = int(part["response_cycle"].max())
            first = earliest if first is None else min(first, earliest)
            last = latest if last is None else max(last, latest)
        return StreamSummary(self._length, total, first, last, tiles)


class LayerTrace:
    """One recorded run of a layer.

    Attributes:
        name: of the layer.
        repeat: how many equal runs it stands for.
        clock_hz: array clock; cycles of the columns are of this clock.
        architecture: plain data of the design.
        problem: plain data of the layer.
        mapping: plain data of the mapping.
        address_map: plain data: where each tensor starts in each memory.
        streams: in the order in which the simulation first used them.
    """

    def __init__(self, group: h5py.Group, file: str) -> None:
        self._file = file
        self.name = str(group.attrs["name"])
        self.repeat = int(group.attrs["repeat"])
        self.clock_hz = int(group.attrs["clock_hz"])
        self.architecture = _json(group, "architecture")
        self.problem = _json(group, "problem")
        self.mapping = _json(group, "mapping")
        self.address_map = _json(group, "address_map")
        found = [
            direction
            for name, memory in group.items()
            if name not in {STALLS, FOLDS, STEP_CYCLE}
            for tensor in memory.values()
            for direction in tensor.values()
        ]
        found.sort(key=lambda stream: int(stream.attrs["index"]))
        self.streams = tuple(StreamTrace(stream, file) for stream in found)

    def stream(self, name: str) -> StreamTrace:
        """Return the stream called ``name``; InputError with the near names if there is none."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        known = [stream.name for stream in self.streams]
        rule = f"layer {self.name} has no such stream"
        raise InputError([Fault("stream", name, rule, nearest(name, known), self._file)])


class TraceFile:
    """A trace file opened for reading; a context manager.

    Attributes:
        path: as given.
        schema_version: of the file.
        tool_version: that wrote it.
        seed: of the run; None when it drew nothing at random.
        provenance: plain data.
        layers: in the order in which they ran.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file.

        Raises:
            InputError: no such file, not a trace file, an unknown version, a damaged file.
        """
        self.path = str(path)
        self._file = _open(Path(path))
        try:
            self._read_head()
        except (KeyError, AttributeError, ValueError, TypeError, OSError) as error:
            self._file.close()
            raise _broken(self.path, f"is damaged: {error}") from error
        except InputError:
            self._file.close()
            raise

    def _read_head(self) -> None:
        root = self._file.attrs
        if root.get("format") != FORMAT:
            raise _broken(self.path, "is an HDF5 file, but holds no traces of arraysmith")
        self.schema_version = int(root["schema_version"])
        if self.schema_version != VERSION:
            rule = f"schema version is {self.schema_version}, this tool reads {VERSION}"
            raise _broken(self.path, rule, "read it with the version of arraysmith that wrote it")
        self.tool_version = str(root["tool_version"])
        self.seed = int(root["seed"]) if "seed" in root else None
        self.provenance = _json(self._file, "provenance")
        groups = sorted(self._file[LAYERS].values(), key=lambda group: int(group.attrs["index"]))
        self.layers = tuple(LayerTrace(group, self.path) for group in groups)

    def layer(self, name: str) -> LayerTrace:
        """Return the layer called ``name``; InputError with the near names if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = [layer.name for layer in self.layers]
        raise InputError([Fault("layer", name, "no such layer", nearest(name, known), self.path)])

    def close(self) -> None:
        """Close the file; its streams cannot be read any more."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _open(path: Path) -> h5py.File:
    unfinished = "the run that wrote it did not finish"
    if path.suffix == ".part":
        raise _broken(str(path), unfinished, "run it again")
    if not path.exists():
        hint = f"{part_path(path).name} is there: {unfinished}" if part_path(path).exists() else ""
        raise _broken(str(path), "no such file", hint)
    if not path.is_file():
        raise _broken(str(path), "is not a file", "give the .h5 file inside" * path.is_dir())
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise _broken(str(path), f"cannot be read: {error.strerror}") from error
    if not h5py.is_hdf5(path):
        raise _broken(str(path), "is not an HDF5 file", "traces are written by simulate --traces")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise _broken(str(path), f"is damaged: {error}") from error


def _broken(file: str, rule: str, hint: str = "") -> InputError:
    return InputError([Fault("", file, rule, hint, file)])


def _json(place: h5py.Group, name: str) -> dict[str, Any]:
    value = json.loads(place.attrs[name])
    if not isinstance(value, dict):
        raise TypeError(f"attribute {name} is not a table")
    return value
