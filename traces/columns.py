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
        self._datasets = {column.name: _column(group, column) for column in columns}
        self._buffer: Columns = {c.name: np.empty(CHUNK_RECORDS, c.dtype) for c in columns}
        self._buffered = 0
        self._written = 0

    def append(self, columns: Columns) -> None:
        """Take records, given by the names of the columns.

        Raises:
            ArraysmithError: columns of unequal length.
        """
        count = equal_length(self.group.name, columns)
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
                self._write()
                self._written += CHUNK_RECORDS
                self._buffered = 0

    def flush(self) -> None:
        """Write what is buffered; it stays buffered, so that chunks are written whole."""
        if self._buffered:
            self._write()

    def _write(self) -> None:
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
        self._data = group.create_dataset(
            name,
            shape=(0, len(columns)),
            maxshape=(None, len(columns)),
            dtype="<i8",
            chunks=(CHUNK_ROWS, 1),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
            track_times=False,
        )
        self._data.attrs["columns"] = list(columns)
        self._data.attrs["meaning"] = meaning
        self._waiting: list[NDArray[np.int64]] = []
        self._written = 0

    def append(self, rows: NDArray[np.int64]) -> None:
        """Take rows, int64 [n, columns]."""
        self.rows += len(rows)
        self._waiting.append(rows)
        if self.rows - self._written >= CHUNK_ROWS:
            self._write(self.rows - self.rows % CHUNK_ROWS)

    def flush(self) -> None:
        """Write what waits."""
        if self.rows > self._written:
            self._write(self.rows)

    def _write(self, end: int) -> None:
        waiting = np.concatenate(self._waiting)
        self._data.resize(end, axis=0)
        self._data[self._written :] = waiting[: end - self._written]
        self._waiting = [waiting[end - self._written :]]
        self._written = end


def equal_length(name: str, columns: Columns) -> int:
    """Return the length of the columns; ArraysmithError if they have several."""
    counts = {len(column) for column in columns.values()}
    if len(counts) != 1:
        raise ArraysmithError(f"{name}: columns of unequal length")
    return counts.pop()


def _column(group: h5py.Group, column: Column) -> h5py.Dataset:
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
