"""Errors a user meets: one base class, and input errors that carry every fault of a file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class ArraysmithError(Exception):
    """Base of every error raised on purpose; commands turn it into exit code 1."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Come back from a worker process as it was, whatever its constructor takes."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(
    kind: type[ArraysmithError], args: tuple[Any, ...], state: dict[str, Any]
) -> ArraysmithError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input, with all a user needs to mend it.

    Attributes:
        field: path of the field, for example ``levels[1].depth``; empty for the whole file.
        value: the offending value as the user wrote it; empty when something is missing.
        rule: what has to hold.
        hint: what to do about it; may be empty.
        file: path as the user gave it; empty when the input is not a file.
        line: line in the file, counted from 1; 0 when unknown.
        column: column in the line, counted from 1; 0 when unknown.
    """

    field: str
    value: str
    rule: str
    hint: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = self.file or "input"
        if self.line:
            place += f":{self.line}:{self.column}"
        text = f"{place}: {self.field or '(whole file)'}: {self.value or '(none)'}: {self.rule}"
        return f"{text}: {self.hint}" if self.hint else text


class InputError(ArraysmithError):
    """Input that cannot be accepted; carries all its faults; commands exit with code 2."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class UnsupportedDesignError(InputError):
    """A design, or a layer or mapping on it, that a model has no way to evaluate.

    Its text is ``WHAT: rule``, where WHAT is a part of the design or the layer.
    """

    def __init__(self, text: str) -> None:
        what, colon, rule = text.partition(": ")
        super().__init__([Fault(what, "", rule) if colon else Fault("", "", text)])
        self.args = (text,)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known words closest to ``word``, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    return "known: " + ", ".join(names) if names else ""
