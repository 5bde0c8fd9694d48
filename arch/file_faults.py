"""Faults of one file, gathered at their places while what it says is resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.yaml_positions import Positions

T = TypeVar("T")


@dataclass
class FileFaults:
    """What is wrong with a file: base of what reads more than single fields of it.

    Attributes:
        positions: of its fields.
        faults: found so far.
    """

    positions: Positions
    faults: list[Fault] = field(default_factory=list, kw_only=True)

    def fault(self, path: str, rule: str, hint: str = "", *, at_key: bool = False) -> None:
        """Note a fault of the field at ``path``: see ``Positions.fault``."""
        self.faults.append(self.positions.fault(path, rule, hint, at_key=at_key))

    def attempt(self, path: str, load: Callable[[], T]) -> T | None:
        """Return what ``load`` returns, or None after noting why it did not.

        Faults with a line of their own, in another file, stay there; others, and errors that are
        not about input, are put at ``path``, the field that asked for it.
        """
        try:
            return load()
        except InputError as error:
            for fault in error.faults:
                if fault.line:
                    self.faults.append(fault)
                else:
                    self.fault(path, fault.rule, fault.hint)
        except ArraysmithError as error:
            self.fault(path, str(error))
        return None
