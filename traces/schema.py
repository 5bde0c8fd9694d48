"""What a trace file looks like: names, types and units, in one place for writer and reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.interconnect import DIRECTIONS as DIRECTIONS_ON_LINKS

FORMAT = "arraysmith-traces"
"""Value of the root attribute ``format``."""

VERSION = 3
"""Value of the root attribute ``schema_version``; raised when an old reader would read wrongly."""

READABLE = (2, 3)
"""Versions that are read. 3 has streams of networks, which 2 has not."""

CHUNK_RECORDS = 64 * 1024
"""Records of one chunk of a column."""

CHUNK_ROWS = 4096
"""Rows of one chunk of the tables ``blocks``, ``segments`` and ``cycles``."""

LAYERS = "layers"
"""Group that holds a group per layer, in it memory, tensor, direction."""

DIRECTIONS = frozenset({"read", "write"})
"""Of the streams of a memory."""

WAYS = frozenset({"down", "up", *DIRECTIONS_ON_LINKS})
"""Of the streams of a network: towards the children, and from them; from neighbour to neighbour."""

STALLS, FOLDS, STEP_CYCLE, VALUES = "stalls", "folds", "step_cycle", "values"
"""What a layer holds beside its memories; memories of these names are quoted."""

NETWORK = "network"
"""Group of a layer that holds its networks: a group per fan-out, in it tensor, direction. A memory
of this name is quoted."""

OWN_NAMES = frozenset({STALLS, FOLDS, STEP_CYCLE, VALUES, NETWORK})
"""All of these."""

Columns = dict[str, NDArray[Any]]
"""Equal-length arrays by column name, in the order of ``COLUMNS``."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of every stream.

    Attributes:
        name: of the dataset.
        dtype: numpy type as stored, little-endian.
        unit: attribute ``unit`` of the dataset.
        meaning: attribute ``meaning`` of the dataset.
    """

    name: str
    dtype: np.dtype[np.generic]
    unit: str
    meaning: str


COLUMNS = (
    Column("request_cycle", np.dtype("<i8"), "cycle", "cycle in which the request is issued"),
    Column("response_cycle", np.dtype("<i8"), "cycle", "cycle in which its last word has arrived"),
    Column("address", np.dtype("<u8"), "byte", "byte address of the first word"),
    Column("size", np.dtype("<u4"), "byte", "bytes of the request, at consecutive addresses"),
    Column("tile", np.dtype("<u4"), "1", "number of the tile that asked, from 0 in each stream"),
    Column(
        "port",
        np.dtype("<u2"),
        "1",
        "lane of the array, channel or number of the instance; 0 where there is one",
    ),
)
"""The columns of every stream, in the order in which tables and CSV show them."""


STALL_COLUMNS = (
    Column("cycle", np.dtype("<i8"), "cycle", "cycle in which the array begins to wait"),
    Column("cycles", np.dtype("<i8"), "cycle", "cycles for which it does not advance"),
    Column("cause", np.dtype("<i8"), "1", "index into the attribute causes of the group"),
)
"""The columns of ``stalls``: every wait of the array, in order."""

CHAIN_COLUMNS = (
    Column("step", np.dtype("<i8"), "1", "step that could not begin, from 0"),
    Column(
        "chain",
        np.dtype("<i8"),
        "1",
        "what waited for what: 10 bits each, the cause lowest, indices into causes; 0 ends it",
    ),
)
"""Further columns of ``stalls`` of arrays that tell chains of waiting: those that are not systolic,
and systolic ones before a DRAM or a network, whose waits have step -1."""

FOLD_COLUMNS = (
    Column("number", np.dtype("<i8"), "1", "number of the fold, from 0"),
    Column("group", np.dtype("<i8"), "1", "group of a grouped convolution"),
    Column("row_fold", np.dtype("<i8"), "1", "which part of what is folded over the rows"),
    Column("column_fold", np.dtype("<i8"), "1", "which part of what is folded over the columns"),
    Column("rows", np.dtype("<i8"), "1", "rows of the array in use"),
    Column("columns", np.dtype("<i8"), "1", "columns of the array in use"),
    Column("start", np.dtype("<i8"), "array cycle", "when lane 0 takes step 0; waits not counted"),
)
"""The columns of ``folds``: the fields of ``sim.probe.Folds``."""

STEP_COLUMN = Column(
    STEP_CYCLE, np.dtype("<i8"), "array cycle", "when lane 0 takes each step of a fold, from step 0"
)
"""The dataset ``step_cycle``."""


LOOPS = 4
"""Loops of a segment, the outermost first."""

BLOCKS, SEGMENTS, CYCLES, RECORDS = "blocks", "segments", "cycles", "records"
"""What a stream holds beside its columns; the last one is an attribute."""

BLOCK_COLUMNS = ("records", "row", "segments", "cycles_row", "cycles")
"""Columns of ``blocks``: requests, then the first of how many rows of ``segments`` and of
``cycles``. A block without segments is kept in the columns, from ``row`` on."""

CYCLE_COLUMNS = ("start", "stride", "count")
"""Columns of ``cycles``: the different request cycles of a block, as runs."""

SEGMENT_COLUMNS = (
    *("time", "address", "port", "size", "latency", "tile"),
    *(f"{x}_{loop}" for loop in range(LOOPS) for x in ("count", "time", "address", "port")),
)
"""Columns of ``segments``: the first request, then count and strides of each loop."""


def part_path(path: Path) -> Path:
    """Return where a file lives until it is complete."""
    return path.with_name(path.name + ".part")


def link_name(name: str) -> str:
    """Return ``name`` as one component of an HDF5 path.

    ``/`` and ``%`` are written ``%2F`` and ``%25``. The names ``.`` and ``..`` mean
    something else in a path and get ``%2E`` for their dots; so do the first letters of
    the names that a layer uses itself.
    """
    quoted = name.replace("%", "%25").replace("/", "%2F")
    if quoted in OWN_NAMES:
        return f"%{ord(quoted[0]):02X}{quoted[1:]}"
    return quoted.replace(".", "%2E") if set(quoted) == {"."} else quoted
