"""SCALE-Sim topology files: one layer per line, convolutions or matrix products.

    Layer, IFMAP height, IFMAP width, Filter height, Filter width, Channels, Num filter, Strides,
    Layer, M, N, K,

The number of columns of the first layer tells which. The first line is a header; blank lines are
skipped; the trailing comma, which the tool itself insists on, may be missing. What the tool and we
read differently:

- output sizes are rounded down (the tool rounds up and computes on what is not there);
- a layer whose name holds ``DP`` is depthwise: here one layer with a group per channel, there one
  layer per channel;
- names that differ only in what a name may not hold, or not at all, get ``_2``, ``_3`` ...;
- nothing is said of who reads whom, so no layer has inputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.problem import Layer, Network, Problem, conv, matmul
from arraysmith.arch.yaml_positions import read_text

CONV_COLUMNS = ("ifmap_h", "ifmap_w", "filter_h", "filter_w", "channels", "filters", "stride")
"""Columns of a convolution after its name; one stride serves both axes."""

GEMM_COLUMNS = ("M", "N", "K")
"""Columns of a product [M, K] x [K, N] after its name."""

_LARGEST = 2**31


@dataclass(frozen=True, slots=True)
class _Cell:
    """One field of a line, blanks removed, and its column counted from 1."""

    text: str
    column: int


@dataclass(frozen=True, slots=True)
class _Line:
    """One line that holds a layer, and where it stands."""

    file: str
    number: int
    cells: tuple[_Cell, ...]

    def fault(self, at: int, field: str, rule: str, hint: str = "") -> Fault:
        """Return a fault of the cell at index ``at``; one past the last means that it lacks."""
        if at < len(self.cells):
            cell = self.cells[at]
            return Fault(field, cell.text, rule, hint, self.file, self.number, cell.column)
        end = self.cells[-1]
        column = end.column + len(end.text)
        return Fault(field, "", rule, hint, self.file, self.number, column)


def load_topology(path: str | Path) -> Network:
    """Return the network in a SCALE-Sim topology file, named as the file without its suffix.

    Raises:
        InputError: the file cannot be read or has faults; carries all of them.
    """
    return parse_topology(read_text(path), Path(path).stem, str(path))


def parse_topology(text: str, name: str, file: str = "") -> Network:
    """Return the network in topology ``text``; ``file`` is the name that faults carry.

    Raises:
        InputError: see ``load_topology``.
    """
    lines = list(_lines(text, file))
    faults: list[Fault] = []
    if lines and lines[0].number == 1:
        if _is_layer(lines[0]):
            rule = "the first line must be the header: SCALE-Sim skips it"
            faults.append(lines[0].fault(0, "header", rule, "add a header line above"))
        else:
            del lines[0]
    if not lines:
        rule = "holds no layers"
        faults.append(Fault("", "", rule, "a header, then a line of sizes per layer", file))
    layers: list[Layer] = []
    taken: set[str] = set()
    columns = GEMM_COLUMNS if lines and _is_product(lines[0]) else CONV_COLUMNS
    for line in lines:
        sizes, wrong = _sizes(line, columns)
        faults += wrong
        if wrong:
            continue
        try:
            problem = _problem(_free_name(line.cells[0].text, taken), line, sizes)
            layers.append(Layer(problem))
        except ValueError as error:
            rule = str(error).partition(": ")[2]
            faults.append(line.fault(0, "layer", rule, "topologies hold padded inputs"))
    if faults:
        raise InputError(faults)
    return Network(name, tuple(layers))


def _lines(text: str, file: str) -> Iterator[_Line]:
    """Yield lines that are not blank; a line of commas only is blank, but not as the header."""
    for number, raw in enumerate(text.splitlines(), start=1):
        cells = []
        column = 1
        for part in raw.split(","):
            stripped = part.strip()
            cells.append(_Cell(stripped, column + len(part) - len(part.lstrip())))
            column += len(part) + 1
        while len(cells) > 1 and not cells[-1].text:
            cells.pop()
        if cells[0].text or len(cells) > 1:
            yield _Line(file, number, tuple(cells))


def _is_layer(line: _Line) -> bool:
    sizes = line.cells[1:4]
    return len(sizes) == 3 and all(re.fullmatch(r"[-+]?[0-9.]+", cell.text) for cell in sizes)


def _is_product(line: _Line) -> bool:
    """Tell whether a line has so few columns that it must be M, N, K and perhaps a sparsity."""
    return len(line.cells) <= len(GEMM_COLUMNS) + 2


def _sizes(line: _Line, columns: tuple[str, ...]) -> tuple[dict[str, int], list[Fault]]:
    """Return the sizes of a line by column name, and what is wrong with the line."""
    count = len(line.cells) - 1
    faults = []
    if not line.cells[0].text:
        faults.append(line.fault(0, "name", "a layer needs a name"))
    if count < len(columns):
        rule = f"a layer has {len(columns)} sizes here: {', '.join(columns)}"
        hint = f"{count} given" if count else "remove the line if it is a title"
        return {}, [*faults, line.fault(len(line.cells), columns[count], rule, hint)]
    sizes = {}
    for at, column in enumerate(columns, start=1):
        text = line.cells[at].text
        if not re.fullmatch(r"[0-9]{1,12}", text) or not 1 <= int(text) <= _LARGEST:
            rule = f"must be a whole number from 1 to {_LARGEST}"
            faults.append(line.fault(at, column, rule))
        else:
            sizes[column] = int(text)
    return sizes, faults + _extra_faults(line, len(columns) + 1)


def _extra_faults(line: _Line, first: int) -> list[Fault]:
    """Return the faults of what stands after the sizes: a sparsity ratio N:M, or too much."""
    faults = []
    for at in range(first, len(line.cells)):
        text = line.cells[at].text
        ratio = re.fullmatch(r"([0-9]+)\s*:\s*([0-9]+)", text)
        if at > first or ratio is None:
            rule = "unknown column: only a sparsity ratio N:M may follow the sizes"
            faults.append(line.fault(at, "sparsity", rule))
        elif ratio[1] != ratio[2]:
            rule = "sparsity is not supported yet"
            faults.append(line.fault(at, "sparsity", rule, "remove the column to run it dense"))
    return faults


def _problem(name: str, line: _Line, sizes: dict[str, int]) -> Problem:
    if "M" in sizes:
        return matmul(name, m=sizes["M"], n=sizes["N"], k=sizes["K"])
    groups = sizes["channels"] if "DP" in line.cells[0].text else 1
    return conv(
        name,
        height=sizes["ifmap_h"],
        width=sizes["ifmap_w"],
        in_channels=sizes["channels"],
        out_channels=sizes["filters"] * groups,
        window=(sizes["filter_h"], sizes["filter_w"]),
        stride=(sizes["stride"], sizes["stride"]),
        groups=groups,
    )


def _free_name(text: str, taken: set[str]) -> str:
    """Return ``text`` as a layer name that is not taken yet, and take it."""
    plain = re.sub(r"[^A-Za-z0-9_.\-]+", "_", text).strip("_.-") or "layer"
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}_{number}"
    taken.add(name)
    return name
