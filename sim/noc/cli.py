"""The command ``noc``: load-latency curves under synthetic traffic."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import prod
from typing import TYPE_CHECKING, Any

import click

from arraysmith.arch.errors import Fault, InputError

if TYPE_CHECKING:
    from arraysmith.sim.noc.sweep import Point, Protocol

MOST_RATES = 1000
"""Points of one curve."""


@click.command()
@click.option("--topology", "topology_name", default="mesh", show_default=True, help="By name.")
@click.option(
    "--wireless",
    "access",
    type=click.Choice(["token", "contention"]),
    help="A broadcast medium of as many terminals in place of a network.",
)
@click.option("--size", default="8x8", show_default=True, help="Its sizes, as WIDTHxHEIGHT.")
@click.option("--link-cycles", type=int, default=1, show_default=True, help="Latency of links.")
@click.option("--routing", "routing_name", default="xy", show_default=True, help="By name.")
@click.option("--traffic", "pattern", default="uniform", show_default=True, help="Pattern.")
@click.option(
    "--hotspot", "hotspots", multiple=True, metavar="TERMINAL:WEIGHT", help="For that pattern."
)
@click.option("--packet-flits", type=int, default=1, show_default=True, help="Packet length.")
@click.option(
    "--rates",
    default="0.05:0.6:0.05",
    show_default=True,
    metavar="FIRST:LAST:STEP",
    help="Flits per terminal and cycle; or a list, as 0.1,0.2.",
)
@click.option("--vcs", "num_vcs", type=int, default=4, show_default=True, help="Per port.")
@click.option(
    "--buffer", "vc_buffer_flits", type=int, default=8, show_default=True, help="Flits per VC."
)
@click.option("--routing-cycles", type=int, default=0, show_default=True, help="0: look-ahead.")
@click.option("--vc-allocation-cycles", type=int, default=1, show_default=True)
@click.option("--switch-allocation-cycles", type=int, default=1, show_default=True)
@click.option("--switch-traversal-cycles", type=int, default=1, show_default=True)
@click.option("--credit-cycles", type=int, default=1, show_default=True)
@click.option("--speculative", is_flag=True, help="Bid for the switch before a VC is won.")
@click.option("--allocator", default="separable_input_first", show_default=True)
@click.option("--iterations", type=int, default=1, show_default=True, help="Of iSLIP.")
@click.option("--input-speedup", type=int, default=1, show_default=True)
@click.option("--flow-control", default="wormhole", show_default=True)
@click.option("--warmup", "warmup_cycles", type=int, default=5_000, show_default=True)
@click.option("--measure", "measured_cycles", type=int, default=10_000, show_default=True)
@click.option("--drain", "drain_cycles", type=int, default=20_000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def noc(
    *,
    topology_name: str,
    access: str | None,
    size: str,
    link_cycles: int,
    routing_name: str,
    pattern: str,
    hotspots: tuple[str, ...],
    packet_flits: int,
    rates: str,
    warmup_cycles: int,
    measured_cycles: int,
    drain_cycles: int,
    seed: int,
    as_json: bool,
    **router_options: Any,
) -> None:
    """Measure latency and throughput of a network on chip, flit by flit.

    Packets created in the measured cycles, after the warm-up, are measured; traffic goes on until
    they are delivered. Loads beyond saturation have no latency.

    With --wireless, --size is how many share the medium, and only --packet-flits, --rates and what
    says how long to measure matter besides.
    """
    # Not at the top: the kernels bring numba, which --help does not need.
    from tqdm import tqdm

    from arraysmith.sim.noc.network import Network
    from arraysmith.sim.noc.router import Router
    from arraysmith.sim.noc.routing import build_routing
    from arraysmith.sim.noc.sweep import Protocol, curve, saturation
    from arraysmith.sim.noc.topology import build_topology
    from arraysmith.sim.noc.traffic import Traffic
    from arraysmith.sim.provenance import git_state, tool_version

    loads = parse_rates(rates)
    sizes = parse_size(size)
    protocol = Protocol(
        warmup_cycles=warmup_cycles,
        measured_cycles=measured_cycles,
        drain_cycles=drain_cycles,
        seed=seed,
    )
    if access is not None:
        _show_air(access, prod(sizes), packet_flits, loads, protocol, as_json=as_json)
        return
    options = {} if topology_name == "crossbar" else {"link_cycles": link_cycles}
    topology = build_topology(topology_name, sizes, **options)
    router = Router(**router_options)
    traffic = Traffic(pattern, packet_flits, parse_weights(hotspots))
    routing = build_routing(routing_name)
    Network(topology, routing, router, seed=seed)  # refuses what cannot work, once

    def make() -> Network:
        return Network(topology, routing, router, seed=seed, check_deadlock=False)

    points = list(
        tqdm(curve(make, traffic, loads, protocol), total=len(loads), unit="load", disable=None)
    )
    throughput = saturation(make, traffic, protocol)
    if as_json:
        document = {
            "topology": {"name": topology_name, "size": list(sizes), "link_cycles": link_cycles},
            "routing": routing_name,
            "router": router_options,
            "traffic": {
                "pattern": pattern,
                "packet_flits": packet_flits,
                "weights": {str(k): v for k, v in traffic.weights.items()},
            },
            "points": [point.to_dict() for point in points],
            "saturation_throughput": throughput,
            "provenance": {"tool": tool_version(), "git": git_state(), "seed": seed},
        }
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(table_text(points, throughput))


def _show_air(
    access: str,
    terminals: int,
    packet_flits: int,
    loads: list[float],
    protocol: Protocol,
    *,
    as_json: bool,
) -> None:
    """Print the curve of a wireless medium."""
    from arraysmith.sim.noc.air_curves import measure_air
    from arraysmith.sim.noc.wireless import Wireless
    from arraysmith.sim.provenance import git_state, tool_version

    medium = Wireless(terminals=terminals, access=access)
    points = [measure_air(medium, packet_flits, rate, protocol) for rate in loads]
    throughput = measure_air(medium, packet_flits, 1.0, protocol).accepted
    if not as_json:
        click.echo(table_text(points, throughput))
        return
    document = {
        "wireless": asdict(medium),
        "traffic": {"packet_flits": packet_flits},
        "points": [point.to_dict() for point in points],
        "saturation_throughput": throughput,
        "provenance": {"tool": tool_version(), "git": git_state(), "seed": protocol.seed},
    }
    click.echo(json.dumps(document, indent=2))


def parse_rates(text: str) -> list[float]:
    """Return the loads that an option names.

    Raises:
        InputError: it is neither FIRST:LAST:STEP nor a list of numbers above 0 and at most 1.
    """

    def refuse(rule: str) -> InputError:
        hint = "for example 0.05:0.6:0.05 or 0.1,0.2"
        return InputError([Fault("--rates", text, rule, hint)])

    try:
        if ":" in text:
            first, last, step = map(float, text.split(":"))
        else:
            first = last = step = 0.0
            found = [float(part) for part in text.split(",")]
    except ValueError:
        raise refuse("must be FIRST:LAST:STEP or numbers with commas") from None
    if ":" in text:
        if not (step > 0.0 and last >= first):
            raise refuse("needs LAST of at least FIRST, and STEP above 0")
        count = (last - first) / step
        if not count < MOST_RATES:
            raise refuse(f"must be at most {MOST_RATES} loads")
        found = [round(first + i * step, 9) for i in range(int(count + 1e-9) + 1)]
    if not all(0.0 < rate <= 1.0 for rate in found):
        raise refuse("must be above 0 and at most 1 flit per terminal and cycle")
    return found


def parse_size(text: str) -> tuple[int, ...]:
    """Return the sizes of a topology, as in ``8x8``.

    Raises:
        InputError: it is no such list of whole numbers.
    """
    try:
        return tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        rule = "must be whole numbers with x between"
        raise InputError([Fault("--size", text, rule, "for example 8x8")]) from None


def parse_weights(texts: tuple[str, ...]) -> dict[int, int]:
    """Return weights of terminals, as in ``5:4``.

    Raises:
        InputError: one is no pair of whole numbers, or names a terminal again.
    """
    found: dict[int, int] = {}
    for text in texts:
        terminal, _, weight = text.partition(":")
        try:
            number, value = int(terminal), int(weight)
        except ValueError:
            rule = "must be TERMINAL:WEIGHT"
            raise InputError([Fault("--hotspot", text, rule, "for example 5:4")]) from None
        if number in found:
            raise InputError([Fault("--hotspot", text, "names a terminal again")])
        found[number] = value
    return found


def table_text(points: list[Point], throughput: float) -> str:
    """Return a curve for people."""
    heading = (
        f"{'offered':>8} {'accepted':>9} {'latency':>9} {'network':>9} {'p95':>7} {'max':>7}"
        f" {'hops':>6}  (flits per terminal and cycle; cycles)"
    )
    lines = [heading]
    for point in points:
        text = f"{point.offered:8.3f} {point.accepted:9.4f}"
        if point.stable:
            text += (
                f" {point.latency_cycles:9.2f} {point.network_latency_cycles:9.2f}"
                f" {point.p95_latency_cycles:7.0f} {point.max_latency_cycles:7d}"
            )
        else:
            text += f" {'saturated':>9} {'':>9} {'':>7} {'':>7}"
        lines.append(f"{text} {point.mean_hops:6.2f}")
    lines.append(f"throughput at full load: {throughput:.4f} flits per terminal and cycle")
    return "\n".join(lines)
