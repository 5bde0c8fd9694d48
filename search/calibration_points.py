"""What was simulated for a calibration, point by point: an interrupted one goes on with it.

JSON lines beside the result, only ever appended: the first names the calibration by its digest,
each other one a point and what was measured. A torn last line is cut off.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from arraysmith.arch.errors import Fault, InputError
from arraysmith.search.calibration_sample import Measured
from arraysmith.search.checked_lines import checked_line, row_of

SUFFIX = ".points.jsonl"
"""Of the ledger's name, after that of the result."""

Key = tuple[int, int]
"""Number of a layer and of one of its mappings."""


class PointLedger:
    """An open ledger of points; use it in a ``with`` statement.

    Attributes:
        path: of the file.
        known: what it holds.
    """

    def __init__(self, result: Path, digest: str) -> None:
        """Open the ledger beside ``result``, or start one.

        Raises:
            InputError: it is of another calibration, or damaged.
        """
        self.path = result.with_name(result.name + SUFFIX)
        self.known: dict[Key, Measured] = {}
        self._file = self.path.open("a+b")
        try:
            self._read(digest)
        except BaseException:
            self._file.close()
            raise

    def _read(self, digest: str) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        lines = content[:whole].splitlines()
        rows = [self._checked(line, number) for number, line in enumerate(lines, start=1)]
        if rows and rows[0].get("calibration") != digest:
            hint = f"repeat that calibration as it was, or remove {self.path}"
            raise self._fault("is of another calibration, or of another version", hint, 1)
        for number, row in enumerate(rows[1:], start=2):
            try:
                self.known[row["layer"], row["mapping"]] = Measured.from_dict(row)
            except (KeyError, TypeError, ValueError):
                raise self._fault("is not a point", f"remove {self.path}", number) from None
        self._file.truncate(whole)
        if not rows:
            self._write({"calibration": digest})

    def append(self, key: Key, measured: Measured) -> None:
        """Record a point; on return it is on the disk."""
        self._write({"layer": key[0], "mapping": key[1], **measured.to_dict()})
        self.known[key] = measured

    def remove(self) -> None:
        """Remove the file: the result holds all of it."""
        self._file.close()
        self.path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(checked_line(row))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _checked(self, line: bytes, number: int) -> dict[str, Any]:
        row = row_of(line)
        if row is None:
            raise self._fault("line is damaged", f"remove {self.path}", number)
        return row

    def _fault(self, rule: str, hint: str, line: int) -> InputError:
        return InputError([Fault("", "", rule, hint, str(self.path), line, 1)])
