"""Writing one stream: blocks of requests, each as segments if it can, else as columns."""

from __future__ import annotations

import h5py
import numpy as np

from arraysmith.traces.columns import ColumnTable, NumberTable, equal_length
from arraysmith.traces.schema import (
    BLOCK_COLUMNS,
    BLOCKS,
    COLUMNS,
    CYCLE_COLUMNS,
    CYCLES,
    RECORDS,
    SEGMENT_COLUMNS,
    SEGMENTS,
    Columns,
)
from arraysmith.traces.segments import Encoder


class StreamWriter:
    """Cuts a stream into blocks of the encoder's size, wherever the calls begin and end."""

    def __init__(self, group: h5py.Group, encoder: Encoder) -> None:
        self._group = group
        self._name = str(group.name)
        self._encoder = encoder
        self._buffer: Columns = {}
        self._buffered = 0
        self._records = 0
        self._closed = False
        self._blocks = NumberTable(
            group, BLOCKS, BLOCK_COLUMNS, "where the requests of each block are, in order"
        )
        self._segments: NumberTable | None = None
        self._cycles: NumberTable | None = None
        self._columns: ColumnTable | None = None

    def append(self, columns: Columns) -> int:
        """Take requests; return the number of blocks that were written.

        Raises:
            ArraysmithError: columns of unequal length.
        """
        count = equal_length(self._name, columns)
        block, taken, written = self._encoder.records, 0, 0
        while taken < count:
            if self._buffered == 0 and count - taken >= block:
                whole = {
                    x.name: np.ascontiguousarray(columns[x.name][taken : taken + block], x.dtype)
                    for x in COLUMNS
                }
                self._write(whole)
                taken += block
                written += 1
                continue
            if not self._buffer:
                self._buffer = {x.name: np.empty(block, x.dtype) for x in COLUMNS}
            room = min(block - self._buffered, count - taken)
            for name, values in columns.items():
                place = slice(self._buffered, self._buffered + room)
                self._buffer[name][place] = values[taken : taken + room]
            self._buffered += room
            taken += room
            if self._buffered == block:
                self._write(self._buffer)
                self._buffered = 0
                written += 1
        return written

    def flush(self) -> None:
        """Write the blocks that are complete."""
        for table in self._tables():
            table.flush()
        self._group.attrs[RECORDS] = self._records

    def _tables(self) -> list[NumberTable | ColumnTable]:
        tables = (self._blocks, self._segments, self._cycles, self._columns)
        return [table for table in tables if table is not None]

    def close(self) -> None:
        """Write the last block; harmless when done already."""
        if self._buffered:
            self._write({name: values[: self._buffered] for name, values in self._buffer.items()})
            self._buffered = 0
        self._buffer = {}
        if not self._closed:
            for table in self._tables():
                table.close()
            self._group.attrs[RECORDS] = self._records
            self._closed = True

    def _write(self, block: Columns) -> None:
        records = len(block[COLUMNS[0].name])
        encoded = self._encoder.encode(block)
        if encoded is None:
            if self._columns is None:
                self._columns = ColumnTable(self._group, COLUMNS)
            at = [records, self._columns.rows, 0, 0, 0]
            self._columns.append(block)
        else:
            if self._segments is None or self._cycles is None:
                self._segments = NumberTable(
                    self._group, SEGMENTS, SEGMENT_COLUMNS, "first request, then loops"
                )
                self._cycles = NumberTable(
                    self._group, CYCLES, CYCLE_COLUMNS, "runs of the request cycles of a block"
                )
            segments, cycles = encoded.segments, encoded.cycles
            at = [records, self._segments.rows, len(segments), self._cycles.rows, len(cycles)]
            self._segments.append(segments)
            self._cycles.append(cycles)
        self._blocks.append(np.array([at], np.int64))
        self._records += records
