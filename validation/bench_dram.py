"""DRAM requests a CPU second, ours beside DRAMsim3's on the same traces and devices.

    python validation/bench_dram.py                              # ours alone
    python validation/bench_dram.py --dramsim3 PATH/dramsim3main # both in turn, and the ratio

The other program is DRAMsim3's own ``dramsim3main``, given a configuration and a trace file written
for it and told to run for as many cycles as ours took. Its CPU seconds are those of its process
less those of a run of one cycle; they include reading the trace, a few percent. Ours are those of
submitting all requests and simulating until the last is back, once the kernels are compiled. Both
offer one request per cycle. Medians of all turns are printed, and how many activates both issued:
the same work was done when these agree (its trace reader offers the last request twice).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from arraysmith.sim.dram.controller import Controller
from arraysmith.sim.dram.device import Device
from arraysmith.sim.dram.device_file import load_device
from arraysmith.validation.suites.dram_traces import Requests, requests

DEVICES = ("ddr4_2400", "lpddr4_2400", "hbm2_1ch", "hbm2_8ch")
TRACES = ("seq_read", "seq_write", "rand_mix33", "triad", "tiles32", "rand_read_gap32")

WANTED = 1.0
"""Times the other's requests per CPU second that ours shall serve."""

NOISE_S = 0.005
"""Less cannot be told from start-up and counts as that much."""

_FIELDS = {
    "row": "ro", "channel": "ch", "rank": "ra", "bank": "ba", "bank_group": "bg", "column": "co",
}  # fmt: skip
_PROTOCOLS = {"DDR4": "DDR4", "LPDDR4": "LPDDR4", "HBM2": "HBM"}


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        cpu_s: CPU seconds.
        cycles: DRAM cycles.
        activates: activate commands.
    """

    cpu_s: float
    cycles: int
    activates: int


def main() -> None:
    """Run both sides in turn and print a line per device and trace."""
    options = _options()
    print(f"{options.requests:,} requests, median of {options.repeats} run(s)")
    if options.dramsim3 is None:
        print("DRAMsim3 is not measured: --dramsim3 names no binary")
    heads = ("requests/s", "cycles/s", "DRAMsim3", "ratio", "activates", "DRAMsim3")
    print(f"{'':28}" + "".join(f"{head:>13}" for head in heads))
    worst = float("inf")
    for name in options.devices:
        device = load_device(name)
        device = replace(device, policy=replace(device.policy, requests_per_cycle=1))
        for trace in options.traces:
            ratio = _compare(device, trace, options)
            worst = min(worst, ratio)
    if options.dramsim3 is not None:
        print(f"\nleast ratio: {worst:.2f}; wanted: {WANTED:.0f}")


def _options() -> argparse.Namespace:
    head = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=head)
    parser.add_argument("--dramsim3", metavar="BINARY", type=Path, help="a dramsim3main")
    parser.add_argument("--devices", nargs="+", default=list(DEVICES), metavar="NAME")
    parser.add_argument("--traces", nargs="+", default=list(TRACES), metavar="RULE")
    parser.add_argument("--requests", type=int, default=50_000, metavar="N")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    options = parser.parse_args()
    if options.repeats < 1 or options.requests < 1:
        parser.error("--repeats and --requests: must be at least 1")
    for trace in options.traces:
        if requests(trace, 1, 64) is None:
            parser.error(f"--traces {trace}: no such rule, see validation/reference/dram/README.md")
    if options.dramsim3 is not None:
        options.dramsim3 = options.dramsim3.absolute()
        if not os.access(options.dramsim3, os.X_OK):
            parser.error(f"--dramsim3 {options.dramsim3}: is no program that can be run")
    return options


def _compare(device: Device, name: str, options: argparse.Namespace) -> float:
    """Measure one trace on one device, print its line and return the ratio."""
    trace = requests(name, options.requests, device.organisation.burst_bytes)
    assert trace is not None
    _ours(device, trace)  # compiles the kernels, where that is still to be done
    with tempfile.TemporaryDirectory() as made:
        peer = _peer(device, trace, options.dramsim3, Path(made))
        ours, theirs = [], []
        for _ in range(options.repeats):
            ours.append(_ours(device, trace))
            if peer is not None:
                start = peer(1)
                run = peer(ours[-1].cycles)
                theirs.append(replace(run, cpu_s=max(run.cpu_s - start.cpu_s, NOISE_S)))
    seconds = max(median(run.cpu_s for run in ours), NOISE_S)
    rate = options.requests / seconds
    cells = [f"{rate:,.0f}", f"{ours[0].cycles / seconds:,.0f}"]
    ratio = float("inf")
    if theirs:
        other = options.requests / median(run.cpu_s for run in theirs)
        ratio = rate / other
        cells += [f"{other:,.0f}", f"{ratio:.2f}"]
    else:
        cells += ["-", "-"]
    cells += [f"{ours[0].activates:,}", f"{theirs[0].activates:,}" if theirs else "-"]
    print(f"{device.name + ' ' + name:28}" + "".join(f"{cell:>13}" for cell in cells), flush=True)
    return ratio


def _ours(device: Device, trace: Requests) -> Run:
    start = time.process_time()
    controller = Controller(device)
    size = device.organisation.burst_bytes
    controller.submit(trace.address, size, trace.write, trace.arrive)
    back = controller.finish()
    controller.advance(int(back.returned.max()) + 1)
    stats = controller.stats()
    return Run(time.process_time() - start, stats.cycles, stats.activates)


def _peer(
    device: Device, trace: Requests, binary: Path | None, folder: Path
) -> Callable[[int], Run] | None:
    """Return what runs the other program for so many cycles."""
    if binary is None:
        return None
    (folder / "device.ini").write_text(configuration(device), encoding="ascii")
    (folder / "trace.txt").write_text(trace.text(), encoding="ascii")

    def run(cycles: int) -> Run:
        command = [str(binary), "device.ini", "-c", str(cycles), "-t", "trace.txt", "-o", "."]
        child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)  # the only call that tells of this child alone
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"exit code {child.returncode}: {' '.join(command)}")
        told = json.loads((folder / "dramsim3.json").read_text(encoding="ascii"))
        activates = sum(int(channel["num_act_cmds"]) for channel in told.values())
        return Run(usage.ru_utime + usage.ru_stime, cycles, activates)

    return run


def configuration(device: Device) -> str:
    """Return a device as the other program reads it."""
    shape, t, p, policy = device.organisation, device.timing, device.power, device.policy
    hbm = device.standard == "HBM2"
    row_bytes = shape.columns * shape.bus_width_bits // 8
    sections: dict[str, dict[str, object]] = {
        "dram_structure": {
            "protocol": _PROTOCOLS[device.standard],
            "bankgroups": shape.bank_groups,
            "banks_per_group": shape.banks_per_group,
            "rows": shape.rows,
            "columns": shape.columns // 2 if hbm else shape.columns,
            "device_width": shape.device_width_bits,
            "BL": shape.burst_length,
        },
        "timing": {
            "tCK": float(t.t_ck_ns), "AL": t.al, "CL": t.cl, "CWL": t.cwl, "tRCD": t.t_rcd_read,
            "tRCDRD": t.t_rcd_read, "tRCDWR": t.t_rcd_write, "tRP": t.t_rp, "tRAS": t.t_ras,
            "tCCD_S": t.t_ccd_s, "tCCD_L": t.t_ccd_l, "tRRD_S": t.t_rrd_s, "tRRD_L": t.t_rrd_l,
            "tFAW": t.t_faw, "tWTR_S": t.t_wtr_s, "tWTR_L": t.t_wtr_l, "tRTP": t.t_rtp,
            "tWR": t.t_wr, "tRTRS": t.t_rtrs, "tPPD": t.t_ppd, "tRFC": t.t_rfc, "tREFI": t.t_refi,
        },
        "power": {
            "VDD": p.vdd, "IDD0": p.idd0, "IDD2N": p.idd2n, "IDD3N": p.idd3n, "IDD4R": p.idd4r,
            "IDD4W": p.idd4w, "IDD5AB": p.idd5ab,
        },
        "system": {
            "channel_size": shape.banks * shape.rows * row_bytes >> 20,
            "channels": shape.channels,
            "bus_width": shape.bus_width_bits,
            "address_mapping": "".join(_FIELDS[field] for field in device.address_map),
            "queue_structure": "PER_BANK",
            "row_buf_policy": "CLOSE_PAGE" if policy.page == "closed" else "OPEN_PAGE",
            "cmd_queue_size": policy.bank_queue,
            "trans_queue_size": policy.read_queue,
        },
        "other": {"epoch_period": 10**9, "output_level": 0},
    }  # fmt: skip
    lines: list[str] = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
