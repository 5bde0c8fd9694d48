"""How near calibrated closed forms come to the simulator, on layers that the fit has not seen.

Random legal mappings of some layers on every preset that has mappings, and on some behind a DRAM:
half from a dataflow's own space (tiles that divide), half loop nests with log-uniform tiles that
need not divide and tensors that pass by memories. Mappings of more steps than a limit are not
simulated; their number is said. Per design: errors of the closed forms (with first fill and last
drain), of the rehearsal and calibrated, Kendall's tau over the mappings of a layer, and by cause.

    python validation/bench_calibration.py [--samples N] [--most-steps N] [--seed N] [--out FOLDER]

Numbers depend on the arguments alone. The default takes some minutes of CPU time a design.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.dram import read_dram
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import conv, matmul
from arraysmith.search.calibrate import Sampling, calibrate
from arraysmith.search.calibrate_cli import calibration_text
from arraysmith.sim.pool import InlineExecutor

DENSE = (
    "alexnet:fc8",
    "resnet18:conv4_1s",
    "resnet18:conv5_1s",
    "resnet18:fc",
    "mobilenet_v2:block7_project",
    "mobilenet_v2:block15_expand",
    "mobilenet_v2:fc",
)
"""Convolutions of one tap and products: small enough that random mappings can be simulated."""

DEPTHWISE = ("mobilenet_v2:block12_depthwise", "mobilenet_v2:block15_depthwise")
"""Left out where only a channel at a time finds place: too many steps."""

FEW = ("resnet18:fc", "mobilenet_v2:block7_project", "mobilenet_v2:fc")
"""Those that take few enough steps where each PE has a block of MACs."""

SMALL = (
    conv("3x3", height=7, width=7, in_channels=16, out_channels=16, window=(3, 3), padding=(1, 1)),
    conv(
        "5x5",
        height=15,
        width=15,
        in_channels=6,
        out_channels=12,
        window=(5, 5),
        stride=(2, 2),
        padding=(2, 2),
    ),
    conv("1x1", height=14, width=14, in_channels=40, out_channels=24, window=(1, 1)),
    conv("2x2", height=12, width=10, in_channels=10, out_channels=20, window=(2, 2)),
    matmul("product", m=20, n=60, k=90),
)
"""Layers of our own: windows, strides and padding in a size that any design simulates quickly."""

DESIGNS = (
    ("eyeriss", "row_stationary", (*DENSE, *DEPTHWISE)),
    ("nvdla-like", "nvdla_like", DENSE),
    ("simba-like", "simba_like", FEW),
    ("simba-mesh", "simba_like", FEW),
    ("simba-wireless", "simba_like", FEW),
    ("maeri-like", "maeri_like", ("mobilenet_v2:block7_project",)),
    ("maeri-trees", "maeri_like", ("mobilenet_v2:block7_project",)),
    ("shidiannao-like", "shidiannao_like", ()),
    ("diannao-like", "no_local_reuse", ("mobilenet_v2:block7_project",)),
    ("eyeriss@ddr4_2400", "row_stationary", (*DENSE, *DEPTHWISE)),
    ("maeri-like@ddr4_2400", "maeri_like", ("mobilenet_v2:block7_project",)),
    ("nvdla-like@ddr4_2400", "nvdla_like", DENSE),
    ("nvdla-like@hbm2_8ch", "nvdla_like", DENSE),
    ("simba-like@ddr4_2400", "simba_like", FEW),
)
"""A preset, perhaps on a DRAM; its dataflow; layers beside the small ones."""


def design_of(name: str) -> Architecture:
    """Return a preset; behind ``@``, the device that its off-chip memory is."""
    preset, _, device = name.partition("@")
    architecture = load_architecture(preset)
    if not device:
        return architecture
    memory = architecture.levels[0]
    assert isinstance(memory, Memory)
    memory = replace(memory, dram=read_dram(device)).with_dram_rates(architecture.clock_hz)
    return replace(architecture, levels=(memory, *architecture.levels[1:]))


def main() -> None:
    """Print the tables of every design."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=20, help="mappings of each layer")
    parser.add_argument("--most-steps", type=int, default=50_000, help="of one simulation")
    parser.add_argument("--held-out", type=float, default=0.4, help="share of the layers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder that keeps the calibrations")
    parser.add_argument("--design", choices=[name for name, _, _ in DESIGNS], help="only this one")
    arguments = parser.parse_args()
    with TemporaryDirectory() as scratch:
        for name, dataflow, layers in DESIGNS:
            if arguments.design not in (None, name):
                continue
            architecture = design_of(name)
            problems = [load_network(layer).layers[0].problem for layer in layers]
            sampling = Sampling(
                architecture,
                (*problems, *SMALL),
                load_dataflow(dataflow, architecture),
                arguments.samples,
                arguments.most_steps,
                arguments.held_out,
                arguments.seed,
            )
            folder = arguments.out or Path(scratch)
            out = folder / f"{name}.json"
            document = calibrate(sampling, out, InlineExecutor(), lambda _: None, lambda: None)
            print(calibration_text(document), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
