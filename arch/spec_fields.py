"""Fields of the strict models of files: names, quantities with units, rates."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from arraysmith.arch.errors import nearest
from arraysmith.arch.problem import TENSORS
from arraysmith.arch.spec_reader import SpecError
from arraysmith.arch.units import (
    Rate,
    parse_area_um2,
    parse_bits,
    parse_clock,
    parse_cycles,
    parse_energy_pj,
    parse_length_um,
    parse_power_mw,
    parse_rate,
    parse_size,
)


def written(example: str, *, bare: bool = False) -> WithJsonSchema:
    """Return the schema of a quantity: text with a unit, or a bare integer where allowed."""
    text: dict[str, Any] = {"type": "string", "examples": [example]}
    return WithJsonSchema({"anyOf": [text, {"type": "integer", "minimum": 0}]} if bare else text)


def one_of(known: tuple[str, ...]) -> AfterValidator:
    """Return the check that a name is one of ``known``; else the error has the near matches."""

    def check(name: str) -> str:
        if name not in known:
            raise SpecError(f"must be one of {', '.join(known)}", nearest(name, known))
        return name

    return AfterValidator(check)


def once(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names of which one stands twice."""
    if len(set(names)) != len(names):
        raise SpecError("must name each once", "remove the repetition")
    return names


def known_technology(name: str) -> str:
    """Refuse a technology without tables."""
    # The tables are files; only reading an architecture needs them.
    from arraysmith.arch.technology.estimate import TECHNOLOGIES

    if name not in TECHNOLOGIES:
        raise SpecError("unknown technology", nearest(name, TECHNOLOGIES))
    return name


def known_device(name: str) -> str:
    """Refuse a device that no table knows."""
    from arraysmith.arch.technology.estimate import devices

    if name not in devices():
        raise SpecError("unknown device", nearest(name, devices()))
    return name


def known_number(name: str) -> str:
    """Refuse a type of numbers that no table knows."""
    from arraysmith.arch.technology.estimate import numbers

    if name not in numbers():
        raise SpecError("unknown type of numbers", nearest(name, numbers()))
    return name


def _identifier(name: str) -> str:
    if not (name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()):
        raise SpecError("must be a name of letters, digits, _ and -", "for example glb")
    return name


def _filled(text: str) -> str:
    if not text.strip():
        raise SpecError("must not be empty", "say where the numbers come from")
    return text


Name = Annotated[str, AfterValidator(_identifier)]
Text = Annotated[str, AfterValidator(_filled)]
TensorName = Annotated[
    str, one_of(TENSORS), WithJsonSchema({"type": "string", "enum": list(TENSORS)})
]
Tensors = Annotated[tuple[TensorName, ...], AfterValidator(once)]
Count = Annotated[int, Field(ge=1, le=2**48)]
Mesh = Annotated[int, Field(ge=1, le=2**20)]
Bits = Annotated[
    int, BeforeValidator(parse_bits), Field(ge=1, le=2**20), written("64 bit", bare=True)
]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=1, le=2**53), written("128 KiB")]
Clock = Annotated[
    int, BeforeValidator(parse_clock), Field(ge=1, le=10**12), written("200 MHz", bare=True)
]
Cycles = Annotated[
    int,
    BeforeValidator(parse_cycles),
    Field(ge=0, le=10**9),
    written("100 cycles", bare=True),
]
PipelineCycles = Annotated[Cycles, Field(ge=1)]
Picojoules = Annotated[float, BeforeValidator(parse_energy_pj), Field(ge=0), written("0.39 pJ")]
Length = Annotated[int, BeforeValidator(parse_length_um), Field(ge=1, le=10**6), written("100 um")]
SquareMicrometres = Annotated[float, BeforeValidator(parse_area_um2), Field(gt=0), written("2 mm2")]


Milliwatts = Annotated[float, BeforeValidator(parse_power_mw), Field(gt=0), written("450 mW")]


def _positive_rate(value: Any) -> Rate:
    rate = parse_rate(value)
    if rate.amount == 0:
        raise SpecError("must be greater than 0", "leave the key out for no limit")
    return rate


Bandwidth = Annotated[Rate, PlainValidator(_positive_rate), written("16 words/cycle")]


def _words_only(value: Any) -> Rate:
    rate = _positive_rate(value)
    if rate.per != "words/cycle":
        raise SpecError("must be in words/cycle", "words of each tensor differ in bits here")
    return rate


def _per_second(value: Any) -> Rate:
    rate = _positive_rate(value)
    if rate.per != "bits/s":
        raise SpecError("must be per second", "for example 25.6 GB/s")
    return rate


PinBandwidth = Annotated[Rate, PlainValidator(_per_second), written("25.6 GB/s")]
WordBandwidth = Annotated[Rate, PlainValidator(_words_only), written("4 words/cycle")]
