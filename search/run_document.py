"""A run file with every default filled in, and its references turned into files beside it."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from pathlib import Path
from typing import Any

from pydantic import BaseModel

INPUTS = "inputs"
"""Folder for copies of the files that a run refers to."""


def resolved_document(
    spec: BaseModel, data: dict[str, Any], seed: int, files: Dict[str, str]
) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    """Return the plain data of a run file that needs nothing outside its folder.

    Args:
        spec: the file as a model.
        data: the file as plain data.
        seed: in place of the file's.
        files: path on this machine of every file referred to, by the reference.

    Returns:
        (document, (name in the document, path on this machine) of every file).
    """
    filled = _filled(spec, data)
    filled["seed"] = seed
    names: dict[str, str] = {}
    for ref in files:
        name, number = Path(ref).name, 1
        while f"{INPUTS}/{name}" in names.values():
            number += 1
            name = f"{Path(ref).stem}-{number}{Path(ref).suffix}"
        names[ref] = f"{INPUTS}/{name}"
    document: dict[str, Any] = _renamed(filled, names)
    return document, tuple((names[ref], path) for ref, path in files.items())


_REFERENCES = frozenset({"architecture", "workload", "dataflow", "mapping"})
"""Keys whose values may be paths."""

_MAPS = frozenset({"dataflow"})
"""Those of them that may be maps of paths by kind."""


def _filled(spec: BaseModel, data: dict[str, Any]) -> dict[str, Any]:
    """Return ``data`` with the defaults of ``spec``, recursively; absent options stay absent."""
    filled: dict[str, Any] = {}
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, BaseModel):
            filled[name] = _filled(value, data.get(name, {}))
        elif name in data:
            filled[name] = data[name]
        elif value is not None and value != ():
            # A list of one default is written as that one: objective: edp.
            filled[name] = value[0] if isinstance(value, tuple) and len(value) == 1 else value
    return {name: value for name, value in filled.items() if value not in ({}, None)}


def _renamed(value: Any, names: dict[str, str], key: str = "") -> Any:
    """Return plain data with the references in ``names`` replaced, tuples as lists."""
    if isinstance(value, dict):
        return {
            name: _renamed(inner, names, name if key not in _MAPS else key)
            for name, inner in value.items()
        }
    if isinstance(value, tuple | list):
        return [_renamed(inner, names, key) for inner in value]
    if key in _REFERENCES and isinstance(value, str):
        for ref, name in names.items():
            if value == ref or value.startswith(ref + ":"):
                return name + value[len(ref) :]
    return value
