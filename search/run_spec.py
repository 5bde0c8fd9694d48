"""What a run file may hold, as strict models (file-facing only); ``run_file`` resolves them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    create_model,
    model_validator,
)

from arraysmith.arch.errors import nearest
from arraysmith.arch.registry import lookup, registered
from arraysmith.arch.spec_fields import Count, Name, Text
from arraysmith.arch.spec_reader import Spec, SpecError
from arraysmith.arch.specs import BudgetSpec
from arraysmith.search.mappers.base import Mapper
from arraysmith.search.objective import MAPPING_OBJECTIVES
from arraysmith.search.optimisers.base import Optimiser, missing_rule
from arraysmith.search.run_fields import Dataflows, Objectives, OneObjective, Range, Step, Weight

TABLE = "table"
"""Name of the mapper that every candidate chooses from the same mappings with."""

VARIANTS = (
    "as found",
    "half of every memory on the chip",
    "half of the memories outside the PEs",
    "by latency, or by EDP where that is the objective",
    "half of the memories in the PEs",
)
"""How a calibrated search asks for the mapping of a layer, one after the other."""


class ChoiceSpec(Spec):
    """One number, or several that are always equal: the values listed, or a range with its step.

    For ``mapping.objective`` and ``mapping.dataflow``: names.
    """

    path: Text | None = Field(
        default=None, description="level.field as in glb.depth, clock_hz, or mapping.objective"
    )
    paths: tuple[Text, ...] | None = Field(default=None, min_length=2, max_length=16)
    names: tuple[Text, ...] | None = Field(default=None, min_length=1, description="of mapping.*")
    values: tuple[Count, ...] | None = Field(default=None, min_length=1)
    range: Range | None = Field(default=None, description="[least, most]")
    step: Step | None = Field(
        default=None, description="of the range: pow2 doubles, a number is added; 1 when left out"
    )


class ProductSpec(Spec):
    """Several numbers of a given product: all ordered factorisations that are legal shapes."""

    product: Count
    paths: tuple[Text, ...] = Field(min_length=2, max_length=4)


def _parameter_kind(value: Any) -> str:
    product = isinstance(value, ProductSpec) or (isinstance(value, dict) and "product" in value)
    return "<product>" if product else "<choice>"


ParameterSpec = Annotated[
    Annotated[ChoiceSpec, Tag("<choice>")] | Annotated[ProductSpec, Tag("<product>")],
    Discriminator(_parameter_kind),
]


class WeightsSpec(Spec):
    """Weights of the poster's loss."""

    cycles: Weight = 1.0
    energy: Weight = 1.0
    gflops: Weight = 1.0
    utilization: Weight = 1.0

    @model_validator(mode="after")
    def _some_weigh(self) -> Self:
        if not any((self.cycles, self.energy, self.gflops, self.utilization)):
            raise SpecError("all weights are 0: every design would be as good", "raise one")
        return self


class MapperSpec(Spec):
    """How the mapping of each layer on each candidate is chosen."""

    name: str = Field(default=TABLE, description="table, or a registered mapper")
    objective: Literal[MAPPING_OBJECTIVES] | None = Field(  # type: ignore[valid-type]  # names from a table
        default=None, description="follows the objective when left out"
    )


class TableSpec(MapperSpec):
    """Of the mapper ``table``."""

    # Not a Count: its own limit would outlast the one given here.
    samples: int = Field(
        default=200_000, ge=1, le=10**8, description="mappings of a layer to look at, at most"
    )
    refine: int = Field(
        default=1000,
        ge=0,
        le=10**8,
        description="mappings that the genetic mapper scores for each layer of the best designs",
    )
    prove: int = Field(
        default=10_000_000,
        ge=0,
        le=10**12,
        description="partial mappings that the exact mapper looks at for each layer of the winner",
    )


class PlugInSpec(MapperSpec):
    """Of every other mapper; its settings stand beside these, see ``run_spec_for``."""

    model_config = ConfigDict(extra="allow")

    evaluations: int = Field(
        default=1000, ge=1, le=10**8, description="mappings to score per layer and design, at most"
    )


class ClusterSpec(Spec):
    """Workers of a cluster; options are those of dask-jobqueue, by their names there."""

    slurm: dict[str, Any] | None = Field(default=None, description="options of SLURMCluster")
    lsf: dict[str, Any] | None = Field(default=None, description="options of LSFCluster")
    address: Text | None = Field(default=None, description="scheduler that runs: tcp://host:port")
    jobs: int = Field(default=2, ge=1, le=10**5, description="to submit")


class RescoreSpec(Spec):
    """Simulation of the best designs."""

    top: int = Field(default=5, ge=1, le=1000, description="how many")
    values_macs: int = Field(
        default=10**8, ge=0, le=10**12, description="largest layer that is run with values"
    )


class CalibrationSpec(Spec):
    """Simulation of designs on the way; their cycles by cause correct all later scores."""

    every: int = Field(
        default=5, ge=1, le=10**6, description="generations from one round to the next"
    )
    simulate: int = Field(default=4, ge=1, le=1000, description="designs of a round")
    informative: int = Field(
        default=1, ge=0, le=1000, description="how many of them for what the fit learns of them"
    )
    mappings: int = Field(
        default=4,
        ge=1,
        le=len(VARIANTS),
        description="ways to ask for a mapping of a layer; the best as corrected is taken",
    )
    most_steps: int = Field(
        default=100_000, ge=1, le=10**9, description="of a layer that is simulated, at most"
    )

    @model_validator(mode="after")
    def _some_are_best(self) -> Self:
        if self.informative > self.simulate:
            rule = f"informative, {self.informative}, must be at most simulate, {self.simulate}"
            raise SpecError(rule, "lower informative or raise simulate")
        return self


class BaselineSpec(Spec):
    """How the template is mapped in the row that gains are measured from."""

    label: Text = "original"
    mapping: Text | None = Field(default=None, description="mapping file, for one layer")
    samples: Count | None = Field(
        default=None, description="best of so many random mappings, when no mapping is stated"
    )


class RivalSpec(Spec):
    """Another design to show beside the result, with a mapping or the best under a dataflow."""

    label: Text
    architecture: Text | None = Field(default=None, description="the template when left out")
    mapping: Text | None = Field(default=None, description="mapping file, for one layer")
    dataflow: Text | None = Field(default=None, description="its best mapping is taken")


class PrintedSpec(Spec):
    """Numbers as a source prints them."""

    label: Text
    cycles: Count | None = None
    utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    gflops: Annotated[float, Field(gt=0)] | None = None
    energy_uj: Annotated[float, Field(gt=0)] | None = None
    edp_j_cycles: Annotated[float, Field(gt=0)] | None = None
    note: str = ""


class OptimiserSpec(Spec):
    """A registered optimiser; its settings stand beside the name, see ``run_spec_for``."""

    model_config = ConfigDict(extra="allow")

    name: str = "genetic"


class RunSpec(Spec):
    """A search: what to start from, what may change, what to minimise, how long to look."""

    kind: Literal["run"]
    name: Name
    note: str | None = None
    architecture: Text = Field(description="template: preset or file; also the baseline")
    workload: Text = Field(description="network, layer of one (vgg16:conv1_1), or file")
    dataflow: Dataflows = Field(description="name or file; or a map of them by kind of layer")
    setting: Text = Field(default="default", description="of the analytical model")
    space: tuple[ParameterSpec, ...] = Field(min_length=1)
    budget: BudgetSpec = BudgetSpec()
    objective: Objectives = Field(
        default=("edp",), description="a product of quantities, or a list of them: their front"
    )
    rank: OneObjective | None = Field(
        default=None, description="which point of a front is the best design; edp when left out"
    )
    weights: WeightsSpec | None = Field(default=None, description="of the objective poster")
    mapper: TableSpec | PlugInSpec = TableSpec()
    optimiser: OptimiserSpec = OptimiserSpec()
    seed: int = Field(default=1, ge=0, le=2**63 - 1)
    repeats: int = Field(
        default=1, ge=1, le=1000, description="searches with seeds of their own, one ledger"
    )
    cluster: ClusterSpec | None = None
    rescore: RescoreSpec = RescoreSpec()
    calibration: CalibrationSpec | None = Field(
        default=None, description="simulate designs on the way; off when left out"
    )
    traces: Literal["all", "offchip", "every", "none"] = Field(
        default="all",
        description="memories whose requests are stored for the best design: all that there are "
        "once, the off-chip one, or every one, those inside PEs too",
    )
    baseline: BaselineSpec = BaselineSpec()
    compare: tuple[RivalSpec, ...] = ()
    printed: tuple[PrintedSpec, ...] = ()


def _known(kind: str, *others: str) -> AfterValidator:
    def check(name: str) -> str:
        names = sorted({*registered(kind), *others})
        if name not in names:
            raise SpecError(f"must be one of {', '.join(names)}", nearest(name, names))
        return name

    return AfterValidator(check)


def _installed(name: str) -> str:
    missing = optimiser_class(name).missing_packages()
    if missing:
        raise SpecError(*missing_rule(missing))
    return name


def optimiser_class(name: str) -> type[Optimiser[Any]]:
    """Return the optimiser registered as ``name``."""
    found: type[Optimiser[Any]] = lookup("optimiser", name)
    return found


def mapper_class(name: str) -> type[Mapper]:
    """Return the mapper registered as ``name``; not ``table``."""
    found: type[Mapper] = lookup("mapper", name)
    return found


def _name_in(value: Any, default: str) -> Any:
    return value.get("name", default) if isinstance(value, dict) else default


def _is_known(kind: str, name: Any) -> bool:
    return isinstance(name, str) and name in registered(kind)


def run_spec_for(optimiser: Any, mapper: Any = None) -> type[RunSpec]:
    """Return the model of run files by the values of their keys ``optimiser`` and ``mapper``.

    The settings of a known optimiser or mapper become known keys; of an unknown one only the name
    is wrong.
    """
    name = _name_in(optimiser, "genetic")
    known = _is_known("optimiser", name)
    base: type[Spec] = optimiser_class(name).settings_type if known else OptimiserSpec
    named = Annotated[str, _known("optimiser"), AfterValidator(_installed)]
    settings: type[Spec] = create_model("OptimiserSpec", __base__=base, name=(named, "genetic"))
    return create_model(
        "RunSpec",
        __base__=RunSpec,
        optimiser=(settings, settings()),
        mapper=(_mapper_spec(_name_in(mapper, TABLE)), TableSpec()),
    )


def _mapper_spec(name: Any) -> type[Spec]:
    if name == TABLE:
        return TableSpec
    named = Annotated[str, _known("mapper", TABLE)]
    if not _is_known("mapper", name):
        return create_model("MapperSpec", __base__=PlugInSpec, name=(named, TABLE))
    fields = {key: PlugInSpec.model_fields[key] for key in ("objective", "evaluations")}
    return create_model(  # type: ignore[call-overload,no-any-return]  # fields by name
        "MapperSpec",
        __base__=mapper_class(name).settings_type,
        name=(named, TABLE),
        **{key: (field.annotation, field) for key, field in fields.items()},
    )


def plain_settings(spec: Spec, settings_type: type[Spec]) -> Spec:
    """Return the settings in ``spec`` as their own type, which other processes know, too."""
    return settings_type(**{name: getattr(spec, name) for name in settings_type.model_fields})
