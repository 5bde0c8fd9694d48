"""What the readers of Timeloop's YAML files share: sections, directives, faults and assumptions.

A file of version 0.4 holds any of the sections ``architecture``, ``problem``, ``mapping``,
``variables`` and those whose name holds ``constraints``; the tool joins the files it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.spec_reader import sort_faults
from arraysmith.arch.yaml_positions import Document, Positions, child_path, parse_document
from arraysmith.arch.yaml_positions import read_document as read_yaml

OURS = "arraysmith_"
"""Start of the names of attributes that say what the language cannot; the tool passes them by."""

READ = ("architecture", "problem", "mapping", "variables")
LEFT_OUT = (
    "mapper", "mapspace", "globals", "components", "compound_components", "ERT", "ART",
    "ERT_summary", "ART_summary", "dumped_by_timeloop_front_end",
)  # fmt: skip
"""Sections that say nothing of a design, layer or mapping as we know them."""

_FACTOR = re.compile(r"([A-Za-z_]\w*?)\s*(?:(<=|>=|=)\s*)?(\d{1,15})", re.ASCII)


def is_timeloop(document: Document) -> bool:
    """Tell by its sections whether a YAML file is one of this tool."""
    keys = document.data
    return "kind" not in keys and any(key in READ or "constraints" in key for key in keys)


def parse_source(text: str, file: str = "") -> Document:
    """Return the content of ``text``, tags kept; InputError if it is not YAML."""
    return parse_document(text, file, tags=True)


def read_source(path: str | Path) -> Document:
    """Return the content of a file, tags kept; InputError if it cannot be read."""
    return read_yaml(path, tags=True)


@dataclass
class Reading:
    """Faults and assumptions of one file, as they are found.

    Attributes:
        document: the file.
        faults: what is wrong, or cannot be said in our types.
        assumptions: what the file leaves open and how it was taken, in words.
    """

    document: Document
    faults: list[Fault] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults += self.document.faults

    @property
    def positions(self) -> Positions:
        """Where the fields stand."""
        return self.document.positions

    @property
    def stem(self) -> str:
        """Name of the file without folder and suffix; ``timeloop`` for text."""
        return Path(self.positions.file).stem or "timeloop"

    def fault(self, path: str, rule: str, hint: str = "", *, at_key: bool = False) -> None:
        """Note a fault of the field at ``path``."""
        self.faults.append(self.positions.fault(path, rule, hint, at_key=at_key))

    def assume(self, text: str) -> None:
        """Note an assumption, once."""
        if text not in self.assumptions:
            self.assumptions.append(text)

    def finish(self) -> tuple[str, ...]:
        """Return the assumptions; raises InputError with all faults, if there is one."""
        if self.faults:
            raise InputError(sort_faults(self.faults))
        return tuple(self.assumptions)

    def table(self, data: Any, path: str) -> dict[str, Any]:
        """Return ``data`` as a mapping of keys, merge keys resolved; empty with a fault."""
        if data is None:
            return {}
        if not isinstance(data, dict):
            self.fault(path, "must be a mapping (key: value)")
            return {}
        merged: dict[str, Any] = {}
        above = data.get("<<")
        for part in above if isinstance(above, tuple) else (above,):
            merged = {**(part if isinstance(part, dict) else {}), **merged}
        return {**merged, **{key: value for key, value in data.items() if key != "<<"}}

    def listing(self, data: Any, path: str) -> tuple[Any, ...]:
        """Return ``data`` as a list; empty with a fault."""
        if data is None:
            return ()
        if isinstance(data, tuple):
            return data
        self.fault(path, "must be a list")
        return ()

    def count(self, data: Any, path: str, *, least: int = 1) -> int | None:
        """Return ``data`` as a whole number of at least ``least``; None with a fault."""
        if isinstance(data, float) and data.is_integer():
            data = int(data)
        if isinstance(data, int) and not isinstance(data, bool) and least <= data <= 10**15:
            return data
        rule = f"must be a whole number of at least {least}"
        hint = "expressions are not computed" if isinstance(data, str) else ""
        self.fault(path, rule, hint)
        return None

    def names(self, data: Any, path: str) -> tuple[str, ...]:
        """Return ``data`` as names: a list, or text with blanks or commas between them."""
        if isinstance(data, str):
            return tuple(data.replace(",", " ").split())
        found = self.listing(data, path)
        for index, name in enumerate(found):
            if not isinstance(name, str):
                self.fault(child_path(path, index), "must be a name")
        return tuple(name for name in found if isinstance(name, str))

    def keys(self, data: dict[str, Any], known: tuple[str, ...], path: str) -> None:
        """Note a fault per key that is not known; ours are known."""
        for key in data:
            if key not in known and not key.startswith(OURS):
                self.fault(child_path(path, key), "unknown key", nearest(key, known), at_key=True)

    def version(self, data: dict[str, Any], path: str) -> None:
        """Note a fault if a section is of another version of the language."""
        if str(data.get("version", "0.4")) != "0.4":
            rule = "only version 0.4 of the language is read"
            self.fault(f"{path}.version", rule, "the tool's front end writes files of older ones")


def section_faults(reading: Reading) -> None:
    """Note sections that are unknown (faults) or left out (assumptions)."""
    for key in reading.document.data:
        if key == "sparse_optimizations":
            reading.fault(key, "cannot be said: sparse optimizations change counts", at_key=True)
        elif key in LEFT_OUT:
            reading.assume(f"section {key} is left out")
        elif key not in READ and "constraints" not in key:
            known = (*READ, "constraints", *LEFT_OUT)
            reading.fault(key, "unknown section", nearest(key, known), at_key=True)


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor: ``relation`` ``=``, ``<=`` or ``>=``; 0 is what the other factors leave."""

    dim: str
    relation: str
    count: int
    path: str


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive of a mapping or of constraints.

    Attributes:
        target: level it speaks of.
        type: ``temporal``, ``spatial`` or ``dataspace``.
        path: where it stands.
        factors: per dim at most one.
        permutation: dims, innermost first; None if not given.
        split: place in the permutation from which on dims go along Y; None if not given.
        keep: data spaces kept; None if not given.
        bypass: data spaces passed by; None if not given.
    """

    target: str
    type: str
    path: str
    factors: tuple[Factor, ...] = ()
    permutation: tuple[str, ...] | None = None
    split: int | None = None
    keep: tuple[str, ...] | None = None
    bypass: tuple[str, ...] | None = None

    def order(self, dims: tuple[str, ...]) -> tuple[str, ...]:
        """Return ``dims`` innermost first: those of the permutation, then the others."""
        given = self.permutation or ()
        return (*given, *(dim for dim in dims if dim not in given))


_TYPES = {
    "temporal": "temporal",
    "spatial": "spatial",
    "dataspace": "dataspace",
    "datatype": "dataspace",
    "bypass": "dataspace",
}
_LOOP_KEYS = ("target", "type", "factors", "permutation")
_KEYS = {
    "temporal": _LOOP_KEYS,
    "spatial": (*_LOOP_KEYS, "split"),
    "dataspace": ("target", "type", "keep", "bypass"),
}
_UNSAYABLE = (
    "no_reuse", "no_link_transfer", "no_coalesce", "rmw_first_update", "remainders",
    "default_max_factor", "default_min_factor",
)  # fmt: skip


def read_directive(
    reading: Reading, data: Any, path: str, dims: tuple[str, ...], **given: str
) -> Directive | None:
    """Return one directive; None with faults.

    Args:
        reading: takes the faults.
        data: the directive's keys.
        path: where it stands.
        dims: names of the problem's dims.
        given: ``target`` and ``type`` where the place of the directive says them.
    """
    keys = {**reading.table(data, path), **given}
    target, word = keys.get("target"), keys.get("type")
    if not isinstance(target, str):
        reading.fault(f"{path}.target", "must name a level")
        return None
    if word not in _TYPES:
        hint = nearest(str(word), _TYPES) if isinstance(word, str) else "type: temporal"
        reading.fault(f"{path}.type", "must be temporal, spatial or dataspace", hint)
        return None
    kind = _TYPES[word]
    for key, value in keys.items():
        if key in _UNSAYABLE:
            if value not in (None, (), ""):
                reading.fault(f"{path}.{key}", "cannot be said of our mappings", at_key=True)
        elif key not in _KEYS[kind]:
            reading.fault(f"{path}.{key}", "unknown key", nearest(key, _KEYS[kind]), at_key=True)
    found = Directive(target, kind, path)
    if kind == "dataspace":
        keep, bypass = (
            reading.names(keys[key], f"{path}.{key}") if key in keys else None
            for key in ("keep", "bypass")
        )
        return replace(found, keep=keep, bypass=bypass)
    split = keys.get("split")
    if split is not None:
        split = reading.count(split, f"{path}.split", least=0)
    return replace(
        found,
        factors=tuple(_factors(reading, keys.get("factors"), f"{path}.factors", dims)),
        permutation=_permutation(reading, keys.get("permutation"), f"{path}.permutation", dims),
        split=split,
    )


def _factors(reading: Reading, data: Any, path: str, dims: tuple[str, ...]) -> Iterator[Factor]:
    if data is None:
        return
    if isinstance(data, str):
        joined = re.sub(r"\s*(<=|>=|=)\s*", r"\1", data).replace(",", " ")
        words = [(word, path) for word in joined.split()]
    else:
        listed = reading.listing(data, path)
        words = [(str(word), child_path(path, index)) for index, word in enumerate(listed)]
    seen: set[str] = set()
    for word, place in words:
        match = _FACTOR.fullmatch(word.strip())
        if match is None:
            hint = "for example C=4; imperfect factors are not read"
            reading.fault(place, f"{word} is no factor", hint)
            continue
        dim, relation, number = match.groups()
        if dim not in dims:
            reading.fault(place, f"unknown dim {dim}", nearest(dim, dims))
        elif dim in seen:
            reading.fault(place, f"{dim} has two factors", "give one")
        else:
            seen.add(dim)
            yield Factor(dim, relation or "=", int(number), place)


def _permutation(
    reading: Reading, data: Any, path: str, dims: tuple[str, ...]
) -> tuple[str, ...] | None:
    if data is None:
        return None
    if isinstance(data, str) and not re.search(r"[ ,]", data) and data not in dims:
        words: tuple[str, ...] = tuple(data)
    else:
        words = reading.names(data, path)
    found: list[str] = []
    for word in words:
        if word not in dims:
            reading.fault(path, f"unknown dim {word}", nearest(word, dims))
        elif word in found:
            reading.fault(path, f"{word} stands twice", "name each dim once")
        else:
            found.append(word)
    return tuple(found)
