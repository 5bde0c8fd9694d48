"""Parameters of the kernels, worked out from a device.

Every time between two commands is one formula of the device's timing; they are those of JESD79-4
(DDR4), JESD209-4 (LPDDR4) and JESD235 (HBM) as the simulator DRAMsim3 puts them together, against
which they are validated. R and W are the read and write latencies AL + CL and AL + CWL, B is the
burst.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.dram import columns as at
from arraysmith.sim.dram.device import PAGES, Device

POSTED_CYCLES = 2
"""Cycles from accepting a write, or a read of buffered data, to its return."""

STUCK_INTERVALS = 64
"""Refresh intervals without any progress that are an error."""

_PLACES = {
    "channel": at.AT_CHANNEL,
    "rank": at.AT_RANK,
    "bank_group": at.AT_GROUP,
    "bank": at.AT_BANK,
    "row": at.AT_ROW,
    "column": at.AT_COLUMN,
}


def distances(device: Device) -> dict[int, int]:
    """Return the cycles between two commands, by the column of ``parameters`` that holds them."""
    t, shape = device.timing, device.organisation
    burst = shape.burst_cycles
    read, write = t.al + t.cl, t.al + t.cwl
    grouped = shape.bank_groups > 1
    ccd_l, rrd_l, wtr_l = (
        (t.t_ccd_l, t.t_rrd_l, t.t_wtr_l) if grouped else (t.t_ccd_s, t.t_rrd_s, t.t_wtr_s)
    )
    to_pre, from_write = t.al + t.t_rtp, write + burst + t.t_wr
    return {
        at.READ_DELAY: read + burst,
        at.T_RC: t.t_rc,
        at.T_RAS: t.t_ras,
        at.T_RP: t.t_rp,
        at.T_RCD_READ: t.t_rcd_read - t.al,
        at.T_RCD_WRITE: t.t_rcd_write - t.al,
        at.T_RRD_L: rrd_l,
        at.T_RRD_S: t.t_rrd_s,
        at.T_FAW: t.t_faw,
        at.T_PPD: t.t_ppd,
        at.T_RFC: t.t_rfc,
        at.READ_READ_L: max(burst, ccd_l),
        at.READ_READ_S: max(burst, t.t_ccd_s),
        at.READ_READ_O: burst + t.t_rtrs,
        at.READ_WRITE: read + burst + t.t_rtrs - write,
        # Between ranks the buses turn round after the data of both.
        at.READ_WRITE_O: read + burst + t.t_rtrs - write,
        at.WRITE_READ_L: write + burst + wtr_l,
        at.WRITE_READ_S: write + burst + t.t_wtr_s,
        at.WRITE_READ_O: write + burst + t.t_rtrs - read,
        at.WRITE_WRITE_L: max(burst, ccd_l),
        at.WRITE_WRITE_S: max(burst, t.t_ccd_s),
        at.WRITE_WRITE_O: burst,
        at.READ_PRE: to_pre,
        at.READ_CLOSE_ACT: to_pre + burst + t.t_rp,
        at.READ_CLOSE_REFRESH: to_pre + t.t_rp,
        at.WRITE_PRE: from_write,
        at.WRITE_CLOSE_ACT: from_write + t.t_rp,
    }


def parameters(device: Device) -> NDArray[np.int64]:
    """Return the parameters of a device, int64 [``columns.PARAMETERS``]."""
    shape, policy, timing = device.organisation, device.policy, device.timing
    found = {
        at.CHANNELS: shape.channels,
        at.RANKS: shape.ranks,
        at.GROUPS: shape.bank_groups,
        at.PER_GROUP: shape.banks_per_group,
        at.READ_QUEUE: policy.read_queue,
        at.WRITE_QUEUE: policy.write_queue,
        at.BANK_QUEUE: policy.bank_queue,
        at.WIDTH: policy.requests_per_cycle,
        at.FCFS: int(policy.scheduler == "fcfs"),
        at.PAGE: PAGES.index(policy.page),
        at.HIT_LIMIT: policy.row_hits_limit,
        at.DRAIN_ABOVE: policy.drain_above,
        # HBM has buses of their own for row and column commands.
        at.TWO_COMMANDS: int(device.standard == "HBM2"),
        at.POSTED: POSTED_CYCLES,
        at.INTERVAL: timing.t_refi // shape.ranks,
        at.STUCK: STUCK_INTERVALS * timing.t_refi,
        **distances(device),
    }
    low = 0
    for field in reversed(device.address_map):
        found[_PLACES[field]] = low
        found[_PLACES[field] + 1] = shape.size(field) - 1
        low += shape.size(field).bit_length() - 1
    values = np.zeros(at.PARAMETERS, np.int64)
    for place, value in found.items():
        values[place] = value
    return values
