"""Datasets of a trace file that grow: columns of equal length, and tables of whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.errors import ArraysmithError
from arraysmith.traces.schema import CHUNK_RECORDS, CHUNK_ROWS, Column, Columns


class ColumnTable:
    """Columns of one length in a group, written a whole chunk at a time.

    Attributes:
        group: that the columns are in.
        rows: appended so far.
    """

    def __init__(self, group: h5py.Group, columns: tuple[Column, ...]) -> None:
        self.group = group
        self.rows = 0
        self._name = str(group.name)
        self._columns = columns
        self._datasets: dict[str, h5py.Dataset] = {}
        self._buffer: Columns = {c.name: np.empty(CHUNK_RECORDS, c.dtype) for c in columns}
        self._buffered = 0
        self._written = 0

    def append(self, columns: Columns) -> None:
        """Take records, given by the names of the columns.

        Raises:
            ArraysmithError: columns of unequal length.
        """
        count = equal_length(self._name, columns)
        self.rows += count
        taken = 0
        while taken < count:
            room = min(CHUNK_RECORDS - self._buffered, count - taken)
            for name, values in columns.items():
                place = slice(self._buffered, self._buffered + room)
                self._buffer[name][place] = values[taken : taken + room]
            self._buffered += room
            taken += room
            if self._buffered == CHUNK_RECORDS:
                self._write(CHUNK_RECORDS)
                self._written += CHUNK_RECORDS
                self._buffered = 0

    def flush(self) -> None:
        """Write what is buffered; it stays buffered, so that chunks are written whole."""
        if self._buffered:
            self._write(CHUNK_RECORDS)

    def close(self) -> None:
        """Write what is buffered; a table of less than a chunk gets a chunk of its length."""
        if self._written:
            self.flush()
        else:
            for name in self._datasets:
                del self.group[name]  # a flush wrote them
            self._datasets.clear()
            self._write(max(1, self._buffered))

    def _write(self, chunk: int) -> None:
        if not self._datasets:
            for column in self._columns:
                data = _dataset(self.group, column.name, column.dtype, (0,), (chunk,))
                data.attrs["unit"], data.attrs["meaning"] = column.unit, column.meaning
                self._datasets[column.name] = data
        for name, dataset in self._datasets.items():
            dataset.resize((self._written + self._buffered,))
            dataset[self._written :] = self._buffer[name][: self._buffered]


class NumberTable:
    """An int64 table, compressed column by column, written ``CHUNK_ROWS`` rows at a time.

    Attributes:
        rows: appended so far.
    """

    def __init__(self, group: h5py.Group, name: str, columns: Sequence[str], meaning: str) -> None:
        self.rows = 0
        self._group = group
        self._name = name
        self._columns = columns
        self._meaning = meaning
        self._data: h5py.Dataset | None = None
        self._waiting: list[NDArray[np.int64]] = []
        self._written = 0

    def append(self, rows: NDArray[np.int64]) -> None:
        """Take rows, int64 [n, columns]."""
        self.rows += len(rows)
        self._waiting.append(rows)
        whole = self.rows - self.rows % CHUNK_ROWS
        if whole > self._written:
            self._write(whole, CHUNK_ROWS)
            self._waiting = [np.concatenate(self._waiting)[whole - self._written :]]
            self._written = whole

    def flush(self) -> None:
        """Write what waits; it goes on waiting, so that chunks are written whole."""
        if self.rows > self._written or self._data is None:
            self._write(self.rows, CHUNK_ROWS)

    def close(self) -> None:
        """Write what waits; a table of less than a chunk gets a chunk of its length."""
        if self._written:
            self.flush()
        else:
            if self._data is not None:
                del self._group[self._name]  # a flush wrote it
                self._data = None
            self._write(self.rows, max(1, self.rows))

    def _write(self, end: int, chunk: int) -> None:
        width = len(self._columns)
        if self._data is None:
            self._data = _dataset(self._group, self._name, np.dtype("<i8"), (0, width), (chunk, 1))
            self._data.attrs["columns"] = " ".join(self._columns)
            self._data.attrs["meaning"] = self._meaning
        self._data.resize(end, axis=0)
        if end > self._written:
            waiting = np.concatenate(self._waiting)
            self._data[self._written :] = waiting[: end - self._written]


def equal_length(name: str, columns: Columns) -> int:
    """Return the length of the columns; ArraysmithError if they have several."""
    counts = {len(column) for column in columns.values()}
    if len(counts) != 1:
        raise ArraysmithError(f"{name}: columns of unequal length")
    return counts.pop()


def _dataset(
    group: h5py.Group,
    name: str,
    dtype: np.dtype[np.generic],
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
) -> h5py.Dataset:
    """Return a new dataset that grows along its first axis."""
    return group.create_dataset(
        name,
        shape=shape,
        maxshape=(None, *shape[1:]),
        dtype=dtype,
        chunks=chunk,
        compression="gzip",
        compression_opts=1,
        shuffle=True,
        track_times=False,
    )
