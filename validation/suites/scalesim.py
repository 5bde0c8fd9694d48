"""The setting ``scalesim-3.0.0`` against reports and traces of that tool."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.importers.scalesim import read_topology
from arraysmith.arch.importers.scalesim_config import read_config
from arraysmith.arch.importers.scalesim_layout import read_layout
from arraysmith.arch.registry import register
from arraysmith.sim.cycle.scalesim.layer import ReadPort, Shape, ToolMachine, shape_of
from arraysmith.sim.cycle.scalesim.result import OPERANDS, ToolResult
from arraysmith.sim.cycle.scalesim.run import run_layer
from arraysmith.sim.cycle.scalesim.streams import Operands, asked_words
from arraysmith.traces.scalesim_csv import (
    BANDWIDTH,
    COMPUTE,
    DETAIL,
    TRACES,
    ScaleSimTraces,
    write_reports,
)
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.reference_files import case_rows

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "scalesim"

OFFSETS = (0, 10_000_000, 20_000_000)
"""Addresses of ifmap, filter and ofmap in every case."""

_CONV = ("ifmap_h", "ifmap_w", "filter_h", "filter_w", "channels", "num_filters", "stride")
_GEMM = ("M", "N", "K")
_MACHINE = (
    "array_rows", "array_cols", "ifmap_sram_kb", "filter_sram_kb", "ofmap_sram_kb", "ifmap_bw",
    "filter_bw", "ofmap_bw",
)  # fmt: skip
_CHOICES = {
    "dataflow": ("os", "ws", "is"),
    "kind": ("conv", "gemm"),
    "bandwidth_mode": ("CALC", "USER"),
}
_LAST_DIGITS = 1e-12  # of a sum of fractions over many folds


@dataclass(frozen=True, slots=True)
class Case:
    """One row of a file of cases.

    Attributes:
        name: of the case.
        machine: to run on.
        shape: the layer.
        row: all columns of the row, as text.
    """

    name: str
    machine: ToolMachine
    shape: Shape
    row: dict[str, str]


@register("suite", "scalesim")
def scalesim(cases: Path | None = None) -> Outcome:
    """Compare every case of a CSV, or every case and trace set of a folder."""
    source = cases or REFERENCE
    files, folders = _sources(source)
    found: list[Comparison] = []
    for file in files:
        for case in read_cases(file):
            found += compare(case)
    for folder in folders:
        found += compare_traces(folder)
    return Outcome("scalesim", tuple(found), {}, {})


def _sources(source: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of cases and the folders of trace sets.

    Raises:
        InputError: there are none.
    """
    if source.is_file():
        return [source], []
    files = sorted(source.glob("cases*.csv"))
    folders = [x.parent for x in sorted(source.rglob("config.cfg"))]
    if not files and not folders:
        rule = "holds neither cases*.csv nor a trace set with config.cfg and topology.csv"
        raise InputError([Fault("--cases", str(source), rule, "see reference/scalesim/README.md")])
    return files, folders


def read_cases(path: Path) -> list[Case]:
    """Return the cases in a CSV; raises InputError with every fault of the file."""
    faults: list[Fault] = []
    needed = ("case", *_CHOICES, *_MACHINE, *_CONV, *_GEMM)
    cases = [_case(row, str(path), line, faults) for line, row in case_rows(path, needed)]
    if faults:
        raise InputError(faults)
    return [case for case in cases if case is not None]


def _case(row: dict[str, str], file: str, line: int, faults: list[Fault]) -> Case | None:
    before = len(faults)
    for column, words in _CHOICES.items():
        if row[column] not in words:
            rule = f"must be one of {', '.join(words)}"
            faults.append(Fault(column, row[column] or "", rule, "", file, line, 1))
    sizes: dict[str, int] = {}
    for column in (*_MACHINE, *(_GEMM if row["kind"] == "gemm" else _CONV)):
        text = row[column] or ""
        if text.isascii() and text.isdigit() and int(text) > 0:
            sizes[column] = int(text)
        else:
            rule = "must be a whole number of at least 1"
            faults.append(Fault(column, text, rule, "", file, line, 1))
    if len(faults) > before:
        return None
    if row["kind"] == "gemm":
        shape = Shape(sizes["M"], sizes["K"], 1, sizes["K"], 1, sizes["N"])
    else:
        height, width, rows, columns, channels, filters, stride = (sizes[x] for x in _CONV)
        if rows > height or columns > width:
            rule = "a filter must fit the ifmap"
            faults.append(Fault("filter_h", row["filter_h"], rule, "", file, line, 1))
            return None
        shape = Shape(height, width, rows, columns, channels, filters, (stride, stride))
    user = row["bandwidth_mode"] == "USER"
    machine = ToolMachine(
        sizes["array_rows"],
        sizes["array_cols"],
        row["dataflow"],
        user,
        ReadPort(1024 * sizes["ifmap_sram_kb"], OFFSETS[0], sizes["ifmap_bw"]),
        ReadPort(1024 * sizes["filter_sram_kb"], OFFSETS[1], sizes["filter_bw"]),
        1024 * sizes["ofmap_sram_kb"],
        OFFSETS[2],
        sizes["ofmap_bw"] if user else sizes["array_cols"],
    )
    return Case(row["case"], machine, shape, row)


def compare(case: Case) -> Iterator[Comparison]:
    """Compare every column of a case that the tool reports, as far as the row has it."""
    machine = case.machine
    got: dict[str, float] = dict(_columns(run_layer(machine, case.shape)))
    operands = Operands(case.shape, machine.rows, machine.columns, machine.dataflow)
    got |= dict(zip(("Sr", "Sc", "T"), operands.spatial, strict=True))
    if any(f"trace_sram_{x}_requests" in case.row for x in OPERANDS):
        got |= _trace_words(operands)
    for column, value in got.items():
        text = case.row.get(column)
        if text:
            expected = float(text)
            grain = abs(expected) * _LAST_DIGITS if isinstance(value, float) else 0.0
            yield Comparison(case.name, column, expected, value, grain)


def _columns(result: ToolResult) -> Iterator[tuple[str, float]]:
    for name in (
        "total_cycles", "stall_cycles", "total_cycles_incl_prefetch", "overall_util_pct",
        "mapping_eff_pct", "compute_util_pct", "demand_rows", "row_folds", "col_folds",
    ):  # fmt: skip
        yield name, getattr(result, name)
    for memory, group in (("sram", result.sram), ("dram", result.dram)):
        for operand, accesses in zip(OPERANDS, group, strict=True):
            count = "writes" if operand == OPERANDS[2] else "reads"
            yield f"{memory}_{operand}_{count}", accesses.words
            yield f"{memory}_{operand}_start", accesses.start
            yield f"{memory}_{operand}_stop", accesses.stop
            yield f"bw_{memory}_{operand}", accesses.per_cycle


def _trace_words(operands: Operands) -> dict[str, float]:
    """Return how many requests the SRAM traces hold, and how many of their addresses differ."""
    shape = operands.shape
    counts = [0, 0, 0]
    seen = [
        np.zeros(words, bool)
        for words in (
            shape.ifmap_height * shape.ifmap_width * shape.channels,
            shape.filters * shape.window,
            shape.filters * shape.pixels,
        )
    ]
    for column in range(operands.column_folds):
        for row in range(operands.row_folds):
            for place, stream in enumerate(operands.fold(row, column)):
                words = asked_words(stream, operands.fold_cycles)
                counts[place] += len(words)
                seen[place][words] = True
    found: dict[str, float] = {}
    for operand, count, asked in zip(OPERANDS, counts, seen, strict=True):
        found[f"trace_sram_{operand}_requests"] = count
        found[f"trace_sram_{operand}_unique"] = int(asked.sum())
    return found


def compare_traces(folder: Path) -> Iterator[Comparison]:
    """Run a trace set's configuration and compare its reports and traces row by row.

    Traces lie beside the configuration or in a folder per layer, as text or compressed by gzip.
    """
    config, topology = read_config(folder / "config.cfg"), folder / "topology.csv"
    network = read_topology(topology, dense_ratios=True)
    layout = folder / "layout.csv"
    layouts = read_layout(layout) if layout.is_file() else ()
    machine = ToolMachine.of_config(config, layouts[0] if layouts else None)
    with tempfile.TemporaryDirectory() as made:
        results: list[ToolResult] = []
        for layer in network.layers:
            problem = layer.problem
            if config.sparsity is None:
                problem = replace(problem, weight_sparsity=None)
            shape, groups = shape_of(problem, sparsity=bool(machine.representation))
            ours = Path(made) / f"layer{len(results)}"
            with ScaleSimTraces(ours) as probe:
                result = run_layer(machine, shape, probe)
            for number in range(len(results), len(results) + groups):
                nested = folder / f"layer{number}"
                theirs = nested if nested.is_dir() else folder
                for name in TRACES:
                    case = f"{folder.name} layer{number} {name}"
                    quantity = "sram_trace_rows" if "SRAM" in name else "dram_trace_rows"
                    yield _compare_rows(case, quantity, _lines(theirs / name), _lines(ours / name))
            results += [result] * groups
        write_reports(Path(made), results)
        for name in (COMPUTE, BANDWIDTH, DETAIL):
            pair = _lines(folder / name), _lines(Path(made) / name)
            yield _compare_rows(f"{folder.name} {name}", "report_rows", *pair)


def _compare_rows(
    case: str, quantity: str, theirs: Iterator[str], ours: Iterator[str]
) -> Comparison:
    """Compare two files row by row: rows of the longer, and how many are equal."""
    rows = equal = 0
    for their, our in zip_longest(theirs, ours):
        rows += 1
        equal += their == our
    return Comparison(case, quantity, rows, equal)


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, which may be compressed under the name with ``.gz``."""
    packed = path.with_name(f"{path.name}.gz")
    if path.is_file():
        with path.open(encoding="ascii") as file:
            yield from file
    elif packed.is_file():
        with gzip.open(packed, "rt", encoding="ascii") as file:
            yield from file
    else:
        raise InputError([Fault("", "", "file of the trace set is missing", "", str(path))])
