"""What a network file may hold, as strict models (file-facing only)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, PlainValidator, Tag, WithJsonSchema

from arraysmith.arch.sparsity import StructuredSparsity
from arraysmith.arch.spec_fields import Bits, Count, Text
from arraysmith.arch.spec_reader import Spec, SpecError

LARGEST = 2**48
"""Most MACs of a layer and most words of a tensor: what counts of 64 bits hold with room to add."""


def label_fault(name: str, barred: str = "/:") -> str:
    """Return the rule that ``name`` breaks as the name of a layer or network; empty if none.

    Names become groups of trace files (no ``/``) and parts of references such as
    ``vgg16:conv1_1`` (no ``:`` in a layer).
    """
    if not name or name != name.strip() or not name.isprintable():
        return "must be a printable name without blanks around it"
    if any(letter in barred for letter in name):
        return f"a name must not hold {' or '.join(barred)}"
    return ""


def _layer_name(name: str) -> str:
    rule = label_fault(name)
    if rule:
        raise SpecError(rule, "for example conv1_1")
    return name


def _network_name(name: str) -> str:
    rule = label_fault(name, "/")
    if rule:
        raise SpecError(rule, "for example vgg16")
    return name


def _pair(least: int) -> PlainValidator:
    def check(value: Any) -> tuple[int, int]:
        parts = value if isinstance(value, tuple) else (value, value)
        rule = f"must be a whole number of at least {least}, or two of them: [rows, columns]"
        numbers = [x for x in parts if isinstance(x, int) and not isinstance(x, bool)]
        if len(parts) != 2 or numbers != list(parts) or not least <= min(parts):
            raise SpecError(rule)
        if max(parts) > LARGEST:
            raise SpecError(f"must be at most {LARGEST}")
        return parts[0], parts[1]

    return PlainValidator(check)


def _pair_schema(least: int) -> WithJsonSchema:
    number = {"type": "integer", "minimum": least}
    pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    return WithJsonSchema({"anyOf": [number, pair]})


def _sparsity(value: Any) -> StructuredSparsity:
    try:
        return StructuredSparsity.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        rule = "must be kept:block with 1 <= kept <= block"
        raise SpecError(rule, "for example 2:4") from error


Sparsity = Annotated[
    StructuredSparsity,
    PlainValidator(_sparsity),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+:[0-9]+$", "examples": ["2:4"]}),
]
LayerName = Annotated[str, AfterValidator(_layer_name)]
NetworkName = Annotated[str, AfterValidator(_network_name)]
Pair = Annotated[tuple[int, int], _pair(1), _pair_schema(1)]
Padding = Annotated[tuple[int, int], _pair(0), _pair_schema(0)]


class BitsSpec(Spec):
    """Bits of a stored word per tensor; what is left out comes from the network, then from 8."""

    ifmap: Bits | None = None
    weight: Bits | None = None
    ofmap: Bits | None = None


class RowSpec(Spec):
    """What every kind of layer has."""

    batch: Count = 1
    repeat: Count = Field(default=1, description="times it runs in one inference")
    inputs: tuple[str, ...] | None = Field(
        default=None, description="earlier layers whose results it reads; the one above if left out"
    )
    bits: BitsSpec = BitsSpec()
    weight_sparsity: Sparsity | None = Field(
        default=None, description="kept:block, at most so many non-zero weights of a block"
    )


class ConvSpec(RowSpec):
    """A 2-D convolution; pairs are [rows, columns], channels are totals over all groups."""

    conv: LayerName = Field(description="name of the layer")
    height: Count
    width: Count
    in_channels: Count = Field(alias="in", description="input channels")
    out_channels: Count = Field(alias="out", description="output channels")
    window: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0)
    dilation: Pair = (1, 1)
    groups: Count = 1


class MatmulSpec(RowSpec):
    """batch independent products [m, k] x [k, n]."""

    matmul: LayerName = Field(description="name of the layer")
    m: Count
    n: Count
    k: Count


class FcSpec(RowSpec):
    """A fully connected layer: every row of the batch times the same weights."""

    fc: LayerName = Field(description="name of the layer")
    in_features: Count = Field(alias="in")
    out_features: Count = Field(alias="out")


OPERATORS = ("conv", "matmul", "fc")
"""Keys that say what a row is."""


def _row_kind(value: Any) -> str | None:
    kinds = [
        key
        for key in OPERATORS
        if (key in value if isinstance(value, dict) else hasattr(value, key))
    ]
    return f"<{kinds[0]}>" if len(kinds) == 1 else None


AnyRow = ConvSpec | MatmulSpec | FcSpec

Row = Annotated[
    Annotated[ConvSpec, Tag("<conv>")]
    | Annotated[MatmulSpec, Tag("<matmul>")]
    | Annotated[FcSpec, Tag("<fc>")],
    Discriminator(
        _row_kind,
        custom_error_type="layer",
        custom_error_message="a layer must be one of conv: NAME, matmul: NAME and fc: NAME",
    ),
]


class NetworkSpec(Spec):
    """A network: layers in an order in which each comes after its inputs."""

    kind: Literal["network"]
    name: NetworkName
    source: Text = Field(description="where the shapes come from")
    bits: BitsSpec = BitsSpec()
    layers: tuple[Row, ...] = Field(min_length=1)
