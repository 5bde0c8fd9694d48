"""DRAM devices and traces of requests, drawn; and one run of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from arraysmith.sim.dram.controller import Controller
from arraysmith.sim.dram.device import PAGES, SCHEDULERS
from arraysmith.sim.dram.device_file import device_names, load_device

DEVICES = {name: load_device(name) for name in device_names()}


def with_policy(device, **changes):
    return replace(device, policy=replace(device.policy, **changes))


@st.composite
def devices(draw):
    """Devices that ship, with any policy, tiny queues and refreshes that come often."""
    device = DEVICES[draw(st.sampled_from(sorted(DEVICES)))]
    write_queue = draw(st.sampled_from((1, 2, 5, 32)))
    timing = device.timing
    if draw(st.booleans()):
        often = timing.t_rfc + draw(st.integers(50, 900))
        timing = replace(timing, t_refi=often * device.organisation.ranks)
    return with_policy(
        replace(device, timing=timing),
        scheduler=draw(st.sampled_from(SCHEDULERS)),
        page=draw(st.sampled_from(PAGES)),
        read_queue=draw(st.sampled_from((1, 3, 32))),
        write_queue=write_queue,
        bank_queue=draw(st.sampled_from((1, 2, 8))),
        drain_above=draw(st.integers(0, min(8, write_queue))),
        row_hits_limit=draw(st.sampled_from((1, 4))),
        requests_per_cycle=draw(st.sampled_from((1, 4))),
        refresh=draw(st.booleans()),
    )


@st.composite
def traces(draw, device):
    """Requests of one burst each, dense or sparse in time.

    They go to few places, so that they meet; to two rows of every bank, so that banks conflict all
    at once; or all over the memory.
    """
    shape = device.organisation
    spread = draw(st.sampled_from((4, 64, 0, shape.capacity_bytes // shape.burst_bytes)))
    places = (
        st.integers(0, spread - 1)
        if spread
        else st.builds(
            lambda values: burst_at(device, values),
            st.fixed_dictionaries(
                {
                    field: st.integers(
                        0, min(shape.size(field), {"row": 2, "column": 2}.get(field, 99)) - 1
                    )
                    for field in device.address_map
                }
            ),
        )
    )
    gap = draw(st.sampled_from((0, 2, 30)))
    rows = draw(
        st.lists(st.tuples(places, st.booleans(), st.integers(0, gap)), min_size=1, max_size=60)
    )
    address = np.array([row[0] for row in rows], np.int64) * shape.burst_bytes
    write = np.array([row[1] for row in rows], np.int64)
    return address, write, np.cumsum([row[2] for row in rows])


def burst_at(device, values):
    """Return the number of the burst with these values of the fields of its address."""
    number = 0
    for field in device.address_map:
        number = number * device.organisation.size(field) + values[field]
    return number


def dense(device, count=400):
    """Return reads and writes that keep every bank of a device busy with conflicts, by a seed."""
    rng = np.random.default_rng(5)
    shape = device.organisation
    fields = {x: rng.integers(0, min(shape.size(x), 64), count) for x in device.address_map}
    address = (
        np.array(
            [
                burst_at(device, {x: int(column[i]) for x, column in fields.items()})
                for i in range(count)
            ]
        )
        * shape.burst_bytes
    )
    return address, rng.integers(0, 4, count) == 0, np.zeros(count, np.int64)


def run(device, trace, *, flush=True):
    address, write, arrive = trace
    controller = Controller(device, log=True)
    controller.submit(address, device.organisation.burst_bytes, write, arrive)
    back = controller.finish(flush=flush)
    order = np.argsort(back.ident)
    assert back.ident[order].tolist() == list(range(len(address)))
    return controller, back.accepted[order], back.returned[order]
