"""Networks from SCALE-Sim topology files (CSV)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.network_specs import LARGEST, label_fault
from arraysmith.arch.problem import Layer, Network, Problem, conv, matmul
from arraysmith.arch.sparsity import StructuredSparsity
from arraysmith.arch.yaml_positions import read_text

CONV_SIZES = (
    "ifmap height",
    "ifmap width",
    "filter height",
    "filter width",
    "channels",
    "filters",
    "stride",
)
"""Columns of a convolution after its name."""

GEMM_SIZES = ("M", "N", "K")
"""Columns of a matrix product [M, K] x [K, N] after its name."""

_WHOLE = re.compile(r"[0-9]{1,15}")
_BARRED = re.compile(r"[/:]")
_NUMBER = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class _Cell:
    """One value of the table and the column of the line that it starts in, counted from 1."""

    text: str
    column: int


@dataclass
class _Table:
    """The rows of one file, and the faults found in them.

    Attributes:
        file: path as the user gave it.
        header: cells of the heading; empty when the file has none.
        rows: (line, cells) of every layer, trailing empty cells cut.
        faults: faults so far.
    """

    file: str
    header: tuple[_Cell, ...] = ()
    rows: list[tuple[int, list[_Cell]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, line: int, cell: _Cell, name: str, rule: str, hint: str = "") -> None:
        self.faults.append(Fault(name, cell.text, rule, hint, self.file, line, cell.column))


def read_topology(
    path: str | Path, *, gemm: bool | None = None, dense_ratios: bool = False
) -> Network:
    """Return the layers of a SCALE-Sim topology file, each with 8-bit words, without a graph.

    The name of the network is that of the file without its suffix. In the names of layers ``/`` and
    ``:`` become ``_``; a name that comes again gets ``#2``, ``#3`` ... A convolution whose name
    holds ``DP`` is depthwise: every channel is convolved with every one of its filters on its own.
    Outputs follow the floor rule. A ratio N:M keeps N of every M weights.

    Args:
        path: the file.
        gemm: rows are ``name, M, N, K`` (True) or convolutions (False); None tells it from the
            heading, or without one from the number of columns.
        dense_ratios: keep ratios N:N on the layer, which change nothing but what the tool counts.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    return parse_topology(
        read_text(path), Path(path).stem, str(path), gemm=gemm, dense_ratios=dense_ratios
    )


def parse_topology(
    text: str, name: str, file: str = "", *, gemm: bool | None = None, dense_ratios: bool = False
) -> Network:
    """Return the layers of topology ``text`` as the network ``name``; see ``read_topology``.

    ``file`` is the name that faults carry.
    """
    table = _read(text, file)
    columns = GEMM_SIZES if _is_gemm(table, gemm) else CONV_SIZES
    problems = [_problem(table, line, cells, columns) for line, cells in table.rows]
    if not dense_ratios:
        problems = [
            None if problem is None else _without_dense_ratio(problem) for problem in problems
        ]
    if not table.rows:
        rule = "holds no layers"
        table.faults.append(Fault("", "", rule, f"rows: name, {', '.join(columns)}", table.file))
    if table.faults:
        raise InputError(sorted(table.faults, key=lambda x: (x.line, x.column)))
    taken: set[str] = set()
    layers = [Layer(_unique(problem, taken)) for problem in problems if problem is not None]
    return Network(name, tuple(layers))


def _read(text: str, file: str) -> _Table:
    table = _Table(file)
    first = True
    for number, line in enumerate(text.splitlines(), start=1):
        cells = _cells(line)
        if not cells:
            continue
        if first and not any(_NUMBER.fullmatch(cell.text) for cell in cells[1:]):
            table.header = tuple(cells)
        else:
            table.rows.append((number, cells))
        first = False
    return table


def _cells(text: str) -> list[_Cell]:
    """Return the cells of a line without the empty ones at its end and without a remark.

    The files of the tool's own repository end in remarks such as ``#dw``.
    """
    cells = []
    start = 0
    for piece in text.split(","):
        blanks = len(piece) - len(piece.lstrip())
        cells.append(_Cell(piece.strip(), start + blanks + 1))
        start += len(piece) + 1
    remarks = [i for i, cell in enumerate(cells) if cell.text.startswith("#")]
    cells = cells[: remarks[0]] if remarks else cells
    while cells and not cells[-1].text:
        cells.pop()
    return cells


def _is_gemm(table: _Table, gemm: bool | None) -> bool:
    """Tell whether rows are matrix products: as asked, by the heading, or by most rows' width."""
    if gemm is not None:
        return gemm
    words = [cell.text.upper() for cell in table.header[1:]]
    if words:
        return words[:3] == ["M", "N", "K"]
    short = sum(len(cells) <= len(GEMM_SIZES) + 2 for _, cells in table.rows)
    return 2 * short > len(table.rows)


def _problem(
    table: _Table, line: int, cells: list[_Cell], columns: tuple[str, ...]
) -> Problem | None:
    """Return the layer of a row; None when it has faults, which go into the table."""
    before = len(table.faults)
    name = cells[0]
    label = _BARRED.sub("_", name.text)
    rule = label_fault(label)
    if rule:
        hint = "separate values by commas" if "\t" in name.text else ""
        table.fault(line, name, "layer name", rule, hint)
    sizes = [
        _size(table, line, cell, column) for cell, column in zip(cells[1:], columns, strict=False)
    ]
    missing = columns[len(cells) - 1 :]
    if missing:
        end = _Cell("", cells[-1].column + len(cells[-1].text))
        hint = f"columns are: name, {', '.join(columns)}"
        if len(cells) == 1:
            hint = "remove the line if it is a title"
        table.fault(line, end, missing[0], "value is missing", hint)
    more = cells[1 + len(columns) :]
    second_stride = None
    if more and columns is CONV_SIZES and _is_second_stride(table, more[0]):
        second_stride = _size(table, line, more[0], "stride (columns)")
        more = more[1:]
    sparsity = _sparsity(table, line, more) if more else None
    if len(table.faults) > before:
        return None
    if columns is GEMM_SIZES:
        m, n, k = sizes
        problem = matmul(label, m=m, n=n, k=k)
    else:
        problem_or_none = _convolution(table, line, label, cells, sizes, second_stride)
        if problem_or_none is None:
            return None
        problem = problem_or_none
    problem = replace(problem, weight_sparsity=sparsity)
    if max(problem.macs, *(tensor.words for tensor in problem.tensors)) > LARGEST:
        rule = f"must have at most {LARGEST} MACs and as many words per tensor"
        table.fault(line, name, "layer name", rule)
        return None
    return problem


def _size(table: _Table, line: int, cell: _Cell, column: str) -> int:
    """Return a size, at least 1; 0 when it is none, which goes into the table's faults."""
    if _WHOLE.fullmatch(cell.text) and int(cell.text) > 0:
        return int(cell.text)
    rule = "must be a whole number of at least 1 and at most 15 digits"
    table.fault(line, cell, column, rule)
    return 0


def _is_second_stride(table: _Table, cell: _Cell) -> bool:
    """Tell whether the column after the stride is that of the other axis, not the sparsity.

    Version 2 of the tool writes ``Stride height, Stride width``; version 3 writes a ratio there.
    """
    if len(table.header) > len(CONV_SIZES) + 1:
        return "stride" in table.header[len(CONV_SIZES) + 1].text.lower()
    return _WHOLE.fullmatch(cell.text) is not None


def _sparsity(table: _Table, line: int, more: list[_Cell]) -> StructuredSparsity | None:
    """Return the ratio after the sizes; None for an empty cell, and for a faulty one."""
    beyond = [cell for cell in more[1:] if cell.text]
    if beyond:
        table.fault(line, beyond[0], "(no such column)", "row has more values than columns")
    if not more[0].text:
        return None
    try:
        ratio = StructuredSparsity.parse(more[0].text)
    except ValueError:
        rule = "must be N:M, N of every M weights kept, with N from 1 to M"
        table.fault(line, more[0], "sparsity", rule, "for example 2:4, or 1:1 for the dense layer")
        return None
    return ratio


def _without_dense_ratio(problem: Problem) -> Problem:
    ratio = problem.weight_sparsity
    if ratio is None or ratio.kept < ratio.block:
        return problem
    return replace(problem, weight_sparsity=None)


def _convolution(
    table: _Table,
    line: int,
    name: str,
    cells: list[_Cell],
    sizes: list[int],
    second_stride: int | None,
) -> Problem | None:
    height, width, rows, columns, channels, filters, stride = sizes
    fits = True
    for cell, window, extent in ((cells[3], rows, height), (cells[4], columns, width)):
        if window > extent:
            fits = False
            axis = CONV_SIZES[cells.index(cell) - 1]
            table.fault(line, cell, axis, f"must fit the input, at most {extent}")
    if not fits:
        return None
    depthwise = "DP" in name
    return conv(
        name,
        height=height,
        width=width,
        in_channels=channels,
        out_channels=channels * filters if depthwise else filters,
        window=(rows, columns),
        stride=(stride, second_stride or stride),
        groups=channels if depthwise else 1,
    )


def _unique(problem: Problem, taken: set[str]) -> Problem:
    """Return the problem under a name that no other layer has, and note it."""
    name, count = problem.name, 1
    while name in taken:
        count += 1
        name = f"{problem.name}#{count}"
    taken.add(name)
    return problem.renamed(name)


def topology_text(network: Network) -> str:
    """Return the convolutions and products of a network as a topology file.

    Padding becomes part of the input's extents, as users of the tool write it. A layer that repeats
    stands there once.

    Raises:
        InputError: a layer that has no row: a batch, a dilation, groups that are not depthwise, or
            strides that differ between the axes; carries one fault per layer.
    """
    rows, faults = [], []
    for layer in network.layers:
        sizes = _row_sizes(layer.problem)
        if isinstance(sizes, str):
            hint = "leave the layer out"
            faults.append(Fault("workload", layer.name, f"{sizes} has no row there", hint))
            continue
        ratio = layer.problem.weight_sparsity
        cells = [layer.name.replace(",", "_"), *sizes, *([str(ratio)] if ratio else [])]
        rows.append(", ".join(map(str, cells)) + ",\n")
    if faults:
        raise InputError(faults)
    return ", ".join(["Layer", *CONV_SIZES, "sparsity"]) + ",\n" + "".join(rows)


def _row_sizes(problem: Problem) -> list[int] | str:
    """Return the sizes of a row, or what keeps the problem from having one."""
    size = problem.size
    spatial = [axis for axis in problem.ifmap.axes if any(dim in "PQ" for dim, _ in axis.terms)]
    if size["N"] > 1 or (len(spatial) == 1 and size["G"] > 1):
        return "a batch"
    if len(spatial) == 1:
        return [size["P"], size["C"], 1, size["C"], 1, size["K"], 1]
    if size["G"] > 1 and (size["C"] > 1 or "DP" not in problem.name):
        return "a grouped convolution without DP in its name"
    strides, extents = [], []
    for axis in spatial:
        (_, stride), (_, dilation) = axis.terms
        if dilation > 1:
            return "a dilation"
        strides.append(stride)
        extents.append(axis.extent - 2 * axis.offset)
    if strides[0] != strides[1]:
        return "a stride per axis"
    channels = size["C"] * size["G"]
    return [*extents, size["R"], size["S"], channels, size["K"], strides[0]]
