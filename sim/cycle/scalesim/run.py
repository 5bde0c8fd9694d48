"""A layer, fold after fold, through the three buffers.

In every cycle the buffers are asked in order, ifmap, filter, ofmap; the longest wait of the three
is the stall of the cycle, and the array freezes as a whole.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.sim.cycle.scalesim import writes
from arraysmith.sim.cycle.scalesim.buffer import ReadBuffer
from arraysmith.sim.cycle.scalesim.dram_trace import DramTrace, ToolProbe
from arraysmith.sim.cycle.scalesim.layer import Shape, ToolMachine, UnsupportedByScaleSimError
from arraysmith.sim.cycle.scalesim.layout import listed_filter, listed_ifmap
from arraysmith.sim.cycle.scalesim.reads import (
    Reader,
    calc_reader,
    layout_reader,
    serve,
    user_reader,
)
from arraysmith.sim.cycle.scalesim.result import OPERANDS, ToolResult, result_of
from arraysmith.sim.cycle.scalesim.streams import Operands, Stream
from arraysmith.sim.cycle.scalesim.writes import Writer, store, with_room, writer_of

STALLS, TOTAL, CAUSE = range(3)
"""State of the clock: stall cycles so far; cycle of the last answer of the write buffer; from
``CAUSE`` on, stall cycles by the operand that was waited for longest."""


@njit(cache=True, nogil=True)
def run_fold(
    cycles: int,
    first: int,
    clock: NDArray[np.int64],
    ifmap: Stream,
    ifmap_reader: Reader,
    filters: Stream,
    filter_reader: Reader,
    ofmap: Stream,
    writer: Writer,
    stamps: NDArray[np.int64],
    spans: NDArray[np.int64],
) -> None:
    """Run one fold.

    Args:
        cycles: of the fold.
        first: its first cycle, stalls not counted.
        clock: int64 [6], see above.
        ifmap: what the array asks for; and so on.
        ifmap_reader: who answers; and so on.
        filters: the same of the weights.
        filter_reader: the same of the weights.
        ofmap: what the array writes.
        writer: who takes it.
        stamps: int64 [3, cycles], filled with the cycle of each answer.
        spans: int64 [3, 3], per operand (any request so far, first, last stamp of one).
    """
    for at in range(cycles):
        now = first + at + clock[STALLS]
        ifmap_wait, ifmap_any = serve(ifmap, ifmap_reader, at, now)
        filter_wait, filter_any = serve(filters, filter_reader, at, now)
        taken, ofmap_any = store(ofmap, writer, at, now)
        stamps[0, at] = now + ifmap_wait
        stamps[1, at] = now + filter_wait
        stamps[2, at] = taken
        if ifmap_any:
            _note(spans[0], stamps[0, at])
        if filter_any:
            _note(spans[1], stamps[1, at])
        if ofmap_any:
            _note(spans[2], taken)
        stall = max(ifmap_wait - 1, filter_wait - 1, taken - now)
        if stall > 0:
            clock[STALLS] += stall
            clock[CAUSE + (0 if ifmap_wait > stall else 1 if filter_wait > stall else 2)] += stall
        clock[TOTAL] = max(clock[TOTAL], taken)


@njit(cache=True, nogil=True)
def _note(span: NDArray[np.int64], stamp: int) -> None:
    if span[0] == 0:
        span[0], span[1] = 1, stamp
    span[2] = stamp


def run_layer(machine: ToolMachine, shape: Shape, probe: ToolProbe | None = None) -> ToolResult:
    """Return what the tool reports of one layer.

    Args:
        machine: to run on.
        shape: the layer.
        probe: told of every request; None for none.

    Raises:
        UnsupportedByScaleSimError: where the tool itself fails.
    """
    operands = Operands(shape, machine.rows, machine.columns, machine.dataflow)
    ifmap, filters = _read_buffers(machine, shape, operands)
    writer = writer_of(machine.ofmap_words, machine.ofmap_bandwidth)
    watch = None if probe is None else DramTrace(probe, (ifmap, filters), machine.ofmap_offset)
    offsets = (machine.ifmap.offset, machine.filter.offset, machine.ofmap_offset)
    clock = np.zeros(6, np.int64)
    stamps = np.zeros((3, operands.fold_cycles), np.int64)
    spans = np.zeros((3, 3), np.int64)
    first = 0
    for column in range(operands.column_folds):
        for row in range(operands.row_folds):
            streams = operands.fold(row, column)
            writer = with_room(writer, streams[2].lane.size * streams[2].step.size)
            if watch is not None:
                writer = watch.before_fold(streams, writer)
            run_fold(
                operands.fold_cycles, first, clock,
                streams[0], ifmap.reader, streams[1], filters.reader, streams[2], writer,
                stamps, spans,
            )  # fmt: skip
            first += operands.fold_cycles
            if probe is not None and watch is not None:
                for operand, stream, offset, line in zip(
                    OPERANDS, streams, offsets, stamps, strict=True
                ):
                    probe.sram(operand, stream, offset, line)
                watch.after_fold(streams[2], operands.fold_cycles, writer)
    if clock[TOTAL] == 0:
        raise UnsupportedByScaleSimError(
            "the layer is over after one cycle: the tool divides by its index, zero"
        )
    writer = with_room(writer, machine.ofmap_words)
    if watch is not None:
        writer = watch.before_end(writer)
    writes.drain_all(writer, int(stamps[2, -1]))
    dram = (ifmap.finish(), filters.finish(), writes.finish(writer))
    if watch is not None:
        watch.at_end(writer)
    return result_of(
        machine,
        operands,
        total_cycles=int(clock[TOTAL]),
        stall_cycles=int(clock[STALLS]),
        stalls=(int(clock[CAUSE]), int(clock[CAUSE + 1]), int(clock[CAUSE + 2])),
        sram=[(int(span[1]), int(span[2])) for span in spans],
        dram=dram,
    )


def _read_buffers(
    machine: ToolMachine, shape: Shape, operands: Operands
) -> tuple[ReadBuffer, ReadBuffer]:
    ifmap_words = shape.ifmap_height * shape.ifmap_width * shape.channels
    filter_words = shape.filters * shape.window
    ifmap_list, filter_list = operands.prefetch()
    if not machine.user:
        return (
            ReadBuffer(OPERANDS[0], machine.ifmap, calc_reader(machine.ifmap, ifmap_words)),
            ReadBuffer(OPERANDS[1], machine.filter, calc_reader(machine.filter, filter_words)),
        )
    found = []
    for operand, port, words, prefetch, listed in (
        (OPERANDS[0], machine.ifmap, ifmap_words, ifmap_list, listed_ifmap),
        (OPERANDS[1], machine.filter, filter_words, filter_list, listed_filter),
    ):
        if port.factors:
            order = listed(shape, port)
            found.append(ReadBuffer(operand, port, layout_reader(port, words, order), order))
        else:
            reader = user_reader(port, words, prefetch)
            found.append(ReadBuffer(operand, port, reader, prefetch))
    return found[0], found[1]
