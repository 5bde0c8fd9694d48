"""Kinds of input file, and what ships with the project: found by entry points.

Four groups, each from a name to something in a module of any layer or distribution, so that this
module knows no upper layer:

- ``arraysmith.kinds``: the value of a file's key ``kind`` -> a function from a path to the value
  in the file, which raises ``InputError`` with every fault;
- ``arraysmith.schemas``: the same value -> the pydantic model of the file;
- ``arraysmith.names``: a plural (``workloads``) -> the names that ship, or a
  function that returns them;
- ``arraysmith.files``: one of these plurals -> a function from a name to its file, where a layer
  above wants ``show`` to know it.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from arraysmith.arch.errors import InputError, nearest
from arraysmith.arch.importers.timeloop_source import is_timeloop
from arraysmith.arch.spec_reader import is_path, kind_of
from arraysmith.arch.yaml_positions import read_document, read_text

LOADER_GROUP = "arraysmith.kinds"
SCHEMA_GROUP = "arraysmith.schemas"
NAMES_GROUP = "arraysmith.names"
FILES_GROUP = "arraysmith.files"


def file_kind(path: str) -> str:
    """Return the kind of a file: what its key ``kind`` says, or the end of its name.

    A CSV file is a network, a .cfg file an architecture, a .m file one of MAESTRO's. A YAML file
    without ``kind`` is one of Timeloop's if it has a section of that tool.

    Raises:
        InputError: the file cannot be read, or names no known kind.
    """
    if Path(path).suffix.lower() == ".csv":
        read_text(path)
        return "network"
    if Path(path).suffix.lower() == ".cfg":
        read_text(path)
        return "architecture"
    if Path(path).suffix == ".m":
        read_text(path)
        return "maestro"
    document = read_document(path)
    if is_timeloop(document):
        return "timeloop"
    kind = kind_of(document)
    loaders = _points(LOADER_GROUP)
    if kind not in loaders:
        fault = document.positions.fault("kind", "unknown kind of file", nearest(kind, loaders))
        raise InputError([fault])
    return kind


def load_file(path: str) -> tuple[str, Any]:
    """Return (kind, value) of a file of any kind.

    Raises:
        InputError: the file cannot be read, names no known kind, or has faults; carries all.
    """
    kind = file_kind(path)
    # A bare word could also be a name that ships; a Path never is. Otherwise faults shall carry
    # the path as it was given.
    ref = path if is_path(path) else Path(path)
    return kind, _points(LOADER_GROUP)[kind].load()(ref)


def schema_names() -> tuple[str, ...]:
    """Return the kinds of file that have a schema, sorted."""
    return tuple(sorted(_points(SCHEMA_GROUP)))


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a kind of file, one of ``schema_names()``."""
    schema: dict[str, Any] = _points(SCHEMA_GROUP)[kind].load().model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def listed_kinds() -> tuple[str, ...]:
    """Return the plurals whose names can be listed, sorted."""
    return tuple(sorted(_points(NAMES_GROUP)))


def listed_names(plural: str) -> tuple[str, ...]:
    """Return the names that ship under ``plural``, one of ``listed_kinds()``."""
    names = _points(NAMES_GROUP)[plural].load()
    return tuple(names() if callable(names) else names)


def shipped_files() -> dict[str, Path]:
    """Return the files that layers above ship, by name."""
    return {
        name: Path(point.load()(name))
        for plural, point in _points(FILES_GROUP).items()
        for name in listed_names(plural)
    }


def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}
