"""A search, resolved: everything that decides its result, and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.architecture_file import architecture_document
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.mapping_file import mapping_document
from arraysmith.arch.problem import Layer, Network, Problem
from arraysmith.arch.spec_reader import Spec
from arraysmith.arch.yaml_positions import Positions
from arraysmith.search.objective import Objective
from arraysmith.search.run_spec import TABLE
from arraysmith.search.space import Space
from arraysmith.sim.layers import distinct_layers
from arraysmith.sim.provenance import problem_document, tool_version
from arraysmith.traces.page import DesignRow


@dataclass(frozen=True, slots=True)
class Mapper:
    """How the mapping of a layer on a candidate is chosen.

    Attributes:
        objective: one of ``search.objective.MAPPING_OBJECTIVES``.
        samples: of ``table`` only: most mappings of a layer's space to look at; a larger space is
            sampled.
        name: ``table``, or a registered mapper.
        evaluations: mappings a registered mapper may score per layer and design.
        settings: of it, its ``settings_type``.
        refine: of ``table`` only: mappings that the genetic mapper may score for each layer of the
            best designs, going on from what the table found.
        prove: of ``table`` only: partial mappings that the exact mapper may look at for each layer
            of the winner.
    """

    objective: str
    samples: int
    name: str = TABLE
    evaluations: int = 0
    settings: Spec | None = None
    refine: int = 0
    prove: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a search simulates designs on its way, and corrects its scores by them.

    Attributes:
        every: generations from one round of simulations to the next, at least 1.
        simulate: designs of a round, at least 1.
        informative: how many of them are simulated for what the fit learns of them.
        mappings: ways to ask for a mapping of a layer, see ``run_spec.VARIANTS``; at least 1.
        most_steps: of a layer that is simulated; longer ones are left out.
    """

    every: int
    simulate: int
    informative: int
    mappings: int
    most_steps: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """How the template is mapped in the row that gains are measured from.

    Attributes:
        mapping: the mapping of the only layer; None when not stated.
        samples: when no mapping is stated, the best of so many drawn at random stands for what a
            simple mapper finds; 0 takes the best mapping, and then mapping alone gains nothing.
    """

    mapping: Mapping | None = None
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Rival:
    """Another design to show beside the result.

    Attributes:
        label: for people.
        architecture: the design.
        mapping: stated, of the only layer; None to take the best one under ``dataflow``.
        dataflow: None with a stated mapping.
    """

    label: str
    architecture: Architecture
    mapping: Mapping | None
    dataflow: Dataflow | None = None


@dataclass(frozen=True)
class Run:
    """A search, resolved.

    Attributes:
        name: for people.
        network: layers to run; costs are sums over them.
        dataflow: what mappings may look like, of layers whose kind is not in ``by_kind``.
        setting: of the analytical model.
        space: the template, what may change, and the budget.
        objective: what to minimise over hardware.
        mapper: how mappings are chosen.
        optimiser: registered name.
        settings: of the optimiser, its ``settings_type``.
        seed: of everything random, not negative.
        top: how many of the best designs are simulated, at least 1.
        traces: memories whose requests are stored for the winner: ``all`` (that there are
            once), ``offchip``, ``every``, ``none``.
        values_macs: layers of at most so many MACs are run with values, 0 for none.
        baseline: how the template is mapped.
        rivals: further designs.
        printed: further rows.
        by_kind: (operator, dataflow) of layers with a dataflow of their own.
        dataflows: (name in the space, dataflow), where the space has dataflows to choose from.
        front: objectives of a Pareto search, two or more; empty otherwise. ``objective`` then says
            which point of the front is the best design.
        repeats: how many searches share the ledger, each with a seed of its own.
        cluster: where to evaluate, as the run file says it; it changes no result.
        calibration: simulations on the way; None for none.
        document: the run file with every default filled in, as plain data.
        files: files that ``document`` refers to by path: (name in ``document``, path on this
            machine); names are unique.
        positions: where the fields of the run file stand, for faults found later.
    """

    name: str
    network: Network
    dataflow: Dataflow
    setting: str
    space: Space
    objective: Objective
    mapper: Mapper
    optimiser: str
    settings: Spec
    seed: int
    top: int
    traces: str
    values_macs: int
    baseline: Baseline
    rivals: tuple[Rival, ...]
    printed: tuple[DesignRow, ...]
    document: dict[str, Any] = field(compare=False)
    files: tuple[tuple[str, str], ...] = field(compare=False)
    positions: Positions = field(compare=False)
    by_kind: tuple[tuple[str, Dataflow], ...] = ()
    dataflows: tuple[tuple[str, Dataflow], ...] = ()
    front: tuple[Objective, ...] = ()
    repeats: int = 1
    cluster: dict[str, Any] | None = field(default=None, compare=False)
    calibration: Calibration | None = None

    @property
    def template(self) -> Architecture:
        """The architecture that the search starts from: the baseline hardware."""
        return self.space.template

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Layers that differ, each with the number of its runs in one inference."""
        return distinct_layers(self.network)

    @property
    def stated_rivals(self) -> tuple[Rival, ...]:
        """Rivals with a stated mapping; the others take the best under their dataflow."""
        return tuple(rival for rival in self.rivals if rival.mapping is not None)

    def dataflow_of(self, problem: Problem, choice: str | None = None) -> Dataflow:
        """Return what mappings of ``problem`` may look like.

        A kind with a dataflow of its own keeps it, whatever the genome chose.
        """
        own = dict(self.by_kind).get(problem.operator)
        if own is not None:
            return own
        return self.dataflow if choice is None else dict(self.dataflows)[choice]

    def resolved(self) -> dict[str, Any]:
        """Return everything that decides the result as plain data, contents in place of names."""
        return {
            "tool_version": tool_version(),
            "run": {
                key: value for key, value in self.document.items() if key not in {"note", "cluster"}
            },
            "architecture": architecture_document(self.template, "resolved by arraysmith"),
            "layers": [
                {"repeat": layer.repeat, **problem_document(layer.problem)}
                for layer in self.network.layers
            ],
            "dataflow": asdict(self.dataflow),
            "by_kind": {kind: asdict(dataflow) for kind, dataflow in self.by_kind},
            "dataflows": {name: asdict(dataflow) for name, dataflow in self.dataflows},
            "baseline_mapping": self.baseline.mapping and mapping_document(self.baseline.mapping),
            "rivals": [
                {
                    "label": rival.label,
                    "architecture": architecture_document(rival.architecture, "rival"),
                    "mapping": rival.mapping and mapping_document(rival.mapping),
                    "dataflow": rival.dataflow and asdict(rival.dataflow),
                }
                for rival in self.rivals
            ],
        }

    def digest(self) -> str:
        """Return the SHA-256 of ``resolved`` in hexadecimal: equal digests, equal results."""
        text = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
