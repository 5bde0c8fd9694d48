"""The mapping of a systolic dataflow, which leaves nothing to choose."""

from __future__ import annotations

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.problem import Problem


def fixed_mapping(architecture: Architecture, problem: Problem, dataflow: Dataflow) -> Mapping:
    """Return the one mapping that ``dataflow`` leaves open on a systolic array.

    Every dim stands once, whole: on the array's columns or rows, or streaming at the MACs, wherever
    the dataflow names it, and in its order; groups run one after the other at the off-chip memory.
    Dims of extent 1 are left out.

    Raises:
        InputError: the architecture is not systolic, or the dataflow names a place for a dim of
            this problem never or twice.
    """
    array = architecture.systolic
    if array is None:
        rule = f"{architecture.name} is not systolic: a dataflow leaves many mappings open"
        hint = "give one with --mapping FILE, or find the best with arraysmith search"
        raise InputError([Fault("mapping", dataflow.name, rule, hint)])
    offchip, macs = architecture.levels[0].name, architecture.compute.name
    spatial = dataflow.rule(array.name)
    places = {
        "columns": spatial.x or (),
        "rows": spatial.y or (),
        "stream": dataflow.rule(macs).temporal or (),
        "groups": ("G",),
    }
    faults = []
    for dim, size in problem.size.items():
        found = [place for place, dims in places.items() if dim in dims]
        if size > 1 and len(found) != 1:
            said = f"at {' and '.join(found)}" if found else "nowhere"
            rule = f"dim {dim} of layer {problem.name} must have one place, but stands {said}"
            hint = "name a dataflow of systolic arrays, such as output_stationary"
            faults.append(Fault("dataflow", dataflow.name, rule, hint))
    if faults:
        raise InputError(faults)

    def loops(place: str) -> tuple[Loop, ...]:
        return tuple(Loop(dim, 1) for dim in places[place] if problem.size[dim] > 1)

    return Mapping(
        (
            LevelMapping(offchip, temporal=loops("groups")),
            LevelMapping(array.name, x=loops("columns"), y=loops("rows")),
            LevelMapping(macs, temporal=loops("stream")),
        )
    )
