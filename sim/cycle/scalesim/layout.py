"""The order of an operand's words under a custom layout (mode USER).

The file cuts every axis of an operand into factors: what is inside a factor lies inside a line.
``order`` permutes the axes, those that count lines and those inside a line, as the tool hands them
to a transposition: first the three (ifmap) or four (filter) of the lines, then those inside.

Defect 20: the tool reads the layout of its first layer for every layer.
"""

from __future__ import annotations

from math import prod

import numpy as np

from arraysmith.sim.cycle.scalesim.layer import (
    Int,
    ReadPort,
    Shape,
    UnsupportedByScaleSimError,
)


def listed_ifmap(shape: Shape, port: ReadPort) -> Int:
    """Return the ifmap's words in layout order, -1 for what fills the last lines up.

    Raises:
        UnsupportedByScaleSimError: a line holds more than the banks deliver, or the ifmap does not
            begin at address 0 (the tool leaves its offset out and searches for ever).
    """
    if prod(port.factors) > port.bandwidth:
        raise UnsupportedByScaleSimError(
            f"layout of the ifmap: a line of {prod(port.factors)} words is wider than "
            f"IfmapSRAMBankBandwidth {port.bandwidth}"
        )
    if port.offset:
        raise UnsupportedByScaleSimError(
            f"IfmapOffset {port.offset}: with a custom layout of the ifmap the tool searches words "
            "at offset 0 for ever; set it to 0"
        )
    extents = (shape.ifmap_height, shape.ifmap_width, shape.channels)
    return _listed(extents, port)


def listed_filter(shape: Shape, port: ReadPort) -> Int:
    """Return the weights' words in layout order, -1 for what fills the last lines up.

    The axes are read as filter, channel, row, column, although the words lie filter, row, column,
    channel: another defect, which changes what stands in a line.

    Raises:
        UnsupportedByScaleSimError: a line does not hold exactly what the banks deliver.
    """
    if prod(port.factors) != port.bandwidth:
        raise UnsupportedByScaleSimError(
            f"layout of the filter: a line of {prod(port.factors)} words must be as wide as "
            f"FilterSRAMBankBandwidth {port.bandwidth}"
        )
    extents = (shape.filters, shape.channels, shape.filter_height, shape.filter_width)
    return _listed(extents, port)


def _listed(extents: tuple[int, ...], port: ReadPort) -> Int:
    """Return the words of a row-major operand with ``extents`` in the port's layout order."""
    axes = len(extents)
    words = np.arange(prod(extents), dtype=np.int64).reshape(extents)
    ends = [(0, -extent % factor) for extent, factor in zip(extents, port.factors, strict=True)]
    padded = np.pad(words, ends, constant_values=-1)
    cut = [
        part
        for extent, factor in zip(padded.shape, port.factors, strict=True)
        for part in (extent // factor, factor)
    ]
    lines = [2 * axis for axis in range(axes)]
    inside = [2 * axis + 1 for axis in range(axes)]
    return padded.reshape(cut).transpose(lines + inside).transpose(port.order).reshape(-1)
