"""Parameters of the routers of a network."""

from __future__ import annotations

from dataclasses import dataclass, fields

from arraysmith.arch.errors import Fault, InputError, nearest

ALLOCATORS = ("separable_input_first", "islip")
"""Allocators of virtual channels and of the switch, in the order of their numbers in the kernel."""

FLOW_CONTROLS = ("wormhole", "virtual_cut_through")
"""Room that a head needs to take a virtual channel: for a flit, or for its packet."""

MAX_VCS = 32
"""Virtual channels of a port at most: the kernel keeps them in the bits of a word."""

MOST = 65_536
"""Of any other number of a router: beyond it is a slip of the keyboard, or of the memory."""


@dataclass(frozen=True, kw_only=True)
class Router:
    """An input-queued router with virtual channels; all routers of a network are alike.

    A flit that arrives in cycle t is buffered; its packet's head has its route ``routing_cycles``
    later, then takes a virtual channel (``vc_allocation_cycles``), every flit then the switch
    (``switch_allocation_cycles``) and passes it (``switch_traversal_cycles``), and is on the link.

    Attributes:
        num_vcs: virtual channels of each port.
        vc_buffer_flits: depth of the buffer of each virtual channel.
        routing_cycles: route computation; 0 is look-ahead, done in the router before.
        vc_allocation_cycles: at least 1.
        switch_allocation_cycles: at least 1.
        switch_traversal_cycles: at least 1.
        speculative: whether heads bid for the switch while they still bid for a virtual channel;
            such bids lose against others.
        allocator: of both allocations, one of ``ALLOCATORS``; arbiters go round-robin.
        iterations: of iSLIP.
        credit_cycles: from a credit's arrival to its use by the allocators.
        input_speedup: flits that an input port may send in one cycle, from different virtual
            channels (those equal modulo the speed-up share one).
        flow_control: one of ``FLOW_CONTROLS``.
        in_order: whether a flow keeps to one virtual channel of those it may take, so that its
            packets cannot overtake each other under a routing with one path.
        terminal_cycles: link latency between terminal and router, each way.
    """

    num_vcs: int = 4
    vc_buffer_flits: int = 8
    routing_cycles: int = 0
    vc_allocation_cycles: int = 1
    switch_allocation_cycles: int = 1
    switch_traversal_cycles: int = 1
    speculative: bool = False
    allocator: str = "separable_input_first"
    iterations: int = 1
    credit_cycles: int = 1
    input_speedup: int = 1
    flow_control: str = "wormhole"
    in_order: bool = False
    terminal_cycles: int = 1

    def __post_init__(self) -> None:
        faults = []
        zero_allowed = ("routing_cycles", "credit_cycles")
        for entry in fields(self):
            value = getattr(self, entry.name)
            least = 0 if entry.name in zero_allowed else 1
            if isinstance(value, bool) or not isinstance(value, int):
                continue
            if value < least:
                faults.append(Fault(entry.name, str(value), f"must be at least {least}"))
            elif value > MOST and entry.name != "num_vcs":
                faults.append(Fault(entry.name, str(value), f"must be at most {MOST}"))
        for name, value, known in (
            ("allocator", self.allocator, ALLOCATORS),
            ("flow_control", self.flow_control, FLOW_CONTROLS),
        ):
            if value not in known:
                faults.append(Fault(name, value, "unknown", nearest(value, known)))
        if self.num_vcs > MAX_VCS:
            faults.append(Fault("num_vcs", str(self.num_vcs), f"must be at most {MAX_VCS}"))
        if self.speculative and max(self.vc_allocation_cycles, self.switch_allocation_cycles) > 1:
            rule = "bids early, which takes allocations of one cycle each"
            faults.append(Fault("speculative", "true", rule))
        if self.input_speedup > self.num_vcs >= 1:
            rule = f"must be at most the {self.num_vcs} virtual channels"
            faults.append(Fault("input_speedup", str(self.input_speedup), rule))
        if faults:
            raise InputError(faults)

    def hop_cycles(self, link_cycles: int = 1) -> int:
        """Return cycles that an unloaded head takes from one router's buffer to the next's."""
        alone = (
            max(self.vc_allocation_cycles, self.switch_allocation_cycles)
            if self.speculative
            else self.vc_allocation_cycles + self.switch_allocation_cycles
        )
        return self.routing_cycles + alone + self.switch_traversal_cycles + link_cycles
