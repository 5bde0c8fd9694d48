"""Named dataflows: constraints on mappings, one file each, and the mappings of systolic ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflow import Dataflow, LevelRule
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.importers.timeloop import timeloop_dataflow
from arraysmith.arch.importers.timeloop_source import is_timeloop, read_source
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import DIMS, Problem
from arraysmith.arch.spec_reader import Spec, SpecError, is_path, parse_spec, read_spec, spec_of
from arraysmith.arch.yaml_positions import Positions, dump_document, read_document

FOLDER = Path(__file__).parent
"""Folder of the dataflows that ship with the project."""

SYSTOLIC = ("output_stationary", "weight_stationary", "input_stationary", "tpu_like")
"""Dataflows that leave a systolic array one mapping."""

SHORT_NAMES = {
    "os": "output_stationary",
    "ws": "weight_stationary",
    "is": "input_stationary",
    "rs": "row_stationary",
    "nlr": "no_local_reuse",
}
"""Usual abbreviations."""


def _dim(name: str) -> str:
    if name not in DIMS:
        raise SpecError(f"must be one of {', '.join(DIMS)}", nearest(name, DIMS))
    return name


def _once(dims: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(dims)) != len(dims):
        raise SpecError("must name each dim once", "remove the repetition")
    return dims


Dim = Annotated[str, AfterValidator(_dim), WithJsonSchema({"type": "string", "enum": list(DIMS)})]
Dims = Annotated[tuple[Dim, ...], AfterValidator(_once)]


class LevelRuleSpec(Spec):
    """What is allowed at one level; a key that is left out leaves that place free."""

    temporal: Dims | None = Field(default=None, description="loops in time, outermost first")
    x: Dims | None = Field(default=None, description="dims over columns, slowest first")
    y: Dims | None = Field(default=None, description="dims over rows, slowest first")
    whole: Dims = Field(default=(), description="dims that must be spread here whole")

    @model_validator(mode="after")
    def _whole_is_spread(self) -> LevelRuleSpec:
        missing = [dim for dim in self.whole if dim not in (*(self.x or ()), *(self.y or ()))]
        if missing:
            names = ", ".join(missing)
            raise SpecError("a whole dim must be spread here", f"add {names} to x or y")
        return self


class DataflowSpec(Spec):
    """A named set of rules on mappings."""

    kind: Literal["dataflow"]
    name: Annotated[str, Field(min_length=1)]
    note: Annotated[str, Field(min_length=1)] = Field(description="one sentence, with the source")
    levels: dict[str, LevelRuleSpec] = Field(description="rule of each level that is not free")


def dataflow_names() -> tuple[str, ...]:
    """Return the names of the dataflows that ship with the project, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_dataflow(ref: str | Path, architecture: Architecture | None = None) -> Dataflow:
    """Return the dataflow that ``ref`` names: one of ours (or its short name), or a YAML file.

    Args:
        ref: name or file; a file of Timeloop gives its constraints.
        architecture: design that a file of constraints is for, if it does not hold it.

    Raises:
        InputError: no such dataflow or file, or a file with faults; carries all of them.
    """
    if isinstance(ref, str) and not is_path(ref):
        name = SHORT_NAMES.get(ref, ref)
        if name in dataflow_names():
            return _dataflow(*read_spec(FOLDER / f"{name}.yaml", DataflowSpec))
        if not Path(ref).is_file():
            hint = nearest(ref, (*dataflow_names(), *SHORT_NAMES))
            raise InputError([Fault("dataflow", ref, "is neither a dataflow nor a file", hint)])
    document = read_document(ref)
    if is_timeloop(document):
        return timeloop_dataflow(read_source(ref), architecture)[0]
    return _dataflow(*spec_of(document, DataflowSpec))


def parse_dataflow(text: str, file: str = "") -> Dataflow:
    """Return the dataflow in YAML ``text``; ``file`` is the name that faults carry."""
    return _dataflow(*parse_spec(text, DataflowSpec, file))


def dataflow_document(dataflow: Dataflow) -> dict[str, Any]:
    """Return the dataflow as the plain data of its file."""
    levels: dict[str, Any] = {}
    for rule in dataflow.rules:
        places = (("temporal", rule.temporal), ("x", rule.x), ("y", rule.y))
        levels[rule.level] = {key: list(dims) for key, dims in places if dims is not None}
        if rule.whole:
            levels[rule.level]["whole"] = list(rule.whole)
    return {"kind": "dataflow", "name": dataflow.name, "note": dataflow.note, "levels": levels}


def dump_dataflow(dataflow: Dataflow) -> str:
    """Return YAML that loads back as an equal dataflow."""
    return dump_document(dataflow_document(dataflow))


def systolic_mapping(
    dataflow: Dataflow | str, architecture: Architecture, problem: Problem
) -> Mapping:
    """Return the one mapping that a systolic dataflow leaves open: every dim stands once, whole.

    Rows and columns are flattened loops with tile 1 on the array, what streams are loops at the
    MACs, groups run one after the other at the off-chip memory. Dims of extent 1 stand in their
    places, too, so that the mapping of a small product tells its dataflow from the others; one that
    has no single place is left out.

    Args:
        dataflow: one that names a place for every dim: ``os``, ``ws``, ``is``, or your own.
        architecture: a systolic one.
        problem: the operator.

    Raises:
        InputError: the architecture is not systolic, or a dim of the problem has no place under
            the dataflow, or more than one.
    """
    if isinstance(dataflow, str):
        dataflow = load_dataflow(dataflow)
    array = architecture.systolic
    if array is None:
        rule = f"{architecture.name} is not systolic: a dataflow leaves many mappings open"
        hint = "give a mapping, or search for one"
        raise InputError([Fault("dataflow", dataflow.name, rule, hint)])
    offchip, macs = architecture.levels[0].name, architecture.compute.name
    spatial = dataflow.rule(array.name)
    places = {
        "columns": spatial.x or (),
        "rows": spatial.y or (),
        "stream": dataflow.rule(macs).temporal or (),
        "groups": dataflow.rule(offchip).temporal or ("G",),
    }
    faults, unplaced = [], set()
    for dim, size in problem.size.items():
        found = [place for place, dims in places.items() if dim in dims]
        if len(found) == 1:
            continue
        unplaced.add(dim)
        if size > 1:
            said = " and ".join(found) or "nowhere"
            rule = f"dim {dim} of layer {problem.name} must have one place, but stands {said}"
            hint = "take a dataflow of systolic arrays: " + ", ".join(SYSTOLIC)
            faults.append(Fault("dataflow", dataflow.name, rule, hint))
    if faults:
        raise InputError(faults)
    groups, columns, rows, stream = (
        tuple(Loop(dim, 1) for dim in places[place] if dim not in unplaced)
        for place in ("groups", "columns", "rows", "stream")
    )
    return Mapping(
        (
            LevelMapping(offchip, temporal=groups),
            LevelMapping(array.name, x=columns, y=rows),
            LevelMapping(macs, temporal=stream),
        )
    )


def _dataflow(spec: DataflowSpec, _: Positions) -> Dataflow:
    rules = (
        LevelRule(level, rule.temporal, rule.x, rule.y, rule.whole)
        for level, rule in spec.levels.items()
    )
    return Dataflow(spec.name, spec.note, tuple(rules))
