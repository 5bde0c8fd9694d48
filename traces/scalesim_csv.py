"""The report and trace files of SCALE-Sim 3.0.0: same names, same columns, same digits.

A run is a folder with COMPUTE_REPORT.csv, BANDWIDTH_REPORT.csv, DETAILED_ACCESS_REPORT.csv (and
SPARSE_REPORT.csv when sparsity is on) and a folder ``layerN`` per layer with six traces:
``{IFMAP,FILTER,OFMAP}_{SRAM,DRAM}_TRACE.csv``. A trace has no heading. Column 0 is a cycle, then
come addresses, -1 for none: of every port of the array (SRAM, whole numbers), of every word of a
transfer (DRAM, numbers with ``.0``).

Defect 17: off-chip transfers of the mode CALC have rows of different widths; the tool fills the
shorter ones up with ``1``, which is a valid address.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.errors import Fault, InputError
from arraysmith.sim.cycle.scalesim.result import OPERANDS, ToolResult
from arraysmith.sim.cycle.scalesim.streams import Stream, requests

Int = NDArray[np.int64]

COMPUTE, BANDWIDTH, DETAIL, SPARSE = (
    "COMPUTE_REPORT.csv",
    "BANDWIDTH_REPORT.csv",
    "DETAILED_ACCESS_REPORT.csv",
    "SPARSE_REPORT.csv",
)

TRACES = tuple(f"{x.upper()}_{memory}_TRACE.csv" for x in OPERANDS for memory in ("SRAM", "DRAM"))
"""Trace files of a layer."""

_PAD = 1
_CHUNK = 4096
_NUMBER_BYTES = 22  # a sign, 18 digits, ``.0``, a comma


class ScaleSimTraces:
    """Writes the six traces of one layer; a ``ToolProbe``. Use as a context manager.

    Off-chip transfers are kept in a temporary file until the widest is known.
    """

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``, which is made if needed."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._sram: dict[str, BinaryIO] = {}
        self._spools: dict[str, IO[bytes]] = {}
        self._blocks: dict[str, list[tuple[int, int, int]]] = {x: [] for x in OPERANDS}

    def __enter__(self) -> Self:
        for operand in OPERANDS:
            path = self._folder / f"{operand.upper()}_SRAM_TRACE.csv"
            self._sram[operand] = path.open("wb")
            self._spools[operand] = tempfile.TemporaryFile(dir=self._folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for operand in OPERANDS:
                    self._write_dram(operand)
        finally:
            for file in (*self._sram.values(), *self._spools.values()):
                file.close()

    def sram(self, operand: str, stream: Stream, offset: int, stamps: Int) -> None:
        """Write the requests of one fold; see ``ToolProbe``."""
        for first in range(0, len(stamps), _CHUNK):
            last = min(first + _CHUNK, len(stamps))
            table = requests(stream, first, last)
            table[table >= 0] += offset
            _write(self._sram[operand], stamps[first:last], table, table.shape[1], decimals=False)

    def dram(self, operand: str, start: int, addresses: Int) -> None:
        """Keep off-chip transfers for the end; see ``ToolProbe``."""
        cycles, width = addresses.shape
        self._blocks[operand].append((start, cycles, width))
        self._spools[operand].write(np.ascontiguousarray(addresses).tobytes())

    def _write_dram(self, operand: str) -> None:
        spool, blocks = self._spools[operand], self._blocks[operand]
        spool.seek(0)
        widest = max((width for _, _, width in blocks), default=0)
        with (self._folder / f"{operand.upper()}_DRAM_TRACE.csv").open("wb") as file:
            for start, cycles, width in blocks:
                rows = max(1, _CHUNK * 8 // (width + 1))
                for first in range(0, cycles, rows):
                    many = min(rows, cycles - first)
                    table = np.frombuffer(spool.read(many * width * 8), np.int64)
                    stamps = np.arange(start + first, start + first + many, dtype=np.int64)
                    _write(file, stamps, table.reshape(many, width), widest, decimals=True)


def _write(file: BinaryIO, stamps: Int, table: Int, width: int, *, decimals: bool) -> None:
    text = np.empty(table.shape[0] * ((width + 1) * _NUMBER_BYTES + 1), np.uint8)
    used = _format(text, stamps, np.ascontiguousarray(table), width, decimals)
    file.write(text[:used].data)


@njit(cache=True, nogil=True)
def _format(text: NDArray[np.uint8], stamps: Int, table: Int, width: int, decimals: bool) -> int:
    """Write rows as text and return the bytes used; rows narrower than ``width`` are filled up."""
    at = 0
    for row in range(table.shape[0]):
        at = _number(text, at, stamps[row], decimals)
        for column in range(width):
            text[at] = 44  # a comma
            value = table[row, column] if column < table.shape[1] else _PAD
            at = _number(text, at + 1, value, decimals)
        text[at] = 10  # a line feed
        at += 1
    return at


@njit(cache=True, nogil=True)
def _number(text: NDArray[np.uint8], at: int, value: int, decimals: bool) -> int:
    """Write one number at position ``at`` and return the position behind it."""
    if value < 0:
        text[at] = 45  # a minus sign
        at += 1
        value = -value
    digits = 1
    power = 10
    while value >= power and digits < 18:
        digits += 1
        power *= 10
    for place in range(at + digits - 1, at - 1, -1):
        text[place] = 48 + value % 10
        value //= 10
    at += digits
    if decimals:
        text[at], text[at + 1] = 46, 48  # ``.0``
        at += 2
    return at


def write_reports(folder: Path, results: Sequence[ToolResult]) -> None:
    """Write the report files of a run, a row per layer in the order of ``results``.

    Args:
        folder: to write into.
        results: of all layers, on one machine; at least one.
    """
    sparse = results[0].sparse is not None
    operands = ("IFMAP", "FILTER", "OFMAP")
    bandwidth = [f"Avg {x} SRAM BW" for x in operands]
    if sparse:
        bandwidth.insert(2, "Avg FILTER Metadata SRAM BW")
    detail = [
        f"{memory} {operand} {what}"
        for memory in ("SRAM", "DRAM")
        for operand, count in (("IFMAP", "Reads"), ("Filter", "Reads"), ("OFMAP", "Writes"))
        for what in ("Start Cycle", "Stop Cycle", count)
    ]
    compute = (
        "Total Cycles (incl. prefetch)", "Total Cycles", "Stall Cycles", "Overall Util %",
        "Mapping Efficiency %", "Compute Util %",
    )  # fmt: skip
    _report(folder / COMPUTE, f"LayerID, {', '.join(compute)},", map(_compute_row, results))
    heads = [*bandwidth, *(f"Avg {x} DRAM BW" for x in operands)]
    _report(folder / BANDWIDTH, f"LayerID, {', '.join(heads)},", map(_bandwidth_row, results))
    _report(folder / DETAIL, f"LayerID, {', '.join(detail)},", map(_detail_row, results))
    if sparse:
        heads = [
            "Sparsity Representation", "Original Filter Storage",
            "New Storage (Filter+Metadata)", "Filter Metadata Storage",
            "Avg FILTER Metadata SRAM BW",
        ]  # fmt: skip
        _report(folder / SPARSE, f"LayerID, {', '.join(heads)}, ", map(_sparse_row, results))


def _report(path: Path, head: str, rows: map[list[object]]) -> None:
    lines = [f"{number}, {', '.join(map(str, row))},\n" for number, row in enumerate(rows)]
    path.write_text(f"{head}\n{''.join(lines)}", encoding="ascii")


def _compute_row(result: ToolResult) -> list[object]:
    return [
        result.total_cycles_incl_prefetch,
        result.total_cycles,
        result.stall_cycles,
        result.overall_util_pct,
        result.mapping_eff_pct,
        result.compute_util_pct,
    ]


def _bandwidth_row(result: ToolResult) -> list[object]:
    row: list[object] = [accesses.per_cycle for accesses in (*result.sram, *result.dram)]
    if result.sparse is not None:
        row.insert(2, result.sparse.metadata_per_cycle)
    return row


def _detail_row(result: ToolResult) -> list[object]:
    return [
        value
        for accesses in (*result.sram, *result.dram)
        for value in (float(accesses.start), float(accesses.stop), accesses.words)
    ]


def _sparse_row(result: ToolResult) -> list[object]:
    storage = result.sparse
    assert storage is not None  # all layers of a run share the switch
    return [
        storage.representation,
        storage.dense,
        storage.stored,
        storage.metadata,
        storage.metadata_per_cycle,
    ]


class ScaleSimFolder:
    """The folder of a run, written aside and renamed when complete. Use as a context manager.

    Attributes:
        path: of the finished folder.
    """

    def __init__(self, path: str | Path) -> None:
        """Prepare to write ``path``.

        Raises:
            InputError: something of that name is there, or no folder to make it in.
        """
        self.path = Path(path)
        if self.path.exists():
            hint = "give another name, or remove it"
            raise InputError([Fault("scalesim-out", str(path), "is there already", hint)])
        if not self.path.absolute().parent.is_dir():
            hint = f"make {self.path.parent} first"
            raise InputError([Fault("scalesim-out", str(path), "its folder does not exist", hint)])
        self._part = self.path.with_name(f"{self.path.name}.part")

    def __enter__(self) -> Self:
        if self._part.exists():
            shutil.rmtree(self._part)  # what a killed run left
        self._part.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._part.replace(self.path)
        else:
            shutil.rmtree(self._part)

    def traces(self, layer: int) -> ScaleSimTraces:
        """Return the writer of the traces of a layer, counted from 0."""
        return ScaleSimTraces(self._part / f"layer{layer}")

    def copy_traces(self, layer: int, of: int) -> None:
        """Give a layer the traces of an equal one."""
        shutil.copytree(self._part / f"layer{of}", self._part / f"layer{layer}")

    def reports(self, results: Sequence[ToolResult]) -> None:
        """Write the reports of all layers."""
        write_reports(self._part, results)
