"""Run files: read, resolved and checked as far as possible without evaluating anything.

Every fault of a file is reported at once, at its place. References to other files are relative to
the run file's folder. Runs that ship with the project are known by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.budget import Budget
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.errors import ArraysmithError, Fault, InputError, nearest
from arraysmith.arch.legality import check_mapping, division_violations
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.mapping_file import load_mapping
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Network
from arraysmith.arch.spec_reader import is_path, sort_faults, spec_of
from arraysmith.arch.technology.estimate import memory_cost
from arraysmith.arch.yaml_positions import Positions, read_document
from arraysmith.search.objective import Objective, Weights
from arraysmith.search.run import Baseline, Mapper, Rival, Run
from arraysmith.search.run_document import resolved_document
from arraysmith.search.run_spec import FIELDS, ChoiceSpec, ProductSpec, RunSpec, run_spec_for
from arraysmith.search.space import FixedProduct, IntegerChoice, Parameter, Space
from arraysmith.sim.analytical.counting import SETTINGS
from arraysmith.sim.cycle.nest import Chain
from arraysmith.sim.layers import distinct_layers
from arraysmith.traces.page import DesignRow

RUNS = Path(__file__).parent / "runs"
"""Folder of the runs that ship with the project."""

MOST_VALUES = 100_000
"""Most values of one parameter."""

T = TypeVar("T")


def run_names() -> tuple[str, ...]:
    """Return the names of the runs that ship with the project, sorted."""
    files = RUNS.glob("*.yaml")
    return tuple(sorted(x.stem for x in files if not x.name.endswith(".mapping.yaml")))


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
    spec = spec_of(document, run_spec_for(document.data.get("optimiser")))[0]
    reader = _Reader(spec, document.positions, path.parent)
    run = reader.run(document.data, spec.seed if seed is None else seed)
    if run is None or reader.faults:
        raise InputError(sort_faults(reader.faults))
    return run


@dataclass
class _Reader:
    """Resolves one run file and gathers its faults."""

    spec: RunSpec
    positions: Positions
    folder: Path
    faults: list[Fault] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def fault(self, path: str, rule: str, hint: str = "", *, at_key: bool = False) -> None:
        self.faults.append(self.positions.fault(path, rule, hint, at_key=at_key))

    def attempt(self, path: str, load: Callable[[], T]) -> T | None:
        """Return what ``load`` returns; faults without a place are put where the run says it."""
        try:
            return load()
        except InputError as error:
            for fault in error.faults:
                if fault.line:
                    self.faults.append(fault)
                else:
                    self.fault(path, fault.rule, fault.hint)
        except ArraysmithError as error:
            self.fault(path, str(error))
        return None

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
        if spec.weights is not None and spec.objective != "poster":
            rule = f"objective {spec.objective} has no weights"
            self.fault("weights", rule, "remove them, or choose objective: poster", at_key=True)
        template = self.architecture("architecture", spec.architecture)
        network = self.attempt("workload", lambda: load_network(self.reference(spec.workload)))
        dataflow = self.attempt("dataflow", lambda: load_dataflow(self.reference(spec.dataflow)))
        space = None
        if template is not None:
            if template.systolic is not None:
                rule = "a systolic array has no mappings to search; its fan-out must be an xy_bus"
                self.fault("architecture", rule)
            else:  # what cannot be simulated cannot be re-scored: say so before the search
                self.simulable("architecture", template, Mapping(()))
            if dataflow is not None:
                self.check_dataflow(template, dataflow)
            space = self.space(template)
        baseline, rivals = self.mappings(template, network)
        if self.faults or space is None or network is None or dataflow is None:
            return None
        document, files = resolved_document(spec, data, seed, self.files)
        objective = Objective(
            spec.objective, Weights(**spec.weights.model_dump()) if spec.weights else Weights()
        )
        settings: Any = spec.optimiser
        return Run(
            name=spec.name,
            network=network,
            dataflow=dataflow,
            setting=spec.setting,
            space=space,
            objective=objective,
            mapper=Mapper(
                spec.mapper.objective or objective.mapping_objective, spec.mapper.samples
            ),
            optimiser=settings.name,
            settings=settings,
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
        )

    def architecture(self, at: str, ref: str) -> Architecture | None:
        return self.attempt(at, lambda: load_architecture(self.reference(ref)))

    def simulable(self, at: str, design: Architecture, mapping: Mapping) -> bool:
        """Note a design that the simulator has no machine for."""
        if design.systolic is not None:
            return True
        return self.attempt(at, lambda: Chain.of(design, mapping)) is not None

    def check_dataflow(self, template: Architecture, dataflow: Dataflow) -> None:
        names = [*(level.name for level in template.levels), template.compute.name]
        missing = [rule.level for rule in dataflow.rules if rule.level not in names]
        if missing:
            rule = f"has rules for levels that {template.name} lacks: {', '.join(missing)}"
            self.fault("dataflow", rule, f"its levels: {', '.join(names)}")

    def space(self, template: Architecture) -> Space | None:
        """Return the space, or None after noting its faults."""
        before = len(self.faults)
        parameters: list[Parameter] = []
        taken: dict[str, str] = {}
        for index, spec in enumerate(self.spec.space):
            where = f"space[{index}]"
            paths = spec.paths if isinstance(spec, ProductSpec) else (spec.path,)
            for i, path in enumerate(paths):
                at = f"{where}.paths[{i}]" if isinstance(spec, ProductSpec) else f"{where}.path"
                self.check_path(template, path, at)
                if path in taken:
                    self.fault(at, "is searched twice", f"{taken[path]} has it too")
                taken.setdefault(path, at)
            if isinstance(spec, ProductSpec):
                parameters.append(FixedProduct(spec.paths, spec.product))
            else:
                values = self.values(spec, where)
                if values:
                    parameters.append(IntegerChoice(spec.path, values))
        if len(self.faults) > before:
            return None
        space = Space(template, tuple(parameters), Budget.of_spec(self.spec.budget))
        self.check_shapes(space)
        if len(self.faults) == before:
            self.check_budget(space)
        return space if len(self.faults) == before else None

    def check_path(self, template: Architecture, path: str, at: str) -> None:
        name, dot, what = path.partition(".")
        levels = {level.name: level for level in template.levels}
        if not dot:
            self.fault(at, "must be level.field", "for example glb.depth")
        elif name not in levels:
            self.fault(at, f"{template.name} has no level {name}", nearest(name, levels))
        else:
            level = levels[name]
            kind = ("mesh_x", "mesh_y") if isinstance(level, Fanout) else ("depth", "width_bits")
            if what not in kind:
                self.fault(at, f"must be one of {', '.join(kind)} of {name}", nearest(what, kind))
            elif isinstance(level, Memory) and level.depth is None:
                self.fault(at, f"{name} is off-chip: it has no size to search")

    def values(self, spec: ChoiceSpec, where: str) -> tuple[int, ...]:
        """Return the values of a choice, rising; empty after noting a fault."""
        if (spec.values is None) == (spec.range is None):
            rule = "must have exactly one of values and range"
            self.fault(where, rule, "for example range: [64, 32768], step: pow2")
            return ()
        if spec.values is not None:
            if spec.step is not None:
                self.fault(f"{where}.step", "only a range has a step", "remove it")
            if len(set(spec.values)) != len(spec.values):
                self.fault(f"{where}.values", "must name each value once")
                return ()
            return tuple(sorted(spec.values))
        assert spec.range is not None
        low, high = spec.range
        if low > high:
            self.fault(f"{where}.range", "must be [least, most]", "swap them")
            return ()
        if spec.step == "pow2":
            return tuple(low << i for i in range((high // low).bit_length()))
        step = spec.step or 1
        assert isinstance(step, int)
        if (high - low) // step >= MOST_VALUES:
            rule = f"has more than {MOST_VALUES:,} values"
            self.fault(f"{where}.range", rule, "give a larger step, or step: pow2")
            return ()
        return tuple(range(low, high + 1, step))

    def check_shapes(self, space: Space) -> None:
        """Note widths that words do not fill, and shapes that the technology has no cost for."""
        at: dict[str, int] = {}
        choices: dict[str, tuple[int, ...]] = {}
        for index, parameter in enumerate(space.parameters):
            if isinstance(parameter, IntegerChoice):
                at[parameter.path], choices[parameter.path] = index, parameter.values
        for memory in space.template.memories:
            depth, width = f"{memory.name}.depth", f"{memory.name}.width_bits"
            if depth not in at and width not in at:
                continue
            widths = choices.get(width, (memory.width_bits,))
            ragged = [x for x in widths if x % memory.word_bits]
            if ragged:
                rule = f"width {ragged[0]} is not a multiple of {memory.name}'s word"
                hint = f"a word is {memory.word_bits} bit and lies in one line"
                self.fault(f"space[{at[width]}]", rule, hint)
                continue
            assert memory.depth is not None
            depths = choices.get(depth, (memory.depth,))
            where = f"space[{at.get(depth, at.get(width, 0))}]"
            for rule in self.unpriced(space.template, memory.name, depths, widths):
                self.fault(where, rule, "narrow the values")
                break

    def unpriced(
        self, template: Architecture, name: str, depths: tuple[int, ...], widths: tuple[int, ...]
    ) -> Iterator[str]:
        """Yield why shapes have no cost: least and most depth at every width."""
        for width in widths:
            for depth in (depths[0], depths[-1]):
                shape = template.with_values({f"{name}.depth": depth, f"{name}.width_bits": width})
                memory = shape.level(name)
                assert isinstance(memory, Memory)
                try:
                    memory_cost(memory, template.technology)
                except InputError as error:
                    reason = "; ".join(fault.rule for fault in error.faults)
                    yield f"{name} of {depth} x {width} bit has no cost: {reason}"

    def check_budget(self, space: Space) -> None:
        """Note a budget that no design meets, or that some corner of the space cannot meet."""
        exact = space.budget.pes is not None
        for index, parameter in enumerate(space.parameters):
            free_mesh = isinstance(parameter, IntegerChoice) and len(parameter.values) > 1
            if exact and free_mesh and parameter.paths[0].partition(".")[2] in FIELDS[2:]:
                hint = "give the meshes as product: and paths:, or use max_pes"
                self.fault(f"space[{index}]", "the budget fixes the number of MACs", hint)
                return
        for genome in space.smallest():
            excesses = space.budget.violations(space.architecture(genome))
            for excess in excesses:
                key = {"storage_bits": "storage", "area_um2": "area"}.get(
                    excess.limit, excess.limit
                )
                shape = ", ".join(f"{path} {x}" for path, x in space.values(genome).items())
                rule = (
                    f"no design meets it: the smallest has {excess.value:,.15g}, "
                    f"which must be {excess.rule} {excess.allowed:,.15g}"
                )
                self.fault(f"budget.{key}", rule, f"{shape}; raise the budget or lower the values")
            if excesses:
                return

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
            design = self.architecture(f"{at}.architecture", rival.architecture)
            if design is None:
                continue
            mapping = self.mapping(f"{at}.mapping", rival.mapping, design, network)
            if mapping is not None and self.simulable(f"{at}.architecture", design, mapping):
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
        if not broken and not design.systolic:  # the simulator scores it as well
            broken = division_violations(design, problem, mapping)
        for violation in broken:
            self.fault(at, f"is not legal on {design.name}: {violation}")
        return mapping
