"""CPU time per simulated cycle and peak memory, against SCALE-Sim 3.0.0 on the same layers.

Every run is a process of its own; its CPU seconds and its peak memory are what the system says of
it when it has ended. Start-up (interpreter, imports, loading compiled kernels) is measured by runs
of a layer of a few cycles; the time per cycle is printed with and without. All sides take turns,
medians are printed. Work of less than ``NOISE_S`` cannot be told from start-up and counts as that
much.

    python validation/bench_scalesim.py --peer-python PATH          # conv4_1b, minutes
    python validation/bench_scalesim.py --peer-python PATH --all    # ResNet-18, half an hour

The other Python needs ``scalesim==3.0.0 numpy==1.26.4``. Array 32 x 32, 64 KiB per operand, output
stationary, mode CALC, topology from our own ResNet-18 (padding written into the inputs).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from arraysmith.arch.importers.scalesim import topology_text
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Layer, Network, matmul

DEFAULT = "conv4_1b"

NOISE_S = 0.05

TARGETS = {"no traces": 200, "all traces on disk": 30}
"""Times less CPU per simulated cycle that the default simulator shall take."""

CONFIG = """[general]
run_name = bench
[architecture_presets]
ArrayHeight: 32
ArrayWidth: 32
IfmapSramSzkB: 64
FilterSramSzkB: 64
OfmapSramSzkB: 64
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth: 10
Dataflow: os
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 1
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 1
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""

PEER = """
import sys
from scalesim.scale_sim import scalesim
scalesim(save_disk_space=sys.argv[3] == "none", verbose=False, config="bench.cfg",
         topology=sys.argv[1], layout="layout.csv").run_scale(top_path=sys.argv[2])
"""
"""Runs the other tool: topology, folder of results, ``none`` for no traces."""


@dataclass(frozen=True)
class Run:
    """One process.

    Attributes:
        cpu_s: user and system seconds.
        peak_bytes: most memory resident.
        cycles: simulated.
        disk_bytes: what it left on disk.
    """

    cpu_s: float
    peak_bytes: int
    cycles: int
    disk_bytes: int


def main() -> None:
    """Run both sides in turn and print medians and ratios."""
    options = _options()
    network = load_network("resnet18")
    layers = network.layers if options.all else _picked(network, options.layers)
    # A run of every layer once per place in the network: that is what a topology file holds.
    network = Network("bench", tuple(replace(x, inputs=(), repeat=1) for x in layers))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "bench.cfg").write_text(CONFIG, encoding="ascii")
        (folder / "layout.csv").write_text("none\n", encoding="ascii")
        (folder / "bench.csv").write_text(topology_text(network), encoding="ascii")
        tiny = Network("tiny", (Layer(matmul("tiny", m=2, n=2, k=2)),))
        (folder / "tiny.csv").write_text(topology_text(tiny), encoding="ascii")
        sides = _sides(folder, options.peer_python)
        for name, run in sides.items():
            run("tiny.csv")  # compiles kernels and modules, where that is still to be done
            print(f"warm: {name}", file=sys.stderr)
        starts: dict[str, list[Run]] = {name: [] for name in sides}
        runs: dict[str, list[Run]] = {name: [] for name in sides}
        for turn in range(options.repeats):
            for name, run in sides.items():
                starts[name].append(run("tiny.csv"))
                runs[name].append(run("bench.csv"))
                print(f"turn {turn + 1}: {name}: {runs[name][-1].cpu_s:.2f} s", file=sys.stderr)
    names = ", ".join(layer.name for layer in layers)
    print(f"ResNet-18 {names}: 32 x 32, 64 KiB x 3, output stationary, {options.repeats} run(s)\n")
    _print(runs, starts)


def _options() -> argparse.Namespace:
    head = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=head)
    parser.add_argument("--peer-python", metavar="PATH", help="a Python that has scalesim 3.0.0")
    parser.add_argument("--layers", nargs="+", default=[DEFAULT], metavar="NAME")
    parser.add_argument("--all", action="store_true", help="all layers of ResNet-18")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats: must be at least 1")
    if options.peer_python is None:
        parser.error(
            "--peer-python PATH is needed: a Python with scalesim==3.0.0 and numpy==1.26.4 "
            "(python -m venv peer; peer/bin/pip install scalesim==3.0.0 numpy==1.26.4)"
        )
    options.peer_python = str(Path(options.peer_python).absolute())
    asked = [options.peer_python, "-c", "import scalesim.scale_sim"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError as error:
        parser.error(f"--peer-python {options.peer_python}: cannot be run: {error.strerror}")
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        parser.error(f"--peer-python {options.peer_python}: has no scalesim: {' '.join(last)}")
    return options


def _picked(network: Network, names: Sequence[str]) -> tuple[Layer, ...]:
    found = {layer.name: layer for layer in network.layers}
    missing = [name for name in names if name not in found]
    if missing:
        raise SystemExit(f"no such layer: {', '.join(missing)}; there are: {', '.join(found)}")
    return tuple(found[name] for name in names)


def _sides(folder: Path, peer: str) -> dict[str, Callable[[str], Run]]:
    """Return what is compared: a name, and how to run a topology file."""

    def theirs(traces: str) -> Callable[[str], Run]:
        def run(topology: str) -> Run:
            command = [peer, "-c", PEER, topology, "out", traces]
            return _measured(command, folder, lambda _: _reported(folder / "out" / "bench"))

        return run

    def ours(*more: str) -> Callable[[str], Run]:
        def run(topology: str) -> Run:
            start = [sys.executable, "-m", "arraysmith.arch", "simulate", "bench.cfg", topology]
            return _measured([*start, "--json", *more], folder, _told)

        return run

    tool = ("--setting", "scalesim-3.0.0")
    return {
        "SCALE-Sim, no traces": theirs("none"),
        "default, no traces": ours(),
        "scalesim-3.0.0, no traces": ours(*tool),
        "SCALE-Sim, all traces on disk": theirs("all"),
        "default, all traces on disk": ours("--traces", "out/traces.h5"),
        "scalesim-3.0.0, all traces on disk": ours(*tool, "--scalesim-out", "out/bench"),
    }


def _measured(command: list[str], folder: Path, cycles: Callable[[str], int]) -> Run:
    """Run a process in ``folder`` and return what it took; ``cycles`` reads its output."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    with tempfile.TemporaryFile() as printed:
        child = subprocess.Popen(command, cwd=folder, stdout=printed)
        _, status, usage = os.wait4(child.pid, 0)  # the only call that tells of this child alone
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"exit code {child.returncode}: {' '.join(command)}")
        printed.seek(0)
        text = printed.read().decode()
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    cpu_s = usage.ru_utime + usage.ru_stime
    return Run(cpu_s, usage.ru_maxrss * 1024, cycles(text), disk)


def _reported(folder: Path) -> int:
    """Return the cycles in the tool's report; its Total Cycles are one too few per layer."""
    with (folder / "COMPUTE_REPORT.csv").open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    return sum(int(row["Total Cycles"]) + 1 for row in rows)


def _told(text: str) -> int:
    """Return the cycles in our document."""
    return int(json.loads(text)["total"]["cycles"])


def _print(runs: dict[str, list[Run]], starts: dict[str, list[Run]]) -> None:
    heads = ("cycles", "CPU s", "start-up s", "us/cycle", "less start-up", "peak MB", "on disk MB")
    print(f"{'':36}" + "".join(f"{head:>15}" for head in heads))
    each: dict[str, tuple[float, float, float]] = {}
    for name, group in runs.items():
        cpu_s = median(run.cpu_s for run in group)
        peak, cycles = median(run.peak_bytes for run in group) / 1e6, group[0].cycles
        whole = cpu_s / cycles * 1e6
        start_s = median(run.cpu_s for run in starts[name])
        work = max(cpu_s - start_s, NOISE_S) / cycles * 1e6
        each[name] = (whole, work, peak)
        cells = [
            f"{cycles:,}", f"{cpu_s:.2f}", f"{start_s:.2f}", f"{whole:.3f}",
            f"{work:.3f}", f"{peak:,.0f}", f"{group[0].disk_bytes / 1e6:,.1f}",
        ]  # fmt: skip
        print(f"{name:36}" + "".join(f"{cell:>15}" for cell in cells))
    columns = ("CPU", "start-up off", "memory")
    print(f"\n{'times less than SCALE-Sim':36}" + "".join(f"{x:>15}" for x in columns))
    for kind, target in TARGETS.items():
        theirs = each[f"SCALE-Sim, {kind}"]
        for side in ("default", "scalesim-3.0.0"):
            name = f"{side}, {kind}"
            ratios = [f"{a / b:,.1f}" for a, b in zip(theirs, each[name], strict=True)]
            note = f"   wanted: {target} with start-up off" if side == "default" else ""
            print(f"{name:36}" + "".join(f"{ratio:>15}" for ratio in ratios) + note)


if __name__ == "__main__":
    main()
