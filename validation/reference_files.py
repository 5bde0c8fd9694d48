"""Files of reference numbers, with the place of what is missing in them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from arraysmith.arch.errors import Fault, InputError


def require_files(paths: Iterable[Path]) -> None:
    """Raise InputError naming every file that is not there."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        rule, hint = "file of the suite is missing", "see the README of the suite's reference"
        raise InputError(Fault("", "", rule, hint, str(path)) for path in missing)


def case_rows(
    path: Path, columns: Iterable[str], *, none_too: bool = False
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, row) of a CSV.

    Args:
        path: of the file.
        columns: that the heading must have, in any order and among others.
        none_too: whether a heading alone will do.

    Raises:
        InputError: the file, a column, a cell of these columns or every row is missing, or the
            file is no UTF-8.
    """
    require_files([path])
    count = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            there = reader.fieldnames or ()
            missing = [column for column in columns if column not in there]
            if missing:
                hint = f"the heading has {', '.join(there)}"
                raise InputError(
                    Fault(column, "", "column is missing", hint, str(path), 1, 1)
                    for column in missing
                )
            for row in reader:
                count += 1
                short = [column for column in columns if row[column] is None]
                if short:
                    raise InputError(
                        Fault(column, "", "cell is missing", "", str(path), reader.line_num, 1)
                        for column in short
                    )
                yield reader.line_num, row
    except UnicodeDecodeError as error:
        rule = f"must be UTF-8: byte {error.start} is not"
        raise InputError([Fault("", "", rule, "", str(path))]) from None
    if not count and not none_too:
        raise InputError([Fault("", "", "must have a case", "", str(path))])


def number(row: dict[str, str], column: str, path: Path, line: int) -> float:
    """Return a cell as a number.

    Raises:
        InputError: it is none that is finite.
    """
    text = row[column] or ""
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        field = f"{row.get('case', '')} {column}".strip()
        raise InputError([Fault(field, text, "must be a number", "", str(path), line, 1)])
    return value


def whole_number(
    row: dict[str, str],
    column: str,
    path: Path | None = None,
    line: int = 0,
    *,
    least: int = 1,
    most: int = 10**15,
) -> int:
    """Return a cell as a whole number.

    Args:
        row: of a file of cases.
        column: of the cell.
        path: of the file; None where the caller adds the place to a fault.
        line: of the row, counted from 1.
        least: smallest number allowed.
        most: largest.

    Raises:
        InputError: it is none, less than ``least``, or more than ``most``.
    """
    text = row[column] or ""
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value) or value != int(value) or not least <= value <= most:
        rule = f"must be a whole number of at least {least}"
        if value > most and math.isfinite(value):
            rule = f"must be at most {most}"
        place = ("", 0, 0) if path is None else (str(path), line, 1)
        raise InputError([Fault(column, text, rule, "", *place)])
    return int(value)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file of keys and values.

    Raises:
        InputError: the file is missing, or holds something else.
    """
    require_files([path])
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        rule = f"must be YAML: {getattr(error, 'problem', None) or error}"
        raise InputError([Fault("", "", rule, "", str(path), line, column)]) from None
    if not isinstance(loaded, dict):
        raise InputError([Fault("", "", "must be a table of keys", "", str(path), 1, 1)])
    return loaded
