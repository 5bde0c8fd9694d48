"""Run files: read, resolved and checked as far as possible without evaluating anything.

Every fault of a file is reported at once, at its place. References to other files are relative to
the run file's folder. Runs that ship with the project are known by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.file_faults import FileFaults
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.mapping_file import load_mapping
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Network
from arraysmith.arch.registry import registered
from arraysmith.arch.spec_reader import collect, is_path, sort_faults
from arraysmith.arch.yaml_positions import read_document
from arraysmith.search.objective import Objective, Weights
from arraysmith.search.optimisers.base import Domain, Optimiser
from arraysmith.search.run import Baseline, Calibration, Mapper, Rival, Run
from arraysmith.search.run_document import resolved_document
from arraysmith.search.run_fields import ANY
from arraysmith.search.run_sound import sound_part
from arraysmith.search.run_space import SpaceReader
from arraysmith.search.run_spec import (
    TABLE,
    ChoiceSpec,
    RunSpec,
    TableSpec,
    mapper_class,
    optimiser_class,
    plain_settings,
    run_spec_for,
)
from arraysmith.search.space import DATAFLOW, Space
from arraysmith.sim.analytical.counting import SETTINGS
from arraysmith.sim.cycle.nest.tree import require_buses
from arraysmith.sim.layers import distinct_layers
from arraysmith.traces.levels import SHARED, traced_levels
from arraysmith.traces.page import DesignRow

RUNS = Path(__file__).parent / "runs"
"""Folder of the runs that ship with the project."""


def run_names() -> tuple[str, ...]:
    """Return the names of the runs that ship with the project, sorted."""
    return tuple(sorted(x.stem for x in RUNS.glob("*.yaml") if "." not in x.stem))


def load_run(ref: str | Path, *, seed: int | None = None) -> Run:
    """Return the run that ``ref`` names: one that ships with the project, or a YAML file.

    Args:
        ref: name or path.
        seed: in place of the file's; not negative.

    Raises:
        InputError: no such run, or a file with faults; carries all of them.
    """
    path = Path(ref)
    if not isinstance(ref, Path) and not is_path(ref):
        if ref in run_names():
            path = RUNS / f"{ref}.yaml"
        elif not path.is_file():
            hint = nearest(ref, run_names())
            raise InputError([Fault("run", ref, "is neither a built-in run nor a file", hint)])
    document = read_document(path)
    keys = document.data
    model = run_spec_for(keys.get("optimiser"), keys.get("mapper"))
    spec, faults = collect(document, model)
    if spec is None or faults:
        rest = sound_part(document, faults)
        if rest is not None:
            reader = _Reader(document.positions, rest.spec, path.parent, rest.without)
            reader.run(document.data, rest.spec.seed)
            faults += filter(rest.tells, reader.faults)
        raise InputError(sort_faults(faults))
    reader = _Reader(document.positions, spec, path.parent)
    run = reader.run(document.data, spec.seed if seed is None else seed)
    if run is None or reader.faults:
        raise InputError(sort_faults(reader.faults))
    return run


def started_optimiser(spec: Any, space: Space) -> Optimiser[Any]:
    """Return an optimiser that has not begun; it refuses a space that it cannot search."""
    plugin = optimiser_class(spec.name)
    domain = Domain(space.sizes, space.repair, 1, space.magnitudes)
    return plugin(domain, np.random.default_rng(0), plain_settings(spec, plugin.settings_type))


@dataclass
class _Reader(FileFaults):
    """Resolves one run file, or the part of it ``without`` faults, and gathers its faults."""

    spec: RunSpec
    folder: Path
    without: frozenset[str] = frozenset()
    files: dict[str, str] = field(default_factory=dict)

    def reference(self, ref: str) -> str:
        """Return ``ref`` with a path in it taken from the run file's folder, and note the file."""
        path, colon, layer = ref, "", ""
        if not (self.folder / ref).is_file():
            path, colon, layer = ref.rpartition(":") if ":" in ref else (ref, "", "")
        looks_like_file = is_path(path) or path.endswith(".csv")
        if not looks_like_file and not (self.folder / path).is_file():
            return ref
        full = str(self.folder / path)
        self.files[path] = full
        return full + colon + layer

    def run(self, data: dict[str, Any], seed: int) -> Run | None:
        spec = self.spec
        if spec.setting not in SETTINGS:
            self.fault("setting", "unknown setting", nearest(spec.setting, SETTINGS))
        if spec.weights is not None and spec.objective != ("poster",):
            rule = f"objective {', '.join(spec.objective)} has no weights"
            self.fault("weights", rule, "remove them, or choose objective: poster", at_key=True)
        template = self.architecture("architecture", spec.architecture)
        network = self.attempt("workload", lambda: load_network(self.reference(spec.workload)))
        dataflows = self.dataflows(template)
        space = None
        if template is not None:
            if template.systolic is not None:
                rule = "a systolic array has no mappings to search; its fan-out must be an xy_bus"
                self.fault("architecture", rule)
            else:  # what cannot be simulated cannot be re-scored: say so before the search
                self.simulable("architecture", template)
                self.traceable(template)
            reader = SpaceReader(self.positions, spec, template, self.without)
            space = reader.read()
            self.faults += reader.faults
        choices = self.dataflow_choices(template)
        self.check_front()
        self.check_cluster()
        self.check_calibration()
        spec = self.spec
        if space is not None and not self.faults:
            self.attempt("optimiser", lambda: started_optimiser(spec.optimiser, space))
        baseline, rivals = self.mappings(template, network)
        if self.faults or self.without or space is None or network is None:
            return None
        document, files = resolved_document(spec, data, seed, self.files)
        several = len(spec.objective) > 1
        objective = Objective(
            (spec.rank or "edp") if several else spec.objective[0],
            Weights(**spec.weights.model_dump()) if spec.weights else Weights(),
        )
        settings: Any = spec.optimiser
        return Run(
            name=spec.name,
            network=network,
            dataflow=dataflows.pop(ANY),
            setting=spec.setting,
            space=space,
            objective=objective,
            mapper=self.mapper(objective),
            optimiser=settings.name,
            settings=plain_settings(settings, optimiser_class(settings.name).settings_type),
            seed=seed,
            top=spec.rescore.top,
            traces=spec.traces,
            values_macs=spec.rescore.values_macs,
            baseline=baseline,
            rivals=rivals,
            printed=tuple(
                DesignRow(
                    x.label,
                    x.cycles,
                    x.utilization,
                    x.gflops,
                    None if x.energy_uj is None else x.energy_uj * 1e6,
                    x.edp_j_cycles,
                    x.note,
                )
                for x in spec.printed
            ),
            document=document,
            files=files,
            positions=self.positions,
            by_kind=tuple(dataflows.items()),
            dataflows=choices,
            front=tuple(map(Objective, spec.objective)) if several else (),
            repeats=spec.repeats,
            cluster=data.get("cluster"),
            calibration=None
            if spec.calibration is None
            else Calibration(**spec.calibration.model_dump()),
        )

    def mapper(self, objective: Objective) -> Mapper:
        """Return how mappings are chosen."""
        spec: Any = self.spec.mapper
        inner = spec.objective or objective.mapping_objective
        if spec.name == TABLE:
            return Mapper(inner, spec.samples, refine=spec.refine, prove=spec.prove)
        settings = plain_settings(spec, mapper_class(spec.name).settings_type)
        return Mapper(inner, 1, spec.name, spec.evaluations, settings)

    def dataflows(self, template: Architecture | None) -> dict[str, Dataflow]:
        """Return the dataflow of each kind of layer; faults are noted."""
        found = {}
        mapped = len(self.spec.dataflow) > 1
        for kind, ref in self.spec.dataflow:
            at = f"dataflow.{kind}" if mapped else "dataflow"
            dataflow = self.dataflow(at, ref, template)
            if dataflow is not None:
                found[kind] = dataflow
        return found

    def dataflow(self, at: str, ref: str, template: Architecture | None) -> Dataflow | None:
        """Return a dataflow that fits the template's levels; faults are noted."""
        dataflow = self.attempt(at, lambda: load_dataflow(self.reference(ref)))
        if dataflow is not None and template is not None:
            names = [*(level.name for level in template.levels), template.compute.name]
            missing = [rule.level for rule in dataflow.rules if rule.level not in names]
            if missing:
                rule = f"has rules for levels that {template.name} lacks: {', '.join(missing)}"
                self.fault(at, rule, f"its levels: {', '.join(names)}")
        return dataflow

    def dataflow_choices(self, template: Architecture | None) -> tuple[tuple[str, Dataflow], ...]:
        """Return the dataflows that the space names."""
        found = []
        for index, parameter in enumerate(self.spec.space):
            if isinstance(parameter, ChoiceSpec) and parameter.path == DATAFLOW:
                for i, name in enumerate(parameter.names or ()):
                    dataflow = self.dataflow(f"space[{index}].names[{i}]", name, template)
                    if dataflow is not None:
                        found.append((name, dataflow))
        return tuple(found)

    def check_front(self) -> None:
        """Note an optimiser that does not take as many objectives as there are."""
        settings: Any = self.spec.optimiser
        several = len(self.spec.objective) > 1
        plugin = optimiser_class(settings.name)
        plain = plain_settings(settings, plugin.settings_type)
        if several and not plugin.takes_vectors(plain):
            rule = (
                f"optimiser {settings.name} minimises one objective, not {len(self.spec.objective)}"
            )
            self.fault("objective", rule, "choose optimiser: {name: nsga2}, or one objective")
        if self.spec.rank is not None and not several:
            rule = "says which point of a front is the best design"
            self.fault("rank", rule, "remove it, or give a list of objectives", at_key=True)

    def check_cluster(self) -> None:
        """Note a cluster that is not said to be one thing."""
        spec = self.spec.cluster
        if (
            spec is not None
            and sum(x is not None for x in (spec.slurm, spec.lsf, spec.address)) != 1
        ):
            rule = "must have exactly one of address, slurm and lsf"
            self.fault("cluster", rule, "for example slurm: {cores: 8, memory: 16 GB}")

    def check_calibration(self) -> None:
        """Note an optimiser that old losses cannot be corrected for, or rounds never made.

        Proofs are of closed forms: none where those are corrected. Mappings are refined if asked.
        """
        spec, settings = self.spec.calibration, self.spec.optimiser
        if spec is None:
            return
        mapper = self.spec.mapper
        if isinstance(mapper, TableSpec):
            if "prove" in mapper.model_fields_set and mapper.prove:
                rule = "proves what closed forms say, which calibration corrects"
                self.fault("mapper.prove", rule, "remove prove, or remove calibration")
            refine = mapper.refine if "refine" in mapper.model_fields_set else 0
            unproven = mapper.model_copy(update={"refine": refine, "prove": 0})
            self.spec = self.spec.model_copy(update={"mapper": unproven})
        if not optimiser_class(settings.name).revisable:
            rule = f"optimiser {settings.name} goes on from losses that a calibration corrects"
            names = [x for x in sorted(registered("optimiser")) if optimiser_class(x).revisable]
            hint = f"choose one of {', '.join(names)}, or remove calibration"
            self.fault("calibration", rule, hint, at_key=True)
        generations = getattr(settings, "generations", None)
        if generations is not None and spec.every > generations:
            rule = f"no round is made: the optimiser has {generations} generations"
            self.fault("calibration.every", rule, "lower every")

    def architecture(self, at: str, ref: str) -> Architecture | None:
        return self.attempt(at, lambda: load_architecture(self.reference(ref)))

    def simulable(self, at: str, design: Architecture) -> bool:
        """Note a design that the simulator has no machine for."""
        if design.systolic is not None:
            return True
        return self.attempt(at, lambda: require_buses(design)) is not None

    def traceable(self, design: Architecture) -> None:
        """Note traces that cannot be recorded."""
        if self.spec.traces != "none":
            levels = SHARED if self.spec.traces == "all" else self.spec.traces
            self.attempt("traces", lambda: traced_levels(design, (levels,)))

    def mappings(
        self, template: Architecture | None, network: Network | None
    ) -> tuple[Baseline, tuple[Rival, ...]]:
        """Return the baseline and the rivals; their faults are noted."""
        spec = self.spec.baseline
        if spec.mapping is not None and spec.samples is not None:
            rule = "stands for a mapping that is not stated"
            self.fault("baseline.samples", rule, "give mapping or samples, not both", at_key=True)
        stated = None
        if spec.mapping is not None and template is not None:
            stated = self.mapping("baseline.mapping", spec.mapping, template, network)
        rivals = []
        for index, rival in enumerate(self.spec.compare):
            at = f"compare[{index}]"
            design = template
            if rival.architecture is not None:
                design = self.architecture(f"{at}.architecture", rival.architecture)
            if (rival.mapping is None) == (rival.dataflow is None):
                self.fault(at, "must have exactly one of mapping and dataflow")
                continue
            if design is None:
                continue
            if rival.dataflow is not None:
                dataflow = self.dataflow(f"{at}.dataflow", rival.dataflow, design)
                if dataflow is not None and self.simulable(f"{at}.architecture", design):
                    rivals.append(Rival(rival.label, design, None, dataflow))
                continue
            assert rival.mapping is not None
            mapping = self.mapping(f"{at}.mapping", rival.mapping, design, network)
            if mapping is not None and self.simulable(f"{at}.architecture", design):
                rivals.append(Rival(rival.label, design, mapping))
        return Baseline(stated, spec.samples or 0), tuple(rivals)

    def mapping(
        self, at: str, ref: str, design: Architecture, network: Network | None
    ) -> Mapping | None:
        """Return a mapping file's mapping if it is legal for the only layer, else note why."""
        file = self.folder / ref
        self.files[ref] = str(file)
        mapping = self.attempt(at, lambda: load_mapping(file, design))
        if mapping is None or network is None:
            return None
        layers = distinct_layers(network)
        if len(layers) > 1:
            rule = f"a mapping is for one layer; {network.name} has {len(layers)} that differ"
            self.fault(at, rule, "choose a layer, as in workload: vgg16:conv1_1")
            return None
        problem = layers[0].problem
        broken = check_mapping(design, problem, mapping)
        for violation in broken:
            self.fault(at, f"is not legal on {design.name}: {violation}")
        return mapping
