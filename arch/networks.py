"""Networks by name, from YAML files and from SCALE-Sim topologies, and back to YAML.

A network file lists layers in an order in which each comes after its inputs. A row starts with the
kind of layer and its name: ``conv: conv1_1``, ``matmul: scores`` or ``fc: fc6``. A layer reads the
row above it, unless ``inputs`` names others; ``inputs: []`` reads the network's own input.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from arraysmith.arch.errors import ArraysmithError, Fault, InputError, nearest
from arraysmith.arch.importers.scalesim import load_topology
from arraysmith.arch.problem import Layer, Network, Problem, WordBits, conv, matmul
from arraysmith.arch.spec_reader import (
    Spec,
    SpecError,
    collect,
    is_path,
    part,
    sort_faults,
)
from arraysmith.arch.specs import Bits, Text
from arraysmith.arch.yaml_positions import (
    Document,
    Positions,
    dump_document,
    parse_document,
    read_document,
)

FOLDER = Path(__file__).parent / "workloads"
"""Folder of the networks that ship with the project."""


def _layer_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", name):
        raise SpecError("must be a name of letters, digits, _ . and -", "for example conv1_1")
    return name


def _pair(value: Any) -> Any:
    """Return a single number as the pair (rows, columns)."""
    return value if isinstance(value, tuple) else (value, value)


Size = Annotated[int, Field(ge=1, le=2**31)]
Padding = Annotated[int, Field(ge=0, le=2**31)]
LayerName = Annotated[str, AfterValidator(_layer_name)]


def _pair_schema(least: int) -> WithJsonSchema:
    one = {"type": "integer", "minimum": least}
    two = {"type": "array", "items": one, "minItems": 2, "maxItems": 2}
    return WithJsonSchema({"anyOf": [one, two]})


Pair = Annotated[tuple[Size, Size], BeforeValidator(_pair), _pair_schema(1)]
PaddingPair = Annotated[tuple[Padding, Padding], BeforeValidator(_pair), _pair_schema(0)]


class BitsSpec(Spec):
    """Bits of a stored word of each tensor."""

    ifmap: Bits = 8
    weight: Bits = 8
    ofmap: Bits = 8


class RowSpec(Spec):
    """What every kind of layer has."""

    batch: Size = 1
    repeat: Size = Field(default=1, description="times it runs in one inference")
    inputs: tuple[str, ...] | None = Field(
        default=None, description="layers it reads; the one above when left out"
    )
    bits: BitsSpec | None = Field(default=None, description="in place of the network's")


class ConvSpec(RowSpec):
    """A convolution; pairs are rows, columns, and one number means both."""

    conv: LayerName
    height: Size = Field(description="rows of the input, without padding")
    width: Size = Field(description="columns of the input, without padding")
    in_channels: Size = Field(alias="in", description="input channels, over all groups")
    out_channels: Size = Field(alias="out", description="output channels, over all groups")
    window: Pair
    stride: Pair = (1, 1)
    padding: PaddingPair = Field(default=(0, 0), description="on each side")
    dilation: Pair = (1, 1)
    groups: Size = Field(default=1, description="in = out = groups is depthwise")


class MatmulSpec(RowSpec):
    """``batch`` products of [m, k] by [k, n]; both operands differ per batch."""

    matmul: LayerName
    m: Size = Field(description="rows of the result")
    n: Size = Field(description="columns of the result")
    k: Size = Field(description="length of the sums")


class FcSpec(RowSpec):
    """A fully connected layer; ``batch`` vectors share its weights."""

    fc: LayerName
    in_features: Size = Field(alias="in")
    out_features: Size = Field(alias="out")


_KINDS: dict[str, type[Spec]] = {"conv": ConvSpec, "matmul": MatmulSpec, "fc": FcSpec}


def _row_kind(value: Any) -> str | None:
    for kind, model in _KINDS.items():
        if isinstance(value, model) or (isinstance(value, dict) and kind in value):
            return f"<{kind}>"
    return None


AnyRow = Annotated[
    Annotated[ConvSpec, Tag("<conv>")]
    | Annotated[MatmulSpec, Tag("<matmul>")]
    | Annotated[FcSpec, Tag("<fc>")],
    Discriminator(
        _row_kind,
        custom_error_type="layer",
        custom_error_message="a layer must be conv: NAME, matmul: NAME or fc: NAME",
    ),
]


class _OneRow(Spec):
    """A row by itself, to build what can be built of a file with faults."""

    row: AnyRow


class NetworkSpec(Spec):
    """A network: layers in an order in which every layer comes after its inputs."""

    kind: Literal["network"]
    name: LayerName
    source: Text = Field(description="where the sizes come from")
    bits: BitsSpec = BitsSpec()
    layers: tuple[AnyRow, ...] = Field(min_length=1)


def network_names() -> tuple[str, ...]:
    """Return the names of the networks that ship with the project, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def network_path(name: str) -> Path:
    """Return the file of the network ``name``, one of ``network_names()``."""
    return FOLDER / f"{name}.yaml"


def load_network(ref: str | Path) -> Network:
    """Return the network that ``ref`` names.

    Args:
        ref: a network that ships (``vgg16``), the path of a YAML file or of a SCALE-Sim topology
            (``.csv``), or one layer of any of these (``vgg16:conv1_1``), which becomes a network
            of that layer, run once. A ``Path`` is always a whole file.

    Raises:
        InputError: no such network, layer or file, or a file with faults; carries all of them.
    """
    if isinstance(ref, Path):
        return _read(ref)
    whole, colon, layer = ref.rpartition(":")
    if not colon or (is_path(layer) and not is_path(whole)) or Path(ref).is_file():
        return _named(ref)
    return _one_layer(_named(whole), layer, ref)


def parse_network(text: str, file: str = "") -> Network:
    """Return the network in YAML ``text``; ``file`` is the name that faults carry."""
    return _network(parse_document(text, file))


def network_document(network: Network, source: str) -> dict[str, Any]:
    """Return the network as the plain data of its file; keys at their default are left out.

    Raises:
        ArraysmithError: a layer that is none of the kinds a file can hold.
    """
    first = _bits_of(network.layers[0].problem)
    rows = []
    for index, layer in enumerate(network.layers):
        row = _row_document(layer.problem)
        above = (network.layers[index - 1].name,) if index else ()
        if layer.inputs != above:
            row["inputs"] = list(layer.inputs)
        if layer.repeat > 1:
            row["repeat"] = layer.repeat
        if _bits_of(layer.problem) != first:
            row["bits"] = _bits_document(_bits_of(layer.problem))
        rows.append(row)
    head = {"kind": "network", "name": network.name, "source": source}
    return {**head, "bits": _bits_document(first), "layers": rows}


def dump_network(network: Network, source: str = "written by arraysmith") -> str:
    """Return YAML that loads back as an equal network; ``source`` says where the sizes come from.

    Raises:
        ArraysmithError: see ``network_document``.
    """
    return dump_document(network_document(network, source))


def _named(ref: str) -> Network:
    if ref in network_names():
        return _read(network_path(ref))
    if is_path(ref) or ref.lower().endswith(".csv") or Path(ref).is_file():
        return _read(ref)
    rule = "is neither a network nor a file"
    raise InputError([Fault("workload", ref, rule, nearest(ref, network_names()))])


def _one_layer(network: Network, name: str, ref: str) -> Network:
    for layer in network.layers:
        if layer.name == name:
            return Network(f"{network.name}:{name}", (Layer(layer.problem),))
    hint = nearest(name, [layer.name for layer in network.layers])
    raise InputError([Fault("workload", ref, f"{network.name} has no layer {name!r}", hint)])


def _read(path: str | Path) -> Network:
    if Path(path).suffix.lower() == ".csv":
        return load_topology(path)
    return _network(read_document(path))


def _network(document: Document) -> Network:
    spec, faults = collect(document, NetworkSpec)
    written = document.data.get("layers")
    rows = written if isinstance(written, tuple) else ()
    faults += _graph_faults(rows, document.positions)
    bits = spec.bits if spec else BitsSpec()
    layers: list[Layer] = []
    for index, value in enumerate(rows):
        row = part({"row": value}, _OneRow)
        if row is None:
            continue  # collect has its faults
        try:
            problem = _problem(row.row, bits)
        except ValueError as error:
            rule = str(error).partition(": ")[2]
            faults.append(document.positions.fault(f"layers[{index}]", rule))
            continue
        above = (layers[-1].name,) if layers else ()
        inputs = above if row.row.inputs is None else row.row.inputs
        layers.append(Layer(problem, row.row.repeat, inputs))
    if spec is None or faults:
        raise InputError(sort_faults(faults))
    return Network(spec.name, tuple(layers))


def _graph_faults(rows: tuple[Any, ...], positions: Positions) -> list[Fault]:
    """Return faults of names given twice and of inputs that do not come before.

    Works on the plain data, so that a row with other faults still has its name.
    """
    everyone = [_row_name(row) for row in rows]
    seen: dict[str, int] = {}
    faults = []
    for index, row in enumerate(rows):
        inputs = row.get("inputs") if isinstance(row, dict) else None
        for at, name in enumerate(inputs if isinstance(inputs, tuple) else ()):
            if name in seen or not isinstance(name, str):
                continue
            hint = f"{name} comes later" if name in everyone[index + 1 :] else nearest(name, seen)
            rule = "no such layer before this one"
            faults.append(positions.fault(f"layers[{index}].inputs[{at}]", rule, hint))
        name = everyone[index]
        if name in seen:
            key = next(key for key in _KINDS if key in row)
            hint = f"layers[{seen[name]}] has it too"
            faults.append(positions.fault(f"layers[{index}].{key}", "name is used twice", hint))
        if name:
            seen.setdefault(name, index)
    return faults


def _row_name(row: Any) -> str:
    """Return the name in the plain data of a row; empty if it has none."""
    names = [row[key] for key in _KINDS if key in row] if isinstance(row, dict) else []
    return names[0] if names and isinstance(names[0], str) else ""


def _problem(row: ConvSpec | MatmulSpec | FcSpec, default: BitsSpec) -> Problem:
    spec = row.bits or default
    bits = WordBits(spec.ifmap, spec.weight, spec.ofmap)
    if isinstance(row, ConvSpec):
        return conv(
            row.conv,
            height=row.height,
            width=row.width,
            in_channels=row.in_channels,
            out_channels=row.out_channels,
            window=row.window,
            stride=row.stride,
            padding=row.padding,
            dilation=row.dilation,
            groups=row.groups,
            batch=row.batch,
            bits=bits,
        )
    if isinstance(row, MatmulSpec):
        return matmul(row.matmul, m=row.m, n=row.n, k=row.k, batch=row.batch, bits=bits)
    return matmul(
        row.fc, m=row.batch, n=row.out_features, k=row.in_features, bits=bits, operator="fc"
    )


def _bits_of(problem: Problem) -> WordBits:
    return WordBits(*(tensor.word_bits for tensor in problem.tensors))


def _bits_document(bits: WordBits) -> dict[str, str]:
    return {name: f"{getattr(bits, name)} bit" for name in ("ifmap", "weight", "ofmap")}


def _row_document(problem: Problem) -> dict[str, Any]:
    """Return the row of a layer without inputs, repeat and bits; checked to give it back."""
    size = problem.size
    row: dict[str, Any]
    if problem.operator == "fc":
        row = {"fc": problem.name, "in": size["C"], "out": size["K"]}
        many = size["P"]
    elif problem.operator in {"gemm", "matmul"}:
        row = {"matmul": problem.name, "m": size["P"], "n": size["K"], "k": size["C"]}
        many = size["G"]
    else:
        rows, columns = problem.ifmap.axes[-2:]
        row = {
            "conv": problem.name,
            "height": rows.extent,
            "width": columns.extent,
            "in": size["G"] * size["C"],
            "out": size["G"] * size["K"],
            "window": _shorter(size["R"], size["S"]),
        }
        strides, dilations = zip(*([y[1] for y in x.terms] for x in (rows, columns)), strict=True)
        pairs = (
            ("stride", strides, 1),
            ("padding", (-rows.offset, -columns.offset), 0),
            ("dilation", dilations, 1),
        )
        row |= {key: _shorter(*pair) for key, pair, usual in pairs if pair != (usual, usual)}
        row |= {"groups": size["G"]} if size["G"] > 1 else {}
        many = size["N"]
    row |= {"batch": many} if many > 1 else {}
    bits = _bits_of(problem)
    default = BitsSpec(ifmap=bits.ifmap, weight=bits.weight, ofmap=bits.ofmap)
    spec = part({"row": _tuples(row)}, _OneRow)
    if spec is None or _problem(spec.row, default) != problem:
        raise ArraysmithError(f"{problem.name}: a network file has no row for this operator")
    return row


def _shorter(rows: int, columns: int) -> int | list[int]:
    return rows if rows == columns else [rows, columns]


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(x) if isinstance(x, list) else x for key, x in row.items()}
