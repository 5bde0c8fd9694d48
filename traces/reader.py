"""Reading trace files.

with TraceFile("winner.h5") as traces:
    for layer in traces.layers:
        for stream in layer.streams:
            for part in stream.chunks():
                cycles = part["request_cycle"]
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.sim.probe import Chains
from arraysmith.sim.waits import WaitTotals
from arraysmith.traces.journal import CommittedFile
from arraysmith.traces.schema import (
    CHAIN_COLUMNS,
    FOLD_COLUMNS,
    FOLDS,
    FORMAT,
    LAYERS,
    NETWORK,
    OWN_NAMES,
    READABLE,
    STALL_COLUMNS,
    STALLS,
    STEP_CYCLE,
    VALUES,
    Column,
    Columns,
    part_path,
)
from arraysmith.traces.stream_reader import StreamSummary, StreamTrace, broken_file

__all__ = ["LayerTrace", "StreamSummary", "StreamTrace", "TraceFile", "Values"]


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """What the words of a layer hold: ``value = images[tensor][(address - base) * 8 // bits]``.

    Holds for off-chip streams, and for the SRAM streams of systolic designs, which are addressed by
    off-chip addresses. A word of less than a byte shares its address with its neighbours.

    Attributes:
        seed: that the operands were drawn with.
        images: per tensor int64 [words], in off-chip order.
        base: per tensor the byte address of word 0.
        word_bits: per tensor the bits of a word.
    """

    seed: int
    images: dict[str, NDArray[np.int64]]
    base: dict[str, int]
    word_bits: dict[str, int]

    def at(self, tensor: str, address: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the values of the words at byte addresses."""
        byte = address.astype(np.int64) - self.base[tensor]
        return self.images[tensor][byte * 8 // self.word_bits[tensor]]


class LayerTrace:
    """One recorded run of a layer.

    Attributes:
        name: of the layer.
        repeat: how many equal runs it stands for.
        clock_hz: array clock; cycles of the columns are of this clock.
        architecture: plain data of the design.
        problem: plain data of the layer.
        mapping: plain data of the mapping.
        address_map: plain data: where each tensor starts in each memory.
        streams: in the order in which the simulation first used them.
    """

    def __init__(self, group: h5py.Group, file: str) -> None:
        self._group = group
        self._file = file
        self.name = str(group.attrs["name"])
        self.repeat = int(group.attrs["repeat"])
        self.clock_hz = int(group.attrs["clock_hz"])
        self.architecture = _json(group, "architecture")
        self.problem = _json(group, "problem")
        self.mapping = _json(group, "mapping")
        self.address_map = _json(group, "address_map")
        own = OWN_NAMES if self._has_networks() else OWN_NAMES - {NETWORK}
        places = [memory for name, memory in group.items() if name not in own]
        if NETWORK in group and NETWORK in own:
            places += group[NETWORK].values()
        found = [
            direction
            for place in places
            for tensor in place.values()
            for direction in tensor.values()
        ]
        found.sort(key=lambda stream: int(stream.attrs["index"]))
        self.streams = tuple(StreamTrace(stream, file) for stream in found)

    def _has_networks(self) -> bool:
        """Return whether the file keeps networks apart; version 2 has memories only."""
        return int(self._group.file.attrs["schema_version"]) > READABLE[0]

    @property
    def causes(self) -> tuple[str, ...]:
        """Names of the causes of stalls; none if no stall was told of."""
        if STALLS not in self._group:
            return ()
        return tuple(str(x) for x in self._group[STALLS].attrs["causes"])

    def stalls(self) -> Columns | None:
        """Return the waits of the array, columns of ``schema.STALL_COLUMNS``; None: not told."""
        return self._table(STALLS, STALL_COLUMNS)

    def stall_cycles(self) -> dict[str, int]:
        """Return the cycles of waiting by cause."""
        stalls = self.stalls()
        if stalls is None:
            return {}
        cause, cycles = stalls["cause"], stalls["cycles"]
        return {x: int(cycles[cause == number].sum()) for number, x in enumerate(self.causes)}

    def chains(self) -> Chains | None:
        """Return what the causes of ``stalls`` waited for in turn; None: not told."""
        if STALLS not in self._group or any(
            x.name not in self._group[STALLS] for x in CHAIN_COLUMNS
        ):
            return None
        found = self._table(STALLS, CHAIN_COLUMNS)
        return None if found is None else Chains(**found)

    def wait_totals(self) -> WaitTotals:
        """Return the waits of the array added up by what waited for what; empty: none told."""
        totals, stalls = WaitTotals(), self.stalls()
        if stalls is not None:
            columns = stalls["cycle"], stalls["cycles"], stalls["cause"]
            totals.stalls(*columns, self.causes, self.chains())
        return totals

    def folds(self) -> Columns | None:
        """Return the folds, columns of ``schema.FOLD_COLUMNS``; None: no systolic array."""
        return self._table(FOLDS, FOLD_COLUMNS)

    def clock_cycle(self, array_cycle: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the clock cycles of array cycles: later by the waits that came until then."""
        stalls = self.stalls()
        if stalls is None:
            return array_cycle
        waited = np.concatenate((np.zeros(1, np.int64), np.cumsum(stalls["cycles"])))
        # The array cycle that each wait delays: the cycles before it, less the waits before it.
        delayed = stalls["cycle"] - waited[:-1]
        clock: NDArray[np.int64] = (
            array_cycle + waited[np.searchsorted(delayed, array_cycle, side="right")]
        )
        return clock

    def step_cycle(self) -> NDArray[np.int64] | None:
        """Return int64 [T], the array cycle of each step of a fold; None: no systolic array."""
        if STEP_CYCLE not in self._group:
            return None
        steps: NDArray[np.int64] = self._group[STEP_CYCLE][:]
        return steps

    @property
    def has_values(self) -> bool:
        """Whether operands and results are stored."""
        return VALUES in self._group

    def values(self) -> Values | None:
        """Return operands and results; None: none were stored."""
        if VALUES not in self._group:
            return None
        group = self._group[VALUES]
        return Values(
            int(group.attrs["seed"]),
            {tensor: group[tensor][:] for tensor in group},
            {tensor: int(group[tensor].attrs["base"]) for tensor in group},
            {tensor: int(group[tensor].attrs["word_bits"]) for tensor in group},
        )

    def _table(self, name: str, columns: tuple[Column, ...]) -> Columns | None:
        if name not in self._group:
            return None
        group = self._group[name]
        found: Columns = {column.name: group[column.name][:] for column in columns}
        if len({len(x) for x in found.values()}) != 1:
            raise broken_file(self._file, f"{self.name}: {name}: columns of unequal length")
        return found

    def stream(self, name: str) -> StreamTrace:
        """Return the stream called ``name``; InputError with the near names if there is none."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        known = [stream.name for stream in self.streams]
        rule = f"layer {self.name} has no such stream"
        raise InputError([Fault("stream", name, rule, nearest(name, known), self._file)])


class TraceFile:
    """A trace file opened for reading; a context manager.

    Attributes:
        path: as given.
        schema_version: of the file.
        tool_version: that wrote it.
        seed: of the run; None when it drew nothing at random.
        provenance: plain data.
        complete: False for a ``.part`` that a killed run left, or one that is being written.
        layers: in the order in which they ran.
    """

    def __init__(self, path: str | Path, *, part: bool = False) -> None:
        """Open a file.

        Args:
            path: of the file.
            part: accept an incomplete ``.part``, too: what its last commit held.

        Raises:
            InputError: no such file, not a trace file, an unknown version, a damaged file.
        """
        self.path = str(path)
        self.complete = Path(path).suffix != ".part"
        self._store: CommittedFile | None = None
        if not self.complete and part:
            self._store, self._file = _open_part(Path(path))
        else:
            self._file = _open(Path(path))
        try:
            self._read_head()
        except (KeyError, AttributeError, ValueError, TypeError, OSError) as error:
            self.close()
            raise broken_file(self.path, f"is damaged: {error}") from error
        except InputError:
            self.close()
            raise

    def _read_head(self) -> None:
        root = self._file.attrs
        if root.get("format") != FORMAT:
            raise broken_file(self.path, "is an HDF5 file, but holds no traces of arraysmith")
        self.schema_version = int(root["schema_version"])
        if self.schema_version not in READABLE:
            known = " and ".join(map(str, READABLE))
            rule = f"schema version is {self.schema_version}, this tool reads {known}"
            raise broken_file(
                self.path, rule, "read it with the version of arraysmith that wrote it"
            )
        self.tool_version = str(root["tool_version"])
        self.seed = int(root["seed"]) if "seed" in root else None
        self.provenance = _json(self._file, "provenance")
        groups = sorted(self._file[LAYERS].values(), key=lambda group: int(group.attrs["index"]))
        self.layers = tuple(LayerTrace(group, self.path) for group in groups)

    def layer(self, name: str) -> LayerTrace:
        """Return the layer called ``name``; InputError with the near names if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = [layer.name for layer in self.layers]
        raise InputError([Fault("layer", name, "no such layer", nearest(name, known), self.path)])

    def close(self) -> None:
        """Close the file; its streams cannot be read any more."""
        self._file.close()
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _open(path: Path) -> h5py.File:
    unfinished = "the run that wrote it did not finish"
    if path.suffix == ".part":
        raise broken_file(str(path), unfinished, "arraysmith trace info shows what there is")
    if not path.exists():
        hint = f"{part_path(path).name} is there: {unfinished}" if part_path(path).exists() else ""
        raise broken_file(str(path), "no such file", hint)
    if not path.is_file():
        raise broken_file(str(path), "is not a file", "give the .h5 file inside" * path.is_dir())
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise broken_file(str(path), f"cannot be read: {error.strerror}") from error
    if not h5py.is_hdf5(path):
        raise broken_file(
            str(path), "is not an HDF5 file", "traces are written by simulate --traces"
        )
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise broken_file(str(path), f"is damaged: {error}") from error


def _open_part(path: Path) -> tuple[CommittedFile, h5py.File]:
    try:
        store = CommittedFile(path, write=False)
    except OSError as error:
        raise broken_file(str(path), f"cannot be read: {error.strerror}") from error
    try:
        return store, h5py.File(store, "r")
    except OSError as error:
        store.close()
        raise broken_file(str(path), f"is damaged: {error}") from error


def _json(place: h5py.Group, name: str) -> dict[str, Any]:
    value = json.loads(place.attrs[name])
    if not isinstance(value, dict):
        raise TypeError(f"attribute {name} is not a table")
    return value
