"""The command ``trace``: looks into trace files, compares and converts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import click

from arraysmith.arch.errors import ArraysmithError
from arraysmith.sim.cli import print_json
from arraysmith.sim.tables import text_table
from arraysmith.traces.formats import FORMATS

if TYPE_CHECKING:
    from arraysmith.traces.reader import LayerTrace, StreamSummary, TraceFile

# Modules that bring numba, h5py or tqdm are imported by the commands that need them: a command's
# --help does not.


@click.group()
def trace() -> None:
    """Look into trace files, compare and convert them."""


@trace.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def info(*, file: str, as_json: bool) -> None:
    """Print what FILE holds: layers, streams, requests, bytes, cycles, ports, stalls.

    FILE may be the .part that a killed run left.
    """
    from arraysmith.traces.reader import TraceFile

    with TraceFile(file, part=True) as traces:
        if not traces.complete:
            text = f"warning: {file} is incomplete: the run that wrote it did not finish"
            click.echo(text, err=True)
        found = [[(x.name, x.summary()) for x in layer.streams] for layer in traces.layers]
        if as_json:
            print_json(_info_document(traces, found))
        else:
            click.echo(_info_text(traces, found))


_Summaries = list[list[tuple[str, "StreamSummary"]]]


def _words(layer: LayerTrace, stream: str, summary: StreamSummary) -> int | None:
    """Return the words of a stream; None if words are no whole bytes: a size tells no number."""
    bits: int = layer.problem["tensors"][stream.split("/")[-2]]["word_bits"]
    return None if bits % 8 else summary.total_bytes * 8 // bits


def _info_document(traces: TraceFile, found: _Summaries) -> dict[str, Any]:
    return {
        "file": traces.path,
        "complete": traces.complete,
        "schema_version": traces.schema_version,
        "tool_version": traces.tool_version,
        "seed": traces.seed,
        "layers": [
            {
                "layer": layer.name,
                "repeat": layer.repeat,
                "clock_hz": layer.clock_hz,
                "streams": [
                    {"stream": name, **asdict(x), "words": _words(layer, name, x)}
                    for name, x in streams
                ],
                "stall_cycles": layer.stall_cycles(),
                "waits": layer.wait_totals().to_dict(),
                "values": layer.has_values,
            }
            for layer, streams in zip(traces.layers, found, strict=True)
        ],
        "provenance": traces.provenance,
    }


def _info_text(traces: TraceFile, found: _Summaries) -> str:
    from arraysmith.sim.waits import chains_table

    version = f"schema {traces.schema_version}, written by arraysmith {traces.tool_version}"
    parts = [f"{traces.path}: {version}, {len(traces.layers)} layer(s)"]
    heads = (
        *("stream", "requests", "in segments", "segments", "on disk", "bytes", "words", "tiles"),
        *("ports", "first cycle", "last cycle"),
    )
    for layer, streams in zip(traces.layers, found, strict=True):
        clock = f"{layer.clock_hz / 1e6:,g} MHz"
        rows = [
            (
                name,
                f"{x.requests:,}",
                f"{x.segment_requests:,}",
                f"{x.segments:,}",
                f"{x.disk_bytes:,}",
                f"{x.total_bytes:,}",
                _number(_words(layer, name, x)),
                f"{x.tiles:,}",
                f"{x.ports:,}",
                _number(x.first_cycle),
                _number(x.last_cycle),
            )
            for name, x in streams
        ]
        title = f"{layer.name}, {layer.repeat} run(s) per inference, {clock}"
        lines = [f"{title}\n{text_table(heads, rows)}"]
        stalls = layer.stall_cycles()
        if stalls:
            causes = ", ".join(f"{cause} {cycles:,}" for cause, cycles in stalls.items() if cycles)
            lines.append(f"stall cycles: {causes or 'none'}")
        if layer.chains() is not None and stalls:
            lines.append(chains_table(layer.wait_totals()))
        if layer.has_values:
            lines.append("values of operands and results are stored")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


@trace.command()
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def diff(ctx: click.Context, *, first: str, second: str, as_json: bool) -> None:
    """Compare the requests and stalls of two files; exit code 1 if they differ.

    For every stream: the number of requests in both, and the first one that differs. Layers and
    streams are found by name.
    """
    from arraysmith.traces.diff import compare
    from arraysmith.traces.reader import TraceFile

    with TraceFile(first) as one, TraceFile(second) as two:
        found = compare(one, two)
    if as_json:
        print_json({"first": first, "second": second, "equal": not found.differ, **asdict(found)})
    else:
        click.echo(found.text())
    ctx.exit(1 if found.differ else 0)


@trace.command()
@click.argument("file")
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), required=True)
@click.option("--out", required=True, metavar="DIR", help="Folder for the files; made if needed.")
@click.option("--layer", metavar="NAME", help="This layer only.")
@click.option("--stream", metavar="NAME", help="This stream only, for example dram/ifmap/read.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def export(
    *, file: str, format_: str, out: str, layer: str | None, stream: str | None, overwrite: bool
) -> None:
    """Write the streams of FILE in another format."""
    from tqdm import tqdm

    from arraysmith.traces.export import exporter, selected_streams
    from arraysmith.traces.reader import TraceFile

    with TraceFile(file) as traces:
        streams = selected_streams(traces, layer, stream)
        requests = sum(len(x) for _, x in streams)
        with tqdm(total=requests, unit="request", unit_scale=True, disable=None) as bar:
            files = exporter(format_)(streams, out, overwrite=overwrite, advance=bar.update)
    for path in files:
        click.echo(path)


REPLAY_GROUP = "arraysmith.replayers"
"""Entry points to functions that take a ``LayerTrace`` and run it on something else than the
simulator that recorded it; the result says ``layer``, ``trace_cycles``, ``rtl_cycles``, ``words``,
``wrong``, ``complaints`` and ``equal``."""

EXIT_DIFFERS = 3


@trace.command()
@click.argument("file")
@click.option("--layer", metavar="NAME", help="This layer only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def replay(ctx: click.Context, *, file: str, layer: str | None, as_json: bool) -> None:
    """Drive an array in SystemVerilog with the requests in FILE; exit code 3 if it disagrees.

    For layers of systolic arrays, recorded with simulate --values --traces. Needs Verilator and a
    C++ compiler.
    """
    from arraysmith.traces.reader import TraceFile

    run = _replayer()
    with TraceFile(file) as traces:
        found = [run(x) for x in (traces.layers if layer is None else (traces.layer(layer),))]
    if as_json:
        print_json({"file": file, "layers": [{**asdict(x), "equal": x.equal} for x in found]})
    else:
        heads = ("layer", "cycles in the trace", "cycles in RTL", "results", "disagreements")
        rows = [
            (x.layer, *(f"{n:,}" for n in (x.trace_cycles, x.rtl_cycles, x.words, x.wrong)))
            for x in found
        ]
        click.echo(text_table(heads, rows))
        for x in found:
            for complaint in x.complaints:
                click.echo(f"{x.layer}: {complaint}")
    ctx.exit(0 if all(x.equal for x in found) else EXIT_DIFFERS)


def _replayer() -> Callable[[LayerTrace], Any]:
    """Return the function that replays a layer; it belongs to a package above this one.

    Raises:
        ArraysmithError: none is installed.
    """
    for point in entry_points(group=REPLAY_GROUP, name="rtl"):
        found: Callable[[LayerTrace], Any] = point.load()
        return found
    raise ArraysmithError(f"nothing to replay on is installed (entry point rtl of {REPLAY_GROUP})")
