"""How near calibrated closed forms come to the simulator, on layers that the fit has not seen.

Random legal mappings of some layers on two designs: half from a dataflow's own space (tiles that
divide), half loop nests with log-uniform tiles that need not divide and tensors that pass by
memories. Mappings of more steps than a limit are not simulated; their number is said. Per design:
errors of the closed forms (with first fill and last drain), of the rehearsal and calibrated,
Kendall's tau over the mappings of a layer, and errors by cause.

    python validation/bench_calibration.py [--samples N] [--most-steps N] [--seed N] [--out FOLDER]

Numbers depend on the arguments alone. The default takes some minutes of CPU time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.networks import load_network
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

DESIGNS = (
    ("eyeriss", "row_stationary", (*DENSE, *DEPTHWISE)),
    ("nvdla-like", "nvdla_like", DENSE),
)


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
            architecture = load_architecture(name)
            sampling = Sampling(
                architecture,
                tuple(load_network(layer).layers[0].problem for layer in layers),
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
