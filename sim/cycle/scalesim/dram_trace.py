"""The off-chip transfers of a layer, row by row as the tool writes them down."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from arraysmith.sim.cycle.scalesim import reads, writes
from arraysmith.sim.cycle.scalesim.buffer import ReadBuffer
from arraysmith.sim.cycle.scalesim.hash_order import hash_order
from arraysmith.sim.cycle.scalesim.layer import Int
from arraysmith.sim.cycle.scalesim.streams import Stream, asked_words
from arraysmith.sim.cycle.scalesim.writes import Writer


class ToolProbe(Protocol):
    """Told of every request of a layer; addresses are those of the tool, offsets included."""

    def sram(self, operand: str, stream: Stream, offset: int, stamps: Int) -> None:
        """Take the requests of one fold.

        Args:
            operand: ``ifmap``, ``filter`` or ``ofmap``.
            stream: word indices per port and cycle, see ``streams.requests``.
            offset: address of word 0.
            stamps: int64 [cycles of the fold], what the tool writes beside each cycle; overwritten
                by the next fold.
        """
        ...

    def dram(self, operand: str, start: int, addresses: Int) -> None:
        """Take off-chip transfers.

        Args:
            operand: as above.
            start: stamp of the first row; the others follow cycle by cycle.
            addresses: int64 [cycles, words], -1 for none; rows of later calls may be wider or
                narrower.
        """
        ...


class DramTrace:
    """Watches the buffers of a layer and tells a probe of every off-chip transfer."""

    def __init__(
        self, probe: ToolProbe, buffers: tuple[ReadBuffer, ReadBuffer], ofmap_offset: int
    ) -> None:
        """Watch the read buffers of a layer and a write buffer of outputs at ``ofmap_offset``."""
        self._probe = probe
        self._buffers = buffers
        self._missed = {buffer.operand: np.zeros(0, np.int64) for buffer in buffers}
        self._offset = ofmap_offset
        self._written = np.zeros(0, np.int64)
        self._fills: dict[int, int] = {}

    def before_fold(self, streams: tuple[Stream, Stream, Stream], writer: Writer) -> Writer:
        """Give the buffers room to note what happens in a fold."""
        for buffer, stream in zip(self._buffers, streams, strict=False):
            if buffer.reader.mode == reads.CALC:
                words = stream.lane.size * stream.step.size
                buffer.reader = buffer.reader._replace(
                    log=np.zeros(words, np.int64),
                    fetches=np.zeros((words // buffer.reader.capacity + 2, 3), np.int64),
                )
        return writer._replace(drains=np.zeros((writer.partial.shape[0] + 1, 3), np.int64))

    def after_fold(self, ofmap: Stream, cycles: int, writer: Writer) -> None:
        """Tell the probe what the fold fetched and drained."""
        for buffer in self._buffers:
            if buffer.reader.mode == reads.CALC:
                self._calc(buffer)
        words = asked_words(ofmap, cycles) + self._offset
        self._written = np.concatenate([self._written, words])
        self._drained(writer)

    def before_end(self, writer: Writer) -> Writer:
        """Give the write buffer room to note its last drains."""
        return writer._replace(drains=np.zeros((writer.partial.shape[0] + 1, 3), np.int64))

    def at_end(self, writer: Writer) -> None:
        """Tell the probe what was left, after the buffers have finished."""
        for buffer in self._buffers:
            if buffer.reader.mode == reads.CALC:
                self._calc(buffer)
            else:
                self._user(buffer)
        self._drained(writer)

    def _calc(self, buffer: ReadBuffer) -> None:
        """Tell of every set whose fetch was noted; order inside it is that of a hash set."""
        reader, state = buffer.reader, buffer.reader.state
        missed = np.concatenate(
            [self._missed[buffer.operand], reader.log[: state[reads.LOGGED]] + buffer.port.offset]
        )
        line = buffer.port.words // 100
        for start, end, width in reader.fetches[: state[reads.FETCHES]].tolist():
            words, missed = missed[: reader.capacity], missed[reader.capacity :]
            table = np.full((end - start + 1) * width, -1, np.int64)
            for at in range(0, len(words), line):
                part = words[at : at + line]
                table[at : at + len(part)] = part[hash_order(part)]
            self._probe.dram(buffer.operand, start + 1, table.reshape(end - start + 1, width))
        self._missed[buffer.operand] = missed
        state[reads.LOGGED] = state[reads.FETCHES] = 0

    def _user(self, buffer: ReadBuffer) -> None:
        """Tell of the first half and of the moves.

        Defect 13: every move fetches the same lines of the list, those after the first half (one
        further on when the half is whole lines), and words at their ends are dropped.
        """
        reader, port = buffer.reader, buffer.port
        width = port.bandwidth
        active, _ = reads.halves(port.words)
        lines = -(-reader.entries // width)
        first, more = reads.first_lines(reader, port), reader.move_lines
        ragged = active % width
        start = (first if first * width > active else first + 1) % lines
        need = lines if start + more > lines else max(first, start + more)
        listed = np.full(need * width, -1, np.int64)
        head = buffer.prefetched(need * width)
        listed[: len(head)] = head
        table = listed.reshape(need, width)
        if first * width > active:
            table[first - 1, ragged:] = -1
        self._probe.dram(buffer.operand, -first, table[:first])
        moves = int(reader.state[reads.MOVES])
        if not moves:
            return
        block = table[np.arange(start, start + more) % lines].copy()
        if first * width > active:
            block[0, :ragged] = -1
        if more * width > active:
            block[-1, ragged:] = -1
        for move in range(moves):
            self._probe.dram(buffer.operand, move * (more + 1) + 1, block)

    def _drained(self, writer: Writer) -> None:
        """Tell of every drain that was noted."""
        state = writer.state
        for line, words in writer.partial[: state[writes.TAIL]].tolist():
            self._fills[line] = words
        for start, line, lines in writer.drains[: state[writes.DRAINS]].tolist():
            fills = np.full(lines, writer.bandwidth, np.int64)
            for at in range(lines):
                fills[at] = self._fills.pop(line + at, writer.bandwidth)
            table = np.full((lines, writer.bandwidth), -1, np.int64)
            count = int(fills.sum())
            table[np.arange(writer.bandwidth) < fills[:, None]] = self._written[:count]
            self._written = self._written[count:]
            self._probe.dram("ofmap", start, table)
        state[writes.DRAINS] = 0
