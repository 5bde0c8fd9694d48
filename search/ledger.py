"""The ledger of evaluations: cache, checkpoint and record of a search in one file.

JSON lines, only ever appended. The first line names the run by its digest, every other line is one
evaluated design with its numbers (or, of a calibrated search, a simulated one); each line ends with
a checksum of what stands before it. A process killed while writing leaves a last line without its
end: that line is cut off when the search resumes. Anything else that does not check is damage, and
an error.

A resumed search starts its optimiser anew and replays: designs found in the ledger are not
evaluated again. So nothing else has to be saved, and the result is that of an uninterrupted run.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Any, Self

from arraysmith.arch.errors import Fault, InputError
from arraysmith.search.checked_lines import checked_line, row_of
from arraysmith.search.rehearsed import Rehearsed, Simulated
from arraysmith.search.space import Genome

LEDGER = "ledger.jsonl"
"""Name of the ledger in the output folder of a search."""

SCHEMA = 2
"""Version of the file format."""


Values = Callable[[Genome], Mapping[str, int | str]]
"""What a genome stands for, by path."""


class LedgerError(InputError):
    """A ledger that cannot be continued: of another run, or damaged."""

    def __init__(self, path: Path, line: int, rule: str, hint: str) -> None:
        super().__init__([Fault("", "", rule, hint, str(path), line, 1 if line else 0)])


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluated design.

    Attributes:
        genome: the design.
        loss: of the run's objective; infinite when a layer has no legal mapping.
        cycles: summed over the layers with their repeats; 0 when the loss is infinite.
        energy_pj: likewise.
        losses: of every objective, where the run looks for a front; empty otherwise.
        scored: mappings that were scored in full to find those of the design.
        compared: legal mappings that they were compared with.
        options: of a calibrated search: per layer of the run, mappings as rehearsed.
    """

    genome: Genome
    loss: float
    cycles: int
    energy_pj: float
    losses: tuple[float, ...] = ()
    scored: int = 0
    compared: int = 0
    options: tuple[tuple[Rehearsed, ...], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; an infinite loss is None."""
        loss = None if math.isinf(self.loss) else self.loss
        plain: dict[str, Any] = {
            "genome": list(self.genome),
            "loss": loss,
            "cycles": self.cycles,
            "energy_pj": self.energy_pj,
            "scored": self.scored,
            "compared": self.compared,
        }
        if self.losses:
            plain["losses"] = [None if math.isinf(x) else x for x in self.losses]
        if self.options:
            plain["options"] = [[x.to_list() for x in layer] for layer in self.options]
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Evaluation:
        """Return what ``to_dict`` made ``plain`` of."""
        loss = math.inf if plain["loss"] is None else float(plain["loss"])
        genome = tuple(int(gene) for gene in plain["genome"])
        losses = tuple(math.inf if x is None else float(x) for x in plain.get("losses", ()))
        cycles, energy_pj = int(plain["cycles"]), float(plain["energy_pj"])
        scored, compared = int(plain["scored"]), int(plain["compared"])
        options = tuple(
            tuple(Rehearsed.from_list(x) for x in layer) for layer in plain.get("options", ())
        )
        return cls(genome, loss, cycles, energy_pj, losses, scored, compared, options)


class Ledger:
    """An open ledger; close it, or use it in a ``with`` statement.

    Attributes:
        evaluations: by genome, in the order of the file.
        simulated: by genome, then by layer and variant of its mapping.
        dropped: bytes of a torn last line that were cut off when it was opened.
    """

    def __init__(self, file: BufferedRandom, values: Values, rows: _Rows, dropped: int) -> None:
        self._file = file
        self._values = values
        self.evaluations = {evaluation.genome: evaluation for evaluation in rows.evaluations}
        self.simulated: dict[Genome, dict[tuple[int, int], Simulated]] = {}
        for genome, layers in rows.simulated:
            self._note(genome, layers)
        self.dropped = dropped

    @classmethod
    def create(cls, path: Path, digest: str, values: Values) -> Ledger:
        """Start a ledger for the run with ``digest``; FileExistsError if ``path`` exists.

        Args:
            path: of the file.
            digest: of the run.
            values: the numbers that a genome stands for, by path; written for readers.
        """
        file = path.open("x+b")
        ledger = cls(file, values, _Rows([], []), 0)
        ledger._write([{"ledger": SCHEMA, "run": digest}])
        return ledger

    @classmethod
    def resume(cls, path: Path, digest: str, values: Values) -> Ledger:
        """Open the ledger of the run with ``digest`` again; arguments as for ``create``.

        A file without a whole first line (killed at birth) starts anew.

        Raises:
            LedgerError: the ledger is of another run or format, or damaged.
        """
        file = path.open("r+b")
        try:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            rows = _parsed(content[:whole].splitlines(), digest, path)
            file.truncate(whole)
            file.seek(whole)
        except BaseException:
            file.close()
            raise
        ledger = cls(file, values, rows, len(content) - whole)
        if not whole:
            ledger._write([{"ledger": SCHEMA, "run": digest}])
        return ledger

    def append(self, evaluations: Iterable[Evaluation]) -> None:
        """Record evaluations; on return they are on the disk."""
        fresh = list(evaluations)
        self._write([{**x.to_dict(), "values": self._values(x.genome)} for x in fresh])
        self.evaluations.update((evaluation.genome, evaluation) for evaluation in fresh)

    def append_simulated(self, genome: Genome, layers: Sequence[Simulated]) -> None:
        """Record what a simulation says of layers of a design; on return it is on the disk."""
        self._write([{"simulated": list(genome), "layers": [x.to_list() for x in layers]}])
        self._note(genome, layers)

    def _note(self, genome: Genome, layers: Sequence[Simulated]) -> None:
        self.simulated.setdefault(genome, {}).update((x.key, x) for x in layers)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, rows: list[dict[str, Any]]) -> None:
        self._file.write(b"".join(checked_line(row) for row in rows))
        self._file.flush()
        os.fsync(self._file.fileno())


_REMEDY = "start again in another folder"


def _checked(line: bytes, path: Path, number: int) -> dict[str, Any]:
    row = row_of(line)
    if row is None:
        raise LedgerError(path, number, "line is damaged: its checksum differs", _REMEDY)
    return row


def _check_header(row: dict[str, Any], digest: str, path: Path) -> None:
    if row.get("ledger") != SCHEMA:
        raise LedgerError(path, 1, f"not a ledger of format {SCHEMA}", _REMEDY)
    if row["run"] != digest:
        rule = (
            "belongs to another run (run file, seed or program version differ): "
            f"{row['run'][:12]}, not {digest[:12]}"
        )
        raise LedgerError(path, 1, rule, f"resume with what it was started with, or {_REMEDY}")


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the lines after the first say."""

    evaluations: list[Evaluation]
    simulated: list[tuple[Genome, list[Simulated]]]


def _parsed(lines: list[bytes], digest: str, path: Path) -> _Rows:
    rows = [_checked(line, path, number) for number, line in enumerate(lines, start=1)]
    if rows:
        _check_header(rows[0], digest, path)
    found = _Rows([], [])
    for number, row in enumerate(rows[1:], start=2):
        try:
            if "simulated" in row:
                genome = tuple(int(gene) for gene in row["simulated"])
                layers = [Simulated.from_list(x) for x in row["layers"]]
                found.simulated.append((genome, layers))
            else:
                found.evaluations.append(Evaluation.from_dict(row))
        except (KeyError, TypeError, ValueError) as error:
            rule = f"not an evaluation ({error})"
            raise LedgerError(path, number, rule, _REMEDY) from None
    if len({x.genome for x in found.evaluations}) != len(found.evaluations):
        raise LedgerError(path, 0, "a design is recorded twice", _REMEDY)
    return found
