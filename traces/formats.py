"""Which formats traces can be written in.

A format is one module with one ``export.Exporter``, and a line here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """Where a format is written.

    Attributes:
        summary: what it is, in a line.
        module: imported when asked for.
        function: its ``Exporter``.
    """

    summary: str
    module: str
    function: str


FORMATS = {
    "csv": Format("a file per stream, a row per request", "export_csv", "export_csv"),
    "scalesim": Format(
        "a file per stream, a row per cycle, a column per port",
        "export_scalesim",
        "export_scalesim",
    ),
    "ramulator": Format(
        "Ramulator 1: 0xADDRESS R|W, off-chip, a file per layer", "export_dram", "export_ramulator"
    ),
    "ramulator2": Format(
        "Ramulator 2 load/store: LD|ST 0xADDRESS, off-chip", "export_dram", "export_ramulator2"
    ),
    "dramsim3": Format(
        "DRAMsim3: 0xADDRESS READ|WRITE cycle, off-chip", "export_dram", "export_dramsim3"
    ),
    "perfetto": Format(
        "timeline for Perfetto: folds, stalls, tiles of each stream",
        "export_perfetto",
        "export_perfetto",
    ),
    "vcd": Format(
        "waveforms: the address at every port, a file per layer", "export_vcd", "export_vcd"
    ),
    "readmemh": Format(
        "for a testbench: memory images and what every port does per cycle",
        "export_rtl",
        "export_readmemh",
    ),
}
"""Every format by its name."""
