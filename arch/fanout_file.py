"""Fan-outs and their networks in architecture files: read, checked and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from arraysmith.arch.architecture import (
    Fanout,
    FlitWiring,
    Routed,
    ScaleOut,
    Systolic,
    Tree,
    Wireless,
    Wires,
    XyBus,
)
from arraysmith.arch.errors import Fault
from arraysmith.arch.fanout_specs import ForwardingSpec, WiresSpec
from arraysmith.arch.interconnect import DIRECTIONS, Forwarding
from arraysmith.arch.problem import IFMAP
from arraysmith.arch.specs import FanoutSpec
from arraysmith.arch.units import Rate, format_cycles, format_energy_pj, format_rate
from arraysmith.arch.yaml_positions import Positions


def fanout_of(spec: FanoutSpec) -> Fanout:
    """Return the fan-out of a model without faults."""
    if spec.network.systolic is not None:
        wires = spec.network.systolic
        array = Systolic(
            drain=wires.drain,
            fold_overlap=wires.fold_overlap,
            partial_folds=wires.partial_folds,
            partial_sums=wires.partial_sums,
            wires=_wires(wires.wires),
        )
        return Fanout(spec.fanout, spec.mesh_x, spec.mesh_y, array)
    if spec.network.scale_out is not None:
        cut = spec.network.scale_out
        return Fanout(spec.fanout, spec.mesh_x, spec.mesh_y, ScaleOut(cut.y, cut.x))
    return Fanout(spec.fanout, spec.mesh_x, spec.mesh_y, _shared_network(spec))


def _shared_network(spec: FanoutSpec) -> XyBus | Tree | FlitWiring:
    """Return a network between a memory and its children."""
    tree, routed, bus = spec.network.tree, spec.network.routed, spec.network.xy_bus
    air = spec.network.wireless
    if tree is not None:
        return Tree(
            arity=tree.arity,
            down_words_per_cycle=_amount(tree.down),
            up_words_per_cycle=_amount(tree.up),
            leaf_words_per_cycle=_amount(tree.leaf),
            stage_cycles=tree.stage,
            multicast=tree.multicast,
            reduction=tree.reduction,
            adds_above=tree.adds_above,
            wires=_wires(tree.wires),
        )
    if routed is not None:
        return Routed(
            topology=routed.topology,
            size=routed.size,
            options=tuple(sorted(routed.options.items())),
            routing=routed.routing,
            router=tuple(sorted(routed.router.items())),
            flit_bits=routed.flit,
            packet_flits=routed.packet,
            memory=routed.memory,
            multicast=routed.multicast,
            reduction=routed.reduction,
            adds_above=routed.adds_above,
            wires=_wires(routed.wires),
        )
    if air is not None:
        return Wireless(
            flit_bits=air.flit,
            flit_cycles=air.on_air,
            token_cycles=air.token,
            latency_cycles=air.latency,
            adds_above=air.adds_above,
            wires=None if air.energy is None else Wires(hop_pj_per_bit=air.energy),
        )
    assert bus is not None  # _network_faults refused a network with neither
    return XyBus(
        _amount(bus.bandwidth),
        bus.latency,
        bus.multicast,
        bus.diagonal,
        bus.reduction,
        bus.adds_above,
        _wires(bus.wires),
        tuple((tensor, rate.amount) for tensor, rate in bus.bandwidths.items()),
        _forwarding(bus.forwarding),
    )


def _forwarding(spec: ForwardingSpec | None) -> Forwarding | None:
    if spec is None:
        return None
    ways = {way for x in spec.ifmap for way in ((x,) if x in DIRECTIONS else (f"-{x}", f"+{x}"))}
    chosen = tuple(way for way in DIRECTIONS if way in ways)
    return Forwarding(chosen, _amount(spec.rate), spec.latency)


def _amount(rate: Rate | None) -> Fraction | None:
    return None if rate is None else rate.amount


def _wires(spec: WiresSpec | None) -> Wires | None:
    return None if spec is None else Wires(spec.hop or 0, spec.routers, spec.energy)


def network_faults(
    spec: FanoutSpec, path: str, positions: Positions, *, last: bool, below: tuple[str, ...] = ()
) -> Iterator[Fault]:
    """Yield what the keys of a network break together.

    Args:
        spec: the fan-out.
        path: of its level.
        positions: of the file.
        last: nothing but MACs follow.
        below: tensors that memories between it and the next fan-out may hold.
    """
    kinds = ("xy_bus", "tree", "routed", "wireless", "systolic", "scale_out")
    given = [key for key in kinds if getattr(spec.network, key) is not None]
    if len(given) != 1:
        rule = "must be exactly one of xy_bus, tree, routed, wireless, systolic and scale_out"
        yield positions.fault(f"{path}.network", rule, "for example network: {xy_bus: {}}")
    elif given == ["systolic"] and not last:
        rule = "a systolic array must be the last level"
        yield positions.fault(f"{path}.network.systolic", rule, "its MACs store nothing but a word")
    bus = spec.network.xy_bus
    if bus is not None and bus.forwarding is not None and IFMAP not in below:
        rule = f"children pass on what they hold: a memory right below must hold {IFMAP}"
        yield positions.fault(f"{path}.network.xy_bus.forwarding", rule, "MACs alone hold nothing")
    air = spec.network.wireless
    if air is not None and air.access == "contention":
        rule = (
            "what back-off costs depends on all before, so that no transfer has a time of its own"
        )
        hint = "access: token, or study the medium by itself: arraysmith noc --wireless contention"
        yield positions.fault(f"{path}.network.wireless.access", rule, hint)
    if air is not None and air.reduction:
        rule = "who sends at once is not understood: nothing is added on the air"
        hint = "adds_above: true leaves sums to the memory"
        yield positions.fault(f"{path}.network.wireless.reduction", rule, hint)
    for kind in ("xy_bus", "tree", "routed", "systolic"):
        wires = getattr(getattr(spec.network, kind), "wires", None)
        if wires is not None and (wires.hop is None) == (wires.energy is None):
            rule = "must give the length of a hop or its energy, not both"
            yield positions.fault(f"{path}.network.{kind}.wires", rule, "for example hop: 100 um")


def fanout_document(fanout: Fanout) -> dict[str, Any]:
    """Return the fan-out as the plain data of its file."""
    network: dict[str, Any]
    wires = fanout.network
    if isinstance(wires, Systolic):
        plain = asdict(wires)
        del plain["wires"]
        network = {"systolic": {**plain, **_wires_document(wires.wires)}}
    elif isinstance(wires, ScaleOut):
        network = {"scale_out": asdict(wires)}
    elif isinstance(wires, Tree):
        network = {"tree": _tree_document(wires)}
    elif isinstance(wires, Routed):
        network = {"routed": _routed_document(wires)}
    elif isinstance(wires, Wireless):
        network = {"wireless": _wireless_document(wires)}
    else:
        bus: dict[str, Any] = {}
        if wires.words_per_cycle is not None:
            bus["bandwidth"] = format_rate(wires.words_per_cycle)
        if wires.tensor_rates:
            bus["bandwidths"] = {name: format_rate(rate) for name, rate in wires.tensor_rates}
        if wires.latency_cycles:
            bus["latency"] = format_cycles(wires.latency_cycles)
        bus |= {
            "multicast": wires.multicast,
            "diagonal": wires.diagonal,
            "reduction": wires.reduction,
            **({"adds_above": True} if wires.adds_above else {}),
            **_wires_document(wires.wires),
            **_forwarding_document(wires.forwarding),
        }
        network = {"xy_bus": bus}
    mesh = {"mesh_x": fanout.mesh_x, "mesh_y": fanout.mesh_y}
    return {"fanout": fanout.name, **mesh, "network": network}


def _tree_document(tree: Tree) -> dict[str, Any]:
    rates = {
        "down": tree.down_words_per_cycle,
        "up": tree.up_words_per_cycle,
        "leaf": tree.leaf_words_per_cycle,
    }
    return {
        "arity": tree.arity,
        **{key: format_rate(rate) for key, rate in rates.items() if rate is not None},
        "stage": format_cycles(tree.stage_cycles),
        **_shares_document(tree),
    }


def _routed_document(network: Routed) -> dict[str, Any]:
    return {
        "topology": network.topology,
        "size": list(network.size),
        **({"options": dict(network.options)} if network.options else {}),
        "routing": network.routing,
        **({"router": dict(network.router)} if network.router else {}),
        "flit": f"{network.flit_bits} bit",
        "packet": network.packet_flits,
        "memory": network.memory,
        **_shares_document(network),
    }


def _wireless_document(air: Wireless) -> dict[str, Any]:
    document: dict[str, Any] = {
        "flit": f"{air.flit_bits} bit",
        "on_air": format_cycles(air.flit_cycles),
        "token": format_cycles(air.token_cycles),
        "latency": format_cycles(air.latency_cycles),
    }
    if air.adds_above:
        document["adds_above"] = True
    if air.wires is not None and air.wires.hop_pj_per_bit is not None:
        document["energy"] = format_energy_pj(air.wires.hop_pj_per_bit)
    return document


def _shares_document(network: Tree | Routed) -> dict[str, Any]:
    return {
        "multicast": network.multicast,
        "reduction": network.reduction,
        **({"adds_above": True} if network.adds_above else {}),
        **_wires_document(network.wires),
    }


def _forwarding_document(links: Forwarding | None) -> dict[str, Any]:
    if links is None:
        return {}
    document: dict[str, Any] = {"ifmap": list(links.directions)}
    if links.words_per_cycle is not None:
        document["rate"] = format_rate(links.words_per_cycle)
    if links.latency_cycles:
        document["latency"] = format_cycles(links.latency_cycles)
    return {"forwarding": document}


def _wires_document(wires: Wires | None) -> dict[str, Any]:
    if wires is None:
        return {}
    document: dict[str, Any] = {}
    if wires.hop_um:
        document["hop"] = f"{wires.hop_um} um"
    if wires.routers:
        document["routers"] = True
    if wires.hop_pj_per_bit is not None:
        document["energy"] = format_energy_pj(wires.hop_pj_per_bit)
    return {"wires": document}
