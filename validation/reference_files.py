"""Files of reference numbers, with the place of what is missing in them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from arraysmith.arch.errors import Fault, InputError


def require_files(paths: Iterable[Path]) -> None:
    """Raise InputError naming every file that is not there."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        rule, hint = "file of the suite is missing", "see the README of the suite's reference"
        raise InputError(Fault("", "", rule, hint, str(path)) for path in missing)


def case_rows(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, row) of a CSV.

    Args:
        path: of the file.
        columns: that the heading must have, in any order and among others.

    Raises:
        InputError: the file, or a column, is missing.
    """
    require_files([path])
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        there = reader.fieldnames or ()
        missing = [column for column in columns if column not in there]
        if missing:
            hint = f"the heading has {', '.join(there)}"
            raise InputError(
                Fault(column, "", "column is missing", hint, str(path), 1, 1) for column in missing
            )
        for row in reader:
            yield reader.line_num, row
