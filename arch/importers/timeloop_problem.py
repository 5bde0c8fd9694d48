"""Timeloop's ``problem`` sections as problems of ours.

Dims get their names here by what they index, not by what they are called: a dim of inputs and
outputs is a row, column or batch, one of weights and outputs a ``K``, one of inputs and weights is
summed up, one of all three a group. Among equals the same name, or the usual one, decides.
"""

from __future__ import annotations

from typing import Any

from arraysmith.arch.errors import nearest
from arraysmith.arch.importers.timeloop_names import (
    Names,
    Space,
    roles_of,
    tensors_of,
    usual_names,
)
from arraysmith.arch.importers.timeloop_source import OURS, Reading
from arraysmith.arch.network_specs import LARGEST, label_fault
from arraysmith.arch.problem import (
    DIMS,
    TENSORS,
    Axis,
    Problem,
    Tensor,
    WordBits,
    conv,
    matmul,
    output_extent,
)
from arraysmith.arch.yaml_positions import Document

OPERATORS = ("conv", "depthwise", "gemm", "matmul", "fc")

_SHAPES = ("cnn-layer", "cnn_layer")


def read_problem(reading: Reading, name: str | None = None) -> tuple[Problem, Names] | None:
    """Return the layer in section ``problem`` and its words; None with faults.

    Args:
        reading: the file; takes faults and assumptions.
        name: of the layer; None to take the name of the file.
    """
    before = len(reading.faults)
    section = reading.table(reading.document.data.get("problem"), "problem")
    reading.version(section, "problem")
    shape = section.get("shape")
    if shape in _SHAPES:
        reading.fault("problem.shape", "shapes by name are not read", "write the shape out")
        return None
    shape = reading.table(shape, "problem.shape")
    known = ("name", "dimensions", "data_spaces", "coefficients")
    reading.keys(shape, known, "problem.shape")
    dims = reading.names(shape.get("dimensions"), "problem.shape.dimensions")
    instance = reading.table(section.get("instance"), "problem.instance")
    sizes = _sizes(reading, dims, instance)
    coefficients = _coefficients(reading, shape, instance)
    spaces = _spaces(reading, shape, dims, coefficients)
    _density_faults(reading, instance)
    _unused(reading, instance, (*dims, *coefficients, "densities"))
    tensors = tensors_of(reading, spaces) if len(reading.faults) == before else None
    if tensors is None:
        return None
    ours = roles_of(reading, dims, {role: space for role, (space, _) in tensors.items()})
    if len(reading.faults) > before:
        return None
    name = name or reading.stem
    rule = label_fault(name)
    if rule:
        reading.fault("problem", f"{rule}: the layer is called {name!r}", "rename the file")
        return None
    extents = {**dict.fromkeys(DIMS, 1), **{ours[dim]: sizes[dim] for dim in dims}}
    renamed = {
        role: tuple(tuple((ours[dim], k) for dim, k in axis) for axis in space.axes)
        for role, (space, _) in tensors.items()
    }
    operator = shape.get("name")
    problem = _problem(reading, name, operator, extents, renamed, instance)
    if problem is None:
        return None
    if max(problem.macs, *(tensor.words for tensor in problem.tensors)) > LARGEST:
        reading.fault("problem.instance", f"must have at most {LARGEST} MACs and words per tensor")
        return None
    words = {space.name: tensor for space, tensor in tensors.values()}
    return problem, Names(ours, words, extents)


def timeloop_problem(
    document: Document, name: str | None = None
) -> tuple[Problem, tuple[str, ...]]:
    """Return the layer in a document, called like the file if no name is given."""
    reading = Reading(document)
    if "problem" not in document.data:
        reading.fault("problem", "holds no problem", "the layer to run")
        reading.finish()
    found = read_problem(reading, name)
    assumptions = reading.finish()
    assert found is not None, "no layer without a fault"
    return found[0], assumptions


def words_of(document: Document) -> Names:
    """Return the words of the problem in a document; the usual ones if it has none."""
    reading = Reading(document)
    found = read_problem(reading) if "problem" in document.data else None
    return usual_names(reading) if found is None else found[1]


def _sizes(reading: Reading, dims: tuple[str, ...], instance: dict[str, Any]) -> dict[str, int]:
    sizes = {}
    if not dims:
        reading.fault("problem.shape.dimensions", "must name the dims")
    for dim in dims:
        path = f"problem.instance.{dim}"
        if dim not in instance:
            reading.fault(path, "value is missing", f"add {dim}: its extent")
            continue
        size = reading.count(instance[dim], path)
        if size is not None:
            sizes[dim] = size
    return sizes


def _coefficients(
    reading: Reading, shape: dict[str, Any], instance: dict[str, Any]
) -> dict[str, int]:
    found = {}
    listed = reading.listing(shape.get("coefficients"), "problem.shape.coefficients")
    for index, entry in enumerate(listed):
        path = f"problem.shape.coefficients[{index}]"
        keys = reading.table(entry, path)
        name = keys.get("name")
        if not isinstance(name, str):
            reading.fault(f"{path}.name", "must name the coefficient")
            continue
        at = f"problem.instance.{name}" if name in instance else f"{path}.default"
        value = reading.count(instance.get(name, keys.get("default")), at)
        found[name] = value or 1
    return found


def _spaces(
    reading: Reading, shape: dict[str, Any], dims: tuple[str, ...], coefficients: dict[str, int]
) -> tuple[Space, ...]:
    found = []
    listed = reading.listing(shape.get("data_spaces"), "problem.shape.data_spaces")
    for index, entry in enumerate(listed):
        path = f"problem.shape.data_spaces[{index}]"
        keys = reading.table(entry, path)
        reading.keys(keys, ("name", "projection", "read_write", "read-write"), path)
        name = keys.get("name")
        if not isinstance(name, str):
            reading.fault(f"{path}.name", "must name the data space")
            continue
        written = keys.get("read_write", keys.get("read-write", False))
        axes = []
        for place, axis in enumerate(reading.listing(keys.get("projection"), f"{path}.projection")):
            at = f"{path}.projection[{place}]"
            terms = [
                _term(reading, term, f"{at}[{i}]", dims, coefficients)
                for i, term in enumerate(reading.listing(axis, at))
            ]
            if not terms:
                reading.fault(at, "must have a term", "for example [[C]]")
            axes.append(tuple(term for term in terms if term is not None))
        found.append(Space(name, tuple(axes), written in (True, "true", "True", 1)))
    return tuple(found)


def _term(
    reading: Reading,
    data: Any,
    path: str,
    dims: tuple[str, ...],
    coefficients: dict[str, int],
) -> tuple[str, int] | None:
    parts = reading.listing(data, path)
    dim, *rest = parts or (None,)
    if not isinstance(dim, str) or dim not in dims:
        reading.fault(path, "must be [dim] or [dim, coefficient]", nearest(str(dim), dims))
        return None
    if not rest:
        return dim, 1
    word = rest[0]
    if len(rest) == 1 and isinstance(word, str) and word in coefficients:
        return dim, coefficients[word]
    if len(rest) == 1 and isinstance(word, int) and word >= 1:
        return dim, word
    reading.fault(path, f"unknown coefficient {word}", nearest(str(word), coefficients))
    return None


def _density_faults(reading: Reading, instance: dict[str, Any]) -> None:
    densities = reading.table(instance.get("densities"), "problem.instance.densities")
    for space, entry in densities.items():
        path = f"problem.instance.densities.{space}"
        value = entry.get("density") if isinstance(entry, dict) else entry
        if value not in (None, 1, 1.0):
            reading.fault(path, "cannot be said: data of a density below 1", "remove it")


def _unused(reading: Reading, instance: dict[str, Any], used: tuple[str, ...]) -> None:
    more = [key for key in instance if key not in used and not key.startswith(OURS)]
    if more:
        reading.assume(
            f"no projection uses {', '.join(more)}: as in the tool, inputs are as large as the "
            "windows reach, without padding"
        )


def _problem(
    reading: Reading,
    name: str,
    operator: Any,
    size: dict[str, int],
    axes: dict[str, tuple[tuple[tuple[str, int], ...], ...]],
    instance: dict[str, Any],
) -> Problem | None:
    """Return the problem: a convolution or product of ours where it is one, else as it stands."""
    ours = operator if operator in OPERATORS else None
    bits = _bits(reading, instance)
    inputs = [_output_first(axis) for axis in axes["I"]]
    windows = {axis[0][0]: dict(axis) for axis in inputs if axis[0][0] in {"P", "Q"}}
    plain = {axis[0][0] for axis in inputs if len(axis) == 1}
    steps = any(step > 1 for axis in inputs if len(axis) == 1 for _, step in axis)
    if (
        plain <= {"G", "P", "C"}
        and len(plain) == len(inputs)
        and not steps
        and (ours not in {"conv", "depthwise"})
    ):
        return matmul(
            name,
            m=size["P"],
            n=size["K"],
            k=size["C"],
            batch=size["G"],
            bits=bits,
            operator=ours,
        )
    if plain <= {"N", "G", "C", "P", "Q"} and ours not in {"gemm", "matmul", "fc"}:
        return _conv(reading, name, ours, size, windows, bits, instance)
    ifmap, weight, ofmap = (
        Tensor(
            tensor,
            tuple(Axis(axis, Axis(axis, 0).reach(size)) for axis in map(_output_first, axes[role])),
            getattr(bits, tensor),
        )
        for role, tensor in zip("IWO", TENSORS, strict=True)
    )
    text = operator if isinstance(operator, str) and operator else "einsum"
    return Problem(name, text, tuple(size[dim] for dim in DIMS), ifmap, weight, ofmap)


def _output_first(axis: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """Return the terms of an axis, the output dim before the filter dim."""
    return tuple(sorted(axis, key=lambda term: DIMS.index(term[0])))


def _bits(reading: Reading, instance: dict[str, Any]) -> WordBits:
    found = {}
    for tensor in TENSORS:
        key = f"{OURS}{tensor}_bits"
        if key in instance:
            bits = reading.count(instance[key], f"problem.instance.{key}")
            if bits is not None:
                found[tensor] = bits
    if len(found) < len(TENSORS):
        reading.assume("words have 8 bits in the layer; those of each memory are its datawidth")
    return WordBits(**found)


def _conv(
    reading: Reading,
    name: str,
    operator: str | None,
    size: dict[str, int],
    windows: dict[str, dict[str, int]],
    bits: WordBits,
    instance: dict[str, Any],
) -> Problem | None:
    stride: list[int] = []
    dilation: list[int] = []
    extent: list[int] = []
    padding: list[int] = []
    for out, tap, what, side in (("P", "R", "height", "rows"), ("Q", "S", "width", "columns")):
        terms = windows.get(out, {})
        stride.append(terms.get(out, 1))
        dilation.append(terms.get(tap, 1))
        reach = (size[out] - 1) * stride[-1] + (size[tap] - 1) * dilation[-1] + 1
        for key, values, least, usual in (
            (f"{OURS}{what}", extent, 1, reach),
            (f"{OURS}padding_{side}", padding, 0, 0),
        ):
            path = f"problem.instance.{key}"
            value = reading.count(instance[key], path, least=least) if key in instance else usual
            values.append(usual if value is None else value)
        made = output_extent(extent[-1], size[tap], stride[-1], padding[-1], dilation[-1])
        if made != size[out]:
            rule = f"makes {made} outputs of {size[out]}"
            reading.fault(f"problem.instance.{OURS}{what}", rule)
    if reading.faults:
        return None
    return conv(
        name,
        height=extent[0],
        width=extent[1],
        in_channels=size["C"] * size["G"],
        out_channels=size["K"] * size["G"],
        window=(size["R"], size["S"]),
        stride=(stride[0], stride[1]),
        padding=(padding[0], padding[1]),
        dilation=(dilation[0], dilation[1]),
        groups=size["G"],
        batch=size["N"],
        bits=bits,
        operator=operator,
    )
