"""What can still be checked of a run file with faults, so that all of them come at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from arraysmith.arch.errors import Fault
from arraysmith.arch.paths import CLOCK
from arraysmith.arch.spec_reader import part
from arraysmith.arch.yaml_positions import Document
from arraysmith.search.run_spec import RunSpec, run_spec_for

_REFERENCES = ("architecture", "workload", "dataflow")
"""Keys that nearly everything else is checked against."""

_FOLLOW = {
    "weights": "objective",
    "rank": "objective",
    "objective": "optimiser",
    "calibration": "optimiser",
}
"""Keys whose later faults may follow from what is put in place of another faulty key."""

_ANYTHING = {"path": CLOCK, "values": (1,)}


@dataclass(frozen=True, slots=True)
class Sound:
    """The part of a run file that has no fault so far.

    Attributes:
        spec: with defaults, and neutral entries of the space, in place of what has faults.
        without: what has: keys of the file, ``space[2]`` for an entry of its space.
    """

    spec: RunSpec
    without: frozenset[str] = frozenset()

    def tells(self, fault: Fault) -> bool:
        """Tell whether a fault found later is of the file, and not of what was put in place."""
        key = _key(fault.field)
        put = {key, _FOLLOW.get(key, key)}
        return not put & self.without and _entry(fault.field) not in self.without


def sound_part(document: Document, faults: Iterable[Fault]) -> Sound | None:
    """Return what is sound of a document with faults; None if too little is."""
    without = {_key(x.field) for x in faults}
    entries = {_entry(x.field) for x in faults} - without
    if "" in without or without.intersection(_REFERENCES):
        return None
    data: dict[str, Any] = {k: v for k, v in document.data.items() if k not in without}
    data = {"kind": "run", "name": "run", **data}
    space = document.data.get("space")
    if not isinstance(space, tuple) or not space or "space" in {x.field for x in faults}:
        data["space"] = (_ANYTHING,)
    elif "space" in without:
        without.remove("space")
        bad = {f"space[{i}]" for i in range(len(space))} & entries
        data["space"] = tuple(_ANYTHING if f"space[{i}]" in bad else x for i, x in enumerate(space))
    spec = part(data, run_spec_for(data.get("optimiser"), data.get("mapper")))
    return None if spec is None else Sound(spec, frozenset(without | entries))


def _key(field: str) -> str:
    return re.split(r"[.\[]", field, maxsplit=1)[0]


def _entry(field: str) -> str:
    """Return the entry of the space that a field belongs to, or its key."""
    found = re.match(r"space\[\d+\]", field)
    return found.group() if found else _key(field)
