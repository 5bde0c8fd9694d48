"""Replaying a recorded layer on the arrays in SystemVerilog."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from arraysmith.traces.export_rtl import RtlLayer, rtl_layer
from arraysmith.traces.reader import LayerTrace
from arraysmith.validation.rtl.bench import WORDS, Size, build, run


@dataclass(frozen=True, slots=True)
class Replay:
    """What the array made of a trace.

    Attributes:
        layer: name.
        trace_cycles: clock cycles that the trace says.
        rtl_cycles: clock cycles until the array has shown its last result, and the final drain.
        words: results of the layer.
        wrong: disagreements: results that the array did not show where the trace writes them, or
            showed where it does not; words that are wrong in the end.
        complaints: the first of them in words.
    """

    layer: str
    trace_cycles: int
    rtl_cycles: int
    words: int
    wrong: int
    complaints: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether the array did what the trace says."""
        return self.wrong == 0 and self.trace_cycles == self.rtl_cycles


def replay_layer(layer: LayerTrace) -> Replay:
    """Drive an array in SystemVerilog with the requests of a layer.

    Raises:
        InputError: the layer has no values, or no array here can be driven with it.
        ArraysmithError: Verilator or a compiler is missing, or the trace contradicts itself.
    """
    return replay(layer.name, rtl_layer(layer))


def replay(name: str, layer: RtlLayer) -> Replay:
    """Drive an array with a layer; see ``replay_layer``."""
    trace, kind = layer.trace, layer.trace.kind
    words = max(WORDS, *(len(image) for image in (layer.left, layer.top, layer.expected)))
    size = Size(kind.rows, kind.columns, *layer.bits, 1 << (words - 1).bit_length())
    program = build(size)
    with tempfile.TemporaryDirectory() as folder:
        for file, write in layer.files.items():
            write(Path(folder) / file)
        seen = run(program, f"{folder}/", kind.number, len(layer.expected))
    assert seen.cycles == trace.clock_cycles, "a line of commands per clock cycle"
    assert seen.advanced == trace.array_cycles, "the array advances where it does not wait"
    drain = trace.clock_cycles - trace.last_advance - 1
    return Replay(
        name,
        trace.clock_cycles,
        seen.last_result + 1 + drain,
        len(layer.expected),
        seen.wrong + abs(seen.written - len(trace.out.clock)),
        seen.complaints,
    )
