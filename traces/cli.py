"""The commands ``simulate``, ``trace`` and ``report``."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import click

from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.sim.cli import Mappings, assumed, mapped_workload, print_json, print_notes
from arraysmith.sim.layers import distinct_layers, result_document
from arraysmith.sim.provenance import provenance
from arraysmith.sim.tables import result_text
from arraysmith.traces.levels import SHARED, traced_levels
from arraysmith.traces.page import ReportPage
from arraysmith.traces.scalesim_cli import SETTINGS, ScaleSimInputs, scalesim_files
from arraysmith.traces.trace_cli import trace

if TYPE_CHECKING:
    from arraysmith.traces.recorder import TraceWriter

__all__ = ["read_page", "report", "simulate", "trace"]

VALUES_SEED = 0
"""What --values draws the operands with."""

LONGEST_ASIDE = ".part.journal"
"""What is added to the name of a file for those that lie beside it while it is written."""

# Modules that bring numba, simpy, h5py, plotly or tqdm are imported by the commands that need them:
# a command's --help does not.


@click.command()
@mapped_workload
@click.option("--traces", "traces_path", metavar="FILE.h5", help="Write every request here.")
@click.option(
    "--levels",
    metavar="LIST",
    help="What --traces holds, comma-separated: offchip, shared (memories that there are once; "
    "default), networks, every, or names of levels.",
)
@click.option("--values", "check_values", is_flag=True, help="Carry values; check the results.")
@click.option(
    "--setting",
    type=click.Choice(SETTINGS),
    default="default",
    show_default=True,
    help="Rules to simulate by.",
)
@click.option(
    "--edges",
    type=click.Choice(("included", "excluded")),
    default="included",
    show_default=True,
    help="Whether first fill and last drain of a layer count; they are reported anyway.",
)
@scalesim_files
@click.option(
    "-j",
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Processes; layers run side by side, results are the same.",
)
@click.option("--report", "page_path", metavar="FILE.html", help="Write a page of figures here.")
@click.option(
    "--no-skip",
    "every_step",
    is_flag=True,
    help="Simulate every iteration, also of those that repeat; the numbers are the same.",
)
@click.option("--explain", "explained", is_flag=True, help="What waited for what, per layer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def simulate(
    *,
    architecture_ref: str,
    workload_ref: str,
    mapping_path: str | None,
    dataflow_ref: str | None,
    samples: int,
    traces_path: str | None,
    levels: str | None,
    check_values: bool,
    setting: str,
    edges: str,
    workers: int,
    page_path: str | None,
    every_step: bool,
    explained: bool,
    as_json: bool,
    **scalesim: Any,
) -> None:
    """Simulate WORKLOAD on ARCH cycle by cycle.

    ARCH is a preset, a YAML file or a SCALE-Sim .cfg, which brings its dataflow. WORKLOAD is a
    network (resnet50), one layer of it (vgg16:conv1_1), a YAML file or a topology CSV. Exit code 1
    if values differ.
    """
    from tqdm import tqdm

    from arraysmith.sim.waits import explain_waits
    from arraysmith.traces.recording import (
        LayerRun,
        layer_folder,
        simulate_network,
    )

    inputs = ScaleSimInputs(architecture_ref, workload_ref, setting, **scalesim)
    if setting != "default" and edges != "included":
        raise click.UsageError(f"--setting {setting} counts as its tool does; leave out --edges")
    if levels is not None and (traces_path is None or setting != "default"):
        raise click.UsageError("--levels says what --traces holds; give --traces, no --setting")
    if setting != "default" and (explained or page_path):
        raise click.UsageError(
            f"--setting {setting} tells no waits; leave out --explain and --report"
        )
    for option, path in (("traces", traces_path), ("report", page_path)):
        if path is not None:
            require_file_place(option, path)
    places = {Path(x).resolve() for x in (traces_path, page_path) if x is not None}
    if None not in (traces_path, page_path) and len(places) == 1:
        raise click.UsageError("--report and --traces name the same file; give each its own")
    if setting != "default":
        inputs.simulate(
            mapping_path, dataflow_ref, samples, traces_path, check_values, as_json=as_json
        )
        return
    architecture = inputs.architecture()
    network = inputs.network()
    chosen = tuple((SHARED if levels is None else levels).split(","))
    if traces_path is not None:
        traced_levels(architecture, chosen)  # a name that is wrong shall not cost an hour
    dataflow_ref = inputs.dataflow(mapping_path, dataflow_ref)
    mappings = Mappings(architecture, mapping_path, dataflow_ref, "default", samples)
    # All layers before the first: a mapping that is wrong for the last shall not cost an hour.
    distinct = {layer.name: mappings.of(layer.problem) for layer in distinct_layers(network)}
    source = provenance(
        architecture,
        model="cycle",
        setting="default",
        workload=workload_ref,
        mapping=mappings.source,
        **assumed(architecture_ref, workload_ref, mapping_path, dataflow_ref),
    )
    with ExitStack() as stack:
        writer = (
            stack.enter_context(open_writer(traces_path, source))
            if traces_path is not None
            else None
        )
        bar = stack.enter_context(
            # On a terminal only, and only where there is something to wait for.
            tqdm(total=len(distinct), unit="layer", disable=None if len(distinct) > 1 else True)
        )

        run = LayerRun(
            architecture,
            distinct,
            VALUES_SEED if check_values else None,
            layer_folder(Path(traces_path)) if traces_path is not None else None,
            explained or page_path is not None,
            chosen,
            skip=not every_step,
        )
        many = min(workers, len(distinct))
        layers, waits = simulate_network(network, run, writer, many, bar.update)
    print_notes(architecture, distinct_layers(network), mappings)
    if page_path is not None:
        from arraysmith.traces.html import write_html
        from arraysmith.traces.simulated_page import simulated_page

        files = []
        if traces_path is not None:
            files.append(("traces", os.path.relpath(traces_path, Path(page_path).parent)))
        page = simulated_page(architecture, workload_ref, distinct, layers, waits, source, files)
        write_html(page, page_path)
    if edges == "excluded":
        layers = tuple(replace(x, report=x.report.without_edges()) for x in layers)
    if as_json:
        document = result_document(architecture.name, workload_ref, layers, source)
        if check_values:
            document["values_equal"] = list(distinct)  # the first that differs ends the command
        if explained:
            document["waits"] = {name: found.to_dict() for name, found in waits.items()}
        print_json(document)
        return
    for name, found in waits.items() if explained else ():
        report = next(x.report for x in layers if x.layer.name == name)
        click.echo(explain_waits(name, report, found) + "\n")
    click.echo(result_text(layers))
    if check_values:
        click.echo(f"\nvalues: {len(distinct)} layer(s) equal the reference bit for bit")
    if traces_path is not None:
        click.echo(f"\ntraces: {traces_path}")
    if page_path is not None:
        click.echo(f"\nreport: {page_path}")


def open_writer(path: str, source: dict[str, Any]) -> TraceWriter:
    """Return a writer of traces; InputError if its file cannot be there."""
    from arraysmith.traces.recorder import TraceWriter

    require_file_place("traces", path)
    return TraceWriter(path, source)


def require_file_place(option: str, path: str) -> None:
    """Raise InputError if a file cannot be written where ``option`` says; leaves nothing there.

    Files are written aside and renamed, which would put an end to a device as ``/dev/null``.
    """

    def refuse(rule: str, hint: str = "give a file name") -> InputError:
        return InputError([Fault(option, path, rule, hint)])

    target = Path(path)
    if "\0" in path:
        raise refuse("holds a byte 0")
    try:
        if not target.parent.is_dir():
            raise refuse("its folder does not exist", f"make {target.parent} first")
        if target.is_dir():
            raise refuse("is a folder")
        if target.exists() and not target.is_file():
            raise refuse("is no regular file, which could be replaced")
        target.with_name(f"{target.name}{LONGEST_ASIDE}").exists()  # or the name is too long
        # What cannot be written shall be known before a simulation, not an hour later.
        TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise refuse(f"cannot be written: {error.strerror}", "give another place") from error


@click.command()
@click.argument("directory", metavar="DIR")
def report(*, directory: str) -> None:
    """Write report.html of a search again, from DIR/result.json."""
    from arraysmith.traces.html import write_html

    target = Path(directory) / "report.html"
    write_html(read_page(Path(directory) / "result.json"), target)
    click.echo(target)


def read_page(path: Path) -> ReportPage:
    """Return the page stored in a result file under the key ``page``.

    Raises:
        InputError: no such file, or not the result of a search.
    """
    hint = "give the folder that arraysmith search --out wrote"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError([Fault("", str(path), "no such file", hint, str(path))]) from None
    except OSError as error:
        rule = f"cannot be read: {error.strerror}"
        raise InputError([Fault("", str(path), rule, hint, str(path))]) from error
    except json.JSONDecodeError as error:
        fault = Fault("", error.msg, "must be JSON", hint, str(path), error.lineno, error.colno)
        raise InputError([fault]) from error
    except UnicodeDecodeError as error:
        raise InputError([Fault("", str(path), "must be UTF-8", hint, str(path))]) from error
    if not isinstance(document, dict) or "page" not in document:
        raise InputError([Fault("page", "", "key is missing", hint, str(path))])
    try:
        return ReportPage.from_dict(document["page"])
    except ArraysmithError as error:
        raise InputError([Fault("page", "", str(error), hint, str(path))]) from error
