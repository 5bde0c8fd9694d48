"""What a run file may hold, as strict models (file-facing only); ``run_file`` resolves them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, create_model

from arraysmith.arch.errors import nearest
from arraysmith.arch.registry import lookup, registered
from arraysmith.arch.spec_reader import Spec, SpecError
from arraysmith.arch.specs import BudgetSpec, Count, Name, Text
from arraysmith.search.objective import MAPPING_OBJECTIVES, OBJECTIVES
from arraysmith.search.optimisers.base import Optimiser

FIELDS = ("depth", "width_bits", "mesh_x", "mesh_y")
"""Fields of levels that a search may change: counts of a mapping do not depend on them."""

Weight = Annotated[float, Field(ge=0)]


class ChoiceSpec(Spec):
    """One number: the values listed, or a range with its step."""

    path: Text = Field(description="level.field: " + ", ".join(f"glb.{x}" for x in FIELDS[:2]))
    values: tuple[Count, ...] | None = Field(default=None, min_length=1)
    range: tuple[Count, Count] | None = Field(default=None, description="[least, most]")
    step: Literal["pow2"] | Count | None = Field(
        default=None, description="of the range: pow2 doubles, a number is added; 1 when left out"
    )


class ProductSpec(Spec):
    """Several numbers of a given product: all ordered factorisations."""

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


class MapperSpec(Spec):
    """How the mapping of each layer on each candidate is chosen."""

    samples: Count = Field(
        default=200_000, le=10**8, description="mappings of a layer to look at, at most"
    )
    objective: Literal[MAPPING_OBJECTIVES] | None = Field(  # type: ignore[valid-type]  # names from a table
        default=None, description="follows the objective when left out"
    )


class RescoreSpec(Spec):
    """Simulation of the best designs."""

    top: int = Field(default=5, ge=1, le=1000, description="how many")
    values_macs: int = Field(
        default=10**8, ge=0, le=10**12, description="largest layer that is run with values"
    )


class BaselineSpec(Spec):
    """How the template is mapped in the row that gains are measured from."""

    label: Text = "original"
    mapping: Text | None = Field(default=None, description="mapping file, for one layer")
    samples: Count | None = Field(
        default=None, description="best of so many random mappings, when no mapping is stated"
    )


class RivalSpec(Spec):
    """Another design to show beside the result."""

    label: Text
    architecture: Text
    mapping: Text


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
    dataflow: Text = Field(description="name or file")
    setting: Text = Field(default="default", description="of the analytical model")
    space: tuple[ParameterSpec, ...] = Field(min_length=1)
    budget: BudgetSpec = BudgetSpec()
    objective: Literal[OBJECTIVES] = "edp"  # type: ignore[valid-type]  # names from a table
    weights: WeightsSpec | None = Field(default=None, description="of the objective poster")
    mapper: MapperSpec = MapperSpec()
    optimiser: OptimiserSpec = OptimiserSpec()
    seed: int = Field(default=1, ge=0, le=2**63 - 1)
    rescore: RescoreSpec = RescoreSpec()
    traces: Literal["all", "offchip", "none"] = Field(
        default="all", description="memories whose requests are stored for the best design"
    )
    baseline: BaselineSpec = BaselineSpec()
    compare: tuple[RivalSpec, ...] = ()
    printed: tuple[PrintedSpec, ...] = ()


def _registered(name: str) -> str:
    names = registered("optimiser")
    if name not in names:
        raise SpecError(f"must be one of {', '.join(names)}", nearest(name, names))
    return name


def run_spec_for(optimiser: Any) -> type[RunSpec]:
    """Return the model of run files that use ``optimiser`` (the value of their key ``optimiser``).

    The settings of a known optimiser become known keys; of an unknown one only the name is wrong.
    """
    name = optimiser.get("name", "genetic") if isinstance(optimiser, dict) else "genetic"
    known = isinstance(name, str) and name in registered("optimiser")
    base: type[Spec] = OptimiserSpec
    if known:
        plugin: type[Optimiser[Any]] = lookup("optimiser", name)
        base = plugin.settings_type
    named = Annotated[str, AfterValidator(_registered)]
    settings: type[Spec] = create_model("OptimiserSpec", __base__=base, name=(named, "genetic"))
    return create_model("RunSpec", __base__=RunSpec, optimiser=(settings, settings()))
