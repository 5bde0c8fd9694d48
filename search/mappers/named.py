"""Registered mappers for commands that know them by name only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import ArraysmithError, Fault, InputError, nearest
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.arch.registry import lookup, registered
from arraysmith.search.mappers.base import Found, LayerTask, Mapper


def mapper_function(name: str) -> Callable[..., Mapping]:
    """Return what finds a mapping of least EDP by a registered mapper, its settings the defaults.

    It takes (architecture, problem, dataflow, setting=, samples=), as ``mapper.find_mapping``,
    and ``told``, which hears in a sentence what was proven of an answer.

    Raises:
        InputError: no mapper of that name.
    """
    names = registered("mapper")
    if name not in names:
        raise InputError([Fault("--mapper", name, "no such mapper", nearest(name, names))])
    mapper: Mapper = lookup("mapper", name)()

    def find(
        architecture: Architecture,
        problem: Problem,
        dataflow: Dataflow,
        *,
        setting: str,
        samples: int,
        told: Callable[[str], None] | None = None,
    ) -> Mapping:
        task = LayerTask(architecture, problem, dataflow, setting, "edp", samples)
        found = mapper.find(task, np.random.default_rng(0))
        if found.mapping is None:
            raise ArraysmithError(f"{problem.name}: {name} met no mapping that fits")
        if told is not None:
            for note in (proof_text(found), *found.notes):
                told(f"{problem.name}: {name}: {note}")
        return found.mapping

    return find


def proof_text(found: Found) -> str:
    """Return what was proven of a mapping that met the effort, for people."""
    if found.proven:
        return f"proven: no mapping of its space has less EDP ({found.evaluations:,} scored)"
    if found.bound is None:
        repaired = f", {found.repaired:,} of {found.drawn:,} drawn were repaired"
        return (
            f"{found.evaluations:,} mappings scored{repaired if found.repaired else ''}; "
            "nothing proven of the best"
        )
    if found.gap is None:
        return f"stopped after {found.evaluations:,} mappings, before anything was proven"
    return (
        f"stopped after {found.evaluations:,} mappings: EDP at most {found.gap:.2%} above the "
        f"optimum, which is not below {found.bound:.6g} J x cycle"
    )
