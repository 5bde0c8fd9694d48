"""What the tool reports of a layer, with its formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, log2
from typing import Any

import numpy as np

from arraysmith.sim.cycle.scalesim.layer import ToolMachine
from arraysmith.sim.cycle.scalesim.streams import Operands

OPERANDS = ("ifmap", "filter", "ofmap")


@dataclass(frozen=True, slots=True)
class Accesses:
    """Accesses of one operand at one memory.

    Attributes:
        start: stamp of the first.
        stop: stamp of the last.
        words: as the tool counts them; a float where sparsity scales them.
        per_cycle: average words per cycle: over ``Total Cycles`` at an SRAM, from first to last
            stamp off-chip.
    """

    start: int
    stop: int
    words: int | float
    per_cycle: float


@dataclass(frozen=True, slots=True)
class SparseStorage:
    """Weights and metadata, in words; the tool writes them into SPARSE_REPORT.csv.

    Attributes:
        representation: ``csr``, ``csc`` or ``ellpack_block``.
        dense: all weights.
        stored: weights that are kept, and metadata.
        metadata: metadata alone.
        metadata_per_cycle: metadata over ``Total Cycles``.
    """

    representation: str
    dense: int
    stored: int | float
    metadata: int | float
    metadata_per_cycle: float


@dataclass(frozen=True, slots=True)
class ToolResult:
    """One layer as the tool reports it.

    Attributes:
        total_cycles_incl_prefetch: from the first off-chip read to the last off-chip write.
        total_cycles: index of the last cycle, so one less than the number of cycles (defect 2).
        stall_cycles: cycles in which the array waits.
        stalls: the same by the operand waited for: ifmap, filter, ofmap. Not in the tool's files.
        overall_util_pct: 100 MACs / (total_cycles R C).
        mapping_eff_pct: PEs used, mean over folds.
        compute_util_pct: MACs over PEs and cycles of a fold, mean over folds (defect 6).
        sram: accesses of ifmap, filter and ofmap at their SRAMs.
        dram: the same off-chip.
        sparse: storage of the weights; None when the tool's sparsity switch is off.
        demand_rows: cycles without any stall.
        macs: multiply-accumulates as the tool counts them.
        outputs: words of the ofmap as the tool counts them.
        row_folds: blocks of rows.
        col_folds: blocks of columns.
        active_pes: PEs that a fold uses, at most.
    """

    total_cycles_incl_prefetch: int
    total_cycles: int
    stall_cycles: int
    stalls: tuple[int, int, int]
    overall_util_pct: float
    mapping_eff_pct: float
    compute_util_pct: float
    sram: tuple[Accesses, Accesses, Accesses]
    dram: tuple[Accesses, Accesses, Accesses]
    sparse: SparseStorage | None
    demand_rows: int
    macs: int
    outputs: int
    row_folds: int
    col_folds: int
    active_pes: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, accesses by operand."""
        plain = asdict(self)
        for name in ("stalls", "sram", "dram"):
            plain[name] = dict(zip(OPERANDS, plain[name], strict=True))
        return plain


def result_of(
    machine: ToolMachine,
    operands: Operands,
    *,
    total_cycles: int,
    stall_cycles: int,
    stalls: tuple[int, int, int],
    sram: Sequence[tuple[int, int]],
    dram: Sequence[tuple[int, int, int]],
) -> ToolResult:
    """Return the report of a layer.

    Args:
        machine: that ran.
        operands: the layer on its array.
        total_cycles: stamp of the last answer of the write buffer.
        stall_cycles: as counted.
        stalls: the same by operand.
        sram: (first, last stamp) of ifmap, filter and ofmap.
        dram: (first, last stamp, words) of ifmap, filter and ofmap.
    """
    shape = operands.shape
    mapping, compute = _utilizations(operands)
    words = sram_words(operands)
    off_chip = [
        Accesses(start, stop, count, count / (stop - start + 1)) for start, stop, count in dram
    ]
    on_chip = [
        Accesses(start, stop, count, count / total_cycles)
        for (start, stop), count in zip(sram, words, strict=True)
    ]
    rows, columns = operands.used(0, 0)
    return ToolResult(
        total_cycles_incl_prefetch=dram[2][1] - min(dram[0][0], dram[1][0]),
        total_cycles=total_cycles,
        stall_cycles=stall_cycles,
        stalls=stalls,
        overall_util_pct=shape.macs * 100 / (total_cycles * machine.rows * machine.columns),
        mapping_eff_pct=mapping * 100,
        compute_util_pct=compute * 100,
        sram=(on_chip[0], on_chip[1], on_chip[2]),
        dram=(off_chip[0], off_chip[1], off_chip[2]),
        sparse=_sparse(machine.representation, operands, total_cycles) if shape.sparse else None,
        demand_rows=operands.row_folds * operands.column_folds * operands.fold_cycles,
        macs=shape.macs,
        outputs=shape.pixels * shape.filters,
        row_folds=operands.row_folds,
        col_folds=operands.column_folds,
        active_pes=rows * columns,
    )


def _utilizations(operands: Operands) -> tuple[float, float]:
    """Return mapping efficiency and compute utilization, 0 to 1: means over folds.

    Summed fold by fold from left to right, as the tool does, so that the last digit agrees.
    Defect 6: a fold of ``ws`` and ``is`` counts C - 1 cycles more than it has.
    """
    pes = operands.rows * operands.columns
    cycles = operands.fold_cycles + (0 if operands.dataflow == "os" else operands.columns - 1)
    rows = np.minimum(
        operands.rows, operands.spatial[0] - operands.rows * np.arange(operands.row_folds)
    )
    columns = np.minimum(
        operands.columns, operands.spatial[1] - operands.columns * np.arange(operands.column_folds)
    )
    used = np.multiply.outer(columns, rows).reshape(-1)
    mapping, compute = used / pes, used * operands.spatial[2] / (pes * cycles)
    return (
        float(np.cumsum(mapping)[-1]) / len(used),
        float(np.cumsum(compute)[-1]) / len(used),
    )


def sram_words(operands: Operands) -> tuple[int | float, int, int]:
    """Return the SRAM accesses of ifmap, filter and ofmap as the tool counts them.

    Defect 8: places outside the input count as reads. Defect 5: R + C writes too many per fold of
    ``os``. Defect 9: a write per row fold and output. With sparsity under ``ws`` a read of the
    ifmap counts block / kept times, summed fold by fold.
    """
    rows, columns, steps = operands.spatial
    row_folds, column_folds = operands.row_folds, operands.column_folds
    shape = operands.shape
    if operands.dataflow == "os":
        extra = row_folds * column_folds * (operands.rows + operands.columns)
        return column_folds * rows * steps, row_folds * columns * steps, rows * columns + extra
    if operands.dataflow == "is":
        return rows * columns, column_folds * rows * steps, row_folds * columns * steps
    ifmap: int | float = column_folds * rows * steps
    if shape.sparse:
        used = np.minimum(operands.rows, rows - operands.rows * np.arange(row_folds))
        scaled = np.tile(used * steps, column_folds) * (shape.block / shape.kept)
        ifmap = float(np.cumsum(scaled)[-1])
    return ifmap, rows * columns, row_folds * columns * steps


def _sparse(representation: str, operands: Operands, total_cycles: int) -> SparseStorage:
    """Return the storage of the weights in words.

    CSR and CSC hold an index per weight and a pointer per row (window element) or column (filter)
    and one more; blocked ELLPACK ceil(log2 block) bits per weight, 32 to a word.
    """
    shape = operands.shape
    kept = len(shape.kept_window) * shape.filters
    stored: int | float
    metadata: int | float
    if representation == "ellpack_block":
        metadata = kept * ceil(log2(shape.block)) / 32
        stored = kept + metadata
    else:
        pointers = (shape.window if representation == "csr" else shape.filters) + 1
        metadata = kept + pointers
        stored = kept + metadata
    dense = shape.window * shape.filters
    return SparseStorage(representation, dense, stored, metadata, metadata / total_cycles)
