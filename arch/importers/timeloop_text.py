"""Designs, layers, mappings and dataflows of ours as files of Timeloop, version 0.4.

What the language cannot say stands in attributes whose names begin with ``arraysmith_``; the tool
passes them by. Every text is read back before it is returned: it gives an equal value, or nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping as Dict
from fractions import Fraction
from typing import Any

from arraysmith.arch.architecture import Architecture, Fanout, Memory, XyBus
from arraysmith.arch.architecture_file import architecture_document
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.importers.timeloop import (
    parse_timeloop_architecture,
    parse_timeloop_dataflow,
    parse_timeloop_mapping,
    parse_timeloop_problem,
)
from arraysmith.arch.importers.timeloop_architecture import CLASSES
from arraysmith.arch.importers.timeloop_names import DATA_SPACES, GROUPED, Names
from arraysmith.arch.importers.timeloop_source import OURS
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.notation.timeloop import factors_of
from arraysmith.arch.problem import DIMS, TENSORS, Problem
from arraysmith.arch.yaml_positions import dump_document

_SPACE = {ours: theirs for theirs, ours in DATA_SPACES.items()}
_DIM = {ours: theirs for theirs, ours in GROUPED.items()}
_SAID = {"memory", "device", "holds", "width", "word", "depth", "read", "write"}
_USUAL = {"ports": 2, "double_buffered": True, "multicast": True, "reduction": True,
          "pipeline": "1 cycle"}  # fmt: skip


def architecture_text(architecture: Architecture) -> str:
    """Return a design as a file of Timeloop.

    Raises:
        ArraysmithError: a systolic array, arrays side by side, a DRAM, or MACs whose reads and
            writes differ in energy: the language has none.
    """
    name = architecture.name
    document = architecture_document(architecture, "")
    head = {
        "technology": architecture.technology,
        "global_cycle_seconds": 1 / architecture.clock_hz,
        **_ours({"leakage": document["leakage"]} if "leakage" in document else {}),
    }
    nodes = [_node("Container", {"name": name, "attributes": head})]
    for level, plain in zip(architecture.levels, document["levels"], strict=True):
        nodes.append(_memory(level, plain) if isinstance(level, Memory) else _mesh(level, plain))
    mac, plain = architecture.compute, document["compute"]
    widths = {"multiplier_width": mac.multiply_bits, "adder_width": mac.accumulate_bits}
    more = {key: plain[key] for key in plain if key not in {"name", "multiply", "accumulate"}}
    keys = {"name": mac.name, "class": "intmac", "attributes": {**widths, **_ours(more)}}
    nodes.append(_node("Component", keys))
    text = "architecture:\n  version: 0.4\n  nodes:\n" + "".join(nodes)
    if parse_timeloop_architecture(text)[0] != architecture:
        raise ArraysmithError(f"{name} has parts that Timeloop's language cannot say")
    return text


def _node(tag: str, keys: dict[str, Any]) -> str:
    return f"  - !{tag}\n" + textwrap.indent(dump_document(keys), "    ")


def _ours(plain: Dict[str, Any]) -> dict[str, Any]:
    """Return what is not as usual under names of ours."""
    return {f"{OURS}{key}": value for key, value in plain.items() if value != _USUAL.get(key)}


def _memory(memory: Memory, plain: dict[str, Any]) -> str:
    if memory.dram is not None:
        raise ArraysmithError(f"{memory.name}: Timeloop's language has no DRAM but by its rate")
    attributes: dict[str, Any] = {}
    off_chip = memory.depth is None
    word = CLASSES.get(memory.device, "DRAM" if off_chip else "smartbuffer_SRAM")
    if off_chip:
        attributes["type"] = memory.device.upper()
    else:
        attributes["depth"] = memory.depth
    attributes |= {"width": memory.width_bits, "datawidth": memory.word_bits}
    more = {key: value for key, value in plain.items() if key not in _SAID}
    for key, rate in (
        ("read", memory.read_words_per_cycle),
        ("write", memory.write_words_per_cycle),
    ):
        if rate is None:
            continue
        whole = rate.denominator == 1
        attributes[f"{key}_bandwidth"] = int(rate) if whole else float(rate)
        if not whole and Fraction(str(float(rate))) != rate:
            more[key] = plain[key]
    if not off_chip and memory.device not in CLASSES:
        more["device"] = memory.device
    keeps = {
        "keep": [_SPACE[tensor] for tensor in memory.holds],
        "bypass": [_SPACE[tensor] for tensor in TENSORS if tensor not in memory.holds],
    }
    keys = {
        "name": memory.name,
        "class": word,
        "attributes": {**attributes, **_ours(more)},
        "constraints": {"dataspace": keeps},
    }
    return _node("Component", keys)


def _containers(fanout: Fanout) -> tuple[str, str] | None:
    """Return the containers of columns and of rows that an array is written as; None for one."""
    columns, dash, rows = fanout.name.partition("-")
    return (columns, rows) if dash and fanout.network == XyBus(diagonal=False) else None


def _mesh(fanout: Fanout, plain: dict[str, Any]) -> str:
    names = _containers(fanout)
    if names is not None:
        sides = ({"meshX": fanout.mesh_x}, {"meshY": fanout.mesh_y})
        return "".join(
            _node("Container", {"name": name, "spatial": side})
            for name, side in zip(names, sides, strict=True)
        )
    if not isinstance(fanout.network, XyBus):
        raise ArraysmithError(f"{fanout.name}: Timeloop's language has no such network")
    keys = {
        "name": fanout.name,
        "spatial": {"meshX": fanout.mesh_x, "meshY": fanout.mesh_y},
        "attributes": _ours(plain["network"]["xy_bus"]),
    }
    return _node("Container", keys)


def problem_text(problem: Problem) -> str:
    """Return a layer as a file of Timeloop; its name is that of the file.

    Raises:
        ArraysmithError: weights of structured sparsity, or a tensor that is not as large as its
            windows reach (but for the padding and the rest of a convolution).
    """
    dims = _dims_of(problem)
    instance: dict[str, int] = {_DIM[dim]: problem.size[dim] for dim in dims}
    coefficients = []
    spaces = []
    for tensor in (problem.weight, problem.ifmap, problem.ofmap):
        projection = []
        for axis in tensor.axes:
            terms: list[list[str]] = []
            for dim, step in axis.terms:
                terms.append([_DIM[dim]])
                if step > 1:
                    name = f"{_DIM[dim]}step"
                    terms[-1].append(name)
                    coefficients.append({"name": name, "default": step})
            projection.append(terms)
        space: dict[str, Any] = {"name": _SPACE[tensor.name], "projection": projection}
        if tensor is problem.ofmap:
            space["read_write"] = True
        spaces.append(space)
        instance[f"{OURS}{tensor.name}_bits"] = tensor.word_bits
    for axis in problem.ifmap.axes:
        what, side = {"P": ("height", "rows"), "Q": ("width", "columns")}.get(
            axis.terms[0][0], ("", "")
        )
        if what and (axis.offset or axis.extent != axis.reach(problem.size)):
            instance[f"{OURS}{what}"] = axis.extent
            instance[f"{OURS}padding_{side}"] = -axis.offset
    shape = {
        "name": problem.operator,
        "dimensions": [_DIM[dim] for dim in dims],
        "coefficients": coefficients,
        "data_spaces": spaces,
    }
    document = {"problem": {"version": 0.4, "shape": shape, "instance": instance}}
    text = dump_document(document)
    if parse_timeloop_problem(text, problem.name)[0] != problem:
        raise ArraysmithError(f"{problem.name}: Timeloop's language cannot say {problem.operator}")
    return text


def _dims_of(problem: Problem) -> list[str]:
    used = {dim for tensor in problem.tensors for dim in tensor.dims}
    return [dim for dim in DIMS if dim in used]


def mapping_text(mapping: Mapping, architecture: Architecture, problem: Problem) -> str:
    """Return a mapping as a file of Timeloop.

    Raises:
        ArraysmithError: tiles that do not divide, a dim twice at one place, loops at the MACs, or
            loops that turn once: the language has none.
    """
    dims = _dims_of(problem)
    loops: dict[str, list[tuple[str, str, int]]] = {}
    for level, axis, dim, turns in factors_of(architecture, problem.size, mapping):
        loops.setdefault(level, []).append((axis, dim, turns))
    if architecture.compute.name in loops:
        raise ArraysmithError("Timeloop's language has no loops at the MACs")
    directives: list[dict[str, Any]] = []
    for place in architecture.levels:
        entry = mapping.at(place.name)
        if entry.keep is not None:
            kept = [_SPACE[tensor] for tensor in entry.keep]
            passed = [space for space in _SPACE.values() if space not in kept]
            keeps = {"keep": kept, "bypass": passed}
            directives.append({"target": place.name, "type": "dataspace", **keeps})
        mine = loops.get(place.name, [])
        if isinstance(place, Memory):
            directives.append(_loops(place.name, "temporal", mine, dims))
            continue
        names = _containers(place)
        parts = [(place.name, mine)]
        if names is not None:
            parts = [
                (name, [loop for loop in mine if loop[0] == axis])
                for name, axis in zip(names, "xy", strict=True)
            ]
        for name, part in parts:
            found = _loops(name, "spatial", part, dims)
            directives.append({**found, "split": sum(axis == "x" for axis, _, _ in part)})
    text = dump_document({"mapping": directives})
    words = Names({_DIM[dim]: dim for dim in dims}, DATA_SPACES, problem.size)
    if parse_timeloop_mapping(text, architecture, words)[0] != mapping:
        raise ArraysmithError("loops that turn once cannot be said: leave them out")
    return text


def _loops(
    target: str, kind: str, loops: list[tuple[str, str, int]], dims: list[str]
) -> dict[str, Any]:
    """Return a directive; ``loops`` are (axis, dim, turns), outermost first."""
    turns_of = {dim: turns for _, dim, turns in loops}
    if len(turns_of) < len(loops):
        raise ArraysmithError(f"{target}: a dim loops twice: Timeloop's language has one factor")
    inner_first = [dim for axis in "txy" for where, dim, _ in reversed(loops) if where == axis]
    rest = [dim for dim in dims if dim not in inner_first]
    return {
        "target": target,
        "type": kind,
        "factors": [f"{_DIM[dim]}={turns_of.get(dim, 1)}" for dim in dims],
        "permutation": [_DIM[dim] for dim in (*inner_first, *rest)],
    }


def dataflow_text(dataflow: Dataflow, architecture: Architecture) -> str:
    """Return a dataflow as constraints of Timeloop; its name and note are not part of them.

    Raises:
        ArraysmithError: a rule for the MACs, one axis of a mesh free and the other not, or a dim
            that may go along both axes: the language cannot say that.
    """
    fanouts = {fanout.name: fanout for fanout in architecture.fanouts}
    targets: list[dict[str, Any]] = []
    for rule in dataflow.rules:
        if rule.level not in [level.name for level in architecture.levels]:
            raise ArraysmithError(f"{dataflow.name}: Timeloop has no constraints at {rule.level}")
        if rule.level not in fanouts:
            if rule.temporal is not None:
                targets.append(_rule(rule.level, "temporal", rule.temporal))
            continue
        if rule.x is None or rule.y is None:
            raise ArraysmithError(f"{dataflow.name}: {rule.level} must say both axes")
        names = _containers(fanouts[rule.level])
        sides = (
            [(names[0], rule.x, len(DIMS)), (names[1], rule.y, 0)]
            if names is not None
            else [(rule.level, (*rule.y, *rule.x), -1)]
        )
        for target, dims, split in sides:
            if len(set(dims)) < len(dims):
                raise ArraysmithError(
                    f"{dataflow.name}: {rule.level}: a dim goes along one axis in Timeloop"
                )
            found = _rule(target, "spatial", dims, rule.whole)
            barred = len(DIMS) - len(dims)
            found["split"] = barred + len(rule.x) if split < 0 else split
            targets.append(found)
    text = dump_document({"constraints": {"version": 0.4, "targets": targets}})
    back, _ = parse_timeloop_dataflow(text, architecture)
    if back.rules != dataflow.rules:
        raise ArraysmithError(f"{dataflow.name} has rules that Timeloop's language cannot say")
    return text


def _rule(
    target: str, kind: str, dims: tuple[str, ...], whole: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a constraint; ``dims`` are the open ones, outermost first."""
    barred = [dim for dim in DIMS if dim not in dims]
    factors = [f"{_DIM[dim]}=1" for dim in barred]
    factors += [f"{_DIM[dim]}=0" for dim in whole if dim in dims]
    order = [_DIM[dim] for dim in (*barred, *reversed(dims))]
    return {"target": target, "type": kind, "factors": factors, "permutation": order}
