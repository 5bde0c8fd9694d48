"""Networks from YAML files, and back to YAML: one compact row per layer.

A row starts with what it is and its name: ``conv: conv1_1``, ``matmul: scores``, ``fc: fc6``. It
reads the result of the row above unless ``inputs`` names others; ``inputs: []`` is the network's
own input, which the first row reads anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arraysmith.arch.errors import ArraysmithError, Fault, InputError, nearest
from arraysmith.arch.importers.timeloop_problem import timeloop_problem
from arraysmith.arch.importers.timeloop_source import is_timeloop, read_source
from arraysmith.arch.network_specs import (
    LARGEST,
    OPERATORS,
    AnyRow,
    BitsSpec,
    ConvSpec,
    FcSpec,
    MatmulSpec,
    NetworkSpec,
)
from arraysmith.arch.problem import (
    TENSORS,
    Layer,
    Network,
    Problem,
    WordBits,
    conv,
    matmul,
    output_extent,
)
from arraysmith.arch.spec_reader import collect, part, sort_faults
from arraysmith.arch.yaml_positions import (
    Document,
    Positions,
    dump_document,
    parse_document,
    read_document,
)


def read_network(path: str | Path) -> Network:
    """Return the network in the YAML file at ``path``; of one layer, if it is Timeloop's.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    document = read_document(path)
    if is_timeloop(document):
        problem, _ = timeloop_problem(read_source(path))
        return Network(problem.name, (Layer(problem),))
    return _network(document)


def parse_network(text: str, file: str = "") -> Network:
    """Return the network in YAML ``text``; ``file`` is the name that faults carry."""
    return _network(parse_document(text, file))


def _network(document: Document) -> Network:
    spec, faults = collect(document, NetworkSpec)
    faults += _layers_faults(document.data, document.positions)
    if spec is None or faults:
        raise InputError(sort_faults(faults))
    layers: list[Layer] = []
    for row in spec.layers:
        problem = _problem(row, _word_bits(spec.bits, row.bits))
        above = tuple(layer.name for layer in layers[-1:])
        layers.append(Layer(problem, row.repeat, above if row.inputs is None else row.inputs))
    return Network(spec.name, tuple(layers))


def _word_bits(*specs: BitsSpec) -> WordBits:
    """Return the bits that the last spec to name a tensor gives it."""
    given = {tensor: bits for spec in specs for tensor, bits in spec if bits is not None}
    return WordBits(**given)


def _problem(row: AnyRow, bits: WordBits) -> Problem:
    if isinstance(row, MatmulSpec):
        return matmul(
            row.matmul,
            m=row.m,
            n=row.n,
            k=row.k,
            batch=row.batch,
            bits=bits,
            weight_sparsity=row.weight_sparsity,
        )
    if isinstance(row, FcSpec):
        sizes = {"m": row.batch, "n": row.out_features, "k": row.in_features}
        return matmul(
            row.fc, **sizes, bits=bits, operator="fc", weight_sparsity=row.weight_sparsity
        )
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
        weight_sparsity=row.weight_sparsity,
    )


def _layers_faults(data: Any, positions: Positions) -> Iterator[Fault]:
    """Yield what single fields cannot tell.

    Works on the plain data, so that layers with faults of their own do not hide those of others.
    """
    layers = data.get("layers")
    if not isinstance(layers, tuple):
        return
    first: dict[str, int] = {}
    names = [_name_of(row) for row in layers]
    for index, (row, name) in enumerate(zip(layers, names, strict=True)):
        if not isinstance(row, dict):
            continue
        path = f"layers[{index}]"
        yield from _row_faults(row, path, positions)
        yield from _input_faults(row, index, names, positions)
        if name in first:
            key = next(key for key in OPERATORS if key in row)
            hint = f"layers[{first[name]}] has it too"
            yield positions.fault(f"{path}.{key}", "name is used twice", hint)
        elif name is not None:
            first[name] = index


def _name_of(row: Any) -> str | None:
    """Return the name of a row of plain data; None when it has none."""
    if isinstance(row, dict):
        for key in OPERATORS:
            if isinstance(row.get(key), str):
                return str(row[key])
    return None


def _input_faults(
    row: dict[str, Any], index: int, names: list[str | None], positions: Positions
) -> Iterator[Fault]:
    inputs = row.get("inputs")
    if not isinstance(inputs, tuple):
        return
    earlier = [name for name in names[:index] if name is not None]
    for place, name in enumerate(inputs):
        path = f"layers[{index}].inputs[{place}]"
        if not isinstance(name, str):
            continue
        if name in inputs[:place]:
            yield positions.fault(path, "must name each input once", "remove the repetition")
        elif name not in earlier:
            hint = "it comes later" if name in names[index + 1 :] else nearest(name, earlier)
            yield positions.fault(path, "must name an earlier layer", hint)


def _row_faults(row: dict[str, Any], path: str, positions: Positions) -> Iterator[Fault]:
    kinds = [key for key in OPERATORS if key in row]
    models: dict[str, type[AnyRow]] = {"conv": ConvSpec, "matmul": MatmulSpec, "fc": FcSpec}
    spec = part(row, models[kinds[0]]) if len(kinds) == 1 else None
    if spec is None:
        return
    faults = list(_conv_faults(spec, path, positions)) if isinstance(spec, ConvSpec) else []
    if not faults:
        problem = _problem(spec, WordBits())
        if max(problem.macs, *(tensor.words for tensor in problem.tensors)) > LARGEST:
            rule = f"must have at most {LARGEST} MACs and as many words per tensor"
            faults = [positions.fault(f"{path}.{kinds[0]}", rule)]
    yield from faults


def _conv_faults(spec: ConvSpec, path: str, positions: Positions) -> Iterator[Fault]:
    for key, channels in (("in", spec.in_channels), ("out", spec.out_channels)):
        if channels % spec.groups:
            rule = f"must divide {key}: {channels}"
            yield positions.fault(f"{path}.groups", rule)
    for axis, extent in enumerate((spec.height, spec.width)):
        window, padding, dilation = (x[axis] for x in (spec.window, spec.padding, spec.dilation))
        if output_extent(extent, window, 1, padding, dilation) < 1:
            rule = f"does not fit the {extent + 2 * padding} padded {('rows', 'columns')[axis]}"
            hint = f"it spans {dilation * (window - 1) + 1}"
            yield positions.fault(f"{path}.window", rule, hint)


def network_document(network: Network, source: str) -> dict[str, Any]:
    """Return the network as the plain data of its file; keys at their default are left out.

    Raises:
        ArraysmithError: a layer that no row of a file can say.
    """
    layers = network.layers
    bits = {tensor: _bits_of(layers[0].problem)[tensor] for tensor in TENSORS} if layers else {}
    return {
        "kind": "network",
        "name": network.name,
        "source": source,
        "bits": bits,
        "layers": [
            _row(layer, bits, tuple(above.name for above in layers[:index][-1:]))
            for index, layer in enumerate(layers)
        ],
    }


def dump_network(network: Network, source: str = "written by arraysmith") -> str:
    """Return YAML that loads back as an equal network; ``source`` says where the shapes come from.

    Raises:
        ArraysmithError: the network cannot be said in a file: no layers, or a layer that neither
            a convolution nor a matrix product describes.
    """
    text = dump_document(network_document(network, source))
    try:
        back = parse_network(text)
    except InputError as error:
        raise ArraysmithError(f"{network.name} cannot be written: {error}") from error
    if back != network:
        raise ArraysmithError(f"{network.name} has layers that no file can say")
    return text


def _bits_of(problem: Problem) -> dict[str, int]:
    return {tensor.name: tensor.word_bits for tensor in problem.tensors}


def _row(layer: Layer, bits: dict[str, int], above: tuple[str, ...]) -> dict[str, Any]:
    """Return the row of a layer.

    Args:
        layer: the layer.
        bits: bits of the network, which a row need not repeat.
        above: name of the layer of the row above, which a row need not name as its input.
    """
    problem = layer.problem
    if problem.operator == "fc":
        row = {"fc": problem.name, "in": problem.size["C"], "out": problem.size["K"]}
        defaults = {"batch": problem.size["P"]}
    elif problem.operator in {"gemm", "matmul"}:
        size = problem.size
        row = {"matmul": problem.name, "m": size["P"], "n": size["K"], "k": size["C"]}
        defaults = {"batch": size["G"]}
    else:
        row, defaults = _conv_row(problem)
    for key, value in {**defaults, "repeat": layer.repeat}.items():
        if value != 1:
            row[key] = value
    own = _bits_of(problem)
    if own != bits:
        row["bits"] = {tensor: own[tensor] for tensor in TENSORS if own[tensor] != bits[tensor]}
    if problem.weight_sparsity is not None:
        row["weight_sparsity"] = str(problem.weight_sparsity)
    if layer.inputs != above:
        row["inputs"] = list(layer.inputs)
    return row


def _conv_row(problem: Problem) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the row of a convolution, and its keys that default to 1."""
    axes = problem.ifmap.axes
    if len(axes) != 5 or any(len(axis.terms) != 2 for axis in axes[3:]):
        raise ArraysmithError(f"{problem.name}: {problem.operator} has no row in a network file")
    groups, batch, k, c, *_, window_rows, window_columns = problem.sizes
    row: dict[str, Any] = {
        "conv": problem.name,
        "height": axes[3].extent,
        "width": axes[4].extent,
        "in": c * groups,
        "out": k * groups,
        "window": _short(window_rows, window_columns),
    }
    stride, dilation = ([axis.terms[i][1] for axis in axes[3:]] for i in (0, 1))
    padding = [-axis.offset for axis in axes[3:]]
    for key, pair, default in (("stride", stride, 1), ("padding", padding, 0),
                               ("dilation", dilation, 1)):  # fmt: skip
        if pair != [default, default]:
            row[key] = _short(*pair)
    return row, {"groups": groups, "batch": batch}


def _short(rows: int, columns: int) -> int | list[int]:
    return rows if rows == columns else [rows, columns]
