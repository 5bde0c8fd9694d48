"""Reading one stream: its blocks, whether they are kept as segments or as columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.errors import Fault, InputError
from arraysmith.traces.schema import (
    BLOCK_COLUMNS,
    BLOCKS,
    CHUNK_RECORDS,
    COLUMNS,
    CYCLES,
    RECORDS,
    SEGMENTS,
    Columns,
)
from arraysmith.traces.segment_expand import Encoded, expand


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """What a stream holds in a few numbers.

    Attributes:
        requests: number of requests.
        segment_requests: those of them that are kept as segments; the others are in columns.
        segments: number of segments.
        disk_bytes: what the stream takes in the file, its data only.
        total_bytes: bytes of all requests.
        first_cycle: cycle of the earliest request; None for an empty stream.
        last_cycle: cycle of the latest response; None for an empty stream.
        tiles: number of tiles: the highest tile number plus one.
        ports: number of ports: the highest port number plus one.
    """

    requests: int
    segment_requests: int
    segments: int
    disk_bytes: int
    total_bytes: int
    first_cycle: int | None
    last_cycle: int | None
    tiles: int
    ports: int


class StreamTrace:
    """One stream of one layer.

    Attributes:
        name: ``memory/tensor/direction``; of a network ``network/fan-out/tensor/direction``.
    """

    def __init__(self, group: h5py.Group, file: str) -> None:
        self.name = str(group.attrs["stream"])
        self.memory, self.tensor, self.direction = self.name.rsplit("/", 2)
        self._file = file
        self._group = group
        self._blocks: NDArray[np.int64] = group[BLOCKS][:].reshape(-1, len(BLOCK_COLUMNS))
        self._first = np.concatenate((np.zeros(1, np.int64), np.cumsum(self._blocks[:, 0])))
        self._last: tuple[int, Columns] | None = None
        # Open datasets keep their decompressed chunks, which the next block needs again.
        self._open: dict[str, h5py.Dataset] = {}
        self._check(int(group.attrs[RECORDS]))

    def _check(self, records: int) -> None:
        """Refuse a stream whose tables do not fit each other."""
        rows, segments, cycles_row, cycles = self._blocks[:, 1:].T
        dense = segments == 0
        lengths = {x.name: self._rows(x.name) for x in COLUMNS} if dense.any() else {"none": 0}
        needed = ((self._blocks[:, 0] + rows)[dense], min(lengths.values()))
        ends = ((rows + segments)[~dense], self._rows(SEGMENTS))
        runs = ((cycles_row + cycles)[~dense], self._rows(CYCLES))
        if len(set(lengths.values())) != 1:
            raise self._broken(f"columns of unequal length {lengths}")
        short = any(len(end) and int(end.max()) > there for end, there in (needed, ends, runs))
        if short or (self._blocks < 0).any() or int(self._first[-1]) != records:
            raise self._broken("its blocks are damaged: they do not fit what is there")

    def _data(self, name: str) -> h5py.Dataset:
        if name not in self._open:
            self._open[name] = self._group[name]
        return self._open[name]

    def _rows(self, name: str) -> int:
        return int(self._group[name].shape[0]) if name in self._group else 0

    def __len__(self) -> int:
        """Return the number of requests."""
        return int(self._first[-1])

    def columns(self, start: int = 0, stop: int | None = None) -> Columns:
        """Return the columns of the requests from ``start`` up to ``stop`` (all) as arrays.

        Raises:
            InputError: the data cannot be decompressed or expanded: the file is damaged.
        """
        start, stop, _ = slice(start, stop).indices(len(self))
        parts = list(self._parts(start, stop))
        if len(parts) == 1:
            return parts[0]
        return {
            x.name: np.concatenate([part[x.name] for part in parts])
            if parts
            else np.empty(0, x.dtype)
            for x in COLUMNS
        }

    def chunks(self, records: int = CHUNK_RECORDS) -> Iterator[Columns]:
        """Yield the columns at most ``records`` requests at a time, in order."""
        for start in range(0, len(self), records):
            yield self.columns(start, min(start + records, len(self)))
        # A file has hundreds of streams: none keeps what it has read.
        self._last = None
        self._open.clear()

    def _parts(self, start: int, stop: int) -> Iterator[Columns]:
        """Yield what each block has of the requests from ``start`` up to ``stop``."""
        while start < stop:
            number = int(np.searchsorted(self._first, start, side="right")) - 1
            first, end = int(self._first[number]), min(stop, int(self._first[number + 1]))
            block = self._block(number)
            yield {name: data[start - first : end - first] for name, data in block.items()}
            start = end

    def _block(self, number: int) -> Columns:
        if self._last is not None and self._last[0] == number:
            return self._last[1]
        records, row, segments, cycles_row, cycles = (int(x) for x in self._blocks[number])
        try:
            if segments:
                encoded = Encoded(
                    np.ascontiguousarray(self._data(SEGMENTS)[row : row + segments]),
                    np.ascontiguousarray(self._data(CYCLES)[cycles_row : cycles_row + cycles]),
                )
                found = expand(encoded, records)
            else:
                found = {x.name: self._data(x.name)[row : row + records] for x in COLUMNS}
        except (OSError, ValueError) as error:
            raise self._broken(f"damaged data: {error}") from error
        self._last = (number, found)
        return found

    def summary(self) -> StreamSummary:
        """Return the stream in a few numbers; reads it once, a block at a time."""
        total, tiles, ports = 0, 0, 0
        first: int | None = None
        last: int | None = None
        for part in self.chunks():
            total += int(part["size"].sum(dtype="u8"))
            tiles = max(tiles, int(part["tile"].max()) + 1)
            ports = max(ports, int(part["port"].max()) + 1)
            earliest = int(part["request_cycle"].min())
            latest = int(part["response_cycle"].max())
            first = earliest if first is None else min(first, earliest)
            last = latest if last is None else max(last, latest)
        affine = self._blocks[:, 2] > 0
        return StreamSummary(
            requests=len(self),
            segment_requests=int(self._blocks[affine, 0].sum()),
            segments=int(self._blocks[:, 2].sum()),
            disk_bytes=sum(int(x.id.get_storage_size()) for x in self._group.values()),
            total_bytes=total,
            first_cycle=first,
            last_cycle=last,
            tiles=tiles,
            ports=ports,
        )

    def _broken(self, rule: str) -> InputError:
        return broken_file(self._file, f"{self.name}: {rule}")


def broken_file(file: str, rule: str, hint: str = "") -> InputError:
    """Return the error for a trace file that cannot be used."""
    return InputError([Fault("", file, rule, hint, file)])
