"""Kinds of input file, by the ``kind:`` key that every file starts with.

A kind is an entry point of the group ``arraysmith.kinds``: a function from a path to the value in
the file, which raises ``InputError`` with every fault. Its model, for the JSON schema, is an entry
point of the same name in the group ``arraysmith.schemas``. Upper layers and other distributions
add kinds in this way; this module knows none of them.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from arraysmith.arch.errors import InputError, nearest
from arraysmith.arch.spec_reader import kind_of
from arraysmith.arch.yaml_positions import read_document

LOADER_GROUP = "arraysmith.kinds"
SCHEMA_GROUP = "arraysmith.schemas"


def kind_names() -> tuple[str, ...]:
    """Return the kinds of file that can be read, sorted."""
    return tuple(sorted(_points(LOADER_GROUP)))


def schema_names() -> tuple[str, ...]:
    """Return the kinds of file that have a schema, sorted."""
    return tuple(sorted(_points(SCHEMA_GROUP)))


def load_file(path: str) -> tuple[str, Any]:
    """Return (kind, value) of a file of any kind.

    Raises:
        InputError: the file cannot be read, names no known kind, or has faults; carries all.
    """
    document = read_document(path)
    kind = kind_of(document)
    loaders = _points(LOADER_GROUP)
    if kind not in loaders:
        fault = document.positions.fault("kind", "unknown kind of file", nearest(kind, loaders))
        raise InputError([fault])
    return kind, loaders[kind].load()(path)


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a kind of file, one of ``schema_names()``."""
    model = _points(SCHEMA_GROUP)[kind].load()
    schema: dict[str, Any] = model.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}
