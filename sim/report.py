"""The one result type of every model, analytical or simulated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from arraysmith.sim.balance import Balance, roofline, total_balance
from arraysmith.sim.dram.use import DramUse, total_use
from arraysmith.sim.merit import Merit
from arraysmith.sim.network_use import NetworkUse, total_network_use

FIDELITIES = ("analytical", "calibrated", "cycle")
"""How a number was obtained: closed form, corrected closed form, simulation."""

READ, FILL, UPDATE, DRAIN = "read", "fill", "update", "drain"
"""Directions of an access, seen from the memory.

``read``: words read to feed a child (or partial sums read back by a child). ``fill``: words written
because the parent or a neighbour sent them. ``update``: words written because a child sent
results. ``drain``: words read to send results to the parent or the ifmap to neighbours.
"""

FORWARD = "forward"  # kind of traffic between neighbours, a hop a word
EDGES = ("fill", "drain")
"""Stall causes at the two ends of a run: before the first MAC, and after the array's last cycle."""


@dataclass(frozen=True, slots=True)
class Access:
    """Accesses of one tensor at one memory in one direction, over all instances.

    Attributes:
        level: memory name.
        tensor: tensor name.
        direction: ``read``, ``fill``, ``update`` or ``drain``.
        words: words moved.
        accesses: accesses of the memory's width that moved them.
        energy_pj: energy of all of them.
    """

    level: str
    tensor: str
    direction: str
    words: int
    accesses: int
    energy_pj: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """Words that entered a fan-out's network for one tensor.

    Attributes:
        network: fan-out name.
        tensor: tensor name.
        kind: ``unicast``, ``multicast`` or ``reduction``; over links between neighbours
            ``forward``, in a systolic array also ``shift``.
        words: words sent into the network (once per multicast).
        deliveries: words received by all children together (sent by all, for a reduction).
        hops: steps from neighbour to neighbour of all words; 0 where the network counts none.
        energy_pj: energy of all hops.
    """

    network: str
    tensor: str
    kind: str
    words: int
    deliveries: int
    hops: int = 0
    energy_pj: float = 0.0


@dataclass(frozen=True, slots=True)
class Component:
    """Area of one component: ``count`` copies of ``area_um2`` each."""

    name: str
    count: int
    area_um2: float


@dataclass(frozen=True, slots=True)
class EnergyRow:
    """One line of the bill: what a component did, how often, and what it took.

    Attributes:
        component: memory, network or MAC unit.
        tensor: whose words; empty for MACs and leakage.
        action: direction of an access, kind of traffic, ``mac`` or ``leakage``.
        unit: what ``count`` counts: ``accesses``, ``word hops``, ``MACs`` or ``cycles``.
        count: how many.
        each_pj: energy of one.
        energy_pj: energy of all.
    """

    component: str
    tensor: str
    action: str
    unit: str
    count: int
    each_pj: float
    energy_pj: float


@dataclass(frozen=True)
class Report(Merit):
    """Cost of running a problem, or the sum over the layers of a network.

    Attributes:
        fidelity: one of ``FIDELITIES``.
        setting: named rule set of the model: ``default``, ``timeloop`` ...
        macs: multiply-accumulates done.
        flops: operations, see ``Problem.flops``.
        pes: MAC units of the architecture.
        clock_hz: array clock.
        compute_cycles: cycles in which the array computes: the time with free data movement.
        stalls: (cause, cycles) of every other cycle; causes are documented by the model that
            names them; compute_cycles + their sum = cycles.
        active_pes: MAC units that have work under the mapping (most over layers, for a sum).
        accesses: words and energy per memory, tensor and direction.
        traffic: words per network and tensor.
        mac_energy_pj: energy of all MACs.
        leakage_energy_pj: leakage of the whole chip over ``cycles``; 0 when the setting omits it.
        area: components and their areas.
        uncounted: (cause, cycles) that are reported but not part of ``cycles``; see
            ``without_edges``.
        balance: computing, memories and networks, outermost first; empty when not analysed.
        leakage: (component, picojoules) of what leaks; empty where a model does not tell.
        networks: loads of links, of routed networks that were simulated.
        dram: commands and energy of the DRAM; None where none was simulated. With one, the
            accesses of the off-chip memory take no energy of their own: commands are priced.
    """

    fidelity: str
    setting: str
    macs: int
    flops: int
    pes: int
    clock_hz: int
    compute_cycles: int
    stalls: tuple[tuple[str, int], ...]
    active_pes: int
    accesses: tuple[Access, ...]
    traffic: tuple[Traffic, ...]
    mac_energy_pj: float
    leakage_energy_pj: float
    area: tuple[Component, ...] = field(default=())
    uncounted: tuple[tuple[str, int], ...] = field(default=())
    balance: tuple[Balance, ...] = field(default=())
    leakage: tuple[tuple[str, float], ...] = field(default=())
    dram: DramUse | None = None
    networks: tuple[NetworkUse, ...] = ()

    @property
    def cycles(self) -> int:
        """Cycles from the first request to the last word written, less the ``uncounted``."""
        return self.compute_cycles + sum(cycles for _, cycles in self.stalls)

    @property
    def cycles_without_edges(self) -> int:
        """Cycles without first fill and last drain, whether they are counted or not."""
        return self.cycles - sum(cycles for cause, cycles in self.stalls if cause in EDGES)

    def without_edges(self) -> Report:
        """Return the Report of a run whose first fill and last drain hide behind its neighbours.

        Their cycles are reported as ``uncounted``; leakage is that of the cycles left. Traces of
        the run keep them.
        """
        edges = tuple(stall for stall in self.stalls if stall[0] in EDGES)
        left = self.cycles_without_edges / self.cycles
        return replace(
            self,
            stalls=tuple(stall for stall in self.stalls if stall[0] not in EDGES),
            uncounted=(*self.uncounted, *edges),
            leakage_energy_pj=self.leakage_energy_pj * left,
            leakage=tuple((name, energy_pj * left) for name, energy_pj in self.leakage),
        )

    def with_dram(self, use: DramUse | None) -> Report:
        """Return the Report of a run on a DRAM, its energy that of the commands."""
        if use is None:
            return self
        accesses = tuple(
            replace(x, energy_pj=0.0) if x.level == use.memory else x for x in self.accesses
        )
        return replace(self, accesses=accesses, dram=use)

    @property
    def energy_pj(self) -> float:
        """All energy: accesses, networks, MACs, leakage, commands of a DRAM."""
        return (
            sum(access.energy_pj for access in self.accesses)
            + sum(part.energy_pj for part in self.traffic)
            + self.mac_energy_pj
            + self.leakage_energy_pj
            + (0.0 if self.dram is None else self.dram.total_energy_pj)
        )

    @property
    def roofline(self) -> list[dict[str, Any]]:
        """Where the run stands, part by part: see ``balance.roofline``."""
        return roofline(self.balance, self.macs, self.cycles)

    @property
    def area_um2(self) -> float:
        """Area of all components."""
        return sum(component.count * component.area_um2 for component in self.area)

    @property
    def stall_cycles(self) -> dict[str, int]:
        """Cycles by cause, causes in the model's order."""
        return dict(self.stalls)

    def words(self, level: str, tensor: str | None = None, direction: str | None = None) -> int:
        """Return the words moved at ``level``, of one tensor or direction if asked."""
        return sum(
            access.words
            for access in self.accesses
            if access.level == level
            and tensor in (None, access.tensor)
            and direction in (None, access.direction)
        )

    def energy_by_level(self) -> dict[str, float]:
        """Return picojoules per memory, outermost first, networks, ``mac`` and ``leakage``.

        Networks and leakage are named only where they take energy.
        """
        parts: dict[str, float] = {}
        for access in self.accesses:
            parts[access.level] = parts.get(access.level, 0.0) + access.energy_pj
        if self.dram is not None:
            parts[self.dram.memory] = parts.get(self.dram.memory, 0.0) + self.dram.total_energy_pj
        for part in self.traffic:
            if part.energy_pj:
                parts[part.network] = parts.get(part.network, 0.0) + part.energy_pj
        parts["mac"] = self.mac_energy_pj
        if self.leakage_energy_pj:
            parts["leakage"] = self.leakage_energy_pj
        return parts

    def energy_rows(self) -> tuple[EnergyRow, ...]:
        """Return the bill: every component, tensor and action; the rows add up to ``energy_pj``."""
        rows = [
            EnergyRow(x.level, x.tensor, x.direction, "accesses", x.accesses, 0.0, x.energy_pj)
            for x in self.accesses
        ]
        if self.dram is not None:
            rows = [
                *(
                    EnergyRow(self.dram.memory, "", action, unit, count, 0.0, energy_pj)
                    for action, unit, count, energy_pj in self.dram.actions
                ),
                *(row for row in rows if row.component != self.dram.memory),
            ]
        rows += [
            EnergyRow(x.network, x.tensor, x.kind, "word hops", x.hops, 0.0, x.energy_pj)
            for x in self.traffic
            if x.hops
        ]
        rows.append(EnergyRow("mac", "", "mac", "MACs", self.macs, 0.0, self.mac_energy_pj))
        leakage = self.leakage or (("all", self.leakage_energy_pj),)
        rows += [
            EnergyRow(name, "", "leakage", "cycles", self.cycles, 0.0, energy_pj)
            for name, energy_pj in leakage
            if energy_pj
        ]
        return tuple(
            replace(row, each_pj=row.energy_pj / row.count if row.count else 0.0) for row in rows
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the stored fields and the derived quantities, for JSON."""
        plain = asdict(self)
        del plain["stalls"], plain["uncounted"]
        return {
            "fidelity": plain.pop("fidelity"),
            "setting": plain.pop("setting"),
            "cycles": self.cycles,
            "compute_cycles": plain.pop("compute_cycles"),
            "stall_cycles": self.stall_cycles,
            "cycles_without_edges": self.cycles_without_edges,
            "uncounted_cycles": dict(self.uncounted),
            "utilization": self.utilization,
            "gflops": self.gflops,
            "energy_pj": self.energy_pj,
            "edp_j_cycles": self.edp_j_cycles,
            "area_um2": self.area_um2,
            "energy_by_level_pj": self.energy_by_level(),
            **plain,
            "area": [asdict(component) for component in self.area],
            "accesses": [asdict(access) for access in self.accesses],
            "traffic": [asdict(part) for part in self.traffic],
            "leakage": dict(self.leakage),
            "balance": self.roofline,
            "dram": None if self.dram is None else self.dram.to_dict(),
            "networks": [use.to_dict() for use in self.networks],
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Report:
        """Return the Report that ``to_dict`` made ``plain`` of; derived quantities are ignored."""
        return cls(
            fidelity=plain["fidelity"],
            setting=plain["setting"],
            macs=plain["macs"],
            flops=plain["flops"],
            pes=plain["pes"],
            clock_hz=plain["clock_hz"],
            compute_cycles=plain["compute_cycles"],
            stalls=tuple(plain["stall_cycles"].items()),
            active_pes=plain["active_pes"],
            accesses=tuple(Access(**access) for access in plain["accesses"]),
            traffic=tuple(Traffic(**part) for part in plain["traffic"]),
            mac_energy_pj=plain["mac_energy_pj"],
            leakage_energy_pj=plain["leakage_energy_pj"],
            area=tuple(Component(**component) for component in plain["area"]),
            leakage=tuple(plain.get("leakage", {}).items()),
            uncounted=tuple(plain.get("uncounted_cycles", {}).items()),
            balance=tuple(Balance.of_row(part) for part in plain.get("balance", ())),
            dram=DramUse.from_dict(plain["dram"]) if plain.get("dram") else None,
            networks=tuple(NetworkUse.from_dict(part) for part in plain.get("networks", ())),
        )


def total(parts: Iterable[tuple[Report, int]]) -> Report:
    """Return the Report of running each part ``repeat`` times, one after the other.

    Args:
        parts: (report, repeat) pairs of one architecture, fidelity and setting; at least one.
    """
    pairs = list(parts)
    first = pairs[0][0]
    stalls: dict[str, int] = {}
    uncounted: dict[str, int] = {}
    accesses: dict[tuple[str, str, str], list[float]] = {}
    traffic: dict[tuple[str, str, str], list[float]] = {}
    leakage: dict[str, float] = {}
    for report, repeat in pairs:
        for name, energy_pj in report.leakage:
            leakage[name] = leakage.get(name, 0.0) + repeat * energy_pj
        for cause, cycles in report.stalls:
            stalls[cause] = stalls.get(cause, 0) + repeat * cycles
        for cause, cycles in report.uncounted:
            uncounted[cause] = uncounted.get(cause, 0) + repeat * cycles
        for a in report.accesses:
            row = accesses.setdefault((a.level, a.tensor, a.direction), [0, 0, 0.0])
            row[0] += repeat * a.words
            row[1] += repeat * a.accesses
            row[2] += repeat * a.energy_pj
        for t in report.traffic:
            moved = traffic.setdefault((t.network, t.tensor, t.kind), [0, 0, 0, 0.0])
            moved[0] += repeat * t.words
            moved[1] += repeat * t.deliveries
            moved[2] += repeat * t.hops
            moved[3] += repeat * t.energy_pj
    return Report(
        fidelity=first.fidelity,
        setting=first.setting,
        macs=sum(r.macs * n for r, n in pairs),
        flops=sum(r.flops * n for r, n in pairs),
        pes=first.pes,
        clock_hz=first.clock_hz,
        compute_cycles=sum(r.compute_cycles * n for r, n in pairs),
        stalls=tuple(stalls.items()),
        active_pes=max(r.active_pes for r, _ in pairs),
        accesses=tuple(
            Access(*key, int(row[0]), int(row[1]), row[2]) for key, row in accesses.items()
        ),
        traffic=tuple(
            Traffic(*key, int(moved[0]), int(moved[1]), int(moved[2]), moved[3])
            for key, moved in traffic.items()
        ),
        mac_energy_pj=sum(r.mac_energy_pj * n for r, n in pairs),
        leakage_energy_pj=sum(r.leakage_energy_pj * n for r, n in pairs),
        area=first.area,
        leakage=tuple(leakage.items()),
        uncounted=tuple(uncounted.items()),
        balance=total_balance((r.balance, n) for r, n in pairs),
        dram=total_use((r.dram, n) for r, n in pairs),
        networks=total_network_use((r.networks, n) for r, n in pairs),
    )
