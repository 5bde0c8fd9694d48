"""The command ``estimate``, and what it shares with ``simulate``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflows import load_dataflow, systolic_mapping
from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.importers.timeloop import assumptions_of
from arraysmith.arch.legality import check_mapping, division_violations
from arraysmith.arch.loader import load_architecture, load_mapping, mapping_document
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.networks import load_network
from arraysmith.arch.notation.maestro_file import is_maestro
from arraysmith.arch.problem import Layer, Problem
from arraysmith.sim.layers import (
    LayerReport,
    distinct_layers,
    evaluate_layers,
    mapping_error,
    result_document,
)
from arraysmith.sim.ports import Model
from arraysmith.sim.provenance import provenance
from arraysmith.sim.report import Report
from arraysmith.sim.tables import result_text

if TYPE_CHECKING:
    from arraysmith.sim.analytical.maestro.model import Dataflows

SETTINGS = ("default", "timeloop", "maestro")
"""Rule sets of the analytical model; ``maestro`` takes its mappings as that tool's directives."""


if TYPE_CHECKING:
    Choice = click.Choice[str]
else:
    Choice = click.Choice  # takes no type before click 8.2


class Setting(Choice):
    """A name in ``SETTINGS``; says where the rules of ZigZag are."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        if value == "zigzag":
            self.fail(
                "ZigZag's rules cut the loops of every operand by itself and take machines in that "
                "tool's terms: arraysmith validate zigzag counts by them, and says beside each "
                "number why ours differs",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


MAPPER_GROUP = "arraysmith.mappers"
"""Entry points to functions that find a mapping: ``default``, and ``named``, which returns the
function of a mapper's name; that one takes ``told``, too, which hears how good an answer is."""

DEFAULT_MAPPER = "default"

SAMPLES = 20_000
"""Mappings of a layer that a mapper looks at unless told otherwise."""


def mapped_workload(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the arguments and options that say what runs on what, and mapped how."""
    parts = (
        click.argument("architecture_ref", metavar="ARCH"),
        click.argument("workload_ref", metavar="WORKLOAD"),
        click.option(
            "--mapping", "mapping_path", metavar="FILE", help="Loops of every layer, YAML or .m."
        ),
        click.option("--dataflow", "dataflow_ref", metavar="NAME", help="Dataflow to map by."),
        click.option(
            "--search",
            "samples",
            type=click.IntRange(min=1),
            default=SAMPLES,
            metavar="N",
            show_default=True,
            help="Mappings of a layer to look at, where a dataflow leaves a choice.",
        ),
    )
    for part in reversed(parts):  # decorators apply from the innermost
        command = part(command)
    return command


@click.command()
@mapped_workload
@click.option(
    "--setting",
    type=Setting(SETTINGS),
    default="default",
    show_default=True,
    help="Rules to count by.",
)
@click.option(
    "--mapper",
    default=DEFAULT_MAPPER,
    metavar="NAME",
    show_default=True,
    help="What finds the mappings that a dataflow leaves open: genetic, random ...",
)
@click.option(
    "--calibration",
    "calibration_path",
    metavar="FILE",
    help="Correct the cycles as arraysmith calibrate found for ARCH.",
)
@click.option("--explain", "explained", is_flag=True, help="Loop nest, tiles, bounds per layer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def estimate(
    *,
    architecture_ref: str,
    workload_ref: str,
    mapping_path: str | None,
    dataflow_ref: str | None,
    samples: int,
    setting: str,
    mapper: str,
    calibration_path: str | None,
    explained: bool,
    as_json: bool,
) -> None:
    """Estimate cycles and energy of WORKLOAD on ARCH in closed form.

    ARCH is a preset or a file. WORKLOAD is a network (resnet50), one layer of it
    (vgg16:conv1_1), a YAML file or a topology CSV. A systolic array has one mapping per dataflow;
    any other is mapped as --mapping says, or with the best mapping of --dataflow found.
    """
    # Not at the top: the kernels bring numba, which --help does not need.
    from tqdm import tqdm

    from arraysmith.sim.analytical.maestro.model import evaluate
    from arraysmith.sim.analytical.model import AnalyticalModel
    from arraysmith.sim.calibration import CalibratedModel, read_calibration

    if explained and as_json:
        raise click.UsageError("--explain prints text; leave out --json")
    if calibration_path is not None and setting != "default":
        raise click.UsageError(f"--calibration corrects the setting default, not {setting}")
    architecture = load_architecture(architecture_ref)
    network = load_network(workload_ref)
    mappings: Mappings | Dataflows
    if setting == "maestro":
        if mapper != DEFAULT_MAPPER:
            raise click.UsageError("--mapper: directives leave no choice; leave it out")
        if explained:
            raise click.UsageError("--explain shows loops; the setting maestro has directives")
        mappings = dataflows = _dataflows(mapping_path, dataflow_ref)

        def run(layer: Layer) -> Report:
            return evaluate(
                architecture, layer.problem, dataflows.of(layer.problem), dataflows.path
            )
    else:
        mappings = loops = Mappings(
            architecture, mapping_path, dataflow_ref, setting, samples, mapper=mapper
        )
        model: Model = AnalyticalModel(setting)
        if calibration_path is not None:
            model = CalibratedModel(read_calibration(calibration_path, architecture))

        def run(layer: Layer) -> Report:
            return model.evaluate(architecture, layer.problem, loops.of(layer.problem))

    several = len(distinct_layers(network))
    # On a terminal only, and only where there is something to wait for.
    with tqdm(total=several, unit="layer", disable=None if several > 1 else True) as bar:
        layers = evaluate_layers(network, run, bar.update)
    if isinstance(mappings, Mappings):
        print_notes(architecture, distinct_layers(network), mappings)
    if as_json:
        source = provenance(
            architecture,
            model="analytical" if calibration_path is None else "calibrated",
            setting=setting,
            mapping=mappings.source,
            **calibrated_by(calibration_path),
            **assumed(architecture_ref, workload_ref, mapping_path, dataflow_ref),
        )
        print_json(result_document(architecture.name, workload_ref, layers, source))
        return
    if explained and isinstance(mappings, Mappings):
        for layer in distinct_layers(network):
            click.echo(explanation(architecture, layer, mappings, layers) + "\n")
    click.echo(result_text(layers))


def print_notes(architecture: Architecture, layers: Sequence[Layer], mappings: Mappings) -> None:
    """Print on stderr what a user may not expect of a design, each once."""
    from arraysmith.sim.notes import idle_overlap

    notes = (idle_overlap(architecture, x.problem, mappings.of(x.problem)) for x in layers)
    for note in dict.fromkeys((*notes, *mappings.told)):
        if note:
            click.echo(note, err=True)


def _dataflows(mapping_path: str | None, dataflow_ref: str | None) -> Dataflows:
    """Return the directives for the setting ``maestro``; InputError if there are none."""
    # Not at the top: it brings numba.
    from arraysmith.sim.analytical.maestro.model import Dataflows

    if dataflow_ref is not None:
        raise click.UsageError("the setting maestro takes --mapping FILE.m, not --dataflow")
    if mapping_path is None or not is_maestro(mapping_path):
        rule = "the setting maestro needs directives"
        raise InputError([Fault("--mapping", mapping_path or "", rule, "--mapping FILE.m")])
    return Dataflows(mapping_path)


def explanation(
    architecture: Architecture, layer: Layer, mappings: Mappings, layers: tuple[LayerReport, ...]
) -> str:
    """Return the explanation of one layer out of evaluated ``layers``."""
    # Not at the top, for the same reason.
    from arraysmith.sim.explain import explain

    report = next(x.report for x in layers if x.layer.name == layer.name)
    return explain(architecture, layer.problem, mappings.of(layer.problem), report)


def assumed(*refs: str | None) -> dict[str, Any]:
    """Return the assumptions made on files of other tools, for provenance; nothing if none were."""
    assumptions = assumptions_of(*refs)
    return {"assumptions": assumptions} if assumptions else {}


def calibrated_by(path: str | None) -> dict[str, Any]:
    """Return which calibration was used, by the content of its file; nothing if none was."""
    if path is None:
        return {}
    content = Path(path).read_bytes()
    return {"calibration": {"file": Path(path).name, "sha256": hashlib.sha256(content).hexdigest()}}


def print_json(document: dict[str, Any]) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2))


class Mappings:
    """Where the mapping of a layer comes from: a file, or a dataflow.

    A dataflow leaves a systolic array no choice; for any other array a mapper chooses. The mapper
    belongs to a package above this one and is found as an entry point of ``MAPPER_GROUP``.

    Attributes:
        source: the same in plain data, for provenance.
        told: what a named mapper says of its answers, for people.
    """

    def __init__(
        self,
        architecture: Architecture,
        mapping_path: str | None,
        dataflow_ref: str | None,
        setting: str,
        samples: int,
        *,
        ragged: bool = True,
        mapper: str = DEFAULT_MAPPER,
    ) -> None:
        """Take the options of a command.

        Args:
            architecture: what to map on.
            mapping_path: file of a mapping.
            dataflow_ref: name or file of a dataflow.
            setting: of the analytical model, by which a mapper chooses.
            samples: most mappings of a layer that a mapper looks at.
            ragged: whether the model takes tiles that do not divide.
            mapper: name of the mapper.

        Raises:
            click.UsageError: mapping and dataflow both given.
            InputError: a file or name that is wrong, or neither given.
        """
        if mapping_path is not None and dataflow_ref is not None:
            raise click.UsageError("give --mapping or --dataflow, not both")
        if mapper != DEFAULT_MAPPER and (mapping_path is not None or architecture.systolic):
            what = (
                "the mapping" if mapping_path is not None else f"an array like {architecture.name}"
            )
            raise click.UsageError(f"--mapper: {what} leaves no choice; leave it out")
        self._architecture = architecture
        self._path = mapping_path
        self._setting = setting
        self._samples = samples
        self._mapper = mapper
        self._ragged = (ragged and setting != "timeloop") or architecture.systolic is not None
        self._found: dict[Problem, Mapping] = {}
        self.told: list[str] = []
        self.source: dict[str, Any]
        if mapping_path is not None and is_maestro(mapping_path):
            rule = "directives are counted by the setting maestro only"
            raise InputError([Fault("--mapping", mapping_path, rule, "estimate --setting maestro")])
        if mapping_path is not None:
            self._mapping = load_mapping(mapping_path, architecture)
            self.source = mapping_document(self._mapping, architecture.name)
        elif dataflow_ref is None:
            rule = f"{architecture.name} needs a dataflow or a mapping"
            example = "output_stationary" if architecture.systolic else "row_stationary"
            hint = f"for example --dataflow {example}; see arraysmith list dataflows"
            raise InputError([Fault("dataflow", "", rule, hint)])
        else:
            self._dataflow = load_dataflow(dataflow_ref, architecture)
            self.source = {"dataflow": self._dataflow.name}
            if architecture.systolic is None:
                self.source["searched"] = samples
                if mapper != DEFAULT_MAPPER:
                    self.source["mapper"] = mapper

    def of(self, problem: Problem) -> Mapping:
        """Return the mapping of a layer.

        Raises:
            InputError: the mapping in the file is illegal on this layer; a fault per broken rule.
        """
        if self._path is None and self._architecture.systolic:
            return systolic_mapping(self._dataflow, self._architecture, problem)
        if self._path is None:
            key = problem.renamed("")
            if key not in self._found:
                named = self._mapper != DEFAULT_MAPPER
                self._found[key] = _mapper(self._mapper)(
                    self._architecture,
                    problem,
                    self._dataflow,
                    setting=self._setting,
                    samples=self._samples,
                    **({"told": self.told.append} if named else {}),
                )
            return self._found[key]
        violations = check_mapping(self._architecture, problem, self._mapping)
        if not violations and not self._ragged:
            violations = division_violations(self._architecture, problem, self._mapping)
        if violations:
            raise mapping_error(self._path, problem.name, violations)
        return self._mapping


def _mapper(name: str) -> Callable[..., Mapping]:
    """Return the function that finds a mapping.

    Raises:
        InputError: no mapper of that name.
        ArraysmithError: no mapper is installed.
    """
    wanted = name if name == DEFAULT_MAPPER else "named"
    for point in entry_points(group=MAPPER_GROUP, name=wanted):
        found: Callable[..., Any] = point.load()
        mapper: Callable[..., Mapping] = found if name == DEFAULT_MAPPER else found(name)
        return mapper
    raise ArraysmithError(f"no mapper is installed (entry point {wanted} of {MAPPER_GROUP})")
