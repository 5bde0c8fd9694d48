"""Arrays in RTL, and one simulator of an array, against the model of their registers.

What an array is, is data: ``arrays.yaml`` beside the cases names its registers and says which
column of its file means what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from arraysmith.arch.errors import ArraysmithError, Fault, InputError, nearest
from arraysmith.arch.registry import register
from arraysmith.sim.array_registers import ArrayRegisters, ArrayRun, run_tiles, tiles_of
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.reference_files import (
    case_rows,
    number,
    read_yaml,
    require_files,
    whole_number,
)

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "spatial_rtl"
ARRAYS = "arrays.yaml"

QUANTITIES = {
    "cycles": lambda run: run.cycles,
    "cycle of the first result": lambda run: run.first_result - 1,
    "cycles from the stream to the first result": lambda run: run.first_result - run.first_step,
    "cycles from the stream to the last result": lambda run: run.cycles - run.first_step,
    "input cycles": lambda run: run.input_cycles,
    "input waits": lambda run: run.waits,
}
"""What a column may be compared with; cycles of a result are counted from 0."""

WORK = ("steps", "tiles", "results_high", "results_wide")
"""What a column may say besides a field of ``ArrayRegisters``: steps of a tile; tiles that fill the
array; or rows and columns of a product that is cut into tiles."""

REGISTERS = tuple(x.name for x in fields(ArrayRegisters))


MOST_COUNT = 10**6
"""Of rows, steps, tiles and whatever else a case is made of."""


@dataclass(frozen=True, slots=True)
class Described:
    """An array of ``arrays.yaml``.

    Attributes:
        name: of it.
        file: of its cases.
        registers: fields of ``ArrayRegisters`` that are the same in all cases.
        columns: field of ``ArrayRegisters`` or of ``WORK`` -> column.
        compare: column -> quantity.
        only: column -> what has to stand in it.
    """

    name: str
    file: str
    registers: Mapping[str, Any]
    columns: Mapping[str, str]
    compare: Mapping[str, str]
    only: Mapping[str, str]

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns that a case is made of."""
        return (*self.columns.values(), *self.only)


@register("suite", "spatial-rtl")
def spatial_rtl(cases: Path | None = None) -> Outcome:
    """Compare every case with the model of its array.

    ``cases`` is a folder with files of the names that ``arrays.yaml`` gives, one at least, or one
    file, whose array is found by its columns. A folder may bring an ``arrays.yaml`` of its own.
    """
    path = cases or REFERENCE
    folder = path if path.is_dir() else path.parent
    own = folder / ARRAYS
    arrays = read_arrays(own if own.is_file() else REFERENCE / ARRAYS)
    if path.is_dir():
        files = [(x, path / x.file) for x in arrays if (path / x.file).is_file()]
        if not files:
            require_files(path / x.file for x in arrays)
    else:
        files = [(_array_of(path, arrays), path)]
    found: list[Comparison] = []
    skipped: dict[str, str] = {}
    for array, file in files:
        for line, row in case_rows(file, array.needed):
            case = f"{file.stem}:{line} {_title(array, row)}"
            wrong = [f"{c} is {row[c]}, not {v}" for c, v in array.only.items() if row[c] != v]
            if wrong:
                skipped[case] = "; ".join(wrong)
                continue
            found += _compared(case, array, row, file, line)
    return Outcome("spatial-rtl", tuple(found), skipped, {})


def read_arrays(path: Path) -> list[Described]:
    """Return the arrays that a file describes.

    Raises:
        InputError: a key or name is unknown, or one is missing; all of them at once.
    """
    faults: list[Fault] = []

    def known(field: str, names: Any, allowed: tuple[str, ...]) -> None:
        for name in names:
            if name not in allowed:
                rule = f"unknown: must be one of {', '.join(allowed)}"
                faults.append(Fault(field, str(name), rule, nearest(str(name), allowed), str(path)))

    found = []
    tables = read_yaml(path).get("arrays")
    if not isinstance(tables, dict) or not tables:
        raise InputError([Fault("arrays", "", "must be a table of arrays", "", str(path))])
    kinds = {"file": str, "registers": dict, "columns": dict, "compare": dict, "only": dict}
    for name, table in tables.items():
        given = {"only": {}, **table} if isinstance(table, dict) else {}
        known(f"arrays.{name}", given, tuple(kinds))
        for key, kind in kinds.items():
            if not isinstance(given.get(key), kind):
                rule = f"must be a {'name' if kind is str else 'table'}"
                faults.append(Fault(f"arrays.{name}.{key}", "", rule, "", str(path)))
                given[key] = kind()
        known(f"arrays.{name}.registers", given["registers"], REGISTERS)
        known(f"arrays.{name}.columns", given["columns"], (*REGISTERS, *WORK))
        known(f"arrays.{name}.compare", given["compare"].values(), tuple(QUANTITIES))
        texts = {key: str(value) for key, value in given["only"].items()}
        parts = given["registers"], given["columns"], given["compare"], texts
        found.append(Described(str(name), given["file"], *parts))
    if faults:
        raise InputError(faults)
    return found


def _array_of(path: Path, arrays: list[Described]) -> Described:
    """Return the array whose columns a file has; raises InputError when none or several do."""
    _, row = next(case_rows(path, ()))
    fitting = [x for x in arrays if row.keys() >= {*x.needed} and row.keys() & {*x.compare}]
    fitting = [x for x in fitting if x.file == path.name] or fitting
    if len(fitting) != 1:
        names = "; ".join(f"{x.name}: {', '.join((*x.needed, *x.compare))}" for x in arrays)
        rule = f"must have the columns of one array, not of {len(fitting)}"
        raise InputError([Fault("", "", rule, names, str(path), 1, 1)])
    return fitting[0]


def _compared(
    case: str, array: Described, row: dict[str, str], path: Path, line: int
) -> Iterator[Comparison]:
    numbers = {
        field: whole_number(row, column, path, line, most=MOST_COUNT)
        for field, column in array.columns.items()
    }
    try:
        run = _run(array, numbers)
    except (ArraysmithError, TypeError) as error:
        raise InputError([Fault(case, "", str(error), "", str(path), line, 1)]) from None
    for column, quantity in array.compare.items():
        if row.get(column):
            expected = number(row, column, path, line)
            yield Comparison(case, quantity, expected, QUANTITIES[quantity](run))


def _run(array: Described, numbers: dict[str, int]) -> ArrayRun:
    work = {name: numbers.pop(name) for name in WORK if name in numbers}
    registers = ArrayRegisters(**{**array.registers, **numbers})
    high = work.get("results_high", registers.rows)
    wide = work.get("results_wide", registers.columns)
    tiles = tiles_of(registers, high, wide) * work.get("tiles", 1)
    return run_tiles(registers, tiles, work.get("steps", 1))


def _title(array: Described, row: dict[str, str]) -> str:
    return " ".join([array.name, *(f"{column} {row[column]}" for column in array.columns.values())])
