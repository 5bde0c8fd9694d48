"""Reading a YAML file into a strict model, with every fault of the file reported at its place.

    spec, positions = read_spec("design.yaml", ArchitectureSpec)

A model derives from ``Spec``. What a model cannot say by itself (a name that has to exist
elsewhere, two fields that contradict each other) is checked afterwards by the owner of the file
kind, who makes faults with ``positions.fault(path, rule, hint)`` and raises one ``InputError``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Tag, ValidationError
from pydantic_core import ErrorDetails

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.units import QuantityError
from arraysmith.arch.yaml_positions import (
    Document,
    Positions,
    child_path,
    parse_document,
    read_document,
)


class Spec(BaseModel):
    """Base of everything a file may hold: unknown keys refused, no guessing of types, frozen.

    Sequences arrive as tuples: declare ``tuple[X, ...]``. A validator that raises ``SpecError``
    (or ``QuantityError``) puts its own rule and hint into the fault. Tags of a discriminated union
    must not look like keys of its members: write ``Tag("<memory>")``, not ``Tag("memory")``.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class SpecError(ValueError):
    """A broken rule, raised by a validator of a model.

    Attributes:
        rule: what has to hold.
        hint: what to do about it.
    """

    def __init__(self, rule: str, hint: str = "") -> None:
        self.rule = rule
        self.hint = hint
        super().__init__(rule)


M = TypeVar("M", bound=BaseModel)


def read_spec(path: str | Path, model: type[M]) -> tuple[M, Positions]:
    """Return the content of the YAML file at ``path`` as ``model``, and where its fields stand.

    Raises:
        InputError: the file cannot be read, or breaks any rule of the model; carries all faults.
    """
    return spec_of(read_document(path), model)


def parse_spec(text: str, model: type[M], file: str = "") -> tuple[M, Positions]:
    """Return YAML ``text`` as ``model``; ``file`` is the name that faults carry."""
    return spec_of(parse_document(text, file), model)


def spec_of(document: Document, model: type[M]) -> tuple[M, Positions]:
    """Return a document that was read already as ``model``, and where its fields stand.

    A document of another kind gets that one fault only: the others would follow from it.

    Raises:
        InputError: the document has faults of its own, or breaks any rule of the model.
    """
    spec, faults = collect(document, model)
    if spec is None or faults:
        raise InputError(sort_faults(faults))
    return spec, document.positions


def collect(document: Document, model: type[M]) -> tuple[M | None, list[Fault]]:
    """Return the document as ``model``, or None, and its faults so far.

    For file kinds with rules beyond the model: they add their own faults before raising, so that
    the user sees all at once.

    Raises:
        InputError: the document is of another kind.
    """
    wrong_kind = _kind_fault(document, model)
    if wrong_kind is not None:
        raise InputError([wrong_kind])
    faults = list(document.faults)
    spec: M | None = None
    try:
        spec = model.model_validate(document.data)
    except ValidationError as error:
        faults += translate(error, document, model)
    # A key without a value would mean its default: a budget left blank, no budget at all.
    told = {fault.field for fault in faults}
    for path in _blanks(document.data):
        if not any(path == field or path.startswith((f"{field}.", f"{field}[")) for field in told):
            hint = "write one, or remove the key"
            faults.append(document.positions.fault(path, "value is missing", hint))
    return spec, faults


def _blanks(data: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every field that has no value."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _blanks(value, child_path(path, key))
    elif isinstance(data, tuple):
        for index, value in enumerate(data):
            yield from _blanks(value, child_path(path, index))
    elif data is None:
        yield path


def part(data: Any, model: type[M]) -> M | None:
    """Return a part of a document as ``model``; None when it has faults (reported elsewhere)."""
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def is_path(ref: str) -> bool:
    """Tell whether a reference means a file: it has a folder separator or a YAML suffix."""
    return "/" in ref or "\\" in ref or ref.endswith((".yaml", ".yml"))


def sort_faults(faults: list[Fault]) -> list[Fault]:
    """Return the faults in the order of their places, each once."""
    return sorted(dict.fromkeys(faults), key=lambda fault: (fault.line, fault.column, fault.field))


def kind_of(document: Document) -> str:
    """Return the ``kind`` that a document states.

    Raises:
        InputError: it states none.
    """
    kind = document.data.get("kind")
    if isinstance(kind, str) and kind:
        return kind
    rule = "must name the kind of file" if "kind" in document.data else "key is missing"
    hint = "start with kind: architecture, mapping, network, dataflow or run"
    raise InputError([document.positions.fault("kind", rule, hint)])


def _kind_fault(document: Document, model: type[BaseModel]) -> Fault | None:
    declared = model.model_fields.get("kind")
    if declared is None or "kind" not in document.data:
        return None
    kinds = [str(kind) for kind in typing.get_args(declared.annotation)]
    if not kinds or document.data["kind"] in kinds:
        return None
    return document.positions.fault("kind", f"must be {' or '.join(kinds)} here")


def translate(
    error: ValidationError, document: Document, model: type[BaseModel] | None = None
) -> list[Fault]:
    """Return pydantic's findings in the words of this project, at their places in the file."""
    return [
        _fault(details, document, model)
        for details in error.errors(include_url=False)
        if not _follows_from_others(details, document.data)
    ]


def _follows_from_others(details: ErrorDetails, data: Any) -> bool:
    """Tell whether a list is called too short only because its faulty entries do not count."""
    if details["type"] != "too_short":
        return False
    written = _value_at(data, details["loc"])
    return isinstance(written, tuple) and len(written) >= details["ctx"]["min_length"]


def _value_at(data: Any, loc: tuple[int | str, ...]) -> Any:
    for step in loc:
        if _has(data, step):
            data = data[step]
    return data


def _has(data: Any, step: int | str) -> bool:
    return (isinstance(data, dict) and step in data) or (
        isinstance(data, tuple) and isinstance(step, int) and step < len(data)
    )


def _fault(details: ErrorDetails, document: Document, model: type[BaseModel] | None) -> Fault:
    kind = details["type"]
    path = _path(details, document.data)
    positions = document.positions
    if kind == "missing":
        return positions.fault(path, "key is missing", f"add {path.rpartition('.')[2]}: ...")
    if kind == "extra_forbidden":
        known = _known_keys(model, details["loc"][:-1])
        hint = nearest(str(details["loc"][-1]), known) if known else ""
        return positions.fault(path, "unknown key", hint, at_key=True)
    at_key = "[key]" in details["loc"]
    rule, hint = _rule(details)
    return positions.fault(path, rule, hint, at_key=at_key)


def _path(details: ErrorDetails, data: Any) -> str:
    """Return the path of the field meant, without the names of union members in between."""
    path = ""
    here = data
    for step in details["loc"]:
        if _has(here, step):
            here = here[step]
            path = child_path(path, step)
    if details["type"] == "missing":
        path = child_path(path, details["loc"][-1])
    return path


_TYPES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping (key: value)",
    "model_type": "must be a mapping (key: value)",
    "model_attributes_type": "must be a mapping (key: value)",
    "none_required": "must be left out",
    "finite_number": "must be a finite number",
}


def _rule(details: ErrorDetails) -> tuple[str, str]:
    """Return rule and hint in plain words."""
    kind = details["type"]
    limits = details.get("ctx", {})
    cause = limits.get("error")
    if isinstance(cause, QuantityError | SpecError):
        return cause.rule, cause.hint
    if kind in _TYPES:
        return _TYPES[kind], ""
    if kind == "greater_than_equal":
        return f"must be at least {limits['ge']}", ""
    if kind == "greater_than":
        return f"must be greater than {limits['gt']}", ""
    if kind == "less_than_equal":
        return f"must be at most {limits['le']}", ""
    if kind == "less_than":
        return f"must be less than {limits['lt']}", ""
    if kind == "literal_error":
        return f"must be one of {limits['expected']}", ""
    if kind in {"too_short", "string_too_short"}:
        return f"must have at least {_entries(limits['min_length'])}", ""
    if kind in {"too_long", "string_too_long"}:
        return f"must have at most {_entries(limits['max_length'])}", ""
    if kind == "string_pattern_mismatch":
        return f"must match {limits['pattern']}", ""
    message = details["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:], ""


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _known_keys(model: type[BaseModel] | None, loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys allowed at ``loc``, found by walking the annotations of ``model``.

    Names of union members in ``loc`` (they are tags) select the member.
    """
    places: list[Any] = [model]
    for step in loc:
        places = [inner for place in places for inner in _step(place, step)]
    models = [place for place in places if _is_model(place)]
    return sorted({_key(name, field) for m in models for name, field in m.model_fields.items()})


def _key(name: str, field: Any) -> str:
    return str(field.alias or name)


def _is_model(place: Any) -> bool:
    return isinstance(place, type) and issubclass(place, BaseModel)


def _step(place: Any, step: int | str) -> list[Any]:
    """Return the annotations that ``step`` leads to from the annotation ``place``."""
    if typing.get_origin(place) is typing.Annotated:
        inner, *notes = typing.get_args(place)
        tags = [note.tag for note in notes if isinstance(note, Tag)]
        if tags:
            return [inner] if tags == [step] else []
        return [x for member in _members(inner) for x in _step(member, step)]
    arguments = typing.get_args(place)
    if _is_model(place):
        for name, field in place.model_fields.items():
            if _key(name, field) == step:
                return _members(field.annotation)
    elif typing.get_origin(place) is dict:
        return _members(arguments[1])
    elif typing.get_origin(place) in {tuple, list}:
        return _members(arguments[0])
    return [place]  # the name of a union member that led here


def _members(annotation: Any) -> list[Any]:
    """Return the members of a union, tagged ones with their tags; one for anything else."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner, *notes = typing.get_args(annotation)
        return [annotation] if any(isinstance(n, Tag) for n in notes) else _members(inner)
    if origin in {typing.Union, types.UnionType}:
        return [x for part in typing.get_args(annotation) for x in _members(part)]
    return [annotation]
