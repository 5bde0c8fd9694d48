"""A plan behind a DRAM: how fast the chip is by itself, and what the memory takes at that pace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from arraysmith.sim.analytical.rehearsal.dram import Dram, Pace, ask_dram
from arraysmith.sim.analytical.rehearsal.plan import Plan


def on_chip(plan: Plan) -> Plan:
    """Return a plan with an off-chip memory that takes no time."""
    far, far_up, late = (np.zeros_like(x) for x in (plan.far, plan.far_up, plan.late))
    return replace(plan, far=far, far_up=far_up, late=late, latency=0)


def behind_dram(plan: Plan, pace: Pace) -> Plan:
    """Return a plan with what the DRAM takes that it has questions for; rows of ``pace`` are links.

    What is asked depends on when: a memory that is asked slowly answers each request by itself.
    """
    assert plan.questions is not None
    mine = plan.questions.links
    told = ask_dram(plan.questions, pace._replace(lags=pace.lags[mine]))
    loops = told.words.shape[1] - 2
    far, far_up, late, held = (x.copy() for x in (plan.far, plan.far_up, plan.late, plan.dram.held))
    far[mine, :loops], far[mine, -1] = told.words[:, :loops], told.words[:, loops]
    far_up[mine], late[mine] = told.words[:, -1], told.late[:, None]
    held[mine, :loops], held[mine, -2:] = told.held[:, :loops], told.held[:, loops:]
    dram = Dram(True, held, told.rest, told.refresh)
    return replace(plan, far=far, far_up=far_up, late=late, dram=dram)
