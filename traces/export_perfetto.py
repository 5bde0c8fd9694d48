"""A timeline for ui.perfetto.dev or chrome://tracing: one file of Chrome trace events per layer.

One microsecond of the timeline is one cycle of the array clock. Tracks: the folds of a systolic
array, from the cycle in which lane 0 takes step 0 until the last PE in use has done its last MAC;
its waits, a track per cause; and every stream, with a slice per tile (a DMA transfer off-chip, a
fold at an SRAM of a systolic array) from its first request to its last response. Slices that may
overlap are asynchronous events, whose rows the viewer stacks.

Format: "Trace Event Format", Google, 2016; a complete slice is ``X``, an asynchronous one a pair of
``b`` and ``e`` with an id, names of tracks are metadata ``M``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from arraysmith.sim.probe import links_of
from arraysmith.sim.waits import ARROW
from arraysmith.traces.export import Advance, Streams, by_layer, file_name, told, write_files
from arraysmith.traces.reader import LayerTrace, StreamTrace

Event = dict[str, Any]

_ARRAY, _STALLS, _STREAMS = 1, 2, 3


def export_perfetto(
    streams: Streams,
    folder: str | Path,
    *,
    overwrite: bool = False,
    advance: Advance | None = None,
) -> tuple[Path, ...]:
    """Write each layer as ``layer.perfetto.json``; see ``export.Exporter``."""
    files = [
        (file_name(layer.name, "perfetto.json"), partial(_write, layer, chosen, advance))
        for layer, chosen in by_layer(streams)
    ]
    return write_files(folder, files, overwrite=overwrite)


def _write(
    layer: LayerTrace, streams: list[StreamTrace], advance: Advance | None, path: Path
) -> None:
    head = {"layer": layer.name, "cycle": "1 us", "clock_hz": layer.clock_hz}
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'{{"otherData":{json.dumps(head)},\n"traceEvents":[\n')
        separator = ""
        for event in _events(layer, streams, advance):
            file.write(separator + json.dumps(event, separators=(",", ":")))
            separator = ",\n"
        file.write("\n]}\n")


def _events(
    layer: LayerTrace, streams: list[StreamTrace], advance: Advance | None
) -> Iterator[Event]:
    yield _named("process_name", _ARRAY, 0, "array")
    yield from _folds(layer)
    yield from _stalls(layer)
    yield _named("process_name", _STREAMS, 0, "requests")
    for number, stream in enumerate(streams):
        yield _named("thread_name", _STREAMS, number, stream.name)
        yield from _tiles(stream, number, advance)


def _named(what: str, process: int, track: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": process, "tid": track, "args": {"name": name}}


def _folds(layer: LayerTrace) -> Iterator[Event]:
    folds, steps = layer.folds(), layer.step_cycle()
    if folds is None or steps is None:
        return
    yield _named("thread_name", _ARRAY, 0, "folds")
    length = int(steps[-1]) + folds["rows"] + folds["columns"] - 1
    starts = layer.clock_cycle(folds["start"].astype(np.int64))
    ends = layer.clock_cycle(folds["start"] + length - 1) + 1
    names = ("number", "group", "row_fold", "column_fold", "rows", "columns")
    for index, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        args = {name: int(folds[name][index]) for name in names}
        title = f"fold {args['number']}"
        yield from _pair(title, "fold", index, _ARRAY, 0, start, end, args)


def _stalls(layer: LayerTrace) -> Iterator[Event]:
    stalls = layer.stalls()
    if stalls is None:
        return
    yield _named("process_name", _STALLS, 0, "stalls")
    for number in np.unique(stalls["cause"]).tolist():
        yield _named("thread_name", _STALLS, number, layer.causes[number])
    chains = layer.chains()
    rows = zip(*(stalls[x].tolist() for x in ("cycle", "cycles", "cause")), strict=True)
    for number, (cycle, cycles, cause) in enumerate(rows):
        event = {
            "ph": "X",
            "name": layer.causes[cause],
            "cat": "stall",
            "ts": cycle,
            "dur": cycles,
            "pid": _STALLS,
            "tid": cause,
        }
        if chains is not None:
            links = links_of(int(chains.chain[number]), layer.causes)
            event["args"] = {"step": int(chains.step[number]), "waits for": ARROW.join(links)}
        yield event


def _tiles(stream: StreamTrace, track: int, advance: Advance | None) -> Iterator[Event]:
    """Yield a slice per run of equal tile numbers, however chunks cut it."""
    current: list[int] = []  # tile, first request, last response, requests, bytes
    found = 0
    for part in told(stream.chunks(), advance):
        tile = part["tile"].astype(np.int64)
        edges = np.flatnonzero(np.diff(tile)) + 1
        starts = np.concatenate(([0], edges))
        stops = np.concatenate((edges, [len(tile)]))
        begin = np.minimum.reduceat(part["request_cycle"], starts)
        end = np.maximum.reduceat(part["response_cycle"], starts)
        size = np.add.reduceat(part["size"].astype(np.int64), starts)
        columns = (tile[starts], begin, end, stops - starts, size)
        for row in zip(*(x.tolist() for x in columns), strict=True):
            if current and current[0] == row[0]:
                current[1], current[2] = min(current[1], row[1]), max(current[2], row[2])
                current[3], current[4] = current[3] + row[3], current[4] + row[4]
                continue
            if current:
                yield from _tile(stream.name, found, track, current)
                found += 1
            current = list(row)
    if current:
        yield from _tile(stream.name, found, track, current)


def _tile(stream: str, index: int, track: int, found: list[int]) -> Iterator[Event]:
    tile, start, end, requests, size = found
    args = {"requests": requests, "bytes": size}
    yield from _pair(f"tile {tile}", stream, index, _STREAMS, track, start, end, args)


def _pair(
    name: str,
    category: str,
    number: int,
    process: int,
    track: int,
    start: int,
    end: int,
    args: dict[str, int],
) -> Iterator[Event]:
    common = {"name": name, "cat": category, "id": number, "pid": process, "tid": track}
    yield {"ph": "b", "ts": start, **common, "args": args}
    yield {"ph": "e", "ts": end, **common}
