"""The DRAM controllers against cycles, commands and energies measured with DRAMsim3.

Two kinds of cases in a folder: ``summary.csv``, a row per trace that is made again by its rule, and
``micro/DEVICE__TRACE.requests.csv`` with ``.commands.csv``, every stamp of every request and
command. A device is one that ships, or the YAML file of that name in the folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.registry import register
from arraysmith.sim.dram.controller import COMMANDS, Controller
from arraysmith.sim.dram.device import Device
from arraysmith.sim.dram.device_file import device_names, load_device
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.reference_files import case_rows, number, require_files
from arraysmith.validation.suites.dram_traces import Requests, requests

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "dram"

TAIL_CYCLES = 2000
"""Idle cycles that the reference goes on after the last return."""

TOLERANCE_PCT = {
    "last_accept": 3.0,
    "last_read_return": 3.0,
    "last_rw_cmd_cycle": 3.0,
    "end_cycle": 3.0,
    "bytes_per_cycle": 3.0,
    "avg_read_lat": 3.0,
    "act_energy_pJ": 5.0,
    "read_energy_pJ": 5.0,
    "write_energy_pJ": 5.0,
    "ref_energy_pJ": 5.0,
    "background_energy_pJ": 5.0,
    "total_energy_pJ": 5.0,
}
"""Of traces; what is not named, and everything in ``micro``, has to be exact."""

_NEEDED = ("device", "trace", "n", "req_bytes", "issue_width", "trace_sha256")
_DIGITS = 5e-6  # half of the last of six significant digits
_DECIMALS = {"bytes_per_cycle": 0.5e-4}  # half of the last digit after the dot, where those count
_TENTH_PJ = 0.05  # the same of energies
_COMMANDS = {"read_p": "read_precharge", "write_p": "write_precharge"}
_ROW = {"activate"}
_COLUMN = {"read", "write", "read_precharge", "write_precharge"}


@register("suite", "dram")
def dram(cases: Path | None = None) -> Outcome:
    """Compare every row of a summary, or of a folder with one, and every micro trace there."""
    source = cases or REFERENCE
    summary = source if source.is_file() else source / "summary.csv"
    folder = summary.parent
    micro = [] if source.is_file() else sorted((source / "micro").glob("*.requests.csv"))
    found: list[Comparison] = []
    if summary.is_file() or not micro:
        for case in read_cases(summary):
            found += compare(case)
    for file in micro:
        found += compare_micro(file, folder)
    note = (
        "num_ondemand_pres is not compared on HBM2, where the reference also counts precharges "
        "that it chooses for its second command slot and does not issue"
    )
    return Outcome("dram", tuple(found), {}, TOLERANCE_PCT, notes=(note,))


@dataclass(frozen=True, slots=True)
class Case:
    """One row of a summary.

    Attributes:
        name: device and trace.
        device: with the accepted requests per cycle of the row.
        trace: its requests.
        size: bytes of a request.
        row: all columns, as text.
        place: file and line.
    """

    name: str
    device: Device
    trace: Requests
    size: int
    row: dict[str, str]
    place: tuple[Path, int]


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a summary; raises InputError with every fault of its rows."""
    faults: list[Fault] = []
    found = []
    for line, row in case_rows(path, _NEEDED):
        try:
            found.append(_case(row, path, line))
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return found


def _case(row: dict[str, str], path: Path, line: int) -> Case:
    faults = []
    sizes = []
    for column in ("n", "req_bytes", "issue_width"):
        text = row[column]
        if text.isascii() and text.isdigit() and 0 < int(text) < 10**9:
            sizes.append(int(text))
        else:
            rule = "must be a whole number from 1 to 999999999"
            faults.append(Fault(column, text, rule, "", str(path), line, 1))
    if faults:
        raise InputError(faults)
    count, size, width = sizes
    device = device_of(row["device"], path.parent, path, line)
    device = replace(device, policy=replace(device.policy, requests_per_cycle=width))
    trace = requests(row["trace"], count, size)
    if trace is None:
        hint = "see the rules in the README of reference/dram"
        raise InputError([Fault("trace", row["trace"], "no such rule", hint, str(path), line, 1)])
    if trace.sha256 != row["trace_sha256"]:
        rule = f"the trace made by its rule has {trace.sha256}"
        raise InputError([Fault("trace_sha256", row["trace_sha256"], rule, "", str(path), line, 1)])
    return Case(f"{row['device']} {row['trace']}", device, trace, size, row, (path, line))


def device_of(name: str, folder: Path, path: Path, line: int = 1) -> Device:
    """Return the device ``name`` of a case: a file in ``folder``, or one that ships."""
    own = folder / f"{name}.yaml"
    if own.is_file():
        return load_device(own)
    if name in device_names():
        return load_device(name)
    hint = f"put {name}.yaml beside the cases; there are: {', '.join(device_names())}"
    raise InputError([Fault("device", name, "no such device", hint, str(path), line, 1)])


def compare(case: Case) -> Iterator[Comparison]:
    """Run a trace and compare all that its row has."""
    path, line = case.place
    for quantity, got in measured(case.device, case.trace, case.size).items():
        if case.row.get(quantity):
            expected = number(case.row, quantity, path, line)
            grain = 0.0
            if isinstance(got, float):
                other = _TENTH_PJ if quantity.endswith("_pJ") else abs(expected) * _DIGITS
                grain = _DECIMALS.get(quantity, other) * (1 + 1e-9)
            yield Comparison(case.name, quantity, expected, got, grain)


def measured(device: Device, trace: Requests, size: int) -> dict[str, float]:
    """Return what a run of a trace gives, by the columns of a summary."""
    controller = Controller(device)
    controller.submit(trace.address, size, trace.write, trace.arrive)
    back = controller.finish()
    last = int(back.returned.max())
    controller.advance(last + TAIL_CYCLES + 1)
    stats = controller.stats()
    reads = back.returned[trace.write[back.ident] == 0]
    last_read = int(reads.max(initial=0))
    end = max(last_read, stats.last_column)
    energy = stats.energy
    found: dict[str, float] = {
        "last_accept": stats.last_accept,
        "last_read_return": last_read,
        "last_rw_cmd_cycle": stats.last_column,
        "end_cycle": end,
        "avg_read_lat": float(stats.read_latency_mean),
        "max_read_lat": stats.read_latency_max,
        "bytes_per_cycle": len(trace.address) * size / (end - int(trace.arrive[0])),
        "num_reads_done": stats.reads,
        "num_writes_done": stats.writes,
        "num_read_cmds": stats.read_commands,
        "num_write_cmds": stats.write_commands,
        "num_act_cmds": stats.activates,
        "num_pre_cmds": stats.precharges,
        "num_ref_cmds": stats.refreshes,
        "num_read_row_hits": stats.read_hits,
        "num_write_row_hits": stats.write_hits,
        "sim_cycles": stats.cycles,
        "act_energy_pJ": energy.activate_pj,
        "read_energy_pJ": energy.read_pj,
        "write_energy_pJ": energy.write_pj,
        "ref_energy_pJ": energy.refresh_pj,
        "background_energy_pJ": energy.background_pj,
        "total_energy_pJ": energy.total_pj,
    }
    if device.standard != "HBM2":
        found["num_ondemand_pres"] = stats.conflicts
    return found


def compare_micro(path: Path, folder: Path) -> Iterator[Comparison]:
    """Run the requests of a micro trace and compare every stamp, of requests and of commands.

    The size of a request is that of a burst. Commands count up to the last return or column command
    of the reference, where its list ends.
    """
    name = path.name.removesuffix(".requests.csv")
    commands = path.with_name(f"{name}.commands.csv")
    require_files([commands])
    columns = ("addr_hex", "op", "arrive", "accepted", "returned")
    rows = list(case_rows(path, columns))
    device = device_of(name.partition("__")[0], folder, path)
    room = device.organisation.capacity_bytes - device.organisation.burst_bytes
    address = _integers(rows, "addr_hex", path, 16, least=0, most=room)
    arrive, accepted, returned = (
        _integers(rows, column, path, least=0) for column in ("arrive", "accepted", "returned")
    )
    wrong = [(line, row["op"]) for line, row in rows if row["op"] not in {"R", "W"}]
    if wrong:
        rule = "must be R or W"
        raise InputError(Fault("op", op, rule, "", str(path), line, 1) for line, op in wrong)
    write = np.array([row["op"] == "W" for _, row in rows], np.int64)
    controller = Controller(device, log=True)
    controller.submit(address, device.organisation.burst_bytes, write, arrive)
    back = controller.finish()
    controller.advance(int(back.returned.max()) + TAIL_CYCLES + 1)
    order = np.argsort(back.ident)
    case = name.replace("__", " ")
    for quantity, theirs, ours in (
        ("request_accepted", accepted, back.accepted[order]),
        ("request_returned", returned, back.returned[order]),
    ):
        yield Comparison(case, quantity, len(rows), int((theirs == ours).sum()))
    theirs_log = _commands(commands)
    end = int(returned[write == 0].max(initial=0))
    end = max([end, *(row[0] for row in theirs_log if row[1] in _COLUMN)])
    ours_log = [row for row in _logged(controller.log()) if row[0] <= end]
    matched = _matched(theirs_log, ours_log)
    yield Comparison(case, "commands", max(len(theirs_log), len(ours_log)), matched)


def _integers(
    rows: list[tuple[int, dict[str, str]]],
    column: str,
    path: Path,
    base: int = 10,
    *,
    least: int = -1,
    most: int = 10**15,
) -> NDArray[np.int64]:
    """Return a column; by default -1 says that something is not known."""
    faults, found = [], []
    for line, row in rows:
        try:
            value = int(row[column], base)
        except ValueError:
            value = least - 1
        found.append(value)
        if not least <= value <= most:
            limits = f"{most:#x}" if base == 16 else f"{most}"
            rule = f"must be a whole number of base {base} from {least} to {limits}"
            faults.append(Fault(column, row[column], rule, "", str(path), line, 1))
    if faults:
        raise InputError(faults)
    return np.array(found, np.int64)


Logged = tuple[int, str, tuple[int | None, ...]]
"""Cycle, command, place; None where the reference does not say."""


def _commands(path: Path) -> list[Logged]:
    """Return the reference's commands.

    It does not say the channel of a refresh and of what makes way for one; of row commands it says
    row and column of the request that they are for, of which only the row of an activate counts.
    """
    names = ("cycle", "command", "channel", "rank", "bankgroup", "bank", "row_hex", "column_hex")
    rows = list(case_rows(path, names, none_too=True))  # a few writes may stay buffered for good
    cycles = _integers(rows, "cycle", path).tolist()
    columns = [_integers(rows, x, path).tolist() for x in names[2:6]]
    columns += [_integers(rows, x, path, 16).tolist() for x in names[6:]]
    found: list[Logged] = []
    for (_, row), cycle, *place in zip(rows, cycles, *columns, strict=True):
        command = _COMMANDS.get(row["command"], row["command"])
        known = [None if value < 0 else value for value in place]
        if command not in _COLUMN:
            known[5] = None
        if command not in _ROW | _COLUMN:
            known[4] = None
        found.append((cycle, command, tuple(known)))
    return found


def _logged(log: NDArray[np.int64]) -> list[Logged]:
    return [(row[0], COMMANDS[row[1]], tuple(row[2:])) for row in log.tolist()]


def _matched(theirs: list[Logged], ours: list[Logged]) -> int:
    """Return how many commands of the reference have one of ours, each its own."""
    free: dict[tuple[int, str], list[tuple[int | None, ...]]] = defaultdict(list)
    for cycle, command, place in ours:
        free[cycle, command].append(place)
    matched = 0
    # Those that say most choose first.
    for cycle, command, place in sorted(theirs, key=lambda row: row[2].count(None)):
        same = free[cycle, command]
        for i, mine in enumerate(same):
            if all(x is None or x == y for x, y in zip(place, mine, strict=True)):
                del same[i]
                matched += 1
                break
    return matched
