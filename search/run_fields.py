"""Values of run files that take more than a type to check."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from arraysmith.arch.errors import nearest
from arraysmith.arch.spec_fields import Count
from arraysmith.arch.spec_reader import SpecError
from arraysmith.search.objective import objective_fault

ANY = "any"
KINDS = (ANY, "conv", "depthwise", "fc", "gemm", "matmul")
"""Kinds of layer that may have a dataflow of their own: operators, and all the others."""

Weight = Annotated[float, Field(ge=0)]


def _text_or(other: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "string"}, other]})


def _objectives(value: Any) -> tuple[str, ...]:
    """Return the names of one objective or of a list of them."""
    names = value if isinstance(value, tuple | list) else (value,)
    for name in names:
        if not isinstance(name, str):
            raise SpecError("must be the name of an objective, or a list of names")
        fault = objective_fault(name)
        if fault is not None:
            raise SpecError(*fault)
    if not names:
        raise SpecError("must name an objective", "for example edp, or [latency, energy, area]")
    if len(set(names)) != len(names):
        raise SpecError("must name each objective once", "for example [latency, energy, area]")
    if len(names) > 1 and "poster" in names:
        raise SpecError("poster stands alone", "it weighs several quantities itself")
    return tuple(names)


def _one_objective(value: Any) -> str:
    names = _objectives(value)
    if len(names) != 1:
        raise SpecError("must be one objective")
    return names[0]


def _dataflows(value: Any) -> tuple[tuple[str, str], ...]:
    """Return (kind of layer, reference) of one dataflow or of a map by kind."""
    pairs = value.items() if isinstance(value, dict) else ((ANY, value),)
    found = []
    for kind, ref in pairs:
        if kind not in KINDS:
            raise SpecError(
                f"kind of layer must be one of {', '.join(KINDS)}", nearest(kind, KINDS)
            )
        if not isinstance(ref, str) or not ref.strip():
            raise SpecError("must be the name of a dataflow, a file, or a map by kind of layer")
        found.append((kind, ref))
    if ANY not in dict(found):
        raise SpecError("must say what holds for the other layers", "add any: row_stationary")
    return tuple(found)


Objectives = Annotated[
    tuple[str, ...],
    PlainValidator(_objectives),
    _text_or({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
OneObjective = Annotated[str, PlainValidator(_one_objective), WithJsonSchema({"type": "string"})]
Dataflows = Annotated[
    tuple[tuple[str, str], ...],
    PlainValidator(_dataflows),
    _text_or({"type": "object", "additionalProperties": {"type": "string"}}),
]


def _step(value: Any) -> str | int:
    if value == "pow2" or (type(value) is int and value >= 1):
        return cast(str | int, value)
    raise SpecError("must be pow2, which doubles, or a whole number of at least 1")


def _pair(value: Any) -> Any:
    if not isinstance(value, tuple) or len(value) != 2:
        raise SpecError("must be [least, most]", "for example [64, 32768]")
    return value


Step = Annotated[
    Literal["pow2"] | int,
    PlainValidator(_step),
    WithJsonSchema({"anyOf": [{"const": "pow2"}, {"type": "integer", "minimum": 1}]}),
]
Range = Annotated[tuple[Count, Count], BeforeValidator(_pair)]
