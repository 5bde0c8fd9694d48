"""Layout files of SCALE-Sim 3.0.0 (CSV): in which order operands lie in their SRAMs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.yaml_positions import read_text

COLUMNS = (
    "ifmap height factor", "ifmap width factor", "filter height factor", "filter width factor",
    "channel factor", "filter factor",
    *(f"ifmap {axis} order inside a line" for axis in ("height", "width", "channel")),
    *(f"ifmap {axis} order of lines" for axis in ("height", "width", "channel")),
    *(f"{axis} order inside a line" for axis in ("filter", "channel", "height", "width")),
    *(f"{axis} order of lines" for axis in ("filter", "channel", "height", "width")),
)  # fmt: skip
"""Columns after the layer's name."""

_FACTORS, _IFMAP, _FILTER = 6, 12, 20
_WHOLE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class ScaleSimLayout:
    """The layout of one layer.

    Attributes:
        name: of the layer.
        ifmap_factors: extents (rows, columns, channels) of a line of inputs.
        ifmap_order: how the axes follow each other, slowest first: 0 to 2 count the lines along
            rows, columns and channels, 3 to 5 the words inside a line. The columns called "order of
            lines" come first, whatever they name: the tool's own files name 3 to 5 there.
        filter_factors: extents (filters, channels, rows, columns) of a line of weights.
        filter_order: the same with 0 to 3 and 4 to 7.
        file: where it was read from.
        line: its line there.
    """

    name: str
    ifmap_factors: tuple[int, ...]
    ifmap_order: tuple[int, ...]
    filter_factors: tuple[int, ...]
    filter_order: tuple[int, ...]
    file: str = ""
    line: int = 0


def read_layout(path: str | Path) -> tuple[ScaleSimLayout, ...]:
    """Return the layouts in a file, a row per layer; none for the dummy that the tool insists on.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    return parse_layout(read_text(path), str(path))


def parse_layout(text: str, file: str = "") -> tuple[ScaleSimLayout, ...]:
    """Return the layouts in ``text``, whose first line is a heading; ``file`` is for faults."""
    layouts: list[ScaleSimLayout] = []
    faults: list[Fault] = []
    for line, row in enumerate(text.splitlines(), start=1):
        if line == 1 or not row.strip(" \t,"):
            continue
        cells, column = [], 1
        for piece in row.split(","):
            cells.append((piece.strip(), column + len(piece) - len(piece.lstrip())))
            column += len(piece) + 1
        while not cells[-1][0]:
            cells.pop()
        before = len(faults)
        numbers = _numbers(cells, file, line, faults)
        if len(faults) == before:
            layouts.append(_layout(cells[0][0], numbers, file, line, faults))
    if faults:
        raise InputError(faults)
    return tuple(layouts)


def _numbers(cells: list[tuple[str, int]], file: str, line: int, faults: list[Fault]) -> list[int]:
    numbers: list[int] = []
    for (text, column), name in zip(cells[1:], COLUMNS, strict=False):
        least = 1 if len(numbers) < _FACTORS else 0
        if not _WHOLE.fullmatch(text) or int(text) < least:
            rule = f"must be a whole number of at least {least}"
            faults.append(Fault(name, text, rule, "", file, line, column))
        numbers.append(int(text) if _WHOLE.fullmatch(text) else 0)
    if len(numbers) < len(COLUMNS):
        text, column = cells[-1]
        hint = f"a row has a name and {len(COLUMNS)} numbers"
        name = COLUMNS[len(numbers)]
        faults.append(Fault(name, "", "value is missing", hint, file, line, column + len(text)))
    if len(cells) > len(COLUMNS) + 1:
        text, column = cells[len(COLUMNS) + 1]
        rule = "row has more values than columns"
        faults.append(Fault("(no such column)", text, rule, "", file, line, column))
    return numbers


def _layout(
    name: str, numbers: list[int], file: str, line: int, faults: list[Fault]
) -> ScaleSimLayout:
    rows, columns, window_rows, window_columns, channels, filters = numbers[:_FACTORS]
    ifmap = (*numbers[9:_IFMAP], *numbers[_FACTORS:9])
    weights = (*numbers[16:_FILTER], *numbers[_IFMAP:16])
    for order, what in ((ifmap, "ifmap"), (weights, "filter")):
        if sorted(order) != list(range(len(order))):
            text = " ".join(map(str, order))
            rule = f"orders of the {what} must hold each of 0 to {len(order) - 1} once"
            half = len(order) // 2
            hint = f"0 to {half - 1} are the lines, {half} to {len(order) - 1} what is inside one"
            faults.append(Fault(f"{what} order", text, rule, hint, file, line, 1))
    return ScaleSimLayout(
        name,
        (rows, columns, channels),
        ifmap,
        (filters, channels, window_rows, window_columns),
        weights,
        file,
        line,
    )
